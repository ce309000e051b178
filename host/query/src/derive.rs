//! A query whose rows become a table of their own: which versions it reads, which of its rows a change can touch.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use arrow_array::BooleanArray;
use arrow_array::cast::AsArray;
use arrow_schema::{DataType, SchemaRef};
use arrow_select::filter::filter_record_batch;
use datafusion::common::ScalarValue;
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::logical_expr::{
    BinaryExpr, Expr, LogicalPlan, LogicalPlanBuilder, Operator, TableScan, Volatility,
};
use datafusion::prelude::{DataFrame, SessionContext, ident, lit};
use malla_contract::{Column, Date};
use malla_lake::{Changed, Replaced, Table};

use crate::functions::{Calls, Functions};
use crate::governed::{Asker, Opened};
use crate::lineage::{FlowKind, Flows, Lineage, Origin};
use crate::query::{Query, collect, plain};
use crate::session::session;
use crate::{Limits, QueryError, QueryResult, runtime};

/// A query over tables at fixed versions.
pub struct Derivation {
    context: SessionContext,
    plan: LogicalPlan,
    tables: Vec<Opened>,
    calls: Calls,
    limits: Limits,
}

/// Columns by `schema.table/column`, as the reader sees them.
pub type Inflows = BTreeMap<String, Column>;

/// A column of a table that is read, and how it flows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ColumnFlow {
    /// As policies write it: `ventas.transacciones`.
    pub object: String,
    /// Its name.
    pub column: String,
    /// In one way or several.
    pub kinds: BTreeSet<FlowKind>,
}

/// What flows into a derivation's rows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ColumnFlows {
    /// For each column of them, by name.
    pub columns: Vec<(String, Vec<ColumnFlow>)>,
    /// What decides which rows there are.
    pub rows: Vec<ColumnFlow>,
}

impl ColumnFlows {
    pub(crate) fn of(plan: &LogicalPlan, lineage: &Lineage) -> Self {
        let told = |flows: &Flows| -> Vec<ColumnFlow> {
            let flows = flows.iter().map(|((object, column), kinds)| ColumnFlow {
                object: object.clone(),
                column: column.clone(),
                kinds: kinds.clone(),
            });
            flows.collect()
        };
        let fields = plan.schema().fields().iter();
        Self {
            columns: fields
                .zip(&lineage.direct)
                .map(|(field, flows)| (field.name().clone(), told(flows)))
                .collect(),
            rows: told(&lineage.indirect),
        }
    }
}

/// A table that a derivation reads.
#[derive(Debug, Clone)]
pub struct Input {
    /// As policies write it: `ventas.transacciones`.
    pub object: String,
    /// The version that is read.
    pub version: u64,
    /// It is not the newest, since the table is held back: why.
    pub held: Option<String>,
    /// The partition column whose value is that of the derived rows that come of a row. `None`: a row can reach any.
    pub aligned: Option<String>,
    /// Columns that are read, as the reader sees them.
    pub columns: BTreeMap<String, Column>,
    /// It is shown under names that are other ones in each query: part of a table cannot be made anew.
    pub own_names: bool,
    table: Table,
}

impl Query {
    /// Plans a query of which rows are taken later, on the tables as they are now. It may call these functions.
    ///
    /// # Errors
    /// [`QueryError`], also for a query that does not always give the same rows of the same tables.
    pub async fn derive(
        &self,
        asker: &Asker,
        sql: &str,
        limits: &Limits,
        functions: Option<Arc<dyn Functions>>,
    ) -> Result<Derivation, QueryError> {
        let (query, asker, sql, limits) = (self.clone(), asker.clone(), sql.to_owned(), limits.clone());
        let derived = runtime::run(async move {
            crate::guard::check(&sql)?;
            let context =
                session(limits.memory, limits.spill.as_ref()).map_err(|e| QueryError::planning(&e))?;
            let calls = Calls::register(&context, functions)?;
            let (plan, tables) = query.plan(&context, &asker, &sql, None).await?;
            check_derived(&plan)?;
            Ok(Derivation {
                context,
                plan,
                tables,
                calls,
                limits,
            })
        });
        derived
            .await
            .unwrap_or(Err(QueryError::Failed("it stopped early")))
    }
}

