//! Rows that a filter keeps back are nowhere: not in results, counts, statistics or errors.

use super::world::{RULES, contract, fill, sales, world};
use crate::testing::{Mesh, Rules};

#[tokio::test(flavor = "multi_thread")]
async fn a_row_outside_of_the_filter_is_not_there() {
    let mesh = world().await;
    for (sql, luis) in [
        ("SELECT count(*) FROM ventas.transacciones", "2"),
        (
            "SELECT count(1), count(id), count(region) FROM ventas.transacciones",
            "2,2,2",
        ),
        (
            "SELECT min(id), max(id), min(fecha), max(fecha) FROM ventas.transacciones",
            "1,3,2026-11-21,2026-11-22",
        ),
        ("SELECT max(monto) FROM ventas.transacciones", "30.00"),
        (
            "SELECT count(*) FROM ventas.transacciones WHERE region <> 'Norte' OR region IS NULL",
            "0",
        ),
        (
            "SELECT count(*) FROM ventas.transacciones WHERE NOT (region = 'Norte')",
            "0",
        ),
        (
            "SELECT count(*) FROM ventas.transacciones WHERE region = 'Norte' OR true",
            "2",
        ),
        (
            "SELECT string_agg(CAST(id AS TEXT), ' ' ORDER BY id) FROM ventas.transacciones",
            "1 3",
        ),
        ("SELECT count(*) FROM ventas_raw.transacciones", "2"),
        (
            "SELECT count(*) FROM ventas.transacciones a FULL JOIN ventas_raw.transacciones b ON a.id = b.id + 1000",
            "4",
        ),
        (
            "SELECT count(*) FROM ventas.transacciones WHERE id NOT IN (SELECT id FROM ventas.transacciones)",
            "0",
        ),
        (
            "SELECT id FROM ventas.transacciones ORDER BY id DESC LIMIT 1",
            "3",
        ),
        (
            "SELECT id FROM ventas.transacciones ORDER BY id LIMIT 1 OFFSET 1",
            "3",
        ),
        (
            "SELECT rank() OVER (ORDER BY monto DESC) FROM ventas.transacciones WHERE id = 1",
            "1",
        ),
        (
            "SELECT row_number() OVER (ORDER BY id) FROM ventas.transacciones ORDER BY 1",
            "1\n2",
        ),
        // Files are skipped by what comes out; what is kept back stays so.
        ("SELECT count(*) FROM ventas.transacciones WHERE id = 2", "0"),
        (
            "SELECT count(*) FROM ventas.transacciones WHERE fecha = DATE '2026-11-22' AND id > 0",
            "1",
        ),
    ] {
        assert_eq!(mesh.rows("user:luis", sql).await, luis, "{sql}");
    }
    let limited = mesh
        .rows("user:luis", "SELECT id FROM ventas.transacciones LIMIT 2")
        .await;
    assert_eq!(limited.lines().count(), 2, "{limited}");
    assert_eq!(
        mesh.rows("user:ana", "SELECT count(*) FROM ventas.transacciones")
            .await,
        "4"
    );
}

/// A division that fails on a hidden row alone would find it.
#[tokio::test(flavor = "multi_thread")]
async fn a_row_outside_of_the_filter_provokes_no_error() {
    let mesh = world().await;
    for sql in [
        "SELECT count(1 / cantidad) FROM ventas.transacciones",
        "SELECT count(*) FROM ventas.transacciones WHERE 1 / cantidad > 0",
        "SELECT count(*) FROM ventas.transacciones WHERE 1 / (id - 2) < 5 AND id = 1",
        "SELECT count(*) FROM ventas.transacciones WHERE region = 'Norte' AND 1 / (id - 2) < 5 AND id = 1",
        "SELECT count(*) FROM ventas.transacciones WHERE CASE WHEN region = 'Sur' THEN 1 / (id - 2) ELSE 1 END = 1 AND id = 1",
        "SELECT count(1 / (id - 2)) FROM ventas.transacciones WHERE id = 1",
        "SELECT count(DISTINCT 1 / (id - 2)) FROM ventas.transacciones WHERE id = 1",
    ] {
        assert_eq!(mesh.rows("user:luis", sql).await, "1", "{sql}");
    }
    for sql in [
        "SELECT count(1 / cantidad) FROM ventas.transacciones",
        "SELECT count(1 / (id - 2)) FROM ventas.transacciones",
    ] {
        let error = mesh.error("user:ana", sql).await;
        assert!(error.contains("division by zero"), "{error}");
    }
}

