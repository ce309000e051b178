//! Row filters as expressions. They are built, never written as SQL text: no value in them can become part of a query.

use datafusion::common::{Column as Name, ScalarValue};
use datafusion::logical_expr::{Expr, lit};
use malla_contract::{Column, ColumnType};
use malla_policy::{Condition, Literal, RowFilter};

/// The condition on a stored column. `None`: a value does not fit the column's type.
pub(crate) fn expr(filter: &RowFilter, column: &Column) -> Option<Expr> {
    let name = || Expr::Column(Name::new_unqualified(&column.name));
    let value = |literal: &Literal| scalar(literal, column.ty).map(lit);
    let values = |literals: &[Literal]| literals.iter().map(value).collect::<Option<Vec<_>>>();
    Some(match &filter.condition {
        Condition::Equals(one) => name().eq(value(one)?),
        Condition::In(list) => name().in_list(values(list)?, false),
        Condition::NotIn(list) => name().in_list(values(list)?, true),
        Condition::AtLeast(low) => name().gt_eq(value(low)?),
        Condition::AtMost(high) => name().lt_eq(value(high)?),
        Condition::Between(low, high) => name().between(value(low)?, value(high)?),
    })
}

fn scalar(literal: &Literal, ty: ColumnType) -> Option<ScalarValue> {
    Some(match (literal, ty) {
        (Literal::Boolean(value), ColumnType::Boolean) => ScalarValue::from(*value),
        (Literal::Integer(value), ColumnType::Int32) => ScalarValue::from(i32::try_from(*value).ok()?),
        (Literal::Integer(value), ColumnType::Int64) => ScalarValue::from(*value),
        #[expect(clippy::cast_precision_loss, reason = "the column is no more exact")]
        (Literal::Integer(value), ColumnType::Float64) => ScalarValue::from(*value as f64),
        (Literal::Float(value), ColumnType::Float64) => ScalarValue::from(*value),
        (Literal::Integer(_) | Literal::Float(_), ColumnType::Decimal { precision, scale }) => {
            ScalarValue::Decimal128(
                Some(literal.unscaled(scale)?),
                precision,
                i8::try_from(scale).ok()?,
            )
        }
        (Literal::Text(value), ColumnType::Utf8) => ScalarValue::from(value.as_str()),
        (Literal::Date(value), ColumnType::Date) => ScalarValue::Date32(Some(value.days())),
        (Literal::Timestamp(value), ColumnType::Timestamp) => {
            ScalarValue::TimestampMicrosecond(Some(*value), Some("UTC".into()))
        }
        _ => return None,
    })
}
