//! Waiting between tries.

use std::time::Duration;

use rand::RngExt;

const FIRST: Duration = Duration::from_millis(20);
const LONGEST: Duration = Duration::from_secs(2);

/// Counts tries; the waits between them double, and each is anything from half of that to all of it, so that two
/// hosts that met once do not meet again.
#[derive(Debug)]
pub(crate) struct Backoff {
    tries: u32,
    most: u32,
}

impl Backoff {
    /// The first try is already under way.
    pub(crate) fn new(most: u32) -> Self {
        Self { tries: 1, most }
    }

    /// Waits before the next try. False: there is no next try.
    pub(crate) async fn wait(&mut self) -> bool {
        if self.tries >= self.most {
            return false;
        }
        let longest = FIRST.saturating_mul(1 << self.tries.min(16)).min(LONGEST);
        // Drawn before the wait: the generator belongs to this thread, the future to any.
        let share = rand::rng().random_range(0.5..1.0);
        tokio::time::sleep(longest.mul_f64(share)).await;
        self.tries += 1;
        true
    }

    pub(crate) fn tries(&self) -> u32 {
        self.tries
    }
}
