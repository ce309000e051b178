//! Values that are compared with those of a column, and patterns.

use std::cmp::Ordering;

use crate::civil::{self, Date};
use crate::errors::{ContractErrors, shown};
use crate::quality::decimal;
use crate::yaml::{At, Kind, Scalar, Value};
use crate::{Column, ColumnType, Literal};

const MAX_VALUES: usize = 10_000;
/// Longest pattern, in bytes.
const MAX_PATTERN: usize = 1000;

/// A value of a column's type.
pub(super) fn literal(at: &At<'_>, column: &Column, errors: &mut ContractErrors) -> Option<Literal> {
    let found = match &at.node.value {
        Value::Refused => return None,
        Value::Scalar(scalar) => of_type(at, scalar, column.ty),
        _ => None,
    };
    if found.is_none() {
        let shown = match &at.node.value {
            Value::Scalar(scalar) => format!("`{}`", shown(&scalar.text)),
            Value::List(_) => "a list".to_owned(),
            _ => "a map".to_owned(),
        };
        let wrong = format!(
            "{shown} is no value of `{}`, which is of type `{}`",
            column.name, column.ty
        );
        at.error(errors, wrong, remedy(column.ty));
    }
    found
}

fn of_type(at: &At<'_>, scalar: &Scalar, ty: ColumnType) -> Option<Literal> {
    let is_number = matches!(scalar.kind(), Kind::Integer | Kind::Number);
    match ty {
        ColumnType::Boolean => at.truth().map(Literal::Truth),
        ColumnType::Int32 => {
            let number = at.integer()?;
            i32::try_from(number).ok().map(|_| Literal::Integer(number))
        }
        ColumnType::Int64 => at.integer().map(Literal::Integer),
        ColumnType::Float64 => {
            let number: f64 = scalar.text.parse().ok()?;
            (is_number && number.is_finite()).then_some(Literal::Float(number))
        }
        ColumnType::Decimal { precision, scale } => {
            // In quotes too: so it stays exact in the hands of other tools.
            let fits = is_number || scalar.kind() == Kind::Text;
            let (unscaled, own) = decimal(&scalar.text).filter(|_| fits)?;
            let power = 10_i128.checked_pow(scale.checked_sub(own)?.into())?;
            let unscaled = unscaled.checked_mul(power)?;
            let most = 10_i128.checked_pow(precision.into())?;
            (unscaled > -most && unscaled < most).then_some(Literal::Decimal(unscaled, scale))
        }
        ColumnType::Utf8 => at.text().map(|text| Literal::Text(text.to_owned())),
        ColumnType::Date => {
            let date: Date = at.text()?.parse().ok()?;
            Some(Literal::Date(date.days()))
        }
        ColumnType::Timestamp => civil::timestamp(at.text()?).map(Literal::Timestamp),
    }
}

fn remedy(ty: ColumnType) -> String {
    match ty {
        ColumnType::Boolean => "write true or false".into(),
        ColumnType::Int32 | ColumnType::Int64 => "write a whole number that fits".into(),
        ColumnType::Float64 => "write a number".into(),
        ColumnType::Decimal { precision, scale } => {
            format!("write at most {precision} digits, at most {scale} of them after the point")
        }
        ColumnType::Utf8 => "put it in quotes to make it a text".into(),
        ColumnType::Date => "write it in quotes, such as \"2026-12-31\"".into(),
        ColumnType::Timestamp => "write it in quotes, such as \"2026-12-31T23:59:59Z\"".into(),
    }
}

/// A list of values, at least one.
pub(super) fn literals(at: &At<'_>, column: &Column, errors: &mut ContractErrors) -> Option<Vec<Literal>> {
    not_empty(at, errors)?;
    at.items_up_to(MAX_VALUES, errors)
        .map(|item| literal(&item, column, errors))
        .collect::<Vec<_>>()
        .into_iter()
        .collect()
}

/// Whether it is a list that holds something.
pub(super) fn not_empty(at: &At<'_>, errors: &mut ContractErrors) -> Option<()> {
    match &at.node.value {
        Value::List(items) if !items.is_empty() => return Some(()),
        Value::Refused => {}
        Value::List(_) => at.error(errors, "an empty list", "write at least one value"),
        _ => at.error(errors, "is no list", "write a list, such as `[a, b]`"),
    }
    None
}

/// Which of two values of one column is greater.
pub(super) fn order(a: &Literal, b: &Literal) -> Option<Ordering> {
    match (a, b) {
        (Literal::Integer(a), Literal::Integer(b)) => Some(a.cmp(b)),
        (Literal::Decimal(a, _), Literal::Decimal(b, _)) => Some(a.cmp(b)),
        (Literal::Float(a), Literal::Float(b)) => a.partial_cmp(b),
        (Literal::Date(a), Literal::Date(b)) => Some(a.cmp(b)),
        (Literal::Timestamp(a), Literal::Timestamp(b)) => Some(a.cmp(b)),
        _ => None,
    }
}

/// A pattern for a text column.
pub(super) fn pattern(at: &At<'_>, column: &Column, errors: &mut ContractErrors) -> Option<String> {
    if column.ty != ColumnType::Utf8 {
        let wrong = format!(
            "a pattern for `{}`, which is of type `{}`",
            column.name, column.ty
        );
        let remedy = "patterns are for text: use `expect_column_values_to_be_between`, or list values";
        at.error(errors, wrong, remedy);
        return None;
    }
    let Some(text) = at.text() else {
        at.error(errors, "the pattern is no text", "write it in quotes");
        return None;
    };
    if text.is_empty() || text.len() > MAX_PATTERN {
        let wrong = format!("a pattern of {} bytes", text.len());
        at.error(errors, wrong, format!("write 1 to {MAX_PATTERN} bytes"));
        return None;
    }
    if let Some(why) = fault(text) {
        let wrong = format!("`{}` is no pattern: {why}", shown(text));
        let remedy = "use the syntax of https://docs.rs/regex: no look-around, no back-references";
        at.error(errors, wrong, remedy);
        return None;
    }
    Some(text.to_owned())
}

/// Why a text is no pattern. Only its syntax is looked at: which characters a class holds, and how large it gets, costs far
/// more than its length says, and is for whoever compiles it.
#[cfg(feature = "patterns")]
fn fault(text: &str) -> Option<String> {
    let parsed = regex_syntax::ast::parse::Parser::new().parse(text);
    parsed.err().map(|error| error.kind().to_string())
}

#[cfg(not(feature = "patterns"))]
fn fault(_: &str) -> Option<String> {
    None
}
