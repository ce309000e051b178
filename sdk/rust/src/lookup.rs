//! Constant tables of the contract.

use std::fmt;

use crate::Decimal;

/// A table of the contract, from text to decimals of `SCALE` digits after the point.
#[derive(Clone, Copy)]
pub struct Lookup<const SCALE: u8> {
    find: fn(&[u8]) -> Option<i128>,
    keys: &'static [&'static str],
}

impl<const SCALE: u8> Lookup<SCALE> {
    #[doc(hidden)]
    #[must_use]
    pub const fn new(find: fn(&[u8]) -> Option<i128>, keys: &'static [&'static str]) -> Self {
        Self { find, keys }
    }

    /// The value of a key, which must match exactly.
    #[must_use]
    #[inline]
    pub fn get(&self, key: &str) -> Option<Decimal<SCALE>> {
        (self.find)(key.as_bytes()).map(Decimal::new)
    }

    /// The keys, in the contract's order.
    #[must_use]
    pub const fn keys(&self) -> &'static [&'static str] {
        self.keys
    }
}

impl<const SCALE: u8> fmt::Debug for Lookup<SCALE> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map()
            .entries(self.keys.iter().map(|key| (key, self.get(key))))
            .finish()
    }
}
