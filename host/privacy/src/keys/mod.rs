//! The keys of a mesh, and the keys derived from them.

mod file;
mod secret;

use std::fmt;

pub use file::KeyError;
pub(crate) use secret::{KeyId, Secret};

/// The root keys of a mesh. Nothing is hidden with a root key itself, but with keys derived from it.
pub struct KeyStore {
    token: Secret,
    host: Secret,
    seal: SealKey,
    /// INVARIANT: ids unique, and none that of `seal`. They open what was sealed before `seal` came.
    seal_before: Vec<SealKey>,
}

/// A root key of sealed values, with the name that every sealed value carries.
#[derive(Clone)]
pub(crate) struct SealKey {
    pub(crate) id: KeyId,
    pub(crate) secret: Secret,
}

impl KeyStore {
    /// New keys, written nowhere.
    pub(crate) fn random() -> Result<Self, getrandom::Error> {
        Ok(Self {
            token: Secret::random()?,
            host: Secret::random()?,
            seal: SealKey {
                id: KeyId::random()?,
                secret: Secret::random()?,
            },
            seal_before: Vec::new(),
        })
    }

    /// The key under which compiled components are cached: a file made under another key is not trusted.
    #[must_use]
    pub fn component_cache_key(&self) -> [u8; 32] {
        *self.host.derive("component-cache", &[]).bytes()
    }

    /// The key of tokens that can be joined with each other.
    pub(crate) fn token_key(&self, join_group: &str) -> Secret {
        self.token.derive("token", &[join_group.as_bytes()])
    }

    /// The key that seals.
    pub(crate) fn seal_key(&self) -> &SealKey {
        &self.seal
    }

    /// Every key that opens, oldest first.
    pub(crate) fn opening_keys(&self) -> impl Iterator<Item = &SealKey> {
        self.seal_before.iter().chain([&self.seal])
    }
}

impl fmt::Debug for KeyStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ids: Vec<String> = self.opening_keys().map(|key| key.id.to_string()).collect();
        f.debug_struct("KeyStore")
            .field("seal", &ids)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
