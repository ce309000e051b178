//! What is read, and what is refused, is on disk before a row is.

use std::path::Path;

use malla_audit::verify;

use super::world::{RULES, world};
use crate::testing::Rules;

/// The bodies of the records, a line each.
fn log(dir: &Path) -> String {
    let mut files: Vec<_> = dir
        .join("audit")
        .read_dir()
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    files.sort();
    let texts = files.iter().filter_map(|file| std::fs::read_to_string(file).ok());
    texts.collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_decision_is_recorded() {
    let mesh = world().await;
    let reads = |text: &str| {
        text.lines()
            .filter(|line| line.contains("\"read\"") || line.contains("\"deny\""))
            .filter(|line| line.contains("principal"))
            .count()
    };
    assert_eq!(reads(&log(mesh.dir.path())), 0);
    mesh.rows("user:luis", "SELECT tarjeta FROM ventas.transacciones")
        .await;
    let text = log(mesh.dir.path());
    assert_eq!(reads(&text), 1, "{text}");
    for part in [
        "user:luis",
        "ventas.transacciones",
        "informes",
        "global.csv:2",
        "row-filters.toml:2",
        "tarjeta",
        "direccion",
        "1.2.3",
        mesh.governance.policy.digest(),
    ] {
        assert!(text.contains(part), "{part}\n{text}");
    }
    // Two tables, two records; what fails later was read all the same.
    mesh.error(
        "user:ana",
        "SELECT 1 / (a.id - b.id) FROM ventas.transacciones a, ventas_raw.transacciones b",
    )
    .await;
    assert_eq!(reads(&log(mesh.dir.path())), 3);
    // Refused: denied by no rule, and not there.
    for (count, table) in [(4, "ventas.clientes"), (5, "ventas.nada"), (6, "nada")] {
        mesh.error("user:fin", &format!("SELECT * FROM {table}")).await;
        let text = log(mesh.dir.path());
        assert_eq!(reads(&text), count, "{text}");
        assert!(
            text.lines().last().unwrap_or_default().contains("deny") || text.contains(table),
            "{text}"
        );
    }
    // A query may fail before its second table is opened: what was decided first is recorded.
    mesh.error("user:fin", "SELECT 1 FROM ventas.clientes, ventas.transacciones")
        .await;
    assert!(reads(&log(mesh.dir.path())) > 6);
    // EXPLAIN and DESCRIBE show what a table has.
    let before = reads(&log(mesh.dir.path()));
    mesh.table("user:ana", "EXPLAIN SELECT id FROM ventas.transacciones")
        .await;
    mesh.table("user:ana", "DESCRIBE ventas.transacciones").await;
    assert_eq!(reads(&log(mesh.dir.path())), before + 2);
    let text = log(mesh.dir.path());
    for secret in ["4111-", "@correo", "Pérez", "81234567"] {
        assert!(!text.contains(secret), "{text}");
    }
    let key = mesh.governance.audit.public_key();
    verify(&mesh.dir.path().join("audit"), &key, None).unwrap();
}

/// A table that lacks a mask is refused to everybody, and that is recorded like any refusal.
#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_for_want_of_a_mask_is_recorded() {
    let mut mesh = world().await;
    let masks = "[[mask]]\nclassification = \"confidential\"\nmask = \"mask-alphanum\"\n";
    mesh.governance.policy = Rules { masks, ..RULES }.policy();
    mesh.error("user:ana", "SELECT id FROM ventas.transacciones")
        .await;
    let text = log(mesh.dir.path());
    let denied = text.lines().filter(|line| line.contains("\"deny\""));
    let denied: Vec<&str> = denied.collect();
    assert_eq!(denied.len(), 1, "{text}");
    assert!(
        denied[0].contains("ventas.transacciones") && denied[0].contains("user:ana"),
        "{text}"
    );
}

/// The log's folder is gone: nothing is read, and the error says why.
#[tokio::test(flavor = "multi_thread")]
async fn without_a_record_nothing_is_read() {
    for sql in [
        "SELECT id FROM ventas.transacciones",
        "SELECT count(*) FROM ventas.transacciones",
        "SELECT * FROM ventas.nada",
    ] {
        // A log that failed once says so for ever: each question is the first.
        let mesh = world().await;
        let audit = mesh.dir.path().join("audit");
        std::fs::remove_dir_all(&audit).unwrap();
        std::fs::write(&audit, "no folder").unwrap();
        let error = mesh.error("user:ana", sql).await;
        assert!(
            error.starts_with("nothing is read without a record of it: "),
            "{sql}: {error}"
        );
    }
}
