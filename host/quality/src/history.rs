//! What was found, as rows of a table: one for each check and run.

use std::collections::BTreeSet;
use std::sync::Arc;

use arrow_array::builder::{BooleanBuilder, Int64Builder, StringBuilder};
use arrow_array::{ArrayRef, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray};
use arrow_schema::{ArrowError, SchemaRef};
use malla_contract::{Classification, Column, ColumnType, Table};

use crate::totals::{Status, Verdict};

/// Whose checks were run, and when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Run<'r> {
    /// Microseconds since 1970.
    pub time: i64,
    /// The domain of the contract.
    pub domain: &'r str,
    /// The product, or source, whose rows were checked.
    pub product: &'r str,
    /// The version of the product's table that holds the rows, if it is known.
    pub table_version: Option<i64>,
}

/// The table of results, as a contract would describe it. It holds counts and names of a contract; no value of a row.
#[must_use]
pub fn table() -> Table {
    let column = |name: &str, ty: ColumnType, required: bool, description: &str| Column {
        name: name.to_owned(),
        ty,
        required,
        unique: false,
        primary_key: false,
        partition: None,
        classification: Classification::Internal,
        tags: BTreeSet::new(),
        holds: BTreeSet::new(),
        description: Some(description.to_owned()),
        quality: Vec::new(),
    };
    let (text, count) = (ColumnType::Utf8, ColumnType::Int64);
    Table {
        name: "quality".to_owned(),
        description: Some("Results of the checks of quality that contracts hold.".to_owned()),
        columns: vec![
            column(
                "run_time",
                ColumnType::Timestamp,
                true,
                "When the checks were judged.",
            ),
            column("domain", text, true, "Whose product it is."),
            column("product", text, true, "What was checked."),
            column("check", text, true, "Name of the check."),
            column(
                "column",
                text,
                false,
                "Its columns, with commas; null if it is of the table.",
            ),
            column("kind", text, true, "What it counts, such as `not_null`."),
            column("severity", text, true, "`error` or `warning`."),
            column("element_count", count, true, "Rows looked at."),
            column("unexpected_count", count, true, "Rows that break the check."),
            column(
                "success",
                ColumnType::Boolean,
                false,
                "Whether it was kept; null if it was not run.",
            ),
            column("table_version", count, false, "The version that holds the rows."),
        ],
        quality: Vec::new(),
    }
}

/// The Arrow schema of the table of results.
#[must_use]
pub fn schema() -> SchemaRef {
    Arc::new(table().schema())
}

/// A row for each verdict.
///
/// # Errors
/// None that is known: the columns are made for the schema.
pub fn batch(run: &Run<'_>, verdicts: &[Verdict<'_>]) -> Result<RecordBatch, ArrowError> {
    let rows = verdicts.len();
    let count = |of: fn(&Verdict<'_>) -> u64| -> ArrayRef {
        let counts = verdicts
            .iter()
            .map(|verdict| i64::try_from(of(verdict)).unwrap_or(i64::MAX));
        Arc::new(Int64Array::from_iter_values(counts))
    };
    let text = |of: fn(&Verdict<'_>) -> String| -> ArrayRef {
        Arc::new(StringArray::from_iter_values(verdicts.iter().map(of)))
    };
    let same =
        |text: &str| -> ArrayRef { Arc::new(StringArray::from_iter_values(std::iter::repeat_n(text, rows))) };
    let (mut columns, mut success) = (StringBuilder::new(), BooleanBuilder::new());
    let mut versions = Int64Builder::new();
    for verdict in verdicts {
        let names = verdict.check.kind.columns();
        columns.append_option((!names.is_empty()).then(|| names.join(",")));
        success.append_option(match verdict.status {
            Status::Success => Some(true),
            Status::Failure => Some(false),
            Status::NotRun => None,
        });
        versions.append_option(run.table_version);
    }
    let times = std::iter::repeat_n(run.time, rows);
    RecordBatch::try_new(
        schema(),
        vec![
            Arc::new(TimestampMicrosecondArray::from_iter_values(times).with_timezone("UTC")),
            same(run.domain),
            same(run.product),
            text(|verdict| verdict.check.name.clone()),
            Arc::new(columns.finish()),
            text(|verdict| verdict.check.kind.to_string()),
            text(|verdict| verdict.check.severity.to_string()),
            count(|verdict| verdict.element_count),
            count(|verdict| verdict.unexpected_count),
            Arc::new(success.finish()),
            Arc::new(versions.finish()),
        ],
    )
}
