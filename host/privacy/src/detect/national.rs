//! Numbers that states give to persons.
//!
//! Found, in capitals or small letters:
//! - the Spanish DNI, `12345678Z`, `12345678-Z` or `12.345.678-Z`, and NIE, `X1234567L` or `X-1234567-L`, with the right
//!   control letter;
//! - the Mexican CURP, 18 characters with a true date, a known state and the right check digit;
//! - the Mexican RFC of a person, 13 characters with a true date and the right check digit, with an `Ñ` too.
//!
//! Not found: a company's RFC (12 characters), which is of no person; other spaces or dots; a DNI without its zeros.

use std::ops::Range;

use super::bytes::{at, back, begins, run_end};
use malla_contract::civil::month_length;

const CONTROL: &[u8; 23] = b"TRWAGMYFPDXBNJZSQVHLCKE";

/// A DNI whose first run of digits is `start..end`, or a NIE with a hyphen before its digits.
pub(super) fn spanish(value: &[u8], start: usize, end: usize) -> Option<Range<usize>> {
    match end - start {
        8 => spanish_end(value, 0, start..end, end)
            .filter(|_| begins(value, start))
            .map(|end| start..end),
        7 if back(value, start, 1) == b'-' => nie(value, start, end, start.checked_sub(2)?),
        2 if begins(value, start) => {
            let groups = [(end, end + 4), (end + 4, end + 8)];
            let dotted = groups
                .iter()
                .all(|(from, to)| at(value, *from) == b'.' && run_end(value, from + 1) == *to);
            let end = end + 8;
            dotted
                .then(|| spanish_end(value, 0, start..end, end))
                .flatten()
                .map(|end| start..end)
        }
        _ => None,
    }
}

/// A NIE, CURP or RFC whose first run of digits is `start..end`, behind letters.
pub(super) fn after_letters(value: &[u8], start: usize, end: usize) -> Option<Range<usize>> {
    let letter = start.checked_sub(1)?;
    let foreigner = (end - start == 7)
        .then(|| nie(value, start, end, letter))
        .flatten();
    foreigner
        .or_else(|| (end - start >= RFC.0).then(|| curp(value, start)).flatten())
        .or_else(|| (end - start >= RFC.0).then(|| rfc(value, start)).flatten())
}

/// A NIE with its letter at `letter`. It counts as a digit: X is 0, Y is 1, Z is 2.
fn nie(value: &[u8], start: usize, end: usize, letter: usize) -> Option<Range<usize>> {
    let first = match at(value, letter).to_ascii_uppercase() {
        b'X' => 0,
        b'Y' => 1,
        b'Z' => 2,
        _ => return None,
    };
    if !begins(value, letter) {
        return None;
    }
    spanish_end(value, first, start..end, end).map(|end| letter..end)
}

/// The end of a number whose digits are in a range, behind the control letter of all of them.
fn spanish_end(value: &[u8], first: u32, digits: Range<usize>, end: usize) -> Option<usize> {
    let number = value
        .get(digits)?
        .iter()
        .filter(|byte| byte.is_ascii_digit())
        .fold(first, |number, digit| number * 10 + u32::from(digit - b'0'));
    let control = *CONTROL.get(usize::try_from(number % 23).ok()?)?;
    let letter = if at(value, end) == b'-' { end + 1 } else { end };
    let right = at(value, letter).to_ascii_uppercase() == control;
    (right && !at(value, letter + 1).is_ascii_alphanumeric()).then_some(letter + 1)
}

/// The states of birth in a CURP; `NE` is for who was born abroad.
const STATES: [[u8; 2]; 33] = [
    *b"AS", *b"BC", *b"BS", *b"CC", *b"CH", *b"CL", *b"CM", *b"CS", *b"DF", *b"DG", *b"GR", *b"GT", *b"HG",
    *b"JC", *b"MC", *b"MN", *b"MS", *b"NE", *b"NL", *b"NT", *b"OC", *b"PL", *b"QR", *b"QT", *b"SL", *b"SP",
    *b"SR", *b"TC", *b"TL", *b"TS", *b"VZ", *b"YN", *b"ZS",
];

/// Place of the first digit, and length.
const CURP: (usize, usize) = (4, 18);

