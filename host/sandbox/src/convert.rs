//! The one door through which a guest's answer becomes Arrow. What passes is what `malla.wit` promises.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{
    ArrowPrimitiveType, Date32Type, Decimal128Type, Float64Type, Int32Type, Int64Type,
    TimestampMicrosecondType,
};
use arrow_array::{
    Array, ArrayRef, BooleanArray, PrimitiveArray, RecordBatch, RecordBatchOptions, StringArray,
};
use arrow_buffer::{BooleanBuffer, Buffer, NullBuffer, OffsetBuffer, ScalarBuffer};
use arrow_schema::{ArrowError, DataType, Field, TimeUnit};

use crate::bindings::{columns as wit, types};
use crate::error::{BrokenPromise, Failure, Limit};
use crate::rows::{self, Rows, Selection};
use crate::{Limits, Origin, Rejection, Step};

/// A guest's answer, checked.
pub(crate) struct Converted {
    pub(crate) batch: RecordBatch,
    pub(crate) rows: Rows,
    pub(crate) rejected: Vec<Rejection>,
    pub(crate) origins: Vec<Origin>,
    pub(crate) output_bytes: u64,
}

/// Checks an answer and makes it a batch of the step's product.
pub(crate) fn convert(
    output: types::Output,
    step: &Step,
    input: &RecordBatch,
    limits: &Limits,
) -> Result<Converted, Failure> {
    let fields = step.output.fields();
    let (expected, found) = (fields.len(), output.columns.len());
    if expected != found {
        return Err(BrokenPromise::ColumnCount { expected, found }.into());
    }
    let selection = Selection::new(output.rows, input.num_rows(), limits)?;
    let rejected = rows::rejections(output.rejected, &selection, step, input.num_rows(), limits)?;

    let mut budget = Budget {
        used: 0,
        allowed: limits.output_bytes,
    };
    let mut columns = Vec::with_capacity(expected);
    let mut origins = Vec::with_capacity(expected);
    for (field, column) in fields.iter().zip(output.columns) {
        let (array, origin) = match column {
            types::OutputColumn::Forward(index) => {
                let source = forwarded(index, field, input)?;
                budget.add(repeated_bytes(source, &selection))?;
                (selection.of_input(source), Origin::Forward(index as usize))
            }
            types::OutputColumn::Computed(column) => {
                budget.add(column_bytes(&column))?;
                let array = computed(column, field, selection.computed_rows())?;
                (selection.of_computed(array), Origin::Computed)
            }
        };
        let array = array.map_err(engine)?;
        nulls(&array, field)?;
        columns.push(array);
        origins.push(origin);
    }
    let options = RecordBatchOptions::new().with_row_count(Some(selection.count()));
    let batch =
        RecordBatch::try_new_with_options(Arc::clone(&step.output), columns, &options).map_err(engine)?;
    Ok(Converted {
        batch,
        rows: selection.into_rows(),
        rejected,
        origins,
        output_bytes: budget.used,
    })
}

/// Checks what a function gave, and makes it a column of so many rows. Gives its bytes too.
pub(crate) fn result(
    column: wit::ColumnResult,
    field: &Field,
    rows: usize,
    limits: &Limits,
) -> Result<(ArrayRef, u64), Failure> {
    let mut budget = Budget {
        used: 0,
        allowed: limits.output_bytes,
    };
    budget.add(column_bytes(&column))?;
    let array = computed(column, field, rows)?;
    nulls(&array, field)?;
    Ok((array, budget.used))
}

fn nulls(array: &ArrayRef, field: &Field) -> Result<(), BrokenPromise> {
    let nulls = array.null_count();
    if nulls == 0 || field.is_nullable() {
        return Ok(());
    }
    Err(BrokenPromise::Null {
        column: field.name().clone(),
        nulls,
    })
}

/// What Arrow says about values that passed our checks. Its words may quote a value, so they stay here.
fn engine(_: ArrowError) -> Failure {
    Failure::Engine {
        reason: "arrow refused columns that were checked".to_owned(),
    }
}

struct Budget {
    used: u64,
    allowed: u64,
}

impl Budget {
    fn add(&mut self, bytes: u64) -> Result<(), Failure> {
        self.used = self.used.saturating_add(bytes);
        if self.used > self.allowed {
            let (limit, allowed) = (Limit::OutputBytes, self.allowed);
            return Err(Failure::OverLimit {
                limit,
                allowed,
                backtrace: Vec::new(),
            });
        }
        Ok(())
    }
}

