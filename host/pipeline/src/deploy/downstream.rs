//! Who builds on a plugin's products: the gold products that read them, of whichever domain.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use malla_contract::{Column, Contract};
use malla_query::{QueryError, plan_promised};

use crate::gold::GoldPlan;
use crate::mesh::{Mesh, today};
use crate::plugins::{Domain, Fleet};

/// A gold product, and what it reads.
struct Reader {
    plan: GoldPlan,
    /// `domain.product`, with its owner.
    name: String,
    reads: Reads,
}

/// The columns that a query reads, by table.
struct Reads {
    columns: BTreeMap<String, BTreeSet<String>>,
    /// Those that it sees only masked, as `domain.product/column`.
    masked: BTreeSet<String>,
}

/// The gold products of a mesh that can be made.
pub(super) struct Readers(Vec<Reader>);

impl Readers {
    /// Those that read a product, or one of its columns.
    pub(super) fn of(&self, product: &str, column: Option<&str>) -> Vec<&str> {
        let reads = |reader: &&Reader| {
            let columns = reader.reads.columns.get(product);
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
    /// Which gold products read what, as the contracts are now. What cannot be made now is not among them.
    pub(super) async fn readers(&self, fleet: &Fleet) -> Readers {
        let mut readers = Vec::new();
        for plan in self.gold(None).into_iter().filter_map(Result::ok) {
            if let Ok(reads) = self.reads_of(&plan, fleet.contracts()).await {
                readers.push(Reader {
                    name: named(&plan, fleet),
                    plan,
                    reads,
                });
            }
        }
        Readers(readers)
    }

    /// Gold products that can be made now, and could not with these contracts: each with the reason.
    pub(super) async fn broken_by(&self, fleet: &Fleet, readers: &Readers, new: &Domain) -> Vec<String> {
        let changed = &new.contract;
        let contracts = contracts_with(fleet, changed);
        let mut broken = Vec::new();
        let own: Vec<GoldPlan> = self.gold_by(new).into_iter().filter_map(Result::ok).collect();
        for Reader { plan, name, reads } in &readers.0 {
            // The domain's own may have changed with it; one that has not calls the functions of the new version.
            let plan = if plan.domain == changed.domain {
                match own.iter().find(|own| own.sql == plan.sql) {
                    Some(own) => own,
                    None => continue,
                }
            } else {
                plan
            };
            match self.reads_of(plan, &contracts).await {
                Ok(after) => broken.extend(
                    after
                        .masked
                        .difference(&reads.masked)
                        .map(|column| format!("{name} would see `{column}` masked")),
                ),
                Err(why) => broken.push(format!("{name} could not be made any more: {why}")),
            }
        }
        broken
    }

    /// Gold products of a new version whose SQL does not fit what its contract and those of the others promise: each with the reason.
    /// Tables need not be there yet.
    pub(super) async fn unplannable(&self, fleet: &Fleet, new: &Domain) -> Vec<String> {
        let contracts = contracts_with(fleet, &new.contract);
        let mut found = Vec::new();
        for plan in self.gold_by(new).into_iter().filter_map(Result::ok) {
            let planned = plan_promised(Arc::clone(&contracts), &plan.sql, plan.callable()).await;
            match planned.map(|schema| plan.fits(&schema)) {
                // Of a domain that comes later.
                Ok(Ok(())) | Err(QueryError::UnknownTable { .. }) => {}
                Ok(Err(refusal)) => found.push(refusal.to_string()),
                Err(error) => found.push(format!("product `{}`: {error}", plan.product)),
            }
        }
        found
    }

    /// What a product's query reads, if the product can be made with these contracts.
    async fn reads_of(&self, plan: &GoldPlan, contracts: &Arc<[Contract]>) -> Result<Reads, String> {
        let query = self.query_with(Arc::clone(contracts));
        let derived = query
            .derive(&plan.asker(), &plan.sql, &self.gold_limits(), plan.callable())
            .await;
        let planned = derived.and_then(|derivation| {
            let inflows = derivation.inflows()?;
            let checked = plan.check(&self.policy(), &inflows, today());
            Ok((derivation.inputs(None)?, checked))
        });
        let (inputs, checked) = planned.map_err(|error| match error {
            QueryError::UnknownTable { name, .. } => format!("there is no `{name}`"),
            error => error.to_string(),
        })?;
        checked.map_err(|refusal| refusal.to_string())?;
        let is_masked = |object: &str, name: &str, seen: &Column| {
            let promised = contracts.iter().find_map(|contract| {
                let product = object.strip_prefix(&contract.domain)?.strip_prefix('.')?;
                contract.product(product)?.table.column(name)
            });
            promised.is_some_and(|promised| {
                (promised.classification, &promised.tags) != (seen.classification, &seen.tags)
            })
        };
        let mut reads = Reads {
            columns: BTreeMap::new(),
            masked: BTreeSet::new(),
        };
        for input in &inputs {
            let object = &input.object;
            for (name, seen) in &input.columns {
                if is_masked(object, name, seen) {
                    reads.masked.insert(format!("{object}/{name}"));
                }
            }
            let names = input.columns.keys().cloned().collect();
            reads.columns.insert(object.clone(), names);
        }
        Ok(reads)
    }
}

/// The contracts in use, one of them in this version.
pub(super) fn contracts_with(fleet: &Fleet, changed: &Contract) -> Arc<[Contract]> {
    let others = fleet.contracts().iter();
    others
        .filter(|contract| contract.domain != changed.domain)
        .chain([changed])
        .cloned()
        .collect()
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
