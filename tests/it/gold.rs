//! Products that SQL makes of others.

use serde_json::{Value, json};

use crate::support::{Mesh, Row, files, sale_with, text};

const REVENUE: &str = r#"SELECT * FROM ventas."daily-revenue" ORDER BY fecha, region, producto_id"#;
/// What the product is, computed from nothing.
const FRESH: &str = "SELECT fecha, region, producto_id, count(*) AS ventas, sum(cantidad) AS unidades, sum(monto_usd) AS ingresos_usd \
     FROM (SELECT *, row_number() OVER (PARTITION BY fecha, transaccion_id ORDER BY timestamp DESC, monto_usd DESC) AS vez \
     FROM ventas.transacciones) WHERE vez = 1 GROUP BY fecha, region, producto_id ORDER BY fecha, region, producto_id";

fn on(id: &str, day: &str, hour: u32, monto: f64) -> String {
    sale_with(
        id,
        &[
            ("timestamp", json!(format!("{day}T{hour:02}:00:00Z"))),
            ("monto", json!(monto)),
        ],
    )
}

/// Runs, and says how many days were made anew; none: all of them.
fn run(mesh: &Mesh) -> (Value, Vec<Value>) {
    let config = mesh.config();
    let output = mesh.output(&["run", "--once", "--json", "--config", config.to_str().unwrap()]);
    assert!(output.status.success(), "{}", text(&output));
    let report = serde_json::from_slice(&output.stdout).unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    let made = said
        .lines()
        .filter(|line| line.contains("Made anew."))
        .map(|line| serde_json::from_str::<Value>(line).unwrap()["parts"].clone())
        .collect();
    (report, made)
}

pub(crate) fn is_exact(mesh: &Mesh) -> Vec<Row> {
    let rows = mesh.query(REVENUE);
    assert_eq!(rows, mesh.query(FRESH));
    rows
}

#[test]
fn revenue_is_exact_after_late_corrected_and_duplicate_sales_and_only_their_days_are_made_anew() {
    let mesh = Mesh::ventas();
    for day in ["2026-11-19", "2026-11-20", "2026-11-21"] {
        for n in 0..5 {
            mesh.put(&on(&format!("{day}-{n}"), day, 10, 10.0 + f64::from(n)));
        }
    }
    assert_eq!(run(&mesh).1, [Value::Null], "the first time all of it");
    let rows = is_exact(&mesh);
    assert_eq!(rows.len(), 3);
    assert_eq!(rows[0]["ventas"], 5);
    assert_eq!(run(&mesh).1, Vec::<Value>::new(), "nothing came");

    let gold = mesh.path().join("lake/ventas/gold/daily-revenue");
    let untouched = || files(&gold.join("fecha=2026-11-21"));
    let before = untouched();
    // Late, twice, and corrected, after the days closed.
    mesh.put(&on("tarde", "2026-11-19", 23, 99.0));
    mesh.put(&on("2026-11-19-0", "2026-11-19", 10, 10.0));
    mesh.put(&on("2026-11-20-1", "2026-11-20", 11, 500.0));
    assert_eq!(run(&mesh).1, [json!(2)]);
    let rows = is_exact(&mesh);
    let sales: Vec<&Value> = rows.iter().map(|row| &row["ventas"]).collect();
    assert_eq!(sales, [&json!(6), &json!(5), &json!(5)]);
    let revenue = rows[1]["ingresos_usd"].to_string();
    assert!(revenue.contains("592.92"), "{rows:?}");
    assert_eq!(untouched(), before);

    // What was made is what is made from nothing, and once only.
    std::fs::remove_dir_all(&gold).unwrap();
    assert_eq!(run(&mesh).1, [Value::Null]);
    assert_eq!(is_exact(&mesh), rows);
}

