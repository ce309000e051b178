//! One event of `logistica.envios`, from its number alone: each shipment is of a sale of the same seed.

use std::io::Write as _;

use rand::rngs::Xoshiro256PlusPlus;
use rand::{Rng, RngExt};

use crate::Dirt;
use crate::business::{CARRIERS, ODD_CARRIERS, ODD_STATES, STREETS, warehouse};
use crate::clock::MICROS_PER_HOUR;
use crate::line::{spoil, write_id, write_time};
use crate::random::{self, mix, one_of, weighted};
use crate::returns::ONE_IN;
use crate::sales::{Sale, Sales};
use crate::source::{PARTITIONS, Placed, Stream};

/// So that shipments have other random numbers than the sales that they carry.
const SALT: u64 = 0xe771;
/// Microseconds of a millisecond, to which times are told.
const MILLI: i64 = 1000;

/// What does not change from shipment to shipment of one seed.
#[derive(Debug)]
pub(crate) struct Shipments {
    seed: u64,
    now: i64,
    sales: Sales,
}

impl Stream for Shipments {
    fn write(&self, index: u64, out: &mut Vec<u8>) -> Placed {
        let mut random = random::of_event(self.seed ^ SALT, index);
        let partition = mix(index ^ SALT) % PARTITIONS;
        let dirt = random::dirt(&Dirt::SHIPMENTS, &mut random);
        // As many events of ventas have fewer sales: some go out as two parcels. A dirty sale is not in the lake, so the one before
        // it goes out twice too.
        let sale = index - index.div_ceil(ONE_IN);
        let shipment = self.shipment(index, self.sales.clean(sale), &mut random);
        let start = out.len();
        match dirt {
            None => shipment.write(out, None),
            Some(dirt) => {
                let choice = random.next_u64();
                shipment.dirty(dirt).write(out, Some((dirt, choice)));
                // In the middle of the id.
                spoil(dirt, choice, start, 25, out);
            }
        }
        out.push(b'\n');
        Placed { partition, dirt }
    }
}

impl Shipments {
    pub(crate) fn new(seed: u64, now: i64) -> Self {
        Self {
            seed,
            now,
            sales: Sales::new(seed, now),
        }
    }

    fn shipment(&self, index: u64, sale: Sale, random: &mut Xoshiro256PlusPlus) -> Shipment {
        let carrier = weighted(&CARRIERS.map(|(_, share, _)| share), random.next_u64());
        let (carrier, _, promised_hours) = CARRIERS.get(carrier).copied().unwrap_or(CARRIERS[0]);
        // An hour to a day and a half until it is packed; sooner if nothing later has happened yet.
        let since = self.now.saturating_sub(sale.micros).max(0);
        let packing = between(1.0, 36.0, random);
        let packed = if packing > since {
            (since as f64 * random.random::<f64>()) as i64
        } else {
            packing
        };
        let left = (sale.micros + packed) / MILLI * MILLI;
        // One in nine is late.
        let promised = f64::from(promised_hours);
        let on_the_way = if random.random_range(0..9) == 0 {
            between(promised * 1.02, promised * 1.8, random)
        } else {
            between(promised * 0.3, promised * 0.95, random)
        };
        let arrival = (left + on_the_way) / MILLI * MILLI;
        let fate = random.random_range(0..400);
        let (state, arrived) = match fate {
            0 | 1 => ("extraviado", None),
            2..8 => ("devuelto", None),
            _ if arrival <= self.now => ("entregado", Some(arrival)),
            _ if (self.now - left) * 5 > on_the_way * 4 => ("en_reparto", None),
            _ => ("en_camino", None),
        };
        Shipment {
            id: (mix(self.seed ^ SALT), index),
            sale,
            carrier,
            state,
            left,
            arrived,
        }
    }
}

/// So many hours, in microseconds.
fn between(least: f64, most: f64, random: &mut Xoshiro256PlusPlus) -> i64 {
    let hours = least + (most - least) * random.random::<f64>();
    (hours * MICROS_PER_HOUR as f64) as i64
}

#[derive(Debug)]
struct Shipment {
    /// Two halves of an id: the seed's and the shipment's own.
    id: (u64, u64),
    sale: Sale,
    carrier: &'static str,
    state: &'static str,
    left: i64,
    arrived: Option<i64>,
}

impl Shipment {
    /// The dirt that concerns several fields.
    fn dirty(mut self, dirt: Dirt) -> Self {
        match dirt {
            Dirt::DeliveredBeforeLeft => {
                self.state = "entregado";
                self.arrived = Some(self.left - MICROS_PER_HOUR);
            }
            Dirt::ContradictoryState if self.arrived.is_some() => self.state = "en_camino",
            Dirt::ContradictoryState => self.state = "entregado",
            _ => {}
        }
        self
    }

    /// The JSON object, with the dirt that concerns a single field.
    fn write(&self, out: &mut Vec<u8>, dirt: Option<(Dirt, u64)>) {
        let (dirt, choice) = dirt.map_or((None, 0), |(dirt, choice)| (Some(dirt), choice));
        // Writing to a `Vec` cannot fail.
        out.push(b'{');
        if dirt != Some(Dirt::MissingEnvio) {
            out.extend_from_slice(b"\"envio_id\":\"");
            write_id(self.id.0, self.id.1, out);
            out.extend_from_slice(b"\",");
        }
        if dirt != Some(Dirt::MissingTransaccion) {
            out.extend_from_slice(b"\"transaccion_id\":\"");
            write_id(self.sale.id.0, self.sale.id.1, out);
            out.extend_from_slice(b"\",");
        }
        let carrier = match dirt {
            Some(Dirt::UnknownCarrier) => one_of(&ODD_CARRIERS, choice),
            _ => self.carrier,
        };
        let state = match dirt {
            Some(Dirt::UnknownState) => one_of(&ODD_STATES, choice),
            _ => self.state,
        };
        let home = self.sale.home;
        let _ = write!(
            out,
            "\"almacen\":\"{}-{}\",\"transportista\":\"{carrier}\",\"direccion\":\"{} {}",
            warehouse(self.sale.region),
            1 + (self.id.1 & 1),
            one_of(&STREETS, home >> 32),
            1 + (home >> 40) % 400,
        );
        if home >> 52 & 1 == 1 {
            let _ = write!(out, ", piso {}", 1 + (home >> 53) % 12);
        }
        let _ = write!(
            out,
            "\",\"estado\":\"{state}\",\"region\":\"{}\"",
            self.sale.region
        );
        if dirt == Some(Dirt::DuplicateKey) {
            let _ = write!(out, ",\"estado\":\"{state}\"");
        }
        if dirt != Some(Dirt::MissingTimestamp) {
            out.extend_from_slice(b",\"timestamp_salida\":\"");
            write_time(
                self.left,
                out,
                (dirt == Some(Dirt::BadTimestamp)).then_some(choice),
            );
            out.push(b'"');
        }
        out.extend_from_slice(b",\"timestamp_entrega\":");
        match self.arrived {
            Some(arrived) => {
                out.push(b'"');
                write_time(arrived, out, None);
                out.push(b'"');
            }
            None => out.extend_from_slice(b"null"),
        }
        out.push(b'}');
    }
}
