//! Functions that SQL calls: what goes in comes out row by row, and a hostile one harms nobody.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use arrow_array::{Array, ArrayRef, Int64Array, StringViewArray};
use arrow_schema::{DataType, Field};
use arrow_select::concat::concat;
use malla_sandbox::{
    BrokenPromise, Failure, Function, InputError, Limit, LoadError, LogLevel, Plugin, TrapKind,
};
use proptest::prelude::*;

use crate::raw::EXPORTS;
use crate::support::{SANDBOX, component_of, component_of_world, evil, id, narrow};

fn function(name: &str, returns: DataType, nullable: bool) -> Function {
    Function {
        name: name.into(),
        returns: Field::new(name, returns, nullable),
    }
}

fn bigints(values: &[Option<i64>]) -> ArrayRef {
    Arc::new(Int64Array::from(values.to_vec()))
}

/// Of one bigint to one bigint.
fn call(plugin: &Plugin, name: &str, values: &ArrayRef) -> Result<ArrayRef, Failure> {
    let function = function(name, DataType::Int64, true);
    plugin
        .call(&function, std::slice::from_ref(values), values.len())
        .map(|called| called.values)
        .map_err(|error| {
            assert_eq!((error.plugin, error.function.as_str()), (id(), name));
            *error.failure
        })
}

fn broken(name: &str, returns: DataType) -> BrokenPromise {
    let values = bigints(&[Some(1), Some(2), Some(3)]);
    match evil().call(&function(name, returns, false), &[values], 3) {
        Err(error) => match *error.failure {
            Failure::Broken(promise) => promise,
            other => panic!("{name}: {other:?}"),
        },
        Ok(called) => panic!("{name}: {called:?}"),
    }
}

#[test]
fn one_value_comes_out_for_each_row() {
    let values = bigints(&[Some(1), None, Some(-3), Some(i64::MAX)]);
    let twice = bigints(&[Some(2), None, Some(-6), Some(-2)]);
    assert_eq!(&call(&evil(), "fn_times", &values).unwrap(), &twice);
    let slice = values.slice(1, 2);
    assert_eq!(&call(&evil(), "fn_times", &slice).unwrap(), &twice.slice(1, 2));
    assert_eq!(call(&evil(), "fn_times", &values.slice(0, 0)).unwrap().len(), 0);
}

#[test]
fn every_call_has_an_instance_of_its_own() {
    for _ in 0..3 {
        let calls = call(&evil(), "fn_state", &bigints(&[Some(7), Some(8)])).unwrap();
        assert_eq!(calls.as_primitive::<Int64Type>().values(), &[1, 1]);
    }
}

#[test]
fn what_a_function_says_and_uses_comes_back() {
    let say = function("fn_say", DataType::Int64, false);
    let called = evil().call(&say, &[bigints(&[Some(5)])], 1).unwrap();
    assert_eq!(called.log.len(), 1);
    assert_eq!(
        (called.log[0].level, called.log[0].message.as_str()),
        (LogLevel::Info, "first: Some(5)")
    );
    assert!(
        called.usage.fuel > 0 && called.usage.output_bytes == 8,
        "{:?}",
        called.usage
    );
}

#[test]
fn promises_that_are_broken_are_named() {
    for (name, returns, said) in [
        (
            "fn_short",
            DataType::Int64,
            "column `fn_short` has 2 values for 3 rows",
        ),
        (
            "fn_type",
            DataType::Int64,
            "column `fn_type` is date32, and should be Int64",
        ),
        (
            "fn_null",
            DataType::Int64,
            "column `fn_null` has 3 nulls, and the contract allows none",
        ),
        (
            "fn_validity",
            DataType::Int64,
            "the validity bitmap of column `fn_validity` has 0 bytes, and needs 1",
        ),
        (
            "fn_utf8",
            DataType::Utf8,
            "column `fn_utf8` is not UTF-8, or an offset splits a character",
        ),
        (
            "fn_digits",
            DataType::Decimal128(4, 2),
            "column `fn_digits` has more than 4 digits at row 0",
        ),
    ] {
        assert_eq!(broken(name, returns).to_string(), said);
    }
}

