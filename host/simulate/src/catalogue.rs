//! One record of `producto.catalogo` or event of `producto.cambios`, from its number alone. The products are those that the
//! sales of the same seed sell, at about their prices.

use std::io::Write as _;

use chrono::{DateTime, Datelike};
use rand::rngs::Xoshiro256PlusPlus;
use rand::{Rng, RngExt};

use crate::Dirt;
use crate::business::{AMOUNT_WORDS, BRANDS, CATEGORIES, NOT_DATES, ODD_CATEGORIES, PRODUCTS};
use crate::clock::{Clock, MICROS_PER_DAY};
use crate::csv::{Export, Record};
use crate::line::{spoil, write_time};
use crate::parquet::{Column, Kind};
use crate::random::{self, mix, one_of};
use crate::sales::typical_price;
use crate::source::{PARTITIONS, Placed, Stream};

/// So that sources have random numbers of their own.
const CATALOGUE: u64 = 0xca7a_1090;
const CHANGES: u64 = 0xca7a_b105;
/// 2025-01-01, in days since 1970-01-01: the first version of a product holds from some day after it.
const OPENED: i64 = 20_089;

/// The nightly exports of one seed, each with a version of every product.
#[derive(Debug)]
pub(crate) struct Catalogue {
    seed: u64,
    export: Export,
}

impl Catalogue {
    /// The first line of its files.
    pub(crate) const HEADER: &'static str = "producto_id,nombre,categoria,precio,costo,vigente_desde";

    /// Its columns.
    pub(crate) const COLUMNS: [Column; 6] = [
        ("producto_id", Kind::Text),
        ("nombre", Kind::Text),
        ("categoria", Kind::Text),
        ("precio", Kind::Amount),
        ("costo", Kind::Amount),
        ("vigente_desde", Kind::Date),
    ];

    pub(crate) fn new(seed: u64, export: Export) -> Self {
        Self { seed, export }
    }
}

impl Stream for Catalogue {
    fn write(&self, index: u64, out: &mut Vec<u8>) -> Placed {
        let mut random = random::of_event(self.seed ^ CATALOGUE, index);
        let dirt = random::dirt(
            self.export.dirt(&Dirt::CATALOGUE, &Dirt::CATALOGUE_COLUMNS),
            &mut random,
        );
        let (night, product) = (index / PRODUCTS, index % PRODUCTS);
        // A product has one version a night, and none holds from the same day as another.
        let first = OPENED + i64::try_from(mix(self.seed ^ mix(product ^ CATALOGUE)) % 500).unwrap_or(0);
        let from = first.saturating_add(i64::try_from(night).unwrap_or(0));
        let version = Version::new(self.seed, product, from, None, &mut random);
        version.list(dirt.map(|dirt| (dirt, random.next_u64())), self.export, out);
        Placed { partition: 0, dirt }
    }
}

/// The changes of one seed.
#[derive(Debug)]
pub(crate) struct Changes {
    seed: u64,
    clock: Clock,
}

impl Changes {
    pub(crate) fn new(seed: u64, now: i64) -> Self {
        Self {
            seed,
            clock: Clock::new(now),
        }
    }
}

impl Stream for Changes {
    fn write(&self, index: u64, out: &mut Vec<u8>) -> Placed {
        let mut random = random::of_event(self.seed ^ CHANGES, index);
        let dirt = random::dirt(&Dirt::CHANGES, &mut random);
        let product = random.random_range(0..PRODUCTS);
        // Within its millisecond a change has a time of its own, or a product would be changed twice at once.
        let at = self.clock.time(&mut random) - i64::try_from(index % 1000).unwrap_or(0);
        // Half of them hold from the same day, the others from one in the next two weeks.
        let ahead = random.random_range(0..2_i64) * random.random_range(1..15_i64);
        let from = match dirt {
            Some(Dirt::RetroactiveChange) => at.div_euclid(MICROS_PER_DAY) - 30 - ahead,
            _ => at.div_euclid(MICROS_PER_DAY) + ahead,
        };
        let version = Version::new(self.seed, product, from, Some(at), &mut random);
        version.place(mix(product ^ CHANGES) % PARTITIONS, dirt, &mut random, out)
    }
}

/// What is said of a product.
#[derive(Debug)]
struct Version {
    product: u64,
    /// The product's own random number: its name hangs on it.
    kind: u64,
    cents: u64,
    cost_cents: Option<u64>,
    /// First day on which it holds: days since 1970-01-01.
    from: i64,
    /// When it was said, Unix time in microseconds. `None` in the catalogue.
    at: Option<i64>,
}

impl Version {
    fn new(seed: u64, product: u64, from: i64, at: Option<i64>, random: &mut Xoshiro256PlusPlus) -> Self {
        let dollars = typical_price(seed, product) * (0.85 + 0.3 * random.random::<f64>());
        let cents = (dollars * 100.0).round().max(1.0);
        let cost = (cents * (0.35 + 0.4 * random.random::<f64>())).round();
        Self {
            product,
            kind: mix(seed ^ mix(product ^ 0x4e41)),
            cents: cents as u64,
            // One in forty is new, and nobody has said what it costs.
            cost_cents: (random.random_range(0..40) != 0).then_some(cost as u64),
            from,
            at,
        }
    }

