//! The words that contracts, policies and masks share.

use std::fmt;
use std::str::FromStr;

use crate::ColumnType;

/// How sensitive a column is. The order is the order of sensitivity.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum Classification {
    /// For anybody.
    Public,
    /// What a column is when its contract does not say.
    #[default]
    Internal,
    /// For those who need it; masked for all others.
    Confidential,
    /// Like confidential, and the law has a say: personal data, cards.
    Restricted,
}

impl Classification {
    /// Every one, the least sensitive first.
    pub const ALL: [Self; 4] = [Self::Public, Self::Internal, Self::Confidential, Self::Restricted];

    /// The word in contracts and policies.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Public => "public",
            Self::Internal => "internal",
            Self::Confidential => "confidential",
            Self::Restricted => "restricted",
        }
    }
}

/// How a value is hidden. Names are those of Iceberg's read restrictions, and `token` is ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum MaskKind {
    /// A keyed, stable pseudonym: HMAC-SHA-256 of the normalised value. Equal values have equal tokens.
    Token,
    /// Every letter or digit but the last four becomes `x`.
    ShowLast4,
    /// Null, whatever the value.
    ReplaceWithNull,
    /// Every letter becomes `x` and every digit `n`; punctuation stays.
    MaskAlphanum,
}

impl MaskKind {
    /// Every one.
    pub const ALL: [Self; 4] = [
        Self::Token,
        Self::ShowLast4,
        Self::ReplaceWithNull,
        Self::MaskAlphanum,
    ];

    /// The word in contracts and policies.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Token => "token",
            Self::ShowLast4 => "show-last-4",
            Self::ReplaceWithNull => "replace-with-null",
            Self::MaskAlphanum => "mask-alphanum",
        }
    }

    /// Whether the mask can hide a column of a type: masks keep the column's type and its promise of no nulls.
    ///
    /// # Errors
    /// Why it cannot.
    pub fn fits(self, ty: ColumnType, required: bool) -> Result<(), MaskMisfit> {
        match self {
            Self::ReplaceWithNull if required => Err(MaskMisfit::Required),
            Self::ReplaceWithNull => Ok(()),
            Self::Token | Self::ShowLast4 | Self::MaskAlphanum if ty != ColumnType::Utf8 => {
                Err(MaskMisfit::NotText)
            }
            Self::Token | Self::ShowLast4 | Self::MaskAlphanum => Ok(()),
        }
    }
}

/// Why a mask cannot hide a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum MaskMisfit {
    /// The mask makes text of text.
    #[error("this mask hides text only: use `replace-with-null`, or make the column a string")]
    NotText,
    /// A required column cannot become null.
    #[error(
        "the column is `required`, so it cannot be null: drop `required` in the contract or choose another mask"
    )]
    Required,
}

/// A word that is none of the known ones.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown {what} `{word}`: use one of {known}")]
pub struct UnknownWord {
    /// Which kind of word.
    pub what: &'static str,
    /// The word that was given.
    pub word: String,
    /// The known ones.
    pub known: String,
}

macro_rules! words {
    ($type:ty, $what:literal) => {
        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl FromStr for $type {
            type Err = UnknownWord;

            fn from_str(word: &str) -> Result<Self, UnknownWord> {
                Self::ALL
                    .into_iter()
                    .find(|known| known.as_str() == word)
                    .ok_or_else(|| UnknownWord {
                        what: $what,
                        word: word.to_owned(),
                        known: Self::ALL.map(Self::as_str).join(", "),
                    })
            }
        }
    };
}

words!(Classification, "classification");
words!(MaskKind, "mask");
