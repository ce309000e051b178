//! The sources that have simulated events.

use std::fmt;

use crate::Dirt;
use crate::business::PRODUCTS;
use crate::catalogue::{Catalogue, Changes};
use crate::sales::Sales;
use crate::shipments::Shipments;

/// Partitions of a source that has several.
pub(crate) const PARTITIONS: u64 = 4;

/// The events of one source and seed.
pub(crate) trait Stream: fmt::Debug {
    /// Appends the line of event `index`, with its line end.
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
    Envios,
    Catalogo,
    Cambios,
}

impl Source {
    /// Every source, in the order of the contracts.
    pub(crate) const ALL: [Self; 4] = [Self::Transacciones, Self::Envios, Self::Catalogo, Self::Cambios];

    pub(crate) fn domain(self) -> &'static str {
        match self {
            Self::Transacciones => "ventas",
            Self::Envios => "logistica",
            Self::Catalogo | Self::Cambios => "producto",
        }
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Transacciones => "transacciones",
            Self::Envios => "envios",
            Self::Catalogo => "catalogo",
            Self::Cambios => "cambios",
        }
    }

    /// A nightly export is one file; the others are written in several places at once.
    pub(crate) fn partitions(self) -> u64 {
        match self {
            Self::Catalogo => 1,
            _ => PARTITIONS,
        }
    }

    /// Of so many events of the domain, how many are this source's. Those of all its sources are all of them.
    pub(crate) fn share(self, events: u64) -> u64 {
        let catalogue = PRODUCTS.min(events / 2);
        match self {
            Self::Transacciones | Self::Envios => events,
            Self::Catalogo => catalogue,
            Self::Cambios => events - catalogue,
        }
    }

    /// The events of a seed, the newest of them at `now`: Unix time in microseconds.
    pub(crate) fn stream(self, seed: u64, now: i64) -> Box<dyn Stream> {
        match self {
            Self::Transacciones => Box::new(Sales::new(seed, now)),
            Self::Envios => Box::new(Shipments::new(seed, now)),
            Self::Catalogo => Box::new(Catalogue::new(seed)),
            Self::Cambios => Box::new(Changes::new(seed, now)),
        }
    }
}
