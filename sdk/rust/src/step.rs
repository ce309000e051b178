//! From a batch of the host to a step's typed input, and from its typed output back.

use crate::bindings::malla::plugin::types as wire;
use crate::kind::Kind;
use crate::output::{Content, OutputColumn};
use crate::rows::{Rows, Rule};
use crate::{Error, log};

/// One step of a contract with the plugin's function for it. `malla_sdk::plugin!` implements it.
pub trait Step {
    /// The source's columns.
    type Input<'a>;
    /// The product's columns.
    type Output;
    /// The rules of the step.
    type Rule: Rule;
    /// The step's name in the contract.
    const NAME: &'static str;

    /// Borrows the columns of a batch.
    fn input(batch: &wire::Batch) -> Result<Self::Input<'_>, Error>;
    /// Runs the plugin's function.
    fn call(input: &Self::Input<'_>, rows: &mut Rows<Self::Rule>) -> Result<Self::Output, Error>;
    /// The product's columns in the contract's order.
    fn columns(output: Self::Output, columns: &mut Columns);
}

/// Collects the columns of an output, each of which must have the right number of values.
#[derive(Debug)]
pub struct Columns {
    computed: usize,
    columns: Vec<wire::OutputColumn>,
    error: Option<Error>,
}

impl Columns {
    /// Appends a column.
    pub fn push<K: Kind>(&mut self, name: &'static str, column: OutputColumn<K>) {
        self.columns.push(match column.into_content() {
            Content::Forward(index) => wire::OutputColumn::Forward(index),
            Content::Computed { column, rows } => {
                if rows != self.computed && self.error.is_none() {
                    self.error = Some(Error::new(format!(
                        "column `{name}` has {rows} values and should have {}: one for every row of the batch, or for each row taken",
                        self.computed
                    )));
                }
                wire::OutputColumn::Computed(column)
            }
        });
    }
}

/// Runs a step on a batch.
pub fn run<S: Step>(batch: &wire::Batch) -> Result<wire::Output, Error> {
    log::report_panics();
    let input = S::input(batch)?;
    let mut rows = Rows::new(batch.rows as usize);
    let output = S::call(&input, &mut rows)?;
    let mut columns = Columns {
        computed: rows.computed(),
        columns: Vec::new(),
        error: None,
    };
    S::columns(output, &mut columns);
    match columns.error {
        Some(error) => Err(error),
        None => {
            let (rows, rejected) = rows.finish();
            Ok(wire::Output {
                rows,
                columns: columns.columns,
                rejected,
            })
        }
    }
}
