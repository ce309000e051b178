//! What a table must look like.

use arrow_schema::SchemaRef;

use crate::TableId;

/// A table as its contract wants it.
#[derive(Debug, Clone)]
pub struct TableSpec {
    /// Which table.
    pub id: TableId,
    /// Its columns, partition columns included.
    pub schema: SchemaRef,
    /// Columns that become folders, the outermost first.
    pub partition_by: Vec<String>,
    /// Columns whose values appear in no statistics, neither in the log nor in a file's footer: the personal ones.
    pub without_statistics: Vec<String>,
}
