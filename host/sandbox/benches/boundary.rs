//! The reference transform three ways: native Rust, a plugin with a clean instance for every batch, and a guest
//! behind an Arrow IPC boundary (whose one instance is kept, as such hosts do).
//!
//! It has 8 columns, reads 3, computes 2 and filters. Medians go to `target/criterion/boundary/<way>/<rows>`.
//!
//! And one of its columns as a function that SQL calls (`target/criterion/function/..`): two columns in, one out, in a clean
//! instance for each call, against the same function in the host.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a bench")]

use std::hint::black_box;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use arrow_array::cast::AsArray;
use arrow_array::types::{Float64Type, Int64Type};
use arrow_array::{
    Array, ArrayRef, BooleanArray, Float64Array, Int32Array, Int64Array, RecordBatch, StringArray,
};
use arrow_buffer::{BooleanBuffer, Buffer};
use arrow_ipc::reader::StreamDecoder;
use arrow_ipc::writer::StreamWriter;
use arrow_schema::{DataType, Field, Schema, SchemaRef};
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use malla_sandbox::{Function, Plugin, PluginId, Sandbox, SandboxConfig, Step};
use malla_toolchain::PluginDir;
use wasmtime::component::{Component, Linker};
use wasmtime::{Config, Engine, Store};

mod transform;

mod ipc {
    wasmtime::component::bindgen!({
        inline: "package bench:ipc; world ipc { export run: func(batch: list<u8>) -> result<list<u8>, string>; }",
        ownership: Borrowing { duplicate_if_necessary: true },
    });
}

fn guest(name: &str) -> Vec<u8> {
    let sandbox = Path::new(env!("CARGO_MANIFEST_DIR"));
    let dir = PluginDir::at(&sandbox.join("benches/guests").join(name));
    let built = dir
        .with_target_dir(&sandbox.join("../../target/wasm"))
        .build_guest()
        .unwrap();
    std::fs::read(built.component).unwrap()
}

fn input(rows: usize) -> RecordBatch {
    let text = |name: &str, value: &dyn Fn(usize) -> String| {
        let array: StringArray = (0..rows).map(|row| Some(value(row))).collect();
        (
            Field::new(name, DataType::Utf8, false),
            Arc::new(array) as Arc<dyn Array>,
        )
    };
    let columns = [
        text("transaccion_id", &|row| format!("tx-{row:016x}")),
        text("cliente_id", &|row| format!("cli-{:08}", row * 7919 % 100_000)),
        text("email", &|row| format!("user{}@example.com", row % 100_000)),
        text("tarjeta", &|row| format!("4111{row:012}")),
        text("region", &|row| {
            ["norte", "sur", "este", "oeste"][row % 4].to_owned()
        }),
        (
            Field::new("monto", DataType::Float64, false),
            Arc::new(Float64Array::from_iter_values(
                (0..rows).map(|row| (row % 1000) as f64 - 10.0),
            )),
        ),
        text("moneda", &|row| {
            ["EUR", "USD", "MXN", "COP"][row * 31 % 4].to_owned()
        }),
        (
            Field::new("ts", DataType::Int64, false),
            Arc::new(Int64Array::from_iter_values(
                (0..rows).map(|row| 1_700_000_000_000_000 + row as i64 * 1000),
            )),
        ),
    ];
    let (fields, arrays): (Vec<_>, Vec<_>) = columns.into_iter().unzip();
    RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays).unwrap()
}

fn product(input: &RecordBatch) -> SchemaRef {
    let mut fields = input.schema().fields().to_vec();
    fields.push(Arc::new(Field::new("monto_usd", DataType::Float64, false)));
    fields.push(Arc::new(Field::new("fecha", DataType::Int32, false)));
    Arc::new(Schema::new(fields))
}

fn native(batch: &RecordBatch, product: &SchemaRef) -> RecordBatch {
    let monto = batch.column(5).as_primitive::<Float64Type>();
    let moneda = batch.column(6).as_string::<i32>();
    let ts = batch.column(7).as_primitive::<Int64Type>();
    let (usd, fecha, keep) = transform::transform(
        monto.values(),
        moneda.value_offsets(),
        moneda.value_data(),
        ts.values(),
    );
    let keep = BooleanBuffer::new(Buffer::from_vec(keep), 0, batch.num_rows());
    let keep = BooleanArray::new(keep, None);
    let mut columns = batch.columns().to_vec();
    columns.push(Arc::new(Float64Array::from(usd)));
    columns.push(Arc::new(Int32Array::from(fecha)));
    let all = RecordBatch::try_new(Arc::clone(product), columns).unwrap();
    arrow_select::filter::filter_record_batch(&all, &keep).unwrap()
}

