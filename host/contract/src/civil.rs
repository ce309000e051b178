//! Days of the proleptic Gregorian calendar. No clock: whoever needs today brings it.

use std::fmt;
use std::str::FromStr;

/// A day, as days since 1970-01-01. Written `2026-12-31`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Date(i32);

/// Not a day written `2026-12-31`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("this is no date: write it as `2026-12-31`")]
pub struct NotADate;

impl Date {
    /// The day that is so many days after 1970-01-01.
    #[must_use]
    pub fn from_days(days: i32) -> Self {
        Self(days)
    }

    /// The day of a month (1 to 12); `None` when the month has no such day.
    #[must_use]
    pub fn new(year: i32, month: u32, day: u32) -> Option<Self> {
        (day >= 1 && day <= month_length(year, month)?).then_some(())?;
        let days = days_before(year.into(), month.into()).checked_add(i64::from(day) - 1)?;
        i32::try_from(days).ok().map(Self)
    }

    /// Days since 1970-01-01.
    #[must_use]
    pub fn days(self) -> i32 {
        self.0
    }
}

impl FromStr for Date {
    type Err = NotADate;

    fn from_str(text: &str) -> Result<Self, NotADate> {
        let number = |digits: &str, length: usize| {
            (digits.len() == length && digits.bytes().all(|byte| byte.is_ascii_digit()))
                .then(|| digits.parse::<u32>().ok())
                .flatten()
        };
        let mut parts = text.split('-');
        let parts = (parts.next(), parts.next(), parts.next(), parts.next());
        let (Some(year), Some(month), Some(day), None) = parts else {
            return Err(NotADate);
        };
        number(year, 4)
            .and_then(|year| Self::new(i32::try_from(year).ok()?, number(month, 2)?, number(day, 2)?))
            .ok_or(NotADate)
    }
}

impl fmt::Display for Date {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (year, month, day) = civil(self.0.into());
        write!(f, "{year:04}-{month:02}-{day:02}")
    }
}

/// Microseconds from 1970-01-01T00:00:00Z to an instant written as RFC 3339 has it, `2026-12-31T23:59:59.5Z`, or to the
/// midnight in UTC that begins a day. `None` for other texts, for what is finer than a microsecond and for leap seconds.
#[must_use]
pub fn timestamp(text: &str) -> Option<i64> {
    const SECOND: i64 = 1_000_000;
    let midnight = |date: &str| -> Option<i64> {
        let date: Date = date.parse().ok()?;
        Some(i64::from(date.days()) * 86_400 * SECOND)
    };
    let Some((date, time)) = text.split_once(['T', 't', ' ']) else {
        return midnight(text);
    };
    let (time, zone) = match time.strip_suffix(['Z', 'z']) {
        Some(time) => (time, 0),
        None => {
            let (time, zone) = time.split_at_checked(time.len().checked_sub(6)?)?;
            let (sign, zone) = match zone.strip_prefix('-') {
                Some(zone) => (-1, zone),
                None => (1, zone.strip_prefix('+')?),
            };
            let (hours, minutes) = zone.split_once(':')?;
            (time, sign * (pair(hours, 23)? * 3600 + pair(minutes, 59)? * 60))
        }
    };
    let (time, fraction) = time.split_once('.').unwrap_or((time, "0"));
    let digits = (1..=6).contains(&fraction.len()) && fraction.bytes().all(|byte| byte.is_ascii_digit());
    let micros: i64 = format!("{fraction:0<6}").parse().ok().filter(|_| digits)?;
    let mut parts = time.split(':');
    let (hours, minutes, seconds) = (parts.next()?, parts.next()?, parts.next()?);
    if parts.next().is_some() {
        return None;
    }
    let seconds = pair(hours, 23)? * 3600 + pair(minutes, 59)? * 60 + pair(seconds, 59)?;
    Some(midnight(date)? + (seconds - zone) * SECOND + micros)
}

/// Two digits.
fn pair(digits: &str, most: i64) -> Option<i64> {
    let fits = digits.len() == 2 && digits.bytes().all(|byte| byte.is_ascii_digit());
    digits.parse().ok().filter(|value| fits && *value <= most)
}

/// Days of a month; `None` for a month that is none.
#[must_use]
pub fn month_length(year: i32, month: u32) -> Option<u32> {
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    Some(match month {
        2 if leap => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
        _ => return None,
    })
}

