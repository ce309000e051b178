//! Runs that are not in the lake yet, on the local disk: `state/runs/<slot>/spool.json`.
//!
//! A slot is one process's for as long as that lives, and is taken up by the next. What a process left behind is found there:
//! runs that ended and are to be put into the lake, and runs that nobody ended.

use std::fs::{File, TryLockError};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use malla_policy::Policy;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::table::is_shown_whole;
use super::{Ending, Run, RunState};

/// Rows that wait for the lake at most. Beyond, the oldest are given up, and it is said.
const MOST: usize = 10_000;

/// Slots that are looked for.
const SLOTS: u32 = 256;

/// What a process knows of its runs.
#[derive(Debug)]
pub(crate) struct Spool {
    path: PathBuf,
    kept: Kept,
    _lock: File,
}

#[derive(Debug, Serialize, Deserialize)]
struct Kept {
    /// The slot's name in the table's log.
    id: Uuid,
    /// Ended runs so far: the number of the last.
    count: i64,
    open: Vec<Run>,
    /// The last of them is number `count`.
    ended: Vec<Run>,
    /// Runs of a schedule that were cut off.
    again: Vec<Again>,
}

/// A time of a schedule whose run was cut off.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Again {
    pub(crate) job: String,
    /// In microseconds since 1970 UTC.
    pub(crate) scheduled: i64,
}

impl Spool {
    /// Takes every slot that no process has, one at least. The first is for new runs.
    pub(super) fn take(state: &Path) -> io::Result<Vec<Self>> {
        let mut taken = Vec::new();
        for slot in 0..SLOTS {
            let folder = state.join("runs").join(slot.to_string());
            if !taken.is_empty() && !folder.exists() {
                break;
            }
            std::fs::create_dir_all(&folder)?;
            let lock = File::create(folder.join("lock"))?;
            match lock.try_lock() {
                Ok(()) => taken.push(Self::open(folder.join("spool.json"), lock)?),
                Err(TryLockError::WouldBlock) => {}
                Err(TryLockError::Error(error)) => return Err(error),
            }
        }
        if taken.is_empty() {
            return Err(io::Error::other(format!("{SLOTS} processes use it already")));
        }
        Ok(taken)
    }

    fn open(path: PathBuf, lock: File) -> io::Result<Self> {
        let mut kept = read(&path)?;
        for mut run in std::mem::take(&mut kept.open) {
            let ending = Ending::new(RunState::Lost, run.attempts)
                .with_error("the host was killed, or its machine stopped; found at the next start");
            run.end(ending, None);
            kept.ended(run);
        }
        let mut spool = Self {
            path,
            kept,
            _lock: lock,
        };
        spool.write()?;
        Ok(spool)
    }

    pub(super) fn begin(&mut self, run: Run) -> io::Result<()> {
        self.kept.again.retain(|again| again.job != run.job);
        self.kept.open.push(run);
        self.write()
    }

    /// A run that was begun here, or one that never was.
    pub(super) fn end(&mut self, run: Run) -> io::Result<()> {
        self.kept.open.retain(|open| open.run_id != run.run_id);
        self.kept.ended(run);
        self.write()
    }

    pub(super) fn open_run(&self, id: Uuid) -> Option<&Run> {
        self.kept.open.iter().find(|run| run.run_id == id)
    }

    pub(super) fn id(&self) -> Uuid {
        self.kept.id
    }

    /// The rows that wait, and the number of the last.
    pub(super) fn waiting(&self) -> (&[Run], i64) {
        (&self.kept.ended, self.kept.count)
    }

    /// The lake has every row up to this number.
    pub(super) fn landed(&mut self, number: i64) -> io::Result<()> {
        let left = usize::try_from(self.kept.count.saturating_sub(number)).unwrap_or(0);
        let done = self.kept.ended.len().saturating_sub(left);
        if done == 0 {
            return Ok(());
        }
        self.kept.ended.drain(..done);
        self.write()
    }

    /// The lake says how many rows it has: a commit may have landed just when the process before was killed.
    pub(super) fn reconcile(&mut self, found: i64) -> io::Result<()> {
        if found <= self.kept.count {
            return self.landed(found);
        }
        // A disk that was restored counts from an earlier number. What waits there is new all the same.
        self.kept.count = found.saturating_add(i64::try_from(self.kept.ended.len()).unwrap_or(0));
        self.write()
    }

    pub(super) fn take_again(&mut self) -> Vec<Again> {
        std::mem::take(&mut self.kept.again)
    }

    pub(super) fn put_again(&mut self, again: Vec<Again>) -> io::Result<()> {
        self.kept.again.extend(again);
        self.write()
    }

    pub(super) fn again(&self) -> &[Again] {
        &self.kept.again
    }

