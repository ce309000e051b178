//! Names that come from outside: partitions, segments, and their order.

use std::cmp::Ordering;
use std::ffi::{OsStr, OsString};
use std::fmt::Write as _;
use std::os::unix::ffi::{OsStrExt, OsStringExt};

use sha2::{Digest, Sha256};

use crate::ROOT_PARTITION;

/// Longest name that a journal file takes over as it is.
const MAX_PLAIN_NAME: usize = 200;

/// A file name as text, and back: UTF-8 stays, but `%`, control characters and bytes that are not UTF-8 become `%XX`.
pub(crate) fn encode_name(name: &OsStr) -> String {
    let mut text = String::with_capacity(name.len());
    for chunk in name.as_bytes().utf8_chunks() {
        for character in chunk.valid().chars() {
            if character == '%' || character.is_control() {
                let mut buffer = [0; 4];
                escape(&mut text, character.encode_utf8(&mut buffer).as_bytes());
            } else {
                text.push(character);
            }
        }
        escape(&mut text, chunk.invalid());
    }
    if text == ROOT_PARTITION {
        "%5Froot".to_owned()
    } else {
        text
    }
}

fn escape(text: &mut String, bytes: &[u8]) {
    for byte in bytes {
        // Writing to a `String` cannot fail.
        let _ = write!(text, "%{byte:02X}");
    }
}

pub(crate) fn decode_name(text: &str) -> OsString {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let escaped = (*first == b'%')
            .then(|| after.split_at_checked(2))
            .flatten()
            .and_then(|(hex, after)| Some((u8::from_str_radix(str::from_utf8(hex).ok()?, 16).ok()?, after)));
        let (byte, after) = escaped.unwrap_or((*first, after));
        bytes.push(byte);
        rest = after;
    }
    OsString::from_vec(bytes)
}

/// The journal of a partition. A name too long for a file is cut and made unique by its hash.
pub(crate) fn journal_name(partition: &str) -> String {
    if partition.len() <= MAX_PLAIN_NAME {
        return format!("{partition}.jsonl");
    }
    let start = partition
        .get(..partition.floor_char_boundary(100))
        .unwrap_or_default();
    let digest = Sha256::digest(partition.as_bytes());
    format!("{start}~{}.jsonl", hex(digest.get(..16).unwrap_or_default()))
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes
        .iter()
        .fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
            let _ = write!(text, "{byte:02x}");
            text
        })
}

/// What the names of Parquet files end with.
pub(crate) const PARQUET: &[&str] = &[".parquet", ".parq"];

/// How a segment is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Packing {
    Plain,
    Gzip,
    Zstd,
    /// In itself: what can be read of it are rows.
    Parquet,
}

/// What a file name says about a segment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SegmentName {
    /// Without the suffix of the compression: `a.jsonl.1` of `a.jsonl.1.gz`.
    pub(crate) stem: String,
    /// Also without the suffix of the rotation: `a.jsonl`.
    pub(crate) base: String,
    pub(crate) packing: Packing,
}

/// Whether a name is one that tools give to unfinished or private files.
pub(crate) fn is_private(name: &str) -> bool {
    let lower = name.to_ascii_lowercase();
    lower.starts_with('.') || lower.ends_with('~') || [".tmp", ".part"].iter().any(|end| lower.ends_with(end))
}

/// A segment is `*.jsonl` or what else `extensions` says, then perhaps a rotation (`.1`, `-20261121`), then perhaps `.gz` or `.zst`.
pub(crate) fn segment_name(name: &str, extensions: &[&str]) -> Option<SegmentName> {
    let lower = name.to_ascii_lowercase();
    let (stem, packing) = [(".gz", Packing::Gzip), (".zst", Packing::Zstd)]
        .into_iter()
        .find_map(|(suffix, packing)| Some((lower.strip_suffix(suffix)?, packing)))
        .unwrap_or((&lower, Packing::Plain));
    // Lower case of ASCII keeps every byte's place.
    let stem = name.get(..stem.len())?;
    let base_len = extensions.iter().find_map(|extension| {
        let end = lower.get(..stem.len())?.rfind(extension)? + extension.len();
        stem.get(end..).filter(|rest| is_rotation(rest)).map(|_| end)
    })?;
    let is_parquet = PARQUET.iter().any(|extension| {
        lower
            .get(..base_len)
            .is_some_and(|base| base.ends_with(extension))
    });
    let packing = match packing {
        Packing::Plain if is_parquet => Packing::Parquet,
        // Compressed as a whole it could only be read from its start, and its pages are compressed anyway.
        _ if is_parquet => return None,
        packing => packing,
    };
    Some(SegmentName {
        stem: stem.to_owned(),
        base: stem.get(..base_len)?.to_owned(),
        packing,
    })
}

fn is_rotation(rest: &str) -> bool {
    rest.is_empty()
        || (rest.starts_with(['.', '-', '_'])
            && rest
                .bytes()
                .all(|byte| byte.is_ascii_digit() || b".-_:TZ".contains(&byte))
            && rest.bytes().any(|byte| byte.is_ascii_digit()))
}

