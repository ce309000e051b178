//! Functions whose result can be far larger than what they are given. The engine's memory pool does not count what a
//! function makes in one call, so each is asked first how much that will be.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use arrow_array::{Array, ArrayRef};
use arrow_schema::{DataType, FieldRef};
use datafusion::error::{DataFusionError, Result};
use datafusion::logical_expr::{
    ColumnarValue, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature,
};

/// Functions that make a series of any length from numbers alone: left out.
const UNBOUNDED: [&str; 2] = ["range", "generate_series"];

/// The engine's functions, such that none makes more than `most` bytes in a call.
pub(crate) fn functions(all: Vec<Arc<ScalarUDF>>, most: usize) -> Vec<Arc<ScalarUDF>> {
    all.into_iter()
        .filter(|function| !UNBOUNDED.contains(&function.name()))
        .map(|function| match Growth::of(function.name()) {
            Some(growth) => Arc::new(ScalarUDF::new_from_impl(Bounded {
                function,
                growth,
                most,
            })),
            None => function,
        })
        .collect()
}

/// How the size of a result follows from the arguments.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Growth {
    /// The value so many times.
    Times { value: usize, count: usize },
    /// So many characters.
    Characters { count: usize },
    /// A text for each piece of another.
    Pieces { text: usize, by: usize },
}

impl Growth {
    fn of(name: &str) -> Option<Self> {
        Some(match name {
            "repeat" | "array_repeat" => Self::Times { value: 0, count: 1 },
            "array_resize" => Self::Times { value: 2, count: 1 },
            "lpad" | "rpad" => Self::Characters { count: 1 },
            "replace" => Self::Pieces { text: 0, by: 2 },
            _ => return None,
        })
    }

    /// Bytes at most.
    fn bytes(self, args: &[ColumnarValue], rows: usize) -> Result<u128> {
        // What an element of a list takes when it is next to nothing.
        const LEAST: u128 = 16;
        let value = |index: usize| args.get(index).map_or(Ok(0), largest);
        Ok(match self {
            Self::Times { value: of, count } => value(of)?.max(LEAST) * counts(args.get(count), rows)?,
            Self::Characters { count } => 4 * counts(args.get(count), rows)?,
            Self::Pieces { text, by } => value(text)? * value(by)?.max(1) * rows as u128,
        })
    }
}

/// Bytes of the largest value.
fn largest(value: &ColumnarValue) -> Result<u128> {
    let array = one(value)?;
    let lengths = |lengths: &mut dyn Iterator<Item = usize>| lengths.max().unwrap_or_default();
    let bytes = match array.data_type() {
        DataType::Utf8 => lengths(&mut array.as_string::<i32>().iter().flatten().map(str::len)),
        DataType::LargeUtf8 => lengths(&mut array.as_string::<i64>().iter().flatten().map(str::len)),
        DataType::Utf8View => lengths(&mut array.as_string_view().iter().flatten().map(str::len)),
        // All of them: of lists in lists no single one is measured.
        ty => ty
            .primitive_width()
            .unwrap_or_else(|| array.get_array_memory_size()),
    };
    Ok(bytes as u128)
}

/// The sum of counts over all rows; none is below zero.
fn counts(value: Option<&ColumnarValue>, rows: usize) -> Result<u128> {
    let Some(value) = value else {
        return Ok(0);
    };
    let counts = arrow_cast::cast(&one(value)?, &DataType::Int64)?;
    let counts = counts.as_primitive::<Int64Type>().iter().flatten();
    let sum: u128 = counts
        .map(|count| u128::try_from(count).unwrap_or_default())
        .sum();
    Ok(match value {
        ColumnarValue::Array(_) => sum,
        ColumnarValue::Scalar(_) => sum * rows as u128,
    })
}

/// A column, or the one value that stands for all its rows.
fn one(value: &ColumnarValue) -> Result<ArrayRef> {
    match value {
        ColumnarValue::Array(array) => Ok(Arc::clone(array)),
        ColumnarValue::Scalar(scalar) => scalar.to_array(),
    }
}

/// A function that is asked before it is called.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Bounded {
    function: Arc<ScalarUDF>,
    growth: Growth,
    most: usize,
}

impl ScalarUDFImpl for Bounded {
    fn name(&self) -> &str {
        self.function.name()
    }

    fn aliases(&self) -> &[String] {
        self.function.aliases()
    }

    fn signature(&self) -> &Signature {
        self.function.signature()
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        self.function.return_type(types)
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs<'_>) -> Result<FieldRef> {
        self.function.return_field_from_args(args)
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        self.function.coerce_types(types)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        if self.growth.bytes(&args.args, args.number_rows)? > self.most as u128 {
            return Err(DataFusionError::ResourcesExhausted(format!(
                "`{}` would make more than the query may hold",
                self.name()
            )));
        }
        self.function.invoke_with_args(args)
    }
}
