//! Products judged as tables: results, who is held back from what, and who is told.

use std::collections::BTreeSet;

use malla_lake::{Advance, Commit, Lake, Layer, Replaced, TableId, WriterConfig};
use serde_json::{Value, json};

use crate::support::{Mesh, Row, sale_with, text};

const REVENUE: &str = r#"SELECT fecha, ventas FROM ventas."daily-revenue" ORDER BY fecha"#;
pub(crate) const RESULTS: &str = "ventas_quality.transacciones";

/// A mesh in which no two sales may have one id.
pub(crate) fn strict() -> Mesh {
    let mesh = Mesh::ventas();
    only_once(&mesh, "error");
    mesh
}

fn only_once(mesh: &Mesh, severity: &str) {
    mesh.contract(&[(
        "dimension: uniqueness\n            severity: warning",
        &format!("dimension: uniqueness\n            severity: {severity}"),
    )]);
}

pub(crate) fn on(id: &str, day: u32) -> String {
    sale_with(id, &[("timestamp", json!(format!("2026-11-{day}T10:00:00Z")))])
}

pub(crate) fn ids(mesh: &Mesh) -> Vec<String> {
    let rows = mesh.query("SELECT transaccion_id FROM ventas.transacciones ORDER BY transaccion_id");
    let id = |row: &Row| row["transaccion_id"].as_str().unwrap().to_owned();
    rows.iter().map(id).collect()
}

/// What `malla quality` says, without what differs from run to run; and its exit status.
pub(crate) fn quality(mesh: &Mesh, arguments: &[&str]) -> (i32, String) {
    let config = mesh.config();
    let all = [&["quality", "--config", config.to_str().unwrap()], arguments].concat();
    let output = mesh.output(&all);
    (output.status.code().unwrap(), without_times(&text(&output)))
}

fn without_times(text: &str) -> String {
    let lines = text
        .lines()
        .filter(|line| !line.starts_with('{') || !line.contains("\"level\":"));
    let word = |word: &str| {
        let bare = word.trim_matches(|c: char| !c.is_ascii_alphanumeric());
        let is_time = bare.len() >= 20 && bare.ends_with('Z') && bare.as_bytes().get(10) == Some(&b'T');
        if is_time {
            word.replace(bare, "[time]")
        } else {
            word.to_owned()
        }
    };
    let line = |line: &str| line.split(' ').map(word).collect::<Vec<_>>().join(" ");
    lines.map(line).collect::<Vec<_>>().join("\n").trim().to_owned()
}

/// A day of ventas.transacciones goes away, as it does when it is older than it is kept.
pub(crate) fn drop_day(mesh: &Mesh, day: &str) {
    let lake = Lake::open(
        mesh.path().join("lake").to_str().unwrap(),
        WriterConfig::default(),
    )
    .unwrap();
    let id = TableId::new("ventas", Layer::Curated, "transacciones").unwrap();
    let commit = Commit {
        advances: vec![Advance {
            app_id: format!("test/{day}"),
            from: None,
            to: 1,
        }],
        replaces: Some(Replaced::Partitions {
            column: "fecha".to_owned(),
            values: BTreeSet::from([Some(day.to_owned())]),
        }),
        ..Commit::default()
    };
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let table = lake.existing(&id).await.unwrap().unwrap();
        table.commit(commit).await.unwrap();
    });
}

