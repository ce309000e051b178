//! International bank account numbers (ISO 13616).
//!
//! Found: the code of a country, two check digits that are right (modulo 97), and as many letters and digits as the country
//! has: in capitals, with single spaces anywhere, or in small letters without spaces. Eight characters at least must be
//! digits, which every account has and a sentence has not. Not found: with hyphens.

use std::ops::Range;

use super::bytes::{at as byte_at, back};

/// What follows the check digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Account {
    Digits,
    /// With letters, or possibly so.
    Mixed,
}
use Account::{Digits, Mixed};

const FEWEST_DIGITS: u32 = 8;

/// Country, characters in all, and of what the account is. From SWIFT's registry of IBANs, and the countries outside of
/// it that issue them all the same. INVARIANT: sorted by country.
const COUNTRIES: [([u8; 2], u8, Account); 111] = [
    (*b"AD", 24, Mixed),
    (*b"AE", 23, Digits),
    (*b"AL", 28, Mixed),
    (*b"AO", 25, Digits),
    (*b"AT", 20, Digits),
    (*b"AZ", 28, Mixed),
    (*b"BA", 20, Digits),
    (*b"BE", 16, Digits),
    (*b"BF", 28, Mixed),
    (*b"BG", 22, Mixed),
    (*b"BH", 22, Mixed),
    (*b"BI", 27, Digits),
    (*b"BJ", 28, Mixed),
    (*b"BR", 29, Mixed),
    (*b"BY", 28, Mixed),
    (*b"CF", 27, Digits),
    (*b"CG", 27, Digits),
    (*b"CH", 21, Mixed),
    (*b"CI", 28, Mixed),
    (*b"CM", 27, Digits),
    (*b"CR", 22, Digits),
    (*b"CV", 25, Digits),
    (*b"CY", 28, Mixed),
    (*b"CZ", 24, Digits),
    (*b"DE", 22, Digits),
    (*b"DJ", 27, Digits),
    (*b"DK", 18, Digits),
    (*b"DO", 28, Mixed),
    (*b"DZ", 26, Digits),
    (*b"EE", 20, Digits),
    (*b"EG", 29, Digits),
    (*b"ES", 24, Digits),
    (*b"FI", 18, Digits),
    (*b"FK", 18, Mixed),
    (*b"FO", 18, Digits),
    (*b"FR", 27, Mixed),
    (*b"GA", 27, Digits),
    (*b"GB", 22, Mixed),
    (*b"GE", 22, Mixed),
    (*b"GI", 23, Mixed),
    (*b"GL", 18, Digits),
    (*b"GQ", 27, Digits),
    (*b"GR", 27, Mixed),
    (*b"GT", 28, Mixed),
    (*b"GW", 25, Mixed),
    (*b"HN", 28, Mixed),
    (*b"HR", 21, Digits),
    (*b"HU", 28, Digits),
    (*b"IE", 22, Mixed),
    (*b"IL", 23, Digits),
    (*b"IQ", 23, Mixed),
    (*b"IR", 26, Digits),
    (*b"IS", 26, Digits),
    (*b"IT", 27, Mixed),
    (*b"JO", 30, Mixed),
    (*b"KM", 27, Digits),
    (*b"KW", 30, Mixed),
    (*b"KZ", 20, Mixed),
    (*b"LB", 28, Mixed),
    (*b"LC", 32, Mixed),
    (*b"LI", 21, Mixed),
    (*b"LT", 20, Digits),
    (*b"LU", 20, Mixed),
    (*b"LV", 21, Mixed),
    (*b"LY", 25, Digits),
    (*b"MA", 28, Digits),
    (*b"MC", 27, Mixed),
    (*b"MD", 24, Mixed),
    (*b"ME", 22, Digits),
    (*b"MG", 27, Digits),
    (*b"MK", 19, Mixed),
    (*b"ML", 28, Mixed),
    (*b"MN", 20, Digits),
    (*b"MR", 27, Digits),
    (*b"MT", 31, Mixed),
    (*b"MU", 30, Mixed),
    (*b"MZ", 25, Digits),
    (*b"NE", 28, Mixed),
    (*b"NI", 28, Mixed),
    (*b"NL", 18, Mixed),
    (*b"NO", 15, Digits),
    (*b"OM", 23, Mixed),
    (*b"PK", 24, Mixed),
    (*b"PL", 28, Digits),
    (*b"PS", 29, Mixed),
    (*b"PT", 25, Digits),
    (*b"QA", 29, Mixed),
    (*b"RO", 24, Mixed),
    (*b"RS", 22, Digits),
    (*b"RU", 33, Mixed),
    (*b"SA", 24, Mixed),
    (*b"SC", 31, Mixed),
    (*b"SD", 18, Digits),
    (*b"SE", 24, Digits),
    (*b"SI", 19, Digits),
    (*b"SK", 24, Digits),
    (*b"SM", 27, Mixed),
    (*b"SN", 28, Mixed),
    (*b"SO", 23, Digits),
    (*b"ST", 25, Digits),
    (*b"SV", 28, Mixed),
    (*b"TD", 27, Digits),
    (*b"TG", 28, Mixed),
    (*b"TL", 23, Digits),
    (*b"TN", 24, Digits),
    (*b"TR", 26, Mixed),
    (*b"UA", 29, Mixed),
    (*b"VA", 22, Digits),
    (*b"VG", 24, Mixed),
    (*b"XK", 20, Digits),
    (*b"YE", 30, Mixed),
];

