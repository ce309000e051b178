//! Running a query.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use arrow_array::RecordBatch;
use arrow_schema::{DataType, Field, Schema, SchemaRef};
use datafusion::catalog::{
    CatalogProvider, MemoryCatalogProvider, MemorySchemaProvider, SchemaProvider, TableProvider,
};
use datafusion::common::TableReference;
use datafusion::execution::context::SQLOptions;
use datafusion::execution::session_state::SessionState;
use datafusion::logical_expr::{LogicalPlan, LogicalPlanBuilder};
use datafusion::prelude::{DataFrame, SessionContext};
use datafusion::sql::parser::Statement;
use datafusion::sql::sqlparser::ast;
use futures::StreamExt;
use malla_lake::{Lake, TableId};

use crate::governed::{Asker, Door, Governance, Opened, object_of};
use crate::session::{CATALOG, session};
use crate::{QueryError, Spill, guard, runtime};

/// The engine counts rows in 64 bits with a sign.
const LARGEST_LIMIT: usize = i64::MAX as usize;

/// What a query may use.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Rows of the result. More are cut off.
    pub rows: usize,
    /// Bytes that the query may hold, and its result.
    pub memory: usize,
    /// Where it may put rows that memory does not hold. `None`: it fails.
    pub spill: Option<Spill>,
    /// Time from start to end.
    pub time: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            rows: 10_000,
            memory: 1024 * 1024 * 1024,
            spill: None,
            time: Duration::from_secs(60),
        }
    }
}

/// The rows of a query.
#[derive(Debug, Clone)]
pub struct QueryResult {
    /// Its columns.
    pub schema: SchemaRef,
    /// Its rows.
    pub batches: Vec<RecordBatch>,
    /// There were more rows than the limit.
    pub truncated: bool,
    /// What the asker should know of what was read: that a product is held back at an older version.
    pub notices: Vec<String>,
}

impl From<RecordBatch> for QueryResult {
    /// Rows that are there already.
    fn from(batch: RecordBatch) -> Self {
        Self {
            schema: batch.schema(),
            batches: vec![batch],
            truncated: false,
            notices: Vec::new(),
        }
    }
}

/// The door to a lake's tables. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Query {
    pub(crate) lake: Lake,
    pub(crate) governance: Governance,
}

impl Query {
    /// A door to a lake, kept by policy.
    #[must_use]
    pub fn open(lake: Lake, governance: Governance) -> Self {
        Self { lake, governance }
    }

    /// Runs one SQL query on the tables as they are now and as the asker may see them. Tables are `ventas.transacciones`
    /// (curated), `ventas_raw.transacciones`, `ventas_quarantine.transacciones` and `ventas_quality.transacciones`. What was decided is on disk in the
    /// audit log before a row is read.
    ///
    /// # Errors
    /// [`QueryError`].
    pub async fn run(&self, asker: &Asker, sql: &str, limits: &Limits) -> Result<QueryResult, QueryError> {
        self.run_pinned(asker, sql, limits, None).await
    }

    /// The same, but reads one table at a version, also if readers are held at another.
    ///
    /// # Errors
    /// [`QueryError`].
    pub async fn run_at(
        &self,
        asker: &Asker,
        sql: &str,
        limits: &Limits,
        table: &TableId,
        version: u64,
    ) -> Result<QueryResult, QueryError> {
        self.run_pinned(asker, sql, limits, Some((table.clone(), version)))
            .await
    }

    async fn run_pinned(
        &self,
        asker: &Asker,
        sql: &str,
        limits: &Limits,
        pinned: Option<(TableId, u64)>,
    ) -> Result<QueryResult, QueryError> {
        let (query, asker, sql, own) = (self.clone(), asker.clone(), sql.to_owned(), limits.clone());
        let result =
            runtime::run(async move { query.run_untimed(&asker, &sql, &own, pinned.as_ref()).await });
        match tokio::time::timeout(limits.time, result).await {
            Ok(Some(result)) => result,
            Ok(None) => Err(QueryError::Failed("it stopped early")),
            Err(_) => Err(QueryError::Time(limits.time)),
        }
    }

