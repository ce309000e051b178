//! The sources that have simulated events.

use std::fmt;

use crate::Dirt;
use crate::business::PRODUCTS;
use crate::catalogue::{Catalogue, Changes};
use crate::csv::Export;
use crate::parquet::Column;
use crate::returns::{ONE_IN, Returns};
use crate::sales::Sales;
use crate::shipments::Shipments;

/// Partitions of a source that has several.
pub(crate) const PARTITIONS: u64 = 4;

/// The events of one source and seed.
pub(crate) trait Stream: fmt::Debug {
    /// Appends the line of event `index`, or its record where a line is not enough, with its line end.
    fn write(&self, index: u64, out: &mut Vec<u8>) -> Placed;
}

/// Where a line goes, and how it is dirty.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Placed {
    pub(crate) partition: u64,
    pub(crate) dirt: Option<Dirt>,
}

/// A source of a domain's contract.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Source {
    Transacciones,
    Devoluciones,
    Envios,
    Catalogo,
    Cambios,
}

impl Source {
    /// Every source, in the order of the contracts.
    pub(crate) const ALL: [Self; 5] = [
        Self::Transacciones,
        Self::Devoluciones,
        Self::Envios,
        Self::Catalogo,
        Self::Cambios,
    ];

    pub(crate) fn domain(self) -> &'static str {
        match self {
            Self::Transacciones | Self::Devoluciones => "ventas",
            Self::Envios => "logistica",
            Self::Catalogo | Self::Cambios => "producto",
        }
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Transacciones => "transacciones",
            Self::Devoluciones => "devoluciones",
            Self::Envios => "envios",
            Self::Catalogo => "catalogo",
            Self::Cambios => "cambios",
        }
    }

    /// The first line of a nightly export in CSV; the others are JSON Lines.
    pub(crate) fn header(self) -> Option<&'static str> {
        match self {
            Self::Devoluciones => Some(Returns::HEADER),
            Self::Catalogo => Some(Catalogue::HEADER),
            Self::Transacciones | Self::Envios | Self::Cambios => None,
        }
    }

    /// The columns of a nightly export.
    pub(crate) fn columns(self) -> Option<&'static [Column]> {
        match self {
            Self::Devoluciones => Some(&Returns::COLUMNS),
            Self::Catalogo => Some(&Catalogue::COLUMNS),
            Self::Transacciones | Self::Envios | Self::Cambios => None,
        }
    }

    /// A nightly export is one file; the others are written in several places at once.
    pub(crate) fn partitions(self) -> u64 {
        match self.header() {
            Some(_) => 1,
            None => PARTITIONS,
        }
    }

    /// Of so many events of the domain, how many are this source's. Those of all its sources are all of them.
    pub(crate) fn share(self, events: u64) -> u64 {
        let catalogue = PRODUCTS.min(events / 2);
        let returns = events / ONE_IN;
        match self {
            Self::Transacciones => events - returns,
            Self::Devoluciones => returns,
            Self::Envios => events,
            Self::Catalogo => catalogue,
            Self::Cambios => events - catalogue,
        }
    }

    /// The events of a seed, the newest of them at `now`: Unix time in microseconds.
    pub(crate) fn stream(self, seed: u64, now: i64, export: Export) -> Box<dyn Stream> {
        match self {
            Self::Transacciones => Box::new(Sales::new(seed, now)),
            Self::Devoluciones => Box::new(Returns::new(seed, now, export)),
            Self::Envios => Box::new(Shipments::new(seed, now)),
            Self::Catalogo => Box::new(Catalogue::new(seed, export)),
            Self::Cambios => Box::new(Changes::new(seed, now)),
        }
    }
}
