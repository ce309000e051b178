//! Where one record of a file ends and the next begins.

use malla_contract::Format;
use memchr::{memchr, memchr2};

use crate::lines::trim_line_end;
use crate::names::PARQUET;

/// How the bytes of a file are cut into records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Framing {
    /// A record is a line.
    Lines,
    /// A record is a line, or more where line ends stand in quotes (RFC 4180).
    Quoted { delimiter: u8, quote: u8 },
    /// They are not: records are rows of Parquet.
    Rows,
}

/// What a format means for files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Layout {
    pub(crate) framing: Framing,
    /// Whether the first record names the columns.
    pub(crate) header: bool,
    /// What a segment's name ends with, in lower case.
    pub(crate) extensions: &'static [&'static str],
    /// Why a file with another name is passed over.
    pub(crate) misnamed: &'static str,
}

impl Layout {
    pub(crate) const JSON: Self = Self {
        framing: Framing::Lines,
        header: false,
        extensions: &[".jsonl", ".ndjson", ".json"],
        misnamed: "not named like a segment: *.jsonl, *.ndjson or *.json, also rotated (.1), .gz or .zst",
    };

    /// `None`: events of this format have no boundaries in a file.
    pub(crate) fn of(format: &Format) -> Option<Self> {
        match format {
            Format::Json => Some(Self::JSON),
            Format::Csv(csv) => Some(Self {
                framing: match csv.quote {
                    Some(quote) => Framing::Quoted {
                        delimiter: csv.delimiter,
                        quote,
                    },
                    None => Framing::Lines,
                },
                header: csv.header,
                extensions: &[".csv", ".tsv", ".txt"],
                misnamed: "not named like a segment: *.csv, *.tsv or *.txt, also rotated (.1), .gz or .zst",
            }),
            Format::Parquet(_) => Some(Self {
                framing: Framing::Rows,
                header: false,
                extensions: PARQUET,
                misnamed: "not named like a segment: *.parquet or *.parq, not compressed once more",
            }),
            Format::Avro(_) | Format::Protobuf(_) => None,
        }
    }
}

/// A search for the end of one record, which goes on when more bytes are there.
///
/// INVARIANT: what it finds depends on the bytes and the bound alone, not on the pieces in which they come. So a record whose
/// quotes are not closed within the bound, or not closed well, is its first line, and the next record begins after that.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Scan {
    /// No end before here.
    at: usize,
    mode: Mode,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Mode {
    /// Not in quotes.
    #[default]
    Plain,
    Quoted,
    /// Quotes mean nothing in the rest of this record.
    Broken,
}

impl Scan {
    /// In the rest of a line, of which the start is used up.
    pub(crate) fn rest_of_line() -> Self {
        Self {
            at: 0,
            mode: Mode::Broken,
        }
    }

    /// One past the line end of the record that starts with `bytes`. `None`: not before their end.
    pub(crate) fn end(&mut self, bytes: &[u8], framing: Framing, max: usize) -> Option<usize> {
        let Framing::Quoted { delimiter, quote } = framing else {
            return self.line_end(bytes);
        };
        loop {
            let rest = bytes.get(self.at..).unwrap_or_default();
            match self.mode {
                Mode::Broken => return self.line_end(bytes),
                Mode::Plain => {
                    let Some(found) = memchr2(b'\n', quote, rest).map(|found| self.at + found) else {
                        self.at = bytes.len();
                        return self.bounded(bytes, None, max);
                    };
                    if bytes.get(found) == Some(&b'\n') {
                        return self.bounded(bytes, Some(found + 1), max);
                    }
                    let before = found.checked_sub(1).and_then(|before| bytes.get(before));
                    if before.is_none_or(|before| *before == delimiter) {
                        self.mode = Mode::Quoted;
                    }
                    self.at = found + 1;
                }
                Mode::Quoted => {
                    let Some(found) = memchr(quote, rest).map(|found| self.at + found) else {
                        self.at = bytes.len();
                        return self.bounded(bytes, None, max);
                    };
                    let after = bytes.get(found + 1..).unwrap_or_default();
                    match after {
                        // Whether the quote closes is not known yet.
                        [] | [b'\r'] => {
                            self.at = found;
                            return self.bounded(bytes, None, max);
                        }
                        [next, ..] if *next == quote => self.at = found + 2,
                        [next, ..] if *next == delimiter => {
                            (self.mode, self.at) = (Mode::Plain, found + 1);
                        }
                        [b'\n', ..] | [b'\r', b'\n', ..] => (self.mode, self.at) = (Mode::Plain, found + 1),
                        _ => (self.mode, self.at) = (Mode::Broken, 0),
                    }
                }
            }
        }
    }

