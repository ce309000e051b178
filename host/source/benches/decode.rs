//! Lines of simulated sales to an Arrow batch, and the reading of them from disk.
#![expect(
    clippy::expect_used,
    reason = "a benchmark that cannot be set up has nothing to say"
)]

use std::collections::BTreeSet;
use std::hint::black_box;
use std::path::Path;
use std::time::Duration;

use arrow_array::cast::AsArray;
use arrow_array::types::{Decimal128Type, Int32Type, TimestampMicrosecondType};
use arrow_array::{Array, RecordBatch};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use malla_contract::{
    Avro, Classification, Column, ColumnType, Csv, Format, Parquet, Protobuf, Source, Table,
};
use malla_simulate::Simulator;
use malla_source::{BatchLimit, Decoder, DirectoryConfig, DirectorySource, Lines, Mode};
use parquet::arrow::ArrowWriter;
use parquet::basic::Compression;
use parquet::file::properties::WriterProperties;

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
        quality: Vec::new(),
    };
    Source {
        name: "transacciones".to_owned(),
        table: Table {
            name: "evento_transaccion".to_owned(),
            description: None,
            quality: Vec::new(),
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
        let event: serde_json::Value = serde_json::from_slice(&line).unwrap_or_default();
        let field = |name: &&str| match event.get(*name) {
            Some(serde_json::Value::String(text)) => text.clone(),
            Some(serde_json::Value::Null) | None => String::new(),
            Some(number) => number.to_string().replace('.', ","),
        };
        text.push_str(&names.iter().map(field).collect::<Vec<_>>().join(";"));
        text.push('\n');
    }
    let lines = Lines::of_file("p0", text.as_bytes(), &source);
    (source, lines)
}

const AVRO: &str = r#"{"type": "record", "name": "transaccion", "fields": [
    {"name": "transaccion_id", "type": "string"},
    {"name": "cliente_id", "type": ["null", "string"]},
    {"name": "producto_id", "type": ["null", "string"]},
    {"name": "monto", "type": {"type": "bytes", "logicalType": "decimal", "precision": 18, "scale": 2}},
    {"name": "moneda", "type": ["null", "string"]},
    {"name": "cantidad", "type": ["null", "int"]},
    {"name": "region", "type": ["null", "string"]},
    {"name": "canal", "type": ["null", "string"]},
    {"name": "email", "type": ["null", "string"]},
    {"name": "tarjeta", "type": ["null", "string"]},
    {"name": "timestamp", "type": {"type": "long", "logicalType": "timestamp-micros"}}
]}"#;

/// The same events as Avro messages, made by another writer.
fn as_avro(batch: &RecordBatch) -> (Source, Lines) {
    use apache_avro::types::Value;
    let schema = apache_avro::Schema::parse_str(AVRO).expect("a schema");
    let union = |value: Option<Value>| match value {
        None => Value::Union(0, Box::new(Value::Null)),
        Some(value) => Value::Union(1, Box::new(value)),
    };
    let message = |row: usize| {
        let text = |name: &str| {
            let column = batch.column_by_name(name).expect("a column").as_string::<i32>();
            column
                .is_valid(row)
                .then(|| Value::String(column.value(row).to_owned()))
        };
        let amount = batch["monto"].as_primitive::<Decimal128Type>().value(row);
        let count = batch["cantidad"].as_primitive::<Int32Type>();
        let time = batch["timestamp"]
            .as_primitive::<TimestampMicrosecondType>()
            .value(row);
        let fields = [
            ("transaccion_id", text("transaccion_id").expect("required")),
            ("cliente_id", union(text("cliente_id"))),
            ("producto_id", union(text("producto_id"))),
            (
                "monto",
                Value::Decimal(i64::try_from(amount).expect("small").to_be_bytes().into()),
            ),
            ("moneda", union(text("moneda"))),
            (
                "cantidad",
                union(count.is_valid(row).then(|| Value::Int(count.value(row)))),
            ),
            ("region", union(text("region"))),
            ("canal", union(text("canal"))),
            ("email", union(text("email"))),
            ("tarjeta", union(text("tarjeta"))),
            ("timestamp", Value::TimestampMicros(time)),
        ];
        let fields = fields.map(|(name, value)| (name.to_owned(), value)).to_vec();
        apache_avro::to_avro_datum(&schema, Value::Record(fields)).expect("a message")
    };
    let messages: Vec<Vec<u8>> = (0..batch.num_rows()).map(message).collect();
    let format = Format::Avro(Avro {
        schema: Some(AVRO.to_owned()),
    });
    (
        sales(format),
        Lines::of_messages("0", messages.iter().map(Vec::as_slice)),
    )
}

