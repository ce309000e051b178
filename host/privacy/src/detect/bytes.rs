//! Bytes of a column: where digits are, whose value they are of, and what borders them.

use arrow_array::StringArray;

/// Eight bytes at once, each with the same value.
pub(super) const fn each(byte: u8) -> u64 {
    u64::from_le_bytes([byte; 8])
}

/// The first digit from a place on.
pub(super) fn next_digit(bytes: &[u8], from: usize) -> Option<usize> {
    let rest = bytes.get(from..)?;
    let (words, tail) = rest.as_chunks::<8>();
    for (index, word) in words.iter().enumerate() {
        let digits = digits(u64::from_le_bytes(*word));
        if digits != 0 {
            return Some(from + index * 8 + digits.trailing_zeros() as usize / 8);
        }
    }
    let tail_start = bytes.len() - tail.len();
    tail.iter()
        .position(u8::is_ascii_digit)
        .map(|place| tail_start + place)
}

/// The highest bit of every byte that is an ASCII digit. No carry leaves a byte: 0x7f + 0x76 is below 0x100.
fn digits(word: u64) -> u64 {
    // A digit becomes 0 to 9, ..
    let value = word ^ each(b'0');
    // .. and what is 10 to 127 then reaches the highest bit; what is above has it already.
    let above = (value & each(0x7f)) + each(0x80 - 10);
    !(above | value) & each(0x80)
}

/// The end of the run of digits at `start`.
pub(super) fn run_end(value: &[u8], start: usize) -> usize {
    let (words, tail) = value.get(start..).unwrap_or_default().as_chunks::<8>();
    for (index, word) in words.iter().enumerate() {
        let others = !digits(u64::from_le_bytes(*word)) & each(0x80);
        if others != 0 {
            return start + index * 8 + others.trailing_zeros() as usize / 8;
        }
    }
    let length = tail.iter().position(|byte| !byte.is_ascii_digit());
    start + words.len() * 8 + length.unwrap_or(tail.len())
}

/// The end of the run of letters and digits that goes on at `start`.
pub(super) fn word_end(value: &[u8], start: usize) -> usize {
    let rest = value.get(start..).unwrap_or_default();
    // Most words are at their end when their digits are.
    if rest.first().is_none_or(|byte| !byte.is_ascii_alphanumeric()) {
        return start;
    }
    let (words, tail) = rest.as_chunks::<8>();
    for (index, word) in words.iter().enumerate() {
        let word = u64::from_le_bytes(*word);
        let others = !(digits(word) | letters(word)) & each(0x80);
        if others != 0 {
            return start + index * 8 + others.trailing_zeros() as usize / 8;
        }
    }
    let length = tail.iter().position(|byte| !byte.is_ascii_alphanumeric());
    value.len() - tail.len() + length.unwrap_or(tail.len())
}

/// The highest bit of every byte that is an ASCII letter. As [`digits`], with capitals made small first.
fn letters(word: u64) -> u64 {
    let small = word | each(0x20);
    let low = small & each(0x7f);
    let from_a = low + each(0x80 - b'a');
    let above_z = low + each(0x80 - b'z' - 1);
    from_a & !above_z & !word & each(0x80)
}

/// The byte at a place; 0, which is no letter or digit, past the end.
pub(super) fn at(value: &[u8], place: usize) -> u8 {
    value.get(place).copied().unwrap_or_default()
}

/// The byte so many before a place; 0 before the beginning.
pub(super) fn back(value: &[u8], place: usize, count: usize) -> u8 {
    place.checked_sub(count).map_or(0, |place| at(value, place))
}

/// Whether a number can begin here: after no letter or digit, and not as the decimals of another.
pub(super) fn begins(value: &[u8], start: usize) -> bool {
    let before = back(value, start, 1);
    let decimals = before == b'.' && back(value, start, 2).is_ascii_digit();
    !before.is_ascii_alphanumeric() && !decimals
}

