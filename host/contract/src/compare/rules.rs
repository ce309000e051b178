//! The rules of comparison, table by table and column by column.

use std::collections::{BTreeMap, BTreeSet};

use crate::compare::{Change, Party, Place, Rule, Severity};
use crate::errors::{listed, shown};
use crate::{Check, Column, ColumnType, Contract, Function, Lookup, Source, Step, Table};

/// Which side of the contract a table stands on: the same change hurts others on each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Side {
    Product,
    Source,
}

pub(super) fn changes(old: &Contract, new: &Contract) -> Vec<Change> {
    let mut found = Found { changes: Vec::new() };
    contract(old, new, &mut found);
    for before in &old.products {
        let mut here = found.at(Place::Product(before.name.clone()));
        match new.product(&before.name) {
            Some(after) => {
                table(&before.table, &after.table, Side::Product, &mut here);
                steps(
                    step_of(old, &before.name),
                    step_of(new, &after.name),
                    new,
                    &mut here,
                );
            }
            None => here.breaking(Rule::TableRemoved, &[Party::Readers], "removed"),
        }
    }
    for after in new
        .products
        .iter()
        .filter(|after| old.product(&after.name).is_none())
    {
        found
            .at(Place::Product(after.name.clone()))
            .additive(Rule::TableAdded, "added");
    }
    for before in &old.sources {
        let mut here = found.at(Place::Source(before.name.clone()));
        match new.source(&before.name) {
            Some(after) => {
                table(&before.table, &after.table, Side::Source, &mut here);
                source(before, after, &mut here);
            }
            None => here.breaking(Rule::TableRemoved, &[Party::Producers], "removed"),
        }
    }
    for after in new
        .sources
        .iter()
        .filter(|after| old.source(&after.name).is_none())
    {
        found
            .at(Place::Source(after.name.clone()))
            .additive(Rule::TableAdded, "added");
    }
    functions(old, new, &mut found);
    lookups(&old.lookups, &new.lookups, &mut found);
    found.changes
}

fn step_of<'a>(contract: &'a Contract, product: &str) -> Option<&'a Step> {
    contract.steps.iter().find(|step| step.product == product)
}

struct Found {
    changes: Vec<Change>,
}

impl Found {
    fn at(&mut self, place: Place) -> Here<'_> {
        Here {
            found: self,
            place,
            column: None,
        }
    }
}

/// Where changes are found now.
struct Here<'f> {
    found: &'f mut Found,
    place: Place,
    column: Option<String>,
}

impl Here<'_> {
    fn push(&mut self, severity: Severity, rule: Rule, breaks: &[Party], what: impl Into<String>) {
        self.found.changes.push(Change {
            severity,
            rule,
            place: self.place.clone(),
            column: self.column.clone(),
            breaks: breaks.to_vec(),
            what: what.into(),
        });
    }

    fn breaking(&mut self, rule: Rule, breaks: &[Party], what: impl Into<String>) {
        self.push(Severity::Breaking, rule, breaks, what);
    }

    fn additive(&mut self, rule: Rule, what: impl Into<String>) {
        self.push(Severity::Additive, rule, &[], what);
    }

    fn note(&mut self, rule: Rule, what: impl Into<String>) {
        self.push(Severity::Note, rule, &[], what);
    }

    fn documentation<T: PartialEq>(&mut self, field: &str, old: &T, new: &T) {
        if old != new {
            self.note(Rule::Documentation, format!("{field} changed"));
        }
    }
}

fn contract(old: &Contract, new: &Contract, found: &mut Found) {
    let mut here = found.at(Place::Contract);
    for (field, before, after) in [
        ("id", old.id.as_str(), new.id.as_str()),
        ("domain", old.family(), new.family()),
    ] {
        if before != after {
            let what = format!("{field} was `{}` and is `{}`", shown(before), shown(after));
            here.breaking(Rule::Identity, &[Party::Readers, Party::Producers], what);
        }
    }
    if old.status != new.status {
        let what = format!(
            "status was `{}` and is `{}`",
            shown(&old.status),
            shown(&new.status)
        );
        here.note(Rule::Documentation, what);
    }
    here.documentation("name", &old.name, &new.name);
    here.documentation("description", &old.description, &new.description);
    here.documentation("owner", &old.owner, &new.owner);
}

