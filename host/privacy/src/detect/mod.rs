//! Personal values in text that nobody declared personal.
//!
//! A column is passed over once for `@` and once for digits, as one run of bytes, not value by value. Around each candidate exact
//! code decides, and looks no further than the longest value of its kind, so the time is linear on any text. What counts
//! as which kind is said in the files of this folder; values are found inside longer text, next to anything that is not
//! an ASCII letter or digit. Numbers in other than ASCII digits are not found.

mod bytes;
mod card;
mod email;
mod iban;
mod national;
mod phone;

use std::ops::Range;

use arrow_array::{Array as _, StringArray};
use arrow_buffer::{Buffer, OffsetBuffer, ScalarBuffer};

use malla_contract::PersonalKind;

use crate::MaskError;
use bytes::{Rows, back, is_time, is_uuid, next_digit, run_end, word_end};

/// Where a personal value is. Never says which.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Finding {
    /// Place of the value in its column, from 0.
    pub row: u32,
    /// First byte of what was found, within the value.
    pub start: u32,
    /// The byte after its last.
    pub end: u32,
    /// What it is.
    pub kind: PersonalKind,
}

/// What was found in a column, by row and place. An address and a number may overlap, others do not.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Findings {
    found: Vec<Finding>,
}

impl Findings {
    /// Whether nothing was found.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.found.is_empty()
    }

    /// All, in order.
    pub fn iter(&self) -> impl Iterator<Item = &Finding> {
        self.found.iter()
    }

    /// The rows that hold a kind, each once, in order.
    pub fn rows(&self, kind: PersonalKind) -> impl Iterator<Item = u32> {
        let mut last = None;
        self.found
            .iter()
            .filter(move |finding| finding.kind == kind)
            .filter_map(move |finding| {
                (last.replace(finding.row) != Some(finding.row)).then_some(finding.row)
            })
    }

    /// The kinds that were found, and in how many rows each.
    pub fn kinds(&self) -> impl Iterator<Item = (PersonalKind, usize)> {
        PersonalKind::ALL
            .into_iter()
            .map(|kind| (kind, self.rows(kind).count()))
            .filter(|(_, rows)| *rows > 0)
    }
}

/// Finds personal values in columns of text.
#[derive(Debug, Clone, Default)]
pub struct Detector {
    ignored: Vec<PersonalKind>,
}

impl Detector {
    /// A detector that does not look for a kind: the column is declared to hold it, or policy does not care.
    #[must_use]
    pub fn without(mut self, kind: PersonalKind) -> Self {
        self.ignored.push(kind);
        self
    }

    /// What is in a column. Nulls hold nothing.
    #[must_use]
    pub fn scan(&self, texts: &StringArray) -> Findings {
        let mut found = Vec::new();
        if !self.ignored.contains(&PersonalKind::Email) {
            addresses(texts, &mut found);
        }
        let addresses = found.len();
        numbers(texts, &mut found);
        found.retain(|finding| !self.ignored.contains(&finding.kind));
        if addresses > 0 && found.len() > addresses {
            // Two runs that are sorted already: a merge, in linear time.
            found.sort();
        }
        Findings { found }
    }

    /// A column in which an `x` stands for every character of what was found, and what was found. Nulls and all else stay.
    ///
    /// # Errors
    /// Arrow refuses the column.
    pub fn hide(&self, texts: &StringArray) -> Result<(StringArray, Findings), MaskError> {
        let findings = self.scan(texts);
        if findings.is_empty() {
            return Ok((texts.clone(), findings));
        }
        let size = texts
            .value_offsets()
            .last()
            .zip(texts.value_offsets().first())
            .map_or(0, |(last, first)| last.abs_diff(*first)) as usize;
        let mut bytes = Vec::with_capacity(size);
        let mut offsets = Vec::with_capacity(texts.len().saturating_add(1));
        offsets.push(0);
        let mut left = findings.found.iter().peekable();
        for (row, value) in texts.iter().enumerate() {
            let value = value.unwrap_or_default();
            let mut copied = 0;
            while let Some(finding) = left.next_if(|finding| finding.row as usize == row) {
                // Two that overlap hide what either does.
                let start = copied.max(finding.start as usize);
                let end = copied.max(finding.end as usize);
                bytes.extend_from_slice(value.get(copied..start).unwrap_or_default().as_bytes());
                let hidden = value.get(start..end).unwrap_or_default().chars().count();
                bytes.resize(bytes.len().saturating_add(hidden), b'x');
                copied = end;
            }
            bytes.extend_from_slice(value.get(copied..).unwrap_or_default().as_bytes());
            offsets.push(i32::try_from(bytes.len()).map_err(|_| MaskError::TooLarge)?);
        }
        let offsets = OffsetBuffer::new(ScalarBuffer::from(offsets));
        let hidden = StringArray::try_new(offsets, Buffer::from_vec(bytes), texts.nulls().cloned())?;
        Ok((hidden, findings))
    }
}

