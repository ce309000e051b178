//! One JSON value to one cell of a column.

use std::borrow::Cow;

use malla_contract::ColumnType;
use memchr::memchr;

use super::decimal::{DecimalError, parse_decimal};
use super::rule;
use super::time::{parse_date, parse_timestamp};

/// The most levels of a nested value that a text column keeps.
const MAX_DEPTH: usize = 128;

/// A cell before it is appended, so that a bad line leaves no trace in the columns.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) enum Cell<'a> {
    /// The key did not occur.
    #[default]
    Absent,
    Null,
    Boolean(bool),
    /// For both widths; within the range of the column's.
    Integer(i64),
    Float(f64),
    Decimal(i128),
    Text(Cow<'a, str>),
    Days(i32),
    Micros(i64),
}

impl Cell<'_> {
    /// Bytes of text that it adds to its column.
    pub(crate) fn text_len(&self) -> usize {
        match self {
            Self::Text(text) => text.len(),
            _ => 0,
        }
    }
}

/// Why a value does not fit its column. The message carries nothing of the value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Misfit {
    pub(crate) rule: &'static str,
    pub(crate) message: Cow<'static, str>,
}

impl Misfit {
    pub(crate) fn new(rule: &'static str, message: impl Into<Cow<'static, str>>) -> Self {
        Self {
            rule,
            message: message.into(),
        }
    }
}

/// `raw` is the text of one valid JSON value, without white space around it.
pub(crate) fn convert(raw: &str, ty: ColumnType) -> Result<Cell<'_>, Misfit> {
    let kind = Kind::of(raw);
    if kind == Kind::Null {
        return Ok(Cell::Null);
    }
    match (ty, kind) {
        (ColumnType::Utf8, Kind::Text) => unescape(raw).map(Cell::Text),
        (ColumnType::Utf8, Kind::Array | Kind::Object) => match depth(raw) {
            0..=MAX_DEPTH => Ok(Cell::Text(Cow::Borrowed(raw))),
            _ => Err(Misfit::new(rule::TOO_DEEP, "nested more than 128 levels deep")),
        },
        (ColumnType::Boolean, Kind::Boolean) => Ok(Cell::Boolean(raw == "true")),
        (ColumnType::Int32, Kind::Number) => integer(raw, i64::from(i32::MIN), i64::from(i32::MAX)),
        (ColumnType::Int64, Kind::Number) => integer(raw, i64::MIN, i64::MAX),
        (ColumnType::Float64, Kind::Number) => match raw.parse::<f64>() {
            Ok(value) if value.is_finite() => Ok(Cell::Float(value)),
            _ => Err(Misfit::new(rule::OUT_OF_RANGE, "too large for a double")),
        },
        (ColumnType::Decimal { precision, scale }, Kind::Number) => decimal(raw, precision, scale),
        (ColumnType::Decimal { precision, scale }, Kind::Text) => decimal(&unescape(raw)?, precision, scale),
        (ColumnType::Date, Kind::Text) => parse_date(&unescape(raw)?)
            .map(Cell::Days)
            .ok_or_else(|| Misfit::new(rule::INVALID_DATE, "expected a date as YYYY-MM-DD")),
        (ColumnType::Timestamp, Kind::Text) => {
            parse_timestamp(&unescape(raw)?).map(Cell::Micros).ok_or_else(|| {
                Misfit::new(
                    rule::INVALID_TIMESTAMP,
                    "expected a time as RFC 3339 with an offset, like 2026-11-21T10:20:30Z",
                )
            })
        }
        (ty, kind) => Err(Misfit::new(
            rule::WRONG_TYPE,
            format!("expected {}, found {}", expected(ty), kind.as_str()),
        )),
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Null,
    Boolean,
    Number,
    Text,
    Array,
    Object,
}

