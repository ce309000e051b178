//! What was found, as rows of the table that [`Product::results`](malla_contract::Product::results) describes: one for each
//! check and run.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow_array::builder::{BooleanBuilder, Date32Builder, Float64Builder, Int64Builder, StringBuilder};
use arrow_array::{RecordBatch, TimestampMicrosecondArray};
use arrow_schema::{ArrowError, SchemaRef};
use malla_contract::Product;

use crate::totals::{Status, Verdict};
use crate::validation::ValidationResult;

const MICROS_A_DAY: i64 = 86_400_000_000;

/// Whose checks were run, and when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Run<'r> {
    /// Microseconds since 1970.
    pub time: i64,
    /// The version of the product's table that was judged. `None`: rows that were not published.
    pub table_version: Option<u64>,
    /// The version after which commits were counted, for checks that are counted commit by commit: those of rows one by one,
    /// and these.
    pub counted_after: BTreeMap<&'r str, Option<u64>>,
    /// Version of the contract.
    pub contract_version: &'r str,
    /// Digest of the plugin.
    pub plugin: &'r str,
    /// Why checks could not be judged, by name.
    pub reasons: &'r BTreeMap<String, String>,
}

/// The Arrow schema of the table of results.
#[must_use]
pub fn schema(product: &Product) -> SchemaRef {
    Arc::new(product.results().schema())
}

/// A row for each verdict.
///
/// # Errors
/// None that is known: the columns are made for the schema.
pub fn batch(product: &Product, run: &Run<'_>, verdicts: &[Verdict<'_>]) -> Result<RecordBatch, ArrowError> {
    let mut rows = Rows::default();
    for verdict in verdicts {
        rows.add(run, verdict);
    }
    rows.finish(product)
}

#[derive(Default)]
struct Rows {
    days: Date32Builder,
    times: Vec<i64>,
    table_version: Int64Builder,
    after_version: Int64Builder,
    contract: StringBuilder,
    plugin: StringBuilder,
    check: StringBuilder,
    column: StringBuilder,
    kind: StringBuilder,
    dimension: StringBuilder,
    severity: StringBuilder,
    level: StringBuilder,
    expectation: StringBuilder,
    kwargs: StringBuilder,
    success: BooleanBuilder,
    elements: Int64Builder,
    missing: Int64Builder,
    unexpected: Int64Builder,
    percent: Float64Builder,
    samples: StringBuilder,
    complete: BooleanBuilder,
    message: StringBuilder,
}

impl Rows {
    fn add(&mut self, run: &Run<'_>, verdict: &Verdict<'_>) {
        let check = verdict.check;
        let said = ValidationResult::new(verdict);
        let signed = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
        let after = run.counted_after.get(check.name.as_str()).copied().flatten();
        let names = check.kind.columns();
        self.days
            .append_value(i32::try_from(run.time.div_euclid(MICROS_A_DAY)).unwrap_or(i32::MAX));
        self.times.push(run.time);
        self.table_version.append_option(run.table_version.map(signed));
        self.after_version.append_option(after.map(signed));
        self.contract.append_value(run.contract_version);
        self.plugin.append_value(run.plugin);
        self.check.append_value(&check.name);
        self.column
            .append_option((!names.is_empty()).then(|| names.join(",")));
        self.kind.append_value(check.kind.as_str());
        self.dimension.append_option(check.dimension.as_deref());
        self.severity.append_value(check.severity.to_string());
        self.level
            .append_value(if verdict.row_level { "row" } else { "table" });
        let config = &said.expectation_config;
        self.expectation.append_value(config.expectation);
        self.kwargs
            .append_value(serde_json::Value::Object(config.kwargs.clone()).to_string());
        self.success.append_option(match verdict.status {
            Status::Success => Some(true),
            Status::Failure => Some(false),
            Status::NotRun => None,
        });
        self.elements.append_value(signed(verdict.element_count));
        self.missing.append_value(signed(verdict.missing_count));
        self.unexpected.append_value(signed(verdict.unexpected_count));
        self.percent.append_option(said.result.unexpected_percent);
        let samples = said.result.partial_unexpected_list;
        self.samples
            .append_option(samples.map(|values| serde_json::Value::Array(values).to_string()));
        self.complete.append_value(verdict.complete);
        self.message.append_option(run.reasons.get(&check.name));
    }

    fn finish(mut self, product: &Product) -> Result<RecordBatch, ArrowError> {
        RecordBatch::try_new(
            schema(product),
            vec![
                Arc::new(self.days.finish()),
                Arc::new(TimestampMicrosecondArray::from(self.times).with_timezone("UTC")),
                Arc::new(self.table_version.finish()),
                Arc::new(self.after_version.finish()),
                Arc::new(self.contract.finish()),
                Arc::new(self.plugin.finish()),
                Arc::new(self.check.finish()),
                Arc::new(self.column.finish()),
                Arc::new(self.kind.finish()),
                Arc::new(self.dimension.finish()),
                Arc::new(self.severity.finish()),
                Arc::new(self.level.finish()),
                Arc::new(self.expectation.finish()),
                Arc::new(self.kwargs.finish()),
                Arc::new(self.success.finish()),
                Arc::new(self.elements.finish()),
                Arc::new(self.missing.finish()),
                Arc::new(self.unexpected.finish()),
                Arc::new(self.percent.finish()),
                Arc::new(self.samples.finish()),
                Arc::new(self.complete.finish()),
                Arc::new(self.message.finish()),
            ],
        )
    }
}
