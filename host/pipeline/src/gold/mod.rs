//! Products that SQL makes of others: only what changed is made anew, and it is what a fresh computation would give.
//!
//! INVARIANT: a commit says which version of each input the table's rows are made of, and lands only on the version of the
//! table that it was made for, so rows are of one version of every input.

mod plan;
mod retention;
mod schedule;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use arrow_array::{Array, RecordBatch};
use arrow_schema::DataType;
use futures::{StreamExt, pin_mut};
use malla_audit::{Kind, Outcome, Record};
use malla_contract::CheckSeverity;
use malla_lake::{Advance, Changed, Commit, LakeError, Replaced, Table};
use malla_quality::Status;
use malla_query::{Asker, Governance, Input, Limits, Query, QueryResult};
use serde::Deserialize;
use serde_json::{Map, Value};
use sha2::{Digest as _, Sha256};

pub(crate) use plan::GoldPlan;
pub(crate) use schedule::GoldReport;

use crate::error::{FlowError, Refusal};
use crate::mesh::{Mesh, today};
use crate::quality::told;
use crate::report::ProductReport;

/// What one product's computation may use.
const LIMITS: Limits = Limits {
    rows: 20_000_000,
    memory: 2 << 30,
    time: Duration::from_secs(3600),
};

impl Mesh {
    /// Makes one product anew as far as its inputs changed. `None`: they did not.
    pub(crate) async fn refresh_gold(&self, plan: &GoldPlan) -> Result<Option<ProductReport>, FlowError> {
        let started = Instant::now();
        let failed = |source| FlowError::Query {
            product: plan.product.clone(),
            source,
        };
        let asker = Asker {
            principal: format!("plugin:{}", plan.domain),
            purpose: plan.purpose.clone(),
        };
        let policy = self.policy();
        let query = Query::open(
            self.lake.clone(),
            Governance {
                policy: policy.clone(),
                keys: Arc::clone(self.keys()),
                contracts: self.contracts().cloned().collect(),
                audit: Arc::clone(&self.audit),
                today: today(),
            },
        );
        let table = self.lake.table(plan.spec.clone()).await?;
        let derivation = query.derive(&asker, &plan.sql, &LIMITS).await.map_err(failed)?;
        plan.fits(&derivation.schema())?;
        let key = plan.key.as_ref().map(|key| key.name.as_str());
        let inputs = derivation.inputs(key).map_err(failed)?;
        plan.check(&policy, &derivation.inflows().map_err(failed)?, today())?;

        let recipe = recipe(plan, &inputs);
        // Before anything of the table is looked at: whoever commits meanwhile moves it.
        let counter = format!("malla/{}", table.id());
        let count = table.offset(&counter).await?;
        let stale = match last_made(&table).await? {
            Some(last) if last.recipe == recipe => {
                stale(plan, &inputs, &last.inputs).await.map_err(failed)?
            }
            _ => Stale::Rows(Replaced::All),
        };
        let in_parts = !plan.is_judged_whole() && inputs.iter().all(|input| !input.own_names);
        let replaces = match stale {
            Stale::Nothing => return Ok(None),
            Stale::Versions => None,
            Stale::Rows(Replaced::Partitions { .. }) if !in_parts => Some(Replaced::All),
            Stale::Rows(stale) => Some(stale),
        };
        let (batches, replaces) = match replaces {
            None => (Vec::new(), None),
            Some(replaces) => {
                let replaces = retention::leave_closed(plan, &inputs, replaces)
                    .await
                    .map_err(failed)?;
                let made = derivation.rows(&replaces).await.map_err(failed)?;
                (plan.stored(&made)?, Some(replaces))
            }
        };
        let written: usize = batches.iter().map(RecordBatch::num_rows).sum();
        self.audit.record(
            Record::new(Kind::Write, &plan.product, Outcome::Allow)
                .with_principal(asker.principal)
                .with_action("write")
                .with_purpose(asker.purpose)
                .with_rule(&plan.rule)
                .with_policy(&plan.policy_digest)
                .with_detail("rows", written)
                .with_detail("plugin", &plan.plugin_digest),
        )?;
        self.audit.flush()?;
        // A round takes long, and nothing that the policy before let pass is committed after it.
        if self.policies.current().digest() != plan.policy_digest {
            return Ok(None);
        }
        let committed = table
            .commit(Commit {
                batches,
                advances: vec![Advance {
                    app_id: counter,
                    from: count,
                    to: count.map_or(1, |count| count + 1),
                }],
                replaces: replaces.clone(),
                info: info(plan, recipe, &inputs),
            })
            .await;
        let committed = match committed {
            Ok(committed) => committed,
            // Another process makes it too, and was quicker.
            Err(LakeError::Moved { .. } | LakeError::OffsetConflict { .. }) => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        let parts = match replaces {
            // The inputs' files were put together, or nothing came with their offsets: no row is another.
            None => return Ok(None),
            Some(Replaced::All | Replaced::From { .. }) => None,
            Some(Replaced::Partitions { values, .. }) => Some(values.len()),
        };
        tracing::info!(product = plan.product, rows = written, parts, elapsed = ?started.elapsed(), "Made anew.");
        Ok(Some(ProductReport {
            product: plan.product.clone(),
            derived: true,
            kept: written as u64,
            files: committed.files as u64,
            version: Some(committed.version),
            seconds: started.elapsed().as_secs_f64(),
            ..ProductReport::default()
        }))
    }
}

/// How far a product is behind its inputs.
enum Stale {
    Nothing,
    /// They have other versions, of the same rows.
    Versions,
    /// These are to be made anew.
    Rows(Replaced),
}

/// What has to be made anew, given that nothing but the inputs' rows changed.
async fn stale(
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
fn recipe(plan: &GoldPlan, inputs: &[Input]) -> String {
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
pub(crate) struct Made {
    recipe: String,
    /// Versions.
    pub(crate) inputs: BTreeMap<String, u64>,
}

pub(crate) async fn last_made(table: &Table) -> Result<Option<Made>, LakeError> {
    let history = table.history();
    pin_mut!(history);
    while let Some(record) = history.next().await {
        if let Ok(made) = serde_json::from_value(Value::Object(record?.info)) {
            return Ok(Some(made));
        }
    }
    Ok(None)
}

fn info(plan: &GoldPlan, recipe: String, inputs: &[Input]) -> Map<String, Value> {
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

impl GoldPlan {
    /// The rows as the contract promises them and policy lets them be stored.
    fn stored(&self, made: &QueryResult) -> Result<Vec<RecordBatch>, FlowError> {
        let batches = self.promised(made)?;
        self.judge(&batches)?;
        batches.iter().map(|batch| self.mask(batch)).collect()
    }

    /// Rows of which one breaks a check are not published: what was there before stays.
    fn judge(&self, batches: &[RecordBatch]) -> Result<(), FlowError> {
        let failed = |source| FlowError::Check {
            product: self.product.clone(),
            source,
        };
        let mut totals = self.checks.totals();
        for batch in batches {
            let report = self.checks.run(batch).map_err(failed)?;
            // Of the same checks.
            let _ = totals.add(&report);
        }
        let verdicts = totals.verdicts(chrono::Utc::now().timestamp_micros());
        let failed: Vec<String> = verdicts
            .iter()
            .filter(|verdict| {
                verdict.status == Status::Failure && verdict.check.severity == CheckSeverity::Error
            })
            .map(told)
            .collect();
        if failed.is_empty() {
            return Ok(());
        }
        Err(FlowError::HeldBack {
            product: self.product.clone(),
            failed,
        })
    }

    fn mask(&self, batch: &RecordBatch) -> Result<RecordBatch, FlowError> {
        let mut columns = batch.columns().to_vec();
        for (column, (name, masker)) in columns.iter_mut().zip(self.maskers()) {
            if let Some(masker) = masker {
                let (hidden, _) = masker.apply(column).map_err(|source| FlowError::Mask {
                    product: self.product.clone(),
                    column: name.to_owned(),
                    source,
                })?;
                *column = hidden;
            }
        }
        Ok(RecordBatch::try_new(Arc::clone(&self.spec.schema), columns)?)
    }

    fn promised(&self, made: &QueryResult) -> Result<Vec<RecordBatch>, FlowError> {
        let mut batches = Vec::with_capacity(made.batches.len());
        for batch in &made.batches {
            let mut columns = Vec::with_capacity(batch.num_columns());
            for field in self.spec.schema.fields() {
                let name = field.name();
                let wrong = |reason: String| FlowError::GoldValue {
                    product: self.product.clone(),
                    column: name.to_owned(),
                    reason,
                };
                let found = batch
                    .column_by_name(name)
                    .ok_or_else(|| wrong("is missing".into()))?;
                let column = if found.data_type() == field.data_type() {
                    Arc::clone(found)
                } else if widens(found.data_type(), field.data_type()) {
                    arrow_cast::cast(found, field.data_type())
                        .map_err(|_| wrong(format!("holds values that are no {}", field.data_type())))?
                } else {
                    return Err(wrong(format!("is {}", found.data_type())));
                };
                if column.null_count() > found.null_count() {
                    return Err(wrong(format!("holds values that are no {}", field.data_type())));
                }
                if !field.is_nullable() && column.null_count() > 0 {
                    return Err(wrong("has a null where none may be".into()));
                }
                columns.push(column);
            }
            batches.push(RecordBatch::try_new(Arc::clone(&self.spec.schema), columns)?);
        }
        Ok(batches)
    }
}

/// Whether values of one type may become another's: numbers of one kind, without rounding. One that does not fit is an error.
fn widens(from: &DataType, to: &DataType) -> bool {
    match (from, to) {
        (DataType::Float32, DataType::Float64) => true,
        (from, to) if from.is_integer() => to.is_integer() || matches!(to, DataType::Decimal128(..)),
        (DataType::Decimal128(_, from) | DataType::Decimal256(_, from), DataType::Decimal128(_, to)) => {
            from <= to
        }
        _ => false,
    }
}

impl Mesh {
    /// The gold products of one domain, or of all.
    pub(crate) fn gold(&self, only: Option<&str>) -> Vec<Result<GoldPlan, Refusal>> {
        let policy = self.policy();
        let mut plans = Vec::new();
        for (contract, plugin) in self.loaded() {
            if only.is_some_and(|only| only != contract.domain) {
                continue;
            }
            for gold in &contract.gold {
                let Some(product) = contract.product(&gold.product) else {
                    continue;
                };
                plans.push(GoldPlan::new(
                    contract,
                    product,
                    &gold.sql,
                    &policy,
                    self.keys(),
                    plugin.digest(),
                ));
            }
        }
        plans
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_numbers_that_lose_nothing_become_others() {
        for (from, to, may) in [
            (DataType::Int64, DataType::Int32, true),
            (DataType::Int64, DataType::Decimal128(18, 2), true),
            (DataType::Decimal128(28, 2), DataType::Decimal128(18, 2), true),
            (DataType::Decimal128(28, 6), DataType::Decimal128(18, 2), false),
            (DataType::Float64, DataType::Decimal128(18, 2), false),
            (DataType::Utf8, DataType::Date32, false),
        ] {
            assert_eq!(widens(&from, &to), may, "{from} {to}");
        }
    }
}
