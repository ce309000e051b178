//! One field of CSV to one cell of a column.

use std::borrow::Cow;

use malla_contract::{ColumnType, Csv, DatePart, Encoding};

use super::fields::Field;
use crate::decode::decimal::parse_decimal;
use crate::decode::rule;
use crate::decode::time::{days, parse_clock};
use crate::decode::value::{Cell, Misfit, misfit_of_decimal};

/// Windows-1252 from 0x80 on; the five bytes that it leaves open stay controls, as browsers have it.
const WINDOWS_1252: [char; 32] = [
    '€', '\u{81}', '‚', 'ƒ', '„', '…', '†', '‡', 'ˆ', '‰', 'Š', '‹', 'Œ', '\u{8D}', 'Ž', '\u{8F}', '\u{90}',
    '‘', '’', '“', '”', '•', '–', '—', '˜', '™', 'š', '›', 'œ', '\u{9D}', 'ž', 'Ÿ',
];

/// `scratch` is for what is needed only while this runs.
pub(crate) fn convert<'a>(
    field: Field<'a>,
    ty: ColumnType,
    csv: &Csv,
    scratch: &mut String,
) -> Result<Cell<'a>, Misfit> {
    if ty == ColumnType::Utf8 {
        if !field.is_quoted && field.bytes == csv.null.as_bytes() {
            return Ok(Cell::Null);
        }
        return text(field, csv).map(Cell::Text);
    }
    let bytes = field.bytes.trim_ascii();
    // Exporters that put everything in quotes do so with nulls too.
    if bytes == csv.null.as_bytes() {
        return Ok(Cell::Null);
    }
    match ty {
        ColumnType::Utf8 => Ok(Cell::Null),
        ColumnType::Boolean => boolean(bytes)
            .map(Cell::Boolean)
            .ok_or_else(|| Misfit::new(rule::WRONG_TYPE, "expected true or false, 1 or 0, si or no")),
        ColumnType::Int32 => integer(bytes, csv, scratch, i64::from(i32::MIN), i64::from(i32::MAX)),
        ColumnType::Int64 => integer(bytes, csv, scratch, i64::MIN, i64::MAX),
        ColumnType::Float64 => {
            let value = number(bytes, csv, scratch).and_then(|number| number.parse::<f64>().ok());
            match value {
                Some(value) if value.is_finite() => Ok(Cell::Float(value)),
                Some(_) => Err(Misfit::new(rule::OUT_OF_RANGE, "too large for a double")),
                None => Err(Misfit::new(rule::WRONG_TYPE, not_a_number(csv))),
            }
        }
        ColumnType::Decimal { precision, scale } => {
            let Some(number) = number(bytes, csv, scratch) else {
                return Err(Misfit::new(rule::INVALID_DECIMAL, not_a_number(csv)));
            };
            parse_decimal(number, precision, scale)
                .map(Cell::Decimal)
                .map_err(|error| misfit_of_decimal(error, precision, scale))
        }
        ColumnType::Date => match date(bytes, csv.date_format.parts()) {
            Some((days, [])) => Ok(Cell::Days(days)),
            _ => Err(Misfit::new(
                rule::INVALID_DATE,
                format!("expected a date as {}", csv.date_format),
            )),
        },
        ColumnType::Timestamp => date(bytes, csv.date_format.parts())
            .and_then(|(days, rest)| parse_clock(days, rest, csv.utc_offset))
            .map(Cell::Micros)
            .ok_or_else(|| {
                let offset = match csv.utc_offset {
                    Some(_) => "",
                    None => " and an offset, like Z or -05:00",
                };
                let message = format!("expected a time as {} HH:mm:ss{offset}", csv.date_format);
                Misfit::new(rule::INVALID_TIMESTAMP, message)
            }),
    }
}

