//! Which columns may be less secret than what they were made from.

use std::collections::BTreeSet;
use std::fmt;

use malla_contract::Date;
use malla_contract::{Classification, Column};

use crate::RuleId;
use crate::text::listed;

/// One `[[declassify]]` of `declassify.toml`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Declassify {
    /// Where it is written.
    pub id: RuleId,
    /// `schema.table/column`.
    pub column: String,
    /// The most secret that what flows in still makes it.
    pub to: Classification,
    /// Tags that do not flow in.
    pub drops: BTreeSet<String>,
    /// Why, in its author's words.
    pub reason: String,
    /// Who answers for it.
    pub owner: String,
    /// The last day on which it counts.
    pub expires: Date,
}

impl Declassify {
    /// Whether it still counts.
    #[must_use]
    pub fn counts(&self, today: Date) -> bool {
        today <= self.expires
    }
}

/// A column that flows into another.
#[derive(Debug, Clone, Copy)]
pub struct Inflow<'a> {
    /// `schema.table/column`, for messages.
    pub name: &'a str,
    /// Its classification and tags, as the step saw it: for a token, [`pseudonym`] of the column.
    pub column: &'a Column,
}

/// A contract that declares less than what flows into a column.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(transparent)]
pub struct Undeclared(Box<Undeclaring>);

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
struct Undeclaring {
    column: String,
    /// The most secret that flows in, where that is more than is declared.
    classification: Option<(Classification, Classification)>,
    tags: BTreeSet<String>,
    from: Vec<String>,
    expired: Option<(RuleId, Date)>,
}

impl fmt::Display for Undeclaring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { column, tags, .. } = self;
        let tag_list = || listed(tags.iter().map(|tag| format!("`{tag}`")));
        write!(
            f,
            "column `{column}` declares less than flows into it from {}: ",
            listed(&self.from)
        )?;
        if let Some((more, declared)) = self.classification {
            write!(f, "it is `{declared}`, what flows in is `{more}`")?;
            if !tags.is_empty() {
                f.write_str("; ")?;
            }
        }
        if !tags.is_empty() {
            write!(f, "it has no tag {}", tag_list())?;
        }
        f.write_str(": declare it in the contract (")?;
        if let Some((more, _)) = self.classification {
            write!(f, "classification: {more}")?;
            if !tags.is_empty() {
                f.write_str(", ")?;
            }
        }
        if !tags.is_empty() {
            write!(f, "tags {}", tag_list())?;
        }
        write!(
            f,
            "), or declassify it: add to declassify.toml a [[declassify]] with column = \"{column}\", to, drops, reason, \
             owner and expires"
        )?;
        match &self.expired {
            Some((id, date)) => write!(f, "; the rule at {id} expired on {date}"),
            None => Ok(()),
        }
    }
}

/// The column as one who sees only its tokens sees it: a pseudonym is nothing to call a person by, and no secret of its
/// own, but still internal.
#[must_use]
pub fn pseudonym(column: &Column) -> Column {
    Column {
        classification: column.classification.min(Classification::Internal),
        tags: column
            .tags
            .iter()
            .filter(|tag| !is_personal(tag))
            .cloned()
            .collect(),
        ..column.clone()
    }
}

/// See [`Policy::effective`](crate::Policy::effective).
pub(crate) fn effective(
    rules: &[Declassify],
    name: &str,
    declared: &Column,
    inflow: &[Inflow<'_>],
    today: Date,
) -> Result<Column, Undeclared> {
    let of_column = || rules.iter().filter(|rule| rule.column == name);
    let rule = of_column().find(|rule| rule.counts(today));
    let secrecy = |column: &Column| match rule {
        Some(rule) => column.classification.min(rule.to),
        None => column.classification,
    };
    let flows = |tag: &&String| is_personal(tag) && !rule.is_some_and(|rule| rule.drops.contains(*tag));
    let classification = inflow.iter().map(|from| secrecy(from.column)).max();
    let joined = Column {
        classification: classification.map_or(declared.classification, |flowed| {
            declared.classification.max(flowed)
        }),
        tags: inflow
            .iter()
            .flat_map(|from| from.column.tags.iter().filter(flows))
            .chain(&declared.tags)
            .cloned()
            .collect(),
        ..declared.clone()
    };
    let tags: BTreeSet<String> = joined.tags.difference(&declared.tags).cloned().collect();
    if joined.classification == declared.classification && tags.is_empty() {
        return Ok(joined);
    }
    let guilty = inflow.iter().filter(|from| {
        secrecy(from.column) > declared.classification
            || from.column.tags.iter().any(|tag| tags.contains(tag))
    });
    let from = guilty.map(|from| format!("`{}`", from.name)).collect();
    Err(Undeclared(Box::new(Undeclaring {
        column: name.to_owned(),
        classification: (joined.classification > declared.classification)
            .then_some((joined.classification, declared.classification)),
        tags,
        from,
        expired: of_column()
            .filter(|rule| !rule.counts(today))
            .map(|rule| (rule.id.clone(), rule.expires))
            .next(),
    })))
}

fn is_personal(tag: &str) -> bool {
    tag.starts_with("pii:")
}
