use std::sync::Arc;

use arrow_array::types::{Int32Type, TimestampMicrosecondType};
use arrow_array::*;
use arrow_schema::{DataType, Field, Schema, TimeUnit};
use malla_contract::{ColumnType, Format, Parquet, Source};
use parquet::basic::{LogicalType, Repetition, Type as Physical};
use parquet::data_type::{ByteArray, ByteArrayType, Int96, Int96Type};
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::types::Type;
use proptest::prelude::*;

use crate::decode::tests::table;
use crate::parquet::testing::{file, rows, shop, source};
use crate::{Decoded, Decoder, Lines};

const MONEY: ColumnType = ColumnType::Decimal {
    precision: 18,
    scale: 2,
};

fn decode(source: &Source, bytes: &[u8]) -> (Lines, Decoded) {
    let lines = Lines::of_file("p", bytes, source);
    let decoded = Decoder::new(source).unwrap().decode(&lines).unwrap();
    (lines, decoded)
}

/// What a column of a file becomes as a column of a contract: values by row, or rules of rows; or of the whole file.
fn cast(array: ArrayRef, ty: ColumnType) -> Vec<String> {
    cast_with(array, ty, None)
}

fn cast_with(array: ArrayRef, ty: ColumnType, utc_offset: Option<i32>) -> Vec<String> {
    let mut source = source(&[("x", ty)]);
    source.format = Format::Parquet(Parquet { utc_offset });
    // Arrays of nulls have no other nullability.
    let schema = Schema::new(vec![Field::new("x", array.data_type().clone(), true)]);
    let batch = RecordBatch::try_new(Arc::new(schema), vec![array]).unwrap();
    let (lines, decoded) = decode(&source, &file(&batch, 100));
    let mut text = Vec::new();
    let mut writer = arrow_json::WriterBuilder::new()
        .with_explicit_nulls(true)
        .build::<_, arrow_json::writer::LineDelimited>(&mut text);
    writer.write(&decoded.batch).unwrap();
    writer.finish().unwrap();
    let mut all: Vec<String> = vec![String::new(); lines.len()];
    let text = String::from_utf8(text).unwrap();
    for (row, line) in decoded.rows.iter().zip(text.lines()) {
        let value = line.strip_prefix("{\"x\":").unwrap().strip_suffix('}').unwrap();
        all[*row as usize] = value.to_owned();
    }
    for failure in decoded.failed {
        all[failure.line as usize] = failure.rule.to_owned();
    }
    all
}

#[test]
fn what_is_the_same_number_is_taken() {
    let ints: ArrayRef = Arc::new(Int64Array::from(vec![Some(7), None, Some(1 << 40)]));
    assert_eq!(
        cast(Arc::clone(&ints), ColumnType::Int32),
        ["7", "null", "out_of_range"]
    );
    assert_eq!(
        cast(Arc::clone(&ints), ColumnType::Int64),
        ["7", "null", "1099511627776"]
    );
    assert_eq!(cast(ints, MONEY), ["7.00", "null", "1099511627776.00"]);
    let small: ArrayRef = Arc::new(Int8Array::from(vec![-3]));
    assert_eq!(cast(Arc::clone(&small), ColumnType::Int32), ["-3"]);
    assert_eq!(cast(small, ColumnType::Float64), ["-3.0"]);
    let unsigned: ArrayRef = Arc::new(UInt64Array::from(vec![1, u64::MAX]));
    assert_eq!(
        cast(Arc::clone(&unsigned), ColumnType::Int64),
        ["1", "out_of_range"]
    );
    assert_eq!(
        cast(Arc::clone(&unsigned), ColumnType::Float64),
        ["1.0", "out_of_range"]
    );
    assert_eq!(cast(unsigned, MONEY), ["1.00", "out_of_range"]);
    let exact: ArrayRef = Arc::new(Int64Array::from(vec![1 << 53, (1 << 53) + 1]));
    assert_eq!(
        cast(exact, ColumnType::Float64),
        ["9.007199254740992e15", "out_of_range"]
    );
    // What pandas makes of whole numbers with nulls.
    let floats: ArrayRef = Arc::new(Float64Array::from(vec![
        Some(3.0),
        None,
        Some(1.5),
        Some(f64::NAN),
        Some(3e9),
    ]));
    assert_eq!(
        cast(Arc::clone(&floats), ColumnType::Int32),
        ["3", "null", "wrong_type", "out_of_range", "out_of_range"]
    );
    assert_eq!(
        cast(Arc::clone(&floats), ColumnType::Float64),
        ["3.0", "null", "1.5", "out_of_range", "3000000000.0"]
    );
    assert_eq!(cast(floats, MONEY), ["wrong_type"], "no double is a tenth");
    let floats: ArrayRef = Arc::new(Float32Array::from(vec![0.5]));
    assert_eq!(cast(floats, ColumnType::Float64), ["0.5"]);
}

