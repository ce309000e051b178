//! Nightly exports as Parquet: the fields of records in columns that have types, all of them nullable as tools write them.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use chrono::{DateTime, NaiveDate};
use parquet::basic::{
    Compression, LogicalType, Repetition, TimeUnit, TimestampType, Type as Physical, ZstdLevel,
};
use parquet::data_type::{ByteArray, ByteArrayType, DataType, Int32Type, Int64Type};
use parquet::errors::{ParquetError, Result};
use parquet::file::properties::WriterProperties;
use parquet::file::writer::{SerializedFileWriter, SerializedRowGroupWriter};
use parquet::schema::types::Type;

use crate::SimulateError;
use crate::csv::FIELD_SEPARATOR;

/// Rows that are kept until they are written, as a row group.
const GROUP_ROWS: usize = 50_000;
/// Digits of amounts: one more after the point than a contract has, so that an amount can be too precise.
const PRECISION: i32 = 18;
const SCALE: i32 = 3;

/// A column of an export, and what is in it.
pub(crate) type Column = (&'static str, Kind);

/// What is in a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Text,
    Amount,
    Date,
    Time,
}

/// Values of one column of a row group; nulls only in the levels.
#[derive(Debug)]
enum Values {
    Texts(Vec<ByteArray>),
    Longs(Vec<i64>),
    Days(Vec<i32>),
}

/// A file that is being written.
pub(crate) struct Rows {
    columns: &'static [Column],
    path: PathBuf,
    writer: SerializedFileWriter<File>,
    values: Vec<Values>,
    /// For each column: 1 where a row has a value.
    levels: Vec<Vec<i16>>,
    rows: usize,
}

impl Rows {
    pub(crate) fn create(path: &Path, columns: &'static [Column]) -> Result<Self, SimulateError> {
        let open = || -> Result<_> {
            let fields = columns.iter().map(column).collect::<Result<Vec<_>>>()?;
            let schema = Type::group_type_builder("export").with_fields(fields).build()?;
            let properties = WriterProperties::builder()
                .set_compression(Compression::ZSTD(ZstdLevel::default()))
                .set_created_by("malla simulate".to_owned())
                .build();
            SerializedFileWriter::new(File::create(path)?, Arc::new(schema), Arc::new(properties))
        };
        Ok(Self {
            columns,
            path: path.to_owned(),
            writer: open().map_err(failed(path))?,
            values: empty(columns),
            levels: vec![Vec::new(); columns.len()],
            rows: 0,
        })
    }

    /// A record whose fields are separated by [`FIELD_SEPARATOR`]; an empty one is null.
    pub(crate) fn push(&mut self, record: &[u8]) -> Result<(), SimulateError> {
        let fields = record.split(|byte| *byte == FIELD_SEPARATOR);
        for (((_, kind), field), (values, levels)) in self
            .columns
            .iter()
            .zip(fields)
            .zip(self.values.iter_mut().zip(&mut self.levels))
        {
            let is_there = match values {
                Values::Texts(texts) if !field.is_empty() => {
                    texts.push(field.to_vec().into());
                    true
                }
                Values::Longs(longs) => {
                    let long = match kind {
                        Kind::Time => time(field),
                        _ => amount(field),
                    };
                    longs.extend(long);
                    long.is_some()
                }
                Values::Days(days) => {
                    let day = day(field);
                    days.extend(day);
                    day.is_some()
                }
                Values::Texts(_) => false,
            };
            levels.push(i16::from(is_there));
        }
        self.rows += 1;
        if self.rows >= GROUP_ROWS {
            self.write_group().map_err(failed(&self.path))?;
        }
        Ok(())
    }

    /// Writes what is left, and the footer. Gives the size of the file.
    pub(crate) fn finish(mut self) -> Result<u64, SimulateError> {
        if self.rows > 0 {
            self.write_group().map_err(failed(&self.path))?;
        }
        self.writer.finish().map_err(failed(&self.path))?;
        Ok(u64::try_from(self.writer.bytes_written()).unwrap_or(u64::MAX))
    }