impl Derivation {
    /// The columns of its rows.
    #[must_use]
    pub fn schema(&self) -> SchemaRef {
        plain(self.plan.schema().as_arrow())
    }

    /// For each column of its rows, the columns that flow into it, as the reader sees them, by `schema.table/column`: those that
    /// it is computed of, and those that decide which rows there are.
    ///
    /// # Errors
    /// The plan is inconsistent.
    pub fn inflows(&self) -> Result<Vec<(String, Inflows)>, QueryError> {
        let lineage = Lineage::of(&self.plan).map_err(|e| QueryError::planning(&e))?;
        let seen = |(object, name): &Origin| {
            let opened = self.tables.iter().find(|opened| opened.object == *object)?;
            Some((format!("{object}/{name}"), opened.seen.get(name)?.clone()))
        };
        let fields = self.plan.schema().fields().iter();
        Ok(fields
            .zip(&lineage.direct)
            .map(|(field, direct)| {
                let flows = direct.keys().chain(lineage.indirect.keys()).filter_map(seen);
                (field.name().clone(), flows.collect())
            })
            .collect())
    }

    /// The same, with how each column flows.
    ///
    /// # Errors
    /// The plan is inconsistent.
    pub fn column_flows(&self) -> Result<ColumnFlows, QueryError> {
        let lineage = Lineage::of(&self.plan).map_err(|e| QueryError::planning(&e))?;
        Ok(ColumnFlows::of(&self.plan, &lineage))
    }

    /// The tables that it reads. `key`: the column of its rows by which the derived table is partitioned.
    ///
    /// # Errors
    /// The query cannot be planned.
    pub fn inputs(&self, key: Option<&str>) -> Result<Vec<Input>, QueryError> {
        let scans = self.scans(key)?;
        let written = self.times_read()?;
        Ok(self
            .tables
            .iter()
            .map(|opened| {
                let scans: Vec<&Scan> = scans.iter().filter(|scan| scan.object == opened.object).collect();
                let mut columns = BTreeMap::new();
                for name in scans.iter().flat_map(|scan| &scan.columns) {
                    if let Some(column) = opened.seen.get(name) {
                        columns.insert(name.clone(), column.clone());
                    }
                }
                // Each time that the table is read it must be by the same column, or a row reaches further.
                let mut pinned = scans.iter().map(|scan| scan.pinned.as_ref());
                let first = pinned.next().flatten();
                // A reading that the condition made away with is one that a row may reach further by.
                let all = written.get(&opened.object) == Some(&scans.len());
                let aligned = first
                    .filter(|_| all)
                    .filter(|column| pinned.all(|other| other == Some(column)))
                    .filter(|column| opened.table.partition_by().contains(column));
                Input {
                    object: opened.object.clone(),
                    version: opened.version,
                    held: opened.held.clone(),
                    aligned: aligned.cloned(),
                    columns,
                    own_names: opened.own_names,
                    table: opened.table.clone(),
                }
            })
            .collect())
    }

    /// The rows that take the place of others.
    ///
    /// # Errors
    /// [`QueryError`]; there are more rows than the limit.
    pub async fn rows(self, only: &Replaced) -> Result<QueryResult, QueryError> {
        let limits = self.limits.clone();
        let only = only.clone();
        let result = runtime::run(async move {
            self.calls.open();
            let (plan, key) = match &only {
                Replaced::All => {
                    let frame = DataFrame::new(self.context.state(), self.plan);
                    return collect(frame, &self.limits).await;
                }
                Replaced::Partitions { column, values } => (restricted(self.plan, column, values)?, column),
                Replaced::From { column, first } => {
                    let days = ScalarValue::Date32(Some(first.days()));
                    let from = ident(column).gt_eq(lit(days)).or(ident(column).is_null());
                    (filtered(self.plan, from)?, column)
                }
            };
            let found = collect(DataFrame::new(self.context.state(), plan), &self.limits).await?;
            among(found, key, |value| match &only {
                Replaced::All => true,
                Replaced::Partitions { values, .. } => values.contains(&value.map(str::to_owned)),
                Replaced::From { first, .. } => {
                    let day = value.and_then(|value| value.parse::<Date>().ok());
                    day.is_none_or(|day| day >= *first)
                }
            })
        });
        let result = match tokio::time::timeout(limits.time, result).await {
            Ok(Some(result)) => result?,
            Ok(None) => return Err(QueryError::Failed("it stopped early")),
            Err(_) => return Err(QueryError::Time(limits.time)),
        };
        if result.truncated {
            return Err(QueryError::Failed(
                "it has more rows than a derived table may get at once",
            ));
        }
        Ok(result)
    }

