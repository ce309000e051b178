//! A contract as values, after parsing and validation.

use std::collections::BTreeSet;
use std::fmt;

use semver::Version;

use crate::{Check, CheckSeverity, Classification, Format, Retention};

/// What a domain promises: where its data comes from, what its plugin does with it, and what it publishes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Contract {
    /// ODCS `id`: stays the same over all versions.
    pub id: String,
    /// For people. The id where the contract has none.
    pub name: String,
    /// Semantic version: see [`compare`](crate::compare) for what each part promises.
    pub version: Version,
    /// ODCS life-cycle word: `draft`, `active`, `deprecated`, `retired`, ...
    pub status: String,
    /// The first part of every table name, and who the plugin is to policies: the business domain, and from version 2.0.0 on
    /// its major version too (`ventas`, `ventas_v2`), so that two of them can live side by side.
    pub domain: String,
    /// ODCS `description.purpose`.
    pub description: Option<String>,
    /// Name of the owning team.
    pub owner: Option<String>,
    /// What the plugin processes data for (`mallaPurpose`): the purpose that policies see when it asks for raw values.
    /// `[a-z][a-z0-9_]*`, with `-` between words. `None`: no rule that is tied to a purpose speaks of the plugin.
    pub purpose: Option<String>,
    /// In the order of `mallaSources`. Names are unique.
    pub sources: Vec<Source>,
    /// The schema objects that no source uses, in their order. Names are unique; exactly one step or one
    /// query makes each.
    pub products: Vec<Product>,
    /// In the order of `mallaSteps`. Names are unique.
    pub steps: Vec<Step>,
    /// In the order of `mallaGold`. Products are unique.
    pub gold: Vec<Gold>,
    /// In the order of `mallaFunctions`. Names are unique, and none is that of a step or of a function of SQL.
    pub functions: Vec<Function>,
    /// In the order of `mallaLookups`. Names are unique.
    pub lookups: Vec<Lookup>,
}

/// Events as they arrive (`mallaSources`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// `[a-z][a-z0-9_]*`.
    pub name: String,
    /// The shape of one event. Its name is that of the ODCS schema object.
    pub table: Table,
    /// The required timestamp column that says when the event happened, in business time. Raw tables get their `fecha` from it.
    pub event_time: Option<String>,
    /// How one event is written.
    pub format: Format,
}

/// A table that the domain publishes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Product {
    /// `[a-z][a-z0-9_]*`, with `-` between words: the last part of the table's name.
    pub name: String,
    /// What is published. Its name is that of the product.
    pub table: Table,
    /// How long its rows are kept. `None`: for ever.
    pub retention: Option<Retention>,
}

/// A function of the plugin: from the rows of one source to the rows of one product (`mallaSteps`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// `[a-z][a-z0-9_]*`: the name of the plugin's function.
    pub name: String,
    /// Name of the source that feeds it.
    pub source: String,
    /// Name of the product that it makes.
    pub product: String,
    /// Source columns that enter the sandbox, in this order, each once. No other column does.
    pub reads: Vec<String>,
    /// Names of the rules by which the step may reject a row.
    pub rules: Vec<String>,
}

/// A product that a query makes of others (`mallaGold`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gold {
    /// Name of the product that it makes.
    pub product: String,
    /// One `SELECT` over products of this and other domains.
    pub sql: String,
}

/// A scalar function of the plugin, which its own SQL calls (`mallaFunctions`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Function {
    /// `[a-z][a-z0-9_]*`: the name in SQL, and of the plugin's function.
    pub name: String,
    /// For people.
    pub description: Option<String>,
    /// In the order of a call. Never empty, names unique.
    pub arguments: Vec<Argument>,
    /// The type of its result.
    pub returns: ColumnType,
    /// It never gives null, except where an argument that it requires is null.
    pub returns_required: bool,
}

/// What a function is given for a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Argument {
    /// `[a-z][a-z0-9_]*`.
    pub name: String,
    /// From `physicalType`.
    pub ty: ColumnType,
    /// The function is not asked where this is null: the result is null.
    pub required: bool,
    /// For people.
    pub description: Option<String>,
}

/// A constant table of the contract (`mallaLookups`): text to decimal, exact.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lookup {
    /// `[a-z][a-z0-9_]*`.
    pub name: String,
    /// Digits after the decimal point of every value in this lookup, at most 38.
    pub scale: u8,
    /// In the contract's order. Keys are unique.
    pub entries: Vec<LookupEntry>,
}

/// One line of a lookup.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LookupEntry {
    /// Any text.
    pub key: String,
    /// The value times ten to the power of the lookup's scale, at most 38 digits.
    pub unscaled: i128,
}

/// The shape of an event or of a product's rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table {
    /// Name of the ODCS schema object.
    pub name: String,
    /// For people.
    pub description: Option<String>,
    /// In the contract's order. Never empty, names unique.
    pub columns: Vec<Column>,
    /// What is promised of the table as a whole, in the contract's order. [`checks`](Self::checks) has those of its columns too.
    pub quality: Vec<Check>,
}

