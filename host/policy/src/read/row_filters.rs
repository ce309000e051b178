//! `row-filters.toml`.

use std::path::Path;
use std::sync::Arc;

use toml::Spanned;
use toml::de::DeValue;
use toml::value::{Datetime, Offset};

use malla_contract::Date;

use crate::read::lists::{self, Entry, Faults};
use crate::row_filters::{Condition, Literal, RowFilter};
use crate::rules::{Parts, is_plain, is_principal};
use crate::text::shown;
use crate::{PolicyError, RuleId};

const KEYS: &str = "table, for, except, column, equals, in, not-in, at-least, at-most, between, reason";
const CONDITIONS: [&str; 6] = ["equals", "in", "not-in", "at-least", "at-most", "between"];
const VALUE: &str = "a text, a number, true or false, a day (2026-11-25) or a moment with its offset \
                     (2026-11-25T00:00:00Z)";

/// The filters of the text of `row-filters.toml`, which is called `name`, and every fault.
pub(crate) fn row_filters(path: &Path, name: &str, text: &str) -> (Vec<RowFilter>, Vec<PolicyError>) {
    let mut filters = Vec::new();
    let file: Arc<str> = Arc::from(name);
    let faults = lists::read(path, text, "row-filter", |_, entry, faults| {
        filters.extend(filter(&file, entry, faults));
    });
    (filters, faults)
}

/// One filter; `None` when it has a fault.
fn filter(file: &Arc<str>, entry: &Entry<'_, '_>, faults: &mut Faults) -> Option<RowFilter> {
    let before = faults.count();
    entry.only(KEYS, "a row filter", faults);
    entry.needs("a row filter", &["table", "column"], faults);
    let table = entry.text("table", faults);
    if let Some(table) = &table
        && (table.contains('/') || !is_plain(table) || Parts::of(table).schema.is_none())
    {
        faults.say(
            entry.span.clone(),
            format!("`{}` is no table", shown(table)),
            "write `schema.table`",
        );
    }
    let column = entry.text("column", faults);
    let whom = principals("for", entry, faults);
    let except = principals("except", entry, faults);
    let condition = condition(entry, faults);
    let reason = entry.text("reason", faults);
    let id = RuleId {
        file: Arc::clone(file),
        line: entry.line(faults),
    };
    let (table, column, condition) = (table?, column?, condition?);
    (faults.count() == before).then_some(RowFilter {
        id,
        table,
        whom,
        except,
        column,
        condition,
        reason,
    })
}

fn principals(key: &str, entry: &Entry<'_, '_>, faults: &mut Faults) -> Vec<String> {
    let names = entry.texts(key, faults).unwrap_or_default();
    for name in names.iter().filter(|name| !is_principal(name)) {
        faults.say(
            entry.span.clone(),
            format!("`{}` in `{key}` is no principal", shown(name)),
            "write `user:`, `service:`, `plugin:` or `role:`, and a name; without `for` a filter is for everybody",
        );
    }
    names
}

fn condition(entry: &Entry<'_, '_>, faults: &mut Faults) -> Option<Condition> {
    let given: Vec<&str> = CONDITIONS
        .into_iter()
        .filter(|key| entry.get(key).is_some())
        .collect();
    let [key] = given.as_slice() else {
        let (what, remedy) = if given.is_empty() {
            ("a row filter without a condition", "add one of")
        } else {
            (
                "a row filter with more than one condition",
                "make several of it, each with one of",
            )
        };
        faults.say(
            entry.span.clone(),
            what,
            format!("{remedy} {}", CONDITIONS.join(", ")),
        );
        return None;
    };
    let value = entry.get(key)?;
    match *key {
        "in" => Some(Condition::In(literals(key, value, faults)?)),
        "not-in" => Some(Condition::NotIn(literals(key, value, faults)?)),
        "between" => between(value, faults),
        "at-least" => literal(key, value, faults).map(Condition::AtLeast),
        "at-most" => literal(key, value, faults).map(Condition::AtMost),
        _ => literal(key, value, faults).map(Condition::Equals),
    }
}

