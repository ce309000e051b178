//! Lines to one Arrow batch.

mod avro;
mod columns;
mod csv;
mod decimal;
mod flat;
mod object;
mod parquet;
mod protobuf;
pub(crate) mod rule;
#[cfg(test)]
mod tests;
mod time;
mod typed;
mod value;

use std::sync::Arc;

use arrow_array::{ArrayRef, RecordBatch, RecordBatchOptions};
use arrow_schema::{ArrowError, SchemaRef};
use malla_contract::{Format, Source};

use self::avro::AvroReader;
use self::columns::ColumnBuilder;
use self::csv::CsvReader;
use self::flat::read_flat;
use self::object::{Flaw, Shape, read_object};
use self::parquet::RowsReader;
pub(crate) use self::parquet::{json_of_row, why_not};
use self::protobuf::ProtobufReader;
use self::value::Cell;
use crate::{LineProblem, Lines, SchemaLookup, SourceError};

/// The most text of one batch: Arrow counts it in 32 bits.
const MAX_TEXT: usize = (1 << 31) - 1;

/// Decodes lines by the shape and the format of one source. Reused from batch to batch. See docs/formats.md for what each format
/// takes for which type.
#[derive(Debug)]
pub struct Decoder {
    table: String,
    schema: SchemaRef,
    shape: Shape,
    reader: RowReader,
}

/// What reads one line, by format.
#[derive(Debug)]
enum RowReader {
    Json,
    Csv(Box<CsvReader>),
    Avro(Box<AvroReader>),
    Protobuf(Box<ProtobufReader>),
    /// A batch of rows at once.
    Parquet(RowsReader),
}

/// Why a line is no row, or why nothing can be said of it now.
#[derive(Debug)]
enum Fault {
    Flaw(Flaw),
    Source(Box<SourceError>),
}

impl From<Flaw> for Fault {
    fn from(flaw: Flaw) -> Self {
        Self::Flaw(flaw)
    }
}

impl From<SourceError> for Fault {
    fn from(error: SourceError) -> Self {
        Self::Source(Box::new(error))
    }
}

/// What became of the lines of one batch: each is a row or a failure.
#[derive(Debug)]
pub struct Decoded {
    /// The rows, in the order of their lines; its schema is that of the source's table.
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

    /// A decoder for the rows of a source.
    ///
    /// # Errors
    /// What the contract says of its format cannot be.
    pub fn new(source: &Source) -> Result<Self, SourceError> {
        Self::build(source, None)
    }

    /// A decoder for the rows of a source whose messages name their schemas.
    ///
    /// # Errors
    /// What the contract says of its format cannot be.
    pub fn with_schemas(source: &Source, schemas: Arc<dyn SchemaLookup>) -> Result<Self, SourceError> {
        Self::build(source, Some(schemas))
    }

    fn build(source: &Source, schemas: Option<Arc<dyn SchemaLookup>>) -> Result<Self, SourceError> {
        let wrong = |reason| SourceError::Format {
            source_name: source.name.clone(),
            reason,
        };
        let shape = Shape::new(&source.table);
        let reader = match &source.format {
            Format::Json => RowReader::Json,
            Format::Csv(csv) => RowReader::Csv(Box::new(CsvReader::new(csv, &shape))),
            Format::Avro(avro) => {
                let reader = AvroReader::new(avro, &shape, schemas).map_err(wrong)?;
                RowReader::Avro(Box::new(reader))
            }
            Format::Protobuf(protobuf) => {
                let reader = ProtobufReader::new(protobuf, &shape).map_err(wrong)?;
                RowReader::Protobuf(Box::new(reader))
            }
            Format::Parquet(parquet) => RowReader::Parquet(RowsReader::new(*parquet)),
        };
        Ok(Self {
            table: source.table.name.clone(),
            schema: Arc::new(source.table.schema()),
            shape,
            reader,
        })
    }

    /// The schema of every batch that it gives.
    #[must_use]
    pub fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// Decodes every line to a row or a failure.
    ///
    /// # Errors
    /// A schema that messages name cannot be had now; never for what is in the lines.
    pub fn decode(&mut self, lines: &Lines) -> Result<Decoded, SourceError> {
        match self.reader {
            RowReader::Parquet(reader) => self.decode_rows(reader, lines),
            _ => self.decode_lines(lines),
        }
    }

