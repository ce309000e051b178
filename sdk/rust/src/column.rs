//! Columns of the source, as a step sees them.

use std::fmt;
use std::marker::PhantomData;

use crate::Error;
use crate::bindings::Batch;
use crate::bindings::malla::plugin::columns as wire;
use crate::kind::{Kind, Type, bit};
use crate::output::OutputColumn;

/// A column that the step reads: borrowed, typed, `K` being `T` or, where it may hold nulls, `Option<T>`.
pub struct Column<'a, K: Kind> {
    slice: <K::Type as Type>::Slice<'a>,
    validity: Option<&'a [u8]>,
    rows: usize,
    token: Forward<K>,
}

impl<'a, K: Kind> Column<'a, K> {
    /// How many rows the batch has.
    #[must_use]
    #[inline]
    pub fn len(&self) -> usize {
        self.rows
    }

    /// Whether the batch has no rows.
    #[must_use]
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.rows == 0
    }

    /// The value of a row, counted from 0. `None` where it is null, and beyond the end.
    #[must_use]
    #[inline]
    pub fn get(&self, row: usize) -> Option<<K::Type as Type>::Value<'a>> {
        let valid = row < self.rows && self.validity.is_none_or(|bits| bit(bits, row));
        valid.then(|| K::Type::value(self.slice, row))
    }

    /// The value of a row as the contract types it: an `Option` only where nulls are allowed. The default
    /// beyond the end.
    #[must_use]
    #[inline]
    pub fn at(&self, row: usize) -> K::Value<'a> {
        K::cell(self.slice, self.validity, row)
    }

    /// Every value in row order.
    #[inline]
    pub fn iter(&self) -> impl ExactSizeIterator<Item = K::Value<'a>> + use<'a, K> {
        let Self {
            slice,
            validity,
            rows,
            ..
        } = *self;
        (0..rows).map(move |row| K::cell(slice, validity, row))
    }

    /// The raw values: whole numbers and `f64` as they are, dates as days, timestamps as microseconds,
    /// decimals as two words each (low, high), booleans as a bitmap. Where a value is null it is anything.
    #[must_use]
    #[inline]
    pub fn values(&self) -> <K::Type as Type>::Slice<'a> {
        self.slice
    }

    /// The source's column, unchanged, as a column of the product.
    #[must_use]
    pub fn forward<O: Kind>(&self) -> OutputColumn<O>
    where
        K: ForwardsTo<O>,
    {
        self.token.forward()
    }
}

impl<T: Type> Column<'_, Option<T>>
where
    Option<T>: Kind<Type = T>,
{
    /// The source's column as a required column of the product: no row that stays has a null here. The
    /// host checks it, and so do tests.
    #[must_use]
    pub fn forward_non_null(&self) -> OutputColumn<T> {
        self.token.forward_non_null()
    }
}

impl<K: Kind> Clone for Column<'_, K> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<K: Kind> Copy for Column<'_, K> {}

impl<K: Kind> fmt::Debug for Column<'_, K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

/// A column of the source that can be moved to the product and not be looked at: it never entered the
/// sandbox. To look, add its name to the step's `reads` in the contract.
pub struct Forward<K: Kind> {
    index: u32,
    kind: PhantomData<K>,
}

impl<K: Kind> Forward<K> {
    #[doc(hidden)]
    #[must_use]
    pub const fn new(index: u32) -> Self {
        Self {
            index,
            kind: PhantomData,
        }
    }

    /// The source's column, unseen and unchanged, as a column of the product.
    #[must_use]
    pub fn forward<O: Kind>(&self) -> OutputColumn<O>
    where
        K: ForwardsTo<O>,
    {
        OutputColumn::forwarded(self.index)
    }
}

impl<T: Type> Forward<Option<T>>
where
    Option<T>: Kind<Type = T>,
{
    /// The source's column as a required column of the product: no row that stays has a null here. The
    /// host checks it, and so do tests.
    #[must_use]
    pub fn forward_non_null(&self) -> OutputColumn<T> {
        OutputColumn::forwarded(self.index)
    }
}

impl<K: Kind> Clone for Forward<K> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<K: Kind> Copy for Forward<K> {}

impl<K: Kind> fmt::Debug for Forward<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "unread column {}", self.index)
    }
}

/// Which columns of the product a column of the source can become.
#[diagnostic::on_unimplemented(
    message = "a column of `{Self}` cannot be forwarded to one of `{O}`",
    note = "the types must be equal; a nullable column becomes a required one by `.forward_non_null()`, once the rows with nulls are rejected"
)]
pub trait ForwardsTo<O: Kind>: Kind {}

impl<T: Type> ForwardsTo<T> for T {}
impl<T: Type> ForwardsTo<Option<T>> for T {}
impl<T: Type> ForwardsTo<Option<T>> for Option<T> {}

/// The column at `place` of the step's `reads`; `index` is its place in the source.
#[doc(hidden)]
pub fn read<'a, K: Kind>(
    batch: &'a Batch,
    place: usize,
    index: u32,
    name: &str,
) -> Result<Column<'a, K>, Error> {
    column(&batch.columns, batch.rows as usize, place, index, name)
}

pub(crate) fn column<'a, K: Kind>(
    columns: &'a [wire::Column],
    rows: usize,
    place: usize,
    index: u32,
    name: &str,
) -> Result<Column<'a, K>, Error> {
    let buffers = columns
        .get(place)
        .and_then(|column| K::Type::borrow(column, rows));
    let Some((slice, validity)) = buffers else {
        return Err(Error::new(
            [
                "the host's column `",
                name,
                "` is not one of ",
                K::Type::NAME,
                ": build the plugin with its contract again",
            ]
            .concat(),
        ));
    };
    Ok(Column {
        slice,
        validity,
        rows,
        token: Forward::new(index),
    })
}
