//! Enums whose values are words in policy files.

/// Gives an enum with `ALL` and `as_str` its `Display` and `FromStr`; `$what` names it in errors.
macro_rules! words {
    ($type:ty, $what:literal) => {
        impl std::fmt::Display for $type {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl std::str::FromStr for $type {
            type Err = malla_contract::UnknownWord;

            fn from_str(word: &str) -> Result<Self, Self::Err> {
                Self::ALL
                    .into_iter()
                    .find(|known| known.as_str() == word)
                    .ok_or_else(|| malla_contract::UnknownWord {
                        what: $what,
                        word: $crate::text::shown(word),
                        known: Self::ALL.map(Self::as_str).join(", "),
                    })
            }
        }
    };
}

pub(crate) use words;
