//! A row of Parquet as a line: for quarantine, where lines are kept as they came.

use arrow_array::RecordBatch;
use chrono::{DateTime, SecondsFormat};
use data_encoding::BASE64;
use serde_json::{Map, Value, json};

use super::super::decimal::decimal_text;
use super::super::time::date_text;
use super::cells::{Cells, Found};

/// An object of JSON with the columns that were read, in the contract's order. Decimals, dates and times are text, as exact as they
/// were; text that is not UTF-8 is `{"base64": ..}`.
pub(crate) fn json_of_row(rows: &RecordBatch, row: usize) -> Vec<u8> {
    let rows = rows.slice(row, 1);
    let mut text = vec![b'{'];
    for (field, column) in rows.schema().fields().iter().zip(rows.columns()) {
        if text.len() > 1 {
            text.push(b',');
        }
        text.extend_from_slice(json!(field.name()).to_string().as_bytes());
        text.push(b':');
        let value = Cells::of(column).map_or(Value::Null, |cells| json_of(cells.get(0)));
        text.extend_from_slice(value.to_string().as_bytes());
    }
    text.push(b'}');
    text
}

fn json_of(found: Found<'_>) -> Value {
    match found {
        Found::Null => Value::Null,
        Found::Boolean(value) => json!(value),
        Found::Integer(value) => json!(value),
        Found::Unsigned(value) => json!(value),
        Found::Float(value) if value.is_finite() => json!(value),
        Found::Float(value) => json!(value.to_string()),
        Found::Decimal(value, scale) => json!(decimal_text(value, u32::try_from(scale).unwrap_or(0))),
        Found::LongDecimal(text) | Found::Uuid(text) => json!(text),
        Found::Bytes(bytes) => match str::from_utf8(bytes) {
            Ok(text) => json!(text),
            Err(_) => Value::Object(Map::from_iter([(
                "base64".to_owned(),
                json!(BASE64.encode(bytes)),
            )])),
        },
        Found::Days(days) => json!(date_text(i64::from(days))),
        Found::Time {
            value,
            per_second,
            is_utc,
        } => json!(time_text(value, per_second, is_utc)),
    }
}

/// RFC 3339, without an offset where the time has none; the number where there is no such time.
fn time_text(value: i64, per_second: i64, is_utc: bool) -> String {
    let seconds = value.div_euclid(per_second);
    let nanos = value.rem_euclid(per_second) * (1_000_000_000 / per_second);
    let time = DateTime::from_timestamp(seconds, u32::try_from(nanos).unwrap_or(0));
    let text = time.map(|time| time.to_rfc3339_opts(SecondsFormat::AutoSi, true));
    match text {
        None => value.to_string(),
        Some(text) if is_utc => text,
        Some(text) => text.trim_end_matches('Z').to_owned(),
    }
}
