//! An append-only, hash-chained, signed record of what was decided.
//!
//! An [`AuditLog`] takes a [`Record`] for every decision that mattered; one thread appends them in groups, each synced
//! before [`AuditLog::flush`] returns. [`verify()`] reads a whole log and names the first thing that is not as it was
//! written. The format is told in `format.rs`, precisely enough to write another verifier.
//!
//! INVARIANT: what was recorded is never changed or removed, and no record is acknowledged before it is on disk and below
//! a signed head. Who cannot audit is told, at once and at every later call. No other crate of Malla is known here.

mod damage;
mod error;
mod files;
mod format;
mod head;
mod key;
mod log;
mod record;
mod scan;
mod tail;
mod verify;
mod writer;

#[cfg(test)]
mod tests;

pub use damage::{Damage, Wrong};
pub use error::AuditError;
pub use head::Anchor;
pub use key::PublicKey;
pub use log::{AuditConfig, AuditLog};
pub use record::{Kind, Outcome, Record};
pub use verify::{Verified, verify};