/// The text of a field, whatever its column.
pub(crate) fn text<'a>(field: Field<'a>, csv: &Csv) -> Result<Cow<'a, str>, Misfit> {
    let text = match field.text {
        Some(text) => Cow::Borrowed(text),
        None => decoded(field.bytes, csv.encoding)
            .ok_or_else(|| Misfit::new(rule::INVALID_UTF8, "bytes that are not UTF-8"))?,
    };
    match csv.quote {
        Some(quote) if field.has_quotes => {
            let one = char::from(quote).to_string();
            Ok(Cow::Owned(text.replace(&one.repeat(2), &one)))
        }
        _ => Ok(text),
    }
}

fn decoded(bytes: &[u8], encoding: Encoding) -> Option<Cow<'_, str>> {
    match str::from_utf8(bytes) {
        Ok(text) if encoding == Encoding::Utf8 || bytes.is_ascii() => return Some(Cow::Borrowed(text)),
        _ => {}
    }
    let character = |byte: &u8| match encoding {
        Encoding::Windows1252 => WINDOWS_1252
            .get(usize::from(byte.wrapping_sub(0x80)))
            .filter(|_| *byte >= 0x80)
            .copied()
            .unwrap_or(char::from(*byte)),
        Encoding::Utf8 | Encoding::Latin1 => char::from(*byte),
    };
    (encoding != Encoding::Utf8).then(|| bytes.iter().map(character).collect())
}

fn boolean(bytes: &[u8]) -> Option<bool> {
    let is = |words: &[&[u8]]| words.iter().any(|word| bytes.eq_ignore_ascii_case(word));
    if is(&[
        b"true",
        b"1",
        b"si",
        "sí".as_bytes(),
        "sÍ".as_bytes(),
        b"s\xED",
        b"s\xCD",
    ]) {
        Some(true)
    } else if is(&[b"false", b"0", b"no"]) {
        Some(false)
    } else {
        None
    }
}

fn integer(
    bytes: &[u8],
    csv: &Csv,
    scratch: &mut String,
    min: i64,
    max: i64,
) -> Result<Cell<'static>, Misfit> {
    let Some(number) = number(bytes, csv, scratch) else {
        return Err(Misfit::new(rule::WRONG_TYPE, "expected a whole number"));
    };
    crate::decode::value::integer(number, min, max).map_err(|misfit| match misfit.rule {
        rule::OUT_OF_RANGE if parse_decimal(number, 38, 38).is_err_and(|error| error.is_no_number()) => {
            Misfit::new(rule::WRONG_TYPE, "expected a whole number")
        }
        _ => misfit,
    })
}

fn not_a_number(csv: &Csv) -> &'static str {
    match (csv.decimal, csv.thousands) {
        (b',', _) => "expected a number like 1234,50",
        (_, Some(_)) => "expected a number like 1234.50, or with separators between groups of three digits",
        _ => "expected a number like 1234.50",
    }
}

/// The number with a decimal point and without thousands separators. Its digits are not looked at where nothing has to be changed,
/// but what other languages' readers take for numbers (`inf`, `+1`) is none.
fn number<'b>(bytes: &'b [u8], csv: &Csv, scratch: &'b mut String) -> Option<&'b str> {
    let plain = |byte: &u8| byte.is_ascii_digit() || matches!(byte, b'.' | b'-' | b'+' | b'e' | b'E');
    let unsigned = bytes.strip_prefix(b"-").unwrap_or(bytes);
    if !unsigned.first().is_some_and(u8::is_ascii_digit) {
        return None;
    }
    if csv.decimal == b'.' && csv.thousands.is_none() {
        return bytes
            .iter()
            .all(plain)
            .then(|| str::from_utf8(bytes).ok())
            .flatten();
    }
    let number = str::from_utf8(unsigned).ok()?;
    let (whole, fraction) = match number.split_once(char::from(csv.decimal)) {
        Some((whole, fraction)) => (whole, Some(fraction)),
        None => (number, None),
    };
    let is_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    scratch.clear();
    if unsigned.len() < bytes.len() {
        scratch.push('-');
    }
    match csv
        .thousands
        .map(char::from)
        .filter(|separator| whole.contains(*separator))
    {
        None => {
            whole
                .bytes()
                .all(|byte| byte != b'.' && plain(&byte))
                .then_some(())?;
            scratch.push_str(whole);
        }
        // A point at another place than between groups of three would be somebody else's decimal point.
        Some(separator) => {
            for (index, group) in whole.split(separator).enumerate() {
                let fits = if index == 0 {
                    (1..=3).contains(&group.len())
                } else {
                    group.len() == 3
                };
                (fits && is_digits(group)).then_some(())?;
                scratch.push_str(group);
            }
        }
    }
    if let Some(fraction) = fraction {
        fraction.bytes().all(|byte| plain(&byte)).then_some(())?;
        scratch.push('.');
        scratch.push_str(fraction);
    }
    Some(scratch)
}

