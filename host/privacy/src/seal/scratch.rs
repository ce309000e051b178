//! What this process alone reads again, and nobody after it.

use std::sync::atomic::{AtomicU32, Ordering};

use aes_gcm::aead::AeadInOut as _;
use aes_gcm::{Aes256Gcm, KeyInit as _};

use super::SealError;
use super::envelope::nonce;

/// Bytes that sealing adds to a piece.
pub const SCRATCH_OVERHEAD: usize = 16;

/// Seals pieces of data that go to a disk for a while. The key is random and nowhere but here: what is left of the pieces
/// when this is dropped, or the process ends, opens no more.
pub struct Scratch {
    cipher: Aes256Gcm,
    /// Of the next piece. INVARIANT: no number is used twice.
    next: AtomicU32,
}

/// A piece that is not what was sealed under its number.
#[derive(Debug, Clone, Copy, thiserror::Error)]
#[error("a piece of scratch data is not what was written")]
pub struct ScratchDamaged;

impl Scratch {
    /// With a key of its own.
    ///
    /// # Errors
    /// The operating system gives no randomness.
    pub fn new() -> Result<Self, SealError> {
        let mut key = zeroize::Zeroizing::new([0; 32]);
        getrandom::fill(key.as_mut())?;
        Ok(Self {
            cipher: Aes256Gcm::new((&*key).into()),
            next: AtomicU32::new(0),
        })
    }

    /// Seals a piece in its place, and says its number.
    ///
    /// # Errors
    /// There were 2^32 pieces, or this one has more than 64 GiB.
    pub fn seal(&self, piece: &mut Vec<u8>) -> Result<u32, SealError> {
        let number = self
            .next
            .try_update(Ordering::Relaxed, Ordering::Relaxed, |number| {
                number.checked_add(1)
            })
            .map_err(|_| SealError::TooLarge)?;
        let tag = self
            .cipher
            .encrypt_inout_detached(&nonce(number), &[], piece.as_mut_slice().into())
            .map_err(|_| SealError::TooLarge)?;
        piece.extend_from_slice(&tag);
        Ok(number)
    }

    /// Opens a piece in its place.
    ///
    /// # Errors
    /// It is another piece, or damaged.
    pub fn open(&self, number: u32, piece: &mut Vec<u8>) -> Result<(), ScratchDamaged> {
        let length = piece.len().checked_sub(SCRATCH_OVERHEAD).ok_or(ScratchDamaged)?;
        let (sealed, tag) = piece.split_at_mut_checked(length).ok_or(ScratchDamaged)?;
        let tag: [u8; SCRATCH_OVERHEAD] = (&*tag).try_into().map_err(|_| ScratchDamaged)?;
        self.cipher
            .decrypt_inout_detached(&nonce(number), &[], sealed.into(), &tag.into())
            .map_err(|_| ScratchDamaged)?;
        piece.truncate(length);
        Ok(())
    }
}

impl std::fmt::Debug for Scratch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Scratch").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_piece_opens_under_its_number_and_key_only() {
        let scratch = Scratch::new().unwrap();
        let plain = b"ana@example.com".to_vec();
        let mut first = plain.clone();
        let mut second = plain.clone();
        assert_eq!(scratch.seal(&mut first).unwrap(), 0);
        assert_eq!(scratch.seal(&mut second).unwrap(), 1);
        assert_ne!(first, second);
        assert!(!first.windows(3).any(|bytes| bytes == b"ana"));
        for (number, piece) in [(1, &first), (0, &second)] {
            scratch.open(number, &mut piece.clone()).unwrap_err();
        }
        Scratch::new().unwrap().open(0, &mut first.clone()).unwrap_err();
        let mut damaged = first.clone();
        damaged[3] ^= 1;
        scratch.open(0, &mut damaged).unwrap_err();
        scratch.open(0, &mut vec![0; 3]).unwrap_err();
        scratch.open(0, &mut first).unwrap();
        assert_eq!(first, plain);
    }
}
