//! Days of a gold product made anew.

use serde_json::{Value, json};

use crate::support::{Mesh, files, sale_with, text};

const REVENUE: &str = r#"SELECT * FROM ventas."daily-revenue" ORDER BY fecha, region, producto_id"#;

fn on(id: &str, day: &str) -> String {
    sale_with(id, &[("timestamp", json!(format!("{day}T10:00:00Z")))])
}

fn backfill(mesh: &Mesh, from: &str, to: &str) -> Value {
    let said = mesh.on(
        "run",
        &[
            "--json",
            "--product",
            "ventas.daily-revenue",
            "--from",
            from,
            "--to",
            to,
        ],
    );
    serde_json::from_str(&said).unwrap()
}

#[test]
fn the_days_of_a_range_are_made_anew_and_no_others_though_nothing_is_stale() {
    let mesh = Mesh::ventas();
    let days = ["2026-11-18", "2026-11-19", "2026-11-20", "2026-11-21"];
    for day in days {
        mesh.put(&on(day, day));
    }
    mesh.run_once();
    let before = mesh.query(REVENUE);
    let gold = mesh.path().join("lake/ventas/gold/daily-revenue");
    let of = |day: &str| files(&gold.join(format!("fecha={day}")));
    let was: Vec<_> = days.iter().map(|day| of(day)).collect();

    let report = backfill(&mesh, "2026-11-19", "2026-11-20");
    assert_eq!(report["products"][0]["kept"], 2);
    assert_eq!(report["failures"], json!([]));
    assert_eq!(mesh.query(REVENUE), before);
    for (day, was) in days.iter().zip(&was) {
        let anew = ["2026-11-19", "2026-11-20"].contains(day);
        // Files that a commit removed stay on the disk until a vacuum.
        assert_eq!(of(day).len(), was.len() + usize::from(anew), "{day}");
    }

    // A late sale of another day is not forgotten by it: rows stay of one version of what they are made of.
    mesh.put(&on("tarde", "2026-11-18"));
    mesh.on("run", &["--once", "--product", "ventas.transacciones"]);
    assert_eq!(mesh.query(REVENUE), before, "a source alone makes no gold");
    let report = backfill(&mesh, "2026-11-21", "2026-11-21");
    assert_eq!(report["products"][0]["kept"], 2);
    let rows = mesh.query(REVENUE);
    assert_eq!((&rows[0]["ventas"], &rows[3]["ventas"]), (&json!(2), &json!(1)));
    mesh.run_once();
    assert_eq!(mesh.query(REVENUE), rows, "nothing was left stale");

    // More than one commit takes: a year is made in steps.
    let version = |report: &Value| report["products"][0]["version"].as_u64().unwrap();
    let last = version(&report);
    let report = backfill(&mesh, "2026-01-01", "2026-12-31");
    assert_eq!(
        (version(&report), &report["products"][0]["kept"]),
        (last + 12, &json!(4))
    );
    assert_eq!(mesh.query(REVENUE), rows);
    let runs =
        mesh.query("SELECT state, rows_kept FROM malla.runs WHERE \"trigger\" = 'backfill' ORDER BY started");
    let kept: Vec<&Value> = runs.iter().map(|run| &run["rows_kept"]).collect();
    assert_eq!(kept, [&json!(2), &json!(2), &json!(4)]);
}

#[test]
fn what_has_no_days_to_make_anew_is_refused_with_why() {
    let mesh = Mesh::ventas();
    mesh.put(&on("a", "2026-11-19"));
    mesh.run_once();
    let range = ["--from", "2026-11-19", "--to", "2026-11-20"];
    let of = |product| [&["--product", product], &range[..]].concat();
    let said = mesh.fails(&["run"], &of("ventas.transacciones"));
    assert!(
        said.contains("read once") && said.contains("ventas.transacciones"),
        "{said}"
    );
    mesh.contract(&[(
        "{ name: fecha, logicalType: date, physicalType: date, required: true, partitioned: true, partitionKeyPosition: 1, description: Day of the sales in UTC. }",
        "{ name: fecha, logicalType: date, physicalType: date, required: true, description: Day of the sales in UTC. }",
    )]);
    let said = mesh.fails(&["run"], &of("ventas.daily-revenue"));
    assert!(said.contains("not partitioned"), "{said}");

    let config = mesh.config();
    for wrong in [
        &["--from", "2026-11-19", "--to", "2026-11-20"][..],
        &["--product", "ventas.daily-revenue", "--from", "2026-11-19"],
        &[
            "--product",
            "ventas.daily-revenue",
            "--from",
            "2026-11-20",
            "--to",
            "2026-11-19",
        ],
        &[
            "--product",
            "ventas.daily-revenue",
            "--from",
            "ayer",
            "--to",
            "2026-11-19",
        ],
    ] {
        let output = mesh.output(&[&["run", "--config", config.to_str().unwrap()], wrong].concat());
        assert_eq!(output.status.code(), Some(2), "{wrong:?}: {}", text(&output));
    }
}
