//! A new plugin builds, tests and runs as it was made, outside the repository.

use std::path::Path;

use malla_toolchain::{PluginDir, ToolchainError, build, inspect, new};

#[test]
fn a_new_plugin_builds_and_tests_anywhere() {
    let dir = tempfile::tempdir().unwrap();
    let plugin = dir.path().join("prueba");
    new(&plugin, "prueba").unwrap();
    // Kept between runs, since a standard library may have to be compiled.
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).join("plugins");
    let prueba = PluginDir::at(&plugin).with_target_dir(&target);

    prueba.native_test().unwrap();
    let report = prueba.build().unwrap();

    let component = std::fs::read(&report.component).unwrap();
    assert_eq!(report.component, plugin.join("target/prueba.wasm"));
    assert_eq!(report.size, component.len());
    assert!(report.size < 100 * 1024, "{} bytes", report.size);
    for path in ["/home/", "/root/", "/usr/", dir.path().to_str().unwrap()] {
        let found = component
            .windows(path.len())
            .any(|bytes| bytes == path.as_bytes());
        assert!(!found, "the component names {path}, a folder of this machine");
    }
    let text = inspect(&component).unwrap().to_string();
    insta::with_settings!({filters => vec![(r"size     \d+ KiB", "size     [size]"), (r"[0-9a-f]{64}", "[digest]")]}, {
        insta::assert_snapshot!(text, @r"
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
}

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
