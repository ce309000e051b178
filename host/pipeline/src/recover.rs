//! Where a flow goes on after it was stopped, however it was stopped, and whichever process it was.

use std::collections::BTreeMap;

use futures::{StreamExt, pin_mut};
use malla_audit::AuditLog;
use malla_lake::{Advance, Commit, Table};
use malla_source::{Source, SourceError};

use crate::batch::Range;
use crate::commit::{Plan, Tables, Tick, app_id};
use crate::error::FlowError;
use crate::lineage::Stamp;
use crate::mesh::Mesh;
use crate::plan::Flow;

/// Where one partition stands in every table of a flow.
struct Offsets {
    quarantine: Option<i64>,
    /// One for each table that follows quarantine.
    followers: Vec<Option<i64>>,
}

/// Completes for these partitions a tick that was cut in two, and returns where each goes on. `None`: no table knows it.
///
/// A tick can be another process's, of more partitions than these: each is completed by whoever reads it now.
pub(crate) async fn recover(
    mesh: &Mesh,
    flow: &Flow,
    tables: &Tables,
    source: &Source,
    partitions: &[String],
) -> Result<BTreeMap<String, Option<i64>>, FlowError> {
    let mut positions = BTreeMap::new();
    for partition in partitions {
        let mut offsets = Offsets::read(flow, tables, partition).await?;
        offsets.check_order(tables, partition)?;
        let plan = match offsets.first_behind(tables) {
            Some(_) => last_plan(&tables.quarantine, partition).await?,
            None => None,
        };
        if let Some(plan) = &plan {
            join(flow, tables, partition, plan, &mut offsets).await?;
        }
        if let Some((table, behind)) = offsets.first_behind(tables) {
            let ranges = plan
                .as_ref()
                .and_then(|plan| plan.batches.get(partition))
                .filter(|ranges| offsets.fit(ranges));
            let (Some(plan), Some(ranges)) = (&plan, ranges) else {
                return Err(FlowError::NoPlan {
                    partition: partition.clone(),
                    table,
                    quarantine: offsets.quarantine,
                    behind,
                });
            };
            tracing::info!(
                flow = flow.name,
                partition,
                "Completing a commit that was cut off."
            );
            // What was begun is completed as it was begun: under another policy, or by another version of the plugin, other
            // rows may be in quarantine, and that is committed already.
            let (older, stamp);
            let mut stamp_of = &tables.stamp;
            let flow = if plan.plugin == flow.plugin.digest() && plan.policy == flow.policy_digest {
                flow
            } else {
                mesh.borrow(&plan.plugin, &plan.policy).await?;
                older =
                    mesh.flow_as_of(flow, &plan.plugin, &plan.policy)
                        .ok_or_else(|| FlowError::NotKept {
                            partition: partition.clone(),
                            plugin: plan.plugin.clone(),
                            policy: plan.policy.clone(),
                            state: mesh.config.state.clone(),
                        })?;
                stamp = mesh.flow_stamp(&older, tables.stamp.run()).await?;
                stamp_of = &stamp;
                &older
            };
            let whole = (partition.as_str(), ranges.as_slice());
            complete(flow, (tables, stamp_of), whole, source, &offsets, &mesh.audit).await?;
        }
        positions.insert(partition.clone(), offsets.quarantine);
    }
    Ok(positions)
}

impl Offsets {
    /// As they are at one time, though another process may be at its last commit.
    async fn read(flow: &Flow, tables: &Tables, partition: &str) -> Result<Self, FlowError> {
        const TRIES: usize = 5;
        let quarantine_now = async || {
            let app_id = app_id(flow, &tables.quarantine, partition);
            tables.quarantine.offset(&app_id).await
        };
        let mut quarantine = quarantine_now().await?;
        let mut followers = Vec::new();
        for _ in 0..TRIES {
            followers.clear();
            for table in tables.followers() {
                followers.push(table.offset(&app_id(flow, table, partition)).await?);
            }
            let after = quarantine_now().await?;
            if after == quarantine {
                break;
            }
            quarantine = after;
        }
        Ok(Self {
            quarantine,
            followers,
        })
    }

