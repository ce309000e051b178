//! How far a log goes: signed, and replaced as a whole after every append.

use std::fmt;
use std::path::Path;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::PublicKey;
use crate::damage::{Damage, Wrong};
use crate::files::{self, HEAD_FILE, log_name};
use crate::format::NOTHING;
use crate::key::SecretKey;

/// How far the log goes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Head {
    /// Number of the last record; 0 while there is none.
    pub(crate) seq: u64,
    /// Its hash.
    pub(crate) hash: String,
    /// Name of the file in which it stands.
    pub(crate) file: String,
    /// Where it ends there.
    pub(crate) bytes: u64,
    /// Number of the last checkpoint; 0 while there is none.
    pub(crate) checkpoint: u64,
    /// When the head was written.
    pub(crate) time: i64,
}

#[derive(Serialize, Deserialize)]
struct Signed {
    #[serde(flatten)]
    head: Head,
    signature: String,
}

impl Head {
    /// Of a log without a record.
    pub(crate) fn nothing(time: i64) -> Self {
        Self {
            seq: 0,
            hash: NOTHING.to_owned(),
            file: log_name(1),
            bytes: 0,
            checkpoint: 0,
            time,
        }
    }

    fn statement(&self) -> String {
        let Self {
            seq,
            hash,
            file,
            bytes,
            checkpoint,
            time,
        } = self;
        format!("malla audit head 1\n{seq}\n{hash}\n{file}\n{bytes}\n{checkpoint}\n{time}\n")
    }

    /// The content of its file.
    pub(crate) fn sign(&self, key: &SecretKey) -> String {
        self.render(key.sign(&self.statement()))
    }

    fn render(&self, signature: String) -> String {
        let signed = Signed {
            head: self.clone(),
            signature,
        };
        // Texts and numbers: cannot fail.
        let mut text = serde_json::to_string(&signed).unwrap_or_default();
        text.push('\n');
        text
    }

    /// Reads the content of its file, and checks the signature.
    pub(crate) fn parse(text: &str, key: &PublicKey) -> Result<Self, Damage> {
        let bad = || Damage::of(HEAD_FILE, Wrong::BadHead);
        let Signed { head, signature } = serde_json::from_str(text).map_err(|_| bad())?;
        // There is one way to write it: white space or a field that JSON would pass over is a change too.
        let is_whole = key.signed(&head.statement(), &signature) && head.render(signature) == text;
        if is_whole { Ok(head) } else { Err(bad()) }
    }

    /// The head of the log in a folder.
    pub(crate) fn read(dir: &Path, key: &PublicKey) -> Result<Self, Damage> {
        let text =
            files::read_small(&dir.join(HEAD_FILE)).map_err(|error| Damage::unreadable(HEAD_FILE, &error))?;
        Self::parse(&text.ok_or_else(|| Damage::of(HEAD_FILE, Wrong::NoHead))?, key)
    }
}

/// A record noted down outside of the log: nobody who has the log can take it back behind one. As text,
/// `<number>:<hash>`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Anchor {
    /// The record's number.
    pub seq: u64,
    /// Its hash, 64 lowercase hex digits.
    pub hash: String,
}

impl fmt::Display for Anchor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.seq, self.hash)
    }
}

impl FromStr for Anchor {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.split_once(':')
            .and_then(|(seq, hash)| Some((seq.parse().ok()?, hash)))
            .filter(|(seq, hash)| {
                *seq > 0 && hash.len() == NOTHING.len() && hash.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
            })
            .map(|(seq, hash)| Self {
                seq,
                hash: hash.to_owned(),
            })
            .ok_or_else(|| {
                format!("`{text}` is no anchor: give a record's number, a colon and its hash of 64 lowercase hex digits, as `malla audit verify` prints it")
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_anchor_is_read_as_it_is_printed() {
        let anchor = Anchor {
            seq: 12,
            hash: "ab".repeat(32),
        };
        assert_eq!(anchor.to_string().parse(), Ok(anchor));
        for text in [
            "",
            "12",
            "12:ab",
            &format!("0:{NOTHING}"),
            &format!("x:{NOTHING}"),
        ] {
            assert!(text.parse::<Anchor>().unwrap_err().contains("is no anchor"));
        }
    }

    #[test]
    fn every_byte_of_a_head_is_signed() {
        let key = SecretKey::new([7; 32]);
        let text = Head::nothing(5).sign(&key);
        assert_eq!(Head::parse(&text, &key.public()), Ok(Head::nothing(5)));
        for index in 0..text.len() {
            for byte in 0..128 {
                let mut bytes = text.clone().into_bytes();
                if bytes[index] != byte {
                    bytes[index] = byte;
                    let changed = String::from_utf8(bytes).unwrap();
                    assert!(Head::parse(&changed, &key.public()).is_err(), "{changed}");
                }
            }
        }
    }
}
