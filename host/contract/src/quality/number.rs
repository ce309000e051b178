//! What a count must be: exact numbers, and comparisons with them.

use std::cmp::Ordering;
use std::fmt;

/// What the number of a check must be. Bounds are part of a range.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MustBe {
    /// `mustBe`.
    Equal(Number),
    /// `mustNotBe`.
    NotEqual(Number),
    /// `mustBeGreaterThan`.
    Greater(Number),
    /// `mustBeGreaterOrEqualTo`.
    GreaterOrEqual(Number),
    /// `mustBeLessThan`.
    Less(Number),
    /// `mustBeLessOrEqualTo`.
    LessOrEqual(Number),
    /// `mustBeBetween`: lowest, highest.
    Between(Number, Number),
    /// `mustNotBeBetween`: lowest, highest.
    NotBetween(Number, Number),
}

/// An exact decimal number.
#[derive(Debug, Clone, Copy)]
pub struct Number {
    unscaled: i128,
    scale: u8,
}

impl MustBe {
    /// Whether a number is what it must be.
    #[must_use]
    pub fn holds(&self, number: Number) -> bool {
        match *self {
            Self::Equal(other) => number == other,
            Self::NotEqual(other) => number != other,
            Self::Greater(other) => number > other,
            Self::GreaterOrEqual(other) => number >= other,
            Self::Less(other) => number < other,
            Self::LessOrEqual(other) => number <= other,
            Self::Between(low, high) => low <= number && number <= high,
            Self::NotBetween(low, high) => number < low || high < number,
        }
    }

    /// Whether `part` of `whole`, in percent, is what it must be, exactly. Nothing of nothing is 0 percent.
    #[must_use]
    pub fn holds_percent(&self, part: u64, whole: u64) -> bool {
        // `part * 100 / whole` compared with a bound is `part * 100` compared with the bound times `whole`.
        let scaled = |bound: Number| bound.times(whole.max(1));
        let number = Number::from(part).times(100);
        match *self {
            Self::Equal(other) => Self::Equal(scaled(other)),
            Self::NotEqual(other) => Self::NotEqual(scaled(other)),
            Self::Greater(other) => Self::Greater(scaled(other)),
            Self::GreaterOrEqual(other) => Self::GreaterOrEqual(scaled(other)),
            Self::Less(other) => Self::Less(scaled(other)),
            Self::LessOrEqual(other) => Self::LessOrEqual(scaled(other)),
            Self::Between(low, high) => Self::Between(scaled(low), scaled(high)),
            Self::NotBetween(low, high) => Self::NotBetween(scaled(low), scaled(high)),
        }
        .holds(number)
    }

    /// Whether, of all counts, only 0 is good.
    #[must_use]
    pub fn takes_only_zero(&self) -> bool {
        let (zero, one) = (Number::from(0), Number::from(1));
        let bounded_above = match *self {
            Self::Equal(_) => true,
            Self::Less(high) => high <= one,
            Self::LessOrEqual(high) | Self::Between(_, high) => high < one,
            _ => false,
        };
        bounded_above && self.holds(zero)
    }

    /// The ODCS field, and its numbers.
    #[must_use]
    pub fn parts(&self) -> (&'static str, Vec<Number>) {
        match *self {
            Self::Equal(n) => ("mustBe", vec![n]),
            Self::NotEqual(n) => ("mustNotBe", vec![n]),
            Self::Greater(n) => ("mustBeGreaterThan", vec![n]),
            Self::GreaterOrEqual(n) => ("mustBeGreaterOrEqualTo", vec![n]),
            Self::Less(n) => ("mustBeLessThan", vec![n]),
            Self::LessOrEqual(n) => ("mustBeLessOrEqualTo", vec![n]),
            Self::Between(low, high) => ("mustBeBetween", vec![low, high]),
            Self::NotBetween(low, high) => ("mustNotBeBetween", vec![low, high]),
        }
    }
}

impl Number {
    /// `unscaled` divided by ten to the power of `scale`. `None` for a scale above 38.
    #[must_use]
    pub fn new(unscaled: i128, scale: u8) -> Option<Self> {
        (scale <= 38).then_some(Self { unscaled, scale })
    }

    /// The number that a text in decimal writes, such as `-12.50`: at most 18 digits, at most 9 of them after the point.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (unscaled, scale) = decimal(text)?;
        let bounded = unscaled.unsigned_abs() < 10_u128.pow(18) && scale <= 9;
        bounded.then_some(Self { unscaled, scale })
    }

    /// The value times ten to the power of [`scale`](Self::scale).
    #[must_use]
    pub fn unscaled(self) -> i128 {
        self.unscaled
    }

    /// Digits after the point.
    #[must_use]
    pub fn scale(self) -> u8 {
        self.scale
    }

    fn times(self, factor: u64) -> Self {
        Self {
            unscaled: self.unscaled.saturating_mul(factor.into()),
            ..self
        }
    }
}

impl From<u64> for Number {
    fn from(count: u64) -> Self {
        Self {
            unscaled: count.into(),
            scale: 0,
        }
    }
}

impl PartialEq for Number {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Number {}

impl PartialOrd for Number {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Number {
    fn cmp(&self, other: &Self) -> Ordering {
        compare_decimals(self.unscaled, self.scale, other.unscaled, other.scale)
    }
}

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.unscaled < 0 { "-" } else { "" };
        let width = usize::from(self.scale).saturating_add(1);
        let digits = format!("{:0>width$}", self.unscaled.unsigned_abs());
        let (whole, fraction) = digits
            .split_at_checked(digits.len().saturating_sub(self.scale.into()))
            .unwrap_or((&digits, ""));
        let fraction = fraction.trim_end_matches('0');
        let point = if fraction.is_empty() { "" } else { "." };
        write!(f, "{sign}{whole}{point}{fraction}")
    }
}

