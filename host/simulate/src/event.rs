//! One event of `ventas.transacciones`, from its number alone.

use std::io::Write as _;

use chrono::{DateTime, Datelike, Timelike};
use rand::rngs::Xoshiro256PlusPlus;
use rand::{Rng, RngExt, SeedableRng};

use crate::Dirt;
use crate::domain::{
    AMOUNT_WORDS, CARD_PREFIXES, CHANNELS, CUSTOMERS, FIRST_NAMES, HOURS, LAST_NAMES, MAIL_HOSTS, NOT_JSON,
    ODD_CURRENCIES, PARTITIONS, PRODUCTS, REGIONS, per_dollar,
};

/// One in so many events is dirty.
const DIRTY_ONE_IN: u32 = 100;
const MICROS_PER_DAY: i64 = 86_400_000_000;
const DAYS: i64 = 7;

/// What does not change from event to event of one seed.
#[derive(Debug)]
pub(crate) struct Stream {
    seed: u64,
    /// Unix time in microseconds of the newest event.
    now: i64,
    /// Cumulative weights of customers by rank.
    customers: Vec<f64>,
    /// Cumulative weights of hours.
    hours: Vec<u32>,
}

/// The line of one event, and where it goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Placed {
    pub(crate) partition: u64,
    pub(crate) dirt: Option<Dirt>,
}

impl Stream {
    pub(crate) fn new(seed: u64, now: i64) -> Self {
        // Zipf with exponent 0.9: a few customers buy a lot.
        let customers = cumulate((1..=CUSTOMERS).map(|rank| (rank as f64).powf(-0.9)));
        let hours = HOURS
            .iter()
            .scan(0, |total, weight| {
                *total += weight;
                Some(*total)
            })
            .collect();
        Self {
            seed,
            now,
            customers,
            hours,
        }
    }

    /// Appends the line of event `index`, with its line end.
    pub(crate) fn write(&self, index: u64, out: &mut Vec<u8>) -> Placed {
        let mut random = Xoshiro256PlusPlus::seed_from_u64(mix(self.seed ^ mix(index)));
        let customer = pick(&self.customers, random.random::<f64>());
        let partition = mix(customer ^ 0x5eed) % PARTITIONS;
        let dirt = (random.random_range(0..DIRTY_ONE_IN) == 0)
            .then(|| Dirt::ALL.get(random.random_range(0..Dirt::ALL.len())).copied())
            .flatten();
        let event = self.event(index, customer, &mut random);
        let start = out.len();
        match dirt {
            None => event.write(out, None),
            Some(dirt) => {
                event.write(out, Some((dirt, random.next_u64())));
                event.spoil(dirt, start, out);
            }
        }
        out.push(b'\n');
        Placed { partition, dirt }
    }

    fn event(&self, index: u64, customer: u64, random: &mut Xoshiro256PlusPlus) -> Event {
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
        Event {
            id: (mix(self.seed ^ 0x1d), index),
            customer,
            home,
            product,
            cents,
            currency,
            quantity,
            region,
            channel: CHANNELS.get(channel).map_or("web", |(channel, _)| channel),
            micros: self.time(random),
        }
    }

    /// A time in the last seven days, by the hour's weight; never after `now`.
    fn time(&self, random: &mut Xoshiro256PlusPlus) -> i64 {
        let day = self.now.div_euclid(MICROS_PER_DAY) - random.random_range(0..DAYS);
        let total = self.hours.last().copied().unwrap_or(1);
        let at = random.random_range(0..total);
        let hour = self.hours.iter().position(|upto| at < *upto).unwrap_or(0);
        let micros = day * MICROS_PER_DAY
            + i64::try_from(hour).unwrap_or(0) * 3_600_000_000
            + random.random_range(0..3_600_000_i64) * 1000;
        if micros > self.now {
            micros - DAYS * MICROS_PER_DAY
        } else {
            micros
        }
    }
}

#[derive(Debug)]
struct Event {
    /// Two halves of an id: the seed's and the event's own.
    id: (u64, u64),
    customer: u64,
    /// The customer's own random number: region, name and card hang on it.
    home: u64,
    product: u64,
    cents: u64,
    currency: &'static str,
    quantity: u32,
    region: &'static str,
    channel: &'static str,
    micros: i64,
}

impl Event {
    /// The JSON object, with the dirt that concerns a single field.
    fn write(&self, out: &mut Vec<u8>, dirt: Option<(Dirt, u64)>) {
        let (dirt, choice) = dirt.map_or((None, 0), |(dirt, choice)| (Some(dirt), choice));
        // Writing to a `Vec` cannot fail.
        out.extend_from_slice(b"{\"transaccion_id\":\"");
        self.write_id(out);
        out.push(b'"');
        if dirt != Some(Dirt::MissingCliente) {
            let _ = write!(out, ",\"cliente_id\":\"C{:06}\"", self.customer);
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
            self.write_time(out, (dirt == Some(Dirt::BadTimestamp)).then_some(choice));
            out.push(b'"');
        }
        out.push(b'}');
    }

