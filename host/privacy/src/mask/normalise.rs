//! One spelling for one thing, before it becomes a token.

use malla_contract::Column;
use unicode_normalization::{IsNormalized, UnicodeNormalization as _, is_nfc_quick};

/// How a column's values are brought to one spelling.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Normalisation {
    /// No surrounding space, lower case, NFC.
    Email,
    /// Digits alone, whatever separates them. What holds letters, or no digit, is taken as [`Normalisation::Text`]: no
    /// two such values become one.
    Digits,
    /// No surrounding space, NFC.
    Text,
}

impl Normalisation {
    /// By the column's tags. Of several, e-mail counts before numbers.
    pub(crate) fn of(column: &Column) -> Self {
        let has = |tag: &str| column.tags.contains(tag);
        if has("pii:email") {
            Self::Email
        } else if has("pii:card") || has("pii:phone") {
            Self::Digits
        } else {
            Self::Text
        }
    }

    /// The one spelling of a value, in `scratch` where it is not the value itself.
    pub(crate) fn apply<'a>(self, value: &'a str, scratch: &'a mut String) -> &'a str {
        let value = value.trim();
        match self {
            Self::Text if value.is_ascii() => value,
            Self::Text if composed(value) => value,
            Self::Text => refill(scratch, value.nfc()),
            Self::Email if value.is_ascii() => {
                if !value.bytes().any(|byte| byte.is_ascii_uppercase()) {
                    return value;
                }
                scratch.clear();
                scratch.push_str(value);
                scratch.make_ascii_lowercase();
                scratch
            }
            Self::Email if small(value) => value,
            Self::Email => {
                // Lower case first: it can take a text out of NFC.
                refill(scratch, value.chars().flat_map(char::to_lowercase));
                if !composed(scratch) {
                    *scratch = scratch.nfc().collect();
                }
                scratch
            }
            Self::Digits if value.is_ascii() => match digits(value.chars(), scratch) {
                true => scratch,
                false => value,
            },
            // NFKC, for digits of other widths.
            Self::Digits => match digits(value.nfkc(), scratch) {
                true => scratch,
                false => Self::Text.apply(value, scratch),
            },
        }
    }
}

/// Whether a text is in NFC for certain. Nearly every text is, and to see it costs a tenth of composing it anew.
fn composed(text: &str) -> bool {
    // Below U+0300, where UTF-8 begins with 0xcc, no mark combines with anything.
    text.bytes().all(|byte| byte < 0xcc) || is_nfc_quick(text.chars()) == IsNormalized::Yes
}

/// Whether a text is of ASCII and Latin-1 alone, without a capital, for certain: it is in NFC then too. Mail addresses
/// nearly always are.
fn small(text: &str) -> bool {
    let mut before = 0;
    text.bytes().all(|byte| {
        // U+00C0 to U+00DE are the capitals, and 0xc3 begins U+00C0 to U+00FF.
        let capital = byte.is_ascii_uppercase() || (before == 0xc3 && byte < 0x9f);
        before = byte;
        !capital && byte < 0xc4
    })
}

fn refill(scratch: &mut String, chars: impl Iterator<Item = char>) -> &str {
    scratch.clear();
    scratch.extend(chars);
    scratch
}

/// The digits of a number in `scratch`; false when it is no number.
fn digits(chars: impl Iterator<Item = char>, scratch: &mut String) -> bool {
    scratch.clear();
    for c in chars {
        if c.is_ascii_digit() {
            scratch.push(c);
        } else if c.is_alphanumeric() {
            return false;
        }
    }
    !scratch.is_empty()
}
