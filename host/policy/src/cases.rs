//! A policy's tests: who, what for, which table, and what they must see.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use malla_contract::{Column, Contract};

use crate::mesh::{MeshTable, tables};
use crate::read::lists::{self, Entry, Faults};
use crate::rules::is_principal;
use crate::text::{listed, shown};
use crate::{
    Action, ColumnView, Judge, JudgeError, Policy, PolicyErrors, PolicyFiles, Refused, Request, RuleId,
    TableView,
};

const KEYS: &str = "name, principal, purpose, table, expect, columns, rows";

/// The cases of a policy folder's `tests`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cases(Vec<Case>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct Case {
    id: RuleId,
    name: String,
    principal: String,
    purpose: String,
    table: String,
    /// `None`: as readable, if something is said of columns or rows.
    readable: bool,
    columns: BTreeMap<String, String>,
    rows: Option<Vec<String>>,
}

/// What came out of the cases, one a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CaseReport {
    /// Cases in all.
    pub count: usize,
    /// Names of the cases, in order, and what was wrong with each; empty: nothing.
    results: Vec<(String, Vec<Failure>)>,
}

/// What is not as a case says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// Where the case is written.
    pub id: RuleId,
    /// What was expected, and what is.
    pub what: String,
}

impl Cases {
    /// Reads the cases of a policy's files.
    ///
    /// # Errors
    /// Every fault of every file, with file, line and remedy.
    pub fn parse(files: &PolicyFiles) -> Result<Self, PolicyErrors> {
        let mut cases = Vec::new();
        let mut faults = Vec::new();
        for (name, _, text) in files.tests() {
            let file: Arc<str> = Arc::from(name);
            faults.extend(lists::read(
                &files.path(name),
                text,
                "case",
                |_, entry, faults| {
                    cases.extend(case(&file, entry, faults));
                },
            ));
        }
        if faults.is_empty() {
            Ok(Self(cases))
        } else {
            Err(PolicyErrors(faults))
        }
    }

    /// Whether there is no case.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Tries every case on a policy. Each decision behind it is asked of Casbin too; a difference is a failure.
    ///
    /// # Errors
    /// Casbin does not take the rules.
    pub fn run(&self, policy: &Policy, contracts: &[Contract]) -> Result<CaseReport, JudgeError> {
        let judge = Judge::new(policy)?;
        let tables = tables(contracts);
        let mut results = Vec::new();
        for case in &self.0 {
            let failures = case.run(policy, &judge, &tables)?;
            let failures = failures.into_iter().map(|what| Failure {
                id: case.id.clone(),
                what,
            });
            results.push((case.name.clone(), failures.collect()));
        }
        Ok(CaseReport {
            count: results.len(),
            results,
        })
    }
}

