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

/// Whether [`mask_alphanum`] can have written a text.
pub(crate) fn is_masked_alphanum(text: &str) -> bool {
    text.chars().all(|c| match class(c) {
        Class::Letter => c == 'x' || c == 'n',
        Class::Digit => false,
        Class::Separator => true,
    })
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

/// Letters and digits become `x`, but for the first four of more than four.
pub(crate) fn show_first_4(value: &str, out: &mut Vec<u8>) {
    let mut hideable = value
        .char_indices()
        .filter(|(_, c)| class(*c) != Class::Separator);
    let hidden_from = match (hideable.nth(3), hideable.next()) {
        (Some(_), Some((fifth, _))) => fifth,
        _ => 0,
    };
    for (place, c) in value.char_indices() {
        match class(c) {
            Class::Letter | Class::Digit if place >= hidden_from => out.push(b'x'),
            _ => push(c, out),
        }
    }
}

/// What stands for a value that has no domain.
const NO_DOMAIN: &[u8] = b"xxxx";
/// Of a domain name: RFC 1035, 2.3.4.
const LONGEST_DOMAIN: usize = 253;
const LONGEST_LABEL: usize = 63;

/// The domain of an address, in lower case, behind an `@`: `@correo.mx`. That says what it is and can be taken for no
/// address, since nothing is before the `@`. What has not exactly one `@`, or no name of a host behind it, is hidden
/// whole, its length too: `xxxx`.
pub(crate) fn email_domain(value: &str, out: &mut Vec<u8>) {
    match domain(value.trim()) {
        Some(domain) => {
            out.push(b'@');
            if domain.is_ascii() {
                out.extend(domain.bytes().map(|byte| byte.to_ascii_lowercase()));
            } else {
                for c in domain.chars().flat_map(char::to_lowercase) {
                    push(c, out);
                }
            }
        }
        None => out.extend_from_slice(NO_DOMAIN),
    }
}

/// Whether [`email_domain`] can have written a text.
pub(crate) fn is_email_domain(text: &str) -> bool {
    text.as_bytes() == NO_DOMAIN || text.starts_with('@') && domain(text).is_some()
}

/// What is behind the only `@`, if it can be the name of a mail server: labels of letters, digits and inner hyphens, two
/// at least, the last one without digits, so that it is no IP address.
fn domain(address: &str) -> Option<&str> {
    let (_, domain) = address.split_once('@')?;
    let (rest, last) = domain.rsplit_once('.')?;
    let label = |label: &str| {
        (1..=LONGEST_LABEL).contains(&label.len())
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.chars().all(|c| match c {
                '-' => true,
                _ if c.is_ascii() => c.is_ascii_alphanumeric(),
                // The name is shown in lower case.
                _ => c.to_lowercase().all(char::is_alphanumeric),
            })
    };
    let top = last.chars().all(char::is_alphabetic) || last.starts_with("xn--");
    (domain.len() <= LONGEST_DOMAIN && top && last.len() > 1 && label(last) && rest.split('.').all(label))
        .then_some(domain)
}

fn push(c: char, out: &mut Vec<u8>) {
    out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
}