/// Whether a number can end here: before no letter or digit, and without decimals.
pub(super) fn ends(value: &[u8], end: usize) -> bool {
    let next = at(value, end);
    let decimals = next == b'.' && at(value, end + 1).is_ascii_digit();
    !next.is_ascii_alphanumeric() && !decimals
}

/// Length and places of the hyphens of a UUID.
const UUID: usize = 36;
const HYPHENS: [usize; 4] = [8, 13, 18, 23];

/// Whether a text is a UUID.
pub(super) fn is_uuid(text: &[u8]) -> bool {
    let Ok(text) = <&[u8; UUID]>::try_from(text) else {
        return false;
    };
    // Two passes without a way out between, so that each is a few vectors wide.
    let hyphens = HYPHENS.iter().all(|place| text.get(*place) == Some(&b'-'));
    hyphens
        && text
            .iter()
            .fold(0, |others, byte| others + u8::from(!byte.is_ascii_hexdigit()))
            == HYPHENS.len() as u8
}

/// Lengths of `2026-11-25` and `T10:35:07`.
const DATE: usize = 10;
const TIME: usize = 9;

/// Whether a text is a date or a point in time as RFC 3339 writes it, with a zone or without.
pub(super) fn is_time(text: &[u8]) -> bool {
    let Some((date, rest)) = text.split_first_chunk::<DATE>() else {
        return false;
    };
    let [_, _, _, _, b'-', _, _, b'-', _, _] = date else {
        return false;
    };
    if count_digits(date) != 8 {
        return false;
    }
    let Some((time, rest)) = rest.split_first_chunk::<TIME>() else {
        return rest.is_empty();
    };
    let [b'T' | b't' | b' ', _, _, b':', _, _, b':', _, _] = time else {
        return false;
    };
    count_digits(time) == 6 && is_zone(without_fraction(rest))
}

/// Without a way out between, so that it is a few vectors wide.
fn count_digits(text: &[u8]) -> u8 {
    text.iter().map(|byte| u8::from(byte.is_ascii_digit())).sum()
}

/// What is behind a fraction of a second. Ten digits or more are none.
fn without_fraction(rest: &[u8]) -> &[u8] {
    let Some((b'.', fraction)) = rest.split_first() else {
        return rest;
    };
    let digits = fraction
        .iter()
        .take(10)
        .take_while(|byte| byte.is_ascii_digit())
        .count();
    match fraction.split_at_checked(digits) {
        Some((_, zone)) if (1..10).contains(&digits) => zone,
        _ => rest,
    }
}

fn is_zone(rest: &[u8]) -> bool {
    match rest {
        [] | [b'Z' | b'z'] => true,
        [b'+' | b'-', a, b, b':', c, d] | [b'+' | b'-', a, b, c, d] => {
            [a, b, c, d].iter().all(|byte| byte.is_ascii_digit())
        }
        [b'+' | b'-', a, b] => a.is_ascii_digit() && b.is_ascii_digit(),
        _ => false,
    }
}

/// Whether what is at a place is part of a UUID: its groups can look like a number's.
pub(super) fn in_uuid(value: &[u8], place: usize) -> bool {
    let part = |byte: &&u8| byte.is_ascii_hexdigit() || **byte == b'-';
    let (left, right) = value.split_at_checked(place).unwrap_or((value, &[]));
    let before = left.iter().rev().take(UUID).take_while(part).count();
    let after = right.iter().take(UUID).take_while(part).count();
    value
        .get(place.saturating_sub(before)..place.saturating_add(after))
        .is_some_and(is_uuid)
}

/// Finds the value that a byte of the column is of. Places must be asked for in order.
pub(super) struct Rows<'a> {
    column: &'a [u8],
    /// Of the values after the one at hand, as Arrow counts.
    ends: std::slice::Iter<'a, i32>,
    /// Arrow's place of the column's first byte.
    base: i32,
    /// Of the value at hand. Before the first one, of none.
    next_row: usize,
    start: usize,
    end: usize,
}

/// A byte of a value.
#[derive(Debug, Clone, Copy)]
pub(super) struct At {
    pub(super) row: usize,
    /// The value, in the column's bytes.
    pub(super) start: usize,
    pub(super) end: usize,
    /// The byte, in the value.
    pub(super) place: usize,
}

