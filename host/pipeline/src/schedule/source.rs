//! A source as a job: followed, or drained and left alone.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::attempts::{Attempt, Attempts};
use super::config::JobConfig;
use super::lock::JobLock;
use crate::mesh::Mesh;
use crate::plan::Flow;
use crate::run::{Finished, Runner, Stop};
use crate::runs::{Begun, Ending, History, JobKind, Numbers, RunMark, RunState, Trigger};
use crate::workers::Queue;

/// How long an attempt that takes too long may take to end well: it commits what is in hand.
const GRACE: Duration = Duration::from_secs(60);

/// What all sources run with.
#[derive(Clone)]
pub(crate) struct Sources {
    pub(crate) mesh: Arc<Mesh>,
    pub(crate) history: Arc<History>,
    pub(crate) queue: Queue,
    pub(crate) stop: Stop,
}

/// What came of a run of a source.
pub(crate) struct SourceRun {
    pub(crate) finished: Finished,
    /// Why it did not run.
    pub(crate) skipped: Option<String>,
}

impl Sources {
    /// Follows a source until the run is to stop.
    pub(crate) async fn follow(self, flow: Flow) -> SourceRun {
        let job = flow.name.clone();
        let lock = match JobLock::take(&self.mesh.config.state, &lock_name(&job), &self.stop).await {
            Ok(Some(lock)) => lock,
            Ok(None) => return SourceRun::nothing(None),
            Err(error) => return SourceRun::nothing(Some(not_locked(&job, &error))),
        };
        let begun = self
            .history
            .begin(&job, JobKind::Source, Trigger::Continuous, None);
        let finished = self
            .runner(flow, false, self.stop.clone(), begun.mark())
            .run()
            .await;
        drop(lock);
        // It ends with the host, or because it cannot go on.
        let state = match &finished.failure {
            None => RunState::Succeeded,
            Some(_) => RunState::Failed,
        };
        begun.ends(ending(state, 1, &finished));
        SourceRun {
            finished,
            skipped: None,
        }
    }

    /// Drains a source, once.
    pub(crate) async fn once(self, flow: Flow, config: JobConfig) -> SourceRun {
        let job = flow.name.clone();
        let begun = self.history.begin(&job, JobKind::Source, Trigger::Once, None);
        let planned = Mutex::new(Some(flow));
        let plan = || {
            let flow = planned.lock().unwrap_or_else(PoisonError::into_inner).take();
            flow.ok_or_else(|| "it was planned for one attempt".to_owned())
        };
        // Whoever runs it once tries again by himself.
        self.drain(&job, &config, 0, begun, plan).await
    }

    /// Drains a source at its time.
    pub(crate) async fn scheduled(
        self,
        (domain, source): (&str, &str),
        config: JobConfig,
        begun: Begun,
    ) -> SourceRun {
        let job = format!("{domain}.{source}");
        let plan = || {
            self.mesh
                .flow_of(domain, source)
                .map_err(|refusal| refusal.to_string())
        };
        self.drain(&job, &config, config.retries, begun, plan).await
    }

    async fn drain(
        &self,
        job: &str,
        config: &JobConfig,
        retries: u32,
        begun: Begun,
        plan: impl Fn() -> Result<Flow, String> + Sync,
    ) -> SourceRun {
        let mut attempts = Attempts::new(job, config, retries, &self.stop);
        let mut products = Vec::new();
        let ending = loop {
            let attempt = match self.attempt(job, config, &plan, begun.mark()).await {
                Ok((finished, timed_out)) => {
                    let numbers = Numbers::of(&finished.products);
                    merge(&mut products, finished.products);
                    match finished.failure {
                        _ if timed_out => Attempt::TimedOut(numbers),
                        Some(error) => Attempt::Failed {
                            numbers,
                            error,
                            is_final: false,
                        },
                        None if self.stop.is_asked() => Attempt::Stopped(numbers),
                        None => Attempt::Done(numbers),
                    }
                }
                Err(attempt) => attempt,
            };
            if let Some(ending) = attempts.after(attempt).await {
                break ending;
            }
        };
        let failure = match ending.state {
            RunState::Failed | RunState::TimedOut | RunState::Aborted => ending.error.clone(),
            _ => None,
        };
        let skipped = match ending.state {
            RunState::Skipped => ending.error.clone(),
            _ => None,
        };
        begun.ends(ending);
        SourceRun {
            finished: Finished {
                products,
                failure: failure.map(|error| named(job, &error)),
            },
            skipped,
        }
    }

