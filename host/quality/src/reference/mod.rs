//! What the checks mean, row by row and slowly, and the law that the fast ones agree, on whatever batch.

use std::sync::Arc;

use arrow_array::{
    ArrayRef, BooleanArray, Date32Array, Decimal128Array, Float64Array, Int32Array, Int64Array, RecordBatch,
    StringArray, TimestampMicrosecondArray,
};
use malla_contract::{
    Check, CheckKind, CheckSeverity, ColumnType, IgnoreRow, Literal, MustBe, Number, Table, Unit,
};
use proptest::prelude::*;
use proptest::sample::select;

use crate::tests::{column, table};
use crate::{Checks, Status};
use judge::{Says, counts, judged, of, rejects};

mod judge;

#[derive(Debug, Clone, PartialEq)]
enum Cell {
    Null,
    Truth(bool),
    Whole(i64),
    Decimal(i128, u32),
    Float(f64),
    Text(String),
}

const DECIMAL: ColumnType = ColumnType::Decimal {
    precision: 18,
    scale: 2,
};
const FINE: ColumnType = ColumnType::Decimal {
    precision: 10,
    scale: 4,
};
const COLUMNS: [(&str, ColumnType); 10] = [
    ("activo", ColumnType::Boolean),
    ("cuenta", ColumnType::Int32),
    ("total", ColumnType::Int64),
    ("razon", ColumnType::Float64),
    ("monto", DECIMAL),
    ("costo", FINE),
    ("texto", ColumnType::Utf8),
    ("dia", ColumnType::Date),
    ("inicio", ColumnType::Timestamp),
    ("fin", ColumnType::Timestamp),
];
const TEXTS: [&str; 8] = [
    "",
    "a",
    "ab",
    "b1",
    "12345678",
    "123456789",
    "ñandú",
    "a text that is longer than eight bytes",
];
const PATTERNS: [&str; 5] = ["^a", "b.?$", "^[0-9]{8}$", "ñ", "(?i)^A TEXT"];

/// A few values of each type, so that they meet.
fn cell(ty: ColumnType) -> BoxedStrategy<Cell> {
    let value = match ty {
        ColumnType::Boolean => any::<bool>().prop_map(Cell::Truth).boxed(),
        ColumnType::Int32 | ColumnType::Date => {
            select(vec![-2, -1, 0, 1, 2, i64::from(i32::MIN), i64::from(i32::MAX)])
                .prop_map(Cell::Whole)
                .boxed()
        }
        ColumnType::Int64 | ColumnType::Timestamp => {
            select(vec![-2, -1, 0, 1, 2, 3_000_000_000, i64::MIN, i64::MAX])
                .prop_map(Cell::Whole)
                .boxed()
        }
        ColumnType::Float64 => select(vec![
            0.0,
            -0.0,
            1.5,
            -1.5,
            0.1,
            f64::NAN,
            f64::INFINITY,
            f64::NEG_INFINITY,
        ])
        .prop_map(Cell::Float)
        .boxed(),
        ColumnType::Decimal { scale, precision } => {
            let most = 10_i128.pow(precision.into()) - 1;
            let one = 10_i128.pow(scale.into());
            select(vec![0, one, -one, one + one / 2, 2 * one, most, -most])
                .prop_map(move |unscaled| Cell::Decimal(unscaled, scale.into()))
                .boxed()
        }
        ColumnType::Utf8 => select(&TEXTS[..])
            .prop_map(|text| Cell::Text(text.into()))
            .boxed(),
    };
    prop_oneof![1 => Just(Cell::Null), 5 => value].boxed()
}

