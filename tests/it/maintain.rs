//! Maintenance of tables while everybody else is at work, and what is left when rows are too old.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, SystemTime};

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde_json::{Value, json};

use crate::support::{Mesh, Running, files, malla, sale_with, text, wait_until};

const DAY: Duration = Duration::from_secs(86_400);
const REVENUE: &str = r#"SELECT * FROM ventas."daily-revenue" ORDER BY fecha, region, producto_id"#;
const FRESH: &str = "SELECT fecha, region, producto_id, count(*) AS ventas, sum(cantidad) AS unidades, sum(monto_usd) AS ingresos_usd \
     FROM (SELECT *, row_number() OVER (PARTITION BY fecha, transaccion_id ORDER BY timestamp DESC, monto_usd DESC) AS vez \
     FROM ventas.transacciones) WHERE vez = 1 GROUP BY fecha, region, producto_id ORDER BY fecha, region, producto_id";

/// Makes every file of the lake so many days older than it is.
fn age(mesh: &Mesh, days: u32) {
    for path in files(&mesh.path().join("lake")) {
        let file = std::fs::File::options().append(true).open(&path).unwrap();
        let written = file.metadata().unwrap().modified().unwrap();
        file.set_modified(written - DAY * days).unwrap();
    }
}

fn maintain(mesh: &Mesh, arguments: &[&str]) -> Value {
    let all = [arguments, &["--json"]].concat();
    serde_json::from_str(&mesh.on("maintain", &all)).unwrap()
}

fn of<'a>(report: &'a Value, table: &str) -> &'a Value {
    let tables = report["tables"].as_array().unwrap();
    tables.iter().find(|report| report["table"] == table).unwrap()
}

fn day(days_ago: u32) -> String {
    let then = SystemTime::now() - DAY * days_ago;
    let days = then.duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs() / 86_400;
    malla_contract::Date::from_days(days.try_into().unwrap()).to_string()
}

fn on(id: &str, day: &str, customer: &str) -> String {
    let time = json!(format!("{day}T10:00:00Z"));
    sale_with(id, &[("timestamp", time), ("cliente_id", json!(customer))])
}

/// Whether a text stands in any file of a folder, as it is or compressed in Parquet.
fn stands_in(folder: &Path, text: &str) -> Vec<String> {
    let mut found = Vec::new();
    for path in files(folder) {
        let bytes = std::fs::read(&path).unwrap();
        let plain = bytes.windows(text.len()).any(|window| window == text.as_bytes());
        let inside = path.extension().is_some_and(|extension| extension == "parquet") && {
            use parquet::arrow::arrow_reader::ParquetRecordBatchReader;
            let reader =
                ParquetRecordBatchReader::try_new(std::fs::File::open(&path).unwrap(), 1024).unwrap();
            reader
                .into_iter()
                .any(|batch| format!("{:?}", batch.unwrap()).contains(text))
        };
        if plain || inside {
            found.push(path.display().to_string());
        }
    }
    found
}

#[test]
fn small_files_are_put_together_by_hand_and_it_says_what_it_did() {
    let mesh = Mesh::ventas();
    assert!(mesh.on("maintain", &[]).contains("no tables yet"));
    mesh.edit("malla.toml", "# min_files = 8 ", "min_files = 3 # ");
    for n in 0..4 {
        mesh.put(&on(&format!("t-{n}"), "2026-11-21", "c-1"));
        mesh.run_once();
    }
    let before = mesh.query(REVENUE);
    let would = maintain(&mesh, &["--dry-run", "ventas.transacciones"]);
    assert_eq!(would["tables"].as_array().unwrap().len(), 1);
    let curated = of(&would, "ventas.transacciones");
    assert_eq!(
        (&curated["before"]["files"], &curated["compacted"]["files"]),
        (&json!(4), &json!(4))
    );
    assert_eq!(curated["after"]["files"], 4);

    let shown = mesh.on("maintain", &["ventas"]);
    assert!(shown.contains("4 -> 1"), "{shown}");
    assert!(
        shown.contains("ventas_raw.transacciones") && shown.contains("ventas.daily-revenue"),
        "{shown}"
    );
    assert_eq!(
        of(&maintain(&mesh, &[]), "ventas.transacciones")["before"]["files"],
        1
    );
    assert_eq!(mesh.query(REVENUE), before);
    let said = mesh.fails(&["maintain"], &["ventas.nada"]);
    assert!(
        said.contains("ventas.nada") && said.contains("ventas.transacciones"),
        "{said}"
    );

    // To what is made of it nothing changed, though its version is another.
    let config = mesh.config();
    let run = ["run", "--once", "--json", "--config", config.to_str().unwrap()];
    let output = mesh.output(&run);
    assert!(!text(&output).contains("Made anew."), "{}", text(&output));
    mesh.put(&on("t-9", "2026-11-21", "c-1"));
    assert!(text(&mesh.output(&run)).contains("Made anew."));
    assert_eq!(mesh.query(REVENUE), mesh.query(FRESH));
    mesh.every_event_once(5);
}

