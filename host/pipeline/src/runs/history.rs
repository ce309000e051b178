//! Tells of runs: first on the local disk, then in the lake.

use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use malla_lake::{Advance, Commit, Lake, LakeError, Table};
use tokio::sync::Notify;
use uuid::Uuid;

use super::spool::{Again, Spool};
use super::table::{counter, rows};
use super::{Ending, JobKind, Run, RunState, Trigger, spec};
use crate::lineage::history_info;
use crate::metrics::RunMetrics;
use crate::run::Stop;

/// Rows wait this long for others, so that many are one commit.
const GATHER: Duration = Duration::from_secs(60);
const LONGEST_PAUSE: Duration = Duration::from_secs(600);
/// How long the end of a run waits for the lake. What it does not take then, it is offered at the next start.
const LAST: Duration = Duration::from_secs(20);

/// What this process tells of its runs.
pub(crate) struct History {
    spools: Mutex<Vec<Spool>>,
    lake: Lake,
    host: String,
    /// The name of the state folder among all hosts.
    state_host: String,
    metrics: RunMetrics,
    ended: Notify,
}

/// What commits say of the run that they are a part of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RunMark {
    pub(crate) id: Uuid,
    /// The time of its schedule, in microseconds since 1970 UTC.
    pub(crate) scheduled: Option<i64>,
}

/// A run that goes on.
pub(crate) struct Begun {
    history: Arc<History>,
    mark: RunMark,
    over: bool,
}

impl History {
    /// Takes up what processes before left behind.
    pub(crate) fn open(
        state: &Path,
        lake: Lake,
        metrics: RunMetrics,
        state_host: &str,
    ) -> io::Result<Arc<Self>> {
        let mut spools = Spool::take(state)?;
        // Whoever begins the next run of a job looks in one place only.
        let again: Vec<Again> = spools.iter_mut().skip(1).flat_map(Spool::take_again).collect();
        if let Some(first) = spools.first_mut()
            && !again.is_empty()
        {
            first.put_again(again)?;
        }
        let history = Self {
            spools: Mutex::new(spools),
            lake,
            host: whoami::hostname().unwrap_or_else(|_| "unknown".to_owned()),
            state_host: state_host.to_owned(),
            metrics,
            ended: Notify::new(),
        };
        history.count();
        Ok(Arc::new(history))
    }

    pub(crate) fn begin(
        self: &Arc<Self>,
        job: &str,
        kind: JobKind,
        trigger: Trigger,
        scheduled: Option<i64>,
    ) -> Begun {
        let run = self.run(job, kind, trigger, scheduled);
        let mark = RunMark {
            id: run.run_id,
            scheduled,
        };
        self.keep(|spool| spool.begin(run));
        Begun {
            history: Arc::clone(self),
            mark,
            over: false,
        }
    }

    /// A run that was not begun.
    pub(crate) fn skipped(
        &self,
        job: &str,
        kind: JobKind,
        trigger: Trigger,
        scheduled: Option<i64>,
        why: &str,
    ) {
        let mut run = self.run(job, kind, trigger, scheduled);
        let ended = run.started;
        run.end(Ending::new(RunState::Skipped, 0).with_error(why), Some(ended));
        self.metrics.ended(&run);
        self.keep(|spool| spool.end(run));
        self.count();
        self.ended.notify_one();
    }

    /// Times of schedules whose runs were cut off.
    pub(crate) fn again(&self) -> Vec<Again> {
        let spools = self.lock();
        spools
            .first()
            .map_or_else(Vec::new, |spool| spool.again().to_vec())
    }

    fn run(&self, job: &str, kind: JobKind, trigger: Trigger, scheduled: Option<i64>) -> Run {
        Run::begun(job, kind, trigger, scheduled, (now(), &self.host))
    }

    /// Puts what ended into the lake, until a run is to stop. Once more then.
    pub(crate) async fn keep_writing(self: Arc<Self>, stop: Stop) {
        let mut pause = GATHER;
        while !stop.is_asked() {
            let wait = async {
                if !self.is_waiting() {
                    self.ended.notified().await;
                }
                tokio::time::sleep(pause).await;
            };
            tokio::select! {
                () = wait => {}
                () = stop.asked() => break,
            }
            pause = match self.write().await {
                Ok(()) => GATHER,
                Err(_) => (pause * 2).min(LONGEST_PAUSE),
            };
        }
    }

    /// Before the process ends.
    pub(crate) async fn write_last(&self) {
        if tokio::time::timeout(LAST, self.write()).await.is_err() {
            self.metrics.not_written();
            tracing::warn!(
                "The lake is too slow to take the history of runs: it is offered again at the next start."
            );
        }
    }

    async fn write(&self) -> Result<(), LakeError> {
        let written = self.try_write().await;
        self.count();
        written.inspect_err(|error| {
            self.metrics.not_written();
            tracing::error!(%error, "The history of runs was not written to the lake: it is tried again.");
        })
    }

    /// One commit for each slot with rows, nearly always one.
    async fn try_write(&self) -> Result<(), LakeError> {
        let slots: Vec<(usize, Uuid)> = {
            let spools = self.lock();
            let waiting = spools.iter().enumerate();
            waiting
                .filter(|(_, spool)| !spool.waiting().0.is_empty())
                .map(|(place, spool)| (place, spool.id()))
                .collect()
        };
        if slots.is_empty() {
            return Ok(());
        }
        let table = self.lake.table(spec()?).await?;
        for (place, id) in slots {
            self.write_slot(&table, place, &counter(id)).await?;
        }
        Ok(())
    }

