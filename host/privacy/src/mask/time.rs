//! Dates and timestamps without their end.

use std::sync::Arc;

use arrow_array::cast::AsArray as _;
use arrow_array::types::{Date32Type, TimestampMicrosecondType};
use arrow_array::{Array as _, ArrayRef};

use malla_contract::civil::{civil, days_before};

const MICROS_OF_DAY: i64 = 86_400_000_000;

/// How much of a date is left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Truncation {
    Year,
    Month,
}

impl Truncation {
    /// Every date or timestamp at the first day of its year or month, in UTC. Where the type cannot hold that day (in
    /// the first year of millions) it is 1970-01-01: the value itself is never left. `None`: neither dates nor
    /// timestamps.
    pub(crate) fn apply(self, column: &ArrayRef) -> Option<ArrayRef> {
        if let Some(dates) = column.as_primitive_opt::<Date32Type>() {
            let first = |days: i32| i32::try_from(self.first_day(days.into())).unwrap_or_default();
            return Some(Arc::new(dates.unary::<_, Date32Type>(first)));
        }
        let times = column.as_primitive_opt::<TimestampMicrosecondType>()?;
        let first = |micros: i64| {
            let day = self.first_day(micros.div_euclid(MICROS_OF_DAY));
            day.checked_mul(MICROS_OF_DAY).unwrap_or_default()
        };
        let truncated = times.unary::<_, TimestampMicrosecondType>(first);
        Some(Arc::new(truncated.with_data_type(column.data_type().clone())))
    }

    fn first_day(self, days: i64) -> i64 {
        let (year, _, day) = civil(days);
        match self {
            Self::Year => days_before(year, 1),
            Self::Month => days - (day - 1),
        }
    }
}
