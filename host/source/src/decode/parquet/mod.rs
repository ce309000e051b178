//! Rows of Parquet to the columns of a contract: whole columns where they are what they should be, value by value where not.

mod cells;
mod json;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow_array::cast::AsArray as _;
use arrow_array::types::{Date32Type, Decimal128Type, Float64Type, TimestampMicrosecondType};
use arrow_array::{
    Array as _, ArrayRef, BinaryViewArray, BooleanArray, RecordBatch, StringArray, new_empty_array,
    new_null_array,
};
use arrow_buffer::{Buffer, OffsetBuffer};
use arrow_schema::{ArrowError, DataType, TimeUnit};
use arrow_select::concat::concat;
use arrow_select::filter::filter;
use malla_contract::{Column, ColumnType, Parquet};

pub(crate) use self::json::json_of_row;

use self::cells::Cells;
use super::columns::ColumnBuilder;
use super::decimal::rescale;
use super::object::{Flaw, Shape};
use super::rule;
use super::time::{is_day, is_time};
use super::value::{Cell, Misfit};
use crate::Lines;

/// Why a column of a file, by its type in Arrow, cannot be the contract's. Texts come as views of bytes.
pub(crate) fn why_not(found: &DataType, column: &Column, utc_offset: Option<i32>) -> Option<String> {
    use DataType::*;
    let is_whole = found.is_integer();
    let is_float = matches!(found, Float16 | Float32 | Float64);
    let is_decimal = matches!(found, Decimal128(..) | Decimal256(..));
    let is_text = matches!(found, BinaryView);
    let fits = match column.ty {
        _ if matches!(found, Null) => true,
        ColumnType::Boolean => matches!(found, Boolean),
        ColumnType::Int32 | ColumnType::Int64 => is_whole || is_float || is_decimal,
        ColumnType::Float64 => is_whole || is_float,
        ColumnType::Decimal { .. } => is_whole || is_decimal || is_text,
        ColumnType::Utf8 => is_text || matches!(found, FixedSizeBinary(16)),
        ColumnType::Date => is_text || matches!(found, Date32 | Timestamp(_, None)),
        ColumnType::Timestamp => match found {
            Timestamp(_, None) if utc_offset.is_none() => {
                return Some(format!(
                    "column `{}` holds times that do not say that they are UTC: have them written as UTC, or say in the contract whose \
                     they are, such as `parquet: {{ utcOffset: \"-05:00\" }}`",
                    column.name
                ));
            }
            Timestamp(..) => true,
            _ => is_text,
        },
    };
    (!fits).then(|| {
        let found = match found {
            BinaryView => "text".to_owned(),
            Timestamp(..) => "a time".to_owned(),
            Date32 => "a date".to_owned(),
            Decimal128(precision, scale) | Decimal256(precision, scale) => {
                format!("decimal({precision},{scale})")
            }
            FixedSizeBinary(_) => "a UUID".to_owned(),
            other => other.to_string().to_lowercase(),
        };
        format!(
            "column `{}` is {found} in the file and `{}` in the contract",
            column.name, column.ty
        )
    })
}

/// Reads rows.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RowsReader {
    options: Parquet,
}

/// What became of rows.
pub(crate) struct ReadRows {
    pub(crate) columns: Vec<ArrayRef>,
    /// For each row, its line.
    pub(crate) rows: Vec<u32>,
    /// By line.
    pub(crate) flaws: BTreeMap<u32, Flaw>,
}

impl RowsReader {
    pub(crate) fn new(options: Parquet) -> Self {
        Self { options }
    }

    pub(crate) fn read(self, shape: &Shape, lines: &Lines) -> Result<ReadRows, ArrowError> {
        let mut pieces: Vec<Vec<ArrayRef>> = vec![Vec::new(); shape.columns.len()];
        let mut rows = Vec::with_capacity(lines.len());
        let mut all_flaws = BTreeMap::new();
        for (from, piece) in lines.rows() {
            let (columns, flaws) = self.read_piece(shape, piece);
            let is_good: BooleanArray = (0..piece.num_rows())
                .map(|row| Some(!flaws.contains_key(&row)))
                .collect();
            let line = |row: usize| from.saturating_add(u32::try_from(row).unwrap_or(u32::MAX));
            rows.extend(
                (0..piece.num_rows())
                    .filter(|row| !flaws.contains_key(row))
                    .map(line),
            );
            for (pieces, column) in pieces.iter_mut().zip(columns) {
                pieces.push(if flaws.is_empty() {
                    column
                } else {
                    filter(&column, &is_good)?
                });
            }
            all_flaws.extend(flaws.into_iter().map(|(row, flaw)| (line(row), flaw)));
        }
        let columns = pieces
            .iter()
            .zip(&shape.columns)
            .map(|(pieces, column)| match pieces.as_slice() {
                [] => Ok(new_empty_array(&column.ty.arrow())),
                [piece] => Ok(Arc::clone(piece)),
                pieces => concat(&pieces.iter().map(AsRef::as_ref).collect::<Vec<_>>()),
            })
            .collect::<Result<_, _>>()?;
        Ok(ReadRows {
            columns,
            rows,
            flaws: all_flaws,
        })
    }

