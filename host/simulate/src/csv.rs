//! Records of nightly exports, and of CSV (RFC 4180): fields, quotes where a field needs them, and the dirt that concerns a whole record.

use crate::Dirt;

/// Between fields that are written for columns: no field has it.
pub(crate) const FIELD_SEPARATOR: u8 = 0x1f;

/// What a nightly export is written as.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Export {
    /// CSV, as the contracts of the example domains have it.
    #[default]
    Csv,
    /// Parquet. Only dirt that columns with types can hold is in it.
    Parquet,
}

impl Export {
    /// Those that it can hold, of the ways in which a record can be dirty.
    pub(crate) fn dirt(self, csv: &'static [Dirt], parquet: &'static [Dirt]) -> &'static [Dirt] {
        match self {
            Self::Csv => csv,
            Self::Parquet => parquet,
        }
    }

    fn separator(self) -> u8 {
        match self {
            Self::Csv => b',',
            Self::Parquet => FIELD_SEPARATOR,
        }
    }
}

/// A record that is being written, field by field.
#[derive(Debug)]
pub(crate) struct Record<'o> {
    export: Export,
    out: &'o mut Vec<u8>,
    start: usize,
    empty: bool,
}

impl<'o> Record<'o> {
    /// One after what is in `out`.
    pub(crate) fn new(out: &'o mut Vec<u8>, export: Export) -> Self {
        Self {
            export,
            start: out.len(),
            out,
            empty: true,
        }
    }

    /// A field of any text.
    pub(crate) fn text(&mut self, text: &str) {
        let is_csv = self.export == Export::Csv;
        self.with(|out| {
            if is_csv && text.contains([',', '"', '\n', '\r']) {
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
            self.out.push(self.export.separator());
        }
        self.empty = false;
        write(self.out);
    }

    /// Ends the record, with the dirt that concerns all of it. Such a record has no quotes of its own, and no field that is
    /// shorter than its first.
    pub(crate) fn end(self, dirt: Option<(Dirt, u64)>) {
        let Self {
            out, start, export, ..
        } = self;
        if let Some((dirt, choice)) = dirt {
            spoil(dirt, choice, start, export.separator(), out);
        }
        out.push(b'\n');
    }
}

fn spoil(dirt: Dirt, choice: u64, start: usize, separator: u8, out: &mut Vec<u8>) {
    let record = out.get(start..).unwrap_or_default();
    let comma = |byte: &u8| *byte == separator;
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
