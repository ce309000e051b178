//! Exactly-once Delta commits and table reads. The only crate, with `malla-query`, that knows Delta Lake.
//!
//! INVARIANT: a commit lands whole or not at all, and at most once for each range of source offsets that it advances:
//! the rows and the new offsets are one Delta commit, and the old offsets are checked on the snapshot it is built on.

mod attempt;
mod backoff;
mod commit;
mod config;
mod error;
mod evolve;
mod id;
mod judgement;
mod lake;
mod land;
mod log;
mod maintain;
mod shape;
mod spec;
mod state;
mod table;
mod write;

#[cfg(test)]
mod tests;

pub use commit::{Added, Advance, Changed, Commit, CommitRecord, Committed, Replaced};
pub use config::WriterConfig;
pub use error::LakeError;
pub use id::{Layer, TableId};
pub use judgement::{Judgement, JudgementAt};
pub use lake::Lake;
pub use maintain::{Cleaned, CompactConfig, Compacted, Expired, Expiry, Size, Vacuum, Vacuumed};
pub use spec::TableSpec;
pub use table::Table;
