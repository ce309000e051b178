//! Expectations by the names that Great Expectations gave them.

use std::cmp::Ordering;

use crate::errors::{ContractErrors, closest, listed, shown};
use crate::parse::quality::arguments::Arguments;
use crate::parse::quality::{Promise, Scope, comparison, did_you_mean, values};
use crate::yaml::{self, At, Value};
use crate::{CheckKind, Column, ColumnType, IgnoreRow, MustBe, Number, Unit};

/// The engine, as ODCS writes it.
const ENGINE: &str = "greatExpectations";

const NOT_NULL: &str = "expect_column_values_to_not_be_null";
const UNIQUE: &str = "expect_column_values_to_be_unique";
const IN_SET: &str = "expect_column_values_to_be_in_set";
const BETWEEN: &str = "expect_column_values_to_be_between";
const REGEX: &str = "expect_column_values_to_match_regex";
const PAIR: &str = "expect_column_pair_values_a_to_be_greater_than_b";
const ROW_COUNT: &str = "expect_table_row_count_to_be_between";
const KNOWN: [&str; 7] = [NOT_NULL, UNIQUE, IN_SET, BETWEEN, REGEX, PAIR, ROW_COUNT];

/// Arguments that say how Great Expectations reports, and nothing about the data.
const OF_REPORTS: [&str; 4] = ["result_format", "include_config", "catch_exceptions", "meta"];

/// The expectation of a check of type `custom`; `None` for other engines, which have their own tools.
pub(super) fn read(at: &At<'_>, scope: &Scope<'_>, errors: &mut ContractErrors) -> Option<Promise> {
    let engine_at = at.get("engine")?;
    let engine = engine_at.text()?;
    let word: String = engine.chars().filter(|c| !matches!(c, '-' | '_')).collect();
    if !word.eq_ignore_ascii_case(ENGINE) {
        if closest(&word, [ENGINE]).is_some() {
            let wrong = format!("unknown engine `{}`", shown(engine));
            engine_at.error(errors, wrong, format!("did you mean `{ENGINE}`?"));
        }
        return None;
    }
    if let Some(unit) = at.get("unit") {
        unit.error(
            errors,
            "`unit` beside an expectation",
            "remove it: an expectation tolerates a share of rows by `mostly`",
        );
    }
    let implementation = at.get("implementation")?;
    match &implementation.node.value {
        Value::Map(_) => expectation(&implementation, scope, errors),
        Value::Scalar(_) => text(&implementation, scope, errors),
        _ => None,
    }
}

/// An implementation that is YAML (or JSON) in a text.
fn text(at: &At<'_>, scope: &Scope<'_>, errors: &mut ContractErrors) -> Option<Promise> {
    let text = at.text()?;
    let mut inner = ContractErrors::default();
    let node = yaml::read(text, &mut inner);
    // The line of a text is that of its first character.
    let above = at.node.line.saturating_sub(1);
    for error in inner.iter() {
        at.error_at(
            above.saturating_add(error.line),
            errors,
            error.what.as_str(),
            error.remedy.as_str(),
        );
    }
    let mut node = node.filter(|_| inner.iter().next().is_none())?;
    node.move_down(above);
    let at = at.holding(&node);
    if !matches!(node.value, Value::Map(_)) {
        at.error(
            errors,
            "an expectation without a name",
            format!("write `type:` and one of {}", listed(KNOWN)),
        );
        return None;
    }
    expectation(&at, scope, errors)
}

