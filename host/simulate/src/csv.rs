//! Records of CSV (RFC 4180): fields, quotes where a field needs them, and the dirt that concerns a whole record.

use crate::Dirt;

/// A record that is being written, field by field.
#[derive(Debug)]
pub(crate) struct Record<'o> {
    out: &'o mut Vec<u8>,
    start: usize,
    empty: bool,
}

impl<'o> Record<'o> {
    /// One after what is in `out`.
    pub(crate) fn new(out: &'o mut Vec<u8>) -> Self {
        Self {
            start: out.len(),
            out,
            empty: true,
        }
    }

    /// A field of any text.
    pub(crate) fn text(&mut self, text: &str) {
        self.with(|out| {
            if text.contains([',', '"', '\n', '\r']) {
                out.push(b'"');
                out.extend_from_slice(text.replace('"', "\"\"").as_bytes());
                out.push(b'"');
            } else {
                out.extend_from_slice(text.as_bytes());
            }
        });
    }

    /// A field that `write` appends, which needs no quotes; null if it appends nothing.
    pub(crate) fn with(&mut self, write: impl FnOnce(&mut Vec<u8>)) {
        if !self.empty {
            self.out.push(b',');
        }
        self.empty = false;
        write(self.out);
    }

    /// Ends the record, with the dirt that concerns all of it. Such a record has no quotes of its own, and no field that is
    /// shorter than its first.
    pub(crate) fn end(self, dirt: Option<(Dirt, u64)>) {
        let Self { out, start, .. } = self;
        if let Some((dirt, choice)) = dirt {
            spoil(dirt, choice, start, out);
        }
        out.push(b'\n');
    }
}

fn spoil(dirt: Dirt, choice: u64, start: usize, out: &mut Vec<u8>) {
    let record = out.get(start..).unwrap_or_default();
    let comma = |byte: &u8| *byte == b',';
    let first = record.iter().position(comma).unwrap_or(record.len());
    let last = record.iter().rposition(comma).unwrap_or(record.len());
    match dirt {
        // Before the last separator: there are too few fields, whatever the last one may be.
        Dirt::TruncatedLine => {
            let keep = usize::try_from(choice).unwrap_or_default() % last.max(1);
            out.truncate(start + keep.max(1));
        }
        Dirt::InvalidUtf8 => {
            if let Some(byte) = out.get_mut(start + first / 2) {
                *byte = 0xff;
            }
        }
        Dirt::EmptyLine => out.truncate(start),
        Dirt::ExtraField => out.extend_from_slice(b",revisar"),
        Dirt::StrayQuote => {
            out.insert(start, b'"');
            out.insert(start + 1 + first / 2, b'"');
        }
        _ => {}
    }
}
