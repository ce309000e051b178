//! Two versions of a contract: what changed, whom it breaks, and whether the version says so.

mod rules;

use std::fmt;

use semver::{BuildMetadata, Prerelease, Version};

use crate::Contract;

/// How much a change asks of others. The order is the order of weight.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// Nobody has to act: a new patch version.
    Note,
    /// Something is new, or firmer than it was: a new minor version.
    Additive,
    /// What others rely on is gone: a new major version.
    Breaking,
}

/// Who is hurt by a breaking change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Party {
    /// Those who query the table.
    Readers,
    /// Those who write the events.
    Producers,
    /// The table as it stands: its rows do not fit the new shape, so it has to be written anew.
    StoredRows,
    /// The people whom the data is about: they lose protection.
    People,
}

/// The rule that a change falls under.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Rule {
    /// Id or domain: it is another contract, and its tables have other names.
    Identity,
    /// A product or source is gone.
    TableRemoved,
    /// A product or source is new.
    TableAdded,
    /// A column is gone.
    ColumnRemoved,
    /// A column is new.
    ColumnAdded,
    /// A column is new that must have a value, which rows and events of before have not.
    RequiredColumnAdded,
    /// A column has another type.
    TypeChanged,
    /// A column may be null that never was.
    NullsAllowed,
    /// A column may no longer be null.
    NullsForbidden,
    /// Values may repeat that never did.
    UniquenessDropped,
    /// Values may no longer repeat.
    UniquenessAdded,
    /// The table is cut into other partitions.
    PartitionsChanged,
    /// Another column says when an event happened.
    EventTimeChanged,
    /// Events are written in another format.
    FormatChanged,
    /// A lower classification, or a tag that governs is gone.
    WeakensGovernance,
    /// A higher classification, or a new tag that governs.
    StrengthensGovernance,
    /// A step sees other columns than before.
    ReadsChanged,
    /// A product comes from another step or source, or rows are rejected by other rules.
    StepChanged,
    /// A function that only the plugin's own SQL can call.
    FunctionChanged,
    /// Constants differ.
    LookupChanged,
    /// Another check of quality, or the same with another bound.
    QualityChanged,
    /// Words for people, the order of columns, the domain's own tags.
    Documentation,
}

/// What a change is in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// The contract as a whole.
    Contract,
    /// The product of that name.
    Product(String),
    /// The source of that name.
    Source(String),
    /// The function of that name.
    Function(String),
    /// The lookup of that name.
    Lookup(String),
}

/// One difference between two versions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// How much it asks of others.
    pub severity: Severity,
    /// The rule that says so.
    pub rule: Rule,
    /// Which product or source.
    pub place: Place,
    /// Which of its columns, if it is about one.
    pub column: Option<String>,
    /// Whom it breaks. Empty unless `severity` is breaking.
    pub breaks: Vec<Party>,
    /// What changed, for people.
    pub what: String,
}

/// All differences between two versions of a contract.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Comparison {
    /// Name of the newer contract.
    pub name: String,
    /// The older version.
    pub old: Version,
    /// The newer version.
    pub new: Version,
    /// The heaviest first.
    pub changes: Vec<Change>,
}

/// What changed from `old` to `new`, and whom it breaks.
#[must_use]
pub fn compare(old: &Contract, new: &Contract) -> Comparison {
    let mut changes = rules::changes(old, new);
    changes.sort_by_key(|change| std::cmp::Reverse(change.severity));
    Comparison {
        name: new.name.clone(),
        old: old.version.clone(),
        new: new.version.clone(),
        changes,
    }
}

impl Comparison {
    /// The weight of the heaviest change. `None`: nothing changed.
    #[must_use]
    pub fn severity(&self) -> Option<Severity> {
        self.changes.iter().map(|change| change.severity).max()
    }

    /// Whether somebody is hurt.
    #[must_use]
    pub fn is_breaking(&self) -> bool {
        self.severity() == Some(Severity::Breaking)
    }

    /// The lowest version that says enough about the changes. Below 1.0.0 the minor number stands for the major one,
    /// and after a pre-release anything goes.
    #[must_use]
    pub fn needed(&self) -> Version {
        let Some(severity) = self.severity() else {
            return self.old.clone();
        };
        let mut needed = self.old.clone();
        needed.pre = Prerelease::EMPTY;
        needed.build = BuildMetadata::EMPTY;
        if !self.old.pre.is_empty() {
            return needed;
        }
        match (severity, self.old.major) {
            (Severity::Breaking, 1..) => {
                needed.major = needed.major.saturating_add(1);
                needed.minor = 0;
                needed.patch = 0;
            }
            (Severity::Breaking, 0) | (Severity::Additive, 1..) => {
                needed.minor = needed.minor.saturating_add(1);
                needed.patch = 0;
            }
            (Severity::Additive, 0) | (Severity::Note, _) => needed.patch = needed.patch.saturating_add(1),
        }
        needed
    }