    async fn run_untimed(
        &self,
        asker: &Asker,
        sql: &str,
        limits: &Limits,
        pinned: Option<&(TableId, u64)>,
    ) -> Result<QueryResult, QueryError> {
        guard::check(sql)?;
        let context = session(limits.memory, limits.spill.as_ref()).map_err(|e| QueryError::planning(&e))?;
        let (plan, tables) = self.plan(&context, asker, sql, pinned).await?;
        let frame = DataFrame::new(context.state(), cut(plan, limits.rows)?);
        Ok(QueryResult {
            notices: tables.into_iter().filter_map(|table| table.held).collect(),
            ..collect(frame, limits).await?
        })
    }

    /// A plan that reads and does nothing else, and the tables that it reads. What was decided is on disk.
    pub(crate) async fn plan(
        &self,
        context: &SessionContext,
        asker: &Asker,
        sql: &str,
        pinned: Option<&(TableId, u64)>,
    ) -> Result<(LogicalPlan, Vec<Opened>), QueryError> {
        let plan = self.planned(context, asker, sql, pinned).await;
        self.governance.audit.flush()?;
        plan
    }

    async fn planned(
        &self,
        context: &SessionContext,
        asker: &Asker,
        sql: &str,
        pinned: Option<&(TableId, u64)>,
    ) -> Result<(LogicalPlan, Vec<Opened>), QueryError> {
        let state = context.state();
        let (statement, names) = parsed(&state, sql)?;
        let door = Door::new(&self.lake, &self.governance, asker)?.with_pinned(pinned);
        let (mut tables, mut providers) = (Vec::new(), Vec::new());
        for name in names {
            let table = door.open(&name).await?;
            providers.push((name, Arc::clone(&table.provider)));
            tables.push(table);
        }
        Ok((plan_on(context, statement, providers).await?, tables))
    }
}

/// The plan of a query on these tables and no others. It only reads.
pub(crate) async fn plan_on(
    context: &SessionContext,
    statement: Statement,
    tables: Vec<(TableReference, Arc<dyn TableProvider>)>,
) -> Result<LogicalPlan, QueryError> {
    let failed = |e| QueryError::planning(&e);
    let mut schemas: BTreeMap<String, Arc<MemorySchemaProvider>> = BTreeMap::new();
    for (name, provider) in tables {
        let schema = name.schema().unwrap_or_default().to_owned();
        schemas
            .entry(schema)
            .or_default()
            .register_table(name.table().to_owned(), provider)
            .map_err(failed)?;
    }
    let catalog = Arc::new(MemoryCatalogProvider::new());
    for (name, schema) in schemas {
        catalog.register_schema(&name, schema).map_err(failed)?;
    }
    context.register_catalog(CATALOG, catalog);
    let state = context.state();
    let plan = state.statement_to_plan(statement).await.map_err(failed)?;
    SQLOptions::new()
        .with_allow_ddl(false)
        .with_allow_dml(false)
        .with_allow_statements(false)
        .verify_plan(&plan)
        .map_err(|e| QueryError::ReadOnly(e.strip_backtrace()))?;
    Ok(plan)
}

/// The tables that a query names, as policies write them. Whether they are there, or may be read, is not asked.
///
/// # Errors
/// The text is not one SQL query.
pub fn tables(sql: &str) -> Result<BTreeSet<String>, QueryError> {
    /// It is only parsed.
    const MEMORY: usize = 1 << 20;
    guard::check(sql)?;
    let state = session(MEMORY, None)
        .map_err(|e| QueryError::planning(&e))?
        .state();
    let (_, names) = parsed(&state, sql)?;
    Ok(names.iter().filter_map(object_of).collect())
}

