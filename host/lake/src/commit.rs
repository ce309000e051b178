//! What is committed, and what came of it.

use std::collections::BTreeSet;

use arrow_array::RecordBatch;
use malla_contract::Date;
use serde_json::{Map, Value};

/// Rows and the offsets up to which they empty their sources.
#[derive(Debug, Clone, Default)]
pub struct Commit {
    /// Rows in the table's schema. May be empty: then only the offsets move.
    pub batches: Vec<RecordBatch>,
    /// Offsets that move with the rows. Each `app_id` once.
    pub advances: Vec<Advance>,
    /// Rows that go away with this commit. All stay when absent.
    pub replaces: Option<Replaced>,
    /// Kept in the log, under `malla` in the commit's info. Never a value of a row.
    pub info: Map<String, Value>,
}

/// Rows that a commit takes the place of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Replaced {
    /// Every row.
    All,
    /// Those from a day on, in a partition column of dates, and those without a day.
    From {
        /// The partition column.
        column: String,
        /// The day.
        first: Date,
    },
    /// Those with one of these values in a partition column, as the log writes them. `None`: null.
    Partitions {
        /// The partition column.
        column: String,
        /// Its values.
        values: BTreeSet<Option<String>>,
    },
}

/// What changed in a table between two versions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Changed {
    /// Rows with these values in a partition column, as the log writes them.
    Partitions(BTreeSet<Option<String>>),
    /// The log does not say any more.
    Unknown,
}

/// The move of one source partition's offset.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Advance {
    /// `malla/<table>/<source>/<partition>`.
    pub app_id: String,
    /// The offset before. `None`: the partition was never read into this table.
    pub from: Option<i64>,
    /// The offset after.
    pub to: i64,
}

/// A commit that is in the table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Committed {
    /// The table's version with the commit, or a later one if it `landed_before`.
    pub version: u64,
    /// Files added.
    pub files: usize,
    /// Rows added.
    pub rows: u64,
    /// Bytes of the files added.
    pub bytes: u64,
    /// The commit was there already: nothing was written now, and the counts above are 0.
    pub landed_before: bool,
}

/// A commit as the log remembers it.
#[derive(Debug, Clone, PartialEq)]
pub struct CommitRecord {
    /// The table's version.
    pub version: u64,
    /// [`Commit::info`]; empty for a commit that is not ours.
    pub info: Map<String, Value>,
    /// When it was committed, in milliseconds since 1970 UTC, by the writer's clock.
    pub timestamp: Option<i64>,
    /// Whether rows came or went, and did not only move from file to file.
    pub changes: bool,
    /// Rows, bytes and files that it added, as its writer counted them.
    pub added: Added,
}

/// What a commit added.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Added {
    /// Rows.
    pub rows: u64,
    /// Bytes of the files.
    pub bytes: u64,
    /// Files.
    pub files: u64,
}
