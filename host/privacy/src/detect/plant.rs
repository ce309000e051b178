//! Made-up personal values with true check digits, to be found again.

#![expect(clippy::string_slice, reason = "a test may fail by a panic")]

use proptest::prelude::*;
use proptest::sample::select;

use super::PersonalKind::{self, Card, Email, Iban, NationalId, Phone};

fn luhn_digit(digits: &str) -> u32 {
    let sum: u32 = digits
        .chars()
        .rev()
        .enumerate()
        .map(|(index, c)| {
            let digit = c.to_digit(10).unwrap();
            if index % 2 == 0 {
                digit * 2 / 10 + digit * 2 % 10
            } else {
                digit
            }
        })
        .sum();
    (10 - sum % 10) % 10
}

/// A card's digits, in groups or not.
pub(super) fn card() -> impl Strategy<Value = String> {
    let head = select(vec![
        ("4", 16),
        ("4", 13),
        ("51", 16),
        ("55", 16),
        ("2221", 16),
        ("34", 15),
        ("37", 15),
        ("6011", 16),
        ("62", 19),
        ("36", 14),
        ("3530", 16),
    ]);
    (head, "[0-9]{19}", select(vec!["", " ", "-"]), 2..7_usize).prop_map(
        |((head, length), rest, separator, group)| {
            let body = format!("{head}{}", &rest[..length - head.len() - 1]);
            let number = format!("{body}{}", luhn_digit(&body));
            let groups: Vec<&str> = number
                .as_bytes()
                .chunks(group)
                .map(|group| std::str::from_utf8(group).unwrap())
                .collect();
            groups.join(separator)
        },
    )
}

pub(super) fn iban() -> impl Strategy<Value = String> {
    let form = select(vec![
        ("ES", "[0-9]{20}"),
        ("DE", "[0-9]{18}"),
        ("GB", "[A-Z]{4}[0-9]{14}"),
        ("FR", "[0-9]{10}[0-9A-Z]{11}[0-9]{2}"),
        ("NO", "[0-9]{11}"),
    ]);
    form.prop_flat_map(|(country, account)| (Just(country), account, any::<bool>()))
        .prop_map(|(country, account, spaced)| {
            let spelled: String = format!("{account}{country}00")
                .chars()
                .map(|c| c.to_digit(36).unwrap().to_string())
                .collect();
            let rest = spelled
                .chars()
                .fold(0, |rest, c| (rest * 10 + c.to_digit(10).unwrap()) % 97);
            let whole = format!("{country}{:02}{account}", 98 - rest);
            let groups: Vec<&str> = whole
                .as_bytes()
                .chunks(4)
                .map(|group| std::str::from_utf8(group).unwrap())
                .collect();
            groups.join(if spaced { " " } else { "" })
        })
}

pub(super) fn dni() -> impl Strategy<Value = String> {
    (0..100_000_000_u32, any::<bool>()).prop_map(|(number, hyphen)| {
        let letter = &"TRWAGMYFPDXBNJZSQVHLCKE"[number as usize % 23..=number as usize % 23];
        format!("{number:08}{}{letter}", if hyphen { "-" } else { "" })
    })
}

pub(super) fn curp() -> impl Strategy<Value = String> {
    (
        "[A-Z]{4}",
        "[0-9]{2}",
        1..13_u32,
        1..29_u32,
        "[HM](DF|JC|NL|NE)[B-DF-HJ-NP-TV-Z]{3}[0-9A-Z]",
    )
        .prop_map(|(name, year, month, day, rest)| {
            let body = format!("{name}{year}{month:02}{day:02}{rest}");
            let alphabet = "0123456789ABCDEFGHIJKLMNÑOPQRSTUVWXYZ";
            let sum: usize = body
                .chars()
                .zip((2..=18).rev())
                .map(|(c, weight)| alphabet.chars().position(|known| known == c).unwrap() * weight)
                .sum();
            format!("{body}{}", (10 - sum % 10) % 10)
        })
}

pub(super) fn email() -> impl Strategy<Value = String> {
    "[a-z][a-z0-9._+-]{0,10}[a-z0-9]@[a-z0-9]{1,8}(-[a-z0-9]{1,4})?(\\.[a-z]{1,5}){0,2}\\.(mx|com|es|example)"
}

pub(super) fn phone() -> impl Strategy<Value = String> {
    prop_oneof![
        "\\+52 ?55 ?[0-9]{4}[ -]?[0-9]{4}",
        "\\+34[ -]?6[0-9]{2}[ -]?[0-9]{3}[ -]?[0-9]{3}",
        "[67][0-9]{2} [0-9]{3} [0-9]{3}",
        "\\(55\\) [0-9]{4}-[0-9]{4}",
        "[2-9][0-9]{2}-[0-9]{3}-[0-9]{4}"
    ]
}

pub(super) fn personal() -> impl Strategy<Value = (PersonalKind, String)> {
    prop_oneof![
        email().prop_map(|value| (Email, value)),
        card().prop_map(|value| (Card, value)),
        iban().prop_map(|value| (Iban, value)),
        phone().prop_map(|value| (Phone, value)),
        dni().prop_map(|value| (NationalId, value)),
        curp().prop_map(|value| (NationalId, value)),
    ]
}
