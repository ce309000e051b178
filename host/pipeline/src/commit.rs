//! From processed batches to Delta commits: quarantine first, with the plan; then raw and curated.
//!
//! INVARIANT: a flow's quarantine table is never behind its other tables, and never more than one tick ahead. The
//! commit of quarantine says which batches the tick is made of, so a crash between the commits of a tick is repaired
//! by running exactly those batches again ([`crate::recover`]).

use std::collections::BTreeMap;

use arrow_array::RecordBatch;
use malla_audit::{AuditError, AuditLog, Kind, Outcome, Record};
use malla_lake::{Advance, Commit, Committed, Lake, LakeError, Table};
use malla_quality::Report;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::batch::{Processed, Range};
use crate::error::FlowError;
use crate::judge::put_counts;
use crate::lineage::Stamp;
use crate::plan::Flow;
use crate::quality::totals;
use crate::report::Counts;

/// The tables of a flow.
pub(crate) struct Tables {
    pub(crate) quarantine: Table,
    pub(crate) raw: Table,
    pub(crate) curated: Vec<Table>,
    /// What their commits say of where they come from.
    pub(crate) stamp: Stamp,
}

/// Batches that are committed together: of each partition, in order and without a gap.
#[derive(Default)]
pub(crate) struct Tick {
    batches: Vec<Processed>,
    /// When its first batch came, in milliseconds since 1970 UTC.
    begun: Option<i64>,
}

/// What the quarantine commit remembers of a tick.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Plan {
    /// Digest of the component that processed the batches.
    pub(crate) plugin: String,
    pub(crate) policy: String,
    /// Products that are made of the batches, as `domain.product`.
    #[serde(default)]
    pub(crate) products: Vec<String>,
    /// By source partition, in order.
    pub(crate) batches: BTreeMap<String, Vec<Range>>,
}

/// The curated commits of a tick, one a step.
pub(crate) type TickCommitted = Vec<Committed>;

impl Tables {
    pub(crate) async fn open(lake: &Lake, flow: &Flow, stamp: Stamp) -> Result<Self, LakeError> {
        let mut curated = Vec::with_capacity(flow.steps.len());
        for step in &flow.steps {
            curated.push(lake.table(step.spec.clone()).await?);
        }
        Ok(Self {
            quarantine: lake.table(flow.quarantine.spec.clone()).await?,
            raw: lake.table(flow.raw.spec.clone()).await?,
            curated,
            stamp,
        })
    }

    /// Tries of commits that failed since they were opened.
    pub(crate) fn failed_tries(&self) -> u64 {
        let all = self.followers().chain([&self.quarantine]);
        all.map(Table::failed_tries).sum()
    }

    /// Every table but quarantine, which goes first.
    pub(crate) fn followers(&self) -> impl Iterator<Item = &Table> {
        std::iter::once(&self.raw).chain(&self.curated)
    }
}

impl Tick {
    pub(crate) fn push(&mut self, batch: Processed) {
        self.begun
            .get_or_insert_with(|| chrono::Utc::now().timestamp_millis());
        self.batches.push(batch);
    }

    /// Leaves out what was read of partitions that another process reads now.
    pub(crate) fn leave_out(&mut self, partitions: &[String]) {
        self.batches
            .retain(|batch| !partitions.contains(&batch.partition));
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.batches.is_empty()
    }

    pub(crate) fn lines(&self) -> usize {
        self.batches.iter().map(|batch| batch.range.lines).sum()
    }

    pub(crate) fn bytes(&self) -> usize {
        self.batches.iter().map(|batch| batch.bytes).sum()
    }

    /// Of each batch that has events, the time of the newest.
    pub(crate) fn newest(&self) -> impl Iterator<Item = i64> {
        self.batches.iter().filter_map(|batch| batch.newest)
    }

    /// For each batch, what became of its lines in each step.
    pub(crate) fn counts(&self) -> Vec<Counts> {
        self.batches
            .iter()
            .flat_map(|batch| batch.counts.iter().cloned())
            .collect()
    }

    /// What the checks of one step's product found in each batch.
    pub(crate) fn checked(&self, step: usize) -> impl Iterator<Item = &Report> {
        self.batches
            .iter()
            .filter_map(move |batch| batch.checked.get(step)?.as_ref())
    }

    /// Where each partition stands once it is committed.
    pub(crate) fn positions(&self) -> BTreeMap<String, i64> {
        let ends = self.batches.iter();
        ends.map(|batch| (batch.partition.clone(), batch.range.to))
            .collect()
    }

    fn ranges(&self) -> BTreeMap<String, Vec<Range>> {
        let mut ranges: BTreeMap<String, Vec<Range>> = BTreeMap::new();
        for batch in &self.batches {
            ranges
                .entry(batch.partition.clone())
                .or_default()
                .push(batch.range);
        }
        ranges
    }

    fn raw(&self) -> Vec<RecordBatch> {
        rows(self.batches.iter().map(|batch| &batch.raw))
    }

    pub(crate) fn quarantine(&self) -> Vec<RecordBatch> {
        rows(self.batches.iter().map(|batch| &batch.quarantine))
    }

