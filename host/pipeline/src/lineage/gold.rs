//! How a product is made that SQL makes: by the plan of its query.

use std::collections::BTreeMap;

use malla_contract::Contract;
use malla_lineage::{ColumnFrom, Inflow, Kind, Making, Table, Way};
use malla_policy::{ColumnView, MaskAt, Policy};
use malla_query::{ColumnFlow, ColumnFlows, FlowKind};

use super::{makings, tables};
use crate::gold::GoldPlan;

/// By its query's plan. `None`: no contract has it any more.
pub(crate) fn of_plan(
    plan: &GoldPlan,
    flows: &ColumnFlows,
    contracts: &[Contract],
    policy: &Policy,
) -> Option<Making> {
    let whole = Whole::new(plan, contracts, policy)?;
    let columns = whole.making.output.columns.iter().map(|column| {
        let of = flows.columns.iter().filter(|(name, _)| *name == column.name);
        let from = of.flat_map(|(_, flows)| whole.inflows(flows)).collect();
        (column.name.clone(), from)
    });
    let columns: Vec<(String, Vec<Inflow>)> = columns.collect();
    let rows = whole.inflows(&flows.rows);
    Some(whole.with(columns, rows))
}

struct Whole {
    making: Making,
    /// How columns are hidden before they are stored.
    stored: BTreeMap<String, String>,
    /// How columns of inputs are hidden from the plugin that reads them, by table and name.
    seen: BTreeMap<(String, String), String>,
}

impl Whole {
    fn new(plan: &GoldPlan, contracts: &[Contract], policy: &Policy) -> Option<Self> {
        let contract = contracts.iter().find(|contract| contract.domain == plan.domain)?;
        let product = contract.product(plan.spec.id.name())?;
        let asker = plan.asker();
        let mut seen = BTreeMap::new();
        let mut inputs: Vec<Table> = Vec::new();
        // A query that cannot be read is refused where it is planned.
        for object in malla_query::tables(&plan.sql).unwrap_or_default() {
            let Some(found) = tables::find(contracts, &object) else {
                continue;
            };
            let columns = &found.table.columns;
            let domain = &found.contract.domain;
            if let Ok(view) = policy.view(&asker.principal, domain, &object, columns, &asker.purpose) {
                for (column, view) in columns.iter().zip(&view.columns) {
                    if let ColumnView::Masked { rule } = view {
                        seen.insert((object.clone(), column.name.clone()), rule.mask.to_string());
                    }
                }
            }
            inputs.push(found.told(&object));
        }
        let rules = product.table.columns.iter().filter_map(|column| {
            let rule = policy.mask(&plan.product, column).ok().flatten()?;
            (rule.at == MaskAt::Write).then(|| (column.name.clone(), rule.mask.to_string()))
        });
        Some(Self {
            stored: rules.collect(),
            seen,
            making: Making {
                job: plan.product.clone(),
                of: None,
                kind: Kind::Query,
                description: product.table.description.clone(),
                owner: contract.owner.clone(),
                contract: contract.version.to_string(),
                sql: Some(plan.sql.clone()),
                output: tables::product(contract, product, &plan.spec.id),
                inputs,
                columns: Vec::new(),
                rows: Vec::new(),
                checks: makings::checks(&product.table),
            },
        })
    }

    fn inflows(&self, flows: &[ColumnFlow]) -> Vec<Inflow> {
        let inflows = flows.iter().flat_map(|flow| {
            flow.kinds.iter().map(|kind| Inflow {
                object: flow.object.clone(),
                column: flow.column.clone(),
                way: way(*kind),
                mask: self
                    .seen
                    .get(&(flow.object.clone(), flow.column.clone()))
                    .cloned(),
                declared: false,
            })
        });
        inflows.collect()
    }

    fn with(self, columns: Vec<(String, Vec<Inflow>)>, rows: Vec<Inflow>) -> Making {
        let Self { making, stored, .. } = self;
        let columns = columns.into_iter().map(|(column, from)| ColumnFrom {
            mask: stored.get(&column).cloned(),
            column,
            from,
        });
        Making {
            columns: columns.collect(),
            rows,
            ..making
        }
    }
}

fn way(kind: FlowKind) -> Way {
    match kind {
        FlowKind::Identity => Way::Identity,
        FlowKind::Transformation => Way::Transformation,
        FlowKind::Aggregation => Way::Aggregation,
        FlowKind::Join => Way::Join,
        FlowKind::GroupBy => Way::GroupBy,
        FlowKind::Filter => Way::Filter,
        FlowKind::Sort => Way::Sort,
        FlowKind::Window => Way::Window,
        FlowKind::Conditional => Way::Conditional,
    }
}
