//! The same findings, slowly and plainly: every piece of a value is asked what it is.

#![expect(clippy::string_slice, reason = "a test may fail by a panic")]

use std::ops::Range;

use super::PersonalKind::{self, Card, Email, Iban, NationalId, Phone};

/// No number is longer, with its separators.
const LONGEST: usize = 80;

pub(super) fn addresses(value: &str) -> Vec<Range<usize>> {
    let mut found: Vec<Range<usize>> = vec![];
    for (at, _) in value.match_indices('@') {
        let floor = found.last().map_or(0, |last| last.end);
        let starts = (floor..at).filter(|start| value.get(*start..at).is_some_and(is_local));
        let ends = (at + 1..=value.len()).filter(|end| {
            value.get(at + 1..*end).is_some_and(is_host)
                && !value[*end..].chars().next().is_some_and(char::is_alphanumeric)
        });
        if let (Some(start), Some(end)) = (starts.min(), ends.max()) {
            found.push(start..end);
        }
    }
    found
}

fn is_local(text: &str) -> bool {
    text.starts_with(|c: char| c == '_' || c.is_alphanumeric())
        && text
            .chars()
            .all(|c| "._%+-'&~".contains(c) || c.is_alphanumeric())
}

fn is_host(text: &str) -> bool {
    let labels: Vec<&str> = text.split('.').collect();
    let top = labels.last().unwrap();
    labels.len() > 1
        && labels.iter().all(|label| {
            !label.is_empty()
                && !label.starts_with('-')
                && !label.ends_with('-')
                && label.chars().all(|c| c == '-' || c.is_alphanumeric())
        })
        && (top.to_lowercase().starts_with("xn--")
            || (top.chars().count() > 1 && top.chars().all(char::is_alphabetic)))
}

pub(super) fn numbers(value: &str) -> Vec<(PersonalKind, Range<usize>)> {
    let bytes = value.as_bytes();
    let digit = |place: usize| bytes.get(place).is_some_and(u8::is_ascii_digit);
    let mut found: Vec<(PersonalKind, Range<usize>)> = vec![];
    for first in 0..bytes.len() {
        let covered = found.last().is_some_and(|(_, last)| first < last.end);
        if covered || !digit(first) || (first > 0 && digit(first - 1)) {
            continue;
        }
        if let Some(number) = number(value, first) {
            found.push(number);
        }
    }
    found
}

type Is = fn(&str) -> bool;
/// The last forms are those of telephones without a country's code.
const GROUPED: usize = 9;

/// What begins with so many bytes before its first digit, and what else must border it.
fn number(value: &str, first: usize) -> Option<(PersonalKind, Range<usize>)> {
    let forms: [(PersonalKind, usize, Is, Is); 11] = [
        (Iban, 2, is_iban, anything),
        (NationalId, 1, is_nie, no_decimals),
        (NationalId, 4, is_curp, anything),
        (NationalId, 4, is_rfc, anything),
        (NationalId, 5, is_rfc, anything),
        (Phone, 1, is_international, anything),
        (Card, 0, is_card, no_decimals),
        (NationalId, 0, is_dni, no_decimals),
        (NationalId, 2, is_nie, no_decimals),
        (Phone, 0, is_grouped, alone),
        (Phone, 1, is_grouped, no_decimals),
    ];
    forms
        .into_iter()
        .enumerate()
        .find_map(|(index, (kind, before, is, border))| {
            let grouped = index >= GROUPED;
            let start = first.checked_sub(before)?;
            let left = value.get(..start)?;
            if left.ends_with(|c: char| c.is_ascii_alphanumeric()) || !border(left) {
                return None;
            }
            let end = (first + 1..=value.len().min(first + LONGEST))
                .filter(|end| {
                    let Some((text, right)) = value.get(start..*end).zip(value.get(*end..)) else {
                        return false;
                    };
                    let mut next = right.chars();
                    let (next, after) = (next.next(), next.next());
                    let digit = |c: Option<char>| c.is_some_and(|c| c.is_ascii_digit());
                    let decimals = next == Some('.') && digit(after);
                    let more = matches!(next, Some(' ' | '-')) && digit(after);
                    let goes_on = next.is_some_and(|c| c.is_ascii_alphanumeric())
                        || (decimals && matches!(kind, Card | Phone))
                        || (more && grouped);
                    is(text) && !goes_on
                })
                .max()?;
            let uuid = kind == Card || grouped;
            (!uuid || !in_uuid(value, first)).then_some((kind, start..end))
        })
}

fn anything(_: &str) -> bool {
    true
}

fn no_decimals(left: &str) -> bool {
    let whole = left.strip_suffix('.');
    !whole.is_some_and(|whole| whole.ends_with(|c: char| c.is_ascii_digit()))
}

fn alone(left: &str) -> bool {
    let group = left.strip_suffix([' ', '-']);
    no_decimals(left) && !group.is_some_and(|group| group.ends_with(|c: char| c.is_ascii_digit()))
}

