//! The key pair of a log: what signs its heads and checkpoints, and what others check them with.

use std::fmt;
use std::path::Path;

use data_encoding::HEXLOWER;
use ed25519_dalek::{Signature, Signer as _, SigningKey, VerifyingKey};
use zeroize::Zeroizing;

use crate::damage::{Damage, Wrong};
use crate::files::{self, KEY_FILE};

/// Signs. Wiped when dropped.
pub(crate) struct SecretKey(SigningKey);

impl SecretKey {
    pub(crate) fn new(seed: [u8; 32]) -> Self {
        let seed = Zeroizing::new(seed);
        Self(SigningKey::from_bytes(&seed))
    }

    pub(crate) fn public(&self) -> PublicKey {
        PublicKey(self.0.verifying_key())
    }

    /// In lowercase hex.
    pub(crate) fn sign(&self, statement: &str) -> String {
        HEXLOWER.encode(&self.0.sign(statement.as_bytes()).to_bytes())
    }
}

/// The Ed25519 public key of a log. As text, 64 lowercase hex digits.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct PublicKey(VerifyingKey);

impl PublicKey {
    /// Reads the key of a log from 64 lowercase hex digits. `None`: that is no key.
    #[must_use]
    pub fn from_hex(hex: &str) -> Option<Self> {
        let bytes: [u8; 32] = HEXLOWER.decode(hex.as_bytes()).ok()?.try_into().ok()?;
        let key = VerifyingKey::from_bytes(&bytes).ok()?;
        (!key.is_weak()).then_some(Self(key))
    }

    /// The key that lies beside the log in `dir`. Whoever could change the log could change this too: against them,
    /// compare it with a copy from elsewhere.
    ///
    /// # Errors
    /// It is not there, or is no key.
    pub fn read(dir: &Path) -> Result<Self, Damage> {
        let text =
            files::read_small(&dir.join(KEY_FILE)).map_err(|error| Damage::unreadable(KEY_FILE, &error))?;
        let text = text.ok_or_else(|| Damage::of(KEY_FILE, Wrong::NoKey))?;
        text.strip_suffix('\n')
            .and_then(Self::from_hex)
            .ok_or_else(|| Damage::of(KEY_FILE, Wrong::BadKey))
    }

    pub(crate) fn signed(&self, statement: &str, signature: &str) -> bool {
        HEXLOWER
            .decode(signature.as_bytes())
            .ok()
            .and_then(|bytes| Signature::from_slice(&bytes).ok())
            .is_some_and(|signature| self.0.verify_strict(statement.as_bytes(), &signature).is_ok())
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&HEXLOWER.encode(self.0.as_bytes()))
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({self})")
    }
}

/// What a checkpoint's signature is of.
pub(crate) fn checkpoint_statement(seq: u64, previous: &str, time: i64) -> String {
    format!("malla audit checkpoint 1\n{seq}\n{previous}\n{time}\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signatures_are_ed25519() {
        // RFC 8032, section 7.1, test 2 (a message of one byte, 0x72).
        let seed = HEXLOWER
            .decode(b"4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb")
            .unwrap();
        let key = SecretKey::new(seed.try_into().unwrap());
        let public = "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c";
        assert_eq!(key.public().to_string(), public);
        assert_eq!(PublicKey::from_hex(public), Some(key.public()));
        let signature = "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da\
                         085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00";
        assert_eq!(key.sign("r"), signature);
        assert!(key.public().signed("r", signature));
        assert!(!key.public().signed("s", signature));
        assert!(!key.public().signed("r", &signature.to_uppercase()));
    }

    #[test]
    fn what_is_no_key_is_refused() {
        for hex in ["", "3d", &"0".repeat(64), &"A".repeat(64), &"f".repeat(63)] {
            assert_eq!(PublicKey::from_hex(hex), None, "{hex}");
        }
    }
}
