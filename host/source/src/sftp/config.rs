//! Where a server is, and how it is known.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use serde::Deserialize;

use crate::SourceError;

/// A folder on a server, read over SFTP. Every file is a partition of its own, read once and whole.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SftpConfig {
    /// `host` or `host:port`.
    pub host: String,
    /// Who logs in.
    pub user: String,
    /// Fingerprint of the server's key as `ssh-keygen -l` shows it: `SHA256:..`.
    pub host_key: String,
    /// Where the password is.
    pub password: Option<Secret>,
    /// Where the private key is, as text.
    pub key: Option<Secret>,
    /// A file that holds the private key.
    pub key_file: Option<PathBuf>,
    /// Folder on the server.
    pub folder: String,
    /// Which files: a name in which `*` stands for anything. All when absent.
    pub files: Option<String>,
    /// Folder on the server where files go that are in the lake. They stay where they are when absent.
    pub archive: Option<String>,
    /// How long a file's size must stay the same before it is taken.
    #[serde(default = "settle_seconds")]
    pub settle_seconds: f64,
    /// How often the folder is looked at.
    #[serde(default = "every_seconds")]
    pub every_seconds: f64,
}

/// A variable of the environment that holds a secret.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Secret {
    /// Its name.
    pub env: String,
}

fn settle_seconds() -> f64 {
    5.0
}

fn every_seconds() -> f64 {
    60.0
}

/// How to log in.
pub(super) enum Login {
    Password(String),
    Key(String),
}

impl SftpConfig {
    /// Looks for what cannot work, without asking the server.
    ///
    /// # Errors
    /// A setting that is missing or impossible.
    pub fn check(&self) -> Result<(), SourceError> {
        if !self.host_key.starts_with("SHA256:") {
            return Err(self.refuse(
                "host_key",
                "must be the fingerprint of the server's key, SHA256:.., as its owner reads it with `ssh-keygen -l`",
            ));
        }
        let ways = [
            self.password.is_some(),
            self.key.is_some(),
            self.key_file.is_some(),
        ];
        if ways.iter().filter(|way| **way).count() != 1 {
            return Err(self.refuse("password, key, key_file", "must be exactly one of them"));
        }
        for (name, seconds) in [
            ("settle_seconds", self.settle_seconds),
            ("every_seconds", self.every_seconds),
        ] {
            if !(seconds > 0.0 && seconds <= 86_400.0) {
                return Err(self.refuse(name, "must be above 0 and at most 86400"));
            }
        }
        Ok(())
    }

    pub(super) fn login(&self) -> Result<Login, SourceError> {
        let secret = |name: &str, secret: &Secret| {
            std::env::var(&secret.env).map_err(|_| {
                let reason = format!(
                    "is taken from the variable {} of the environment, which is not set",
                    secret.env
                );
                self.refuse(name, &reason)
            })
        };
        if let Some(password) = &self.password {
            return secret("password", password).map(Login::Password);
        }
        if let Some(key) = &self.key {
            return secret("key", key).map(Login::Key);
        }
        let Some(path) = &self.key_file else {
            return Err(self.refuse("key_file", "is missing"));
        };
        std::fs::read_to_string(path)
            .map(Login::Key)
            .map_err(|error| SourceError::Io {
                action: "read",
                path: path.clone(),
                error,
            })
    }

    pub(super) fn address(&self) -> String {
        if self.host.contains(':') {
            self.host.clone()
        } else {
            format!("{}:22", self.host)
        }
    }

    pub(super) fn settle(&self) -> Duration {
        seconds(self.settle_seconds)
    }

    pub(super) fn every(&self) -> Duration {
        seconds(self.every_seconds)
    }

    /// Whether a file of that name is meant.
    pub(super) fn means(&self, name: &str) -> bool {
        self.files.as_deref().is_none_or(|pattern| matches(pattern, name))
    }

    fn refuse(&self, setting: &str, reason: &str) -> SourceError {
        SourceError::Sftp {
            host: self.host.clone(),
            reason: format!("`{setting}` {reason}"),
        }
    }
}

fn seconds(seconds: f64) -> Duration {
    Duration::try_from_secs_f64(seconds).unwrap_or(Duration::from_secs(60))
}

/// Whether a name fits a pattern in which `*` stands for anything.
fn matches(pattern: &str, name: &str) -> bool {
    let Some((start, rest)) = pattern.split_once('*') else {
        return pattern == name;
    };
    let Some(mut name) = name.strip_prefix(start) else {
        return false;
    };
    let mut pieces: Vec<&str> = rest.split('*').collect();
    let last = pieces.pop().unwrap_or_default();
    for piece in pieces {
        let Some(at) = name.find(piece) else { return false };
        name = name.get(at + piece.len()..).unwrap_or_default();
    }
    name.ends_with(last)
}

impl fmt::Debug for SftpConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SftpConfig")
            .field("host", &self.host)
            .field("folder", &self.folder)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_fit_names() {
        for (pattern, name, fits) in [
            ("*", "a.csv", true),
            ("catalogo-*.csv", "catalogo-2026-11-28.csv", true),
            ("catalogo-*.csv", "catalogo-2026.csv.gz", false),
            ("catalogo-*.csv", "catalogo.csv", false),
            ("a*b*c", "axxbxxc", true),
            ("a*b*c", "acb", false),
            ("a*a", "a", false),
            ("a.csv", "a.csv", true),
            ("a.csv", "ab.csv", false),
        ] {
            assert_eq!(matches(pattern, name), fits, "{pattern} {name}");
        }
    }
}
