//! A sealed value as bytes.
//!
//! ```text
//! version     1 byte    1
//! key id      8 bytes   the root key. Later it may name the key of one data subject: nothing else would change
//! salt       16 bytes   random, of the batch: the value's key is HKDF-Expand(root key, salt)
//! counter     4 bytes   big-endian, of the value in its batch: the nonce is it, after eight zero bytes
//! ciphertext  n bytes   AES-256-GCM of the type and the value (see `value`)
//! tag        16 bytes
//! ```
//!
//! Authenticated beside the value: version, table and column. A value that is moved to another place, or changed by one
//! bit, does not open. (Swapping two values of one column, or putting back an older one, is not seen.)
//!
//! A key of its own for every batch lets nonces be counted: no two values of a key can share one, however many there
//! are, while random nonces of 12 bytes under one key would have to stop at 2^32 values.

use aes_gcm::{Aes256Gcm, KeyInit as _, Nonce};

use crate::keys::{KeyId, Secret};

const VERSION: u8 = 1;
const SALT: usize = 16;
const TAG: usize = 16;

/// Bytes that sealing adds to a value.
pub(crate) const OVERHEAD: usize = 1 + 8 + SALT + 4 + TAG + 1;

/// What all values of a batch have in common.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) key: KeyId,
    pub(crate) salt: [u8; SALT],
}

/// The parts of a sealed value.
pub(crate) struct Envelope<'a> {
    pub(crate) header: Header,
    pub(crate) counter: u32,
    pub(crate) ciphertext: &'a [u8],
    pub(crate) tag: [u8; TAG],
}

/// Why bytes are not an envelope.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum NoEnvelope {
    TooShort,
    Version(u8),
}

impl Header {
    pub(crate) fn random(key: KeyId) -> Result<Self, getrandom::Error> {
        let mut salt = [0; SALT];
        getrandom::fill(&mut salt)?;
        Ok(Self { key, salt })
    }

    /// The cipher of the batch, from the root key that `self.key` names.
    pub(crate) fn cipher(&self, root: &Secret) -> Aes256Gcm {
        let key = root.derive("seal", &[&self.salt]);
        Aes256Gcm::new(key.bytes().into())
    }

    /// Appends all that stands before the ciphertext.
    pub(crate) fn write(&self, counter: u32, out: &mut Vec<u8>) {
        out.push(VERSION);
        out.extend_from_slice(&self.key.0);
        out.extend_from_slice(&self.salt);
        out.extend_from_slice(&counter.to_be_bytes());
    }
}

impl<'a> Envelope<'a> {
    pub(crate) fn parse(bytes: &'a [u8]) -> Result<Self, NoEnvelope> {
        let (version, rest) = bytes.split_first().ok_or(NoEnvelope::TooShort)?;
        if *version != VERSION {
            return Err(NoEnvelope::Version(*version));
        }
        let (key, rest) = rest.split_first_chunk().ok_or(NoEnvelope::TooShort)?;
        let (salt, rest) = rest.split_first_chunk().ok_or(NoEnvelope::TooShort)?;
        let (counter, rest) = rest.split_first_chunk().ok_or(NoEnvelope::TooShort)?;
        let (ciphertext, tag) = rest.split_last_chunk().ok_or(NoEnvelope::TooShort)?;
        Ok(Self {
            header: Header {
                key: KeyId(*key),
                salt: *salt,
            },
            counter: u32::from_be_bytes(*counter),
            ciphertext,
            tag: *tag,
        })
    }
}

pub(crate) fn nonce(counter: u32) -> Nonce<aes_gcm::aead::consts::U12> {
    let [a, b, c, d] = counter.to_be_bytes();
    [0, 0, 0, 0, 0, 0, 0, 0, a, b, c, d].into()
}

/// What is authenticated beside values: where they belong.
#[derive(Clone)]
pub(crate) struct Place {
    bytes: Vec<u8>,
    table: usize,
}

impl Place {
    pub(crate) fn new(table: &str) -> Self {
        let mut bytes = vec![VERSION];
        // Its length first: no table and column can pass for another two.
        bytes.extend_from_slice(&(table.len() as u64).to_be_bytes());
        bytes.extend_from_slice(table.as_bytes());
        Self {
            table: bytes.len(),
            bytes,
        }
    }

    pub(crate) fn of(&mut self, column: &str) -> &[u8] {
        self.bytes.truncate(self.table);
        self.bytes.extend_from_slice(column.as_bytes());
        &self.bytes
    }
}
