//! A secret of 32 bytes: wiped when dropped, never printed.

use std::fmt;

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use zeroize::{Zeroize, ZeroizeOnDrop};

/// A uniformly random key of 256 bits.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub(crate) struct Secret([u8; 32]);

/// The public name of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct KeyId(pub(crate) [u8; 8]);

impl Secret {
    pub(crate) fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    pub(crate) fn random() -> Result<Self, getrandom::Error> {
        let mut secret = Self([0; 32]);
        getrandom::fill(&mut secret.0)?;
        Ok(secret)
    }

    pub(crate) fn bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// HMAC-SHA-256 primed with this key.
    pub(crate) fn hmac(&self) -> Hmac<Sha256> {
        // HMAC pads a short key with zeros to a block, so this is the HMAC under the 32 bytes, without the error that
        // a key of any length would have.
        let mut block = hmac::digest::Key::<Hmac<Sha256>>::default();
        for (to, from) in block.iter_mut().zip(&self.0) {
            *to = *from;
        }
        let mac = Hmac::<Sha256>::new(&block);
        block.zeroize();
        mac
    }

    /// HKDF-Expand (RFC 5869, section 2.3) to one block. `use_` keeps keys of different uses apart, and every part is
    /// preceded by its length, so that no two lists of parts give the same key.
    pub(crate) fn derive(&self, use_: &str, parts: &[&[u8]]) -> Self {
        let mut info = Vec::from(b"malla/1/");
        info.extend_from_slice(use_.as_bytes());
        for part in parts {
            info.extend_from_slice(&(part.len() as u64).to_be_bytes());
            info.extend_from_slice(part);
        }
        self.expand(&info)
    }

    fn expand(&self, info: &[u8]) -> Self {
        Self(
            self.hmac()
                .chain_update(info)
                .chain_update([1])
                .finalize()
                .into_bytes()
                .into(),
        )
    }
}

impl KeyId {
    pub(crate) fn random() -> Result<Self, getrandom::Error> {
        let mut id = [0; 8];
        getrandom::fill(&mut id)?;
        Ok(Self(id))
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&data_encoding::HEXLOWER.encode(&self.0))
    }
}

#[cfg(test)]
mod tests {
    use data_encoding::HEXLOWER;

    use super::*;

    fn bytes<const N: usize>(hex: &str) -> [u8; N] {
        HEXLOWER.decode(hex.as_bytes()).unwrap().try_into().unwrap()
    }

    /// RFC 5869, A.1: the first block of OKM.
    #[test]
    fn expand_is_hkdf() {
        let prk = Secret::new(bytes(
            "077709362c2e32df0ddc3f0dc47bba6390b6c73bb50f9c3122ec844ad7c2b3e5",
        ));
        let okm = prk.expand(&bytes::<10>("f0f1f2f3f4f5f6f7f8f9"));
        assert_eq!(
            okm.bytes(),
            &bytes::<32>("3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf")
        );
    }

    #[test]
    fn uses_and_parts_give_keys_of_their_own() {
        let root = Secret::new([7; 32]);
        let keys = [
            root.derive("a", &[]),
            root.derive("b", &[]),
            root.derive("a", &[b""]),
            root.derive("a", &[b"xy"]),
            root.derive("a", &[b"x", b"y"]),
            root.derive("ax", &[b"y"]),
        ];
        for (i, one) in keys.iter().enumerate() {
            for other in &keys[i + 1..] {
                assert_ne!(one.bytes(), other.bytes());
            }
        }
    }

    #[test]
    fn debug_tells_nothing() {
        assert_eq!(format!("{:?}", Secret::new([7; 32])), "Secret(..)");
    }
}