/// The level decides on the raw value; who reads sees its mask, and a rule that names it names no value.
#[tokio::test(flavor = "multi_thread")]
async fn a_filter_decides_on_raw_values_before_the_mask() {
    let mesh = world().await;
    let sql = "SELECT id, nivel FROM ventas.transacciones ORDER BY id";
    // A row whose value is null is in no filter's rows.
    assert_eq!(mesh.rows("user:mar", sql).await, "1,xxx-nn\n4,xxx-nn");
    let plan = mesh.table("user:mar", &format!("EXPLAIN {sql}")).await;
    assert!(plan.contains("rows by row-filters.toml:"), "{plan}");
    assert!(!plan.contains("plata"), "{plan}");
    // Only the filter's column has to be read.
    let count = mesh
        .rows("user:mar", "SELECT count(*) FROM ventas.transacciones")
        .await;
    assert_eq!(count, "2");
}

/// What is stored masked or sealed is no raw value to decide by, and `not-in` would let it all pass.
#[tokio::test(flavor = "multi_thread")]
async fn a_filter_that_cannot_see_raw_values_refuses() {
    for (table, column, condition) in [
        ("ventas.transacciones", "email", "not-in = [\"ana@correo.mx\"]"),
        ("ventas.transacciones", "email", "equals = \"ana@correo.mx\""),
        ("ventas_raw.transacciones", "nivel", "not-in = [\"oro-11\"]"),
        ("ventas_raw.transacciones", "direccion", "equals = \"x\""),
        ("ventas.transacciones", "region", "equals = 4"),
        ("ventas.transacciones", "nadie", "equals = 4"),
        ("ventas_quarantine.transacciones", "line", "not-in = [\"x\"]"),
        ("ventas_quarantine.transacciones", "plugin", "not-in = [\"x\"]"),
    ] {
        let filters = format!("[[row-filter]]\ntable = \"{table}\"\ncolumn = \"{column}\"\n{condition}\n");
        let rules = Rules {
            row_filters: &filters,
            ..RULES
        };
        let mesh = Mesh::new(&[&contract()], &rules);
        fill(&mesh, &sales()).await;
        for principal in ["user:ana", "user:admin"] {
            let error = mesh
                .error(principal, &format!("SELECT count(*) FROM {table}"))
                .await;
            let expected = format!(
                "row filter row-filters.toml:1 cannot be applied to `{table}` as it is stored: `malla policy check` says why"
            );
            assert_eq!(error, expected, "{filters}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn filters_are_values_and_never_sql() {
    let filters = "[[row-filter]]\ntable = \"ventas.transacciones\"\ncolumn = \"region\"\nequals = \"x' OR '1' = '1\"\n";
    let rules = Rules {
        row_filters: filters,
        ..RULES
    };
    let mesh = Mesh::new(&[&contract()], &rules);
    fill(&mesh, &sales()).await;
    assert_eq!(
        mesh.rows("user:ana", "SELECT count(*) FROM ventas.transacciones")
            .await,
        "0"
    );
}

/// Every type that a filter can have.
#[tokio::test(flavor = "multi_thread")]
async fn filters_compare_every_type() {
    for (column, condition, ids) in [
        ("id", "between = [2, 3]", "2 3"),
        ("region", "in = [\"Norte\", \"Este\"]", "1 3"),
        ("region", "not-in = [\"Norte\"]", "2"),
        ("monto", "at-least = 40.0", "2 4"),
        ("monto", "equals = 10", "1"),
        ("cantidad", "at-most = 1", "1 2"),
        ("nacimiento", "at-least = 1990-04-16", "1 4"),
        ("edad", "equals = 36", "1"),
        ("fecha", "equals = 2026-11-21", "1 4"),
    ] {
        let filters =
            format!("[[row-filter]]\ntable = \"ventas.transacciones\"\ncolumn = \"{column}\"\n{condition}\n");
        let rules = Rules {
            row_filters: &filters,
            ..RULES
        };
        let mesh = Mesh::new(&[&contract()], &rules);
        super::world::curated(&mesh, &sales(), 0..4).await;
        let sql = "SELECT string_agg(CAST(id AS TEXT), ' ' ORDER BY id) FROM ventas.transacciones";
        assert_eq!(mesh.rows("user:ana", sql).await, ids, "{filters}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn explain_tells_which_rules_shape_a_plan() {
    let mesh = world().await;
    let sql = "EXPLAIN SELECT region, count(*) FROM ventas.transacciones WHERE tarjeta LIKE 'x%' AND id > 1 GROUP BY region";
    let plan = |text: String| {
        let lines = text
            .lines()
            .filter(|line| line.contains("Governed") || line.contains("TableScan"));
        let lines: Vec<String> = lines
            .map(|line| {
                line.trim_matches(['|', ' '])
                    .trim_start_matches("physical_plan")
                    .trim()
                    .to_owned()
            })
            .collect();
        lines.join("\n")
    };
    insta::assert_snapshot!(plan(mesh.table("user:luis", sql).await));
    insta::assert_snapshot!(plan(mesh.table("user:sol", sql).await));
    insta::assert_snapshot!(plan(
        mesh.table("user:fin", "EXPLAIN SELECT sum(monto) FROM ventas.transacciones")
            .await
    ));
}
