//! From Arrow to what a guest can read. Buffers are borrowed where they lie; they are copied only where they hold
//! something that the batch does not: a slice's neighbours, or what lies under a null.

use std::borrow::Cow;

use arrow_array::cast::AsArray;
use arrow_array::types::{
    Date32Type, Decimal128Type, Float64Type, Int32Type, Int64Type, TimestampMicrosecondType,
};
use arrow_array::{Array, ArrayRef, ArrowPrimitiveType, RecordBatch, StringArray};
use arrow_buffer::{BooleanBuffer, NullBuffer};
use arrow_schema::{DataType, TimeUnit};

use crate::Step;
use crate::bindings::columns as wit;
use crate::error::InputError;

/// One column on its way into a guest.
pub(crate) struct Column<'a> {
    values: Values<'a>,
    validity: Option<Cow<'a, [u8]>>,
}

enum Values<'a> {
    Boolean(Cow<'a, [u8]>),
    Int32(Cow<'a, [i32]>),
    Int64(Cow<'a, [i64]>),
    Float64(Cow<'a, [f64]>),
    Decimal128(Cow<'a, [i128]>),
    Utf8 {
        offsets: Cow<'a, [i32]>,
        bytes: Cow<'a, [u8]>,
    },
    Date32(Cow<'a, [i32]>),
    TimestampUs(Cow<'a, [i64]>),
}

/// The columns that the step reads.
pub(crate) fn columns<'a>(step: &Step, input: &'a RecordBatch) -> Result<Vec<Column<'a>>, InputError> {
    let lower = |&index: &usize| {
        let missing = || InputError::NoColumn {
            index,
            columns: input.num_columns(),
        };
        let array = input.columns().get(index).ok_or_else(missing)?;
        let name = input.schema_ref().fields().get(index).map(|field| field.name());
        named(name.map_or("", String::as_str), array)
    };
    step.reads.iter().map(lower).collect()
}

/// A column that errors call by this name.
pub(crate) fn named<'a>(name: &str, array: &'a ArrayRef) -> Result<Column<'a>, InputError> {
    column(array).ok_or_else(|| InputError::Type {
        column: name.to_owned(),
        found: array.data_type().to_string(),
    })
}

impl Column<'_> {
    pub(crate) fn param(&self) -> wit::ColumnParam<'_> {
        let validity = self.validity.as_deref();
        match &self.values {
            Values::Boolean(values) => wit::ColumnParam::Boolean(wit::BooleansParam { values, validity }),
            Values::Int32(values) => wit::ColumnParam::Int32(wit::Int32sParam { values, validity }),
            Values::Date32(values) => wit::ColumnParam::Date32(wit::Int32sParam { values, validity }),
            Values::Int64(values) => wit::ColumnParam::Int64(wit::Int64sParam { values, validity }),
            Values::TimestampUs(values) => {
                wit::ColumnParam::TimestampUs(wit::Int64sParam { values, validity })
            }
            Values::Float64(values) => wit::ColumnParam::Float64(wit::Float64sParam { values, validity }),
            Values::Decimal128(values) => wit::ColumnParam::Decimal128(wit::DecimalsParam {
                words: bytemuck::cast_slice(values),
                validity,
            }),
            Values::Utf8 { offsets, bytes } => wit::ColumnParam::Utf8(wit::TextsParam {
                offsets,
                bytes,
                validity,
            }),
        }
    }
}

