//! Runs the flows of a mesh: workers take batches of any partition, one committer a flow puts them into the lake.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use malla_source::{DirectoryConfig, DirectorySource};
use tokio::sync::mpsc;

use crate::commit::{Tables, Tick};
use crate::config::CommitConfig;
use crate::error::{FlowError, MeshError, Refusal};
use crate::mesh::Mesh;
use crate::plan::Flow;
use crate::progress::Progress;
use crate::recover::recover;
use crate::report::ProductReport;
use crate::workers::{Message, Workers};

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
}

/// How long a flow waits after its first failure before it tries again; doubled each time.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

impl Mesh {
    /// Processes what the sources hold, until they are drained (`once`) or `stop` is asked for.
    ///
    /// # Errors
    /// There is nothing that could run. A flow that cannot run or fails is named in the report and holds up no other.
    pub async fn run(
        self: &Arc<Self>,
        options: &RunOptions,
        progress: &Arc<Progress>,
        stop: &Stop,
    ) -> Result<RunReport, MeshError> {
        let mut report = RunReport {
            failures: self.refusals().iter().map(Refusal::to_string).collect(),
            ..RunReport::default()
        };
        let workers = Workers::start(&self.config.batch, stop);
        let mut running = Vec::new();
        for flow in self.flows(options.domain.as_deref())? {
            match flow {
                Ok(flow) => {
                    let runner = Runner {
                        mesh: Arc::clone(self),
                        flow: Arc::new(flow),
                        queue: workers.queue(),
                        once: options.once,
                        progress: Arc::clone(progress),
                        stop: stop.clone(),
                    };
                    running.push(tokio::spawn(runner.run()));
                }
                Err(refusal) => {
                    tracing::error!(error = %refusal, "A flow cannot run.");
                    report.failures.push(refusal.to_string());
                }
            }
        }
        for flow in running {
            match flow.await {
                Ok(mut outcome) => {
                    report.products.append(&mut outcome.products);
                    report.failures.extend(outcome.failure);
                }
                Err(error) => report.failures.push(format!("a flow panicked: {error}")),
            }
        }
        workers.finish();
        Ok(report)
    }
}

struct Runner {
    mesh: Arc<Mesh>,
    flow: Arc<Flow>,
    queue: crate::workers::Queue,
    once: bool,
    progress: Arc<Progress>,
    stop: Stop,
}

struct Outcome {
    products: Vec<ProductReport>,
    failure: Option<String>,
}

impl Runner {
    async fn run(self) -> Outcome {
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
        let failure = loop {
            let error = match self.attempt(&mut products, started).await {
                Ok(()) => break None,
                Err(error) => error,
            };
            tracing::error!(flow = self.flow.name, %error, "A flow stopped.");
            if self.once || self.stop.is_asked() {
                break Some(format!("{}: {error}", self.flow.name));
            }
            self.wait(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        };
        Outcome { products, failure }
    }

    async fn wait(&self, pause: Duration) {
        let until = Instant::now() + pause;
        while Instant::now() < until && !self.stop.is_asked() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Opens the tables, goes on where they say, and runs until drained, stopped or failed.
    async fn attempt(&self, products: &mut [ProductReport], started: Instant) -> Result<(), FlowError> {
        let tables = Tables::open(&self.mesh.lake, &self.flow).await?;
        let source = Arc::new(DirectorySource::open(DirectoryConfig::new(
            &self.flow.directory,
            self.mesh
                .config
                .state
                .join("sources")
                .join(&self.flow.domain)
                .join(&self.flow.source.name),
        ))?);
        let partitions = source.partitions()?;
        let older = async |digest: &str| self.mesh.flow_of_digest(&self.flow, digest);
        let positions = recover(&self.flow, older, &tables, &source, &partitions).await?;
        // Two batches wait for each that is worked on: enough to keep the workers busy, and a bound on memory.
        let (sender, receiver) = mpsc::channel(self.queue.workers() * 2);
        let reading = self
            .queue
            .flow(Arc::clone(&self.flow), Arc::clone(&source), sender, self.once);
        for (partition, position) in positions {
            reading.add(partition, position)?;
        }
        if self.once {
            reading.seal();
        }
        let finder = self.find_partitions(&reading, &source, &tables);
        let committer = Committer {
            flow: &self.flow,
            tables: &tables,
            config: &self.mesh.config.commit,
            progress: &self.progress,
            products,
            started,
        };
        let result = tokio::select! {
            result = committer.run(receiver) => result,
            error = finder => Err(error),
        };
        reading.close();
        result
    }

    /// Looks for partitions that were not there at the start. Returns only with an error.
    async fn find_partitions(
        &self,
        reading: &crate::workers::Reading,
        source: &DirectorySource,
        tables: &Tables,
    ) -> FlowError {
        const EVERY: Duration = Duration::from_secs(2);
        loop {
            self.wait(EVERY).await;
            if self.once || self.stop.is_asked() {
                reading.seal();
                return std::future::pending().await;
            }
            let found = async {
                let new: Vec<String> = source
                    .partitions()?
                    .into_iter()
                    .filter(|name| !reading.knows(name))
                    .collect();
                if new.is_empty() {
                    return Ok(());
                }
                let older = async |digest: &str| self.mesh.flow_of_digest(&self.flow, digest);
                for (partition, position) in recover(&self.flow, older, tables, source, &new).await? {
                    reading.add(partition, position)?;
                }
                Ok::<(), FlowError>(())
            };
            if let Err(error) = found.await {
                return error;
            }
        }
    }
}

/// Gathers batches into ticks and commits them.
struct Committer<'a> {
    flow: &'a Flow,
    tables: &'a Tables,
    config: &'a CommitConfig,
    progress: &'a Progress,
    products: &'a mut [ProductReport],
    started: Instant,
}

impl Committer<'_> {
    async fn run(mut self, mut batches: mpsc::Receiver<Message>) -> Result<(), FlowError> {
        let mut tick = Tick::default();
        let mut due = None;
        loop {
            let message = match due {
                Some(due) => tokio::time::timeout_at(due, batches.recv()).await,
                None => Ok(batches.recv().await),
            };
            match message {
                Ok(Some(Message::Batch(batch))) => {
                    due.get_or_insert_with(|| tokio::time::Instant::now() + self.config.interval());
                    tick.push(*batch);
                    if tick.lines < self.config.rows {
                        continue;
                    }
                }
                Ok(Some(Message::Failed(error))) => {
                    self.commit(std::mem::take(&mut tick)).await?;
                    return Err(error);
                }
                Ok(None) => return self.commit(tick).await,
                Err(_elapsed) => {}
            }
            self.commit(std::mem::take(&mut tick)).await?;
            due = None;
        }
    }

    async fn commit(&mut self, mut tick: Tick) -> Result<(), FlowError> {
        if tick.is_empty() {
            return Ok(());
        }
        let begun = Instant::now();
        let lines = tick.lines;
        let counts = std::mem::take(&mut tick.counts);
        let committed = tick.commit(self.flow, self.tables).await?;
        for (product, commit) in self.products.iter_mut().zip(&committed) {
            product.files += commit.files as u64;
            product.version = Some(commit.version);
            product.took(self.started.elapsed());
        }
        let steps = self.products.len();
        for batch in counts.chunks(steps.max(1)) {
            for (product, count) in self.products.iter_mut().zip(batch) {
                product.add(count);
            }
        }
        self.progress.committed(lines as u64);
        tracing::info!(flow = self.flow.name, lines, elapsed = ?begun.elapsed(), "Committed.");
        Ok(())
    }
}
