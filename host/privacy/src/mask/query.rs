//! Pseudonyms that live as long as a query.

use std::fmt;

use data_encoding::HEXLOWER;
use hmac::{Hmac, Mac as _};
use sha2::Sha256;

use crate::keys::Secret;

/// The random key of one query. Make one for every query and drop it at its end: then nobody can compare what two queries
/// show, and nobody can find a value by hashing all that it could be.
pub struct QueryKey(Secret);

impl QueryKey {
    /// A new key.
    ///
    /// # Errors
    /// The operating system gives no randomness.
    pub fn random() -> Result<Self, getrandom::Error> {
        Secret::random().map(Self)
    }
}

impl fmt::Debug for QueryKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("QueryKey(..)")
    }
}

/// 256 bits in hex.
pub(crate) const LENGTH: usize = 64;

/// Digests the values of one query.
#[derive(Clone)]
pub(crate) struct QueryHash {
    mac: Hmac<Sha256>,
}

impl QueryHash {
    pub(crate) fn new(key: &QueryKey) -> Self {
        Self { mac: key.0.hmac() }
    }

    /// Appends the digest of a value, as it is: what is spelled otherwise is another value.
    pub(crate) fn write(&self, value: &str, out: &mut Vec<u8>) {
        let hash = self.mac.clone().chain_update(value).finalize().into_bytes();
        let mut digits = [0; LENGTH];
        HEXLOWER.encode_mut(&hash, &mut digits);
        out.extend_from_slice(&digits);
    }
}