    /// Says too whether it was ended because it took too long.
    async fn attempt(
        &self,
        job: &str,
        config: &JobConfig,
        plan: &(impl Fn() -> Result<Flow, String> + Sync),
        mark: RunMark,
    ) -> Result<(Finished, bool), Attempt> {
        let failed = |error: String| Attempt::Failed {
            numbers: Numbers::default(),
            error,
            is_final: false,
        };
        let lock = match JobLock::try_take(&self.mesh.config.state, &lock_name(job)) {
            Ok(Some(lock)) => lock,
            Ok(None) => {
                return Err(Attempt::Skipped(
                    "another run of it goes on in this state folder".to_owned(),
                ));
            }
            Err(error) => return Err(failed(not_locked(job, &error))),
        };
        let flow = plan().map_err(failed)?;
        self.mesh
            .record_masks(&flow)
            .map_err(|error| failed(error.to_string()))?;
        let stop = self.stop.part();
        let runner = self.runner(flow, true, stop.clone(), mark);
        // A task of its own: it may hold up its thread.
        let mut running = tokio::spawn(async move {
            let finished = runner.run().await;
            // For as long as it runs, and be it after it was given up.
            drop(lock);
            finished
        });
        let panicked = |_| failed("a task panicked: this is an error in malla, please report it".to_owned());
        let Some(timeout) = config.timeout else {
            return Ok((running.await.map_err(panicked)?, false));
        };
        if let Ok(finished) = tokio::time::timeout(timeout, &mut running).await {
            return Ok((finished.map_err(panicked)?, false));
        }
        stop.stop();
        match tokio::time::timeout(GRACE, &mut running).await {
            Ok(finished) => Ok((finished.map_err(panicked)?, true)),
            Err(_) => {
                // As if the process had been killed: the next attempt looks where the tables stand.
                running.abort();
                Err(Attempt::TimedOut(Numbers::default()))
            }
        }
    }

    fn runner(&self, flow: Flow, once: bool, stop: Stop, mark: RunMark) -> Runner {
        Runner {
            mesh: Arc::clone(&self.mesh),
            flow: Arc::new(flow),
            queue: self.queue.clone(),
            once,
            stop,
            mark,
        }
    }
}

impl SourceRun {
    fn nothing(failure: Option<String>) -> Self {
        Self {
            finished: Finished {
                products: Vec::new(),
                failure,
            },
            skipped: None,
        }
    }
}

fn ending(state: RunState, attempts: u32, finished: &Finished) -> Ending {
    let ending = Ending::new(state, attempts).with_numbers(Numbers::of(&finished.products));
    match &finished.failure {
        Some(error) => ending.with_error(error),
        None => ending,
    }
}

/// Adds what a later attempt did to what was done before.
fn merge(products: &mut Vec<crate::report::ProductReport>, later: Vec<crate::report::ProductReport>) {
    for report in later {
        match products.iter_mut().find(|known| known.product == report.product) {
            Some(known) => known.and_again(&report),
            None => products.push(report),
        }
    }
}

fn named(job: &str, error: &str) -> String {
    if error.starts_with(job) {
        error.to_owned()
    } else {
        format!("{job}: {error}")
    }
}

pub(crate) fn lock_name(job: &str) -> String {
    format!("source.{job}")
}

pub(crate) fn not_locked(job: &str, error: &std::io::Error) -> String {
    format!("{job}: cannot lock it in the state folder: {error}")
}
