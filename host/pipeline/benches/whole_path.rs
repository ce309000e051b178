//! The whole path (decode, view, plugin, check, mask, seal, Parquet, commit) against decode + Parquet + commit of the
//! same tables, written plain by native code: what governance and the sandbox cost together.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a bench on data that it made"
)]

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use arrow_array::cast::AsArray;
use arrow_array::types::{Date32Type, Decimal128Type, TimestampMicrosecondType};
use arrow_array::{
    Array, ArrayRef, BinaryArray, BooleanArray, Decimal128Array, Int64Array, PrimitiveArray, RecordBatch,
    StringArray, TimestampMicrosecondArray,
};
use arrow_schema::{DataType, Field, Schema, SchemaRef};
use arrow_select::filter::filter_record_batch;
use criterion::{Criterion, criterion_group, criterion_main};
use malla_contract::{Contract, Table as Shape};
use malla_lake::{Advance, Commit, Lake, Layer, TableId, TableSpec, WriterConfig};
use malla_pipeline::{Config, Mesh, RunOptions, Stop, template};
use malla_privacy::KeyStore;
use malla_simulate::Simulator;
use malla_source::{BatchLimit, Decoder, DirectoryConfig, DirectorySource, Lines, Mode};
use tokio::runtime::Runtime;

const EVENTS: u64 = 400_000;
const CONTRACT: &str = include_str!("../../../plugins/ventas/contract.yaml");

fn benches(criterion: &mut Criterion) {
    let root = tempfile::tempdir().unwrap();
    let source = root.path().join("sources/ventas/transacciones");
    Simulator::new(1, "ventas", "transacciones")
        .unwrap()
        .write(&source, EVENTS)
        .unwrap();
    prepare(root.path());
    let runtime = Runtime::new().unwrap();
    let mut group = criterion.benchmark_group("whole_path");
    group
        .sample_size(10)
        .warm_up_time(Duration::from_secs(1))
        .measurement_time(Duration::from_secs(30));
    group.throughput(criterion::Throughput::Elements(EVENTS));
    group.bench_function("malla", |bencher| {
        bencher.iter_custom(|times| (0..times).map(|_| malla(root.path(), &runtime)).sum());
    });
    group.bench_function("baseline", |bencher| {
        bencher.iter_custom(|times| (0..times).map(|_| baseline(root.path(), &source, &runtime)).sum());
    });
    group.finish();
}

fn prepare(root: &Path) {
    // No returns: what is measured is the way of sales.
    for folder in [
        "plugins",
        "policies/domains",
        "policies/tests",
        "keys",
        "sources/ventas/devoluciones",
    ] {
        std::fs::create_dir_all(root.join(folder)).unwrap();
    }
    let sources = [("ventas", "transacciones"), ("ventas", "devoluciones")];
    std::fs::write(root.join("malla.toml"), template(&sources)).unwrap();
    for (name, text) in malla_policy::TEMPLATE {
        std::fs::write(root.join("policies").join(name), text).unwrap();
    }
    KeyStore::create(&root.join("keys/malla.keys")).unwrap();
    std::fs::copy(plugin(), root.join("plugins/ventas.wasm")).unwrap();
}

/// The component that `cargo xtask bench` has built.
fn plugin() -> PathBuf {
    let bench = std::env::current_exe().unwrap();
    bench
        .parent()
        .and_then(Path::parent)
        .unwrap()
        .join("plugins/ventas.wasm")
}

fn fresh(root: &Path) {
    for folder in ["lake", "state/sources"] {
        let _ = std::fs::remove_dir_all(root.join(folder));
    }
}

fn malla(root: &Path, runtime: &Runtime) -> Duration {
    fresh(root);
    let mesh = Arc::new(Mesh::open(Config::load(&root.join("malla.toml")).unwrap()).unwrap());
    let options = RunOptions {
        once: true,
        ..RunOptions::default()
    };
    let started = Instant::now();
    let report = runtime.block_on(mesh.run(&options, &Stop::default())).unwrap();
    let elapsed = started.elapsed();
    assert!(report.failures.is_empty(), "{:?}", report.failures);
    assert_eq!(report.products[0].read, EVENTS);
    elapsed
}

/// What one partition's lines become.
#[derive(Default)]
struct Rows {
    raw: Vec<RecordBatch>,
    curated: Vec<RecordBatch>,
    quarantine: Vec<RecordBatch>,
}

