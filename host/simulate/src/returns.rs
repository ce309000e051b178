//! One record of `ventas.devoluciones`, from its number alone: each return is of a sale of the same seed.

use std::io::Write as _;

use rand::rngs::Xoshiro256PlusPlus;
use rand::{Rng, RngExt};

use crate::Dirt;
use crate::business::{AMOUNT_WORDS, ODD_CURRENCIES, ODD_REASONS, REASONS};
use crate::csv::{Export, Record};
use crate::line::{write_id, write_time};
use crate::parquet::{Column, Kind};
use crate::random::{self, mix, one_of, weighted};
use crate::sales::{Sale, Sales};
use crate::source::{Placed, Stream};

/// So that returns have other random numbers than the sales that they are of.
const SALT: u64 = 0xde70;
/// Of so many events of ventas one is a return: return n is of one of the sales from n times one less on, which are written
/// before it.
pub(crate) const ONE_IN: u64 = 20;
/// Sales of a return that it passes over, so that one before a dirty sale is still no other return's.
const MARGIN: u64 = 10;
/// Microseconds of a millisecond, to which times are told.
const MILLI: i64 = 1000;

/// The nightly exports of one seed.
#[derive(Debug)]
pub(crate) struct Returns {
    seed: u64,
    now: i64,
    sales: Sales,
    export: Export,
}

impl Stream for Returns {
    fn write(&self, index: u64, out: &mut Vec<u8>) -> Placed {
        let mut random = random::of_event(self.seed ^ SALT, index);
        let dirt = random::dirt(
            self.export.dirt(&Dirt::RETURNS, &Dirt::RETURNS_COLUMNS),
            &mut random,
        );
        let first = index.saturating_mul(ONE_IN - 1).saturating_add(MARGIN);
        let sale = first.saturating_add(random.random_range(0..ONE_IN - 1 - MARGIN));
        let back = self.draw(index, self.sales.clean(sale), &mut random);
        back.write(dirt.map(|dirt| (dirt, random.next_u64())), self.export, out);
        Placed { partition: 0, dirt }
    }
}

impl Returns {
    /// The first line of its files.
    pub(crate) const HEADER: &'static str =
        "devolucion_id,transaccion_id,cliente_id,motivo,comentario,monto,moneda,region,timestamp";

    /// Its columns.
    pub(crate) const COLUMNS: [Column; 9] = [
        ("devolucion_id", Kind::Text),
        ("transaccion_id", Kind::Text),
        ("cliente_id", Kind::Text),
        ("motivo", Kind::Text),
        ("comentario", Kind::Text),
        ("monto", Kind::Amount),
        ("moneda", Kind::Text),
        ("region", Kind::Text),
        ("timestamp", Kind::Time),
    ];

    pub(crate) fn new(seed: u64, now: i64, export: Export) -> Self {
        Self {
            export,
            seed,
            now,
            sales: Sales::new(seed, now),
        }
    }

    fn draw(&self, index: u64, sale: Sale, random: &mut Xoshiro256PlusPlus) -> Return {
        let reason = weighted(&REASONS.map(|(_, share, _)| share), random.next_u64());
        let (reason, _, words) = REASONS.get(reason).copied().unwrap_or(REASONS[0]);
        // Half of the customers say more than they must.
        let comment = (random.random_range(0..2) == 0).then(|| one_of(&words, random.next_u64()));
        // Two in three bring all of it back.
        let cents = match random.random_range(0..3) {
            0 => ((sale.cents as f64 * (0.2 + 0.6 * random.random::<f64>())) as u64).max(1),
            _ => sale.cents,
        };
        let since = self.now.saturating_sub(sale.micros).max(0);
        let at = sale.micros + (since as f64 * random.random::<f64>()) as i64;
        Return {
            id: (mix(self.seed ^ SALT), index),
            reason,
            comment,
            cents,
            at: at / MILLI * MILLI,
            sale,
        }
    }
}

#[derive(Debug)]
struct Return {
    /// Two halves of an id: the seed's and the return's own.
    id: (u64, u64),
    sale: Sale,
    reason: &'static str,
    comment: Option<&'static str>,
    cents: u64,
    at: i64,
}

impl Return {
    /// The record, in the order of [`Returns::HEADER`].
    fn write(&self, dirty: Option<(Dirt, u64)>, export: Export, out: &mut Vec<u8>) {
        let (dirt, choice) = dirty.map_or((None, 0), |(dirt, choice)| (Some(dirt), choice));
        let (whole, cents) = (self.cents / 100, self.cents % 100);
        let mut record = Record::new(out, export);
        record.with(|out| {
            if dirt != Some(Dirt::MissingDevolucion) {
                write_id(self.id.0, self.id.1, out);
            }
        });
        record.with(|out| {
            if dirt != Some(Dirt::MissingTransaccion) {
                write_id(self.sale.id.0, self.sale.id.1, out);
            }
        });
        record.with(|out| {
            if dirt != Some(Dirt::MissingCliente) {
                self.sale.write_customer(out);
            }
        });
        record.text(match dirt {
            Some(Dirt::UnknownReason) => one_of(&ODD_REASONS, choice),
            _ => self.reason,
        });
        // A dirty record has no quotes: it must cost nothing but itself.
        record.text(self.comment.filter(|_| dirt.is_none()).unwrap_or_default());
        // Writing to a `Vec` cannot fail.
        record.with(|out| {
            let _ = match dirt {
                Some(Dirt::MontoAsWords) => write!(out, "{}", one_of(&AMOUNT_WORDS, choice)),
                Some(Dirt::MontoTooPrecise) => write!(out, "{whole}.{cents:02}5"),
                Some(Dirt::MontoNegative) => write!(out, "-{whole}.{cents:02}"),
                Some(Dirt::MontoZero) => write!(out, "0.00"),
                _ => write!(out, "{whole}.{cents:02}"),
            };
        });
        record.text(match dirt {
            Some(Dirt::UnknownCurrency) => one_of(&ODD_CURRENCIES, choice),
            _ => self.sale.currency,
        });
        record.text(self.sale.region);
        record.with(|out| {
            if dirt != Some(Dirt::MissingTimestamp) {
                write_time(self.at, out, (dirt == Some(Dirt::BadTimestamp)).then_some(choice));
            }
        });
        record.end(dirty);
    }
}
