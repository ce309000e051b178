//! The history of runs: one row for each run of a source or product, in the lake.
//!
//! INVARIANT: data never waits for the history. What is to be told stands on the local disk first ([`spool`]) and is put into the
//! lake later, many rows at once and each of them once.

mod history;
mod shown;
mod spool;
mod table;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

pub(crate) use history::{Begun, History, RunMark};
pub use shown::ShownRun;
pub use spool::unwritten_for;
pub use table::contract;
pub(crate) use table::{DOMAIN, cursor, spec};

use crate::report::ProductReport;

/// What runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum JobKind {
    /// Lines of a source become rows of the products that its steps make.
    Source,
    /// A product that SQL makes of others.
    Product,
}

/// Why it ran.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Trigger {
    /// It has no schedule, and is followed for as long as the host runs.
    Continuous,
    /// What it is made of changed.
    Upstream,
    /// Its time came.
    Schedule,
    /// Its time came when no host was there, or the run of that time was cut off.
    CatchUp,
    /// `malla run --once`.
    Once,
    /// `malla run --from DATE --to DATE`.
    Backfill,
}

/// How it ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RunState {
    /// It goes on. Never in the lake.
    Running,
    /// It did what it was to do.
    Succeeded,
    /// Its last attempt failed.
    Failed,
    /// Its last attempt took too long.
    TimedOut,
    /// It was not begun, or another was quicker.
    Skipped,
    /// The host was told to stop before it was done.
    Aborted,
    /// The host was killed.
    Lost,
}

/// One run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Run {
    /// Random.
    pub run_id: Uuid,
    /// `domain.name` of a source or product.
    pub job: String,
    /// Which of these it is.
    pub kind: JobKind,
    /// Why it ran.
    pub trigger: Trigger,
    /// The time of its schedule, in microseconds since 1970 UTC, as all times here.
    pub scheduled: Option<i64>,
    /// When it began.
    pub started: i64,
    /// When it ended. `None`: it goes on, or nobody knows.
    pub ended: Option<i64>,
    /// How it ended.
    pub state: RunState,
    /// How often it was tried.
    pub attempts: u32,
    /// Lines that were read. `None` for what reads none.
    pub rows_read: Option<u64>,
    /// Rows that were written to its products.
    pub rows_kept: u64,
    /// Rows that a rule of the contract rejected.
    pub rows_rejected: Option<u64>,
    /// Lines and rows that are in quarantine for another reason.
    pub rows_quarantined: Option<u64>,
    /// Version of the product's table with what it wrote. `None`: nothing, or to several tables.
    pub version: Option<u64>,
    /// What went wrong. Names and rules, never a value.
    pub error: Option<String>,
    /// Name of the machine.
    pub host: String,
}

impl RunState {
    /// As it is stored and shown.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::TimedOut => "timed_out",
            Self::Skipped => "skipped",
            Self::Aborted => "aborted",
            Self::Lost => "lost",
        }
    }
}

impl JobKind {
    /// As it is stored and shown.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Source => "source",
            Self::Product => "product",
        }
    }
}

impl Trigger {
    /// As it is stored and shown.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Continuous => "continuous",
            Self::Upstream => "upstream",
            Self::Schedule => "schedule",
            Self::CatchUp => "catch_up",
            Self::Once => "once",
            Self::Backfill => "backfill",
        }
    }

    /// Whether a run that was cut off is begun again by the next host.
    fn is_of_schedule(self) -> bool {
        matches!(self, Self::Schedule | Self::CatchUp)
    }
}

/// What a run wrote.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Numbers {
    read: u64,
    kept: u64,
    rejected: u64,
    quarantined: u64,
    version: Option<u64>,
}

impl Numbers {
    /// Of all products that one source feeds, or of the one that SQL makes.
    pub(crate) fn of(products: &[ProductReport]) -> Self {
        let sum = |of: fn(&ProductReport) -> u64| products.iter().map(of).sum();
        Self {
            // Each step sees every line.
            read: products.iter().map(|product| product.read).max().unwrap_or(0),
            kept: sum(|product| product.kept),
            rejected: sum(|product| product.rejected),
            quarantined: sum(|product| product.quarantined),
            version: match products {
                [one] => one.version,
                _ => None,
            },
        }
    }

    pub(crate) fn add(&mut self, later: &Self) {
        self.read += later.read;
        self.kept += later.kept;
        self.rejected += later.rejected;
        self.quarantined += later.quarantined;
        self.version = later.version.or(self.version);
    }
}

/// How a run ended, and what it wrote.
#[derive(Debug, Clone)]
pub(crate) struct Ending {
    pub(crate) state: RunState,
    pub(crate) attempts: u32,
    pub(crate) numbers: Numbers,
    pub(crate) error: Option<String>,
}

impl Ending {
    pub(crate) fn new(state: RunState, attempts: u32) -> Self {
        Self {
            state,
            attempts,
            numbers: Numbers::default(),
            error: None,
        }
    }

    pub(crate) fn with_numbers(self, numbers: Numbers) -> Self {
        Self { numbers, ..self }
    }

    pub(crate) fn with_error(self, error: impl Into<String>) -> Self {
        Self {
            error: Some(error.into()),
            ..self
        }
    }
}

impl Run {
    /// One that goes on, since a time and on a machine.
    fn begun(
        job: &str,
        kind: JobKind,
        trigger: Trigger,
        scheduled: Option<i64>,
        (started, host): (i64, &str),
    ) -> Self {
        Self {
            run_id: Uuid::new_v4(),
            job: job.to_owned(),
            kind,
            trigger,
            scheduled,
            started,
            ended: None,
            state: RunState::Running,
            attempts: 1,
            rows_read: None,
            rows_kept: 0,
            rows_rejected: None,
            rows_quarantined: None,
            version: None,
            error: None,
            host: host.to_owned(),
        }
    }

    fn end(&mut self, ending: Ending, now: Option<i64>) {
        self.ended = now;
        self.state = ending.state;
        self.attempts = ending.attempts;
        self.error = ending.error;
        let of_lines = |count| (self.kind == JobKind::Source).then_some(count);
        self.rows_read = of_lines(ending.numbers.read);
        self.rows_rejected = of_lines(ending.numbers.rejected);
        self.rows_quarantined = of_lines(ending.numbers.quarantined);
        self.rows_kept = ending.numbers.kept;
        self.version = ending.numbers.version;
    }
}
