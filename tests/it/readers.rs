//! Who sees what of a table, by `malla query`.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::support::{Mesh, files, sale, sale_with, text};

const CARD: &str = "4111111111111111";

/// Three sales, two of them in the region Norte.
fn mesh() -> Mesh {
    let mesh = Mesh::ventas();
    mesh.put(&sale_with("n-1", &[("region", json!("Norte"))]));
    mesh.put(&sale_with(
        "n-2",
        &[("region", json!("Norte")), ("email", json!(null))],
    ));
    mesh.put(&sale("a-1"));
    mesh.run_once();
    mesh
}

fn ids(mesh: &Mesh, principal: &str, sql: &str) -> Vec<String> {
    let rows = mesh.ask(principal, "informes", sql).unwrap();
    rows.iter()
        .map(|row| row["transaccion_id"].as_str().unwrap().to_owned())
        .collect()
}

/// What is shown to people, with tokens and times replaced.
fn shown(mesh: &Mesh, principal: &str, purpose: &str, sql: &str) -> String {
    let output = mesh.output(&[
        "query",
        "--config",
        mesh.config().to_str().unwrap(),
        "--as",
        principal,
        "--purpose",
        purpose,
        "--format",
        "csv",
        sql,
    ]);
    assert!(output.status.success(), "{}", text(&output));
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn each_reader_sees_what_policy_says_and_no_more() {
    let mesh = mesh();
    let all = "SELECT * FROM ventas.transacciones ORDER BY transaccion_id";

    // An analyst: all rows, masked.
    insta::with_settings!({filters => vec![(r"tok1_[a-z2-7]{26}", "[token]")]}, {
        insta::assert_snapshot!(shown(&mesh, "user:ana", "informes", all), @r"
        transaccion_id,cliente_id,producto_id,monto,moneda,monto_usd,cantidad,region,canal,email,tarjeta,timestamp,fecha
        a-1,c-1,p-1,12.50,EUR,13.50,1,América Latina,web,[token],xxxxxxxxxxxx1111,2026-11-21T10:00:00Z,2026-11-21
        n-1,c-1,p-1,12.50,EUR,13.50,1,Norte,web,[token],xxxxxxxxxxxx1111,2026-11-21T10:00:00Z,2026-11-21
        n-2,c-1,p-1,12.50,EUR,13.50,1,Norte,web,,xxxxxxxxxxxx1111,2026-11-21T10:00:00Z,2026-11-21
        ");
    });
    // A regional analyst: the rows of one region, whatever the query asks.
    assert_eq!(ids(&mesh, "user:luis", all), ["n-1", "n-2"]);
    let sneaky = [
        "SELECT transaccion_id FROM ventas.transacciones WHERE region <> 'Norte'",
        "SELECT transaccion_id FROM ventas.transacciones WHERE region = 'Norte' OR true ORDER BY 1",
        "WITH t AS (SELECT * FROM ventas.transacciones) SELECT transaccion_id FROM t ORDER BY 1",
        "SELECT a.transaccion_id FROM ventas.transacciones a LEFT JOIN ventas.transacciones b \
         ON b.region <> 'Norte' AND b.transaccion_id = a.transaccion_id ORDER BY 1",
    ];
    assert_eq!(ids(&mesh, "user:luis", sneaky[0]), [""; 0]);
    for sql in &sneaky[1..] {
        assert_eq!(ids(&mesh, "user:luis", sql), ["n-1", "n-2"], "{sql}");
    }
    // A report: the columns that finance needs. The others are not there.
    insta::assert_snapshot!(shown(&mesh, "service:reportes", "cierre", all), @r"
    transaccion_id,monto,moneda,monto_usd,region,fecha
    a-1,12.50,EUR,13.50,América Latina,2026-11-21
    n-1,12.50,EUR,13.50,Norte,2026-11-21
    n-2,12.50,EUR,13.50,Norte,2026-11-21
    ");
    let said = mesh
        .ask(
            "service:reportes",
            "cierre",
            "SELECT email FROM ventas.transacciones",
        )
        .unwrap_err();
    assert!(said.contains("email") && !said.contains("tarjeta"), "{said}");
    // A fraud analyst: cards as they came, for that purpose; the rest masked.
    let raw = "SELECT transaccion_id, tarjeta, email FROM ventas_raw.transacciones ORDER BY 1";
    insta::with_settings!({filters => vec![(r"tok1_[a-z2-7]{26}", "[token]")]}, {
        insta::assert_snapshot!(shown(&mesh, "user:eva", "fraude", raw), @r"
        transaccion_id,tarjeta,email
        a-1,4111111111111111,[token]
        n-1,4111111111111111,[token]
        n-2,4111111111111111,
        ");
    });
    for purpose in ["informes", "marketing", "consulta"] {
        mesh.ask("user:eva", purpose, raw).unwrap_err();
    }
    // The platform team reads raw data, and no value behind a mask of it.
    let rows = mesh.ask("user:admin", "operacion", raw).unwrap();
    assert_eq!(rows[0]["tarjeta"], "xxxxxxxxxxxx1111");
    assert!(rows[0]["email"].as_str().unwrap().starts_with("tok1_"));
}

#[test]
fn a_stranger_cannot_tell_what_is_there() {
    let mesh = mesh();
    let mut said = Vec::new();
    for table in ["ventas.transacciones", "ventas.nada", "nadie.nada"] {
        let answer = mesh
            .ask("user:nadie", "informes", &format!("SELECT 1 FROM {table}"))
            .unwrap_err();
        let answer = answer.lines().last().unwrap();
        said.push(answer.replace(table, "[table]"));
    }
    assert_eq!(said[0], said[1]);
    assert_eq!(said[0], said[2]);
    insta::assert_snapshot!(said[0], @"error: `user:nadie` may not read `[table]` for `informes`, or there is no such table; of what may be read, there is none");
    // Who has a misspelt name is told the near ones that may be read, and no others.
    let near = mesh
        .ask("user:ana", "informes", "SELECT 1 FROM ventas.transaciones")
        .unwrap_err();
    assert!(
        near.contains("`ventas.transacciones`") && !near.contains("raw"),
        "{near}"
    );
}

#[test]
fn what_is_masked_is_masked_in_every_clause() {
    let mesh = mesh();
    let all = "SELECT transaccion_id FROM ventas.transacciones WHERE";
    for condition in [
        format!("tarjeta = '{CARD}'"),
        "email LIKE '%@%'".into(),
        "email = 'ana.n-1@example.com'".into(),
        "CAST(tarjeta AS bigint) > 0".into(),
        "substr(tarjeta, 1, 1) = '4'".into(),
    ] {
        let rows = mesh.ask("user:ana", "informes", &format!("{all} {condition}"));
        if let Ok(rows) = &rows {
            assert!(rows.is_empty(), "{condition}");
        }
        // Where it fails, it fails without the value. The query is quoted by nobody.
        if let Err(said) = &rows {
            assert!(
                !said.contains(CARD) && !said.contains("xxxx"),
                "{condition}\n{said}"
            );
        }
    }
    let raw = "SELECT tarjeta FROM ventas_raw.transacciones";
    for sql in [
        format!("{raw} UNION ALL {raw}"),
        format!("SELECT max(tarjeta) AS tarjeta FROM ({raw})"),
        "SELECT first_value(tarjeta) OVER (ORDER BY email) AS tarjeta FROM ventas_raw.transacciones".into(),
        format!("SELECT tarjeta || '' AS tarjeta FROM ({raw}) ORDER BY tarjeta DESC"),
    ] {
        for row in mesh.ask("user:vera", "operacion", &sql).unwrap() {
            assert_eq!(row["tarjeta"], "xxxxxxxxxxxx1111", "{sql}");
        }
    }
}

#[test]
fn nothing_but_reading_is_possible() {
    let mesh = mesh();
    for sql in [
        "DELETE FROM ventas.transacciones",
        "DROP TABLE ventas.transacciones",
        "CREATE VIEW v AS SELECT * FROM ventas.transacciones",
        "COPY (SELECT * FROM ventas.transacciones) TO '/tmp/out.csv'",
        "INSERT INTO ventas.transacciones SELECT * FROM ventas.transacciones",
        "CREATE EXTERNAL TABLE t STORED AS PARQUET LOCATION 'lake/ventas/raw/transacciones'",
        "SET datafusion.execution.batch_size = 1",
        "SELECT 1; SELECT 2",
    ] {
        mesh.ask("user:admin", "operacion", sql).unwrap_err();
    }
    let lake = mesh.path().join("lake/ventas/raw/transacciones");
    for sql in [
        format!("SELECT * FROM '{}'", lake.display()),
        "SELECT * FROM information_schema.tables".to_owned(),
        format!("SELECT * FROM read_parquet('{}')", lake.display()),
    ] {
        mesh.ask("user:admin", "operacion", &sql).unwrap_err();
    }
    assert_eq!(mesh.count("ventas.transacciones"), 3);
}

/// What the log of a table tells of the values in its files outlives the rows: it tells of no personal column.
#[test]
fn no_statistic_tells_of_a_personal_column() {
    let mesh = mesh();
    mesh.put("{\"email\": \"no event");
    mesh.run_once();
    let mut told = BTreeSet::new();
    for file in files(&mesh.path().join("lake")) {
        if file.extension().is_none_or(|extension| extension != "json") {
            continue;
        }
        for line in std::fs::read_to_string(file).unwrap().lines() {
            let action: Value = serde_json::from_str(line).unwrap();
            let Some(stats) = action["add"]["stats"].as_str() else {
                continue;
            };
            let stats: Value = serde_json::from_str(stats).unwrap();
            for bounds in ["minValues", "maxValues"] {
                let columns = stats[bounds].as_object().into_iter().flatten();
                told.extend(columns.map(|(column, _)| column.clone()));
            }
        }
    }
    assert!(told.contains("monto") && told.contains("rule"), "{told:?}");
    for column in ["email", "tarjeta", "line", "message"] {
        assert!(!told.contains(column), "{column}: {told:?}");
    }
}
