//! A plugin's versions: checked, tried on real batches, swapped while events flow, and taken back.

use std::path::PathBuf;

use serde_json::Value;

use crate::malo::{Malo, contract};
use crate::support::{Mesh, Running, sale, text, ventas, wait_until};

pub(crate) fn deploy(mesh: &Mesh, by: &str, file: &std::path::Path, more: &[&str]) -> Result<String, String> {
    let config = mesh.config();
    let mut arguments = vec![
        "plugin",
        "deploy",
        "--config",
        config.to_str().unwrap(),
        "--as",
        by,
    ];
    arguments.extend(more);
    arguments.push(file.to_str().unwrap());
    let output = mesh.output(&arguments);
    let said = text(&output);
    if output.status.success() {
        return Ok(said);
    }
    assert_eq!(output.status.code(), Some(1), "{said}");
    Err(said)
}

/// Digests of the plugins that wrote a table, in the order of its versions.
pub(crate) fn writers(mesh: &Mesh, table: &str) -> Vec<String> {
    let log = mesh.path().join("lake").join(table).join("_delta_log");
    let mut entries = crate::support::files(&log);
    entries.retain(|path| path.extension().is_some_and(|extension| extension == "json"));
    entries.sort();
    let mut digests = Vec::new();
    for entry in entries {
        for line in std::fs::read_to_string(entry).unwrap().lines() {
            let line: Value = serde_json::from_str(line).unwrap();
            if let Some(digest) = line["commitInfo"]["malla"]["plugin"].as_str() {
                digests.push(digest.to_owned());
            }
        }
    }
    digests.dedup();
    digests
}

/// The ventas plugin with another contract around the same code.
pub(crate) fn edited(mesh: &Mesh, edits: &[(&str, &str)]) -> PathBuf {
    let component = std::fs::read(ventas()).unwrap();
    let mut contract = malla_contract::extract(&component).unwrap();
    for (from, to) in edits {
        assert!(contract.contains(from), "no `{from}` in:\n{contract}");
        contract = contract.replacen(from, to, 1);
    }
    let path = mesh.path().join("ventas-nueva.wasm");
    std::fs::write(&path, malla_contract::embed(&component, &contract).unwrap()).unwrap();
    path
}