    /// Columns at once, since they come as such.
    fn decode_rows(&self, reader: RowsReader, lines: &Lines) -> Result<Decoded, SourceError> {
        let read = reader
            .read(&self.shape, lines)
            .map_err(|error| self.misfit(error))?;
        let mut failed: Vec<DecodeFailure> = lines.problems().iter().map(failure_of).collect();
        failed.extend(
            read.flaws
                .into_iter()
                .map(|(line, flaw)| self.failure(line, flaw)),
        );
        failed.sort_by_key(|failure| failure.line);
        self.decoded(read.columns, read.rows, failed)
    }

    fn decode_lines(&mut self, lines: &Lines) -> Result<Decoded, SourceError> {
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
        let mut headers = lines.headers().peekable();
        if headers.peek().is_none() {
            self.reader.set_header(&self.shape, None);
        }
        if let RowReader::Avro(avro) = &mut self.reader {
            avro.begin_batch();
        }

        let mut text = 0_usize;
        for (line, bytes) in (0_u32..).zip(lines.texts()) {
            if let Some(problem) = problems.next_if(|problem| problem.line == line) {
                failed.push(failure_of(problem));
                continue;
            }
            while let Some((_, header)) = headers.next_if(|(from, _)| *from <= line) {
                self.reader.set_header(&self.shape, Some(header));
            }
            match self.reader.read(&self.shape, bytes, &mut cells) {
                Ok(()) => {
                    // The reader bounds the bytes of a batch; but only of JSON is the text never longer than those.
                    if !matches!(self.reader, RowReader::Json) {
                        let more: usize = cells.iter().map(Cell::text_len).sum();
                        if text.saturating_add(more) > MAX_TEXT {
                            let message = "more text than a batch can hold: let batches be smaller";
                            failed
                                .push(self.failure(line, Flaw::of_line(rule::LINE_TOO_LONG, None, message)));
                            continue;
                        }
                        text += more;
                    }
                    for (builder, cell) in builders.iter_mut().zip(&mut cells) {
                        builder.append(std::mem::take(cell));
                    }
                    rows.push(line);
                }
                Err(Fault::Flaw(flaw)) => failed.push(self.failure(line, flaw)),
                Err(Fault::Source(error)) => return Err(*error),
            }
        }

        let columns = builders.iter_mut().map(ColumnBuilder::finish).collect();
        self.decoded(columns, rows, failed)
    }

    fn decoded(
        &self,
        columns: Vec<ArrayRef>,
        rows: Vec<u32>,
        failed: Vec<DecodeFailure>,
    ) -> Result<Decoded, SourceError> {
        let options = RecordBatchOptions::new().with_row_count(Some(rows.len()));
        let batch = RecordBatch::try_new_with_options(Arc::clone(&self.schema), columns, &options)
            .map_err(|error| self.misfit(error))?;
        Ok(Decoded { batch, rows, failed })
    }

    fn misfit(&self, error: ArrowError) -> SourceError {
        SourceError::Arrow {
            table: self.table.clone(),
            error,
        }
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

impl RowReader {
    fn set_header(&mut self, shape: &Shape, header: Option<&[u8]>) {
        if let Self::Csv(csv) = self {
            csv.set_header(shape, header);
        }
    }

    /// Fills `cells`, which has one cell for every column of the shape.
    fn read<'a>(&mut self, shape: &Shape, line: &'a [u8], cells: &mut [Cell<'a>]) -> Result<(), Fault> {
        match self {
            Self::Json => Ok(read_json(shape, line, cells)?),
            Self::Csv(csv) => Ok(csv.read(shape, line, cells)?),
            Self::Avro(avro) => avro.read(shape, line, cells),
            Self::Protobuf(protobuf) => Ok(protobuf.read(shape, line, cells)?),
            // Its rows are no lines, and come another way.
            Self::Parquet(_) => Err(Flaw::of_line(rule::INVALID_PARQUET, None, "not a row").into()),
        }
    }
}

fn failure_of(problem: &LineProblem) -> DecodeFailure {
    DecodeFailure {
        line: problem.line,
        rule: problem.rule,
        column: None,
        at: None,
        message: problem.message.clone(),
    }
}

fn read_json<'a>(shape: &Shape, bytes: &'a [u8], cells: &mut [Cell<'a>]) -> Result<(), Flaw> {
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
    if read_flat(shape, line, cells) {
        return Ok(());
    }
    read_object(shape, line, cells)
}
