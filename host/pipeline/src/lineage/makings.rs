//! How the tables of a flow are made: what a step forwards is known, what it computes can be of all that it reads.

use std::collections::{BTreeMap, BTreeSet};

use malla_contract::{CheckSeverity, Product, Table};
use malla_lake::TableId;
use malla_lineage::{ColumnFrom, Inflow, Kind, Making, Place, Way};
use malla_sandbox::Origin;

use super::tables;
use crate::error::FlowError;
use crate::plan::{FECHA, Flow, REGION, StepPlan};

/// Values that only who holds the keys can open.
const SEALED: &str = "sealed";
const TOKEN: &str = "token";

/// The raw table, quarantine, and one for each step.
pub(super) fn of_flow(flow: &Flow) -> Result<Vec<Making>, FlowError> {
    let mut makings = vec![intake(flow), quarantine(flow)];
    for step in &flow.steps {
        if let Some(making) = of_step(flow, step)? {
            makings.push(making);
        }
    }
    Ok(makings)
}

fn making(flow: &Flow, name: &str, kind: Kind, (object, table, id): (&str, &Table, &TableId)) -> Making {
    let contract = &flow.contract;
    Making {
        job: format!("{}.{name}", flow.name),
        of: Some(flow.name.clone()),
        kind,
        description: table.description.clone(),
        owner: contract.owner.clone(),
        contract: contract.version.to_string(),
        sql: None,
        output: tables::told(object, Place::Lake(id.to_string()), table, contract),
        inputs: vec![tables::source(contract, &flow.source, &flow.place)],
        columns: Vec::new(),
        rows: Vec::new(),
        checks: checks(table),
    }
}

/// A column of the source, on its way.
fn inflow(flow: &Flow, column: &str, way: Way) -> Inflow {
    Inflow {
        object: tables::source_object(&flow.contract, &flow.source),
        column: column.to_owned(),
        way,
        mask: None,
        declared: false,
    }
}

fn intake(flow: &Flow) -> Making {
    let table = flow.source.raw();
    let object = format!("{}_raw.{}", flow.domain, flow.source.name);
    let whole = making(flow, "raw", Kind::Intake, (&object, &table, &flow.raw.spec.id));
    let columns = table.columns.iter().map(|column| {
        let place = flow.source.table.index_of(&column.name);
        let is_sealed = place.and_then(|place| flow.raw.sealed.get(place)) == Some(&true);
        let from = match (place, &flow.source.event_time) {
            (Some(_), _) => vec![inflow(flow, &column.name, Way::Identity)],
            (None, Some(time)) if column.name == FECHA => vec![inflow(flow, time, Way::Transformation)],
            (None, _) => Vec::new(),
        };
        ColumnFrom {
            column: column.name.clone(),
            mask: is_sealed.then(|| SEALED.to_owned()),
            from,
        }
    });
    Making {
        columns: columns.collect(),
        ..whole
    }
}

fn quarantine(flow: &Flow) -> Making {
    let table = flow.source.quarantine();
    let object = format!("{}_quarantine.{}", flow.domain, flow.source.name);
    let id = &flow.quarantine.spec.id;
    let whole = making(flow, "quarantine", Kind::Quarantine, (&object, &table, id));
    let reads: BTreeSet<Inflow> = flow.steps.iter().flat_map(|step| reads(flow, step)).collect();
    let columns = table.columns.iter().map(|column| ColumnFrom {
        column: column.name.clone(),
        mask: (column.name == "line").then(|| SEALED.to_owned()),
        from: match column.name.as_str() {
            REGION if flow.quarantine.region.is_some() => vec![inflow(flow, REGION, Way::Identity)],
            "line" => {
                let all = flow.source.table.columns.iter();
                all.map(|column| inflow(flow, &column.name, Way::Transformation))
                    .collect()
            }
            // What a step says of a row that it rejects.
            "rule" | "message" => reads.iter().cloned().collect(),
            _ => Vec::new(),
        },
    });
    Making {
        columns: columns.collect(),
        rows: reads
            .iter()
            .map(|read| Inflow {
                way: Way::Filter,
                ..read.clone()
            })
            .collect(),
        ..whole
    }
}

