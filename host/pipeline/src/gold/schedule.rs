//! When gold products are made anew: after what they are made of was committed.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use super::GoldPlan;
use super::job::{Run, Tried, Trouble};
use crate::mesh::Mesh;
use crate::report::ProductReport;
use crate::run::Stop;
use crate::runs::{Ending, History, RunState, Trigger};
use crate::schedule::{Attempt, too_long};

/// Tables that other processes write are looked at this often.
const LOOK: Duration = Duration::from_secs(30);

/// What came of it.
#[derive(Default)]
pub(crate) struct GoldReport {
    pub(crate) products: BTreeMap<String, ProductReport>,
    pub(crate) failures: BTreeMap<String, String>,
    pub(crate) skipped: BTreeMap<String, String>,
}

/// Makes gold products.
pub(crate) struct Goldsmith {
    pub(crate) mesh: Arc<Mesh>,
    pub(crate) history: Arc<History>,
    pub(crate) stop: Stop,
    /// Held by whoever makes a product.
    pub(crate) turn: tokio::sync::Mutex<()>,
}

impl Goldsmith {
    /// Makes gold products anew that are not of the newest versions of their inputs. One that fails holds up no other.
    pub(crate) async fn make_all(&self, domain: Option<&str>, report: &mut GoldReport) {
        let mut troubles = BTreeMap::new();
        self.make(domain, Trigger::Once, &mut troubles, report).await;
        for trouble in troubles.into_values() {
            let state = trouble.state;
            trouble.ends(state);
        }
    }

    async fn make(
        &self,
        domain: Option<&str>,
        trigger: Trigger,
        troubles: &mut BTreeMap<String, Trouble>,
        report: &mut GoldReport,
    ) {
        let (mut plans, mut refused) = (Vec::new(), BTreeMap::new());
        for plan in self.mesh.gold(domain) {
            match plan {
                // What has a schedule is made at its time.
                Ok(plan)
                    if trigger == Trigger::Upstream && self.mesh.job_config(&plan.product).cron.is_some() => {
                }
                Ok(plan) => plans.push(plan),
                Err(refusal) => {
                    tracing::error!(error = %refusal, "A product cannot be made.");
                    refused.insert(refusal.to_string(), refusal.to_string());
                }
            }
        }
        // One may be made of another: again until nothing changes, which takes no more rounds than there are.
        for _ in 0..=plans.len() {
            let mut changed = false;
            report.failures.clone_from(&refused);
            report.skipped.clear();
            for plan in &plans {
                changed |= self.make_one(plan, trigger, troubles, report).await;
            }
            if !changed {
                return;
            }
        }
    }

    /// Whether its table changed.
    async fn make_one(
        &self,
        plan: &GoldPlan,
        trigger: Trigger,
        troubles: &mut BTreeMap<String, Trouble>,
        report: &mut GoldReport,
    ) -> bool {
        let product = &plan.product;
        let before = match troubles.remove(product) {
            Some(trouble) if trigger == Trigger::Upstream && !trouble.is_over() => {
                report.failures.insert(product.clone(), trouble.error.clone());
                troubles.insert(product.clone(), trouble);
                return false;
            }
            before => before,
        };
        let (attempts, begun) = before.map_or((0, None), |trouble| (trouble.attempts, trouble.begun));
        let attempts = attempts + 1;
        let config = self.mesh.job_config(product);
        let run = Run::of(&self.history, product, trigger, begun);
        let Tried {
            attempt,
            report: made,
            waits,
        } = self
            .attempt(plan, &config, &BTreeSet::new(), &|| Some(run.begin()))
            .await;
        let (state, error, is_final) = match attempt {
            Attempt::Done(numbers) => {
                run.ends(Ending::new(RunState::Succeeded, attempts).with_numbers(numbers));
                let Some(made) = made else {
                    return false;
                };
                report
                    .products
                    .entry(product.clone())
                    .and_modify(|known| known.and_then(&made))
                    .or_insert(made);
                return true;
            }
            Attempt::Skipped(why) => {
                if !waits {
                    report.skipped.insert(product.clone(), why.clone());
                }
                run.ends(Ending::new(RunState::Skipped, attempts).with_error(why));
                return false;
            }
            Attempt::Stopped(_) => {
                run.ends(Ending::new(RunState::Aborted, attempts).with_error("the host was told to stop"));
                return false;
            }
            Attempt::Failed { error, is_final, .. } => (RunState::Failed, error, is_final),
            Attempt::TimedOut(_) => (RunState::TimedOut, too_long(config.timeout), false),
        };
        tracing::error!(
            product,
            attempt = attempts,
            state = state.as_str(),
            error,
            "A product was not made anew."
        );
        report.failures.insert(product.clone(), error.clone());
        let not_before = tokio::time::Instant::now() + config.pause(attempts);
        let is_last = is_final || attempts > config.retries;
        let trouble = if is_last && trigger == Trigger::Upstream {
            run.ends(Ending::new(state, attempts).with_error(&error));
            Trouble {
                attempts: 0,
                state,
                not_before,
                error,
                begun: None,
            }
        } else {
            // A later round may still make it.
            run.begin();
            Trouble {
                attempts,
                state,
                not_before,
                error,
                begun: run.into_begun(),
            }
        };
        troubles.insert(product.clone(), trouble);
        false
    }

    /// Makes what has no schedule, until a run is to stop.
    pub(crate) async fn keep_making(self: Arc<Self>, domain: Option<String>) -> GoldReport {
        let mut report = GoldReport::default();
        let mut troubles = BTreeMap::new();
        while !self.stop.is_asked() {
            self.make(domain.as_deref(), Trigger::Upstream, &mut troubles, &mut report)
                .await;
            let again = tokio::time::sleep(self.mesh.config.gold.interval());
            let committed = self.mesh.committed.notified();
            let retry = troubles.values().map(|trouble| trouble.not_before).min();
            let retry = async {
                match retry {
                    Some(at) => tokio::time::sleep_until(at).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = async { again.await; committed.await } => {}
                () = tokio::time::sleep(LOOK.max(self.mesh.config.gold.interval())) => {}
                () = retry => {}
                () = self.stop.asked() => {}
            }
        }
        for trouble in troubles.into_values() {
            trouble.ends(RunState::Aborted);
        }
        report
    }
}
