//! Who builds on a plugin's products: the gold products that read them, of whichever domain.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use malla_contract::Contract;
use malla_query::QueryError;

use crate::gold::{GoldPlan, LIMITS};
use crate::mesh::{Mesh, today};
use crate::plugins::Fleet;

/// A gold product, and what it reads.
pub(super) struct Reader {
    /// `domain.product`, with its owner.
    pub(super) name: String,
    columns: BTreeMap<String, BTreeSet<String>>,
}

/// The gold products of a mesh that can be made.
pub(super) struct Readers(Vec<Reader>);

impl Readers {
    /// Those that read a product, or one of its columns.
    pub(super) fn of(&self, product: &str, column: Option<&str>) -> Vec<&str> {
        let reads = |reader: &&Reader| {
            let columns = reader.columns.get(product);
            columns.is_some_and(|columns| column.is_none_or(|column| columns.contains(column)))
        };
        self.0
            .iter()
            .filter(reads)
            .map(|reader| reader.name.as_str())
            .collect()
    }
}

impl Mesh {
    /// Which gold products read what, as the contracts are now.
    pub(super) async fn readers(&self, fleet: &Fleet) -> Readers {
        let mut readers = Vec::new();
        for plan in self.gold(None).into_iter().filter_map(Result::ok) {
            // What cannot be made now is not hurt.
            let Ok(derivation) = self
                .query_with(Arc::clone(fleet.contracts()))
                .derive(&plan.asker(), &plan.sql, &LIMITS)
                .await
            else {
                continue;
            };
            let Ok(inputs) = derivation.inputs(None) else {
                continue;
            };
            let columns = inputs
                .into_iter()
                .map(|input| (input.object, input.columns.into_keys().collect()));
            readers.push(Reader {
                name: named(&plan, fleet),
                columns: columns.collect(),
            });
        }
        Readers(readers)
    }

    /// Gold products that can be made now, and could not with these contracts: each with the reason.
    pub(super) async fn broken_by(&self, fleet: &Fleet, changed: &Contract) -> Vec<String> {
        let contracts: Arc<[Contract]> = fleet
            .contracts()
            .iter()
            .filter(|contract| contract.domain != changed.domain)
            .chain([changed])
            .cloned()
            .collect();
        let mut broken = Vec::new();
        for plan in self.gold(None).into_iter().filter_map(Result::ok) {
            // The domain's own may have changed with it.
            if plan.domain == changed.domain && changed.gold.iter().all(|gold| gold.sql != plan.sql) {
                continue;
            }
            if self.makes(&plan, fleet.contracts()).await.is_ok()
                && let Err(why) = self.makes(&plan, &contracts).await
            {
                broken.push(format!(
                    "{} could not be made any more: {why}",
                    named(&plan, fleet)
                ));
            }
        }
        broken
    }

    async fn makes(&self, plan: &GoldPlan, contracts: &Arc<[Contract]>) -> Result<(), String> {
        let query = self.query_with(Arc::clone(contracts));
        let derived = query.derive(&plan.asker(), &plan.sql, &LIMITS).await;
        let checked = derived.and_then(|derivation| {
            let inflows = derivation.inflows()?;
            Ok(plan.check(&self.policy(), &inflows, today()))
        });
        match checked {
            Ok(Ok(())) => Ok(()),
            Ok(Err(refusal)) => Err(refusal.to_string()),
            Err(QueryError::UnknownTable { name, .. }) => Err(format!("there is no `{name}`")),
            Err(error) => Err(error.to_string()),
        }
    }
}

fn named(plan: &GoldPlan, fleet: &Fleet) -> String {
    let owner = fleet
        .domain(&plan.domain)
        .and_then(|domain| domain.contract.owner.clone());
    match owner {
        Some(owner) => format!("`{}` ({owner})", plan.product),
        None => format!("`{}`", plan.product),
    }
}