    /// How often each table is read, as it is written.
    fn times_read(&self) -> Result<BTreeMap<String, usize>, QueryError> {
        let mut times = BTreeMap::new();
        self.plan
            .apply_with_subqueries(|node| {
                if let LogicalPlan::TableScan(scan) = node {
                    *times.entry(object(scan)).or_insert(0) += 1;
                }
                Ok(TreeNodeRecursion::Continue)
            })
            .map_err(|e| QueryError::planning(&e))?;
        Ok(times)
    }

    /// How each table is read when only one value of `key` is wanted.
    fn scans(&self, key: Option<&str>) -> Result<Vec<Scan>, QueryError> {
        let schema = self.schema();
        let probe = key
            .and_then(|key| schema.field_with_name(key).ok())
            .and_then(|field| probe(field.data_type()).map(|value| (field.name().clone(), value)));
        let plan = match &probe {
            Some((key, value)) => filtered(self.plan.clone(), ident(key).eq(lit(value.clone())))?,
            None => self.plan.clone(),
        };
        let plan = self
            .context
            .state()
            .optimize(&plan)
            .map_err(|e| QueryError::planning(&e))?;
        let mut scans = Vec::new();
        plan.apply_with_subqueries(|node| {
            if let LogicalPlan::TableScan(scan) = node {
                scans.push(Scan::of(scan, probe.as_ref().map(|(_, value)| value)));
            }
            Ok(TreeNodeRecursion::Continue)
        })
        .map_err(|e| QueryError::planning(&e))?;
        Ok(scans)
    }
}

impl Input {
    /// What changed in it since an earlier version.
    ///
    /// # Errors
    /// The store's error.
    pub async fn changed_since(&self, version: u64, column: &str) -> Result<Changed, QueryError> {
        Ok(self.table.changed(version, self.version, column).await?)
    }

    /// Whether no row of it came or went since an earlier version.
    ///
    /// # Errors
    /// The store's error.
    pub async fn unchanged_since(&self, version: u64) -> Result<bool, QueryError> {
        Ok(self.table.unchanged(version, self.version).await?)
    }

    /// Derived rows of days before this one cannot be made anew: a retention took rows of the input that they came of. `None`:
    /// none did, or its rows reach derived rows of any day.
    ///
    /// # Errors
    /// The store's error.
    pub async fn closed_before(&self) -> Result<Option<Date>, QueryError> {
        match &self.aligned {
            Some(column) => Ok(self.table.expired_before(column).await?),
            None => Ok(None),
        }
    }
}

/// One reading of a table in an optimized plan.
struct Scan {
    object: String,
    columns: Vec<String>,
    /// The column that must be equal to the probe.
    pinned: Option<String>,
}

impl Scan {
    fn of(scan: &TableScan, probe: Option<&ScalarValue>) -> Self {
        let pinned = scan.filters.iter().find_map(|filter| match filter {
            Expr::BinaryExpr(BinaryExpr {
                left,
                op: Operator::Eq,
                right,
            }) => match (left.as_ref(), right.as_ref()) {
                (Expr::Column(column), Expr::Literal(value, _))
                | (Expr::Literal(value, _), Expr::Column(column))
                    if Some(value) == probe =>
                {
                    Some(column.name.clone())
                }
                _ => None,
            },
            _ => None,
        });
        let filtered = scan.filters.iter().flat_map(Expr::column_refs);
        let mut columns: Vec<String> = filtered.map(|column| column.name.clone()).collect();
        columns.extend(
            scan.projected_schema
                .fields()
                .iter()
                .map(|field| field.name().clone()),
        );
        Self {
            object: object(scan),
            columns,
            pinned,
        }
    }
}

fn object(scan: &TableScan) -> String {
    let table = &scan.table_name;
    format!("{}.{}", table.schema().unwrap_or_default(), table.table())
}

