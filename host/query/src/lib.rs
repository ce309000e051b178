//! The one door through which anybody reads a table: SQL over a lake, governed, read-only and bounded.
//!
//! INVARIANT: a query reaches the tables of its lake as policy shows them to its asker and nothing else, changes nothing,
//! and ends within its limits.

mod bounded;
mod derive;
mod duplicates;
mod error;
mod examine;
mod flows;
mod functions;
mod governed;
mod guard;
mod lineage;
mod pool;
mod promised;
mod query;
mod render;
mod runtime;
mod session;
mod spill;

#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;

pub use derive::{ColumnFlow, ColumnFlows, Derivation, Inflows, Input};
pub use duplicates::Duplicates;
pub use error::QueryError;
pub use examine::Examination;
pub use functions::{Functions, NotComputed};
pub use governed::{Asker, Governance};
pub use lineage::FlowKind;
pub use promised::plan_promised;
pub use query::{Limits, Query, QueryResult, tables};
pub use render::{Format, render};
pub use spill::Spill;
