//! Writing a result for people and for scripts.

use std::io::Write;

use arrow_cast::pretty::pretty_format_batches_with_schema;
use arrow_json::writer::{JsonArray, JsonFormat, LineDelimited};

use crate::{QueryError, QueryResult};

/// How a result is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// A table with borders, for people.
    Table,
    /// One JSON array of objects. Nulls are written.
    Json,
    /// One JSON object a line. Nulls are written.
    JsonLines,
    /// Comma-separated values with a header. Nulls are empty.
    Csv,
}

/// Writes a result.
///
/// # Errors
/// [`QueryError::Write`].
pub fn render(format: Format, result: &QueryResult, mut out: impl Write) -> Result<(), QueryError> {
    match format {
        Format::Table => table(result, out),
        Format::Json => {
            json::<JsonArray>(result, &mut out)?;
            writeln!(out).map_err(failed)
        }
        Format::JsonLines => json::<LineDelimited>(result, out),
        Format::Csv => csv(result, out),
    }
}

fn failed(error: impl std::fmt::Display) -> QueryError {
    QueryError::Write(error.to_string())
}

fn table(result: &QueryResult, mut out: impl Write) -> Result<(), QueryError> {
    let text = pretty_format_batches_with_schema(result.schema.clone(), &result.batches)
        .map_err(failed)?
        .to_string();
    // A value must not move the cursor or colour the terminal of whoever looks at it.
    let text: String = text
        .chars()
        .map(|c| {
            if c.is_control() && c != '\n' {
                '\u{fffd}'
            } else {
                c
            }
        })
        .collect();
    let rows: usize = result
        .batches
        .iter()
        .map(arrow_array::RecordBatch::num_rows)
        .sum();
    let unit = if rows == 1 { "row" } else { "rows" };
    if result.truncated {
        writeln!(out, "{text}\nfirst {rows} {unit}; there are more")
    } else {
        writeln!(out, "{text}\n{rows} {unit}")
    }
    .map_err(failed)
}

fn json<F: JsonFormat>(result: &QueryResult, mut out: impl Write) -> Result<(), QueryError> {
    let mut writer = arrow_json::WriterBuilder::new()
        .with_explicit_nulls(true)
        .build::<_, F>(&mut out);
    for batch in &result.batches {
        writer.write(batch).map_err(failed)?;
    }
    writer.finish().map_err(failed)?;
    drop(writer);
    out.flush().map_err(failed)
}

fn csv(result: &QueryResult, mut out: impl Write) -> Result<(), QueryError> {
    let mut writer = arrow_csv::WriterBuilder::new().with_header(true).build(&mut out);
    if result.batches.is_empty() {
        let empty = arrow_array::RecordBatch::new_empty(result.schema.clone());
        writer.write(&empty).map_err(failed)?;
    }
    for batch in &result.batches {
        writer.write(batch).map_err(failed)?;
    }
    drop(writer);
    out.flush().map_err(failed)
}
