//! Columns of the product, forwarded or computed.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use crate::bindings::malla::plugin::columns as wire;
use crate::kind::{Kind, Numeric, Text, Type, all_set, push_bit};
use crate::{Date, Decimal, Timestamp};

/// A finished column of the product. It comes from `.forward()`, from collecting an iterator, or from a
/// [`Builder`].
///
/// A computed column has one value for every row of the batch, those that are rejected or left out as well
/// (there any value does); after [`Rows::take`](crate::Rows::take), one for each row taken.
pub struct OutputColumn<K: Kind> {
    content: Content,
    kind: PhantomData<K>,
}

#[derive(Debug, Clone)]
pub(crate) enum Content {
    Forward(u32),
    Computed { column: wire::Column, rows: usize },
}

impl<K: Kind> OutputColumn<K> {
    pub(crate) fn forwarded(index: u32) -> Self {
        Self {
            content: Content::Forward(index),
            kind: PhantomData,
        }
    }

    pub(crate) fn into_content(self) -> Content {
        self.content
    }
}

impl<T: Type> From<OutputColumn<T>> for OutputColumn<Option<T>> {
    fn from(column: OutputColumn<T>) -> Self {
        Self {
            content: column.content,
            kind: PhantomData,
        }
    }
}

impl<K: Kind> fmt::Debug for OutputColumn<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.content, f)
    }
}

impl<K: Accepts<V>, V> FromIterator<V> for OutputColumn<K> {
    fn from_iter<I: IntoIterator<Item = V>>(values: I) -> Self {
        values.into_iter().collect::<Builder<K>>().finish()
    }
}

/// Makes a column of the product, value by value.
pub struct Builder<K: Kind> {
    values: <K::Type as Type>::Values,
    /// Made when the first null comes.
    validity: Option<Vec<u8>>,
    rows: usize,
}

impl<K: Kind> Builder<K> {
    /// Room for as many rows.
    #[must_use]
    pub fn with_capacity(rows: usize) -> Self {
        Self {
            values: K::Type::with_capacity(rows),
            validity: None,
            rows: 0,
        }
    }

    /// Appends a value.
    #[inline]
    pub fn push<V>(&mut self, value: V)
    where
        K: Accepts<V>,
    {
        K::accept(self, value);
    }

    /// How many values it has.
    #[must_use]
    pub fn len(&self) -> usize {
        self.rows
    }

    /// Whether it has no values yet.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rows == 0
    }

    /// The column.
    #[must_use]
    pub fn finish(self) -> OutputColumn<K> {
        let column = K::Type::finish(self.values, self.validity);
        OutputColumn {
            content: Content::Computed {
                column,
                rows: self.rows,
            },
            kind: PhantomData,
        }
    }

    #[inline]
    fn push_value(&mut self, value: <K::Type as Type>::Value<'_>) {
        K::Type::push(&mut self.values, self.rows, value);
        if let Some(validity) = &mut self.validity {
            push_bit(validity, self.rows, true);
        }
        self.rows += 1;
    }
}

impl<T: Type> Builder<Option<T>>
where
    Option<T>: Kind<Type = T>,
{
    /// Appends a null.
    #[inline]
    pub fn push_null(&mut self) {
        T::push(&mut self.values, self.rows, T::Value::default());
        let rows = self.rows;
        push_bit(self.validity.get_or_insert_with(|| all_set(rows)), rows, false);
        self.rows += 1;
    }
}

impl<K: Kind> Default for Builder<K> {
    fn default() -> Self {
        Self::with_capacity(0)
    }
}

impl<K: Kind> fmt::Debug for Builder<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builder")
            .field("values", &self.values)
            .field("validity", &self.validity)
            .finish()
    }
}

impl<K: Accepts<V>, V> Extend<V> for Builder<K> {
    #[inline]
    fn extend<I: IntoIterator<Item = V>>(&mut self, values: I) {
        for value in values {
            self.push(value);
        }
    }
}

impl<K: Accepts<V>, V> FromIterator<V> for Builder<K> {
    #[inline]
    fn from_iter<I: IntoIterator<Item = V>>(values: I) -> Self {
        let values = values.into_iter();
        let mut builder = Self::with_capacity(values.size_hint().0);
        builder.extend(values);
        builder
    }
}

/// Which values a column takes.
#[diagnostic::on_unimplemented(
    message = "a column of `{Self}` does not take values of `{V}`",
    note = "a required column takes plain values, a nullable one options as well; decimals need the column's scale"
)]
pub trait Accepts<V>: Kind {
    #[doc(hidden)]
    fn accept(builder: &mut Builder<Self>, value: V);
}

macro_rules! accepts {
    ([$($generics:tt)*] $kind:ty, $value:ty, $as_value:expr) => {
        impl<$($generics)*> Accepts<$value> for $kind {
            #[inline]
            fn accept(builder: &mut Builder<Self>, value: $value) {
                builder.push_value($as_value(&value));
            }
        }

        impl<$($generics)*> Accepts<$value> for Option<$kind> {
            #[inline]
            fn accept(builder: &mut Builder<Self>, value: $value) {
                builder.push_value($as_value(&value));
            }
        }

        impl<$($generics)*> Accepts<Option<$value>> for Option<$kind> {
            #[inline]
            fn accept(builder: &mut Builder<Self>, value: Option<$value>) {
                match value {
                    Some(value) => builder.push_value($as_value(&value)),
                    None => builder.push_null(),
                }
            }
        }
    };
}

accepts!([] bool, bool, Clone::clone);
accepts!([] i32, i32, Clone::clone);
accepts!([] i64, i64, Clone::clone);
accepts!([] f64, f64, Clone::clone);
accepts!([] Date, Date, Clone::clone);
accepts!([] Timestamp, Timestamp, Clone::clone);
accepts!([const PRECISION: u8, const SCALE: u8] Numeric<PRECISION, SCALE>, Decimal<SCALE>, Clone::clone);
accepts!([] Text, &str, AsRef::<str>::as_ref);
accepts!([] Text, String, AsRef::<str>::as_ref);
accepts!([] Text, Cow<'_, str>, AsRef::<str>::as_ref);
