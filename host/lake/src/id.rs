//! Names of tables, and where they lie in a lake.

use std::fmt;
use std::str::FromStr;

use crate::LakeError;

/// How far a table is from its source. The second folder of its path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Layer {
    /// Rows as they arrived, personal columns encrypted.
    Raw,
    /// Data products.
    Curated,
    /// Rows that broke a rule, encrypted whole.
    Quarantine,
    /// Data products that are made of others.
    Gold,
    /// What the checks of a product found.
    Quality,
}

impl Layer {
    /// Every layer.
    pub const ALL: [Self; 5] = [
        Self::Raw,
        Self::Curated,
        Self::Quarantine,
        Self::Gold,
        Self::Quality,
    ];

    /// The layer's folder.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Raw => "raw",
            Self::Curated => "curated",
            Self::Quarantine => "quarantine",
            Self::Gold => "gold",
            Self::Quality => "quality",
        }
    }
}

impl fmt::Display for Layer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Layer {
    type Err = LakeError;

    fn from_str(word: &str) -> Result<Self, LakeError> {
        Self::ALL
            .into_iter()
            .find(|layer| layer.as_str() == word)
            .ok_or_else(|| LakeError::Name {
                what: "layer",
                name: word.to_owned(),
            })
    }
}

/// A table of a lake. Shown, and stored, as `<domain>/<layer>/<name>`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TableId {
    domain: String,
    layer: Layer,
    name: String,
}

impl TableId {
    /// A table's id. Domain and name become folders: ASCII letters, digits, `_` and `-`, the first a letter or digit.
    ///
    /// A domain must not end like the schema of a layer (`_raw`, `_quarantine`, `_quality`): queries name tables
    /// `<domain>.<name>` and `<domain>_<layer>.<name>`.
    ///
    /// # Errors
    /// [`LakeError::Name`] for any other name.
    pub fn new(domain: &str, layer: Layer, name: &str) -> Result<Self, LakeError> {
        check("domain", domain)?;
        check("table", name)?;
        let taken = |layer: &Layer| {
            domain
                .strip_suffix(layer.as_str())
                .is_some_and(|rest| rest.ends_with('_'))
        };
        if Layer::ALL.iter().any(taken) {
            return Err(LakeError::Name {
                what: "domain, since that is how a query names a layer",
                name: domain.to_owned(),
            });
        }
        Ok(Self {
            domain: domain.to_owned(),
            layer,
            name: name.to_owned(),
        })
    }

    /// The table of the same name in another layer.
    pub(crate) fn in_layer(&self, layer: Layer) -> Self {
        Self {
            layer,
            ..self.clone()
        }
    }

    /// The business domain that owns the table.
    #[must_use]
    pub fn domain(&self) -> &str {
        &self.domain
    }

    /// The table's layer.
    #[must_use]
    pub fn layer(&self) -> Layer {
        self.layer
    }

    /// The table's own name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }
}

impl fmt::Display for TableId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}", self.domain, self.layer, self.name)
    }
}

fn check(what: &'static str, name: &str) -> Result<(), LakeError> {
    let fine = name.len() <= 128
        && name.starts_with(|c: char| c.is_ascii_alphanumeric())
        && name
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-');
    if fine {
        Ok(())
    } else {
        Err(LakeError::Name {
            what,
            name: name.to_owned(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_paths_of_three_folders() {
        let id = TableId::new("ventas", Layer::Curated, "daily-revenue").unwrap();
        assert_eq!(id.to_string(), "ventas/curated/daily-revenue");
    }

    #[test]
    fn a_domain_is_not_a_layer_of_another() {
        assert!(TableId::new("ventas_raw", Layer::Curated, "t").is_err());
        assert!(TableId::new("ventas_quarantine", Layer::Raw, "t").is_err());
        assert!(TableId::new("raw", Layer::Raw, "ventas_raw").is_ok());
    }

    #[test]
    fn names_that_would_leave_their_folder_are_refused() {
        for name in [
            "",
            "..",
            ".",
            "a/b",
            "a\\b",
            "-a",
            "_delta_log",
            "a b",
            "año",
            "a.b",
            "a%2f",
        ] {
            assert!(TableId::new(name, Layer::Raw, "t").is_err(), "{name}");
            assert!(TableId::new("d", Layer::Raw, name).is_err(), "{name}");
        }
    }
}