fn addresses(texts: &StringArray, found: &mut Vec<Finding>) {
    let mut rows = Rows::new(texts);
    let column = rows.column();
    // An address never begins before the end of the one before.
    let mut last = (usize::MAX, 0);
    for place in memchr::memchr_iter(b'@', column) {
        let Some(at) = rows.find(place) else {
            continue;
        };
        if texts.is_null(at.row) {
            continue;
        }
        let floor = if last.0 == at.row { last.1 } else { 0 };
        if let Some(range) = email::around(texts.value(at.row), at.place, floor) {
            last = (at.row, range.end);
            found.extend(finding(at.row, PersonalKind::Email, range));
        }
    }
}

/// A NIE, a DNI, or a telephone number with its `+`.
const SHORTEST_NUMBER: usize = 9;

fn numbers(texts: &StringArray, found: &mut Vec<Finding>) {
    let mut rows = Rows::new(texts);
    let column = rows.column();
    let mut from = 0;
    while let Some(place) = next_digit(column, from) {
        let Some(at) = rows.find(place) else {
            return;
        };
        let value = column.get(at.start..at.end).unwrap_or_default();
        // Most columns of digits are of what is short, an id or a time. No personal number stands in one.
        if value.len() < SHORTEST_NUMBER || is_uuid(value) || is_time(value) {
            from = at.end;
            continue;
        }
        let run_end = run_end(value, at.place);
        // Every kind begins with the first digits of a word, or after letters that the word begins with.
        let mut end = word_end(value, run_end);
        if let Some((kind, range)) = number(value, at.place, run_end)
            && !texts.is_null(at.row)
        {
            end = range.end;
            found.extend(finding(at.row, kind, range));
        }
        from = at.start.saturating_add(end);
    }
}

/// The personal number whose first run of digits is `start..end`.
fn number(value: &[u8], start: usize, end: usize) -> Option<(PersonalKind, Range<usize>)> {
    let before = back(value, start, 1);
    if before == b'.' && back(value, start, 2).is_ascii_digit() {
        // Decimals, or a part of an address, where nothing begins.
        return None;
    }
    let national = |range| (PersonalKind::NationalId, range);
    if before.is_ascii_alphabetic() {
        if let Some(range) = iban::at(value, start, end) {
            return Some((PersonalKind::Iban, range));
        }
        return national::after_letters(value, start, end).map(national);
    }
    if !before.is_ascii() {
        // The letter before may be an Ñ, which is no ASCII letter and so a border too.
        if let Some(range) = national::after_letters(value, start, end) {
            return Some(national(range));
        }
    }
    if before == b'+'
        && let Some(range) = phone::international(value, start)
    {
        return Some((PersonalKind::Phone, range));
    }
    if let Some(range) = card::at(value, start, end) {
        return Some((PersonalKind::Card, range));
    }
    if let Some(range) = national::spanish(value, start, end) {
        return Some(national(range));
    }
    phone::grouped(value, start, end).map(|range| (PersonalKind::Phone, range))
}

/// Arrow's offsets are of 31 bits, so every place has a `u32`.
fn finding(row: usize, kind: PersonalKind, range: Range<usize>) -> Option<Finding> {
    Some(Finding {
        row: u32::try_from(row).ok()?,
        start: u32::try_from(range.start).ok()?,
        end: u32::try_from(range.end).ok()?,
        kind,
    })
}

#[cfg(test)]
mod plant;
#[cfg(test)]
mod reference;
#[cfg(test)]
mod tests;
