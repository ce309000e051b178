//! What can go wrong in a query.

use std::time::Duration;

/// An error of a query.
#[derive(Debug, thiserror::Error)]
pub enum QueryError {
    /// The text is not one SQL query.
    #[error("cannot read the query: {0}")]
    Syntax(String),
    /// Anything but reading.
    #[error("queries are read-only: {0}")]
    ReadOnly(String),
    /// A name that is no table.
    #[error("no table `{name}`; {known}")]
    UnknownTable {
        /// The name as the query has it.
        name: String,
        /// The tables there are, the closest names first.
        known: String,
    },
    /// The query is wrong: an unknown column or function, types that do not fit.
    #[error("{0}")]
    Invalid(String),
    /// The time limit.
    #[error("the query took longer than {0:?}: narrow it, or raise the limit")]
    Time(Duration),
    /// The memory limit.
    #[error("the query needs more than {limit} bytes of memory: narrow it, or raise the limit")]
    Memory {
        /// The limit.
        limit: usize,
    },
    /// It failed while it ran.
    #[error("the query failed: {0}")]
    Failed(String),
    /// The lake.
    #[error(transparent)]
    Lake(#[from] malla_lake::LakeError),
    /// The result could not be written.
    #[error("cannot write the result: {0}")]
    Write(String),
}
