//! Maintenance of a mesh's tables: what contracts and `malla.toml` say of it, done table by table.
//!
//! INVARIANT: what somebody needs stays: the plan of a tick that is cut in two, the versions that products are made of, and what
//! readers and writers hold at the moment.

mod config;
mod keep;
mod targets;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use malla_audit::{Kind, Outcome, Record};
use malla_lake::{Cleaned, Compacted, Expired, Layer, Size, Table, Vacuum, Vacuumed};
use serde::Serialize;

pub(crate) use config::TEMPLATE;
pub use config::{MaintenanceConfig, RetentionConfig};

use crate::error::{FlowError, MeshError};
use crate::mesh::{Mesh, today};
use crate::run::Stop;
use targets::{Due, Target};

/// The first round of a run: its first commits, and what is read on start, come before.
const FIRST: Duration = Duration::from_secs(60);

/// What to maintain.
#[derive(Debug, Clone, Default)]
pub struct MaintainOptions {
    /// `domain`, or a table as queries name it. Absent: all.
    pub only: Option<String>,
    /// Say what would be done, and do nothing.
    pub dry_run: bool,
}

/// What was done to a table, or would be.
#[derive(Debug, Clone, Default, Serialize)]
pub struct TableReport {
    /// As queries name it.
    pub table: String,
    /// How large it was.
    pub before: Size,
    /// How large it is now; as before, of a dry run.
    pub after: Size,
    /// Small files that became large ones.
    pub compacted: Compacted,
    /// Rows that were older than their retention.
    pub expired: Expired,
    /// Files that nobody needs any more.
    pub vacuumed: Vacuumed,
    /// Entries of the log that nobody needs any more.
    pub log: Cleaned,
    /// What was not done, and why.
    pub notes: Vec<String>,
    /// What went wrong. The rest is what was done before.
    pub failed: Option<String>,
}

impl Mesh {
    /// Puts small files together, removes rows that are older than their retention, and deletes files and log entries that
    /// nobody needs any more, of one table after the other. A table that fails holds up no other.
    ///
    /// # Errors
    /// There is no such table, or it is not known what must stay.
    pub async fn maintain(&self, options: &MaintainOptions) -> Result<Vec<TableReport>, MeshError> {
        let kept = self.versions_to_keep().await?;
        let policy = self.policy();
        let mut reports = Vec::new();
        let mut known = Vec::new();
        let contracts = self.contracts();
        let own = crate::runs::contract();
        for contract in contracts.iter().chain([&own]) {
            let targets = targets::of(contract, &policy, &self.config.retention, today())?;
            for target in targets {
                known.push(target.object.clone());
                let wanted = options.only.as_ref();
                if wanted.is_some_and(|only| *only != target.object && *only != contract.domain) {
                    continue;
                }
                let mut report = TableReport {
                    table: target.object.clone(),
                    ..TableReport::default()
                };
                let pinned = kept.get(&target.object);
                let done = self.maintain_table(contract, &target, pinned, options.dry_run, &mut report);
                match done.await {
                    // Nothing was committed to it yet.
                    Ok(false) => continue,
                    Ok(true) => {}
                    Err(error) => report.failed = Some(error.to_string()),
                }
                reports.push(report);
            }
        }
        if let Some(only) = options.only.as_ref().filter(|_| reports.is_empty()) {
            let is_known = known.iter().any(|table| {
                table == only || table.split_once('.').is_some_and(|(domain, _)| domain == only)
            });
            if !is_known {
                return Err(MeshError::UnknownTable {
                    name: only.clone(),
                    known: known.join(", "),
                });
            }
        }
        Ok(reports)
    }