#[test]
fn versions_are_swapped_and_taken_back_while_events_flow() {
    let mesh = Mesh::ventas();
    mesh.edit("malla.toml", "seconds = 5.0", "seconds = 0.2");
    mesh.edit("malla.toml", "rows = 65536", "rows = 7");
    let mut written = 0;
    let mut write = |count: u64| {
        for _ in 0..count {
            mesh.put(&sale(&format!("t-{written}")));
            written += 1;
        }
    };
    write(40);
    let running = Running::start(&mesh);
    wait_until("there are rows", || {
        mesh.path()
            .join("lake/ventas/curated/transacciones/_delta_log")
            .exists()
            && mesh.count("ventas.transacciones") == 40
    });
    let in_use = |times| {
        let said = running.said();
        said.matches("A new version of a plugin is in use.").count() == times
    };

    let next = edited(
        &mesh,
        &[
            ("version: 1.2.0", "version: 1.2.1"),
            ("Unique id of the sale.", "Id of the sale."),
        ],
    );
    let said = deploy(&mesh, "user:vera", &next, &["--dry-run"]).unwrap();
    assert!(said.contains("Nothing was changed."), "{said}");
    let said = deploy(&mesh, "user:vera", &next, &[]).unwrap();
    assert!(
        said.contains("40 lines, 40 rows of both, 0 differences, fuel 100% of before"),
        "{said}"
    );
    assert!(
        said.contains("ventas 1.2.1") && said.contains("is in use, before 1.2.0"),
        "{said}"
    );
    write(40);
    wait_until("the host took it up", || in_use(1));
    write(40);
    wait_until("it processes events", || {
        mesh.count("ventas.transacciones") == 120
    });
    assert_eq!(writers(&mesh, "ventas/curated/transacciones").len(), 2);

    let again = deploy(&mesh, "user:vera", &next, &[]).unwrap();
    assert!(again.contains("is in use already"), "{again}");

    let config = mesh.config();
    let rollback = |by: &str| {
        mesh.output(&[
            "plugin",
            "rollback",
            "--config",
            config.to_str().unwrap(),
            "--as",
            by,
            "ventas",
        ])
    };
    assert_eq!(rollback("user:ana").status.code(), Some(1));
    let back = rollback("user:vera");
    assert!(
        text(&back).contains("ventas 1.2.0") && text(&back).contains("before 1.2.1"),
        "{}",
        text(&back)
    );
    wait_until("the host went back", || in_use(2));
    write(40);
    wait_until("the old one processes events", || {
        mesh.count("ventas.transacciones") == 160
    });
    let nothing = text(&rollback("user:vera"));
    assert!(nothing.contains("has no version to go back to"), "{nothing}");
    let writers = writers(&mesh, "ventas/curated/transacciones");
    assert_eq!(writers.len(), 3);
    assert_eq!(writers[0], writers[2]);
    running.stop();
    mesh.every_event_once(written);

    let versions = mesh.ok(&[
        "plugin",
        "versions",
        "--config",
        config.to_str().unwrap(),
        "ventas",
    ]);
    let how: Vec<bool> = ["was there", "deployed", "rolled back to"]
        .iter()
        .map(|how| versions.contains(how))
        .collect();
    assert_eq!(how, [true; 3], "{versions}");
    let audited: Vec<Value> = mesh
        .audit()
        .into_iter()
        .filter(|record| record["kind"] == "deploy")
        .collect();
    assert_eq!(audited.len(), 2, "{audited:?}");
    assert_eq!(audited[0]["principal"], "user:vera");
}

#[test]
fn what_breaks_others_is_refused_and_named() {
    let mesh = Mesh::ventas();
    for n in 0..20 {
        mesh.put(&sale(&format!("t-{n}")));
    }
    mesh.run_once();
    let before = std::fs::read(mesh.path().join("plugins/ventas.wasm")).unwrap();
    let refused = |edits: &[(&str, &str)], says: &[&str]| {
        let said = deploy(&mesh, "user:vera", &edited(&mesh, edits), &[]).unwrap_err();
        for piece in says {
            assert!(said.contains(piece), "no `{piece}` in:\n{said}");
        }
        assert_eq!(
            std::fs::read(mesh.path().join("plugins/ventas.wasm")).unwrap(),
            before
        );
    };
    let next = ("version: 1.2.0", "version: 1.3.0");
    let amount = "name: monto_usd\n        logicalType: number\n        physicalType: \"decimal(18,2)\"";
    refused(
        &[next, (amount, &amount.replace("18,2", "12,2"))],
        &[
            "`transacciones.monto_usd`",
            "it breaks readers",
            "`ventas.daily-revenue` (equipo-ventas)",
            "new major version",
        ],
    );
    refused(
        &[("Unique id of the sale.", "Id of the sale.")],
        &["its version says too little: make it 1.2.1 or more, not 1.2.0"],
    );
    refused(
        &[("version: 1.2.0", "version: 1.0.9")],
        &["is older than 1.2.0", "malla plugin rollback ventas"],
    );
    // Policy hides it from now on, also from whoever builds on it.
    let hidden = format!("{amount}\n        classification: confidential\n        tags: [costo]");
    refused(
        &[next, (amount, &hidden)],
        &["`ventas.daily-revenue` (equipo-ventas) would see `ventas.transacciones/monto_usd` masked"],
    );
    let said = deploy(&mesh, "user:ana", &edited(&mesh, &[next]), &[]).unwrap_err();
    assert!(said.contains("`user:ana` may not deploy"), "{said}");
    assert!(
        mesh.audit()
            .iter()
            .any(|record| record["kind"] == "deny" && record["principal"] == "user:ana")
    );
}