impl<'a> Rows<'a> {
    pub(super) fn new(texts: &'a StringArray) -> Self {
        let offsets = texts.value_offsets();
        let base = offsets.first().copied().unwrap_or_default();
        let last = offsets.last().copied().unwrap_or_default();
        let column = texts
            .value_data()
            .get(base.unsigned_abs() as usize..last.unsigned_abs() as usize);
        Self {
            column: column.unwrap_or_default(),
            ends: offsets.get(1..).unwrap_or_default().iter(),
            base,
            next_row: 0,
            start: 0,
            end: 0,
        }
    }

    /// The bytes of all values, one after the other.
    pub(super) fn column(&self) -> &'a [u8] {
        self.column
    }

    pub(super) fn find(&mut self, place: usize) -> Option<At> {
        while place >= self.end {
            self.start = self.end;
            self.end = self.ends.next()?.abs_diff(self.base) as usize;
            self.next_row += 1;
        }
        Some(At {
            row: self.next_row.checked_sub(1)?,
            start: self.start,
            end: self.end,
            place: place.checked_sub(self.start)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_time_is_known_by_its_form() {
        for zone in [
            "",
            "Z",
            "z",
            "+02",
            "-0600",
            "+05:30",
            ".5",
            ".123456789Z",
            ".250-06:00",
        ] {
            assert!(is_time(format!("2026-11-25T10:35:07{zone}").as_bytes()), "{zone}");
        }
        assert!(is_time(b"2026-11-25"));
        assert!(is_time(b"2026-11-25 10:35:07"));
        for other in [
            "2026-11-25T",
            "2026-11-25T10:35",
            "2026-11-2",
            "2026-11-255",
            "20261125",
            "2026-11-25T10:35:07.",
            "2026-11-25T10:35:07.1234567890",
            "2026-11-25T10:35:07+52 55",
            "2026-11-25T10:35:07-12345",
            "2026-11-25T10:35:0x",
            "x026-11-25",
        ] {
            assert!(!is_time(other.as_bytes()), "{other}");
        }
    }

    #[test]
    fn a_uuid_is_known_by_its_groups() {
        let uuid = b"id 12345678-1234-4111-8111-111111111111, 4111";
        for place in 3..=38 {
            assert!(in_uuid(uuid, place), "{place}");
        }
        assert!(!in_uuid(uuid, 41));
        assert!(!in_uuid(b"12345678-1234-4111-8111-1111111111112", 14));
        assert!(!in_uuid(b"1234567-81234-4111-8111-111111111111", 14));
        assert!(!in_uuid(b"", 0));
    }

    proptest! {
        #[test]
        fn the_next_digit_is_the_first(bytes in proptest::collection::vec(any::<u8>(), 0..64), from in 0..70_usize) {
            let slow = bytes.iter().enumerate().skip(from).find(|(_, byte)| byte.is_ascii_digit());
            prop_assert_eq!(next_digit(&bytes, from), slow.map(|(place, _)| place));
        }

        #[test]
        fn a_word_ends_before_what_is_no_letter_or_digit(
            bytes in prop_oneof![
                proptest::collection::vec(any::<u8>(), 0..40),
                "[0-9a-zA-Z@`{\\[/:]{0,40}".prop_map(String::into_bytes),
                "[0-9a-zA-Z]{0,40}ñ".prop_map(String::into_bytes),
                "[0-9]{0,40}[/:]?[0-9]{0,9}".prop_map(String::into_bytes),
            ],
            from in 0..40_usize,
        ) {
            let from = from.min(bytes.len());
            let slow = bytes[from..].iter().take_while(|byte| byte.is_ascii_alphanumeric()).count();
            prop_assert_eq!(word_end(&bytes, from), from + slow);
            let slow = bytes[from..].iter().take_while(|byte| byte.is_ascii_digit()).count();
            prop_assert_eq!(run_end(&bytes, from), from + slow);
        }
    }
}
