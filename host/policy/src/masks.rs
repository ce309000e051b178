//! Which mask a column gets.

use std::collections::BTreeMap;
use std::fmt;

use malla_contract::{Classification, Column, MaskKind};

use crate::words::words;

/// What a mask rule speaks of.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Selector {
    /// Columns that carry this tag.
    Tag(String),
    /// Columns of exactly this classification for which no tag rule speaks.
    Classification(Classification),
}

/// When a mask is applied.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum MaskAt {
    /// Before the value is stored: nobody can read what is behind it.
    Write,
    /// The value is stored plain, and masked for every reader who may not see it.
    Read,
}

impl MaskAt {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Write, Self::Read];

    /// The word in `masks.toml`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Write => "write",
            Self::Read => "read",
        }
    }
}

words!(MaskAt, "time of masking");

/// One `[[mask]]` of `masks.toml`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MaskRule {
    /// The columns it speaks of.
    pub selector: Selector,
    /// How their values are hidden.
    pub mask: MaskKind,
    /// When they are hidden.
    pub at: MaskAt,
    /// What `token` (and no other mask) uses: columns of one group get equal tokens for equal values, so they can be
    /// joined. The tag, where the rule does not say.
    pub join_group: String,
    /// Why the rule is there, in its author's words.
    pub reason: Option<String>,
    /// Line of the rule in `masks.toml`, from 1.
    pub line: usize,
}

/// The mask rules of a mesh. INVARIANT: one rule a selector.
#[derive(Debug, Clone, Default)]
pub(crate) struct Masks {
    rules: BTreeMap<Selector, MaskRule>,
}

impl Masks {
    pub(crate) fn new(rules: BTreeMap<Selector, MaskRule>) -> Self {
        Self { rules }
    }

    /// The rule for a column: the strictest among those of its tags, else that of its classification. Among rules that
    /// are equally strict, the tag that sorts first decides.
    pub(crate) fn rule(&self, column: &Column) -> Option<&MaskRule> {
        column
            .tags
            .iter()
            .filter_map(|tag| self.rules.get(&Selector::Tag(tag.clone())))
            .min_by_key(|rule| leniency(rule.mask))
            .or_else(|| self.rules.get(&Selector::Classification(column.classification)))
    }

    /// In the order of their selectors.
    pub(crate) fn rules(&self) -> impl Iterator<Item = &MaskRule> {
        self.rules.values()
    }
}

/// The order of strictness, strictest first: what tells least about the value. A null tells nothing, a default only that
/// there is a value, a digest of one query equality within it, a token equality for good. The rest shows a part: of a
/// date the year or the month, of a text its shape, whose mail server it is, its beginning, and last its end, which is
/// what people tell values apart by.
fn leniency(mask: MaskKind) -> u8 {
    match mask {
        MaskKind::ReplaceWithNull => 0,
        MaskKind::MaskToDefault => 1,
        MaskKind::Sha256QueryLocal => 2,
        MaskKind::Token => 3,
        MaskKind::TruncateToYear => 4,
        MaskKind::TruncateToMonth => 5,
        MaskKind::MaskAlphanum => 6,
        MaskKind::EmailDomain => 7,
        MaskKind::ShowFirst4 => 8,
        MaskKind::ShowLast4 => 9,
    }
}

/// As a line of `masks.toml`.
impl fmt::Display for Selector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tag(tag) => write!(f, "tag = {tag:?}"),
            Self::Classification(classification) => write!(f, "classification = \"{classification}\""),
        }
    }
}
