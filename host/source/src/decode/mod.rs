//! Lines of JSON to one Arrow batch.

mod columns;
mod decimal;
mod flat;
mod object;
pub(crate) mod rule;
#[cfg(test)]
mod tests;
mod time;
mod value;

use std::sync::Arc;

use arrow_array::{RecordBatch, RecordBatchOptions};
use arrow_schema::SchemaRef;
use malla_contract::Table;

use self::columns::ColumnBuilder;
use self::flat::read_flat;
use self::object::{Flaw, Shape, read_object};
use self::value::Cell;
use crate::{Lines, SourceError};

/// Decodes lines by the shape of one contract table. Reused from batch to batch.
///
/// - Keys that are no column are ignored. A key that is absent is null, and null in a required column is a failure.
/// - Text columns keep an object or an array as its JSON text; a number or a boolean there is a failure.
/// - Whole numbers may be written `1.0` or `1e3`. Decimals may be text (`"12.50"`), are exact, and are never rounded.
/// - Times need an offset and become UTC; digits after the microsecond are cut off.
#[derive(Debug)]
pub struct Decoder {
    table: String,
    schema: SchemaRef,
    shape: Shape,
}

/// What became of the lines of one batch: each is a row or a failure.
#[derive(Debug)]
pub struct Decoded {
    /// The rows, in the order of their lines; its schema is [`Table::schema`].
    pub batch: RecordBatch,
    /// For every row, the index of its line.
    pub rows: Vec<u32>,
    /// The other lines, in order.
    pub failed: Vec<DecodeFailure>,
}

/// Why a line is not a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DecodeFailure {
    /// Index of the line in its batch.
    pub line: u32,
    /// Name of the broken rule, one of [`Decoder::RULES`].
    pub rule: &'static str,
    /// The contract column that it is about.
    pub column: Option<String>,
    /// Byte of the line, from 1.
    pub at: Option<u32>,
    /// For people. Never carries a value from the line.
    pub message: String,
}

impl Decoder {
    /// Names of the rules that a line can break.
    pub const RULES: &'static [&'static str] = &rule::ALL;

    /// A decoder for the rows of `table`.
    #[must_use]
    pub fn new(table: &Table) -> Self {
        Self {
            table: table.name.clone(),
            schema: Arc::new(table.schema()),
            shape: Shape::new(table),
        }
    }

    /// The schema of every batch that it gives.
    #[must_use]
    pub fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// Decodes every line to a row or a failure.
    ///
    /// # Errors
    /// Never for what is in the lines.
    pub fn decode(&mut self, lines: &Lines) -> Result<Decoded, SourceError> {
        let mut builders: Vec<ColumnBuilder> = self
            .shape
            .columns
            .iter()
            .map(|column| ColumnBuilder::with_capacity(column.ty, lines.len()))
            .collect();
        let mut cells: Vec<Cell<'_>> = vec![Cell::Absent; builders.len()];
        let mut rows = Vec::with_capacity(lines.len());
        let mut failed = Vec::new();
        let mut problems = lines.problems().iter().peekable();

        for (line, bytes) in (0_u32..).zip(lines.iter()) {
            if let Some(problem) = problems.next_if(|problem| problem.line == line) {
                failed.push(DecodeFailure {
                    line,
                    rule: problem.rule,
                    column: None,
                    at: None,
                    message: problem.message.clone(),
                });
                continue;
            }
            match self.read_line(bytes, &mut cells) {
                Ok(()) => {
                    for (builder, cell) in builders.iter_mut().zip(&mut cells) {
                        builder.append(std::mem::take(cell));
                    }
                    rows.push(line);
                }
                Err(flaw) => failed.push(self.failure(line, flaw)),
            }
        }

        let columns = builders.iter_mut().map(ColumnBuilder::finish).collect();
        let options = RecordBatchOptions::new().with_row_count(Some(rows.len()));
        let batch = RecordBatch::try_new_with_options(Arc::clone(&self.schema), columns, &options).map_err(
            |error| SourceError::Arrow {
                table: self.table.clone(),
                error,
            },
        )?;
        Ok(Decoded { batch, rows, failed })
    }

    fn read_line<'a>(&self, bytes: &'a [u8], cells: &mut [Cell<'a>]) -> Result<(), Flaw> {
        let line = str::from_utf8(bytes).map_err(|error| {
            Flaw::of_line(
                rule::INVALID_UTF8,
                Some(error.valid_up_to() + 1),
                "bytes that are not UTF-8",
            )
        })?;
        if line.trim_ascii_start().is_empty() {
            return Err(Flaw::of_line(rule::EMPTY_LINE, None, "nothing on the line"));
        }
        if read_flat(&self.shape, line, cells) {
            return Ok(());
        }
        read_object(&self.shape, line, cells)
    }

    fn failure(&self, line: u32, flaw: Flaw) -> DecodeFailure {
        let column = flaw
            .column
            .and_then(|index| self.shape.columns.get(index))
            .map(|column| column.name.clone());
        let at = flaw.at.map(|at| u32::try_from(at).unwrap_or(u32::MAX));
        let mut message = String::new();
        if let Some(column) = &column {
            message.push_str(&format!("`{column}`: "));
        }
        message.push_str(&flaw.message);
        if let Some(at) = at {
            message.push_str(&format!(" (byte {at} of the line)"));
        }
        DecodeFailure {
            line,
            rule: flaw.rule,
            column,
            at,
            message,
        }
    }
}
