//! The format of a log, version 1.
//!
//! A log is a folder:
//!
//! | file | holds |
//! |---|---|
//! | `audit-<number>.jsonl` | Records, one a line. The number is that of its first record, in 20 digits. |
//! | `head` | How far the log goes: one signed line, replaced as a whole after every append. |
//! | `audit.pub` | The Ed25519 public key, 64 lowercase hex digits and a line feed. |
//! | `lock` | Empty. Locked (`flock`) by whoever appends. |
//! | `head.new` | What is left of a `head` when a crash comes between. Means nothing. |
//!
//! A **line** is a JSON object without white space between its parts, then one line feed. Its fields, in this order:
//!
//! ```text
//! {"seq":7,"time":1764097632000000,"kind":"read","principal":"user:ana","object":"ventas.transacciones","action":"read",
//!  "purpose":"fraude","outcome":"mask","rule":"policies/global.csv:12","policy":"<digest>","details":{"rows":"10"},
//!  "previous":"<64 hex>","hash":"<64 hex>"}
//! ```
//!
//! - `seq` counts from 1 over all files, without a gap. `time` is in microseconds since 1970 UTC; it is no order.
//! - The texts are as [`crate::Record`] says, empty where there is nothing. `details` maps names to texts, sorted.
//! - Control and invisible formatting characters are escaped (`\u000a`), so a line feed byte is always the end of a line.
//! - `hash` is the SHA-256, in lowercase hex, of all bytes of the line before `,"hash":"`, from `{` on. The line ends with
//!   `,"hash":"`, these 64 digits, `"}` and the line feed: no byte of a line is free.
//! - `previous` is the `hash` of the record before, over files too, and 64 zeros in record 1.
//!
//! A line is at most [`MAX_LINE`] bytes. Beside the kinds of [`crate::Kind`] there are four that the log writes itself:
//!
//! - `begin` is the first line of the first file, `continue` the first line of every other, and they stand nowhere else.
//! - `checkpoint` has a `details.signature`: the Ed25519 signature (RFC 8032, 128 lowercase hex digits) of the text
//!   `malla audit checkpoint 1\n<seq>\n<previous>\n<time>\n`, its own fields in decimal or hex. So it vouches for every
//!   record before it.
//! - `recover` follows a crash: `details.kept` records were found whole though the head did not know them, and
//!   `details.cut_bytes` bytes after them, whose SHA-256 is `details.cut_sha256`, were no whole records and were cut off.
//!
//! `head` is a line too: `seq`, `hash`, `file`, `bytes`, `checkpoint`, `time`, `signature`. The last record that it knows has
//! that `seq` and `hash` and ends at that byte of that file; the last checkpoint up to there is record `checkpoint` (0: none).
//! The signature is that of `malla audit head 1\n<seq>\n<hash>\n<file>\n<bytes>\n<checkpoint>\n<time>\n`. A log that was only
//! just made has `seq` 0, a `hash` of zeros and no byte.
//!
//! A log that is longer than its head comes from a crash, and is whole. One that is shorter was cut.

use std::collections::BTreeMap;
use std::io::{self, Write};

use data_encoding::HEXLOWER;
use serde::{Deserialize, Serialize};
use serde_json::ser::{CharEscape, CompactFormatter, Formatter, Serializer};
use sha2::{Digest, Sha256};

/// Of the format.
pub(crate) const VERSION: u32 = 1;
/// Most bytes of a line. [`clip`] and the number of details keep a record below it, escapes and all.
pub(crate) const MAX_LINE: usize = 1 << 20;
/// Most bytes of a text in a record.
const MAX_TEXT: usize = 2048;

/// The `previous` of record 1.
pub(crate) const NOTHING: &str = "0000000000000000000000000000000000000000000000000000000000000000";

const HASH: &[u8] = b",\"hash\":\"";
const END: &[u8] = b"\"}";
const HASH_DIGITS: usize = 64;

/// Kinds that the log writes itself.
pub(crate) const BEGIN: &str = "begin";
pub(crate) const CONTINUE: &str = "continue";
pub(crate) const CHECKPOINT: &str = "checkpoint";
pub(crate) const RECOVER: &str = "recover";

/// A record but for its place in the chain.
#[derive(Serialize)]
pub(crate) struct Body<'a> {
    pub(crate) time: i64,
    pub(crate) kind: &'static str,
    pub(crate) principal: &'a str,
    pub(crate) object: &'a str,
    pub(crate) action: &'a str,
    pub(crate) purpose: &'a str,
    pub(crate) outcome: &'static str,
    pub(crate) rule: &'a str,
    pub(crate) policy: &'a str,
    pub(crate) details: &'a BTreeMap<String, String>,
}

