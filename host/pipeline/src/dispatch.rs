//! Which jobs a run has, and how each of them is run: followed, at its time, after commits, or once.

use std::collections::BTreeSet;
use std::sync::Arc;

use malla_lake::Layer;
use tokio::task::JoinSet;

use crate::error::{MeshError, Refusal};
use crate::gold::{GoldReport, Goldsmith};
use crate::judge::JudgeReport;
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
                    self.judge_once(Some(domain), Layer::Curated, &mut report).await;
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
        let fleet = self.plugins.fleet();
        let mut report = RunReport {
            failures: fleet.refusals().iter().map(Refusal::to_string).collect(),
            ..RunReport::default()
        };
        let kept = (!options.once).then(|| {
            let clock = Clock::new(
                sources.clone(),
                Arc::clone(gold),
                self.timed(options.domain.as_deref()),
            );
            let making = Arc::clone(gold).keep_making(options.domain.clone());
            let maintaining =
                Arc::clone(self).maintain_by_the_way(options.domain.clone(), sources.stop.clone());
            let judging = Arc::clone(self).keep_judging(options.domain.clone(), sources.stop.clone());
            (
                tokio::spawn(making),
                tokio::spawn(clock.keep()),
                tokio::spawn(judging),
                tokio::spawn(maintaining),
            )
        });
        self.run_sources(options, sources, &mut report).await?;
        // A mesh without sources keeps its gold and its schedules until it is told to stop.
        let Some((making, clock, judging, maintaining)) = kept else {
            let domain = options.domain.as_deref();
            if !sources.stop.is_asked() {
                self.judge_once(domain, Layer::Curated, &mut report).await;
            }
            let mut made = GoldReport::default();
            gold.make_all(domain, &mut made).await;
            report.take_gold(made);
            if !sources.stop.is_asked() {
                self.judge_once(domain, Layer::Gold, &mut report).await;
            }
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
        match judging.await {
            Ok(judged) => report.failures.extend(judged.failures.into_values()),
            Err(error) => report.failures.push(format!("judging: a task panicked: {error}")),
        }
        if let Err(error) = maintaining.await {
            report
                .failures
                .push(format!("maintenance: a task panicked: {error}"));
        }
        Ok(report)
    }

    /// Runs every source to its end, those of plugins that come later too.
    async fn run_sources(
        self: &Arc<Self>,
        options: &RunOptions,
        sources: &Sources,
        report: &mut RunReport,
    ) -> Result<(), MeshError> {
        let domain = options.domain.as_deref();
        let mut fleet = self.plugins.watch();
        let mut flows = self.flows(domain)?;
        let mut running = JoinSet::new();
        let mut names = BTreeSet::new();
        // Flows end in any order; what a report lists is in that of the contracts.
        let mut order = Vec::new();
        loop {
            for flow in flows.drain(..) {
                match flow {
                    Ok(flow) if names.contains(&flow.name) => {}
                    Ok(flow) => {
                        let (job, config) = (flow.name.clone(), self.job_config(&flow.name));
                        if !options.once {
                            // At its time.
                            if config.cron.is_some() {
                                continue;
                            }
                            self.record_masks(&flow)?;
                        }
                        names.insert(job.clone());
                        order.extend(flow.steps.iter().map(|step| step.product.clone()));
                        let (sources, once) = (sources.clone(), options.once);
                        running.spawn(async move {
                            let run = match once {
                                true => sources.once(flow, config).await,
                                false => sources.follow(flow).await,
                            };
                            (job, run)
                        });
                    }
                    Err(refusal) => self.refuse(&refusal, report)?,
                }
            }
            if running.is_empty() && (options.once || sources.stop.is_asked()) {
                report
                    .products
                    .sort_by_key(|product| order.iter().position(|name| *name == product.product));
                return Ok(());
            }
            let more = tokio::select! {
                Some(ended) = running.join_next() => {
                    match ended {
                        Ok((job, run)) => {
                            names.remove(&job);
                            report.take(&job, run);
                        }
                        Err(error) => report.failures.push(format!("a flow panicked: {error}")),
                    }
                    // A plugin that was gone may be back.
                    !options.once && !sources.stop.is_asked()
                }
                Ok(()) = fleet.changed(), if !options.once => true,
                // A mesh without sources waits for some.
                () = sources.stop.asked(), if running.is_empty() => false,
            };
            if more {
                // A domain may be gone, or yet to come.
                flows = self.flows(domain).unwrap_or_default();
            }
        }
    }

    async fn judge_once(&self, domain: Option<&str>, layer: Layer, report: &mut RunReport) {
        let mut judged = JudgeReport::default();
        self.judge_all(domain, &[layer], &mut judged).await;
        report.failures.extend(judged.failures.into_values());
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