    /// The contract's columns, with nulls where a row has a flaw; and of each such row the first flaw, by the contract's order.
    fn read_piece(self, shape: &Shape, piece: &RecordBatch) -> (Vec<ArrayRef>, BTreeMap<usize, Flaw>) {
        let mut flaws: BTreeMap<usize, Flaw> = BTreeMap::new();
        let mut flaw = |row: usize, column: usize, misfit: Misfit| {
            flaws.entry(row).or_insert(Flaw {
                rule: misfit.rule,
                column: Some(column),
                at: None,
                message: misfit.message,
            });
        };
        let mut columns = Vec::with_capacity(shape.columns.len());
        for (index, column) in shape.columns.iter().enumerate() {
            columns.push(match piece.column_by_name(&column.name) {
                None => new_null_array(&column.ty.arrow(), piece.num_rows()),
                Some(found) => match whole(found, column.ty) {
                    Some(array) => array,
                    None => self.by_value(found, column.ty, |row, misfit| flaw(row, index, misfit)),
                },
            });
        }
        for (index, (array, column)) in columns.iter().zip(&shape.columns).enumerate() {
            if !column.required || array.null_count() == 0 {
                continue;
            }
            for row in (0..array.len()).filter(|row| array.is_null(*row)) {
                let message = "required, but absent or null";
                flaw(row, index, Misfit::new(rule::MISSING_REQUIRED, message));
            }
        }
        (columns, flaws)
    }

    fn by_value(self, found: &ArrayRef, ty: ColumnType, mut flaw: impl FnMut(usize, Misfit)) -> ArrayRef {
        let mut builder = ColumnBuilder::with_capacity(ty, found.len());
        let cells = Cells::of(found);
        for row in 0..found.len() {
            let cell = match &cells {
                Some(cells) => cells.fit(row, ty, self.options.utc_offset),
                // A file with such a column was refused, but perhaps for another version of the contract.
                None => Err(Misfit::new(
                    rule::WRONG_TYPE,
                    format!("expected `{ty}`, found another type"),
                )),
            };
            builder.append(match cell {
                Ok(cell) => cell,
                Err(misfit) => {
                    flaw(row, misfit);
                    Cell::Null
                }
            });
        }
        builder.finish()
    }
}

/// A column that is what the contract asks for, as it is. `None`: its values have to be looked at.
fn whole(found: &ArrayRef, ty: ColumnType) -> Option<ArrayRef> {
    match (ty, found.data_type()) {
        (ColumnType::Boolean, DataType::Boolean)
        | (ColumnType::Int32, DataType::Int32)
        | (ColumnType::Int64, DataType::Int64) => Some(Arc::clone(found)),
        (ColumnType::Float64, DataType::Float64) => {
            let values = found.as_primitive_opt::<Float64Type>()?.values();
            values
                .iter()
                .all(|value| value.is_finite())
                .then(|| Arc::clone(found))
        }
        (ColumnType::Decimal { precision, scale }, DataType::Decimal128(_, from)) => {
            let array = found.as_primitive_opt::<Decimal128Type>()?;
            if u8::try_from(*from).ok()? != scale {
                return None;
            }
            // What stands where there is nothing is anything.
            let fits = (0..array.len())
                .all(|row| array.is_null(row) || rescale(array.value(row), 0, precision, 0).is_ok());
            fits.then(|| Arc::new(array.clone().with_data_type(ty.arrow())) as ArrayRef)
        }
        (ColumnType::Utf8, DataType::BinaryView) => texts(found.as_binary_view_opt()?),
        (ColumnType::Date, DataType::Date32) => {
            let array = found.as_primitive_opt::<Date32Type>()?;
            array.iter().flatten().all(is_day).then(|| Arc::clone(found))
        }
        (ColumnType::Timestamp, DataType::Timestamp(TimeUnit::Microsecond, Some(_))) => {
            let array = found.as_primitive_opt::<TimestampMicrosecondType>()?;
            let fits = array.iter().flatten().all(is_time);
            fits.then(|| Arc::new(array.clone().with_data_type(ty.arrow())) as ArrayRef)
        }
        _ => None,
    }
}

/// Texts, if all of them are UTF-8.
fn texts(found: &BinaryViewArray) -> Option<ArrayRef> {
    let lengths = (0..found.len()).map(|row| {
        if found.is_null(row) {
            0
        } else {
            found.value(row).len()
        }
    });
    let total: usize = lengths.clone().sum();
    i32::try_from(total).ok()?;
    let mut values = Vec::with_capacity(total);
    for row in (0..found.len()).filter(|row| found.is_valid(*row)) {
        values.extend_from_slice(found.value(row));
    }
    let offsets = OffsetBuffer::<i32>::from_lengths(lengths);
    let array = StringArray::try_new(offsets, Buffer::from_vec(values), found.nulls().cloned()).ok()?;
    Some(Arc::new(array))
}
