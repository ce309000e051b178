//! Memory of a query that may put rows aside.
//!
//! The engine's own pools give all memory to whoever asks first. One sort then holds what the next needs to begin, or what it
//! needs itself to put its pieces together, and the query fails beside an empty disk. Here, whoever can put rows aside gets a
//! share, and together they get no more than a part.

use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};

use datafusion::error::{DataFusionError, Result};
use datafusion::execution::memory_pool::{MemoryConsumer, MemoryLimit, MemoryPool, MemoryReservation};

/// Operators of a query that put rows aside at the same time, at least as the shares are reckoned.
const SHARES: usize = 4;

#[derive(Debug)]
pub(crate) struct SharedPool {
    size: usize,
    used: AtomicUsize,
    /// Operators that can put rows aside.
    spilling: AtomicUsize,
}

impl SharedPool {
    pub(crate) fn new(size: usize) -> Self {
        Self {
            size,
            used: AtomicUsize::new(0),
            spilling: AtomicUsize::new(0),
        }
    }

    /// Three fifths for those who can put rows aside, by equal shares.
    fn share(&self) -> usize {
        let among = self.spilling.load(Ordering::Relaxed).max(SHARES);
        (self.size / 5 * 3).checked_div(among).unwrap_or(0)
    }
}

impl MemoryPool for SharedPool {
    fn name(&self) -> &'static str {
        "shared"
    }

    fn register(&self, consumer: &MemoryConsumer) {
        if consumer.can_spill() {
            self.spilling.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn unregister(&self, consumer: &MemoryConsumer) {
        if consumer.can_spill() {
            self.spilling.fetch_sub(1, Ordering::Relaxed);
        }
    }

    fn grow(&self, _reservation: &MemoryReservation, additional: usize) {
        self.used.fetch_add(additional, Ordering::Relaxed);
    }

    fn shrink(&self, _reservation: &MemoryReservation, shrink: usize) {
        self.used.fetch_sub(shrink, Ordering::Relaxed);
    }

    fn try_grow(&self, reservation: &MemoryReservation, additional: usize) -> Result<()> {
        let refused = || {
            let name = reservation.consumer().name();
            DataFusionError::ResourcesExhausted(format!("{name} needs {additional} bytes more"))
        };
        if reservation.consumer().can_spill() && reservation.size().saturating_add(additional) > self.share()
        {
            return Err(refused());
        }
        let more = |used: usize| used.checked_add(additional).filter(|used| *used <= self.size);
        let grown = self.used.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more);
        grown.map(drop).map_err(|_| refused())
    }

    fn reserved(&self) -> usize {
        self.used.load(Ordering::Relaxed)
    }

    fn memory_limit(&self) -> MemoryLimit {
        MemoryLimit::Finite(self.size)
    }
}

impl fmt::Display for SharedPool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "shared({} bytes)", self.size)
    }
}
