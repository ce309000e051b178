//! Looks at a version of a product's table, and at what its commits say.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use arrow_array::cast::AsArray;
use arrow_array::types::{Decimal128Type, Float64Type, Int64Type};
use arrow_array::{Array, RecordBatch};
use arrow_schema::DataType;
use malla_contract::CheckKind;
use malla_lake::{Judgement, Table};
use malla_quality::{Found, SqlCheck, SqlNumber, Totals};
use malla_query::{Asker, Examination, Limits, Query, QueryError};

use super::counts::{self, Counts};
use super::plan::Asked;
use super::{JudgePlan, Reasons};
use crate::error::FlowError;
use crate::mesh::Mesh;

/// What one check may use.
const LIMITS: Limits = Limits {
    rows: 1000,
    memory: 1 << 30,
    spill: None,
    time: Duration::from_secs(1800),
};
/// Values that a result shows, as Great Expectations does.
const EXAMPLES: usize = 20;

impl Mesh {
    /// Tells `totals` what every check found. Returns what commits after the last good version say, and why checks could not be
    /// run.
    pub(super) async fn look(
        &self,
        plan: &JudgePlan,
        table: &Table,
        version: u64,
        last: Option<&Judgement>,
        totals: &mut Totals,
    ) -> Result<(Counts, Reasons), FlowError> {
        let mut reasons = Reasons::default();
        let (new, partial) = counts::between(table, last.map(|last| last.judged), version).await?;
        let mut since_good = last.map(|last| last.counted.clone()).unwrap_or_default();
        counts::add(&mut since_good, &new);
        let seen = Examination::open(table, version, LIMITS)
            .await
            .map_err(failed(plan))?;
        reasons.rows = seen.rows().await.map_err(failed(plan))?;
        for check in plan.checks.iter() {
            let found = match plan.asked(check) {
                Asked::Commits { since_good: false } => Ok((counts::found(&new, &check.name, partial), None)),
                Asked::Commits { since_good: true } => {
                    Ok((counts::found(&since_good, &check.name, partial), None))
                }
                Asked::RowCount => Ok((of(reasons.rows, 0, 0), None)),
                Asked::Duplicates(columns) => {
                    let columns: Vec<&str> = columns.iter().map(String::as_str).collect();
                    let found = seen.duplicates(&columns, EXAMPLES).await;
                    found.map(|twice| {
                        (
                            of(twice.rows, twice.missing, twice.repeated),
                            Some(twice.examples),
                        )
                    })
                }
                Asked::Rows | Asked::Newest(_) | Asked::Query => continue,
                Asked::Hidden(why) => {
                    give_up(totals, &mut reasons, &check.name, why);
                    continue;
                }
            };
            match found {
                Ok((found, examples)) => {
                    totals
                        .found(&check.name, found, examples.as_ref())
                        .map_err(|source| FlowError::Check {
                            product: plan.name.clone(),
                            source,
                        })?;
                }
                Err(error) => give_up(totals, &mut reasons, &check.name, error.to_string()),
            }
        }
        rows(plan, &seen, totals, &mut reasons).await?;
        self.newest(plan, &seen, totals, &mut reasons).await?;
        self.ask_all(plan, version, totals, &mut reasons).await;
        Ok((since_good, reasons))
    }

    /// Tells `totals` what the checks found whose answer time changes.
    pub(super) async fn look_again(
        &self,
        plan: &JudgePlan,
        table: &Table,
        version: u64,
        ask: bool,
        totals: &mut Totals,
    ) -> Result<Reasons, FlowError> {
        let mut reasons = Reasons::default();
        let seen = Examination::open(table, version, LIMITS)
            .await
            .map_err(failed(plan))?;
        reasons.rows = seen.rows().await.map_err(failed(plan))?;
        self.newest(plan, &seen, totals, &mut reasons).await?;
        if ask {
            self.ask_all(plan, version, totals, &mut reasons).await;
        }
        Ok(reasons)
    }

    async fn newest(
        &self,
        plan: &JudgePlan,
        seen: &Examination,
        totals: &mut Totals,
        reasons: &mut Reasons,
    ) -> Result<(), FlowError> {
        for check in plan.checks.iter() {
            if let Asked::Newest(column) = plan.asked(check) {
                match seen.newest(&column).await {
                    Ok(Some(newest)) => {
                        totals.newest(&check.name, newest);
                        totals
                            .found(&check.name, of(reasons.rows, 0, 0), None)
                            .map_err(|source| FlowError::Check {
                                product: plan.name.clone(),
                                source,
                            })?;
                    }
                    Ok(None) => give_up(
                        totals,
                        reasons,
                        &check.name,
                        "the table has no rows yet".to_owned(),
                    ),
                    Err(error) => give_up(totals, reasons, &check.name, error.to_string()),
                }
            }
            if let (CheckKind::Fresh { .. }, Asked::Hidden(why)) = (&check.kind, plan.asked(check)) {
                give_up(totals, reasons, &check.name, why);
            }
        }
        Ok(())
    }

