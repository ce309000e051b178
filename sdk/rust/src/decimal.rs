//! Exact decimal numbers: no floating point anywhere.

use std::fmt;
use std::iter::Sum;
use std::ops::{Add, AddAssign, Neg, Sub, SubAssign};
use std::str::FromStr;

/// A number with exactly `SCALE` digits after the point, kept as a whole number of its smallest units.
///
/// ```
/// use malla_sdk::{Decimal, decimal};
///
/// let amount: Decimal<2> = decimal("19.99");
/// let rate: Decimal<4> = decimal("1.0850");
/// // 21.68915: the caller's type says how many digits stay, and rounding is half to even.
/// let in_usd: Option<Decimal<2>> = amount.mul_rounded(rate);
/// assert_eq!(in_usd, Some(decimal("21.69")));
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
#[repr(transparent)]
pub struct Decimal<const SCALE: u8>(i128);

/// A decimal written in the source, checked when the program is compiled if used in a `const`.
///
/// # Panics
///
/// When the text is no decimal number of at most `SCALE` digits after the point. For text from
/// elsewhere use [`str::parse`].
#[must_use]
#[expect(
    clippy::panic,
    reason = "for literals: a wrong one is a mistake in the source"
)]
pub const fn decimal<const SCALE: u8>(text: &str) -> Decimal<SCALE> {
    match parse(text, SCALE) {
        Some(unscaled) => Decimal(unscaled),
        None => panic!("not a decimal number of this scale"),
    }
}

impl<const SCALE: u8> Decimal<SCALE> {
    /// Nothing.
    pub const ZERO: Self = Self(0);

    /// From a number of smallest units: `Decimal::<2>::new(1999)` is 19.99.
    #[must_use]
    #[inline]
    pub const fn new(unscaled: i128) -> Self {
        Self(unscaled)
    }

    /// The number of smallest units: 19.99 gives 1999.
    #[must_use]
    #[inline]
    pub const fn unscaled(self) -> i128 {
        self.0
    }

    /// A whole number. `None` when it is too large.
    #[must_use]
    pub const fn whole(number: i64) -> Option<Self> {
        match (number as i128).checked_mul(const { power_of_ten(SCALE as u32) }) {
            Some(unscaled) => Some(Self(unscaled)),
            None => None,
        }
    }

    /// Above zero.
    #[must_use]
    #[inline]
    pub const fn is_positive(self) -> bool {
        self.0 > 0
    }

    /// Below zero.
    #[must_use]
    #[inline]
    pub const fn is_negative(self) -> bool {
        self.0 < 0
    }

    /// Exactly zero.
    #[must_use]
    #[inline]
    pub const fn is_zero(self) -> bool {
        self.0 == 0
    }

    /// Whether it has at most `digits` digits, those after the point included: a column of `decimal(18,2)`
    /// takes what fits 18.
    #[must_use]
    #[inline]
    pub fn fits(self, digits: u8) -> bool {
        let limit = POWERS_OF_TEN.get(usize::from(digits));
        limit.is_none_or(|limit| self.0.unsigned_abs() < *limit)
    }

    /// `None` when the sum is too large.
    #[must_use]
    #[inline]
    pub const fn checked_add(self, other: Self) -> Option<Self> {
        match self.0.checked_add(other.0) {
            Some(unscaled) => Some(Self(unscaled)),
            None => None,
        }
    }

    /// `None` when the difference is too large.
    #[must_use]
    #[inline]
    pub const fn checked_sub(self, other: Self) -> Option<Self> {
        match self.0.checked_sub(other.0) {
            Some(unscaled) => Some(Self(unscaled)),
            None => None,
        }
    }

    /// The product, rounded half to even to the scale that the caller asks for. `None` when an exact
    /// intermediate needs more than 127 bits.
    #[must_use]
    #[inline]
    pub fn mul_rounded<const BY: u8, const TO: u8>(self, by: Decimal<BY>) -> Option<Decimal<TO>> {
        let bits = (self.0.unsigned_abs().leading_zeros()) + (by.0.unsigned_abs().leading_zeros());
        let divisor = const { power_of_ten((SCALE as u32 + BY as u32).saturating_sub(TO as u32)) };
        let factor = const { power_of_ten((TO as u32).saturating_sub(SCALE as u32 + BY as u32)) };
        // The fast path: 128-bit division is a slow call in Wasm, and amounts of money seldom need it.
        if bits >= 2 * 128 - 63
            && factor == 1
            && let (Ok(a), Ok(b), Ok(divisor)) =
                (i64::try_from(self.0), i64::try_from(by.0), i64::try_from(divisor))
        {
            return Some(Decimal(i128::from(divide_half_even_i64(
                a.wrapping_mul(b),
                divisor,
            ))));
        }
        let product = self.0.checked_mul(by.0)?;
        divide_half_even(product, divisor)
            .checked_mul(factor)
            .map(Decimal)
    }

