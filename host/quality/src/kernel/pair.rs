//! Whether the value of one column is greater than that of another.

use std::cmp::Ordering;

use arrow_buffer::BooleanBuffer;
use malla_contract::{IgnoreRow, compare_decimals};

use crate::kernel::{Column, Found, Values, pack_iter};

/// The rows in which `a` is not greater than `b`. NaN is greater than nothing, and nothing than NaN.
pub(crate) fn pair(a: Column<'_>, b: Column<'_>, or_equal: bool, ignore: IgnoreRow) -> Found {
    let rows = a.rows;
    let not_greater = if or_equal {
        compare(a, b, |order| order.is_none_or(Ordering::is_lt))
    } else {
        compare(a, b, |order| order.is_none_or(Ordering::is_le))
    };
    let (a_null, b_null) = (a.null_rows(), b.null_rows());
    let either = match (&a_null, &b_null) {
        (Some(a), Some(b)) => Some(a | b),
        (Some(one), None) | (None, Some(one)) => Some(one.clone()),
        (None, None) => None,
    };
    let Some(either) = either else {
        return Found {
            missing: None,
            unexpected: not_greater,
        };
    };
    let missing = match ignore {
        IgnoreRow::EitherNull => Some(either.clone()),
        IgnoreRow::BothNull => a_null.zip(b_null).map(|(a, b)| &a & &b),
        IgnoreRow::Never => None,
    };
    let failed = &not_greater | &either;
    let unexpected = match &missing {
        Some(missing) => &failed & &!missing,
        None => failed,
    };
    debug_assert_eq!(unexpected.len(), rows);
    Found { missing, unexpected }
}

fn compare(a: Column<'_>, b: Column<'_>, bad: impl Fn(Option<Ordering>) -> bool) -> BooleanBuffer {
    let rows = a.rows;
    macro_rules! zip {
        ($a:expr, $b:expr, $order:expr) => {
            pack_iter(rows, $a.iter().zip($b).map(|(a, b)| bad($order(a, b))))
        };
    }
    macro_rules! exact {
        ($a:expr, $b:expr, $x:expr, $y:expr) => {
            zip!($a, $b, |a: &_, b: &_| Some(compare_decimals(
                i128::from(*a),
                $x,
                i128::from(*b),
                $y
            )))
        };
    }
    match (a.values, b.values) {
        (Values::I32(a), Values::I32(b)) => zip!(a, b, |a: &i32, b: &i32| Some(a.cmp(b))),
        (Values::I64(a), Values::I64(b)) => zip!(a, b, |a: &i64, b: &i64| Some(a.cmp(b))),
        (Values::F64(a), Values::F64(b)) => zip!(a, b, |a: &f64, b: &f64| a.partial_cmp(b)),
        (Values::Decimal(a, x), Values::Decimal(b, y)) if x == y => {
            zip!(a, b, |a: &i128, b: &i128| Some(a.cmp(b)))
        }
        (Values::I32(a), Values::I64(b)) => zip!(a, b, |a: &i32, b: &i64| Some(i64::from(*a).cmp(b))),
        (Values::I64(a), Values::I32(b)) => zip!(a, b, |a: &i64, b: &i32| Some(a.cmp(&i64::from(*b)))),
        (Values::Decimal(a, x), Values::Decimal(b, y)) => exact!(a, b, x, y),
        (Values::Decimal(a, x), Values::I32(b)) => exact!(a, b, x, 0),
        (Values::Decimal(a, x), Values::I64(b)) => exact!(a, b, x, 0),
        (Values::I32(a), Values::Decimal(b, y)) => exact!(a, b, 0, y),
        (Values::I64(a), Values::Decimal(b, y)) => exact!(a, b, 0, y),
        // INVARIANT: types that have no order were refused. Were it not so, every row would fail.
        _ => BooleanBuffer::new_set(rows),
    }
}
