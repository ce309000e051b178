//! The keys of a mesh, and the keys derived from them.

mod file;
mod rotate;
mod secret;

use std::fmt;

use malla_contract::Date;

pub use file::KeyError;
pub(crate) use secret::{KeyId, Secret};

/// The root keys of a mesh. Nothing is hidden with a root key itself, but with keys derived from it.
pub struct KeyStore {
    /// Of what a token is made from, whatever the generation.
    token: Secret,
    generation: Generation,
    /// INVARIANT: numbers grow, and all are below that of `generation`.
    generations_before: Vec<Generation>,
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

/// The root key under which tokens are written for a time. Whoever has the keys of two generations makes a token of one
/// into the token of the other, without the value.
#[derive(Clone)]
pub(crate) struct Generation {
    pub(crate) number: u32,
    secret: Secret,
    /// The last day on which its tokens are read. `None`: it is the current one.
    until: Option<Date>,
}

impl Generation {
    /// The key of the tokens of one join group.
    pub(crate) fn key(&self, join_group: &str) -> Secret {
        self.secret.derive("token-generation", &[join_group.as_bytes()])
    }

    fn is_read(&self, today: Date) -> bool {
        self.until.is_none_or(|until| today <= until)
    }
}

impl KeyStore {
    /// New keys, written nowhere.
    pub(crate) fn random() -> Result<Self, getrandom::Error> {
        Ok(Self {
            token: Secret::random()?,
            generation: Generation {
                number: 1,
                secret: Secret::random()?,
                until: None,
            },
            generations_before: Vec::new(),
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

    /// The seed of the Ed25519 key with which this host signs checkpoints of its audit log.
    #[must_use]
    pub fn audit_key(&self) -> [u8; 32] {
        *self.host.derive("audit-checkpoint", &[]).bytes()
    }

    /// The number of the generation in which tokens are written, from 1.
    #[must_use]
    pub fn token_generation(&self) -> u32 {
        self.generation.number
    }

    /// The generation in which tokens are written.
    pub(crate) fn current_generation(&self) -> &Generation {
        &self.generation
    }

    /// The older generations whose tokens are read on a day.
    pub(crate) fn generations_before(&self, today: Date) -> impl Iterator<Item = &Generation> {
        self.generations_before
            .iter()
            .filter(move |generation| generation.is_read(today))
    }

    /// The key of what tokens are made from: columns of one group have equal tokens for equal values.
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
        let generations: Vec<u32> = self
            .generations_before
            .iter()
            .chain([&self.generation])
            .map(|generation| generation.number)
            .collect();
        f.debug_struct("KeyStore")
            .field("token", &generations)
            .field("seal", &ids)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
