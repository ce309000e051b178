//! Guests that no toolchain would make: core modules written by hand, which break the canonical ABI itself.

use std::time::Duration;

use malla_sandbox::{BrokenPromise, Failure, Limit, Plugin, TrapKind};

use crate::support::{SANDBOX, component_of, id, narrow, run};

/// Functions that do nothing, for modules that are refused before they run.
pub(crate) const EXPORTS: &str = r#"
    (func (export "run") (param i32 i32 i32 i64 i32 i32) (result i32) unreachable)
    (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) unreachable)"#;

/// A plugin whose three exports, and start function, are these.
fn plugin(run: &str, realloc: &str, post_return: &str, start: &str) -> Plugin {
    let module = format!(
        r#"(module
            (memory (export "memory") 16)
            (table 1 funcref)
            (global $next (mut i32) (i32.const 65536))
            (func $start {start})
            (start $start)
            (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32)
                {realloc}
                (global.get $next)
                (global.set $next (i32.and (i32.add (i32.add (global.get $next) (local.get 3)) (i32.const 16))
                    (i32.const -16))))
            (func (export "run") (param i32 i32 i32 i64 i32 i32) (result i32) {run})
            (func (export "cabi_post_run") (param i32) {post_return}))"#
    );
    SANDBOX
        .load(id(), &component_of(&module))
        .unwrap()
        .with_limits(narrow())
}

fn failure(plugin: &Plugin) -> Failure {
    *run(plugin, "any", 3).unwrap_err().failure
}

const LOOP: &str = "(loop br 0)";
const SAFE_ANSWER: &str = "(i32.store8 (i32.const 0) (i32.const 1)) (i32.const 0)";

#[test]
fn an_endless_loop_ends_in_every_export() {
    let plugins = [
        plugin(&format!("{LOOP} unreachable"), "", "", ""),
        plugin("unreachable", LOOP, "", ""),
        plugin(SAFE_ANSWER, "", LOOP, ""),
        plugin("unreachable", "", "", LOOP),
    ];
    for plugin in &plugins {
        assert!(matches!(
            failure(plugin),
            Failure::OverLimit {
                limit: Limit::Fuel,
                ..
            }
        ));
        let clocked = plugin.with_limits(
            narrow()
                .with_fuel(u64::MAX)
                .with_wall_clock(Duration::from_millis(30)),
        );
        assert!(matches!(
            failure(&clocked),
            Failure::OverLimit {
                limit: Limit::WallClock,
                ..
            }
        ));
    }
}

#[test]
fn traps_of_the_machine_have_their_kinds() {
    let kind = |run: &str| match failure(&plugin(run, "", "", "")) {
        Failure::Trap {
            kind, panic: None, ..
        } => kind,
        other => panic!("{run}: {other:?}"),
    };
    assert_eq!(
        kind("(i32.div_s (i32.const 1) (i32.const 0))"),
        TrapKind::DivisionByZero
    );
    assert_eq!(
        kind("(i32.div_s (i32.const 0x80000000) (i32.const -1))"),
        TrapKind::IntegerOverflow
    );
    assert_eq!(
        kind("(i32.trunc_f32_s (f32.const inf))"),
        TrapKind::IntegerOverflow
    );
    assert_eq!(kind("(i32.load (i32.const -4))"), TrapKind::MemoryOutOfBounds);
    assert_eq!(
        kind("(call_indirect (result i32) (i32.const 0))"),
        TrapKind::IndirectCall
    );
    assert_eq!(
        kind("(call_indirect (result i32) (i32.const 99))"),
        TrapKind::IndirectCall
    );
    assert_eq!(kind("unreachable"), TrapKind::Unreachable);
}

#[test]
fn memory_that_is_refused_is_a_limit() {
    let greedy = plugin("(memory.grow (i32.const 60000))", "", "", "");
    assert!(matches!(
        failure(&greedy),
        Failure::OverLimit {
            limit: Limit::Memory,
            ..
        }
    ));
    let greedy = plugin("(drop (memory.grow (i32.const 100))) unreachable", "", "", "");
    assert!(matches!(failure(&greedy), Failure::Trap { .. }));
}

#[test]
fn a_table_that_is_refused_is_a_limit() {
    let grow = |by: u32| {
        plugin(
            &format!("(drop (table.grow (ref.null func) (i32.const {by}))) unreachable"),
            "",
            "",
            "",
        )
    };
    assert!(matches!(failure(&grow(100)), Failure::Trap { .. }));
    let few = grow(100).with_limits(narrow().with_table_elements(100));
    for greedy in [few, grow(1_000_000)] {
        let failure = failure(&greedy);
        assert!(
            matches!(
                failure,
                Failure::OverLimit {
                    limit: Limit::TableElements,
                    ..
                }
            ),
            "{failure:?}"
        );
    }
}

#[test]
fn an_answer_that_cannot_be_read_is_a_broken_promise() {
    let abi = |run: &str, realloc: &str| match failure(&plugin(run, realloc, "", "")) {
        Failure::Broken(BrokenPromise::Abi { .. }) => {}
        other => panic!("{run}: {other:?}"),
    };
    // The answer lies outside of memory, or not where such a thing can lie.
    abi("(i32.const 0x7ffffff0)", "");
    abi("(i32.const 1)", "");
    // Neither ok nor error.
    abi("(i32.store8 (i32.const 0) (i32.const 9)) (i32.const 0)", "");
    // An error whose text lies outside of memory, or is not UTF-8.
    let error = |pointer: i64, length: i64| {
        format!(
            "(i32.store8 (i32.const 0) (i32.const 1)) (i32.store (i32.const 4) (i32.const {pointer}))
             (i32.store (i32.const 8) (i32.const {length})) (i32.store8 (i32.const 64) (i32.const 255)) (i32.const 0)"
        )
    };
    abi(&error(0x7fff_fff0, 64), "");
    abi(&error(0, 0xffff_ffff), "");
    abi(&error(64, 1), "");
    // rows = 7, which is no case of the variant.
    abi("(i32.store8 (i32.const 4) (i32.const 7)) (i32.const 0)", "");
    // keep(list of 4 GiB).
    abi(
        "(i32.store8 (i32.const 4) (i32.const 1)) (i32.store (i32.const 8) (i32.const 16))
         (i32.store (i32.const 12) (i32.const -1)) (i32.const 0)",
        "",
    );
    // Memory for the batch that the guest has not.
    abi("unreachable", "(return (i32.const 0x7ffffff0))");
    abi("unreachable", "(return (i32.const 3))");
}
