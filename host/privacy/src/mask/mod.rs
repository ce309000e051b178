//! Masks: what a value becomes when policy says that it is not to be seen.

mod default;
mod normalise;
mod query;
mod shape;
mod time;
mod token;

use std::sync::Arc;

use arrow_array::cast::AsArray as _;
use arrow_array::{Array as _, ArrayRef, StringArray, new_null_array};
use arrow_buffer::{Buffer, OffsetBuffer, ScalarBuffer};
use arrow_schema::{ArrowError, DataType};
use malla_contract::{Column, ColumnType, MaskKind, MaskMisfit};

use crate::KeyStore;
use normalise::Normalisation;
use query::QueryHash;
pub use query::QueryKey;
use time::Truncation;
pub use token::TokenTranslator;
use token::Tokeniser;

/// Why a column cannot be hidden. Never says what is in it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MaskError {
    /// The mask is not for such columns.
    #[error("mask `{mask}` cannot hide a `{ty}`: {why}")]
    Misfit {
        /// The mask.
        mask: MaskKind,
        /// The column's type.
        ty: ColumnType,
        /// Why not.
        why: MaskMisfit,
    },
    /// The mask needs the key of a query, and nothing is being queried.
    #[error("mask `{mask}` hides values only when they are read: use `token` for what is stored")]
    OnlyAtRead {
        /// The mask.
        mask: MaskKind,
    },
    /// The array is not of the column's type.
    #[error("expected a column of type {expected}, found {found}")]
    WrongType {
        /// By the contract.
        expected: DataType,
        /// The array's.
        found: DataType,
    },
    /// More than 2 GiB of text.
    #[error("the masked batch has more than 2 GiB of text: use smaller batches")]
    TooLarge,
    /// Arrow refuses the masked column.
    #[error("the masked column is not valid: {0}")]
    Arrow(#[from] ArrowError),
}

/// Hides the values of one column.
///
/// - `token`: `tok`, the number of the key's generation, `_`, and 26 characters made of 128 bits of HMAC-SHA-256 of the
///   normalised value (see `for_column`).
/// - `show-last-4`: every letter and digit but the last four becomes `x`; separators stay. A value of four or fewer is
///   hidden whole. As Ranger's MASK_SHOW_LAST_4, which counts letters and digits, not separators.
/// - `show-first-4`: the same from the other end.
/// - `mask-alphanum`: letters become `x`, digits `n`, separators stay.
/// - `email-domain`: `ana@correo.mx` becomes `@correo.mx`. What has no domain, or two, becomes `xxxx`.
/// - `sha-256-query-local`: 64 hex digits, HMAC-SHA-256 under the key of the query.
/// - `truncate-to-year`, `truncate-to-month`: the first day of the year or month, in UTC.
/// - `mask-to-default`: false, 0, the empty text, 1970-01-01.
/// - `replace-with-null`: null.
///
/// Null stays null and an empty text stays empty: neither says anything about anybody. The type never changes.
#[derive(Clone)]
pub struct Masker {
    ty: DataType,
    how: How,
    /// Texts that look hidden stay as they are.
    over_stored: bool,
}

#[derive(Clone)]
enum How {
    Token(Box<Tokeniser>),
    QueryHash(QueryHash),
    Shape(Shape),
    Truncate(Truncation),
    Default,
    Null,
}

/// A mask of the characters of a text.
#[derive(Clone, Copy)]
struct Shape {
    write: fn(&str, &mut Vec<u8>),
    /// Whether a text looks like what `write` writes, where writing it again would change it.
    is_written: fn(&str) -> bool,
}

impl Shape {
    fn how(write: fn(&str, &mut Vec<u8>), is_written: fn(&str) -> bool) -> How {
        How::Shape(Self { write, is_written })
    }
}

impl Masker {
    /// A masker for a column of a contract. Values are normalised by the column's tags before they become tokens, so
    /// that one person has one token: e-mails lose case and surrounding space, cards and phones all but their digits,
    /// anything else surrounding space. `join_group` is for tokens: columns of one group have equal tokens for equal
    /// values. `None`: the group is the column's first personal tag, or its first tag, or its name.
    ///
    /// # Errors
    /// The mask cannot hide such a column ([`MaskKind::fits`]), or only when it is read ([`MaskKind::only_at_read`]).
    pub fn for_column(
        keys: &KeyStore,
        mask: MaskKind,
        column: &Column,
        join_group: Option<&str>,
    ) -> Result<Self, MaskError> {
        Self::new(keys, None, mask, column, join_group)
    }

    /// A masker for a column that a query reads: as [`Masker::for_column`], and it knows every mask.
    ///
    /// # Errors
    /// The mask cannot hide such a column ([`MaskKind::fits`]).
    pub fn for_query(
        keys: &KeyStore,
        query: &QueryKey,
        mask: MaskKind,
        column: &Column,
        join_group: Option<&str>,
    ) -> Result<Self, MaskError> {
        Self::new(keys, Some(query), mask, column, join_group)
    }

