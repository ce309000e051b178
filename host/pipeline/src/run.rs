//! Runs the flows of a mesh: workers take batches of any partition, one committer a flow puts them into the lake.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use malla_audit::{AuditError, Kind, Outcome, Record};
use malla_contract::Contract;
use malla_lake::LakeError;
use malla_source::{Change, DirectoryConfig, DirectorySource, KafkaSource, SftpSource, Source, SourceError};
use tokio::sync::mpsc;

use crate::commit::Tables;
use crate::committer::{Committer, Ended};
use crate::config::SourceConfig;
use crate::dead_letters::DeadLetters;
use crate::error::{FlowError, MeshError, Refusal};
use crate::gold::GoldReport;
use crate::mesh::Mesh;
use crate::plan::Flow;
use crate::policies::Reload;
use crate::recover::recover;
use crate::report::ProductReport;
use crate::workers::Workers;

/// What to run.
#[derive(Debug, Clone, Default)]
pub struct RunOptions {
    /// Only this domain.
    pub domain: Option<String>,
    /// Stop when the sources hold nothing more.
    pub once: bool,
}

/// What a run did.
#[derive(Debug, Default)]
pub struct RunReport {
    /// One for each product that ran.
    pub products: Vec<ProductReport>,
    /// Flows that could not run, or stopped: `domain.source`, or a plugin's file, and why.
    pub failures: Vec<String>,
}

/// Asks a run to stop: it finishes the batches in hand, commits, and returns.
#[derive(Debug, Clone, Default)]
pub struct Stop(Arc<AtomicBool>);

impl Stop {
    /// Asks.
    pub fn stop(&self) {
        self.0.store(true, Ordering::Release);
    }

    pub(crate) fn is_asked(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }

