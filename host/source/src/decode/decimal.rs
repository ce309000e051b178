//! Exact decimals from the text of a number. Nothing goes through binary floating point.

/// Why a text is not the decimal asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum DecimalError {
    /// Not a number at all.
    NotANumber,
    /// Digits other than zero after the last allowed place: it would have to be rounded.
    TooPrecise,
    /// More digits than the precision.
    OutOfRange,
}

impl DecimalError {
    pub(crate) fn is_no_number(self) -> bool {
        self == Self::NotANumber
    }
}

/// The most digits of a `Decimal128`.
const MAX_DIGITS: usize = 38;

/// The number times ten to the power of `scale`.
///
/// Grammar: `-`? digits (`.` digits)? ([eE] [+-]? digits)?. Leading zeros are fine, a leading `+` or point is not.
pub(crate) fn parse_decimal(text: &str, precision: u8, scale: u8) -> Result<i128, DecimalError> {
    let (negative, digits) = match text.as_bytes() {
        [b'-', rest @ ..] => (true, rest),
        all => (false, all),
    };
    let unscaled =
        parse_plain(digits, precision, scale).map_or_else(|| parse_any(digits, precision, scale), Ok)?;
    Ok(if negative { -unscaled } else { unscaled })
}

/// The common case: at most 18 digits, no more than `scale` of them after the point, no exponent. `None`: take the long way.
fn parse_plain(digits: &[u8], precision: u8, scale: u8) -> Option<i128> {
    if digits.len() > 18 {
        return None;
    }
    let mut value: u64 = 0;
    let mut count: usize = 0;
    let mut whole: Option<usize> = None;
    for byte in digits {
        match byte {
            b'0'..=b'9' => {
                value = value * 10 + u64::from(byte - b'0');
                count += 1;
            }
            b'.' if whole.is_none() && count > 0 => whole = Some(count),
            _ => return None,
        }
    }
    let fraction = whole.map_or(0, |whole| count - whole);
    if count == 0 || (whole.is_some() && fraction == 0) {
        return None;
    }
    let missing = usize::from(scale).checked_sub(fraction)?;
    let unscaled = i128::from(value).checked_mul(power_of_ten(missing)?)?;
    (unscaled < power_of_ten(usize::from(precision))?).then_some(unscaled)
}

fn parse_any(text: &[u8], precision: u8, scale: u8) -> Result<i128, DecimalError> {
    let exponent_at = text.iter().position(|byte| matches!(byte, b'e' | b'E'));
    let (mantissa, exponent) = match exponent_at {
        Some(at) => {
            let (mantissa, rest) = text.split_at(at);
            (mantissa, parse_exponent(rest.get(1..).unwrap_or_default())?)
        }
        None => (text, 0),
    };
    let (whole, fraction) = match mantissa.iter().position(|byte| *byte == b'.') {
        Some(at) => {
            let (whole, rest) = mantissa.split_at(at);
            (
                whole,
                rest.get(1..)
                    .filter(|rest| !rest.is_empty())
                    .ok_or(DecimalError::NotANumber)?,
            )
        }
        None => (mantissa, &[][..]),
    };
    if whole.is_empty() || !whole.iter().chain(fraction).all(u8::is_ascii_digit) {
        return Err(DecimalError::NotANumber);
    }
    // The value is `significant` (no zeros at its ends) times ten to the power of `power`.
    let total = whole.len() + fraction.len();
    let all = || whole.iter().chain(fraction).copied();
    let leading = all().take_while(|digit| *digit == b'0').count();
    let trailing = all().rev().take_while(|digit| *digit == b'0').count();
    if leading == total {
        return Ok(0);
    }
    let significant = total - leading - trailing;
    let power = exponent
        .saturating_sub(length(fraction.len()))
        .saturating_add(length(trailing))
        .saturating_add(i64::from(scale));
    if power < 0 {
        // Digits before the point may also be too many, but the first thing to mend is the fraction.
        return Err(DecimalError::TooPrecise);
    }
    let power = usize::try_from(power).map_err(|_| DecimalError::OutOfRange)?;
    if significant.saturating_add(power) > usize::from(precision).min(MAX_DIGITS) {
        return Err(DecimalError::OutOfRange);
    }
    let value = all()
        .skip(leading)
        .take(significant)
        .fold(0_i128, |value, digit| value * 10 + i128::from(digit - b'0'));
    power_of_ten(power)
        .and_then(|factor| value.checked_mul(factor))
        .ok_or(DecimalError::OutOfRange)
}

/// A number that is multiplied by ten to the power of `from`, multiplied exactly by ten to the power of `scale`.
pub(crate) fn rescale(unscaled: i128, from: u32, precision: u8, scale: u8) -> Result<i128, DecimalError> {
    let to = u32::from(scale);
    let value = if unscaled == 0 {
        0
    } else if from <= to {
        let factor = 10_i128.checked_pow(to - from);
        factor
            .and_then(|factor| unscaled.checked_mul(factor))
            .ok_or(DecimalError::OutOfRange)?
    } else {
        let factor = 10_i128.checked_pow(from - to).ok_or(DecimalError::TooPrecise)?;
        if unscaled % factor != 0 {
            return Err(DecimalError::TooPrecise);
        }
        unscaled / factor
    };
    let bound = power_of_ten(usize::from(precision)).map_or(u128::MAX, i128::unsigned_abs);
    if value.unsigned_abs() < bound {
        Ok(value)
    } else {
        Err(DecimalError::OutOfRange)
    }
}