fn in_uuid(value: &str, place: usize) -> bool {
    value
        .split(|c: char| c != '-' && !c.is_ascii_hexdigit())
        .filter(|word| {
            let groups: Vec<usize> = word.split('-').map(str::len).collect();
            groups == [8, 4, 4, 4, 12]
        })
        .any(|word| {
            let start = word.as_ptr() as usize - value.as_ptr() as usize;
            (start..start + word.len()).contains(&place)
        })
}

fn digits(text: &str) -> Vec<u32> {
    text.chars().filter_map(|c| c.to_digit(10)).collect()
}

fn all_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

fn is_card(text: &str) -> bool {
    let groups: Vec<&str> = text.split([' ', '-']).collect();
    let last = groups.len() - 1;
    let numbers = digits(text);
    let length = numbers.len();
    let first: String = text.chars().filter(char::is_ascii_digit).take(4).collect();
    let network = match first.as_str() {
        "2200" | "2201" | "2202" | "2203" | "2204" => (16..=19).contains(&length),
        "2869" | "9792" => length == 16,
        four if four.starts_with('2') => ("2221"..="2720").contains(&four) && length == 16,
        four if four.starts_with("30") => {
            (four[2..].starts_with(['0', '1', '2', '3', '4', '5']) || four == "3095")
                && (14..=19).contains(&length)
        }
        four if four.starts_with("34") || four.starts_with("37") => length == 15,
        four if four.starts_with("35") => ("3528"..="3589").contains(&four) && (16..=19).contains(&length),
        four if four.starts_with("36") || four.starts_with("38") || four.starts_with("39") => {
            (14..=19).contains(&length)
        }
        four if four.starts_with('4') => [13, 16, 19].contains(&length),
        four if ("5100"..="5599").contains(&four) => length == 16,
        four if four.starts_with('5') || four.starts_with('6') => (13..=19).contains(&length),
        four if four.starts_with("81") => four <= "8171" && (16..=19).contains(&length),
        four if four.starts_with("82") => length == 16,
        _ => false,
    };
    let luhn: u32 = numbers
        .iter()
        .rev()
        .enumerate()
        .map(|(index, digit)| match index % 2 {
            0 => *digit,
            _ => digit * 2 / 10 + digit * 2 % 10,
        })
        .sum();
    network
        && luhn.is_multiple_of(10)
        && groups
            .iter()
            .enumerate()
            .all(|(index, group)| all_digits(group) && (group.len() > 1 || index == last))
}

fn is_iban(text: &str) -> bool {
    let Some(country) = text.get(..2) else {
        return false;
    };
    let Some((length, mixed)) = super::iban::of_country(&country.to_uppercase()) else {
        return false;
    };
    let capitals = country.to_uppercase() == country;
    let lower = text.chars().any(|c| c.is_ascii_lowercase());
    if (capitals && lower) || (!capitals && text.contains(' ')) || text.contains("  ") || text.ends_with(' ')
    {
        return false;
    }
    let compact: String = text.chars().filter(|c| *c != ' ').collect();
    if compact.len() != length || !compact.chars().all(|c| c.is_ascii_alphanumeric()) {
        return false;
    }
    let (head, account) = compact.split_at(4);
    let spelled: String = format!("{account}{head}")
        .chars()
        .map(|c| c.to_digit(36).unwrap().to_string())
        .collect();
    let rest = spelled
        .chars()
        .fold(0, |rest, c| (rest * 10 + c.to_digit(10).unwrap()) % 97);
    // The country's letters, then its two check digits without a space between.
    text.get(2..4).is_some_and(all_digits)
        && (mixed || all_digits(account))
        && digits(&compact).len() >= 8
        && rest == 1
}

fn controlled(digits: &str, letter: &str) -> bool {
    let number: usize = digits.parse().unwrap();
    letter.to_uppercase() == "TRWAGMYFPDXBNJZSQVHLCKE"[number % 23..=number % 23]
}

fn is_dni(text: &str) -> bool {
    if !text.is_ascii() || text.len() < 9 {
        return false;
    }
    let (rest, letter) = text.split_at(text.len() - 1);
    let rest = rest.strip_suffix('-').unwrap_or(rest);
    let groups: Vec<usize> = rest.split('.').map(str::len).collect();
    let plain = rest.replace('.', "");
    (groups == [8] || groups == [2, 3, 3]) && all_digits(&plain) && controlled(&plain, letter)
}

fn is_nie(text: &str) -> bool {
    if !text.is_ascii() || text.len() < 9 {
        return false;
    }
    let (first, rest) = text.split_at(1);
    let (middle, letter) = rest.split_at(rest.len() - 1);
    let middle = middle.strip_prefix('-').unwrap_or(middle);
    let middle = middle.strip_suffix('-').unwrap_or(middle);
    let first = "XYZ".find(&first.to_uppercase());
    middle.len() == 7
        && all_digits(middle)
        && first.is_some_and(|first| controlled(&format!("{first}{middle}"), letter))
}

