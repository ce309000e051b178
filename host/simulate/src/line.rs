//! What the lines of all sources have in common: ids, times, and the dirt that concerns a whole line of JSON.

use std::io::Write as _;

use chrono::{DateTime, Datelike, Timelike};

use crate::Dirt;
use crate::business::NOT_JSON;
use crate::random::one_of;

/// Shaped like a version 8 UUID: a seed's ids differ in their last 62 bits, which is the event's number scrambled.
pub(crate) fn write_id(seed: u64, index: u64, out: &mut Vec<u8>) {
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

/// A time in RFC 3339, to the millisecond, or to the microsecond if it has some; or in a form that is `bad`.
pub(crate) fn write_time(unix_micros: i64, out: &mut Vec<u8>, bad: Option<u64>) {
    let Some(time) = DateTime::from_timestamp_micros(unix_micros) else {
        return;
    };
    let (date, clock) = (time.date_naive(), time.time());
    let (year, month, day) = (date.year(), date.month(), date.day());
    let (hour, minute, second) = (clock.hour(), clock.minute(), clock.second());
    let micros = unix_micros.rem_euclid(1_000_000);
    let _ = match bad.map(|choice| choice % 4) {
        None if micros % 1000 == 0 => write!(
            out,
            "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{:03}Z",
            micros / 1000
        ),
        None => write!(
            out,
            "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{micros:06}Z"
        ),
        Some(0) => write!(out, "{day:02}/{month:02}/{year:04} {hour:02}:{minute:02}"),
        Some(1) => write!(
            out,
            "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}"
        ),
        Some(2) => write!(out, "{}", unix_micros / 1000),
        Some(_) => write!(out, "{year:04}-02-30T{hour:02}:{minute:02}:{second:02}Z"),
    };
}

/// The dirt that concerns the whole line, which is a JSON object from `start` on, with text `text` bytes behind.
pub(crate) fn spoil(dirt: Dirt, choice: u64, start: usize, text: usize, out: &mut Vec<u8>) {
    let len = out.len() - start;
    match dirt {
        // Between the first byte and the closing brace: never valid JSON.
        Dirt::TruncatedLine => out.truncate(start + 1 + (choice as usize) % (len - 1)),
        Dirt::InvalidUtf8 => {
            if let Some(byte) = out.get_mut(start + text) {
                *byte = 0xff;
            }
        }
        Dirt::EmptyLine => out.truncate(start),
        Dirt::NotJson => {
            out.truncate(start);
            out.extend_from_slice(one_of(&NOT_JSON, choice).as_bytes());
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