    /// Appends the event.
    fn place(
        &self,
        partition: u64,
        dirt: Option<Dirt>,
        random: &mut Xoshiro256PlusPlus,
        out: &mut Vec<u8>,
    ) -> Placed {
        let start = out.len();
        match dirt {
            None => self.write(out, None),
            Some(dirt) => {
                let choice = random.next_u64();
                self.write(out, Some((dirt, choice)));
                // In the middle of the id.
                spoil(dirt, choice, start, 18, out);
            }
        }
        out.push(b'\n');
        Placed { partition, dirt }
    }

    /// The record, in the order of [`Catalogue::HEADER`].
    fn list(&self, dirty: Option<(Dirt, u64)>, export: Export, out: &mut Vec<u8>) {
        let (dirt, choice) = dirty.map_or((None, 0), |(dirt, choice)| (Some(dirt), choice));
        let mut record = Record::new(out, export);
        record.with(|out| {
            if dirt != Some(Dirt::MissingProducto) {
                self.write_id(out);
            }
        });
        let name = self.name();
        record.text(if dirt == Some(Dirt::MissingNombre) {
            ""
        } else {
            &name
        });
        record.text(self.category(dirt, choice));
        record.with(|out| match dirt {
            Some(Dirt::PrecioAsWords) => out.extend_from_slice(one_of(&AMOUNT_WORDS, choice).as_bytes()),
            _ => self.write_price(out, dirt),
        });
        record.with(|out| {
            if let Some(cost) = self.cost_cents {
                write_cents(cost, out);
            }
        });
        record.with(|out| self.write_day(out, dirt, choice));
        record.end(dirty);
    }

    /// The JSON object, with the dirt that concerns a single field.
    fn write(&self, out: &mut Vec<u8>, dirt: Option<(Dirt, u64)>) {
        let (dirt, choice) = dirt.map_or((None, 0), |(dirt, choice)| (Some(dirt), choice));
        // Writing to a `Vec` cannot fail.
        out.push(b'{');
        if dirt != Some(Dirt::MissingProducto) {
            out.extend_from_slice(b"\"producto_id\":\"");
            self.write_id(out);
            out.extend_from_slice(b"\",");
        }
        if dirt != Some(Dirt::MissingNombre) {
            let _ = write!(out, "\"nombre\":\"{}\",", self.name());
        }
        let category = self.category(dirt, choice);
        let _ = write!(out, "\"categoria\":\"{category}\",\"precio\":");
        match dirt {
            Some(Dirt::PrecioAsWords) => {
                let _ = write!(out, "\"{}\"", one_of(&AMOUNT_WORDS, choice));
            }
            _ => self.write_price(out, dirt),
        }
        if dirt == Some(Dirt::DuplicateKey) {
            out.extend_from_slice(b",\"precio\":");
            write_cents(self.cents, out);
        }
        out.extend_from_slice(b",\"costo\":");
        match self.cost_cents {
            Some(cost) => write_cents(cost, out),
            None => out.extend_from_slice(b"null"),
        }
        out.extend_from_slice(b",\"vigente_desde\":\"");
        self.write_day(out, dirt, choice);
        out.push(b'"');
        if let Some(at) = self.at.filter(|_| dirt != Some(Dirt::MissingTimestamp)) {
            out.extend_from_slice(b",\"timestamp\":\"");
            write_time(at, out, (dirt == Some(Dirt::BadTimestamp)).then_some(choice));
            out.push(b'"');
        }
        out.push(b'}');
    }

    fn write_id(&self, out: &mut Vec<u8>) {
        let _ = write!(out, "P{:05}", self.product);
    }

    fn name(&self) -> String {
        let (_, things) = self.shelf();
        let (thing, brand) = (one_of(&things, self.kind >> 8), one_of(&BRANDS, self.kind >> 16));
        format!("{thing} {brand}")
    }

    fn category(&self, dirt: Option<Dirt>, choice: u64) -> &'static str {
        match dirt {
            Some(Dirt::UnknownCategory) => one_of(&ODD_CATEGORIES, choice),
            _ => self.shelf().0,
        }
    }

    fn shelf(&self) -> (&'static str, [&'static str; 4]) {
        let place = usize::try_from(self.kind % 8).unwrap_or(0);
        CATEGORIES.get(place).copied().unwrap_or(CATEGORIES[0])
    }

    fn write_price(&self, out: &mut Vec<u8>, dirt: Option<Dirt>) {
        let (whole, cents) = (self.cents / 100, self.cents % 100);
        let _ = match dirt {
            Some(Dirt::PrecioTooPrecise) => write!(out, "{whole}.{cents:02}5"),
            Some(Dirt::PrecioNegative) => write!(out, "-{whole}.{cents:02}"),
            Some(Dirt::PrecioZero) => write!(out, "0.00"),
            Some(Dirt::PrecioTooHigh) => write!(out, "{whole}{cents:02}0000.00"),
            _ => write!(out, "{whole}.{cents:02}"),
        };
    }

    fn write_day(&self, out: &mut Vec<u8>, dirt: Option<Dirt>, choice: u64) {
        if dirt == Some(Dirt::BadDate) {
            out.extend_from_slice(one_of(&NOT_DATES, choice).as_bytes());
        } else if let Some(day) = DateTime::from_timestamp_micros(self.from.saturating_mul(MICROS_PER_DAY)) {
            let _ = write!(out, "{:04}-{:02}-{:02}", day.year(), day.month(), day.day());
        }
    }
}

fn write_cents(cents: u64, out: &mut Vec<u8>) {
    let _ = write!(out, "{}.{:02}", cents / 100, cents % 100);
}