#[test]
fn results_and_the_history_of_runs_are_put_together_and_the_last_verdict_is_not_forgotten() {
    let mesh = Mesh::ventas();
    mesh.edit("malla.toml", "# min_files = 8 ", "min_files = 3 # ");
    for n in 0..4 {
        mesh.put(&on(&format!("t-{n}"), "2026-11-21", "c-1"));
        mesh.run_once();
    }
    let results = "SELECT count(*) AS n, max(table_version) AS v FROM ventas_quality.transacciones";
    let before = (mesh.query(results), mesh.on("quality", &["ventas.transacciones"]));
    let done = maintain(&mesh, &[]);
    for table in ["ventas_quality.transacciones", "malla.runs"] {
        assert_eq!(of(&done, table)["compacted"]["files"], 4, "{done:#}");
        assert_eq!(of(&done, table)["after"]["files"], 1, "{done:#}");
    }
    for _ in 0..3 {
        age(&mesh, 60);
        maintain(&mesh, &[]);
    }
    let log = files(&mesh.path().join("lake/ventas/quality/transacciones/_delta_log"));
    assert!(
        log.iter()
            .all(|entry| !entry.ends_with("00000000000000000001.json"))
    );
    // Putting its files together made a version that nobody judged yet.
    let verdict = mesh.on("quality", &["ventas.transacciones"]);
    assert_eq!((mesh.query(results), verdict.replace("4 of 5", "4")), before);
    assert!(mesh.on("runs", &[]).contains("ventas.transacciones"));
    assert_eq!(mesh.count("ventas.transacciones"), 4);
}

/// A tick that was cut in two is completed by a plan that lies behind compactions, a checkpoint and a log cut short.
#[test]
fn a_tick_that_was_cut_in_two_is_completed_after_any_maintenance() {
    let mesh = Mesh::ventas();
    mesh.edit("malla.toml", "# min_files = 8 ", "min_files = 2 # ");
    for n in 0..3 {
        mesh.put(&on(&format!("t-{n}"), "2026-11-21", "c-1"));
        mesh.append("0", "a.jsonl", b"no event\n");
        mesh.run_once();
    }
    // As if the process had died before the last commit to the product.
    let log = mesh.path().join("lake/ventas/curated/transacciones/_delta_log");
    std::fs::remove_file(log.join("00000000000000000003.json")).unwrap();
    for _ in 0..3 {
        age(&mesh, 9);
        let report = maintain(&mesh, &[]);
        let quarantine = of(&report, "ventas_quarantine.transacciones");
        assert!(quarantine["failed"].is_null(), "{quarantine}");
    }
    let notes = of(&maintain(&mesh, &[]), "ventas_quarantine.transacciones")["notes"].to_string();
    assert!(notes.contains("cut off"), "{notes}");
    let plan = "lake/ventas/quarantine/transacciones/_delta_log/00000000000000000003.json";
    assert!(mesh.path().join(plan).exists());
    mesh.put(&on("t-3", "2026-11-21", "c-1"));
    mesh.run_once();
    mesh.every_event_once(7);

    // Once it is completed, nothing holds the log any more.
    for _ in 0..2 {
        age(&mesh, 9);
        maintain(&mesh, &[]);
    }
    assert!(!mesh.path().join(plan).exists());
    mesh.put(&on("t-4", "2026-11-21", "c-1"));
    mesh.run_once();
    mesh.every_event_once(8);
    assert_eq!(mesh.query(REVENUE), mesh.query(FRESH));
}

/// What is kept for no longer than a month.
fn for_a_month(mesh: &Mesh) {
    mesh.contract(&[(
        "property: retention, value: 5, unit: y",
        "property: retention, value: 30, unit: d",
    )]);
}

