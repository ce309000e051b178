//! What a scalar is: the core schema of YAML 1.2, and where older readers see it otherwise.

use crate::yaml::Scalar;

/// What YAML takes a scalar for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Text,
    Null,
    Truth(bool),
    Integer,
    Number,
    /// Text to YAML 1.2, something else to the readers of YAML 1.1 that many tools still have.
    Disputed,
}

impl Scalar {
    pub(crate) fn kind(&self) -> Kind {
        if self.plain {
            plain_kind(&self.text)
        } else {
            Kind::Text
        }
    }
}

fn plain_kind(text: &str) -> Kind {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Kind::Null,
        "true" | "True" | "TRUE" => return Kind::Truth(true),
        "false" | "False" | "FALSE" => return Kind::Truth(false),
        "yes" | "Yes" | "YES" | "no" | "No" | "NO" | "on" | "On" | "ON" | "off" | "Off" | "OFF" | "="
        | "<<" => {
            return Kind::Disputed;
        }
        _ => {}
    }
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    let digits = |s: &str| !s.is_empty() && s.bytes().all(|b| b.is_ascii_digit());
    if digits(unsigned) {
        return Kind::Integer;
    }
    if let Some(octal) = text.strip_prefix("0o") {
        let all = !octal.is_empty() && octal.bytes().all(|b| matches!(b, b'0'..=b'7'));
        return if all { Kind::Integer } else { Kind::Text };
    }
    if let Some(hex) = text.strip_prefix("0x") {
        let all = !hex.is_empty() && hex.bytes().all(|b| b.is_ascii_hexdigit());
        return if all { Kind::Integer } else { Kind::Text };
    }
    if matches!(unsigned, ".inf" | ".Inf" | ".INF") || matches!(text, ".nan" | ".NaN" | ".NAN") {
        return Kind::Number;
    }
    if !unsigned.starts_with(|c: char| c.is_ascii_digit() || c == '.') {
        return Kind::Text;
    }
    let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent)),
        None => (unsigned, None),
    };
    let exponent_fits = exponent.is_none_or(|e| digits(e.strip_prefix(['-', '+']).unwrap_or(e)));
    let mantissa_fits = match mantissa.split_once('.') {
        Some(("", fraction)) => digits(fraction),
        Some((whole, fraction)) => digits(whole) && (fraction.is_empty() || digits(fraction)),
        None => digits(mantissa),
    };
    if exponent_fits && mantissa_fits {
        return Kind::Number;
    }
    // Dates, times of the day in base 60, digits grouped by underscores.
    let old = unsigned
        .bytes()
        .all(|b| b.is_ascii_digit() || matches!(b, b'_' | b':' | b'.'))
        || is_date(text);
    if old && unsigned.starts_with(|c: char| c.is_ascii_digit()) && !is_version(unsigned) {
        Kind::Disputed
    } else {
        Kind::Text
    }
}

fn is_date(text: &str) -> bool {
    let mut parts = text.splitn(3, '-');
    let mut next = |longest: usize| {
        parts
            .next()
            .map(|part| part.bytes().take_while(u8::is_ascii_digit).take(longest).count())
            .unwrap_or(0)
    };
    next(4) == 4 && next(2) > 0 && next(2) > 0
}

fn is_version(text: &str) -> bool {
    text.bytes().all(|b| b.is_ascii_digit() || b == b'.')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_scalars() {
        for (texts, kind) in [
            (&["", "~", "null", "NULL"][..], Kind::Null),
            (&["true", "True", "TRUE"], Kind::Truth(true)),
            (&["false"], Kind::Truth(false)),
            (&["0", "-1", "+12", "0o17", "0xfF", "007"], Kind::Integer),
            (
                &["1.0", ".5", "1.", "-1e9", "1.5E-3", ".inf", "-.Inf", ".nan"],
                Kind::Number,
            ),
            (
                &[
                    "yes",
                    "NO",
                    "off",
                    "On",
                    "<<",
                    "2026-11-21",
                    "12:30",
                    "1_000",
                    "2026-1-2T03:04:05Z",
                ],
                Kind::Disputed,
            ),
            (
                &[
                    "a", "1.0.0", "1a", "0x", "0o8", "-", "+", ".", "..", "e5", "1e", "y", "tRue", "v3.1.0",
                    "nan",
                ],
                Kind::Text,
            ),
        ] {
            for text in texts {
                assert_eq!(plain_kind(text), kind, "{text:?}");
            }
        }
    }
}
