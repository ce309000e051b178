//! A store that fails or does not answer.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::{Mesh, Running, malla, text, wait_until};

/// A library that has puts of a host fail or wait.
pub(crate) fn faults(folder: &Path) -> PathBuf {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("faults/faults.c");
    let library = folder.join("faults.so");
    let compiled = Command::new("cc")
        .args(["-shared", "-fPIC", "-O1", "-o"])
        .arg(&library)
        .arg(source)
        .arg("-ldl")
        .output();
    assert!(compiled.is_ok(), "cc is missing: apt-get install gcc");
    let compiled = compiled.unwrap();
    assert!(compiled.status.success(), "{}", text(&compiled));
    library
}

#[test]
fn a_source_whose_store_does_not_answer_holds_up_no_other() {
    let mesh = Mesh::of(&["ventas", "logistica"]);
    // It makes the tables: they are there when the store stops to answer.
    mesh.run_once();
    for (domain, source) in [("ventas", "transacciones"), ("logistica", "envios")] {
        let args = ["--domain", domain, "--source", source, "--events", "6000"];
        mesh.on("simulate", &args);
    }
    mesh.edit("malla.toml", "rows = 65536", "rows = 150");
    mesh.edit("malla.toml", "rows = 500000", "rows = 600");
    let thaw = mesh.path().join("thaw");
    let mut command = Command::new(malla());
    command
        .env("LD_PRELOAD", faults(mesh.path()))
        .env("FAULTS_FROZEN", mesh.path().join("lake/logistica"))
        .env("FAULTS_THAW", &thaw);
    let host = Running::start_as(command, &mesh, "malla.toml", "run.log");
    let count = |domain: &str, source: &str| {
        mesh.count(&format!("{domain}.{source}")) + mesh.count(&format!("{domain}_quarantine.{source}"))
    };
    let is_there = |table: &str| mesh.path().join("lake").join(table).join("_delta_log").is_dir();
    wait_until("every sale is committed", || {
        is_there("ventas/curated/transacciones")
            && is_there("ventas/quarantine/transacciones")
            && count("ventas", "transacciones") == 6_000
    });
    std::fs::write(&thaw, "").unwrap();
    wait_until("every parcel is committed", || {
        is_there("logistica/curated/envios")
            && is_there("logistica/quarantine/envios")
            && count("logistica", "envios") == 6_000
    });
    host.stop();
}
