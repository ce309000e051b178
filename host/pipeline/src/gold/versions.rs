//! Which versions of its inputs a product's rows are made of, and how far it is behind them.

use std::collections::{BTreeMap, BTreeSet};

use futures::{StreamExt, pin_mut};
use malla_lake::{Changed, LakeError, Replaced, Table};
use malla_query::Input;
use serde::Deserialize;
use serde_json::{Map, Value};
use sha2::{Digest as _, Sha256};

use super::GoldPlan;

/// How far a product is behind its inputs.
pub(super) enum Stale {
    Nothing,
    /// They have other versions, of the same rows.
    Versions,
    /// These are to be made anew.
    Rows(Replaced),
}

/// What has to be made anew, given that nothing but the inputs' rows changed.
pub(super) async fn stale(
    plan: &GoldPlan,
    inputs: &[Input],
    before: &BTreeMap<String, u64>,
) -> Result<Stale, malla_query::QueryError> {
    let all = Stale::Rows(Replaced::All);
    let mut values = BTreeSet::new();
    let mut moved = false;
    for input in inputs {
        // A table that was restored to an earlier version is another one.
        let Some(last) = before
            .get(&input.object)
            .copied()
            .filter(|last| *last <= input.version)
        else {
            return Ok(all);
        };
        if last == input.version {
            continue;
        }
        moved = true;
        let Some(column) = &input.aligned else {
            if input.unchanged_since(last).await? {
                continue;
            }
            return Ok(all);
        };
        match input.changed_since(last, column).await? {
            Changed::Partitions(changed) => values.extend(changed),
            Changed::Unknown => return Ok(all),
        }
    }
    if !moved {
        return Ok(Stale::Nothing);
    }
    if values.is_empty() {
        return Ok(Stale::Versions);
    }
    let Some(key) = &plan.key else {
        return Ok(all);
    };
    if !key.required {
        // A row of an outer join that finds its other half leaves the rows without a key.
        values.insert(None);
    }
    Ok(Stale::Rows(Replaced::Partitions {
        column: key.name.clone(),
        values,
    }))
}

/// What rows are made by, but for the inputs' rows: the query, what it may see, and how its columns are hidden.
pub(super) fn recipe(plan: &GoldPlan, inputs: &[Input]) -> String {
    let mut digest = Sha256::new();
    for part in [&plan.sql, &plan.policy_digest, &plan.plugin_digest] {
        digest.update(part.as_bytes());
        digest.update([0]);
    }
    for input in inputs {
        digest.update(format!("{}\0{:?}\0", input.object, input.columns).as_bytes());
    }
    digest.update(env!("CARGO_PKG_VERSION").as_bytes());
    let digest = digest.finalize();
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// What the rows that a table has were made of.
#[derive(Deserialize)]
pub(crate) struct LastMade {
    pub(super) recipe: String,
    /// Versions.
    pub(crate) inputs: BTreeMap<String, u64>,
}

pub(crate) async fn last_made(table: &Table) -> Result<Option<LastMade>, LakeError> {
    let history = table.history();
    pin_mut!(history);
    while let Some(record) = history.next().await {
        if let Ok(made) = serde_json::from_value(Value::Object(record?.info)) {
            return Ok(Some(made));
        }
    }
    Ok(None)
}

pub(super) fn info(plan: &GoldPlan, recipe: String, inputs: &[Input]) -> Map<String, Value> {
    let inputs = inputs
        .iter()
        .map(|input| (input.object.clone(), input.version.into()))
        .collect();
    Map::from_iter([
        ("plugin".to_owned(), Value::String(plan.plugin_digest.clone())),
        ("policy".to_owned(), Value::String(plan.policy_digest.clone())),
        ("recipe".to_owned(), Value::String(recipe)),
        ("inputs".to_owned(), Value::Object(inputs)),
    ])
}