#[test]
fn another_query_or_another_policy_makes_all_of_it_anew() {
    let mesh = Mesh::ventas();
    mesh.put(&on("a", "2026-11-19", 10, 10.0));
    mesh.put(&on("b", "2026-11-20", 10, 10.0));
    run(&mesh);
    mesh.contract(&[("sum(cantidad) AS unidades", "2 * sum(cantidad) AS unidades")]);
    assert_eq!(run(&mesh).1, [Value::Null]);
    assert_eq!(mesh.query(REVENUE)[0]["unidades"], 2);
    mesh.add(
        "policies/domains/ventas.csv",
        "p, role:equipo-ventas, ventas, ventas.transacciones, erase, *, allow",
    );
    assert_eq!(run(&mesh).1, [Value::Null]);
}

fn refused(mesh: &Mesh) -> String {
    mesh.fails(&["run"], &["--once"])
}

#[test]
fn what_the_plugin_may_not_read_or_does_not_declare_makes_no_product() {
    let mesh = Mesh::ventas();
    mesh.put(&on("a", "2026-11-19", 10, 10.0));
    let read = "p, plugin:ventas, ventas, ventas.transacciones, read, ingresos, allow";
    mesh.edit("policies/domains/ventas.csv", read, "");
    let said = refused(&mesh);
    assert!(
        said.contains("plugin:ventas") && said.contains("daily-revenue"),
        "{said}"
    );
    assert_eq!(mesh.count("ventas.transacciones"), 1, "the rest goes on");

    // A clock, and a column that nobody declared as secret as what flows into it.
    mesh.add("policies/domains/ventas.csv", read);
    mesh.contract(&[(
        "sum(cantidad) AS unidades",
        "count(*) FILTER (WHERE timestamp < now()) AS unidades",
    )]);
    let said = refused(&mesh);
    assert!(said.contains("now") && said.contains("always"), "{said}");
    mesh.contract(&[
        (
            "SELECT fecha, region, producto_id,",
            "SELECT fecha, max(email) AS region, producto_id,",
        ),
        (
            "GROUP BY fecha, region, producto_id",
            "GROUP BY fecha, producto_id",
        ),
    ]);
    mesh.add(
        "policies/domains/ventas.csv",
        "p, plugin:ventas, ventas, ventas.transacciones/email, read-raw, ingresos, allow",
    );
    let said = refused(&mesh);
    assert!(
        said.contains("ventas.transacciones/email") && said.contains("daily-revenue/region"),
        "{said}"
    );
}

/// However a query hides where a column comes from.
#[test]
fn no_shape_of_sql_gets_round_what_flows_in() {
    let mesh = Mesh::ventas();
    mesh.put(&on("a", "2026-11-19", 10, 10.0));
    mesh.add(
        "policies/domains/ventas.csv",
        "p, plugin:ventas, ventas, ventas.transacciones/email, read-raw, ingresos, allow",
    );
    let whole = "SELECT fecha, region, producto_id,\n                 count(*) AS ventas, sum(cantidad) AS unidades, sum(monto_usd) AS ingresos_usd\n          FROM ultima WHERE vez = 1\n          GROUP BY fecha, region, producto_id";
    let select = |region: &str, from: &str| {
        format!(
            "SELECT fecha, {region} AS region, producto_id, 1 AS ventas, 1 AS unidades, monto_usd AS ingresos_usd FROM {from}"
        )
    };
    for sql in [
        select(
            "(SELECT max(d.w) FROM (VALUES ('x')) AS d(w) WHERE d.w = u.email)",
            "ultima u",
        ),
        select(
            "CASE WHEN EXISTS (SELECT 1 FROM ultima d WHERE d.region = u.email) THEN 'a' END",
            "ultima u",
        ),
        select(
            "CASE WHEN 'x' > ALL (SELECT email FROM ultima) THEN 'a' END",
            "ultima u",
        ),
        select(
            "CASE WHEN 'x' IN (SELECT email FROM ultima) THEN 'a' END",
            "ultima u",
        ),
        select(
            "region",
            "(SELECT vez AS k, 'x' AS r FROM ultima) a RIGHT SEMI JOIN (SELECT vez AS k, fecha, email AS region, producto_id, monto_usd FROM ultima) b ON a.k = b.k",
        ),
        format!(
            "SELECT DISTINCT ON (fecha) * FROM ({}) x",
            select("email", "ultima u")
        ),
        select("email", "ultima u ORDER BY email LIMIT 1"),
        select("first_value(email) OVER ()", "ultima u"),
        format!(
            "{} UNION ALL {}",
            select("region", "ultima u"),
            select("email", "ultima u")
        ),
    ] {
        mesh.contract(&[(whole, &sql)]);
        let said = refused(&mesh);
        assert!(said.contains("ventas.transacciones/email"), "{sql}\n{said}");
    }
}