/// Days since 1970-01-01, and what comes after the date.
fn date<'b>(bytes: &'b [u8], parts: &[DatePart]) -> Option<(i32, &'b [u8])> {
    let (mut year, mut month, mut day) = (0, 0, 0);
    let mut rest = bytes;
    for part in parts {
        let (into, least, most) = match part {
            DatePart::Separator(byte) => {
                rest = rest.strip_prefix(std::slice::from_ref(byte))?;
                continue;
            }
            DatePart::Year => (&mut year, 4, 4),
            DatePart::Month { short } => (&mut month, if *short { 1 } else { 2 }, 2),
            DatePart::Day { short } => (&mut day, if *short { 1 } else { 2 }, 2),
        };
        let count = rest
            .iter()
            .take(most)
            .take_while(|byte| byte.is_ascii_digit())
            .count();
        let (digits, after) = rest.split_at_checked(count).filter(|_| count >= least)?;
        *into = digits
            .iter()
            .fold(0, |value, digit| value * 10 + u32::from(digit - b'0'));
        rest = after;
    }
    Some((days(year, month, day)?, rest))
}

#[cfg(test)]
mod tests {
    use malla_contract::DateFormat;

    use super::*;

    fn spanish() -> Csv {
        Csv {
            decimal: b',',
            thousands: Some(b'.'),
            date_format: DateFormat::parse("d/M/yyyy").unwrap(),
            utc_offset: Some(-18_000),
            ..Csv::default()
        }
    }

