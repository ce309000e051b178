//! What can be wrong with policy files, and with a policy for a table.

use std::fmt;
use std::path::{Path, PathBuf};

use malla_contract::{Classification, Column, ColumnType, MaskKind, MaskMisfit, UnknownWord};

use crate::Selector;

/// Everything wrong with the policy files, one a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolicyErrors(pub Vec<PolicyError>);

/// One fault and where it is.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct PolicyError {
    /// The policy file.
    pub file: PathBuf,
    /// From 1. `None`: the whole file.
    pub line: Option<usize>,
    /// What is wrong.
    #[source]
    pub fault: Fault,
}

/// What can be wrong in a policy file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// The file is not there.
    #[error("no such file: nothing moves without it; `malla init` writes a first one")]
    MissingFile,
    /// A name that is none of the policy files'.
    #[error(
        "means nothing here: policy files are model.conf, global.csv, groups.csv, masks.toml, row-filters.toml, \
         declassify.toml, domains/<domain>.csv and tests/<name>.toml; rename or remove it"
    )]
    UnknownFile,
    /// A folder that is none of the policy's.
    #[error("means nothing here: the folders of a policy are domains and tests; rename or remove it")]
    UnknownFolder,
    /// A file where a folder of the policy's should be.
    #[error("must be a folder: nothing in it would count; rename or remove it")]
    NoFolder,
    /// A pipe or device.
    #[error("is no regular file: put a file there, or remove it")]
    NoFile,
    /// Bytes in another encoding, from this line on.
    #[error("is not UTF-8 from here on: save it as UTF-8")]
    NoUtf8(usize),
    /// A carriage return inside of a line.
    #[error(
        "a carriage return without a line feed, which would make one line of two: save it with line feeds"
    )]
    LoneReturn(usize),
    /// A domain called like a schema of the host.
    #[error(
        "no domain can be called `{0}`: `_raw`, `_quarantine` and `_quality` end the names of the host's schemas; rename it"
    )]
    HostsSchema(String),
    /// Another model than the one that is compiled.
    #[error(
        "not the model that Malla compiles, from this line on: put back the text that `malla init` writes; rules belong \
         in global.csv and domains/<domain>.csv"
    )]
    Model,
    /// Anything else.
    #[error("{what}: {remedy}")]
    Wrong {
        /// What is wrong.
        what: String,
        /// What to do.
        remedy: String,
    },
    /// The operating system would not give it.
    #[error("cannot be read: {0}")]
    Unreadable(String),
    /// There is not one rule in it.
    #[error(
        "no `[[mask]]` in the file: nothing moves without masks; add one for each tag and classification in use"
    )]
    Empty,
    /// Not TOML.
    #[error("not valid TOML: {0}")]
    Syntax(String),
    /// A value where a list of tables belongs.
    #[error("`{0}` must be a list of rules, each under [[{0}]]")]
    NoList(String),
    /// A key that means nothing here.
    #[error("unknown key `{key}` in {place}: use one of {known}")]
    UnknownKey {
        /// The key.
        key: String,
        /// The file, or a rule.
        place: &'static str,
        /// Keys that are understood there.
        known: &'static str,
    },
    /// A value of another type than text, or an empty one.
    #[error("`{key}` must be {wanted}")]
    WrongValue {
        /// The key.
        key: String,
        /// What it must be.
        wanted: &'static str,
    },
    /// Neither `tag` nor `classification`, or both.
    #[error("a rule names exactly one of `tag` and `classification`: {0}")]
    Selector(&'static str),
    /// No `mask`.
    #[error("a rule needs `mask`: add mask = \"...\", one of {known}")]
    NoMask {
        /// Names of the masks.
        known: String,
    },
    /// A mask or classification nobody knows.
    #[error(transparent)]
    UnknownWord(#[from] UnknownWord),
    /// Two rules speak of the same thing.
    #[error("a second rule for {selector}: the first is on line {first}; keep one")]
    Duplicate {
        /// What both speak of.
        selector: String,
        /// Line of the first.
        first: usize,
    },
    /// A join group where there are no tokens.
    #[error("`join-group` goes with mask = \"token\" only: remove it")]
    StrayJoinGroup,
    /// A classification is too wide to be joinable by default.
    #[error("a `token` rule for a classification needs a `join-group`: name the columns' common meaning")]
    NoJoinGroup,
}

/// A column that must be hidden, and no rule that says how. The message names the rule to add.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(transparent)]
pub struct MissingMask(Box<Missing>);

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "no mask for column `{column}` of `{table}` (classification `{classification}`, tags {tags}): \
     add to {}: [[mask]] {selector}, mask = \"replace-with-null\" (or another mask)",
    .file.display()
)]
struct Missing {
    file: PathBuf,
    table: String,
    column: String,
    classification: Classification,
    /// As a list.
    tags: String,
    selector: Selector,
}

/// Everything that keeps a policy from being applied to a table, one a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlanErrors(pub Vec<PlanError>);

/// What keeps a policy from being applied to a column.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PlanError {
    /// No rule for a column that needs one.
    #[error(transparent)]
    Missing(#[from] MissingMask),
    /// A rule whose mask is impossible for the column.
    #[error(
        "mask `{mask}` ({}:{line}) cannot hide column `{column}` of `{table}`, a `{ty}`: {why}",
        .file.display()
    )]
    Misfit {
        /// The table's full name.
        table: String,
        /// The column.
        column: String,
        /// The column's type.
        ty: ColumnType,
        /// The mask.
        mask: MaskKind,
        /// The file of mask rules.
        file: PathBuf,
        /// Line of the rule.
        line: usize,
        /// The reason and the remedy.
        why: MaskMisfit,
    },
}

impl MissingMask {
    pub(crate) fn new(file: &Path, table: &str, column: &Column) -> Self {
        let tags: Vec<String> = column.tags.iter().map(|tag| format!("`{tag}`")).collect();
        let personal = column.tags.iter().find(|tag| tag.starts_with("pii:"));
        Self(Box::new(Missing {
            file: file.to_owned(),
            table: table.to_owned(),
            column: column.name.clone(),
            classification: column.classification,
            tags: if tags.is_empty() {
                "none".to_owned()
            } else {
                tags.join(", ")
            },
            selector: match personal {
                Some(tag) => Selector::Tag(tag.clone()),
                None => Selector::Classification(column.classification),
            },
        }))
    }
}

impl fmt::Display for PolicyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.file.display())?;
        if let Some(line) = self.line {
            write!(f, ":{line}")?;
        }
        write!(f, ": {}", self.fault)
    }
}

macro_rules! list {
    ($type:ty) => {
        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                for (i, error) in self.0.iter().enumerate() {
                    if i > 0 {
                        f.write_str("\n")?;
                    }
                    write!(f, "{error}")?;
                }
                Ok(())
            }
        }

        impl std::error::Error for $type {}
    };
}

list!(PolicyErrors);
list!(PlanErrors);
