//! The tables of contracts, as lineage tells of them.

use malla_contract::{Contract, Product, Source, Table};
use malla_lake::{Layer, TableId};
use malla_lineage::{Column, Place, Table as Told};

use crate::config::SourceConfig;
use crate::plugins::table_of;

/// A table that a contract speaks of.
pub(super) struct Found<'a> {
    pub(super) contract: &'a Contract,
    pub(super) table: Table,
    pub(super) id: TableId,
}

/// The table of a name such as `ventas.transacciones` or `ventas_raw.transacciones`.
pub(super) fn find<'a>(contracts: &'a [Contract], object: &str) -> Option<Found<'a>> {
    let (schema, name) = object.split_once('.')?;
    let of = |domain: &str| contracts.iter().find(|contract| contract.domain == domain);
    let in_layer = |suffix: &str| schema.strip_suffix(suffix).and_then(of);
    let found = |contract: &'a Contract, table, layer| {
        Some(Found {
            contract,
            table,
            id: TableId::new(&contract.domain, layer, name).ok()?,
        })
    };
    if let Some(contract) = in_layer("_raw") {
        return found(contract, contract.source(name)?.raw(), Layer::Raw);
    }
    if let Some(contract) = in_layer("_quarantine") {
        return found(contract, contract.source(name)?.quarantine(), Layer::Quarantine);
    }
    if let Some(contract) = in_layer("_quality") {
        return found(contract, contract.product(name)?.results(), Layer::Quality);
    }
    let contract = of(schema)?;
    let product = contract.product(name)?;
    Some(Found {
        contract,
        table: product.table.clone(),
        id: table_of(contract, product).ok()?,
    })
}

impl Found<'_> {
    pub(super) fn told(&self, object: &str) -> Told {
        told(
            object,
            Place::Lake(self.id.to_string()),
            &self.table,
            self.contract,
        )
    }
}

pub(super) fn product(contract: &Contract, product: &Product, id: &TableId) -> Told {
    let object = format!("{}.{}", contract.domain, product.name);
    told(&object, Place::Lake(id.to_string()), &product.table, contract)
}

/// Events where they come from.
pub(super) fn source(contract: &Contract, source: &Source, place: &SourceConfig) -> Told {
    let place = match place {
        SourceConfig::Directory(folder) => Place::Folder(folder.display().to_string()),
        SourceConfig::Kafka(kafka) => Place::Kafka {
            server: kafka.first_broker(),
            topic: kafka.topic.clone(),
        },
        SourceConfig::Sftp(sftp) => Place::Sftp {
            server: sftp.host.clone(),
            folder: sftp.folder.clone(),
        },
    };
    told(&source_object(contract, source), place, &source.table, contract)
}

pub(super) fn source_object(contract: &Contract, source: &Source) -> String {
    format!("{}_raw.{}", contract.domain, source.name)
}

pub(super) fn told(object: &str, place: Place, table: &Table, contract: &Contract) -> Told {
    let columns = table.columns.iter().map(|column| Column {
        name: column.name.clone(),
        ty: column.ty.to_string(),
        description: column.description.clone(),
        classification: column.classification.to_string(),
        tags: column.tags.iter().cloned().collect(),
    });
    Told {
        object: object.to_owned(),
        place,
        description: table.description.clone(),
        owner: contract.owner.clone(),
        columns: columns.collect(),
    }
}