impl Body<'_> {
    /// From `"time"` to the end of `details`.
    pub(crate) fn render(&self) -> Vec<u8> {
        let mut text = Vec::with_capacity(256);
        // Texts and numbers into a `Vec`: neither can fail.
        let _ = self.serialize(&mut Serializer::with_formatter(&mut text, Printable));
        text.pop();
        if !text.is_empty() {
            text.remove(0);
        }
        text
    }

    /// A record of the log about itself.
    pub(crate) fn own(
        kind: &'static str,
        time: i64,
        object: &str,
        details: &BTreeMap<String, String>,
    ) -> Vec<u8> {
        Body {
            time,
            kind,
            principal: "",
            object,
            action: "",
            purpose: "",
            outcome: "done",
            rule: "",
            policy: "",
            details,
        }
        .render()
    }
}

/// Compact JSON in which nothing stands that a terminal would obey or hide.
struct Printable;

impl Formatter for Printable {
    fn write_string_fragment<W: ?Sized + Write>(&mut self, writer: &mut W, fragment: &str) -> io::Result<()> {
        if fragment.is_ascii() && !fragment.contains('\u{7f}') {
            return writer.write_all(fragment.as_bytes());
        }
        let mut encoded = [0; 4];
        for char in fragment.chars() {
            if hides(char) {
                for unit in char.encode_utf16(&mut [0; 2]) {
                    write!(writer, "\\u{unit:04x}")?;
                }
            } else {
                writer.write_all(char.encode_utf8(&mut encoded).as_bytes())?;
            }
        }
        Ok(())
    }

    fn write_char_escape<W: ?Sized + Write>(&mut self, writer: &mut W, escape: CharEscape) -> io::Result<()> {
        CompactFormatter.write_char_escape(writer, escape)
    }
}

/// Control characters, line and paragraph separators, and what turns the direction of text or takes no space.
fn hides(char: char) -> bool {
    char.is_control()
        || matches!(char,
            '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

/// Cuts a text to [`MAX_TEXT`] bytes, and says so in it.
pub(crate) fn clip(mut text: String) -> String {
    if text.len() > MAX_TEXT {
        let note = format!(".. ({} bytes)", text.len());
        text.truncate(text.floor_char_boundary(MAX_TEXT.saturating_sub(note.len())));
        text.push_str(&note);
    }
    text
}

/// Appends a line to `out` and gives its hash.
pub(crate) fn write_line(out: &mut Vec<u8>, seq: u64, body: &[u8], previous: &str) -> String {
    let start = out.len();
    out.extend_from_slice(b"{\"seq\":");
    out.extend_from_slice(seq.to_string().as_bytes());
    out.push(b',');
    out.extend_from_slice(body);
    out.extend_from_slice(b",\"previous\":\"");
    out.extend_from_slice(previous.as_bytes());
    out.push(b'"');
    let hash = sha256(out.get(start..).unwrap_or_default());
    out.extend_from_slice(&line_end(&hash));
    hash
}

/// The last bytes of the line of a record with this hash.
pub(crate) fn line_end(hash: &str) -> Vec<u8> {
    [HASH, hash.as_bytes(), END, b"\n"].concat()
}

/// SHA-256 in lowercase hex.
pub(crate) fn sha256(bytes: &[u8]) -> String {
    HEXLOWER.encode(&Sha256::digest(bytes))
}

/// A line as it is read: what the chain needs of it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Line {
    pub(crate) seq: u64,
    pub(crate) time: i64,
    pub(crate) kind: String,
    #[serde(rename = "principal")]
    _principal: String,
    #[serde(rename = "object")]
    _object: String,
    #[serde(rename = "action")]
    _action: String,
    #[serde(rename = "purpose")]
    _purpose: String,
    #[serde(rename = "outcome")]
    _outcome: String,
    #[serde(rename = "rule")]
    _rule: String,
    #[serde(rename = "policy")]
    _policy: String,
    pub(crate) details: BTreeMap<String, String>,
    pub(crate) previous: String,
    pub(crate) hash: String,
}

/// Why bytes are no line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NotALine {
    /// It has the shape of one, but its hash is another.
    Changed,
    /// It never was one.
    Foreign,
}

