//! `mustBe` and its kin.

use crate::errors::{ContractErrors, shown};
use crate::parse::odcs;
use crate::yaml::{At, Kind, Value};
use crate::{MustBe, Number};

/// Whether there is any comparison.
pub(super) fn is_there(at: &At<'_>) -> bool {
    let mut fields = odcs::QUALITY_OPERATORS.fields.iter();
    fields.any(|field| at.get(field.name).is_some())
}

/// The one comparison of a check. That there is one, its shape was checked for.
pub(super) fn read(at: &At<'_>, errors: &mut ContractErrors) -> Option<MustBe> {
    let mut given = odcs::QUALITY_OPERATORS
        .fields
        .iter()
        .filter_map(|field| Some((field.name, at.get(field.name)?)));
    let (Some((operator, at)), None) = (given.next(), given.next()) else {
        return None;
    };
    let make: fn(Number) -> MustBe = match operator {
        "mustBe" => MustBe::Equal,
        "mustNotBe" => MustBe::NotEqual,
        "mustBeGreaterThan" => MustBe::Greater,
        "mustBeGreaterOrEqualTo" => MustBe::GreaterOrEqual,
        "mustBeLessThan" => MustBe::Less,
        "mustBeLessOrEqualTo" => MustBe::LessOrEqual,
        _ => return range(&at, operator, errors),
    };
    number(&at, errors).map(make)
}

fn range(at: &At<'_>, operator: &str, errors: &mut ContractErrors) -> Option<MustBe> {
    let mut bounds = at.items().map(|at| number(&at, errors));
    let (Some(low), Some(high), None) = (bounds.next(), bounds.next(), bounds.next()) else {
        return None;
    };
    let (low, high) = (low?, high?);
    if low >= high {
        at.error(
            errors,
            format!("from {low} to {high} is no range"),
            "write the lowest first, then the highest; for one number use `mustBe`",
        );
        return None;
    }
    Some(if operator == "mustBeBetween" {
        MustBe::Between(low, high)
    } else {
        MustBe::NotBetween(low, high)
    })
}

/// A number to compare with. A truth value is 1 or 0: that is what a query of one gives.
pub(super) fn number(at: &At<'_>, errors: &mut ContractErrors) -> Option<Number> {
    if let Some(truth) = at.truth() {
        return Some(Number::from(u64::from(truth)));
    }
    let Value::Scalar(scalar) = &at.node.value else {
        return None;
    };
    if matches!(scalar.kind(), Kind::Integer | Kind::Number)
        && let Some(number) = Number::parse(&scalar.text)
    {
        return Some(number);
    }
    at.error(
        errors,
        format!("`{}` is no number to compare with", shown(&scalar.text)),
        "write at most 18 digits, without quotes, at most 9 of them after the point",
    );
    None
}