fn expectation(at: &At<'_>, scope: &Scope<'_>, errors: &mut ContractErrors) -> Option<Promise> {
    for (key, field) in at.entries() {
        let name = key.scalar.text.as_str();
        let known = [
            "type",
            "expectation_type",
            "kwargs",
            "meta",
            "id",
            "notes",
            "description",
        ];
        if !known.contains(&name) {
            let wrong = format!("unknown field `{}` in an expectation", shown(name));
            let remedy = "keep its name in `type` and its arguments in `kwargs`";
            field.error_at(key.line, errors, wrong, remedy);
        }
    }
    let Some(type_at) = at.get("type").or_else(|| at.get("expectation_type")) else {
        at.error(
            errors,
            "an expectation without a name",
            format!("add `type`: one of {}", listed(KNOWN)),
        );
        return None;
    };
    let name = type_at.text().unwrap_or_default();
    let Some(of) = KNOWN.into_iter().find(|known| known.eq_ignore_ascii_case(name)) else {
        let wrong = format!("unknown expectation `{}`", shown(name));
        type_at.error(errors, wrong, did_you_mean(name, KNOWN));
        return None;
    };
    let kwargs = at.get("kwargs");
    if let Some(at) = kwargs
        .as_ref()
        .filter(|at| !matches!(at.node.value, Value::Map(_)))
    {
        at.error(errors, "`kwargs` is no map", "write `name: value` lines");
        return None;
    }
    let arguments = Arguments {
        of,
        field: "kwargs",
        at: kwargs,
        check: at.clone(),
    };
    let only = |own: &[&'static str], errors: &mut ContractErrors| {
        arguments.only_or(own, &OF_REPORTS, errors);
    };
    if of == ROW_COUNT {
        only(&["min_value", "max_value"], errors);
        return row_count(&arguments, scope, errors);
    }
    match of {
        NOT_NULL | UNIQUE => only(&["column", "mostly"], errors),
        IN_SET => only(&["column", "mostly", "value_set"], errors),
        REGEX => only(&["column", "mostly", "regex"], errors),
        PAIR => only(
            &["column_A", "column_B", "or_equal", "ignore_row_if", "mostly"],
            errors,
        ),
        _ => only(
            &[
                "column",
                "mostly",
                "min_value",
                "max_value",
                "strict_min",
                "strict_max",
            ],
            errors,
        ),
    }
    let tolerance = mostly(&arguments, errors);
    let kind = if of == PAIR {
        pair(&arguments, scope, errors)
    } else {
        let column = column(&arguments, scope, errors)?;
        of_column(column, &arguments, errors)
    };
    let (comparison, unit) = tolerance?;
    Some(Promise {
        kind: kind?,
        comparison,
        unit,
    })
}

fn of_column(column: &Column, arguments: &Arguments<'_>, errors: &mut ContractErrors) -> Option<CheckKind> {
    let name = column.name.clone();
    Some(match arguments.of {
        NOT_NULL => CheckKind::NotNull { column: name },
        UNIQUE => CheckKind::Unique { columns: vec![name] },
        IN_SET => CheckKind::Valid {
            column: name,
            values: Some(values::literals(
                &arguments.need("value_set", errors)?,
                column,
                errors,
            )?),
            pattern: None,
        },
        REGEX => CheckKind::Valid {
            column: name,
            values: None,
            pattern: Some(values::pattern(
                &arguments.need("regex", errors)?,
                column,
                errors,
            )?),
        },
        _ => between(column, arguments, errors)?,
    })
}

/// What `mostly` tolerates: without it nothing, row by row; with it a share of the rows.
fn mostly(arguments: &Arguments<'_>, errors: &mut ContractErrors) -> Option<(MustBe, Unit)> {
    let Some(at) = arguments.get("mostly") else {
        return Some((MustBe::Equal(Number::from(0)), Unit::Rows));
    };
    let share = comparison::number(&at, errors)?;
    let (zero, one) = (Number::from(0), Number::from(1));
    let whole = 10_i128.checked_pow(share.scale().into())?;
    if share < zero || share > one || at.truth().is_some() {
        at.error(
            errors,
            format!("`mostly` of {share}"),
            "write a share from 0 to 1, such as 0.95",
        );
        return None;
    }
    let tolerated = (whole.checked_sub(share.unscaled())?).checked_mul(100)?;
    let percent = Number::new(tolerated, share.scale())?;
    Some((MustBe::LessOrEqual(percent), Unit::Percent))
}