fn source(old: &Source, new: &Source, here: &mut Here<'_>) {
    let named = |time: &Option<String>| time.as_ref().map_or("none".into(), |name| format!("`{name}`"));
    if old.event_time != new.event_time {
        let what = format!(
            "event time was {} and is {}",
            named(&old.event_time),
            named(&new.event_time)
        );
        here.breaking(Rule::EventTimeChanged, &[Party::StoredRows], what);
    }
    if old.format != new.format {
        let what = if old.format.as_str() == new.format.as_str() {
            format!("is written with other options of `{}`", new.format)
        } else {
            format!("was written as `{}` and is as `{}`", old.format, new.format)
        };
        here.breaking(Rule::FormatChanged, &[Party::Producers], what);
    }
    if old.table.name != new.table.name {
        here.note(Rule::Documentation, "its schema object has another name");
    }
}

fn table(old: &Table, new: &Table, side: Side, here: &mut Here<'_>) {
    here.documentation("description", &old.description, &new.description);
    checks(&old.quality, &new.quality, here);
    if old.partition_columns() != new.partition_columns() {
        let named = |table: &Table| match table.partition_columns() {
            columns if columns.is_empty() => "nothing".to_owned(),
            columns => listed(columns),
        };
        let what = format!("was partitioned by {} and is by {}", named(old), named(new));
        here.breaking(Rule::PartitionsChanged, &[Party::StoredRows], what);
    }
    for before in &old.columns {
        here.column = Some(before.name.clone());
        match new.column(&before.name) {
            Some(after) => column(before, after, side, here),
            None => here.breaking(Rule::ColumnRemoved, &[Party::Readers], "removed"),
        }
    }
    for after in new
        .columns
        .iter()
        .filter(|after| old.column(&after.name).is_none())
    {
        here.column = Some(after.name.clone());
        if !after.required {
            here.additive(Rule::ColumnAdded, format!("added, type `{}`", after.ty));
            continue;
        }
        let breaks: &[Party] = match side {
            Side::Product => &[Party::StoredRows],
            Side::Source => &[Party::Producers, Party::StoredRows],
        };
        let what = format!("added as required, type `{}`", after.ty);
        here.breaking(Rule::RequiredColumnAdded, breaks, what);
    }
    here.column = None;
    let order = |one: &Table, other: &Table| -> Vec<String> {
        one.columns
            .iter()
            .map(|c| c.name.clone())
            .filter(|name| other.column(name).is_some())
            .collect()
    };
    if order(old, new) != order(new, old) {
        here.note(Rule::Documentation, "columns are in another order");
    }
}

fn column(old: &Column, new: &Column, side: Side, here: &mut Here<'_>) {
    if old.ty != new.ty {
        let what = format!("type was `{}` and is `{}`", old.ty, new.ty);
        let breaks: &[Party] = match side {
            Side::Product => &[Party::Readers, Party::StoredRows],
            Side::Source if widens(old.ty, new.ty) => &[Party::StoredRows],
            Side::Source => &[Party::Producers, Party::StoredRows],
        };
        here.breaking(Rule::TypeChanged, breaks, what);
    }
    match (old.required, new.required, side) {
        (true, false, Side::Product) => {
            here.breaking(
                Rule::NullsAllowed,
                &[Party::Readers],
                "was required and may be null",
            );
        }
        (true, false, Side::Source) => here.additive(Rule::NullsAllowed, "was required and may be null"),
        (false, true, Side::Product) => {
            here.breaking(
                Rule::NullsForbidden,
                &[Party::StoredRows],
                "could be null and is required",
            );
        }
        (false, true, Side::Source) => {
            let breaks = &[Party::Producers, Party::StoredRows];
            here.breaking(Rule::NullsForbidden, breaks, "could be null and is required");
        }
        _ => {}
    }
    for (word, before, after) in [
        ("unique", old.unique, new.unique),
        ("part of the primary key", old.primary_key, new.primary_key),
    ] {
        match (before, after, side) {
            (true, false, Side::Product) => {
                here.breaking(
                    Rule::UniquenessDropped,
                    &[Party::Readers],
                    format!("is no longer {word}"),
                );
            }
            (true, false, Side::Source) => {
                here.additive(Rule::UniquenessDropped, format!("is no longer {word}"))
            }
            (false, true, Side::Product) => here.additive(Rule::UniquenessAdded, format!("is now {word}")),
            (false, true, Side::Source) => {
                here.breaking(
                    Rule::UniquenessAdded,
                    &[Party::Producers],
                    format!("is now {word}"),
                );
            }
            _ => {}
        }
    }
    governance(old, new, side, here);
    checks(&old.quality, &new.quality, here);
    here.documentation("description", &old.description, &new.description);
}

