//! What is wrong with a plugin is told before it is compiled. That a new one builds and tests is in the end-to-end tests.

use malla_toolchain::{ToolchainError, build, inspect, new};

#[test]
fn a_wrong_contract_is_told_before_anything_is_compiled() {
    let dir = tempfile::tempdir().unwrap();
    new(dir.path(), "prueba").unwrap();
    let path = dir.path().join("contract.yaml");
    let yaml = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, yaml.replace("reads: [cliente_id,", "reads: [cliente,")).unwrap();
    let error = build(dir.path()).unwrap_err();
    assert!(matches!(error, ToolchainError::Contract { .. }), "{error}");
    assert!(
        error.to_string().contains("line 49") && error.to_string().contains("`cliente`"),
        "{error}"
    );
}

#[test]
fn what_is_no_component_cannot_be_inspected() {
    assert!(matches!(inspect(b"text"), Err(ToolchainError::Component(_))));
}
