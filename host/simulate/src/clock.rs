//! When things happen.

use rand::RngExt;
use rand::rngs::Xoshiro256PlusPlus;

use crate::business::HOURS;

pub(crate) const MICROS_PER_HOUR: i64 = 3_600_000_000;
pub(crate) const MICROS_PER_DAY: i64 = 24 * MICROS_PER_HOUR;
const DAYS: i64 = 7;

/// The last days before a moment, with quiet and busy hours.
#[derive(Debug)]
pub(crate) struct Clock {
    /// Unix time in microseconds of the newest event.
    pub(crate) now: i64,
    /// Cumulative weights of hours.
    hours: Vec<u32>,
}

impl Clock {
    pub(crate) fn new(now: i64) -> Self {
        let hours = HOURS
            .iter()
            .scan(0, |total, weight| {
                *total += weight;
                Some(*total)
            })
            .collect();
        Self { now, hours }
    }

    /// A time in the last seven days, by the hour's weight; never after `now`.
    pub(crate) fn time(&self, random: &mut Xoshiro256PlusPlus) -> i64 {
        let day = self.now.div_euclid(MICROS_PER_DAY) - random.random_range(0..DAYS);
        let total = self.hours.last().copied().unwrap_or(1);
        let at = random.random_range(0..total);
        let hour = self.hours.iter().position(|upto| at < *upto).unwrap_or(0);
        let micros = day * MICROS_PER_DAY
            + i64::try_from(hour).unwrap_or(0) * MICROS_PER_HOUR
            + random.random_range(0..3_600_000_i64) * 1000;
        if micros > self.now {
            micros - DAYS * MICROS_PER_DAY
        } else {
            micros
        }
    }
}
