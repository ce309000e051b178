//! Masks: what a value becomes when policy says that it is not to be seen.

mod normalise;
mod shape;
mod token;

use std::sync::Arc;

use arrow_array::cast::AsArray as _;
use arrow_array::{Array as _, ArrayRef, StringArray, new_null_array};
use arrow_buffer::{Buffer, OffsetBuffer, ScalarBuffer};
use arrow_schema::{ArrowError, DataType};
use malla_contract::{Column, ColumnType, MaskKind, MaskMisfit};

use crate::KeyStore;
use normalise::Normalisation;
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
/// - `token`: `tok_` and 26 characters, 128 bits of HMAC-SHA-256 of the normalised value (see `for_column`).
/// - `show-last-4`: every letter and digit but the last four becomes `x`; separators stay. A value of four or fewer is
///   hidden whole. As Ranger's MASK_SHOW_LAST_4, which counts letters and digits, not separators.
/// - `mask-alphanum`: letters become `x`, digits `n`, separators stay.
/// - `replace-with-null`: null.
///
/// Null stays null and an empty text stays empty: neither says anything about anybody. The type never changes.
#[derive(Clone)]
pub struct Masker {
    ty: DataType,
    how: How,
}

#[derive(Clone)]
enum How {
    Token(Tokeniser),
    ShowLast4,
    MaskAlphanum,
    Null,
}

impl Masker {
    /// A masker for a column of a contract. Values are normalised by the column's tags before they become tokens, so
    /// that one person has one token: e-mails lose case and surrounding space, cards and phones all but their digits,
    /// anything else surrounding space. `join_group` is for tokens: columns of one group have equal tokens for equal
    /// values. `None`: the group is the column's first personal tag, or its first tag, or its name.
    ///
    /// # Errors
    /// The mask cannot hide such a column ([`MaskKind::fits`]).
    pub fn for_column(
        keys: &KeyStore,
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
                How::Token(Tokeniser::new(&keys.token_key(group), Normalisation::of(column)))
            }
            MaskKind::ShowLast4 => How::ShowLast4,
            MaskKind::MaskAlphanum => How::MaskAlphanum,
            MaskKind::ReplaceWithNull => How::Null,
        };
        Ok(Self { ty: ty.arrow(), how })
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
        let masked: ArrayRef = match &self.how {
            How::Null => new_null_array(&self.ty, column.len()),
            How::Token(tokeniser) => {
                let texts = texts(column)?;
                let mut scratch = String::new();
                let size = texts.len().saturating_mul(token::LENGTH);
                rewrite(texts, size, |value, out| {
                    tokeniser.write(value, &mut scratch, out)
                })?
            }
            How::ShowLast4 => rewrite_in_shape(column, shape::show_last_4)?,
            How::MaskAlphanum => rewrite_in_shape(column, shape::mask_alphanum)?,
        };
        Ok((masked, hidden))
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

fn rewrite_in_shape(column: &ArrayRef, write: fn(&str, &mut Vec<u8>)) -> Result<ArrayRef, MaskError> {
    let texts = texts(column)?;
    // The array may be a slice of a much longer buffer.
    let offsets = texts.value_offsets();
    let size = offsets
        .last()
        .zip(offsets.first())
        .map_or(0, |(last, first)| last.abs_diff(*first));
    rewrite(texts, size as usize, write)
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
mod tests;
