//! The tables that the host keeps of a source or a product, whose columns no contract names.

use std::collections::BTreeSet;

use crate::{Classification, Column, ColumnType, Product, Source, Table};

impl Source {
    /// Events as they came, behind what the host knows of each. The columns that need a mask are stored sealed.
    #[must_use]
    pub fn raw(&self) -> Table {
        let mut columns = vec![
            host("source_partition", ColumnType::Utf8),
            host("source_offset", ColumnType::Int64),
            host("fecha", ColumnType::Date),
        ];
        columns.extend(self.table.columns.iter().cloned());
        Table {
            columns,
            ..self.table.clone()
        }
    }

    /// What went wrong, with the line it went wrong in. Nobody knows what is in such a line: it is as secret as anything can
    /// be, and holds what any column of the source may. It is stored sealed. A message is the plugin's own.
    #[must_use]
    pub fn quarantine(&self) -> Table {
        let columns = self.table.columns.iter();
        let line = Column {
            classification: Classification::Restricted,
            holds: columns.flat_map(|column| column.tags.iter().cloned()).collect(),
            ..host("line", ColumnType::Utf8)
        };
        Table {
            name: self.name.clone(),
            description: None,
            quality: Vec::new(),
            columns: vec![
                host("fecha", ColumnType::Date),
                host("region", ColumnType::Utf8),
                host("source_partition", ColumnType::Utf8),
                host("source_offset", ColumnType::Int64),
                host("quarantined_at", ColumnType::Timestamp),
                host("stage", ColumnType::Utf8),
                host("product", ColumnType::Utf8),
                host("plugin", ColumnType::Utf8),
                host("rule", ColumnType::Utf8),
                host("message", ColumnType::Utf8),
                line,
            ],
        }
    }
}

impl Product {
    /// What the checks of its contract found, a row for each check and judging. Counts, and names of the contract; values of
    /// rows only of columns that need no mask and do not say whom a row is about.
    #[must_use]
    pub fn results(&self) -> Table {
        let of = |name: &str, ty: ColumnType, required: bool, description: &str| Column {
            required,
            description: Some(description.to_owned()),
            ..host(name, ty)
        };
        let text = |name: &str, description: &str| of(name, ColumnType::Utf8, true, description);
        let maybe = |name: &str, ty, description: &str| of(name, ty, false, description);
        let count = |name: &str, description: &str| of(name, ColumnType::Int64, true, description);
        let (utf8, bigint) = (ColumnType::Utf8, ColumnType::Int64);
        Table {
            name: self.name.clone(),
            description: Some("Results of the checks of quality that the contract holds.".to_owned()),
            quality: Vec::new(),
            columns: vec![
                of("fecha", ColumnType::Date, true, "UTC day of `run_time`."),
                of("run_time", ColumnType::Timestamp, true, "When it was judged."),
                maybe(
                    "table_version",
                    bigint,
                    "The version that was judged; null for rows that were not published.",
                ),
                maybe(
                    "after_version",
                    bigint,
                    "Of a check that is counted commit by commit: the version after which was counted.",
                ),
                text("contract_version", "Version of the contract."),
                text("plugin", "Digest of the plugin."),
                text("check", "Name of the check."),
                maybe(
                    "column",
                    utf8,
                    "Its columns, with commas; null if it is of the table.",
                ),
                text("kind", "What it counts, such as `not_null`."),
                maybe("dimension", utf8, "Dimension of ODCS, such as `completeness`."),
                text("severity", "`error` or `warning`."),
                text(
                    "level",
                    "`row`: a row by itself is good or not; `table`: many rows together are.",
                ),
                text("expectation", "Name of the expectation or metric."),
                text("kwargs", "Its arguments, as JSON."),
                maybe(
                    "success",
                    ColumnType::Boolean,
                    "Whether it was kept; null if it could not be judged.",
                ),
                count("element_count", "Rows looked at."),
                count("missing_count", "Rows of those that were passed over."),
                count("unexpected_count", "Rows that break the check."),
                maybe(
                    "unexpected_percent",
                    ColumnType::Float64,
                    "Hundredths of the rows that were not passed over.",
                ),
                maybe(
                    "partial_unexpected_list",
                    utf8,
                    "Some values that break it, as JSON; null where they may not be shown.",
                ),
                of(
                    "complete",
                    ColumnType::Boolean,
                    true,
                    "Whether every row was looked at.",
                ),
                maybe("message", utf8, "Why it could not be judged."),
            ],
        }
    }
}

/// A column that the host adds to a table.
fn host(name: &str, ty: ColumnType) -> Column {
    Column {
        name: name.to_owned(),
        ty,
        required: false,
        unique: false,
        primary_key: false,
        partition: None,
        classification: Classification::Internal,
        tags: BTreeSet::new(),
        holds: BTreeSet::new(),
        description: None,
        quality: Vec::new(),
    }
}