/// The column that the expectation is about: that in `column`, or the one that it stands below.
fn column<'s>(
    arguments: &Arguments<'_>,
    scope: &Scope<'s>,
    errors: &mut ContractErrors,
) -> Option<&'s Column> {
    let named = match (arguments.get("column"), scope.own) {
        (None, Some(own)) => return own.typed.then_some(&own.column),
        (None, None) => arguments.need("column", errors)?,
        (Some(at), _) => at,
    };
    let name = text_of(&named, errors)?;
    if let Some(own) = scope.own.filter(|own| own.column.name != name) {
        let wrong = format!("about `{}`, and stands below `{}`", shown(name), own.column.name);
        named.error(
            errors,
            wrong,
            "move the check to that property, or remove `column`",
        );
        return None;
    }
    scope.column(&named, name, errors)
}

fn text_of<'a>(at: &At<'a>, errors: &mut ContractErrors) -> Option<&'a str> {
    let text = at.text();
    if text.is_none() {
        at.error(errors, "is no text", "write a text");
    }
    text
}

fn truth(arguments: &Arguments<'_>, name: &str, errors: &mut ContractErrors) -> Option<bool> {
    let Some(at) = arguments.get(name) else {
        return Some(false);
    };
    if at.truth().is_none() {
        at.error(
            errors,
            format!("`{name}` is no truth value"),
            "write true or false",
        );
    }
    at.truth()
}

fn no_bound(arguments: &Arguments<'_>, errors: &mut ContractErrors) {
    let at = arguments.at.as_ref().unwrap_or(&arguments.check);
    let wrong = format!("`{}` needs `min_value` or `max_value`", arguments.of);
    at.error(errors, wrong, "add one to `kwargs`");
}

fn between(column: &Column, arguments: &Arguments<'_>, errors: &mut ContractErrors) -> Option<CheckKind> {
    if matches!(column.ty, ColumnType::Utf8 | ColumnType::Boolean) {
        let wrong = format!("a range of `{}`, which is of type `{}`", column.name, column.ty);
        let remedy = format!("ranges are for numbers and times: use `{REGEX}` or `{IN_SET}`");
        arguments.check.error(errors, wrong, remedy);
        return None;
    }
    let (min_at, max_at) = (arguments.get("min_value"), arguments.get("max_value"));
    let bound = |at: &Option<At<'_>>, errors: &mut ContractErrors| {
        at.as_ref().map(|at| values::literal(at, column, errors))
    };
    let (min, max) = (bound(&min_at, errors), bound(&max_at, errors));
    let strict_min = truth(arguments, "strict_min", errors);
    let strict_max = truth(arguments, "strict_max", errors);
    if min.is_none() && max.is_none() {
        no_bound(arguments, errors);
        return None;
    }
    if min == Some(None) || max == Some(None) {
        return None;
    }
    let (min, max) = (min.flatten(), max.flatten());
    let (strict_min, strict_max) = (strict_min?, strict_max?);
    if let (Some(low), Some(high), Some(at)) = (&min, &max, min_at) {
        let empty = match values::order(low, high) {
            Some(Ordering::Less) => false,
            Some(Ordering::Equal) => strict_min || strict_max,
            _ => true,
        };
        if empty {
            at.error(
                errors,
                "no value lies between `min_value` and `max_value`",
                "exchange the two, or let the greater one be greater",
            );
            return None;
        }
    }
    Some(CheckKind::Between {
        column: column.name.clone(),
        min,
        max,
        strict_min,
        strict_max,
    })
}