impl Line {
    /// Reads a line without its line feed, and checks its hash.
    pub(crate) fn read(bytes: &[u8]) -> Result<Self, NotALine> {
        let hashed = bytes
            .strip_suffix(END)
            .and_then(|rest| rest.split_last_chunk::<HASH_DIGITS>())
            .and_then(|(rest, hash)| Some((rest.strip_suffix(HASH)?, hash)));
        match (hashed, serde_json::from_slice::<Self>(bytes)) {
            (Some((hashed, hash)), Ok(line)) if sha256(hashed).as_bytes() == hash => Ok(line),
            (Some(_), _) | (None, Ok(_)) => Err(NotALine::Changed),
            (None, Err(_)) => Err(NotALine::Foreign),
        }
    }

    /// Whether it begins a file.
    pub(crate) fn begins_a_file(&self) -> bool {
        self.kind == BEGIN || self.kind == CONTINUE
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn body(text: &str) -> Vec<u8> {
        let details = BTreeMap::from([(text.to_owned(), text.to_owned())]);
        Body {
            principal: text,
            ..Body {
                time: 5,
                kind: "read",
                principal: "",
                object: "ventas.transacciones",
                action: "read",
                purpose: "fraude",
                outcome: "allow",
                rule: "policies/global.csv:12",
                policy: "ab",
                details: &details,
            }
        }
        .render()
    }

    #[test]
    fn a_line_is_what_the_format_says() {
        let mut out = Vec::new();
        let hash = write_line(&mut out, 7, &body("a"), NOTHING);
        let text = String::from_utf8(out).unwrap();
        let hashed = concat!(
            r#"{"seq":7,"time":5,"kind":"read","principal":"a","object":"ventas.transacciones","action":"read","#,
            r#""purpose":"fraude","outcome":"allow","rule":"policies/global.csv:12","policy":"ab","details":{"a":"a"},"#,
            r#""previous":"0000000000000000000000000000000000000000000000000000000000000000""#,
        );
        assert_eq!(text, format!("{hashed},\"hash\":\"{hash}\"}}\n"));
        assert_eq!(hash, sha256(hashed.as_bytes()));
    }

    #[test]
    fn no_text_forges_a_line_or_hides_on_a_terminal() {
        let mut out = Vec::new();
        write_line(
            &mut out,
            1,
            &body("a\"}\n{\"seq\":2\u{1b}[2J\u{85}\u{2028}\u{202e}\u{e0041}\u{7f}ñ"),
            NOTHING,
        );
        let text = String::from_utf8(out).unwrap();
        assert_eq!(text.lines().count(), 1);
        assert!(
            text.contains(r#""principal":"a\"}\n{\"seq\":2\u001b[2J\u0085\u2028\u202e\udb40\udc41\u007fñ""#)
        );
    }

    #[test]
    fn the_longest_record_is_a_line() {
        let mut record = crate::Record::new(crate::Kind::Read, "\u{1}".repeat(9000), crate::Outcome::Allow)
            .with_principal("\u{1}".repeat(9000))
            .with_action("\u{e0041}".repeat(9000))
            .with_purpose("\u{1}".repeat(9000))
            .with_rule("\u{1}".repeat(9000))
            .with_policy("\u{1}".repeat(9000));
        for name in 0..100 {
            record = record.with_detail(format!("{name}{}", "\u{1}".repeat(9000)), "\u{1}".repeat(9000));
        }
        let mut out = Vec::new();
        write_line(&mut out, u64::MAX, &record.render(), NOTHING);
        assert!(out.len() <= MAX_LINE, "{}", out.len());
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(text: String, seq: u64) {
            let mut out = Vec::new();
            let hash = write_line(&mut out, seq, &body(&text), NOTHING);
            prop_assert!(!text.chars().any(hides) || !String::from_utf8_lossy(&out).trim_end().chars().any(hides));
            prop_assert_eq!(out.iter().filter(|byte| **byte == b'\n').count(), 1);
            let line = Line::read(out.trim_ascii_end()).unwrap();
            prop_assert_eq!((line.seq, &line._principal, line.hash), (seq, &text, hash));
            prop_assert_eq!(line.details.get(&text), Some(&text));
        }

        #[test]
        fn a_text_is_cut_at_a_character_and_says_so(text in "[aé€😀]{600,3000}") {
            let cut = clip(text.clone());
            prop_assert!(cut.len() <= MAX_TEXT);
            if text.len() > MAX_TEXT {
                let note = format!(".. ({} bytes)", text.len());
                prop_assert!(cut.ends_with(&note));
            } else {
                prop_assert_eq!(cut, text);
            }
        }
    }
}