fn literal(ty: ColumnType) -> BoxedStrategy<Literal> {
    cell(ty)
        .prop_filter_map("not null and finite", move |cell| match cell {
            Cell::Null => None,
            Cell::Truth(truth) => Some(Literal::Truth(truth)),
            Cell::Whole(number) => Some(match ty {
                ColumnType::Date => Literal::Date(i32::try_from(number).unwrap()),
                ColumnType::Timestamp => Literal::Timestamp(number),
                _ => Literal::Integer(number),
            }),
            Cell::Decimal(unscaled, scale) => Some(Literal::Decimal(unscaled, u8::try_from(scale).unwrap())),
            Cell::Float(number) => number.is_finite().then_some(Literal::Float(number)),
            Cell::Text(text) => Some(Literal::Text(text)),
        })
        .boxed()
}

fn any_column() -> impl Strategy<Value = (&'static str, ColumnType)> {
    select(&COLUMNS[..])
}

fn kind() -> impl Strategy<Value = CheckKind> {
    let set =
        |(name, ty): (&'static str, ColumnType)| (Just(name), prop::collection::vec(literal(ty), 1..24));
    let ordered = any_column().prop_filter("an order", |(_, ty)| {
        !matches!(ty, ColumnType::Utf8 | ColumnType::Boolean)
    });
    let bounds = |(name, ty): (&'static str, ColumnType)| {
        let bound = || prop::option::of(literal(ty));
        (Just(name), bound(), bound(), any::<bool>(), any::<bool>())
    };
    let numbers = select(vec!["cuenta", "total", "monto", "costo"]);
    let pairs = prop_oneof![
        3 => (numbers.clone(), numbers),
        1 => Just(("inicio", "fin")),
        1 => Just(("razon", "razon")),
    ];
    let ignore = select(vec![IgnoreRow::BothNull, IgnoreRow::EitherNull, IgnoreRow::Never]);
    prop_oneof![
        any_column().prop_map(|(name, _)| CheckKind::NotNull { column: name.into() }),
        (any_column().prop_flat_map(set), any::<bool>()).prop_map(|((name, values), null)| {
            CheckKind::NotMissing {
                column: name.into(),
                values,
                null,
            }
        }),
        any_column()
            .prop_flat_map(set)
            .prop_map(|(name, values)| CheckKind::Valid {
                column: name.into(),
                values: Some(values),
                pattern: None,
            }),
        (
            prop::option::of(prop::collection::vec(literal(ColumnType::Utf8), 1..4)),
            select(&PATTERNS[..])
        )
            .prop_map(|(values, pattern)| CheckKind::Valid {
                column: "texto".into(),
                values,
                pattern: Some(pattern.into()),
            }),
        ordered
            .prop_flat_map(bounds)
            .prop_map(|(name, min, max, strict_min, strict_max)| CheckKind::Between {
                column: name.into(),
                min,
                max,
                strict_min,
                strict_max,
            }),
        (pairs, any::<bool>(), ignore).prop_map(|((a, b), or_equal, ignore)| CheckKind::PairGreater {
            a: a.into(),
            b: b.into(),
            or_equal,
            ignore,
        }),
        prop::sample::subsequence(COLUMNS.map(|(name, _)| name).to_vec(), 1..4).prop_map(|names| {
            CheckKind::Unique {
                columns: names.into_iter().map(str::to_owned).collect(),
            }
        }),
        Just(CheckKind::RowCount),
        Just(CheckKind::Fresh {
            column: "fin".into(),
            within: 1
        }),
    ]
}

fn check() -> impl Strategy<Value = Check> {
    let zero = (MustBe::Equal(Number::from(0)), Unit::Rows);
    let tolerance = prop_oneof![
        3 => Just(zero),
        1 => (0..101_u64).prop_map(|most| (MustBe::LessOrEqual(Number::from(most)), Unit::Percent)),
        1 => (1..9_u64).prop_map(|less| (MustBe::Less(Number::from(less)), Unit::Rows)),
        1 => (0..9_u64).prop_map(|more| (MustBe::Greater(Number::from(more)), Unit::Rows)),
    ];
    let severity = select(vec![CheckSeverity::Error, CheckSeverity::Warning]);
    (kind(), tolerance, severity).prop_map(|(kind, (comparison, unit), severity)| Check {
        name: String::new(),
        kind,
        comparison,
        unit,
        severity,
        dimension: None,
        description: None,
        line: 1,
    })
}

fn row() -> impl Strategy<Value = Vec<Cell>> {
    COLUMNS.map(|(_, ty)| cell(ty)).to_vec()
}

fn array(rows: &[Vec<Cell>], place: usize) -> ArrayRef {
    fn each<T>(rows: &[Vec<Cell>], place: usize, of: impl Fn(&Cell) -> Option<T>) -> Vec<Option<T>> {
        rows.iter().map(|row| of(&row[place])).collect()
    }
    let whole = |cell: &Cell| match cell {
        Cell::Whole(number) => Some(*number),
        _ => None,
    };
    let small = |cell: &Cell| whole(cell).map(|number| i32::try_from(number).unwrap());
    match COLUMNS[place].1 {
        ColumnType::Boolean => Arc::new(BooleanArray::from(each(rows, place, |cell| match cell {
            Cell::Truth(truth) => Some(*truth),
            _ => None,
        }))),
        ColumnType::Int32 => Arc::new(Int32Array::from(each(rows, place, small))),
        ColumnType::Date => Arc::new(Date32Array::from(each(rows, place, small))),
        ColumnType::Int64 => Arc::new(Int64Array::from(each(rows, place, whole))),
        ColumnType::Timestamp => {
            Arc::new(TimestampMicrosecondArray::from(each(rows, place, whole)).with_timezone("UTC"))
        }
        ColumnType::Float64 => Arc::new(Float64Array::from(each(rows, place, |cell| match cell {
            Cell::Float(number) => Some(*number),
            _ => None,
        }))),
        ColumnType::Decimal { precision, scale } => {
            let values = each(rows, place, |cell| match cell {
                Cell::Decimal(unscaled, _) => Some(*unscaled),
                _ => None,
            });
            let array = Decimal128Array::from(values);
            let scale = i8::try_from(scale).unwrap();
            Arc::new(array.with_precision_and_scale(precision, scale).unwrap())
        }
        ColumnType::Utf8 => Arc::new(StringArray::from(each(rows, place, |cell| match cell {
            Cell::Text(text) => Some(text.clone()),
            _ => None,
        }))),
    }
}

fn batch(rows: &[Vec<Cell>]) -> RecordBatch {
    let columns = (0..COLUMNS.len())
        .rev()
        .map(|place| (COLUMNS[place].0, array(rows, place)));
    RecordBatch::try_from_iter_with_nullable(columns.map(|(name, array)| (name, array, true))).unwrap()
}

fn with(checks: Vec<Check>) -> Table {
    let mut table = table(COLUMNS.map(|(name, ty)| column(name, ty)).to_vec());
    table.quality = checks;
    for (place, check) in table.quality.iter_mut().enumerate() {
        check.name = format!("check_{place}");
    }
    table
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn a_batch_is_judged_as_its_rows_are(
        all in prop::collection::vec(row(), 0..150),
        checks in prop::collection::vec(check(), 1..6),
        cut in any::<(prop::sample::Index, prop::sample::Index)>(),
    ) {
        let table = with(checks);
        let compiled = Checks::new(&table).unwrap();
        let (from, to) = (cut.0.index(all.len() + 1), cut.1.index(all.len() + 1));
        let (from, to) = (from.min(to), from.max(to));
        let rows: Vec<&Vec<Cell>> = all[from..to].iter().collect();
        let report = compiled.run(&batch(&all).slice(from, to - from)).unwrap();

        let remain: Vec<&Vec<Cell>> = rows
            .iter()
            .filter(|row| !table.quality.iter().any(|check| rejects(check, row)))
            .copied()
            .collect();
        for (check, outcome) in report.outcomes() {
            let looked_at = if check.is_row_level() { &rows } else { &remain };
            prop_assert_eq!(
                (outcome.element_count, outcome.missing_count, outcome.unexpected_count),
                counts(check, looked_at),
                "{:?}", check
            );
            prop_assert_eq!(outcome.failing.is_some(), check.is_row_level());
            for (place, row) in rows.iter().enumerate().filter(|_| check.is_row_level()) {
                let bad = judged(&check.kind, row) == Some(Says::Bad);
                prop_assert_eq!(outcome.failing.as_ref().unwrap().value(place), bad, "{:?} {:?}", check, row);
            }
            let shown = outcome.partial_unexpected_list();
            let countable = !matches!(check.kind, CheckKind::RowCount | CheckKind::Fresh { .. });
            prop_assert_eq!(shown.map(<[_]>::len), countable.then_some(outcome.unexpected_count.min(20) as usize));
        }
        let rejections: Vec<(usize, &str)> =
            report.rejections().map(|(row, check)| (row, check.name.as_str())).collect();
        let expected: Vec<(usize, &str)> = rows
            .iter()
            .enumerate()
            .filter_map(|(place, row)| {
                let broken = table.quality.iter().find(|check| rejects(check, row))?;
                Some((place, broken.name.as_str()))
            })
            .collect();
        prop_assert_eq!(rejections, expected);
    }

    #[test]
    fn batches_together_are_judged_as_one(
        rows in prop::collection::vec(row(), 0..120),
        checks in prop::collection::vec(check(), 1..5),
        pieces in prop::collection::vec(any::<prop::sample::Index>(), 0..4),
        merged in any::<prop::sample::Index>(),
    ) {
        let table = with(checks);
        let compiled = Checks::new(&table).unwrap();
        let mut cuts: Vec<usize> = pieces.iter().map(|at| at.index(rows.len() + 1)).collect();
        cuts.extend([0, rows.len()]);
        cuts.sort_unstable();
        let whole = batch(&rows);
        // Two workers, whose sums are added up at the end.
        let (mut one, mut other) = (compiled.totals(), compiled.totals());
        let switch = merged.index(cuts.len());
        for (place, ends) in cuts.windows(2).enumerate() {
            let report = compiled.run(&whole.slice(ends[0], ends[1] - ends[0])).unwrap();
            let side = if place < switch { &mut one } else { &mut other };
            side.add(&report).unwrap();
        }
        one.merge(&other).unwrap();

        let remain: Vec<&Vec<Cell>> = rows
            .iter()
            .filter(|row| !table.quality.iter().any(|check| rejects(check, row)))
            .collect();
        let all: Vec<&Vec<Cell>> = rows.iter().collect();
        for verdict in one.verdicts(0) {
            let check = verdict.check;
            let (elements, missing, bad) = counts(check, if check.is_row_level() { &all } else { &remain });
            prop_assert_eq!((verdict.element_count, verdict.missing_count), (elements, missing));
            prop_assert!(verdict.complete);
            let status = |kept: bool| if kept { Status::Success } else { Status::Failure };
            let expected = match &check.kind {
                CheckKind::RowCount => status(check.comparison.holds(elements.into())),
                CheckKind::Fresh { within, .. } => {
                    let newest = remain.iter().filter_map(|row| match of(row, "fin") {
                        Cell::Whole(micros) => Some(i128::from(*micros)),
                        _ => None,
                    });
                    match newest.max() {
                        Some(newest) => status(newest.abs() <= i128::from(*within) * 1_000_000),
                        None => Status::NotRun,
                    }
                }
                _ => {
                    prop_assert_eq!(verdict.unexpected_count, bad);
                    status(match check.unit {
                        Unit::Rows => check.comparison.holds(bad.into()),
                        Unit::Percent => check.comparison.holds_percent(bad, elements - missing),
                    })
                }
            };
            prop_assert_eq!(verdict.status, expected, "{:?}", check);
        }
    }
}
