//! Files of Parquet for tests, and a contract for them.

use std::sync::Arc;

use arrow_array::{
    ArrayRef, Decimal128Array, Int32Array, RecordBatch, StringArray, TimestampMicrosecondArray,
};
use malla_contract::{Classification, Column, ColumnType, Format, Parquet, Source, Table};
use parquet::arrow::ArrowWriter;
use parquet::file::properties::{WriterProperties, WriterPropertiesBuilder};

/// A source of Parquet with these columns; those with `!` are required.
pub(crate) fn source(columns: &[(&str, ColumnType)]) -> Source {
    let column = |(name, ty): &(&str, ColumnType)| Column {
        name: name.trim_end_matches('!').to_owned(),
        ty: *ty,
        required: name.ends_with('!'),
        unique: false,
        primary_key: false,
        partition: None,
        classification: Classification::Internal,
        tags: Default::default(),
        holds: Default::default(),
        description: None,
        quality: Vec::new(),
    };
    Source {
        name: "filas".to_owned(),
        table: Table {
            name: "fila".to_owned(),
            description: None,
            quality: Vec::new(),
            columns: columns.iter().map(column).collect(),
        },
        event_time: None,
        format: Format::Parquet(Parquet::default()),
    }
}

/// The source that [`rows`] are of.
pub(crate) fn shop() -> Source {
    source(&[
        ("id!", ColumnType::Utf8),
        ("n", ColumnType::Int32),
        (
            "monto",
            ColumnType::Decimal {
                precision: 18,
                scale: 2,
            },
        ),
        ("hora", ColumnType::Timestamp),
    ])
}

/// Rows with numbers of their own.
pub(crate) fn rows(numbers: std::ops::Range<i32>) -> RecordBatch {
    let text = |n| format!("fila-{n}-{}", "x".repeat(usize::try_from(n % 7).unwrap_or(0)));
    let ids = StringArray::from_iter_values(numbers.clone().map(text));
    let ns: Int32Array = numbers.clone().map(|n| (n % 5 != 0).then_some(n)).collect();
    let amounts: Decimal128Array = numbers.clone().map(|n| Some(i128::from(n) * 101)).collect();
    let times = numbers.map(|n| i64::from(n) * 1_000_003);
    let columns: [(&str, ArrayRef); 5] = [
        ("id", Arc::new(ids.clone())),
        ("nadie_lo_pide", Arc::new(ids)),
        ("n", Arc::new(ns)),
        (
            "monto",
            Arc::new(amounts.with_precision_and_scale(12, 2).unwrap()),
        ),
        (
            "hora",
            Arc::new(TimestampMicrosecondArray::from_iter_values(times).with_timezone("UTC")),
        ),
    ];
    RecordBatch::try_from_iter(columns).unwrap()
}

/// A file with row groups of so many rows.
pub(crate) fn file(rows: &RecordBatch, group: usize) -> Vec<u8> {
    file_with(
        rows,
        WriterProperties::builder().set_max_row_group_row_count(Some(group)),
    )
}

pub(crate) fn file_with(rows: &RecordBatch, properties: WriterPropertiesBuilder) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut writer = ArrowWriter::try_new(&mut bytes, rows.schema(), Some(properties.build())).unwrap();
    writer.write(rows).unwrap();
    writer.close().unwrap();
    bytes
}
