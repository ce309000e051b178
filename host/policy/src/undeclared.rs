//! What happens to personal data in a column whose contract declares none.

use std::collections::BTreeMap;

use malla_contract::PersonalKind;

use crate::words::words;

/// What becomes of a row with undeclared personal data. The order is the order of strictness.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum UndeclaredAction {
    /// It passes, and the host says so.
    Warn,
    /// The value is hidden, the row passes.
    Mask,
    /// The row goes to quarantine.
    Block,
}

impl UndeclaredAction {
    /// Every one, the mildest first.
    pub const ALL: [Self; 3] = [Self::Warn, Self::Mask, Self::Block];

    /// The word in `masks.toml`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Warn => "warn",
            Self::Mask => "mask",
            Self::Block => "block",
        }
    }
}

words!(UndeclaredAction, "action");

/// One `[[undeclared]]` of `masks.toml`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UndeclaredRule {
    /// What it speaks of.
    pub kind: PersonalKind,
    /// What happens.
    pub action: UndeclaredAction,
    /// Why, in its author's words.
    pub reason: Option<String>,
    /// Line of the rule in `masks.toml`, from 1.
    pub line: usize,
}

/// The rules. INVARIANT: one rule a kind.
#[derive(Debug, Clone, Default)]
pub(crate) struct UndeclaredRules {
    rules: BTreeMap<PersonalKind, UndeclaredRule>,
}

impl UndeclaredRules {
    pub(crate) fn new(rules: BTreeMap<PersonalKind, UndeclaredRule>) -> Self {
        Self { rules }
    }

    pub(crate) fn rule(&self, kind: PersonalKind) -> Option<&UndeclaredRule> {
        self.rules.get(&kind)
    }
}