    async fn write_slot(&self, table: &Table, place: usize, counter: &str) -> Result<(), LakeError> {
        let found = table.offset(counter).await?;
        let (runs, to) = match self.lock().get_mut(place) {
            Some(spool) => {
                spool
                    .reconcile(found.unwrap_or(0))
                    .unwrap_or_else(|error| told(&error));
                let (runs, to) = spool.waiting();
                (runs.to_vec(), to)
            }
            None => return Ok(()),
        };
        if runs.is_empty() {
            return Ok(());
        }
        let spec = spec()?;
        let batch = rows(&spec, &runs).map_err(|error| LakeError::Commit {
            table: spec.id.clone(),
            reason: error.to_string(),
        })?;
        let commit = Commit {
            batches: vec![batch],
            advances: vec![Advance {
                app_id: counter.to_owned(),
                from: found,
                to,
            }],
            replaces: None,
            info: history_info(&self.state_host, &runs),
        };
        table.commit(commit).await?;
        self.landed(place, to);
        Ok(())
    }

    fn landed(&self, place: usize, number: i64) {
        if let Some(spool) = self.lock().get_mut(place)
            && let Err(error) = spool.landed(number)
        {
            told(&error);
        }
    }

    fn keep(&self, change: impl FnOnce(&mut Spool) -> io::Result<()>) {
        if let Some(spool) = self.lock().first_mut()
            && let Err(error) = change(spool)
        {
            told(&error);
        }
    }

    fn is_waiting(&self) -> bool {
        self.lock().iter().any(|spool| !spool.waiting().0.is_empty())
    }

    fn count(&self) {
        let waiting = self.lock().iter().map(|spool| spool.waiting().0.len()).sum();
        self.metrics.waiting(waiting);
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Spool>> {
        self.spools.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Begun {
    pub(crate) fn mark(&self) -> RunMark {
        self.mark
    }

    pub(crate) fn ends(mut self, ending: Ending) {
        self.end(ending);
    }

    fn end(&mut self, ending: Ending) {
        self.over = true;
        let known = self
            .history
            .lock()
            .first()
            .and_then(|spool| spool.open_run(self.mark.id).cloned());
        let Some(mut run) = known else {
            return;
        };
        run.end(ending, Some(now()));
        self.history.metrics.ended(&run);
        self.history.keep(|spool| spool.end(run));
        self.history.count();
        self.history.ended.notify_one();
    }
}

impl Drop for Begun {
    fn drop(&mut self) {
        if !self.over {
            self.end(
                Ending::new(RunState::Failed, 1)
                    .with_error("it panicked: this is an error in malla, please report it"),
            );
        }
    }
}

fn told(error: &io::Error) {
    tracing::error!(%error, "What is to be told of runs cannot be kept in the state folder: a crash would lose it.");
}

/// In microseconds since 1970 UTC.
fn now() -> i64 {
    chrono::Utc::now().timestamp_micros()
}

#[cfg(test)]
mod tests {
    use malla_lake::WriterConfig;

    use super::*;

    fn open(dir: &Path, metrics: &RunMetrics) -> Arc<History> {
        let lake = Lake::open(dir.join("lake").to_str().unwrap(), WriterConfig::default()).unwrap();
        History::open(&dir.join("state"), lake, metrics.clone(), "h").unwrap()
    }

    async fn version(history: &History) -> u64 {
        let table = history.lake.table(spec().unwrap()).await.unwrap();
        table.provider().await.unwrap().1
    }

    fn end_one(history: &Arc<History>) {
        let run = history.begin("ventas.transacciones", JobKind::Source, Trigger::Once, None);
        run.ends(Ending::new(RunState::Succeeded, 1));
    }

    #[tokio::test]
    async fn rows_are_written_together_and_once_though_the_process_was_killed_after_the_commit() {
        let dir = tempfile::tempdir().unwrap();
        let metrics = RunMetrics::new().unwrap();
        let history = open(dir.path(), &metrics);
        end_one(&history);
        end_one(&history);
        let spool = dir.path().join("state/runs/0/spool.json");
        let before = std::fs::read(&spool).unwrap();
        history.write().await.unwrap();
        let written = version(&history).await;
        history.write().await.unwrap();
        assert_eq!(
            version(&history).await,
            written,
            "nothing waits, nothing is written"
        );
        drop(history);

        // As if the process had been killed between the commit and its note of it.
        std::fs::write(&spool, before).unwrap();
        let history = open(dir.path(), &metrics);
        assert!(history.is_waiting());
        history.write().await.unwrap();
        assert!(!history.is_waiting());
        assert_eq!(version(&history).await, written);
        end_one(&history);
        history.write().await.unwrap();
        assert_eq!(version(&history).await, written + 1);
    }

    #[tokio::test]
    async fn a_lake_that_takes_nothing_costs_no_row_and_fails_no_run() {
        let dir = tempfile::tempdir().unwrap();
        let metrics = RunMetrics::new().unwrap();
        let history = open(dir.path(), &metrics);
        let place = dir.path().join("lake/malla/curated");
        std::fs::create_dir_all(dir.path().join("lake/malla")).unwrap();
        std::fs::write(&place, "a file where a folder should be").unwrap();
        end_one(&history);
        history.write().await.unwrap_err();
        assert!(history.is_waiting());
        std::fs::remove_file(&place).unwrap();
        history.write().await.unwrap();
        assert!(!history.is_waiting());
    }

    #[test]
    fn a_run_that_nobody_ends_is_told_of_as_failed() {
        let dir = tempfile::tempdir().unwrap();
        let history = open(dir.path(), &RunMetrics::new().unwrap());
        drop(history.begin("a.b", JobKind::Product, Trigger::Upstream, None));
        let runs = super::super::spool::unwritten(&dir.path().join("state")).unwrap();
        assert_eq!((runs.len(), runs[0].state), (1, RunState::Failed));
    }
}
