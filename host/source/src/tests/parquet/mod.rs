mod bad;
mod files;

use std::sync::Arc;

use ::parquet::basic::{BrotliLevel, Compression, Encoding, GzipLevel, ZstdLevel};
use ::parquet::file::properties::{WriterProperties, WriterVersion};
use arrow_array::{ArrayRef, Int32Array, RecordBatch, StringArray, StructArray};
use arrow_schema::{DataType, Field};
use malla_contract::ColumnType;
use proptest::prelude::*;

use super::*;
use crate::SourceWarning;
use crate::parquet::testing::{file, file_with, rows, shop, source};

fn bed() -> Bed {
    Bed {
        of: Some(shop()),
        ..Bed::new()
    }
}

/// All lines of a file with the rules of those that are none, by its batches.
fn read(bed: &Bed, limit: BatchLimit, restarts: bool) -> Vec<(i64, String)> {
    let mut all = Vec::new();
    let mut reader = bed.reader(0);
    while let Some(lines) = reader.next(limit, Mode::Drain).unwrap() {
        assert!(lines.len() <= limit.rows);
        assert_eq!(reader.repeat(lines.from(), lines.to()).unwrap(), lines);
        all.extend(lines.offsets().iter().copied().zip(told(&lines)));
        if restarts {
            drop(reader);
            reader = bed.reader(lines.to());
        }
    }
    all
}

fn told(lines: &Lines) -> Vec<String> {
    let mut told = texts(lines);
    for problem in lines.problems() {
        told[problem.line as usize] = format!("{}: {}", problem.rule, problem.message);
    }
    told
}

fn all(bed: &Bed) -> Vec<String> {
    let all = read(bed, BatchLimit::default(), false);
    all.into_iter().map(|(_, told)| told).collect()
}

/// The id of row `n` of [`rows`], as a line has it.
fn id(line: &str) -> i32 {
    let row: serde_json::Value = serde_json::from_str(line).unwrap_or_else(|_| panic!("{line}"));
    row["id"]
        .as_str()
        .unwrap()
        .split('-')
        .nth(1)
        .unwrap()
        .parse()
        .unwrap()
}

#[test]
fn a_row_is_a_line_with_the_columns_of_the_contract() {
    let bed = bed();
    bed.write("a.parquet", file(&rows(0..3), 2));
    bed.write("notas.txt", "x");
    let mut reader = bed.reader(0);
    let lines = reader.next(SMALL, Mode::Follow).unwrap().unwrap();
    assert_eq!(
        texts(&lines),
        [
            r#"{"id":"fila-0-","n":null,"monto":"0.00","hora":"1970-01-01T00:00:00Z"}"#,
            r#"{"id":"fila-1-x","n":1,"monto":"1.01","hora":"1970-01-01T00:00:01.000003Z"}"#,
            r#"{"id":"fila-2-xx","n":2,"monto":"2.02","hora":"1970-01-01T00:00:02.000006Z"}"#,
        ]
    );
    assert_eq!(lines.offsets(), [(1 << 32) + 1, (1 << 32) + 2, (1 << 32) + 3]);
    assert!(reader.next(SMALL, Mode::Follow).unwrap().is_none());
    // The next night, and a reader that starts there.
    drop(reader);
    bed.write("b.parquet", file(&rows(3..5), 2));
    let ids: Vec<i32> = drain(&mut bed.reader(lines.to()))
        .iter()
        .map(|line| id(line))
        .collect();
    assert_eq!(ids, [3, 4]);
}

/// A case is a file, or two: as many as the variable says, and not many otherwise.
fn few() -> ProptestConfig {
    match std::env::var_os("PROPTEST_CASES") {
        Some(_) => ProptestConfig::default(),
        None => ProptestConfig::with_cases(16),
    }
}

proptest! {
    #![proptest_config(few())]
    #[test]
    fn however_it_is_cut_the_rows_stand_where_they_stand(
        count in 0..18_000_i32,
        group in 1..15_000_usize,
        page in 100..9_000_usize,
        limit in (500..30_000_usize, 1..2_000_000_usize),
        v2 in any::<bool>(),
        restarts in any::<bool>(),
    ) {
        let bed = bed();
        let version = if v2 { WriterVersion::PARQUET_2_0 } else { WriterVersion::PARQUET_1_0 };
        let properties = WriterProperties::builder()
            .set_max_row_group_row_count(Some(group.max(usize::try_from(count).unwrap() / 40)))
            .set_data_page_row_count_limit(page)
            .set_write_batch_size(page)
            .set_writer_version(version);
        bed.write("a.parquet", file_with(&rows(0..count), properties));
        let limit = BatchLimit { rows: limit.0, bytes: limit.1.max(30_000) };
        let found = read(&bed, limit, restarts);
        let ids: Vec<i32> = found.iter().map(|(_, line)| id(line)).collect();
        prop_assert_eq!(ids, (0..count).collect::<Vec<_>>());
        let offsets: Vec<i64> = found.iter().map(|(offset, _)| *offset).collect();
        prop_assert_eq!(offsets, (1..=i64::from(count)).map(|n| (1 << 32) + n).collect::<Vec<_>>());
    }

    #[test]
    fn whatever_happened_to_a_file_it_is_lines(
        cut in proptest::option::weighted(0.2, 0..9_000_usize),
        flips in proptest::collection::vec((any::<proptest::sample::Index>(), any::<u8>()), 1..6),
        in_the_footer in any::<bool>(),
        v2 in any::<bool>(),
    ) {
        let version = if v2 { WriterVersion::PARQUET_2_0 } else { WriterVersion::PARQUET_1_0 };
        let properties = WriterProperties::builder()
            .set_max_row_group_row_count(Some(60))
            .set_writer_version(version)
            .set_column_dictionary_enabled("monto".into(), false)
            // Of version 2 they are deltas.
            .set_column_dictionary_enabled("id".into(), !v2)
            .set_compression(if v2 { Compression::SNAPPY } else { Compression::UNCOMPRESSED });
        let mut bytes = file_with(&rows(0..150), properties);
        let from = if in_the_footer { bytes.len() - 1500 } else { 0 };
        for (place, value) in flips {
            let place = from + place.index(bytes.len() - from);
            bytes[place] = value;
        }
        bytes.truncate(cut.unwrap_or(bytes.len()));
        let bed = Bed { abandon: Duration::ZERO, ..bed() };
        bed.write("a.parquet", &bytes);
        bed.write("b.parquet", file(&rows(0..2), 2));
        let limit = BatchLimit { rows: 40, bytes: 1 << 20 };
        let once = read(&bed, limit, false);
        prop_assert!(once.len() >= 2 || bytes.is_empty());
        prop_assert!(once.last().unwrap().1.contains("fila-1-x"), "the next file goes on");
        let again = Bed { abandon: Duration::ZERO, ..self::bed() };
        again.write("a.parquet", &bytes);
        again.write("b.parquet", file(&rows(0..2), 2));
        prop_assert_eq!(read(&again, limit, true), once);
        let mut decoder = crate::Decoder::new(&shop()).unwrap();
        let lines = bed.reader(0).next(BatchLimit::default(), Mode::Drain).unwrap().unwrap();
        let decoded = decoder.decode(&lines).unwrap();
        prop_assert_eq!(decoded.rows.len() + decoded.failed.len(), lines.len());
    }
}

