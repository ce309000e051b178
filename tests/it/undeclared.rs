//! Personal data in a column that declares none: blocked, hidden or told, as masks.toml says.

use std::path::Path;

use serde_json::json;

use crate::support::{Mesh, files, sale, sale_with};

const ADDRESS: &str = "carmen.ruiz@correo.example";
const CARD: &str = "5500 0055 5555 5559";
const PHONE: &str = "+52 55 8765 4321";
const IBAN: &str = "GB82 WEST 1234 5698 7654 32";

fn mesh() -> Mesh {
    let mesh = Mesh::ventas();
    mesh.put(&sale("good"));
    for (id, found) in [
        ("address", ADDRESS),
        ("card", CARD),
        ("phone", PHONE),
        ("iban", IBAN),
    ] {
        mesh.put(&sale_with(id, &[("canal", json!(format!("web, {found}")))]));
    }
    mesh
}

/// No file of the lake, the state and the log holds it, and no column of a table that anybody reads.
fn is_nowhere(mesh: &Mesh, value: &str) {
    for folder in ["lake", "state"] {
        for file in files(&mesh.path().join(folder)) {
            assert!(!holds(&file, value), "{value} in {}", file.display());
        }
    }
    for table in [
        "ventas.transacciones",
        "ventas_raw.transacciones",
        "ventas_quarantine.transacciones",
    ] {
        let rows = mesh
            .ask("user:admin", "operacion", &format!("SELECT * FROM {table}"))
            .unwrap();
        let rows = serde_json::to_string(&rows).unwrap();
        assert!(!rows.contains(value), "{value} in {table}");
    }
}

fn holds(file: &Path, value: &str) -> bool {
    let bytes = std::fs::read(file).unwrap();
    bytes
        .windows(value.len())
        .any(|window| window == value.as_bytes())
}

fn canal(mesh: &Mesh) -> Vec<(String, String)> {
    let sql = "SELECT transaccion_id, canal FROM ventas.transacciones ORDER BY transaccion_id";
    let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
    let rows = mesh.query(sql);
    rows.iter()
        .map(|row| (text(&row["transaccion_id"]), text(&row["canal"])))
        .collect()
}

#[test]
fn it_is_blocked_or_hidden_and_in_no_file() {
    let mesh = mesh();
    let report = mesh.run_once();
    assert_eq!(report["products"][0]["quarantined"], 3, "{report}");
    let rows = canal(&mesh);
    assert_eq!(rows[0], ("good".to_owned(), "web".to_owned()));
    assert_eq!(rows[1].0, "phone");
    assert!(
        rows[1].1.starts_with("web, ") && !rows[1].1.contains(['1', '5']),
        "{rows:?}"
    );
    assert_eq!(rows.len(), 2);
    for value in [ADDRESS, CARD, PHONE, IBAN] {
        is_nowhere(&mesh, value);
    }
    let blocked = mesh.query(
        "SELECT stage, rule, product, message FROM ventas_quarantine.transacciones ORDER BY source_offset",
    );
    let blocked: Vec<String> = blocked
        .iter()
        .map(|row| serde_json::to_string(row).unwrap())
        .collect();
    insta::assert_snapshot!(blocked.join("\n"), @r#"
    {"message":"`canal` holds what has the form of pii:email, and its contract declares none: declare it, or correct the source","product":null,"rule":"undeclared_personal_data","stage":"blocked"}
    {"message":"`canal` holds what has the form of pii:card, and its contract declares none: declare it, or correct the source","product":null,"rule":"undeclared_personal_data","stage":"blocked"}
    {"message":"`canal` holds what has the form of pii:iban, and its contract declares none: declare it, or correct the source","product":null,"rule":"undeclared_personal_data","stage":"blocked"}
    "#);
    // Raw has the same rows: what is blocked is in quarantine alone.
    assert_eq!(mesh.count("ventas_raw.transacciones"), 2);
}

#[test]
fn each_kind_does_what_its_rule_says() {
    let mesh = mesh();
    mesh.edit(
        "policies/masks.toml",
        "kind = \"pii:phone\"\naction = \"mask\"",
        "kind = \"pii:phone\"\naction = \"warn\"",
    );
    for kind in ["pii:email", "pii:card"] {
        mesh.add(
            "policies/masks.toml",
            &format!("[[undeclared]]\nkind = \"{kind}\"\naction = \"mask\""),
        );
    }
    let config = mesh.config();
    let output = mesh.output(&["run", "--once", "--config", config.to_str().unwrap()]);
    assert!(output.status.success());
    let said = String::from_utf8(output.stderr).unwrap();
    for word in [
        "Undeclared personal data.",
        "\"column\":\"canal\"",
        "pii:phone",
        "\"done\":\"passed\"",
        "\"done\":\"hidden\"",
    ] {
        assert!(said.contains(word), "no {word} in:\n{said}");
    }
    for value in [ADDRESS, CARD, PHONE, IBAN] {
        assert!(!said.contains(value), "{said}");
    }
    let rows = canal(&mesh);
    let ids: Vec<&str> = rows.iter().map(|(id, _)| id.as_str()).collect();
    assert_eq!(ids, ["address", "card", "good", "phone"]);
    assert_eq!(rows[3].1, format!("web, {PHONE}"), "told of, and passed");
    for value in [ADDRESS, CARD, IBAN] {
        is_nowhere(&mesh, value);
    }
}
