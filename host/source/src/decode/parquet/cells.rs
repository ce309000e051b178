//! Single values of a column, whatever the type that it was written in.

use std::borrow::Cow;

use arrow_array::cast::AsArray as _;
use arrow_array::types::{
    Date32Type, Decimal128Type, Decimal256Type, DecimalType, Float16Type, Float32Type, Float64Type, Int8Type,
    Int16Type, Int32Type, Int64Type, TimestampMicrosecondType, TimestampMillisecondType,
    TimestampNanosecondType, TimestampSecondType, UInt8Type, UInt16Type, UInt32Type, UInt64Type,
};
use arrow_array::{
    Array, ArrayRef, BinaryViewArray, BooleanArray, Date32Array, Decimal128Array, Decimal256Array,
    FixedSizeBinaryArray, Float64Array, Int64Array, UInt64Array,
};
use arrow_schema::{DataType, TimeUnit};
use malla_contract::ColumnType;

use super::super::decimal::{DecimalError, rescale};
use super::super::rule;
use super::super::time::is_time;
use super::super::typed::{Value, fit};
use super::super::value::{Cell, Misfit, out_of_range};

/// Whole numbers up to here are doubles, all of them.
const MAX_EXACT: f64 = 9_007_199_254_740_992.0;
const SECONDS_PER_DAY: i64 = 86_400;

/// The values of a column.
pub(super) enum Cells {
    Null,
    Boolean(BooleanArray),
    Integer(Int64Array),
    Unsigned(UInt64Array),
    Float(Float64Array),
    Decimal(Decimal128Array, i8),
    WideDecimal(Decimal256Array, i8),
    Text(BinaryViewArray),
    Uuid(FixedSizeBinaryArray),
    Date(Date32Array),
    /// So many of them are a second; `true`: of UTC.
    Time(Int64Array, i64, bool),
}

/// A value as the file has it.
pub(super) enum Found<'a> {
    Null,
    Boolean(bool),
    Integer(i64),
    Unsigned(u64),
    Float(f64),
    Decimal(i128, i8),
    /// More digits than columns can have.
    LongDecimal(String),
    Bytes(&'a [u8]),
    Uuid(String),
    Days(i32),
    Time {
        value: i64,
        per_second: i64,
        is_utc: bool,
    },
}

impl Cells {
    /// `None`: of a type that is not read.
    pub(super) fn of(array: &ArrayRef) -> Option<Self> {
        macro_rules! integers {
            ($ty:ty) => {
                Self::Integer(array.as_primitive_opt::<$ty>()?.unary(i64::from))
            };
        }
        Some(match array.data_type() {
            DataType::Null => Self::Null,
            DataType::Boolean => Self::Boolean(array.as_boolean_opt()?.clone()),
            DataType::Int8 => integers!(Int8Type),
            DataType::Int16 => integers!(Int16Type),
            DataType::Int32 => integers!(Int32Type),
            DataType::Int64 => integers!(Int64Type),
            DataType::UInt8 => integers!(UInt8Type),
            DataType::UInt16 => integers!(UInt16Type),
            DataType::UInt32 => integers!(UInt32Type),
            DataType::UInt64 => Self::Unsigned(array.as_primitive_opt::<UInt64Type>()?.clone()),
            DataType::Float16 => Self::Float(array.as_primitive_opt::<Float16Type>()?.unary(f64::from)),
            DataType::Float32 => Self::Float(array.as_primitive_opt::<Float32Type>()?.unary(f64::from)),
            DataType::Float64 => Self::Float(array.as_primitive_opt::<Float64Type>()?.clone()),
            DataType::Decimal128(_, scale) => {
                Self::Decimal(array.as_primitive_opt::<Decimal128Type>()?.clone(), *scale)
            }
            DataType::Decimal256(_, scale) => {
                Self::WideDecimal(array.as_primitive_opt::<Decimal256Type>()?.clone(), *scale)
            }
            DataType::BinaryView => Self::Text(array.as_binary_view_opt()?.clone()),
            DataType::FixedSizeBinary(16) => Self::Uuid(array.as_fixed_size_binary_opt()?.clone()),
            DataType::Date32 => Self::Date(array.as_primitive_opt::<Date32Type>()?.clone()),
            DataType::Timestamp(unit, zone) => {
                let (values, per_second) = match unit {
                    TimeUnit::Second => (array.as_primitive_opt::<TimestampSecondType>()?.unary(|v| v), 1),
                    TimeUnit::Millisecond => (
                        array.as_primitive_opt::<TimestampMillisecondType>()?.unary(|v| v),
                        1_000,
                    ),
                    TimeUnit::Microsecond => (
                        array.as_primitive_opt::<TimestampMicrosecondType>()?.unary(|v| v),
                        1_000_000,
                    ),
                    TimeUnit::Nanosecond => (
                        array.as_primitive_opt::<TimestampNanosecondType>()?.unary(|v| v),
                        1_000_000_000,
                    ),
                };
                Self::Time(values, per_second, zone.is_some())
            }
            _ => return None,
        })
    }

