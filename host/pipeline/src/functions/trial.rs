//! Trying a function on the edges of its arguments' types: does it live, and is it a function of its row alone?

use std::sync::Arc;

use arrow_array::{
    Array, ArrayRef, BooleanArray, Date32Array, Decimal128Array, Float64Array, Int32Array, Int64Array,
    RecordBatch, StringArray, TimestampMicrosecondArray, UInt32Array,
};
use arrow_cast::display::{ArrayFormatter, FormatOptions};
use arrow_schema::{ArrowError, Field, Schema};
use arrow_select::concat::concat;
use arrow_select::take::take;
use malla_contract::{Argument, ColumnType, Function};
use malla_sandbox::{Failure, Plugin};

use super::exported;

/// Combinations of edges, above which only one argument at a time goes through its own.
const MOST_ROWS: usize = 512;

/// What a function did with values at the edges of its types.
#[derive(Debug)]
pub struct FunctionTrial {
    /// With the types of its arguments.
    pub function: String,
    /// Rows that it was called with.
    pub rows: usize,
    /// Rows that it refused with an error, which would fail a product.
    pub refused: usize,
    /// What no function may do.
    pub failure: Option<String>,
    /// Arguments and results of the rows that it did not refuse.
    pub values: Option<RecordBatch>,
}

/// Calls a function with no rows, with each row by itself, with all of them at once, and again.
pub(crate) fn try_function(plugin: &Plugin, function: &Function) -> Result<FunctionTrial, ArrowError> {
    let columns = rows(function)?;
    let mut trial = FunctionTrial {
        function: function.to_string(),
        rows: columns.first().map_or(0, Array::len),
        refused: 0,
        failure: None,
        values: None,
    };
    match trial.run(plugin, function, &columns)? {
        Ok(values) => trial.values = Some(values),
        Err(failure) => trial.failure = Some(failure),
    }
    Ok(trial)
}

impl FunctionTrial {
    fn run(
        &mut self,
        plugin: &Plugin,
        function: &Function,
        columns: &[ArrayRef],
    ) -> Result<Result<RecordBatch, String>, ArrowError> {
        let exported = exported(function);
        let nothing: Vec<ArrayRef> = columns.iter().map(|column| column.slice(0, 0)).collect();
        if let Err(error) = plugin.call(&exported, &nothing, 0) {
            return Ok(Err(format!("on no rows: {error}")));
        }
        let (mut alone, mut kept) = (Vec::new(), Vec::new());
        for (row, number) in (0..self.rows).zip(0_u32..) {
            let one: Vec<ArrayRef> = columns.iter().map(|column| column.slice(row, 1)).collect();
            match plugin.call(&exported, &one, 1) {
                Ok(called) => {
                    alone.push(called.values);
                    kept.push(number);
                }
                Err(error) if matches!(*error.failure, Failure::Refused { .. }) => self.refused += 1,
                Err(error) => return Ok(Err(format!("on {}: {error}", shown(&one)?))),
            }
        }
        let kept = UInt32Array::from(kept);
        let mut all = columns
            .iter()
            .map(|column| take(column, &kept, None))
            .collect::<Result<Vec<_>, _>>()?;
        let alone: Vec<&dyn Array> = alone.iter().map(AsRef::as_ref).collect();
        let returns = function.returns.arrow();
        let alone = match alone.is_empty() {
            true => arrow_array::new_empty_array(&returns),
            false => concat(&alone)?,
        };
        for _ in 0..2 {
            match plugin.call(&exported, &all, kept.len()) {
                Ok(together) if together.values.as_ref() != alone.as_ref() => {
                    return Ok(Err(
                        "gives something else for a row when others are beside it".to_owned()
                    ));
                }
                Ok(_) => {}
                Err(error) => return Ok(Err(format!("on all rows together: {error}"))),
            }
        }
        let mut fields: Vec<Field> = function
            .arguments
            .iter()
            .map(|argument| Field::new(&argument.name, argument.ty.arrow(), true))
            .collect();
        fields.push(Field::new(&function.name, returns, true));
        all.push(alone);
        RecordBatch::try_new(Arc::new(Schema::new(fields)), all).map(Ok)
    }
}

