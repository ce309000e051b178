//! A tick whose commits were cut apart is completed with the same batches.

use serde_json::json;

use crate::support::{Mesh, files, sale, sale_with};

/// Takes the newest commit of a table back, as if the process had died before it.
fn undo_last_commit(mesh: &Mesh, table: &str) {
    let log = mesh.path().join("lake/ventas").join(table).join("_delta_log");
    let mut commits = files(&log);
    commits.retain(|file| file.extension().is_some_and(|extension| extension == "json"));
    commits.sort();
    assert!(commits.len() > 1, "{table} has no commit of data");
    std::fs::remove_file(commits.last().unwrap()).unwrap();
}

fn accounted(mesh: &Mesh) -> u64 {
    mesh.count("ventas.transacciones") + mesh.count("ventas_quarantine.transacciones")
}

#[test]
fn each_way_of_cutting_a_tick_is_repaired() {
    for cut in [
        &["curated/transacciones"][..],
        &["raw/transacciones"],
        &["curated/transacciones", "raw/transacciones"],
    ] {
        let mesh = Mesh::ventas();
        mesh.simulate(900, 3);
        mesh.run_once();
        mesh.simulate(1100, 3);
        mesh.run_once();
        for table in cut {
            undo_last_commit(&mesh, table);
        }
        assert!(accounted(&mesh) < 2000 || cut == ["raw/transacciones"]);
        // What arrived since must not change the batches that are repeated.
        mesh.simulate(500, 3);
        mesh.run_once();
        assert_eq!(accounted(&mesh), 2500, "{cut:?}");
        let undecodable = mesh.count("ventas_quarantine.transacciones WHERE stage = 'undecodable'");
        assert_eq!(
            mesh.count("ventas_raw.transacciones") + undecodable,
            2500,
            "{cut:?}"
        );
        let ids = mesh.query("SELECT count(DISTINCT transaccion_id) AS n FROM ventas.transacciones")[0]["n"]
            .clone();
        assert_eq!(ids, mesh.count("ventas.transacciones"), "{cut:?}");
    }
}

/// What was begun under one policy is completed under it: by the next one, the line would be in quarantine, and that is
/// committed already.
#[test]
fn a_tick_is_completed_under_the_policy_that_it_was_begun_under() {
    let mesh = Mesh::ventas();
    mesh.put(&sale_with("t-1", &[("canal", json!("web, +52 55 8765 4321"))]));
    mesh.run_once();
    undo_last_commit(&mesh, "curated/transacciones");
    mesh.edit("policies/masks.toml", "action = \"mask\"", "action = \"block\"");
    mesh.put(&sale_with("t-2", &[("canal", json!("web, +52 55 8765 4321"))]));
    mesh.run_once();
    let rows = mesh.query("SELECT transaccion_id, canal FROM ventas.transacciones");
    assert_eq!(rows.len(), 1, "{rows:?}");
    assert_eq!(rows[0]["transaccion_id"], "t-1");
    assert!(!rows[0]["canal"].as_str().unwrap().contains("8765"), "{rows:?}");
    assert_eq!(accounted(&mesh), 2);
}

/// Another host, which never had the plugin or the policy that began the tick, gets both from the lake.
#[test]
fn a_tick_is_completed_by_a_host_that_ran_neither_its_plugin_nor_its_policy() {
    let mesh = Mesh::ventas();
    mesh.put(&sale_with("t-1", &[("canal", json!("web, +52 55 8765 4321"))]));
    mesh.run_once();
    undo_last_commit(&mesh, "curated/transacciones");
    mesh.edit("policies/masks.toml", "action = \"mask\"", "action = \"block\"");
    mesh.contract(&[("Who bought.", "Whoever bought.")]);
    // The journals go along: the folder is the same.
    let state = mesh.path().join("state");
    for folder in ["plugins", "policies", "compiled"] {
        std::fs::remove_dir_all(state.join(folder)).unwrap();
    }
    mesh.run_once();
    let rows = mesh.query("SELECT transaccion_id, canal FROM ventas.transacciones");
    assert_eq!(rows.len(), 1, "{rows:?}");
    assert!(!rows[0]["canal"].as_str().unwrap().contains("8765"), "{rows:?}");

    // Bytes that are not what their name says complete nothing.
    mesh.put(&sale("t-2"));
    mesh.run_once();
    undo_last_commit(&mesh, "curated/transacciones");
    for folder in ["plugins", "policies", "compiled"] {
        std::fs::remove_dir_all(state.join(folder)).unwrap();
    }
    for copy in files(&mesh.path().join("lake/_malla/plugins")) {
        std::fs::copy(crate::support::evil(), copy).unwrap();
    }
    mesh.contract(&[("Who bought.", "Somebody bought.")]);
    let said = mesh.fails(&["run"], &["--once"]);
    assert!(said.contains("_malla") && said.contains("backup"), "{said}");
}

#[test]
fn a_quarantine_table_that_went_missing_is_an_error_and_not_a_second_copy() {
    let mesh = Mesh::ventas();
    mesh.append("0", "a.jsonl", format!("{}\n", sale("t-1")).as_bytes());
    mesh.run_once();
    std::fs::remove_dir_all(mesh.path().join("lake/ventas/quarantine")).unwrap();
    let config = mesh.config();
    let output = mesh.output(&["run", "--once", "--config", config.to_str().unwrap()]);
    assert!(!output.status.success());
    let message = String::from_utf8_lossy(&output.stderr);
    assert!(message.contains("ahead of the quarantine table"), "{message}");
    assert_eq!(mesh.count("ventas.transacciones"), 1);
}