fn clean(plugin: &Plugin, step: &Step, batch: &RecordBatch) -> RecordBatch {
    plugin.run(step, batch, 0).unwrap().batch
}

/// A host as others are: the batch as IPC bytes in, the answer as IPC bytes out. Same engine settings as ours.
struct IpcHost {
    store: Store<()>,
    guest: ipc::Ipc,
}

impl IpcHost {
    fn new(component: &[u8]) -> Self {
        let mut config = Config::new();
        config
            .cranelift_nan_canonicalization(true)
            .consume_fuel(true)
            .epoch_interruption(true);
        let engine = Engine::new(&config).unwrap();
        let component = Component::from_binary(&engine, component).unwrap();
        let mut store = Store::new(&engine, ());
        store.set_fuel(u64::MAX).unwrap();
        store.set_epoch_deadline(1 << 40);
        let guest = ipc::Ipc::instantiate(&mut store, &component, &Linker::new(&engine)).unwrap();
        Self { store, guest }
    }

    fn run(&mut self, batch: &RecordBatch) -> RecordBatch {
        let room = batch.get_array_memory_size() * 2;
        let mut writer = StreamWriter::try_new(Vec::with_capacity(room), &batch.schema()).unwrap();
        writer.write(batch).unwrap();
        let bytes = writer.into_inner().unwrap();
        let answer = self.guest.call_run(&mut self.store, &bytes).unwrap().unwrap();
        StreamDecoder::new()
            .decode(&mut Buffer::from_vec(answer))
            .unwrap()
            .unwrap()
    }
}

fn boundary(criterion: &mut Criterion) {
    let sandbox = Sandbox::new(SandboxConfig::default()).unwrap();
    let plugin = sandbox
        .load(PluginId::new("bench", "0.1.0"), &guest("columns"))
        .unwrap();
    let mut ipc_host = IpcHost::new(&guest("ipc"));

    let mut group = criterion.benchmark_group("boundary");
    group
        .warm_up_time(Duration::from_secs(1))
        .measurement_time(Duration::from_secs(4))
        .sample_size(60);
    for rows in [65_536, 8_192, 8] {
        let batch = input(rows);
        let product = product(&batch);
        let step = Step {
            name: "transform".into(),
            reads: vec![5, 6, 7],
            output: Arc::clone(&product),
            rules: vec![],
        };
        // All three give the same answer.
        let expected = native(&batch, &product);
        assert_eq!(clean(&plugin, &step, &batch), expected);
        assert_eq!(ipc_host.run(&batch), expected);

        group.throughput(Throughput::Elements(rows as u64));
        group.bench_function(BenchmarkId::new("native", rows), |b| {
            b.iter(|| native(black_box(&batch), &product))
        });
        group.bench_function(BenchmarkId::new("clean", rows), |b| {
            b.iter(|| clean(&plugin, &step, black_box(&batch)))
        });
        group.bench_function(BenchmarkId::new("ipc", rows), |b| {
            b.iter(|| ipc_host.run(black_box(&batch)))
        });
    }
    group.finish();
}

fn function(criterion: &mut Criterion) {
    let sandbox = Sandbox::new(SandboxConfig::default()).unwrap();
    let plugin = sandbox
        .load(PluginId::new("bench", "0.1.0"), &guest("columns"))
        .unwrap();
    let usd = Function {
        name: "usd".into(),
        returns: Field::new("usd", DataType::Float64, false),
    };
    let native = |arguments: &[ArrayRef]| -> ArrayRef {
        let moneda = arguments[1].as_string::<i32>();
        Arc::new(Float64Array::from(transform::usd(
            arguments[0].as_primitive::<Float64Type>().values(),
            moneda.value_offsets(),
            moneda.value_data(),
        )))
    };
    let call = |arguments: &[ArrayRef]| plugin.call(&usd, arguments, arguments[0].len()).unwrap().values;

    let mut group = criterion.benchmark_group("function");
    group
        .warm_up_time(Duration::from_secs(1))
        .measurement_time(Duration::from_secs(3))
        .sample_size(40);
    // What the engine gives at once, and a query of few rows.
    for rows in [8_192, 8] {
        let batch = input(rows);
        let arguments = [Arc::clone(batch.column(5)), Arc::clone(batch.column(6))];
        assert_eq!(&call(&arguments), &native(&arguments));
        group.throughput(Throughput::Elements(rows as u64));
        group.bench_function(BenchmarkId::new("native", rows), |b| {
            b.iter(|| native(black_box(&arguments)))
        });
        group.bench_function(BenchmarkId::new("call", rows), |b| {
            b.iter(|| call(black_box(&arguments)))
        });
    }
    group.finish();
}

criterion_group!(benches, boundary, function);
criterion_main!(benches);
