//! Records of CSV to the cells of rows.

mod fields;
#[cfg(test)]
mod tests;
mod value;

use malla_contract::{Csv, Encoding};

use self::fields::Fields;
use self::value::{convert, text};
use super::object::{Flaw, Shape};
use super::rule;
use super::value::Cell;
use crate::lines::trim_line_end;

/// Reads records, by what their header says or in the order of the contract.
#[derive(Debug)]
pub(crate) struct CsvReader {
    options: Csv,
    /// The header that `columns` were made of.
    header: Option<Vec<u8>>,
    /// For every field, the index of its column; or what is wrong with all records below this header.
    columns: Result<Vec<Option<usize>>, Flaw>,
    scratch: String,
}

impl CsvReader {
    pub(crate) fn new(options: &Csv, shape: &Shape) -> Self {
        Self {
            options: options.clone(),
            header: None,
            columns: Ok((0..shape.columns.len()).map(Some).collect()),
            scratch: String::new(),
        }
    }

    /// Says which record names the columns from now on; `None`: they come in the contract's order.
    pub(crate) fn set_header(&mut self, shape: &Shape, header: Option<&[u8]>) {
        if self.header.as_deref() == header {
            return;
        }
        self.columns = match header {
            Some(header) => self.by_name(shape, header),
            None => Ok((0..shape.columns.len()).map(Some).collect()),
        };
        self.header = header.map(<[u8]>::to_vec);
    }

    /// Fills `cells`, which has one cell for every column of the shape.
    pub(crate) fn read<'a>(
        &mut self,
        shape: &Shape,
        record: &'a [u8],
        cells: &mut [Cell<'a>],
    ) -> Result<(), Flaw> {
        let record = trim_line_end(record);
        let delimiter = self.options.delimiter;
        if record.iter().all(|byte| *byte == b' ' && *byte != delimiter) {
            return Err(Flaw::of_line(rule::EMPTY_LINE, None, "nothing on the line"));
        }
        let columns = self.columns.as_ref().map_err(Flaw::clone)?;
        cells.fill(Cell::Absent);
        let mut flaw = None;
        let utf8 = match self.options.encoding {
            Encoding::Utf8 => str::from_utf8(record).ok(),
            Encoding::Latin1 | Encoding::Windows1252 => {
                str::from_utf8(record).ok().filter(|text| text.is_ascii())
            }
        };
        let mut fields = Fields::new(record, utf8, delimiter, self.options.quote);
        let mut count = 0;
        // Reads on after a value that does not fit: a record that is cut wrongly should be called that.
        for field in &mut fields {
            let field = field?;
            let target = columns.get(count).copied().flatten();
            count += 1;
            let Some(column) = target else { continue };
            let (Some(spec), Some(cell)) = (shape.columns.get(column), cells.get_mut(column)) else {
                continue;
            };
            match convert(field, spec.ty, &self.options, &mut self.scratch) {
                Ok(value) => *cell = value,
                Err(misfit) => {
                    flaw.get_or_insert(Flaw {
                        rule: misfit.rule,
                        column: Some(column),
                        at: Some(field.at + 1),
                        message: misfit.message,
                    });
                }
            }
        }
        if count != columns.len() {
            let message = format!("{count} fields where {} are expected", columns.len());
            return Err(Flaw::of_line(rule::WRONG_FIELD_COUNT, None, message));
        }
        flaw.map_or(Ok(()), Err)?;
        shape.check_required(cells)
    }

    fn by_name(&self, shape: &Shape, header: &[u8]) -> Result<Vec<Option<usize>>, Flaw> {
        let invalid = |message: &'static str, column| Flaw {
            rule: rule::INVALID_HEADER,
            column,
            at: None,
            message: message.into(),
        };
        let mut columns: Vec<Option<usize>> = Vec::new();
        for field in Fields::new(header, None, self.options.delimiter, self.options.quote) {
            let name = field
                .ok()
                .and_then(|field| text(field, &self.options).ok())
                .ok_or_else(|| {
                    invalid(
                        "the file's first record, which names the columns, cannot be read",
                        None,
                    )
                })?;
            let column = shape.find_name(&name.trim().to_ascii_lowercase());
            if column.is_some() && columns.contains(&column) {
                return Err(invalid("the file's header has the column twice", column));
            }
            columns.push(column);
        }
        if columns.iter().all(Option::is_none) {
            return Err(invalid(
                "the file's first record names no column of the contract: add a header, or say `header: false`",
                None,
            ));
        }
        let missing = |(index, _): &(usize, _)| !columns.contains(&Some(*index));
        let mut required = shape
            .columns
            .iter()
            .enumerate()
            .filter(|(_, column)| column.required);
        match required.find(missing) {
            None => Ok(columns),
            Some((index, _)) => Err(Flaw {
                rule: rule::MISSING_COLUMN,
                column: Some(index),
                at: None,
                message: "required, but the file's header does not name it".into(),
            }),
        }
    }
}