    /// Whether the new version says enough: not older than the old one, and at least [`needed`](Self::needed).
    #[must_use]
    pub fn is_enough(&self) -> bool {
        let numbers = |version: &Version| (version.major, version.minor, version.patch);
        let order = self.new.cmp_precedence(&self.old);
        if self.changes.is_empty() {
            order.is_ge()
        } else {
            order.is_gt() && numbers(&self.new) >= numbers(&self.needed())
        }
    }
}

impl Severity {
    /// The word for it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Note => "note",
            Self::Additive => "additive",
            Self::Breaking => "breaking",
        }
    }
}

impl Rule {
    /// The word for it, such as `type-changed`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Identity => "identity",
            Self::TableRemoved => "table-removed",
            Self::TableAdded => "table-added",
            Self::ColumnRemoved => "column-removed",
            Self::ColumnAdded => "column-added",
            Self::RequiredColumnAdded => "required-column-added",
            Self::TypeChanged => "type-changed",
            Self::NullsAllowed => "nulls-allowed",
            Self::NullsForbidden => "nulls-forbidden",
            Self::UniquenessDropped => "uniqueness-dropped",
            Self::UniquenessAdded => "uniqueness-added",
            Self::PartitionsChanged => "partitions-changed",
            Self::EventTimeChanged => "event-time-changed",
            Self::FormatChanged => "format-changed",
            Self::WeakensGovernance => "weakens-governance",
            Self::StrengthensGovernance => "strengthens-governance",
            Self::ReadsChanged => "reads-changed",
            Self::StepChanged => "step-changed",
            Self::FunctionChanged => "function-changed",
            Self::LookupChanged => "lookup-changed",
            Self::QualityChanged => "quality-changed",
            Self::Documentation => "documentation",
        }
    }
}

impl Party {
    /// The words for it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Readers => "readers",
            Self::Producers => "producers",
            Self::StoredRows => "rows already stored",
            Self::People => "the people in the data",
        }
    }
}

macro_rules! display_as_str {
    ($($type:ty),+) => {$(
        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(self.as_str())
            }
        }
    )+};
}

display_as_str!(Severity, Rule, Party);

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Contract => f.write_str("contract"),
            Self::Product(name) => write!(f, "product `{name}`"),
            Self::Source(name) => write!(f, "source `{name}`"),
            Self::Function(name) => write!(f, "function `{name}`"),
            Self::Lookup(name) => write!(f, "lookup `{name}`"),
        }
    }
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:<8}  {}", self.severity, self.place)?;
        if let Some(column) = &self.column {
            write!(f, ", column `{column}`")?;
        }
        write!(f, ": {} ({})", self.what, self.rule)?;
        for (i, party) in self.breaks.iter().enumerate() {
            write!(f, "{} {party}", if i == 0 { "; breaks" } else { "," })?;
        }
        Ok(())
    }
}

impl fmt::Display for Comparison {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (name, old, new) = (crate::errors::shown(&self.name), &self.old, &self.new);
        let Some(heaviest) = self.severity() else {
            write!(f, "{name} {old} -> {new}: nothing changed")?;
            return if self.is_enough() {
                Ok(())
            } else {
                write!(f, "\n{new} is older than {old}")
            };
        };
        let count = |severity| {
            self.changes
                .iter()
                .filter(|change| change.severity == severity)
                .count()
        };
        let (breaking, additive) = (count(Severity::Breaking), count(Severity::Additive));
        let notes = count(Severity::Note);
        let s = if notes == 1 { "" } else { "s" };
        writeln!(
            f,
            "{name} {old} -> {new}: {breaking} breaking, {additive} additive, {notes} note{s}"
        )?;
        for change in &self.changes {
            writeln!(f, "{change}")?;
        }
        if self.is_enough() {
            write!(f, "version {new} is enough")
        } else {
            write!(
                f,
                "version {new} is not enough for {heaviest} changes: make it {} or later",
                self.needed()
            )
        }
    }
}

#[cfg(test)]
mod tests;
