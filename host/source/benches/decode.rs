//! Lines of simulated sales to an Arrow batch, and the reading of them from disk.
#![expect(
    clippy::expect_used,
    reason = "a benchmark that cannot be set up has nothing to say"
)]

use std::collections::BTreeSet;
use std::hint::black_box;
use std::time::Duration;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use malla_contract::{Classification, Column, ColumnType, Csv, Format, Source, Table};
use malla_simulate::Simulator;
use malla_source::{BatchLimit, Decoder, DirectoryConfig, DirectorySource, Lines, Mode};

const ROWS: usize = 65_536;

fn sales(format: Format) -> Source {
    let text = ColumnType::Utf8;
    let columns = [
        ("transaccion_id", text, true),
        ("cliente_id", text, false),
        ("producto_id", text, false),
        (
            "monto",
            ColumnType::Decimal {
                precision: 18,
                scale: 2,
            },
            true,
        ),
        ("moneda", text, false),
        ("cantidad", ColumnType::Int32, false),
        ("region", text, false),
        ("canal", text, false),
        ("email", text, false),
        ("tarjeta", text, false),
        ("timestamp", ColumnType::Timestamp, true),
    ];
    let column = |(name, ty, required): (&str, ColumnType, bool)| Column {
        name: name.to_owned(),
        ty,
        required,
        unique: false,
        primary_key: false,
        partition: None,
        classification: Classification::Internal,
        tags: BTreeSet::new(),
        holds: std::collections::BTreeSet::new(),
        description: None,
    };
    Source {
        name: "transacciones".to_owned(),
        table: Table {
            name: "evento_transaccion".to_owned(),
            description: None,
            columns: columns.map(column).to_vec(),
        },
        event_time: None,
        format,
    }
}

/// The same events as a bank would write them: `1.234,50` and dates by the day first.
fn as_csv(lines: &Lines) -> (Source, Lines) {
    let format = Format::Csv(Csv {
        delimiter: b';',
        decimal: b',',
        thousands: Some(b'.'),
        ..Csv::default()
    });
    let source = sales(format);
    let names: Vec<&str> = source
        .table
        .columns
        .iter()
        .map(|column| column.name.as_str())
        .collect();
    let mut text = names.join(";") + "\n";
    for line in lines.iter() {
        let event: serde_json::Value = serde_json::from_slice(line).unwrap_or_default();
        let field = |name: &&str| match event.get(*name) {
            Some(serde_json::Value::String(text)) => text.clone(),
            Some(serde_json::Value::Null) | None => String::new(),
            Some(number) => number.to_string().replace('.', ","),
        };
        text.push_str(&names.iter().map(field).collect::<Vec<_>>().join(";"));
        text.push('\n');
    }
    let lines = Lines::of_file("p0", text.as_bytes(), &source.format);
    (source, lines)
}

fn benches(criterion: &mut Criterion) {
    let folder = tempfile::tempdir().expect("a folder for the events");
    let (root, state) = (folder.path().join("events"), folder.path().join("state"));
    let mut simulator = Simulator::new(1, "ventas").expect("ventas is a domain");
    simulator.write(&root, 5 * ROWS as u64).expect("events");
    let mut config = DirectoryConfig::new(&root, &state);
    config.settle = Duration::ZERO;
    let source = DirectorySource::open(config).expect("a source");
    let limit = BatchLimit {
        rows: ROWS,
        ..BatchLimit::default()
    };
    let read = || -> Lines {
        let mut reader = source.reader("p0", 0).expect("a reader");
        reader.next(limit, Mode::Drain).expect("a batch").expect("lines")
    };
    let lines = read();
    assert_eq!(lines.len(), ROWS);

    let mut group = criterion.benchmark_group("source");
    group.throughput(Throughput::Elements(ROWS as u64));
    let mut decoder = Decoder::new(&sales(Format::Json)).expect("a decoder");
    group.bench_function("decode", |bencher| {
        bencher.iter(|| decoder.decode(black_box(&lines)).expect("a batch"));
    });
    let csv = as_csv(&lines);
    let mut decoder = Decoder::new(&csv.0).expect("a decoder");
    group.bench_function("decode_csv", |bencher| {
        bencher.iter(|| decoder.decode(black_box(&csv.1)).expect("a batch"));
    });
    group.bench_function("read", |bencher| bencher.iter(read));
    let scratch = folder.path().join("more");
    group.bench_function("simulate", |bencher| {
        bencher.iter(|| simulator.write(&scratch, ROWS as u64).expect("events"));
    });
    group.finish();
}

criterion_group!(decode, benches);
criterion_main!(decode);
