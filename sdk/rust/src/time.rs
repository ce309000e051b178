//! Days and moments, as the lake keeps them: UTC, no time zones, no clock.

use std::fmt;

const MICROS_PER_DAY: i64 = 86_400_000_000;

/// A day: days since 1970-01-01, in the Gregorian calendar.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
#[repr(transparent)]
pub struct Date(i32);

/// A moment: microseconds since 1970-01-01T00:00:00Z.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
#[repr(transparent)]
pub struct Timestamp(i64);

impl Date {
    /// From days since 1970-01-01.
    #[must_use]
    #[inline]
    pub const fn from_days(days: i32) -> Self {
        Self(days)
    }

    /// Days since 1970-01-01.
    #[must_use]
    #[inline]
    pub const fn days(self) -> i32 {
        self.0
    }

    /// `None` when the calendar has no such day, or a date cannot hold it.
    #[must_use]
    pub fn from_ymd(year: i32, month: u32, day: u32) -> Option<Self> {
        // The algorithm of Howard Hinnant's `days_from_civil`.
        let shifted = i64::from(year) - i64::from(month <= 2);
        let era = shifted.div_euclid(400);
        let of_era = shifted.rem_euclid(400);
        let of_year = (153 * ((i64::from(month) + 9) % 12) + 2) / 5 + i64::from(day) - 1;
        let days = era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468;
        let date = Self(i32::try_from(days).ok()?);
        (date.ymd() == (year, month, day)).then_some(date)
    }

    /// Year, month from 1, day from 1.
    #[must_use]
    pub fn ymd(self) -> (i32, u32, u32) {
        // The algorithm of Howard Hinnant's `civil_from_days`.
        let shifted = i64::from(self.0) + 719_468;
        let era = shifted.div_euclid(146_097);
        let of_era = shifted.rem_euclid(146_097);
        let year = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
        let of_year = of_era - (365 * year + year / 4 - year / 100);
        let month = (5 * of_year + 2) / 153;
        let day = of_year - (153 * month + 2) / 5 + 1;
        let month = if month < 10 { month + 3 } else { month - 9 };
        let year = year + era * 400 + i64::from(month <= 2);
        let small = |number: i64| u32::try_from(number).unwrap_or_default();
        (i32::try_from(year).unwrap_or_default(), small(month), small(day))
    }
}

impl Timestamp {
    /// From microseconds since 1970-01-01T00:00:00Z.
    #[must_use]
    #[inline]
    pub const fn from_micros(micros: i64) -> Self {
        Self(micros)
    }

    /// Microseconds since 1970-01-01T00:00:00Z.
    #[must_use]
    #[inline]
    pub const fn micros(self) -> i64 {
        self.0
    }

    /// The UTC day. A moment so far away that a date cannot hold its day gives the first or the last day.
    #[must_use]
    #[inline]
    pub const fn date(self) -> Date {
        let days = self.0.div_euclid(MICROS_PER_DAY);
        // 64 bits of microseconds are at most 106,751,991 days.
        Date(days as i32)
    }

    /// From `2026-11-21T10:30:00Z`, with at most six digits of a second; for tests. `None` for anything else.
    #[must_use]
    pub fn from_utc(text: &str) -> Option<Self> {
        let (day, time) = text.strip_suffix('Z')?.split_once('T')?;
        let (time, part) = time.split_once('.').unwrap_or((time, ""));
        let mut day = day.splitn(3, '-').map(str::parse::<u32>);
        let mut time = time.splitn(3, ':').map(str::parse::<u32>);
        let next = |parts: &mut dyn Iterator<Item = Result<u32, _>>| parts.next()?.ok();
        let date = Date::from_ymd(
            i32::try_from(next(&mut day)?).ok()?,
            next(&mut day)?,
            next(&mut day)?,
        )?;
        let (hour, minute, second) = (next(&mut time)?, next(&mut time)?, next(&mut time)?);
        let micros: u32 = format!("{part:0<6}").parse().ok()?;
        if hour > 23 || minute > 59 || second > 59 || micros > 999_999 {
            return None;
        }
        let seconds = i64::from(hour * 3_600 + minute * 60 + second);
        let day = i64::from(date.0).checked_mul(MICROS_PER_DAY)?;
        day.checked_add(seconds * 1_000_000 + i64::from(micros)).map(Self)
    }
}

impl fmt::Display for Date {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (year, month, day) = self.ymd();
        write!(f, "{year:04}-{month:02}-{day:02}")
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let of_day = self.0.rem_euclid(MICROS_PER_DAY);
        let (seconds, micros) = (of_day / 1_000_000, of_day % 1_000_000);
        let (hour, minute, second) = (seconds / 3_600, seconds / 60 % 60, seconds % 60);
        write!(
            f,
            "{}T{hour:02}:{minute:02}:{second:02}.{micros:06}Z",
            self.date()
        )
    }
}

impl fmt::Debug for Date {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Debug for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn days_have_names() {
        for (days, text) in [
            (0, "1970-01-01"),
            (-1, "1969-12-31"),
            (20_778, "2026-11-21"),
            (11_016, "2000-02-29"),
        ] {
            assert_eq!(Date::from_days(days).to_string(), text);
        }
        assert_eq!(Date::from_ymd(2026, 2, 29), None);
        assert_eq!(Date::from_ymd(2026, 13, 1), None);
    }

    #[test]
    fn moments_fall_on_their_utc_day() {
        let moment = Timestamp::from_utc("2026-11-21T23:59:59.999999Z").unwrap();
        assert_eq!(moment.date(), Date::from_ymd(2026, 11, 21).unwrap());
        assert_eq!(moment.to_string(), "2026-11-21T23:59:59.999999Z");
        assert_eq!(Timestamp::from_micros(-1).date().to_string(), "1969-12-31");
        for text in [
            "2026-11-21",
            "2026-11-21T24:00:00Z",
            "2026-02-30T00:00:00Z",
            "2026-11-21T10:00:00",
        ] {
            assert_eq!(Timestamp::from_utc(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn every_day_comes_back(days in any::<i32>()) {
            let (year, month, day) = Date::from_days(days).ymd();
            prop_assert_eq!(Date::from_ymd(year, month, day), Some(Date::from_days(days)));
        }
    }
}