#[test]
fn an_expired_customer_is_in_no_file_and_gold_keeps_the_days_that_it_was_made_of() {
    let mesh = Mesh::ventas();
    for_a_month(&mesh);
    for (id, days_ago, customer) in [
        ("vieja-1", 40, "cliente-olvidado"),
        ("vieja-2", 40, "cliente-olvidado"),
        ("borde", 30, "c-borde"),
        ("nueva", 1, "c-nueva"),
    ] {
        mesh.put(&on(id, &day(days_ago), customer));
    }
    mesh.put("no event");
    mesh.run_once();
    let lake = mesh.path().join("lake");
    assert!(!stands_in(&lake, "cliente-olvidado").is_empty());
    let gold = mesh.query(REVENUE);
    assert_eq!(gold.len(), 3);

    let would = maintain(&mesh, &["--dry-run"]);
    assert_eq!(of(&would, "ventas.transacciones")["expired"]["rows"], 2);
    assert_eq!(mesh.count("ventas.transacciones"), 4);
    let done = maintain(&mesh, &[]);
    assert_eq!(
        of(&done, "ventas.transacciones")["expired"]["days"],
        json!([day(40)])
    );
    assert_eq!(of(&done, "ventas_raw.transacciones")["expired"]["rows"], 2);
    assert_eq!(of(&done, "ventas_quarantine.transacciones")["expired"]["rows"], 0);
    assert_eq!(
        mesh.count("ventas.transacciones"),
        2,
        "the day of the bound stays"
    );
    let audit = mesh.audit();
    let expired: Vec<&Value> = audit.iter().filter(|record| record["kind"] == "expire").collect();
    assert_eq!(expired.len(), 2);
    let rule = expired[1]["rule"].as_str().unwrap();
    assert!(
        rule.contains("ventas") && rule.contains("line 31: 30 days"),
        "{rule}"
    );
    assert_eq!(expired[1]["details"]["rows"], "2");

    // The day is closed: not even a sale that comes late, another policy or a table made from its log alone opens it.
    mesh.run_once();
    assert_eq!(mesh.query(REVENUE), gold);
    mesh.put(&on("tarde", &day(40), "cliente-olvidado"));
    mesh.put(&on("nueva-2", &day(1), "c-nueva"));
    mesh.run_once();
    assert_eq!(mesh.query(REVENUE)[0], gold[0]);
    mesh.add(
        "policies/domains/ventas.csv",
        "p, role:equipo-ventas, ventas, ventas.transacciones, erase, *, allow",
    );
    mesh.run_once();
    let after = mesh.query(REVENUE);
    assert_eq!((after.len(), &after[..2]), (3, &gold[..2]));
    assert_eq!(after[2]["ventas"], 2);
    assert_eq!(
        of(&maintain(&mesh, &[]), "ventas.transacciones")["expired"]["rows"],
        1
    );
    mesh.run_once();

    // A week and some later, nothing of the customer is left: not in files, not in the log.
    for _ in 0..3 {
        age(&mesh, 9);
        maintain(&mesh, &[]);
    }
    assert_eq!(stands_in(&lake, "cliente-olvidado"), Vec::<String>::new());
    assert!(!stands_in(&lake, "c-borde").is_empty());
    assert!(mesh.audit().iter().any(|record| record["kind"] == "vacuum"));
    assert_eq!(mesh.query(REVENUE), after);
    mesh.put(&on("nueva-3", &day(1), "c-nueva"));
    mesh.run_once();
    assert_eq!(mesh.query(REVENUE)[2]["ventas"], 3);
    assert_eq!(mesh.count("ventas.transacciones"), 4);
    let config = mesh.config();
    mesh.ok(&["audit", "verify", "--config", config.to_str().unwrap()]);
}

#[test]
fn a_product_that_spans_days_follows_and_the_hosts_own_tables_go_as_malla_toml_says() {
    let mesh = Mesh::ventas();
    mesh.contract(&[
        ("property: retention, value: 5, unit: y", "property: retention, value: 30, unit: d"),
        ("required: true, partitioned: true, partitionKeyPosition: 1, description: Day of the sales in UTC. }", "description: None. }"),
        ("SELECT fecha, region, producto_id,", "SELECT max(fecha) AS fecha, region, producto_id,"),
        ("GROUP BY fecha, region, producto_id", "GROUP BY region, producto_id"),
    ]);
    mesh.put(&on("vieja", &day(40), "c-1"));
    mesh.put(&on("mediana", &day(20), "c-1"));
    mesh.put(&on("nueva", &day(1), "c-1"));
    mesh.run_once();
    assert_eq!(mesh.query(REVENUE)[0]["ventas"], 3);
    mesh.edit("malla.toml", "# [retention] ", "[retention]\nraw_days = 10\n# ");
    let done = maintain(&mesh, &[]);
    assert_eq!(of(&done, "ventas_raw.transacciones")["expired"]["rows"], 2);
    mesh.run_once();
    assert_eq!(mesh.query(REVENUE)[0]["ventas"], 2, "it is about what there is");
}

