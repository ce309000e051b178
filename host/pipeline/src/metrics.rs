//! Numbers of a running host, for Prometheus: base units, labels of few values, never an id or a value of the data.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use malla_lake::Judgement;
use malla_quality::{Status, Verdict};
use prometheus::process_collector::ProcessCollector;
use prometheus::{
    Error, Gauge, GaugeVec, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec,
    Opts, Registry, TextEncoder,
};

use crate::commit::Tick;
use crate::judge::JudgePlan;
use crate::plan::{Flow, StepPlan};
use crate::report::Counts;

mod lineage;
mod runs;

pub(crate) use lineage::LineageMetrics;
pub(crate) use runs::RunMetrics;

/// Buckets of a commit's seconds: a folder's takes milliseconds, an object store's seconds.
const COMMIT_SECONDS: [f64; 10] = [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];

/// Buckets of an event's age when it is committed.
const AGE_SECONDS: [f64; 12] = [
    0.1, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 1800.0, 7200.0, 86_400.0,
];

const CHANGED: &str = "changed";
const FAILED: &str = "failed";

/// What a host counts from its start on.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    committed: AtomicU64,
    lines: IntCounterVec,
    bytes: IntCounterVec,
    event_to_commit: HistogramVec,
    rows: IntCounterVec,
    masked: IntCounterVec,
    fuel: IntCounterVec,
    memory: IntGaugeVec,
    lag: IntGaugeVec,
    commit_seconds: HistogramVec,
    flow_failures: IntCounterVec,
    commit_retries: IntCounterVec,
    checked: IntCounterVec,
    unexpected: IntCounterVec,
    held_back: IntGaugeVec,
    judged: GaugeVec,
    kept: IntGaugeVec,
    reloads: IntCounterVec,
    plugin_swaps: IntCounterVec,
    reload_successful: IntGauge,
    reload_timestamp: Gauge,
    runs: RunMetrics,
    lineage: LineageMetrics,
    maintenance_failures: IntCounter,
    maintenance_timestamp: Gauge,
}

