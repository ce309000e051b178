//! SQL as policy lets it be seen, against the same SQL on the bare table: five million sales in ten files, a row filter
//! that keeps a quarter of them.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a bench on data that it made"
)]

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use arrow_array::{ArrayRef, Date32Array, Decimal128Array, Int64Array, RecordBatch, StringArray};
use criterion::{Criterion, criterion_group, criterion_main};
use datafusion::prelude::SessionContext;
use malla_audit::{AuditConfig, AuditLog};
use malla_contract::{Contract, Date};
use malla_lake::{Advance, Commit, Lake, Layer, TableId, TableSpec, WriterConfig};
use malla_policy::{GLOBAL_FILE, GROUPS_FILE, MASKS_FILE, Policy, PolicyFiles, ROW_FILTERS_FILE};
use malla_privacy::KeyStore;
use malla_query::{Asker, Governance, Limits, Query};
use tokio::runtime::Runtime;

const FILES: i64 = 10;
const ROWS_OF_A_FILE: i64 = 500_000;
const DAY: i32 = 20_770;

const CONTRACT: &str = r#"apiVersion: v3.1.0
kind: DataContract
id: ventas
version: 1.0.0
status: draft
domain: ventas
schema:
  - name: evento
    properties:
      - { name: id, logicalType: integer, physicalType: bigint, required: true }
  - name: transacciones
    properties:
      - { name: id, logicalType: integer, physicalType: bigint, required: true }
      - { name: producto_id, logicalType: string }
      - { name: monto, logicalType: number, physicalType: "decimal(18,2)" }
      - { name: region, logicalType: string }
      - { name: canal, logicalType: string }
      - { name: tarjeta, logicalType: string, classification: restricted, tags: ["pii:card"] }
      - { name: nacimiento, logicalType: date, classification: restricted, tags: [nacimiento] }
      - { name: fecha, logicalType: date, required: true, partitioned: true, partitionKeyPosition: 1 }
customProperties:
  - property: mallaSources
    value: [{ name: transacciones, schema: evento }]
  - property: mallaSteps
    value: [{ name: a, source: transacciones, product: transacciones, reads: [id] }]
"#;
const MASKS: &str = r#"
[[mask]]
tag = "pii:card"
mask = "show-last-4"
at = "read"
[[mask]]
tag = "nacimiento"
mask = "truncate-to-month"
at = "read"
"#;
const ROW_FILTERS: &str = r#"
[[row-filter]]
table = "ventas.transacciones"
column = "region"
equals = "Norte"
"#;

/// Without a masked column, with two; rows, and an aggregate of them.
const QUERIES: [(&str, &str); 4] = [
    (
        "plain",
        "SELECT id, producto_id, monto, canal FROM ventas.transacciones",
    ),
    (
        "masked",
        "SELECT id, monto, tarjeta, nacimiento FROM ventas.transacciones",
    ),
    (
        "plain sums",
        "SELECT canal, count(*), sum(monto) FROM ventas.transacciones GROUP BY canal",
    ),
    (
        "masked sums",
        "SELECT nacimiento, count(*), sum(monto), max(tarjeta) FROM ventas.transacciones GROUP BY nacimiento",
    ),
];

fn benches(criterion: &mut Criterion) {
    let dir = tempfile::tempdir().unwrap();
    let runtime = Runtime::new().unwrap();
    let lake = runtime.block_on(lake(dir.path()));
    let query = Query::open(lake.clone(), governance(dir.path()));
    let asker = Asker {
        principal: "user:ana".into(),
        purpose: "informes".into(),
    };
    let limits = Limits {
        rows: usize::MAX,
        memory: 4 << 30,
        spill: None,
        time: Duration::from_secs(60),
    };
    let mut group = criterion.benchmark_group("governed");
    group
        .sample_size(10)
        .warm_up_time(Duration::from_secs(1))
        .measurement_time(Duration::from_secs(6));
    for (name, sql) in QUERIES {
        let where_clause = " WHERE region = 'Norte'";
        let bare = match sql.split_once(" GROUP") {
            Some((start, end)) => format!("{start}{where_clause} GROUP{end}"),
            None => format!("{sql}{where_clause}"),
        };
        let count = |batches: &[RecordBatch]| batches.iter().map(RecordBatch::num_rows).sum::<usize>();
        let bare_rows = count(&runtime.block_on(run_bare(&lake, &bare)));
        let governed_rows = count(&runtime.block_on(query.run(&asker, sql, &limits)).unwrap().batches);
        // Days become months.
        assert!(governed_rows == bare_rows || name == "masked sums");
        group.bench_function(format!("{name}/bare"), |bencher| {
            bencher.iter(|| count(&runtime.block_on(run_bare(&lake, &bare))));
        });
        group.bench_function(format!("{name}/governed"), |bencher| {
            bencher.iter(|| count(&runtime.block_on(query.run(&asker, sql, &limits)).unwrap().batches));
        });
    }
    group.finish();
}

