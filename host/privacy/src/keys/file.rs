//! The key file: TOML, for its owner alone.
//!
//! ```toml
//! version = 2
//! [token]
//! key = "<64 hex digits>"      # root of what tokens are made from
//! [[token.generation]]         # the last one writes, the others are read until their day is over
//! number = 1
//! key = "<64 hex digits>"
//! until = "2026-12-31"         # not in the last one
//! [host]
//! key = "<64 hex digits>"      # root of what this machine signs for itself
//! [[seal]]                     # the last one seals, every one opens
//! id = "<16 hex digits>"
//! key = "<64 hex digits>"
//! ```
//!
//! Version 1 had no generations: the first one's key is derived from the root of tokens.

use std::fmt::Write as _;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, ErrorKind, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use data_encoding::HEXLOWER;
use serde::Deserialize;
use zeroize::Zeroizing;

use super::{Generation, KeyId, KeyStore, SealKey, Secret};
use malla_contract::Date;

const VERSION: i64 = 2;
const WITHOUT_GENERATIONS: i64 = 1;
/// A key file is a few hundred bytes. What is longer than this is none, and is not read whole.
const LONGEST: u64 = 1 << 20;

/// Why there are no keys.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeyError {
    /// No file there.
    #[error(
        "no key store at `{path}`: put its backup back, without which nothing that it sealed can be opened; `malla init` makes \
         one for a new mesh"
    )]
    Missing {
        /// The path asked for.
        path: PathBuf,
    },
    /// Keys are never overwritten.
    #[error(
        "`{path}` is there already and is kept, since data sealed with it needs it: choose another path, or move it away"
    )]
    Exists {
        /// The path asked for.
        path: PathBuf,
    },
    /// Others than the owner may read or write it.
    #[error("others can reach the key store `{path}` (mode {mode:o}): run `chmod 600 {path}`")]
    Exposed {
        /// The key file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// A folder or a device.
    #[error("`{path}` is no regular file: give the path of the key store itself")]
    NotAFile {
        /// The path asked for.
        path: PathBuf,
    },
    /// Made by a later Malla.
    #[error("key store `{path}` has version {version}, and this program knows {VERSION}: update malla")]
    Version {
        /// The key file.
        path: PathBuf,
        /// What it says.
        version: i64,
    },
    /// Not as `malla init` writes it. Says where and what, never the content.
    #[error("key store `{path}` is damaged: {what}; restore it from its backup")]
    Damaged {
        /// The key file.
        path: PathBuf,
        /// Where, and what was expected.
        what: String,
    },
    /// The operating system would not.
    #[error("cannot use the key store `{path}`: {source}")]
    Io {
        /// The key file.
        path: PathBuf,
        /// What the operating system says.
        source: io::Error,
    },
    /// A generation whose window is over before it begins.
    #[error("old tokens would be read until {until}, and today is {today}: give a date that is not over")]
    Window {
        /// The last day of the window.
        until: Date,
        /// The day on which it was asked for.
        today: Date,
    },
    /// No randomness, no keys.
    #[error("the operating system gives no randomness to make keys from: {0}")]
    Randomness(#[from] getrandom::Error),
}

#[derive(Deserialize)]
struct Version {
    version: i64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entries<'a> {
    #[expect(
        dead_code,
        reason = "read by `Version`; listed so that other unknown fields are refused"
    )]
    version: i64,
    #[serde(borrow)]
    token: Tokens<'a>,
    #[serde(borrow)]
    host: Root<'a>,
    #[serde(borrow)]
    seal: Vec<Named<'a>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Tokens<'a> {
    key: &'a str,
    #[serde(borrow, default)]
    generation: Vec<Numbered<'a>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Numbered<'a> {
    number: u32,
    key: &'a str,
    until: Option<&'a str>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Root<'a> {
    key: &'a str,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Named<'a> {
    id: &'a str,
    key: &'a str,
}

impl KeyStore {
    /// Makes random keys and writes them to a new file that only its owner can read. Missing folders are made, for the
    /// owner alone.
    ///
    /// # Errors
    /// The file is there already (it is never overwritten), or cannot be written.
    pub fn create(path: &Path) -> Result<Self, KeyError> {
        let io = |source| KeyError::Io {
            path: path.to_owned(),
            source,
        };
        if let Some(parent) = path.parent().filter(|parent| !parent.as_os_str().is_empty()) {
            DirBuilder::new()
                .recursive(true)
                .mode(0o700)
                .create(parent)
                .map_err(io)?;
        }
        let keys = Self::random()?;
        keys.write(path).map_err(|source| match source.kind() {
            ErrorKind::AlreadyExists => KeyError::Exists {
                path: path.to_owned(),
            },
            _ => io(source),
        })?;
        Ok(keys)
    }

    /// Reads the keys that [`KeyStore::create`] wrote. A symbolic link is followed (secrets are often mounted so); what
    /// counts is the file behind it.
    ///
    /// # Errors
    /// There is no such file, others than its owner can reach it, or its content is not whole.
    pub fn load(path: &Path) -> Result<Self, KeyError> {
        let file = File::open(path).map_err(|source| unreadable(path, source))?;
        Self::read(path, &file)
    }

    /// Reads an open key file. `path` is for messages.
    pub(super) fn read(path: &Path, file: &File) -> Result<Self, KeyError> {
        let io = |source| unreadable(path, source);
        // Of the open file, so that it cannot be exchanged between the check and the reading.
        let metadata = file.metadata().map_err(io)?;
        if !metadata.is_file() {
            return Err(KeyError::NotAFile {
                path: path.to_owned(),
            });
        }
        let mode = metadata.permissions().mode() & 0o777;
        if mode & 0o077 != 0 {
            return Err(KeyError::Exposed {
                path: path.to_owned(),
                mode,
            });
        }
        let damaged = |what: &str| KeyError::Damaged {
            path: path.to_owned(),
            what: what.to_owned(),
        };
        // Of full size from the start: a buffer that grows leaves copies of keys behind.
        let size = usize::try_from(metadata.len().min(LONGEST)).unwrap_or_default();
        let mut text = Zeroizing::new(String::with_capacity(size.saturating_add(1)));
        file.take(LONGEST)
            .read_to_string(&mut text)
            .map_err(|source| match source.kind() {
                ErrorKind::InvalidData => damaged("it is not text"),
                _ => io(source),
            })?;
        Self::parse(path, &text)
    }

    fn parse(path: &Path, text: &str) -> Result<Self, KeyError> {
        let damaged = |what: String| KeyError::Damaged {
            path: path.to_owned(),
            what,
        };
        let Version { version } = toml::from_str(text).map_err(|error| damaged(place(text, &error)))?;
        if version != VERSION && version != WITHOUT_GENERATIONS {
            return Err(KeyError::Version {
                path: path.to_owned(),
                version,
            });
        }
        let entries: Entries<'_> = toml::from_str(text).map_err(|error| damaged(place(text, &error)))?;
        let secret = |name: &str, hex: &str| {
            let key = decode(hex)
                .ok_or_else(|| damaged(format!("the key of `{name}` is not 64 lowercase hex digits")))?;
            Ok::<_, KeyError>(Secret::new(*key))
        };
        let mut seal_before: Vec<SealKey> = Vec::with_capacity(entries.seal.len());
        for named in &entries.seal {
            let id = decode(named.id)
                .map(|id| KeyId(*id))
                .ok_or_else(|| damaged("an `id` of `seal` is not 16 lowercase hex digits".to_owned()))?;
            if seal_before.iter().any(|key| key.id == id) {
                return Err(damaged(format!("two keys of `seal` have the id `{id}`")));
            }
            seal_before.push(SealKey {
                id,
                secret: secret("seal", named.key)?,
            });
        }
        let seal = seal_before
            .pop()
            .ok_or_else(|| damaged("it has no key under `seal`".to_owned()))?;
        let (token, host) = (
            secret("token", entries.token.key)?,
            secret("host", entries.host.key)?,
        );
        let mut generations_before = Vec::with_capacity(entries.token.generation.len());
        for numbered in &entries.token.generation {
            let until = numbered.until.map(str::parse).transpose().map_err(|_| {
                damaged(format!(
                    "generation {} of `token` has an `until` that is no date",
                    numbered.number
                ))
            })?;
            generations_before.push(Generation {
                number: numbered.number,
                secret: secret("token.generation", numbered.key)?,
                until,
            });
        }
        if version == WITHOUT_GENERATIONS {
            if !generations_before.is_empty() {
                return Err(damaged(format!("version {version} has no `token.generation`")));
            }
            generations_before.push(Generation {
                number: 1,
                secret: token.derive("first-generation", &[]),
                until: None,
            });
        }
        let generation = generations_before
            .pop()
            .ok_or_else(|| damaged("it has no key under `token.generation`".to_owned()))?;
        let numbers = || {
            generations_before
                .iter()
                .chain([&generation])
                .map(|one| one.number)
        };
        if numbers().zip(numbers().skip(1)).any(|(one, next)| one >= next) || numbers().any(|one| one == 0) {
            return Err(damaged(
                "the numbers of `token.generation` do not grow from 1".to_owned(),
            ));
        }
        if generation.until.is_some() || generations_before.iter().any(|one| one.until.is_none()) {
            return Err(damaged(
                "each `token.generation` but the last has a date `until`".to_owned(),
            ));
        }
        Ok(Self {
            token,
            generation,
            generations_before,
            host,
            seal,
            seal_before,
        })
    }

    /// Writes a new file that only its owner can read, whole or not at all.
    pub(super) fn write(&self, path: &Path) -> io::Result<()> {
        let mut file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(path)?;
        let written = file
            .write_all(self.text().as_bytes())
            .and_then(|()| file.sync_all());
        if written.is_err() {
            // Half a key file would only be found out when it is needed.
            let _ = fs::remove_file(path);
        }
        written
    }

    /// At least the length of the text: a buffer that grows leaves copies of keys behind.
    fn text_size(&self) -> usize {
        let keys = self.generations_before.len() + self.seal_before.len();
        1024 + keys.saturating_mul(160)
    }

    fn text(&self) -> Zeroizing<String> {
        let mut text = Zeroizing::new(String::with_capacity(self.text_size()));
        let hex = |secret: &Secret| Zeroizing::new(HEXLOWER.encode(secret.bytes()));
        text.push_str(
            "# The keys of this mesh. Who has them can open every sealed value and recompute every token.\n\
             # Keep a backup where the data is not: without them nothing sealed can ever be opened again.\n",
        );
        // Writing to a String cannot fail.
        let _ = write!(
            text,
            "version = {VERSION}\n\n[token]\nkey = \"{}\"\n",
            hex(&self.token).as_str()
        );
        for one in self.generations_before.iter().chain([&self.generation]) {
            let _ = write!(
                text,
                "\n[[token.generation]]\nnumber = {}\nkey = \"{}\"\n",
                one.number,
                hex(&one.secret).as_str()
            );
            if let Some(until) = one.until {
                let _ = writeln!(text, "until = \"{until}\"");
            }
        }
        let _ = write!(text, "\n[host]\nkey = \"{}\"\n", hex(&self.host).as_str());
        for key in self.opening_keys() {
            let _ = write!(
                text,
                "\n[[seal]]\nid = \"{}\"\nkey = \"{}\"\n",
                key.id,
                hex(&key.secret).as_str()
            );
        }
        text
    }
}

pub(super) fn unreadable(path: &Path, source: io::Error) -> KeyError {
    let path = path.to_owned();
    match source.kind() {
        ErrorKind::NotFound => KeyError::Missing { path },
        _ => KeyError::Io { path, source },
    }
}

fn decode<const N: usize>(hex: &str) -> Option<Zeroizing<[u8; N]>> {
    let bytes = Zeroizing::new(HEXLOWER.decode(hex.as_bytes()).ok()?);
    bytes.as_slice().try_into().ok().map(Zeroizing::new)
}

/// Where the text stops being a key store. The parser's own message may quote what it found there, so it is not used.
fn place(text: &str, error: &toml::de::Error) -> String {
    let start = error.span().map_or(0, |span| span.start);
    let line = text
        .as_bytes()
        .iter()
        .take(start)
        .filter(|byte| **byte == b'\n')
        .count()
        + 1;
    format!("line {line} is not as `malla init` wrote it")
}