impl Metrics {
    pub(crate) fn new() -> Result<Self, Error> {
        let counter = |name, help, labels: &[&str]| IntCounterVec::new(Opts::new(name, help), labels);
        let product = ["domain", "product"];
        let source = ["domain", "source"];
        let metrics = Self {
            registry: Registry::new(),
            committed: AtomicU64::new(0),
            lines: counter(
                "malla_source_lines_total",
                "Lines of a source that are accounted for in committed tables.",
                &source,
            )?,
            bytes: counter(
                "malla_source_bytes_total",
                "Bytes of these lines, without line ends.",
                &source,
            )?,
            event_to_commit: HistogramVec::new(
                HistogramOpts::new(
                    "malla_event_to_commit_seconds",
                    "Time from the newest event of a batch, by its own clock, to its commit.",
                )
                .buckets(AGE_SECONDS.to_vec()),
                &source,
            )?,
            rows: counter(
                "malla_rows_total",
                "Rows of committed batches by what became of them: kept, rejected, quarantined, filtered.",
                &["domain", "product", "outcome"],
            )?,
            masked: counter(
                "malla_masked_values_total",
                "Values that a mask replaced before they were written.",
                &product,
            )?,
            fuel: counter(
                "malla_fuel_total",
                "Fuel that the steps of a product used in the sandbox.",
                &product,
            )?,
            memory: IntGaugeVec::new(
                Opts::new(
                    "malla_sandbox_memory_peak_bytes",
                    "Memory of the step that makes a product, at its largest in the last commit.",
                ),
                &product,
            )?,
            lag: IntGaugeVec::new(
                Opts::new(
                    "malla_source_lag_messages",
                    "Messages of a topic, in this host's partitions, that are not committed yet.",
                ),
                &source,
            )?,
            commit_seconds: HistogramVec::new(
                HistogramOpts::new(
                    "malla_commit_seconds",
                    "Time to record and commit a tick to all tables of a source.",
                )
                .buckets(COMMIT_SECONDS.to_vec()),
                &source,
            )?,
            commit_retries: counter(
                "malla_commit_retries_total",
                "Tries of a commit that failed and were made again, or given up.",
                &source,
            )?,
            flow_failures: counter(
                "malla_flow_failures_total",
                "Times that the flow of a source stopped with an error.",
                &source,
            )?,
            checked: counter(
                "malla_quality_checked_rows_total",
                "Rows that a check of quality looked at.",
                &["domain", "product", "check"],
            )?,
            unexpected: counter(
                "malla_quality_unexpected_rows_total",
                "Rows that broke a check of quality.",
                &["domain", "product", "check"],
            )?,
            held_back: IntGaugeVec::new(
                Opts::new(
                    "malla_quality_held_back",
                    "1 if readers of a product are kept at its last good version, 0 if they read the newest.",
                ),
                &product,
            )?,
            judged: GaugeVec::new(
                Opts::new(
                    "malla_quality_judged_timestamp_seconds",
                    "When a product was judged last.",
                ),
                &product,
            )?,
            kept: IntGaugeVec::new(
                Opts::new(
                    "malla_quality_check_success",
                    "1 if a check was kept when its product was judged last, 0 if not, -1 if it could not be run.",
                ),
                &["domain", "product", "check"],
            )?,
            reloads: counter(
                "malla_policy_reloads_total",
                "Changes of the policy files by outcome: changed, or failed, after which the policy before stays in force.",
                &["outcome"],
            )?,
            plugin_swaps: counter(
                "malla_plugin_swaps_total",
                "Changes of the plugins folder by outcome: changed, or failed, after which the version before goes on.",
                &["outcome"],
            )?,
            reload_successful: IntGauge::new(
                "malla_policy_last_reload_successful",
                "1 if the policy in force is that of the files, 0 if the files are not valid.",
            )?,
            reload_timestamp: Gauge::new(
                "malla_policy_last_reload_success_timestamp_seconds",
                "When the policy in force was taken into force.",
            )?,
            runs: RunMetrics::new()?,
            lineage: LineageMetrics::new()?,
            maintenance_failures: IntCounter::new(
                "malla_maintenance_failures_total",
                "Rounds of maintenance in which a table failed.",
            )?,
            maintenance_timestamp: Gauge::new(
                "malla_maintenance_last_success_timestamp_seconds",
                "When all tables were last maintained. 0: not since the start.",
            )?,
        };
        let registry = &metrics.registry;
        registry.register(Box::new(metrics.lines.clone()))?;
        registry.register(Box::new(metrics.bytes.clone()))?;
        registry.register(Box::new(metrics.event_to_commit.clone()))?;
        registry.register(Box::new(metrics.rows.clone()))?;
        registry.register(Box::new(metrics.masked.clone()))?;
        registry.register(Box::new(metrics.fuel.clone()))?;
        registry.register(Box::new(metrics.memory.clone()))?;
        registry.register(Box::new(metrics.lag.clone()))?;
        registry.register(Box::new(metrics.commit_seconds.clone()))?;
        registry.register(Box::new(metrics.flow_failures.clone()))?;
        registry.register(Box::new(metrics.commit_retries.clone()))?;
        registry.register(Box::new(metrics.checked.clone()))?;
        registry.register(Box::new(metrics.unexpected.clone()))?;
        registry.register(Box::new(metrics.held_back.clone()))?;
        registry.register(Box::new(metrics.judged.clone()))?;
        registry.register(Box::new(metrics.kept.clone()))?;
        registry.register(Box::new(metrics.reloads.clone()))?;
        registry.register(Box::new(metrics.plugin_swaps.clone()))?;
        registry.register(Box::new(metrics.reload_successful.clone()))?;
        registry.register(Box::new(metrics.reload_timestamp.clone()))?;
        metrics.runs.register(registry)?;
        metrics.lineage.register(registry)?;
        registry.register(Box::new(metrics.maintenance_failures.clone()))?;
        registry.register(Box::new(metrics.maintenance_timestamp.clone()))?;
        registry.register(Box::new(ProcessCollector::for_self()))?;
        // A rate needs a zero to begin at.
        for outcome in [CHANGED, FAILED] {
            metrics.reloads.with_label_values(&[outcome]);
            metrics.plugin_swaps.with_label_values(&[outcome]);
        }
        metrics.in_force();
        Ok(metrics)
    }

    /// Source lines that are in the lake.
    #[must_use]
    pub fn lines(&self) -> u64 {
        self.committed.load(Ordering::Relaxed)
    }

