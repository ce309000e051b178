//! The table of the history, `malla.runs`.
//!
//! One for the whole mesh, and a table of the lake like any other: whoever runs the mesh sees all of it with one query, many rows
//! are one commit, and a domain's team gets its own rows by a row filter on `domain`.

use std::collections::BTreeSet;
use std::sync::Arc;

use arrow_array::{ArrayRef, Int32Array, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray};
use arrow_schema::ArrowError;
use malla_contract::{Classification, Column, ColumnType, Contract, Product, Table};
use malla_lake::{LakeError, Layer, TableId, TableSpec};
use malla_policy::{ColumnView, Policy};

use super::Run;

/// The domain of what the host tells of itself. No plugin is of it.
pub(crate) const DOMAIN: &str = "malla";
const NAME: &str = "runs";

use ColumnType::{Int32, Int64, Timestamp, Utf8};

/// Name, type, whether it is always there, and what it says.
const COLUMNS: [(&str, ColumnType, bool, &str); 18] = [
    ("run_id", Utf8, true, "Random, one a run."),
    ("domain", Utf8, true, "The domain of the job."),
    ("job", Utf8, true, "domain.name of a source or product."),
    ("kind", Utf8, true, "source, or product: made of others by SQL."),
    (
        "trigger",
        Utf8,
        true,
        "schedule, catch_up, upstream, continuous, once, backfill.",
    ),
    ("scheduled", Timestamp, false, "The time of its schedule."),
    ("started", Timestamp, true, "When it began."),
    ("ended", Timestamp, false, "When it ended. Null: nobody knows."),
    (
        "state",
        Utf8,
        true,
        "succeeded, failed, timed_out, skipped, aborted, lost.",
    ),
    ("attempts", Int32, true, "How often it was tried."),
    ("rows_read", Int64, false, "Lines of the source."),
    ("rows_kept", Int64, true, "Rows written to its products."),
    (
        "rows_rejected",
        Int64,
        false,
        "Rows rejected by a rule of the contract.",
    ),
    (
        "rows_quarantined",
        Int64,
        false,
        "Lines and rows in quarantine for other reasons.",
    ),
    (
        "version",
        Int64,
        false,
        "Version of the product's table, where there is one.",
    ),
    ("error", Utf8, false, "What went wrong."),
    ("host", Utf8, true, "Name of the machine."),
    ("malla", Utf8, true, "Version of the host."),
];

/// What the host promises of its own tables, so that they are read as all others are.
#[must_use]
pub fn contract() -> Contract {
    let columns = COLUMNS.map(|(name, ty, required, description)| Column {
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
    });
    Contract {
        id: DOMAIN.to_owned(),
        name: DOMAIN.to_owned(),
        version: semver::Version::new(1, 0, 0),
        status: "active".to_owned(),
        domain: DOMAIN.to_owned(),
        description: Some("What the host tells of itself.".to_owned()),
        owner: None,
        purpose: None,
        sources: Vec::new(),
        products: vec![Product {
            retention: None,
            name: NAME.to_owned(),
            table: Table {
                name: NAME.to_owned(),
                description: Some("One row for each run of a source or product.".to_owned()),
                columns: columns.to_vec(),
                quality: Vec::new(),
            },
        }],
        steps: Vec::new(),
        gold: Vec::new(),
        functions: Vec::new(),
        lookups: Vec::new(),
    }
}

/// Whether policy shows somebody the whole table, so that rows on their way to it may be shown too.
pub(super) fn is_shown_whole(policy: &Policy, principal: &str, purpose: &str) -> bool {
    let contract = contract();
    let mut products = contract.products.iter();
    products.all(|product| {
        let object = format!("{DOMAIN}.{}", product.name);
        let view = policy.view(principal, DOMAIN, &object, &product.table.columns, purpose);
        view.is_ok_and(|view| {
            view.row_filters.is_empty()
                && view
                    .columns
                    .iter()
                    .all(|column| matches!(column, ColumnView::Plain))
        })
    })
}

pub(crate) fn spec() -> Result<TableSpec, LakeError> {
    let contract = contract();
    let columns = contract
        .products
        .iter()
        .flat_map(|product| &product.table.columns);
    Ok(TableSpec {
        id: TableId::new(DOMAIN, Layer::Curated, NAME)?,
        schema: Arc::new(arrow_schema::Schema::new(
            columns.map(Column::field).collect::<Vec<_>>(),
        )),
        partition_by: Vec::new(),
        without_statistics: vec!["error".to_owned()],
    })
}

/// Where the last time of a job's schedule stands in the table's log, in seconds since 1970 UTC.
pub(crate) fn cursor(job: &str) -> String {
    format!("malla/schedule/{job}")
}

/// How many rows of a spool are in the table.
pub(super) fn counter(spool: uuid::Uuid) -> String {
    format!("malla/runs/{spool}")
}

pub(super) fn rows(spec: &TableSpec, runs: &[Run]) -> Result<RecordBatch, ArrowError> {
    let text = |of: &dyn Fn(&Run) -> String| -> ArrayRef {
        Arc::new(StringArray::from_iter_values(runs.iter().map(of)))
    };
    let time = |of: fn(&Run) -> Option<i64>| -> ArrayRef {
        Arc::new(TimestampMicrosecondArray::from_iter(runs.iter().map(of)).with_timezone("UTC"))
    };
    let count = |of: fn(&Run) -> Option<u64>| -> ArrayRef {
        let whole = |count| i64::try_from(count).unwrap_or(i64::MAX);
        Arc::new(runs.iter().map(|run| of(run).map(whole)).collect::<Int64Array>())
    };
    let attempts = |run: &Run| i32::try_from(run.attempts).unwrap_or(i32::MAX);
    RecordBatch::try_new(
        Arc::clone(&spec.schema),
        vec![
            text(&|run| run.run_id.to_string()),
            text(&|run| {
                run.job
                    .split_once('.')
                    .map_or("", |(domain, _)| domain)
                    .to_owned()
            }),
            text(&|run| run.job.clone()),
            text(&|run| run.kind.as_str().to_owned()),
            text(&|run| run.trigger.as_str().to_owned()),
            time(|run| run.scheduled),
            time(|run| Some(run.started)),
            time(|run| run.ended),
            text(&|run| run.state.as_str().to_owned()),
            Arc::new(Int32Array::from_iter_values(runs.iter().map(attempts))),
            count(|run| run.rows_read),
            count(|run| Some(run.rows_kept)),
            count(|run| run.rows_rejected),
            count(|run| run.rows_quarantined),
            count(|run| run.version),
            Arc::new(
                runs.iter()
                    .map(|run| run.error.as_deref())
                    .collect::<StringArray>(),
            ),
            text(&|run| run.host.clone()),
            text(&|_| env!("CARGO_PKG_VERSION").to_owned()),
        ],
    )
}
