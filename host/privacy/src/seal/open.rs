//! Reading sealed values back.

use aes_gcm::Aes256Gcm;
use aes_gcm::aead::AeadInOut as _;
use arrow_array::{ArrayRef, BinaryArray};
use arrow_schema::ArrowError;
use malla_contract::ColumnType;
use zeroize::Zeroizing;

use super::envelope::{Envelope, Header, NoEnvelope, Place, nonce};
use super::value::{self, NoValue};
use crate::KeyStore;
use crate::keys::SealKey;

/// Why a sealed value does not open. Never says what is in it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// Not bytes that a [`super::Sealer`] made.
    #[error("this is no sealed value: it is too short")]
    NotSealed,
    /// Sealed by a later Malla, or not sealed.
    #[error(
        "sealed value of version {0}, and this program knows 1: update malla, or the value is not sealed"
    )]
    Version(u8),
    /// The key store has no such key.
    #[error("sealed with key `{0}`, which this key store does not have: use the key store that sealed it")]
    UnknownKey(String),
    /// Authentication failed.
    #[error("the sealed value was changed, or belongs to another table or column: it is not opened")]
    Refused,
    /// Opened, and of another type than asked for.
    #[error("the sealed value is no `{0}`: read it as the type that it was sealed with")]
    WrongType(ColumnType),
    /// Arrow refuses the opened column.
    #[error("the opened column is not valid: {0}")]
    Arrow(#[from] ArrowError),
}

/// Opens sealed values of one table.
#[derive(Clone)]
pub struct Opener {
    keys: Vec<SealKey>,
    place: Place,
    /// The cipher of the batch that was opened last: values of a batch stand together.
    last: Option<(Header, Aes256Gcm)>,
}

impl Opener {
    /// An opener for the table that was named to [`super::Sealer::new`].
    #[must_use]
    pub fn new(keys: &KeyStore, table: &str) -> Self {
        Self {
            keys: keys.opening_keys().cloned().collect(),
            place: Place::new(table),
            last: None,
        }
    }

    /// Bytes that [`super::BatchSealer::seal_bytes`] sealed in a column of that name.
    ///
    /// # Errors
    /// They were not sealed there, with one of these keys, or were changed since.
    pub fn open_bytes(&mut self, column: &str, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, OpenError> {
        let mut plain = self.open(column, sealed)?;
        // The type byte. Columns are opened with `open_column`.
        match plain.first() {
            Some(&value::BYTES) => {
                plain.remove(0);
                Ok(plain)
            }
            _ => Err(OpenError::Refused),
        }
    }

    /// A column that [`super::BatchSealer::seal_column`] sealed under that name.
    ///
    /// # Errors
    /// One of its values was not sealed there, with one of these keys, or was changed since; or is of another type.
    pub fn open_column(
        &mut self,
        column: &str,
        sealed: &BinaryArray,
        ty: ColumnType,
    ) -> Result<ArrayRef, OpenError> {
        let values = sealed
            .iter()
            .map(|value| value.map(|value| self.open(column, value)).transpose())
            .collect::<Result<Vec<_>, _>>()?;
        value::column(&values, ty).map_err(|error| match error {
            NoValue::WrongType => OpenError::WrongType(ty),
            NoValue::Arrow(error) => OpenError::Arrow(error),
        })
    }

    fn open(&mut self, column: &str, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, OpenError> {
        let envelope = Envelope::parse(sealed).map_err(|error| match error {
            NoEnvelope::TooShort => OpenError::NotSealed,
            NoEnvelope::Version(version) => OpenError::Version(version),
        })?;
        let cipher = match self.last.take() {
            Some((header, cipher)) if header == envelope.header => cipher,
            _ => {
                let id = envelope.header.key;
                let unknown = || OpenError::UnknownKey(id.to_string());
                let key = self.keys.iter().find(|key| key.id == id).ok_or_else(unknown)?;
                envelope.header.cipher(&key.secret)
            }
        };
        let mut plain = Zeroizing::new(envelope.ciphertext.to_vec());
        let opened = cipher.decrypt_inout_detached(
            &nonce(envelope.counter),
            self.place.of(column),
            plain.as_mut_slice().into(),
            &envelope.tag.into(),
        );
        self.last = Some((envelope.header, cipher));
        opened.map_err(|_| OpenError::Refused)?;
        Ok(plain)
    }
}
