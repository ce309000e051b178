//! Masks, tokens, sealed values and the key store.