#[test]
fn every_codec_and_encoding_is_read() {
    let codecs = [
        Compression::UNCOMPRESSED,
        Compression::SNAPPY,
        Compression::ZSTD(ZstdLevel::default()),
        Compression::GZIP(GzipLevel::default()),
        Compression::LZ4,
        Compression::LZ4_RAW,
        Compression::BROTLI(BrotliLevel::default()),
    ];
    for codec in codecs {
        let bed = bed();
        let properties = WriterProperties::builder().set_compression(codec);
        bed.write("a.parquet", file_with(&rows(0..300), properties));
        assert_eq!(all(&bed).len(), 300, "{codec}");
    }
    for encoding in [
        Encoding::PLAIN,
        Encoding::DELTA_LENGTH_BYTE_ARRAY,
        Encoding::DELTA_BYTE_ARRAY,
    ] {
        for version in [WriterVersion::PARQUET_1_0, WriterVersion::PARQUET_2_0] {
            let bed = bed();
            let properties = WriterProperties::builder()
                .set_dictionary_enabled(false)
                .set_column_encoding("id".into(), encoding)
                .set_writer_version(version)
                .set_data_page_row_count_limit(100)
                .set_write_batch_size(100);
            bed.write("a.parquet", file_with(&rows(0..1_000), properties));
            let ids: Vec<i32> = all(&bed).iter().map(|line| id(line)).collect();
            assert_eq!(ids, (0..1_000).collect::<Vec<_>>(), "{encoding} {version:?}");
        }
    }
}

#[test]
fn what_nobody_declares_is_not_even_looked_at() {
    let texts: ArrayRef = Arc::new(StringArray::from(vec!["a"]));
    let inner = StructArray::from(vec![(
        Arc::new(Field::new("x", DataType::Utf8, true)),
        Arc::clone(&texts),
    )]);
    let columns: [(&str, ArrayRef); 3] = [
        ("dentro", Arc::new(inner)),
        ("id", texts),
        ("n", Arc::new(Int32Array::from(vec![7]))),
    ];
    let mut bytes = file(&RecordBatch::try_from_iter(columns).unwrap(), 10);
    // Its pages come first.
    bytes[4..24].fill(0xff);
    let bed = bed();
    bed.write("a.parquet", bytes);
    assert_eq!(all(&bed), [r#"{"id":"a","n":7}"#]);
    // A file with nothing of the contract has no rows of it.
    let bed = Bed {
        of: Some(source(&[("nada", ColumnType::Utf8)])),
        ..Bed::new()
    };
    bed.write("a.parquet", file(&rows(0..5), 2));
    assert_eq!(
        all(&bed),
        ["missing_column: `a.parquet`: it has none of the contract's columns"]
    );
}

/// Two versions of a contract are tried on the same batches.
#[test]
fn columns_of_another_version_are_read_along_and_asked_of_no_file() {
    let bed = bed();
    let older = source(&[("id!", ColumnType::Utf8)]);
    let newer = source(&[
        ("id!", ColumnType::Utf8),
        ("n", ColumnType::Int32),
        ("aun_no!", ColumnType::Utf8),
        ("monto", ColumnType::Boolean),
    ]);
    bed.write("a.parquet", file(&rows(0..2), 2));
    let config = DirectoryConfig::new(bed.root(), bed.dir.path().join("state"));
    let mut config = config.with_source(&older).with_columns_of(&newer);
    config.settle = Duration::ZERO;
    let mut reader = DirectorySource::open(config).unwrap().reader("p", 0).unwrap();
    let lines = reader.next(SMALL, Mode::Drain).unwrap().unwrap();
    assert_eq!(
        texts(&lines),
        [r#"{"id":"fila-0-","n":null}"#, r#"{"id":"fila-1-x","n":1}"#]
    );
    assert_eq!(
        crate::Decoder::new(&older).unwrap().decode(&lines).unwrap().rows,
        [0, 1]
    );
    let decoded = crate::Decoder::new(&newer).unwrap().decode(&lines).unwrap();
    assert_eq!(decoded.failed.len(), 2);
    assert_eq!(decoded.failed[0].rule, "missing_required");
}