    /// The quotient, rounded half to even to the scale that the caller asks for. `None` when dividing
    /// by zero, or when an exact intermediate needs more than 127 bits.
    #[must_use]
    pub fn div_rounded<const BY: u8, const TO: u8>(self, by: Decimal<BY>) -> Option<Decimal<TO>> {
        if by.is_zero() {
            return None;
        }
        let up = const { power_of_ten((BY as u32 + TO as u32).saturating_sub(SCALE as u32)) };
        let down = const { power_of_ten((SCALE as u32).saturating_sub(BY as u32 + TO as u32)) };
        let (mut dividend, mut divisor) = (self.0.checked_mul(up)?, by.0.checked_mul(down)?);
        if divisor < 0 {
            (dividend, divisor) = (dividend.checked_neg()?, divisor.checked_neg()?);
        }
        Some(Decimal(divide_half_even(dividend, divisor)))
    }

    /// The same number at another scale, rounded half to even. `None` when it is too large there.
    #[must_use]
    #[inline]
    pub fn rescale<const TO: u8>(self) -> Option<Decimal<TO>> {
        self.mul_rounded(Decimal::<0>(1))
    }
}

/// `divisor` is above zero.
#[inline]
fn divide_half_even_i64(dividend: i64, divisor: i64) -> i64 {
    let quotient = dividend / divisor;
    let rest = (dividend - quotient * divisor).unsigned_abs();
    let left = divisor.unsigned_abs() - rest;
    let up = rest > left || (rest == left && quotient & 1 == 1);
    quotient + if up { dividend.signum() } else { 0 }
}

/// `divisor` is above zero.
fn divide_half_even(dividend: i128, divisor: i128) -> i128 {
    let quotient = dividend / divisor;
    let rest = (dividend - quotient * divisor).unsigned_abs();
    let left = divisor.unsigned_abs() - rest;
    let up = rest > left || (rest == left && quotient & 1 == 1);
    quotient + if up { dividend.signum() } else { 0 }
}

/// A call for each row would cost more than what it checks.
const POWERS_OF_TEN: [u128; 39] = {
    let mut powers = [1; 39];
    let mut rest: &mut [u128] = &mut powers;
    let mut power = 1;
    while let [first, tail @ ..] = rest {
        *first = power;
        power = power.wrapping_mul(10);
        rest = tail;
    }
    powers
};

const fn power_of_ten(exponent: u32) -> i128 {
    match 10i128.checked_pow(exponent) {
        Some(power) => power,
        // Only scales that no 38-digit number has get here, and any product with this is out of range.
        None => i128::MAX,
    }
}

/// Digits, at most one point, and a sign. No exponent, no blanks, no more digits than `scale` after the point.
const fn parse(text: &str, scale: u8) -> Option<i128> {
    let mut rest = text.as_bytes();
    let negative = match rest {
        [b'-', tail @ ..] => {
            rest = tail;
            true
        }
        [b'+', tail @ ..] => {
            rest = tail;
            false
        }
        _ => false,
    };
    let (mut value, mut digits, mut decimals, mut point) = (0i128, 0u32, 0u8, false);
    while let [byte, tail @ ..] = rest {
        rest = tail;
        if *byte == b'.' && !point {
            point = true;
            continue;
        }
        if !byte.is_ascii_digit() || (point && decimals == scale) {
            return None;
        }
        value = match value.checked_mul(10) {
            Some(tens) => match tens.checked_add((*byte - b'0') as i128) {
                Some(value) => value,
                None => return None,
            },
            None => return None,
        };
        digits += 1;
        decimals += point as u8;
    }
    if digits == 0 {
        return None;
    }
    while decimals < scale {
        value = match value.checked_mul(10) {
            Some(value) => value,
            None => return None,
        };
        decimals += 1;
    }
    Some(if negative { -value } else { value })
}

/// A text that is no decimal number of the asked scale.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ParseDecimalError {
    scale: u8,
}

impl fmt::Display for ParseDecimalError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "not a decimal number with at most {} digits after the point",
            self.scale
        )
    }
}

impl std::error::Error for ParseDecimalError {}

impl<const SCALE: u8> FromStr for Decimal<SCALE> {
    type Err = ParseDecimalError;

    fn from_str(text: &str) -> Result<Self, ParseDecimalError> {
        parse(text, SCALE)
            .map(Self)
            .ok_or(ParseDecimalError { scale: SCALE })
    }
}