/// `None` if the type does not cross the boundary.
fn column(array: &dyn Array) -> Option<Column<'_>> {
    let nulls = array.nulls().filter(|nulls| nulls.null_count() > 0);
    let values = match array.data_type() {
        DataType::Boolean => Values::Boolean(booleans(array.as_boolean().values(), nulls)),
        DataType::Int32 => Values::Int32(numbers::<Int32Type>(array, nulls)),
        DataType::Int64 => Values::Int64(numbers::<Int64Type>(array, nulls)),
        DataType::Float64 => Values::Float64(numbers::<Float64Type>(array, nulls)),
        DataType::Decimal128(..) => Values::Decimal128(numbers::<Decimal128Type>(array, nulls)),
        DataType::Date32 => Values::Date32(numbers::<Date32Type>(array, nulls)),
        DataType::Timestamp(TimeUnit::Microsecond, _) => {
            Values::TimestampUs(numbers::<TimestampMicrosecondType>(array, nulls))
        }
        DataType::Utf8 => texts(array.as_string(), nulls),
        _ => return None,
    };
    Some(Column {
        values,
        validity: nulls.map(|nulls| bits(nulls.inner())),
    })
}

fn numbers<'a, T: ArrowPrimitiveType>(
    array: &'a dyn Array,
    nulls: Option<&NullBuffer>,
) -> Cow<'a, [T::Native]>
where
    T::Native: PartialEq,
{
    let values: &[T::Native] = array.as_primitive::<T>().values();
    let zero = T::Native::default();
    let hides = |run: &std::ops::Range<usize>| {
        values
            .get(run.clone())
            .is_some_and(|hidden| hidden.iter().any(|value| *value != zero))
    };
    let mut values = Cow::Borrowed(values);
    for run in nulls.into_iter().flat_map(null_runs).filter(hides) {
        if let Some(hidden) = values.to_mut().get_mut(run) {
            hidden.fill(zero);
        }
    }
    values
}

fn booleans<'a>(values: &'a BooleanBuffer, nulls: Option<&NullBuffer>) -> Cow<'a, [u8]> {
    match nulls {
        Some(nulls) => Cow::Owned(bits(&(values & nulls.inner())).into_owned()),
        None => bits(values),
    }
}

fn texts<'a>(array: &'a StringArray, nulls: Option<&NullBuffer>) -> Values<'a> {
    let (offsets, bytes) = (array.value_offsets(), array.value_data());
    let hides = |run: std::ops::Range<usize>| offsets.get(run.start) != offsets.get(run.end);
    if nulls.into_iter().flat_map(null_runs).any(hides) {
        return texts_without_hidden(array);
    }
    let first = offsets.first().copied().unwrap_or_default();
    let last = offsets.last().copied().unwrap_or_default();
    let range = usize::try_from(first).unwrap_or_default()..usize::try_from(last).unwrap_or_default();
    let offsets = if first == 0 && !offsets.is_empty() {
        Cow::Borrowed(offsets)
    } else if offsets.is_empty() {
        Cow::Owned(vec![0])
    } else {
        Cow::Owned(offsets.iter().map(|offset| offset.wrapping_sub(first)).collect())
    };
    Values::Utf8 {
        offsets,
        bytes: Cow::Borrowed(bytes.get(range).unwrap_or_default()),
    }
}

/// Copies the texts without what lies under the nulls.
fn texts_without_hidden<'a>(array: &StringArray) -> Values<'a> {
    let mut offsets = Vec::with_capacity(array.len().saturating_add(1));
    let mut bytes = Vec::new();
    offsets.push(0);
    for text in array {
        bytes.extend_from_slice(text.unwrap_or_default().as_bytes());
        // No longer than the array's own text, whose offsets are i32.
        offsets.push(i32::try_from(bytes.len()).unwrap_or(i32::MAX));
    }
    Values::Utf8 {
        offsets: Cow::Owned(offsets),
        bytes: Cow::Owned(bytes),
    }
}

/// The runs of nulls.
fn null_runs(nulls: &NullBuffer) -> impl Iterator<Item = std::ops::Range<usize>> + '_ {
    let mut next = 0;
    let valid = nulls
        .valid_slices()
        .chain(std::iter::once((nulls.len(), nulls.len())));
    valid.filter_map(move |(start, end)| {
        let run = next..start;
        next = end;
        (!run.is_empty()).then_some(run)
    })
}