    /// The same, where `bytes` are all there are.
    pub(crate) fn end_of_all(self, bytes: &[u8], framing: Framing) -> usize {
        let first_line = || memchr(b'\n', bytes).map_or(bytes.len(), |found| found + 1);
        if self.is_closed(bytes, framing) {
            bytes.len()
        } else {
            first_line()
        }
    }

    /// Whether the record would be whole if `bytes`, which have no end of it, were all there are.
    pub(crate) fn is_closed(self, bytes: &[u8], framing: Framing) -> bool {
        let Framing::Quoted { quote, .. } = framing else {
            return true;
        };
        let rest = bytes.get(self.at..).unwrap_or_default();
        self.mode != Mode::Quoted || rest.first() == Some(&quote)
    }

    fn line_end(&mut self, bytes: &[u8]) -> Option<usize> {
        let found = memchr(b'\n', bytes.get(self.at..).unwrap_or_default()).map(|found| self.at + found + 1);
        self.at = found.unwrap_or(bytes.len());
        found
    }

    /// A record of several lines that is too long is only its first line.
    fn bounded(&mut self, bytes: &[u8], end: Option<usize>, max: usize) -> Option<usize> {
        let is_long = match end {
            Some(end) => trim_line_end(bytes.get(..end).unwrap_or_default()).len() > max,
            None => bytes.len() > max.saturating_add(2),
        };
        if !is_long {
            return end;
        }
        *self = Self::rest_of_line();
        self.line_end(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const CSV: Framing = Framing::Quoted {
        delimiter: b';',
        quote: b'"',
    };

    /// All records of a text.
    fn records(mut text: &[u8], max: usize) -> Vec<&[u8]> {
        let mut records = Vec::new();
        while !text.is_empty() {
            let mut scan = Scan::default();
            let end = scan
                .end(text, CSV, max)
                .unwrap_or_else(|| scan.end_of_all(text, CSV));
            let (record, rest) = text.split_at(end);
            records.push(record);
            text = rest;
        }
        records
    }

    #[test]
    fn quotes_hold_line_ends() {
        for (text, expected) in [
            ("a;b\nc\n", &["a;b\n", "c\n"][..]),
            ("\"a\nb\";c\r\nd", &["\"a\nb\";c\r\n", "d"]),
            ("x;\"a\"\"\n\"\"b\"\ny\n", &["x;\"a\"\"\n\"\"b\"\n", "y\n"]),
            ("x;\"a\n\"\r\ny", &["x;\"a\n\"\r\n", "y"]),
            // Inches are no quotes.
            ("12\" pipe\n3\" pipe\n", &["12\" pipe\n", "3\" pipe\n"]),
            // Never closed, or closed badly.
            ("x;\"a\nb;c\nd\n", &["x;\"a\n", "b;c\n", "d\n"]),
            ("\"a\nb\"c\nd\n", &["\"a\n", "b\"c\n", "d\n"]),
            ("\"a\nb\"", &["\"a\nb\""]),
            ("\"a\nb\"\r", &["\"a\nb\"\r"]),
            // Longer than 12 bytes.
            ("\"a\n0123456789\";x\ny\n", &["\"a\n", "0123456789\";x\n", "y\n"]),
            ("\"a\n01234567\"\n", &["\"a\n01234567\"\n"]),
        ] {
            let expected: Vec<&[u8]> = expected.iter().map(|text| text.as_bytes()).collect();
            assert_eq!(records(text.as_bytes(), 12), expected, "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn pieces_do_not_matter(text in "[ab;\"\r\n]{0,40}", max in 1..20_usize, step in 1..7_usize) {
            let text = text.as_bytes();
            let mut at = 0;
            let mut pieces = Vec::new();
            while at < text.len() {
                let mut scan = Scan::default();
                let mut have = (at + step).min(text.len());
                let end = loop {
                    let bytes = &text[at..have];
                    match scan.end(bytes, CSV, max) {
                        Some(end) => break end,
                        None if have == text.len() => break scan.end_of_all(bytes, CSV),
                        None => have = (have + step).min(text.len()),
                    }
                };
                pieces.push(&text[at..at + end]);
                at += end;
            }
            prop_assert_eq!(pieces, records(text, max));
        }
    }
}