/// The table of the lake in an engine of its own, opened anew for the query, as the door does.
async fn run_bare(lake: &Lake, sql: &str) -> Vec<RecordBatch> {
    let table = lake.existing(&id()).await.unwrap().unwrap();
    let context = SessionContext::new();
    context
        .sql("CREATE SCHEMA ventas")
        .await
        .unwrap()
        .collect()
        .await
        .unwrap();
    let (provider, _) = table.provider().await.unwrap();
    context.register_table("ventas.transacciones", provider).unwrap();
    context.sql(sql).await.unwrap().collect().await.unwrap()
}

fn governance(dir: &Path) -> Governance {
    let files = PolicyFiles::template("policies")
        .without("domains/ventas.csv")
        .without("domains/logistica.csv")
        .without("domains/producto.csv")
        .with(GLOBAL_FILE, "p, user:ana, ventas, ventas.*, read, *, allow\n")
        .with(GROUPS_FILE, "")
        .with(MASKS_FILE, MASKS)
        .with(ROW_FILTERS_FILE, ROW_FILTERS);
    let keys = KeyStore::create(&dir.join("keys/malla.toml")).unwrap();
    Governance {
        policy: Policy::parse(&files).unwrap(),
        contracts: Arc::new([Contract::parse(CONTRACT).unwrap()]),
        audit: Arc::new(
            AuditLog::open(&dir.join("audit"), keys.audit_key(), AuditConfig::default()).unwrap(),
        ),
        keys: Arc::new(keys),
        today: Date::from_days(DAY),
    }
}

fn id() -> TableId {
    TableId::new("ventas", Layer::Curated, "transacciones").unwrap()
}

async fn lake(dir: &Path) -> Lake {
    let lake = Lake::open(dir.join("lake").to_str().unwrap(), WriterConfig::default()).unwrap();
    for file in 0..FILES {
        let batch = batch(file);
        let spec = TableSpec {
            id: id(),
            schema: batch.schema(),
            partition_by: vec!["fecha".into()],
            without_statistics: vec!["tarjeta".into(), "nacimiento".into()],
        };
        let commit = Commit {
            batches: vec![batch],
            advances: vec![Advance {
                app_id: "malla/t/s/0".into(),
                from: (file > 0).then_some(file),
                to: file + 1,
            }],
            ..Commit::default()
        };
        lake.table(spec).await.unwrap().commit(commit).await.unwrap();
    }
    lake
}

fn batch(file: i64) -> RecordBatch {
    const REGIONS: [&str; 4] = ["Norte", "Sur", "Este", "Oeste"];
    const CHANNELS: [&str; 3] = ["web", "app", "tienda"];
    let ids: Vec<i64> = (file * ROWS_OF_A_FILE..(file + 1) * ROWS_OF_A_FILE).collect();
    // Scattered, and the same every time.
    let random = |id: &i64| id.wrapping_mul(6_364_136_223_846_793_005).unsigned_abs() >> 20;
    let of = |list: &'static [&'static str], shift: u32| -> ArrayRef {
        let texts = ids
            .iter()
            .map(|id| list[(random(id) >> shift) as usize % list.len()]);
        Arc::new(StringArray::from_iter_values(texts))
    };
    let text = |write: &dyn Fn(u64) -> String| -> ArrayRef {
        Arc::new(StringArray::from_iter_values(
            ids.iter().map(|id| write(random(id))),
        ))
    };
    let card = |n: u64| {
        format!(
            "4{:03}-{:04}-{:04}-{:04}",
            n % 997,
            n % 9_973,
            n % 9_767,
            n % 9_871
        )
    };
    let monto = Decimal128Array::from_iter_values(ids.iter().map(|id| i128::from(random(id) % 1_000_000)));
    let born = ids
        .iter()
        .map(|id| i32::try_from(random(id) % 20_000).unwrap_or_default());
    let columns: Vec<(&str, ArrayRef, bool)> = vec![
        ("id", Arc::new(Int64Array::from(ids.clone())), false),
        ("producto_id", text(&|n| format!("P-{:05}", n % 20_000)), true),
        (
            "monto",
            Arc::new(monto.with_precision_and_scale(18, 2).unwrap()),
            true,
        ),
        ("region", of(&REGIONS, 3), true),
        ("canal", of(&CHANNELS, 7), true),
        ("tarjeta", text(&card), true),
        ("nacimiento", Arc::new(Date32Array::from_iter_values(born)), true),
        (
            "fecha",
            Arc::new(Date32Array::from_iter_values(
                ids.iter().map(|_| DAY + i32::try_from(file).unwrap_or_default()),
            )),
            false,
        ),
    ];
    RecordBatch::try_from_iter_with_nullable(columns).unwrap()
}

criterion_group!(governed, benches);
criterion_main!(governed);
