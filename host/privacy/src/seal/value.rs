//! Values as the bytes that are sealed: a byte for the type, then the value, little-endian.

use std::sync::Arc;

use arrow_array::cast::AsArray as _;
use arrow_array::types::{
    Date32Type, Decimal128Type, Float64Type, Int32Type, Int64Type, TimestampMicrosecondType,
};
use arrow_array::{
    Array as _, ArrayRef, BooleanArray, Date32Array, Decimal128Array, Float64Array, Int32Array, Int64Array,
    PrimitiveArray, StringArray, TimestampMicrosecondArray,
};
use arrow_schema::{ArrowError, DataType, TimeUnit};
use malla_contract::ColumnType;

/// The byte before bytes of no type (whole lines).
pub(crate) const BYTES: u8 = 0;
const BOOLEAN: u8 = 1;
const INT32: u8 = 2;
const INT64: u8 = 3;
const FLOAT64: u8 = 4;
/// Followed by the scale, so that a later change of scale in the contract cannot move the point.
const DECIMAL: u8 = 5;
const UTF8: u8 = 6;
const DATE: u8 = 7;
const TIMESTAMP: u8 = 8;

/// A column whose values can be sealed.
pub(crate) enum Values<'a> {
    Boolean(&'a BooleanArray),
    Int32(&'a Int32Array),
    Int64(&'a Int64Array),
    Float64(&'a Float64Array),
    Decimal(&'a Decimal128Array, i8),
    Utf8(&'a StringArray),
    Date(&'a Date32Array),
    Timestamp(&'a TimestampMicrosecondArray),
}

impl<'a> Values<'a> {
    /// `None` for a type that contracts do not have.
    pub(crate) fn of(column: &'a ArrayRef) -> Option<Self> {
        Some(match column.data_type() {
            DataType::Boolean => Self::Boolean(column.as_boolean_opt()?),
            DataType::Int32 => Self::Int32(column.as_primitive_opt()?),
            DataType::Int64 => Self::Int64(column.as_primitive_opt()?),
            DataType::Float64 => Self::Float64(column.as_primitive_opt()?),
            DataType::Decimal128(_, scale) => Self::Decimal(column.as_primitive_opt()?, *scale),
            DataType::Utf8 => Self::Utf8(column.as_string_opt()?),
            DataType::Date32 => Self::Date(column.as_primitive_opt()?),
            DataType::Timestamp(TimeUnit::Microsecond, _) => Self::Timestamp(column.as_primitive_opt()?),
            _ => return None,
        })
    }

    /// Bytes of all values together, about.
    pub(crate) fn size(&self) -> usize {
        match self {
            Self::Boolean(values) => values.len(),
            Self::Int32(values) => values.len().saturating_mul(4),
            Self::Date(values) => values.len().saturating_mul(4),
            Self::Int64(values) => values.len().saturating_mul(8),
            Self::Timestamp(values) => values.len().saturating_mul(8),
            Self::Float64(values) => values.len().saturating_mul(8),
            Self::Decimal(values, _) => values.len().saturating_mul(17),
            // The array may be a slice of a much longer buffer.
            Self::Utf8(values) => match (values.value_offsets().first(), values.value_offsets().last()) {
                (Some(first), Some(last)) => last.abs_diff(*first) as usize,
                _ => 0,
            },
        }
    }

    /// Appends the value of a row, which is below the column's length.
    pub(crate) fn write(&self, row: usize, out: &mut Vec<u8>) {
        match self {
            Self::Boolean(values) => out.extend_from_slice(&[BOOLEAN, u8::from(values.value(row))]),
            Self::Int32(values) => tagged(INT32, &values.value(row).to_le_bytes(), out),
            Self::Int64(values) => tagged(INT64, &values.value(row).to_le_bytes(), out),
            Self::Float64(values) => tagged(FLOAT64, &values.value(row).to_le_bytes(), out),
            Self::Decimal(values, scale) => {
                out.push(DECIMAL);
                tagged(scale.cast_unsigned(), &values.value(row).to_le_bytes(), out);
            }
            Self::Utf8(values) => tagged(UTF8, values.value(row).as_bytes(), out),
            Self::Date(values) => tagged(DATE, &values.value(row).to_le_bytes(), out),
            Self::Timestamp(values) => tagged(TIMESTAMP, &values.value(row).to_le_bytes(), out),
        }
    }
}

fn tagged(tag: u8, value: &[u8], out: &mut Vec<u8>) {
    out.push(tag);
    out.extend_from_slice(value);
}

/// Why opened bytes are no values of the type that was asked for.
#[derive(Debug)]
pub(crate) enum NoValue {
    WrongType,
    Arrow(ArrowError),
}

/// A column of a type from opened values, null where there is none.
pub(crate) fn column<B: AsRef<[u8]>>(values: &[Option<B>], ty: ColumnType) -> Result<ArrayRef, NoValue> {
    Ok(match ty {
        ColumnType::Boolean => {
            let bools = each(values, |bytes| match bytes {
                [BOOLEAN, value] => Some(*value != 0),
                _ => None,
            })?;
            Arc::new(BooleanArray::from(bools))
        }
        ColumnType::Int32 => Arc::new(fixed::<Int32Type, 4>(values, &[INT32], i32::from_le_bytes)?),
        ColumnType::Int64 => Arc::new(fixed::<Int64Type, 8>(values, &[INT64], i64::from_le_bytes)?),
        ColumnType::Float64 => Arc::new(fixed::<Float64Type, 8>(values, &[FLOAT64], f64::from_le_bytes)?),
        ColumnType::Decimal { precision, scale } => {
            let decimals = fixed::<Decimal128Type, 16>(values, &[DECIMAL, scale], i128::from_le_bytes)?;
            let scale = i8::try_from(scale).unwrap_or(i8::MAX);
            Arc::new(
                decimals
                    .with_precision_and_scale(precision, scale)
                    .map_err(NoValue::Arrow)?,
            )
        }
        ColumnType::Utf8 => {
            let texts: Vec<Option<&str>> = each(values, |bytes| match bytes {
                [UTF8, text @ ..] => std::str::from_utf8(text).ok(),
                _ => None,
            })?;
            Arc::new(StringArray::from(texts))
        }
        ColumnType::Date => Arc::new(fixed::<Date32Type, 4>(values, &[DATE], i32::from_le_bytes)?),
        ColumnType::Timestamp => {
            let times = fixed::<TimestampMicrosecondType, 8>(values, &[TIMESTAMP], i64::from_le_bytes)?;
            Arc::new(times.with_timezone("UTC"))
        }
    })
}

fn each<'v, B: AsRef<[u8]>, T>(
    values: &'v [Option<B>],
    read: impl Fn(&'v [u8]) -> Option<T>,
) -> Result<Vec<Option<T>>, NoValue> {
    values
        .iter()
        .map(|value| {
            value
                .as_ref()
                .map(|bytes| read(bytes.as_ref()).ok_or(NoValue::WrongType))
                .transpose()
        })
        .collect()
}

fn fixed<T: arrow_array::types::ArrowPrimitiveType, const N: usize>(
    values: &[Option<impl AsRef<[u8]>>],
    tag: &[u8],
    read: impl Fn([u8; N]) -> T::Native,
) -> Result<PrimitiveArray<T>, NoValue> {
    let native = each(values, |bytes| {
        Some(read(bytes.strip_prefix(tag)?.try_into().ok()?))
    })?;
    Ok(native.into_iter().collect())
}
