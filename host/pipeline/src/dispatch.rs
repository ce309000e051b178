//! Which jobs a run has, and how each of them is run: followed, at its time, after commits, or once.

use std::sync::Arc;

use crate::error::{MeshError, Refusal};
use crate::gold::{GoldReport, Goldsmith};
use crate::mesh::Mesh;
use crate::run::{Days, RunOptions, RunReport};
use crate::runs::JobKind;
use crate::schedule::{Clock, SourceRun, Sources, Timed};

impl Mesh {
    /// One job, once.
    pub(crate) async fn run_one(
        self: &Arc<Self>,
        (kind, domain, name): &(JobKind, String, String),
        days: Option<Days>,
        sources: Sources,
        gold: &Arc<Goldsmith>,
    ) -> Result<RunReport, MeshError> {
        let mut report = RunReport::default();
        match kind {
            JobKind::Source => match self.flow_of(domain, name) {
                Ok(flow) => {
                    let config = self.job_config(&flow.name);
                    report.take(&format!("{domain}.{name}"), sources.once(flow, config).await);
                }
                Err(refusal) => self.refuse(&refusal, &mut report)?,
            },
            JobKind::Product => {
                let mut made = GoldReport::default();
                gold.make_now((domain, name), days, &mut made).await;
                report.take_gold(made);
            }
        }
        Ok(report)
    }

    /// Every job: once, or until the run is to stop.
    pub(crate) async fn run_all(
        self: &Arc<Self>,
        options: &RunOptions,
        sources: &Sources,
        gold: &Arc<Goldsmith>,
    ) -> Result<RunReport, MeshError> {
        let mut report = RunReport {
            failures: self.refusals().iter().map(Refusal::to_string).collect(),
            ..RunReport::default()
        };
        let mut running = Vec::new();
        for flow in self.flows(options.domain.as_deref())? {
            match flow {
                Ok(flow) => {
                    let (job, config) = (flow.name.clone(), self.job_config(&flow.name));
                    let sources = sources.clone();
                    let run = match (options.once, &config.cron) {
                        (true, _) => tokio::spawn(sources.once(flow, config)),
                        (false, None) => {
                            self.record_masks(&flow)?;
                            tokio::spawn(sources.follow(flow))
                        }
                        // At its time.
                        (false, Some(_)) => continue,
                    };
                    running.push((job, run));
                }
                Err(refusal) => self.refuse(&refusal, &mut report)?,
            }
        }
        let kept = (!options.once).then(|| {
            let clock = Clock::new(
                sources.clone(),
                Arc::clone(gold),
                self.timed(options.domain.as_deref()),
            );
            let making = Arc::clone(gold).keep_making(options.domain.clone());
            (tokio::spawn(making), tokio::spawn(clock.keep()))
        });
        for (job, run) in running {
            match run.await {
                Ok(run) => report.take(&job, run),
                Err(error) => report.failures.push(format!("a flow panicked: {error}")),
            }
        }
        // A mesh without sources keeps its gold and its schedules until it is told to stop.
        let Some((making, clock)) = kept else {
            let mut made = GoldReport::default();
            gold.make_all(options.domain.as_deref(), &mut made).await;
            report.take_gold(made);
            return Ok(report);
        };
        match making.await {
            Ok(made) => report.take_gold(made),
            Err(error) => report
                .failures
                .push(format!("gold products: a task panicked: {error}")),
        }
        match clock.await {
            Ok(done) => {
                report.products.extend(done.products);
                report.failures.extend(done.failures.into_values());
            }
            Err(error) => report
                .failures
                .push(format!("schedules: a task panicked: {error}")),
        }
        Ok(report)
    }

    /// What has a schedule, each after what it reads.
    fn timed(&self, only: Option<&str>) -> Vec<Timed> {
        let jobs = self.jobs().into_iter().filter(|job| {
            let domain = job.job.split_once('.').map(|(domain, _)| domain);
            job.cron.is_some() && only.is_none_or(|only| domain == Some(only))
        });
        jobs.map(|job| Timed::new(&job, self.job_config(&job.job)))
            .collect()
    }

    fn refuse(&self, refusal: &Refusal, report: &mut RunReport) -> Result<(), MeshError> {
        tracing::error!(error = %refusal, "A flow cannot run.");
        self.record_refusal(&refusal.to_string())?;
        report.failures.push(refusal.to_string());
        Ok(())
    }
}

impl RunReport {
    fn take(&mut self, job: &str, run: SourceRun) {
        self.products.extend(run.finished.products);
        self.failures.extend(run.finished.failure);
        self.skipped
            .extend(run.skipped.map(|why| format!("{job}: {why}")));
    }

    fn take_gold(&mut self, made: GoldReport) {
        self.products.extend(made.products.into_values());
        self.failures.extend(made.failures.into_values());
        let skipped = made.skipped.into_iter();
        self.skipped
            .extend(skipped.map(|(job, why)| format!("{job}: {why}")));
    }
}
