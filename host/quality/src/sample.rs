//! A few values that broke a rule, as JSON: only of columns that anybody may see.

use arrow_buffer::BooleanBuffer;
use malla_contract::civil::{self, instant};
use malla_contract::{Column as Declared, ColumnType};
use serde_json::Value;

use crate::kernel::{Column, Values};

/// Longest text of a sample, in characters: it is to be looked at.
const LONGEST: usize = 100;

/// Whether values of a column may be shown: they are no secret, not personal, and do not say whom a row is about.
pub(crate) fn may_show(column: &Declared) -> bool {
    !column.needs_mask() && !column.tags.contains("subject") && column.holds.is_empty()
}

/// The first values of these rows. Of several columns each value is a list.
pub(crate) fn of_rows(columns: &[(Column<'_>, ColumnType)], rows: &BooleanBuffer, most: usize) -> Vec<Value> {
    rows.set_indices()
        .take(most)
        .map(|row| match columns {
            [(column, ty)] => value(*column, *ty, row),
            columns => columns
                .iter()
                .map(|(column, ty)| value(*column, *ty, row))
                .collect(),
        })
        .collect()
}

fn value(column: Column<'_>, ty: ColumnType, row: usize) -> Value {
    if column.is_null(row) {
        return Value::Null;
    }
    let shown = match column.values {
        Values::Truth(values) => Some(values.value(row).into()),
        Values::I32(values) => values.get(row).map(|value| match ty {
            ColumnType::Date => civil::Date::from_days(*value).to_string().into(),
            _ => (*value).into(),
        }),
        Values::I64(values) => values.get(row).map(|value| match ty {
            ColumnType::Timestamp => instant(*value).into(),
            _ => (*value).into(),
        }),
        Values::F64(values) => values.get(row).map(|value| {
            serde_json::Number::from_f64(*value).map_or_else(|| value.to_string().into(), Value::from)
        }),
        // As a text, since readers of JSON make of numbers what they can.
        Values::Decimal(values, scale) => values.get(row).map(|value| decimal(*value, scale).into()),
        Values::Text(values) => {
            let text = values.value(row);
            let short: String = text.chars().take(LONGEST).collect();
            let cut = short.len() < text.len();
            Some(if cut { format!("{short}…") } else { short }.into())
        }
    };
    shown.unwrap_or(Value::Null)
}

/// A decimal with all its digits after the point.
pub(crate) fn decimal(unscaled: i128, scale: u8) -> String {
    let sign = if unscaled < 0 { "-" } else { "" };
    let width = usize::from(scale) + 1;
    let digits = format!("{:0>width$}", unscaled.unsigned_abs());
    match digits.split_at_checked(digits.len().saturating_sub(scale.into())) {
        Some((whole, fraction)) if !fraction.is_empty() => format!("{sign}{whole}.{fraction}"),
        _ => format!("{sign}{digits}"),
    }
}