#[test]
fn decimals_are_exact_or_refused() {
    let decimals = |values: Vec<i128>, precision, scale| -> ArrayRef {
        let array = Decimal128Array::from(values);
        Arc::new(array.with_precision_and_scale(precision, scale).unwrap())
    };
    let of_three = decimals(vec![1_230, 1_235, -10], 9, 3);
    assert_eq!(cast(of_three, MONEY), ["1.23", "invalid_decimal", "-0.01"]);
    let wide = decimals(vec![100, 10_i128.pow(30)], 38, 2);
    assert_eq!(cast(wide, MONEY), ["1.00", "out_of_range"]);
    let whole = decimals(vec![12, 10_i128.pow(30)], 38, 0);
    assert_eq!(cast(whole, ColumnType::Int64), ["12", "out_of_range"]);
    assert_eq!(cast(decimals(vec![125], 5, 1), ColumnType::Int64), ["wrong_type"]);
    let huge = Decimal256Array::from(vec![arrow_buffer::i256::from_i128(250), arrow_buffer::i256::MAX]);
    let huge: ArrayRef = Arc::new(huge.with_precision_and_scale(76, 2).unwrap());
    assert_eq!(cast(huge, MONEY), ["2.50", "out_of_range"]);
    let texts: ArrayRef = Arc::new(StringArray::from(vec!["12.5", "doce", "1.005"]));
    assert_eq!(
        cast(texts, MONEY),
        ["12.50", "invalid_decimal", "invalid_decimal"]
    );
}

#[test]
fn times_are_utc_or_somebodys() {
    let day = 86_400_i64;
    let noon = "\"1970-01-01T12:00:00Z\"";
    let utc = |unit, value: i64| {
        let array: ArrayRef = match unit {
            TimeUnit::Second | TimeUnit::Millisecond => {
                Arc::new(TimestampMillisecondArray::from(vec![value]).with_timezone("+02:00"))
            }
            TimeUnit::Microsecond => {
                Arc::new(TimestampMicrosecondArray::from(vec![value]).with_timezone("UTC"))
            }
            TimeUnit::Nanosecond => {
                Arc::new(TimestampNanosecondArray::from(vec![value]).with_timezone("UTC"))
            }
        };
        cast(array, ColumnType::Timestamp)
    };
    assert_eq!(utc(TimeUnit::Millisecond, 43_200_000), [noon]);
    assert_eq!(utc(TimeUnit::Microsecond, 43_200_000_000), [noon]);
    assert_eq!(utc(TimeUnit::Nanosecond, 43_200_000_000_000), [noon]);
    // Finer than microseconds is cut off, as in all formats.
    assert_eq!(utc(TimeUnit::Nanosecond, -1), ["\"1969-12-31T23:59:59.999999Z\""]);
    assert_eq!(utc(TimeUnit::Millisecond, i64::MAX), ["out_of_range"]);
    assert_eq!(utc(TimeUnit::Microsecond, i64::MIN), ["out_of_range"]);
    // Without a zone, as pandas and DuckDB write them.
    let naive: ArrayRef = Arc::new(TimestampNanosecondArray::from(vec![25_200_000_000_000]));
    assert_eq!(cast(Arc::clone(&naive), ColumnType::Timestamp), ["wrong_type"]);
    assert_eq!(cast_with(naive, ColumnType::Timestamp, Some(-18_000)), [noon]);
    let texts: ArrayRef = Arc::new(StringArray::from(vec![
        "1970-01-01T12:00:00Z",
        "1970-01-01T12:00:00",
    ]));
    assert_eq!(cast(texts, ColumnType::Timestamp), [noon, "invalid_timestamp"]);
    // Days, and what tools keep of days.
    let days: ArrayRef = Arc::new(Date32Array::from(vec![1, i32::MAX]));
    assert_eq!(cast(days, ColumnType::Date), ["\"1970-01-02\"", "out_of_range"]);
    let midnights: ArrayRef = Arc::new(TimestampMicrosecondArray::from(vec![
        day * 1_000_000,
        day * 1_000_000 + 1,
    ]));
    assert_eq!(
        cast(midnights, ColumnType::Date),
        ["\"1970-01-02\"", "invalid_date"]
    );
    let texts: ArrayRef = Arc::new(StringArray::from(vec!["1970-01-02", "2/1/70"]));
    assert_eq!(cast(texts, ColumnType::Date), ["\"1970-01-02\"", "invalid_date"]);
}