fn between(value: &Spanned<DeValue<'_>>, faults: &mut Faults) -> Option<Condition> {
    let mut bounds = literals("between", value, faults)?.into_iter();
    match (bounds.next(), bounds.next(), bounds.next()) {
        (Some(low), Some(high), None) => {
            if backwards(&low, &high) {
                faults.say(
                    value.span(),
                    "`between` whose first value is the greater",
                    "swap the two",
                );
            }
            Some(Condition::Between(low, high))
        }
        _ => {
            faults.wrong(value.span(), "between", "a list of two values");
            None
        }
    }
}

fn backwards(low: &Literal, high: &Literal) -> bool {
    match (low, high) {
        (Literal::Integer(low), Literal::Integer(high))
        | (Literal::Timestamp(low), Literal::Timestamp(high)) => low > high,
        (Literal::Float(low), Literal::Float(high)) => low > high,
        (Literal::Date(low), Literal::Date(high)) => low > high,
        (Literal::Text(low), Literal::Text(high)) => low > high,
        _ => false,
    }
}

fn literals(key: &str, value: &Spanned<DeValue<'_>>, faults: &mut Faults) -> Option<Vec<Literal>> {
    let list = value.get_ref().as_array().filter(|list| !list.is_empty());
    let Some(list) = list else {
        faults.wrong(value.span(), key, "a list of values that is not empty");
        return None;
    };
    let literals: Option<Vec<Literal>> = list.iter().map(|item| literal(key, item, faults)).collect();
    let literals = literals?;
    let mut kinds = literals.iter().map(std::mem::discriminant);
    let first = kinds.next();
    if kinds.any(|kind| Some(kind) != first) {
        faults.wrong(value.span(), key, "a list of values of one type");
        return None;
    }
    Some(literals)
}

fn literal(key: &str, value: &Spanned<DeValue<'_>>, faults: &mut Faults) -> Option<Literal> {
    let literal = match value.get_ref() {
        DeValue::String(text) => Some(Literal::Text(text.to_string())),
        DeValue::Boolean(truth) => Some(Literal::Boolean(*truth)),
        DeValue::Integer(number) => i64::from_str_radix(number.as_str(), number.radix())
            .ok()
            .map(Literal::Integer),
        DeValue::Float(number) => number
            .as_str()
            .parse::<f64>()
            .ok()
            .filter(|number| number.is_finite())
            .map(Literal::Float),
        DeValue::Datetime(moment) => moment_literal(moment),
        DeValue::Array(_) | DeValue::Table(_) => None,
    };
    if literal.is_none() {
        faults.wrong(value.span(), key, VALUE);
    }
    literal
}

/// A day, or a moment with its offset: without one, nobody knows which moment it is.
fn moment_literal(moment: &Datetime) -> Option<Literal> {
    let date = date(moment)?;
    match (moment.time, moment.offset) {
        (None, None) => Some(Literal::Date(date)),
        (Some(time), Some(offset)) => {
            let offset = match offset {
                Offset::Z => 0,
                Offset::Custom { minutes } => i64::from(minutes),
            };
            let minutes =
                i64::from(date.days()) * 1440 + i64::from(time.hour) * 60 + i64::from(time.minute) - offset;
            let seconds = minutes * 60 + i64::from(time.second.unwrap_or(0));
            Some(Literal::Timestamp(
                seconds * 1_000_000 + i64::from(time.nanosecond.unwrap_or(0) / 1000),
            ))
        }
        _ => None,
    }
}

/// The day of a date and time.
pub(crate) fn date(moment: &Datetime) -> Option<Date> {
    let date = moment.date?;
    Date::new(date.year.into(), date.month.into(), date.day.into())
}
