//! Functions that a plugin exports, in the queries that its own products are made by.
//!
//! INVARIANT: only a query that [`Query::derive`](crate::Query::derive) was given them for can call them, and only while its
//! rows are made: planning runs no code of a plugin.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use arrow_array::{Array, ArrayRef, BooleanArray, UInt32Array, new_empty_array};
use arrow_schema::{DataType, Field, FieldRef, TimeUnit};
use arrow_select::filter::filter;
use arrow_select::take::take;
use datafusion::arrow::buffer::NullBuffer;
use datafusion::common::ScalarValue;
use datafusion::error::{DataFusionError, Result};
use datafusion::execution::FunctionRegistry;
use datafusion::logical_expr::{
    ColumnarValue, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};
use datafusion::prelude::SessionContext;
use malla_contract::Function;

use crate::QueryError;

/// Functions, and what computes them.
pub trait Functions: Send + Sync {
    /// What can be called.
    fn declared(&self) -> &[Function];

    /// One value for each row. An argument that the function requires has no nulls. Blocks for as long as that takes.
    ///
    /// # Errors
    /// Why there are no values.
    fn call(
        &self,
        function: &Function,
        arguments: &[ArrayRef],
        rows: usize,
    ) -> std::result::Result<ArrayRef, NotComputed>;
}

/// Why a function gave no values.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{why}")]
pub struct NotComputed {
    /// Which function of whom, and what happened. It holds no value of a row.
    pub why: String,
    /// The function is not to blame: the same call may succeed the next time.
    pub may_pass: bool,
}

/// The functions of one query.
#[derive(Clone, Default)]
pub(crate) struct Calls {
    open: Arc<AtomicBool>,
}

impl Calls {
    /// Lets a query call functions, once [`Calls::open`] is called.
    pub(crate) fn register(
        context: &SessionContext,
        functions: Option<Arc<dyn Functions>>,
    ) -> std::result::Result<Self, QueryError> {
        let calls = Self::default();
        let Some(functions) = functions else {
            return Ok(calls);
        };
        for function in functions.declared() {
            let name = &function.name;
            let is_known = context.udf(name).is_ok()
                || context.udaf(name).is_ok()
                || context.udwf(name).is_ok()
                || context.higher_order_function(name).is_ok();
            if is_known {
                return Err(QueryError::Invalid(format!(
                    "the plugin's function `{name}` has the name of a function of SQL: give it another in `mallaFunctions`"
                )));
            }
            context.register_udf(ScalarUDF::new_from_impl(Call {
                function: function.clone(),
                signature: Signature::user_defined(Volatility::Immutable),
                functions: Arc::clone(&functions),
                open: Arc::clone(&calls.open),
            }));
        }
        Ok(calls)
    }

    /// From here on the query runs.
    pub(crate) fn open(&self) {
        self.open.store(true, Ordering::Release);
    }
}

/// One function, as the engine knows it.
struct Call {
    function: Function,
    signature: Signature,
    functions: Arc<dyn Functions>,
    open: Arc<AtomicBool>,
}