fn forwarded<'a>(index: u32, field: &Field, input: &'a RecordBatch) -> Result<&'a ArrayRef, BrokenPromise> {
    let columns = input.num_columns();
    let missing = || BrokenPromise::ForwardIndex {
        column: field.name().clone(),
        index,
        columns,
    };
    let source = input.columns().get(index as usize).ok_or_else(missing)?;
    if source.data_type() != field.data_type() {
        let source_field = input.schema_ref().fields().get(index as usize);
        return Err(BrokenPromise::ForwardType {
            column: field.name().clone(),
            source_column: source_field.map(|field| field.name().clone()).unwrap_or_default(),
            expected: field.data_type().to_string(),
            found: source.data_type().to_string(),
        });
    }
    Ok(source)
}

/// Bytes that `take` makes out of a column of the input, which may be many more than it has. 0 for the other
/// selections: they add nothing.
fn repeated_bytes(column: &ArrayRef, selection: &Selection) -> u64 {
    let Selection::Take(rows) = selection else {
        return 0;
    };
    match column.as_string_opt::<i32>() {
        Some(texts) => {
            let offsets = texts.value_offsets();
            let length = |row: &u32| {
                let start = offsets.get(*row as usize).copied().unwrap_or_default();
                let end = offsets
                    .get((*row as usize).saturating_add(1))
                    .copied()
                    .unwrap_or_default();
                u64::from(end.abs_diff(start)).saturating_add(4)
            };
            let bytes: u64 = rows.values().iter().map(length).fold(0, u64::saturating_add);
            // Arrow cannot count further in such a column.
            if bytes > i32::MAX as u64 { u64::MAX } else { bytes }
        }
        None => {
            let width = column.data_type().primitive_width().unwrap_or(1);
            (rows.len() as u64).saturating_mul(width as u64)
        }
    }
}

fn column_bytes(column: &wit::ColumnResult) -> u64 {
    let bytes = match column {
        wit::ColumnResult::Boolean(c) => c.values.len(),
        wit::ColumnResult::Int32(c) | wit::ColumnResult::Date32(c) => size_of_val(c.values.as_slice()),
        wit::ColumnResult::Int64(c) | wit::ColumnResult::TimestampUs(c) => size_of_val(c.values.as_slice()),
        wit::ColumnResult::Float64(c) => size_of_val(c.values.as_slice()),
        wit::ColumnResult::Decimal128(c) => size_of_val(c.words.as_slice()),
        wit::ColumnResult::Utf8(c) => size_of_val(c.offsets.as_slice()).saturating_add(c.bytes.len()),
    };
    bytes as u64
}

fn computed(column: wit::ColumnResult, field: &Field, rows: usize) -> Result<ArrayRef, BrokenPromise> {
    let check = Check { field, rows };
    match (column, field.data_type()) {
        (wit::ColumnResult::Boolean(c), DataType::Boolean) => {
            let values = check.bitmap(c.values, "values")?;
            Ok(Arc::new(BooleanArray::new(values, check.validity(c.validity)?)))
        }
        (wit::ColumnResult::Int32(c), DataType::Int32) => {
            Ok(Arc::new(check.numbers::<Int32Type>(c.values.into(), c.validity)?))
        }
        (wit::ColumnResult::Date32(c), DataType::Date32) => Ok(Arc::new(
            check.numbers::<Date32Type>(c.values.into(), c.validity)?,
        )),
        (wit::ColumnResult::Int64(c), DataType::Int64) => {
            Ok(Arc::new(check.numbers::<Int64Type>(c.values.into(), c.validity)?))
        }
        (wit::ColumnResult::TimestampUs(c), DataType::Timestamp(TimeUnit::Microsecond, zone)) => {
            let array = check.numbers::<TimestampMicrosecondType>(c.values.into(), c.validity)?;
            Ok(Arc::new(array.with_timezone_opt(zone.clone())))
        }
        (wit::ColumnResult::Float64(c), DataType::Float64) => Ok(Arc::new(
            check.numbers::<Float64Type>(c.values.into(), c.validity)?,
        )),
        (wit::ColumnResult::Decimal128(c), DataType::Decimal128(precision, scale)) => {
            let array = check.numbers::<Decimal128Type>(check.decimals(c.words)?, c.validity)?;
            check.precision(&array, *precision)?;
            Ok(Arc::new(
                array.with_data_type(DataType::Decimal128(*precision, *scale)),
            ))
        }
        (wit::ColumnResult::Utf8(c), DataType::Utf8) => Ok(Arc::new(check.texts(c)?)),
        (column, expected) => Err(BrokenPromise::ColumnType {
            column: field.name().clone(),
            expected: expected.to_string(),
            found: type_name(&column).to_owned(),
        }),
    }
}

fn type_name(column: &wit::ColumnResult) -> &'static str {
    match column {
        wit::ColumnResult::Boolean(_) => "boolean",
        wit::ColumnResult::Int32(_) => "int32",
        wit::ColumnResult::Int64(_) => "int64",
        wit::ColumnResult::Float64(_) => "float64",
        wit::ColumnResult::Decimal128(_) => "decimal128",
        wit::ColumnResult::Utf8(_) => "utf8",
        wit::ColumnResult::Date32(_) => "date32",
        wit::ColumnResult::TimestampUs(_) => "timestamp-us",
    }
}

