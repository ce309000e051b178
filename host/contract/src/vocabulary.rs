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

/// How a value is hidden. Names are those of Iceberg's read restrictions; `token` and `email-domain` are ours. Ranger's
/// names are taken too, where they are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum MaskKind {
    /// A keyed, stable pseudonym: HMAC-SHA-256 of the normalised value. Equal values have equal tokens.
    Token,
    /// Every letter or digit but the last four becomes `x`.
    ShowLast4,
    /// Every letter or digit but the first four becomes `x`.
    ShowFirst4,
    /// Null, whatever the value.
    ReplaceWithNull,
    /// Every letter becomes `x` and every digit `n`; punctuation stays.
    MaskAlphanum,
    /// One value for all of a type: false, 0, the empty text, 1970-01-01.
    MaskToDefault,
    /// The first day of the year, at midnight.
    TruncateToYear,
    /// The first day of the month, at midnight.
    TruncateToMonth,
    /// A pseudonym that lives as long as one query: keyed SHA-256 under a key that nobody keeps.
    Sha256QueryLocal,
    /// The domain of an e-mail address, without whose address it is.
    EmailDomain,
}

impl MaskKind {
    /// Every one.
    pub const ALL: [Self; 10] = [
        Self::Token,
        Self::ShowLast4,
        Self::ShowFirst4,
        Self::ReplaceWithNull,
        Self::MaskAlphanum,
        Self::MaskToDefault,
        Self::TruncateToYear,
        Self::TruncateToMonth,
        Self::Sha256QueryLocal,
        Self::EmailDomain,
    ];

    /// The word in contracts and policies.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Token => "token",
            Self::ShowLast4 => "show-last-4",
            Self::ShowFirst4 => "show-first-4",
            Self::ReplaceWithNull => "replace-with-null",
            Self::MaskAlphanum => "mask-alphanum",
            Self::MaskToDefault => "mask-to-default",
            Self::TruncateToYear => "truncate-to-year",
            Self::TruncateToMonth => "truncate-to-month",
            Self::Sha256QueryLocal => "sha-256-query-local",
            Self::EmailDomain => "email-domain",
        }
    }

    /// The mask that Apache Ranger calls by a name. Its `MASK_NONE` and `CUSTOM` have no counterpart.
    fn of_ranger(name: &str) -> Option<Self> {
        Some(match name {
            "MASK" => Self::MaskAlphanum,
            "MASK_SHOW_LAST_4" => Self::ShowLast4,
            "MASK_SHOW_FIRST_4" => Self::ShowFirst4,
            "MASK_NULL" => Self::ReplaceWithNull,
            "MASK_HASH" => Self::Sha256QueryLocal,
            "MASK_DATE_SHOW_YEAR" => Self::TruncateToYear,
            _ => return None,
        })
    }

    /// Whether the mask can hide values only when they are read: its key dies with the query, so what it would store
    /// could never be compared with anything.
    #[must_use]
    pub fn only_at_read(self) -> bool {
        self == Self::Sha256QueryLocal
    }

    /// Whether the mask can hide a column of a type: masks keep the column's type and its promise of no nulls.
    ///
    /// # Errors
    /// Why it cannot, and what could.
    pub fn fits(self, ty: ColumnType, required: bool) -> Result<(), MaskMisfit> {
        match self {
            Self::ReplaceWithNull if required => Err(MaskMisfit::Required),
            Self::ReplaceWithNull | Self::MaskToDefault => Ok(()),
            Self::Token
            | Self::ShowLast4
            | Self::ShowFirst4
            | Self::MaskAlphanum
            | Self::Sha256QueryLocal
            | Self::EmailDomain => match ty {
                ColumnType::Utf8 => Ok(()),
                ColumnType::Date | ColumnType::Timestamp => Err(MaskMisfit::NotTextButTime),
                _ => Err(MaskMisfit::NotText),
            },
            Self::TruncateToYear | Self::TruncateToMonth => match ty {
                ColumnType::Date | ColumnType::Timestamp => Ok(()),
                _ => Err(MaskMisfit::NotTime),
            },
        }
    }
}

/// Why a mask cannot hide a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MaskMisfit {
    /// The mask makes text of text.
    #[error(
        "this mask hides text only: use `mask-to-default` or `replace-with-null`, or make the column a string"
    )]
    NotText,
    /// The mask makes text of text, and this is a date or a timestamp.
    #[error(
        "this mask hides text only: use `truncate-to-year`, `truncate-to-month`, `mask-to-default` or `replace-with-null`"
    )]
    NotTextButTime,
    /// The mask makes a date of a date.
    #[error(
        "this mask hides dates and timestamps only: use `mask-to-default` or `replace-with-null`, or make the column a date"
    )]
    NotTime,
    /// A required column cannot become null.
    #[error(
        "the column is `required`, so it cannot be null: use `mask-to-default`, or drop `required` in the contract"
    )]
    Required,
}

