//! Keyed pseudonyms.

use data_encoding::BASE32_NOPAD;
use hmac::{Hmac, Mac as _};
use sha2::Sha256;

use super::normalise::Normalisation;
use crate::keys::Secret;

/// What every token starts with, so that nobody takes one for a value.
const PREFIX: &[u8; 4] = b"tok_";
/// 128 bits in base 32.
const DIGITS: usize = 26;
/// Bytes of a token.
pub(crate) const LENGTH: usize = PREFIX.len() + DIGITS;

/// Makes the tokens of one join group.
#[derive(Clone)]
pub(crate) struct Tokeniser {
    /// Primed with the group's key: both key blocks are hashed once, not for every value.
    mac: Hmac<Sha256>,
    normalisation: Normalisation,
}

impl Tokeniser {
    pub(crate) fn new(key: &Secret, normalisation: Normalisation) -> Self {
        Self {
            mac: key.hmac(),
            normalisation,
        }
    }

    /// Appends the token of a value. `scratch` is space for normalising, of any content.
    pub(crate) fn write(&self, value: &str, scratch: &mut String, out: &mut Vec<u8>) {
        let value = self.normalisation.apply(value, scratch);
        let hash: [u8; 32] = self
            .mac
            .clone()
            .chain_update(value)
            .finalize()
            .into_bytes()
            .into();
        let (half, _) = hash.split_at(hash.len() / 2);
        let mut digits = [0; DIGITS];
        BASE32_NOPAD.encode_mut(half, &mut digits);
        digits.make_ascii_lowercase();
        out.extend_from_slice(PREFIX);
        out.extend_from_slice(&digits);
    }
}