    /// The dirt that concerns the whole line.
    fn spoil(&self, dirt: Dirt, start: usize, out: &mut Vec<u8>) {
        let len = out.len() - start;
        match dirt {
            // Between the first byte and the closing brace: never valid JSON.
            Dirt::TruncatedLine => out.truncate(start + 1 + (self.home as usize) % (len - 1)),
            Dirt::InvalidUtf8 => {
                // In the middle of the id, which is text.
                if let Some(byte) = out.get_mut(start + 25) {
                    *byte = 0xff;
                }
            }
            Dirt::EmptyLine => out.truncate(start),
            Dirt::NotJson => {
                out.truncate(start);
                out.extend_from_slice(one_of(&NOT_JSON, self.home).as_bytes());
            }
            Dirt::NotAnObject => {
                out.insert(start, b'[');
                out.push(b']');
            }
            Dirt::ExtraNesting => {
                let inner = out.split_off(start);
                out.extend_from_slice(b"{\"evento\":");
                out.extend_from_slice(&inner);
                out.push(b'}');
            }
            _ => {}
        }
    }

    /// Shaped like a version 8 UUID: a seed's ids differ in their last 62 bits, which is the event's number scrambled.
    fn write_id(&self, out: &mut Vec<u8>) {
        let (seed, index) = self.id;
        // Multiplication by an odd number permutes 62-bit numbers: no two events share an id.
        let scrambled = index.wrapping_mul(0x9E37_79B9_7F4A_7C15) & (u64::MAX >> 2);
        let high = (seed & !0xf000) | 0x8000;
        let low = scrambled | 1 << 63;
        let _ = write!(
            out,
            "{:08x}-{:04x}-{:04x}-{:04x}-{:012x}",
            high >> 32,
            high >> 16 & 0xffff,
            high & 0xffff,
            low >> 48,
            low & 0xffff_ffff_ffff
        );
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

    fn write_time(&self, out: &mut Vec<u8>, bad: Option<u64>) {
        let Some(time) = DateTime::from_timestamp_micros(self.micros) else {
            return;
        };
        let (date, clock) = (time.date_naive(), time.time());
        let (year, month, day) = (date.year(), date.month(), date.day());
        let (hour, minute, second) = (clock.hour(), clock.minute(), clock.second());
        let millis = self.micros.rem_euclid(1_000_000) / 1000;
        let _ = match bad.map(|choice| choice % 4) {
            None => write!(
                out,
                "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{millis:03}Z"
            ),
            Some(0) => write!(out, "{day:02}/{month:02}/{year:04} {hour:02}:{minute:02}"),
            Some(1) => write!(
                out,
                "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}"
            ),
            Some(2) => write!(out, "{}", self.micros / 1000),
            Some(_) => write!(out, "{year:04}-02-30T{hour:02}:{minute:02}:{second:02}Z"),
        };
    }
}

/// A product's usual price in dollars, between about 2 and 400.
fn typical_price(seed: u64, product: u64) -> f64 {
    let unit = (mix(seed ^ mix(product ^ 0xca7a)) >> 11) as f64 / (1_u64 << 53) as f64;
    2.0 * (unit * 5.3).exp()
}

fn one_of<'a>(words: &[&'a str], choice: u64) -> &'a str {
    let count = u64::try_from(words.len()).unwrap_or(1).max(1);
    usize::try_from(choice % count)
        .ok()
        .and_then(|index| words.get(index))
        .copied()
        .unwrap_or_default()
}

fn cumulate(weights: impl Iterator<Item = f64>) -> Vec<f64> {
    weights
        .scan(0.0, |total, weight| {
            *total += weight;
            Some(*total)
        })
        .collect()
}

/// Index of the first cumulative weight above `unit` times their sum.
fn pick(cumulative: &[f64], unit: f64) -> u64 {
    let target = unit * cumulative.last().copied().unwrap_or(0.0);
    let index = cumulative
        .partition_point(|upto| *upto <= target)
        .min(cumulative.len().saturating_sub(1));
    u64::try_from(index).unwrap_or(0)
}

fn weighted(shares: &[u32], choice: u64) -> usize {
    let total = u64::from(shares.iter().sum::<u32>()).max(1);
    let mut left = choice % total;
    shares
        .iter()
        .position(|share| {
            let here = left < u64::from(*share);
            left = left.saturating_sub(u64::from(*share));
            here
        })
        .unwrap_or(0)
}

/// SplitMix64's finaliser: <https://prng.di.unimi.it/splitmix64.c>.
fn mix(value: u64) -> u64 {
    let value = value.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}