#[test]
fn a_version_that_makes_other_rows_is_refused_unless_that_is_meant() {
    let mut malo = Malo::new();
    let columns = ["n", "m"];
    let product = [("echo_all", "salida")];
    let said = malo.deploy(&contract("1.0.0", &columns, &product), &[]).unwrap();
    assert!(said.contains("malo 1.0.0"), "{said}");
    malo.write(99);
    malo.mesh.run_once();

    let said = malo
        .deploy(&contract("1.0.1", &columns, &[("echo_even", "salida")]), &[])
        .unwrap_err();
    assert!(
        said.contains("`malo.salida`: 49 rows are gone, 0 are new (meant? --accept malo.salida)"),
        "{said}"
    );
    let said = malo
        .deploy(&contract("1.0.1", &columns, &[("echo_state", "salida")]), &[])
        .unwrap_err();
    for column in [
        "`malo.salida/n`: another value in 98 of 99 rows",
        "`malo.salida/m`: another value in 99 of 99 rows",
    ] {
        assert!(said.contains(column), "no `{column}` in:\n{said}");
    }
    assert!(!said.contains("e-1"), "no value of a row: {said}");
    let said = malo
        .deploy(&contract("1.0.1", &columns, &[("crash_panic", "salida")]), &[])
        .unwrap_err();
    assert!(said.contains("`malo.salida` fails"), "{said}");
    let refused: Vec<Value> = malo
        .mesh
        .audit()
        .into_iter()
        .filter(|record| record["kind"] == "deploy")
        .collect();
    assert_eq!(
        refused
            .iter()
            .filter(|record| record["outcome"] == "deny")
            .count(),
        3
    );

    let half = contract("1.0.1", &columns, &[("echo_state", "salida")]);
    let said = malo.deploy(&half, &["--accept", "malo.salida/n"]).unwrap_err();
    assert!(
        said.contains("salida/m") && !said.contains("--accept malo.salida/n"),
        "{said}"
    );
    let said = malo.deploy(&half, &["--accept", "malo.salida"]).unwrap();
    assert!(said.contains("accepted: `malo.salida/m`"), "{said}");
    malo.write(1);
    malo.mesh.run_once();
    assert_eq!(malo.mesh.count("malo.salida WHERE n = 1"), 2);
}

#[test]
fn a_version_adds_columns_and_products_and_the_next_one_takes_them_back() {
    let mut malo = Malo::new();
    let first = contract("1.0.0", &["n"], &[("echo_all", "salida")]);
    let second = contract(
        "1.1.0",
        &["n", "m"],
        &[("echo_even", "pares"), ("echo_all", "salida")],
    );
    malo.deploy(&first, &[]).unwrap();
    malo.write(10);
    let running = Running::start(&malo.mesh);
    let rows = |malo: &Malo, table: &str| {
        let there = malo
            .mesh
            .path()
            .join(format!("lake/malo/curated/{table}/_delta_log"))
            .exists();
        if there {
            malo.mesh.count(&format!("malo.{table}"))
        } else {
            0
        }
    };
    wait_until("the first version wrote", || rows(&malo, "salida") == 10);

    let said = malo.deploy(&second, &[]).unwrap();
    assert!(
        said.contains("malo.pares, which is new: 5 rows of 10 lines"),
        "{said}"
    );
    wait_until("the host took it up", || {
        running.said().contains("A new version of a plugin is in use.")
    });
    malo.write(10);
    wait_until("the second version wrote", || {
        rows(&malo, "salida") == 20 && rows(&malo, "pares") == 5
    });
    assert_eq!(malo.mesh.count("malo.salida WHERE m IS NULL"), 10);
    assert_eq!(malo.mesh.count("malo_raw.eventos WHERE m IS NULL"), 10);
    // What was read before it came is not in it, and the host says so.
    assert_eq!(malo.mesh.count("malo.pares WHERE n < 10"), 0);
    assert!(
        running
            .said()
            .contains("The product was not made of these events"),
        "{}",
        running.said()
    );

    let config = malo.mesh.config();
    let back = malo.mesh.output(&[
        "plugin",
        "rollback",
        "--config",
        config.to_str().unwrap(),
        "--as",
        "user:mara",
        "malo",
    ]);
    assert!(back.status.success(), "{}", text(&back));
    wait_until("the host went back", || {
        running
            .said()
            .matches("A new version of a plugin is in use.")
            .count()
            == 2
    });
    malo.write(10);
    wait_until("the first version wrote again", || rows(&malo, "salida") == 30);
    malo.deploy(&second, &[]).unwrap();
    wait_until("the second is back", || {
        running
            .said()
            .matches("A new version of a plugin is in use.")
            .count()
            == 3
    });
    malo.write(10);
    wait_until("all is there", || {
        rows(&malo, "salida") == 40 && rows(&malo, "pares") == 10
    });
    assert_eq!(malo.mesh.count("malo.pares WHERE n >= 20 AND n < 30"), 0);
    running.stop();
    assert_eq!(malo.mesh.count("malo_raw.eventos"), 40);
}

