//! Who may do and see what: masks by classification and tag.
//!
//! Invariant: no I/O but reading the policy files in [`Policy::load`]; no clock, no globals. The same rules, in any
//! order, give the same decisions and the same digest.

mod error;
mod masks;
mod policy;
mod read;

pub use error::{Fault, MissingMask, PlanError, PlanErrors, PolicyError, PolicyErrors};
pub use masks::{MaskRule, Selector};
pub use policy::{MASKS_FILE, Policy};

#[cfg(test)]
mod tests;
