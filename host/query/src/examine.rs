//! A look at a table as it is stored, at one version, for the host's own checks.
//!
//! INVARIANT: no asker gets here. What comes out goes to the checks of the product's own contract, and those tell counts, and values
//! only of columns that anybody may see.

use std::time::Duration;

use arrow_array::RecordBatch;
use arrow_array::cast::AsArray;
use arrow_array::types::{Int64Type, TimestampMicrosecondType};
use datafusion::common::TableReference;
use datafusion::functions_aggregate::expr_fn::{count, max};
use datafusion::prelude::{DataFrame, SessionContext, ident, lit};
use futures::StreamExt;
use malla_lake::Table;

use crate::query::{collect, plain};
use crate::session::session;
use crate::{Limits, QueryError, runtime};

/// One version of a table.
pub struct Examination {
    pub(crate) context: SessionContext,
    pub(crate) limits: Limits,
}

const TABLE: &str = "examined";

impl Examination {
    /// A table at a version.
    ///
    /// # Errors
    /// The version cannot be read.
    pub async fn open(table: &Table, version: u64, limits: Limits) -> Result<Self, QueryError> {
        let context = session(limits.memory, limits.spill.as_ref()).map_err(|e| QueryError::planning(&e))?;
        let catalog = datafusion::catalog::MemoryCatalogProvider::new();
        let schema = std::sync::Arc::new(datafusion::catalog::MemorySchemaProvider::new());
        let failed = |e| QueryError::planning(&e);
        datafusion::catalog::CatalogProvider::register_schema(&catalog, "public", schema).map_err(failed)?;
        context.register_catalog(crate::session::CATALOG, std::sync::Arc::new(catalog));
        context
            .register_table(TableReference::bare(TABLE), table.provider_at(version).await?)
            .map_err(failed)?;
        Ok(Self { context, limits })
    }

    /// How many rows it has.
    ///
    /// # Errors
    /// [`QueryError`].
    pub async fn rows(&self) -> Result<u64, QueryError> {
        let all = self.table().await?;
        let counted = all.aggregate(vec![], vec![count(lit(1_i64))]);
        number(
            &self
                .collected(counted.map_err(|e| QueryError::planning(&e))?)
                .await?,
        )
    }

    /// The greatest value of a timestamp column, in microseconds since 1970. `None`: it has no rows, or only nulls.
    ///
    /// # Errors
    /// [`QueryError`].
    pub async fn newest(&self, column: &str) -> Result<Option<i64>, QueryError> {
        let all = self.table().await?;
        let found = all.aggregate(vec![], vec![max(ident(column))]);
        let batch = self
            .collected(found.map_err(|e| QueryError::planning(&e))?)
            .await?;
        let column = batch.columns().first().ok_or(QueryError::Failed(NOTHING))?;
        let times = column
            .as_primitive_opt::<TimestampMicrosecondType>()
            .ok_or(QueryError::Failed("its time is no timestamp"))?;
        Ok(times.iter().next().flatten())
    }

    /// Hands out the rows, some at a time, with these columns only.
    ///
    /// # Errors
    /// [`QueryError`], or what `each` says.
    pub async fn each<E: From<QueryError> + Send + 'static>(
        &self,
        columns: &[&str],
        mut each: impl FnMut(&RecordBatch) -> Result<(), E> + Send + 'static,
    ) -> Result<(), E> {
        let frame = self
            .table()
            .await?
            .select(columns.iter().map(|name| ident(*name)).collect::<Vec<_>>())
            .map_err(|e| QueryError::planning(&e))?;
        self.fold(frame, (), move |(), batch| each(batch)).await
    }

    /// Goes through rows with a state.
    pub(crate) async fn fold<S: Send + 'static, E: From<QueryError> + Send + 'static>(
        &self,
        frame: DataFrame,
        mut state: S,
        mut each: impl FnMut(&mut S, &RecordBatch) -> Result<(), E> + Send + 'static,
    ) -> Result<S, E> {
        let memory = self.limits.memory;
        self.timed(async move {
            let failed = |e| QueryError::running(&e, memory);
            let mut rows = frame.execute_stream().await.map_err(failed)?;
            while let Some(batch) = rows.next().await {
                each(&mut state, &plainly(&batch.map_err(failed)?)?)?;
            }
            Ok(state)
        })
        .await
    }

    pub(crate) async fn table(&self) -> Result<DataFrame, QueryError> {
        let table = self.context.table(TableReference::bare(TABLE)).await;
        table.map_err(|e| QueryError::planning(&e))
    }

    /// All rows of a small result, as one batch.
    pub(crate) async fn collected(&self, frame: DataFrame) -> Result<RecordBatch, QueryError> {
        let limits = self.limits.clone();
        self.timed(async move {
            let found = collect(frame, &limits).await?;
            arrow_select::concat::concat_batches(&found.schema, &found.batches)
                .map_err(|_| QueryError::Failed("its result is inconsistent"))
        })
        .await
    }

    async fn timed<T: Send + 'static, E: From<QueryError> + Send + 'static>(
        &self,
        work: impl Future<Output = Result<T, E>> + Send + 'static,
    ) -> Result<T, E> {
        let time: Duration = self.limits.time;
        match tokio::time::timeout(time, runtime::run(work)).await {
            Ok(Some(result)) => result,
            Ok(None) => Err(QueryError::Failed("it stopped early").into()),
            Err(_) => Err(QueryError::Time(time).into()),
        }
    }
}

const NOTHING: &str = "it gave nothing";

/// The one number of a result. No rows to add up are 0.
pub(crate) fn number(batch: &RecordBatch) -> Result<u64, QueryError> {
    let column = batch.columns().first().ok_or(QueryError::Failed(NOTHING))?;
    let numbers = column
        .as_primitive_opt::<Int64Type>()
        .ok_or(QueryError::Failed("it gave no number"))?;
    let number = numbers.iter().next().flatten().unwrap_or(0);
    Ok(u64::try_from(number).unwrap_or(0))
}

/// In the types that a contract knows.
fn plainly(batch: &RecordBatch) -> Result<RecordBatch, QueryError> {
    let schema = plain(batch.schema_ref());
    let columns = batch.columns().iter().zip(schema.fields());
    let columns: Result<Vec<_>, _> = columns
        .map(|(column, field)| arrow_cast::cast(column, field.data_type()))
        .collect();
    columns
        .and_then(|columns| RecordBatch::try_new(schema, columns))
        .map_err(|_| QueryError::Failed("its types are none of a contract's"))
}

impl std::fmt::Debug for Examination {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Examination").finish_non_exhaustive()
    }
}
