//! Headers of pages, looked at before the pages are decoded: what they say is what a decoder allocates.
//!
//! Thrift's compact protocol, as in <https://github.com/apache/parquet-format/blob/master/src/main/thrift/parquet.thrift>.

use std::sync::Arc;

use parquet::basic::{Encoding, Type};
use parquet::column::page::{Page, PageReader as _};
use parquet::file::metadata::ColumnChunkMetaData;
use parquet::file::reader::Length as _;
use parquet::file::serialized_reader::SerializedPageReader;

use super::window::Window;

/// The most bytes of a page, unpacked. Writers cut pages at 1 MiB, the most generous at 100 MiB.
pub(super) const MAX_PAGE: u64 = 128 << 20;
/// The most bytes of the texts of a page that are written as what they share with the one before.
const MAX_TEXTS: u64 = 1 << 30;
/// A header that holds long texts as statistics may be long; but not longer.
const HEADER_BYTES: [u64; 3] = [256, 8 << 10, 4 << 20];
/// No header nests deeper.
const MAX_DEPTH: u32 = 8;

const DATA_PAGE: i64 = 0;
const DICTIONARY_PAGE: i64 = 2;
const DATA_PAGE_V2: i64 = 3;
const DELTA_LENGTH_BYTE_ARRAY: i64 = 6;
const DELTA_BYTE_ARRAY: i64 = 7;

/// Looks at all pages of a column of a row group, which is flat and has `rows` rows. Gives their bytes, unpacked; `None` if what
/// they say cannot be.
pub(super) fn check(window: &Window, column: &ColumnChunkMetaData, rows: u64) -> Option<u64> {
    let start = column
        .dictionary_page_offset()
        .unwrap_or_else(|| column.data_page_offset());
    let start = u64::try_from(start).ok()?;
    let end = start.checked_add(u64::try_from(column.compressed_size()).ok()?)?;
    let (mut at, mut bytes, mut values, mut has_deltas) = (start, 0_u64, 0_u64, false);
    while at < end {
        let header = read_header(window, at, end)?;
        at = at.checked_add(header.len)?.checked_add(header.packed)?;
        // What cannot be packed grows a little when it is.
        if at > end || header.unpacked > MAX_PAGE || header.packed > 2 * MAX_PAGE {
            return None;
        }
        bytes = bytes.saturating_add(header.unpacked);
        match header.kind {
            // A value has at least a byte, but a page of nulls has none.
            DICTIONARY_PAGE if header.values > header.unpacked => return None,
            DATA_PAGE | DATA_PAGE_V2 => {
                values = values.saturating_add(header.values);
                has_deltas |= matches!(header.encoding, DELTA_LENGTH_BYTE_ARRAY | DELTA_BYTE_ARRAY);
            }
            _ => {}
        }
    }
    if values != rows || (has_deltas && !deltas_are_sound(window, column, rows)) {
        return None;
    }
    Some(bytes)
}

/// What a header says.
#[derive(Debug, Default, Clone, Copy)]
struct Header {
    /// Of the header itself.
    len: u64,
    kind: i64,
    unpacked: u64,
    packed: u64,
    values: u64,
    encoding: i64,
}

fn read_header(window: &Window, at: u64, end: u64) -> Option<Header> {
    let there = end.min(window.len()).checked_sub(at)?;
    HEADER_BYTES.iter().find_map(|most| {
        let bytes = window.read(at, there.min(*most)).ok()?;
        parse_header(&bytes)
    })
}

fn parse_header(bytes: &[u8]) -> Option<Header> {
    let mut input = Compact { bytes, at: 0 };
    let (mut header, mut known) = (Header::default(), 0);
    let mut last = 0;
    while let Some((id, kind)) = input.field(&mut last)? {
        match (id, kind) {
            (1, INTEGER) => header.kind = input.integer()?,
            (2, INTEGER) => header.unpacked = u64::try_from(input.integer()?).ok()?,
            (3, INTEGER) => header.packed = u64::try_from(input.integer()?).ok()?,
            // Of a data page, a dictionary, a data page of version 2.
            (5 | 7 | 8, STRUCT) => {
                let place_of_encoding = if id == 8 { 4 } else { 2 };
                let mut last = 0;
                while let Some((inner, kind)) = input.field(&mut last)? {
                    match (inner, kind) {
                        (1, INTEGER) => header.values = u64::try_from(input.integer()?).ok()?,
                        (inner, INTEGER) if inner == place_of_encoding => {
                            header.encoding = input.integer()?
                        }
                        _ => input.skip(kind, 0)?,
                    }
                }
            }
            _ => input.skip(kind, 0)?,
        }
        known |= if (1..=3).contains(&id) { 1 << id } else { 0 };
    }
    header.len = u64::try_from(input.at).ok()?;
    (known == 0b1110).then_some(header)
}

