//! Checks of data quality: what a contract promises about rows, run over batches.
//!
//! - [`Checks`] are the promises of one table, compiled once. [`Checks::run`] counts, over a batch, the rows that break
//!   each; of a check that judges rows by themselves it also says which.
//! - [`Totals`] add up what was counted, over the batches of a window, and judge it. Their [`Validation`] is what Great
//!   Expectations would write.
//! - [`SqlCheck`]s are for the caller to run: this crate knows no engine. It puts the names in, and judges the number.
//! - [`Totals::found`] takes what a caller counted otherwise: of rows that are in a table already.
//! - [`history`] makes of verdicts the rows of a table.
//!
//! Two kinds of checks, as [`Check::is_row_level`](malla_contract::Check::is_row_level) tells them apart. A *row-level* one
//! looks at every row of a batch. Rows that fail one whose severity is `error` are *rejected*: the host takes them out. All
//! other checks are *table-level*, and are about what remains: they look at the rows that were not rejected.
//!
//! **Invariant:** no value of a column that is personal, needs a mask, or says whom a row is about ever leaves: not in a
//! report, not in an error, not in a `Debug`. Messages hold no values at all. No I/O and no clock: the caller says what
//! time it is.

mod checks;
mod error;
pub mod history;
mod kernel;
mod keys;
mod report;
mod rule;
mod sample;
mod sql;
mod totals;
mod validation;

pub use checks::Checks;
pub use error::{ChecksError, OtherChecks, RunError};
pub use report::{Outcome, Report};
pub use sql::{SqlCheck, SqlNumber};
pub use totals::{Found, Status, Totals, Verdict};
pub use validation::{Evaluated, ExpectationConfig, Statistics, Validation, ValidationResult};

#[cfg(test)]
mod reference;
#[cfg(test)]
mod tests;
