//! Where a table or column comes from and where it goes, by the contracts in use and as policy lets somebody know it.

use std::collections::{BTreeMap, BTreeSet};

use malla_contract::Contract;
use malla_lineage::{Graph, Making, Tree, UnknownTable};
use malla_policy::{ColumnView, Policy};

use super::{gold, makings, tables};
use crate::mesh::Mesh;

/// What can be asked.
pub struct Lineage {
    graph: Graph,
    contracts: std::sync::Arc<[Contract]>,
    policy: Policy,
    /// Sources and products that are not in it, since they cannot run, and why.
    pub notes: Vec<String>,
}

impl Mesh {
    /// Where everything comes from and where it goes. Nothing has to have run.
    pub async fn lineage(&self) -> Lineage {
        let mut all: Vec<Making> = Vec::new();
        let mut notes = self.refused_plugins();
        for flow in self.flows(None).unwrap_or_default() {
            let of = flow
                .map_err(|refusal| refusal.to_string())
                .and_then(|flow| makings::of_flow(&flow).map_err(|error| error.to_string()));
            match of {
                Ok(of) => all.extend(of),
                Err(why) => notes.push(why),
            }
        }
        let (contracts, policy) = (self.contracts(), self.policy());
        let query = self.query_with(contracts.clone());
        for plan in self.gold(None) {
            let plan = match plan {
                Ok(plan) => plan,
                Err(refusal) => {
                    notes.push(refusal.to_string());
                    continue;
                }
            };
            match query
                .column_flows(&plan.asker(), &plan.sql, plan.callable())
                .await
            {
                Ok(flows) => all.extend(gold::of_plan(&plan, &flows, &contracts, &policy)),
                Err(error) => notes.push(format!("{}: {error}", plan.product)),
            }
        }
        Lineage {
            graph: Graph::new(all),
            contracts,
            policy,
            notes,
        }
    }
}

impl Lineage {
    /// What somebody may know of `ventas.transacciones`, or of `ventas.transacciones.monto`.
    ///
    /// # Errors
    /// There is no such table or column, or they may not know of it.
    pub fn of(&self, asked: &str, principal: &str, purpose: &str) -> Result<Tree, UnknownTable> {
        let seen = std::cell::RefCell::new(BTreeMap::new());
        let known = |object: &str, column: Option<&str>| {
            let mut seen = seen.borrow_mut();
            let columns: &Option<BTreeSet<String>> = seen
                .entry(object.to_owned())
                .or_insert_with(|| self.seen(object, principal, purpose));
            match (columns, column) {
                (None, _) => false,
                (Some(_), None) => true,
                (Some(columns), Some(column)) => columns.contains(column),
            }
        };
        let asked = self.graph.find(asked, principal, &known)?;
        Ok(self.graph.tree(&asked, &known))
    }

    /// The columns of a table that somebody may know of. `None`: nothing of it.
    fn seen(&self, object: &str, principal: &str, purpose: &str) -> Option<BTreeSet<String>> {
        let found = tables::find(&self.contracts, object)?;
        let columns = &found.table.columns;
        let view = self
            .policy
            .view(principal, &found.contract.domain, object, columns, purpose)
            .ok()?;
        let shown = columns.iter().zip(&view.columns);
        let shown = shown.filter(|(_, view)| !matches!(view, ColumnView::Hidden { .. }));
        Some(shown.map(|(column, _)| column.name.clone()).collect())
    }
}

impl std::fmt::Debug for Lineage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Lineage")
            .field("notes", &self.notes)
            .finish_non_exhaustive()
    }
}