    pub(super) fn get(&self, row: usize) -> Found<'_> {
        let array: &dyn Array = match self {
            Self::Null => return Found::Null,
            Self::Boolean(array) => array,
            Self::Integer(array) | Self::Time(array, ..) => array,
            Self::Unsigned(array) => array,
            Self::Float(array) => array,
            Self::Decimal(array, _) => array,
            Self::WideDecimal(array, _) => array,
            Self::Text(array) => array,
            Self::Uuid(array) => array,
            Self::Date(array) => array,
        };
        if row >= array.len() || array.is_null(row) {
            return Found::Null;
        }
        match self {
            Self::Null => Found::Null,
            Self::Boolean(array) => Found::Boolean(array.value(row)),
            Self::Integer(array) => Found::Integer(array.value(row)),
            Self::Unsigned(array) => Found::Unsigned(array.value(row)),
            Self::Float(array) => Found::Float(array.value(row)),
            Self::Decimal(array, scale) => Found::Decimal(array.value(row), *scale),
            Self::WideDecimal(array, scale) => match array.value(row).to_i128() {
                Some(value) => Found::Decimal(value, *scale),
                None => Found::LongDecimal(Decimal256Type::format_decimal(array.value(row), 76, *scale)),
            },
            Self::Text(array) => Found::Bytes(array.value(row)),
            Self::Uuid(array) => Found::Uuid(uuid(array.value(row))),
            Self::Date(array) => Found::Days(array.value(row)),
            Self::Time(array, per_second, is_utc) => Found::Time {
                value: array.value(row),
                per_second: *per_second,
                is_utc: *is_utc,
            },
        }
    }

    /// A value for a column, exactly or not at all. Times that do not say that they are UTC are `utc_offset` seconds east of it.
    pub(super) fn fit(
        &self,
        row: usize,
        ty: ColumnType,
        utc_offset: Option<i32>,
    ) -> Result<Cell<'_>, Misfit> {
        let is_whole = matches!(ty, ColumnType::Int32 | ColumnType::Int64);
        let value = match self.get(row) {
            Found::Null => Value::Null,
            Found::Boolean(value) => Value::Boolean(value),
            Found::Integer(value) => exact(ty, i128::from(value), Value::Integer(value))?,
            Found::Unsigned(value) => match (ty, i64::try_from(value)) {
                (_, Ok(signed)) => exact(ty, i128::from(value), Value::Integer(signed))?,
                (ColumnType::Float64, Err(_)) => return Err(not_a_double()),
                (ColumnType::Decimal { .. }, Err(_)) => Value::Decimal(i128::from(value), 0),
                (_, Err(_)) => Value::TooLarge,
            },
            Found::Float(value) if is_whole => whole(value, ty)?,
            Found::Float(value) => Value::Float(value),
            Found::Decimal(value, scale) => match u32::try_from(scale) {
                Ok(scale) if is_whole => match rescale(value, scale, 38, 0) {
                    Ok(value) => i64::try_from(value).map_or(Value::TooLarge, Value::Integer),
                    Err(DecimalError::TooPrecise) => return Err(fraction()),
                    Err(_) => Value::TooLarge,
                },
                Ok(scale) => Value::Decimal(value, scale),
                Err(_) => Value::TooLarge,
            },
            Found::LongDecimal(_) => Value::TooLarge,
            Found::Bytes(bytes) => {
                Value::Text(Cow::Borrowed(str::from_utf8(bytes).map_err(|_| {
                    Misfit::new(rule::INVALID_UTF8, "bytes that are not UTF-8")
                })?))
            }
            Found::Uuid(text) => Value::Text(Cow::Owned(text)),
            Found::Days(days) => Value::Days(i64::from(days)),
            Found::Time {
                value,
                per_second,
                is_utc,
            } => time(ty, value, per_second, is_utc, utc_offset)?,
        };
        fit(value, ty)
    }
}

