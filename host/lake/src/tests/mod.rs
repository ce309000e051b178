//! Tests of tables as a whole: what is in the lake after whatever happened.

mod commits;
mod evolution;
mod faults;
mod growth;
mod maintain;
mod partitions;
mod random;
mod statistics;
mod store;
mod tables;

use std::ops::Range;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use arrow_array::{
    ArrayRef, BinaryArray, Date32Array, Decimal128Array, Int64Array, RecordBatch, StringArray,
    TimestampMicrosecondArray,
};
use arrow_schema::{DataType, Field, Schema, SchemaRef, TimeUnit};
use deltalake::datafusion::prelude::SessionContext;
use serde_json::Map;

use crate::{Advance, Commit, Lake, Layer, Table, TableId, TableSpec, WriterConfig};

/// The first source partition.
const P0: &str = "malla/transacciones/pedidos/0";
const P1: &str = "malla/transacciones/pedidos/1";
/// 2026-11-21.
const DAY: i32 = 20_778;

fn schema() -> SchemaRef {
    Arc::new(Schema::new(vec![
        Field::new("id", DataType::Int64, false),
        Field::new("region", DataType::Utf8, true),
        Field::new("email", DataType::Utf8, true),
        Field::new("tarjeta", DataType::Binary, true),
        Field::new("monto", DataType::Decimal128(18, 2), false),
        Field::new(
            "timestamp",
            DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
            false,
        ),
        Field::new("fecha", DataType::Date32, false),
    ]))
}

fn id() -> TableId {
    TableId::new("ventas", Layer::Curated, "transacciones").unwrap()
}

fn spec() -> TableSpec {
    TableSpec {
        id: id(),
        schema: schema(),
        partition_by: vec!["fecha".into(), "region".into()],
        without_statistics: vec!["email".into(), "tarjeta".into()],
    }
}

/// One row for each id; days and regions alternate.
fn rows(ids: Range<i64>) -> RecordBatch {
    let regions = [Some("LATAM"), Some("EU"), None];
    rows_in(ids, |id| {
        let at = usize::try_from(id).unwrap() % regions.len();
        (
            DAY + i32::try_from(id % 2).unwrap(),
            regions[at].map(str::to_owned),
        )
    })
}

fn rows_in(ids: Range<i64>, place: impl Fn(i64) -> (i32, Option<String>)) -> RecordBatch {
    let ids: Vec<i64> = ids.collect();
    let places: Vec<(i32, Option<String>)> = ids.iter().map(|id| place(*id)).collect();
    let emails = ids.iter().map(|id| Some(format!("persona{id}@secreto.example")));
    let cards = ids.iter().map(|id| Some(format!("4000-{id:012}").into_bytes()));
    let cards: Vec<Option<Vec<u8>>> = cards.collect();
    let columns: Vec<ArrayRef> = vec![
        Arc::new(Int64Array::from(ids.clone())),
        Arc::new(StringArray::from_iter(
            places.iter().map(|(_, region)| region.clone()),
        )),
        Arc::new(StringArray::from_iter(emails)),
        Arc::new(BinaryArray::from_iter(cards)),
        Arc::new(
            Decimal128Array::from_iter_values(ids.iter().map(|id| i128::from(*id) * 100 + 1))
                .with_precision_and_scale(18, 2)
                .unwrap(),
        ),
        Arc::new(
            TimestampMicrosecondArray::from_iter_values(ids.iter().map(|id| 1_795_219_200_000_000 + id))
                .with_timezone("UTC"),
        ),
        Arc::new(Date32Array::from_iter_values(places.iter().map(|(day, _)| *day))),
    ];
    RecordBatch::try_new(schema(), columns).unwrap()
}

fn advance(app_id: &str, from: Option<i64>, to: i64) -> Advance {
    Advance {
        app_id: app_id.into(),
        from,
        to,
    }
}

/// The rows `from..to` of one source partition, whose offsets are the ids.
fn commit(app_id: &str, from: Option<i64>, to: i64) -> Commit {
    Commit {
        replaces: None,
        batches: vec![rows(from.unwrap_or(0)..to)],
        advances: vec![advance(app_id, from, to)],
        info: Map::from_iter([("to".to_owned(), to.into())]),
    }
}

/// Tries are few and waits short enough for a test.
fn config() -> WriterConfig {
    WriterConfig {
        commit_tries: 4,
        parallel_files: 2,
        ..WriterConfig::default()
    }
}

fn lake_at(dir: &std::path::Path) -> Lake {
    Lake::open(dir.to_str().unwrap(), config()).unwrap()
}

async fn batches(table: &Table, sql: &str) -> Vec<RecordBatch> {
    let context = SessionContext::new();
    context
        .register_table("t", table.provider().await.unwrap().0)
        .unwrap();
    context.sql(sql).await.unwrap().collect().await.unwrap()
}

/// Every id in the table, sorted, as often as it is there.
async fn ids(table: &Table) -> Vec<i64> {
    let mut ids = Vec::new();
    for batch in batches(table, "SELECT id FROM t").await {
        ids.extend_from_slice(batch.column(0).as_primitive::<Int64Type>().values());
    }
    ids.sort_unstable();
    ids
}

fn data_files(dir: &std::path::Path) -> Vec<std::path::PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![dir.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|e| e == "parquet")
                && !path.to_str().unwrap().contains("_delta_log")
            {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}