const CURP_ALPHABET: &str = "0123456789ABCDEFGHIJKLMNÑOPQRSTUVWXYZ";
const RFC_ALPHABET: &str = "0123456789ABCDEFGHIJKLMN&OPQRSTUVWXYZ Ñ";
const STATES: &str =
    "AS BC BS CC CL CM CS CH DF DG GT GR HG JC MC MN MS NT NL OC PL QT QR SP SL SR TC TS TL VZ YN ZS NE";

fn weighed(text: &str, alphabet: &str, weights: std::ops::RangeInclusive<usize>) -> Option<usize> {
    text.chars()
        .zip(weights.rev())
        .map(|(c, weight)| Some(alphabet.chars().position(|known| known == c)? * weight))
        .sum()
}

fn is_date(text: &str) -> bool {
    all_digits(text)
        && format!("20{}-{}-{}", &text[..2], &text[2..4], &text[4..])
            .parse::<malla_contract::Date>()
            .is_ok()
}

fn is_curp(text: &str) -> bool {
    if !text.is_ascii() || text.len() != 18 {
        return false;
    }
    let text = text.to_uppercase();
    let letters = |text: &str| text.chars().all(|c| c.is_ascii_uppercase());
    let Some(sum) = weighed(&text[..17], CURP_ALPHABET, 2..=18) else {
        return false;
    };
    letters(&text[..4])
        && is_date(&text[4..10])
        && "HMX".contains(&text[10..11])
        && STATES.split(' ').any(|state| state == &text[11..13])
        && letters(&text[13..16])
        && !text[13..16].contains(['A', 'E', 'I', 'O', 'U'])
        && text[17..] == ((10 - sum % 10) % 10).to_string()
}

fn is_rfc(text: &str) -> bool {
    let text: Vec<char> = text.replace('ñ', "Ñ").to_ascii_uppercase().chars().collect();
    if text.len() != 13 {
        return false;
    }
    let text: String = text.into_iter().collect();
    let letters: String = text.chars().take(4).collect();
    let rest = &text[letters.len()..];
    let head: String = text.chars().take(12).collect();
    text != "XEXX010101000"
        && letters.chars().all(|c| c == 'Ñ' || c.is_ascii_uppercase())
        && rest.is_ascii()
        && is_date(&rest[..6])
        && rest.chars().all(|c| c.is_ascii_alphanumeric())
        && weighed(&head, RFC_ALPHABET, 2..=13).is_some_and(|sum| {
            let check = match 11 - sum % 11 {
                11 => "0".to_owned(),
                10 => "A".to_owned(),
                digit => digit.to_string(),
            };
            rest[8..] == check
        })
}

fn is_international(text: &str) -> bool {
    let Some(rest) = text.strip_prefix('+') else {
        return false;
    };
    // One separator each: `)`, a space or a hyphen, `(`, in that order.
    let mut groups = vec![];
    let mut left = rest;
    while !left.is_empty() {
        let length = left.find(|c: char| !c.is_ascii_digit()).unwrap_or(left.len());
        groups.push(length);
        left = &left[length..];
        if left.is_empty() {
            break;
        }
        left = left.strip_prefix(')').unwrap_or(left);
        left = left.strip_prefix([' ', '-']).unwrap_or(left);
        left = left.strip_prefix('(').unwrap_or(left);
        if !left.starts_with(|c: char| c.is_ascii_digit()) {
            return false;
        }
    }
    let total = digits(rest).len();
    let code = rest.get(..2).unwrap_or(rest);
    let known = match code {
        _ if code.starts_with(['1', '7']) => true,
        "28" | "88" | "83" | "89" => false,
        _ => !code.starts_with('0') && (all_digits(code) || code.ends_with([' ', '-'])),
    };
    (8..=15).contains(&total) && known && groups.iter().all(|length| *length > 0)
}

fn is_grouped(text: &str) -> bool {
    let (plain, parentheses) = match text.strip_prefix('(').and_then(|rest| rest.split_once(')')) {
        Some((area, rest)) => {
            let rest = rest.strip_prefix([' ', '-']).unwrap_or(rest);
            (format!("{area} {rest}"), true)
        }
        None => (text.to_owned(), false),
    };
    let groups: Vec<&str> = plain.split([' ', '-']).collect();
    let lengths: Vec<usize> = groups.iter().map(|group| group.len()).collect();
    let first = plain.chars().next().unwrap_or(' ');
    groups.iter().all(|group| all_digits(group))
        && match lengths.as_slice() {
            [3, 3, 3] | [3, 2, 2, 2] => "6789".contains(first),
            [2, 3, 2, 2] => "89".contains(first),
            [2, 4, 4] | [2, 5, 4] => first != '0',
            [3, 3, 4] => !"01".contains(first),
            [1, 4, 4] => first == '9',
            [2, 8] | [3, 7] => parentheses && first != '0',
            _ => false,
        }
}

pub(super) fn all(value: &str) -> Vec<(PersonalKind, Range<usize>)> {
    let addresses = addresses(value).into_iter().map(|range| (Email, range));
    let mut all: Vec<_> = addresses.chain(numbers(value)).collect();
    all.sort_by_key(|(kind, range)| (range.start, range.end, *kind));
    all
}
