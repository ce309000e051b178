//! The tables that contracts promise, by the names that rules use.

use malla_contract::{Contract, Table};

/// One table of a domain.
pub(crate) struct MeshTable<'a> {
    /// `ventas.transacciones` for a product, `ventas_raw.transacciones` for a source's events.
    pub(crate) object: String,
    pub(crate) contract: &'a Contract,
    pub(crate) table: &'a Table,
    /// Whether it holds events as they came.
    pub(crate) raw: bool,
}

impl MeshTable<'_> {
    pub(crate) fn domain(&self) -> &str {
        &self.contract.domain
    }
}

/// Products first, then sources, for each contract in turn.
pub(crate) fn tables(contracts: &[Contract]) -> Vec<MeshTable<'_>> {
    let mut tables = Vec::new();
    for contract in contracts {
        let domain = &contract.domain;
        tables.extend(contract.products.iter().map(|product| MeshTable {
            object: format!("{domain}.{}", product.name),
            contract,
            table: &product.table,
            raw: false,
        }));
        tables.extend(contract.sources.iter().map(|source| MeshTable {
            object: format!("{domain}_raw.{}", source.name),
            contract,
            table: &source.table,
            raw: true,
        }));
    }
    tables
}