fn of_step(flow: &Flow, step: &StepPlan) -> Result<Option<Making>, FlowError> {
    let Some(product) = flow.contract.product(step.spec.id.name()) else {
        return Ok(None);
    };
    let whole = making(
        flow,
        &step.step.name,
        Kind::Step,
        (&step.product, &product.table, &step.spec.id),
    );
    let origins = flow.origins(step)?;
    let reads = reads(flow, step);
    let anything = || {
        let all = flow.source.table.columns.iter();
        let all = all.map(|column| Inflow {
            declared: true,
            ..inflow(flow, &column.name, Way::Transformation)
        });
        all.collect()
    };
    let columns = product.table.columns.iter().zip(&step.columns).enumerate();
    let columns = columns.map(|(place, (column, plan))| ColumnFrom {
        column: column.name.clone(),
        mask: plan
            .mask
            .as_ref()
            .and_then(|mask| mask.split(' ').next())
            .map(str::to_owned),
        from: match origins.as_ref().map(|origins| origins.get(place)) {
            Some(Some(Origin::Forward(index))) => forwarded(flow, step, *index).into_iter().collect(),
            Some(Some(Origin::Computed)) => reads.clone(),
            // It fails on no rows: whatever enters the host may be in it.
            Some(None) | None => anything(),
        },
    });
    let columns: Vec<ColumnFrom> = columns.collect();
    let decided = rejecting(product).into_iter().flat_map(|name| {
        let of = columns.iter().find(|of| of.column == name);
        of.into_iter().flat_map(|of| &of.from)
    });
    let rows: BTreeSet<Inflow> = reads
        .iter()
        .chain(decided)
        .map(|read| Inflow {
            way: Way::Filter,
            ..read.clone()
        })
        .collect();
    Ok(Some(Making {
        rows: without_twice(rows),
        columns,
        ..whole
    }))
}

/// What is known need not be declared too.
fn without_twice(rows: BTreeSet<Inflow>) -> Vec<Inflow> {
    let known: BTreeSet<String> = rows
        .iter()
        .filter(|row| !row.declared)
        .map(|row| row.column.clone())
        .collect();
    rows.into_iter()
        .filter(|row| !row.declared || !known.contains(&row.column))
        .collect()
}

/// The columns that enter the step: what it computes may be of all of them.
fn reads(flow: &Flow, step: &StepPlan) -> Vec<Inflow> {
    let reads = step
        .step
        .reads
        .iter()
        .filter_map(|index| forwarded(flow, step, *index));
    reads
        .map(|read| Inflow {
            way: Way::Transformation,
            declared: true,
            ..read
        })
        .collect()
}

/// An input column of a step: of the source, or a token of one.
fn forwarded(flow: &Flow, step: &StepPlan, index: usize) -> Option<Inflow> {
    let columns = &flow.source.table.columns;
    if let Some(column) = columns.get(index) {
        return Some(inflow(flow, &column.name, Way::Identity));
    }
    let (of, _) = step.tokens.get(index.checked_sub(columns.len())?)?;
    Some(Inflow {
        mask: Some(TOKEN.to_owned()),
        ..inflow(flow, &columns.get(*of)?.name, Way::Identity)
    })
}

/// Columns whose values send a row to quarantine.
fn rejecting(product: &Product) -> BTreeSet<&str> {
    let checks = product.table.checks();
    let checks = checks.filter(|check| check.severity == CheckSeverity::Error && check.is_row_level());
    checks.flat_map(|check| check.kind.columns()).collect()
}

pub(super) fn checks(table: &Table) -> BTreeMap<String, (String, Option<String>, String)> {
    let checks = table.checks().map(|check| {
        let column = match check.kind.columns().as_slice() {
            [one] => Some((*one).to_owned()),
            _ => None,
        };
        let severity = match check.severity {
            CheckSeverity::Error => "error",
            CheckSeverity::Warning => "warn",
        };
        let says = (check.kind.as_str().to_owned(), column, severity.to_owned());
        (check.name.clone(), says)
    });
    checks.collect()
}
