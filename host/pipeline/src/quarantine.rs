//! Rows for the quarantine table: where a line stood, why it is there, and the line itself, sealed.

use std::sync::Arc;

use arrow_array::builder::{BinaryBuilder, Int64Builder, StringBuilder};
use arrow_array::types::Date32Type;
use arrow_array::{PrimitiveArray, RecordBatch, TimestampMicrosecondArray};
use arrow_schema::{DataType, Field, Schema, SchemaRef, TimeUnit};
use malla_privacy::BatchSealer;
use malla_source::Lines;

use crate::error::FlowError;
use crate::plan::{FECHA, REGION, SOURCE_OFFSET, SOURCE_PARTITION};

/// Why a line is in quarantine. The words are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stage {
    /// The line is no event of the source's schema.
    Undecodable,
    /// The step refused the row by a rule of its contract.
    Rejected,
    /// The step failed on the batch that the row was in.
    Failed,
    /// The row breaks a check of quality that its contract calls an error.
    Quality,
    /// The row holds personal data in a column that declares none, and policy says that it must not pass.
    Blocked,
}

impl Stage {
    fn as_str(self) -> &'static str {
        match self {
            Self::Undecodable => "undecodable",
            Self::Rejected => "rejected",
            Self::Failed => "failed",
            Self::Quality => "quality",
            Self::Blocked => "blocked",
        }
    }
}

/// One quarantined line.
pub(crate) struct Entry<'a> {
    /// Index into the batch's lines.
    pub(crate) line: usize,
    pub(crate) stage: Stage,
    /// `domain.product`; none while the line is not decoded.
    pub(crate) product: Option<&'a str>,
    pub(crate) region: Option<&'a str>,
    pub(crate) rule: &'a str,
    pub(crate) message: &'a str,
}

pub(crate) fn schema() -> SchemaRef {
    let utc = DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()));
    Arc::new(Schema::new(vec![
        Field::new(FECHA, DataType::Date32, false),
        Field::new(REGION, DataType::Utf8, true),
        Field::new(SOURCE_PARTITION, DataType::Utf8, false),
        Field::new(SOURCE_OFFSET, DataType::Int64, false),
        Field::new("quarantined_at", utc, false),
        Field::new("stage", DataType::Utf8, false),
        Field::new("product", DataType::Utf8, true),
        Field::new("plugin", DataType::Utf8, false),
        Field::new("rule", DataType::Utf8, false),
        Field::new("message", DataType::Utf8, false),
        Field::new("line", DataType::Binary, false),
    ]))
}

/// Builds the batch's quarantine rows. `event_time` is the batch's, in microseconds; `plugin` its name and version.
pub(crate) fn batch(
    entries: &[Entry<'_>],
    lines: &Lines,
    event_time: i64,
    plugin: &str,
    sealer: &mut BatchSealer,
) -> Result<RecordBatch, FlowError> {
    let rows = entries.len();
    let mut region = StringBuilder::new();
    let mut offset = Int64Builder::with_capacity(rows);
    let mut stage = StringBuilder::new();
    let mut product = StringBuilder::new();
    let mut rule = StringBuilder::new();
    let mut message = StringBuilder::new();
    let mut line = BinaryBuilder::new();
    for entry in entries {
        region.append_option(entry.region);
        offset.append_value(lines.source_offset(entry.line));
        stage.append_value(entry.stage.as_str());
        product.append_option(entry.product);
        rule.append_value(entry.rule);
        message.append_value(entry.message);
        line.append_value(sealer.seal_bytes("line", &lines.line(entry.line))?);
    }
    let same = |text: &str| {
        Arc::new(arrow_array::StringArray::from_iter_values(std::iter::repeat_n(
            text, rows,
        )))
    };
    let day = day(event_time);
    Ok(RecordBatch::try_new(
        schema(),
        vec![
            Arc::new(PrimitiveArray::<Date32Type>::from_value(day, rows)),
            Arc::new(region.finish()),
            same(lines.partition()),
            Arc::new(offset.finish()),
            Arc::new(TimestampMicrosecondArray::from_value(event_time, rows).with_timezone("UTC")),
            Arc::new(stage.finish()),
            Arc::new(product.finish()),
            same(plugin),
            Arc::new(rule.finish()),
            Arc::new(message.finish()),
            Arc::new(line.finish()),
        ],
    )?)
}

/// The UTC day of a time in microseconds, in days since 1970-01-01.
pub(crate) fn day(micros: i64) -> i32 {
    const MICROS_A_DAY: i64 = 86_400_000_000;
    let day = micros.div_euclid(MICROS_A_DAY);
    // 2^63 microseconds are less than 2^31 days.
    i32::try_from(day).unwrap_or(if day < 0 { i32::MIN } else { i32::MAX })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_round_down_on_both_sides_of_1970() {
        assert_eq!(day(0), 0);
        assert_eq!(day(86_399_999_999), 0);
        assert_eq!(day(86_400_000_000), 1);
        assert_eq!(day(-1), -1);
        assert_eq!(day(i64::MAX), 106_751_991);
        assert_eq!(day(i64::MIN), -106_751_992);
    }
}