    /// The rows of one step.
    fn curated(&self, step: usize) -> Vec<RecordBatch> {
        rows(self.batches.iter().filter_map(|batch| batch.curated.get(step)))
    }

    /// Records that these rows are written, and by which rules, and waits until that is on disk: no table changes without
    /// a record of it. Blocks for as long as a sync takes.
    pub(crate) fn record(&self, flow: &Flow, audit: &AuditLog) -> Result<(), AuditError> {
        let ranges: Vec<String> = self
            .ranges()
            .iter()
            .filter_map(|(partition, ranges)| {
                Some(format!(
                    "{partition}:{}-{}",
                    ranges.first()?.from,
                    ranges.last()?.to
                ))
            })
            .collect();
        let count = |batches: &[RecordBatch]| batches.iter().map(RecordBatch::num_rows).sum::<usize>();
        let tables = [self.raw(), self.quarantine()]
            .into_iter()
            .chain((0..flow.steps.len()).map(|step| self.curated(step)));
        for ((object, rule), batches) in flow.grants.iter().zip(tables) {
            audit.record(
                Record::new(Kind::Write, object, Outcome::Allow)
                    .with_principal(format!("plugin:{}", flow.domain))
                    .with_action("write")
                    .with_rule(rule)
                    .with_policy(&flow.policy_digest)
                    .with_detail("rows", count(&batches))
                    .with_detail("plugin", flow.plugin.digest())
                    .with_detail("offsets", ranges.join(" ")),
            )?;
        }
        audit.flush()
    }

    /// Commits every table.
    pub(crate) async fn commit(&self, flow: &Flow, tables: &Tables) -> Result<TickCommitted, FlowError> {
        let mut info = info(&self.plan(flow), true);
        tables.stamp.put(&mut info, tables.quarantine.id(), self.begun);
        let quarantine = tables
            .quarantine
            .commit(Commit {
                batches: self.quarantine(),
                advances: self.advances(flow, &tables.quarantine),
                replaces: None,
                info,
            })
            .await?;
        // Another process came to the same offsets, perhaps by other batches: what follows is to be made by its plan.
        if quarantine.landed_before {
            return Err(FlowError::Overtaken {
                flow: flow.name.clone(),
            });
        }
        self.follow(flow, tables, &tables.stamp, |_| true).await
    }

    /// Commits the tables that follow quarantine, those of `which`.
    pub(crate) async fn follow(
        &self,
        flow: &Flow,
        tables: &Tables,
        stamp: &Stamp,
        which: impl Fn(&Table) -> bool,
    ) -> Result<TickCommitted, FlowError> {
        let info = info(&self.plan(flow), false);
        let commits = tables.followers().map(|table| {
            // The tables may be those of a later version of the plugin than the one that made the rows.
            let step = flow.steps.iter().position(|step| step.spec.id == *table.id());
            let mut info = info.clone();
            stamp.put(&mut info, table.id(), self.begun);
            if let Some((step, plan)) = step.and_then(|step| Some((step, flow.steps.get(step)?))) {
                put_counts(&mut info, &totals(plan, self.checked(step))?);
            }
            let commit = which(table).then(|| Commit {
                batches: step.map_or_else(|| self.raw(), |step| self.curated(step)),
                advances: self.advances(flow, table),
                replaces: None,
                info,
            });
            Ok(async move {
                match commit {
                    Some(commit) => table.commit(commit).await.map(Some),
                    None => Ok(None),
                }
            })
        });
        let commits = commits.collect::<Result<Vec<_>, FlowError>>()?;
        let committed = futures::future::try_join_all(commits).await?;
        Ok(committed.into_iter().skip(1).flatten().collect())
    }

    fn plan(&self, flow: &Flow) -> Plan {
        Plan {
            plugin: flow.plugin.digest().to_owned(),
            policy: flow.policy_digest.clone(),
            products: flow.steps.iter().map(|step| step.product.clone()).collect(),
            batches: self.ranges(),
        }
    }

    fn advances(&self, flow: &Flow, table: &Table) -> Vec<Advance> {
        self.ranges()
            .iter()
            .filter_map(|(partition, ranges)| {
                let (first, last) = (ranges.first()?, ranges.last()?);
                Some(Advance {
                    app_id: app_id(flow, table, partition),
                    from: (!first.begins).then_some(first.from),
                    to: last.to,
                })
            })
            .collect()
    }
}

/// `malla/<table>/<source>/<partition>`.
pub(crate) fn app_id(flow: &Flow, table: &Table, partition: &str) -> String {
    format!("malla/{}/{}/{partition}", table.id(), flow.source.name)
}

fn rows<'a>(batches: impl Iterator<Item = &'a RecordBatch>) -> Vec<RecordBatch> {
    batches.filter(|batch| batch.num_rows() > 0).cloned().collect()
}

/// What a commit says of itself: who made it, and, in quarantine, the plan.
fn info(plan: &Plan, with_batches: bool) -> Map<String, Value> {
    let mut info = match serde_json::to_value(plan) {
        Ok(Value::Object(info)) => info,
        _ => Map::new(),
    };
    if !with_batches {
        info.remove("batches");
        info.remove("products");
    }
    info
}
