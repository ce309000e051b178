//! One event of `ventas.transacciones`, from its number alone.

use std::io::Write as _;

use rand::rngs::Xoshiro256PlusPlus;
use rand::{Rng, RngExt};

use crate::Dirt;
use crate::business::{
    AMOUNT_WORDS, CARD_PREFIXES, CHANNELS, CUSTOMERS, FIRST_NAMES, LAST_NAMES, MAIL_HOSTS, ODD_CURRENCIES,
    PRODUCTS, REGIONS, per_dollar,
};
use crate::clock::Clock;
use crate::line::{spoil, write_id, write_time};
use crate::random::{self, cumulate, mix, one_of, pick, weighted};
use crate::source::{PARTITIONS, Placed, Stream};

/// What does not change from sale to sale of one seed.
#[derive(Debug)]
pub(crate) struct Sales {
    seed: u64,
    clock: Clock,
    /// Cumulative weights of customers by rank.
    customers: Vec<f64>,
}

impl Stream for Sales {
    fn write(&self, index: u64, out: &mut Vec<u8>) -> Placed {
        let (sale, dirt, mut random) = self.sale(index);
        let partition = mix(sale.customer ^ 0x5eed) % PARTITIONS;
        let start = out.len();
        match dirt {
            None => sale.write(out, None),
            Some(dirt) => {
                sale.write(out, Some((dirt, random.next_u64())));
                // In the middle of the id.
                spoil(dirt, sale.home, start, 25, out);
            }
        }
        out.push(b'\n');
        Placed { partition, dirt }
    }
}

impl Sales {
    pub(crate) fn new(seed: u64, now: i64) -> Self {
        Self {
            seed,
            clock: Clock::new(now),
            // Zipf with exponent 0.9: a few customers buy a lot.
            customers: cumulate((1..=CUSTOMERS).map(|rank| (rank as f64).powf(-0.9))),
        }
    }

    /// The last sale up to `index` that is clean; the first clean one after it, if there is none.
    pub(crate) fn clean(&self, index: u64) -> Sale {
        let mut near = (0..=index).rev().chain(index.saturating_add(1)..);
        let clean = near.find_map(|index| match self.sale(index) {
            (sale, None, _) => Some(sale),
            _ => None,
        });
        clean.unwrap_or_else(|| self.sale(index).0)
    }

    /// Sale `index`, how it is dirty, and the random numbers that are left.
    fn sale(&self, index: u64) -> (Sale, Option<Dirt>, Xoshiro256PlusPlus) {
        let mut random = random::of_event(self.seed, index);
        let customer = pick(&self.customers, random.random::<f64>());
        let dirt = random::dirt(&Dirt::SALES, &mut random);
        let sale = self.draw(index, customer, &mut random);
        (sale, dirt, random)
    }

    fn draw(&self, index: u64, customer: u64, random: &mut Xoshiro256PlusPlus) -> Sale {
        let home = mix(self.seed ^ mix(customer));
        let region = weighted(&REGIONS.map(|(_, share, _)| share), home);
        let (region, _, currency) = REGIONS.get(region).copied().unwrap_or(REGIONS[0]);
        // One in ten pays in dollars wherever he lives.
        let currency = if random.random_range(0..10) == 0 {
            "USD"
        } else {
            currency
        };
        let channel = weighted(&CHANNELS.map(|(_, share)| share), random.next_u64());
        // Squaring favours low numbers: some products sell more.
        let product = ((random.random::<f64>().powi(2) * PRODUCTS as f64) as u64).min(PRODUCTS - 1);
        let quantity = 1 + random.random_range(0..4_u32) * random.random_range(0..2_u32);
        let price = typical_price(self.seed, product) * per_dollar(currency);
        // Sum of uniforms is near enough to normal; its exponential is log-normal.
        let spread = (0..4).map(|_| random.random::<f64>()).sum::<f64>() - 2.0;
        let cents = (price * (spread * 0.35).exp() * f64::from(quantity) * 100.0)
            .round()
            .max(1.0) as u64;
        Sale {
            id: (mix(self.seed ^ 0x1d), index),
            customer,
            home,
            product,
            cents,
            currency,
            quantity,
            region,
            channel: CHANNELS.get(channel).map_or("web", |(channel, _)| channel),
            micros: self.clock.time(random),
        }
    }
}