/// Instructivo normativo para la asignación de la Clave Única de Registro de Población, DOF 2021-10-18.
fn curp(value: &[u8], digits: usize) -> Option<Range<usize>> {
    let start = digits.checked_sub(CURP.0)?;
    let end = start.checked_add(CURP.1)?;
    let text: [u8; CURP.1] = value.get(start..end)?.try_into().ok()?;
    let text = text.map(|byte| byte.to_ascii_uppercase());
    let [
        a,
        b,
        c,
        d,
        y1,
        y2,
        m1,
        m2,
        d1,
        d2,
        sex,
        state1,
        state2,
        e,
        f,
        g,
        century,
        check,
    ] = text;
    let consonant = |byte: u8| byte.is_ascii_uppercase() && !b"AEIOU".contains(&byte);
    let form = [a, b, c, d].iter().all(u8::is_ascii_uppercase)
        && true_date([y1, y2, m1, m2, d1, d2])
        && matches!(sex, b'H' | b'M' | b'X')
        && STATES.contains(&[state1, state2])
        && [e, f, g].into_iter().all(consonant)
        && century.is_ascii_alphanumeric()
        && check.is_ascii_digit();
    if !form || back(value, start, 1).is_ascii_alphanumeric() || at(value, end).is_ascii_alphanumeric() {
        return None;
    }
    // Weights 18 down to 2.
    let sum: u32 = text
        .iter()
        .take(CURP.1 - 1)
        .zip((2..=18).rev())
        .map(|(byte, weight)| curp_value(*byte) * weight)
        .sum();
    let digit = (10 - sum % 10) % 10;
    (u32::from(check - b'0') == digit).then_some(start..end)
}

/// Of `0-9A-NÑO-Z`, where Ñ has a number although no CURP holds one.
fn curp_value(byte: u8) -> u32 {
    u32::from(match byte {
        b'0'..=b'9' => byte - b'0',
        b'A'..=b'N' => byte - b'A' + 10,
        b'O'..=b'Z' => byte - b'O' + 25,
        _ => 0,
    })
}

/// Digits of the date, and what follows them.
const RFC: (usize, usize) = (6, 3);
const N_TILDE: u8 = 38;
/// What invoices write for any buyer from abroad. That for any buyer at home has a wrong check digit.
const RFC_OF_ANYBODY: &[u8] = b"XEXX010101000";

/// Código Fiscal de la Federación; the check digit by the SAT's algorithm (anexo 1 of its "Matriz de errores").
fn rfc(value: &[u8], digits: usize) -> Option<Range<usize>> {
    let (mut start, mut letters) = (digits, [0_u8; 4]);
    for letter in letters.iter_mut().rev() {
        let byte = back(value, start, 1).to_ascii_uppercase();
        (start, *letter) = match (back(value, start, 2), byte) {
            (_, b'A'..=b'Z') => (start.checked_sub(1)?, rfc_value(byte)?),
            // Ñ and ñ in UTF-8.
            (0xc3, 0x91 | 0xb1) => (start.checked_sub(2)?, N_TILDE),
            _ => return None,
        };
    }
    let end = digits.checked_add(RFC.0 + RFC.1)?;
    let tail: [u8; RFC.0 + RFC.1] = value.get(digits..end)?.try_into().ok()?;
    let [y1, y2, m1, m2, d1, d2, a, b, check] = tail.map(|byte| byte.to_ascii_uppercase());
    let date = [y1, y2, m1, m2, d1, d2];
    if !true_date(date)
        || back(value, start, 1).is_ascii_alphanumeric()
        || at(value, end).is_ascii_alphanumeric()
    {
        return None;
    }
    // Weights 13 down to 2.
    let mut sum = 0;
    let values = letters
        .into_iter()
        .map(Some)
        .chain(date.into_iter().chain([a, b]).map(rfc_value));
    for (number, weight) in values.zip((2..=13_u32).rev()) {
        sum += u32::from(number?) * weight;
    }
    let right = match 11 - sum % 11 {
        11 => b'0',
        10 => b'A',
        digit => b'0' + u8::try_from(digit).ok()?,
    };
    let anybody = value.get(start..end)?.eq_ignore_ascii_case(RFC_OF_ANYBODY);
    (check == right && !anybody).then_some(start..end)
}

/// Of `0-9A-N&O-Z Ñ`.
fn rfc_value(byte: u8) -> Option<u8> {
    match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'A'..=b'N' => Some(byte - b'A' + 10),
        b'O'..=b'Z' => Some(byte - b'O' + 25),
        _ => None,
    }
}

/// Whether six bytes are a year of two digits, a month and a day that it has. The century is not known, so every fourth
/// year has a 29 February.
fn true_date(bytes: [u8; 6]) -> bool {
    if !bytes.iter().all(u8::is_ascii_digit) {
        return false;
    }
    let [y, year, m, month, d, day] = bytes.map(|digit| u32::from(digit - b'0'));
    let days = i32::try_from(2000 + y * 10 + year)
        .ok()
        .and_then(|year| month_length(year, m * 10 + month));
    let day = d * 10 + day;
    day >= 1 && days.is_some_and(|days| day <= days)
}
