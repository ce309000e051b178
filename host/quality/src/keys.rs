//! Which values occur more than once, in a batch and over batches.
//!
//! A value is known by a key of 128 bits: itself where it fits, else two independent keyed hashes. So no text is kept, and of
//! ten million texts any two have the same key with a probability below 10^-24.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::fmt;
use std::hash::BuildHasher;

use arrow_buffer::BooleanBuffer;
use foldhash::{fast, quality};

use crate::kernel::{Column, Values, texts};

/// What a value is known by.
type Key = [u64; 2];

/// Makes keys. Its clones make the same ones; another one does not.
#[derive(Clone, Default)]
pub(crate) struct Keys {
    one: quality::RandomState,
    other: quality::RandomState,
}

/// How often a value was seen.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Times {
    Once,
    More,
}

/// The values seen, by their keys, and how many rows have a value that another row has too.
#[derive(Clone)]
pub(crate) struct Seen {
    times: HashMap<Key, Times, fast::RandomState>,
    repeated: u64,
    /// Some values were not remembered, since there were too many: `repeated` is at least that.
    full: bool,
}

impl Keys {
    fn of_bytes(&self, bytes: &[u8]) -> Key {
        [self.one.hash_one(bytes), self.other.hash_one(bytes)]
    }

    fn joined(&self, key: Key, part: Key) -> Key {
        let both = [key, part];
        [self.one.hash_one(both), self.other.hash_one(both)]
    }

    /// The keys of a column's rows; of null rows any.
    fn of_column(&self, column: Column<'_>) -> Vec<Key> {
        let whole = |value: i64| [u64::from_le_bytes(value.to_le_bytes()), 0];
        match column.values {
            Values::Truth(values) => values
                .values()
                .iter()
                .map(|value| [u64::from(value), 0])
                .collect(),
            Values::I32(values) => values.iter().map(|value| whole((*value).into())).collect(),
            Values::I64(values) => values.iter().map(|value| whole(*value)).collect(),
            Values::F64(values) => values
                .iter()
                // The two zeros are one number, and all NaN are one here.
                .map(|value| if value.is_nan() { f64::NAN } else { value + 0.0 })
                .map(|value| [value.to_bits(), 0])
                .collect(),
            Values::Decimal(values, _) => values.iter().map(|value| halves(*value)).collect(),
            Values::Text(values) => texts(values).map(|text| self.of_bytes(text)).collect(),
        }
    }

    /// The keys of rows, each of its values in some columns together.
    pub(crate) fn of_rows(&self, columns: &[Column<'_>]) -> Vec<Key> {
        let Some((first, others)) = columns.split_first() else {
            return Vec::new();
        };
        let mut keys = self.of_column(*first);
        if others.is_empty() {
            return keys;
        }
        // Null is a value like others here, and needs a key that no value has.
        let null = |column: &Column<'_>, row: usize, key: Key| {
            if column.is_null(row) {
                self.of_bytes(&[])
            } else {
                self.joined([1, 1], key)
            }
        };
        for (row, key) in keys.iter_mut().enumerate() {
            *key = null(first, row, *key);
        }
        for column in others {
            for (row, (key, part)) in keys.iter_mut().zip(self.of_column(*column)).enumerate() {
                *key = self.joined(*key, null(column, row, part));
            }
        }
        keys
    }
}

fn halves(value: i128) -> Key {
    let [a, b, c, d, e, f, g, h, rest @ ..] = value.to_le_bytes();
    [
        u64::from_le_bytes([a, b, c, d, e, f, g, h]),
        u64::from_le_bytes(rest),
    ]
}

impl Seen {
    pub(crate) fn new() -> Self {
        Self {
            times: HashMap::default(),
            repeated: 0,
            full: false,
        }
    }

    /// The keys of those rows of a batch that count.
    pub(crate) fn of_batch(keys: &[Key], counts: &BooleanBuffer) -> Self {
        let mut seen = Self::new();
        seen.times.reserve(counts.count_set_bits());
        let counting = keys.iter().zip(counts.iter()).filter(|(_, counts)| *counts);
        for (key, _) in counting {
            match seen.times.entry(*key) {
                Entry::Vacant(entry) => {
                    entry.insert(Times::Once);
                }
                Entry::Occupied(mut entry) => {
                    let first = entry.insert(Times::More) == Times::Once;
                    seen.repeated += 1 + u64::from(first);
                }
            }
        }
        seen
    }

    /// Whether a value was seen more than once.
    pub(crate) fn has_twice(&self, key: &Key) -> bool {
        self.times.get(key) == Some(&Times::More)
    }

    /// Adds what was seen elsewhere, but remembers at most so many values.
    pub(crate) fn add(&mut self, other: &Self, bound: usize) {
        self.full |= other.full;
        self.repeated += other.repeated;
        for (key, times) in &other.times {
            // What was alone on its side is alone no more.
            if let Some(own) = self.times.get_mut(key) {
                self.repeated += u64::from(*own == Times::Once) + u64::from(*times == Times::Once);
                *own = Times::More;
            } else if self.times.len() < bound {
                self.times.insert(*key, *times);
            } else {
                self.full = true;
            }
        }
    }

    /// Rows whose value another row has too.
    pub(crate) fn repeated(&self) -> u64 {
        self.repeated
    }

    /// Whether every value was remembered.
    pub(crate) fn is_complete(&self) -> bool {
        !self.full
    }
}

impl fmt::Debug for Seen {
    /// Without the keys, which may be values.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Seen")
            .field("values", &self.times.len())
            .field("repeated", &self.repeated)
            .field("full", &self.full)
            .finish()
    }
}
