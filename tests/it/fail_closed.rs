//! No policy, no mask, no key, no plugin: no data moves, and the error says what is missing.

use std::os::unix::fs::PermissionsExt;

use crate::support::{Mesh, files, sale};

/// Runs a mesh that must refuse, and checks that nothing was written. Returns what it said.
fn refused(mesh: &Mesh) -> String {
    mesh.append("0", "a.jsonl", format!("{}\n", sale("t-1")).as_bytes());
    let config = mesh.config();
    let output = mesh.output(&["run", "--once", "--config", config.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(1));
    let parquet = files(&mesh.path().join("lake"))
        .into_iter()
        .filter(|f| f.extension().is_some_and(|e| e == "parquet"))
        // That a run failed is told of, in the host's own table.
        .filter(|f| !f.starts_with(mesh.path().join("lake/malla")));
    assert_eq!(parquet.count(), 0, "nothing may be written");
    String::from_utf8(output.stderr).unwrap()
}

fn edit(mesh: &Mesh, file: &str, from: &str, to: &str) {
    let path = mesh.path().join(file);
    let text = std::fs::read_to_string(&path).unwrap();
    assert!(text.contains(from), "{text}");
    std::fs::write(path, text.replace(from, to)).unwrap();
}

#[test]
fn a_column_without_a_mask() {
    let mesh = Mesh::ventas();
    let only_names = "[[mask]]\ntag = \"pii:name\"\nmask = \"replace-with-null\"\n";
    std::fs::write(mesh.path().join("policies/masks.toml"), only_names).unwrap();
    let said = refused(&mesh);
    assert!(said.contains("`email`") && said.contains("pii:email"), "{said}");
}

#[test]
fn a_mask_that_does_not_exist() {
    let mesh = Mesh::ventas();
    edit(
        &mesh,
        "policies/masks.toml",
        "mask = \"token\"",
        "mask = \"tokn\"",
    );
    let said = refused(&mesh);
    assert!(
        said.contains("masks.toml") && said.contains("`tokn`") && said.contains("show-last-4"),
        "{said}"
    );
}

#[test]
fn the_right_to_write_for_another_purpose_than_the_contracts() {
    let mesh = Mesh::ventas();
    let file = "policies/domains/ventas.csv";
    let right = |purpose| format!("ventas_raw.*, write, {purpose}, allow");
    edit(&mesh, file, &right("*"), &right("auditoria"));
    let said = refused(&mesh);
    assert!(said.contains("ventas_raw.transacciones"), "{said}");
    edit(&mesh, file, &right("auditoria"), &right("ingresos"));
    mesh.run_once();
}

#[test]
fn no_policy_at_all() {
    let mesh = Mesh::ventas();
    std::fs::remove_file(mesh.path().join("policies/masks.toml")).unwrap();
    assert!(refused(&mesh).contains("masks.toml"));
}

#[test]
fn no_key_store() {
    let mesh = Mesh::ventas();
    std::fs::remove_file(mesh.path().join("keys/malla.keys")).unwrap();
    let said = refused(&mesh);
    assert!(
        said.contains("malla.keys") && said.contains("malla init"),
        "{said}"
    );
}

#[test]
fn a_key_store_that_others_can_read() {
    let mesh = Mesh::ventas();
    let keys = mesh.path().join("keys/malla.keys");
    assert_eq!(
        std::fs::metadata(&keys).unwrap().permissions().mode() & 0o777,
        0o600
    );
    std::fs::set_permissions(&keys, std::fs::Permissions::from_mode(0o640)).unwrap();
    assert!(refused(&mesh).contains("chmod 600"));
}

#[test]
fn a_component_without_a_contract_stops_only_itself() {
    let mesh = Mesh::ventas();
    std::fs::write(mesh.path().join("plugins/otro.wasm"), b"\0asm\x0d\0\x01\0").unwrap();
    mesh.append("0", "a.jsonl", format!("{}\n", sale("t-1")).as_bytes());
    let config = mesh.config();
    let output = mesh.output(&["run", "--once", "--config", config.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(
        said.contains("otro.wasm") && said.contains("malla plugin build"),
        "{said}"
    );
    assert_eq!(mesh.count("ventas.transacciones"), 1);
}

#[test]
fn a_source_that_malla_toml_does_not_know() {
    let mesh = Mesh::ventas();
    edit(
        &mesh,
        "malla.toml",
        "[sources.ventas.transacciones]",
        "[sources.ventas.otra]",
    );
    assert!(refused(&mesh).contains("[sources.ventas.transacciones]"));
}

#[test]
fn wrong_usage_is_exit_2() {
    let mesh = Mesh::ventas();
    assert_eq!(mesh.output(&["run", "--twice"]).status.code(), Some(2));
    assert_eq!(mesh.output(&["frobnicate"]).status.code(), Some(2));
    let output = mesh.output(&["run", "--config", "/nowhere/malla.toml"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("malla init"));
}

#[test]
fn a_principal_key_or_day_that_is_none_is_wrong_usage() {
    let mesh = Mesh::ventas();
    let config = mesh.config();
    for (command, said) in [
        (&["query", "--as", "ana", "SELECT 1"][..], "write user:NAME"),
        (&["query", "--as", "user:", "SELECT 1"], "write user:NAME"),
        (&["query", "--purpose", "*", "SELECT 1"], "write a word"),
        (
            &[
                "policy",
                "explain",
                "--as",
                "User:ana",
                "--on",
                "ventas.transacciones",
            ],
            "write user:NAME",
        ),
        (&["audit", "verify", "--key", "00"], "64 hex digits"),
        (
            &["audit", "verify", "--anchor", "foo"],
            "last line of an earlier verify",
        ),
        (&["keys", "rotate", "--until", "tomorrow"], "YYYY-MM-DD"),
    ] {
        let output = mesh.output(&[command, &["--config", config.to_str().unwrap()]].concat());
        assert_eq!(output.status.code(), Some(2), "{command:?}");
        let told = String::from_utf8(output.stderr).unwrap();
        assert!(told.contains(said), "{command:?}: {told}");
    }
}

#[test]
fn an_admin_port_that_is_taken() {
    let mesh = Mesh::ventas();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    mesh.add("malla.toml", &format!("[admin]\nlisten = \"{address}\""));
    let said = refused(&mesh);
    assert!(
        said.contains(&format!("cannot listen on `{address}`")) && said.contains("[admin]"),
        "{said}"
    );
}