    fn check_order(&self, tables: &Tables, partition: &str) -> Result<(), FlowError> {
        for (table, offset) in tables.followers().zip(&self.followers) {
            if let Some(ahead) = offset.filter(|_| *offset > self.quarantine) {
                return Err(FlowError::Ahead {
                    partition: partition.to_owned(),
                    table: table.id().to_string(),
                    ahead,
                    quarantine: self.quarantine,
                });
            }
        }
        Ok(())
    }

    fn first_behind(&self, tables: &Tables) -> Option<(String, Option<i64>)> {
        tables
            .followers()
            .zip(&self.followers)
            .find(|(_, offset)| **offset < self.quarantine)
            .map(|(table, offset)| (table.id().to_string(), *offset))
    }

    /// Whether batches lead from where each table that is behind stands to where quarantine stands.
    fn fit(&self, ranges: &[Range]) -> bool {
        let (Some(first), Some(last)) = (ranges.first(), ranges.last()) else {
            return false;
        };
        Some(last.to) == self.quarantine
            && self
                .followers
                .iter()
                .all(|offset| *offset == self.quarantine || first.follows(*offset))
    }
}

/// Lets products begin at where quarantine stands that the last batches were not processed for: the version of the plugin that
/// processed them did not make them.
async fn join(
    flow: &Flow,
    tables: &Tables,
    partition: &str,
    plan: &Plan,
    offsets: &mut Offsets,
) -> Result<(), FlowError> {
    let Some(to) = offsets.quarantine.filter(|_| !plan.products.is_empty()) else {
        return Ok(());
    };
    let steps = flow.steps.iter().zip(&tables.curated);
    // The first that follows quarantine is raw.
    for ((step, table), offset) in steps.zip(offsets.followers.iter_mut().skip(1)) {
        if *offset >= Some(to) || plan.products.contains(&step.product) {
            continue;
        }
        tracing::warn!(
            flow = flow.name,
            product = step.product,
            partition,
            from = *offset,
            to,
            "The product was not made of these events, and begins after them."
        );
        let advance = Advance {
            app_id: app_id(flow, table, partition),
            from: *offset,
            to,
        };
        let info = [("begins".to_owned(), true.into())];
        table
            .commit(Commit {
                batches: Vec::new(),
                advances: vec![advance],
                replaces: None,
                info: info.into_iter().collect(),
            })
            .await?;
        *offset = Some(to);
    }
    Ok(())
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
    (tables, stamp): (&Tables, &Stamp),
    (partition, ranges): (&str, &[Range]),
    source: &Source,
    offsets: &Offsets,
    audit: &AuditLog,
) -> Result<(), FlowError> {
    let bounds: Vec<(i64, i64)> = ranges.iter().map(|range| (range.from, range.to)).collect();
    let begins = ranges.first().is_some_and(|range| range.begins);
    let batches = tokio::task::block_in_place(|| source.repeat(partition, &bounds, begins))?;
    let mut tick = Tick::default();
    let mut decoder = flow.decoder()?;
    for (range, lines) in ranges.iter().zip(batches) {
        if lines.len() != range.lines {
            return Err(FlowError::Source(SourceError::NotRepeatable {
                partition: partition.to_owned(),
                from: range.from,
                to: range.to,
                reason: format!(
                    "it had {} lines and has {} now: restore the source",
                    range.lines,
                    lines.len()
                ),
            }));
        }
        tick.push(flow.process(&mut decoder, &lines, range.event_time)?);
    }
    tick.record(flow, audit)?;
    let behind: Vec<String> = tables
        .followers()
        .zip(&offsets.followers)
        .filter(|(_, offset)| **offset < offsets.quarantine)
        .map(|(table, _)| table.id().to_string())
        .collect();
    tick.follow(flow, tables, stamp, |table| {
        behind.contains(&table.id().to_string())
    })
    .await?;
    Ok(())
}