#[test]
fn a_branch_with_a_day_of_its_own_is_made_anew_with_every_change() {
    let mesh = Mesh::ventas();
    let whole = "GROUP BY fecha, region, producto_id";
    let total = "GROUP BY fecha, region, producto_id\n          UNION ALL SELECT DATE '9999-12-31', 'todo', 'todo', count(*), sum(cantidad), sum(monto_usd) FROM ventas.transacciones";
    mesh.contract(&[(whole, total)]);
    for (id, day) in [("a", "2026-11-19"), ("b", "2026-11-20"), ("c", "2026-11-19")] {
        mesh.put(&on(id, day, 10, 10.0));
        run(&mesh);
    }
    let rows = mesh.query(REVENUE);
    assert_eq!(rows.len(), 3, "{rows:?}");
    assert_eq!(
        (&rows[2]["region"], &rows[2]["ventas"]),
        (&json!("todo"), &json!(3))
    );
}

#[test]
fn a_row_that_breaks_a_check_goes_to_quarantine_and_a_product_that_does_is_held_back() {
    let mesh = Mesh::ventas();
    let lenient = "mustBeLessThan: 1\n            unit: percent\n            dimension: conformity\n            severity: warning";
    let strict = "mustBe: 0\n            dimension: conformity\n            severity: error";
    let few =
        "{ name: ventas, logicalType: integer, physicalType: bigint, required: true, description: Sales. }";
    let checked = "{ name: ventas, logicalType: integer, physicalType: bigint, required: true, description: Sales., \
                   quality: [{ metric: duplicateValues, mustBe: 0, severity: error, description: No two are alike. }] }";
    mesh.contract(&[(lenient, strict), (few, checked)]);
    mesh.put(&on("a", "2026-11-19", 10, 10.0));
    mesh.put(&sale_with("b", &[("canal", json!("fax"))]));
    mesh.put(&on("c", "2026-11-20", 10, 10.0));
    mesh.put(&on("d", "2026-11-20", 10, 10.0));
    let report = mesh.run_once();
    assert_eq!(report["products"][0]["kept"], 3);
    assert_eq!(report["products"][0]["quarantined"], 1);
    let rows = mesh.query("SELECT stage, rule, message, product FROM ventas_quarantine.transacciones");
    assert_eq!(rows[0]["stage"], "quality");
    assert!(rows[0]["rule"].as_str().unwrap().contains("canal"), "{rows:?}");
    assert!(!rows[0]["message"].as_str().unwrap().contains("fax"), "{rows:?}");
    let before = mesh.query(REVENUE);
    assert_eq!(before.len(), 2);

    mesh.put(&on("e", "2026-11-19", 11, 10.0));
    let said = refused(&mesh);
    assert!(
        said.contains("held back") && said.contains("No two are alike"),
        "{said}"
    );
    assert_eq!(mesh.query(REVENUE), before, "the last good version stays");
    let told = mesh.query("SELECT attempts, error FROM malla.runs WHERE state = 'failed'");
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(
        told[0]["error"].as_str().unwrap().contains("held back"),
        "{told:?}"
    );
    assert_eq!(mesh.count("ventas.transacciones"), 4);
    mesh.put(&on("f", "2026-11-19", 12, 10.0));
    mesh.run_once();
    assert_eq!(mesh.query(REVENUE)[0]["ventas"], 3);
}
