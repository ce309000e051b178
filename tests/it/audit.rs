//! The audit log of a mesh: what is in it, and that nobody changes it unseen.

use std::path::PathBuf;

use crate::support::{Mesh, files, sale};

fn mesh() -> Mesh {
    let mesh = Mesh::ventas();
    mesh.put(&sale("t-1"));
    mesh.run_once();
    mesh.ask("user:ana", "informes", "SELECT * FROM ventas.transacciones")
        .unwrap();
    mesh.ask(
        "user:eva",
        "fraude",
        "SELECT tarjeta FROM ventas_raw.transacciones",
    )
    .unwrap();
    mesh.ask("user:nadie", "informes", "SELECT * FROM ventas.transacciones")
        .unwrap_err();
    mesh
}

fn log(mesh: &Mesh) -> PathBuf {
    let mut logs = files(&mesh.path().join("state/audit"));
    logs.retain(|file| file.extension().is_some_and(|extension| extension == "jsonl"));
    assert_eq!(logs.len(), 1);
    logs.remove(0)
}

#[test]
fn what_was_decided_is_recorded_without_a_value() {
    let mesh = mesh();
    let mut told = Vec::new();
    for record in mesh.audit() {
        let field = |name: &str| record[name].as_str().unwrap_or("-").to_owned();
        if field("kind") != "checkpoint" {
            let object = field("object");
            let object = object
                .rsplit_once("/plugins/")
                .map_or(object.as_str(), |(_, file)| file);
            let told_of = format!(
                "{:6} {:12} {:34} {:5} {:8} {:5} {}",
                field("kind"),
                field("principal"),
                object,
                field("action"),
                field("purpose"),
                field("outcome"),
                field("rule")
            );
            told.push(told_of.trim_end().to_owned());
        }
    }
    // Two sources are planned side by side.
    told[2..5].sort();
    insta::assert_snapshot!(told.join("\n"), @r"
    begin               audit-00000000000000000001.jsonl                  done
    load   plugin:ventas ventas.wasm                                       done
    mask   plugin:ventas ventas.devoluciones/comentario     write          mask  replace-with-null masks.toml:54
    mask   plugin:ventas ventas.transacciones/email         write          mask  token masks.toml:18
    mask   plugin:ventas ventas.transacciones/tarjeta       write          mask  show-last-4 masks.toml:24
    write  plugin:ventas ventas_raw.transacciones           write          allow domains/ventas.csv:6
    write  plugin:ventas ventas_quarantine.transacciones    write          allow domains/ventas.csv:7
    write  plugin:ventas ventas.transacciones               write          allow domains/ventas.csv:5
    read   plugin:ventas ventas.transacciones               read  ingresos mask  domains/ventas.csv:25
    read   plugin:ventas ventas.transacciones               read  ingresos mask  domains/ventas.csv:25
    read   plugin:ventas ventas.transacciones               read  ingresos mask  domains/ventas.csv:25
    write  plugin:ventas ventas.daily-revenue               write ingresos allow domains/ventas.csv:5
    read   plugin:ventas ventas.transacciones               read  ingresos mask  domains/ventas.csv:25
    read   user:ana     ventas.transacciones               read  informes mask  global.csv:22
    read   user:eva     ventas_raw.transacciones           read  fraude   mask  global.csv:25
    deny   user:nadie   ventas.transacciones               read  informes deny
    ");
    let text = std::fs::read_to_string(log(&mesh)).unwrap();
    for value in ["4111111111111111", "ana.t-1@example.com", "t-1"] {
        assert!(!text.contains(&format!("\"{value}")), "{value}");
    }
    let whole = mesh.ok(&["audit", "verify", "--config", mesh.config().to_str().unwrap()]);
    assert!(whole.starts_with("The audit log is whole:"), "{whole}");
}

#[test]
fn damage_is_found_and_named() {
    let mesh = mesh();
    let log = log(&mesh);
    let whole = std::fs::read(&log).unwrap();
    let lines: Vec<&[u8]> = whole.split_inclusive(|byte| *byte == b'\n').collect();
    let verify = |bytes: &[u8]| {
        std::fs::write(&log, bytes).unwrap();
        mesh.fails(&["audit", "verify"], &[])
    };
    // A byte of the fourth record.
    let mut flipped = whole.clone();
    let at = lines[..3].iter().map(|line| line.len()).sum::<usize>() + 40;
    flipped[at] ^= 1;
    let said = verify(&flipped);
    assert!(said.contains("line 4"), "{said}");
    // One line.
    let said = verify(&[&lines[..3].concat()[..], &lines[4..].concat()].concat());
    assert!(said.contains("dropped") && said.contains('4'), "{said}");
    // Two lines in each other's place.
    let said = verify(&[&lines[..3].concat()[..], lines[4], lines[3], &lines[5..].concat()].concat());
    assert!(said.contains("line 4"), "{said}");
    // The tail.
    let said = verify(&lines[..lines.len() - 2].concat());
    assert!(said.contains("cut"), "{said}");
    // All of it.
    std::fs::write(&log, &whole).unwrap();
    let anchor = mesh.ok(&["audit", "verify", "--config", mesh.config().to_str().unwrap()]);
    let anchor = anchor.lines().last().unwrap();
    let (state, copy) = (mesh.path().join("state/audit"), mesh.path().join("copy"));
    std::fs::rename(&state, &copy).unwrap();
    mesh.fails(&["audit", "verify"], &[]);
    // A log that was begun anew is whole, and is not the one that was noted down.
    mesh.ask("user:ana", "informes", "SELECT 1 FROM ventas.transacciones")
        .unwrap();
    mesh.fails(&["audit", "verify"], &["--anchor", anchor]);
}

#[test]
fn nothing_is_read_or_written_without_a_record() {
    let mesh = mesh();
    let log = log(&mesh);
    let whole = std::fs::read(&log).unwrap();
    std::fs::write(&log, &whole[..whole.len() / 2]).unwrap();
    mesh.put(&sale("t-2"));
    let said = mesh.fails(&["run"], &["--once"]);
    assert!(said.contains("audit"), "{said}");
    let said = mesh
        .ask("user:ana", "informes", "SELECT * FROM ventas.transacciones")
        .unwrap_err();
    assert!(said.contains("audit"), "{said}");
    std::fs::write(&log, &whole).unwrap();
    assert_eq!(mesh.run_once()["products"][0]["kept"], 1);
}

#[test]
fn a_rotation_of_keys_is_recorded() {
    let mesh = mesh();
    let config = mesh.config();
    mesh.ok(&[
        "keys",
        "rotate",
        "--until",
        "2999-12-31",
        "--config",
        config.to_str().unwrap(),
    ]);
    let rotations: Vec<_> = mesh
        .audit()
        .into_iter()
        .filter(|record| record["kind"] == "rotate")
        .map(|record| (record["outcome"].clone(), record["object"].clone()))
        .collect();
    assert_eq!(
        rotations,
        [
            ("allow".into(), "keys/token".into()),
            ("done".into(), "keys/token".into())
        ]
    );
}