    async fn maintain_table(
        &self,
        contract: &malla_contract::Contract,
        target: &Target,
        pinned: Option<&BTreeMap<u64, String>>,
        dry_run: bool,
        report: &mut TableReport,
    ) -> Result<bool, FlowError> {
        let config = &self.config.maintenance;
        let silent = target.silent.as_deref().unwrap_or_default();
        let Some(table) = self.lake.existing_without(&target.id, silent).await? else {
            return Ok(false);
        };
        report.before = table.size().await?;
        report.after = report.before;
        report.notes.extend(target.note.clone());
        if let Some(due) = &target.expiry {
            report.expired = self.expire(target, &table, due, dry_run).await?;
            if report.expired.kept > 0 {
                report.notes.push(format!(
                    "{} files of days that are older than its retention ({}) stay: the log does not say that every `{}` in them is older too",
                    report.expired.kept,
                    due.rule,
                    due.expiry.element.as_deref().unwrap_or(&due.expiry.column),
                ));
            }
        }
        match &target.silent {
            Ok(_) => {
                report.compacted = table.compact(&config.compact(), dry_run).await?;
                report.notes.append(&mut report.compacted.given_up);
            }
            Err(why) => report
                .notes
                .push(format!("its files are not put together: {why}")),
        }

        let mut vacuum = Vacuum {
            retention: config.keep(),
            keep: pinned
                .into_iter()
                .flat_map(|pinned| pinned.keys().copied())
                .collect(),
            ..Vacuum::default()
        };
        report.vacuumed = self.vacuum(target, &table, &vacuum, dry_run).await?;
        if report.vacuumed.kept > 0 {
            let whom: BTreeSet<&str> = pinned
                .into_iter()
                .flat_map(|pinned| pinned.values().map(String::as_str))
                .collect();
            report.notes.push(format!(
                "{} old files stay for versions that {} is made of, until it is made anew",
                report.vacuumed.kept,
                whom.into_iter().collect::<Vec<_>>().join(", "),
            ));
        }
        if target.id.layer() == Layer::Quarantine
            && let Some(source) = contract.source(target.id.name())
        {
            let plans = self
                .plans_to_keep(contract, source, &table, config.keep())
                .await?;
            if !plans.is_empty() {
                report.notes.push(
                    "its log stays, since a commit that was cut off is to be completed: run the source"
                        .to_owned(),
                );
            }
            vacuum.keep.extend(plans);
        }
        if let Some(product) = &target.judged
            && let Some(last) = self.lake.judgement(product).await?
        {
            vacuum.keep.insert(last.version);
        }
        report.log = table.clean_log(config.keep(), &vacuum.keep, dry_run).await?;
        if !dry_run {
            report.after = table.size().await?;
        }
        Ok(true)
    }

    async fn expire(
        &self,
        target: &Target,
        table: &Table,
        due: &Due,
        dry_run: bool,
    ) -> Result<Expired, FlowError> {
        let would = table.expire(&due.expiry, true).await?;
        if dry_run || would.files == 0 {
            return Ok(would);
        }
        self.audit.record(
            Record::new(Kind::Expire, &target.object, Outcome::Done)
                .with_rule(&due.rule)
                .with_policy(self.policy().digest())
                .with_detail("before", due.expiry.before)
                .with_detail("days", would.days.len())
                .with_detail("rows", would.rows)
                .with_detail("files", would.files),
        )?;
        self.audit.flush()?;
        let expired = table.expire(&due.expiry, false).await?;
        tracing::info!(
            table = target.object,
            rule = due.rule,
            rows = expired.rows,
            days = expired.days.len(),
            "Removed rows older than their retention."
        );
        Ok(expired)
    }

    async fn vacuum(
        &self,
        target: &Target,
        table: &Table,
        vacuum: &Vacuum,
        dry_run: bool,
    ) -> Result<Vacuumed, FlowError> {
        let would = table.vacuum(vacuum, true).await?;
        if dry_run || would.files == 0 {
            return Ok(would);
        }
        self.audit.record(
            Record::new(Kind::Vacuum, &target.object, Outcome::Done)
                .with_policy(self.policy().digest())
                .with_rule(format!(
                    "malla.toml, [maintenance] keep_hours = {}",
                    self.config.maintenance.keep_hours
                ))
                .with_detail("files", would.files)
                .with_detail("bytes", would.bytes),
        )?;
        self.audit.flush()?;
        Ok(table.vacuum(vacuum, false).await?)
    }

    /// Maintains the tables of a run from time to time, until it is to stop.
    pub(crate) async fn maintain_by_the_way(self: Arc<Self>, domain: Option<String>, stop: Stop) {
        let config = &self.config.maintenance;
        if !config.enabled {
            return;
        }
        let options = MaintainOptions {
            only: domain,
            dry_run: false,
        };
        let mut pause = config.interval().min(FIRST);
        loop {
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = stop.asked() => return,
            }
            pause = config.interval();
            // Whatever is broken off is as if a process had been killed in it.
            let done = tokio::select! {
                done = self.maintain(&options) => done,
                () = stop.asked() => return,
            };
            let failed = match &done {
                Ok(tables) => tables.iter().any(|table| table.failed.is_some()),
                Err(error) => {
                    tracing::error!(%error, "Maintenance failed.");
                    true
                }
            };
            let tables = done.unwrap_or_default();
            for report in &tables {
                if let Some(error) = &report.failed {
                    tracing::error!(table = report.table, error, "Maintenance of a table failed.");
                }
                for note in &report.notes {
                    tracing::warn!(table = report.table, note, "Maintenance left something.");
                }
            }
            let sum = |of: fn(&TableReport) -> u64| tables.iter().map(of).sum::<u64>();
            tracing::info!(
                tables = tables.len(),
                compacted_files = sum(|table| table.compacted.files as u64),
                expired_rows = sum(|table| table.expired.rows),
                deleted_bytes = sum(|table| table.vacuumed.bytes),
                failed,
                "Maintained the tables."
            );
            self.metrics.maintained(failed);
        }
    }
}