/// The promises of one computed column.
struct Check<'a> {
    field: &'a Field,
    rows: usize,
}

impl Check<'_> {
    fn name(&self) -> String {
        self.field.name().clone()
    }

    fn length(&self, found: usize) -> Result<(), BrokenPromise> {
        if found == self.rows {
            Ok(())
        } else {
            Err(BrokenPromise::Length {
                column: self.name(),
                expected: self.rows,
                found,
            })
        }
    }

    /// Bits behind the last are whatever the guest left there; nobody reads them.
    fn bitmap(&self, bytes: Vec<u8>, bitmap: &'static str) -> Result<BooleanBuffer, BrokenPromise> {
        let expected = self.rows.div_ceil(8);
        if bytes.len() != expected {
            return Err(BrokenPromise::Bitmap {
                column: self.name(),
                bitmap,
                expected,
                found: bytes.len(),
            });
        }
        Ok(BooleanBuffer::new(Buffer::from_vec(bytes), 0, self.rows))
    }

    fn validity(&self, bytes: Option<Vec<u8>>) -> Result<Option<NullBuffer>, BrokenPromise> {
        let nulls = bytes
            .map(|bytes| self.bitmap(bytes, "validity"))
            .transpose()?
            .map(NullBuffer::new);
        Ok(nulls.filter(|nulls| nulls.null_count() > 0))
    }

    fn numbers<T: ArrowPrimitiveType>(
        &self,
        values: ScalarBuffer<T::Native>,
        validity: Option<Vec<u8>>,
    ) -> Result<PrimitiveArray<T>, BrokenPromise> {
        let found = values.len();
        self.length(found)?;
        PrimitiveArray::try_new(values, self.validity(validity)?).map_err(|_| BrokenPromise::Length {
            column: self.name(),
            expected: self.rows,
            found,
        })
    }

    fn decimals(&self, words: Vec<u64>) -> Result<ScalarBuffer<i128>, BrokenPromise> {
        let (pairs, rest) = words.as_chunks::<2>();
        if !rest.is_empty() {
            return Err(BrokenPromise::HalfDecimal { column: self.name() });
        }
        // Allocators align large blocks to 16 bytes, mostly; then nothing is copied.
        if words.as_ptr().align_offset(align_of::<i128>()) == 0 {
            return Ok(ScalarBuffer::from(Buffer::from_vec(words)));
        }
        let value = |&[low, high]: &[u64; 2]| i128::from(high.cast_signed()) << 64 | i128::from(low);
        Ok(pairs.iter().map(value).collect::<Vec<i128>>().into())
    }

    fn precision(&self, array: &PrimitiveArray<Decimal128Type>, precision: u8) -> Result<(), BrokenPromise> {
        let Some(bound) = 10_u128.checked_pow(u32::from(precision)) else {
            return Ok(());
        };
        let fits = |value: &i128| value.unsigned_abs() < bound;
        // Nearly always true at once; only else does it matter which slots are null.
        if array.values().iter().all(fits) {
            return Ok(());
        }
        match array
            .iter()
            .position(|value| value.is_some_and(|value| !fits(&value)))
        {
            Some(row) => Err(BrokenPromise::Precision {
                column: self.name(),
                precision,
                row,
            }),
            None => Ok(()),
        }
    }

    fn texts(&self, texts: wit::TextsResult) -> Result<StringArray, BrokenPromise> {
        let wit::TextsResult {
            offsets,
            bytes,
            validity,
        } = texts;
        let column = || self.name();
        if offsets.len() != self.rows.saturating_add(1) {
            return Err(BrokenPromise::OffsetCount {
                column: column(),
                rows: self.rows,
                found: offsets.len(),
            });
        }
        if offsets.first() != Some(&0) {
            return Err(BrokenPromise::OffsetStart { column: column() });
        }
        if let Some(row) = offsets.array_windows::<2>().position(|[start, end]| start > end) {
            return Err(BrokenPromise::OffsetOrder {
                column: column(),
                row,
            });
        }
        let last = offsets.last().copied().unwrap_or_default();
        if usize::try_from(last) != Ok(bytes.len()) {
            return Err(BrokenPromise::OffsetEnd {
                column: column(),
                found: last,
                bytes: bytes.len(),
            });
        }
        let validity = self.validity(validity)?;
        // INVARIANT: from 0 upwards, as just checked, so this does not panic.
        let offsets = OffsetBuffer::new(offsets.into());
        StringArray::try_new(offsets, Buffer::from_vec(bytes), validity)
            .map_err(|_| BrokenPromise::Utf8 { column: column() })
    }
}
