//! One Avro value to one cell of a column.

use std::borrow::Cow;
use std::fmt::Write as _;

use malla_contract::ColumnType;

use super::input::{Input, MAX_DEPTH, too_deep};
use super::schema::{Schema, Type, Unit};
use crate::decode::decimal::decimal_text;
use crate::decode::object::Flaw;
use crate::decode::rule;
use crate::decode::time::{date_text, timestamp_text};
use crate::decode::typed::{Value, fit};
use crate::decode::value::{Cell, Misfit};

/// A byte of a message can stand for a long word.
const MAX_TEXT: usize = 64 << 20;

/// Reads a value for a column. The outer error is of the message, the inner one of the value.
pub(crate) fn read<'a>(
    schema: &Schema,
    ty: &Type,
    input: &mut Input<'a>,
    column: ColumnType,
) -> Result<Result<Cell<'a>, Misfit>, Flaw> {
    Ok(fit(value(schema, ty, input)?, column))
}

fn value<'a>(schema: &Schema, ty: &Type, input: &mut Input<'a>) -> Result<Value<'a>, Flaw> {
    Ok(match ty {
        Type::Null => Value::Null,
        Type::Boolean => Value::Boolean(input.boolean()?),
        Type::Int => Value::Integer(input.int()?),
        Type::Long => Value::Integer(input.long()?),
        Type::Float => Value::Float(input.float()?),
        Type::Double => Value::Float(input.double()?),
        Type::Bytes => {
            input.bytes()?;
            Value::Bytes
        }
        Type::Fixed(size) => {
            input.take(*size)?;
            Value::Bytes
        }
        Type::Text => Value::Text(Cow::Borrowed(input.text()?)),
        Type::Enum(symbols) => Value::Text(Cow::Owned(input.choice(symbols)?.clone())),
        Type::Union(branches) => {
            let branch = input.choice(branches)?;
            return value(schema, branch, input);
        }
        Type::Decimal { size, scale } => {
            let bytes = match size {
                Some(size) => input.take(*size)?,
                None => input.bytes()?,
            };
            twos_complement(bytes).map_or(Value::TooLarge, |unscaled| Value::Decimal(unscaled, *scale))
        }
        Type::Date => Value::Days(input.int()?),
        Type::Timestamp(unit) => micros(input.long()?, *unit).map_or(Value::TooLarge, Value::Micros),
        Type::Uuid => Value::Text(Cow::Owned(uuid(&input.array()?))),
        Type::Array(_) | Type::Map(_) | Type::Record(_) => {
            let mut text = String::new();
            write_json(schema, ty, input, &mut text, 0)?;
            Value::Text(Cow::Owned(text))
        }
    })
}

/// The number, if 128 bits hold it.
fn twos_complement(bytes: &[u8]) -> Option<i128> {
    let negative = bytes.first().is_some_and(|first| *first >= 0x80);
    let fill = if negative { 0xFF } else { 0 };
    let (spare, low) = bytes.split_at_checked(bytes.len().saturating_sub(16))?;
    if spare.iter().any(|byte| *byte != fill) {
        return None;
    }
    let mut whole = [fill; 16];
    for (to, from) in whole.iter_mut().rev().zip(low.iter().rev()) {
        *to = *from;
    }
    let value = i128::from_be_bytes(whole);
    ((value < 0) == negative).then_some(value)
}

fn micros(value: i64, unit: Unit) -> Option<i64> {
    match unit {
        Unit::Millis => value.checked_mul(1000),
        Unit::Micros => Some(value),
        Unit::Nanos => Some(value.div_euclid(1000)),
    }
}

fn uuid(bytes: &[u8; 16]) -> String {
    let mut text = String::with_capacity(36);
    for (index, byte) in bytes.iter().enumerate() {
        if matches!(index, 4 | 6 | 8 | 10) {
            text.push('-');
        }
        // Writing to a `String` cannot fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}

/// A value as JSON text, for text columns that keep what is nested.
fn write_json(
    schema: &Schema,
    ty: &Type,
    input: &mut Input<'_>,
    out: &mut String,
    depth: usize,
) -> Result<(), Flaw> {
    if depth > MAX_DEPTH {
        return Err(too_deep(input.at()));
    }
    if out.len() > MAX_TEXT {
        let message = "more than 64 MiB of nested text";
        return Err(Flaw::of_line(rule::OUT_OF_RANGE, Some(input.at() + 1), message));
    }
    match ty {
        Type::Union(branches) => {
            let branch = input.choice(branches)?;
            write_json(schema, branch, input, out, depth + 1)?;
        }
        Type::Array(items) => {
            let mut before = '[';
            input.items(|input| {
                out.push(std::mem::replace(&mut before, ','));
                write_json(schema, items, input, out, depth + 1)
            })?;
            out.push_str(if before == '[' { "[]" } else { "]" });
        }
        Type::Map(values) => {
            let mut before = '{';
            input.items(|input| {
                out.push(std::mem::replace(&mut before, ','));
                write_text(out, input.text()?);
                out.push(':');
                write_json(schema, values, input, out, depth + 1)
            })?;
            out.push_str(if before == '{' { "{}" } else { "}" });
        }
        Type::Record(index) => {
            input.spend(1)?;
            let mut before = '{';
            for field in schema.record(*index) {
                out.push(std::mem::replace(&mut before, ','));
                write_text(out, &field.name);
                out.push(':');
                write_json(schema, &field.ty, input, out, depth + 1)?;
            }
            out.push_str(if before == '{' { "{}" } else { "}" });
        }
        // As the specification's JSON encoding has them: one character a byte.
        Type::Bytes | Type::Fixed(_) => {
            let bytes = match ty {
                Type::Fixed(size) => input.take(*size)?,
                _ => input.bytes()?,
            };
            write_text(out, &bytes.iter().copied().map(char::from).collect::<String>());
        }
        _ => match value(schema, ty, input)? {
            Value::Boolean(truth) => out.push_str(if truth { "true" } else { "false" }),
            Value::Integer(number) => drop(write!(out, "{number}")),
            Value::Float(number) if number.is_finite() => drop(write!(out, "{number:?}")),
            Value::Text(text) => write_text(out, &text),
            Value::Decimal(unscaled, scale) => write_text(out, &decimal_text(unscaled, scale)),
            Value::Days(days) => write_text(out, &date_text(days)),
            Value::Micros(micros) => write_text(out, &timestamp_text(micros)),
            Value::Null | Value::Float(_) | Value::Bytes | Value::TooLarge => out.push_str("null"),
        },
    }
    Ok(())
}

fn write_text(out: &mut String, text: &str) {
    out.push_str(&serde_json::Value::from(text).to_string());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals_of_any_length() {
        for (bytes, expected) in [
            (&[][..], Some(0)),
            (&[0x01, 0x00], Some(256)),
            (&[0xFF], Some(-1)),
            (&[0xFF; 20], Some(-1)),
            (&[0x80], Some(-128)),
            (&[0, 0xFF], Some(255)),
            (&[1; 17], None),
            (&[0, 0xFF, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0], None),
        ] {
            assert_eq!(twos_complement(bytes), expected, "{bytes:?}");
        }
    }
}
