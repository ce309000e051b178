//! Places in the pool of instances: who finds none waits.

use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Instant;

/// A counting semaphore.
pub(crate) struct Places {
    free: Mutex<u32>,
    freed: Condvar,
}

/// A place in the pool; dropping it frees the place.
pub(crate) struct Place(Arc<Places>);

impl Places {
    pub(crate) fn new(count: u32) -> Arc<Self> {
        Arc::new(Self {
            free: Mutex::new(count),
            freed: Condvar::new(),
        })
    }

    /// Waits for a place.
    pub(crate) fn take(self: &Arc<Self>) -> Place {
        let mut free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            if let Some(rest) = free.checked_sub(1) {
                *free = rest;
                return Place(Arc::clone(self));
            }
            free = self.freed.wait(free).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Waits for a place until `deadline`.
    pub(crate) fn take_until(self: &Arc<Self>, deadline: Instant) -> Option<Place> {
        let mut free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            if let Some(rest) = free.checked_sub(1) {
                *free = rest;
                return Some(Place(Arc::clone(self)));
            }
            let left = deadline.checked_duration_since(Instant::now())?;
            free = self
                .freed
                .wait_timeout(free, left)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut free = self.0.free.lock().unwrap_or_else(PoisonError::into_inner);
        *free = free.saturating_add(1);
        self.0.freed.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;
    use std::thread;

    use super::*;

    #[test]
    fn who_finds_no_place_waits_for_one() {
        let places = Places::new(1);
        let place = places.take();
        assert!(places.take_until(Instant::now()).is_none());
        let (sender, receiver) = mpsc::channel();
        thread::scope(|scope| {
            let places = &places;
            scope.spawn(move || {
                let _place = places.take();
                sender.send(()).unwrap();
            });
            assert!(receiver.try_recv().is_err());
            drop(place);
            receiver.recv().unwrap();
        });
        assert!(places.take_until(Instant::now()).is_some());
    }
}