impl<const SCALE: u8> fmt::Display for Decimal<SCALE> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = format!(
            "{:0width$}",
            self.0.unsigned_abs(),
            width = usize::from(SCALE) + 1
        );
        let (whole, part) = digits
            .split_at_checked(digits.len() - usize::from(SCALE))
            .unwrap_or(("", &digits));
        let text = if SCALE == 0 {
            whole.to_owned()
        } else {
            format!("{whole}.{part}")
        };
        f.pad_integral(self.0 >= 0, "", &text)
    }
}

impl<const SCALE: u8> fmt::Debug for Decimal<SCALE> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

macro_rules! operator {
    ($trait:ident, $method:ident, $assign_trait:ident, $assign:ident, $checked:ident) => {
        impl<const SCALE: u8> $trait for Decimal<SCALE> {
            type Output = Self;

            #[inline]
            fn $method(self, other: Self) -> Self {
                // As with whole numbers in a debug build: money must never wrap.
                self.$checked(other).expect("decimal overflow")
            }
        }

        impl<const SCALE: u8> $assign_trait for Decimal<SCALE> {
            #[inline]
            fn $assign(&mut self, other: Self) {
                *self = self.$method(other);
            }
        }
    };
}

operator!(Add, add, AddAssign, add_assign, checked_add);
operator!(Sub, sub, SubAssign, sub_assign, checked_sub);

impl<const SCALE: u8> Neg for Decimal<SCALE> {
    type Output = Self;

    fn neg(self) -> Self {
        Self::ZERO - self
    }
}

impl<const SCALE: u8> Sum for Decimal<SCALE> {
    fn sum<I: Iterator<Item = Self>>(values: I) -> Self {
        values.fold(Self::ZERO, Add::add)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn text_round_trips() {
        for text in [
            "0.00",
            "0.05",
            "-0.05",
            "19.99",
            "-1234567890123456789012345678901234.56",
        ] {
            assert_eq!(text.parse::<Decimal<2>>().unwrap().to_string(), text);
        }
        assert_eq!(decimal::<2>("7").to_string(), "7.00");
        assert_eq!(decimal::<0>("-7").to_string(), "-7");
        for text in ["", "-", ".", "1.234", "1e3", " 1", "1_0", "1.2.3", "٣"] {
            assert!(text.parse::<Decimal<2>>().is_err(), "{text}");
        }
    }

    #[test]
    fn halves_go_to_the_even_neighbour() {
        for (from, to) in [
            ("0.125", "0.12"),
            ("0.135", "0.14"),
            ("-0.125", "-0.12"),
            ("-0.135", "-0.14"),
            ("0.1251", "0.13"),
        ] {
            assert_eq!(decimal::<4>(from).rescale::<2>(), Some(decimal(to)), "{from}");
        }
        assert_eq!(
            decimal::<2>("1.00").div_rounded::<2, 2>(decimal("3.00")),
            Some(decimal("0.33"))
        );
        assert_eq!(
            decimal::<2>("1.00").div_rounded::<2, 2>(decimal("-0.08")),
            Some(decimal("-12.50"))
        );
        assert_eq!(decimal::<2>("1.00").div_rounded::<2, 2>(Decimal::ZERO), None);
    }

    #[test]
    fn what_does_not_fit_is_none() {
        let huge = Decimal::<2>::new(i128::MAX);
        assert_eq!(huge.mul_rounded::<2, 2>(huge), None);
        assert_eq!(huge.checked_add(huge), None);
        assert_eq!(huge.rescale::<20>(), None);
        assert!(decimal::<2>("99.99").fits(4) && !decimal::<2>("-100.00").fits(4));
        assert!(!huge.fits(38) && huge.fits(39) && Decimal::<0>::ZERO.fits(0));
    }

    proptest! {
        #[test]
        fn both_paths_round_alike(a in any::<i64>(), d in 1i64..=1_000_000) {
            prop_assert_eq!(i128::from(divide_half_even_i64(a, d)), divide_half_even(i128::from(a), i128::from(d)));
        }

        #[test]
        fn a_product_is_within_half_a_unit(a in -1i128<<90..1i128<<90, b in -1i128<<30..1i128<<30) {
            let product: Decimal<2> = Decimal::<2>::new(a).mul_rounded(Decimal::<5>::new(b)).unwrap();
            let off = (product.unscaled() * 100_000 - a * b).abs();
            prop_assert!(off <= 50_000);
            prop_assert!(off < 50_000 || product.unscaled() % 2 == 0);
        }

        #[test]
        fn display_parses_back(a in any::<i128>()) {
            prop_assume!(a != i128::MIN);
            prop_assert_eq!(Decimal::<7>::new(a).to_string().parse::<Decimal<7>>().unwrap().unscaled(), a);
        }
    }
}
