//! A plugin that traps or lies loses its own batches, and no other's.

use crate::support::{Mesh, evil, sale, text};

/// The hostile guest behind a contract: the step's name is the payload.
fn contract(payload: &str) -> String {
    format!(
        r#"apiVersion: v3.1.0
kind: DataContract
id: malo
name: Malo
version: 1.0.0
status: active
domain: malo
schema:
  - name: evento
    properties:
      - {{ name: id, logicalType: string }}
      - {{ name: n, logicalType: integer }}
  - name: salida
    properties:
      - {{ name: n, logicalType: integer }}
customProperties:
  - property: mallaSources
    value: [{{ name: eventos, schema: evento }}]
  - property: mallaSteps
    value: [{{ name: {payload}, source: eventos, product: salida, reads: [n], rules: [] }}]
"#
    )
}

/// A mesh with the hostile guest, the right to write its tables, and 100 events for it.
fn mesh(contract: &str) -> Mesh {
    let mesh = Mesh::ventas();
    let component = malla_contract::embed(&std::fs::read(evil()).unwrap(), contract).unwrap();
    std::fs::write(mesh.path().join("plugins/malo.wasm"), component).unwrap();
    let may = "p, plugin:malo, malo, malo.*, write, *, allow\n\
               p, plugin:malo, malo, malo_raw.*, write, *, allow\n\
               p, plugin:malo, malo, malo_quarantine.*, write, *, allow\n";
    std::fs::write(mesh.path().join("policies/domains/malo.csv"), may).unwrap();
    let source = mesh.add_source("malo", "eventos");
    std::fs::create_dir(source.join("0")).unwrap();
    let events: String = (0..100)
        .map(|n| format!("{{\"id\":\"e-{n}\",\"n\":{n}}}\n"))
        .collect();
    std::fs::write(source.join("0/a.jsonl"), events).unwrap();
    mesh
}

#[test]
fn a_failing_plugin_loses_its_own_batches_to_quarantine_and_no_other() {
    let payload = "crash_panic";
    let mesh = mesh(&contract(payload));
    mesh.append("0", "a.jsonl", format!("{}\n", sale("t-1")).as_bytes());

    let report = mesh.run_once();
    assert_eq!(report["failures"].as_array().unwrap().len(), 0, "{report}");
    assert_eq!(mesh.count("ventas.transacciones"), 1);
    assert_eq!(mesh.count("malo.salida"), 0);
    assert_eq!(mesh.count("malo_raw.eventos"), 100);
    let rows = mesh.query("SELECT stage, rule, message, count(*) AS n FROM malo_quarantine.eventos GROUP BY stage, rule, message");
    assert_eq!(rows.len(), 1);
    assert_eq!(rows[0]["stage"], "failed");
    assert_eq!(rows[0]["n"], 100);
    let message = rows[0]["message"].as_str().unwrap();
    assert!(
        message.contains("malo") && message.contains("1.0.0") && message.contains(payload),
        "{message}"
    );
}

/// A number has no token: a step sees one that needs a mask by a rule, or not at all. What it then says in a log, an
/// error or a panic may quote it.
#[test]
fn what_a_step_says_that_sees_hidden_values_is_withheld() {
    for (payload, says) in [
        ("crash_panic", "is odd"),
        ("echo_refuse", "not for me"),
        ("echo_say", "rows: 100"),
    ] {
        let plain = "{ name: n, logicalType: integer }";
        let hidden = "{ name: n, logicalType: integer, classification: restricted }";
        let run = |mesh: &Mesh| {
            let config = mesh.config();
            text(&mesh.output(&["run", "--once", "--config", config.to_str().unwrap()]))
        };
        let open = mesh(&contract(payload));
        let said = run(&open);
        let reasons = "SELECT DISTINCT message FROM malo_quarantine.eventos";
        let told = |mesh: &Mesh| serde_json::to_string(&mesh.query(reasons)).unwrap();
        assert!(said.contains(says) || told(&open).contains(says), "{said}");

        let closed = mesh(&contract(payload).replace(plain, hidden));
        let said = run(&closed);
        assert!(
            said.contains("reads `n`") && said.contains("restricted"),
            "{said}"
        );
        closed.add(
            "policies/domains/malo.csv",
            "p, plugin:malo, malo, malo_raw.eventos/n, read, *, allow\n\
             p, plugin:malo, malo, malo_raw.eventos/n, read-raw, *, allow",
        );
        let said = run(&closed);
        assert!(!said.contains(says), "{said}");
        assert!(!told(&closed).contains(says), "{}", told(&closed));
        assert!(said.contains("withheld"), "{said}");
        if payload != "echo_say" {
            assert!(told(&closed).contains("withheld"), "{}", told(&closed));
        }
    }
}

/// No column that the step read holds an address: it makes them.
#[test]
fn personal_data_that_a_step_makes_is_blocked() {
    let number = "properties:\n      - { name: n, logicalType: integer }\ncustom";
    let text = "properties:\n      - { name: nota, logicalType: string }\ncustom";
    let contract = contract("echo_invent");
    assert!(contract.contains(number));
    let mesh = mesh(&contract.replace(number, text));
    let report = mesh.run_once();
    assert_eq!(report["failures"].as_array().unwrap().len(), 0, "{report}");
    assert_eq!(mesh.count("malo.salida"), 50);
    assert_eq!(mesh.count("malo.salida WHERE nota = 'nada'"), 50);
    let rows = mesh.query(
        "SELECT stage, rule, product, message, count(*) AS n FROM malo_quarantine.eventos GROUP BY 1, 2, 3, 4",
    );
    assert_eq!(rows.len(), 1, "{rows:?}");
    assert_eq!(rows[0]["stage"], "blocked");
    assert_eq!(rows[0]["rule"], "undeclared_personal_data");
    assert_eq!(rows[0]["product"], "malo.salida");
    assert_eq!(rows[0]["n"], 50);
    assert!(!rows[0]["message"].as_str().unwrap().contains("ana"), "{rows:?}");
}