    fn write(&mut self) -> io::Result<()> {
        let half = self.path.with_extension("tmp");
        let mut file = File::create(&half)?;
        file.write_all(&serde_json::to_vec(&self.kept)?)?;
        file.sync_all()?;
        std::fs::rename(half, &self.path)
    }
}

impl Kept {
    fn ended(&mut self, run: Run) {
        if run.trigger.is_of_schedule()
            && matches!(run.state, RunState::Aborted | RunState::Lost)
            && let Some(scheduled) = run.scheduled
        {
            self.again.push(Again {
                job: run.job.clone(),
                scheduled,
            });
        }
        self.count += 1;
        self.ended.push(run);
        if self.ended.len() > MOST {
            tracing::error!("The lake takes no history of runs: the oldest that waits is given up.");
            self.ended.remove(0);
        }
    }
}

fn read(path: &Path) -> io::Result<Kept> {
    let new = || Kept {
        id: Uuid::new_v4(),
        count: 0,
        open: Vec::new(),
        ended: Vec::new(),
        again: Vec::new(),
    };
    let bytes = match std::fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(new()),
        Err(error) => return Err(error),
    };
    Ok(serde_json::from_slice(&bytes).unwrap_or_else(|error| {
        // Data does not wait for the history.
        tracing::error!(path = %path.display(), %error, "What was to be told of runs is damaged, and given up.");
        new()
    }))
}

/// The runs of a state folder that the lake has no row of yet: those that go on, and those that just ended. None for who may
/// see only a part of the table that they come into.
///
/// # Errors
/// The folder cannot be read.
pub fn unwritten_for(state: &Path, policy: &Policy, principal: &str, purpose: &str) -> io::Result<Vec<Run>> {
    if is_shown_whole(policy, principal, purpose) {
        unwritten(state)
    } else {
        Ok(Vec::new())
    }
}

pub(super) fn unwritten(state: &Path) -> io::Result<Vec<Run>> {
    let mut runs = Vec::new();
    for slot in 0..SLOTS {
        let path = state.join("runs").join(slot.to_string()).join("spool.json");
        if !path.exists() {
            break;
        }
        let kept = read(&path)?;
        runs.extend(kept.open);
        runs.extend(kept.ended);
    }
    Ok(runs)
}

#[cfg(test)]
mod tests {
    use super::super::{JobKind, Trigger};
    use super::*;

    pub(crate) fn run(job: &str, trigger: Trigger) -> Run {
        let scheduled = trigger.is_of_schedule().then_some(1_000_000);
        Run::begun(job, JobKind::Source, trigger, scheduled, (1_000_000, "h"))
    }

    #[test]
    fn what_a_killed_process_left_open_is_lost_once_and_its_schedule_begun_again() {
        let dir = tempfile::tempdir().unwrap();
        let mut first = Spool::take(dir.path()).unwrap();
        let (scheduled, followed) = (run("a.b", Trigger::Schedule), run("a.c", Trigger::Continuous));
        first[0].begin(scheduled.clone()).unwrap();
        first[0].begin(followed).unwrap();
        // Another process meanwhile has a slot of its own.
        let second = Spool::take(dir.path()).unwrap();
        assert_eq!(second.len(), 1);
        assert_ne!(second[0].id(), first[0].id());
        assert_eq!(unwritten(dir.path()).unwrap().len(), 2);
        let id = first[0].id();
        drop((first, second));

        let mut next = Spool::take(dir.path()).unwrap();
        assert_eq!((next.len(), next[0].id()), (2, id));
        let (rows, count) = next[0].waiting();
        assert_eq!((rows.len(), count), (2, 2));
        assert!(
            rows.iter()
                .all(|run| run.state == RunState::Lost && run.ended.is_none())
        );
        assert_eq!(
            next[0].again(),
            [Again {
                job: "a.b".to_owned(),
                scheduled: 1_000_000
            }]
        );
        next[0].landed(1).unwrap();
        assert_eq!(next[0].waiting().0.len(), 1);
        drop(next);
        let mut last = Spool::take(dir.path()).unwrap();
        assert_eq!(last[0].waiting().0.len(), 1, "lost once");
        last[0].begin(run("a.b", Trigger::CatchUp)).unwrap();
        assert_eq!(last[0].again(), []);
    }

    #[test]
    fn a_damaged_spool_holds_up_nothing() {
        let dir = tempfile::tempdir().unwrap();
        drop(Spool::take(dir.path()).unwrap());
        std::fs::write(dir.path().join("runs/0/spool.json"), "{").unwrap();
        assert_eq!(Spool::take(dir.path()).unwrap()[0].waiting().0.len(), 0);
    }
}
