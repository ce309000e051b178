//! What the readers of TOML files share: lists of tables, their keys, and faults with lines.

use std::ops::Range;
use std::path::Path;
use std::str::FromStr;

use malla_contract::UnknownWord;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::text::Lines;
use crate::{Fault, PolicyError};

/// A policy file that is TOML: nothing but lists of tables (`[[name]]`), whose names are `known`, as a list for people.
/// Calls `each` with every table, in the file's order within a list. Returns the faults, in the order of lines.
pub(crate) fn read(
    path: &Path,
    text: &str,
    known: &'static str,
    mut each: impl FnMut(&str, &Entry<'_, '_>, &mut Faults),
) -> Vec<PolicyError> {
    let mut faults = Faults {
        lines: Lines::new(text),
        found: Vec::new(),
    };
    let (document, syntax) = DeTable::parse_recoverable(text);
    for error in &syntax {
        faults.add(error.span(), Fault::Syntax(error.message().to_owned()));
    }
    // What follows a syntax error is a guess of the parser: faults in a guess only mislead.
    if syntax.is_empty() {
        for (key, value) in document.get_ref() {
            let name = key.get_ref().as_ref();
            if !known.split(", ").any(|word| word == name) {
                faults.unknown(key.span(), name, "the file", known);
                continue;
            }
            let Some(list) = value.get_ref().as_array() else {
                faults.no_list(value.span(), name);
                continue;
            };
            for item in list.iter() {
                match item.get_ref().as_table() {
                    Some(table) => {
                        let entry = Entry {
                            table,
                            span: item.span(),
                        };
                        each(name, &entry, &mut faults);
                    }
                    None => faults.no_list(item.span(), name),
                }
            }
        }
    }
    faults.found.sort_by_key(|(line, _)| *line);
    let errors = faults.found.into_iter().map(|(line, fault)| PolicyError {
        file: path.to_owned(),
        line,
        fault,
    });
    errors.collect()
}

/// One table of a list.
pub(crate) struct Entry<'a, 't> {
    pub(crate) table: &'a DeTable<'t>,
    pub(crate) span: Range<usize>,
}

impl<'a, 't> Entry<'a, 't> {
    /// Tells of keys that mean nothing.
    pub(crate) fn only(&self, known: &'static str, place: &'static str, faults: &mut Faults) {
        for key in self.table.keys() {
            let name = key.get_ref().as_ref();
            if !known.split(", ").any(|word| word == name) {
                faults.unknown(key.span(), name, place, known);
            }
        }
    }

    pub(crate) fn get(&self, key: &str) -> Option<&'a Spanned<DeValue<'t>>> {
        self.table.get(key)
    }

    /// Text that may be left out.
    pub(crate) fn text(&self, key: &str, faults: &mut Faults) -> Option<String> {
        faults.text(key, self.get(key)?)
    }

    /// A word that may be left out.
    pub(crate) fn word<T: FromStr<Err = UnknownWord>>(&self, key: &str, faults: &mut Faults) -> Option<T> {
        let value = self.get(key)?;
        match faults.text(key, value)?.parse() {
            Ok(word) => Some(word),
            Err(unknown) => faults.none(&value.span(), Fault::UnknownWord(unknown)),
        }
    }

    /// A list of texts that may be left out. Not empty where it is there.
    pub(crate) fn texts(&self, key: &str, faults: &mut Faults) -> Option<Vec<String>> {
        let value = self.get(key)?;
        let list = value.get_ref().as_array().filter(|list| !list.is_empty());
        let Some(list) = list else {
            faults.wrong(value.span(), key, "a list of texts that is not empty");
            return None;
        };
        list.iter().map(|item| faults.text(key, item)).collect()
    }

    /// Tells of keys that must be there and are not.
    pub(crate) fn needs(&self, what: &str, keys: &[&str], faults: &mut Faults) {
        for key in keys {
            if self.get(key).is_none() {
                let fault = Fault::Wrong {
                    what: format!("{what} needs `{key}`"),
                    remedy: "add it".to_owned(),
                };
                faults.add(Some(self.span.clone()), fault);
            }
        }
    }

    /// Line of the table, from 1.
    pub(crate) fn line(&self, faults: &Faults) -> usize {
        faults.lines.of(self.span.start)
    }
}

/// Faults with their lines.
pub(crate) struct Faults {
    lines: Lines,
    found: Vec<(Option<usize>, Fault)>,
}

impl Faults {
    pub(crate) fn count(&self) -> usize {
        self.found.len()
    }

    pub(crate) fn add(&mut self, span: Option<Range<usize>>, fault: Fault) {
        let line = span.map(|span| self.lines.of(span.start));
        self.found.push((line, fault));
    }

    /// Always `None`: what was looked for is not there.
    pub(crate) fn none<T>(&mut self, span: &Range<usize>, fault: Fault) -> Option<T> {
        self.add(Some(span.clone()), fault);
        None
    }

    pub(crate) fn wrong(&mut self, span: Range<usize>, key: &str, wanted: &'static str) {
        self.add(
            Some(span),
            Fault::WrongValue {
                key: key.to_owned(),
                wanted,
            },
        );
    }

    pub(crate) fn say(&mut self, span: Range<usize>, what: impl Into<String>, remedy: impl Into<String>) {
        self.add(
            Some(span),
            Fault::Wrong {
                what: what.into(),
                remedy: remedy.into(),
            },
        );
    }

    fn unknown(&mut self, span: Range<usize>, key: &str, place: &'static str, known: &'static str) {
        let fault = Fault::UnknownKey {
            key: key.to_owned(),
            place,
            known,
        };
        self.add(Some(span), fault);
    }

    fn no_list(&mut self, span: Range<usize>, name: &str) {
        let fault = Fault::NoList(name.to_owned());
        self.add(Some(span), fault);
    }

    fn text(&mut self, key: &str, value: &Spanned<DeValue<'_>>) -> Option<String> {
        let text = value.get_ref().as_str().filter(|text| !text.trim().is_empty());
        if text.is_none() {
            self.wrong(value.span(), key, "text that is not empty");
        }
        text.map(str::to_owned)
    }
}
