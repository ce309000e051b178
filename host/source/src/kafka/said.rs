//! What librdkafka says, but not the same twenty times a second: it does so for as long as no broker answers.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use rdkafka::error::KafkaError;

const AGAIN: Duration = Duration::from_secs(30);

/// Errors that were told lately.
#[derive(Default)]
pub(super) struct Said(Mutex<Vec<(String, Instant)>>);

impl Said {
    pub(super) fn tell(&self, error: &KafkaError, reason: &str) {
        if self.is_new(&error.to_string(), Instant::now()) {
            tracing::warn!(%error, reason, "librdkafka says.");
        }
    }

    fn is_new(&self, error: &str, now: Instant) -> bool {
        let mut lately = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        lately.retain(|(_, at)| now.duration_since(*at) < AGAIN);
        let is_new = lately.iter().all(|(told, _)| told != error);
        if is_new {
            lately.push((error.to_owned(), now));
        }
        is_new
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_is_told_again_only_after_a_while() {
        let (said, begun) = (Said::default(), Instant::now());
        assert!(said.is_new("no broker", begun));
        assert!(!said.is_new("no broker", begun + AGAIN / 2));
        assert!(said.is_new("another", begun + AGAIN / 2));
        assert!(said.is_new("no broker", begun + AGAIN));
    }
}
