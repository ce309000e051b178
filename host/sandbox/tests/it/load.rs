//! What is refused before it runs.

use std::time::Duration;

use malla_sandbox::{Limits, LoadError, Sandbox, SandboxConfig};

use crate::support::{EVIL, SANDBOX, component_of, evil, id};

fn refused(component: &[u8]) -> LoadError {
    SANDBOX.load(id(), component).unwrap_err()
}

#[test]
fn imports_are_refused_by_name() {
    for import in [
        "wasi:clocks/monotonic-clock@0.2.0",
        "wasi:filesystem/preopens@0.2.0",
        "wasi:filesystem/types@0.2.0",
        "wasi:sockets/tcp@0.2.0",
        "wasi:random/random@0.2.0",
        "wasi:http/outgoing-handler@0.2.0",
        "malla:plugin/log@0.2.0",
        "malla:plugin/secrets@0.1.0",
    ] {
        let component = wat::parse_str(format!(r#"(component (import "{import}" (instance)))"#)).unwrap();
        match refused(&component) {
            LoadError::ForbiddenImports { names } => assert_eq!(names, [import]),
            other => panic!("{import}: {other:?}"),
        }
    }
    let several = wat::parse_str(
        r#"(component
            (import "wasi:clocks/wall-clock@0.2.0" (instance))
            (import "read-secret" (func))
            (component (import "inner" (instance))))"#,
    );
    assert_eq!(
        refused(&several.unwrap()).to_string(),
        "imports `wasi:clocks/wall-clock@0.2.0`, `read-secret`, which no plugin gets; \
         the only import is `malla:plugin/log@0.1.0`"
    );
}

#[test]
fn an_interface_of_types_brings_no_functions() {
    let component = wat::parse_str(
        r#"(component (import "malla:plugin/types@0.1.0" (instance (export "now" (func (result u64))))))"#,
    );
    let error = refused(&component.unwrap());
    assert!(
        matches!(&error, LoadError::Mismatch { reason } if reason.contains("types")),
        "{error}"
    );
}

#[test]
fn the_log_has_its_own_functions_only() {
    let component = wat::parse_str(
        r#"(component (import "malla:plugin/log@0.1.0" (instance (export "read" (func (result string))))))"#,
    );
    assert!(matches!(refused(&component.unwrap()), LoadError::Mismatch { .. }));
}

#[test]
fn what_is_no_plugin_is_refused() {
    assert!(matches!(refused(b"not wasm"), LoadError::Invalid { .. }));
    assert!(matches!(refused(b""), LoadError::Invalid { .. }));
    assert!(matches!(
        refused(&wat::parse_str("(module)").unwrap()),
        LoadError::NotAComponent
    ));
    assert!(matches!(
        refused(&wat::parse_str("(component)").unwrap()),
        LoadError::Mismatch { .. }
    ));
    for length in [8, 100, 1_000, EVIL.len() - 1] {
        assert!(
            matches!(
                refused(&EVIL[..length]),
                LoadError::Invalid { .. } | LoadError::Mismatch { .. }
            ),
            "{length}"
        );
    }
}

#[test]
fn what_differs_from_run_to_run_is_switched_off() {
    for core in [
        "(core module (memory 1 1 shared))",
        "(core module (func (param v128) (result v128)
            local.get 0 local.get 0 local.get 0 f32x4.relaxed_madd))",
        "(core module (memory i64 1))",
    ] {
        let component = wat::parse_str(format!("(component {core})")).unwrap();
        assert!(matches!(refused(&component), LoadError::Compile { .. }), "{core}");
    }
}

#[test]
fn size_and_compile_time_have_limits() {
    let small = Limits::default().with_component_bytes(1_000);
    let sandbox = Sandbox::new(SandboxConfig::default().with_limits(small)).unwrap();
    assert!(matches!(
        sandbox.load(id(), &EVIL),
        Err(LoadError::Size { limit: 1_000, .. })
    ));

    let soon = Limits::default().with_compile_time(Duration::from_micros(1));
    let sandbox = Sandbox::new(SandboxConfig::default().with_limits(soon)).unwrap();
    for _ in 0..5 {
        assert!(matches!(
            sandbox.load(id(), &EVIL),
            Err(LoadError::CompileTime { .. })
        ));
    }
}

#[test]
fn a_memory_or_table_too_large_for_the_pool_is_refused() {
    let large = |declared: &str| component_of(&format!("(module {declared} {})", crate::raw::EXPORTS));
    assert!(matches!(
        refused(&large(r#"(memory (export "memory") 5000)"#)),
        LoadError::Compile { .. } | LoadError::Mismatch { .. }
    ));
    assert!(matches!(
        refused(&large(r#"(memory (export "memory") 1) (table 1000000 funcref)"#)),
        LoadError::Compile { .. } | LoadError::Mismatch { .. }
    ));
}

#[test]
fn a_crowd_of_instances_is_refused() {
    let many = "(core instance (instantiate $m))".repeat(1_000);
    let component = wat::parse_str(format!("(component (core module $m) {many})")).unwrap();
    let error = refused(&component).to_string();
    assert!(error.contains("core module instances"), "{error}");
}

#[test]
fn the_digest_is_of_the_bytes() {
    let digest = evil().digest().to_owned();
    assert_eq!(digest.len(), 64);
    assert_eq!(SANDBOX.load(id(), &EVIL).unwrap().digest(), digest);
    assert_eq!(evil().id().to_string(), "evil 6.6.6");
}
