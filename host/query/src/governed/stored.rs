//! What a contract promises of a stored table: its columns, and which of them are sealed.

use std::collections::BTreeSet;

use malla_contract::{Column, Contract, Table};
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
            // A product that moved from one layer to the other leaves a table behind that nothing promises.
            Layer::Curated | Layer::Gold
                if (id.layer() == Layer::Gold) != contract.gold(id.name()).is_some() =>
            {
                None
            }
            Layer::Curated | Layer::Gold => Some(Self {
                table: contract.product(id.name())?.table.clone(),
                sealed: BTreeSet::new(),
                bytes: BTreeSet::new(),
            }),
            Layer::Raw => {
                let table = contract.source(id.name())?.raw();
                Some(Self {
                    sealed: sealed(&table),
                    bytes: BTreeSet::new(),
                    table,
                })
            }
            Layer::Quality => Some(Self {
                table: contract.product(id.name())?.results(),
                sealed: BTreeSet::new(),
                bytes: BTreeSet::new(),
            }),
            Layer::Quarantine => {
                let table = contract.source(id.name())?.quarantine();
                Some(Self {
                    sealed: sealed(&table),
                    bytes: sealed(&table),
                    table,
                })
            }
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

/// The columns of a raw or quarantine table that are stored as sealed bytes.
fn sealed(table: &Table) -> BTreeSet<String> {
    let columns = table.columns.iter().filter(|column| column.needs_mask());
    columns.map(|column| column.name.clone()).collect()
}