/// Compares two decimals of any two scales, exactly.
#[must_use]
pub fn compare_decimals(a: i128, a_scale: u8, b: i128, b_scale: u8) -> Ordering {
    let up = |value: i128, by: u8| {
        10_i128
            .checked_pow(by.into())
            .and_then(|power| value.checked_mul(power))
    };
    if a_scale < b_scale {
        return compare_decimals(b, b_scale, a, a_scale).reverse();
    }
    match up(b, a_scale.saturating_sub(b_scale)) {
        Some(b) => a.cmp(&b),
        // More than 128 bits hold, and so further from zero than `a`.
        None => 0.cmp(&b),
    }
}

/// A text of digits, perhaps with a sign and a point, as an unscaled number and its scale; at most 38 digits.
pub(crate) fn decimal(text: &str) -> Option<(i128, u8)> {
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let all_digits = |s: &str| s.bytes().all(|b| b.is_ascii_digit());
    if whole.is_empty() && fraction.is_empty() || !all_digits(whole) || !all_digits(fraction) {
        return None;
    }
    let fraction = fraction.trim_end_matches('0');
    let scale = u8::try_from(fraction.len()).ok().filter(|scale| *scale <= 38)?;
    let mut value: i128 = 0;
    for digit in whole.bytes().chain(fraction.bytes()) {
        value = value
            .checked_mul(10)?
            .checked_add(i128::from(digit.checked_sub(b'0')?))?;
    }
    let signed = if text.starts_with('-') { -value } else { value };
    (value < 10_i128.pow(38)).then_some((signed, scale))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn number(text: &str) -> Number {
        Number::parse(text).unwrap()
    }

    #[test]
    fn numbers_are_read_and_written() {
        for (text, written) in [
            ("0", "0"),
            ("-0", "0"),
            ("+12", "12"),
            ("1.50", "1.5"),
            ("-0.001", "-0.001"),
            (".5", "0.5"),
            ("5.", "5"),
            ("007", "7"),
        ] {
            assert_eq!(number(text).to_string(), written, "{text}");
        }
        for text in [
            "",
            ".",
            "-",
            "1e3",
            "0x1",
            "1_0",
            "1.2.3",
            "9999999999999999999",
            "0.0123456789",
        ] {
            assert!(Number::parse(text).is_none(), "{text}");
        }
    }

    #[test]
    fn a_comparison_takes_what_it_says() {
        let range = (number("1"), number("2.5"));
        for (comparison, good, bad) in [
            (MustBe::Equal(number("1.0")), "1", "2"),
            (MustBe::NotEqual(number("1")), "2", "1"),
            (MustBe::Greater(number("1")), "1.1", "1"),
            (MustBe::GreaterOrEqual(number("1")), "1", "0.9"),
            (MustBe::Less(number("1")), "0.9", "1"),
            (MustBe::LessOrEqual(number("1")), "1", "1.1"),
            (MustBe::Between(range.0, range.1), "2.5", "2.6"),
            (MustBe::NotBetween(range.0, range.1), "0.9", "1"),
        ] {
            assert!(comparison.holds(number(good)), "{comparison:?}");
            assert!(!comparison.holds(number(bad)), "{comparison:?}");
        }
    }

    #[test]
    fn some_comparisons_take_only_zero() {
        for (comparison, only) in [
            (MustBe::Equal(number("0")), true),
            (MustBe::Equal(number("1")), false),
            (MustBe::Less(number("1")), true),
            (MustBe::Less(number("0.5")), true),
            (MustBe::Less(number("0")), false),
            (MustBe::Less(number("1.1")), false),
            (MustBe::LessOrEqual(number("0")), true),
            (MustBe::LessOrEqual(number("1")), false),
            (MustBe::Between(number("0"), number("0.9")), true),
            (MustBe::Between(number("0"), number("1")), false),
            (MustBe::Greater(number("0")), false),
            (MustBe::NotEqual(number("1")), false),
        ] {
            assert_eq!(comparison.takes_only_zero(), only, "{comparison:?}");
        }
    }

    #[test]
    fn percents_are_exact() {
        let at_most = |text| MustBe::LessOrEqual(number(text));
        // 0.05 has no exact form in binary.
        assert!(at_most("5").holds_percent(5, 100));
        assert!(at_most("0.1").holds_percent(1, 1000));
        assert!(!at_most("0.1").holds_percent(1, 999));
        assert!(at_most("0").holds_percent(0, 0));
        assert!(!MustBe::Greater(number("0")).holds_percent(0, 0));
        assert!(MustBe::Equal(number("100")).holds_percent(u64::MAX, u64::MAX));
    }

    proptest! {
        #[test]
        fn decimals_compare_as_they_are(a in any::<i64>(), b in any::<i64>(), scales in (0..19u8, 0..19u8)) {
            let up = |value: i64, by: u8| i128::from(value) * 10_i128.pow(by.into());
            let (x, y) = scales;
            let most = x.max(y);
            prop_assert_eq!(
                compare_decimals(a.into(), x, b.into(), y),
                up(a, most - x).cmp(&up(b, most - y))
            );
        }

        #[test]
        fn a_number_is_read_as_it_is_written(unscaled in -999_999_999_999_999_999..=999_999_999_999_999_999_i64, scale in 0..10u8) {
            let written = Number::new(unscaled.into(), scale).unwrap();
            prop_assert_eq!(Number::parse(&written.to_string()), Some(written));
        }
    }
}
