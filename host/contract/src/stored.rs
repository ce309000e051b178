//! The tables that the host keeps of a source, whose columns no contract names.

use std::collections::BTreeSet;

use crate::{Classification, Column, ColumnType, Source, Table};

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
