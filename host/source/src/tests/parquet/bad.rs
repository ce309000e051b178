//! Files and rows that are not what they should be.

use ::parquet::file::metadata::ParquetMetaDataReader;

use super::*;

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
fn a_contract_that_fits_no_more_costs_the_rest_of_the_file_once() {
    let mut bed = bed();
    bed.write("a.parquet", file(&rows(0..10), 5));
    let mut reader = bed.reader(0);
    let position = reader.next(SMALL, Mode::Drain).unwrap().unwrap().to();
    drop(reader);
    bed.of = Some(source(&[("id!", ColumnType::Utf8), ("nuevo!", ColumnType::Utf8)]));
    let mut reader = bed.reader(position);
    let lines = reader.next(SMALL, Mode::Drain).unwrap().unwrap();
    let expected = "missing_column: `a.parquet`: column `nuevo` is required, and the file has none";
    assert_eq!(
        (told(&lines).as_slice(), lines.to()),
        (&[expected.to_owned()][..], (1 << 32) + 10)
    );
    assert_eq!(reader.repeat(position, lines.to()).unwrap(), lines);
    drop(reader);
    assert!(bed.reader(lines.to()).next(SMALL, Mode::Drain).unwrap().is_none());
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