#[test]
fn texts_come_in_many_forms() {
    let expected = ["\"a\"", "null", "\"a\""];
    let text = vec![Some("a"), None, Some("a")];
    let forms: [ArrayRef; 4] = [
        Arc::new(LargeStringArray::from(text.clone())),
        Arc::new(StringViewArray::from(text.clone())),
        Arc::new(text.iter().copied().collect::<DictionaryArray<Int32Type>>()),
        Arc::new(BinaryArray::from(vec![Some(&b"a"[..]), None, Some(b"a")])),
    ];
    for form in forms {
        assert_eq!(cast(form, ColumnType::Utf8), expected);
    }
    let nothing: ArrayRef = Arc::new(NullArray::new(2));
    for ty in [
        ColumnType::Utf8,
        MONEY,
        ColumnType::Timestamp,
        ColumnType::Boolean,
    ] {
        assert_eq!(cast(Arc::clone(&nothing), ty), ["null", "null"]);
    }
    let truths: ArrayRef = Arc::new(BooleanArray::from(vec![true]));
    assert_eq!(cast(Arc::clone(&truths), ColumnType::Boolean), ["true"]);
    assert_eq!(cast(truths, ColumnType::Utf8), ["wrong_type"]);
    let times: ArrayRef = Arc::new(Time64MicrosecondArray::from(vec![1]));
    assert_eq!(cast(times, ColumnType::Utf8), ["wrong_type"]);
}

/// A file of one column that Arrow does not write.
fn raw(physical: Physical, logical: Option<LogicalType>, length: i32, values: &[&[u8]]) -> Vec<u8> {
    let column = Type::primitive_type_builder("x", physical)
        .with_repetition(Repetition::REQUIRED)
        .with_logical_type(logical)
        .with_length(length)
        .build()
        .unwrap();
    let schema = Type::group_type_builder("s")
        .with_fields(vec![Arc::new(column)])
        .build()
        .unwrap();
    let mut bytes = Vec::new();
    let mut writer = SerializedFileWriter::new(&mut bytes, Arc::new(schema), Default::default()).unwrap();
    let mut group = writer.next_row_group().unwrap();
    let mut column = group.next_column().unwrap().unwrap();
    match physical {
        Physical::INT96 => {
            let values: Vec<Int96> = values
                .iter()
                .map(|value| {
                    let part = |at: usize| u32::from_le_bytes(value[at..at + 4].try_into().unwrap());
                    Int96::from(vec![part(0), part(4), part(8)])
                })
                .collect();
            column
                .typed::<Int96Type>()
                .write_batch(&values, None, None)
                .unwrap();
        }
        Physical::FIXED_LEN_BYTE_ARRAY => {
            let values: Vec<parquet::data_type::FixedLenByteArray> = values
                .iter()
                .map(|value| ByteArray::from(value.to_vec()).into())
                .collect();
            let column = column.typed::<parquet::data_type::FixedLenByteArrayType>();
            column.write_batch(&values, None, None).unwrap();
        }
        _ => {
            let values: Vec<ByteArray> = values.iter().map(|value| value.to_vec().into()).collect();
            column
                .typed::<ByteArrayType>()
                .write_batch(&values, None, None)
                .unwrap();
        }
    }
    column.close().unwrap();
    group.close().unwrap();
    writer.close().unwrap();
    bytes
}

