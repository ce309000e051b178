//! What somebody may not read is not there for them.

use std::sync::Arc;

use malla_lake::Layer;

use super::world::{RULES, contract, fill, sales, world};
use crate::testing::{Mesh, Rules, asker};
use crate::{Asker, Limits};

/// What is denied, what has no contract and what is not there at all: one text, and the tables that may be read.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_denied_looks_like_what_is_not_there() {
    let mut mesh = world().await;
    let told = |mesh: &Mesh, principal: &str, table: &str| {
        let (query, asker, table) = (mesh.query(), asker(principal), table.to_owned());
        async move {
            let sql = format!("SELECT * FROM {table}");
            let error = query.run(&asker, &sql, &Limits::default()).await.unwrap_err();
            error.to_string().replace(&table, "TABLE")
        }
    };
    let denied = told(&mesh, "user:fin", "ventas.clientes").await;
    insta::assert_snapshot!(denied, @"`user:fin` may not read `TABLE` for `informes`, or there is no such table; of what may be read, there is `ventas.transacciones`");
    for table in [
        "ventas.nada",
        "ventas_raw.clientes",
        "ventas_raw.transacciones",
        "otro.clientes",
    ] {
        assert_eq!(told(&mesh, "user:fin", table).await, denied, "{table}");
    }
    let nothing = told(&mesh, "user:nadie", "ventas.transacciones").await;
    insta::assert_snapshot!(nothing, @"`user:nadie` may not read `TABLE` for `informes`, or there is no such table; of what may be read, there is none");
    assert_eq!(told(&mesh, "user:nadie", "ventas.nada").await, nothing);
    assert_eq!(
        told(&mesh, "", "ventas.nada").await,
        told(&mesh, "", "ventas.transacciones").await
    );
    // Whoever may read everything reads nothing without a contract.
    mesh.governance.contracts = Arc::new([]);
    insta::assert_snapshot!(told(&mesh, "user:admin", "ventas.transacciones").await, @"`user:admin` may not read `TABLE` for `informes`, or there is no such table; of what may be read, there is none");
}

