//! What can go wrong in a lake.

use std::sync::Arc;

use arrow_schema::ArrowError;
use deltalake::DeltaTableError;

use crate::TableId;

/// An error of the lake. Messages name tables, columns and offsets, never a value of a row.
#[derive(Debug, thiserror::Error)]
pub enum LakeError {
    /// A name that cannot be a folder of the lake.
    #[error(
        "`{name}` cannot name a {what}: use ASCII letters, digits, `_` and `-`, starting with a letter or digit"
    )]
    Name {
        /// `domain`, `layer` or `table`.
        what: &'static str,
        /// The name.
        name: String,
    },
    /// The lake's place cannot be understood or reached.
    #[error("cannot open the lake at `{location}`: {reason}")]
    Location {
        /// The place as given.
        location: String,
        /// Why, and what to do.
        reason: String,
    },
    /// A spec contradicts itself.
    #[error("table `{table}`: {reason}")]
    Spec {
        /// The table.
        table: TableId,
        /// What is wrong, with the column's name.
        reason: String,
    },
    /// The table in the lake has another schema than the one asked for.
    #[error(
        "table `{table}`: column `{column}` is {found} in the lake but {expected} in the contract: restore it, or publish a new major version, or the product under another name"
    )]
    SchemaMismatch {
        /// The table.
        table: TableId,
        /// The first column that differs.
        column: String,
        /// Its type in the contract, or `absent`.
        expected: String,
        /// Its type in the lake, or `absent`.
        found: String,
    },
    /// The table in the lake is partitioned by other columns.
    #[error(
        "table `{table}` is partitioned by {found:?} in the lake but by {expected:?} in the contract: restore the old partitioning, or publish the product under a new name"
    )]
    PartitionMismatch {
        /// The table.
        table: TableId,
        /// In the contract.
        expected: Vec<String>,
        /// In the lake.
        found: Vec<String>,
    },
    /// The table asks writers for something that this one cannot do.
    #[error(
        "table `{table}` has writer version {version}, and this writes version 2: it was changed by another engine; undo that, or publish the product under a new name"
    )]
    Protocol {
        /// The table.
        table: TableId,
        /// The lowest version that may write it.
        version: i32,
    },
    /// A batch does not have the table's columns.
    #[error("table `{table}`: a batch has column `{column}` as {found}, the table as {expected}")]
    BatchMismatch {
        /// The table.
        table: TableId,
        /// The first column that differs.
        column: String,
        /// Its type in the table, or `absent`.
        expected: String,
        /// Its type in the batch, or `absent`.
        found: String,
    },
    /// Somebody else moved a source's offset, or only part of this commit's offsets has landed.
    #[error(
        "table `{table}`: offset of `{app_id}` is {}, neither {} where the commit starts nor {to} where it ends: another host reads the same partition; resume from the table's offset",
        shown(.found),
        shown(.from)
    )]
    OffsetConflict {
        /// The table.
        table: TableId,
        /// The first source partition that does not fit.
        app_id: String,
        /// Where the commit starts.
        from: Option<i64>,
        /// Where the commit ends.
        to: i64,
        /// What the table says.
        found: Option<i64>,
    },
    /// The table changed while rows were made that take the place of others.
    #[error("table `{table}`: another commit came first; make the rows anew")]
    Moved {
        /// The table.
        table: TableId,
    },
    /// The commit took so long that its files may be gone.
    #[error(
        "table `{table}`: a commit took longer than an hour and was given up: nothing of it is in the table; the host was stopped, or the store is too slow"
    )]
    TooLate {
        /// The table.
        table: TableId,
    },
    /// A commit makes no sense by itself.
    #[error("table `{table}`: cannot commit: {reason}")]
    Commit {
        /// The table.
        table: TableId,
        /// What is wrong.
        reason: String,
    },
    /// Every try failed. Nothing of the commit is in the table.
    #[error("table `{table}`: gave up after {tries} tries: {source}")]
    Exhausted {
        /// The table.
        table: TableId,
        /// How often it was tried.
        tries: u32,
        /// The last failure.
        source: Box<LakeError>,
    },
    /// It is not known whether the commit landed, since the table cannot be read either. Read the offset before anything else.
    #[error("table `{table}`: a commit failed ({commit}) and so did the look whether it landed: {source}")]
    Unknown {
        /// The table.
        table: TableId,
        /// The failure of the commit.
        commit: String,
        /// The failure to read the table.
        source: Box<LakeError>,
    },
    /// The log of a table of results begins after the last judgement that was written to it.
    #[error(
        "table `{table}`: its log says no more what was judged last, so nobody knows which version of the product is good: run `malla run`, which judges it anew"
    )]
    Judgement {
        /// The table of results.
        table: TableId,
    },
    /// A file of a table is not what the log says.
    #[error("table `{table}`: file `{path}` cannot be read: {reason}")]
    File {
        /// The table.
        table: TableId,
        /// Its path below the table's folder.
        path: String,
        /// What is wrong.
        reason: String,
    },
    /// Delta Lake or the store below it.
    #[error("table `{table}`: {source}")]
    Delta {
        /// The table.
        table: TableId,
        /// What it says.
        source: Arc<DeltaTableError>,
    },
    /// The store below the lake.
    #[error("lake store: {0}")]
    Store(#[from] object_store::Error),
    /// Arrow.
    #[error("arrow: {0}")]
    Arrow(#[from] ArrowError),
    /// A task of ours ended early: it panicked, or the runtime shuts down.
    #[error("table `{table}`: a writer stopped: {reason}")]
    Writer {
        /// The table.
        table: TableId,
        /// Why.
        reason: String,
    },
}

fn shown(offset: &Option<i64>) -> String {
    offset.map_or_else(|| "none".to_owned(), |offset| offset.to_string())
}

impl LakeError {
    pub(crate) fn delta(table: &TableId) -> impl Fn(DeltaTableError) -> Self + '_ {
        move |source| Self::Delta {
            table: table.clone(),
            source: Arc::new(source),
        }
    }
}
