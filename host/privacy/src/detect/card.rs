//! Numbers of payment cards.
//!
//! Found: 13 to 19 digits that begin and have a length as a card network's do, with a right check digit (Luhn, ISO/IEC
//! 7812-1), in one run or in groups of two digits or more (the last may be one) with a single space or hyphen between. Not
//! found: groups with other separators, parts of UUIDs, the decimals of a number.

use std::ops::Range;

use super::bytes::{at as byte_at, begins, each, ends, in_uuid, run_end};

const SHORTEST: usize = 13;
const LONGEST: usize = 19;
/// For the longest, in whole words.
const ROOM: usize = 24;

/// Whether a card network gives numbers with these first four digits and so many in all.
/// <https://en.wikipedia.org/wiki/Payment_card_number>.
fn plausible(first: u16, digits: usize) -> bool {
    match first {
        2200..=2204 => digits >= 16,                   // Mir
        2221..=2720 => digits == 16,                   // Mastercard
        2869 => digits == 16,                          // Carnet
        3000..=3059 | 3095 => digits >= 14,            // Diners Club
        3400..=3499 | 3700..=3799 => digits == 15,     // American Express
        3528..=3589 => digits >= 16,                   // JCB
        3600..=3699 | 3800..=3999 => digits >= 14,     // Diners Club
        4000..=4999 => matches!(digits, 13 | 16 | 19), // Visa
        5100..=5599 => digits == 16,                   // Mastercard
        5000..=5099 | 5600..=6999 => true,             // Maestro, Elo, Carnet, Discover, UnionPay, Hipercard
        8100..=8171 => digits >= 16,                   // UnionPay
        8200..=8299 => digits == 16,                   // RuPay
        9792 => digits == 16,                          // Troy
        _ => false,
    }
}

/// The card whose first group of digits is `start..end`.
pub(super) fn at(value: &[u8], start: usize, end: usize) -> Option<Range<usize>> {
    // Most numbers are left here.
    if !(2..=LONGEST).contains(&(end - start)) || value.len() - start < SHORTEST {
        return None;
    }
    let first = (byte_at(value, start) - b'0') * 10 + (byte_at(value, start + 1) - b'0');
    if !network(first) || !begins(value, start) {
        return None;
    }
    longest(value, start, end)
}

/// Whether the numbers of a network begin with two digits. Says less than [`plausible`], and faster.
fn network(first: u8) -> bool {
    matches!(first, 22..=28 | 30 | 34..=69 | 81 | 82 | 97)
}

/// The longest number that is one, of the groups from `start..end` on.
fn longest(value: &[u8], start: usize, end: usize) -> Option<Range<usize>> {
    let mut number = [0_u8; ROOM];
    let mut digits = 0;
    let mut group = start..end;
    let mut found = None;
    loop {
        let all = digits + group.len();
        if all > LONGEST {
            break;
        }
        number
            .get_mut(digits..all)?
            .copy_from_slice(value.get(group.clone())?);
        digits = all;
        if digits >= SHORTEST && ends(value, group.end) && is_number(&number, digits) {
            found = Some(start..group.end);
        }
        let next = group.end + 1;
        let goes_on =
            matches!(byte_at(value, group.end), b' ' | b'-') && byte_at(value, next).is_ascii_digit();
        if group.len() < 2 || !goes_on {
            break;
        }
        // A group of a hostile text may be long.
        group = next..run_end(value.get(..value.len().min(next + LONGEST + 1))?, next);
    }
    found.filter(|_| !in_uuid(value, start))
}

/// Whether so many ASCII digits, with nothing but zero bytes behind them, are a card's.
fn is_number(number: &[u8; ROOM], digits: usize) -> bool {
    let first = number
        .iter()
        .take(4)
        .fold(0, |first, digit| first * 10 + u16::from(digit & 0x0f));
    plausible(first, digits) && luhn(number, digits)
}

/// Every second digit from the last but one is doubled, and the digits of all that sum to a multiple of ten. Eight digits
/// at once, each in a byte that no sum leaves.
fn luhn(number: &[u8; ROOM], digits: usize) -> bool {
    // Every other byte, from the first on.
    const EVEN: u64 = 0x00ff_00ff_00ff_00ff;
    let (mut even, mut odd) = (0, 0);
    for word in number.as_chunks::<8>().0 {
        let single = u64::from_le_bytes(*word) & each(0x0f);
        let above_four = ((single + each(3)) >> 3) & each(1);
        let twice = single * 2 - above_four * 9;
        even += (single & EVEN) + ((twice >> 8) & EVEN);
        odd += (twice & EVEN) + ((single >> 8) & EVEN);
    }
    // The last digit is single.
    let sums = if digits.is_multiple_of(2) { odd } else { even };
    let [a, b, c, d] = [0, 16, 32, 48].map(|shift| (sums >> shift) & 0xffff);
    (a + b + c + d).is_multiple_of(10)
}
