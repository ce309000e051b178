//! `masks.toml` from text to rules, with every fault at its line.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::Path;
use std::str::FromStr;

use malla_contract::{Classification, MaskKind, UnknownWord};
use toml::de::{DeTable, DeValue};

use crate::masks::Masks;
use crate::{Fault, MaskRule, PolicyError, PolicyErrors, Selector};

const FILE_KEYS: &str = "mask";
const RULE_KEYS: &str = "tag, classification, mask, join-group, reason";

/// Mask rules from the text of `masks.toml`.
pub(crate) fn masks(path: &Path, text: &str) -> Result<Masks, PolicyErrors> {
    let mut faults = Faults {
        text,
        found: Vec::new(),
    };
    let (document, syntax) = DeTable::parse_recoverable(text);
    for error in &syntax {
        faults.add(error.span(), Fault::Syntax(error.message().to_owned()));
    }
    // What follows a syntax error is a guess of the parser: faults in a guess only mislead.
    let rules = if syntax.is_empty() {
        rules(document.get_ref(), &mut faults)
    } else {
        BTreeMap::new()
    };
    if faults.found.is_empty() && rules.is_empty() {
        faults.add(None, Fault::Empty);
    }
    if faults.found.is_empty() {
        return Ok(Masks::new(rules));
    }
    faults.found.sort_by_key(|(line, _)| *line);
    Err(PolicyErrors(
        faults
            .found
            .into_iter()
            .map(|(line, fault)| PolicyError {
                file: path.to_owned(),
                line,
                fault,
            })
            .collect(),
    ))
}

fn rules(document: &DeTable<'_>, faults: &mut Faults<'_>) -> BTreeMap<Selector, MaskRule> {
    let mut rules: BTreeMap<Selector, MaskRule> = BTreeMap::new();
    let mut in_order = Vec::new();
    for (key, value) in document {
        if key.get_ref() != "mask" {
            let key_name = key.get_ref().to_string();
            faults.add(
                Some(key.span()),
                Fault::UnknownKey {
                    key: key_name,
                    place: "the file",
                    known: FILE_KEYS,
                },
            );
            continue;
        }
        let Some(list) = value.get_ref().as_array() else {
            faults.wrong(value.span(), "mask", "a list of rules, each under [[mask]]");
            continue;
        };
        for item in list.iter() {
            match item.get_ref().as_table() {
                Some(table) => in_order.extend(rule(table, item.span(), faults)),
                None => faults.wrong(item.span(), "mask", "a list of rules, each under [[mask]]"),
            }
        }
    }
    for rule in in_order {
        if let Some(first) = rules.get(&rule.selector) {
            let fault = Fault::Duplicate {
                selector: rule.selector.to_string(),
                first: first.line,
            };
            faults.found.push((Some(rule.line), fault));
        } else {
            rules.insert(rule.selector.clone(), rule);
        }
    }
    rules
}

/// One rule; `None` when it has a fault.
fn rule(table: &DeTable<'_>, span: Range<usize>, faults: &mut Faults<'_>) -> Option<MaskRule> {
    let before = faults.found.len();
    let (mut tag, mut classification, mut mask) = (None, None, None);
    let (mut join_group, mut reason) = (None, None);
    for (key, value) in table {
        match key.get_ref().as_ref() {
            "tag" => tag = Some(faults.text(key.get_ref(), value.span(), value.get_ref())),
            "classification" => {
                classification =
                    Some(faults.word::<Classification>(key.get_ref(), value.span(), value.get_ref()));
            }
            "mask" => mask = Some(faults.word::<MaskKind>(key.get_ref(), value.span(), value.get_ref())),
            "join-group" => join_group = faults.text(key.get_ref(), value.span(), value.get_ref()),
            "reason" => reason = faults.text(key.get_ref(), value.span(), value.get_ref()),
            _ => {
                let key_name = key.get_ref().to_string();
                faults.add(
                    Some(key.span()),
                    Fault::UnknownKey {
                        key: key_name,
                        place: "a rule",
                        known: RULE_KEYS,
                    },
                );
            }
        }
    }
    let selector = match (tag, classification) {
        (Some(tag), None) => tag.map(Selector::Tag),
        (None, Some(classification)) => classification.map(Selector::Classification),
        (Some(_), Some(_)) => faults.none(&span, Fault::Selector("make two rules of this one")),
        (None, None) => faults.none(&span, Fault::Selector("add one of them")),
    };
    let mask = match mask {
        Some(mask) => mask,
        None => {
            let known = MaskKind::ALL.map(MaskKind::as_str).join(", ");
            faults.none(&span, Fault::NoMask { known })
        }
    };
    let (Some(selector), Some(mask)) = (selector, mask) else {
        return None;
    };
    let join_group = match (mask, join_group, &selector) {
        (MaskKind::Token, Some(group), _) => group,
        (MaskKind::Token, None, Selector::Classification(_)) => faults.none(&span, Fault::NoJoinGroup)?,
        (_, Some(_), _) => faults.none(&span, Fault::StrayJoinGroup)?,
        (_, None, Selector::Tag(tag)) => tag.clone(),
        (_, None, Selector::Classification(classification)) => classification.to_string(),
    };
    let line = faults.line(&span);
    (faults.found.len() == before).then_some(MaskRule {
        selector,
        mask,
        join_group,
        reason,
        line,
    })
}

/// Faults with their lines.
struct Faults<'t> {
    text: &'t str,
    found: Vec<(Option<usize>, Fault)>,
}

impl Faults<'_> {
    fn add(&mut self, span: Option<Range<usize>>, fault: Fault) {
        let line = span.map(|span| self.line(&span));
        self.found.push((line, fault));
    }

    /// Always `None`: what was looked for is not there.
    fn none<T>(&mut self, span: &Range<usize>, fault: Fault) -> Option<T> {
        self.add(Some(span.clone()), fault);
        None
    }

    fn wrong(&mut self, span: Range<usize>, key: &str, wanted: &'static str) {
        self.add(
            Some(span),
            Fault::WrongValue {
                key: key.to_owned(),
                wanted,
            },
        );
    }

    fn line(&self, span: &Range<usize>) -> usize {
        let before = self.text.as_bytes().iter().take(span.start);
        before.filter(|byte| **byte == b'\n').count() + 1
    }

    fn text(&mut self, key: &str, span: Range<usize>, value: &DeValue<'_>) -> Option<String> {
        let text = value.as_str().filter(|text| !text.trim().is_empty());
        if text.is_none() {
            self.wrong(span, key, "text that is not empty");
        }
        text.map(str::to_owned)
    }

    fn word<T: FromStr<Err = UnknownWord>>(
        &mut self,
        key: &str,
        span: Range<usize>,
        value: &DeValue<'_>,
    ) -> Option<T> {
        match self.text(key, span.clone(), value)?.parse() {
            Ok(word) => Some(word),
            Err(unknown) => self.none(&span, Fault::UnknownWord(unknown)),
        }
    }
}
