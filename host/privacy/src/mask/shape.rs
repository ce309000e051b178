//! Masks that keep the shape of a text.
//!
//! What is not known to be a separator is taken for a letter: a script or a mark that nobody thought of is hidden, not
//! shown.

/// What a character is to a mask.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Class {
    Letter,
    Digit,
    /// Space and punctuation: they stay.
    Separator,
}

fn class(c: char) -> Class {
    match c {
        '0'..='9' => Class::Digit,
        ' ' => Class::Separator,
        _ if c.is_ascii_punctuation() || c.is_whitespace() => Class::Separator,
        // Latin-1 and general punctuation, without what is invisible or a mark.
        '¡' | '§' | '«' | '¶' | '·' | '»' | '¿' | '\u{2010}'..='\u{2027}' | '\u{2030}'..='\u{205e}' => {
            Class::Separator
        }
        _ if c.is_numeric() => Class::Digit,
        _ => Class::Letter,
    }
}

/// Letters become `x`, digits `n`.
pub(crate) fn mask_alphanum(value: &str, out: &mut Vec<u8>) {
    for c in value.chars() {
        match class(c) {
            Class::Letter => out.push(b'x'),
            Class::Digit => out.push(b'n'),
            Class::Separator => push(c, out),
        }
    }
}

/// Letters and digits become `x`, but for the last four of more than four.
pub(crate) fn show_last_4(value: &str, out: &mut Vec<u8>) {
    let mut hideable = value
        .char_indices()
        .rev()
        .filter(|(_, c)| class(*c) != Class::Separator);
    let shown_from = match (hideable.nth(3), hideable.next()) {
        (Some((fourth, _)), Some(_)) => fourth,
        _ => value.len(),
    };
    for (place, c) in value.char_indices() {
        match class(c) {
            Class::Letter | Class::Digit if place < shown_from => out.push(b'x'),
            _ => push(c, out),
        }
    }
}

fn push(c: char, out: &mut Vec<u8>) {
    out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
}