/// A table that may be read and was never written says so; one that may not be read says nothing, written or not.
#[tokio::test(flavor = "multi_thread")]
async fn policy_is_asked_before_the_lake() {
    let mesh = Mesh::new(&[&contract()], &RULES);
    let sql = "SELECT * FROM ventas.transacciones";
    let before = mesh.error("user:nadie", sql).await;
    insta::assert_snapshot!(mesh.error("user:ana", sql).await, @"no table `ventas.transacciones`; there is none");
    fill(&mesh, &sales()).await;
    assert_eq!(mesh.error("user:nadie", sql).await, before);
    // Nor does a broken table tell anything to those who may not know.
    let log = mesh.dir.path().join("lake/ventas/curated/clientes/_delta_log");
    for entry in log.read_dir().unwrap() {
        std::fs::write(entry.unwrap().path(), "{").unwrap();
    }
    let error = mesh.error("user:nadie", "SELECT * FROM ventas.clientes").await;
    assert_eq!(error, before.replace("transacciones", "clientes"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hidden_column_is_not_there() {
    let mesh = world().await;
    let all = mesh
        .ask("user:ana", "SELECT * FROM ventas.transacciones")
        .await
        .unwrap();
    assert!(all.schema.column_with_name("nombre").is_some());
    assert!(all.schema.column_with_name("direccion").is_none());
    let two = mesh
        .ask("user:fin", "SELECT * FROM ventas.transacciones")
        .await
        .unwrap();
    let names: Vec<&str> = two
        .schema
        .fields()
        .iter()
        .map(|field| field.name().as_str())
        .collect();
    assert_eq!(names, ["id", "monto"]);
    for sql in [
        "SELECT direccion FROM ventas.transacciones",
        "SELECT t.direccion FROM ventas.transacciones t",
        "SELECT id FROM ventas.transacciones ORDER BY direccion",
        "SELECT count(direccion) FROM ventas_raw.transacciones",
        "SELECT id FROM ventas.transacciones WHERE direccion IS NULL",
        "SELECT a.id FROM ventas.transacciones a JOIN ventas.transacciones b USING (direccion)",
    ] {
        let error = mesh.error("user:ana", sql).await;
        let other = mesh
            .error("user:ana", &sql.replace("direccion", "zzzzzzzzz"))
            .await;
        // What is near to a name is told, and that differs from name to name.
        let known = |error: &str, name: &str| -> Vec<String> {
            let told = error.replace(name, "NAME");
            let lines = told
                .lines()
                .map(|line| line.split(" Did you mean").next().unwrap_or_default().to_owned());
            lines.collect()
        };
        assert_eq!(known(&error, "direccion"), known(&other, "zzzzzzzzz"), "{sql}");
        assert!(
            !mesh
                .rows("user:admin", &sql.replace("USING (direccion)", "USING (id)"))
                .await
                .is_empty(),
            "{sql}"
        );
    }
    // No near name suggests it.
    let error = mesh
        .error("user:ana", "SELECT direccio FROM ventas.transacciones")
        .await;
    assert!(!error.contains("direccion"), "{error}");
    let error = mesh
        .error("user:fin", "SELECT emai FROM ventas.transacciones")
        .await;
    assert!(!error.contains("email") && !error.contains("region"), "{error}");
    for sql in [
        "DESCRIBE ventas.transacciones",
        "EXPLAIN VERBOSE SELECT * FROM ventas.transacciones",
        "EXPLAIN ANALYZE VERBOSE SELECT * FROM ventas.transacciones",
    ] {
        let seen = mesh.table("user:fin", sql).await;
        for name in ["direccion", "email", "region", "tarjeta", "fecha", "nivel"] {
            assert!(!seen.contains(name), "{sql}: {name}\n{seen}");
        }
    }
}

/// A filter by a column that is hidden works, and is named by its line only.
#[tokio::test(flavor = "multi_thread")]
async fn a_filter_by_a_hidden_column_does_not_show_it() {
    let mesh = world().await;
    let rules = Rules {
        groups: "g, user:fin, role:finanzas, *\ng, user:fin, role:norte, *\n",
        ..RULES
    };
    let mut governed = mesh.governance.clone();
    governed.policy = rules.policy();
    let query = crate::Query::open(mesh.lake.clone(), governed);
    let run = |sql: &'static str| {
        let query = query.clone();
        async move { query.run(&asker("user:fin"), sql, &Limits::default()).await }
    };
    let counted = run("SELECT count(*), max(id) FROM ventas.transacciones")
        .await
        .unwrap();
    assert!(crate::testing::shown(crate::Format::Csv, &counted).ends_with("\n2,3\n"));
    let plan = run("EXPLAIN VERBOSE SELECT sum(monto) FROM ventas.transacciones")
        .await
        .unwrap();
    let plan = crate::testing::shown(crate::Format::Table, &plan);
    assert!(!plan.contains("region") && !plan.contains("Norte"), "{plan}");
    assert!(plan.contains("rows by row-filters.toml:"), "{plan}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_quarantined_line_is_for_those_who_may_see_raw_values() {
    let mesh = world().await;
    let sql = "SELECT stage, message, line FROM ventas_quarantine.transacciones WHERE source_offset = 0";
    let raw = mesh.rows("user:admin", sql).await;
    assert!(raw.contains("ana@correo.mx"), "{raw}");
    // A line may hold an address, which she may not so much as know of.
    let hidden = mesh.error("user:ana", sql).await;
    assert!(hidden.starts_with("No field named line"), "{hidden}");
    let shown = sql.replace(", line", "");
    assert_eq!(mesh.rows("user:ana", &shown).await, "undecodable,no object");
    let missing = mesh.error("user:fin", sql).await;
    assert!(
        missing.contains("may not read `ventas_quarantine.transacciones`"),
        "{missing}"
    );
}

/// A right to the line alone is no way round what is denied of the values in it.
#[tokio::test(flavor = "multi_thread")]
async fn a_quarantined_line_is_denied_with_what_it_holds() {
    let sql = "SELECT line FROM ventas_quarantine.transacciones WHERE source_offset = 0";
    let allow = "p, user:zoe, ventas, ventas_quarantine.transacciones, read, *, allow\n\
                 p, user:zoe, ventas, ventas_quarantine.transacciones/line, read-raw, *, allow\n";
    let deny = format!("{allow}p, *, *, pii:card, read-raw, *, deny\n");
    for (global, raw) in [(allow, true), (&deny, false)] {
        let mut mesh = world().await;
        mesh.governance.policy = Rules { global, ..RULES }.policy();
        let line = mesh.rows("user:zoe", sql).await;
        assert_eq!(line.contains("ana@correo.mx"), raw, "{line}");
    }
}

/// Bytes that were changed, or sealed by another key, open for nobody and say nothing.
#[tokio::test(flavor = "multi_thread")]
async fn what_does_not_open_is_a_refusal() {
    let mesh = world().await;
    let other = world().await;
    let governance = crate::Governance {
        keys: Arc::clone(&other.governance.keys),
        ..mesh.governance.clone()
    };
    let query = crate::Query::open(mesh.lake.clone(), governance);
    for (principal, column) in [
        ("user:admin", "tarjeta"),
        ("user:ana", "tarjeta"),
        ("user:admin", "edad"),
    ] {
        let sql = format!("SELECT {column} FROM ventas_raw.transacciones");
        let error = query
            .run(&asker(principal), &sql, &Limits::default())
            .await
            .unwrap_err();
        assert_eq!(
            error.to_string(),
            "the query failed: a column could not be opened or hidden as policy demands"
        );
    }
    // Null needs no key.
    let names = "SELECT count(nombre) FROM ventas_raw.transacciones";
    query
        .run(&asker("user:ana"), names, &Limits::default())
        .await
        .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rule_for_one_purpose_is_for_no_other() {
    let rules = Rules {
        global: "p, user:ana, ventas, ventas.*, read, fraude, allow\np, user:ana, ventas, pii:card, read-raw, fraude, allow\n",
        ..RULES
    };
    let mesh = Mesh::new(&[&contract()], &rules);
    fill(&mesh, &sales()).await;
    let query = mesh.query();
    let run = |purpose: &'static str| {
        let query = query.clone();
        let asker = Asker {
            principal: "user:ana".into(),
            purpose: purpose.into(),
        };
        async move {
            let sql = "SELECT tarjeta FROM ventas.transacciones WHERE id = 1";
            let result = query.run(&asker, sql, &Limits::default()).await;
            result.map(|result| crate::testing::shown(crate::Format::Csv, &result))
        }
    };
    assert_eq!(run("fraude").await.unwrap(), "tarjeta\n4111-1111-1111-1234\n");
    for purpose in ["informes", "", "*", "fraude ", "Fraude"] {
        assert!(run(purpose).await.is_err(), "{purpose}");
    }
}

/// The schema of a stored table may be older, or newer, than the contract.
#[tokio::test(flavor = "multi_thread")]
async fn columns_that_no_contract_knows_are_not_shown() {
    let mesh = Mesh::new(&[&contract()], &RULES);
    let one = |value: i64| -> arrow_array::ArrayRef { Arc::new(arrow_array::Int64Array::from(vec![value])) };
    let fecha: arrow_array::ArrayRef = Arc::new(arrow_array::Date32Array::from(vec![20_778]));
    let columns = vec![
        ("id", one(1), false),
        ("secreto", one(4_242), true),
        ("fecha", fecha, false),
    ];
    mesh.write(Layer::Curated, "clientes", columns, 0..1).await;
    for principal in ["user:ana", "user:admin"] {
        assert_eq!(
            mesh.rows(principal, "SELECT * FROM ventas.clientes").await,
            "1,2026-11-21"
        );
        let error = mesh.error(principal, "SELECT secreto FROM ventas.clientes").await;
        assert!(error.starts_with("No field named secreto"), "{error}");
    }
}

/// An answer is for who asked, under the rules of that moment: nothing is left of an earlier one.
#[tokio::test(flavor = "multi_thread")]
async fn a_right_that_is_taken_back_is_gone() {
    let mut mesh = world().await;
    let sql = "SELECT tarjeta FROM ventas.transacciones WHERE id = 1";
    assert_eq!(mesh.rows("user:sol", sql).await, "4111-1111-1111-1234");
    assert_eq!(mesh.rows("user:ana", sql).await, "xxxx-xxxx-xxxx-1234");
    let mut groups = RULES.groups.replace("g, user:sol, role:tarjetas, *\n", "");
    let mut rules = |groups: &str| {
        mesh.governance.policy = Rules { groups, ..RULES }.policy();
        mesh.query()
    };
    let without_cards = rules(&groups);
    groups = groups.replace("g, user:sol, role:lector, *\n", "");
    let without_tables = rules(&groups);
    let shown = without_cards
        .run(&asker("user:sol"), sql, &Limits::default())
        .await;
    let shown = crate::testing::shown(crate::Format::Csv, &shown.unwrap());
    assert_eq!(shown, "tarjeta\nxxxx-xxxx-xxxx-1234\n");
    let denied = without_tables
        .run(&asker("user:sol"), sql, &Limits::default())
        .await;
    assert!(denied.unwrap_err().to_string().contains("may not read"));
}

/// A table has one version to read, the newest. What was taken out of it is in no other.
#[tokio::test(flavor = "multi_thread")]
async fn no_older_version_is_in_reach() {
    let mesh = world().await;
    super::world::curated(&mesh, &sales(), 4..8).await;
    for table in [
        "ventas.transacciones FOR SYSTEM_TIME AS OF '2020-01-01'",
        "ventas.transacciones FOR VERSION AS OF 1",
        "ventas.transacciones VERSION AS OF 1",
        "ventas.transacciones TIMESTAMP AS OF '2020-01-01'",
        "ventas.transacciones AT (VERSION => 1)",
        "ventas.transacciones BEFORE (VERSION => 2)",
        "ventas.transacciones@v1",
        "ventas.\"transacciones@v1\"",
        "ventas.\"transacciones/_delta_log\"",
        "table_changes('ventas.transacciones', 0)",
        "ventas.transacciones('1')",
    ] {
        let error = mesh
            .ask("user:admin", &format!("SELECT count(*) FROM {table}"))
            .await;
        assert!(error.is_err(), "{table}");
    }
    let newest = "SELECT count(*) FROM ventas.transacciones";
    assert_eq!(mesh.rows("user:admin", newest).await, "8");
}

/// A column that is stored as what its mask cannot hide is shown to nobody.
#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_hidden_is_a_refusal() {
    let mesh = Mesh::new(&[&contract()], &RULES);
    let columns: Vec<(&str, arrow_array::ArrayRef, bool)> = vec![
        ("id", Arc::new(arrow_array::Int64Array::from(vec![1])), false),
        (
            "nacimiento",
            Arc::new(arrow_array::BooleanArray::from(vec![true])),
            true,
        ),
        (
            "fecha",
            Arc::new(arrow_array::Date32Array::from(vec![20_778])),
            false,
        ),
    ];
    mesh.write(Layer::Curated, "transacciones", columns, 0..1).await;
    let error = mesh
        .error("user:ana", "SELECT nacimiento FROM ventas.transacciones")
        .await;
    assert_eq!(
        error,
        "the query failed: a column could not be opened or hidden as policy demands"
    );
    assert_eq!(
        mesh.rows("user:ana", "SELECT id FROM ventas.transacciones").await,
        "1"
    );
}