#[test]
fn a_duplicate_holds_a_product_back_until_it_is_gone_and_nothing_is_lost_meanwhile() {
    let mesh = strict();
    mesh.put(&on("a", 19));
    mesh.run_once();
    let revenue = mesh.query(REVENUE);
    assert_eq!(quality(&mesh, &["ventas.transacciones"]).0, 0);

    mesh.put(&on("a", 20));
    mesh.put(&on("b", 20));
    let said = mesh.fails(&["run"], &["--once"]);
    assert!(
        said.contains("product `ventas.transacciones` is held back since") && said.contains("2 of 3"),
        "{said}"
    );
    assert_eq!(ids(&mesh), ["a"], "the last good version");
    assert_eq!(mesh.query(REVENUE), revenue, "what is made of it stays too");
    let config = mesh.config();
    let note = mesh.output(&[
        "query",
        "--config",
        config.to_str().unwrap(),
        "SELECT 1 FROM ventas.transacciones",
    ]);
    insta::assert_snapshot!(without_times(&String::from_utf8(note.stderr).unwrap()), @"note: `ventas.transacciones` is held back since [time]: check `transaccion_id_unique` fails. This is version 1, the last good one. It is equipo-ventas's; `malla quality ventas.transacciones` says more.");

    // Writing goes on, and what comes is there as soon as the product is good again.
    mesh.put(&on("c", 21));
    mesh.fails(&["run"], &["--once"]);
    assert_eq!(ids(&mesh), ["a"]);
    assert_eq!(mesh.query(REVENUE), revenue);
    assert_eq!(mesh.count("ventas_raw.transacciones"), 4);
    let (code, said) = quality(&mesh, &[]);
    assert_eq!(code, 1);
    insta::assert_snapshot!(said, @r#"
ventas.transacciones: held back since [time], readers stay at version 1; version 3, judged [time]; ask equipo-ventas
  ok      error    sales_arrive             4 rows
  ok      error    transaccion_id_not_null  0 of 1 unexpected
  FAILED  error    transaccion_id_unique    2 of 4 unexpected
  ok      error    monto_sql
  ok      error    moneda_valid             0 of 1 unexpected
  ok      error    monto_usd_sql
  ok      warning  canal_valid              0 of 4 unexpected
  FAILED  warning  timestamp_fresh          the newest row is too old, or lies in the future

ventas.devoluciones: not judged yet

ventas.daily-revenue: no checks

3 products: 1 held back, 1 not judged yet, 1 no checks.
"#);

    drop_day(&mesh, "2026-11-20");
    mesh.run_once();
    assert_eq!(ids(&mesh), ["a", "c"]);
    assert_eq!(mesh.query(REVENUE).len(), 2);
    assert_eq!(quality(&mesh, &["ventas.transacciones"]).0, 0);
    let (_, said) = quality(&mesh, &["--history", "3", "ventas.transacciones"]);
    insta::assert_snapshot!(said, @r"
    ventas.transacciones: good, version 4, judged [time]
      ok      error    sales_arrive             2 rows
      ok      error    transaccion_id_not_null  0 of 0 unexpected
      ok      error    transaccion_id_unique    0 of 2 unexpected
      ok      error    monto_sql
      ok      error    moneda_valid             0 of 0 unexpected
      ok      error    monto_usd_sql
      ok      warning  canal_valid              0 of 2 unexpected
      FAILED  warning  timestamp_fresh          the newest row is too old, or lies in the future
      judged before:
      [time]  version 4  1 of 8 failed: timestamp_fresh
      [time]  version 3  2 of 8 failed: timestamp_fresh transaccion_id_unique
      [time]  version 2  2 of 8 failed: timestamp_fresh transaccion_id_unique

    1 product: 1 good.
    ");
    let held: Vec<Value> = mesh
        .audit()
        .into_iter()
        .filter(|record| ["hold", "release"].contains(&record["kind"].as_str().unwrap()))
        .collect();
    assert_eq!(held.len(), 2, "{held:?}");
    assert_eq!(held[0]["kind"], "hold");
    assert_eq!(held[0]["object"], "ventas.transacciones");
}

#[test]
fn another_contract_can_make_a_product_good_again() {
    let mesh = strict();
    mesh.put(&on("a", 19));
    mesh.run_once();
    mesh.put(&on("a", 19));
    mesh.fails(&["run"], &["--once"]);
    assert_eq!(ids(&mesh), ["a"]);
    only_once(&mesh, "warning");
    mesh.run_once();
    assert_eq!(ids(&mesh), ["a", "a"]);
}

#[test]
fn a_product_that_was_never_good_is_read_by_nobody() {
    let mesh = strict();
    mesh.put(&on("a", 19));
    mesh.put(&on("a", 19));
    let said = mesh.fails(&["run"], &["--once"]);
    assert!(said.contains("no version was good before"), "{said}");
    let said = mesh
        .ask("user:vera", "consulta", "SELECT 1 FROM ventas.transacciones")
        .unwrap_err();
    let said = without_times(&said);
    insta::assert_snapshot!(said, @"error: `ventas.transacciones` is held back since [time], and no version of it was good before: check `transaccion_id_unique` fails. It is equipo-ventas's; `malla quality ventas.transacciones` says more.");
    assert_eq!(quality(&mesh, &["ventas.transacciones"]).0, 1);
    // Whoever may not read it is not told more than that.
    let said = mesh
        .ask("user:nadie", "consulta", "SELECT 1 FROM ventas.transacciones")
        .unwrap_err();
    assert!(!said.contains("held back"), "{said}");
}

#[test]
fn results_are_a_table_with_counts_and_without_personal_values() {
    let mesh = Mesh::ventas();
    // The plugin knows a rate for it, and the contract promises that there is none.
    mesh.contract(&[(
        "validValues: [USD, EUR, MXN, COP, BRL, CLP,",
        "validValues: [USD, EUR, MXN, COP, BRL,",
    )]);
    mesh.put(&on("a", 19));
    mesh.put(&on("a", 19));
    mesh.put(&sale_with("b", &[("moneda", json!("CLP"))]));
    mesh.put(&sale_with("c", &[("canal", json!("fax"))]));
    mesh.run_once();
    // Nothing came, and nothing is judged twice.
    mesh.run_once();
    let rows = mesh.query(&format!(
        "SELECT \"check\", level, severity, success, table_version, after_version, element_count, unexpected_count, \
         partial_unexpected_list FROM {RESULTS} ORDER BY \"check\""
    ));
    let line = |row: &Row| {
        let cell = |name: &str| row.get(name).map_or_else(|| "-".to_owned(), Value::to_string);
        let names = [
            "check",
            "level",
            "severity",
            "success",
            "table_version",
            "after_version",
            "element_count",
            "unexpected_count",
            "partial_unexpected_list",
        ];
        names.map(cell).join(" ").replace('"', "")
    };
    insta::assert_snapshot!(rows.iter().map(line).collect::<Vec<_>>().join("\n"), @r"
    canal_valid table warning false 1 null 3 1 [\fax\]
    moneda_valid row error false 1 null 4 1 null
    monto_sql table error true 1 null 0 0 null
    monto_usd_sql table error true 1 null 0 0 null
    sales_arrive table error true 1 null 3 0 null
    timestamp_fresh table warning false 1 null 3 1 null
    transaccion_id_not_null row error true 1 null 4 0 null
    transaccion_id_unique table warning false 1 null 3 2 [\a\]
    ");
    let whole = serde_json::to_string(&mesh.query(&format!("SELECT * FROM {RESULTS}"))).unwrap();
    assert!(
        !whole.contains("@example.com") && !whole.contains("4111"),
        "{whole}"
    );
    assert!(
        whole.contains("expect_column_values_to_be_unique") && whole.contains("\"dimension\":\"uniqueness\""),
        "{whole}"
    );

    let json = mesh.on("quality", &["--json", "ventas.transacciones"]);
    let json: Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["success"], false);
    assert_eq!(json["statistics"]["evaluated_expectations"], 8);
    assert_eq!(json["meta"]["state"], "good");
    let results = json["results"].as_array().unwrap();
    let of = |name: &str| {
        let found = results
            .iter()
            .find(|result| result["expectation_config"]["meta"]["name"] == name);
        found.unwrap_or_else(|| panic!("{name} in {json}")).clone()
    };
    let unique = of("transaccion_id_unique");
    assert_eq!(unique["success"], false);
    assert_eq!(unique["result"]["element_count"], 3);
    assert_eq!(unique["result"]["unexpected_count"], 2);
    assert_eq!(unique["result"]["partial_unexpected_list"], json!(["a"]));
    assert_eq!(
        unique["expectation_config"]["kwargs"],
        json!({ "column": "transaccion_id" })
    );
    assert_eq!(
        of("canal_valid")["result"]["partial_unexpected_list"],
        json!(["fax"])
    );
    // Four sales came, one of them went to quarantine.
    assert_eq!(of("moneda_valid")["result"]["element_count"], 4);
    assert_eq!(of("moneda_valid")["result"]["unexpected_count"], 1);
    // Sales of days ago, and nothing that holds anybody back.
    assert_eq!(of("timestamp_fresh")["success"], false);

    // The team sees results, and analysts do not.
    let sql = format!("SELECT count(*) AS n FROM {RESULTS}");
    assert!(mesh.ask("user:vera", "consulta", &sql).is_ok());
    assert!(mesh.ask("user:ana", "consulta", &sql).is_err());
    let (code, said) = quality(&mesh, &["--as", "user:ana"]);
    assert_eq!(code, 0);
    assert!(said.contains("There is no product"), "{said}");
    let (code, said) = quality(&mesh, &["--as", "user:ana", "ventas.transacciones"]);
    assert_eq!(code, 1);
    assert!(said.contains("user:ana"), "{said}");
}

#[test]
fn queries_and_tolerances_hold_back_too_and_a_query_without_a_right_is_no_success() {
    let mesh = Mesh::ventas();
    let lenient = "mustBeLessThan: 1\n            unit: percent\n            dimension: conformity\n            severity: warning";
    let binding = "mustBeLessThan: 50\n            unit: percent\n            dimension: conformity\n            severity: error";
    // Of one day, and of another table.
    let amounts = "SELECT COUNT(*) FROM {object} WHERE {property} <= 0";
    let others = "SELECT (SELECT count(*) FROM {object}) - (SELECT count(DISTINCT producto_id) FROM ventas.transacciones) FROM {object} LIMIT 1";
    mesh.contract(&[(lenient, binding), (amounts, others)]);
    mesh.put(&on("a", 19));
    mesh.run_once();
    mesh.put(&sale_with(
        "b",
        &[("canal", json!("fax")), ("producto_id", json!("p-2"))],
    ));
    let said = mesh.fails(&["run"], &["--once"]);
    assert!(said.contains("check `canal_valid`: 1 of 2"), "{said}");
    assert_eq!(ids(&mesh), ["a"]);
    mesh.put(&sale_with("c", &[("producto_id", json!("p-3"))]));
    mesh.run_once();
    assert_eq!(ids(&mesh), ["a", "b", "c"]);
    // Two sales of one product: the query says 1.
    mesh.put(&sale_with("d", &[("producto_id", json!("p-3"))]));
    let said = mesh.fails(&["run"], &["--once"]);
    assert!(said.contains("monto_sql"), "{said}");
    assert_eq!(ids(&mesh), ["a", "b", "c"]);

    let read = "p, plugin:ventas, ventas, ventas.transacciones, read, ingresos, allow";
    mesh.edit("policies/domains/ventas.csv", read, "");
    mesh.put(&sale_with("e", &[("producto_id", json!("p-4"))]));
    let said = mesh.fails(&["run"], &["--once"]);
    assert!(said.contains("ventas.transacciones"), "{said}");
    assert_eq!(
        ids(&mesh),
        ["a", "b", "c"],
        "nobody can say that it is good again"
    );
    let (code, said) = quality(&mesh, &["ventas.transacciones"]);
    assert_eq!(code, 1);
    assert!(
        said.contains("not run") && said.contains("a rule must let `plugin:ventas`"),
        "{said}"
    );
}

#[test]
fn a_gold_product_that_is_not_published_says_so_and_is_good_again_by_itself() {
    let mesh = Mesh::ventas();
    let few =
        "{ name: ventas, logicalType: integer, physicalType: bigint, required: true, description: Sales. }";
    let checked = "{ name: ventas, logicalType: integer, physicalType: bigint, required: true, description: Sales., \
                   quality: [{ metric: duplicateValues, mustBe: 0, severity: error }] }";
    mesh.contract(&[(few, checked)]);
    mesh.put(&on("a", 19));
    mesh.run_once();
    let before = mesh.query(REVENUE);
    mesh.put(&on("b", 20));
    for _ in 0..2 {
        mesh.fails(&["run"], &["--once"]);
        assert_eq!(mesh.query(REVENUE), before);
        let (code, said) = quality(&mesh, &["ventas.daily-revenue"]);
        assert_eq!(code, 1);
        insta::allow_duplicates! {
            insta::assert_snapshot!(said, @r"
            ventas.daily-revenue: held back since [time], readers stay at version 1; what would come after it is not published; ask equipo-ventas
              FAILED  error  ventas_unique  2 of 2 unexpected

            1 product: 1 held back.
            ");
        }
    }
    let runs = mesh.count(r#"(SELECT DISTINCT run_time FROM ventas_quality."daily-revenue")"#);
    assert_eq!(runs, 2, "the same is not told again");
    mesh.put(&on("c", 20));
    mesh.run_once();
    assert_eq!(mesh.query(REVENUE).len(), 2);
    assert_eq!(quality(&mesh, &["ventas.daily-revenue"]).0, 0);
}