#[test]
fn a_retention_that_cannot_be_enforced_is_told() {
    let mesh = Mesh::ventas();
    mesh.contract(&[(
        "partitioned: true, partitionKeyPosition: 1, description: Day of the sale in UTC.",
        "description: Day of the sale in UTC.",
    )]);
    mesh.put(&on("t-1", "2019-11-21", "c-1"));
    mesh.run_once();
    let shown = mesh.on("maintain", &[]);
    assert!(
        shown.contains("ventas.transacciones: its retention") && shown.contains("not partitioned by a date"),
        "{shown}"
    );
    assert_eq!(mesh.count("ventas.transacciones"), 1);
}

/// Writers, gold and readers at work, and maintenance without a pause, both killed again and again.
#[test]
fn writers_gold_and_readers_work_while_maintenance_runs_without_a_pause_and_is_killed() {
    let mesh = Mesh::ventas();
    mesh.edit("malla.toml", "# min_files = 8 ", "min_files = 2 # ");
    mesh.edit("malla.toml", "seconds = 3600.0", "seconds = 0.02");
    mesh.edit("malla.toml", "rows = 65536", "rows = 300");
    mesh.edit("malla.toml", "rows = 500000", "rows = 600");
    mesh.edit("malla.toml", "seconds = 10.0", "seconds = 0.1");
    mesh.edit("malla.toml", "keep_hours = 168.0", "keep_hours = 1.0");
    const EVENTS: u64 = 9_000;
    let mut random = StdRng::seed_from_u64(7);
    for round in 0..6 {
        mesh.simulate(EVENTS / 6, 7);
        let running = Running::start(&mesh);
        let by_hand = |mesh: &Mesh| {
            Command::new(malla())
                .args(["maintain", "--config"])
                .arg(mesh.config())
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .spawn()
                .unwrap()
        };
        let mut other = by_hand(&mesh);
        std::thread::sleep(Duration::from_millis(random.random_range(500..3500)));
        other.kill().unwrap();
        other.wait().unwrap();
        if round > 0 {
            // Whatever version a reader has, it reads it.
            let counted = mesh.count("ventas.transacciones");
            assert!(counted <= EVENTS);
        }
        drop(running);
        // What was removed so far is old enough to go.
        age(&mesh, 1);
    }
    let running = Running::start(&mesh);
    let maintained = |running: &Running| running.said().matches("Maintained the tables.").count();
    wait_until("all is read", || {
        mesh.count("ventas.transacciones") + mesh.count("ventas_quarantine.transacciones") == EVENTS
    });
    wait_until("it was maintained", || maintained(&running) > 1);
    let said = running.said();
    running.stop();
    assert!(!said.contains("Maintenance of a table failed"), "{said}");
    mesh.run_once();
    mesh.every_event_once(EVENTS);
    assert_eq!(mesh.query(REVENUE), mesh.query(FRESH));
    age(&mesh, 1);
    maintain(&mesh, &[]);
    mesh.every_event_once(EVENTS);
    assert_eq!(mesh.query(REVENUE), mesh.query(FRESH));
    let log = files(&mesh.path().join("lake/ventas/curated/transacciones/_delta_log"));
    let compacted = log.iter().any(|path| {
        let is_entry = path.extension().is_some_and(|extension| extension == "json");
        is_entry && std::fs::read_to_string(path).unwrap().contains("OPTIMIZE")
    });
    assert!(compacted && mesh.audit().iter().any(|record| record["kind"] == "vacuum"));
    // A few files a partition are left, and nothing lies about.
    let report = maintain(&mesh, &["ventas.transacciones"]);
    let named = of(&report, "ventas.transacciones")["after"]["files"]
        .as_u64()
        .unwrap();
    let lying = files(&mesh.path().join("lake/ventas/curated/transacciones"));
    let lying = lying.iter().filter(|path| {
        path.extension().is_some_and(|extension| extension == "parquet")
            && !path.to_str().unwrap().contains("_delta_log")
    });
    assert_eq!(lying.count() as u64, named);
}