/// A kind of personal value that can be told from its form.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PersonalKind {
    /// An e-mail address.
    Email,
    /// A payment card's number.
    Card,
    /// An international bank account number.
    Iban,
    /// A telephone number, with its country code or clearly grouped.
    Phone,
    /// Of a person: Spanish DNI or NIE, Mexican CURP or RFC.
    NationalId,
}

impl PersonalKind {
    /// Every one.
    pub const ALL: [Self; 5] = [Self::Email, Self::Card, Self::Iban, Self::Phone, Self::NationalId];

    /// The tag that declares a column to hold such values.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Email => "pii:email",
            Self::Card => "pii:card",
            Self::Iban => "pii:iban",
            Self::Phone => "pii:phone",
            Self::NationalId => "pii:national-id",
        }
    }
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
    ($type:ty, $what:literal, $alias:expr) => {
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
                    .or_else(|| $alias(word))
                    .ok_or_else(|| UnknownWord {
                        what: $what,
                        word: word.to_owned(),
                        known: Self::ALL.map(Self::as_str).join(", "),
                    })
            }
        }
    };
}

words!(Classification, "classification", |_| None);
words!(MaskKind, "mask", MaskKind::of_ranger);
words!(PersonalKind, "kind of personal data", |_| None);

#[cfg(test)]
mod tests {
    use super::*;

    const TYPES: [ColumnType; 8] = [
        ColumnType::Boolean,
        ColumnType::Int32,
        ColumnType::Int64,
        ColumnType::Float64,
        ColumnType::Decimal {
            precision: 18,
            scale: 2,
        },
        ColumnType::Utf8,
        ColumnType::Date,
        ColumnType::Timestamp,
    ];

    #[test]
    fn a_mask_is_read_by_its_own_name_and_by_rangers() {
        for mask in MaskKind::ALL {
            assert_eq!(mask.as_str().parse(), Ok(mask));
        }
        let ranger = [
            ("MASK", MaskKind::MaskAlphanum),
            ("MASK_SHOW_FIRST_4", MaskKind::ShowFirst4),
            ("MASK_SHOW_LAST_4", MaskKind::ShowLast4),
            ("MASK_NULL", MaskKind::ReplaceWithNull),
            ("MASK_HASH", MaskKind::Sha256QueryLocal),
            ("MASK_DATE_SHOW_YEAR", MaskKind::TruncateToYear),
        ];
        for (name, mask) in ranger {
            assert_eq!(name.parse(), Ok(mask));
        }
        for unknown in ["", "Token", "mask", "MASK_NONE", "CUSTOM", "token "] {
            let error = unknown.parse::<MaskKind>().unwrap_err();
            assert_eq!(error.word, unknown);
            assert!(error.to_string().contains("token, show-last-4"), "{error}");
        }
    }

    /// One letter a type, in the order of `TYPES`; a capital where a required column takes the mask too.
    #[test]
    fn masks_fit_what_they_can_hide() {
        let fitting: Vec<String> = MaskKind::ALL
            .iter()
            .map(|mask| {
                let types = TYPES.iter().zip(["b", "i", "l", "f", "d", "t", "y", "s"]);
                let letters = types.map(|(ty, letter)| {
                    match (mask.fits(*ty, false).is_ok(), mask.fits(*ty, true).is_ok()) {
                        (true, true) => letter.to_uppercase(),
                        (true, false) => letter.to_owned(),
                        _ => "-".to_owned(),
                    }
                });
                format!("{mask}: {}", letters.collect::<String>())
            })
            .collect();
        assert_eq!(
            fitting,
            [
                "token: -----T--",
                "show-last-4: -----T--",
                "show-first-4: -----T--",
                "replace-with-null: bilfdtys",
                "mask-alphanum: -----T--",
                "mask-to-default: BILFDTYS",
                "truncate-to-year: ------YS",
                "truncate-to-month: ------YS",
                "sha-256-query-local: -----T--",
                "email-domain: -----T--",
            ]
        );
    }

    #[test]
    fn a_misfit_names_a_mask_that_fits() {
        for (mask, ty, required) in MaskKind::ALL
            .iter()
            .flat_map(|mask| TYPES.iter().map(move |ty| (mask, *ty)))
            .flat_map(|(mask, ty)| [(mask, ty, true), (mask, ty, false)])
        {
            let Err(why) = mask.fits(ty, required) else {
                continue;
            };
            let text = why.to_string();
            let named = MaskKind::ALL
                .iter()
                .filter(|other| text.contains(&format!("`{other}`")));
            assert!(
                named.clone().any(|other| other.fits(ty, required).is_ok()),
                "{mask} over {ty}: {text}"
            );
        }
    }
}
