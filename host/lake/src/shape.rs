//! How a table is laid out and its files written. The same for a new table and for one that is there.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use arrow_array::{ArrayRef, RecordBatch};
use arrow_schema::{DataType, Field, Schema, SchemaRef};
use malla_contract::type_name;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::schema::types::ColumnPath;

use crate::{LakeError, TableId, TableSpec, WriterConfig};

/// Properties of a table in its log.
const STATS_COLUMNS: &str = "delta.dataSkippingStatsColumns";
const STATS_COUNT: &str = "delta.dataSkippingNumIndexedCols";
const CHECKPOINT_INTERVAL: &str = "delta.checkpointInterval";

/// Characters that Delta forbids in column names, and those that would end a folder's name.
const FORBIDDEN: &[char] = &[
    ' ', ',', ';', '{', '}', '(', ')', '\n', '\t', '\r', '=', '/', '\\', '`', '"', '.',
];

#[derive(Debug)]
pub(crate) struct Shape {
    pub(crate) schema: SchemaRef,
    /// The columns that are in a file: all but those that are its folders.
    pub(crate) file_schema: SchemaRef,
    pub(crate) partition_by: Vec<String>,
    /// Columns with minima and maxima in the log, as SQL identifiers.
    pub(crate) statistics: Vec<String>,
    pub(crate) properties: WriterProperties,
}

impl Shape {
    pub(crate) fn new(spec: &TableSpec, config: &WriterConfig) -> Result<Self, LakeError> {
        let schema = plain(&spec.schema);
        check(spec, &schema)?;
        let file_schema = Arc::new(Schema::new(
            schema
                .fields()
                .iter()
                .filter(|field| !spec.partition_by.contains(field.name()))
                .cloned()
                .collect::<Vec<_>>(),
        ));
        let silent = |field: &Field| {
            spec.without_statistics.contains(field.name()) || field.data_type() == &DataType::Binary
        };
        let level = ZstdLevel::try_new(config.zstd_level).map_err(|e| LakeError::Spec {
            table: spec.id.clone(),
            reason: e.to_string(),
        })?;
        let mut properties = WriterProperties::builder()
            .set_compression(Compression::ZSTD(level))
            .set_max_row_group_row_count(Some(config.row_group_rows.max(1)))
            .set_created_by(concat!("malla ", env!("CARGO_PKG_VERSION")).to_owned());
        for field in file_schema.fields() {
            let path = ColumnPath::new(vec![field.name().clone()]);
            if silent(field) {
                properties = properties.set_column_statistics_enabled(path.clone(), EnabledStatistics::None);
            }
            // A dictionary of ciphertexts is the ciphertexts again.
            if field.data_type() == &DataType::Binary {
                properties = properties.set_column_dictionary_enabled(path, false);
            }
        }
        let statistics = file_schema
            .fields()
            .iter()
            .filter(|field| !silent(field))
            .map(|field| identifier(field.name()))
            .collect();
        Ok(Self {
            schema,
            file_schema,
            partition_by: spec.partition_by.clone(),
            statistics,
            properties: properties.build(),
        })
    }

    /// Properties of the table in its log.
    pub(crate) fn table_properties(&self, config: &WriterConfig) -> HashMap<String, Option<String>> {
        let statistics = if self.statistics.is_empty() {
            (STATS_COUNT.to_owned(), Some("0".to_owned()))
        } else {
            (STATS_COLUMNS.to_owned(), Some(self.statistics.join(",")))
        };
        HashMap::from([
            statistics,
            (
                CHECKPOINT_INTERVAL.to_owned(),
                Some(config.checkpoint_interval.to_string()),
            ),
        ])
    }

    /// A batch with the table's columns in the table's order.
    pub(crate) fn conform(&self, table: &TableId, batch: &RecordBatch) -> Result<RecordBatch, LakeError> {
        if batch.schema_ref() == &self.schema {
            return Ok(batch.clone());
        }
        let mismatch = |column: &str, expected: String, found: String| LakeError::BatchMismatch {
            table: table.clone(),
            column: column.to_owned(),
            expected,
            found,
        };
        for field in batch.schema_ref().fields() {
            if self.schema.index_of(field.name()).is_err() {
                return Err(mismatch(
                    field.name(),
                    "absent".into(),
                    field.data_type().to_string(),
                ));
            }
        }
        let mut columns: Vec<ArrayRef> = Vec::with_capacity(self.schema.fields().len());
        for field in self.schema.fields() {
            let expected = || describe(field);
            let Some(column) = batch.column_by_name(field.name()) else {
                return Err(mismatch(field.name(), expected(), "absent".into()));
            };
            if column.data_type() != field.data_type() {
                return Err(mismatch(field.name(), expected(), column.data_type().to_string()));
            }
            if !field.is_nullable() && column.null_count() > 0 {
                let found = format!("{} with nulls", column.data_type());
                return Err(mismatch(field.name(), expected(), found));
            }
            columns.push(Arc::clone(column));
        }
        Ok(RecordBatch::try_new(Arc::clone(&self.schema), columns)?)
    }