    fn write_group(&mut self) -> Result<()> {
        let mut group = self.writer.next_row_group()?;
        for (values, levels) in self.values.iter().zip(&self.levels) {
            match values {
                Values::Texts(values) => write::<ByteArrayType>(&mut group, values, levels)?,
                Values::Longs(values) => write::<Int64Type>(&mut group, values, levels)?,
                Values::Days(values) => write::<Int32Type>(&mut group, values, levels)?,
            }
        }
        group.close()?;
        self.values = empty(self.columns);
        self.levels.iter_mut().for_each(Vec::clear);
        self.rows = 0;
        Ok(())
    }
}

impl std::fmt::Debug for Rows {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Rows")
            .field("path", &self.path)
            .finish_non_exhaustive()
    }
}

fn empty(columns: &[Column]) -> Vec<Values> {
    columns
        .iter()
        .map(|(_, kind)| match kind {
            Kind::Text => Values::Texts(Vec::new()),
            Kind::Amount | Kind::Time => Values::Longs(Vec::new()),
            Kind::Date => Values::Days(Vec::new()),
        })
        .collect()
}

fn column((name, kind): &Column) -> Result<Arc<Type>> {
    let (physical, logical) = match kind {
        Kind::Text => (Physical::BYTE_ARRAY, LogicalType::String),
        Kind::Amount => (Physical::INT64, LogicalType::decimal(SCALE, PRECISION)),
        Kind::Date => (Physical::INT32, LogicalType::Date),
        Kind::Time => (
            Physical::INT64,
            LogicalType::Timestamp(TimestampType {
                is_adjusted_to_u_t_c: true,
                unit: TimeUnit::MICROS,
            }),
        ),
    };
    let builder = Type::primitive_type_builder(name, physical)
        .with_repetition(Repetition::OPTIONAL)
        .with_logical_type(Some(logical));
    let builder = match kind {
        Kind::Amount => builder.with_precision(PRECISION).with_scale(SCALE),
        _ => builder,
    };
    Ok(Arc::new(builder.build()?))
}

fn write<T: DataType>(
    group: &mut SerializedRowGroupWriter<'_, File>,
    values: &[T::T],
    levels: &[i16],
) -> Result<()> {
    let mut column = group
        .next_column()?
        .ok_or_else(|| ParquetError::General("more columns than the schema has".to_owned()))?;
    column.typed::<T>().write_batch(values, Some(levels), None)?;
    column.close()
}

/// Of `-12.345`, in thousandths.
fn amount(field: &[u8]) -> Option<i64> {
    let text = str::from_utf8(field).ok()?;
    let (sign, digits) = text.strip_prefix('-').map_or((1, text), |digits| (-1, digits));
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let missing = u32::try_from(SCALE)
        .ok()?
        .checked_sub(u32::try_from(fraction.len()).ok()?)?;
    let number: i64 = format!("{whole}{fraction}").parse().ok()?;
    number
        .checked_mul(10_i64.pow(missing))
        .map(|number| sign * number)
}

fn day(field: &[u8]) -> Option<i32> {
    let date: NaiveDate = str::from_utf8(field).ok()?.parse().ok()?;
    Some(date.to_epoch_days())
}

fn time(field: &[u8]) -> Option<i64> {
    let time = DateTime::parse_from_rfc3339(str::from_utf8(field).ok()?).ok()?;
    Some(time.timestamp_micros())
}

fn failed(path: &Path) -> impl FnOnce(ParquetError) -> SimulateError {
    let path = path.to_owned();
    move |error| SimulateError::Io {
        action: "write",
        path,
        error: std::io::Error::other(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_become_values() {
        assert_eq!(amount(b"12.5"), Some(12_500));
        assert_eq!(amount(b"-0.015"), Some(-15));
        assert_eq!(amount(b"7"), Some(7000));
        assert_eq!(amount(b""), None);
        assert_eq!(day(b"1970-01-02"), Some(1));
        assert_eq!(time(b"1970-01-01T00:00:01.5Z"), Some(1_500_000));
    }
}