/// A query that only reads, and the tables that it names.
pub(crate) fn parsed(
    state: &SessionState,
    sql: &str,
) -> Result<(Statement, Vec<TableReference>), QueryError> {
    let dialect = state.config_options().sql_parser.dialect;
    let statement = state
        .sql_to_statement(sql, &dialect)
        .map_err(|e| QueryError::planning(&e))?;
    only_reads(&statement)?;
    guard::check_relations(&statement)?;
    let names = state
        .resolve_table_references(&statement)
        .map_err(|e| QueryError::planning(&e))?;
    Ok((statement, names))
}

/// Refuses all but reading before a table is looked at.
fn only_reads(statement: &Statement) -> Result<(), QueryError> {
    match statement {
        Statement::Statement(statement) => match statement.as_ref() {
            ast::Statement::Query(_) | ast::Statement::ExplainTable { .. } => Ok(()),
            other => Err(QueryError::ReadOnly(first_words(&other.to_string()))),
        },
        Statement::Explain(explain) => only_reads(&explain.statement),
        other => Err(QueryError::ReadOnly(first_words(&other.to_string()))),
    }
}

fn first_words(sql: &str) -> String {
    sql.split_whitespace().take(2).collect::<Vec<_>>().join(" ")
}

/// One row more than the limit, so that a cut is noticed. The limit goes down the plan: a sort keeps only that many.
fn cut(plan: LogicalPlan, rows: usize) -> Result<LogicalPlan, QueryError> {
    if matches!(
        plan,
        LogicalPlan::Explain(_) | LogicalPlan::Analyze(_) | LogicalPlan::DescribeTable(_)
    ) {
        return Ok(plan);
    }
    LogicalPlanBuilder::from(plan)
        .limit(0, Some(rows.saturating_add(1).min(LARGEST_LIMIT)))
        .and_then(LogicalPlanBuilder::build)
        .map_err(|e| QueryError::planning(&e))
}

pub(crate) async fn collect(frame: DataFrame, limits: &Limits) -> Result<QueryResult, QueryError> {
    let failed = |e| QueryError::running(&e, limits.memory);
    let mut stream = frame.execute_stream().await.map_err(failed)?;
    let schema = plain(&stream.schema());
    let mut result = QueryResult {
        schema: Arc::clone(&schema),
        batches: Vec::new(),
        truncated: false,
        notices: Vec::new(),
    };
    let (mut room, mut held) = (limits.rows, 0_usize);
    while let Some(batch) = stream.next().await {
        let mut batch = batch.map_err(failed)?;
        if batch.num_rows() > room {
            batch = batch.slice(0, room);
            result.truncated = true;
        }
        room -= batch.num_rows();
        held = held.saturating_add(batch.get_array_memory_size());
        if held > limits.memory {
            return Err(QueryError::Memory(limits.memory));
        }
        if batch.num_rows() > 0 {
            let columns = batch
                .columns()
                .iter()
                .zip(schema.fields())
                .map(|(column, field)| arrow_cast::cast(column, field.data_type()))
                .collect::<Result<Vec<_>, _>>()
                .and_then(|columns| RecordBatch::try_new(Arc::clone(&schema), columns));
            result.batches.push(columns.map_err(|e| failed(e.into()))?);
        }
        if result.truncated {
            break;
        }
    }
    Ok(result)
}

/// The same columns in the types that a contract knows: how the engine packs texts is its own affair.
pub(crate) fn plain(schema: &Schema) -> SchemaRef {
    let fields = schema
        .fields()
        .iter()
        .map(|field| Field::new(field.name(), unpacked(field.data_type()), field.is_nullable()));
    Arc::new(Schema::new(fields.collect::<Vec<_>>()))
}

/// The type of a column's values, however they are packed.
pub(crate) fn unpacked(ty: &DataType) -> DataType {
    match ty {
        DataType::Dictionary(_, value) => unpacked(value),
        DataType::Utf8View => DataType::Utf8,
        DataType::BinaryView => DataType::Binary,
        other => other.clone(),
    }
}
