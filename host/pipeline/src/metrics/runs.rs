//! What is counted of runs, and of their history.

use prometheus::{Error, IntCounter, IntCounterVec, IntGauge, Opts, Registry};

use crate::runs::Run;

/// Cheap to clone; clones count together.
#[derive(Debug, Clone)]
pub(crate) struct RunMetrics {
    ended: IntCounterVec,
    not_written: IntCounter,
    waiting: IntGauge,
}

impl RunMetrics {
    pub(crate) fn new() -> Result<Self, Error> {
        Ok(Self {
            ended: IntCounterVec::new(
                Opts::new(
                    "malla_runs_total",
                    "Runs of sources and products that ended, by state: succeeded, failed, timed_out, skipped, aborted.",
                ),
                &["domain", "job", "state"],
            )?,
            not_written: IntCounter::new(
                "malla_run_history_failures_total",
                "Times that the history of runs could not be written to the lake; it is tried again.",
            )?,
            waiting: IntGauge::new(
                "malla_run_history_waiting_rows",
                "Rows of the history of runs that are on the local disk and not yet in the lake.",
            )?,
        })
    }

    pub(super) fn register(&self, registry: &Registry) -> Result<(), Error> {
        registry.register(Box::new(self.ended.clone()))?;
        registry.register(Box::new(self.not_written.clone()))?;
        registry.register(Box::new(self.waiting.clone()))
    }

    pub(crate) fn ended(&self, run: &Run) {
        let (domain, job) = run.job.split_once('.').unwrap_or_default();
        self.ended
            .with_label_values(&[domain, job, run.state.as_str()])
            .inc();
    }

    pub(crate) fn not_written(&self) {
        self.not_written.inc();
    }

    pub(crate) fn waiting(&self, rows: usize) {
        self.waiting.set(i64::try_from(rows).unwrap_or(i64::MAX));
    }
}
