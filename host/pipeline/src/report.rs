//! What a run did, as numbers that add up.

use std::time::Duration;

use serde::Serialize;

/// What a run did to one data product.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct ProductReport {
    /// `domain.product`.
    pub product: String,
    /// Lines read from the source.
    pub read: u64,
    /// It is made of other products, and not of a source's lines: `kept` are the rows made anew.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub derived: bool,
    /// Rows written to its table.
    pub kept: u64,
    /// Rows that the step rejected by a rule of its contract.
    pub rejected: u64,
    /// Lines that did not decode, and rows of batches that failed in the sandbox.
    pub quarantined: u64,
    /// Rows that the step left out without rejecting them.
    pub filtered: u64,
    /// Values that a mask replaced.
    pub masked: u64,
    /// Parquet files added to the curated table.
    pub files: u64,
    /// Version of the curated table after the last commit.
    pub version: Option<u64>,
    /// Fuel used in the sandbox: deterministic, the meter for cost.
    pub fuel: u64,
    /// Seconds from the first read to the last commit.
    pub seconds: f64,
}

impl ProductReport {
    pub(crate) fn of(product: &str) -> Self {
        Self {
            product: product.to_owned(),
            ..Self::default()
        }
    }

    /// Lines a second, over the whole path.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "a rate for people")]
    pub fn rows_per_second(&self) -> f64 {
        if self.seconds > 0.0 {
            self.read as f64 / self.seconds
        } else {
            0.0
        }
    }

    pub(crate) fn add(&mut self, counts: &Counts) {
        self.read += counts.read;
        self.kept += counts.kept;
        self.rejected += counts.rejected;
        self.quarantined += counts.quarantined;
        self.filtered += counts.filtered;
        self.masked += counts.masked;
        self.fuel += counts.fuel;
    }

    /// Adds what was made of the same product later.
    pub(crate) fn and_then(&mut self, later: &Self) {
        self.kept += later.kept;
        self.files += later.files;
        self.version = later.version.or(self.version);
        self.seconds += later.seconds;
    }

    /// Adds what a later run did to the same product.
    pub(crate) fn and_again(&mut self, later: &Self) {
        self.and_then(later);
        self.read += later.read;
        self.rejected += later.rejected;
        self.quarantined += later.quarantined;
        self.filtered += later.filtered;
        self.masked += later.masked;
        self.fuel += later.fuel;
    }

    pub(crate) fn took(&mut self, elapsed: Duration) {
        self.seconds = elapsed.as_secs_f64();
    }
}

/// What happened to one batch in one step.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) read: u64,
    pub(crate) kept: u64,
    pub(crate) rejected: u64,
    pub(crate) quarantined: u64,
    pub(crate) filtered: u64,
    pub(crate) masked: u64,
    pub(crate) fuel: u64,
    /// Bytes of the sandbox's memory at its largest.
    pub(crate) memory: u64,
}