/// Numbers within names by value: `a2` before `a10`.
pub(crate) fn natural_order(left: &str, right: &str) -> Ordering {
    let (mut a, mut b) = (left, right);
    while !a.is_empty() && !b.is_empty() {
        let (head_a, rest_a) = split_run(a);
        let (head_b, rest_b) = split_run(b);
        let both_numbers = [head_a, head_b]
            .iter()
            .all(|head| head.starts_with(|c: char| c.is_ascii_digit()));
        let order = if both_numbers {
            let (number_a, number_b) = (head_a.trim_start_matches('0'), head_b.trim_start_matches('0'));
            number_a
                .len()
                .cmp(&number_b.len())
                .then_with(|| number_a.cmp(number_b))
        } else {
            head_a.cmp(head_b)
        };
        if order != Ordering::Equal {
            return order;
        }
        (a, b) = (rest_a, rest_b);
    }
    a.len().cmp(&b.len()).then_with(|| left.cmp(right))
}

/// The digits, or the other characters, that a name starts with.
fn split_run(text: &str) -> (&str, &str) {
    let digits = text.starts_with(|c: char| c.is_ascii_digit());
    let end = text
        .find(|c: char| c.is_ascii_digit() != digits)
        .unwrap_or(text.len());
    text.split_at_checked(end).unwrap_or((text, ""))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn segment_names() {
        let base = |name| {
            segment_name(name, crate::framing::Layout::JSON.extensions)
                .map(|segment| (segment.base, segment.packing))
        };
        for (name, expected) in [
            ("a.jsonl", Some(("a.jsonl", Packing::Plain))),
            ("A.JSONL.GZ", Some(("A.JSONL", Packing::Gzip))),
            ("a.jsonl.1", Some(("a.jsonl", Packing::Plain))),
            ("a.jsonl.12.zst", Some(("a.jsonl", Packing::Zstd))),
            ("a.jsonl-20261121", Some(("a.jsonl", Packing::Plain))),
            (
                "ventas.2026-11-21T10:00:00Z.ndjson",
                Some(("ventas.2026-11-21T10:00:00Z.ndjson", Packing::Plain)),
            ),
            ("a.json", Some(("a.json", Packing::Plain))),
            ("a.jsonl.bak", None),
            ("a.jsonl.", None),
            ("README.md", None),
            ("a.csv.gz", None),
        ] {
            assert_eq!(
                base(name),
                expected.map(|(base, packing)| (base.to_owned(), packing)),
                "{name}"
            );
        }
    }

    #[test]
    fn parquet_is_not_packed_again() {
        let packing = |name| segment_name(name, PARQUET).map(|segment| segment.packing);
        for (name, expected) in [
            ("a.parquet", Some(Packing::Parquet)),
            ("part-0-1f.c000.snappy.parquet", Some(Packing::Parquet)),
            ("A.PARQ", Some(Packing::Parquet)),
            ("a.parquet.1", Some(Packing::Parquet)),
            ("a.parquet.gz", None),
            ("a.parquet.crc", None),
            ("_SUCCESS", None),
        ] {
            assert_eq!(packing(name), expected, "{name}");
        }
    }

    #[test]
    fn natural_order_is_by_number() {
        let mut names = [
            "a10.jsonl",
            "a2.jsonl",
            "a.jsonl.10",
            "a.jsonl",
            "a.jsonl.9",
            "a02.jsonl",
            "b1",
            "a",
        ];
        names.sort_by(|a, b| natural_order(a, b));
        assert_eq!(
            names,
            [
                "a",
                "a02.jsonl",
                "a2.jsonl",
                "a10.jsonl",
                "a.jsonl",
                "a.jsonl.9",
                "a.jsonl.10",
                "b1"
            ]
        );
    }

    #[test]
    fn long_names_make_short_journals() {
        let (one, two) = ("é".repeat(127), format!("{}x", "é".repeat(126)));
        assert!(journal_name(&one).len() < 255);
        assert_ne!(journal_name(&one), journal_name(&two));
        assert_eq!(journal_name("América Latina"), "América Latina.jsonl");
    }

    proptest! {
        #[test]
        fn names_survive(bytes in proptest::collection::vec(1_u8..=255, 1..40)) {
            let name = OsString::from_vec(bytes);
            prop_assert_eq!(decode_name(&encode_name(&name)), name);
        }

        #[test]
        fn the_order_is_total(a in "[a0-9.]{0,8}", b in "[a0-9.]{0,8}", c in "[a0-9.]{0,8}") {
            prop_assert_eq!(natural_order(&a, &b), natural_order(&b, &a).reverse());
            if natural_order(&a, &b).is_le() && natural_order(&b, &c).is_le() {
                prop_assert!(natural_order(&a, &c).is_le());
            }
        }
    }
}
