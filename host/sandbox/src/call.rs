//! A function of a plugin, over columns: one value for each row.

use arrow_array::ArrayRef;
use arrow_schema::Field;

use crate::error::{Failure, InputError};
use crate::plugin::{Plugin, Run};
use crate::{CallError, LogLine, Usage, convert, lower, text};

/// The export behind all functions of a plugin.
pub(crate) const CALL: &str = "call";

/// A function that a plugin exports, as its contract declares it.
#[derive(Debug, Clone)]
pub struct Function {
    /// As the plugin knows it.
    pub name: String,
    /// The type of its values; whether one may be null.
    pub returns: Field,
}

/// What a function gave.
#[derive(Debug, Clone)]
pub struct Called {
    /// One value for each row.
    pub values: ArrayRef,
    /// What it took.
    pub usage: Usage,
    /// What the plugin said. It may quote values that the plugin was given.
    pub log: Vec<LogLine>,
}

impl Plugin {
    /// Calls a function on columns of as many rows, in an instance made for this call alone. Waits while the pool is full.
    ///
    /// # Errors
    ///
    /// When the plugin traps, exceeds a limit, refuses, or returns what no function may return. The error tells what it
    /// used and logged until then. The plugin can be used again at once.
    pub fn call(
        &self,
        function: &Function,
        arguments: &[ArrayRef],
        rows: usize,
    ) -> Result<Called, CallError> {
        let mut run = Run::default();
        match self.try_call(function, arguments, rows, &mut run) {
            Ok((values, output_bytes)) => Ok(Called {
                values,
                usage: Usage {
                    output_bytes,
                    ..run.usage
                },
                log: run.log,
            }),
            Err(failure) => Err(CallError {
                plugin: self.id().clone(),
                function: function.name.clone(),
                failure: Box::new(failure),
                usage: Box::new(run.usage),
                log: run.log,
            }),
        }
    }

    fn try_call(
        &self,
        function: &Function,
        arguments: &[ArrayRef],
        rows: usize,
        run: &mut Run,
    ) -> Result<(ArrayRef, u64), Failure> {
        let count = u32::try_from(rows).map_err(|_| InputError::Rows { rows })?;
        let pre = self.functions().ok_or(InputError::NoFunctions)?;
        let mut columns = Vec::with_capacity(arguments.len());
        for (index, argument) in arguments.iter().enumerate() {
            if argument.len() != rows {
                return Err(InputError::Length {
                    index,
                    rows,
                    found: argument.len(),
                }
                .into());
            }
            columns.push(lower::named(&format!("argument {index}"), argument)?);
        }
        let columns: Vec<_> = columns.iter().map(lower::Column::param).collect();
        let answer = self.enter(count, run, |store| {
            let instance = pre.instantiate(&mut *store)?;
            instance.call_call(store, &function.name, count, &columns)
        })?;
        let limits = self.limits();
        let column = answer.map_err(|message| Failure::Refused {
            message: text::clip(&message, limits.message_bytes),
        })?;
        convert::result(column, &function.returns, rows, limits)
    }
}