/// A bitmap that starts at its first bit and holds nothing behind its last.
fn bits(buffer: &BooleanBuffer) -> Cow<'_, [u8]> {
    let length = buffer.len().div_ceil(8);
    let tail_bits = buffer.len() % 8;
    let tail_mask = if tail_bits == 0 {
        0xFF
    } else {
        (1_u8 << tail_bits).wrapping_sub(1)
    };
    if buffer.offset().is_multiple_of(8) {
        let start = buffer.offset() / 8;
        let bytes = buffer
            .values()
            .get(start..start.saturating_add(length))
            .unwrap_or_default();
        if bytes.last().is_none_or(|last| last & !tail_mask == 0) {
            return Cow::Borrowed(bytes);
        }
    }
    let mut bytes = buffer.sliced().as_slice().to_vec();
    bytes.truncate(length);
    if let Some(last) = bytes.last_mut() {
        *last &= tail_mask;
    }
    Cow::Owned(bytes)
}

#[cfg(test)]
mod tests {
    use arrow_array::{BooleanArray, Int32Array};
    use arrow_buffer::{OffsetBuffer, ScalarBuffer};

    use super::*;

    #[test]
    fn what_lies_under_a_null_stays_outside() {
        let nulls = NullBuffer::from(vec![true, false, true, false]);
        let array = Int32Array::new(vec![1, 4111, 3, 4112].into(), Some(nulls.clone()));
        assert_eq!(&*numbers::<Int32Type>(&array, array.nulls()), [1, 0, 3, 0]);

        let offsets = OffsetBuffer::new(ScalarBuffer::from(vec![0, 1, 5, 6, 10]));
        let array = StringArray::new(offsets, b"a4111b4112".to_vec().into(), Some(nulls.clone()));
        let Values::Utf8 { offsets, bytes } = texts(&array, array.nulls()) else {
            panic!()
        };
        assert_eq!((&*offsets, &*bytes), (&[0, 1, 1, 2, 2][..], &b"ab"[..]));

        let values = BooleanBuffer::from(vec![true, true, false, true]);
        assert_eq!(&*booleans(&values, Some(&nulls)), [0b0001]);
    }

    #[test]
    fn neighbours_of_a_slice_stay_outside() {
        let all = BooleanArray::from(vec![true; 40]);
        for (offset, length) in [(0, 40), (8, 16), (8, 3), (3, 9), (39, 1), (40, 0)] {
            let slice = all.slice(offset, length);
            let bits = bits(slice.values());
            assert_eq!(bits.len(), length.div_ceil(8));
            assert_eq!(
                bits.iter().map(|byte| byte.count_ones()).sum::<u32>() as usize,
                length
            );
        }
        let texts_all = StringArray::from(vec!["uno", "dos", "tres"]);
        let slice = texts_all.slice(1, 1);
        let Values::Utf8 { offsets, bytes } = texts(&slice, None) else {
            panic!()
        };
        assert_eq!((&*offsets, &*bytes), (&[0, 3][..], &b"dos"[..]));
    }

    #[test]
    fn whole_columns_are_borrowed() {
        let array = Int32Array::from(vec![Some(1), None]);
        assert!(matches!(
            numbers::<Int32Type>(&array, array.nulls()),
            Cow::Borrowed(_)
        ));
        let array = StringArray::from(vec![Some("a"), None]);
        assert!(matches!(
            texts(&array, array.nulls()),
            Values::Utf8 {
                offsets: Cow::Borrowed(_),
                bytes: Cow::Borrowed(_)
            }
        ));
    }

    #[test]
    fn null_runs_are_the_gaps() {
        let runs = |valid: &[bool]| null_runs(&NullBuffer::from(valid.to_vec())).collect::<Vec<_>>();
        assert_eq!(runs(&[false, false, true, false]), [0..2, 3..4]);
        assert_eq!(runs(&[true, true]), []);
        assert_eq!(runs(&[false]), vec![0..1]);
        assert_eq!(runs(&[]), []);
    }
}
