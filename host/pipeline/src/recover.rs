//! Where a flow goes on after it was stopped, however it was stopped.

use std::collections::BTreeMap;

use futures::{StreamExt, pin_mut};
use malla_audit::AuditLog;
use malla_lake::Table;
use malla_source::{Decoder, DirectorySource};

use crate::commit::{Plan, Tables, Tick, app_id};
use crate::error::FlowError;
use crate::plan::Flow;

/// The offsets of every partition in every table of a flow.
struct Offsets {
    quarantine: BTreeMap<String, Option<i64>>,
    /// One map for each table that follows quarantine.
    followers: Vec<BTreeMap<String, Option<i64>>>,
}

/// Completes a tick that a crash cut in two, and returns where each partition goes on (0: at its start).
pub(crate) async fn recover(
    flow: &Flow,
    as_of: impl AsyncFnOnce(&str, &str) -> Option<Flow>,
    tables: &Tables,
    source: &DirectorySource,
    partitions: &[String],
    audit: &AuditLog,
) -> Result<BTreeMap<String, i64>, FlowError> {
    let offsets = Offsets::read(flow, tables, partitions).await?;
    offsets.check_order(tables)?;
    if let Some((partition, table, behind)) = offsets.first_behind(tables) {
        let Some(plan) = last_plan(&tables.quarantine, &partition).await? else {
            return Err(offsets.no_plan(partition, table, behind));
        };
        if !offsets.plan_fits(&plan) {
            return Err(offsets.no_plan(partition, table, behind));
        }
        tracing::info!(flow = flow.name, "Completing a commit that was cut off.");
        // What was begun is completed as it was begun: under another policy, or by another version of the plugin, other
        // rows may be in quarantine, and that is committed already.
        let older = if plan.plugin == flow.plugin.digest() && plan.policy == flow.policy_digest {
            None
        } else {
            as_of(&plan.plugin, &plan.policy).await
        };
        let flow = older.as_ref().unwrap_or(flow);
        complete(flow, tables, source, &plan, &offsets, audit).await?;
    }
    Ok(offsets
        .quarantine
        .into_iter()
        .map(|(partition, offset)| (partition, offset.unwrap_or(0)))
        .collect())
}

impl Offsets {
    async fn read(flow: &Flow, tables: &Tables, partitions: &[String]) -> Result<Self, FlowError> {
        let mut followers = Vec::new();
        for table in tables.followers() {
            followers.push(of_table(flow, table, partitions).await?);
        }
        Ok(Self {
            quarantine: of_table(flow, &tables.quarantine, partitions).await?,
            followers,
        })
    }

    fn quarantine(&self, partition: &str) -> Option<i64> {
        self.quarantine.get(partition).copied().flatten()
    }

    fn check_order(&self, tables: &Tables) -> Result<(), FlowError> {
        for (table, offsets) in tables.followers().zip(&self.followers) {
            for (partition, offset) in offsets {
                if let Some(ahead) = offset.filter(|offset| Some(*offset) > self.quarantine(partition)) {
                    return Err(FlowError::Ahead {
                        partition: partition.clone(),
                        table: table.id().to_string(),
                        ahead,
                        quarantine: self.quarantine(partition),
                    });
                }
            }
        }
        Ok(())
    }

    fn first_behind(&self, tables: &Tables) -> Option<(String, String, Option<i64>)> {
        tables
            .followers()
            .zip(&self.followers)
            .find_map(|(table, offsets)| {
                let (partition, offset) = offsets
                    .iter()
                    .find(|(partition, offset)| **offset < self.quarantine(partition))?;
                Some((partition.clone(), table.id().to_string(), *offset))
            })
    }

    /// Whether the plan leads from where each table that is behind stands to where quarantine stands.
    fn plan_fits(&self, plan: &Plan) -> bool {
        let ends = plan
            .batches
            .iter()
            .all(|(partition, ranges)| ranges.last().map(|range| range.to) == self.quarantine(partition));
        let starts = self.followers.iter().flatten().all(|(partition, offset)| {
            *offset == self.quarantine(partition)
                || plan
                    .batches
                    .get(partition)
                    .and_then(|ranges| ranges.first())
                    .is_some_and(|range| range.from == offset.unwrap_or(0))
        });
        ends && starts
    }

    fn no_plan(&self, partition: String, table: String, behind: Option<i64>) -> FlowError {
        FlowError::NoPlan {
            quarantine: self.quarantine(&partition),
            partition,
            table,
            behind,
        }
    }
}

async fn of_table(
    flow: &Flow,
    table: &Table,
    partitions: &[String],
) -> Result<BTreeMap<String, Option<i64>>, FlowError> {
    let mut offsets = BTreeMap::new();
    for partition in partitions {
        offsets.insert(
            partition.clone(),
            table.offset(&app_id(flow, table, partition)).await?,
        );
    }
    Ok(offsets)
}

/// The newest plan that mentions a partition.
async fn last_plan(quarantine: &Table, partition: &str) -> Result<Option<Plan>, FlowError> {
    let history = quarantine.history();
    pin_mut!(history);
    while let Some(record) = history.next().await {
        let plan: Option<Plan> = serde_json::from_value(record?.info.into()).ok();
        if let Some(plan) = plan.filter(|plan| plan.batches.contains_key(partition)) {
            return Ok(Some(plan));
        }
    }
    Ok(None)
}

async fn complete(
    flow: &Flow,
    tables: &Tables,
    source: &DirectorySource,
    plan: &Plan,
    offsets: &Offsets,
    audit: &AuditLog,
) -> Result<(), FlowError> {
    let mut tick = Tick::default();
    let mut decoder = Decoder::new(&flow.source.table);
    for (partition, ranges) in &plan.batches {
        let from = ranges.first().map_or(0, |range| range.from);
        let mut reader = source.reader(partition, from)?;
        for range in ranges {
            let lines = reader.repeat(range.from, range.to)?;
            tick.push(flow.process(&mut decoder, &lines, range.event_time)?);
        }
    }
    tick.record(flow, audit)?;
    let behind: Vec<String> = tables
        .followers()
        .zip(&offsets.followers)
        .filter(|(_, at)| {
            at.iter()
                .any(|(partition, at)| *at < offsets.quarantine(partition))
        })
        .map(|(table, _)| table.id().to_string())
        .collect();
    tick.follow(flow, tables, |table| behind.contains(&table.id().to_string()))
        .await?;
    Ok(())
}