fn baseline(root: &Path, source: &Path, runtime: &Runtime) -> Duration {
    fresh(root);
    let contract = Contract::parse(CONTRACT).unwrap();
    let specs = Specs::new(&contract);
    let lake = Lake::open(root.join("lake").to_str().unwrap(), WriterConfig::default()).unwrap();
    let started = Instant::now();
    let rows = read(root, source, &contract, &specs);
    let mut all = Rows::default();
    for partition in rows {
        all.raw.extend(partition.raw);
        all.curated.extend(partition.curated);
        all.quarantine.extend(partition.quarantine);
    }
    let written: usize = all
        .curated
        .iter()
        .chain(&all.quarantine)
        .map(RecordBatch::num_rows)
        .sum();
    assert_eq!(written as u64, EVENTS);
    runtime.block_on(async {
        commit(&lake, specs.quarantine, all.quarantine).await;
        tokio::join!(
            commit(&lake, specs.raw, all.raw),
            commit(&lake, specs.curated, all.curated)
        );
    });
    started.elapsed()
}

async fn commit(lake: &Lake, spec: TableSpec, batches: Vec<RecordBatch>) {
    let table = lake.table(spec).await.unwrap();
    let advances = vec![Advance {
        app_id: "bench".into(),
        from: None,
        to: 1,
    }];
    table
        .commit(Commit {
            batches,
            advances,
            replaces: None,
            info: serde_json::Map::new(),
        })
        .await
        .unwrap();
}

/// As many partitions at once as there are cores, as the pipeline does.
fn read(root: &Path, source: &Path, contract: &Contract, specs: &Specs) -> Vec<Rows> {
    let config = DirectoryConfig::new(source, root.join("state/sources/bench"));
    let source = DirectorySource::open(config).unwrap();
    let (send, receive) = crossbeam_channel::unbounded();
    source
        .partitions()
        .unwrap()
        .into_iter()
        .for_each(|partition| send.send(partition).unwrap());
    drop(send);
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..std::thread::available_parallelism().unwrap().get())
            .map(|_| {
                let (receive, source) = (receive.clone(), &source);
                scope.spawn(move || {
                    receive
                        .iter()
                        .map(|partition| read_partition(source, &partition, contract, specs))
                        .collect::<Vec<_>>()
                })
            })
            .collect();
        threads
            .into_iter()
            .flat_map(|thread| thread.join().unwrap())
            .collect()
    })
}

fn read_partition(source: &DirectorySource, partition: &str, contract: &Contract, specs: &Specs) -> Rows {
    let mut reader = source.reader(partition, 0).unwrap();
    let mut decoder = Decoder::new(&contract.sources[0]).unwrap();
    let limit = BatchLimit {
        rows: 65_536,
        bytes: 32 << 20,
    };
    let mut rows = Rows::default();
    while let Some(lines) = reader.next(limit, Mode::Drain).unwrap() {
        transform(&mut decoder, &lines, contract, specs, &mut rows);
    }
    rows
}

fn transform(decoder: &mut Decoder, lines: &Lines, contract: &Contract, specs: &Specs, rows: &mut Rows) {
    let decoded = decoder.decode(lines).unwrap();
    let column = |name: &str| decoded.batch.column_by_name(name).unwrap();
    let times = column("timestamp").as_primitive::<TimestampMicrosecondType>();
    let fecha: ArrayRef = Arc::new(
        times
            .values()
            .iter()
            .map(|t| Some(t.div_euclid(86_400_000_000) as i32))
            .collect::<PrimitiveArray<Date32Type>>(),
    );
    let offset = |line: &u32| lines.offsets()[*line as usize];
    let offsets: Int64Array = decoded.rows.iter().map(offset).collect();
    let count = decoded.batch.num_rows();
    let partition = StringArray::from_iter_values(std::iter::repeat_n(lines.partition(), count));
    let mut raw: Vec<ArrayRef> = vec![Arc::new(partition), Arc::new(offsets), Arc::clone(&fecha)];
    raw.extend(decoded.batch.columns().iter().cloned());
    rows.raw
        .push(RecordBatch::try_new(Arc::clone(&specs.raw.schema), raw).unwrap());

    let monto = column("monto").as_primitive::<Decimal128Type>();
    let moneda = column("moneda").as_string::<i32>();
    let cliente = column("cliente_id").as_string::<i32>();
    let rates = &contract.lookups[0];
    let one = 10_i128.pow(rates.scale.into());
    let rate = |code: &str| {
        rates
            .entries
            .iter()
            .find(|entry| entry.key == code)
            .map(|entry| entry.unscaled)
    };
    let mut usd = Vec::with_capacity(count);
    let mut keep = Vec::with_capacity(count);
    for row in 0..count {
        let known = moneda.is_valid(row).then(|| rate(moneda.value(row))).flatten();
        usd.push(monto.value(row) * known.unwrap_or(0) / one);
        let named = cliente.is_valid(row) && !cliente.value(row).trim().is_empty();
        keep.push(known.is_some() && named && monto.value(row) > 0);
    }
    let usd: ArrayRef = Arc::new(
        Decimal128Array::from(usd)
            .with_precision_and_scale(18, 2)
            .unwrap(),
    );
    let curated: Vec<ArrayRef> = specs
        .curated
        .schema
        .fields()
        .iter()
        .map(|field| match field.name().as_str() {
            "monto_usd" => Arc::clone(&usd),
            "fecha" => Arc::clone(&fecha),
            name => Arc::clone(column(name)),
        })
        .collect();
    let nullable: Vec<Field> = specs
        .curated
        .schema
        .fields()
        .iter()
        .map(|field| field.as_ref().clone().with_nullable(true))
        .collect();
    let batch = RecordBatch::try_new(Arc::new(Schema::new(nullable)), curated).unwrap();
    let kept = filter_record_batch(&batch, &BooleanArray::from(keep.clone())).unwrap();
    rows.curated
        .push(RecordBatch::try_new(Arc::clone(&specs.curated.schema), kept.columns().to_vec()).unwrap());

    let region = column("region").as_string::<i32>();
    let mut lost: Vec<(u32, Option<&str>, &str)> = decoded
        .failed
        .iter()
        .map(|failure| (failure.line, None, failure.rule))
        .collect();
    lost.extend((0..count).filter(|row| !keep[*row]).map(|row| {
        (
            decoded.rows[row],
            region.is_valid(row).then(|| region.value(row)),
            "rejected",
        )
    }));
    rows.quarantine
        .push(quarantine(&lost, lines, &specs.quarantine.schema));
}