const DAYS_OF_ERA: i64 = 146_097;
const DAYS_TO_EPOCH: i64 = 719_468;

/// Days from 1970-01-01 to the first of a month, for years that an `i32` of days can be in and some more.
/// <https://howardhinnant.github.io/date_algorithms.html>, `days_from_civil`.
#[must_use]
pub fn days_before(year: i64, month: i64) -> i64 {
    let year = year - i64::from(month <= 2);
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * DAYS_OF_ERA + day_of_era - DAYS_TO_EPOCH
}

/// Year, month and day of a day. The same source, `civil_from_days`.
#[must_use]
pub fn civil(days: i64) -> (i64, i64, i64) {
    let days = days + DAYS_TO_EPOCH;
    let era = days.div_euclid(DAYS_OF_ERA);
    let day_of_era = days.rem_euclid(DAYS_OF_ERA);
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / (DAYS_OF_ERA - 1)) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    (era * 400 + year_of_era + i64::from(month <= 2), month, day)
}

/// Microseconds since 1970 as RFC 3339 writes them.
#[must_use]
pub fn instant(micros: i64) -> String {
    const DAY: i64 = 86_400_000_000;
    let (year, month, day) = civil(micros.div_euclid(DAY));
    let of_day = micros.rem_euclid(DAY);
    let (seconds, micros) = (of_day / 1_000_000, of_day % 1_000_000);
    let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    let fraction = if micros == 0 {
        String::new()
    } else {
        format!(".{micros:06}")
    };
    format!("{year:04}-{month:02}-{day:02}T{hours:02}:{minutes:02}:{seconds:02}{fraction}Z")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn dates_are_read_as_they_are_written() {
        for (text, days) in [
            ("1970-01-01", 0),
            ("1969-12-31", -1),
            ("2000-02-29", 11_016),
            ("2026-12-31", 20_818),
            ("0001-01-01", -719_162),
        ] {
            let date: Date = text.parse().unwrap();
            assert_eq!((date.days(), date.to_string().as_str()), (days, text));
        }
        for text in [
            "",
            "2026",
            "2026-02-29",
            "2026-13-01",
            "2026-00-01",
            "2026-01-00",
            "2026-1-1",
            "2026-01-01-",
            "26-01-01",
            "+026-01-01",
            "2026-04-31",
            "1900-02-29",
            " 2026-01-01",
        ] {
            assert_eq!(text.parse::<Date>(), Err(NotADate), "{text}");
        }
    }

    #[test]
    fn instants_are_read() {
        for (text, micros) in [
            ("1970-01-01", 0),
            ("1970-01-02T00:00:00Z", 86_400_000_000),
            ("1970-01-01T01:00:00+01:00", 0),
            ("1969-12-31 23:00:00-01:30", 1_800_000_000),
            ("1970-01-01t00:00:01.000001z", 1_000_001),
            ("1969-12-31T23:59:59.5Z", -500_000),
        ] {
            assert_eq!(timestamp(text), Some(micros), "{text}");
        }
        for text in [
            "",
            "T",
            "1970-01-01T",
            "1970-01-01T00:00:00",
            "1970-01-01T00:00Z",
            "1970-01-01T24:00:00Z",
            "1970-01-01T00:00:60Z",
            "1970-01-01T00:00:00.Z",
            "1970-01-01T00:00:00.0000001Z",
            "1970-01-01T00:00:00+1:00",
            "1970-01-01T00:00:00ñ1:00",
            "1970-01-01T+0:00:00Z",
        ] {
            assert_eq!(timestamp(text), None, "{text}");
        }
    }

    #[test]
    fn a_day_of_the_calendar_follows_the_one_before() {
        let (mut year, mut month, mut day) = civil(-800_000);
        for days in -799_999..800_000 {
            day += 1;
            if day > i64::from(month_length(year as i32, month as u32).unwrap()) {
                (day, month) = (1, month + 1);
            }
            if month > 12 {
                (month, year) = (1, year + 1);
            }
            assert_eq!(civil(days), (year, month, day));
        }
    }

    proptest! {
        #[test]
        fn a_day_has_one_date(days in any::<i32>()) {
            let (year, month, day) = civil(days.into());
            prop_assert_eq!(days_before(year, month) + day - 1, i64::from(days));
            let date = Date::new(year as i32, month as u32, day as u32);
            prop_assert_eq!(date, Some(Date::from_days(days)));
        }
    }
}
