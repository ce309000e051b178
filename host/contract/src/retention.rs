//! How long rows are kept.

use crate::Date;
use crate::civil::{civil, month_length};

/// A promise to keep rows for so long and no longer (`slaProperties`, `retention`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Retention {
    /// How many of the unit.
    pub keep: u32,
    /// Days, months or years.
    pub unit: RetentionUnit,
    /// The column of dates or times that says how old a row is. `None`: the contract names the table only.
    pub column: Option<String>,
    /// Where it stands in the contract.
    pub line: usize,
}

/// What a retention counts in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RetentionUnit {
    /// Days.
    Days,
    /// Months of the calendar.
    Months,
    /// Years of the calendar.
    Years,
}

impl Retention {
    /// The first day that is kept on a day. All that happened on days before is older than the retention.
    ///
    /// A month or a year before a day that the earlier month does not have is the last day of that month.
    #[must_use]
    pub fn first_kept(&self, today: Date) -> Date {
        let keep = i64::from(self.keep);
        let months = match self.unit {
            RetentionUnit::Days => {
                let days = i64::from(today.days()) - keep;
                return Date::from_days(i32::try_from(days).unwrap_or(i32::MIN));
            }
            RetentionUnit::Months => keep,
            RetentionUnit::Years => keep * 12,
        };
        let (year, month, day) = civil(today.days().into());
        let then = year * 12 + month - 1 - months;
        let first = || {
            let year = i32::try_from(then.div_euclid(12)).ok()?;
            let month = u32::try_from(then.rem_euclid(12) + 1).ok()?;
            let day = u32::try_from(day).ok()?.min(month_length(year, month)?);
            Date::new(year, month, day)
        };
        first().unwrap_or(Date::from_days(i32::MIN))
    }
}

impl std::fmt::Display for Retention {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let unit = match self.unit {
            RetentionUnit::Days => "day",
            RetentionUnit::Months => "month",
            RetentionUnit::Years => "year",
        };
        let plural = if self.keep == 1 { "" } else { "s" };
        write!(f, "{} {unit}{plural}", self.keep)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn first_kept(keep: u32, unit: RetentionUnit, today: &str) -> String {
        let retention = Retention {
            keep,
            unit,
            column: None,
            line: 1,
        };
        retention.first_kept(today.parse().unwrap()).to_string()
    }

    #[test]
    fn a_retention_goes_by_the_calendar() {
        use RetentionUnit::{Days, Months, Years};
        assert_eq!(first_kept(1, Days, "2026-11-28"), "2026-11-27");
        assert_eq!(first_kept(7, Days, "2026-03-03"), "2026-02-24");
        assert_eq!(first_kept(1, Months, "2026-03-31"), "2026-02-28");
        assert_eq!(first_kept(13, Months, "2026-01-15"), "2024-12-15");
        assert_eq!(first_kept(5, Years, "2028-02-29"), "2023-02-28");
    }
}
