//! What a step sees of a personal column: tokens, or the values where a rule gives them for the contract's purpose.

use serde_json::json;

use crate::support::{Mesh, sale, sale_with};

const SECRET: &str = "classification: restricted, tags: [\"pii:email\"]";

/// A mesh in which the currency is personal. The step looks it up: with a token in its place, no sale has a known currency.
fn mesh() -> Mesh {
    let mesh = Mesh::ventas();
    mesh.contract(&[
        (
            "{ name: moneda, logicalType: string, physicalType: string, description",
            &format!("{{ name: moneda, logicalType: string, physicalType: string, {SECRET}, description"),
        ),
        (
            "      - name: moneda\n        logicalType: string\n        physicalType: string\n        required: true\n",
            "      - name: moneda\n        logicalType: string\n        physicalType: string\n        required: true\n        classification: restricted\n        tags: [\"pii:email\"]\n",
        ),
    ]);
    for column in ["monto_usd", "fecha"] {
        mesh.add(
            "policies/declassify.toml",
            &format!(
                "[[declassify]]\ncolumn = \"ventas.transacciones/{column}\"\nto = \"internal\"\ndrops = [\"pii:email\"]\n\
                 reason = \"An amount in dollars names nobody.\"\nowner = \"equipo-ventas\"\nexpires = 2999-12-31\n"
            ),
        );
    }
    mesh.put(&sale("t-1"));
    mesh.put(&sale_with("t-2", &[("monto", json!(-5))]));
    mesh
}

fn may(mesh: &Mesh, action: &str, purpose: &str) {
    mesh.add(
        "policies/domains/ventas.csv",
        &format!("p, plugin:ventas, ventas, ventas_raw.transacciones/moneda, {action}, {purpose}, allow"),
    );
}

fn reasons(mesh: &Mesh) -> Vec<(String, String)> {
    let rows = mesh.query("SELECT rule, message FROM ventas_quarantine.transacciones ORDER BY source_offset");
    rows.iter()
        .map(|row| {
            (
                row["rule"].as_str().unwrap().to_owned(),
                row["message"].as_str().unwrap().to_owned(),
            )
        })
        .collect()
}

#[test]
fn without_a_rule_a_step_sees_tokens() {
    let mesh = mesh();
    // `read-raw` for another purpose than the contract's.
    may(&mesh, "read-raw", "auditoria");
    mesh.run_once();
    assert_eq!(mesh.count("ventas.transacciones"), 0);
    let reasons = reasons(&mesh);
    assert_eq!(reasons[0].0, "moneda_desconocida");
    // The second has no positive amount, which the step finds first.
    assert_eq!(reasons[1].0, "monto_no_positivo");
    assert!(!reasons[0].1.contains("withheld"), "{reasons:?}");
}

#[test]
fn read_raw_for_the_contracts_purpose_shows_values_and_withholds_what_the_step_says() {
    let mesh = mesh();
    may(&mesh, "read-raw", "ingresos");
    may(&mesh, "read", "ingresos");
    mesh.run_once();
    let rows = mesh
        .ask(
            "user:ana",
            "informes",
            "SELECT moneda, monto_usd FROM ventas.transacciones",
        )
        .unwrap();
    assert_eq!(rows.len(), 1);
    assert!(
        rows[0]["moneda"].as_str().unwrap().starts_with("tok1_"),
        "{rows:?}"
    );
    let reasons = reasons(&mesh);
    assert_eq!(reasons.len(), 1);
    assert_eq!(reasons[0].0, "monto_no_positivo");
    assert!(reasons[0].1.starts_with("withheld"), "{reasons:?}");
}