/// One row of arguments, on one line. They are edges, and nobody's data.
fn shown(row: &[ArrayRef]) -> Result<String, ArrowError> {
    let options = FormatOptions::default().with_null("null");
    let cells = row.iter().map(|column| {
        let shown = ArrayFormatter::try_new(column.as_ref(), &options)?;
        shown.value(0).try_to_string()
    });
    Ok(format!("({})", cells.collect::<Result<Vec<_>, _>>()?.join(", ")))
}

/// Rows of edges: each with each, if those are not too many.
fn rows(function: &Function) -> Result<Vec<ArrayRef>, ArrowError> {
    let edges = function.arguments.iter().map(edges);
    let edges: Vec<ArrayRef> = edges.collect::<Result<_, _>>()?;
    let counts: Vec<usize> = edges.iter().map(Array::len).collect();
    let all = counts
        .iter()
        .try_fold(1_usize, |all, count| all.checked_mul(*count));
    let places: Vec<Vec<usize>> = match all.filter(|all| *all <= MOST_ROWS) {
        Some(all) => (0..all).map(|row| each_with_each(row, &counts)).collect(),
        None => one_by_one(&counts),
    };
    edges
        .iter()
        .enumerate()
        .map(|(argument, edges)| {
            let places = places.iter().filter_map(|row| row.get(argument));
            let places: UInt32Array = places.map(|place| u32::try_from(*place).ok()).collect();
            take(edges, &places, None)
        })
        .collect()
}

fn each_with_each(row: usize, counts: &[usize]) -> Vec<usize> {
    let mut rest = row;
    counts
        .iter()
        .map(|count| {
            let place = rest % count;
            rest /= count;
            place
        })
        .collect()
}

/// Each argument goes through its edges while the others stay at their first one, then at their last.
fn one_by_one(counts: &[usize]) -> Vec<Vec<usize>> {
    let firsts: Vec<usize> = counts.iter().map(|_| 0).collect();
    let lasts: Vec<usize> = counts.iter().map(|count| count.saturating_sub(1)).collect();
    let mut rows = Vec::new();
    for others in [firsts, lasts] {
        for (argument, count) in counts.iter().enumerate() {
            rows.extend((0..*count).map(|place| {
                let mut row = others.clone();
                if let Some(own) = row.get_mut(argument) {
                    *own = place;
                }
                row
            }));
        }
    }
    rows
}

