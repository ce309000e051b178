//! What is counted of events of lineage.

use prometheus::{Error, IntCounter, IntGauge, Registry};

/// What the sender counted so far becomes counters.
#[derive(Debug)]
pub(crate) struct LineageMetrics {
    sent: IntCounter,
    refused: IntCounter,
    failed: IntCounter,
    waiting: IntGauge,
}

impl LineageMetrics {
    pub(super) fn new() -> Result<Self, Error> {
        Ok(Self {
            sent: IntCounter::new(
                "malla_lineage_events_sent_total",
                "Events of lineage that the collector took.",
            )?,
            refused: IntCounter::new(
                "malla_lineage_events_refused_total",
                "Events of lineage that the collector will never take: they are in the state folder.",
            )?,
            failed: IntCounter::new(
                "malla_lineage_send_failures_total",
                "Tries to send an event of lineage that failed, and are made again.",
            )?,
            waiting: IntGauge::new(
                "malla_lineage_events_waiting",
                "Events of lineage on the local disk that the collector does not have yet.",
            )?,
        })
    }

    pub(super) fn register(&self, registry: &Registry) -> Result<(), Error> {
        registry.register(Box::new(self.sent.clone()))?;
        registry.register(Box::new(self.refused.clone()))?;
        registry.register(Box::new(self.failed.clone()))?;
        registry.register(Box::new(self.waiting.clone()))
    }

    /// All since the start: sent, refused, failed.
    pub(crate) fn count(&self, counted: [u64; 3], waiting: u64) {
        let counters = [&self.sent, &self.refused, &self.failed];
        for (counter, counted) in counters.into_iter().zip(counted) {
            counter.inc_by(counted.saturating_sub(counter.get()));
        }
        self.waiting.set(i64::try_from(waiting).unwrap_or(i64::MAX));
    }
}