/// All digits of a number that is multiplied by ten to the power of `scale`.
pub(crate) fn decimal_text(unscaled: i128, scale: u32) -> String {
    let scale = usize::try_from(scale).unwrap_or(0).min(1000);
    let digits = format!("{:0>width$}", unscaled.unsigned_abs(), width = scale + 1);
    let (whole, fraction) = digits
        .split_at_checked(digits.len().saturating_sub(scale))
        .unwrap_or((&digits, ""));
    let sign = if unscaled < 0 { "-" } else { "" };
    let point = if scale > 0 { "." } else { "" };
    format!("{sign}{whole}{point}{fraction}")
}

/// An exponent, held at a bound that is out of every range but cannot overflow.
fn parse_exponent(text: &[u8]) -> Result<i64, DecimalError> {
    let (negative, digits) = match text {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        all => (false, all),
    };
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return Err(DecimalError::NotANumber);
    }
    let value = digits.iter().fold(0_i64, |value, digit| {
        value.saturating_mul(10).saturating_add(i64::from(digit - b'0'))
    });
    let value = value.min(i64::MAX / 4);
    Ok(if negative { -value } else { value })
}

fn length(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX / 4)
}

fn power_of_ten(power: usize) -> Option<i128> {
    u32::try_from(power)
        .ok()
        .and_then(|power| 10_i128.checked_pow(power))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn money(text: &str) -> Result<i128, DecimalError> {
        parse_decimal(text, 18, 2)
    }

    #[test]
    fn numbers_are_exact() {
        for (text, expected) in [
            ("0", 0),
            ("-0.00", 0),
            ("12.5", 1250),
            ("12.50", 1250),
            ("12.5000000000000000000000000000000000000000000", 1250),
            ("007.50", 750),
            ("-3", -300),
            ("1e2", 10_000),
            ("1.5E+1", 1500),
            ("1500e-3", 150),
            ("0e999999999999999999999", 0),
            ("9999999999999999.99", 999_999_999_999_999_999),
            // As a double this would be 4503599627370497.5.
            ("4503599627370497.51", 450_359_962_737_049_751),
        ] {
            assert_eq!(money(text), Ok(expected), "{text}");
        }
    }

    #[test]
    fn what_does_not_fit_says_why() {
        use DecimalError::*;
        for (text, expected) in [
            ("", NotANumber),
            ("-", NotANumber),
            ("+1", NotANumber),
            (".5", NotANumber),
            ("5.", NotANumber),
            ("1.2.3", NotANumber),
            ("1,5", NotANumber),
            ("1e", NotANumber),
            ("1e+", NotANumber),
            ("--1", NotANumber),
            ("doce", NotANumber),
            ("٣", NotANumber),
            ("0.005", TooPrecise),
            ("1e-3", TooPrecise),
            ("1e-99999999999999999999", TooPrecise),
            ("10000000000000000", OutOfRange),
            ("1e16", OutOfRange),
            ("1e99999999999999999999", OutOfRange),
        ] {
            assert_eq!(money(text), Err(expected), "{text}");
        }
    }

    #[test]
    fn all_38_digits_fit() {
        let text = "9".repeat(38);
        assert_eq!(parse_decimal(&text, 38, 0), Ok(10_i128.pow(38) - 1));
        assert_eq!(
            parse_decimal(&format!("{text}9"), 38, 0),
            Err(DecimalError::OutOfRange)
        );
    }

    #[test]
    fn scales_change_exactly() {
        assert_eq!(decimal_text(-5, 2), "-0.05");
        assert_eq!(decimal_text(1234, 2), "12.34");
        assert_eq!(decimal_text(7, 0), "7");
        assert_eq!(rescale(1250, 2, 18, 2), Ok(1250));
        assert_eq!(rescale(125, 1, 18, 2), Ok(1250));
        assert_eq!(rescale(-12500, 3, 18, 2), Ok(-1250));
        assert_eq!(rescale(12501, 3, 18, 2), Err(DecimalError::TooPrecise));
        assert_eq!(rescale(1000, 0, 4, 2), Err(DecimalError::OutOfRange));
        assert_eq!(rescale(i128::MAX, 0, 38, 38), Err(DecimalError::OutOfRange));
        assert_eq!(rescale(1, u32::MAX, 38, 0), Err(DecimalError::TooPrecise));
        assert_eq!(rescale(0, u32::MAX, 38, 0), Ok(0));
    }

    proptest! {
        #[test]
        fn printing_and_parsing_agree(value in -(10_i128.pow(18) - 1)..10_i128.pow(18), shift in 0_u32..6) {
            let sign = if value < 0 { "-" } else { "" };
            let (whole, cents) = (value.abs() / 100, value.abs() % 100);
            prop_assert_eq!(money(&format!("{sign}{whole}.{cents:02}")), Ok(value));
            let zeros = "0".repeat(shift as usize);
            prop_assert_eq!(money(&format!("{sign}{}{zeros}e-{}", value.abs(), shift + 2)), Ok(value));
        }

        #[test]
        fn any_text_is_a_number_or_an_error(text in ".{0,40}", precision in 1_u8..=38, scale in 0_u8..=38) {
            if let Ok(value) = parse_decimal(&text, precision, scale) {
                prop_assert!(value.abs() < 10_i128.pow(u32::from(precision)));
            }
        }
    }
}
