//! Batches together.

use std::sync::Arc;

use arrow_array::{Array, ArrayRef, Int64Array, RecordBatch, TimestampMicrosecondArray};

use super::{OF_SALES, SALES, product, sales};
use crate::{Checks, Found, Status};

#[test]
fn reports_of_other_checks_are_refused() {
    let table = product(SALES, OF_SALES);
    let (one, other) = (Checks::new(&table).unwrap(), Checks::new(&table).unwrap());
    let report = other.run(&sales()).unwrap();
    assert!(one.totals().add(&report).is_err());
    assert!(one.totals().merge(&other.totals()).is_err());
    assert!(other.clone().totals().add(&report).is_ok());
}

fn numbers(values: impl IntoIterator<Item = i64>) -> RecordBatch {
    let ids: ArrayRef = Arc::new(Int64Array::from_iter_values(values));
    let nothing: ArrayRef = Arc::new(TimestampMicrosecondArray::from(vec![None; ids.len()]));
    RecordBatch::try_from_iter([("n", ids), ("cuando", nothing)]).unwrap()
}

#[test]
fn uniqueness_remembers_no_more_than_it_may() {
    let unique = "- { name: n, logicalType: integer, quality: [{ metric: duplicateValues, mustBe: 0 }] }";
    let checks = Checks::new(&product(unique, "")).unwrap();
    let mut totals = checks.totals().with_remembered(100);
    let mut add = |values: std::ops::Range<i64>| {
        totals.add(&checks.run(&numbers(values)).unwrap()).unwrap();
        let verdict = totals
            .verdicts(0)
            .into_iter()
            .find(|verdict| verdict.check.name == "n_unique")
            .map(|verdict| (verdict.status, verdict.unexpected_count, verdict.complete));
        verdict.unwrap()
    };
    assert_eq!(add(0..100), (Status::Success, 0, true));
    // Nobody knows these any more ..
    assert_eq!(add(100..150), (Status::Success, 0, false));
    assert_eq!(add(100..150), (Status::Success, 0, false));
    // .. but these.
    assert_eq!(add(50..51), (Status::Failure, 2, false));
    totals.next_window();
    let verdicts = totals.verdicts(0);
    let after = verdicts
        .iter()
        .find(|verdict| verdict.check.name == "n_unique")
        .unwrap();
    assert_eq!(
        (after.status, after.element_count, after.complete),
        (Status::Success, 0, true)
    );
}

#[test]
fn freshness_is_that_of_the_newest_row() {
    const MINUTE: i64 = 60_000_000;
    let checks = Checks::new(&product("", "")).unwrap();
    let mut totals = checks.totals();
    let status = |totals: &crate::Totals, now: i64| totals.verdicts(now)[0].status;
    assert_eq!(status(&totals, 0), Status::NotRun);
    assert!(totals.newest("cuando_fresh", 0) && !totals.newest("otro", 0));
    assert_eq!(status(&totals, 5 * MINUTE), Status::Success);
    assert_eq!(status(&totals, 5 * MINUTE + 1), Status::Failure);
    totals.next_window();
    assert_eq!(status(&totals, 5 * MINUTE + 1), Status::Failure);
    // A row from tomorrow says nothing.
    assert!(totals.newest("cuando_fresh", i64::MAX));
    assert_eq!(status(&totals, i64::MIN), Status::Failure);
    assert_eq!(totals.verdicts(0)[0].unexpected_count, 1);
}

/// What a caller counted in a table is judged as if a batch had said it; what it could not count is not judged.
#[test]
fn what_a_caller_found_is_judged_and_shown_like_a_batch() {
    let unique = "- { name: n, logicalType: integer, quality: [{ metric: duplicateValues, mustBe: 0 }] }";
    let checks = Checks::new(&product(unique, "")).unwrap();
    let mut totals = checks.totals();
    let found = Found {
        elements: 10,
        unexpected: 4,
        ..Found::default()
    };
    assert!(totals.found("n_unique", found, Some(&numbers([7, 9]))).unwrap());
    assert!(!totals.found("nobody", found, None).unwrap());
    let told = |totals: &crate::Totals| {
        let verdicts = totals.verdicts(0);
        let verdict = verdicts
            .iter()
            .find(|verdict| verdict.check.name == "n_unique")
            .unwrap();
        let shown = verdict
            .partial_unexpected_list()
            .map(|values| format!("{values:?}"));
        (verdict.status, verdict.unexpected_count, shown)
    };
    assert_eq!(
        told(&totals),
        (Status::Failure, 4, Some("[Number(7), Number(9)]".to_owned()))
    );
    assert!(totals.not_run("n_unique"));
    assert_eq!(told(&totals).0, Status::NotRun);
}
