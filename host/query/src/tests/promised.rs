//! What is known of a query before there is a table: whether contracts promise what it reads, and which names are taken.

use std::collections::BTreeSet;
use std::sync::Arc;

use datafusion::execution::SessionStateDefaults;
use malla_contract::{Contract, SQL_FUNCTIONS};

use super::functions::native;
use super::world::contract;
use crate::{Functions, QueryError, plan_promised};

#[tokio::test(flavor = "multi_thread")]
async fn sql_is_planned_over_tables_that_are_not_there_yet() {
    let contracts: Arc<[Contract]> = Arc::new([Contract::parse(&contract()).unwrap()]);
    let plan = async |sql: &str| {
        let functions = native() as Arc<dyn Functions>;
        let planned = plan_promised(Arc::clone(&contracts), sql, Some(functions)).await;
        planned.map(|schema| {
            let fields = schema.fields().iter();
            let columns = fields.map(|field| format!("{} {}", field.name(), field.data_type()));
            columns.collect::<Vec<_>>().join(", ")
        })
    };
    let sql = "SELECT a.fecha, suma(b.cantidad, 1) AS n, c.source_offset FROM ventas.transacciones a \
               JOIN ventas.transacciones b USING (id) LEFT JOIN ventas_raw.transacciones c USING (id)";
    assert_eq!(
        plan(sql).await.unwrap(),
        "fecha Date32, n Int32, source_offset Int64"
    );
    for (sql, said) in [
        ("SELECT nada FROM ventas.transacciones", "nada"),
        (
            "SELECT suma(region, 1) FROM ventas.transacciones",
            "takes int as `a`",
        ),
        (
            "SELECT now() FROM ventas.transacciones",
            "does not always give the same",
        ),
        ("DELETE FROM ventas.transacciones", "read-only"),
    ] {
        let error = plan(sql).await.unwrap_err().to_string();
        assert!(error.contains(said), "{sql}: {error}");
    }
    for table in ["ventas.nada", "compras.transacciones"] {
        let error = plan(&format!("SELECT 1 FROM {table}")).await.unwrap_err();
        assert!(
            matches!(&error, QueryError::UnknownTable { name, .. } if name == table),
            "{error}"
        );
    }
}

/// What a contract refuses as a name is what the engine knows, and what its parser takes for a function of its own.
#[test]
fn names_of_sql_are_those_of_the_engine() {
    const SYNTAX: [&str; 25] = [
        "all",
        "any",
        "array",
        "between",
        "case",
        "cast",
        "convert",
        "exists",
        "extract",
        "filter",
        "grouping",
        "if",
        "in",
        "interval",
        "not",
        "over",
        "row",
        "some",
        "struct",
        "try_cast",
        "unnest",
        "values",
        "within",
        "range",
        "generate_series",
    ];
    let mut names: BTreeSet<String> = SYNTAX.map(str::to_owned).into();
    let mut add = |name: &str, aliases: &[String]| {
        names.insert(name.to_owned());
        names.extend(aliases.iter().cloned());
    };
    for function in SessionStateDefaults::default_scalar_functions() {
        add(function.name(), function.aliases());
    }
    for function in SessionStateDefaults::default_aggregate_functions() {
        add(function.name(), function.aliases());
    }
    for function in SessionStateDefaults::default_window_functions() {
        add(function.name(), function.aliases());
    }
    for function in SessionStateDefaults::default_higher_order_functions() {
        add(function.name(), function.aliases());
    }
    let known: BTreeSet<String> = SQL_FUNCTIONS.iter().map(|name| (*name).to_owned()).collect();
    assert_eq!(
        known, names,
        "set SQL_FUNCTIONS in host/contract/src/parse/sql_functions.rs to: {names:?}"
    );
}