fn pair(arguments: &Arguments<'_>, scope: &Scope<'_>, errors: &mut ContractErrors) -> Option<CheckKind> {
    let side = |name: &str, errors: &mut ContractErrors| {
        let at = arguments.need(name, errors)?;
        let column = scope.column(&at, text_of(&at, errors)?, errors)?;
        Some((at, column))
    };
    let (a, b) = (side("column_A", errors), side("column_B", errors));
    let or_equal = truth(arguments, "or_equal", errors);
    let ignore = ignore_row(arguments, errors);
    let ((_, a), (at, b)) = (a?, b?);
    if a.name == b.name {
        let wrong = format!("`{}` is compared with itself", a.name);
        at.error(errors, wrong, "name two columns");
        return None;
    }
    if !comparable(a.ty, b.ty) {
        let wrong = format!(
            "`{}` is of type `{}`, and `{}` of `{}`",
            a.name, a.ty, b.name, b.ty
        );
        let remedy = "compare two numbers, two dates or two timestamps; a `double` only with another";
        at.error(errors, wrong, remedy);
        return None;
    }
    Some(CheckKind::PairGreater {
        a: a.name.clone(),
        b: b.name.clone(),
        or_equal: or_equal?,
        ignore: ignore?,
    })
}

/// Whether values of the two types have an exact order.
fn comparable(a: ColumnType, b: ColumnType) -> bool {
    use ColumnType::{Date, Decimal, Float64, Int32, Int64, Timestamp};
    let exact = |ty| matches!(ty, Int32 | Int64 | Decimal { .. });
    (exact(a) && exact(b)) || (a == b && matches!(a, Float64 | Date | Timestamp))
}

fn ignore_row(arguments: &Arguments<'_>, errors: &mut ContractErrors) -> Option<IgnoreRow> {
    let Some(at) = arguments.get("ignore_row_if") else {
        return Some(IgnoreRow::default());
    };
    let word = text_of(&at, errors)?;
    match word {
        "both_values_are_missing" => Some(IgnoreRow::BothNull),
        "either_value_is_missing" => Some(IgnoreRow::EitherNull),
        "neither" | "never" => Some(IgnoreRow::Never),
        _ => {
            let words = ["both_values_are_missing", "either_value_is_missing", "neither"];
            let wrong = format!("unknown word `{}`", shown(word));
            at.error(errors, wrong, did_you_mean(word, words));
            None
        }
    }
}

fn row_count(arguments: &Arguments<'_>, scope: &Scope<'_>, errors: &mut ContractErrors) -> Option<Promise> {
    if scope.own.is_some() {
        let wrong = format!("`{ROW_COUNT}` is about a table");
        let remedy = "move it to the `quality` of the schema object";
        arguments.check.error(errors, wrong, remedy);
        return None;
    }
    let (min_at, max_at) = (arguments.get("min_value"), arguments.get("max_value"));
    let count = |at: &Option<At<'_>>, errors: &mut ContractErrors| {
        let at = at.as_ref()?;
        let count = at.integer().and_then(|count| u64::try_from(count).ok());
        if count.is_none() {
            at.error(errors, "is no number of rows", "write a whole number from 0");
        }
        Some(count.map(Number::from))
    };
    let (min, max) = (count(&min_at, errors), count(&max_at, errors));
    let comparison = match (min, max) {
        (None, None) => {
            no_bound(arguments, errors);
            return None;
        }
        (Some(min), None) => MustBe::GreaterOrEqual(min?),
        (None, Some(max)) => MustBe::LessOrEqual(max?),
        (Some(min), Some(max)) => match (min?, max?) {
            (min, max) if min < max => MustBe::Between(min, max),
            (min, max) if min == max => MustBe::Equal(min),
            _ => {
                min_at.unwrap_or_else(|| arguments.check.clone()).error(
                    errors,
                    "no number lies between `min_value` and `max_value`",
                    "exchange the two",
                );
                return None;
            }
        },
    };
    Some(Promise {
        kind: CheckKind::RowCount,
        comparison,
        unit: Unit::Rows,
    })
}
