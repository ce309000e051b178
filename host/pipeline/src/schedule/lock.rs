//! A job is run by one process of a state folder at a time.

use std::fs::{File, TryLockError};
use std::io;
use std::path::Path;
use std::time::Duration;

use crate::run::Stop;

const LOOK_AGAIN: Duration = Duration::from_millis(500);

/// Held for as long as a job runs. The operating system lets go of it when the process ends, however it ends.
#[derive(Debug)]
pub(crate) struct JobLock {
    _file: File,
}

impl JobLock {
    /// `None`: another run of the job holds it.
    pub(crate) fn try_take(state: &Path, job: &str) -> io::Result<Option<Self>> {
        let folder = state.join("runs").join("locks");
        std::fs::create_dir_all(&folder)?;
        let file = File::create(folder.join(job))?;
        match file.try_lock() {
            Ok(()) => Ok(Some(Self { _file: file })),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }

    /// Waits for it. `None`: the run is to stop.
    pub(crate) async fn take(state: &Path, job: &str, stop: &Stop) -> io::Result<Option<Self>> {
        let mut told = false;
        while !stop.is_asked() {
            if let Some(lock) = Self::try_take(state, job)? {
                return Ok(Some(lock));
            }
            if !told {
                tracing::warn!(job, "Another process of this state folder runs it: waits.");
                told = true;
            }
            tokio::select! {
                () = tokio::time::sleep(LOOK_AGAIN) => {}
                () = stop.asked() => {}
            }
        }
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_holds_it() {
        let dir = tempfile::tempdir().unwrap();
        let take = |job| JobLock::try_take(dir.path(), job).unwrap();
        let held = take("ventas.transacciones");
        assert!(held.is_some());
        assert!(take("ventas.transacciones").is_none());
        assert!(take("ventas.devoluciones").is_some());
        drop(held);
        assert!(take("ventas.transacciones").is_some());
    }
}
