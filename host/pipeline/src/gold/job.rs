//! A product that SQL makes, as a job: once, at its time, or after commits to what it is made of.

use std::collections::BTreeSet;
use std::sync::{Arc, OnceLock};

use malla_query::QueryError;

use super::{GoldPlan, Goldsmith, Made, Making};
use crate::error::FlowError;
use crate::report::ProductReport;
use crate::runs::{Begun, Ending, History, JobKind, Numbers, RunMark, RunState, Trigger};
use crate::schedule::{Attempt, Attempts, JobConfig, JobLock, not_locked};

/// Begun when there is something to do: what has nothing to do after a commit is no run.
pub(crate) struct Run<'a> {
    history: &'a Arc<History>,
    product: &'a str,
    trigger: Trigger,
    begun: OnceLock<Begun>,
}

impl<'a> Run<'a> {
    pub(crate) fn new(history: &'a Arc<History>, product: &'a str, trigger: Trigger) -> Self {
        Self {
            history,
            product,
            trigger,
            begun: OnceLock::new(),
        }
    }

    /// One that was begun before.
    pub(crate) fn of(
        history: &'a Arc<History>,
        product: &'a str,
        trigger: Trigger,
        begun: Option<Begun>,
    ) -> Self {
        let run = Self::new(history, product, trigger);
        if let Some(begun) = begun {
            // Empty until now.
            let _ = run.begun.set(begun);
        }
        run
    }

    pub(crate) fn begin(&self) -> RunMark {
        let begun = self.begun.get_or_init(|| {
            self.history
                .begin(self.product, JobKind::Product, self.trigger, None)
        });
        begun.mark()
    }

    pub(crate) fn into_begun(self) -> Option<Begun> {
        self.begun.into_inner()
    }

    /// Nothing is told of a run that was never begun, unless it failed.
    pub(crate) fn ends(self, ending: Ending) {
        if matches!(ending.state, RunState::Failed | RunState::TimedOut) {
            self.begin();
        }
        if let Some(begun) = self.begun.into_inner() {
            begun.ends(ending);
        }
    }
}

/// What one attempt gave.
pub(crate) struct Tried {
    pub(crate) attempt: Attempt,
    pub(crate) report: Option<ProductReport>,
    /// It waits for a table that is not there yet.
    pub(crate) waits: bool,
}

impl Tried {
    fn new(attempt: Attempt) -> Self {
        Self {
            attempt,
            report: None,
            waits: false,
        }
    }
}

impl Goldsmith {
    /// One attempt. Products are made one after another: each may hold much memory.
    pub(crate) async fn attempt(
        &self,
        plan: &GoldPlan,
        config: &JobConfig,
        also: &BTreeSet<Option<String>>,
        begins: &(dyn Fn() -> Option<RunMark> + Sync),
    ) -> Tried {
        let turn = tokio::select! {
            turn = self.turn.lock() => turn,
            () = self.stop.asked() => return Tried::new(Attempt::Stopped(Numbers::default())),
        };
        let failed = |error: String, is_final| {
            Tried::new(Attempt::Failed {
                numbers: Numbers::default(),
                error,
                is_final,
            })
        };
        let _lock = match JobLock::try_take(&self.mesh.config.state, &format!("product.{}", plan.product)) {
            Ok(Some(lock)) => lock,
            Ok(None) => {
                let why = "another run of it goes on in this state folder";
                return Tried::new(Attempt::Skipped(why.to_owned()));
            }
            Err(error) => return failed(not_locked(&plan.product, &error), false),
        };
        let making = Making {
            also: also.clone(),
            timeout: config.timeout,
            begins,
        };
        let made = self.mesh.refresh_gold(plan, &making).await;
        drop(turn);
        match made {
            Ok(Made::Anew(report)) => Tried {
                attempt: Attempt::Done(Numbers::of(std::slice::from_ref(&report))),
                report: Some(report),
                waits: false,
            },
            Ok(Made::Same) => Tried::new(Attempt::Done(Numbers::default())),
            Ok(Made::Overtaken) => {
                Tried::new(Attempt::Skipped("another process made it meanwhile".to_owned()))
            }
            Ok(Made::NewPolicy) => Tried::new(Attempt::Skipped(
                "the policy changed meanwhile: it is made anew under the new one".to_owned(),
            )),
            Ok(Made::TooLong) => Tried::new(Attempt::TimedOut(Numbers::default())),
            Err(FlowError::Query {
                source: QueryError::UnknownTable { name, .. },
                ..
            }) => {
                tracing::info!(
                    product = plan.product,
                    waits_for = name,
                    "A product waits for what it is made of."
                );
                Tried {
                    waits: true,
                    ..Tried::new(Attempt::Skipped(format!(
                        "it waits for `{name}`, which is not there yet"
                    )))
                }
            }
            Err(error) => failed(error.to_string(), error.is_final()),
        }
    }

    /// Makes a product at its time, with retries.
    pub(crate) async fn scheduled(
        &self,
        (domain, product): (&str, &str),
        config: &JobConfig,
        begun: Begun,
    ) -> GoldRun {
        let job = format!("{domain}.{product}");
        let mut attempts = Attempts::new(&job, config, config.retries, &self.stop);
        let mut report = None;
        let ending = loop {
            let tried = self.newest((domain, product), config, begun.mark()).await;
            report = tried.report.or(report);
            if let Some(ending) = attempts.after(tried.attempt).await {
                break ending;
            }
        };
        let failure = match ending.state {
            RunState::Failed | RunState::TimedOut => ending.error.clone(),
            _ => None,
        };
        begun.ends(ending);
        GoldRun { report, failure }
    }
}

impl Goldsmith {
    /// One attempt under the policy in force: under one that came into force meanwhile, it is planned again.
    async fn newest(&self, (domain, product): (&str, &str), config: &JobConfig, mark: RunMark) -> Tried {
        for _ in 0..NEW_POLICIES {
            let plan = match self.mesh.gold_of(domain, product) {
                Ok(plan) => plan,
                Err(refusal) => {
                    return Tried::new(Attempt::Failed {
                        numbers: Numbers::default(),
                        error: refusal.to_string(),
                        is_final: false,
                    });
                }
            };
            let tried = self
                .attempt(&plan, config, &BTreeSet::new(), &|| Some(mark))
                .await;
            let is_old = self.mesh.policy().digest() != plan.policy_digest;
            if !(is_old && matches!(tried.attempt, Attempt::Skipped(_))) {
                return tried;
            }
        }
        Tried::new(Attempt::Skipped("the policy changed again and again".to_owned()))
    }
}

/// How often a product is planned again within one attempt.
const NEW_POLICIES: u32 = 5;

/// What came of a product at its time.
pub(crate) struct GoldRun {
    pub(crate) report: Option<ProductReport>,
    pub(crate) failure: Option<String>,
}

/// A product that failed, and is tried again later.
pub(crate) struct Trouble {
    pub(crate) attempts: u32,
    pub(crate) state: RunState,
    pub(crate) not_before: tokio::time::Instant,
    pub(crate) error: String,
    /// Its run goes on: it was not tried often enough.
    pub(crate) begun: Option<Begun>,
}

impl Trouble {
    pub(crate) fn is_over(&self) -> bool {
        tokio::time::Instant::now() >= self.not_before
    }

    pub(crate) fn ends(self, state: RunState) {
        if let Some(begun) = self.begun {
            begun.ends(Ending::new(state, self.attempts).with_error(self.error));
        }
    }
}
