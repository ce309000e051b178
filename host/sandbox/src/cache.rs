//! Compiled components on disk.
//!
//! A file `<digest>.bin` is 32 bytes of HMAC-SHA-256 and then what wasmtime's compiler made. That is native code,
//! so it is trusted only if this host made it: the MAC covers the code, the component that it came from, and the
//! engine that it is for. Any doubt means that the component is compiled again and the file replaced.

use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{self, Write};
use std::path::PathBuf;

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use wasmtime::Engine;
use wasmtime::component::Component;

use crate::{CacheConfig, SandboxError};

const DOMAIN: &[u8] = b"malla compiled component v1\0";
const MAC_BYTES: usize = 32;

pub(crate) struct Cache {
    config: CacheConfig,
    /// Changes with the version and the settings of the engine.
    engine: u64,
}

impl Cache {
    pub(crate) fn new(config: CacheConfig, engine: &Engine) -> Result<Self, SandboxError> {
        fs::create_dir_all(&config.dir).map_err(|source| SandboxError::CacheDir {
            dir: config.dir.clone(),
            source,
        })?;
        let mut hasher = DefaultHasher::new();
        engine.precompile_compatibility_hash().hash(&mut hasher);
        Ok(Self {
            config,
            engine: hasher.finish(),
        })
    }

    /// The compiled component of this digest, if the file is there, whole and ours.
    pub(crate) fn get(&self, engine: &Engine, digest: &str) -> Option<Component> {
        let file = fs::read(self.path(digest)).ok()?;
        let (tag, code) = file.split_at_checked(MAC_BYTES)?;
        if self.mac(digest, code)?.verify_slice(tag).is_err() {
            tracing::warn!(digest, "Cached component is not authentic, compiling again.");
            return None;
        }
        #[expect(
            unsafe_code,
            reason = "the MAC just verified says that this host's wasmtime made these bytes"
        )]
        // SAFETY: `code` came out of `Component::serialize` of an engine with the same compatibility hash, in a
        // process that knew the key; it was read once, so it cannot have changed since.
        let component = unsafe { Component::deserialize(engine, code) };
        component
            .inspect_err(
                |error| tracing::warn!(digest, %error, "Cached component does not load, compiling again."),
            )
            .ok()
    }

    /// Keeps a compiled component. A cache that cannot be written makes the next start slower, nothing else.
    pub(crate) fn put(&self, digest: &str, component: &Component) {
        if let Err(error) = self.try_put(digest, component) {
            tracing::warn!(digest, %error, "Compiled component is not cached.");
        }
    }

    fn try_put(&self, digest: &str, component: &Component) -> io::Result<()> {
        let code = component
            .serialize()
            .map_err(|error| io::Error::other(format!("{error:#}")))?;
        let mac = self
            .mac(digest, &code)
            .ok_or_else(|| io::Error::other("no MAC for this key"))?;
        // Under another name until whole: a reader sees the old file, the new one, or none.
        let mut file = tempfile::Builder::new()
            .prefix(".new-")
            .tempfile_in(&self.config.dir)?;
        file.write_all(&mac.finalize().into_bytes())?;
        file.write_all(&code)?;
        file.as_file().sync_all()?;
        file.persist(self.path(digest))?;
        Ok(())
    }

    fn path(&self, digest: &str) -> PathBuf {
        self.config.dir.join(format!("{digest}.bin"))
    }

    fn mac(&self, digest: &str, code: &[u8]) -> Option<Hmac<Sha256>> {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.config.key).ok()?;
        mac.update(DOMAIN);
        mac.update(&self.engine.to_le_bytes());
        mac.update(digest.as_bytes());
        mac.update(&[0]);
        mac.update(code);
        Some(mac)
    }
}
