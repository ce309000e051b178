//! The types of columns, and how each lies in its buffers.

use std::fmt::Debug;

use crate::bindings::malla::plugin::columns as wire;
use crate::{Date, Decimal, Timestamp};

/// A column of text. Its values are `&str`.
#[derive(Debug, Clone, Copy)]
pub enum Text {}

/// A column of decimals of at most `PRECISION` digits, `SCALE` of them after the point. Its values are
/// [`Decimal<SCALE>`].
#[derive(Debug, Clone, Copy)]
pub enum Numeric<const PRECISION: u8, const SCALE: u8> {}

/// The type of a column without nulls: `bool`, `i32`, `i64`, `f64`, [`Date`], [`Timestamp`], [`Text`] or
/// [`Numeric`].
pub trait Type: Sized + 'static {
    /// One value.
    type Value<'a>: Copy + Default + PartialEq + Debug;
    /// The column's values as they came: a slice, mostly.
    type Slice<'a>: Copy + Default;
    /// A column's values while they are made.
    type Values: Default + Clone + Debug;
    /// What people call it.
    const NAME: &'static str;

    /// The buffers of a column of this type, if they hold `rows` values. Text is checked to be UTF-8, once.
    #[doc(hidden)]
    fn borrow(column: &wire::Column, rows: usize) -> Option<(Self::Slice<'_>, Option<&[u8]>)>;
    /// The value of a row. The default beyond the end.
    #[doc(hidden)]
    fn value<'a>(slice: Self::Slice<'a>, row: usize) -> Self::Value<'a>;
    #[doc(hidden)]
    fn with_capacity(rows: usize) -> Self::Values;
    #[doc(hidden)]
    fn push(values: &mut Self::Values, len: usize, value: Self::Value<'_>);
    #[doc(hidden)]
    fn finish(values: Self::Values, validity: Option<Vec<u8>>) -> wire::Column;
    /// Whether the type's limits allow the value.
    #[doc(hidden)]
    fn holds(_value: Self::Value<'_>) -> bool {
        true
    }
}

/// A column's type with its nullability: `T` for a required column, `Option<T>` for one that may hold nulls.
pub trait Kind: Sized + 'static {
    /// The type without the nulls.
    type Type: Type;
    /// One value: an `Option` where nulls are allowed.
    type Value<'a>: Copy + Default + PartialEq + Debug;
    /// Whether nulls are allowed.
    const NULLABLE: bool;

    #[doc(hidden)]
    fn cell<'a>(
        slice: <Self::Type as Type>::Slice<'a>,
        validity: Option<&'a [u8]>,
        row: usize,
    ) -> Self::Value<'a>;
}

impl<T: Type> Kind for T {
    type Type = T;
    type Value<'a> = T::Value<'a>;
    const NULLABLE: bool = false;

    #[inline]
    fn cell<'a>(slice: T::Slice<'a>, _validity: Option<&'a [u8]>, row: usize) -> Self::Value<'a> {
        T::value(slice, row)
    }
}

impl<T: Type> Kind for Option<T> {
    type Type = T;
    type Value<'a> = Option<T::Value<'a>>;
    const NULLABLE: bool = true;

    #[inline]
    fn cell<'a>(slice: T::Slice<'a>, validity: Option<&'a [u8]>, row: usize) -> Self::Value<'a> {
        validity
            .is_none_or(|bits| bit(bits, row))
            .then(|| T::value(slice, row))
    }
}

/// The bit of a row, least significant first. False beyond the end.
#[inline]
pub(crate) fn bit(bits: &[u8], row: usize) -> bool {
    bits.get(row / 8).is_some_and(|byte| byte >> (row % 8) & 1 == 1)
}

/// Appends the bit of row `len`.
#[inline]
pub(crate) fn push_bit(bits: &mut Vec<u8>, len: usize, value: bool) {
    if len.is_multiple_of(8) {
        bits.push(0);
    }
    if let Some(last) = bits.last_mut() {
        *last |= u8::from(value) << (len % 8);
    }
}

