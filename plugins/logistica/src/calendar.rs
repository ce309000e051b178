//! Working days: Monday to Friday, without the holidays of the whole country that are on the same day each year.

use malla_sdk::Date;

/// Month and day.
const HOLIDAYS: [(u32, u32); 4] = [(1, 1), (5, 1), (10, 12), (12, 25)];

/// 400 years, in days. Of dates that lie further apart, one is a mistake.
const LONGEST: i32 = 146_097;

/// Working days after `from`, up to and with `to`; negative if `to` is the earlier one. `None` if they lie more than 400
/// years apart.
pub(crate) fn working_days(from: Date, to: Date) -> Option<i32> {
    let (first, last) = (from.min(to), from.max(to));
    last.days().checked_sub(first.days()).filter(|days| *days <= LONGEST)?;
    let weekdays = weekdays_until(last) - weekdays_until(first);
    let days = i32::try_from(weekdays).ok()? - holidays(first, last);
    Some(if from <= to { days } else { -days })
}

/// Monday to Friday, up to and with a day, from a Monday far away from which it is counted.
fn weekdays_until(day: Date) -> i64 {
    let days = since_a_monday(day);
    days.div_euclid(7) * 5 + (days.rem_euclid(7) + 1).min(5)
}

fn is_weekday(day: Date) -> bool {
    since_a_monday(day).rem_euclid(7) < 5
}

/// 1970-01-01 was a Thursday.
fn since_a_monday(day: Date) -> i64 {
    i64::from(day.days()) + 3
}

/// Holidays on weekdays after `first`, up to and with `last`.
fn holidays(first: Date, last: Date) -> i32 {
    let (from, to) = (first.ymd().0, last.ymd().0);
    let days = (from..=to).flat_map(|year| {
        let days = HOLIDAYS.iter();
        days.filter_map(move |(month, day)| Date::from_ymd(year, *month, *day))
    });
    days.filter(|day| *day > first && *day <= last && is_weekday(*day))
        .map(|_| 1)
        .sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn on(year: i32, month: u32, day: u32) -> Date {
        Date::from_ymd(year, month, day).unwrap()
    }

    /// Day by day, as one counts on a calendar.
    fn counted(from: Date, to: Date) -> i32 {
        let days = (from.days() + 1..=to.days()).map(Date::from_days);
        let works = |day: &Date| {
            let (_, month, of_month) = day.ymd();
            is_weekday(*day) && !HOLIDAYS.contains(&(month, of_month))
        };
        days.filter(works).map(|_| 1).sum()
    }

    #[test]
    fn weekends_and_holidays_do_not_count() {
        let friday = on(2026, 11, 27);
        assert_eq!(working_days(friday, friday), Some(0));
        assert_eq!(working_days(friday, on(2026, 11, 29)), Some(0), "a weekend");
        assert_eq!(working_days(friday, on(2026, 11, 30)), Some(1));
        assert_eq!(working_days(friday, on(2026, 12, 4)), Some(5));
        // A Friday, and a holiday; the next one is on a Friday too.
        assert_eq!(working_days(on(2026, 12, 24), on(2026, 12, 28)), Some(1));
        assert_eq!(working_days(on(2026, 12, 28), on(2027, 1, 4)), Some(4));
        // 1 May 2027 is a Saturday: nothing is lost.
        assert_eq!(working_days(on(2027, 4, 30), on(2027, 5, 3)), Some(1));
        assert_eq!(working_days(on(2026, 11, 30), friday), Some(-1));
    }

    #[test]
    fn it_is_what_one_counts_on_a_calendar() {
        for first in (-800..60_000).step_by(397) {
            for days in [0, 1, 2, 3, 6, 7, 8, 30, 365, 366, 1461, 20_000] {
                let (from, to) = (Date::from_days(first), Date::from_days(first + days));
                assert_eq!(working_days(from, to), Some(counted(from, to)), "{from} {to}");
                assert_eq!(working_days(to, from), Some(-counted(from, to)));
            }
        }
    }

    #[test]
    fn dates_that_lie_too_far_apart_give_nothing() {
        let (first, last) = (Date::from_days(i32::MIN), Date::from_days(i32::MAX));
        assert_eq!(working_days(first, last), None);
        assert_eq!(working_days(last, first), None);
        assert_eq!(working_days(on(1600, 1, 1), on(2000, 1, 2)), None);
        assert!(working_days(on(1600, 1, 1), on(2000, 1, 1)).is_some());
        assert_eq!(working_days(last, last), Some(0));
        assert!(working_days(Date::from_days(i32::MAX - 7), last).is_some());
    }

    #[test]
    fn the_host_gets_what_is_counted() {
        let rows = [
            (on(2026, 11, 27), on(2026, 12, 1)),
            (on(2026, 11, 27), Date::from_days(i32::MAX)),
        ];
        assert_eq!(crate::functions::dias_habiles(&rows).unwrap(), [Some(2), None]);
        assert_eq!(crate::functions::dias_habiles(&[]).unwrap(), []);
    }
}
