//! ODCS `quality` and service levels to checks.

mod arguments;
mod comparison;
mod expectations;
mod freshness;
mod metrics;
mod sql;
mod values;

use std::collections::BTreeSet;

use crate::errors::{ContractErrors, closest, listed, shown};
use crate::parse::columns::ReadColumn;
use crate::parse::odcs::DIMENSIONS;
use crate::parse::tables::{ReadTable, there_are};
use crate::yaml::{At, Value};
use crate::{Check, CheckKind, CheckSeverity, Column, MustBe, Unit};

pub(crate) use freshness::read as freshness;

/// Checks of one list.
const MAX_CHECKS: usize = 100;
/// Patterns of a contract: each costs whoever compiles it milliseconds and megabytes, whatever its length.
const MAX_PATTERNS: usize = 200;
/// Longest name, in characters.
const MAX_NAME: usize = 100;

/// What is checked and how, as one entry says it.
struct Promise {
    kind: CheckKind,
    comparison: MustBe,
    unit: Unit,
}

/// Where a check stands: which columns it may name.
struct Scope<'s> {
    table: &'s str,
    columns: &'s [ReadColumn<'s>],
    /// The column that the check stands below, if it does.
    own: Option<&'s ReadColumn<'s>>,
}

/// The checks of a table, and those of each column into the columns.
pub(crate) fn read(
    table: &At<'_>,
    name: &str,
    columns: &mut [ReadColumn<'_>],
    errors: &mut ContractErrors,
) -> Vec<Check> {
    let scope = |own| Scope {
        table: name,
        columns,
        own,
    };
    let mut lists = vec![checks(table, &scope(None), errors)];
    for column in &*columns {
        lists.push(checks(&column.at, &scope(Some(column)), errors));
    }
    let mut names = BTreeSet::new();
    for (at, check) in lists.iter().flatten() {
        if !check.name.is_empty() && !names.insert(check.name.clone()) {
            let wrong = format!("the name `{}` is there twice", shown(&check.name));
            at.error(
                errors,
                wrong,
                "rename one of the two: quarantine and reports go by it",
            );
        }
    }
    let mut lists = lists.into_iter().map(|list| {
        let named = list.into_iter().map(|(_, mut check)| {
            if check.name.is_empty() {
                check.name = free_name(&check.kind, &mut names);
            }
            check
        });
        named.collect::<Vec<Check>>()
    });
    let of_table = lists.next().unwrap_or_default();
    for (column, checks) in columns.iter_mut().zip(lists) {
        column.column.quality = checks;
    }
    of_table
}

/// Reports a contract with more patterns than anybody should have to compile.
pub(crate) fn few_patterns(tables: &[ReadTable<'_>], errors: &mut ContractErrors) {
    let checks = tables.iter().flat_map(|read| read.table.checks());
    let mut patterns =
        checks.filter(|check| matches!(&check.kind, CheckKind::Valid { pattern: Some(_), .. }));
    if let Some(check) = patterns.nth(MAX_PATTERNS) {
        let wrong = format!("more than {MAX_PATTERNS} patterns in a contract");
        errors.push(
            check.line,
            String::new(),
            wrong,
            "list values where there are few, or split the contract",
        );
    }
}

/// The checks of one `quality` list, each with the place of its name. Those without a name have the empty one.
fn checks<'a>(at: &At<'a>, scope: &Scope<'_>, errors: &mut ContractErrors) -> Vec<(At<'a>, Check)> {
    let Some(list) = at.get("quality") else {
        return Vec::new();
    };
    let mut checks = Vec::new();
    for at in list.items_up_to(MAX_CHECKS, errors) {
        if errors.is_full() {
            break;
        }
        let severity = severity(&at, errors);
        let name = name(&at, errors);
        let Some(promise) = promise(&at, scope, errors) else {
            continue;
        };
        let text = |field: &str| at.get(field).and_then(|at| at.text());
        let check = Check {
            name: name.unwrap_or_default().to_owned(),
            kind: promise.kind,
            comparison: promise.comparison,
            unit: promise.unit,
            severity,
            dimension: text("dimension")
                .filter(|word| DIMENSIONS.contains(word))
                .map(str::to_owned),
            description: text("description").map(str::to_owned),
            line: at.node.line,
        };
        checks.push((at.get("name").unwrap_or(at), check));
    }
    checks
}

fn promise(at: &At<'_>, scope: &Scope<'_>, errors: &mut ContractErrors) -> Option<Promise> {
    if !matches!(at.node.value, Value::Map(_)) {
        return None;
    }
    let kind = match at.get("type") {
        Some(kind) => Some(kind.text()?),
        None => None,
    };
    match (kind, at.get("metric")) {
        (Some("sql"), _) => sql::read(at, scope, errors),
        (Some("custom"), _) => expectations::read(at, scope, errors),
        (None | Some("library"), Some(metric)) => metrics::read(at, &metric, scope, errors),
        (None, None) => {
            at.error(
                errors,
                "a check that checks nothing",
                "add `metric`, or `type: text` if it is for people only",
            );
            None
        }
        // A text for people, or what its shape was refused for.
        _ => None,
    }
}

fn severity(at: &At<'_>, errors: &mut ContractErrors) -> CheckSeverity {
    const WORDS: [&str; 3] = ["error", "warning", "info"];
    let Some((at, word)) = at.get("severity").and_then(|at| Some((at.clone(), at.text()?))) else {
        return CheckSeverity::default();
    };
    match word {
        "error" => CheckSeverity::Error,
        "warning" | "info" => CheckSeverity::Warning,
        _ => {
            let wrong = format!("unknown severity `{}`", shown(word));
            at.error(errors, wrong, did_you_mean(word, WORDS));
            CheckSeverity::default()
        }
    }
}

fn name<'a>(at: &At<'a>, errors: &mut ContractErrors) -> Option<&'a str> {
    let at = at.get("name")?;
    let name = at.text()?;
    if name.trim().is_empty() {
        at.error(errors, "an empty name", "give it a name, or remove the field");
    } else if name.chars().nth(MAX_NAME).is_some() {
        let wrong = format!("a name longer than {MAX_NAME} characters");
        at.error(errors, wrong, "shorten it, and keep the rest in `description`");
    }
    Some(name)
}

