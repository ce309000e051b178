//! When products are judged: while a host runs now and then, and at the end of one that drains its sources.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use malla_contract::civil::instant;
use malla_lake::Layer;

use super::{JudgePlan, Judged};
use crate::error::Refusal;
use crate::mesh::Mesh;
use crate::run::Stop;

/// Judging takes at most one part in so many of the time.
const SHARE: u32 = 10;

/// What came of the last look, by product.
#[derive(Default)]
pub(crate) struct JudgeReport {
    /// Products that are held back or could not be judged, and why.
    pub(crate) failures: BTreeMap<String, String>,
}

impl Mesh {
    /// Judges every product that is of another version than it was. One that fails holds up no other.
    pub(crate) async fn judge_all(&self, domain: Option<&str>, layers: &[Layer], report: &mut JudgeReport) {
        for plan in self.judge_plans(domain) {
            let plan = match plan {
                Ok(plan) => plan,
                // Whoever makes the product says why it cannot be.
                Err(refusal) => {
                    tracing::debug!(error = %refusal, "A product cannot be judged.");
                    continue;
                }
            };
            if !layers.contains(&plan.id.layer()) {
                continue;
            }
            report.failures.remove(&plan.name);
            match self.judge(&plan).await {
                Ok(None) => {}
                Ok(Some(judged)) => {
                    // Rows that were not published are told of by whoever made them.
                    let held = judged.judgement.held_since;
                    if let Some(since) = held.filter(|_| judged.judgement.unpublished.is_none()) {
                        report
                            .failures
                            .insert(plan.name.clone(), held_back(&plan, &judged, since));
                    }
                }
                Err(error) => {
                    tracing::error!(product = plan.name, %error, "A product was not judged.");
                    report.failures.insert(
                        plan.name.clone(),
                        format!("product `{}` was not judged: {error}", plan.name),
                    );
                }
            }
        }
    }

    /// Goes on until a run is to stop.
    pub(crate) async fn keep_judging(self: Arc<Self>, domain: Option<String>, stop: Stop) -> JudgeReport {
        let mut report = JudgeReport::default();
        while !stop.is_asked() {
            let begun = Instant::now();
            // What is cut off is judged anew.
            tokio::select! {
                () = self.judge_all(domain.as_deref(), &[Layer::Curated, Layer::Gold], &mut report) => {}
                () = stop.asked() => break,
            }
            let pause = self.config.quality.interval().max(begun.elapsed() * SHARE);
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = stop.asked() => {}
            }
        }
        report
    }

    fn judge_plans(&self, only: Option<&str>) -> Vec<Result<JudgePlan, Refusal>> {
        let policy = self.policy();
        let mut plans = Vec::new();
        for domain in self.plugins.fleet().domains() {
            let (contract, plugin) = (&domain.contract, &domain.plugin);
            if only.is_some_and(|only| only != contract.domain) {
                continue;
            }
            let of = contract.products.iter();
            let of = of.filter_map(|product| {
                JudgePlan::new(contract, product, &policy, plugin.digest()).transpose()
            });
            plans.extend(of);
        }
        plans
    }
}

fn held_back(plan: &JudgePlan, judged: &Judged, since: i64) -> String {
    let at = match judged.judgement.good {
        Some(version) => format!("readers stay at version {version}"),
        None => "no version was good before, so nobody reads it".to_owned(),
    };
    format!(
        "product `{name}` is held back since {}, {at}: {}; see `malla quality {name}`",
        instant(since / 1_000_000 * 1_000_000),
        judged.why.join("; "),
        name = plan.name,
    )
}
