//! One value for all of a type.

use std::sync::Arc;

use arrow_array::{
    ArrayRef, BooleanArray, Date32Array, Decimal128Array, Float64Array, Int32Array, Int64Array, StringArray,
    TimestampMicrosecondArray,
};
use arrow_buffer::{BooleanBuffer, Buffer, NullBuffer, OffsetBuffer, ScalarBuffer};
use arrow_schema::{ArrowError, DataType, TimeUnit};

/// A column of `rows` defaults with the nulls of another: false, 0, the empty text, 1970-01-01. `None`: not one of the
/// contract's types.
pub(crate) fn defaults(
    ty: &DataType,
    rows: usize,
    nulls: Option<NullBuffer>,
) -> Result<Option<ArrayRef>, ArrowError> {
    Ok(Some(match ty {
        DataType::Boolean => Arc::new(BooleanArray::new(BooleanBuffer::new_unset(rows), nulls)),
        DataType::Int32 => Arc::new(Int32Array::try_new(zeros(rows), nulls)?),
        DataType::Int64 => Arc::new(Int64Array::try_new(zeros(rows), nulls)?),
        DataType::Float64 => Arc::new(Float64Array::try_new(zeros(rows), nulls)?),
        DataType::Date32 => Arc::new(Date32Array::try_new(zeros(rows), nulls)?),
        DataType::Decimal128(..) => {
            Arc::new(Decimal128Array::try_new(zeros(rows), nulls)?.with_data_type(ty.clone()))
        }
        DataType::Timestamp(TimeUnit::Microsecond, _) => {
            Arc::new(TimestampMicrosecondArray::try_new(zeros(rows), nulls)?.with_data_type(ty.clone()))
        }
        DataType::Utf8 => {
            let offsets = OffsetBuffer::new_zeroed(rows);
            Arc::new(StringArray::try_new(
                offsets,
                Buffer::from_vec(Vec::<u8>::new()),
                nulls,
            )?)
        }
        _ => return Ok(None),
    }))
}

fn zeros<T: arrow_buffer::ArrowNativeType>(rows: usize) -> ScalarBuffer<T> {
    ScalarBuffer::from(vec![T::default(); rows])
}
