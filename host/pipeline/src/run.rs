//! Runs the flows of a mesh: workers take batches of any partition, one committer a flow puts them into the lake.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use malla_audit::{AuditError, Kind, Outcome, Record};
use malla_contract::Date;
use malla_lake::LakeError;
use malla_source::{Change, DirectoryConfig, DirectorySource, KafkaSource, SftpSource, Source, SourceError};
use tokio::sync::mpsc;

use crate::commit::Tables;
use crate::committer::{Committer, Ended};
use crate::config::SourceConfig;
use crate::dead_letters::DeadLetters;
use crate::error::{FlowError, MeshError};
use crate::gold::Goldsmith;
use crate::lineage::Follower;
use crate::mesh::Mesh;
use crate::plan::Flow;
use crate::recover::recover;
use crate::report::ProductReport;
use crate::runs::{History, RunMark};
use crate::schedule::Sources;
use crate::workers::Workers;

/// What to run.
#[derive(Debug, Clone, Default)]
pub struct RunOptions {
    /// Only this domain.
    pub domain: Option<String>,
    /// Stop when the sources hold nothing more.
    pub once: bool,
    /// Only this source or product, once: `domain.name`.
    pub product: Option<String>,
    /// Make these days of it anew, though nothing of them changed.
    pub days: Option<Days>,
}

/// From one day to another, both of them in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Days {
    /// The first.
    pub from: Date,
    /// The last; not before the first.
    pub to: Date,
}

/// What a run did.
#[derive(Debug, Default)]
pub struct RunReport {
    /// One for each product that ran.
    pub products: Vec<ProductReport>,
    /// Flows that could not run, or stopped: `domain.source`, or a plugin's file, and why.
    pub failures: Vec<String>,
    /// What was not run, since another process was at it, and why.
    pub skipped: Vec<String>,
}

/// Asks a run to stop: it finishes the batches in hand, commits, and returns.
#[derive(Debug, Clone, Default)]
pub struct Stop {
    asked: Arc<AtomicBool>,
    /// It is asked too when this one is.
    of: Option<Arc<Stop>>,
}

impl Stop {
    /// Asks.
    pub fn stop(&self) {
        self.asked.store(true, Ordering::Release);
    }

    /// One for a part of what this one stops.
    pub(crate) fn part(&self) -> Self {
        Self {
            asked: Arc::default(),
            of: Some(Arc::new(self.clone())),
        }
    }

