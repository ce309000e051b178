//! Numbers of payment cards.
//!
//! Found: 13 to 19 digits that begin and have a length as a card network's do, with a right check digit (Luhn, ISO/IEC
//! 7812-1), in one run or in groups of two digits or more (the last may be one) with a single space or hyphen between. Not
//! found: groups with other separators, parts of UUIDs, the decimals of a number.

use std::ops::Range;

use super::bytes::{at as byte_at, begins, ends, in_uuid};

const SHORTEST: usize = 13;
const LONGEST: usize = 19;

/// First and last number of the first four digits, and shortest and longest length.
/// <https://en.wikipedia.org/wiki/Payment_card_number>.
const NETWORKS: [(u16, u16, usize, usize); 19] = [
    (2200, 2204, 16, 19), // Mir
    (2221, 2720, 16, 16), // Mastercard
    (2869, 2869, 16, 16), // Carnet
    (3000, 3059, 14, 19), // Diners Club
    (3095, 3095, 14, 19), // Diners Club
    (3400, 3499, 15, 15), // American Express
    (3528, 3589, 16, 19), // JCB
    (3600, 3699, 14, 19), // Diners Club
    (3700, 3799, 15, 15), // American Express
    (3800, 3999, 14, 19), // Diners Club
    (4000, 4999, 13, 13), // Visa
    (4000, 4999, 16, 16), // Visa
    (4000, 4999, 19, 19), // Visa
    (5000, 5099, 13, 19), // Maestro, Elo, Carnet
    (5100, 5599, 16, 16), // Mastercard
    (5600, 6999, 13, 19), // Maestro, Discover, UnionPay, Hipercard
    (8100, 8171, 16, 19), // UnionPay
    (8200, 8299, 16, 16), // RuPay
    (9792, 9792, 16, 16), // Troy
];

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
    longest(value, start)
}

/// Whether the numbers of a network begin with two digits. Says less than [`NETWORKS`], and faster.
fn network(first: u8) -> bool {
    matches!(first, 22..=28 | 30 | 34..=69 | 81 | 82 | 97)
}

/// The longest number that is one.
fn longest(value: &[u8], start: usize) -> Option<Range<usize>> {
    let mut number = [0_u8; LONGEST];
    let mut digits = 0;
    let mut group = 0;
    let mut place = start;
    let mut end = None;
    loop {
        let byte = byte_at(value, place);
        if byte.is_ascii_digit() {
            let Some(digit) = number.get_mut(digits) else {
                break;
            };
            *digit = byte - b'0';
            (digits, group, place) = (digits + 1, group + 1, place + 1);
            continue;
        }
        let so_far = number.get(..digits).unwrap_or_default();
        if digits >= SHORTEST && ends(value, place) && plausible(so_far) && luhn(so_far) {
            end = Some(place);
        }
        if group < 2 || !matches!(byte, b' ' | b'-') || !byte_at(value, place + 1).is_ascii_digit() {
            break;
        }
        (group, place) = (0, place + 1);
    }
    end.filter(|_| !in_uuid(value, start)).map(|end| start..end)
}

fn plausible(number: &[u8]) -> bool {
    let first = number
        .iter()
        .take(4)
        .fold(0, |first, digit| first * 10 + u16::from(*digit));
    NETWORKS.iter().any(|(from, to, shortest, longest)| {
        (from..=to).contains(&&first) && (shortest..=longest).contains(&&number.len())
    })
}

/// Every second digit from the last but one is doubled, and the digits of all that sum to a multiple of ten.
fn luhn(number: &[u8]) -> bool {
    // Of 19 digits, none above 9: no sum leaves a byte.
    let (mut single, mut doubled) = (0_u8, 0_u8);
    for digit in number {
        // The places change roles with every digit that follows.
        let twice = digit * 2 - 9 * u8::from(*digit > 4);
        (single, doubled) = (doubled + digit, single + twice);
    }
    single.is_multiple_of(10)
}
