//! What the `.csv` files say: rules and roles.

use std::fmt;
use std::sync::Arc;

use crate::words::words;

/// What somebody wants to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Action {
    /// Read a table or column, masked where policy masks.
    Read,
    /// See the values behind the masks. Without `read` it gives nothing.
    ReadRaw,
    /// Write a table.
    Write,
    /// Put a plugin into service.
    Deploy,
    /// Erase what is known about a person.
    Erase,
    /// Run the mesh.
    Administer,
}

impl Action {
    /// Every one.
    pub const ALL: [Self; 6] = [
        Self::Read,
        Self::ReadRaw,
        Self::Write,
        Self::Deploy,
        Self::Erase,
        Self::Administer,
    ];

    /// The word in policies.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::ReadRaw => "read-raw",
            Self::Write => "write",
            Self::Deploy => "deploy",
            Self::Erase => "erase",
            Self::Administer => "administer",
        }
    }
}

words!(Action, "action");

/// What a rule that matches does. One `deny` beats every `allow`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Effect {
    /// It lets.
    Allow,
    /// It refuses, whatever others let.
    Deny,
}

impl Effect {
    /// The word in policies.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::Deny => "deny",
        }
    }
}

/// Where something is written: `global.csv:7`. What the decision log and people call a rule.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RuleId {
    /// The file, in the policy folder.
    pub file: Arc<str>,
    /// From 1.
    pub line: usize,
}

impl fmt::Display for RuleId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.file, self.line)
    }
}

/// One `p` line: who may, or may not, do what with what, and what for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// Where it is written.
    pub id: RuleId,
    /// A principal, a role, or `*`.
    pub subject: Box<str>,
    /// A domain, or `*`.
    pub domain: Box<str>,
    /// `schema.table`, `schema.table/column`, a tag; or several: `schema.table/*` (its columns), `schema.*` (its tables
    /// and their columns), `*`.
    pub object: Box<str>,
    /// `None`: every action.
    pub action: Option<Action>,
    /// A purpose, or `*`.
    pub purpose: Box<str>,
    /// Allow or deny.
    pub effect: Effect,
}

impl Rule {
    /// The action as it is written.
    #[must_use]
    pub fn action_word(&self) -> &'static str {
        self.action.map_or(ANY, Action::as_str)
    }
}

/// One `g` line: who has which role, and in which domain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Assignment {
    /// Where it is written.
    pub id: RuleId,
    /// A principal, or a role that is given all that the other may.
    pub member: Box<str>,
    /// `role:..`.
    pub role: Box<str>,
    /// A domain, or `*`.
    pub domain: Box<str>,
}

/// Anything, in a rule.
pub(crate) const ANY: &str = "*";

/// First parts of principals' names. They keep a user called `x` and a role called `x` apart.
const PREFIXES: [&str; 4] = ["user:", "service:", "plugin:", "role:"];
pub(crate) const ROLE: &str = "role:";

/// Whether a text is a principal's name: a known prefix, something after it, and nothing that means something else.
#[must_use]
pub fn is_principal(text: &str) -> bool {
    is_plain(text)
        && PREFIXES
            .iter()
            .any(|prefix| text.len() > prefix.len() && text.starts_with(prefix))
}

/// Whether a text is a name, and neither a pattern nor empty. Control characters are in no name.
#[must_use]
pub fn is_plain(text: &str) -> bool {
    !text.is_empty()
        && !text
            .bytes()
            .any(|byte| byte == b'*' || byte < b' ' || byte == 0x7f)
}

/// Whether a rule's object speaks of a requested one. The definition: the snapshot looks up what this compares, and
/// Casbin is given this very function.
pub(crate) fn object_matches(object: &str, pattern: &str) -> bool {
    if pattern == ANY || pattern == object {
        return true;
    }
    if let Some(schema) = pattern.strip_suffix(".*") {
        return Parts::of(object).schema == Some(schema);
    }
    if let Some(table) = pattern.strip_suffix("/*") {
        return Parts::of(object).table_of_column == Some(table);
    }
    false
}

/// An object's name, taken apart.
pub(crate) struct Parts<'a> {
    /// What stands before the first `.` of a table's or column's name. `None`: a tag.
    pub(crate) schema: Option<&'a str>,
    /// The table of a column.
    pub(crate) table_of_column: Option<&'a str>,
}

impl<'a> Parts<'a> {
    pub(crate) fn of(object: &'a str) -> Self {
        let (table, column) = match object.split_once('/') {
            Some((table, _)) => (table, true),
            None => (object, false),
        };
        let schema = table.split_once('.').map(|(schema, _)| schema);
        Self {
            schema,
            table_of_column: (column && schema.is_some()).then_some(table),
        }
    }
}

/// Whether a rule's object can match anything: a pattern's star ends it, after a schema or a table.
pub(crate) fn is_object(pattern: &str) -> bool {
    if pattern == ANY {
        return true;
    }
    if let Some(schema) = pattern.strip_suffix(".*") {
        return is_plain(schema) && !schema.contains(['.', '/']);
    }
    if let Some(table) = pattern.strip_suffix("/*") {
        return is_plain(table) && !table.contains('/') && Parts::of(table).schema.is_some_and(is_plain);
    }
    is_plain(pattern)
}

/// Whether a rule's object is one of a domain's own: in the schema `d`, `d_raw`, `d_quarantine` or `d_quality`.
pub(crate) fn is_own(pattern: &str, domain: &str) -> bool {
    let schema = match pattern.strip_suffix(".*") {
        Some(schema) => Some(schema),
        None => Parts::of(pattern).schema,
    };
    schema
        .and_then(|schema| schema.strip_prefix(domain))
        .is_some_and(|layer| ["", "_raw", "_quarantine", "_quality"].contains(&layer))
}