/// A whole number, which not every double is.
fn exact(ty: ColumnType, value: i128, as_is: Value<'_>) -> Result<Value<'_>, Misfit> {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_precision_loss,
        reason = "this is the question"
    )]
    let is_exact = (value as f64) as i128 == value;
    match ty {
        ColumnType::Float64 if !is_exact => Err(not_a_double()),
        _ => Ok(as_is),
    }
}

fn not_a_double() -> Misfit {
    Misfit::new(rule::OUT_OF_RANGE, "a whole number that no double is")
}

fn fraction() -> Misfit {
    Misfit::new(rule::WRONG_TYPE, "expected a whole number, found a fraction")
}

/// A double that is a whole number: what becomes of them where a tool has no nulls for them.
fn whole(value: f64, ty: ColumnType) -> Result<Value<'static>, Misfit> {
    if value.is_finite() && value.fract() != 0.0 {
        return Err(fraction());
    }
    if value.abs() <= MAX_EXACT {
        #[expect(clippy::cast_possible_truncation, reason = "it is whole and small enough")]
        return Ok(Value::Integer(value as i64));
    }
    let bounds = match ty {
        ColumnType::Int32 => (i64::from(i32::MIN), i64::from(i32::MAX)),
        _ => (-(1 << 53), 1 << 53),
    };
    Err(out_of_range(bounds.0, bounds.1))
}

fn time(
    ty: ColumnType,
    value: i64,
    per_second: i64,
    is_utc: bool,
    utc_offset: Option<i32>,
) -> Result<Value<'static>, Misfit> {
    if ty == ColumnType::Date {
        // A day that a tool keeps as its midnight.
        let per_day = SECONDS_PER_DAY * per_second;
        return if value.rem_euclid(per_day) == 0 {
            Ok(Value::Days(value.div_euclid(per_day)))
        } else {
            Err(Misfit::new(
                rule::INVALID_DATE,
                "expected a date, found a time of the day",
            ))
        };
    }
    let micros = match 1_000_000 / per_second {
        0 => Some(value.div_euclid(per_second / 1_000_000)),
        factor => value.checked_mul(factor),
    };
    let offset = if is_utc { 0 } else { utc_offset.unwrap_or(0) };
    let micros = micros.filter(|micros| is_time(*micros));
    Ok(micros
        .and_then(|micros| micros.checked_sub(i64::from(offset) * 1_000_000))
        .map_or(Value::TooLarge, Value::Micros))
}

fn uuid(bytes: &[u8]) -> String {
    let hex = crate::names::hex(bytes);
    let part = |range| hex.get(range).unwrap_or_default();
    [part(0..8), part(8..12), part(12..16), part(16..20), part(20..32)].join("-")
}