/// As many bits as there are rows, all set; those beyond the end are not.
pub(crate) fn all_set(rows: usize) -> Vec<u8> {
    let mut bits = vec![0xff; rows.div_ceil(8)];
    if let Some(last) = bits.last_mut()
        && !rows.is_multiple_of(8)
    {
        *last = (1 << (rows % 8)) - 1;
    }
    bits
}

/// The validity of a column, if it is there and long enough for the rows.
fn validity_of(validity: Option<&Vec<u8>>, rows: usize) -> Option<Option<&[u8]>> {
    match validity {
        None => Some(None),
        Some(bits) => (bits.len() >= rows.div_ceil(8)).then_some(Some(bits.as_slice())),
    }
}

macro_rules! primitive {
    ($type:ty, $raw:ty, $name:literal, $variant:ident, $record:ident, $wrap:expr, $unwrap:expr) => {
        impl Type for $type {
            type Value<'a> = $type;
            type Slice<'a> = &'a [$raw];
            type Values = Vec<$raw>;
            const NAME: &'static str = $name;

            fn borrow(column: &wire::Column, rows: usize) -> Option<(Self::Slice<'_>, Option<&[u8]>)> {
                let wire::Column::$variant(column) = column else {
                    return None;
                };
                let validity = validity_of(column.validity.as_ref(), rows)?;
                (column.values.len() == rows).then_some((column.values.as_slice(), validity))
            }

            #[inline]
            fn value<'a>(slice: Self::Slice<'a>, row: usize) -> Self::Value<'a> {
                $wrap(slice.get(row).copied().unwrap_or_default())
            }

            fn with_capacity(rows: usize) -> Vec<$raw> {
                Vec::with_capacity(rows)
            }

            #[inline]
            fn push(values: &mut Vec<$raw>, _len: usize, value: Self::Value<'_>) {
                values.push($unwrap(value));
            }

            fn finish(values: Vec<$raw>, validity: Option<Vec<u8>>) -> wire::Column {
                wire::Column::$variant(wire::$record { values, validity })
            }
        }
    };
}

primitive!(
    i32,
    i32,
    "int",
    Int32,
    Int32s,
    std::convert::identity,
    std::convert::identity
);
primitive!(
    i64,
    i64,
    "bigint",
    Int64,
    Int64s,
    std::convert::identity,
    std::convert::identity
);
primitive!(
    f64,
    f64,
    "double",
    Float64,
    Float64s,
    std::convert::identity,
    std::convert::identity
);
primitive!(Date, i32, "date", Date32, Int32s, Date::from_days, Date::days);
primitive!(
    Timestamp,
    i64,
    "timestamp",
    TimestampUs,
    Int64s,
    Timestamp::from_micros,
    Timestamp::micros
);

impl Type for bool {
    type Value<'a> = bool;
    type Slice<'a> = &'a [u8];
    type Values = Vec<u8>;
    const NAME: &'static str = "boolean";

    fn borrow(column: &wire::Column, rows: usize) -> Option<(Self::Slice<'_>, Option<&[u8]>)> {
        let wire::Column::Boolean(column) = column else {
            return None;
        };
        let validity = validity_of(column.validity.as_ref(), rows)?;
        (column.values.len() >= rows.div_ceil(8)).then_some((column.values.as_slice(), validity))
    }

    #[inline]
    fn value<'a>(slice: Self::Slice<'a>, row: usize) -> Self::Value<'a> {
        bit(slice, row)
    }

    fn with_capacity(rows: usize) -> Vec<u8> {
        Vec::with_capacity(rows.div_ceil(8))
    }

    #[inline]
    fn push(values: &mut Vec<u8>, len: usize, value: bool) {
        push_bit(values, len, value);
    }

    fn finish(values: Vec<u8>, validity: Option<Vec<u8>>) -> wire::Column {
        wire::Column::Boolean(wire::Booleans { values, validity })
    }
}