    /// Returns when it is asked.
    pub(crate) async fn asked(&self) {
        while !self.is_asked() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

/// How long a flow waits after its first failure before it tries again; doubled each time.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);
/// How often in a run another process may be quicker without that being a failure.
const CONFLICTS: u32 = 10;
const LOOK_AT_POLICIES: Duration = Duration::from_millis(250);

impl Mesh {
    /// Processes what the sources hold, until they are drained (`once`) or `stop` is asked for.
    ///
    /// # Errors
    /// There is nothing that could run. A flow that cannot run or fails is named in the report and holds up no other.
    pub async fn run(self: &Arc<Self>, options: &RunOptions, stop: &Stop) -> Result<RunReport, MeshError> {
        let mut report = RunReport {
            failures: self.refusals().iter().map(Refusal::to_string).collect(),
            ..RunReport::default()
        };
        let watcher = tokio::spawn(Arc::clone(self).watch_policies());
        let workers = Workers::start(&self.config.batch, stop);
        let mut running = Vec::new();
        for flow in self.flows(options.domain.as_deref())? {
            match flow {
                Ok(flow) => {
                    self.record_masks(&flow)?;
                    let runner = Runner {
                        mesh: Arc::clone(self),
                        flow: Arc::new(flow),
                        queue: workers.queue(),
                        once: options.once,
                        stop: stop.clone(),
                    };
                    running.push(tokio::spawn(runner.run()));
                }
                Err(refusal) => {
                    tracing::error!(error = %refusal, "A flow cannot run.");
                    self.record_refusal(&refusal.to_string())?;
                    report.failures.push(refusal.to_string());
                }
            }
        }
        let gold =
            (!options.once).then(|| tokio::spawn(Arc::clone(self).keep_gold(options.clone(), stop.clone())));
        let maintained = (!options.once && self.config.maintenance.enabled)
            .then(|| tokio::spawn(Arc::clone(self).keep_maintained(options.clone(), stop.clone())));
        for flow in running {
            match flow.await {
                Ok(mut outcome) => {
                    report.products.append(&mut outcome.products);
                    report.failures.extend(outcome.failure);
                }
                Err(error) => report.failures.push(format!("a flow panicked: {error}")),
            }
        }
        let mut made = GoldReport::default();
        match gold {
            // A mesh without sources keeps its gold until it is told to stop.
            Some(gold) => match gold.await {
                Ok(kept) => made = kept,
                Err(error) => report
                    .failures
                    .push(format!("gold products: a task panicked: {error}")),
            },
            None => self.refresh_all_gold(options, &mut made).await,
        }
        report.products.extend(made.products.into_values());
        report.failures.extend(made.failures.into_values());
        if let Some(maintained) = maintained {
            let _ = maintained.await;
        }
        workers.finish();
        watcher.abort();
        self.audit.flush()?;
        Ok(report)
    }

    /// Takes new policies into force while a run goes on.
    async fn watch_policies(self: Arc<Self>) {
        loop {
            tokio::time::sleep(LOOK_AT_POLICIES).await;
            let mesh = Arc::clone(&self);
            let look = move || {
                mesh.policies.look(|policy| {
                    let contracts: Vec<Contract> = mesh.contracts().cloned().collect();
                    malla_policy::misfits(policy, &contracts)
                })
            };
            let Ok(reload) = tokio::task::spawn_blocking(look).await else {
                return;
            };
            let record = match reload {
                Reload::Same => continue,
                Reload::Changed { from, to } => {
                    self.metrics.policy_changed();
                    tracing::info!(from, to, "A new policy is in force.");
                    Record::new(Kind::Reload, "policies", Outcome::Done)
                        .with_policy(to)
                        .with_detail("from", from)
                }
                Reload::NotKept(error) => {
                    self.metrics.policy_kept();
                    tracing::error!(%error, "The new policy cannot be copied to the state folder: the one before stays in force.");
                    continue;
                }
                Reload::Kept(errors) => {
                    self.metrics.policy_kept();
                    tracing::error!(
                        errors,
                        "The new policy is not valid: the one before stays in force."
                    );
                    Record::new(Kind::Reload, "policies", Outcome::Failed)
                        .with_policy(self.policy().digest())
                        .with_detail("why", errors)
                }
            };
            // Whoever writes next is told that the log cannot be written.
            let _ = self.audit.record(record);
        }
    }

    /// Which columns are masked, and by which rules.
    fn record_masks(&self, flow: &Flow) -> Result<(), AuditError> {
        for step in &flow.steps {
            for (plan, field) in step.columns.iter().zip(step.spec.schema.fields()) {
                if let Some(mask) = &plan.mask {
                    self.audit.record(
                        Record::new(
                            Kind::Mask,
                            format!("{}/{}", step.product, field.name()),
                            Outcome::Mask,
                        )
                        .with_principal(format!("plugin:{}", flow.domain))
                        .with_action("write")
                        .with_rule(mask)
                        .with_policy(&flow.policy_digest),
                    )?;
                }
            }
        }
        Ok(())
    }

    fn record_refusal(&self, why: &str) -> Result<(), AuditError> {
        self.audit.record(
            Record::new(Kind::Deny, "flow", Outcome::Deny)
                .with_action("write")
                .with_policy(self.policy().digest())
                .with_detail("why", why),
        )
    }
}

struct Runner {
    mesh: Arc<Mesh>,
    flow: Arc<Flow>,
    queue: crate::workers::Queue,
    once: bool,
    stop: Stop,
}

struct Finished {
    products: Vec<ProductReport>,
    failure: Option<String>,
}

impl Runner {
    async fn run(mut self) -> Finished {
        let mut products: Vec<ProductReport> = self
            .flow
            .steps
            .iter()
            .map(|step| ProductReport {
                product: step.product.clone(),
                ..ProductReport::default()
            })
            .collect();
        let started = Instant::now();
        let mut pause = FIRST_PAUSE;
        let mut conflicts = 0;
        let failure = loop {
            let begun = Instant::now();
            let error = match self.attempt(&mut products, started).await {
                Ok(Ended::Done) => break None,
                Ok(Ended::NewPolicy) => match self.replan() {
                    Ok(()) => continue,
                    Err(error) => error,
                },
                Err(error) => error,
            };
            if begun.elapsed() > LONGEST_PAUSE {
                (pause, conflicts) = (FIRST_PAUSE, 0);
            }
            // Another process was quicker, with a partition that the group has given to it by now.
            let overtaken = matches!(
                error,
                FlowError::Lake(LakeError::OffsetConflict { .. }) | FlowError::Overtaken { .. }
            );
            if overtaken && conflicts < CONFLICTS {
                tracing::warn!(flow = self.flow.name, %error, "Looks again where the tables stand.");
                conflicts += 1;
                self.wait(FIRST_PAUSE).await;
                continue;
            }
            self.mesh.metrics.flow_failed(&self.flow);
            tracing::error!(flow = self.flow.name, %error, "A flow stopped.");
            if self.once || self.stop.is_asked() {
                break Some(format!("{}: {error}", self.flow.name));
            }
            self.wait(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        };
        Finished { products, failure }
    }

    /// Plans the flow under the policy in force.
    fn replan(&mut self) -> Result<(), FlowError> {
        let refused = |error: String| FlowError::Policy(error);
        let flow = self
            .mesh
            .replan(&self.flow)
            .map_err(|error| refused(error.to_string()))?;
        self.mesh.record_masks(&flow)?;
        tracing::info!(
            flow = flow.name,
            policy = flow.policy_digest,
            "Goes on under the new policy."
        );
        self.flow = Arc::new(flow);
        Ok(())
    }

    async fn wait(&self, pause: Duration) {
        let until = Instant::now() + pause;
        while Instant::now() < until && !self.stop.is_asked() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Opens the tables, goes on where they say, and runs until drained, stopped or failed.
    async fn attempt(&self, products: &mut [ProductReport], started: Instant) -> Result<Ended, FlowError> {
        let policy = self.mesh.policies.watch();
        if policy.borrow().digest() != self.flow.policy_digest {
            return Ok(Ended::NewPolicy);
        }
        self.mesh.share(&self.flow).await?;
        let tables = Tables::open(&self.mesh.lake, &self.flow).await?;
        let source = tokio::task::block_in_place(|| self.open_source())?;
        // Two batches wait for each that is worked on: enough to keep the workers busy, and a bound on memory.
        let (sender, receiver) = mpsc::channel(self.queue.workers() * 2);
        let reading = self.queue.flow(Arc::clone(&self.flow), sender, self.once);
        let finder = self.find_partitions(&reading, &source, &tables);
        let committer = Committer {
            dead_letters: tokio::task::block_in_place(|| DeadLetters::open(&self.flow))?,
            flow: &self.flow,
            tables: &tables,
            source: &source,
            mesh: &self.mesh,
            policy,
            products,
            started,
        };
        let result = tokio::select! {
            result = committer.run(receiver) => result,
            error = finder => Err(error),
        };
        reading.close();
        // Leaving a group takes a moment.
        tokio::task::block_in_place(|| drop(source));
        result
    }

    fn open_source(&self) -> Result<Source, SourceError> {
        let Flow { domain, source, .. } = &*self.flow;
        let state = &self.mesh.config.state;
        let journals = state.join("sources").join(domain).join(&source.name);
        match &self.flow.place {
            SourceConfig::Directory(directory) => {
                let config = DirectoryConfig::new(directory, journals).with_format(&source.format);
                DirectorySource::open(config).map(Source::Directory)
            }
            SourceConfig::Kafka(config) => {
                let group = format!("malla.{domain}.{}", source.name);
                KafkaSource::open(config, &group, self.queue.limit()).map(Source::Kafka)
            }
            SourceConfig::Sftp(config) => {
                let spool = state.join("spool").join(domain).join(&source.name);
                SftpSource::open(config, &spool, &journals, &source.format)
                    .map(|source| Source::Sftp(Box::new(source)))
            }
        }
    }

    /// Has partitions read that come, and let go of that go. Returns only with an error.
    async fn find_partitions(
        &self,
        reading: &crate::workers::Reading,
        source: &Source,
        tables: &Tables,
    ) -> FlowError {
        const FOLDERS: Duration = Duration::from_secs(2);
        const TICK: Duration = Duration::from_millis(20);
        let mut found_any = false;
        let mut looked: Option<Instant> = None;
        loop {
            if self.stop.is_asked()
                || (self.once && found_any && source.has_told_all() && reading.has_ended())
            {
                if let Err(error) = source.check_whole() {
                    reading.fail(error.into()).await;
                }
                reading.seal();
                return std::future::pending().await;
            }
            let due = match source {
                Source::Kafka(_) | Source::Sftp(_) => true,
                Source::Directory(_) => looked.is_none_or(|at| !self.once && at.elapsed() >= FOLDERS),
            };
            if due {
                looked = Some(Instant::now());
                match self.apply_changes(reading, source, tables).await {
                    Ok(Some(found)) => found_any = found,
                    Ok(None) => {}
                    Err(error) => return error,
                }
            }
            tokio::time::sleep(TICK).await;
        }
    }

    /// Says whether the last change gave partitions, were it none, or took some: then others are given soon.
    async fn apply_changes(
        &self,
        reading: &crate::workers::Reading,
        source: &Source,
        tables: &Tables,
    ) -> Result<Option<bool>, FlowError> {
        let mut found = None;
        if self.once {
            source.check_alive()?;
        }
        for change in source.changes(|partition| reading.knows(partition))? {
            match change {
                Change::Added { partitions, ticket } => {
                    let positions = recover(&self.mesh, &self.flow, tables, source, &partitions).await?;
                    for reader in tokio::task::block_in_place(|| source.start(ticket, &positions))? {
                        reading.add(reader)?;
                    }
                    if !partitions.is_empty() {
                        tracing::debug!(flow = self.flow.name, ?partitions, "Reads partitions.");
                    }
                    found = Some(true);
                }
                Change::Removed {
                    partitions,
                    lost,
                    released,
                } => {
                    tracing::info!(flow = self.flow.name, ?partitions, lost, "Lets go of partitions.");
                    reading.remove(partitions, lost, released).await;
                    found = Some(false);
                }
            }
        }
        Ok(found)
    }
}
