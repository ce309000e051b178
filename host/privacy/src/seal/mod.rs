//! Values that are kept but not shown: authenticated encryption, one value at a time.

mod envelope;
mod open;
mod scratch;
mod value;

use aes_gcm::Aes256Gcm;
use aes_gcm::aead::AeadInOut as _;
use arrow_array::{Array as _, ArrayRef, BinaryArray};
use arrow_buffer::{Buffer, OffsetBuffer, ScalarBuffer};
use arrow_schema::{ArrowError, DataType};

use crate::KeyStore;
use crate::keys::SealKey;
use envelope::{Header, OVERHEAD, Place, nonce};
pub use open::{OpenError, Opener};
pub use scratch::{SCRATCH_OVERHEAD, Scratch, ScratchDamaged};
use value::Values;

/// Why values cannot be sealed. Never says what they are.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SealError {
    /// No randomness, no key for the batch.
    #[error("the operating system gives no randomness to seal with: {0}")]
    Randomness(#[from] getrandom::Error),
    /// Not one of the contract's types.
    #[error("a column of type {0} cannot be sealed: contracts have no such type")]
    UnsupportedType(DataType),
    /// More than 2 GiB in one column, or more than 2^32 values in one batch.
    #[error("the batch is too large to seal: use smaller batches")]
    TooLarge,
    /// Arrow refuses the sealed column.
    #[error("the sealed column is not valid: {0}")]
    Arrow(#[from] ArrowError),
}

/// Seals values of one table. What it seals opens with the same key store, table and column only.
#[derive(Clone)]
pub struct Sealer {
    key: SealKey,
    table: String,
}

/// Seals the values of one batch, under a key of its own.
pub struct BatchSealer {
    header: Header,
    cipher: Aes256Gcm,
    place: Place,
    /// Of the next value; `None` when there is none left. INVARIANT: no number is used twice.
    counter: Option<u32>,
}

impl Sealer {
    /// A sealer for a table, which is best named in full (`ventas/raw/transacciones`).
    #[must_use]
    pub fn new(keys: &KeyStore, table: &str) -> Self {
        Self {
            key: keys.seal_key().clone(),
            table: table.to_owned(),
        }
    }

    /// A fresh key for a batch.
    ///
    /// # Errors
    /// The operating system gives no randomness.
    pub fn batch(&self) -> Result<BatchSealer, SealError> {
        let header = Header::random(self.key.id)?;
        Ok(BatchSealer {
            cipher: header.cipher(&self.key.secret),
            header,
            place: Place::new(&self.table),
            counter: Some(0),
        })
    }
}

impl BatchSealer {
    /// Every value of a column, sealed. Null stays null.
    ///
    /// # Errors
    /// A type that contracts do not have, or more than 2 GiB.
    pub fn seal_column(&mut self, name: &str, column: &ArrayRef) -> Result<BinaryArray, SealError> {
        let values =
            Values::of(column).ok_or_else(|| SealError::UnsupportedType(column.data_type().clone()))?;
        let rows = column.len();
        let mut out = Vec::with_capacity(values.size().saturating_add(rows.saturating_mul(OVERHEAD)));
        let mut offsets = Vec::with_capacity(rows.saturating_add(1));
        offsets.push(0);
        for row in 0..rows {
            if column.is_valid(row) {
                self.seal(name, &mut out, |out| values.write(row, out))?;
            }
            offsets.push(i32::try_from(out.len()).map_err(|_| SealError::TooLarge)?);
        }
        let offsets = OffsetBuffer::new(ScalarBuffer::from(offsets));
        Ok(BinaryArray::try_new(
            offsets,
            Buffer::from_vec(out),
            column.nulls().cloned(),
        )?)
    }

    /// Bytes of no type (a line as it came), sealed for a column.
    ///
    /// # Errors
    /// The batch has had 2^32 values.
    pub fn seal_bytes(&mut self, column: &str, bytes: &[u8]) -> Result<Vec<u8>, SealError> {
        let mut out = Vec::with_capacity(bytes.len().saturating_add(OVERHEAD));
        self.seal(column, &mut out, |out| {
            out.push(value::BYTES);
            out.extend_from_slice(bytes);
        })?;
        Ok(out)
    }

    /// Appends the envelope of what `write` appends.
    fn seal(
        &mut self,
        column: &str,
        out: &mut Vec<u8>,
        write: impl FnOnce(&mut Vec<u8>),
    ) -> Result<(), SealError> {
        let counter = self.counter.ok_or(SealError::TooLarge)?;
        self.counter = counter.checked_add(1);
        self.header.write(counter, out);
        let start = out.len();
        write(out);
        let value = out.get_mut(start..).unwrap_or_default();
        let tag = self
            .cipher
            .encrypt_inout_detached(&nonce(counter), self.place.of(column), value.into())
            .map_err(|_| SealError::TooLarge)?;
        out.extend_from_slice(&tag);
        Ok(())
    }
}

#[cfg(test)]
mod tests;
