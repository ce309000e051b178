//! Steps on the author's machine: rows of values in, rows of values and rejections out, no Wasm.
//!
//! The batch goes the same way as in the sandbox, buffers and all. Every step module has a `run_on` for it.

use crate::Error;
pub use crate::bindings::malla::plugin::columns::Column as SourceColumn;
use crate::bindings::malla::plugin::types as wire;
use crate::kind::{Kind, Type, bit};
use crate::output::{Accepts, Content, OutputColumn};
use crate::rows::Rule;
use crate::step::{self, Step};

/// What tests need of a step beyond [`Step`]. `malla_sdk::plugin!` implements it.
pub trait Testable: Step {
    /// One row of the source, with every column of it.
    type SourceRow<'a>;
    /// One row of the product.
    type ProductRow<'a>;
    /// Places of the columns read among those of the source.
    const READS: &'static [usize];

    /// The columns of these rows.
    fn source(rows: &[Self::SourceRow<'_>]) -> Vec<SourceColumn>;
    /// One row of the product. An error names a column that breaks the contract there.
    fn product<'a>(cells: &Cells<'a>) -> Result<Self::ProductRow<'a>, Error>;
}

/// What a step did with a batch.
#[derive(Debug)]
pub struct Run<S: Testable> {
    rows: usize,
    source: Vec<SourceColumn>,
    output: wire::Output,
    step: std::marker::PhantomData<S>,
}

/// One row of a product, column by column.
#[derive(Debug)]
pub struct Cells<'a> {
    source: &'a [SourceColumn],
    source_rows: usize,
    source_row: usize,
    columns: &'a [wire::OutputColumn],
    computed_rows: usize,
    computed_row: usize,
}

impl<S: Testable> Run<S> {
    /// Runs the step on rows of values.
    ///
    /// # Errors
    ///
    /// What the step says, and what the host would say of an output that breaks the contract.
    pub fn new(event_time: i64, rows: &[S::SourceRow<'_>]) -> Result<Self, Error> {
        let source = S::source(rows);
        let columns = S::READS
            .iter()
            .filter_map(|index| source.get(*index).cloned())
            .collect();
        let batch = wire::Batch {
            rows: u32::try_from(rows.len())?,
            event_time,
            columns,
        };
        let output = step::run::<S>(&batch)?;
        let run = Self {
            rows: rows.len(),
            source,
            output,
            step: std::marker::PhantomData,
        };
        run.try_rows()?;
        Ok(run)
    }

    /// The rows of the product, forwarded columns filled in from the source.
    #[must_use]
    pub fn rows(&self) -> Vec<S::ProductRow<'_>> {
        self.try_rows().unwrap_or_default()
    }

    /// The rejected rows, counted from 0, each with its rule.
    #[must_use]
    pub fn rejected(&self) -> Vec<(usize, S::Rule)> {
        let rule = |name: &str| S::Rule::ALL.iter().copied().find(|rule| rule.name() == name);
        let rejected = self.output.rejected.iter();
        rejected
            .filter_map(|rejected| Some((rejected.row as usize, rule(&rejected.rule)?)))
            .collect()
    }

    /// The words of each rejection, in the order of [`rejected`](Self::rejected).
    #[must_use]
    pub fn messages(&self) -> Vec<&str> {
        self.output
            .rejected
            .iter()
            .map(|rejected| rejected.message.as_str())
            .collect()
    }