impl ScalarUDFImpl for Call {
    fn name(&self) -> &str {
        &self.function.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _types: &[DataType]) -> Result<DataType> {
        Ok(self.function.returns.arrow())
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs<'_>) -> Result<FieldRef> {
        let skips = self
            .function
            .arguments
            .iter()
            .zip(args.arg_fields)
            .any(|(argument, field)| argument.required && field.is_nullable());
        Ok(Arc::new(Field::new(
            self.name(),
            self.function.returns.arrow(),
            skips || !self.function.returns_required,
        )))
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        let wrong = |what: String| DataFusionError::Plan(format!("`{}` {what}", self.function));
        let (expected, found) = (self.function.arguments.len(), types.len());
        if expected != found {
            return Err(wrong(format!("takes {expected} arguments, and is given {found}")));
        }
        let arguments = self.function.arguments.iter().zip(types);
        arguments
            .map(|(argument, found)| {
                let wanted = argument.ty.arrow();
                if becomes(found, &wanted) {
                    return Ok(wanted);
                }
                let (name, ty) = (&argument.name, argument.ty);
                Err(wrong(format!(
                    "takes {ty} as `{name}`, and is given {found}: use CAST"
                )))
            })
            .collect()
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        if !self.open.load(Ordering::Acquire) {
            // The engine tries to compute constants when it plans; it leaves for later what fails.
            return Err(DataFusionError::Plan(
                "no function is called before rows are made".into(),
            ));
        }
        let is_constant = args
            .args
            .iter()
            .all(|arg| matches!(arg, ColumnarValue::Scalar(_)));
        let rows = if is_constant { 1 } else { args.number_rows };
        let arguments = args.args.iter().map(|arg| arg.to_array_of_size(rows));
        let values = self.over(&arguments.collect::<Result<Vec<_>>>()?, rows)?;
        if values.len() != rows || values.data_type() != &self.function.returns.arrow() {
            return Err(DataFusionError::Internal("a function gave another column".into()));
        }
        Ok(if is_constant {
            ColumnarValue::Scalar(ScalarValue::try_from_array(&values, 0)?)
        } else {
            ColumnarValue::Array(values)
        })
    }
}

impl Call {
    /// The function's values; null where an argument is that it requires.
    fn over(&self, arguments: &[ArrayRef], rows: usize) -> Result<ArrayRef> {
        let required = self.function.arguments.iter().zip(arguments);
        let nulls = required.filter(|(argument, _)| argument.required).fold(
            None,
            |nulls: Option<NullBuffer>, (_, column)| {
                NullBuffer::union(nulls.as_ref(), column.logical_nulls().as_ref())
            },
        );
        let Some(nulls) = nulls.filter(|nulls| nulls.null_count() > 0) else {
            return self.call(arguments, rows);
        };
        let keep = BooleanArray::new(nulls.inner().clone(), None);
        let kept = arguments.iter().map(|column| filter(column, &keep));
        let values = self.call(
            &kept.collect::<std::result::Result<Vec<_>, _>>()?,
            keep.true_count(),
        )?;
        let mut next = 0..;
        let places: UInt32Array = nulls
            .iter()
            .map(|asked| if asked { next.next() } else { None })
            .collect();
        Ok(take(&values, &places, None)?)
    }

    fn call(&self, arguments: &[ArrayRef], rows: usize) -> Result<ArrayRef> {
        if rows == 0 {
            return Ok(new_empty_array(&self.function.returns.arrow()));
        }
        self.functions
            .call(&self.function, arguments, rows)
            .map_err(|error| DataFusionError::External(Box::new(error)))
    }
}

/// Whether a value of one type is passed as one of another: the same value, or an error where it does not fit. Text is no date,
/// and a number is not rounded.
fn becomes(found: &DataType, wanted: &DataType) -> bool {
    match (found, wanted) {
        (found, wanted) if found == wanted => true,
        (DataType::Null, _) => true,
        (DataType::Dictionary(_, value), wanted) => becomes(value, wanted),
        (DataType::Utf8View | DataType::LargeUtf8, DataType::Utf8) => true,
        (DataType::Float32, DataType::Float64) => true,
        (found, DataType::Int32 | DataType::Int64 | DataType::Decimal128(..)) if found.is_integer() => true,
        (DataType::Decimal128(_, from) | DataType::Decimal256(_, from), DataType::Decimal128(_, to)) => {
            from <= to
        }
        // Nanoseconds come of literals and functions: the lake has none.
        (DataType::Timestamp(..), DataType::Timestamp(TimeUnit::Microsecond, _)) => true,
        _ => false,
    }
}

impl PartialEq for Call {
    fn eq(&self, other: &Self) -> bool {
        self.function == other.function && Arc::ptr_eq(&self.functions, &other.functions)
    }
}

impl Eq for Call {}

impl Hash for Call {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.function.name.hash(state);
    }
}

impl fmt::Debug for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Call")
            .field("function", &self.function)
            .finish_non_exhaustive()
    }
}