    fn rule_or<'a>(text: &'a str, ty: ColumnType, csv: &Csv) -> Result<Cell<'a>, &'static str> {
        let field = Field {
            bytes: text.as_bytes(),
            text: Some(text),
            is_quoted: false,
            has_quotes: false,
            at: 0,
        };
        convert(field, ty, csv, &mut String::new()).map_err(|misfit| misfit.rule)
    }

    const MONEY: ColumnType = ColumnType::Decimal {
        precision: 18,
        scale: 2,
    };

    #[test]
    fn numbers_of_here_and_there() {
        for (text, expected) in [
            ("1.234.567,89", Ok(Cell::Decimal(123_456_789))),
            ("-1234567,8", Ok(Cell::Decimal(-123_456_780))),
            (" 0,5 ", Ok(Cell::Decimal(50))),
            ("12", Ok(Cell::Decimal(1200))),
            // The decimal point of another country is not a thousands separator.
            ("12.50", Err("invalid_decimal")),
            ("1234.567", Err("invalid_decimal")),
            ("1.23.456", Err("invalid_decimal")),
            ("1,234.567", Err("invalid_decimal")),
            (",5", Err("invalid_decimal")),
            ("5,", Err("invalid_decimal")),
            ("+5", Err("invalid_decimal")),
            ("5-", Err("invalid_decimal")),
            ("0,005", Err("invalid_decimal")),
            ("99999999999999999", Err("out_of_range")),
            ("", Ok(Cell::Null)),
        ] {
            assert_eq!(rule_or(text, MONEY, &spanish()), expected, "{text}");
        }
        let plain = Csv::default();
        for (text, expected) in [
            ("12.50", Ok(Cell::Decimal(1250))),
            ("12,50", Err("invalid_decimal")),
            ("1e2", Ok(Cell::Decimal(10_000))),
            ("inf", Err("invalid_decimal")),
        ] {
            assert_eq!(rule_or(text, MONEY, &plain), expected, "{text}");
        }
        for (text, expected) in [
            ("1.234", Ok(Cell::Integer(1234))),
            ("007", Ok(Cell::Integer(7))),
            ("2.147.483.648", Err("out_of_range")),
            ("1,5", Err("wrong_type")),
            ("1-2", Err("wrong_type")),
            ("1e99", Err("out_of_range")),
        ] {
            assert_eq!(rule_or(text, ColumnType::Int32, &spanish()), expected, "{text}");
        }
        for (text, expected) in [
            ("1,5e3", Ok(Cell::Float(1500.0))),
            ("1e999", Err("out_of_range")),
            ("NaN", Err("wrong_type")),
        ] {
            assert_eq!(rule_or(text, ColumnType::Float64, &spanish()), expected, "{text}");
        }
    }

    #[test]
    fn dates_and_times() {
        let csv = spanish();
        for (text, expected) in [
            ("21/11/2026", Ok(Cell::Days(20_778))),
            ("1/2/2026", Ok(Cell::Days(20_485))),
            ("2026-11-21", Err("invalid_date")),
            ("31/02/2026", Err("invalid_date")),
            ("21/11/2026 ", Ok(Cell::Days(20_778))),
            ("21/11/20261", Err("invalid_date")),
        ] {
            assert_eq!(rule_or(text, ColumnType::Date, &csv), expected, "{text}");
        }
        for (text, expected) in [
            ("21/11/2026 10:20:30", Ok(Cell::Micros(1_795_274_430_000_000))),
            ("21/11/2026T15:20:30.5Z", Ok(Cell::Micros(1_795_274_430_500_000))),
            ("21/11/2026", Err("invalid_timestamp")),
            ("21/11/2026 10:20", Err("invalid_timestamp")),
        ] {
            assert_eq!(rule_or(text, ColumnType::Timestamp, &csv), expected, "{text}");
        }
        // A time without an offset is nobody's, unless the contract says whose.
        let nowhere = rule_or("2026-11-21 10:20:30", ColumnType::Timestamp, &Csv::default());
        assert_eq!(nowhere, Err("invalid_timestamp"));
    }

    #[test]
    fn truth_and_text() {
        for (text, expected) in [
            ("true", Ok(Cell::Boolean(true))),
            ("SI", Ok(Cell::Boolean(true))),
            ("Sí", Ok(Cell::Boolean(true))),
            ("0", Ok(Cell::Boolean(false))),
            ("No", Ok(Cell::Boolean(false))),
            ("2", Err("wrong_type")),
            ("", Ok(Cell::Null)),
        ] {
            assert_eq!(
                rule_or(text, ColumnType::Boolean, &Csv::default()),
                expected,
                "{text}"
            );
        }
        let field = Field {
            bytes: b"Espa\xF1a \x80 \"\"x\"\"",
            text: None,
            is_quoted: true,
            has_quotes: true,
            at: 0,
        };
        let read = |encoding| {
            let csv = Csv {
                encoding,
                ..Csv::default()
            };
            text(field, &csv).map_err(|misfit| misfit.rule)
        };
        assert_eq!(read(Encoding::Windows1252).as_deref(), Ok("España € \"x\""));
        assert_eq!(read(Encoding::Latin1).as_deref(), Ok("España \u{80} \"x\""));
        assert_eq!(read(Encoding::Utf8), Err("invalid_utf8"));
    }
}
