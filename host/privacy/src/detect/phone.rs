//! Telephone numbers.
//!
//! Found: `+`, a country's code that exists (ITU-T E.164), and 8 to 15 digits in all, in one run or in groups with a single
//! space, hyphen or pair of parentheses between; and, without `+`, what is clearly grouped as Spain and Latin America
//! group: `612 345 678`, `612 34 56 78`, `91 123 45 67`, `55 1234 5678`, `664 123-4567`, `(55) 1234-5678`,
//! `9 8765 4321`, `11 91234-5678`. Not found: a bare run of digits, which may be anything; with dots, which are amounts;
//! groups next to further groups.

use std::ops::Range;

use super::bytes::{at, back, begins, ends, in_uuid, run_end};

const SHORTEST: usize = 8;
const LONGEST: usize = 15;

/// The number whose first digit is at `start`, behind a `+`.
pub(super) fn international(value: &[u8], start: usize) -> Option<Range<usize>> {
    if back(value, start, 2).is_ascii_alphanumeric() || !country(value, start) {
        return None;
    }
    let (mut digits, mut place, mut end) = (0, start, None);
    loop {
        // A group of a hostile text may be long; of a number it is not.
        let group = run_end(value.get(..value.len().min(place + LONGEST + 1))?, place);
        digits += group - place;
        if digits > LONGEST {
            break;
        }
        if digits >= SHORTEST && ends(value, group) {
            end = Some(group);
        }
        let next = separator(value, group);
        if next == group || !at(value, next).is_ascii_digit() {
            break;
        }
        place = next;
    }
    Some(start - 1..end?)
}

/// Where the group after a separator begins: `)`, a space or a hyphen, and `(`, at most one of each.
fn separator(value: &[u8], place: usize) -> usize {
    let after = |place: usize, one: &[u8]| place + usize::from(one.contains(&at(value, place)));
    after(after(after(place, b")"), b" -"), b"(")
}

/// Whether a country's code begins here.
fn country(value: &[u8], start: usize) -> bool {
    match (at(value, start), at(value, start + 1)) {
        (b'0', _) => false,
        (b'1' | b'7', _) => true,
        // Assigned to nobody.
        (b'2' | b'8', b'8') | (b'8', b'3' | b'9') => false,
        (_, second) => second.is_ascii_digit() || second == b' ' || second == b'-',
    }
}

const MOST_GROUPS: usize = 4;

/// The number whose first group is `start..end`.
pub(super) fn grouped(value: &[u8], start: usize, end: usize) -> Option<Range<usize>> {
    let first = end - start;
    if !(1..=3).contains(&first) {
        return None;
    }
    let parentheses = back(value, start, 1) == b'(' && at(value, end) == b')';
    let from = if parentheses { start - 1 } else { start };
    if !begins(value, from) || (!parentheses && follows(value, start)) {
        return None;
    }
    let mut groups = [0; MOST_GROUPS];
    let (mut place, mut group_end) = (start, end);
    for (index, group) in groups.iter_mut().enumerate() {
        *group = group_end - place;
        let after = group_end + usize::from(parentheses && index == 0);
        let next = after + usize::from(matches!(at(value, after), b' ' | b'-'));
        if next == group_end || !at(value, next).is_ascii_digit() {
            break;
        }
        if index + 1 == MOST_GROUPS {
            return None;
        }
        place = next;
        group_end = run_end(value.get(..value.len().min(next + LONGEST))?, next);
    }
    let known = match (groups, at(value, start)) {
        ([3, 3, 3, 0] | [3, 2, 2, 2], b'6'..=b'9') | ([2, 3, 2, 2], b'8' | b'9') => true,
        ([2, 4, 4, 0], b'1'..=b'9') | ([3, 3, 4, 0], b'2'..=b'9') | ([1, 4, 4, 0], b'9') => true,
        ([2, 5, 4, 0], b'1'..=b'9') => true,
        ([2, 8, 0, 0] | [3, 7, 0, 0], b'1'..=b'9') => parentheses,
        _ => false,
    };
    (known && ends(value, group_end) && !in_uuid(value, start)).then_some(from..group_end)
}

/// Whether a group of digits stands before, a space or hyphen away.
fn follows(value: &[u8], start: usize) -> bool {
    matches!(back(value, start, 1), b' ' | b'-') && back(value, start, 2).is_ascii_digit()
}
