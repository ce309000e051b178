//! `declassify.toml`.

use std::path::Path;
use std::sync::Arc;

use malla_contract::Classification;
use toml::de::DeValue;

use crate::declassify::Declassify;
use crate::read::lists::{self, Entry, Faults};
use crate::read::row_filters::date;
use crate::rules::{Parts, is_plain};
use crate::text::shown;
use crate::{Fault, PolicyError, RuleId};

const KEYS: &str = "column, to, drops, reason, owner, expires";

/// The rules of the text of `declassify.toml`, which is called `name`, and every fault.
pub(crate) fn declassify(path: &Path, name: &str, text: &str) -> (Vec<Declassify>, Vec<PolicyError>) {
    let mut rules: Vec<Declassify> = Vec::new();
    let file: Arc<str> = Arc::from(name);
    let faults = lists::read(path, text, "declassify", |_, entry, faults| {
        let Some(rule) = rule(&file, entry, faults) else {
            return;
        };
        match rules.iter().find(|known| known.column == rule.column) {
            Some(first) => {
                let fault = Fault::Duplicate {
                    selector: format!("column = {:?}", rule.column),
                    first: first.id.line,
                };
                faults.add(Some(entry.span.clone()), fault);
            }
            None => rules.push(rule),
        }
    });
    (rules, faults)
}

/// One rule; `None` when it has a fault.
fn rule(file: &Arc<str>, entry: &Entry<'_, '_>, faults: &mut Faults) -> Option<Declassify> {
    let before = faults.count();
    entry.only(KEYS, "a `[[declassify]]`", faults);
    entry.needs(
        "a `[[declassify]]`",
        &["column", "to", "drops", "reason", "owner", "expires"],
        faults,
    );
    let column = entry.text("column", faults);
    if let Some(column) = &column
        && (!is_plain(column) || Parts::of(column).table_of_column.is_none())
    {
        faults.say(
            entry.span.clone(),
            format!("`{}` is no column", shown(column)),
            "write `schema.table/column`",
        );
    }
    let to = entry.word::<Classification>("to", faults);
    // A list without tags lowers the classification only, so it may be empty.
    let drops = match entry.get("drops").map(|value| value.get_ref()) {
        Some(DeValue::Array(list)) if list.is_empty() => Some(Vec::new()),
        _ => entry.texts("drops", faults),
    };
    let reason = entry.text("reason", faults);
    let owner = entry.text("owner", faults);
    let expires = entry.get("expires").and_then(|value| {
        let day = match value.get_ref() {
            DeValue::Datetime(moment) if moment.time.is_none() => date(moment),
            _ => None,
        };
        if day.is_none() {
            faults.wrong(
                value.span(),
                "expires",
                "a day, such as 2027-01-31, without quotes",
            );
        }
        day
    });
    let id = RuleId {
        file: Arc::clone(file),
        line: entry.line(faults),
    };
    let rule = Declassify {
        id,
        column: column?,
        to: to?,
        drops: drops?.into_iter().collect(),
        reason: reason?,
        owner: owner?,
        expires: expires?,
    };
    (faults.count() == before).then_some(rule)
}