/// The same events as Protobuf messages: all fields but the number of items as text, as JSON has them.
fn as_protobuf(source: &Source, batch: &RecordBatch) -> (Source, Lines) {
    use prost_reflect::prost::Message as _;
    use prost_reflect::prost_types::field_descriptor_proto::Type;
    use prost_reflect::prost_types::{
        DescriptorProto, FieldDescriptorProto, FileDescriptorProto, FileDescriptorSet,
    };
    use prost_reflect::{DescriptorPool, DynamicMessage, Value};
    let field = |(number, column): (i32, &Column)| FieldDescriptorProto {
        name: Some(column.name.clone()),
        number: Some(number),
        label: Some(1),
        r#type: Some(
            if column.ty == ColumnType::Int32 {
                Type::Int32
            } else {
                Type::String
            }
            .into(),
        ),
        ..FieldDescriptorProto::default()
    };
    let message = DescriptorProto {
        name: Some("Venta".to_owned()),
        field: (1..).zip(&source.table.columns).map(field).collect(),
        ..DescriptorProto::default()
    };
    let set = FileDescriptorSet {
        file: vec![FileDescriptorProto {
            name: Some("venta.proto".to_owned()),
            message_type: vec![message],
            syntax: Some("proto3".to_owned()),
            ..FileDescriptorProto::default()
        }],
    };
    let descriptors = set.encode_to_vec();
    let pool = DescriptorPool::decode(descriptors.as_slice()).expect("descriptors");
    let descriptor = pool.get_message_by_name("Venta").expect("a message");
    let message = |row: usize| {
        let mut message = DynamicMessage::new(descriptor.clone());
        for (column, values) in source.table.columns.iter().zip(batch.columns()) {
            if values.is_null(row) {
                continue;
            }
            let value = match column.ty {
                ColumnType::Int32 => Value::I32(values.as_primitive::<Int32Type>().value(row)),
                ColumnType::Utf8 => Value::String(values.as_string::<i32>().value(row).to_owned()),
                ColumnType::Decimal { .. } => {
                    let cents = values.as_primitive::<Decimal128Type>().value(row);
                    let sign = if cents < 0 { "-" } else { "" };
                    Value::String(format!("{sign}{}.{:02}", cents.abs() / 100, cents.abs() % 100))
                }
                _ => Value::String("2026-11-21T10:20:30.123Z".to_owned()),
            };
            message.set_field_by_name(&column.name, value);
        }
        message.encode_to_vec()
    };
    let messages: Vec<Vec<u8>> = (0..batch.num_rows()).map(message).collect();
    let format = Format::Protobuf(Protobuf {
        message: "Venta".to_owned(),
        descriptors,
    });
    (
        sales(format),
        Lines::of_messages("p0", messages.iter().map(Vec::as_slice)),
    )
}

/// The same events as a file, as other tools write them by default.
fn as_parquet(batch: &RecordBatch, root: &Path) -> (Source, DirectoryConfig) {
    let source = sales(Format::Parquet(Parquet::default()));
    std::fs::create_dir_all(root.join("p0")).expect("a folder");
    let file = std::fs::File::create(root.join("p0/a.parquet")).expect("a file");
    let properties = WriterProperties::builder()
        .set_compression(Compression::SNAPPY)
        .build();
    let mut writer = ArrowWriter::try_new(file, batch.schema(), Some(properties)).expect("a writer");
    writer.write(batch).expect("rows");
    writer.close().expect("a footer");
    let mut config = DirectoryConfig::new(root, root.with_extension("state")).with_source(&source);
    config.settle = Duration::ZERO;
    (source, config)
}

fn benches(criterion: &mut Criterion) {
    let folder = tempfile::tempdir().expect("a folder for the events");
    let (root, state) = (folder.path().join("events"), folder.path().join("state"));
    let mut simulator = Simulator::new(1, "ventas", "transacciones").expect("a source of ventas");
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
    let rows = Decoder::new(&csv.0)
        .expect("a decoder")
        .decode(&csv.1)
        .expect("a batch")
        .batch;
    assert!(rows.num_rows() > ROWS * 9 / 10, "{} rows", rows.num_rows());
    let avro = as_avro(&rows);
    let mut decoder = Decoder::new(&avro.0).expect("a decoder");
    let decoded = decoder.decode(&avro.1).expect("a batch");
    assert_eq!(decoded.batch, rows);
    group.throughput(Throughput::Elements(rows.num_rows() as u64));
    group.bench_function("decode_avro", |bencher| {
        bencher.iter(|| decoder.decode(black_box(&avro.1)).expect("a batch"));
    });
    let protobuf = as_protobuf(&csv.0, &rows);
    let mut decoder = Decoder::new(&protobuf.0).expect("a decoder");
    let decoded = decoder.decode(&protobuf.1).expect("a batch");
    assert_eq!(decoded.batch.num_rows(), rows.num_rows());
    group.bench_function("decode_protobuf", |bencher| {
        bencher.iter(|| decoder.decode(black_box(&protobuf.1)).expect("a batch"));
    });
    let parquet = as_parquet(&rows, &folder.path().join("parquet"));
    let source = DirectorySource::open(parquet.1).expect("a source");
    let mut decoder = Decoder::new(&parquet.0).expect("a decoder");
    let mut read_parquet = || {
        let mut reader = source.reader("p0", 0).expect("a reader");
        let lines = reader.next(limit, Mode::Drain).expect("a batch").expect("rows");
        decoder.decode(&lines).expect("a batch")
    };
    assert_eq!(read_parquet().batch, rows);
    // From the file: there are no lines between it and the columns.
    group.bench_function("read_and_decode_parquet", |bencher| {
        bencher.iter(&mut read_parquet)
    });
    group.throughput(Throughput::Elements(ROWS as u64));
    // The same lines as a file.
    let (csv_root, csv_state) = (folder.path().join("csv"), folder.path().join("csv-state"));
    std::fs::create_dir_all(csv_root.join("p0")).expect("a folder");
    let header = csv
        .1
        .headers()
        .next()
        .map(|(_, header)| header.to_vec())
        .unwrap_or_default();
    let mut text = header;
    for line in csv.1.iter() {
        text.push(b'\n');
        text.extend_from_slice(&line);
    }
    std::fs::write(csv_root.join("p0/a.csv"), text).expect("a file");
    let mut config = DirectoryConfig::new(&csv_root, &csv_state).with_format(&csv.0.format);
    config.settle = Duration::ZERO;
    let csv_source = DirectorySource::open(config).expect("a source");
    group.bench_function("read_csv", |bencher| {
        bencher.iter(|| {
            let mut reader = csv_source.reader("p0", 0).expect("a reader");
            reader.next(limit, Mode::Drain).expect("a batch").expect("lines")
        });
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