impl Case {
    fn run(
        &self,
        policy: &Policy,
        judge: &Judge,
        tables: &[MeshTable<'_>],
    ) -> Result<Vec<String>, JudgeError> {
        let Some(entry) = tables.iter().find(|entry| entry.object == self.table) else {
            let known = listed(tables.iter().map(|entry| &entry.object));
            return Ok(vec![format!(
                "no table `{}` in the contracts: there are {known}",
                self.table
            )]);
        };
        let columns = &entry.table.columns;
        let mut failures = self.differences(policy, judge, entry)?;
        match policy.view(
            &self.principal,
            entry.domain(),
            &self.table,
            columns,
            &self.purpose,
        ) {
            Err(Refused::Denied(_)) if !self.readable => {}
            Err(Refused::Denied(_)) => failures.push("expected to be readable, is denied".to_owned()),
            Err(Refused::MissingMask(missing)) => failures.push(missing.to_string()),
            Ok(_) if !self.readable => failures.push("expected to be denied, is readable".to_owned()),
            Ok(view) => self.seen(&view, columns, &mut failures),
        }
        Ok(failures)
    }

    fn seen(&self, view: &TableView<'_>, columns: &[Column], failures: &mut Vec<String>) {
        for (name, expected) in &self.columns {
            let Some((_, seen)) = columns
                .iter()
                .zip(&view.columns)
                .find(|(column, _)| column.name == *name)
            else {
                failures.push(format!("no column `{name}` in `{}`", self.table));
                continue;
            };
            let (seen, is) = match seen {
                ColumnView::Hidden { .. } => ("hidden", expected == "hidden"),
                ColumnView::Plain => ("plain", expected == "plain"),
                ColumnView::Raw { .. } => ("raw", expected == "raw"),
                ColumnView::Masked { rule } => {
                    let mask = rule.mask.as_str();
                    (mask, expected == mask || expected == "masked")
                }
            };
            if !is {
                failures.push(format!("{name}: expected {expected}, is {seen}"));
            }
        }
        if let Some(expected) = &self.rows {
            let mut rows: Vec<String> = view.row_filters.iter().map(ToString::to_string).collect();
            let mut expected = expected.clone();
            rows.sort_unstable();
            expected.sort_unstable();
            if rows != expected {
                let said = |rows: &[String]| match rows {
                    [] => "all".to_owned(),
                    rows => listed(rows.iter().map(|row| format!("`{row}`"))),
                };
                failures.push(format!("rows: expected {}, are {}", said(&expected), said(&rows)));
            }
        }
    }

    /// Where the snapshot and Casbin differ on what the case rests on.
    fn differences(
        &self,
        policy: &Policy,
        judge: &Judge,
        entry: &MeshTable<'_>,
    ) -> Result<Vec<String>, JudgeError> {
        let columns = entry.table.columns.iter();
        let objects = columns.flat_map(|column| {
            std::iter::once(format!("{}/{}", self.table, column.name))
                .chain(column.tags.union(&column.holds).cloned())
        });
        let mut differences = Vec::new();
        for object in std::iter::once(self.table.clone()).chain(objects) {
            for action in [Action::Read, Action::ReadRaw] {
                let request = Request {
                    principal: &self.principal,
                    domain: entry.domain(),
                    object: &object,
                    action,
                    purpose: &self.purpose,
                };
                let ours = policy.decide(&request).is_allowed();
                let casbins = judge.allows(&request)?;
                if ours != casbins {
                    let word = |allowed| if allowed { "allows" } else { "refuses" };
                    differences.push(format!(
                        "`{action}` on `{object}`: Malla {} it and Casbin {} it: this is a fault of Malla, report it",
                        word(ours),
                        word(casbins)
                    ));
                }
            }
        }
        differences.sort_unstable();
        differences.dedup();
        Ok(differences)
    }
}

fn case(file: &Arc<str>, entry: &Entry<'_, '_>, faults: &mut Faults) -> Option<Case> {
    let before = faults.count();
    entry.only(KEYS, "a case", faults);
    entry.needs("a case", &["name", "principal", "purpose", "table"], faults);
    let name = entry.text("name", faults);
    let principal = entry.text("principal", faults);
    if let Some(name) = principal.as_deref().filter(|name| !is_principal(name)) {
        faults.say(
            entry.span.clone(),
            format!("`{}` is no principal", shown(name)),
            "write user:NAME, service:NAME, plugin:DOMAIN or role:NAME",
        );
    }
    let purpose = entry.text("purpose", faults);
    let table = entry.text("table", faults);
    let expect = entry.text("expect", faults);
    let columns = columns(entry, faults);
    // All rows is something that a case can expect.
    let rows = match entry.get("rows").map(|value| value.get_ref().as_array()) {
        Some(Some(list)) if list.is_empty() => Some(Vec::new()),
        _ => entry.texts("rows", faults),
    };
    let readable = match expect.as_deref() {
        None if columns.is_empty() && rows.is_none() => {
            faults.say(
                entry.span.clone(),
                "a case that expects nothing",
                "add expect = \"denied\" or \"readable\", `rows`, or [case.columns]",
            );
            true
        }
        None | Some("readable") => true,
        Some("denied") if columns.is_empty() && rows.is_none() => false,
        Some("denied") => {
            faults.say(
                entry.span.clone(),
                "a case that expects to be denied, and to see something",
                "make two cases of it",
            );
            false
        }
        Some(other) => {
            faults.say(
                entry.span.clone(),
                format!("`{}` is no expectation", shown(other)),
                "write \"denied\" or \"readable\"",
            );
            true
        }
    };
    let id = RuleId {
        file: Arc::clone(file),
        line: entry.line(faults),
    };
    let case = Case {
        id,
        name: name?,
        principal: principal?,
        purpose: purpose?,
        table: table?,
        readable,
        columns,
        rows,
    };
    (faults.count() == before).then_some(case)
}

fn columns(entry: &Entry<'_, '_>, faults: &mut Faults) -> BTreeMap<String, String> {
    let mut columns = BTreeMap::new();
    let Some(value) = entry.get("columns") else {
        return columns;
    };
    let Some(table) = value.get_ref().as_table() else {
        faults.wrong(
            value.span(),
            "columns",
            "a table: [case.columns], then column = \"what is seen\"",
        );
        return columns;
    };
    let inner = Entry {
        table,
        span: value.span(),
    };
    for key in table.keys() {
        let name = key.get_ref().as_ref();
        let Some(seen) = inner.text(name, faults) else {
            continue;
        };
        let known = ["hidden", "raw", "plain", "masked"].contains(&seen.as_str())
            || seen.parse::<malla_contract::MaskKind>().is_ok();
        if !known {
            faults.say(
                key.span(),
                format!("`{}` is nothing that can be seen", shown(&seen)),
                "write hidden, raw, plain, masked, or the name of a mask",
            );
        }
        columns.insert(name.to_owned(), seen);
    }
    columns
}

impl CaseReport {
    /// Everything that is not as a case says.
    pub fn failures(&self) -> impl Iterator<Item = &Failure> {
        self.results.iter().flat_map(|(_, failures)| failures)
    }

    /// Cases that hold.
    #[must_use]
    pub fn passed(&self) -> usize {
        self.results
            .iter()
            .filter(|(_, failures)| failures.is_empty())
            .count()
    }

    /// Whether all of them hold.
    #[must_use]
    pub fn is_good(&self) -> bool {
        self.passed() == self.count
    }
}

impl fmt::Display for CaseReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, (name, failures)) in self.results.iter().enumerate() {
            let word = if failures.is_empty() { "OK    " } else { "FAILED" };
            writeln!(f, "{} of {} {word}  {name}", place + 1, self.count)?;
            for failure in failures {
                writeln!(f, "    {}: {}", failure.id, failure.what)?;
            }
        }
        writeln!(f, "{} of {} cases hold.", self.passed(), self.count)
    }
}