    fn new(
        keys: &KeyStore,
        query: Option<&QueryKey>,
        mask: MaskKind,
        column: &Column,
        join_group: Option<&str>,
    ) -> Result<Self, MaskError> {
        let ty = column.ty;
        mask.fits(ty, column.required)
            .map_err(|why| MaskError::Misfit { mask, ty, why })?;
        let how = match mask {
            MaskKind::Token => {
                let group = join_group.unwrap_or_else(|| default_group(column));
                How::Token(Box::new(Tokeniser::new(keys, group, Normalisation::of(column))))
            }
            MaskKind::Sha256QueryLocal => {
                How::QueryHash(QueryHash::new(query.ok_or(MaskError::OnlyAtRead { mask })?))
            }
            MaskKind::ShowLast4 => Shape::how(shape::show_last_4, |_| false),
            MaskKind::ShowFirst4 => Shape::how(shape::show_first_4, |_| false),
            MaskKind::MaskAlphanum => Shape::how(shape::mask_alphanum, shape::is_masked_alphanum),
            MaskKind::EmailDomain => Shape::how(shape::email_domain, shape::is_email_domain),
            MaskKind::TruncateToYear => How::Truncate(Truncation::Year),
            MaskKind::TruncateToMonth => How::Truncate(Truncation::Month),
            MaskKind::MaskToDefault => How::Default,
            MaskKind::ReplaceWithNull => How::Null,
        };
        Ok(Self {
            ty: ty.arrow(),
            how,
            over_stored: false,
        })
    }

    /// The same mask over a column that was masked when it was written: what is hidden already stays, so that only what
    /// was stored under an older, milder policy is hidden now.
    #[must_use]
    pub fn over_stored(mut self) -> Self {
        self.over_stored = true;
        self
    }

    /// Type of the columns that it hides.
    #[must_use]
    pub fn data_type(&self) -> &DataType {
        &self.ty
    }

    /// The column hidden, of the same type and length, and how many values (all that are not null) were hidden.
    ///
    /// # Errors
    /// The array is not of the column's type, or more than 2 GiB would come out.
    pub fn apply(&self, column: &ArrayRef) -> Result<(ArrayRef, u64), MaskError> {
        if *column.data_type() != self.ty {
            let found = column.data_type().clone();
            return Err(MaskError::WrongType {
                expected: self.ty.clone(),
                found,
            });
        }
        let hidden = (column.len() - column.null_count()) as u64;
        let unfit = || MaskError::WrongType {
            expected: self.ty.clone(),
            found: column.data_type().clone(),
        };
        let masked: ArrayRef = match &self.how {
            How::Null => new_null_array(&self.ty, column.len()),
            How::Default => {
                default::defaults(&self.ty, column.len(), column.logical_nulls())?.ok_or_else(unfit)?
            }
            How::Truncate(truncation) => truncation.apply(column).ok_or_else(unfit)?,
            How::Token(tokeniser) => {
                let texts = texts(column)?;
                let mut scratch = String::new();
                let size = texts.len().saturating_mul(tokeniser.length());
                self.rewrite(column, texts, size, token::is_token, |value, out| {
                    tokeniser.write(value, &mut scratch, out)
                })?
            }
            How::QueryHash(hash) => {
                let texts = texts(column)?;
                let size = texts.len().saturating_mul(query::LENGTH);
                rewrite(texts, size, |value, out| hash.write(value, out))?
            }
            How::Shape(shape) => {
                let texts = texts(column)?;
                self.rewrite(column, texts, size_of(texts), shape.is_written, shape.write)?
            }
        };
        Ok((masked, hidden))
    }

    /// Every value through `write`, but for those that are hidden already where this masks what is stored.
    fn rewrite(
        &self,
        column: &ArrayRef,
        texts: &StringArray,
        size: usize,
        is_written: impl Fn(&str) -> bool,
        mut write: impl FnMut(&str, &mut Vec<u8>),
    ) -> Result<ArrayRef, MaskError> {
        if !self.over_stored {
            return rewrite(texts, size, write);
        }
        if texts
            .iter()
            .flatten()
            .all(|text| text.is_empty() || is_written(text))
        {
            return Ok(Arc::clone(column));
        }
        rewrite(texts, size, |text, out| {
            if is_written(text) {
                out.extend_from_slice(text.as_bytes());
            } else {
                write(text, out);
            }
        })
    }
}

/// The same as the policy's default, so that a plugin's view and a curated table join.
fn default_group(column: &Column) -> &str {
    let personal = column.tags.iter().find(|tag| tag.starts_with("pii:"));
    personal
        .or_else(|| column.tags.first())
        .map_or(column.name.as_str(), String::as_str)
}

fn texts(column: &ArrayRef) -> Result<&StringArray, MaskError> {
    column.as_string_opt().ok_or_else(|| MaskError::WrongType {
        expected: DataType::Utf8,
        found: column.data_type().clone(),
    })
}

/// Bytes of the values. The array may be a slice of a much longer buffer.
fn size_of(texts: &StringArray) -> usize {
    let offsets = texts.value_offsets();
    offsets
        .last()
        .zip(offsets.first())
        .map_or(0, |(last, first)| last.abs_diff(*first)) as usize
}

/// Every value through `write`, in one buffer of about `size` bytes. Nulls and empty texts pass.
fn rewrite(
    texts: &StringArray,
    size: usize,
    mut write: impl FnMut(&str, &mut Vec<u8>),
) -> Result<ArrayRef, MaskError> {
    let mut bytes = Vec::with_capacity(size);
    let mut offsets = Vec::with_capacity(texts.len().saturating_add(1));
    offsets.push(0);
    for value in texts {
        if let Some(value) = value.filter(|value| !value.is_empty()) {
            write(value, &mut bytes);
        }
        offsets.push(i32::try_from(bytes.len()).map_err(|_| MaskError::TooLarge)?);
    }
    let offsets = OffsetBuffer::new(ScalarBuffer::from(offsets));
    let masked = StringArray::try_new(offsets, Buffer::from_vec(bytes), texts.nulls().cloned())?;
    Ok(Arc::new(masked))
}

#[cfg(test)]
mod law_tests;
#[cfg(test)]
mod tests;