    fn try_rows(&self) -> Result<Vec<S::ProductRow<'_>>, Error> {
        let (computed_rows, rows): (usize, Vec<(usize, usize)>) = match &self.output.rows {
            wire::Rows::All => (self.rows, (0..self.rows).map(|row| (row, row)).collect()),
            wire::Rows::Keep(bits) => {
                let kept = (0..self.rows).filter(|row| bit(bits, *row)).map(|row| (row, row));
                (self.rows, kept.collect())
            }
            wire::Rows::Take(taken) => (
                taken.len(),
                taken
                    .iter()
                    .enumerate()
                    .map(|(place, row)| (*row as usize, place))
                    .collect(),
            ),
        };
        let mut products = Vec::with_capacity(rows.len());
        for (source_row, computed_row) in rows {
            if source_row >= self.rows {
                return Err(Error::new(format!(
                    "row {source_row} is taken, and the batch has {} rows",
                    self.rows
                )));
            }
            if self
                .output
                .rejected
                .iter()
                .any(|rejected| rejected.row as usize == source_row)
            {
                return Err(Error::new(format!("row {source_row} is taken and rejected")));
            }
            products.push(S::product(&Cells {
                source: &self.source,
                source_rows: self.rows,
                source_row,
                columns: &self.output.columns,
                computed_rows,
                computed_row,
            })?);
        }
        Ok(products)
    }
}

impl<'a> Cells<'a> {
    /// The value of the product's column at `place`.
    ///
    /// # Errors
    ///
    /// A null in a required column, and a number that is too large for its column.
    pub fn value<K: Kind>(&self, place: usize, name: &str) -> Result<K::Value<'a>, Error> {
        let (column, rows, row) = match self.columns.get(place) {
            Some(wire::OutputColumn::Forward(index)) => (
                self.source.get(*index as usize),
                self.source_rows,
                self.source_row,
            ),
            Some(wire::OutputColumn::Computed(column)) => {
                (Some(column), self.computed_rows, self.computed_row)
            }
            None => (None, 0, 0),
        };
        cell::<K>(column, rows, row).map_err(|wrong| match wrong {
            Wrong::Type => Error::new(format!("column `{name}` is not one of {}", K::Type::NAME)),
            Wrong::Null => Error::new(format!(
                "column `{name}` is required and null in row {}: reject such rows",
                self.source_row
            )),
            Wrong::Digits => Error::new(format!(
                "column `{name}` has too many digits in row {}",
                self.source_row
            )),
        })
    }
}

/// What the host would say of a value.
enum Wrong {
    Type,
    Null,
    Digits,
}

fn cell<K: Kind>(column: Option<&SourceColumn>, rows: usize, row: usize) -> Result<K::Value<'_>, Wrong> {
    let Some((slice, validity)) = column.and_then(|column| K::Type::borrow(column, rows)) else {
        return Err(Wrong::Type);
    };
    let valid = validity.is_none_or(|bits| bit(bits, row));
    if !valid && !K::NULLABLE {
        return Err(Wrong::Null);
    }
    if valid && !K::Type::holds(K::Type::value(slice, row)) {
        return Err(Wrong::Digits);
    }
    Ok(K::cell(slice, validity, row))
}

/// The values that a function gave, as its contract promises them.
///
/// # Errors
///
/// A number that is too large for its type.
pub fn values<'a, K: Kind>(
    column: &'a SourceColumn,
    rows: usize,
    function: &str,
) -> Result<Vec<K::Value<'a>>, Error> {
    let value = |row| {
        cell::<K>(Some(column), rows, row).map_err(|wrong| {
            let what = match wrong {
                Wrong::Type => format!("is no {}", K::Type::NAME),
                Wrong::Null => "is null and may not be".to_owned(),
                Wrong::Digits => "has too many digits".to_owned(),
            };
            Error::new(format!("what `{function}` gives for row {row} {what}"))
        })
    };
    (0..rows).map(value).collect()
}

/// A column of values, for a source.
#[must_use]
pub fn column<K: Accepts<V>, V>(values: impl Iterator<Item = V>) -> SourceColumn {
    match values.collect::<OutputColumn<K>>().into_content() {
        Content::Computed { column, .. } => column,
        // Collecting never forwards.
        Content::Forward(_) => SourceColumn::Boolean(crate::bindings::malla::plugin::columns::Booleans {
            values: Vec::new(),
            validity: None,
        }),
    }
}
