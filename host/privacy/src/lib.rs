//! Masks, tokens, sealed values and the key store.
//!
//! Invariant: the only crate that holds keys. No error, log or `Debug` of it carries a key or a value, and what it
//! cannot hide it refuses.

mod detect;
mod keys;
mod mask;
mod seal;

pub use detect::{Detector, Finding, Findings};
pub use keys::{KeyError, KeyStore};
pub use mask::{MaskError, Masker, QueryKey, TokenTranslator};
pub use seal::{
    BatchSealer, OpenError, Opener, SCRATCH_OVERHEAD, Scratch, ScratchDamaged, SealError, Sealer,
};
