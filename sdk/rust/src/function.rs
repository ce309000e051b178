//! From columns of the host to the values of a function, row by row, and back.

use crate::bindings::malla::plugin::columns as wire;
use crate::column::{self, Column};
use crate::kind::Kind;
use crate::output::{Builder, Content};
use crate::{Error, log};

/// The arguments of one call.
#[derive(Debug, Clone, Copy)]
pub struct Arguments<'a> {
    columns: &'a [wire::Column],
    rows: usize,
}

impl<'a> Arguments<'a> {
    /// Columns of as many rows.
    #[must_use]
    pub fn new(columns: &'a [wire::Column], rows: usize) -> Self {
        Self { columns, rows }
    }

    /// The argument at a place.
    ///
    /// # Errors
    /// The host has another contract than the plugin.
    pub fn at<K: Kind>(&self, place: usize, name: &str) -> Result<Column<'a, K>, Error> {
        let index = u32::try_from(place).unwrap_or(u32::MAX);
        column::column(self.columns, self.rows, place, index, name)
    }

    /// A column of what the function gives for each row.
    ///
    /// # Errors
    /// The function's, for the first row that it refuses.
    #[inline]
    pub fn each<K: Kind>(
        &self,
        mut value: impl FnMut(usize, &mut Builder<K>) -> Result<(), Error>,
    ) -> Result<wire::Column, Error> {
        let mut values = Builder::with_capacity(self.rows);
        for row in 0..self.rows {
            value(row, &mut values)?;
        }
        match values.finish().into_content() {
            Content::Computed { column, .. } => Ok(column),
            // A builder never forwards.
            Content::Forward(_) => Err(Error::new("a function gave a column of its source")),
        }
    }
}

/// Calls a function for the host.
///
/// # Errors
/// The function's words.
pub fn call(
    columns: &[wire::Column],
    rows: u32,
    function: impl FnOnce(Arguments<'_>) -> Result<wire::Column, Error>,
) -> Result<wire::Column, String> {
    log::report_panics();
    function(Arguments::new(columns, rows as usize)).map_err(Error::into_message)
}
