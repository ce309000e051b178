//! Whether a value lies within bounds.

use arrow_buffer::BooleanBuffer;
use malla_contract::{ColumnType, Literal};

use crate::kernel::{Column, Values, pack};

/// Bounds, both inside, of the type of one column.
pub(crate) enum Range {
    I32(i32, i32),
    I64(i64, i64),
    Decimal(i128, i128),
    /// A strict bound is moved to the next number.
    F64(f64, f64),
    /// No value lies within.
    Empty,
}

impl Range {
    /// Bounds for a column of a type; `None` where a bound is of another.
    pub(crate) fn new(
        (min, max): (Option<&Literal>, Option<&Literal>),
        (strict_min, strict_max): (bool, bool),
        ty: ColumnType,
    ) -> Option<Self> {
        macro_rules! whole {
            ($range:path, $int:ty, $of:expr) => {{
                let of: fn(&Literal) -> Option<$int> = $of;
                let low = match min {
                    Some(min) => of(min)?.checked_add(<$int>::from(strict_min)),
                    None => Some(<$int>::MIN),
                };
                let high = match max {
                    Some(max) => of(max)?.checked_sub(<$int>::from(strict_max)),
                    None => Some(<$int>::MAX),
                };
                match (low, high) {
                    (Some(low), Some(high)) => $range(low, high),
                    _ => Self::Empty,
                }
            }};
        }
        Some(match ty {
            ColumnType::Int32 => whole!(Self::I32, i32, |value| match value {
                Literal::Integer(value) => i32::try_from(*value).ok(),
                _ => None,
            }),
            ColumnType::Int64 => whole!(Self::I64, i64, |value| match value {
                Literal::Integer(value) => Some(*value),
                _ => None,
            }),
            ColumnType::Date => whole!(Self::I32, i32, |value| match value {
                Literal::Date(days) => Some(*days),
                _ => None,
            }),
            ColumnType::Timestamp => whole!(Self::I64, i64, |value| match value {
                Literal::Timestamp(micros) => Some(*micros),
                _ => None,
            }),
            ColumnType::Decimal { .. } => whole!(Self::Decimal, i128, |value| match value {
                Literal::Decimal(value, _) => Some(*value),
                _ => None,
            }),
            ColumnType::Float64 => {
                let of = |value: &Literal| match value {
                    Literal::Float(value) => Some(*value),
                    _ => None,
                };
                let low = match min {
                    Some(min) if strict_min => of(min)?.next_up(),
                    Some(min) => of(min)?,
                    None => f64::NEG_INFINITY,
                };
                let high = match max {
                    Some(max) if strict_max => of(max)?.next_down(),
                    Some(max) => of(max)?,
                    None => f64::INFINITY,
                };
                Self::F64(low, high)
            }
            ColumnType::Utf8 | ColumnType::Boolean => return None,
        })
    }

    /// The rows whose value lies outside; of null rows it says anything. NaN lies outside of every range.
    pub(crate) fn outside(&self, column: Column<'_>) -> BooleanBuffer {
        match (self, column.values) {
            (Self::I32(low, high), Values::I32(values)) => pack(values, |v| (v < low) | (v > high)),
            (Self::I64(low, high), Values::I64(values)) => pack(values, |v| (v < low) | (v > high)),
            (Self::Decimal(low, high), Values::Decimal(values, _)) => {
                pack(values, |v| (v < low) | (v > high))
            }
            (Self::F64(low, high), Values::F64(values)) => pack(values, |v| !((v >= low) & (v <= high))),
            // INVARIANT: range and column were made for one type, which was checked. Were it not so, every row would fail.
            _ => BooleanBuffer::new_set(column.rows),
        }
    }
}
