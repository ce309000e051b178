//! What is wrong with a contract, all of it at once.

use std::fmt;

/// How many problems are kept: a text may hold one in each of its bytes, and nobody reads that many.
const KEPT: usize = 100;

/// One problem of a contract's text.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
#[error("line {line}: {}{what}: {remedy}", place(.path))]
pub struct ContractError {
    /// Line of the text, from 1.
    pub line: usize,
    /// Path of the field, such as `schema[1].properties[3].logicalType`. Empty where the text as a whole is meant.
    pub path: String,
    /// What is wrong, with the offending name in backticks.
    pub what: String,
    /// What to do about it.
    pub remedy: String,
}

fn place(path: &str) -> String {
    if path.is_empty() {
        String::new()
    } else {
        format!("{path}: ")
    }
}

/// The problems of a contract's text, in the order of its lines: all of them, or the first hundred found. Never empty.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ContractErrors {
    errors: Vec<ContractError>,
    more: bool,
}

impl ContractErrors {
    /// The problems, in the order of their lines.
    pub fn iter(&self) -> impl Iterator<Item = &ContractError> {
        self.errors.iter()
    }

    /// Whether there are more problems than are kept, so that looking for others is of no use.
    pub(crate) fn is_full(&self) -> bool {
        self.more
    }

    pub(crate) fn push(
        &mut self,
        line: usize,
        path: String,
        what: impl Into<String>,
        remedy: impl Into<String>,
    ) {
        if self.errors.len() < KEPT {
            self.errors.push(ContractError {
                line,
                path,
                what: what.into(),
                remedy: remedy.into(),
            });
        } else {
            self.more = true;
        }
    }

    /// The value when nothing is wrong; else the problems, sorted.
    pub(crate) fn or<T>(mut self, value: Option<T>) -> Result<T, Self> {
        match value {
            Some(value) if self.errors.is_empty() => Ok(value),
            _ => {
                if self.errors.is_empty() {
                    self.push(
                        1,
                        String::new(),
                        "not a contract",
                        "start with `apiVersion: v3.1.0`",
                    );
                }
                self.errors.sort();
                self.errors.dedup();
                Err(self)
            }
        }
    }
}

impl fmt::Display for ContractErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, error) in self.errors.iter().enumerate() {
            if i > 0 {
                f.write_str("\n")?;
            }
            write!(f, "{error}")?;
        }
        if self.more {
            f.write_str("\n... and more")?;
        }
        Ok(())
    }
}

impl std::error::Error for ContractErrors {}

/// A text from outside as a message may show it: short, on one line, no control characters.
pub(crate) fn shown(text: &str) -> String {
    const LONGEST: usize = 60;
    let mut shown = String::new();
    for (i, c) in text.chars().enumerate() {
        if i == LONGEST {
            shown.push('…');
            break;
        }
        if is_plain(c) && c != '\n' && c != '\t' {
            shown.push(c);
        } else {
            shown.extend(c.escape_default());
        }
    }
    shown
}

/// Whether a character may stand in a contract: no control character but tab and line feed, and none of those that
/// turn the direction of the text around, since both change what a terminal or an editor shows.
pub(crate) fn is_plain(c: char) -> bool {
    let turns = matches!(c, '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}');
    let odd = matches!(c, '\u{FEFF}' | '\u{FFFE}' | '\u{FFFF}' | '\u{2028}' | '\u{2029}');
    matches!(c, '\n' | '\t') || !(c.is_control() || turns || odd)
}

/// The known word that was probably meant, if one is close.
pub(crate) fn closest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    // INVARIANT: words of the vocabulary are short, so a long word is close to none of them.
    if word.len() > 64 {
        return None;
    }
    let word = word.to_lowercase();
    let allowed = match word.chars().count() {
        0..=2 => return None,
        3..=4 => 1,
        5..=8 => 2,
        _ => 3,
    };
    known
        .into_iter()
        .map(|known| (strsim::osa_distance(&word, &known.to_lowercase()), known))
        .filter(|(distance, _)| *distance <= allowed)
        .min()
        .map(|(_, known)| known)
}

/// Words in backticks, separated by commas.
pub(crate) fn listed<'a>(words: impl IntoIterator<Item = &'a str>) -> String {
    words
        .into_iter()
        .map(|word| format!("`{}`", shown(word)))
        .collect::<Vec<_>>()
        .join(", ")
}
