//! Service levels that say how old the newest row may be.

use std::collections::BTreeSet;

use crate::errors::{ContractErrors, shown};
use crate::parse::quality::{comparison, did_you_mean, free_name, no_column};
use crate::parse::tables::ReadTable;
use crate::yaml::At;
use crate::{Check, CheckKind, CheckSeverity, ColumnType, MustBe, Number, Unit};

const UNITS: [(&[&str], u64); 5] = [
    (&["s", "sec", "second", "seconds"], 1),
    (&["m", "min", "minute", "minutes"], 60),
    (&["h", "hr", "hour", "hours"], 3600),
    (&["d", "day", "days"], 86_400),
    (&["w", "week", "weeks"], 604_800),
];
const MAX_LEVELS: usize = 200;

/// Gives the columns that `latency` and `frequency` name a check: new rows come so often, and each is there so long
/// after it happened, so the newest is no older than both together.
pub(crate) fn read(top: &At<'_>, tables: &mut [ReadTable<'_>], errors: &mut ContractErrors) {
    let levels = top
        .get("slaProperties")
        .map(|at| at.items_up_to(MAX_LEVELS, errors));
    for level in levels.into_iter().flatten() {
        let property = level.get("property").and_then(|at| at.text());
        if !matches!(property, Some("latency" | "frequency")) {
            continue;
        }
        let Some(element) = level.get("element").or_else(|| top.get("slaDefaultElement")) else {
            continue;
        };
        let Some(seconds) = seconds(&level, errors) else {
            continue;
        };
        for name in element.text().unwrap_or_default().split(',').take(MAX_LEVELS) {
            // A table without a column is a promise that nothing here can be measured by.
            if let Some((table, column)) = name.trim().split_once('.') {
                one(&level, &element, (table, column), seconds, tables, errors);
            }
        }
    }
}

fn one(
    level: &At<'_>,
    at: &At<'_>,
    (table, column): (&str, &str),
    seconds: u64,
    tables: &mut [ReadTable<'_>],
    errors: &mut ContractErrors,
) {
    let names: Vec<String> = tables.iter().map(|read| read.table.name.clone()).collect();
    let Some(read) = tables.iter_mut().find(|read| read.table.name == table) else {
        let wrong = format!("no schema object `{}`", shown(table));
        at.error(
            errors,
            wrong,
            did_you_mean(table, names.iter().map(String::as_str)),
        );
        return;
    };
    let mut taken: BTreeSet<String> = read.table.checks().map(|check| check.name.clone()).collect();
    let typed = !read.untyped.contains(column);
    let Some(place) = read.table.index_of(column) else {
        let names = read.table.columns.iter().map(|own| own.name.as_str());
        no_column(at, column, table, names, errors);
        return;
    };
    let Some(found) = read.table.columns.get_mut(place) else {
        return;
    };
    if found.ty != ColumnType::Timestamp {
        // A day is too coarse to tell minutes by, and promised all the same.
        if typed && found.ty != ColumnType::Date {
            let wrong = format!("`{column}` is of type `{}`", found.ty);
            at.error(errors, wrong, "name a column of type `timestamp`");
        }
        return;
    }
    let known = found.quality.iter_mut().find_map(|check| match &mut check.kind {
        CheckKind::Fresh { within, .. } => Some(within),
        _ => None,
    });
    if let Some(within) = known {
        *within = within.saturating_add(seconds);
        return;
    }
    let kind = CheckKind::Fresh {
        column: column.to_owned(),
        within: seconds,
    };
    found.quality.push(Check {
        name: free_name(&kind, &mut taken),
        kind,
        comparison: MustBe::Equal(Number::from(0)),
        unit: Unit::Rows,
        // Data that is late does not get better by being held back.
        severity: CheckSeverity::Warning,
        dimension: Some("timeliness".to_owned()),
        description: level
            .get("description")
            .and_then(|at| at.text())
            .map(str::to_owned),
        line: level.node.line,
    });
}

/// The value of a level, in seconds, rounded up.
fn seconds(level: &At<'_>, errors: &mut ContractErrors) -> Option<u64> {
    let value_at = level.get("value")?;
    let value = match value_at.text().and_then(Number::parse) {
        Some(number) => number,
        None => comparison::number(&value_at, errors)?,
    };
    let Some(unit_at) = level.get("unit") else {
        level.error(errors, "a time without a unit", "add `unit`, such as `m` or `h`");
        return None;
    };
    let word = unit_at.text()?;
    let Some((_, unit)) = UNITS
        .iter()
        .find(|(words, _)| words.iter().any(|known| known.eq_ignore_ascii_case(word)))
    else {
        let wrong = format!("unknown unit `{}`", shown(word));
        unit_at.error(
            errors,
            wrong,
            "use `s`, `m` (minutes), `h`, `d` or `w`: months and years are no exact time",
        );
        return None;
    };
    let power = 10_i128.checked_pow(value.scale().into())?;
    let scaled = value.unscaled().checked_mul(i128::from(*unit))?;
    let whole = scaled.checked_add(power.checked_sub(1)?)?.checked_div(power)?;
    let seconds = u64::try_from(whole).ok().filter(|seconds| *seconds > 0);
    if seconds.is_none() {
        value_at.error(
            errors,
            format!("`{value}` is no length of time"),
            "write a number above 0",
        );
    }
    seconds
}