/// The account number whose first run of digits is `start..end`, behind the country's letters.
pub(super) fn at(value: &[u8], start: usize, end: usize) -> Option<Range<usize>> {
    let letters = [back(value, start, 2), back(value, start, 1)];
    if end - start < 2
        || !letters.iter().all(u8::is_ascii_alphabetic)
        || back(value, start, 3).is_ascii_alphanumeric()
    {
        return None;
    }
    let country = letters.map(|letter| letter.to_ascii_uppercase());
    let (length, account) = form(country)?;
    let capitals = letters == country;
    let check = [byte_at(value, start), byte_at(value, start + 1)];
    let mut place = start + 2;
    let mut digits = 2;
    let mut rest = 0;
    for _ in 4..length {
        if byte_at(value, place) == b' ' && capitals {
            place += 1;
        }
        let byte = byte_at(value, place);
        match byte {
            b'0'..=b'9' => digits += 1,
            b'A'..=b'Z' if account == Mixed => {}
            b'a'..=b'z' if account == Mixed && !capitals => {}
            _ => return None,
        }
        rest = remainder(rest, byte);
        place += 1;
    }
    let rest = country.into_iter().chain(check).fold(rest, remainder);
    let right = rest == 1 && digits >= FEWEST_DIGITS && !byte_at(value, place).is_ascii_alphanumeric();
    right.then_some(start - 2..place)
}

/// Modulo 97 after one more character; a letter counts as two digits, from 10.
fn remainder(rest: u32, byte: u8) -> u32 {
    match byte {
        b'0'..=b'9' => (rest * 10 + u32::from(byte - b'0')) % 97,
        _ => (rest * 100 + u32::from(byte.to_ascii_uppercase().saturating_sub(b'A')) + 10) % 97,
    }
}

fn form(country: [u8; 2]) -> Option<(u8, Account)> {
    let place = COUNTRIES
        .binary_search_by(|(known, ..)| known.cmp(&country))
        .ok()?;
    let (_, length, account) = COUNTRIES.get(place)?;
    Some((*length, *account))
}

/// Characters in all, and whether the account can have letters.
#[cfg(test)]
pub(super) fn of_country(country: &str) -> Option<(usize, bool)> {
    let (length, account) = form(country.as_bytes().try_into().ok()?)?;
    Some((length.into(), account == Mixed))
}
