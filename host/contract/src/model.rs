//! A contract as values, after parsing and validation.

use std::collections::BTreeSet;
use std::fmt;

use semver::Version;

use crate::Classification;

/// What a domain promises: where its data comes from, what its plugin does with it, and what it publishes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Contract {
    pub id: String,
    pub name: String,
    pub version: Version,
    /// ODCS life-cycle word: `draft`, `active`, `deprecated`, `retired`, ...
    pub status: String,
    /// The business domain; the first part of every table name.
    pub domain: String,
    pub description: Option<String>,
    /// Name of the owning team.
    pub owner: Option<String>,
    pub sources: Vec<Source>,
    pub products: Vec<Product>,
    pub steps: Vec<Step>,
    pub lookups: Vec<Lookup>,
}

/// Events as they arrive (`mallaSources`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    pub name: String,
    /// The shape of one event. Its name is that of the ODCS schema object.
    pub table: Table,
    /// The timestamp column that says when the event happened, in business time. Raw tables get their `fecha` from it.
    pub event_time: Option<String>,
}

/// A table that the domain publishes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Product {
    pub name: String,
    pub table: Table,
}

/// A function of the plugin: from the rows of one source to the rows of one product (`mallaSteps`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    pub name: String,
    pub source: String,
    pub product: String,
    /// Source columns that enter the sandbox, in this order. No other column does.
    pub reads: Vec<String>,
    /// Names of the rules by which the step may reject a row.
    pub rules: Vec<String>,
}

/// A constant table of the contract (`mallaLookups`): text to decimal, exact.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lookup {
    pub name: String,
    /// Digits after the decimal point of every value in this lookup.
    pub scale: u8,
    pub entries: Vec<LookupEntry>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LookupEntry {
    pub key: String,
    /// The value times ten to the power of the lookup's scale.
    pub unscaled: i128,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table {
    pub name: String,
    pub description: Option<String>,
    /// In the contract's order. Never empty, names unique.
    pub columns: Vec<Column>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    pub name: String,
    pub ty: ColumnType,
    /// No nulls allowed.
    pub required: bool,
    pub unique: bool,
    pub primary_key: bool,
    /// Place among the partition columns, from 1. `None`: not a partition column.
    pub partition: Option<u32>,
    pub classification: Classification,
    /// `pii:email`, `pii:card`, `pii:name`, `pii:phone`, `pii:address`, `subject`, or the domain's own.
    pub tags: BTreeSet<String>,
    pub description: Option<String>,
}

/// The types that cross the boundary.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ColumnType {
    Boolean,
    Int32,
    Int64,
    Float64,
    /// At most 38 digits, `scale` of them after the point.
    Decimal {
        precision: u8,
        scale: u8,
    },
    Utf8,
    /// Days since 1970-01-01.
    Date,
    /// Microseconds since 1970-01-01T00:00:00Z.
    Timestamp,
}

impl Contract {
    #[must_use]
    pub fn source(&self, name: &str) -> Option<&Source> {
        self.sources.iter().find(|source| source.name == name)
    }

    #[must_use]
    pub fn product(&self, name: &str) -> Option<&Product> {
        self.products.iter().find(|product| product.name == name)
    }

    #[must_use]
    pub fn step(&self, name: &str) -> Option<&Step> {
        self.steps.iter().find(|step| step.name == name)
    }

    /// The steps that a source feeds.
    pub fn steps_of<'a>(&'a self, source: &'a str) -> impl Iterator<Item = &'a Step> {
        self.steps.iter().filter(move |step| step.source == source)
    }
}

impl Table {
    #[must_use]
    pub fn column(&self, name: &str) -> Option<&Column> {
        self.columns.iter().find(|column| column.name == name)
    }

    /// Place of a column, from 0.
    #[must_use]
    pub fn index_of(&self, name: &str) -> Option<usize> {
        self.columns.iter().position(|column| column.name == name)
    }

    /// Names of the partition columns, in the order of their places.
    #[must_use]
    pub fn partition_columns(&self) -> Vec<&str> {
        let mut columns: Vec<(u32, &str)> = self
            .columns
            .iter()
            .filter_map(|c| c.partition.map(|place| (place, c.name.as_str())))
            .collect();
        columns.sort_unstable();
        columns.into_iter().map(|(_, name)| name).collect()
    }
}

impl Column {
    /// Whether the column tells something about a person (a tag that starts with `pii:`).
    #[must_use]
    pub fn is_personal(&self) -> bool {
        self.tags.iter().any(|tag| tag.starts_with("pii:"))
    }

    /// Whether global policy must name a mask for it: personal, or classified confidential or above.
    #[must_use]
    pub fn needs_mask(&self) -> bool {
        self.is_personal() || self.classification >= Classification::Confidential
    }
}

impl fmt::Display for ColumnType {
    /// The ODCS `physicalType` that names the type.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Boolean => f.write_str("boolean"),
            Self::Int32 => f.write_str("int"),
            Self::Int64 => f.write_str("bigint"),
            Self::Float64 => f.write_str("double"),
            Self::Decimal { precision, scale } => write!(f, "decimal({precision},{scale})"),
            Self::Utf8 => f.write_str("string"),
            Self::Date => f.write_str("date"),
            Self::Timestamp => f.write_str("timestamp"),
        }
    }
}

#[cfg(feature = "arrow")]
mod arrow {
    use arrow_schema::{DataType, Field, Schema, TimeUnit};

    use super::{Column, ColumnType, Table};

    impl ColumnType {
        /// The Arrow type of the column. Timestamps are microseconds in UTC.
        #[must_use]
        pub fn arrow(self) -> DataType {
            match self {
                Self::Boolean => DataType::Boolean,
                Self::Int32 => DataType::Int32,
                Self::Int64 => DataType::Int64,
                Self::Float64 => DataType::Float64,
                Self::Decimal { precision, scale } => {
                    DataType::Decimal128(precision, i8::try_from(scale).unwrap_or(i8::MAX))
                }
                Self::Utf8 => DataType::Utf8,
                Self::Date => DataType::Date32,
                Self::Timestamp => DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
            }
        }
    }

    impl Column {
        #[must_use]
        pub fn field(&self) -> Field {
            Field::new(&self.name, self.ty.arrow(), !self.required)
        }
    }

    impl Table {
        #[must_use]
        pub fn schema(&self) -> Schema {
            Schema::new(self.columns.iter().map(Column::field).collect::<Vec<_>>())
        }
    }
}