impl Kind {
    fn of(raw: &str) -> Self {
        match raw.as_bytes().first() {
            Some(b'"') => Self::Text,
            Some(b'n') => Self::Null,
            Some(b't' | b'f') => Self::Boolean,
            Some(b'{') => Self::Object,
            Some(b'[') => Self::Array,
            _ => Self::Number,
        }
    }

    fn as_str(self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Boolean => "a boolean",
            Self::Number => "a number",
            Self::Text => "text",
            Self::Array => "an array",
            Self::Object => "an object",
        }
    }
}

fn expected(ty: ColumnType) -> &'static str {
    match ty {
        ColumnType::Boolean => "true or false",
        ColumnType::Int32 | ColumnType::Int64 => "a whole number",
        ColumnType::Float64 => "a number",
        ColumnType::Decimal { .. } => "a number, or text that is one",
        ColumnType::Utf8 => "text",
        ColumnType::Date => "a date as text",
        ColumnType::Timestamp => "a time as text",
    }
}

/// The text that a JSON string stands for; borrowed when it has no escapes.
fn unescape(raw: &str) -> Result<Cow<'_, str>, Misfit> {
    if memchr(b'\\', raw.as_bytes()).is_none()
        && let Some(inner) = raw.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'))
    {
        return Ok(Cow::Borrowed(inner));
    }
    serde_json::from_str(raw).map(Cow::Owned).map_err(|_| {
        Misfit::new(
            rule::INVALID_JSON,
            "text with an escape that stands for no character",
        )
    })
}

/// Whole numbers, exactly; `1.0` and `1e3` are whole too.
pub(crate) fn integer(raw: &str, min: i64, max: i64) -> Result<Cell<'static>, Misfit> {
    let value = match raw.parse::<i64>() {
        Ok(value) => i128::from(value),
        Err(_) => parse_decimal(raw, 38, 0).map_err(|error| match error {
            DecimalError::TooPrecise => {
                Misfit::new(rule::WRONG_TYPE, "expected a whole number, found a fraction")
            }
            DecimalError::NotANumber | DecimalError::OutOfRange => out_of_range(min, max),
        })?,
    };
    match i64::try_from(value) {
        Ok(value) if (min..=max).contains(&value) => Ok(Cell::Integer(value)),
        _ => Err(out_of_range(min, max)),
    }
}

pub(crate) fn out_of_range(min: i64, max: i64) -> Misfit {
    Misfit::new(
        rule::OUT_OF_RANGE,
        format!("expected a whole number from {min} to {max}"),
    )
}

pub(crate) fn decimal(text: &str, precision: u8, scale: u8) -> Result<Cell<'static>, Misfit> {
    parse_decimal(text, precision, scale)
        .map(Cell::Decimal)
        .map_err(|error| misfit_of_decimal(error, precision, scale))
}

pub(crate) fn misfit_of_decimal(error: DecimalError, precision: u8, scale: u8) -> Misfit {
    match error {
        DecimalError::NotANumber => {
            Misfit::new(rule::INVALID_DECIMAL, "text that is not a number like 1234.50")
        }
        DecimalError::TooPrecise => Misfit::new(
            rule::INVALID_DECIMAL,
            format!("more than {scale} digits after the point"),
        ),
        DecimalError::OutOfRange => Misfit::new(
            rule::OUT_OF_RANGE,
            format!(
                "more than {} digits before the point",
                precision.saturating_sub(scale)
            ),
        ),
    }
}

/// Levels of nesting of a valid JSON value.
fn depth(raw: &str) -> usize {
    let (mut depth, mut deepest) = (0_usize, 0_usize);
    let (mut in_text, mut escaped) = (false, false);
    for byte in raw.bytes() {
        if in_text {
            match byte {
                _ if escaped => escaped = false,
                b'\\' => escaped = true,
                b'"' => in_text = false,
                _ => {}
            }
            continue;
        }
        match byte {
            b'"' => in_text = true,
            b'[' | b'{' => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            b']' | b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    deepest
}