    /// A tick is in the lake: its lines, and what became of them in each step.
    pub(crate) fn committed(&self, flow: &Flow, lines: u64, counts: &[Counts], took: Duration) {
        let source = [flow.domain.as_str(), flow.source.name.as_str()];
        self.committed.fetch_add(lines, Ordering::Relaxed);
        self.lines.with_label_values(&source).inc_by(lines);
        self.commit_seconds
            .with_label_values(&source)
            .observe(took.as_secs_f64());
        for (place, step) in flow.steps.iter().enumerate() {
            let peaks = counts.iter().skip(place).step_by(flow.steps.len());
            let peak = peaks.map(|counts| counts.memory).max().unwrap_or_default();
            self.memory
                .with_label_values(&[flow.domain.as_str(), step.spec.id.name()])
                .set(i64::try_from(peak).unwrap_or(i64::MAX));
        }
        for batch in counts.chunks(flow.steps.len().max(1)) {
            for (step, counts) in flow.steps.iter().zip(batch) {
                let product = [flow.domain.as_str(), step.spec.id.name()];
                for (outcome, rows) in [
                    ("kept", counts.kept),
                    ("rejected", counts.rejected),
                    ("quarantined", counts.quarantined),
                    ("filtered", counts.filtered),
                ] {
                    let [domain, product] = product;
                    self.rows
                        .with_label_values(&[domain, product, outcome])
                        .inc_by(rows);
                }
                self.masked.with_label_values(&product).inc_by(counts.masked);
                self.fuel.with_label_values(&product).inc_by(counts.fuel);
            }
        }
    }

    /// How much a committed tick brought, and how old it was.
    pub(crate) fn arrived(&self, flow: &Flow, tick: &Tick, now: i64) {
        let source = [flow.domain.as_str(), flow.source.name.as_str()];
        self.bytes.with_label_values(&source).inc_by(tick.bytes() as u64);
        let ages = self.event_to_commit.with_label_values(&source);
        for newest in tick.newest() {
            let age = u64::try_from(now.saturating_sub(newest)).unwrap_or(0);
            ages.observe(Duration::from_micros(age).as_secs_f64());
        }
    }

    pub(crate) fn lags(&self, flow: &Flow, messages: u64) {
        self.lag
            .with_label_values(&[flow.domain.as_str(), flow.source.name.as_str()])
            .set(i64::try_from(messages).unwrap_or(i64::MAX));
    }

    /// What a check found in a tick.
    pub(crate) fn checked(&self, plan: &StepPlan, verdict: &Verdict<'_>) {
        let (id, check) = (&plan.spec.id, verdict.check.name.as_str());
        let labels = [id.domain(), id.name(), check];
        self.checked
            .with_label_values(&labels)
            .inc_by(verdict.element_count);
        self.unexpected
            .with_label_values(&labels)
            .inc_by(verdict.unexpected_count);
    }

    /// A product was judged.
    pub(crate) fn judged(&self, plan: &JudgePlan, verdicts: &[Verdict<'_>], judgement: &Judgement) {
        let labels = [plan.id.domain(), plan.id.name()];
        self.held_back
            .with_label_values(&labels)
            .set(judgement.is_held().into());
        self.judged.with_label_values(&labels).set(now());
        for verdict in verdicts {
            let kept = match verdict.status {
                Status::Success => 1,
                Status::Failure => 0,
                Status::NotRun => -1,
            };
            let [domain, product] = labels;
            self.kept
                .with_label_values(&[domain, product, &verdict.check.name])
                .set(kept);
        }
    }

    pub(crate) fn retried(&self, flow: &Flow, tries: u64) {
        self.commit_retries
            .with_label_values(&[flow.domain.as_str(), flow.source.name.as_str()])
            .inc_by(tries);
    }

    pub(crate) fn flow_failed(&self, flow: &Flow) {
        self.flow_failures
            .with_label_values(&[flow.domain.as_str(), flow.source.name.as_str()])
            .inc();
    }

    pub(crate) fn policy_changed(&self) {
        self.reloads.with_label_values(&[CHANGED]).inc();
        self.in_force();
    }

    pub(crate) fn policy_kept(&self) {
        self.reloads.with_label_values(&[FAILED]).inc();
        self.reload_successful.set(0);
    }

    pub(crate) fn plugin_changed(&self) {
        self.plugin_swaps.with_label_values(&[CHANGED]).inc();
    }

    pub(crate) fn plugin_kept(&self) {
        self.plugin_swaps.with_label_values(&[FAILED]).inc();
    }

    pub(crate) fn maintained(&self, failed: bool) {
        if failed {
            self.maintenance_failures.inc();
        } else {
            self.maintenance_timestamp.set(now());
        }
    }

    fn in_force(&self) {
        self.reload_successful.set(1);
        self.reload_timestamp.set(now());
    }

    pub(crate) fn lineage(&self) -> &LineageMetrics {
        &self.lineage
    }

    pub(crate) fn runs(&self) -> &RunMetrics {
        &self.runs
    }

    /// All of them, in Prometheus' text format.
    ///
    /// # Errors
    /// They cannot be encoded.
    pub fn text(&self) -> Result<String, Error> {
        TextEncoder::new().encode_to_string(&self.registry.gather())
    }
}

/// Seconds since 1970.
fn now() -> f64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    now.as_secs_f64()
}
