//! When jobs run: at their times, once for what was missed, and not twice at once.
//!
//! INVARIANT: what is right does not depend on it. Whether a run is cut off, comes twice or runs beside another, the commits of the
//! tables see to it that every line is in them once and a product is of one version of its inputs.

mod attempts;
mod clock;
mod config;
mod cursors;
mod lock;
mod source;

pub(crate) use attempts::{Attempt, Attempts, too_long};
pub(crate) use clock::{Clock, Timed};
pub use config::{CronLine, JobConfig};
pub(crate) use config::{Schedules, place};
pub(crate) use lock::JobLock;
pub(crate) use source::{SourceRun, Sources, not_locked};