/// Whether every value of one type is also one of the other.
fn widens(old: ColumnType, new: ColumnType) -> bool {
    use ColumnType::{Decimal, Float64, Int32, Int64};
    match (old, new) {
        (Int32, Int64 | Float64) => true,
        (
            Decimal {
                precision: p1,
                scale: s1,
            },
            Decimal {
                precision: p2,
                scale: s2,
            },
        ) => s2 >= s1 && p2.saturating_sub(s2) >= p1.saturating_sub(s1),
        _ => false,
    }
}

fn governance(old: &Column, new: &Column, side: Side, here: &mut Here<'_>) {
    if old.classification != new.classification {
        let what = format!(
            "classification was `{}` and is `{}`",
            old.classification, new.classification
        );
        if new.classification < old.classification {
            here.breaking(Rule::WeakensGovernance, &[Party::People], what);
        } else {
            here.additive(
                Rule::StrengthensGovernance,
                format!("{what}: readers may see a mask from now on"),
            );
        }
    }
    let governs = |tag: &&String| tag.starts_with("pii:") || *tag == "subject";
    let own = |column: &Column| -> BTreeSet<String> {
        column.tags.iter().filter(|tag| !governs(tag)).cloned().collect()
    };
    for tag in old.tags.difference(&new.tags).filter(governs) {
        here.breaking(
            Rule::WeakensGovernance,
            &[Party::People],
            format!("is no longer tagged `{tag}`"),
        );
    }
    for tag in new.tags.difference(&old.tags).filter(governs) {
        here.additive(Rule::StrengthensGovernance, format!("is now tagged `{tag}`"));
    }
    // Raw tables keep personal columns encrypted, in another type.
    if side == Side::Source && !old.is_personal() && new.is_personal() {
        let what = "becomes personal, and rows stored so far hold it in plain";
        here.breaking(Rule::StrengthensGovernance, &[Party::StoredRows], what);
    }
    here.documentation("own tags", &own(old), &own(new));
}

/// Checks by name. None breaks anybody: rows that fail a new one go to quarantine, as those that a step rejects do.
fn checks(old: &[Check], new: &[Check], here: &mut Here<'_>) {
    for before in old {
        let name = shown(&before.name);
        match new.iter().find(|after| after.name == before.name) {
            None => here.note(Rule::QualityChanged, format!("check `{name}` removed")),
            Some(after) if !after.promises_what(before) => {
                here.additive(Rule::QualityChanged, format!("check `{name}` changed"));
            }
            Some(after) => {
                let words = |check: &Check| (check.description.clone(), check.dimension.clone());
                here.documentation(
                    &format!("description of check `{name}`"),
                    &words(before),
                    &words(after),
                );
            }
        }
    }
    for after in new
        .iter()
        .filter(|after| !old.iter().any(|before| before.name == after.name))
    {
        let what = format!("check `{}` added ({})", shown(&after.name), after.severity);
        here.additive(Rule::QualityChanged, what);
    }
}

