//! When gold products are made anew: after what they are made of was committed.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use malla_query::QueryError;

use crate::error::FlowError;
use crate::mesh::Mesh;
use crate::report::ProductReport;
use crate::run::{RunOptions, Stop};

/// Tables that other processes write are looked at this often.
const LOOK: Duration = Duration::from_secs(30);

/// What came of it.
#[derive(Default)]
pub(crate) struct GoldReport {
    pub(crate) products: BTreeMap<String, ProductReport>,
    pub(crate) failures: BTreeMap<String, String>,
}

impl Mesh {
    /// Makes every gold product anew that is not of the newest versions of its inputs. One that fails holds up no other.
    pub(crate) async fn refresh_all_gold(&self, options: &RunOptions, report: &mut GoldReport) {
        let (mut plans, mut refused) = (Vec::new(), BTreeMap::new());
        for plan in self.gold(options.domain.as_deref()) {
            match plan {
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
            for plan in &plans {
                let product = plan.product.clone();
                match self.refresh_gold(plan).await {
                    Ok(None) => {}
                    Ok(Some(made)) => {
                        changed = true;
                        report
                            .products
                            .entry(product)
                            .and_modify(|known| known.and_then(&made))
                            .or_insert(made);
                    }
                    Err(FlowError::Query {
                        source: QueryError::UnknownTable { name, .. },
                        ..
                    }) => {
                        tracing::info!(
                            product,
                            waits_for = name,
                            "A product waits for what it is made of."
                        );
                    }
                    Err(error) => {
                        tracing::error!(product, %error, "A product was not made anew.");
                        report.failures.insert(product, error.to_string());
                    }
                }
            }
            if !changed {
                return;
            }
        }
    }

    /// Goes on until a run is to stop.
    pub(crate) async fn keep_gold(self: Arc<Self>, options: RunOptions, stop: Stop) -> GoldReport {
        let mut report = GoldReport::default();
        while !stop.is_asked() {
            self.refresh_all_gold(&options, &mut report).await;
            let again = tokio::time::sleep(self.config.gold.interval());
            let committed = self.committed.notified();
            tokio::select! {
                () = async { again.await; committed.await } => {}
                () = tokio::time::sleep(LOOK) => {}
                () = stop.asked() => {}
            }
        }
        report
    }
}