    async fn ask_all(&self, plan: &JudgePlan, version: u64, totals: &mut Totals, reasons: &mut Reasons) {
        if plan.checks.sql().next().is_none() {
            return;
        }
        self.asked.note(&plan.name);
        let query = self.query_with(self.contracts());
        for check in plan.checks.sql() {
            let name = &check.check().name;
            match ask(&query, plan, &check, version).await {
                Ok(number) => {
                    totals.give(name, number);
                }
                Err(why) => give_up(totals, reasons, name, why),
            }
        }
    }
}

/// Runs the checks that read rows, in one pass.
async fn rows(
    plan: &JudgePlan,
    seen: &Examination,
    totals: &mut Totals,
    reasons: &mut Reasons,
) -> Result<(), FlowError> {
    let Some((checks, columns)) = plan.of_rows()? else {
        return Ok(());
    };
    let sums: Arc<Mutex<Totals>> = Arc::new(Mutex::new(checks.totals()));
    let columns: Vec<&str> = columns.iter().map(String::as_str).collect();
    let product = plan.name.clone();
    let looked = seen
        .each(&columns, {
            let (sums, checks) = (Arc::clone(&sums), checks.clone());
            move |batch: &RecordBatch| {
                let report = checks.run(batch).map_err(|source| FlowError::Check {
                    product: product.clone(),
                    source,
                })?;
                // Of the same checks.
                let _ = sums.lock().unwrap_or_else(PoisonError::into_inner).add(&report);
                Ok::<(), FlowError>(())
            }
        })
        .await;
    if let Err(error) = looked {
        for check in checks.iter() {
            give_up(totals, reasons, &check.name, error.to_string());
        }
        return Ok(());
    }
    let sums = sums.lock().unwrap_or_else(PoisonError::into_inner);
    totals.take(&sums);
    Ok(())
}

/// A query's one number, as the domain's plugin may see what it reads.
async fn ask(
    query: &Query,
    plan: &JudgePlan,
    check: &SqlCheck<'_>,
    version: u64,
) -> Result<SqlNumber, String> {
    let asker = Asker {
        principal: format!("plugin:{}", plan.domain),
        purpose: plan.purpose.clone(),
    };
    let sql = check.query(&[&plan.domain, &plan.product.name]);
    let result = query
        .run_at(&asker, &sql, &LIMITS, &plan.id, version)
        .await
        .map_err(|error| match error {
            QueryError::Denied {
                principal,
                purpose,
                table,
                ..
            } => format!(
                "a rule must let `{principal}` read `{table}` for `{purpose}`: p, {principal}, {}, {table}, read, {purpose}, allow",
                table.split('.').next().unwrap_or_default()
            ),
            error => error.to_string(),
        })?;
    let shape = || "its query must give one column and one row".to_owned();
    let rows: usize = result.batches.iter().map(RecordBatch::num_rows).sum();
    let batch = result.batches.iter().find(|batch| batch.num_rows() == 1);
    match batch.filter(|_| rows == 1).map(RecordBatch::columns) {
        Some([column]) => number(column.as_ref()).ok_or_else(|| "its query gives no number".to_owned()),
        _ => Err(shape()),
    }
}

fn number(column: &dyn Array) -> Option<SqlNumber> {
    if column.is_null(0) {
        return Some(SqlNumber::Null);
    }
    let cast = |to: &DataType| arrow_cast::cast(column, to).ok();
    Some(match column.data_type() {
        DataType::Boolean => SqlNumber::Truth(column.as_boolean().value(0)),
        DataType::Decimal128(_, scale) => {
            let unscaled = column.as_primitive::<Decimal128Type>().value(0);
            match u8::try_from(*scale) {
                Ok(scale) => SqlNumber::Decimal { unscaled, scale },
                Err(_) => return None,
            }
        }
        DataType::UInt64 => {
            let wide = cast(&DataType::Decimal128(20, 0))?;
            SqlNumber::Integer(wide.as_primitive::<Decimal128Type>().value(0))
        }
        ty if ty.is_integer() => SqlNumber::Integer(
            cast(&DataType::Int64)?
                .as_primitive::<Int64Type>()
                .value(0)
                .into(),
        ),
        ty if ty.is_floating() => {
            SqlNumber::Float(cast(&DataType::Float64)?.as_primitive::<Float64Type>().value(0))
        }
        _ => return None,
    })
}

fn of(elements: u64, missing: u64, unexpected: u64) -> Found {
    Found {
        elements,
        missing,
        unexpected,
        partial: false,
    }
}

fn give_up(totals: &mut Totals, reasons: &mut Reasons, check: &str, why: String) {
    totals.not_run(check);
    reasons.why.insert(check.to_owned(), why);
}

fn failed(plan: &JudgePlan) -> impl Fn(QueryError) -> FlowError {
    let product = plan.name.clone();
    move |source| FlowError::Query {
        product: product.clone(),
        source,
    }
}

impl From<QueryError> for FlowError {
    fn from(source: QueryError) -> Self {
        Self::Look(source)
    }
}
