//! How far a run is, for whoever shows it.

use std::sync::atomic::{AtomicU64, Ordering};

/// Counts that grow while a run goes on.
#[derive(Debug, Default)]
pub struct Progress {
    committed: AtomicU64,
}

impl Progress {
    pub(crate) fn committed(&self, lines: u64) {
        self.committed.fetch_add(lines, Ordering::Relaxed);
    }

    /// Source lines that are in the lake.
    #[must_use]
    pub fn lines(&self) -> u64 {
        self.committed.load(Ordering::Relaxed)
    }
}
