//! Begins jobs at their times.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt as _;
use futures::future::{BoxFuture, Shared};
use tokio::sync::{Mutex, oneshot};
use tokio::task::JoinSet;

use super::config::JobConfig;
use super::cursors::{Claim, Cursors};
use super::source::{SourceRun, Sources};
use crate::gold::Goldsmith;
use crate::jobs::Job;
use crate::report::ProductReport;
use crate::runs::{Begun, Ending, JobKind, RunState, Trigger};

/// The longest sleep: a clock may be set meanwhile.
const LOOK: Duration = Duration::from_secs(20);
/// The pause before the lake is asked again where schedules stand.
const LAKE: Duration = Duration::from_secs(30);
const MICROS: i64 = 1_000_000;

/// A job with a schedule.
pub(crate) struct Timed {
    pub(crate) job: String,
    kind: JobKind,
    config: JobConfig,
    reads: Vec<String>,
}

impl Timed {
    pub(crate) fn new(job: &Job, config: JobConfig) -> Self {
        Self {
            job: job.job.clone(),
            kind: job.kind,
            reads: job.reads.clone(),
            config,
        }
    }
}

/// Begins jobs at their times, each after the jobs that it reads and that are under way.
pub(crate) struct Clock {
    sources: Sources,
    gold: Arc<Goldsmith>,
    /// Each after what it reads.
    jobs: Vec<Timed>,
    done: Arc<Mutex<ScheduleReport>>,
}

/// What came of the scheduled runs.
#[derive(Default)]
pub(crate) struct ScheduleReport {
    pub(crate) products: Vec<ProductReport>,
    /// By job; what succeeded later is not in it.
    pub(crate) failures: BTreeMap<String, String>,
}

/// Over when a run has ended.
type Over = Shared<BoxFuture<'static, ()>>;

/// A time that has come.
struct Due {
    /// In seconds since 1970 UTC.
    time: i64,
    trigger: Trigger,
}

impl Clock {
    pub(crate) fn new(sources: Sources, gold: Arc<Goldsmith>, jobs: Vec<Timed>) -> Self {
        Self {
            sources,
            gold,
            jobs,
            done: Arc::default(),
        }
    }

    /// Goes on until the run is to stop, and the runs that were begun have ended.
    pub(crate) async fn keep(self) -> ScheduleReport {
        if self.jobs.is_empty() {
            return ScheduleReport::default();
        }
        let mut running = JoinSet::new();
        let mut under_way: BTreeMap<String, Over> = BTreeMap::new();
        let cursors = Cursors::new(self.sources.mesh.lake().clone());
        if let Some(mut had) = self.begin_with(&cursors).await {
            let again = self.sources.history.again();
            let mut cut_off: BTreeMap<String, i64> = again
                .into_iter()
                .map(|again| (again.job, again.scheduled / MICROS))
                .collect();
            while !self.sources.stop.is_asked() {
                let now = chrono::Utc::now().timestamp();
                for job in &self.jobs {
                    if self.sources.stop.is_asked() {
                        break;
                    }
                    let had = had.entry(job.job.clone()).or_insert(now);
                    let Some(due) = due(job, *had, now, cut_off.remove(&job.job)) else {
                        continue;
                    };
                    if due.time > *had {
                        match cursors.claim(&job.job, Some(*had), due.time).await {
                            Ok(Claim::Ours) => *had = due.time,
                            Ok(Claim::Anothers(time)) => {
                                tracing::debug!(job = job.job, "Another host runs it this time.");
                                *had = time;
                                continue;
                            }
                            // Two hosts that run it both do no harm, and one that waits for the lake may wait for long.
                            Err(error) => {
                                tracing::warn!(job = job.job, %error, "The lake does not say whether another host runs it: it is run.");
                                *had = due.time;
                            }
                        }
                    }
                    self.begin(job, &due, &mut under_way, &mut running);
                }
                while running.try_join_next().is_some() {}
                self.sleep(now, &had).await;
            }
        }
        while running.join_next().await.is_some() {}
        std::mem::take(&mut *self.done.lock().await)
    }

    /// Where the schedules stand. `None`: the run is to stop.
    async fn begin_with(&self, cursors: &Cursors) -> Option<BTreeMap<String, i64>> {
        let jobs: Vec<&str> = self.jobs.iter().map(|job| job.job.as_str()).collect();
        loop {
            match cursors.read(&jobs, chrono::Utc::now().timestamp()).await {
                Ok(had) => return Some(had),
                Err(error) => {
                    tracing::error!(%error, "The lake does not say where the schedules stand: nothing is begun until it does.");
                }
            }
            tokio::select! {
                () = tokio::time::sleep(LAKE) => {}
                () = self.sources.stop.asked() => return None,
            }
        }
    }

    async fn sleep(&self, now: i64, had: &BTreeMap<String, i64>) {
        let next = self.jobs.iter().filter_map(|job| {
            let had = had.get(&job.job).copied().unwrap_or(now);
            job.config.next(had.max(now))
        });
        let wait = next.min().and_then(|next| {
            u64::try_from(next.saturating_mul(1000) - chrono::Utc::now().timestamp_millis()).ok()
        });
        let wait = wait
            .map_or(Duration::from_millis(10), Duration::from_millis)
            .min(LOOK);
        tokio::select! {
            () = tokio::time::sleep(wait) => {}
            () = self.sources.stop.asked() => {}
        }
    }