#[test]
fn crashes_and_greed_end_in_their_own_errors() {
    let plugin = evil().with_limits(narrow());
    let values = bigints(&[Some(41), Some(2)]);
    let fails = |name: &str| call(&plugin, name, &values).unwrap_err();
    match fails("fn_panic") {
        Failure::Trap {
            kind: TrapKind::Unreachable,
            panic: Some(panic),
            ..
        } => assert_eq!(panic.message, "Some(41) is odd"),
        other => panic!("{other:?}"),
    }
    assert!(matches!(fails("fn_refuse"), Failure::Refused { message } if message == "Some(41) is odd"));
    for (name, expected) in [("fn_loop", Limit::Fuel), ("fn_memory", Limit::Memory)] {
        assert!(
            matches!(fails(name), Failure::OverLimit { limit, .. } if limit == expected),
            "{name}"
        );
    }
    let large = plugin.with_limits(narrow().with_output_bytes(150_000));
    let error = large
        .call(
            &function("fn_large", DataType::Utf8, false),
            &[Arc::clone(&values)],
            2,
        )
        .unwrap_err();
    assert!(
        matches!(
            *error.failure,
            Failure::OverLimit {
                limit: Limit::OutputBytes,
                ..
            }
        ),
        "{error}"
    );
    assert!(matches!(fails("fn_none"), Failure::Refused { .. }));
    // And it goes on.
    assert!(call(&plugin, "fn_times", &values).is_ok());
}

#[test]
fn what_cannot_be_asked_is_not() {
    let values = bigints(&[Some(1)]);
    let times = function("fn_times", DataType::Int64, true);
    let error = evil().call(&times, &[values], 2).unwrap_err();
    assert_eq!(
        error.to_string(),
        "`evil` 6.6.6, function `fn_times`: argument 0 has 1 values for 2 rows"
    );
    let views: ArrayRef = Arc::new(StringViewArray::from(vec!["a"]));
    let error = evil().call(&times, &[views], 1).unwrap_err();
    assert!(
        matches!(*error.failure, Failure::Input(InputError::Type { .. })),
        "{error}"
    );
}

#[test]
fn a_plugin_from_before_functions_loads_and_has_none() {
    let module = format!("(module (memory (export \"memory\") 1){EXPORTS})");
    let old = SANDBOX.load(id(), &component_of(&module)).unwrap();
    assert!(!old.has_functions());
    let failure = call(&old, "fn_times", &bigints(&[Some(1)])).unwrap_err();
    assert!(matches!(failure, Failure::Input(InputError::NoFunctions)));
    assert!(evil().has_functions());
}

#[test]
fn an_export_of_another_type_is_refused_when_it_is_loaded() {
    let right = "call: func(function: string, rows: u32, columns: list<column>) -> result<column, string>";
    for (wrong, core) in [
        (
            "call: func() -> u32",
            "(func (export \"call\") (result i32) unreachable)",
        ),
        (
            "call: func(function: string, rows: u32, columns: list<column>) -> column",
            "(func (export \"call\") (param i32 i32 i32 i32 i32) (result i32) unreachable)",
        ),
    ] {
        let module = format!("(module (memory (export \"memory\") 1){EXPORTS}{core})");
        let component = component_of_world(&module, "plugin-with-functions", (right, wrong));
        let error = SANDBOX.load(id(), &component).unwrap_err();
        assert!(matches!(error, LoadError::Mismatch { .. }), "{error}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    /// However rows are cut into calls.
    #[test]
    fn results_do_not_depend_on_batches(
        values in proptest::collection::vec(proptest::option::of(any::<i64>()), 1..300),
        cuts in proptest::collection::vec(any::<prop::sample::Index>(), 0..5),
    ) {
        let all = bigints(&values);
        let whole = call(&evil(), "fn_times", &all).unwrap();
        let mut bounds: Vec<usize> = cuts.iter().map(|cut| cut.index(values.len())).collect();
        bounds.extend([0, values.len()]);
        bounds.sort_unstable();
        let parts: Vec<ArrayRef> = bounds
            .windows(2)
            .map(|two| call(&evil(), "fn_times", &all.slice(two[0], two[1] - two[0])).unwrap())
            .collect();
        let parts: Vec<&dyn Array> = parts.iter().map(AsRef::as_ref).collect();
        prop_assert_eq!(&concat(&parts).unwrap(), &whole);
    }
}