    pub(crate) fn is_asked(&self) -> bool {
        self.asked.load(Ordering::Acquire) || self.of.as_ref().is_some_and(|of| of.is_asked())
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

impl Mesh {
    /// Processes what the sources hold, until they are drained (`once`) or `stop` is asked for.
    ///
    /// # Errors
    /// There is nothing that could run. A flow that cannot run or fails is named in the report and holds up no other.
    pub async fn run(self: &Arc<Self>, options: &RunOptions, stop: &Stop) -> Result<RunReport, MeshError> {
        if options.once && self.plugins.fleet().is_empty() {
            return Err(MeshError::NoPlugins {
                path: self.config.plugins.clone(),
            });
        }
        let asked = options.product.as_deref();
        let only = asked.map(|asked| self.job_of(asked, options.days)).transpose()?;
        let state = self.config.state.join("runs");
        let follower = Follower::of(self)?;
        let history = History::open(
            &self.config.state,
            self.lake.clone(),
            self.metrics.runs().clone(),
            &self.host,
        )
        .map_err(|source| MeshError::State { path: state, source })?;
        let watchers = [
            tokio::spawn(Arc::clone(self).watch_policies()),
            tokio::spawn(Arc::clone(self).watch_plugins()),
        ];
        let writing = tokio::spawn(Arc::clone(&history).keep_writing(stop.clone()));
        let followed = stop.part();
        let following = follower.map(|follower| tokio::spawn(follower.keep_following(followed.clone())));
        let workers = Workers::start(&self.config.batch, stop);
        let sources = Sources {
            mesh: Arc::clone(self),
            history: Arc::clone(&history),
            queue: workers.queue(),
            stop: stop.clone(),
        };
        let gold = Arc::new(Goldsmith {
            mesh: Arc::clone(self),
            history: Arc::clone(&history),
            stop: stop.clone(),
            turn: tokio::sync::Mutex::default(),
        });
        let report = match &only {
            Some(only) => self.run_one(only, options.days, sources, &gold).await,
            None => self.run_all(options, &sources, &gold).await,
        };
        workers.finish();
        for watcher in watchers {
            watcher.abort();
        }
        writing.abort();
        // Whoever is cut off here has it on his disk.
        let _ = writing.await;
        history.write_last().await;
        if let Some(following) = following {
            followed.stop();
            // After the history: it says what failed.
            Follower::end(following).await;
        }
        self.audit.flush()?;
        report
    }

    /// Which columns are masked, and by which rules.
    pub(crate) fn record_masks(&self, flow: &Flow) -> Result<(), AuditError> {
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

    pub(crate) fn record_refusal(&self, why: &str) -> Result<(), AuditError> {
        self.audit.record(
            Record::new(Kind::Deny, "flow", Outcome::Deny)
                .with_action("write")
                .with_policy(self.policy().digest())
                .with_detail("why", why),
        )
    }
}

/// The consumer group of a source.
pub(crate) fn group(domain: &str, source: &str) -> String {
    format!("malla.{domain}.{source}")
}

/// Runs one flow.
pub(crate) struct Runner {
    pub(crate) mesh: Arc<Mesh>,
    pub(crate) flow: Arc<Flow>,
    pub(crate) queue: crate::workers::Queue,
    pub(crate) once: bool,
    pub(crate) stop: Stop,
    /// The run that it is a part of.
    pub(crate) mark: RunMark,
}

/// What a flow did.
pub(crate) struct Finished {
    pub(crate) products: Vec<ProductReport>,
    pub(crate) failure: Option<String>,
}

impl Runner {
    pub(crate) async fn run(mut self) -> Finished {
        let mut products: Vec<ProductReport> = self
            .flow
            .steps
            .iter()
            .map(|step| ProductReport::of(&step.product))
            .collect();
        // When there was something to read: joining a group takes seconds.
        let started = OnceLock::new();
        let mut pause = FIRST_PAUSE;
        let mut conflicts = 0;
        let failure = loop {
            let begun = Instant::now();
            let error = match self.attempt(&mut products, &started).await {
                Ok(Ended::Done) => break None,
                Ok(Ended::Outdated) => match self.replan(&mut products) {
                    Ok(true) => continue,
                    Ok(false) => break None,
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

    /// Plans the flow by the plugin in use and under the policy in force. False: there is no such flow any more.
    fn replan(&mut self, products: &mut Vec<ProductReport>) -> Result<bool, FlowError> {
        let Some(planned) = self.mesh.replan(&self.flow) else {
            tracing::info!(flow = self.flow.name, "The plugin is gone: the flow ends.");
            return Ok(false);
        };
        let flow = planned.map_err(|error| FlowError::Policy(error.to_string()))?;
        self.mesh.record_masks(&flow)?;
        tracing::info!(
            flow = flow.name,
            plugin = flow.plugin_version,
            policy = flow.policy_digest,
            "Goes on by the plugin and policy of now."
        );
        let mut before = std::mem::take(products);
        products.extend(flow.steps.iter().map(|step| {
            let known = before.iter().position(|known| known.product == step.product);
            known.map_or_else(
                || ProductReport::of(&step.product),
                |known| before.swap_remove(known),
            )
        }));
        self.flow = Arc::new(flow);
        Ok(true)
    }

    async fn wait(&self, pause: Duration) {
        let until = Instant::now() + pause;
        while Instant::now() < until && !self.stop.is_asked() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Opens the tables, goes on where they say, and runs until drained, stopped or failed.
    async fn attempt(
        &self,
        products: &mut [ProductReport],
        started: &OnceLock<Instant>,
    ) -> Result<Ended, FlowError> {
        let (policy, fleet) = (self.mesh.policies.watch(), self.mesh.plugins.watch());
        let is_current = self.flow.is_of(&fleet.borrow());
        if policy.borrow().digest() != self.flow.policy_digest || !is_current {
            return Ok(Ended::Outdated);
        }
        self.mesh.share(&self.flow).await?;
        let stamp = self.mesh.flow_stamp(&self.flow, Some(self.mark)).await?;
        let tables = Tables::open(&self.mesh.lake, &self.flow, stamp).await?;
        let source = tokio::task::block_in_place(|| self.open_source())?;
        // For each worker a batch that it works on and two that wait: enough to keep it busy, and a bound on memory.
        let (sender, receiver) = mpsc::channel(self.queue.workers() * 3);
        let reading = self.queue.flow(Arc::clone(&self.flow), sender, self.once);
        let finder = self.find_partitions(&reading, &source, &tables, started);
        let committer = Committer {
            dead_letters: tokio::task::block_in_place(|| DeadLetters::open(&self.flow))?,
            flow: &self.flow,
            tables: &tables,
            source: &source,
            mesh: &self.mesh,
            policy,
            fleet,
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
        let journals = self.mesh.journals(domain, &source.name);
        match &self.flow.place {
            SourceConfig::Directory(directory) => {
                let config = DirectoryConfig::new(directory, journals).with_source(source);
                DirectorySource::open(config).map(Source::Directory)
            }
            SourceConfig::Kafka(config) => {
                let group = group(domain, &source.name);
                KafkaSource::open(config, &group, self.queue.limit()).map(Source::Kafka)
            }
            SourceConfig::Sftp(config) => {
                let spool = self
                    .mesh
                    .config
                    .state
                    .join("spool")
                    .join(domain)
                    .join(&source.name);
                SftpSource::open(config, &spool, &journals, source)
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
        started: &OnceLock<Instant>,
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
                if self.stop.is_asked() {
                    // This flow alone may be to stop.
                    reading.close();
                }
                reading.seal();
                return std::future::pending().await;
            }
            let due = match source {
                Source::Kafka(_) | Source::Sftp(_) => true,
                Source::Directory(_) => looked.is_none_or(|at| !self.once && at.elapsed() >= FOLDERS),
            };
            if let Some(lag) = source.lag() {
                self.mesh.metrics.lags(&self.flow, lag);
            }
            if due {
                looked = Some(Instant::now());
                match self.apply_changes(reading, source, tables).await {
                    Ok(Some(found)) => {
                        started.get_or_init(Instant::now);
                        found_any = found;
                    }
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
