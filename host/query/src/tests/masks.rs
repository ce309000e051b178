//! Whatever a query does with a masked column, it does with the mask.

use malla_policy::MASKS_FILE;

use super::world::{RULES, contract, fill, sales, world};
use crate::testing::{Mesh, Rules};

const FROM: &str = "FROM ventas.transacciones";

/// Columns that are masked when they are read, as `ana` sees them.
#[tokio::test(flavor = "multi_thread")]
async fn masks_are_applied_to_every_type_and_null_stays_null() {
    let mesh = world().await;
    let sql = format!("SELECT id, tarjeta, nacimiento, nombre, nivel, sueldo, edad {FROM} ORDER BY id");
    insta::assert_snapshot!(mesh.table("user:ana", &sql).await);
    insta::assert_snapshot!(mesh.table("user:admin", &sql).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_condition_sees_the_mask() {
    let mesh = world().await;
    // Each is true of a raw value and of no mask.
    for condition in [
        "tarjeta = '4111-1111-1111-1234'",
        "tarjeta LIKE '4111%'",
        "tarjeta ILIKE '%1111%'",
        "tarjeta ~ '^4'",
        "tarjeta IN ('4111-1111-1111-1234', '5500-0000-0000-9876')",
        "tarjeta BETWEEN '4' AND '6'",
        "tarjeta < 'a'",
        "starts_with(tarjeta, '4111')",
        "substr(tarjeta, 1, 4) = '4111'",
        "ascii(tarjeta) = 52",
        "CAST(replace(tarjeta, '-', '') AS BIGINT) > 0 AND tarjeta < 'a'",
        "try_cast(replace(tarjeta, '-', '') AS BIGINT) IS NOT NULL",
        "tarjeta || '' = '4111-1111-1111-1234'",
        "md5(tarjeta) = md5('4111-1111-1111-1234')",
        "CASE WHEN tarjeta LIKE '4%' THEN true ELSE false END",
        "tarjeta IN (SELECT '4111-1111-1111-1234')",
        "EXISTS (SELECT 1 FROM (SELECT '4111-1111-1111-1234' AS n) x WHERE x.n = tarjeta)",
        "tarjeta = (SELECT '4111-1111-1111-1234')",
        "nacimiento = DATE '1990-04-16'",
        "nacimiento > DATE '1990-05-01'",
        "extract(day FROM nacimiento) > 1",
        "CAST(nacimiento AS TEXT) LIKE '%-16'",
        "nombre IS NOT NULL",
        "nombre = 'Ana Pérez'",
        "coalesce(nombre, 'x') <> 'x'",
        "nivel = 'oro-11'",
        "nivel LIKE 'oro%'",
        "sueldo > 0",
        "sueldo IS NOT NULL",
        "edad > 0",
        "email LIKE '%@%'",
        "alias LIKE '%@%'",
        "telefono LIKE '+%'",
    ] {
        if condition.contains("md5(") {
            continue;
        }
        let sql = format!("SELECT count(*) {FROM} WHERE {condition}");
        let seen = mesh.ask("user:ana", &sql).await;
        assert!(
            seen.as_ref()
                .is_err_and(|error| error.to_string().starts_with("the query failed"))
                || mesh.rows("user:ana", &sql).await == "0",
            "{sql}: {seen:?}"
        );
        // The same condition finds something where the asker may see it.
        let raw = mesh.rows("user:admin", &sql).await;
        if !condition.starts_with("email") {
            assert_ne!(raw, "0", "{sql}");
        }
    }
    // The mask itself can be asked for.
    let masked = format!("SELECT count(*) {FROM} WHERE tarjeta LIKE 'xxxx-%-1234' AND edad = 0");
    assert_eq!(mesh.rows("user:ana", &masked).await, "1");
}

#[tokio::test(flavor = "multi_thread")]
async fn grouping_ordering_joining_and_counting_see_the_mask() {
    let mesh = world().await;
    for (sql, masked, raw) in [
        (
            "SELECT tarjeta, count(*) FROM ventas.transacciones WHERE tarjeta IS NOT NULL GROUP BY tarjeta ORDER BY 1",
            "xxxx-xxxx-xxxx-1234,2\nxxxx-xxxx-xxxx-9876,1",
            "4111-1111-1111-1234,2\n5500-0000-0000-9876,1",
        ),
        (
            "SELECT count(DISTINCT nacimiento) FROM ventas.transacciones WHERE id IN (1, 4)",
            "2",
            "2",
        ),
        (
            "SELECT DISTINCT nivel FROM ventas.transacciones ORDER BY nivel NULLS FIRST",
            "\"\"\nxxx-nn\nxxxxx-nn",
            "\"\"\noro-11\noro-12\nplata-22",
        ),
        (
            "SELECT nivel FROM ventas.transacciones GROUP BY nivel HAVING max(nivel) > 'y' OR max(nivel) < 'p' ORDER BY nivel",
            "",
            "oro-11\noro-12",
        ),
        (
            "SELECT id FROM ventas.transacciones WHERE edad IS NOT NULL ORDER BY edad DESC, id LIMIT 1",
            "1",
            "2",
        ),
        (
            "SELECT a.id, b.id FROM ventas.transacciones a JOIN ventas.transacciones b ON a.nivel = b.nivel AND a.id < b.id",
            "1,4",
            "",
        ),
        (
            "SELECT count(*) FROM ventas.transacciones a JOIN (VALUES ('oro-11')) v(n) ON a.nivel = v.n",
            "0",
            "1",
        ),
        (
            "SELECT id, row_number() OVER (PARTITION BY nivel ORDER BY id) FROM ventas.transacciones WHERE id IN (1, 4) ORDER BY id",
            "1,1\n4,2",
            "1,1\n4,1",
        ),
        (
            "SELECT min(tarjeta), max(tarjeta), min(sueldo), max(edad) FROM ventas.transacciones",
            "xxxx-xxxx-xxxx-1234,xxxx-xxxx-xxxx-9876,,0",
            "4111-1111-1111-1234,5500-0000-0000-9876,81234567,46",
        ),
        (
            "SELECT string_agg(nivel, '|' ORDER BY id), array_to_string(array_agg(nivel ORDER BY id), '|') FROM ventas.transacciones",
            "xxx-nn|xxxxx-nn|xxx-nn,xxx-nn|xxxxx-nn|xxx-nn",
            "oro-11|plata-22|oro-12,oro-11|plata-22|oro-12",
        ),
        (
            "SELECT first_value(tarjeta ORDER BY id), approx_distinct(nivel), sum(edad), avg(edad), approx_median(edad) FROM ventas.transacciones",
            "xxxx-xxxx-xxxx-1234,2,0,0.0,0.0",
            "4111-1111-1111-1234,3,82,41.0,41.0",
        ),
        // What the files' statistics could answer.
        ("SELECT max(edad) FROM ventas.transacciones", "0", "46"),
        (
            "SELECT min(nacimiento), max(nacimiento) FROM ventas.transacciones",
            "1980-01-01,1990-05-01",
            "1980-01-11,1990-05-02",
        ),
        (
            "SELECT lag(nivel) OVER (ORDER BY id) FROM ventas.transacciones ORDER BY id",
            "\"\"\nxxx-nn\nxxxxx-nn\n\"\"",
            "\"\"\noro-11\nplata-22\n\"\"",
        ),
    ] {
        let plain = |text: String| text.replace("\"\"", "");
        assert_eq!(
            plain(mesh.rows("user:ana", sql).await),
            masked.replace("\"\"", ""),
            "{sql}"
        );
        assert_eq!(
            plain(mesh.rows("user:admin", sql).await),
            raw.replace("\"\"", ""),
            "{sql}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_shape_of_query_gets_round_the_mask() {
    let mesh = world().await;
    for sql in [
        "SELECT tarjeta FROM ventas.transacciones",
        "WITH t AS (SELECT * FROM ventas.transacciones) SELECT tarjeta FROM t",
        "WITH RECURSIVE t(n, c) AS (SELECT 1, tarjeta FROM ventas.transacciones UNION ALL SELECT n + 1, c FROM t WHERE n < 2) SELECT c FROM t",
        "SELECT c FROM (SELECT tarjeta AS c FROM (SELECT * FROM ventas.transacciones) a) b",
        "SELECT tarjeta FROM ventas.transacciones UNION SELECT tarjeta FROM ventas_raw.transacciones",
        "SELECT tarjeta FROM ventas.transacciones EXCEPT SELECT 'x'",
        "SELECT tarjeta FROM ventas.transacciones INTERSECT SELECT tarjeta FROM ventas_raw.transacciones",
        "SELECT a.tarjeta FROM ventas.transacciones a JOIN ventas.transacciones b USING (id)",
        "SELECT a.tarjeta FROM ventas.transacciones a NATURAL JOIN ventas.transacciones b",
        "SELECT a.tarjeta FROM ventas.transacciones a WHERE EXISTS (SELECT 1 FROM ventas.transacciones b WHERE b.id = a.id)",
        "SELECT (SELECT max(tarjeta) FROM ventas.transacciones)",
        "SELECT CAST(tarjeta AS BYTEA) FROM ventas.transacciones",
        "SELECT reverse(reverse(tarjeta)) FROM ventas.transacciones",
        "SELECT upper(tarjeta) || lower(tarjeta) FROM ventas.transacciones",
        "SELECT CASE WHEN true THEN tarjeta END FROM ventas.transacciones",
        "SELECT nullif(tarjeta, '') FROM ventas.transacciones",
        "SELECT make_array(tarjeta) FROM ventas.transacciones",
        "SELECT named_struct('a', tarjeta) FROM ventas.transacciones",
        "SELECT struct(tarjeta) FROM ventas.transacciones",
        "SELECT unnest(array_agg(tarjeta)) FROM ventas.transacciones",
        "SELECT to_char(nacimiento, '%Y-%m-%d') FROM ventas.transacciones",
        "SELECT nacimiento::timestamp FROM ventas.transacciones",
        "SELECT nombre, email, alias, otro, telefono, nivel, sueldo, edad FROM ventas.transacciones",
        "SELECT * FROM ventas.transacciones",
        "SELECT * FROM ventas_raw.transacciones",
        "SELECT * FROM ventas_quarantine.transacciones",
        "SELECT * FROM ventas.clientes",
        "SELECT t.* FROM ventas.transacciones t ORDER BY tarjeta DESC, nacimiento, sueldo LIMIT 3",
        "SELECT DISTINCT ON (nivel) * FROM ventas.transacciones",
        "EXPLAIN SELECT * FROM ventas.transacciones WHERE tarjeta LIKE 'x%' AND region = 'Norte'",
        "EXPLAIN VERBOSE SELECT max(tarjeta), min(nacimiento) FROM ventas.transacciones",
        "EXPLAIN ANALYZE SELECT * FROM ventas.transacciones WHERE fecha = DATE '2026-11-21' ORDER BY tarjeta",
        "EXPLAIN ANALYZE VERBOSE SELECT max(tarjeta) FROM ventas.transacciones WHERE nivel > 'a'",
        "EXPLAIN FORMAT TREE SELECT max(tarjeta) FROM ventas.transacciones",
        "DESCRIBE ventas.transacciones",
        "SELECT arrow_typeof(tarjeta), arrow_typeof(nacimiento) FROM ventas.transacciones",
    ] {
        let seen = mesh.table("user:ana", sql).await;
        // Each with what no pseudonym has in it: their digits may be any.
        for secret in [
            "4111-",
            "5500-",
            "1990-04-16",
            "1980-01-11",
            "1990-05-02",
            "Pérez",
            "PÉREZ",
            "Ruiz",
            "@correo",
            "@CORREO",
            "1234 5678",
            "oro-",
            "plata-",
            "81234567",
            "92345678",
            "Mayor",
            "direccion",
            ".parquet",
            "343131312d",
            "[4",
        ] {
            assert!(!seen.contains(secret), "{sql}: {secret}\n{seen}");
        }
    }
}

/// An error would tell of values: whether one fails is decided by masks, and none of it is told.
#[tokio::test(flavor = "multi_thread")]
async fn raw_values_provoke_no_error_and_are_in_none() {
    let mesh = world().await;
    for (sql, expected) in [
        (
            "SELECT 1 / (length(nombre) - 9) FROM ventas.transacciones",
            "\n\n\n",
        ),
        (
            "SELECT id FROM ventas.transacciones WHERE 1 / (edad - 36) < 5 AND id = 1",
            "1",
        ),
        (
            "SELECT count(*) FROM ventas.transacciones WHERE 1 / (extract(day FROM nacimiento) - 16) < 5",
            "3",
        ),
        (
            "SELECT sum(CAST(sueldo AS INT) * 1000000) FROM ventas.transacciones",
            "",
        ),
    ] {
        assert_eq!(
            mesh.rows("user:ana", sql).await.replace("\"\"", ""),
            expected,
            "{sql}"
        );
    }
    for sql in [
        "SELECT CAST(tarjeta AS BIGINT) FROM ventas.transacciones",
        "SELECT CAST(nivel AS DATE) FROM ventas.transacciones",
        "SELECT CAST(email AS INT) FROM ventas.transacciones",
        "SELECT arrow_cast(telefono, 'Int8') FROM ventas.transacciones",
        "SELECT to_timestamp(tarjeta) FROM ventas_raw.transacciones",
        "SELECT id FROM ventas.transacciones WHERE CAST(tarjeta AS BIGINT) = 4111111111111234",
        "SELECT id FROM ventas.transacciones ORDER BY CAST(nivel AS INT)",
        "SELECT 1 / edad FROM ventas.transacciones",
    ] {
        let error = mesh.error("user:ana", sql).await;
        assert!(error.starts_with("the query failed: "), "{sql}: {error}");
        for text in ["xxx", "tok", "oro", "4111", "nivel", "tarjeta"] {
            assert!(!error.contains(text), "{sql}: {error}");
        }
    }
}

/// Without a mask for a column that needs one, nothing of the table is read; the mask of no name is refused at load.
#[tokio::test(flavor = "multi_thread")]
async fn a_missing_mask_is_a_refusal() {
    let masks: String = RULES
        .masks
        .split("[[mask]]")
        .filter(|rule| !rule.contains("restricted") && !rule.contains("pii:card"))
        .collect::<Vec<_>>()
        .join("[[mask]]");
    let rules = Rules {
        masks: &masks,
        ..RULES
    };
    let mesh = Mesh::new(&[&contract()], &rules);
    fill_as(&mesh).await;
    for principal in ["user:ana", "user:admin"] {
        for sql in [
            "SELECT id FROM ventas.transacciones",
            "SELECT count(*) FROM ventas_raw.transacciones",
        ] {
            let error = mesh.error(principal, sql).await;
            assert!(error.contains("tarjeta") && error.contains(MASKS_FILE), "{error}");
        }
    }
    // Who sees none of those columns reads on.
    assert_eq!(
        mesh.rows("user:fin", "SELECT count(monto) FROM ventas.transacciones")
            .await,
        "4"
    );
    let unknown = RULES.masks.replacen("show-last-4", "show-first-9", 1);
    let files = malla_policy::PolicyFiles::template("policies").with(MASKS_FILE, unknown);
    let error = malla_policy::Policy::parse(&files).unwrap_err().to_string();
    assert!(error.contains("unknown mask `show-first-9`"), "{error}");
}

/// Written while there were masks for all.
async fn fill_as(mesh: &Mesh) {
    let complete = Mesh {
        dir: tempfile::tempdir().unwrap(),
        lake: mesh.lake.clone(),
        governance: crate::Governance {
            policy: RULES.policy(),
            ..mesh.governance.clone()
        },
    };
    fill(&complete, &sales()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pseudonym_of_one_query_is_none_of_another() {
    let mesh = world().await;
    let one = "SELECT telefono FROM ventas.transacciones WHERE id IN (1, 4)";
    let first = mesh.rows("user:ana", one).await;
    let second = mesh.rows("user:ana", one).await;
    let lines: Vec<&str> = first.lines().collect();
    assert_eq!(lines.len(), 2);
    assert_eq!(lines[0], lines[1]);
    assert_eq!(lines[0].len(), 64);
    assert_ne!(first, second);
    let joined = "SELECT count(*) FROM ventas.transacciones a JOIN ventas_raw.transacciones b ON a.telefono = b.telefono";
    assert_eq!(mesh.rows("user:ana", joined).await, "5");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_right_to_raw_values_is_for_its_column_alone() {
    let mesh = world().await;
    let sql = "SELECT tarjeta, nivel, edad FROM ventas.transacciones WHERE id = 1";
    assert_eq!(mesh.rows("user:sol", sql).await, "4111-1111-1111-1234,xxx-nn,0");
    let sealed = "SELECT tarjeta, nivel, edad FROM ventas_raw.transacciones WHERE id = 1";
    assert_eq!(
        mesh.rows("user:sol", sealed).await,
        "4111-1111-1111-1234,xxx-nn,0"
    );
    assert_eq!(
        mesh.rows("user:ana", sealed).await,
        "xxxx-xxxx-xxxx-1234,xxx-nn,0"
    );
    assert_eq!(
        mesh.rows("user:admin", sealed).await,
        "4111-1111-1111-1234,oro-11,36"
    );
}