/// A name made of columns and kind, such as `moneda_valid`, that no other check has.
fn free_name(kind: &CheckKind, names: &mut BTreeSet<String>) -> String {
    let columns = kind.columns();
    let base = if columns.is_empty() || columns.len() > 2 {
        kind.as_str().to_owned()
    } else {
        format!("{}_{kind}", columns.join("_"))
    };
    let numbered = (2_usize..).map(|n| format!("{base}_{n}"));
    for name in std::iter::once(base.clone()).chain(numbered) {
        if names.insert(name.clone()) {
            return name;
        }
    }
    base
}

fn did_you_mean<'a>(word: &str, known: impl IntoIterator<Item = &'a str> + Clone) -> String {
    match closest(word, known.clone()) {
        Some(meant) => format!("did you mean `{meant}`?"),
        None => format!("use one of {}", listed(known)),
    }
}

/// `rows` or `percent`.
fn unit(at: &At<'_>, errors: &mut ContractErrors) -> Unit {
    let Some((at, word)) = at.get("unit").and_then(|at| Some((at.clone(), at.text()?))) else {
        return Unit::Rows;
    };
    match word {
        "rows" => Unit::Rows,
        "percent" => Unit::Percent,
        _ => {
            let wrong = format!("unknown unit `{}`", shown(word));
            at.error(errors, wrong, did_you_mean(word, ["rows", "percent"]));
            Unit::Rows
        }
    }
}

impl<'s> Scope<'s> {
    /// The column of a name, if its type is known; what has no type was reported.
    fn column(&self, at: &At<'_>, name: &str, errors: &mut ContractErrors) -> Option<&'s Column> {
        let Some(read) = self.columns.iter().find(|read| read.column.name == name) else {
            let names = self.columns.iter().map(|read| read.column.name.as_str());
            no_column(at, name, self.table, names, errors);
            return None;
        };
        read.typed.then_some(&read.column)
    }
}

fn no_column<'a>(
    at: &At<'_>,
    name: &str,
    table: &str,
    columns: impl Iterator<Item = &'a str> + Clone,
    errors: &mut ContractErrors,
) {
    let remedy = match closest(name, columns.clone()) {
        Some(meant) => format!("did you mean `{}`?", shown(meant)),
        None => there_are("its columns", columns),
    };
    let wrong = format!("no column `{}` in `{}`", shown(name), shown(table));
    at.error(errors, wrong, remedy);
}

#[cfg(test)]
mod fault_tests;
#[cfg(test)]
mod tests;
