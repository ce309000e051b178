//! What a contract promises of a stored table: its columns, and which of them are sealed.

use std::collections::BTreeSet;

use malla_contract::{Classification, Column, ColumnType, Contract, Table};
use malla_lake::{Layer, TableId};

/// A table as the lake has it.
pub(crate) struct Stored {
    /// The columns of the contract, with those that the host adds before them.
    pub(crate) table: Table,
    sealed: BTreeSet<String>,
    /// Sealed columns that hold bytes as they came.
    bytes: BTreeSet<String>,
}

/// One column of it.
pub(crate) struct StoredColumn<'a> {
    pub(crate) column: &'a Column,
    /// Stored as sealed bytes.
    pub(crate) sealed: bool,
    /// What was sealed are bytes, shown as text.
    pub(crate) bytes: bool,
}

impl Stored {
    /// `None`: the contract has no such table.
    pub(crate) fn of(contract: &Contract, id: &TableId) -> Option<Self> {
        match id.layer() {
            Layer::Curated => Some(Self {
                table: contract.product(id.name())?.table.clone(),
                sealed: BTreeSet::new(),
                bytes: BTreeSet::new(),
            }),
            Layer::Raw => Some(Self::raw(&contract.source(id.name())?.table)),
            Layer::Quarantine => {
                contract.source(id.name())?;
                Some(Self::quarantine(id.name()))
            }
        }
    }

    /// Events as they came, after what the host knows of them. Columns that need a mask are sealed.
    fn raw(table: &Table) -> Self {
        let mut columns = vec![
            host("source_partition", ColumnType::Utf8),
            host("source_offset", ColumnType::Int64),
            host("fecha", ColumnType::Date),
        ];
        columns.extend(table.columns.iter().cloned());
        Self {
            sealed: table
                .columns
                .iter()
                .filter(|column| column.needs_mask())
                .map(|column| column.name.clone())
                .collect(),
            table: Table {
                columns,
                ..table.clone()
            },
            bytes: BTreeSet::new(),
        }
    }

    /// Nobody knows what is in a quarantined line: it is as secret as anything can be. A message is the plugin's own.
    fn quarantine(name: &str) -> Self {
        let line = Column {
            classification: Classification::Restricted,
            ..host("line", ColumnType::Utf8)
        };
        let columns = vec![
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
        ];
        Self {
            table: Table {
                name: name.to_owned(),
                description: None,
                columns,
            },
            sealed: BTreeSet::from(["line".to_owned()]),
            bytes: BTreeSet::from(["line".to_owned()]),
        }
    }

    pub(crate) fn columns(&self) -> impl Iterator<Item = StoredColumn<'_>> {
        self.table.columns.iter().map(|column| StoredColumn {
            column,
            sealed: self.sealed(&column.name),
            bytes: self.bytes.contains(&column.name),
        })
    }

    pub(crate) fn sealed(&self, column: &str) -> bool {
        self.sealed.contains(column)
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
        description: None,
    }
}
