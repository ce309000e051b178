//! The tables that contracts promise, by the names that rules use.

use std::borrow::Cow;

use malla_contract::{Contract, Table};

/// One table of a domain.
pub(crate) struct MeshTable<'a> {
    /// `ventas.transacciones` for a product, `ventas_raw.transacciones` for a source's events,
    /// `ventas_quarantine.transacciones` for those that came to nothing, `ventas_quality.transacciones` for what the
    /// checks of a product found.
    pub(crate) object: String,
    pub(crate) contract: &'a Contract,
    pub(crate) table: Cow<'a, Table>,
    /// Whether it holds events as they came.
    pub(crate) raw: bool,
    /// Whether what needs a mask is sealed in it.
    pub(crate) sealed: bool,
    /// Whether the plugin is who writes it; else the host does, of its own accord.
    pub(crate) of_plugin: bool,
}

impl MeshTable<'_> {
    pub(crate) fn domain(&self) -> &str {
        &self.contract.domain
    }
}

/// Products first, then sources, then what is in quarantine, then results of checks, for each contract in turn.
pub(crate) fn tables(contracts: &[Contract]) -> Vec<MeshTable<'_>> {
    let mut tables = Vec::new();
    for contract in contracts {
        let domain = &contract.domain;
        // What no plugin makes is the host's own, and is not judged.
        let of_plugin = !(contract.steps.is_empty() && contract.gold.is_empty());
        tables.extend(contract.products.iter().map(|product| MeshTable {
            object: format!("{domain}.{}", product.name),
            contract,
            table: Cow::Borrowed(&product.table),
            raw: false,
            sealed: false,
            of_plugin,
        }));
        tables.extend(contract.sources.iter().map(|source| MeshTable {
            object: format!("{domain}_raw.{}", source.name),
            contract,
            table: Cow::Owned(source.raw()),
            raw: true,
            sealed: true,
            of_plugin: true,
        }));
        tables.extend(contract.sources.iter().map(|source| MeshTable {
            object: format!("{domain}_quarantine.{}", source.name),
            contract,
            table: Cow::Owned(source.quarantine()),
            raw: false,
            sealed: true,
            of_plugin: true,
        }));
        let judged = contract.products.iter().filter(|_| of_plugin);
        tables.extend(judged.map(|product| MeshTable {
            object: format!("{domain}_quality.{}", product.name),
            contract,
            table: Cow::Owned(product.results()),
            raw: false,
            sealed: false,
            of_plugin: false,
        }));
    }
    tables
}
