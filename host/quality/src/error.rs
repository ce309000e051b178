//! What can go wrong. No message holds a value of a row.

use arrow_schema::DataType;
use malla_contract::ColumnType;

/// A check cannot be compiled.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("contract, line {line}: check `{check}`: {what}")]
pub struct ChecksError {
    /// Name of the check.
    pub check: String,
    /// Where it stands in the contract.
    pub line: usize,
    /// What is wrong with it, and what to do.
    pub what: String,
}

/// A batch does not have a column that a check looks at, or has it in another type. Nothing was checked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RunError {
    /// There is no such column.
    #[error(
        "the batch has no column `{column}`, which check `{check}` looks at: give it all columns of its contract"
    )]
    Missing {
        /// Name of the column.
        column: String,
        /// The first check that looks at it.
        check: String,
    },
    /// The column is of another type.
    #[error("column `{column}` of the batch is `{found}`, its contract says `{declared}`: cast it first")]
    Type {
        /// Name of the column.
        column: String,
        /// What the contract says.
        declared: ColumnType,
        /// What the batch has.
        found: DataType,
    },
}

/// A report came from other checks than those it was to be added to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the report is of other checks: judge these first, and begin new totals with the new checks")]
pub struct OtherChecks;
