//! Writing a result for people and for scripts.

use std::io::Write;

use crate::{QueryError, QueryResult};

/// How a result is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// A table with borders.
    Table,
    /// One JSON array of objects.
    Json,
    /// Comma-separated values with a header.
    Csv,
}

/// Writes a result.
///
/// # Errors
/// [`QueryError::Write`].
pub fn render(format: Format, result: &QueryResult, out: impl Write) -> Result<(), QueryError> {
    let _ = (format, result, out);
    Err(QueryError::Write("not built yet".into()))
}