/// One column of a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    /// `[a-z][a-z0-9_]*`. It may be a Rust keyword, such as `type`: see [`rust_identifier`](crate::rust_identifier).
    pub name: String,
    /// From `logicalType` and `physicalType`.
    pub ty: ColumnType,
    /// No nulls allowed.
    pub required: bool,
    /// No value twice.
    pub unique: bool,
    /// Part of the primary key; then also required.
    pub primary_key: bool,
    /// Place among the partition columns, from 1. `None`: not a partition column. Never set on a column that needs a
    /// mask: the values of partition columns stand in the names of folders.
    pub partition: Option<u32>,
    /// How sensitive its values are.
    pub classification: Classification,
    /// `pii:email`, `pii:card`, `pii:name`, `pii:phone`, `pii:address`, `subject`, or the domain's own.
    pub tags: BTreeSet<String>,
    /// Tags of values that may stand inside of its own, as in a line that was not decoded. Who may not see those may not
    /// see it; who may see them may not therefore see it. Empty for every column of a contract.
    pub holds: BTreeSet<String>,
    /// For people.
    pub description: Option<String>,
    /// What is promised of its values, in the contract's order.
    pub quality: Vec<Check>,
}

/// The types that cross the boundary.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ColumnType {
    /// True or false.
    Boolean,
    /// 32 bits, signed.
    Int32,
    /// 64 bits, signed.
    Int64,
    /// 64 bits, IEEE 754.
    Float64,
    /// At most 38 digits, `scale` of them after the point.
    Decimal {
        /// Digits in all, 1 to 38.
        precision: u8,
        /// Digits after the point, 0 to `precision`.
        scale: u8,
    },
    /// Text.
    Utf8,
    /// Days since 1970-01-01.
    Date,
    /// Microseconds since 1970-01-01T00:00:00Z.
    Timestamp,
}

impl Contract {
    /// The business domain, whichever the major version.
    #[must_use]
    pub fn family(&self) -> &str {
        crate::parse::family(&self.domain)
    }

    /// The source of that name.
    #[must_use]
    pub fn source(&self, name: &str) -> Option<&Source> {
        self.sources.iter().find(|source| source.name == name)
    }

    /// The product of that name.
    #[must_use]
    pub fn product(&self, name: &str) -> Option<&Product> {
        self.products.iter().find(|product| product.name == name)
    }

    /// The step of that name.
    #[must_use]
    pub fn step(&self, name: &str) -> Option<&Step> {
        self.steps.iter().find(|step| step.name == name)
    }

    /// The query that makes a product, if one does.
    #[must_use]
    pub fn gold(&self, product: &str) -> Option<&Gold> {
        self.gold.iter().find(|gold| gold.product == product)
    }

    /// The function of that name.
    #[must_use]
    pub fn function(&self, name: &str) -> Option<&Function> {
        self.functions.iter().find(|function| function.name == name)
    }

    /// The steps that a source feeds.
    pub fn steps_of<'a>(&'a self, source: &'a str) -> impl Iterator<Item = &'a Step> {
        self.steps.iter().filter(move |step| step.source == source)
    }
}

impl Lookup {
    /// The unscaled value of a key.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<i128> {
        self.entries
            .iter()
            .find(|entry| entry.key == key)
            .map(|entry| entry.unscaled)
    }
}

impl Table {
    /// The column of that name.
    #[must_use]
    pub fn column(&self, name: &str) -> Option<&Column> {
        self.columns.iter().find(|column| column.name == name)
    }

    /// Place of a column, from 0.
    #[must_use]
    pub fn index_of(&self, name: &str) -> Option<usize> {
        self.columns.iter().position(|column| column.name == name)
    }

    /// Every check of the table: its own, then those of its columns.
    pub fn checks(&self) -> impl Iterator<Item = &Check> {
        let of_columns = self.columns.iter().flat_map(|column| &column.quality);
        self.quality.iter().chain(of_columns)
    }

    /// Whether a check can hold the table back: one that judges many rows together, and whose failure is an error.
    #[must_use]
    pub fn may_be_held_back(&self) -> bool {
        self.checks()
            .any(|check| check.severity == CheckSeverity::Error && !check.is_row_level())
    }

    /// The column that says whom a row is about (tag `subject`), if there is one.
    #[must_use]
    pub fn subject(&self) -> Option<&Column> {
        self.columns.iter().find(|column| column.tags.contains("subject"))
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

impl fmt::Display for Function {
    /// `dias(desde date, hasta date required) int`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let required = |required| if required { " required" } else { "" };
        write!(f, "{}(", self.name)?;
        for (i, argument) in self.arguments.iter().enumerate() {
            let comma = if i == 0 { "" } else { ", " };
            let (name, ty) = (&argument.name, argument.ty);
            write!(f, "{comma}{name} {ty}{}", required(argument.required))?;
        }
        write!(f, ") {}{}", self.returns, required(self.returns_required))
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
pub use arrow::type_name;

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

    /// An Arrow type by the contract's word for it, so that people read of one set of types. Another is named as Arrow does.
    #[must_use]
    pub fn type_name(ty: &DataType) -> String {
        match ty {
            DataType::Decimal128(precision, scale) => format!("decimal({precision},{scale})"),
            DataType::Binary => "sealed".to_owned(),
            DataType::Timestamp(..) => ColumnType::Timestamp.to_string(),
            other => [
                ColumnType::Boolean,
                ColumnType::Int32,
                ColumnType::Int64,
                ColumnType::Float64,
                ColumnType::Utf8,
                ColumnType::Date,
            ]
            .into_iter()
            .find(|known| known.arrow() == *other)
            .map_or_else(|| other.to_string(), |known| known.to_string()),
        }
    }

    impl Column {
        /// The Arrow field of the column: nullable unless required.
        #[must_use]
        pub fn field(&self) -> Field {
            Field::new(&self.name, self.ty.arrow(), !self.required)
        }
    }

    impl Table {
        /// The Arrow schema of the table.
        #[must_use]
        pub fn schema(&self) -> Schema {
            Schema::new(self.columns.iter().map(Column::field).collect::<Vec<_>>())
        }
    }
}
