//! What a check says of a row, as obviously as it can be written.

use malla_contract::{Check, CheckKind, CheckSeverity, IgnoreRow, Literal};

use super::{COLUMNS, Cell};

/// What a check says of a row.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Says {
    PassedOver,
    Good,
    Bad,
}

fn says(bad: bool) -> Says {
    if bad { Says::Bad } else { Says::Good }
}

pub(super) fn of<'r>(row: &'r [Cell], name: &str) -> &'r Cell {
    &row[COLUMNS.iter().position(|(own, _)| *own == name).unwrap()]
}

fn order(a: &Cell, b: &Cell) -> Option<std::cmp::Ordering> {
    let exact = |cell: &Cell| match cell {
        Cell::Whole(number) => Some(i128::from(*number) * 10_000),
        Cell::Decimal(unscaled, scale) => Some(unscaled * 10_i128.pow(4 - scale)),
        _ => None,
    };
    match (a, b) {
        (Cell::Float(a), Cell::Float(b)) => a.partial_cmp(b),
        _ => Some(exact(a)?.cmp(&exact(b)?)),
    }
}

fn is(cell: &Cell, literal: &Literal) -> bool {
    match (cell, literal) {
        (Cell::Text(a), Literal::Text(b)) => a == b,
        (Cell::Truth(a), Literal::Truth(b)) => a == b,
        _ => order(cell, &as_cell(literal)) == Some(std::cmp::Ordering::Equal),
    }
}

fn as_cell(literal: &Literal) -> Cell {
    match literal {
        Literal::Truth(truth) => Cell::Truth(*truth),
        Literal::Integer(number) | Literal::Timestamp(number) => Cell::Whole(*number),
        Literal::Date(days) => Cell::Whole((*days).into()),
        Literal::Decimal(unscaled, scale) => Cell::Decimal(*unscaled, (*scale).into()),
        Literal::Float(number) => Cell::Float(*number),
        Literal::Text(text) => Cell::Text(text.clone()),
    }
}

/// What a check says of a row by itself; of others than the row-wise kinds nothing.
pub(super) fn judged(kind: &CheckKind, row: &[Cell]) -> Option<Says> {
    let null = |name: &str| *of(row, name) == Cell::Null;
    Some(match kind {
        CheckKind::NotNull { column } => says(null(column)),
        CheckKind::NotMissing {
            column,
            values,
            null: counts,
        } => match null(column) {
            true if *counts => Says::Bad,
            true => Says::PassedOver,
            false => says(values.iter().any(|value| is(of(row, column), value))),
        },
        CheckKind::Valid { column, .. } | CheckKind::Between { column, .. } if null(column) => {
            Says::PassedOver
        }
        CheckKind::Valid {
            column,
            values,
            pattern,
        } => {
            let stranger = values
                .as_ref()
                .is_some_and(|values| !values.iter().any(|value| is(of(row, column), value)));
            let unmatched = pattern.as_ref().is_some_and(|pattern| match of(row, column) {
                Cell::Text(text) => !regex::Regex::new(pattern).unwrap().is_match(text),
                other => panic!("{other:?}"),
            });
            says(stranger || unmatched)
        }
        CheckKind::Between {
            column,
            min,
            max,
            strict_min,
            strict_max,
        } => {
            let cell = of(row, column);
            let good = |bound: &Option<Literal>, strict: bool, side: std::cmp::Ordering| {
                bound
                    .as_ref()
                    .is_none_or(|bound| match order(cell, &as_cell(bound)) {
                        Some(std::cmp::Ordering::Equal) => !strict,
                        other => other == Some(side),
                    })
            };
            let nan = matches!(cell, Cell::Float(number) if number.is_nan());
            says(
                nan || !good(min, *strict_min, std::cmp::Ordering::Greater)
                    || !good(max, *strict_max, std::cmp::Ordering::Less),
            )
        }
        CheckKind::PairGreater {
            a,
            b,
            or_equal,
            ignore,
        } => match (null(a), null(b), ignore) {
            (true, true, IgnoreRow::BothNull) => Says::PassedOver,
            (true, _, IgnoreRow::EitherNull) | (_, true, IgnoreRow::EitherNull) => Says::PassedOver,
            (true, _, _) | (_, true, _) => Says::Bad,
            _ => says(match order(of(row, a), of(row, b)) {
                Some(std::cmp::Ordering::Greater) => false,
                Some(std::cmp::Ordering::Equal) => !or_equal,
                _ => true,
            }),
        },
        _ => return None,
    })
}

/// The same value to uniqueness: nulls and NaN are like themselves.
fn same(a: &Cell, b: &Cell) -> bool {
    match (a, b) {
        (Cell::Float(a), Cell::Float(b)) => a == b || (a.is_nan() && b.is_nan()),
        _ => a == b,
    }
}

fn unique(columns: &[String], rows: &[&Vec<Cell>]) -> Vec<Says> {
    let all_null = |row: &Vec<Cell>| columns.iter().all(|name| *of(row, name) == Cell::Null);
    let equal = |a: &Vec<Cell>, b: &Vec<Cell>| columns.iter().all(|name| same(of(a, name), of(b, name)));
    let one = |(place, row): (usize, &&Vec<Cell>)| {
        if all_null(row) {
            return Says::PassedOver;
        }
        let mut others = rows.iter().enumerate().filter(|(other, _)| *other != place);
        says(others.any(|(_, other)| equal(row, other)))
    };
    rows.iter().enumerate().map(one).collect()
}

/// Rows looked at, passed over, and bad.
pub(super) fn counts(check: &Check, rows: &[&Vec<Cell>]) -> (u64, u64, u64) {
    let said: Vec<Says> = match &check.kind {
        CheckKind::Unique { columns } => unique(columns, rows),
        kind => rows
            .iter()
            .map(|row| judged(kind, row).unwrap_or(Says::Good))
            .collect(),
    };
    let count = |wanted: Says| said.iter().filter(|says| **says == wanted).count() as u64;
    (rows.len() as u64, count(Says::PassedOver), count(Says::Bad))
}

pub(super) fn rejects(check: &Check, row: &[Cell]) -> bool {
    check.is_row_level()
        && check.severity == CheckSeverity::Error
        && judged(&check.kind, row) == Some(Says::Bad)
}
