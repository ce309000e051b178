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
    let path = folder.path().join("prueba/target/prueba.wasm");
    let component = std::fs::read(&path).unwrap();
    assert!(component.len() < 100 * 1024, "{} bytes", component.len());
    for place in ["/home/", "/root/", "/usr/", folder.path().to_str().unwrap()] {
        let found = component
            .windows(place.len())
            .any(|bytes| bytes == place.as_bytes());
        assert!(!found, "the component names {place}, a folder of this machine");
    }
    let output = Command::new(malla())
        .args(["plugin", "inspect"])
        .arg(&path)
        .output()
        .unwrap();
    insta::with_settings!({filters => vec![(r"size     \d+ KiB", "size     [size]"), (r"[0-9a-f]{64}", "[digest]")]}, {
        insta::assert_snapshot!(text(&output), @r"
        prueba 0.1.0, draft
          about    Orders with their total.
          owner    equipo-prueba
          size     [size]
          sha256   [digest]
          imports  malla:plugin/log@0.1.0

        step pedidos: source pedidos to product pedidos
          reads    cliente_id, precio, cantidad, timestamp
          unseen   pedido_id, email
          rules    sin_cliente_id, cantidad_no_positiva, total_excesivo

        product prueba.pedidos, partitioned by fecha
          pedido_id   string          required  internal
          cliente_id  string          required  internal      subject
          email       string                    restricted    pii:email
          total       decimal(18,2)   required  internal
          timestamp   timestamp       required  internal
          fecha       date            required  internal
        ");
    });

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
