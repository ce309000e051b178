//! The one door through which anybody reads a table: SQL over a lake, read-only and bounded.
//!
//! INVARIANT: a query reaches the tables of its lake and nothing else, changes nothing, and ends within its limits.

mod error;
mod guard;
mod query;
mod render;
mod runtime;
mod session;
mod tables;

#[cfg(test)]
mod tests;

pub use error::QueryError;
pub use query::{Limits, Query, QueryResult};
pub use render::{Format, render};
