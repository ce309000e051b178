use std::sync::Arc;

use ::parquet::basic::{BrotliLevel, Compression, Encoding, GzipLevel, ZstdLevel};
use ::parquet::file::metadata::ParquetMetaDataReader;
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
fn a_file_that_is_none_is_one_line_and_the_next_goes_on() {
    let good = file(&rows(0..10), 5);
    let mut footer_too_long = good.clone();
    let at = good.len() - 8;
    footer_too_long[at..at + 4].copy_from_slice(&u32::MAX.to_le_bytes());
    let mut encrypted = good.clone();
    let at = good.len() - 4;
    encrypted[at..].copy_from_slice(b"PARE");
    let mut no_footer = good.clone();
    let at = good.len() - 200;
    no_footer[at..at + 150].fill(0xff);
    let bed = Bed {
        abandon: Duration::ZERO,
        ..bed()
    };
    bed.write("a.parquet", "id,n\n1,2\n");
    bed.write("b.parquet", &good[..good.len() / 2]);
    bed.write("c.parquet", footer_too_long);
    bed.write("d.parquet", encrypted);
    bed.write("e.parquet", no_footer);
    bed.write("f.parquet", &good[..good.len() - 1]);
    bed.write("g.parquet", "PAR1");
    bed.write("h.parquet", "");
    bed.write("z.parquet", good);
    let all = all(&bed);
    let (bad, rest) = all.split_at(7);
    let expected = [
        "invalid_parquet: `a.parquet`: it does not begin as a Parquet file",
        "invalid_parquet: `b.parquet`: it does not end as a Parquet file: it is cut off, or was written under its last name; have it \
         written under another, such as x.parquet.part, and renamed when it is whole",
        "invalid_parquet: `c.parquet`: its footer is longer than the file",
        "invalid_parquet: `d.parquet`: it is encrypted: have it written without encryption; columns that need a mask are sealed here",
        "invalid_parquet: `e.parquet`: its footer is damaged, or is of a kind that is not known",
        "invalid_parquet: `f.parquet`: it does not end as a Parquet file: it is cut off, or was written under its last name; have it \
         written under another, such as x.parquet.part, and renamed when it is whole",
        "invalid_parquet: `g.parquet`: its footer is longer than the file",
    ];
    assert_eq!(bad, expected);
    assert_eq!(rest.len(), 10);
    let first = bed
        .reader(0)
        .next(BatchLimit::default(), Mode::Drain)
        .unwrap()
        .unwrap();
    assert_eq!(first.line(0).as_ref(), br#"{"file":"a.parquet"}"#);
}

#[test]
fn a_file_without_what_the_contract_needs_is_one_line() {
    let column = |name: &str, array: ArrayRef| RecordBatch::try_from_iter([(name, array)]).unwrap();
    let texts: ArrayRef = Arc::new(StringArray::from(vec!["a", "b"]));
    let inner = StructArray::from(vec![(
        Arc::new(Field::new("x", DataType::Utf8, true)),
        Arc::clone(&texts),
    )]);
    let both = RecordBatch::try_from_iter([("id", Arc::clone(&texts)), ("n", Arc::clone(&texts))]);
    let bed = bed();
    bed.write("a.parquet", file(&column("otro", Arc::clone(&texts)), 10));
    bed.write("b.parquet", file(&column("id", Arc::new(inner)), 10));
    bed.write("c.parquet", file(&both.unwrap(), 10));
    bed.write(
        "d.parquet",
        file(&column("id", Arc::new(Int32Array::from(vec![1]))), 10),
    );
    bed.write("e.parquet", file(&column("id", texts), 10));
    assert_eq!(
        all(&bed),
        [
            "missing_column: `a.parquet`: column `id` is required, and the file has none",
            "wrong_type: `b.parquet`: column `id` holds other columns in the file: nested columns are not read",
            "wrong_type: `c.parquet`: column `n` is text in the file and `int` in the contract",
            "wrong_type: `d.parquet`: column `id` is int32 in the file and `string` in the contract",
            r#"{"id":"a"}"#,
            r#"{"id":"b"}"#,
        ]
    );
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
    // And a contract of nothing that is there still has as many rows.
    let bed = Bed {
        of: Some(source(&[("nada", ColumnType::Utf8)])),
        ..Bed::new()
    };
    bed.write("a.parquet", file(&rows(0..5), 2));
    assert_eq!(all(&bed), ["{}"; 5]);
}

/// Where the pages of a column of a row group are.
fn place(file: &[u8], group: usize, column: &str) -> (usize, usize) {
    let end = file.len() - 8;
    let length = u32::from_le_bytes(file[end..end + 4].try_into().unwrap()) as usize;
    let footer = ParquetMetaDataReader::decode_metadata(&file[end - length..end]).unwrap();
    let columns = footer.row_group(group).columns();
    let found = columns
        .iter()
        .find(|found| found.column_path().string() == column);
    let (start, length) = found.unwrap().byte_range();
    (start as usize, (start + length) as usize)
}

#[test]
fn damaged_pages_cost_the_rest_of_their_row_group() {
    let mut bytes = file(&rows(0..30_000), 10_000);
    let (start, _) = place(&bytes, 1, "id");
    bytes[start + 20_000..start + 22_000].fill(0xaa);
    // Nobody asks for this one.
    let (start, end) = place(&bytes, 0, "nadie_lo_pide");
    bytes[start..end].fill(0xaa);
    let bed = bed();
    bed.write("a.parquet", bytes);
    let found = read(&bed, BatchLimit::default(), false);
    let bad: Vec<&str> = found
        .iter()
        .map(|(_, told)| told.as_str())
        .filter(|told| told.starts_with("invalid"))
        .collect();
    assert_eq!(
        bad,
        [
            "invalid_parquet: `a.parquet`: rows 10001 to 20000, the rest of row group 2, cannot be read: their pages are damaged"
        ]
    );
    assert_eq!(found.len(), 20_001);
    assert_eq!(id(&found[10_001].1), 20_000);
    assert_eq!(found[10_000].0, (1 << 32) + 20_000);
}

#[test]
fn a_file_is_read_when_it_is_whole() {
    let bytes = file(&rows(0..100), 50);
    let bed = Bed {
        settle: Duration::from_millis(50),
        ..bed()
    };
    bed.write("a.parquet.part", &bytes);
    bed.write(".b.parquet", &bytes);
    bed.write("c.parquet", &bytes[..bytes.len() - 30]);
    bed.write("c.parquet.gz", &bytes);
    let mut reader = bed.reader(0);
    assert!(reader.next(SMALL, Mode::Follow).unwrap().is_none());
    assert!(reader.next(SMALL, Mode::Drain).unwrap().is_none());
    let not_whole = SourceWarning::NotWhole {
        name: "c.parquet".to_owned(),
    };
    assert!(reader.take_warnings().contains(&not_whole));
    bed.append("c.parquet", &bytes[bytes.len() - 30..]);
    assert!(reader.next(SMALL, Mode::Follow).unwrap().is_none(), "not settled");
    assert_eq!(drain(&mut reader).len(), 100);
    bed.rename("a.parquet.part", "a.parquet");
    assert_eq!(drain(&mut reader).len(), 100);
}

#[test]
fn a_file_that_was_given_up_is_read_when_it_is_whole_after_all() {
    let bytes = file(&rows(0..20), 50);
    let bed = bed();
    bed.write("a.parquet", &bytes[..bytes.len() - 30]);
    set_old(&bed.path("a.parquet"));
    let mut reader = bed.reader(0);
    let lines = reader.next(SMALL, Mode::Follow).unwrap().unwrap();
    assert_eq!(lines.problems().len(), 1);
    assert!(reader.next(SMALL, Mode::Follow).unwrap().is_none());
    // By a reader that starts anew.
    drop(reader);
    let mut reader = bed.reader(lines.to());
    assert!(reader.next(SMALL, Mode::Drain).unwrap().is_none());
    bed.append("a.parquet", &bytes[bytes.len() - 30..]);
    assert_eq!(drain(&mut reader).len(), 20);
}

#[test]
fn another_file_under_the_same_name_is_a_new_one_and_the_same_again_is_not() {
    let bed = bed();
    let (one, other) = (file(&rows(0..5), 50), file(&rows(5..10), 50));
    bed.write("a.parquet", &one);
    let mut reader = bed.reader(0);
    assert_eq!(drain(&mut reader).len(), 5);
    // Renamed, sent once more, written over in place, replaced.
    bed.rename("a.parquet", "b.parquet");
    assert_eq!(drain(&mut reader).len(), 0);
    bed.rename("b.parquet", "a.parquet");
    bed.write("c", &one);
    bed.rename("c", "a.parquet");
    assert_eq!(drain(&mut reader).len(), 0);
    bed.write("a.parquet", &other);
    let ids = |lines: Vec<String>| lines.iter().map(|line| id(line)).collect::<Vec<_>>();
    assert_eq!(ids(drain(&mut reader)), [5, 6, 7, 8, 9]);
    bed.write("a.parquet", file(&rows(20..22), 50));
    assert_eq!(ids(drain(&mut reader)), [20, 21]);
    let replaced = SourceWarning::Replaced {
        name: "a.parquet".to_owned(),
    };
    assert!(reader.take_warnings().contains(&replaced));
    bed.write("c", file(&rows(10..12), 50));
    bed.rename("c", "a.parquet");
    assert_eq!(ids(drain(&mut reader)), [10, 11]);
}

#[test]
fn a_file_that_changes_while_it_is_read_is_told_of() {
    let bed = bed();
    bed.write("a.parquet", file(&rows(0..20_000), 50_000));
    let mut reader = bed.reader(0);
    let lines = reader.next(SMALL, Mode::Drain).unwrap().unwrap();
    assert_eq!(lines.len(), 3);
    bed.write("a.parquet", file(&rows(50..60), 50_000));
    let limit = BatchLimit::default();
    let rest = told(&reader.next(limit, Mode::Drain).unwrap().unwrap());
    let (lost, new) = rest.split_at(rest.len() - 10);
    // What was decoded already is good.
    assert_eq!(lost.len(), 8192 - 3 + 1);
    assert!(
        lost.last().unwrap().contains("was changed while it was read"),
        "{:?}",
        lost.last()
    );
    assert_eq!(
        new.iter().map(|line| id(line)).collect::<Vec<_>>(),
        (50..60).collect::<Vec<_>>()
    );
    // Touched, but the same.
    bed.write("b.parquet", file(&rows(0..20_000), 50_000));
    let lines = reader.next(SMALL, Mode::Drain).unwrap().unwrap();
    assert_eq!(lines.len(), 3);
    set_old(&bed.path("b.parquet"));
    let mut count = lines.len();
    while let Some(lines) = reader.next(limit, Mode::Drain).unwrap() {
        assert!(lines.problems().is_empty());
        count += lines.len();
    }
    assert_eq!(count, 20_000);
}

#[test]
fn a_row_that_is_too_long_is_not_kept_and_batches_have_their_bound() {
    let texts =
        StringArray::from_iter_values((0..40).map(|n| "x".repeat(if n == 20 { 9_000 } else { 3_000 })));
    let batch = RecordBatch::try_from_iter([("id", Arc::new(texts) as ArrayRef)]).unwrap();
    let bed = Bed {
        max_line_bytes: 5_000,
        ..bed()
    };
    bed.write("a.parquet", file(&batch, 100));
    let limit = BatchLimit {
        rows: 1_000,
        bytes: 10_000,
    };
    let mut reader = bed.reader(0);
    let (mut lengths, mut long) = (Vec::new(), Vec::new());
    while let Some(lines) = reader.next(limit, Mode::Drain).unwrap() {
        assert!(lines.byte_len() < 14_000);
        lengths.push(lines.len());
        for problem in lines.problems() {
            assert_eq!(
                lines.line(problem.line as usize).as_ref(),
                br#"{"file":"a.parquet","row":21}"#
            );
            long.push(problem.message.clone());
        }
    }
    assert_eq!(lengths.iter().sum::<usize>(), 40);
    assert_eq!(long, ["a row of 9000 bytes; at most 5000 are read"]);
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
