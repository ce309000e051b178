//! Random numbers that depend on nothing but the seed and the number of an event.

use rand::rngs::Xoshiro256PlusPlus;
use rand::{RngExt, SeedableRng};

use crate::Dirt;

/// One in so many events is dirty.
const DIRTY_ONE_IN: u32 = 100;

/// The random numbers of event `index`.
pub(crate) fn of_event(seed: u64, index: u64) -> Xoshiro256PlusPlus {
    Xoshiro256PlusPlus::seed_from_u64(mix(seed ^ mix(index)))
}

/// Whether an event is dirty, and in which of these ways.
pub(crate) fn dirt(kinds: &[Dirt], random: &mut Xoshiro256PlusPlus) -> Option<Dirt> {
    (random.random_range(0..DIRTY_ONE_IN) == 0)
        .then(|| kinds.get(random.random_range(0..kinds.len())).copied())
        .flatten()
}

pub(crate) fn one_of<'a>(words: &[&'a str], choice: u64) -> &'a str {
    let count = u64::try_from(words.len()).unwrap_or(1).max(1);
    usize::try_from(choice % count)
        .ok()
        .and_then(|index| words.get(index))
        .copied()
        .unwrap_or_default()
}

pub(crate) fn cumulate(weights: impl Iterator<Item = f64>) -> Vec<f64> {
    weights
        .scan(0.0, |total, weight| {
            *total += weight;
            Some(*total)
        })
        .collect()
}

/// Index of the first cumulative weight above `unit` times their sum.
pub(crate) fn pick(cumulative: &[f64], unit: f64) -> u64 {
    let target = unit * cumulative.last().copied().unwrap_or(0.0);
    let index = cumulative
        .partition_point(|upto| *upto <= target)
        .min(cumulative.len().saturating_sub(1));
    u64::try_from(index).unwrap_or(0)
}

pub(crate) fn weighted(shares: &[u32], choice: u64) -> usize {
    let total = u64::from(shares.iter().sum::<u32>()).max(1);
    let mut left = choice % total;
    shares
        .iter()
        .position(|share| {
            let here = left < u64::from(*share);
            left = left.saturating_sub(u64::from(*share));
            here
        })
        .unwrap_or(0)
}

/// SplitMix64's finaliser: <https://prng.di.unimi.it/splitmix64.c>.
pub(crate) fn mix(value: u64) -> u64 {
    let value = value.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}
