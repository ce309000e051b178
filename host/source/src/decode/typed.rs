//! A value that has a type already, of a binary format, to one cell of a column.

use std::borrow::Cow;

use malla_contract::ColumnType;

use super::decimal::{DecimalError, parse_decimal, rescale};
use super::rule;
use super::time::{is_day, is_time, parse_date, parse_timestamp};
use super::value::{Cell, Misfit, misfit_of_decimal, out_of_range};

/// A value as its message has it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Value<'a> {
    Null,
    Boolean(bool),
    Integer(i64),
    Float(f64),
    Text(Cow<'a, str>),
    /// Times ten to the power of the scale.
    Decimal(i128, u32),
    Days(i64),
    Micros(i64),
    /// Binary, of which no column is.
    Bytes,
    TooLarge,
}

/// What does not fit carries nothing of the value.
pub(crate) fn fit(value: Value<'_>, column: ColumnType) -> Result<Cell<'_>, Misfit> {
    let wrong = |found| Misfit::new(rule::WRONG_TYPE, format!("expected `{column}`, found {found}"));
    let range = |message| Err(Misfit::new(rule::OUT_OF_RANGE, message));
    match (column, value) {
        (_, Value::Null) => Ok(Cell::Null),
        (_, Value::TooLarge) => range("more than a column can hold"),
        (ColumnType::Boolean, Value::Boolean(value)) => Ok(Cell::Boolean(value)),
        (ColumnType::Int32, Value::Integer(value)) => match i32::try_from(value) {
            Ok(_) => Ok(Cell::Integer(value)),
            Err(_) => Err(out_of_range(i64::from(i32::MIN), i64::from(i32::MAX))),
        },
        (ColumnType::Int64, Value::Integer(value)) => Ok(Cell::Integer(value)),
        (ColumnType::Float64, Value::Float(value)) if value.is_finite() => Ok(Cell::Float(value)),
        (ColumnType::Float64, Value::Float(_)) => range("not a finite number"),
        #[expect(
            clippy::cast_precision_loss,
            reason = "a double is what the contract asks for"
        )]
        (ColumnType::Float64, Value::Integer(value)) => Ok(Cell::Float(value as f64)),
        (ColumnType::Decimal { precision, scale }, Value::Decimal(unscaled, from)) => {
            decimal(unscaled, from, precision, scale)
        }
        (ColumnType::Decimal { precision, scale }, Value::Integer(value)) => {
            decimal(i128::from(value), 0, precision, scale)
        }
        (ColumnType::Decimal { precision, scale }, Value::Text(text)) => {
            parse_decimal(&text, precision, scale)
                .map(Cell::Decimal)
                .map_err(|error| misfit_of_decimal(error, precision, scale))
        }
        (ColumnType::Utf8, Value::Text(text)) => Ok(Cell::Text(text)),
        (ColumnType::Date, Value::Days(days)) => match i32::try_from(days) {
            Ok(days) if is_day(days) => Ok(Cell::Days(days)),
            _ => range("not in the years 0 to 9999"),
        },
        (ColumnType::Date, Value::Text(text)) => parse_date(&text)
            .map(Cell::Days)
            .ok_or_else(|| Misfit::new(rule::INVALID_DATE, "expected a date as YYYY-MM-DD")),
        (ColumnType::Timestamp, Value::Micros(micros)) if is_time(micros) => Ok(Cell::Micros(micros)),
        (ColumnType::Timestamp, Value::Micros(_)) => range("not in the years 0 to 9999"),
        (ColumnType::Timestamp, Value::Text(text)) => {
            parse_timestamp(&text).map(Cell::Micros).ok_or_else(|| {
                Misfit::new(
                    rule::INVALID_TIMESTAMP,
                    "expected a time as RFC 3339 with an offset",
                )
            })
        }
        (_, Value::Boolean(_)) => Err(wrong("a boolean")),
        (_, Value::Integer(_)) => Err(wrong("a whole number")),
        (_, Value::Float(_)) => Err(wrong("a floating-point number")),
        (_, Value::Text(_)) => Err(wrong("text")),
        (_, Value::Decimal(..)) => Err(wrong("a decimal")),
        (_, Value::Days(_)) => Err(wrong("a date")),
        (_, Value::Micros(_)) => Err(wrong("a time")),
        (_, Value::Bytes) => Err(wrong("bytes")),
    }
}

fn decimal(unscaled: i128, from: u32, precision: u8, scale: u8) -> Result<Cell<'static>, Misfit> {
    rescale(unscaled, from, precision, scale)
        .map(Cell::Decimal)
        .map_err(|error: DecimalError| misfit_of_decimal(error, precision, scale))
}