fn quarantine(lost: &[(u32, Option<&str>, &str)], lines: &Lines, schema: &SchemaRef) -> RecordBatch {
    let text = |text: &str| {
        Arc::new(StringArray::from_iter_values(std::iter::repeat_n(
            text,
            lost.len(),
        )))
    };
    RecordBatch::try_new(
        Arc::clone(schema),
        vec![
            Arc::new(PrimitiveArray::<Date32Type>::from_value(0, lost.len())),
            Arc::new(lost.iter().map(|(_, region, _)| *region).collect::<StringArray>()),
            text(lines.partition()),
            Arc::new(
                lost.iter()
                    .map(|(line, ..)| Some(lines.offsets()[*line as usize]))
                    .collect::<Int64Array>(),
            ),
            Arc::new(TimestampMicrosecondArray::from_value(0, lost.len()).with_timezone("UTC")),
            text("rejected"),
            text("ventas.transacciones"),
            text("ventas@1.0.0"),
            Arc::new(
                lost.iter()
                    .map(|(_, _, rule)| Some(*rule))
                    .collect::<StringArray>(),
            ),
            text("rejected"),
            Arc::new(BinaryArray::from_iter_values(
                lost.iter()
                    .map(|(line, ..)| lines.line(*line as usize).into_owned()),
            )),
        ],
    )
    .unwrap()
}

/// The three tables, as Malla has them, personal columns plain.
struct Specs {
    raw: TableSpec,
    curated: TableSpec,
    quarantine: TableSpec,
}

impl Specs {
    fn new(contract: &Contract) -> Self {
        let source: &Shape = &contract.sources[0].table;
        let mut raw = vec![
            Field::new("source_partition", DataType::Utf8, false),
            Field::new("source_offset", DataType::Int64, false),
            Field::new("fecha", DataType::Date32, false),
        ];
        raw.extend(source.columns.iter().map(malla_contract::Column::field));
        let text = |name: &str, nullable| Field::new(name, DataType::Utf8, nullable);
        let time = malla_contract::ColumnType::Timestamp.arrow();
        let quarantine = vec![
            Field::new("fecha", DataType::Date32, false),
            text("region", true),
            text("source_partition", false),
            Field::new("source_offset", DataType::Int64, false),
            Field::new("quarantined_at", time, false),
            text("stage", false),
            text("product", true),
            text("plugin", false),
            text("rule", false),
            text("message", false),
            Field::new("line", DataType::Binary, false),
        ];
        let spec = |layer, schema: Schema| TableSpec {
            id: TableId::new("ventas", layer, "transacciones").unwrap(),
            schema: Arc::new(schema),
            partition_by: vec!["fecha".into(), "region".into()],
            without_statistics: Vec::new(),
        };
        Self {
            raw: spec(Layer::Raw, Schema::new(raw)),
            curated: spec(Layer::Curated, contract.products[0].table.schema()),
            quarantine: spec(Layer::Quarantine, Schema::new(quarantine)),
        }
    }
}

criterion_group!(whole_path, benches);
criterion_main!(whole_path);