/// One sale, without its dirt.
#[derive(Debug)]
pub(crate) struct Sale {
    /// Two halves of an id: the seed's and the event's own.
    pub(crate) id: (u64, u64),
    customer: u64,
    /// The customer's own random number: region, name and card hang on it.
    pub(crate) home: u64,
    product: u64,
    pub(crate) cents: u64,
    pub(crate) currency: &'static str,
    quantity: u32,
    pub(crate) region: &'static str,
    channel: &'static str,
    pub(crate) micros: i64,
}

impl Sale {
    /// The JSON object, with the dirt that concerns a single field.
    fn write(&self, out: &mut Vec<u8>, dirt: Option<(Dirt, u64)>) {
        let (dirt, choice) = dirt.map_or((None, 0), |(dirt, choice)| (Some(dirt), choice));
        // Writing to a `Vec` cannot fail.
        out.extend_from_slice(b"{\"transaccion_id\":\"");
        write_id(self.id.0, self.id.1, out);
        out.push(b'"');
        if dirt != Some(Dirt::MissingCliente) {
            out.extend_from_slice(b",\"cliente_id\":\"");
            self.write_customer(out);
            out.push(b'"');
        }
        let _ = write!(out, ",\"producto_id\":\"P{:05}\",\"monto\":", self.product);
        let (whole, cents) = (self.cents / 100, self.cents % 100);
        let _ = match dirt {
            Some(Dirt::MontoAsWords) => write!(out, "\"{}\"", one_of(&AMOUNT_WORDS, choice)),
            Some(Dirt::MontoTooPrecise) => write!(out, "{whole}.{cents:02}5"),
            Some(Dirt::MontoNegative) => write!(out, "-{whole}.{cents:02}"),
            Some(Dirt::MontoZero) => write!(out, "0.00"),
            _ => write!(out, "{whole}.{cents:02}"),
        };
        let currency = if dirt == Some(Dirt::UnknownCurrency) {
            one_of(&ODD_CURRENCIES, choice)
        } else {
            self.currency
        };
        let quantity = u64::from(self.quantity)
            + if dirt == Some(Dirt::CantidadTooLarge) {
                9_000_000_000
            } else {
                0
            };
        let _ = write!(
            out,
            ",\"moneda\":\"{currency}\",\"cantidad\":{quantity},\"region\":\"{}\",\"canal\":\"{}\",\"email\":\"",
            self.region, self.channel
        );
        self.write_email(out);
        out.extend_from_slice(b"\",\"tarjeta\":\"");
        self.write_card(out);
        out.push(b'"');
        if dirt == Some(Dirt::DuplicateKey) {
            let _ = write!(out, ",\"monto\":{whole}.{cents:02}");
        }
        if dirt != Some(Dirt::MissingTimestamp) {
            out.extend_from_slice(b",\"timestamp\":\"");
            write_time(
                self.micros,
                out,
                (dirt == Some(Dirt::BadTimestamp)).then_some(choice),
            );
            out.push(b'"');
        }
        out.push(b'}');
    }

    pub(crate) fn write_customer(&self, out: &mut Vec<u8>) {
        let _ = write!(out, "C{:06}", self.customer);
    }

    fn write_email(&self, out: &mut Vec<u8>) {
        let _ = write!(
            out,
            "{}.{}{}@{}",
            one_of(&FIRST_NAMES, self.home),
            one_of(&LAST_NAMES, self.home >> 8),
            self.customer,
            one_of(&MAIL_HOSTS, self.home >> 16)
        );
    }

    /// Sixteen digits that pass the Luhn check, the customer's own.
    fn write_card(&self, out: &mut Vec<u8>) {
        let start = out.len();
        out.extend_from_slice(one_of(&CARD_PREFIXES, self.home >> 24).as_bytes());
        let _ = write!(out, "{:09}", (self.home % 10_000) * 100_000 + self.customer);
        let sum: u32 = out
            .iter()
            .skip(start)
            .enumerate()
            .map(|(place, digit)| {
                let digit = u32::from(digit - b'0');
                // The check digit is the sixteenth, so every first of a pair is doubled.
                let doubled = if place % 2 == 0 { digit * 2 } else { digit };
                if doubled > 9 { doubled - 9 } else { doubled }
            })
            .sum();
        let _ = write!(out, "{}", (10 - sum % 10) % 10);
    }
}

/// A product's usual price in dollars, between about 2 and 400.
pub(crate) fn typical_price(seed: u64, product: u64) -> f64 {
    let unit = (mix(seed ^ mix(product ^ 0xca7a)) >> 11) as f64 / (1_u64 << 53) as f64;
    2.0 * (unit * 5.3).exp()
}