fn steps(old: Option<&Step>, new: Option<&Step>, contract: &Contract, here: &mut Here<'_>) {
    let (Some(old), Some(new)) = (old, new) else {
        return;
    };
    if old.name != new.name {
        here.note(
            Rule::StepChanged,
            format!("comes from step `{}`, was `{}`", new.name, old.name),
        );
    }
    if old.source != new.source {
        here.additive(
            Rule::StepChanged,
            format!("comes from source `{}`, was `{}`", new.source, old.source),
        );
    }
    let set = |names: &[String]| names.iter().cloned().collect::<BTreeSet<String>>();
    let (old_reads, new_reads) = (set(&old.reads), set(&new.reads));
    let table = contract.source(&new.source).map(|source| &source.table);
    for name in new_reads.difference(&old_reads) {
        let sensitive = table
            .and_then(|table| table.column(name))
            .is_some_and(Column::needs_mask);
        let word = if sensitive { ", which is sensitive" } else { "" };
        here.additive(Rule::ReadsChanged, format!("its step now reads `{name}`{word}"));
    }
    for name in old_reads.difference(&new_reads) {
        here.note(Rule::ReadsChanged, format!("its step no longer reads `{name}`"));
    }
    let (old_rules, new_rules) = (set(&old.rules), set(&new.rules));
    for rule in new_rules.difference(&old_rules) {
        here.additive(Rule::StepChanged, format!("rows may now be rejected by `{rule}`"));
    }
    for rule in old_rules.difference(&new_rules) {
        here.note(
            Rule::StepChanged,
            format!("rows are no longer rejected by `{rule}`"),
        );
    }
}

/// Nobody but the plugin's own SQL can call a function: what it makes of that is a matter of its products.
fn functions(old: &Contract, new: &Contract, found: &mut Found) {
    for before in &old.functions {
        let mut here = found.at(Place::Function(before.name.clone()));
        let Some(after) = new.function(&before.name) else {
            here.note(Rule::FunctionChanged, "removed");
            continue;
        };
        if before.to_string() != after.to_string() {
            here.note(Rule::FunctionChanged, format!("was `{before}` and is `{after}`"));
        }
        here.documentation("description", &before.description, &after.description);
        let words = |function: &Function| -> Vec<Option<String>> {
            let arguments = function.arguments.iter();
            arguments.map(|argument| argument.description.clone()).collect()
        };
        here.documentation("description of an argument", &words(before), &words(after));
    }
    for after in new
        .functions
        .iter()
        .filter(|after| old.function(&after.name).is_none())
    {
        found
            .at(Place::Function(after.name.clone()))
            .note(Rule::FunctionChanged, format!("added: `{after}`"));
    }
}

fn lookups(old: &[Lookup], new: &[Lookup], found: &mut Found) {
    for before in old {
        let mut here = found.at(Place::Lookup(before.name.clone()));
        match new.iter().find(|after| after.name == before.name) {
            None => here.note(Rule::LookupChanged, "removed"),
            Some(after) => entries(before, after, &mut here),
        }
    }
    for after in new
        .iter()
        .filter(|after| !old.iter().any(|before| before.name == after.name))
    {
        found
            .at(Place::Lookup(after.name.clone()))
            .note(Rule::LookupChanged, "added");
    }
}

fn entries(old: &Lookup, new: &Lookup, here: &mut Here<'_>) {
    let values = |lookup: &Lookup| -> BTreeMap<String, (i128, u8)> {
        lookup
            .entries
            .iter()
            .map(|entry| (entry.key.clone(), plain(entry.unscaled, lookup.scale)))
            .collect()
    };
    let (old, new) = (values(old), values(new));
    for (key, value) in &old {
        match new.get(key) {
            None => here.note(Rule::LookupChanged, format!("entry `{}` removed", shown(key))),
            Some(other) if other != value => {
                here.note(
                    Rule::LookupChanged,
                    format!("entry `{}` has another value", shown(key)),
                );
            }
            Some(_) => {}
        }
    }
    for key in new.keys().filter(|key| !old.contains_key(*key)) {
        here.note(Rule::LookupChanged, format!("entry `{}` added", shown(key)));
    }
}

/// A decimal without zeros at its end, so that 1.0 and 1 are the same.
fn plain(mut value: i128, mut scale: u8) -> (i128, u8) {
    while scale > 0 && value % 10 == 0 {
        value /= 10;
        scale -= 1;
    }
    (value, scale)
}
