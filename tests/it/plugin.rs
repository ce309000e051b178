//! A plugin's life outside the repository, as the docs print it.

use std::process::Command;

use crate::support::{malla, text, ventas};

#[test]
fn a_new_plugin_builds_and_tests_as_it_is_anywhere() {
    let folder = tempfile::tempdir().unwrap();
    for arguments in [&["new", "prueba"], &["build", "prueba"], &["test", "prueba"]] {
        let output = Command::new(malla())
            .arg("plugin")
            .args(arguments)
            .current_dir(folder.path())
            .output()
            .unwrap();
        assert!(
            output.status.success(),
            "malla plugin {arguments:?}\n{}",
            text(&output)
        );
    }
    let again = Command::new(malla())
        .args(["plugin", "new", "prueba"])
        .current_dir(folder.path())
        .output()
        .unwrap();
    assert_eq!(
        again.status.code(),
        Some(1),
        "a folder that is there is not overwritten"
    );
}

#[test]
fn a_component_is_inspected_without_running_it() {
    let output = Command::new(malla())
        .args(["plugin", "inspect"])
        .arg(ventas())
        .output()
        .unwrap();
    let said = text(&output);
    assert!(output.status.success(), "{said}");
    for word in [
        "ventas",
        "transacciones",
        "cliente_id",
        "pii:email",
        "restricted",
        "malla:plugin/log",
    ] {
        assert!(said.contains(word), "no {word} in:\n{said}");
    }
}