impl<const PRECISION: u8, const SCALE: u8> Type for Numeric<PRECISION, SCALE> {
    type Value<'a> = Decimal<SCALE>;
    type Slice<'a> = &'a [[u64; 2]];
    type Values = Vec<u64>;
    const NAME: &'static str = "decimal";

    fn borrow(column: &wire::Column, rows: usize) -> Option<(Self::Slice<'_>, Option<&[u8]>)> {
        let wire::Column::Decimal128(column) = column else {
            return None;
        };
        let validity = validity_of(column.validity.as_ref(), rows)?;
        let (values, rest) = column.words.as_chunks::<2>();
        (values.len() == rows && rest.is_empty()).then_some((values, validity))
    }

    #[inline]
    fn value<'a>(slice: Self::Slice<'a>, row: usize) -> Self::Value<'a> {
        let [low, high] = slice.get(row).copied().unwrap_or_default();
        Decimal::new((u128::from(high) << 64 | u128::from(low)).cast_signed())
    }

    fn with_capacity(rows: usize) -> Vec<u64> {
        Vec::with_capacity(rows.saturating_mul(2))
    }

    #[inline]
    fn push(values: &mut Vec<u64>, _len: usize, value: Self::Value<'_>) {
        let bits = value.unscaled().cast_unsigned();
        values.extend_from_slice(&[bits as u64, (bits >> 64) as u64]);
    }

    fn finish(words: Vec<u64>, validity: Option<Vec<u8>>) -> wire::Column {
        wire::Column::Decimal128(wire::Decimals { words, validity })
    }

    fn holds(value: Self::Value<'_>) -> bool {
        value.fits(PRECISION)
    }
}

/// The texts of a column: one string, and where each value starts and ends in it.
#[derive(Debug, Clone, Copy, Default)]
pub struct TextSlice<'a> {
    offsets: &'a [i32],
    text: &'a str,
}

/// Texts while they are made.
#[derive(Debug, Clone)]
pub struct TextValues {
    offsets: Vec<i32>,
    bytes: Vec<u8>,
}

impl Default for TextValues {
    fn default() -> Self {
        Self {
            offsets: vec![0],
            bytes: Vec::new(),
        }
    }
}

impl Type for Text {
    type Value<'a> = &'a str;
    type Slice<'a> = TextSlice<'a>;
    type Values = TextValues;
    const NAME: &'static str = "string";

    fn borrow(column: &wire::Column, rows: usize) -> Option<(Self::Slice<'_>, Option<&[u8]>)> {
        let wire::Column::Utf8(column) = column else {
            return None;
        };
        let validity = validity_of(column.validity.as_ref(), rows)?;
        if column.offsets.len() != rows + 1 {
            return None;
        }
        let text = simdutf8::basic::from_utf8(&column.bytes).ok()?;
        Some((
            TextSlice {
                offsets: &column.offsets,
                text,
            },
            validity,
        ))
    }

    #[inline]
    fn value<'a>(slice: Self::Slice<'a>, row: usize) -> Self::Value<'a> {
        let (Some(&from), Some(&to)) = (slice.offsets.get(row), slice.offsets.get(row + 1)) else {
            return "";
        };
        // A negative offset becomes one that is beyond any text.
        slice.text.get(from as usize..to as usize).unwrap_or_default()
    }

    fn with_capacity(rows: usize) -> TextValues {
        let mut offsets = Vec::with_capacity(rows + 1);
        offsets.push(0);
        TextValues {
            offsets,
            bytes: Vec::new(),
        }
    }

    #[inline]
    fn push(values: &mut TextValues, _len: usize, value: Self::Value<'_>) {
        values.bytes.extend_from_slice(value.as_bytes());
        // Two gigabytes of text do not fit in a sandbox; the host would refuse the column.
        values
            .offsets
            .push(i32::try_from(values.bytes.len()).unwrap_or(i32::MAX));
    }

    fn finish(values: TextValues, validity: Option<Vec<u8>>) -> wire::Column {
        wire::Column::Utf8(wire::Texts {
            offsets: values.offsets,
            bytes: values.bytes,
            validity,
        })
    }
}
