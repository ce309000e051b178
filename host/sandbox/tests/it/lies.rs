//! Answers that break a promise: each gives its own error, which names the column and no value.

use std::sync::Arc;

use arrow_schema::{DataType, Field, Schema};
use malla_sandbox::{Failure, InputError};

use crate::support::{batch, evil, failure, run, step};

/// Payload, and what the error says about it.
const LIES: &[(&str, &str)] = &[
    ("rows-short", "column `n` has 9 values for 10 rows"),
    ("rows-long", "column `n` has 11 values for 10 rows"),
    ("no-columns", "returned 0 columns, and the product has 2"),
    ("a-column-more", "returned 3 columns, and the product has 2"),
    ("columns-swapped", "column `n` is utf8, and should be Int64"),
    ("wrong-type", "column `n` is decimal128, and should be Int64"),
    (
        "validity-short",
        "the validity bitmap of column `n` has 0 bytes, and needs 2",
    ),
    (
        "validity-long",
        "the validity bitmap of column `n` has 10 bytes, and needs 2",
    ),
    (
        "null-where-none-may-be",
        "column `n` has 1 nulls, and the contract allows none",
    ),
    (
        "offsets-missing",
        "column `s` has 10 offsets for 10 rows, and needs one more than rows",
    ),
    (
        "offsets-none",
        "column `s` has 0 offsets for 10 rows, and needs one more than rows",
    ),
    ("offsets-from-one", "the first offset of column `s` is not 0"),
    (
        "offsets-negative",
        "the offsets of column `s` go backwards at row 0",
    ),
    (
        "offsets-backwards",
        "the offsets of column `s` go backwards at row 1",
    ),
    (
        "offsets-past-the-end",
        "the last offset of column `s` is 2147483647, and its text has 60 bytes",
    ),
    (
        "offsets-short-of-the-end",
        "the last offset of column `s` is 60, and its text has 61 bytes",
    ),
    (
        "bad-utf8",
        "column `s` is not UTF-8, or an offset splits a character",
    ),
    (
        "split-character",
        "column `s` is not UTF-8, or an offset splits a character",
    ),
    (
        "forward-past-the-end",
        "column `n` is forwarded from column 99, and the source has 3",
    ),
    (
        "forward-max",
        "column `n` is forwarded from column 4294967295, and the source has 3",
    ),
    (
        "forward-wrong-type",
        "column `n` is forwarded from `s`, which is Utf8, and should be Int64",
    ),
    ("keep-short", "the `keep` bitmap has 1 bytes, and 10 rows need 2"),
    ("keep-long", "the `keep` bitmap has 10 bytes, and 10 rows need 2"),
    ("take-past-the-end", "`take` names row 10 of 10"),
    ("take-max", "`take` names row 4294967295 of 10"),
    ("take-other-count", "column `n` has 10 values for 11 rows"),
    ("reject-past-the-end", "rejects row 10 of 10"),
    (
        "reject-unknown-rule",
        "rejects row 0 by `no such rule`, which is no rule of the step",
    ),
    ("reject-twice", "rejects row 1 twice"),
    ("reject-and-all", "rejects row 1 and returns it as well"),
    ("reject-and-keep", "rejects row 1 and returns it as well"),
    ("reject-and-take", "rejects row 1 and returns it as well"),
];

#[test]
fn each_broken_promise_has_its_error() {
    for (payload, expected) in LIES {
        match failure(&evil(), &format!("lie/{payload}"), 10) {
            Failure::Broken(broken) => assert_eq!(broken.to_string(), *expected, "{payload}"),
            other => panic!("{payload}: {other:?}"),
        }
    }
}

#[test]
fn the_promises_of_decimals() {
    for (payload, expected) in [
        ("lie/precision", "column `d` has more than 4 digits at row 0"),
        (
            "lie/precision-negative",
            "column `d` has more than 4 digits at row 0",
        ),
        ("lie/decimal-odd-words", "column `d` has an odd number of words"),
    ] {
        let mut step = step(payload);
        step.output = Arc::new(Schema::new(vec![Field::new(
            "d",
            DataType::Decimal128(4, 2),
            true,
        )]));
        let failure = evil().run(&step, &batch(10), 0).unwrap_err().failure;
        assert_eq!(failure.to_string(), format!("a broken promise: {expected}"));
    }
}

#[test]
fn the_promise_of_booleans() {
    let mut step = step("lie/booleans-short");
    step.output = Arc::new(Schema::new(vec![Field::new("b", DataType::Boolean, true)]));
    let failure = evil().run(&step, &batch(10), 0).unwrap_err().failure;
    assert_eq!(
        failure.to_string(),
        "a broken promise: the values bitmap of column `b` has 1 bytes, and needs 2"
    );
}

#[test]
fn a_forwarded_null_is_a_null_as_well() {
    let mut step = step("echo/forward");
    let schema = batch(1).schema();
    let fields: Vec<Field> = schema
        .fields()
        .iter()
        .map(|f| f.as_ref().clone().with_nullable(false))
        .collect();
    step.output = Arc::new(Schema::new(fields[..2].to_vec()));
    let columns = batch(2);
    let nulls = arrow_array::StringArray::from(vec![Some("a"), None]);
    let input = arrow_array::RecordBatch::try_new(
        schema,
        vec![
            Arc::clone(columns.column(0)),
            Arc::new(nulls),
            Arc::clone(columns.column(2)),
        ],
    )
    .unwrap();
    let failure = evil().run(&step, &input, 0).unwrap_err().failure;
    assert_eq!(
        failure.to_string(),
        "a broken promise: column `s` has 1 nulls, and the contract allows none"
    );
}

#[test]
fn an_error_holds_no_value() {
    for (payload, _) in LIES {
        let text = run(&evil(), &format!("lie/{payload}"), 10)
            .unwrap_err()
            .to_string();
        assert!(!text.contains("fila") && !text.contains("4111"), "{text}");
    }
}

#[test]
fn the_host_can_ask_wrongly_too() {
    let mut wrong = step("echo/all");
    wrong.reads = vec![0, 3];
    let failure = evil().run(&wrong, &batch(1), 0).unwrap_err().failure;
    assert!(matches!(
        *failure,
        Failure::Input(InputError::NoColumn { index: 3, columns: 3 })
    ));

    let bytes: arrow_array::ArrayRef = Arc::new(arrow_array::BinaryArray::from(vec![&b"x"[..]]));
    let input = arrow_array::RecordBatch::try_from_iter([("sealed", bytes)]).unwrap();
    let mut wrong = step("echo/all");
    wrong.reads = vec![0];
    let failure = evil().run(&wrong, &input, 0).unwrap_err().failure;
    assert_eq!(
        failure.to_string(),
        "column `sealed` is Binary, which no plugin understands"
    );
}
