//! Dates and times from text: RFC 3339, with an offset, to UTC.

use chrono::{DateTime, NaiveDate, SecondsFormat};

const MICROS_PER_SECOND: i64 = 1_000_000;

/// Days since 1970-01-01 of `YYYY-MM-DD`, years 0000 to 9999.
pub(crate) fn parse_date(text: &str) -> Option<i32> {
    let [y1, y2, y3, y4, b'-', m1, m2, b'-', d1, d2] = text.as_bytes() else {
        return None;
    };
    days(
        number(&[*y1, *y2, *y3, *y4])?,
        number(&[*m1, *m2])?,
        number(&[*d1, *d2])?,
    )
}

/// Microseconds since 1970-01-01T00:00:00Z of an RFC 3339 time.
///
/// The separator may be `T`, `t` or a space. The offset is required: a time without one is nobody's. Digits after the sixth of
/// the fraction are cut off. A leap second (`:60`) is refused.
pub(crate) fn parse_timestamp(text: &str) -> Option<i64> {
    let date = parse_date(text.get(..10)?)?;
    parse_clock(date, text.as_bytes().get(10..)?, None)
}

/// Microseconds since 1970-01-01T00:00:00Z of a day and what stands after it: a separator, the time of the day and its offset. A
/// time without an offset is `offset` seconds east of UTC, if that is given.
pub(crate) fn parse_clock(date: i32, text: &[u8], offset: Option<i32>) -> Option<i64> {
    let [b'T' | b't' | b' ', h1, h2, b':', m1, m2, b':', s1, s2, rest @ ..] = text else {
        return None;
    };
    let hour = number(&[*h1, *h2]).filter(|hour| *hour < 24)?;
    let minute = number(&[*m1, *m2]).filter(|minute| *minute < 60)?;
    let second = number(&[*s1, *s2]).filter(|second| *second < 60)?;
    let (micros, rest) = match rest {
        [b'.', rest @ ..] => parse_fraction(rest)?,
        rest => (0, rest),
    };
    let offset = match (rest, offset) {
        ([], Some(offset)) => i64::from(offset),
        _ => parse_offset(rest)?,
    };
    let seconds = i64::from(date) * 86_400 + i64::from(hour * 3600 + minute * 60 + second) - offset;
    Some(seconds * MICROS_PER_SECOND + micros)
}

/// Whether a day is in the years 0000 to 9999, as all that come as text are.
pub(crate) fn is_day(days: i32) -> bool {
    (-719_528..=2_932_896).contains(&days)
}

/// Whether a time is.
pub(crate) fn is_time(micros: i64) -> bool {
    i32::try_from(micros.div_euclid(86_400 * MICROS_PER_SECOND)).is_ok_and(is_day)
}

/// `YYYY-MM-DD`, or the number of days where there is no such date.
pub(crate) fn date_text(days: i64) -> String {
    let date = i32::try_from(days).ok().and_then(NaiveDate::from_epoch_days);
    date.map_or_else(|| days.to_string(), |date| date.to_string())
}

/// RFC 3339 in UTC, or the number of microseconds where there is no such time.
pub(crate) fn timestamp_text(micros: i64) -> String {
    DateTime::from_timestamp_micros(micros).map_or_else(
        || micros.to_string(),
        |time| time.to_rfc3339_opts(SecondsFormat::AutoSi, true),
    )
}

fn parse_fraction(text: &[u8]) -> Option<(i64, &[u8])> {
    let count = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    if count == 0 {
        return None;
    }
    let (digits, rest) = text.split_at_checked(count)?;
    let micros = digits
        .iter()
        .chain(std::iter::repeat(&b'0'))
        .take(6)
        .fold(0_i64, |value, digit| value * 10 + i64::from(digit - b'0'));
    Some((micros, rest))
}

/// Seconds east of UTC.
fn parse_offset(text: &[u8]) -> Option<i64> {
    match text {
        b"Z" | b"z" => Some(0),
        [sign @ (b'+' | b'-'), h1, h2, b':', m1, m2] => {
            let hour = number(&[*h1, *h2]).filter(|hour| *hour < 24)?;
            let minute = number(&[*m1, *m2]).filter(|minute| *minute < 60)?;
            let seconds = i64::from(hour * 3600 + minute * 60);
            Some(if *sign == b'-' { -seconds } else { seconds })
        }
        _ => None,
    }
}

fn number(digits: &[u8]) -> Option<u32> {
    digits.iter().try_fold(0_u32, |value, digit| {
        digit
            .is_ascii_digit()
            .then(|| value * 10 + u32::from(digit - b'0'))
    })
}

/// Days since 1970-01-01.
pub(crate) fn days(year: u32, month: u32, day: u32) -> Option<i32> {
    let date = NaiveDate::from_ymd_opt(i32::try_from(year).ok()?, month, day)?;
    Some(date.to_epoch_days())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn times_become_utc() {
        for (text, expected) in [
            ("1970-01-01T00:00:00Z", 0),
            ("1970-01-01T00:00:00.5Z", 500_000),
            ("1970-01-01t00:00:00.123456789z", 123_456),
            ("1970-01-01 01:00:00+01:00", 0),
            ("1969-12-31T19:00:00-05:00", 0),
            ("2026-11-21T10:20:30.000001-05:00", 1_795_274_430_000_001),
        ] {
            assert_eq!(parse_timestamp(text), Some(expected), "{text}");
        }
    }

    #[test]
    fn other_forms_are_refused() {
        for text in [
            "",
            "2026-11-21",
            "2026-11-21T10:20:30",
            "2026-11-21T10:20Z",
            "2026-11-21T24:00:00Z",
            "2026-11-21T23:59:60Z",
            "2026-11-21T10:20:30.Z",
            "2026-11-21T10:20:30+0500",
            "2026-11-21T10:20:30+05:60",
            "2026-02-29T10:20:30Z",
            "2026-13-01T10:20:30Z",
            "21/11/2026 10:20:30Z",
            "20261121T102030Z",
            "2026-11-21T10:20:30Z ",
            "２026-11-21T10:20:30Z",
            "2026-11-2éT10:20:30Z",
        ] {
            assert_eq!(parse_timestamp(text), None, "{text}");
        }
        assert_eq!(parse_date("2026-11-21"), Some(20_778));
        assert_eq!(parse_date("2026-1-21"), None);
        assert_eq!(parse_date("+026-11-21"), None);
    }

    #[test]
    fn the_years_that_count() {
        assert_eq!(parse_date("0000-01-01"), Some(-719_528));
        assert_eq!(parse_date("9999-12-31"), Some(2_932_896));
        assert!(is_day(-719_528) && !is_day(-719_529) && is_day(2_932_896) && !is_day(2_932_897));
        assert!(is_time(253_402_300_799_999_999) && !is_time(253_402_300_800_000_000));
        assert!(is_time(-62_167_219_200_000_000) && !is_time(-62_167_219_200_000_001));
        assert_eq!(date_text(20_778), "2026-11-21");
        assert_eq!(timestamp_text(1_795_274_430_500_000), "2026-11-21T15:20:30.500Z");
    }

    proptest! {
        #[test]
        fn agrees_with_chrono(micros in -62_167_219_200_000_000_i64..253_402_300_800_000_000) {
            let text = DateTime::from_timestamp_micros(micros).unwrap().to_rfc3339_opts(SecondsFormat::Micros, true);
            prop_assert_eq!(parse_timestamp(&text), Some(micros));
        }

        #[test]
        fn any_text_is_fine(text in ".{0,40}") {
            let _ = (parse_timestamp(&text), parse_date(&text));
        }
    }
}