#[test]
fn two_major_versions_live_side_by_side() {
    let mut malo = Malo::new();
    malo.deploy(&contract("1.0.0", &["n"], &[("echo_all", "salida")]), &[])
        .unwrap();
    malo.write(10);
    malo.mesh.run_once();
    let second = contract("2.0.0", &["m"], &[("echo_all", "salida")]);
    let said = malo.deploy(&second, &[]).unwrap_err();
    assert!(
        said.contains("`user:mara` may not deploy `malo_v2.salida`"),
        "{said}"
    );
    malo.allow("malo_v2");
    let said = malo.deploy(&second, &[]).unwrap();
    assert!(said.contains("malo_v2 2.0.0"), "{said}");
    let source = malo.mesh.path().join("sources/malo_v2/eventos/0/a.jsonl");
    std::fs::copy(malo.mesh.path().join("sources/malo/eventos/0/a.jsonl"), source).unwrap();
    malo.write(10);
    malo.mesh.run_once();
    assert_eq!(malo.mesh.count("malo.salida WHERE n < 20"), 20);
    assert_eq!(malo.mesh.count("malo_v2.salida WHERE m <= 10"), 10);
}

#[test]
fn a_file_that_cannot_be_used_changes_nothing_and_one_that_goes_ends_its_flows() {
    let mesh = Mesh::ventas();
    mesh.edit("malla.toml", "seconds = 5.0", "seconds = 0.2");
    mesh.put(&sale("t-0"));
    let running = Running::start(&mesh);
    let there = mesh.path().join("lake/ventas/curated/transacciones/_delta_log");
    wait_until("it runs", || {
        there.exists() && mesh.count("ventas.transacciones") == 1
    });
    let file = mesh.path().join("plugins/ventas.wasm");
    let whole = std::fs::read(&file).unwrap();
    std::fs::write(&file, &whole[..whole.len() / 2]).unwrap();
    wait_until("it says so", || {
        running
            .said()
            .contains("A plugin cannot be used: what ran before goes on.")
    });
    mesh.put(&sale("t-1"));
    // A query reads the contracts in the folder, so the file has to be whole again for one.
    std::fs::write(&file, &whole).unwrap();
    wait_until("the version before goes on", || {
        mesh.count("ventas.transacciones") == 2
    });

    std::fs::rename(&file, mesh.path().join("aside.wasm")).unwrap();
    wait_until("its flow ends", || {
        running.said().contains("The plugin is gone: the flow ends.")
    });
    mesh.put(&sale("t-2"));
    std::fs::rename(mesh.path().join("aside.wasm"), &file).unwrap();
    wait_until("it is back", || mesh.count("ventas.transacciones") == 3);
    running.stop();
    mesh.every_event_once(3);
}
