//! Which rows of a column break a rule: loops over typed values, a bit a row, nothing allocated for a row.

mod pack;
mod pair;
mod range;
mod set;

use arrow_array::cast::AsArray;
use arrow_array::types::{
    Date32Type, Decimal128Type, Float64Type, Int32Type, Int64Type, TimestampMicrosecondType,
};
use arrow_array::{Array, ArrayRef, BooleanArray, StringArray};
use arrow_buffer::{BooleanBuffer, NullBuffer};
use arrow_schema::{DataType, TimeUnit};
use malla_contract::ColumnType;

pub(crate) use pack::{pack, pack_iter, texts};
pub(crate) use pair::pair;
pub(crate) use range::Range;
pub(crate) use set::Set;

/// The values of a column of a batch. Where a row is null they hold anything.
#[derive(Clone, Copy)]
pub(crate) enum Values<'a> {
    Truth(&'a BooleanArray),
    /// `int` and `date`.
    I32(&'a [i32]),
    /// `bigint` and `timestamp`.
    I64(&'a [i64]),
    F64(&'a [f64]),
    /// Unscaled, with the digits after the point.
    Decimal(&'a [i128], u8),
    Text(&'a StringArray),
}

/// A column of a batch.
#[derive(Clone, Copy)]
pub(crate) struct Column<'a> {
    pub(crate) values: Values<'a>,
    pub(crate) nulls: Option<&'a NullBuffer>,
    pub(crate) rows: usize,
}

/// What a rule finds in a batch.
pub(crate) struct Found {
    /// The rows that the rule passes over. `None`: it looks at every row.
    pub(crate) missing: Option<BooleanBuffer>,
    /// The rows that break it: none of those that it passes over.
    pub(crate) unexpected: BooleanBuffer,
}

impl<'a> Column<'a> {
    /// The column's values, if it has the type that its contract says.
    pub(crate) fn new(array: &'a ArrayRef, ty: ColumnType) -> Option<Self> {
        let values = match (ty, array.data_type()) {
            (ColumnType::Boolean, DataType::Boolean) => Values::Truth(array.as_boolean_opt()?),
            (ColumnType::Int32, DataType::Int32) => {
                Values::I32(array.as_primitive_opt::<Int32Type>()?.values())
            }
            (ColumnType::Int64, DataType::Int64) => {
                Values::I64(array.as_primitive_opt::<Int64Type>()?.values())
            }
            (ColumnType::Float64, DataType::Float64) => {
                Values::F64(array.as_primitive_opt::<Float64Type>()?.values())
            }
            (ColumnType::Decimal { scale, .. }, DataType::Decimal128(_, found))
                if i8::try_from(scale) == Ok(*found) =>
            {
                Values::Decimal(array.as_primitive_opt::<Decimal128Type>()?.values(), scale)
            }
            (ColumnType::Utf8, DataType::Utf8) => Values::Text(array.as_string_opt::<i32>()?),
            (ColumnType::Date, DataType::Date32) => {
                Values::I32(array.as_primitive_opt::<Date32Type>()?.values())
            }
            (ColumnType::Timestamp, DataType::Timestamp(TimeUnit::Microsecond, _)) => {
                Values::I64(array.as_primitive_opt::<TimestampMicrosecondType>()?.values())
            }
            _ => return None,
        };
        Some(Self {
            values,
            nulls: array.nulls(),
            rows: array.len(),
        })
    }

    /// Whether a row is null.
    pub(crate) fn is_null(&self, row: usize) -> bool {
        self.nulls.is_some_and(|nulls| nulls.is_null(row))
    }

    /// The rows that are null, if any may be.
    pub(crate) fn null_rows(&self) -> Option<BooleanBuffer> {
        let nulls = self.nulls.filter(|nulls| nulls.null_count() > 0)?;
        Some(!nulls.inner())
    }

    /// Of these rows, those that are not null.
    pub(crate) fn but_nulls(&self, bits: BooleanBuffer) -> BooleanBuffer {
        match self.nulls.filter(|nulls| nulls.null_count() > 0) {
            Some(nulls) => &bits & nulls.inner(),
            None => bits,
        }
    }

    /// A rule that passes over nulls.
    pub(crate) fn found(&self, unexpected: BooleanBuffer) -> Found {
        Found {
            missing: self.null_rows(),
            unexpected: self.but_nulls(unexpected),
        }
    }
}

/// The rows in which the column is null.
pub(crate) fn nulls(column: Column<'_>) -> Found {
    Found {
        missing: None,
        unexpected: column
            .null_rows()
            .unwrap_or_else(|| BooleanBuffer::new_unset(column.rows)),
    }
}
