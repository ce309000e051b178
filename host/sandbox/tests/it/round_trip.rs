//! What goes in comes out, for every type, with nulls, slices and nothing at all.

use std::sync::Arc;

use arrow_array::builder::StringBuilder;
use arrow_array::{
    Array, ArrayRef, BooleanArray, Date32Array, Decimal128Array, Float64Array, Int32Array, Int64Array,
    RecordBatch, StringArray, TimestampMicrosecondArray, UInt32Array, cast::AsArray, types::Float64Type,
};
use arrow_buffer::{NullBuffer, OffsetBuffer, ScalarBuffer};
use arrow_schema::{Field, Schema};
use malla_sandbox::{LogLevel, LogLine, Origin, Rejection, Step};
use proptest::collection::vec;
use proptest::prelude::*;

use crate::support::{batch, evil, run, step};

type Row = (
    (Option<bool>, Option<i32>, Option<i64>, Option<u64>),
    (Option<i128>, Option<String>, Option<i32>, Option<i64>),
);

fn row() -> impl Strategy<Value = Row> {
    let digits = 10_i128.pow(20);
    (
        (
            any::<Option<bool>>(),
            any::<Option<i32>>(),
            any::<Option<i64>>(),
            any::<Option<u64>>(),
        ),
        (
            proptest::option::of(-digits + 1..digits),
            any::<Option<String>>(),
            any::<Option<i32>>(),
            any::<Option<i64>>(),
        ),
    )
}

/// Every type that crosses, each once. Under nulls lies whatever the builders put there.
fn every_type(rows: &[Row]) -> RecordBatch {
    let left = || rows.iter().map(|row| &row.0);
    let right = || rows.iter().map(|row| &row.1);
    let mut texts = StringBuilder::new();
    right().for_each(|row| texts.append_option(row.1.as_deref()));
    let columns: Vec<(&str, ArrayRef)> = vec![
        (
            "boolean",
            Arc::new(left().map(|row| row.0).collect::<BooleanArray>()),
        ),
        ("int32", Arc::new(left().map(|row| row.1).collect::<Int32Array>())),
        ("int64", Arc::new(left().map(|row| row.2).collect::<Int64Array>())),
        (
            "float64",
            Arc::new(
                left()
                    .map(|row| row.3.map(f64::from_bits))
                    .collect::<Float64Array>(),
            ),
        ),
        (
            "decimal",
            Arc::new(
                right()
                    .map(|row| row.0)
                    .collect::<Decimal128Array>()
                    .with_precision_and_scale(20, 4)
                    .unwrap(),
            ),
        ),
        ("utf8", Arc::new(texts.finish())),
        (
            "date32",
            Arc::new(right().map(|row| row.2).collect::<Date32Array>()),
        ),
        (
            "timestamp",
            Arc::new(
                right()
                    .map(|row| row.3)
                    .collect::<TimestampMicrosecondArray>()
                    .with_timezone("UTC"),
            ),
        ),
    ];
    let field = |(name, array): &(&str, ArrayRef)| Field::new(*name, array.data_type().clone(), true);
    let schema = Schema::new(columns.iter().map(field).collect::<Vec<_>>());
    RecordBatch::try_new(
        Arc::new(schema),
        columns.into_iter().map(|(_, array)| array).collect(),
    )
    .unwrap()
}

fn echo(payload: &str, batch: &RecordBatch) -> malla_sandbox::Output {
    let reads = (0..batch.num_columns()).collect();
    let step = Step {
        name: payload.into(),
        reads,
        output: batch.schema(),
        rules: vec!["third".into()],
    };
    evil().run(&step, batch, 0).unwrap()
}

fn taken(batch: &RecordBatch, rows: &UInt32Array) -> RecordBatch {
    let columns = batch
        .columns()
        .iter()
        .map(|c| arrow_select::take::take(c, rows, None).unwrap())
        .collect();
    RecordBatch::try_new(batch.schema(), columns).unwrap()
}