/// What a query must be whose rows become a table.
pub(crate) fn check_derived(plan: &LogicalPlan) -> Result<(), QueryError> {
    always_the_same(plan)?;
    no_lateral(plan)
}

/// Refuses what reads the columns around it without saying which.
fn no_lateral(plan: &LogicalPlan) -> Result<(), QueryError> {
    let mut lateral = false;
    plan.apply_with_subqueries(|node| {
        lateral |= node
            .inputs()
            .iter()
            .any(|input| matches!(input, LogicalPlan::Subquery(_)));
        Ok(TreeNodeRecursion::Continue)
    })
    .map_err(|e| QueryError::planning(&e))?;
    if lateral {
        return Err(QueryError::Invalid(
            "LATERAL is not for derived tables: write it as a join".into(),
        ));
    }
    Ok(())
}

/// A value that no query names by itself.
fn probe(ty: &DataType) -> Option<ScalarValue> {
    Some(match ty {
        DataType::Date32 => ScalarValue::Date32(Some(-1_234_567)),
        DataType::Utf8 => ScalarValue::Utf8(Some("\u{1}malla\u{1}".into())),
        DataType::Int32 => ScalarValue::Int32(Some(-1_234_567_891)),
        DataType::Int64 => ScalarValue::Int64(Some(-1_234_567_891_234)),
        _ => return None,
    })
}

fn filtered(plan: LogicalPlan, condition: Expr) -> Result<LogicalPlan, QueryError> {
    LogicalPlanBuilder::from(plan)
        .alias("derived")
        .and_then(|plan| plan.filter(condition))
        .and_then(LogicalPlanBuilder::build)
        .map_err(|e| QueryError::planning(&e))
}

fn restricted(
    plan: LogicalPlan,
    key: &str,
    values: &BTreeSet<Option<String>>,
) -> Result<LogicalPlan, QueryError> {
    let schema = plain(plan.schema().as_arrow());
    let ty = schema
        .field_with_name(key)
        .map_err(|e| QueryError::planning(&e.into()))?
        .data_type()
        .clone();
    let literals = values
        .iter()
        .flatten()
        .map(|value| ScalarValue::try_from_string(value.clone(), &ty).map(lit))
        .collect::<Result<Vec<_>, _>>()
        .map_err(|e| QueryError::planning(&e))?;
    let among = ident(key).in_list(literals, false);
    let condition = if values.contains(&None) {
        among.or(ident(key).is_null())
    } else {
        among
    };
    filtered(plan, condition)
}

/// Only the rows that were asked for: of a branch with a constant key the optimizer may leave a row without any of its own.
fn among(
    mut found: QueryResult,
    key: &str,
    is_wanted: impl Fn(Option<&str>) -> bool,
) -> Result<QueryResult, QueryError> {
    let failed = |_| QueryError::Failed("its rows cannot be told apart by their key");
    for batch in &mut found.batches {
        let column = batch
            .column_by_name(key)
            .ok_or(QueryError::Failed("its key is not among its columns"))?;
        let texts = arrow_cast::cast(column, &DataType::Utf8).map_err(failed)?;
        let keep: BooleanArray = texts
            .as_string::<i32>()
            .iter()
            .map(|value| Some(is_wanted(value)))
            .collect();
        *batch = filter_record_batch(batch, &keep).map_err(failed)?;
    }
    Ok(found)
}

/// Refuses clocks, dice and whatever else answers differently the next time.
fn always_the_same(plan: &LogicalPlan) -> Result<(), QueryError> {
    let mut wrong = None;
    plan.apply_with_subqueries(|node| {
        node.apply_expressions(|expr| {
            expr.apply(|expr| {
                if let Expr::ScalarFunction(call) = expr
                    && call.func.signature().volatility != Volatility::Immutable
                {
                    wrong = Some(call.func.name().to_owned());
                    return Ok(TreeNodeRecursion::Stop);
                }
                Ok(TreeNodeRecursion::Continue)
            })
        })
    })
    .map_err(|e| QueryError::planning(&e))?;
    match wrong {
        Some(function) => Err(QueryError::NotRepeatable(function)),
        None => Ok(()),
    }
}

impl std::fmt::Debug for Derivation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Derivation").finish_non_exhaustive()
    }
}