const STRUCT: u8 = 12;
/// 32 bits.
const INTEGER: u8 = 5;

/// Thrift's compact protocol, as far as headers go.
struct Compact<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Compact<'_> {
    fn byte(&mut self) -> Option<u8> {
        let byte = *self.bytes.get(self.at)?;
        self.at += 1;
        Some(byte)
    }

    fn unsigned(&mut self) -> Option<u64> {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            value |= u64::from(byte & 0x7f).checked_shl(shift)?;
            if byte & 0x80 == 0 {
                return Some(value);
            }
        }
        None
    }

    fn integer(&mut self) -> Option<i64> {
        let value = self.unsigned()?;
        let half = i64::try_from(value >> 1).ok()?;
        Some(if value & 1 == 1 { -half - 1 } else { half })
    }

    /// The next field of a struct, or the struct's end. The outer `None`: there are too few bytes.
    fn field(&mut self, last: &mut i64) -> Option<Option<(i64, u8)>> {
        let byte = self.byte()?;
        if byte == 0 {
            return Some(None);
        }
        let id = match i64::from(byte >> 4) {
            0 => self.integer()?,
            delta => last.checked_add(delta)?,
        };
        *last = id;
        Some(Some((id, byte & 0x0f)))
    }

    fn skip(&mut self, kind: u8, depth: u32) -> Option<()> {
        if depth > MAX_DEPTH {
            return None;
        }
        match kind {
            1 | 2 => {}
            3 => self.at += 1,
            4..=6 => {
                self.unsigned()?;
            }
            7 => self.at += 8,
            8 => {
                let length = usize::try_from(self.unsigned()?).ok()?;
                self.at = self.at.checked_add(length)?;
            }
            9 | 10 => {
                let byte = self.byte()?;
                let count = match u64::from(byte >> 4) {
                    15 => self.unsigned()?,
                    count => count,
                };
                for _ in 0..count {
                    // Truths have a byte in a list.
                    self.skip(if byte & 0x0f <= 2 { 3 } else { byte & 0x0f }, depth + 1)?;
                    if self.at > self.bytes.len() {
                        return None;
                    }
                }
            }
            STRUCT => {
                let mut last = 0;
                while let Some((_, kind)) = self.field(&mut last)? {
                    self.skip(kind, depth + 1)?;
                }
            }
            _ => return None,
        }
        (self.at <= self.bytes.len()).then_some(())
    }
}

/// Whether pages of texts that are written as deltas of lengths have no more of them than values, and not too much text: a decoder makes
/// room for all.
fn deltas_are_sound(window: &Window, column: &ColumnChunkMetaData, rows: u64) -> bool {
    if !matches!(
        column.column_type(),
        Type::BYTE_ARRAY | Type::FIXED_LEN_BYTE_ARRAY
    ) {
        return true;
    }
    let rows = usize::try_from(rows).unwrap_or(usize::MAX);
    let Ok(mut pages) = SerializedPageReader::new(Arc::new(window.clone()), column, rows, None) else {
        return false;
    };
    let can_be_null = column.column_descr().max_def_level() > 0;
    loop {
        let (bytes, encoding, values, levels) = match pages.get_next_page() {
            Ok(None) => return true,
            Err(_) => return false,
            Ok(Some(Page::DictionaryPage { .. })) => continue,
            Ok(Some(Page::DataPage {
                buf,
                encoding,
                num_values,
                ..
            })) => {
                // Levels have their length before them.
                let levels = match buf.get(..4).and_then(|length| length.try_into().ok()) {
                    _ if !can_be_null => 0,
                    Some(length) => 4_usize.saturating_add(u32::from_le_bytes(length) as usize),
                    None => usize::MAX,
                };
                (buf, encoding, num_values, levels)
            }
            Ok(Some(Page::DataPageV2 {
                buf,
                encoding,
                num_values,
                def_levels_byte_len,
                rep_levels_byte_len,
                ..
            })) => {
                let levels = u64::from(def_levels_byte_len) + u64::from(rep_levels_byte_len);
                (
                    buf,
                    encoding,
                    num_values,
                    usize::try_from(levels).unwrap_or(usize::MAX),
                )
            }
        };
        let most = u64::from(values);
        let data = bytes.get(levels..);
        let sound = match encoding {
            Encoding::DELTA_LENGTH_BYTE_ARRAY => data.and_then(|data| lengths(data, most)).is_some(),
            Encoding::DELTA_BYTE_ARRAY => data
                .and_then(|data| {
                    let (end, shared) = lengths(data, most)?;
                    let (_, own) = lengths(data.get(end..)?, most)?;
                    shared.checked_add(own)
                })
                .is_some_and(|bytes| bytes <= MAX_TEXTS),
            _ => true,
        };
        if !sound {
            return false;
        }
    }
}

