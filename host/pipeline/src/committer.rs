//! One a flow: gathers batches into ticks and commits them.

use std::sync::{Arc, OnceLock};
use std::time::Instant;

use malla_policy::Policy;
use malla_quality::Status;
use malla_source::Source;
use tokio::sync::{mpsc, watch};

use crate::commit::{Tables, Tick};
use crate::dead_letters::DeadLetters;
use crate::error::FlowError;
use crate::mesh::Mesh;
use crate::plan::Flow;
use crate::plugins::Fleet;
use crate::quality::{of_rows, told, totals};
use crate::report::ProductReport;
use crate::workers::Message;

/// Why an attempt ended well.
pub(crate) enum Ended {
    /// The source is drained, or the run is to stop.
    Done,
    /// Another policy is in force, or another version of the plugin in use: what is not committed is made anew.
    Outdated,
}

/// Gathers batches into ticks and commits them.
pub(crate) struct Committer<'a> {
    pub(crate) flow: &'a Flow,
    pub(crate) tables: &'a Tables,
    pub(crate) source: &'a Source,
    pub(crate) dead_letters: Option<DeadLetters>,
    pub(crate) mesh: &'a Mesh,
    pub(crate) policy: watch::Receiver<Policy>,
    pub(crate) fleet: watch::Receiver<Arc<Fleet>>,
    pub(crate) products: &'a mut [ProductReport],
    pub(crate) started: &'a OnceLock<Instant>,
}

impl Committer<'_> {
    pub(crate) async fn run(mut self, mut batches: mpsc::Receiver<Message>) -> Result<Ended, FlowError> {
        let mut tick = Tick::default();
        let mut due = None;
        loop {
            let next = async {
                match due {
                    Some(due) => tokio::time::timeout_at(due, batches.recv()).await,
                    None => Ok(batches.recv().await),
                }
            };
            let message = tokio::select! {
                biased;
                // Nothing that was masked by the policy before is committed after it.
                Ok(()) = self.policy.changed() => return Ok(Ended::Outdated),
                Ok(()) = self.fleet.changed() => {
                    if self.flow.is_of(&self.fleet.borrow_and_update()) {
                        continue;
                    }
                    self.commit(tick).await?;
                    return Ok(Ended::Outdated);
                }
                message = next => message,
            };
            match message {
                Ok(Some(Message::Batch(_, lease))) if lease.is_revoked() => continue,
                Ok(Some(Message::Batch(batch, _))) => {
                    due.get_or_insert_with(|| {
                        tokio::time::Instant::now() + self.mesh.config.commit.interval()
                    });
                    tick.push(*batch);
                    if tick.lines() < self.mesh.config.commit.rows {
                        continue;
                    }
                }
                Ok(Some(Message::Release {
                    partitions,
                    lost,
                    released,
                })) => {
                    if lost {
                        tick.leave_out(&partitions);
                    }
                    self.commit(std::mem::take(&mut tick)).await?;
                    due = None;
                    drop(released);
                    continue;
                }
                Ok(Some(Message::Failed(error))) => {
                    self.commit(std::mem::take(&mut tick)).await?;
                    return Err(error);
                }
                Ok(None) => return self.commit(tick).await.map(|()| Ended::Done),
                Err(_elapsed) => {}
            }
            self.commit(std::mem::take(&mut tick)).await?;
            due = None;
        }
    }

    async fn commit(&mut self, tick: Tick) -> Result<(), FlowError> {
        if tick.is_empty() {
            return Ok(());
        }
        let begun = Instant::now();
        let lines = tick.lines();
        let counts = tick.counts();
        tick.record(self.flow, &self.mesh.audit)?;
        if let Some(letters) = &self.dead_letters {
            // Before they are committed: a crash tells of some again, and of none never.
            tokio::task::block_in_place(|| letters.send(&tick.quarantine()))?;
        }
        let before = self.tables.failed_tries();
        let committed = tick.commit(self.flow, self.tables).await;
        let failed = self.tables.failed_tries() - before;
        self.mesh.metrics.retried(self.flow, failed);
        let committed = committed?;
        self.source.committed(&tick.positions());
        self.mesh.committed.notify_one();
        self.mesh.stamped.notify_one();
        for (product, commit) in self.products.iter_mut().zip(&committed) {
            product.files += commit.files as u64;
            product.version = Some(commit.version);
            product.took(self.started.get_or_init(Instant::now).elapsed());
        }
        let now = chrono::Utc::now().timestamp_micros();
        self.mesh.metrics.arrived(self.flow, &tick, now);
        for (step, plan) in self.flow.steps.iter().enumerate() {
            let totals = totals(plan, tick.checked(step))?;
            for verdict in totals.verdicts(now).iter().filter(|verdict| of_rows(verdict)) {
                self.mesh.metrics.checked(plan, verdict);
                if verdict.status == Status::Failure {
                    tracing::warn!(product = plan.product, "{}", told(verdict));
                }
            }
        }
        let steps = self.products.len();
        for batch in counts.chunks(steps.max(1)) {
            for (product, count) in self.products.iter_mut().zip(batch) {
                product.add(count);
            }
        }
        self.mesh
            .metrics
            .committed(self.flow, lines as u64, &counts, begun.elapsed());
        tracing::info!(flow = self.flow.name, lines, elapsed = ?begun.elapsed(), "Committed.");
        Ok(())
    }
}
