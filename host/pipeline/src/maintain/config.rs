//! `[maintenance]` and `[retention]` of `malla.toml`.

use std::num::NonZeroU64;
use std::time::Duration;

use malla_lake::CompactConfig;
use serde::Deserialize;

/// How tables are kept small.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct MaintenanceConfig {
    /// `malla run` does it by the way. `malla maintain` does it in any case.
    pub enabled: bool,
    /// Seconds between one time and the next.
    pub seconds: f64,
    /// Files below half of this are small; what is made of them is about as large as this.
    pub target_mib: u64,
    /// So many small files of one partition are put together.
    pub min_files: usize,
    /// Files and log entries that the table does not need any more stay for so long, for whoever reads an earlier version.
    pub keep_hours: f64,
}

/// What contracts do not say: how long the host's own tables are kept.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RetentionConfig {
    /// Days after which raw rows go, even if a product that was made of them is kept for longer.
    pub raw_days: Option<u32>,
    /// The same of quarantined lines.
    pub quarantine_days: Option<u32>,
}

impl Default for MaintenanceConfig {
    fn default() -> Self {
        Self {
            enabled: true,
            seconds: 3600.0,
            target_mib: 128,
            min_files: 8,
            keep_hours: 168.0,
        }
    }
}

impl MaintenanceConfig {
    pub(crate) fn interval(&self) -> Duration {
        Duration::try_from_secs_f64(self.seconds).unwrap_or(Duration::from_secs(3600))
    }

    pub(crate) fn keep(&self) -> Duration {
        Duration::try_from_secs_f64(self.keep_hours * 3600.0).unwrap_or(Duration::from_secs(7 * 86_400))
    }

    pub(crate) fn compact(&self) -> CompactConfig {
        let target = NonZeroU64::new(self.target_mib.saturating_mul(1 << 20));
        let default = CompactConfig::default();
        CompactConfig {
            target_bytes: target.unwrap_or(default.target_bytes),
            min_files: self.min_files,
        }
    }

    /// What cannot be.
    pub(crate) fn check(&self) -> Result<(), &'static str> {
        if !(self.seconds > 0.0 && self.seconds <= 604_800.0) {
            return Err("`maintenance.seconds` must be above 0 and at most 604800");
        }
        if !(1..=4096).contains(&self.target_mib) {
            return Err("`maintenance.target_mib` must be between 1 and 4096");
        }
        if self.min_files < 2 {
            return Err("`maintenance.min_files` must be at least 2");
        }
        // A query may take an hour, and reads one version all the time.
        if !(self.keep_hours >= 1.0 && self.keep_hours <= 87_600.0) {
            return Err("`maintenance.keep_hours` must be between 1 and 87600");
        }
        Ok(())
    }
}

impl RetentionConfig {
    pub(crate) fn check(&self) -> Result<(), &'static str> {
        if [self.raw_days, self.quarantine_days].contains(&Some(0)) {
            return Err("`retention.raw_days` and `retention.quarantine_days` must be at least 1");
        }
        Ok(())
    }
}

/// For the template of `malla.toml`.
pub(crate) const TEMPLATE: &str = r#"[maintenance]                 # of tables: small files become large ones, what nobody needs any more goes
enabled = true                # by `malla run`; `malla maintain` does it by hand
seconds = 3600.0
keep_hours = 168.0            # earlier versions can be read for so long
# target_mib = 128            # as large become files ..
# min_files = 8               # .. when a partition has so many small ones

# [retention]                 # contracts say how long products are kept; these go with them, or earlier:
# raw_days = 90
# quarantine_days = 30
"#;