/// Values at the edges of a type, the null first where there may be one.
fn edges(argument: &Argument) -> Result<ArrayRef, ArrowError> {
    /// 9999-12-31 and a day of this century.
    const LATE: i32 = 2_932_896;
    const PLAIN: i32 = 20_782;
    const DAY: i64 = 86_400_000_000;
    let null = (!argument.required).then_some(None::<()>);
    macro_rules! with_null {
        ($values:expr) => {
            null.map(|_| None)
                .into_iter()
                .chain($values.into_iter().map(Some))
                .collect()
        };
    }
    Ok(match argument.ty {
        ColumnType::Boolean => {
            let values: BooleanArray = with_null!([false, true]);
            Arc::new(values)
        }
        ColumnType::Int32 => {
            let values: Int32Array = with_null!([0, 1, -1, i32::MIN, i32::MAX]);
            Arc::new(values)
        }
        ColumnType::Int64 => {
            let values: Int64Array = with_null!([0, 1, -1, i64::MIN, i64::MAX]);
            Arc::new(values)
        }
        ColumnType::Float64 => {
            let values: Float64Array =
                with_null!([0.0, 1.5, -1.5, f64::MIN, f64::MAX, f64::NAN, f64::INFINITY]);
            Arc::new(values)
        }
        ColumnType::Decimal { precision, scale } => {
            let most = 10_i128.saturating_pow(u32::from(precision)).saturating_sub(1);
            let values: Decimal128Array = with_null!([0, 1, -1, -most, most]);
            let scale = i8::try_from(scale).unwrap_or(i8::MAX);
            Arc::new(values.with_precision_and_scale(precision, scale)?)
        }
        ColumnType::Utf8 => {
            let long = "ñ".repeat(1000);
            let values: StringArray = with_null!([
                "",
                " ",
                "a",
                "América Latina",
                "0",
                "\u{0}\u{10FFFF}",
                long.as_str()
            ]);
            Arc::new(values)
        }
        ColumnType::Date => {
            let values: Date32Array = with_null!([PLAIN, PLAIN - 3, PLAIN + 9, 0, LATE, i32::MIN, i32::MAX]);
            Arc::new(values)
        }
        ColumnType::Timestamp => {
            let plain = i64::from(PLAIN) * DAY;
            let values: TimestampMicrosecondArray = with_null!([
                plain,
                plain - 1,
                plain + 9 * DAY,
                0,
                i64::from(LATE) * DAY,
                i64::MIN,
                i64::MAX
            ]);
            Arc::new(values.with_timezone("UTC"))
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn function(types: &[(ColumnType, bool)]) -> Function {
        let arguments = types.iter().zip(0..).map(|((ty, required), n)| Argument {
            name: format!("a{n}"),
            ty: *ty,
            required: *required,
            description: None,
        });
        Function {
            name: "f".to_owned(),
            description: None,
            arguments: arguments.collect(),
            returns: ColumnType::Int32,
            returns_required: false,
        }
    }

    #[test]
    fn every_edge_meets_every_other_while_they_are_few() {
        let few = rows(&function(&[
            (ColumnType::Boolean, true),
            (ColumnType::Int32, false),
        ]))
        .unwrap();
        assert_eq!((few[0].len(), few[1].len()), (12, 12));
        assert_eq!((few[0].null_count(), few[1].null_count()), (0, 2));
        let many = rows(&function(&[(ColumnType::Utf8, false); 5])).unwrap();
        assert_eq!(many.len(), 5);
        for column in &many {
            assert_eq!(column.len(), 2 * 5 * 8);
            // Eight edges of its own twice, and the first, a null, in half of the other rows.
            assert_eq!(column.null_count(), 2 + 4 * 8);
        }
    }

    #[test]
    fn edges_fit_their_types() {
        let decimal = ColumnType::Decimal {
            precision: 38,
            scale: 38,
        };
        for ty in [
            ColumnType::Boolean,
            ColumnType::Int64,
            ColumnType::Float64,
            decimal,
            ColumnType::Date,
            ColumnType::Timestamp,
        ] {
            for required in [true, false] {
                let columns = rows(&function(&[(ty, required)])).unwrap();
                assert_eq!(columns[0].data_type(), &ty.arrow());
                assert_eq!(columns[0].null_count(), usize::from(!required), "{ty}");
            }
        }
    }

    /// The hostile guest's functions of one bigint.
    #[test]
    fn what_no_function_may_do_is_found() {
        let repository = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let guest = malla_toolchain::PluginDir::at(&repository.join("tests/evil"))
            .with_target_dir(&repository.join("target/wasm"))
            .build_guest()
            .unwrap();
        let sandbox = malla_sandbox::Sandbox::new(malla_sandbox::SandboxConfig::default()).unwrap();
        let id = malla_sandbox::PluginId::new("malo", "1.0.0");
        let plugin = sandbox
            .load(id, &std::fs::read(guest.component).unwrap())
            .unwrap();
        let tried = |name: &str, required: bool| {
            let function = Function {
                name: name.to_owned(),
                returns: ColumnType::Int64,
                ..function(&[(ColumnType::Int64, required)])
            };
            try_function(&plugin, &function).unwrap()
        };
        let good = tried("fn_times", false);
        assert_eq!((good.rows, good.refused, &good.failure), (6, 0, &None));
        assert_eq!(good.values.unwrap().column(1).null_count(), 1);
        let fails = |name: &str, said: &str| {
            let failure = tried(name, true).failure.unwrap();
            assert!(failure.contains(said), "{name}: {failure}");
        };
        fails("fn_batch", "something else for a row when others are beside it");
        fails("fn_panic", "on no rows: ");
        fails("fn_short", "on (0): ");
        fails("fn_type", "on no rows: ");
        let refuses = tried("fn_odd", true);
        assert_eq!((refuses.rows, refuses.refused, &refuses.failure), (5, 3, &None));
        assert_eq!(refuses.values.unwrap().num_rows(), 2);
    }
}