/// A sequence of delta-packed numbers: where it ends, and their sum. `None`: there are more of them than `most`, or one is below zero.
fn lengths(data: &[u8], most: u64) -> Option<(usize, u64)> {
    let mut input = Compact { bytes: data, at: 0 };
    let block = input.unsigned()?;
    let parts = input.unsigned()?;
    let count = input.unsigned()?;
    let mut value = input.integer()?;
    let in_part = block.checked_div(parts)?;
    if count > most || in_part == 0 || parts > u64::try_from(data.len()).ok()? {
        return None;
    }
    let mut sum = if count > 0 { u64::try_from(value).ok()? } else { 0 };
    let mut left = count.saturating_sub(1);
    while left > 0 {
        let least = input.integer()?;
        let widths = input.at..input.at.checked_add(usize::try_from(parts).ok()?)?;
        input.at = widths.end;
        for width in data.get(widths)? {
            if left == 0 {
                break;
            }
            let size = in_part.checked_mul(u64::from(*width))?.div_ceil(8);
            let end = input.at.checked_add(usize::try_from(size).ok()?)?;
            let part = data.get(input.at..end)?;
            for index in 0..in_part.min(left) {
                let delta = bits(part, index.checked_mul(u64::from(*width))?, *width)?;
                value = value.checked_add(least)?.checked_add(delta)?;
                sum = sum.checked_add(u64::try_from(value).ok()?)?;
            }
            input.at = end;
            left = left.saturating_sub(in_part);
        }
    }
    Some((input.at, sum))
}

/// A number of up to 32 bits, as lengths have at most, the lowest bit first.
fn bits(data: &[u8], at: u64, width: u8) -> Option<i64> {
    let first = usize::try_from(at / 8).ok()?;
    let mut number = 0_u64;
    for (shift, byte) in (0..40).step_by(8).zip(data.get(first..)?) {
        number |= u64::from(*byte) << shift;
    }
    let mask = 1_u64.checked_shl(u32::from(width)).filter(|_| width <= 32)? - 1;
    i64::try_from((number >> (at % 8)) & mask).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_header_is_read_whatever_else_is_in_it() {
        // Data page, 40 bytes, 38 packed, with a checksum, 10 plain values, and statistics that are passed over.
        let bytes = [
            0x15, 0x00, 0x15, 0x50, 0x15, 0x4c, 0x15, 0x02, 0x1c, 0x15, 0x14, 0x15, 0x00, 0x15, 0x06, 0x15,
            0x06, 0x1c, 0x18, 0x03, b'a', b'b', b'c', 0x00, 0x00, 0x00, 0xff,
        ];
        let header = parse_header(&bytes).unwrap();
        assert_eq!(header.len, 26);
        assert_eq!(
            (header.kind, header.unpacked, header.packed, header.values),
            (0, 40, 38, 10)
        );
        for cut in 0..26 {
            assert!(parse_header(&bytes[..cut]).is_none(), "{cut}");
        }
    }

    /// The example of the specification: 7, 5, 3, 1, 2, 3, 4, 5, in blocks of 128 with 4 parts.
    #[test]
    fn lengths_add_up() {
        let mut data = vec![0x80, 0x01, 0x04, 0x08, 0x0e, 0x03, 0x02, 0, 0, 0];
        // Deltas -2 -2 -2 1 1 1 1 above the least, -2: 0 0 0 3 3 3 3, in two bits each.
        data.extend_from_slice(&[0b1100_0000, 0b0011_1111, 0, 0, 0, 0, 0, 0]);
        data.push(0xff);
        assert_eq!(lengths(&data, 8), Some((18, 30)));
        assert_eq!(lengths(&data, 7), None);
        assert_eq!(lengths(&data[..17], 8), None);
    }

    proptest! {
        #[test]
        fn any_bytes_are_a_header_or_none(bytes in proptest::collection::vec(any::<u8>(), 0..80)) {
            let _ = (parse_header(&bytes), lengths(&bytes, 1000));
        }
    }
}