/// Equal, floats by their bits: a NaN that only passes through is not touched.
fn assert_same(found: &RecordBatch, expected: &RecordBatch) {
    let bits = |batch: &RecordBatch| {
        let floats = batch
            .column_by_name("float64")
            .unwrap()
            .as_primitive::<Float64Type>();
        floats
            .iter()
            .map(|value| value.map(f64::to_bits))
            .collect::<Vec<_>>()
    };
    assert_eq!(bits(found), bits(expected));
    for (found, expected) in found.columns().iter().zip(expected.columns()) {
        if *found.data_type() != arrow_schema::DataType::Float64 {
            assert_eq!(found, expected);
        }
        found.to_data().validate_full().unwrap();
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn every_type_comes_back(rows in vec(row(), 0..70), start in 0_usize..20, cut in 0_usize..20) {
        let whole = every_type(&rows);
        let start = start.min(rows.len());
        let batch = whole.slice(start, (rows.len() - start).saturating_sub(cut));
        let count = u32::try_from(batch.num_rows()).unwrap();

        let all = echo("echo/all", &batch);
        assert_same(&all.batch, &batch);
        prop_assert_eq!(all.rows.numbers(), UInt32Array::from_iter_values(0..count));
        prop_assert!(all.origins.iter().all(|origin| *origin == Origin::Computed));

        let forward = echo("echo/forward", &batch);
        assert_same(&forward.batch, &batch);
        prop_assert_eq!(forward.origins, (0..8).map(Origin::Forward).collect::<Vec<_>>());

        for (payload, rows) in [
            ("echo/even", (0..count).step_by(2).collect::<Vec<u32>>()),
            ("echo/reverse", (0..count).rev().collect()),
            ("echo/forward-twice", (0..count).flat_map(|row| [row, row]).collect()),
            ("echo/reject", (0..count).filter(|row| row % 3 != 0).collect()),
        ] {
            let rows = UInt32Array::from(rows);
            let output = echo(payload, &batch);
            assert_same(&output.batch, &taken(&batch, &rows));
            prop_assert_eq!(output.rows.numbers(), rows);
        }
    }
}

#[test]
fn rejections_come_with_rule_and_message() {
    let output = run(&evil(), "echo/reject", 5).unwrap();
    let rejection = |row: u32| Rejection {
        row,
        rule: "third".into(),
        message: format!("row {row}"),
    };
    assert_eq!(output.rejected, [rejection(0), rejection(3)]);
}

#[test]
fn only_what_is_read_enters_and_the_rest_is_forwarded_unseen() {
    let input = batch(3);
    let mut step = step("echo/forward");
    step.reads = vec![2];
    step.output = Arc::new(input.schema().project(&[0]).unwrap());
    // One column read, one forwarded by its index over all of the source: not the one that was read.
    let output = evil().run(&step, &input, 0).unwrap();
    assert_eq!(output.origins, [Origin::Forward(0)]);
    assert_eq!(output.batch.column(0), input.column(0));
}

#[test]
fn what_lies_under_a_null_does_not_enter() {
    let nulls = NullBuffer::from(vec![false; 4]);
    let offsets = OffsetBuffer::new(ScalarBuffer::from(vec![0, 4, 8, 12, 16]));
    let text = StringArray::new(offsets, b"4111411241134114".to_vec().into(), Some(nulls.clone()));
    let number = Int64Array::new(vec![4111; 4].into(), Some(nulls));
    let schema = Schema::new(vec![
        Field::new("n", number.data_type().clone(), true),
        Field::new("s", text.data_type().clone(), true),
    ]);
    let batch = RecordBatch::try_new(Arc::new(schema), vec![Arc::new(number), Arc::new(text)]).unwrap();
    let output = echo("echo/all", &batch).batch;
    // The guest returned the very bytes that it got.
    assert_eq!(output.column(1).as_string::<i32>().value_data(), b"");
    assert_eq!(output.column(0).to_data().buffers()[0].as_slice(), [0; 32]);
}

#[test]
fn each_batch_has_a_clean_instance_and_its_own_clock() {
    let mut step = step("echo/state");
    step.output = Arc::new(Schema::new(vec![
        Field::new("runs", arrow_schema::DataType::Int64, false),
        Field::new("time", arrow_schema::DataType::Int64, false),
    ]));
    for time in [0, i64::MIN, i64::MAX] {
        let output = evil().run(&step, &batch(1), time).unwrap();
        assert_eq!(
            *output
                .batch
                .column(0)
                .as_primitive::<arrow_array::types::Int64Type>()
                .values(),
            [1]
        );
        assert_eq!(
            *output
                .batch
                .column(1)
                .as_primitive::<arrow_array::types::Int64Type>()
                .values(),
            [time]
        );
    }
}

#[test]
fn the_same_batch_gives_the_same_bytes_and_uses_the_same_fuel() {
    let input = batch(1_000);
    let outputs: Vec<_> = (0..3)
        .map(|_| evil().run(&step("echo/reverse"), &input, 7).unwrap())
        .collect();
    for output in &outputs {
        assert_eq!(output.batch, outputs[0].batch);
        assert_eq!(
            (output.usage.fuel, output.usage.memory_peak),
            (outputs[0].usage.fuel, outputs[0].usage.memory_peak)
        );
        assert!(output.usage.fuel > 0 && output.usage.memory_peak > 0 && output.usage.output_bytes > 8_000);
    }
}

#[test]
fn nans_are_canonical() {
    let mut step = step("echo/nan");
    step.output = Arc::new(Schema::new(vec![Field::new(
        "x",
        arrow_schema::DataType::Float64,
        false,
    )]));
    let output = evil().run(&step, &batch(4), 0).unwrap();
    for value in output.batch.column(0).as_primitive::<Float64Type>().values() {
        assert_eq!(value.to_bits() & !(1 << 63), 0x7FF8_0000_0000_0000);
    }
}

#[test]
fn the_log_comes_back() {
    let output = run(&evil(), "echo/say", 2).unwrap();
    let line = |level, message: &str| LogLine {
        level,
        message: message.into(),
    };
    assert_eq!(
        output.log,
        [line(LogLevel::Info, "rows: 2"), line(LogLevel::Warn, "two")]
    );
    assert_eq!((output.usage.log_lines, output.usage.log_bytes), (2, 10));
}

#[test]
fn many_threads_share_few_places() {
    use malla_sandbox::{Sandbox, SandboxConfig};
    let sandbox = Sandbox::new(SandboxConfig::default().with_instances(1)).unwrap();
    let plugin = sandbox.load(crate::support::id(), &crate::support::EVIL).unwrap();
    drop(sandbox);
    std::thread::scope(|scope| {
        for _ in 0..6 {
            let plugin = plugin.clone();
            scope.spawn(move || (0..5).for_each(|_| drop(run(&plugin, "echo/all", 100).unwrap())));
        }
    });
}