    fn begin(
        &self,
        job: &Timed,
        due: &Due,
        under_way: &mut BTreeMap<String, Over>,
        running: &mut JoinSet<()>,
    ) {
        let history = &self.sources.history;
        let scheduled = Some(due.time.saturating_mul(MICROS));
        under_way.retain(|_, over| over.clone().now_or_never().is_none());
        if under_way.contains_key(&job.job) {
            let why = "its run before still goes on";
            tracing::warn!(job = job.job, "A run is left out: {why}.");
            history.skipped(&job.job, job.kind, due.trigger, scheduled, why);
            return;
        }
        let begun = history.begin(&job.job, job.kind, due.trigger, scheduled);
        let reads: Vec<Over> = job
            .reads
            .iter()
            .filter_map(|read| under_way.get(read).cloned())
            .collect();
        let (end, ended) = oneshot::channel::<()>();
        under_way.insert(job.job.clone(), ended.map(drop).boxed().shared());
        let run = OneRun {
            sources: self.sources.clone(),
            gold: Arc::clone(&self.gold),
            kind: job.kind,
            job: job.job.clone(),
            config: job.config.clone(),
            done: Arc::clone(&self.done),
        };
        tracing::info!(job = job.job, trigger = due.trigger.as_str(), "A run begins.");
        running.spawn(async move {
            run.run(reads, begun).await;
            drop(end);
        });
    }
}

/// What is due of a job that has had the times until `had`.
fn due(job: &Timed, had: i64, now: i64, cut_off: Option<i64>) -> Option<Due> {
    let missed = job.config.last(now).filter(|last| *last > had);
    match (missed, cut_off) {
        (Some(time), None) => {
            // The very time that came, or the last of several, or one of long ago.
            let is_late = job.config.next(had) != Some(time) || now.saturating_sub(time) > LATE;
            Some(Due {
                time,
                trigger: if is_late {
                    Trigger::CatchUp
                } else {
                    Trigger::Schedule
                },
            })
        }
        (Some(time), Some(_)) | (None, Some(time)) => Some(Due {
            time,
            trigger: Trigger::CatchUp,
        }),
        (None, None) => None,
    }
}

/// A host that looks so many seconds after a time was not there when it came.
const LATE: i64 = 60;

struct OneRun {
    sources: Sources,
    gold: Arc<Goldsmith>,
    kind: JobKind,
    job: String,
    config: JobConfig,
    done: Arc<Mutex<ScheduleReport>>,
}

impl OneRun {
    async fn run(self, reads: Vec<Over>, begun: Begun) {
        let stop = self.sources.stop.clone();
        tokio::select! {
            _ = futures::future::join_all(reads) => {}
            () = stop.asked() => {
                begun.ends(Ending::new(RunState::Aborted, 0).with_error("the host was told to stop"));
                return;
            }
        }
        let name = self.job.split_once('.').unwrap_or_default();
        let (products, failure) = match self.kind {
            JobKind::Source => {
                let SourceRun { finished, .. } =
                    self.sources.clone().scheduled(name, self.config, begun).await;
                // Stopped by the host is no failure of the job.
                let failure = finished.failure.filter(|_| !stop.is_asked());
                (finished.products, failure)
            }
            JobKind::Product => {
                let made = self.gold.scheduled(name, &self.config, begun).await;
                (made.report.into_iter().collect(), made.failure)
            }
        };
        let mut done = self.done.lock().await;
        for product in products {
            match done
                .products
                .iter_mut()
                .find(|known| known.product == product.product)
            {
                Some(known) => known.and_again(&product),
                None => done.products.push(product),
            }
        }
        match failure {
            Some(error) => done.failures.insert(self.job, error),
            None => done.failures.remove(&self.job),
        };
    }
}

#[cfg(test)]
mod tests {
    use chrono::{DateTime, Utc};

    use super::*;

    fn second(text: &str) -> i64 {
        text.parse::<DateTime<Utc>>().unwrap().timestamp()
    }

    #[test]
    fn what_was_missed_is_run_once_and_what_was_cut_off_again() {
        let job = Timed {
            job: "d.j".to_owned(),
            kind: JobKind::Source,
            config: toml::from_str("cron = \"0 3 * * *\"").unwrap(),
            reads: Vec::new(),
        };
        let told = |had: &str, now: &str, cut_off: Option<&str>| {
            due(&job, second(had), second(now), cut_off.map(second)).map(|due| {
                let time = DateTime::from_timestamp(due.time, 0).unwrap();
                format!("{} {}", time.format("%dT%H"), due.trigger.as_str())
            })
        };
        let yesterday = "2026-11-20T03:00:00Z";
        assert_eq!(told(yesterday, "2026-11-21T02:59:59Z", None), None);
        assert_eq!(
            told(yesterday, "2026-11-21T03:00:00Z", None).as_deref(),
            Some("21T03 schedule")
        );
        assert_eq!(
            told(yesterday, "2026-11-21T09:00:00Z", None).as_deref(),
            Some("21T03 catch_up")
        );
        assert_eq!(
            told(yesterday, "2026-11-25T03:00:00Z", None).as_deref(),
            Some("25T03 catch_up"),
            "once for all that was missed"
        );
        assert_eq!(
            told(yesterday, "2026-11-20T05:00:00Z", Some(yesterday)).as_deref(),
            Some("20T03 catch_up")
        );
        assert_eq!(
            told(yesterday, "2026-11-21T05:00:00Z", Some(yesterday)).as_deref(),
            Some("21T03 catch_up")
        );
    }
}
