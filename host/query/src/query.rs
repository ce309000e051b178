//! Running a query.

use std::time::Duration;

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;
use malla_lake::Lake;

use crate::QueryError;

/// What a query may use.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Rows of the result. More are cut off.
    pub rows: usize,
    /// Bytes that sorts, joins and aggregates may hold.
    pub memory: usize,
    /// Time from start to end.
    pub time: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            rows: 10_000,
            memory: 1024 * 1024 * 1024,
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
}

/// The door to a lake's tables.
#[derive(Debug, Clone)]
pub struct Query {
    lake: Lake,
}

impl Query {
    /// A door to a lake.
    #[must_use]
    pub fn open(lake: Lake) -> Self {
        Self { lake }
    }

    /// Runs one SQL query on the tables as they are now.
    ///
    /// # Errors
    /// [`QueryError`].
    pub async fn run(&self, sql: &str, limits: &Limits) -> Result<QueryResult, QueryError> {
        let _ = (sql, limits, &self.lake);
        Err(QueryError::Failed("not built yet".into()))
    }
}