    /// Whether rows of this shape may go into a table that the lake has as `found`.
    pub(crate) fn fits(
        &self,
        table: &TableId,
        found: &Schema,
        partition_by: &[String],
    ) -> Result<(), LakeError> {
        let mismatch = |column: &str, expected: String, found: String| LakeError::SchemaMismatch {
            table: table.clone(),
            column: column.to_owned(),
            expected,
            found,
        };
        for field in self.schema.fields() {
            let Ok(there) = found.field_with_name(field.name()) else {
                return Err(mismatch(field.name(), describe(field), "absent".into()));
            };
            let loosened = field.is_nullable() && !there.is_nullable();
            if there.data_type() != field.data_type() || loosened {
                return Err(mismatch(field.name(), describe(field), describe(there)));
            }
        }
        // Rows of an older version of the contract lack what a newer one added.
        for there in found.fields().iter().filter(|there| !there.is_nullable()) {
            if self.schema.index_of(there.name()).is_err() {
                return Err(mismatch(there.name(), "absent".into(), describe(there)));
            }
        }
        if partition_by != self.partition_by {
            return Err(LakeError::PartitionMismatch {
                table: table.clone(),
                expected: self.partition_by.clone(),
                found: partition_by.to_vec(),
            });
        }
        Ok(())
    }
}

/// The list of columns with statistics in a table's properties, when these columns are added and those are to be silent.
/// `None`: it stays as it is.
pub(crate) fn listed_with(
    properties: &HashMap<String, String>,
    added: &[String],
    silent: &[String],
) -> Option<(&'static str, String)> {
    let before = properties.get(STATS_COLUMNS)?;
    let mut listed: Vec<&str> = before.split(',').map(str::trim).collect();
    listed.retain(|name| {
        !silent
            .iter()
            .any(|silent| identifier(silent) == *name || silent == name)
    });
    listed.extend(added.iter().map(String::as_str));
    let after = listed.join(",");
    (after != *before).then_some((STATS_COLUMNS, after))
}

/// Columns that a table's properties keep out of its statistics.
pub(crate) fn without_statistics(schema: &Schema, properties: &HashMap<String, String>) -> Vec<String> {
    let Some(listed) = properties.get(STATS_COLUMNS) else {
        return match properties.get(STATS_COUNT).map(String::as_str) {
            Some("0") => schema.fields().iter().map(|f| f.name().clone()).collect(),
            _ => Vec::new(),
        };
    };
    let listed: BTreeSet<&str> = listed.split(',').map(str::trim).collect();
    schema
        .fields()
        .iter()
        .map(|field| field.name().clone())
        .filter(|name| !listed.contains(identifier(name).as_str()) && !listed.contains(name.as_str()))
        .collect()
}

fn check(spec: &TableSpec, schema: &Schema) -> Result<(), LakeError> {
    let wrong = |reason: String| LakeError::Spec {
        table: spec.id.clone(),
        reason,
    };
    let mut seen = BTreeSet::new();
    for field in schema.fields() {
        let name = field.name();
        if name.is_empty() || name.contains(FORBIDDEN) || name.chars().any(char::is_control) {
            return Err(wrong(format!(
                "`{name}` cannot name a column: leave out spaces, dots, slashes and brackets"
            )));
        }
        if !seen.insert(name.to_lowercase()) {
            return Err(wrong(format!(
                "two columns are named `{name}`: names differ by more than case"
            )));
        }
        if field.data_type() == &DataType::Null {
            return Err(wrong(format!("column `{name}` has no type")));
        }
    }
    for name in spec.partition_by.iter().chain(&spec.without_statistics) {
        if schema.index_of(name).is_err() {
            return Err(wrong(format!("there is no column `{name}`")));
        }
    }
    if let Some(name) = spec
        .partition_by
        .iter()
        .find(|name| spec.without_statistics.contains(name))
    {
        return Err(wrong(format!(
            "column `{name}` is personal and cannot partition the table: its values would be folder names"
        )));
    }
    let distinct: BTreeSet<&String> = spec.partition_by.iter().collect();
    if distinct.len() < spec.partition_by.len() || distinct.len() == schema.fields().len() {
        return Err(wrong(
            "partition columns must differ, and at least one column must remain".into(),
        ));
    }
    Ok(())
}

/// The schema without metadata, which Delta would keep and compare.
fn plain(schema: &Schema) -> SchemaRef {
    Arc::new(Schema::new(
        schema
            .fields()
            .iter()
            .map(|field| Field::new(field.name(), field.data_type().clone(), field.is_nullable()))
            .collect::<Vec<_>>(),
    ))
}

fn describe(field: &Field) -> String {
    let name = type_name(field.data_type());
    if field.is_nullable() {
        name
    } else {
        format!("required {name}")
    }
}

/// A name as the SQL identifier that the statistics property wants.
pub(crate) fn identifier(name: &str) -> String {
    let simple = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    if simple {
        name.to_owned()
    } else {
        format!("`{name}`")
    }
}
