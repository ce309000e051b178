//! `masks.toml`: masks by tag and classification, and what happens to undeclared personal data.

use std::collections::BTreeMap;
use std::path::Path;

use malla_contract::{Classification, MaskKind, PersonalKind};

use crate::masks::Masks;
use crate::read::lists::{self, Entry, Faults};
use crate::undeclared::{UndeclaredAction, UndeclaredRule, UndeclaredRules};
use crate::{Fault, MaskAt, MaskRule, PolicyError, Selector};

const FILE_KEYS: &str = "mask, undeclared";
const RULE_KEYS: &str = "tag, classification, mask, at, join-group, reason";
const UNDECLARED_KEYS: &str = "kind, action, reason";

/// The rules of the text of `masks.toml`, and every fault.
pub(crate) fn masks(path: &Path, text: &str) -> (Masks, UndeclaredRules, Vec<PolicyError>) {
    let mut rules: BTreeMap<Selector, MaskRule> = BTreeMap::new();
    let mut undeclared: BTreeMap<PersonalKind, UndeclaredRule> = BTreeMap::new();
    let mut faults = lists::read(path, text, FILE_KEYS, |name, entry, faults| {
        if name == "undeclared" {
            if let Some(rule) = undeclared_rule(entry, faults) {
                match undeclared.get(&rule.kind) {
                    Some(first) => again(entry, format!("kind = \"{}\"", rule.kind), first.line, faults),
                    None => drop(undeclared.insert(rule.kind, rule)),
                }
            }
        } else if let Some(rule) = rule(entry, faults) {
            match rules.get(&rule.selector) {
                Some(first) => again(entry, rule.selector.to_string(), first.line, faults),
                None => drop(rules.insert(rule.selector.clone(), rule)),
            }
        }
    });
    if faults.is_empty() && rules.is_empty() {
        faults.push(PolicyError {
            file: path.to_owned(),
            line: None,
            fault: Fault::Empty,
        });
    }
    (Masks::new(rules), UndeclaredRules::new(undeclared), faults)
}

fn again(entry: &Entry<'_, '_>, selector: String, first: usize, faults: &mut Faults) {
    faults.add(Some(entry.span.clone()), Fault::Duplicate { selector, first });
}

/// One rule; `None` when it has a fault.
fn rule(entry: &Entry<'_, '_>, faults: &mut Faults) -> Option<MaskRule> {
    let before = faults.count();
    entry.only(RULE_KEYS, "a rule", faults);
    let tag = entry.text("tag", faults);
    let classification = entry.word::<Classification>("classification", faults);
    let mask = entry.word::<MaskKind>("mask", faults);
    let at = entry.word::<MaskAt>("at", faults);
    let join_group = entry.text("join-group", faults);
    let reason = entry.text("reason", faults);
    match (entry.get("tag"), entry.get("classification")) {
        (Some(_), Some(_)) => faults.add(
            Some(entry.span.clone()),
            Fault::Selector("make two rules of this one"),
        ),
        (None, None) => faults.add(Some(entry.span.clone()), Fault::Selector("add one of them")),
        _ => {}
    }
    if entry.get("mask").is_none() {
        let known = MaskKind::ALL.map(MaskKind::as_str).join(", ");
        faults.add(Some(entry.span.clone()), Fault::NoMask { known });
    }
    let selector = match (tag, classification) {
        (Some(tag), None) => Selector::Tag(tag),
        (None, Some(classification)) => Selector::Classification(classification),
        _ => return None,
    };
    let mask = mask?;
    let at = at.unwrap_or(MaskAt::Write);
    // Its key lives as long as one query: what it writes nobody could join, or hide the same way, ever again.
    if mask.only_at_read() && at == MaskAt::Write {
        faults.say(
            entry.span.clone(),
            format!("`{mask}` cannot hide what is stored: its values differ from query to query"),
            "add at = \"read\", or use another mask",
        );
    }
    let join_group = match (mask, join_group, &selector) {
        (MaskKind::Token, Some(group), _) => group,
        (MaskKind::Token, None, Selector::Classification(_)) => {
            faults.none(&entry.span, Fault::NoJoinGroup)?
        }
        (_, Some(_), _) => faults.none(&entry.span, Fault::StrayJoinGroup)?,
        (_, None, Selector::Tag(tag)) => tag.clone(),
        (_, None, Selector::Classification(classification)) => classification.to_string(),
    };
    let line = entry.line(faults);
    (faults.count() == before).then_some(MaskRule {
        selector,
        mask,
        at,
        join_group,
        reason,
        line,
    })
}

fn undeclared_rule(entry: &Entry<'_, '_>, faults: &mut Faults) -> Option<UndeclaredRule> {
    let before = faults.count();
    entry.only(UNDECLARED_KEYS, "an `[[undeclared]]`", faults);
    entry.needs("an `[[undeclared]]`", &["kind", "action"], faults);
    let kind = entry.word::<PersonalKind>("kind", faults);
    let action = entry.word::<UndeclaredAction>("action", faults);
    let reason = entry.text("reason", faults);
    let line = entry.line(faults);
    (faults.count() == before).then_some(UndeclaredRule {
        kind: kind?,
        action: action?,
        reason,
        line,
    })
}