#[test]
fn text_that_is_none_costs_its_row_and_is_kept_as_it_was() {
    let bytes = raw(
        Physical::BYTE_ARRAY,
        Some(LogicalType::String),
        -1,
        &[b"a", b"\xff\xfe", "ñ".as_bytes()],
    );
    let (lines, decoded) = decode(&source(&[("x!", ColumnType::Utf8)]), &bytes);
    assert_eq!(decoded.rows, [0, 2]);
    let failure = &decoded.failed[0];
    assert_eq!((failure.line, failure.rule), (1, "invalid_utf8"));
    assert_eq!(failure.message, "`x`: bytes that are not UTF-8");
    assert_eq!(lines.line(1).as_ref(), br#"{"x":{"base64":"//4="}}"#);
    assert_eq!(lines.line(2).as_ref(), "{\"x\":\"ñ\"}".as_bytes());
    // Enums are text, BSON and plain fixed bytes are not.
    let (_, decoded) = decode(
        &source(&[("x", ColumnType::Utf8)]),
        &raw(Physical::BYTE_ARRAY, Some(LogicalType::Enum), -1, &[b"ALTA"]),
    );
    assert_eq!(decoded.rows, [0]);
    let bson = raw(Physical::BYTE_ARRAY, Some(LogicalType::Bson), -1, &[b"ALTA"]);
    let (_, decoded) = decode(&source(&[("x", ColumnType::Utf8)]), &bson);
    assert_eq!(decoded.failed[0].rule, "wrong_type");
    let fixed = raw(Physical::FIXED_LEN_BYTE_ARRAY, None, 16, &[&[7; 16]]);
    let (_, decoded) = decode(&source(&[("x", ColumnType::Utf8)]), &fixed);
    assert_eq!(decoded.failed[0].rule, "wrong_type");
    let uuid = raw(
        Physical::FIXED_LEN_BYTE_ARRAY,
        Some(LogicalType::Uuid),
        16,
        &[&[
            0x12, 0x34, 0x56, 0x78, 0x9a, 0xbc, 0xde, 0xf0, 1, 2, 3, 4, 5, 6, 7, 8,
        ]],
    );
    let (lines, decoded) = decode(&source(&[("x", ColumnType::Utf8)]), &uuid);
    assert_eq!(decoded.rows, [0]);
    assert_eq!(
        lines.line(0).as_ref(),
        br#"{"x":"12345678-9abc-def0-0102-030405060708"}"#
    );
}

#[test]
fn times_of_96_bits_reach_beyond_2262() {
    // 9999-12-31T00:00:00.000001, which nanoseconds in 64 bits do not reach.
    let mut value = 1_000_u64.to_le_bytes().to_vec();
    value.extend_from_slice(&(2_932_896_u32 + 2_440_588).to_le_bytes());
    let bytes = raw(Physical::INT96, None, -1, &[&value]);
    let mut source = source(&[("x", ColumnType::Timestamp)]);
    let (_, decoded) = decode(&source, &bytes);
    assert_eq!(decoded.failed[0].rule, "wrong_type", "{:?}", decoded.failed);
    source.format = Format::Parquet(Parquet { utc_offset: Some(0) });
    let (lines, decoded) = decode(&source, &bytes);
    assert_eq!(decoded.rows, [0]);
    let array = cast::AsArray::as_primitive::<TimestampMicrosecondType>(decoded.batch.column(0));
    assert_eq!(array.value(0), 2_932_896 * 86_400_000_000 + 1);
    assert_eq!(lines.line(0).as_ref(), br#"{"x":"9999-12-31T00:00:00.000001"}"#);
}

#[test]
fn the_first_flaw_of_a_row_is_told_and_rows_around_it_go_on() {
    let columns: [(&str, ArrayRef); 2] = [
        (
            "id",
            Arc::new(StringArray::from(vec![Some("a"), None, Some("c"), None])),
        ),
        ("n", Arc::new(Int64Array::from(vec![1, 2, 1 << 40, 1 << 40]))),
    ];
    let batch = RecordBatch::try_from_iter_with_nullable(
        columns.into_iter().map(|(name, array)| (name, array, true)),
    )
    .unwrap();
    let source = source(&[("id!", ColumnType::Utf8), ("n", ColumnType::Int32)]);
    let (lines, decoded) = decode(&source, &file(&batch, 2));
    assert_eq!(decoded.rows, [0]);
    let told: Vec<(u32, &str, &str)> = decoded
        .failed
        .iter()
        .map(|failure| (failure.line, failure.rule, failure.message.as_str()))
        .collect();
    let range = "`n`: expected a whole number from -2147483648 to 2147483647";
    assert_eq!(
        told,
        [
            (1, "missing_required", "`id`: required, but absent or null"),
            (2, "out_of_range", range),
            (3, "out_of_range", range),
        ]
    );
    assert_eq!(lines.line(3).as_ref(), br#"{"id":null,"n":1099511627776}"#);
}

#[test]
fn files_with_other_columns_fit_in_one_batch() {
    let one = file(&rows(0..3), 10);
    let batch =
        RecordBatch::try_from_iter([("id", Arc::new(StringArray::from(vec!["z"])) as ArrayRef)]).unwrap();
    let mut lines = Lines::of_file("p", &one, &shop());
    let other = Lines::of_file("p", &file(&batch, 10), &shop());
    let (_, rows) = other.rows().next().unwrap();
    lines.push_rows(rows.clone(), 1, |_| 100);
    let decoded = Decoder::new(&shop()).unwrap().decode(&lines).unwrap();
    assert_eq!(decoded.rows, [0, 1, 2, 3]);
    assert!(decoded.batch.column(1).is_null(3));
}

proptest! {
    #[test]
    fn the_same_rows_in_json_are_the_same_batch(
        ids in proptest::collection::vec(proptest::option::weighted(0.9, ".{0,12}"), 1..20),
        numbers in proptest::collection::vec(any::<(i32, i64, f64, bool, i64)>(), 20),
        nulls in any::<u64>(),
    ) {
        let table = table();
        let count = ids.len();
        let there = |row: usize, column: usize| nulls >> ((row * 7 + column) % 64) & 1 == 0;
        let some = |row: usize, column| there(row, column).then_some(&numbers[row]);
        let days = |value: i32| value.rem_euclid(2_932_897);
        let columns: Vec<ArrayRef> = vec![
            Arc::new(ids.iter().map(Option::as_deref).collect::<StringArray>()),
            Arc::new(
                (0..count)
                    .map(|row| some(row, 1).map(|values| i128::from(values.1)))
                    .collect::<Decimal128Array>()
                    .with_precision_and_scale(19, 2)
                    .unwrap(),
            ),
            Arc::new((0..count).map(|row| some(row, 2).map(|values| values.0)).collect::<Int32Array>()),
            Arc::new((0..count).map(|row| some(row, 3).map(|values| values.1)).collect::<Int64Array>()),
            Arc::new((0..count).map(|row| some(row, 4).map(|values| values.2)).collect::<Float64Array>()),
            Arc::new((0..count).map(|row| some(row, 5).map(|values| values.3)).collect::<BooleanArray>()),
            Arc::new((0..count).map(|row| some(row, 6).map(|values| days(values.0))).collect::<Date32Array>()),
            Arc::new(
                (0..count)
                    .map(|row| some(row, 7).map(|values| values.4.rem_euclid(300_000_000_000_000_000) - 60_000_000_000_000_000))
                    .collect::<TimestampMicrosecondArray>()
                    .with_timezone("UTC"),
            ),
        ];
        let names = table.columns.iter().map(|column| column.name.as_str());
        let batch = RecordBatch::try_from_iter_with_nullable(
            names.zip(columns).map(|(name, array)| (name, array, true)),
        )
        .unwrap();
        let mut source = source(&[]);
        source.table = table;
        let (lines, decoded) = decode(&source, &file(&batch, 7));
        source.format = Format::Json;
        let mut json = Vec::new();
        for line in lines.iter() {
            json.extend_from_slice(&line);
            json.push(b'\n');
        }
        let again = Decoder::new(&source).unwrap().decode(&Lines::of_text("p", &json)).unwrap();
        prop_assert_eq!(&decoded.rows, &again.rows);
        prop_assert_eq!(&decoded.batch, &again.batch);
        let rules = |decoded: &Decoded| -> Vec<(u32, &'static str)> {
            decoded.failed.iter().map(|failure| (failure.line, failure.rule)).collect()
        };
        prop_assert_eq!(rules(&decoded), rules(&again));
        prop_assert!(decoded.batch.schema().field(0).data_type() == &DataType::Utf8);
    }
}
