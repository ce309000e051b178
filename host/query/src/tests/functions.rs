//! Functions that a plugin exports, in the SQL that makes its products.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use arrow_array::cast::AsArray;
use arrow_array::types::{Date32Type, Int32Type};
use arrow_array::{Array, ArrayRef, Int32Array};
use insta::assert_snapshot;
use malla_contract::{Argument, ColumnType, Function};
use malla_lake::Replaced;

use super::world::{Sale, curated, world};
use crate::testing::{Mesh, asker, shown};
use crate::{Derivation, Format, Functions, Limits, NotComputed, QueryError};

/// `suma(a int, b int required) int`, `dia(d date required) date required` and `letras(s string) int required`, in the host's own
/// code.
pub(super) struct Native {
    declared: Vec<Function>,
    /// Rows of each call.
    calls: Mutex<Vec<usize>>,
    failing: AtomicUsize,
}

pub(super) fn native() -> Arc<Native> {
    let function = |name: &str, arguments: &[(&str, ColumnType, bool)], returns, returns_required| Function {
        name: name.to_owned(),
        description: None,
        arguments: arguments
            .iter()
            .map(|(name, ty, required)| Argument {
                name: (*name).to_owned(),
                ty: *ty,
                required: *required,
                description: None,
            })
            .collect(),
        returns,
        returns_required,
    };
    let (int, date) = (ColumnType::Int32, ColumnType::Date);
    Arc::new(Native {
        declared: vec![
            function("suma", &[("a", int, false), ("b", int, true)], int, false),
            function("dia", &[("d", date, true)], date, true),
            function("letras", &[("s", ColumnType::Utf8, false)], int, true),
        ],
        calls: Mutex::default(),
        failing: AtomicUsize::new(0),
    })
}

impl Functions for Native {
    fn declared(&self) -> &[Function] {
        &self.declared
    }

    fn call(
        &self,
        function: &Function,
        arguments: &[ArrayRef],
        rows: usize,
    ) -> Result<ArrayRef, NotComputed> {
        assert!(rows > 0 && arguments.iter().all(|column| column.len() == rows));
        for (argument, column) in function.arguments.iter().zip(arguments) {
            assert!(
                !argument.required || column.null_count() == 0,
                "{}",
                argument.name
            );
            assert_eq!(column.data_type(), &argument.ty.arrow());
        }
        self.calls.lock().unwrap().push(rows);
        if self.failing.load(Ordering::Relaxed) > 0 {
            return Err(NotComputed {
                why: format!("function `{}` of `ventas` 1.2.3: no", function.name),
                may_pass: false,
            });
        }
        Ok(match function.name.as_str() {
            "suma" => {
                let (a, b) = (
                    arguments[0].as_primitive::<Int32Type>(),
                    arguments[1].as_primitive::<Int32Type>(),
                );
                Arc::new(
                    a.iter()
                        .zip(b)
                        .map(|(a, b)| Some(a? + b?))
                        .collect::<Int32Array>(),
                )
            }
            "dia" => Arc::new(arguments[0].as_primitive::<Date32Type>().clone()),
            _ => {
                let texts = arguments[0].as_string::<i32>().iter();
                Arc::new(
                    texts
                        .map(|text| text.map_or(-1, |text| text.chars().count() as i32))
                        .collect::<Int32Array>(),
                )
            }
        })
    }
}

async fn derive(mesh: &Mesh, native: &Arc<Native>, sql: &str) -> Result<Derivation, QueryError> {
    let functions = Arc::clone(native) as Arc<dyn Functions>;
    let limits = Limits {
        rows: 100_000,
        ..Limits::default()
    };
    mesh.query()
        .derive(&asker("user:admin"), sql, &limits, Some(functions))
        .await
}

/// The rows as CSV, without the header.
async fn rows(mesh: &Mesh, native: &Arc<Native>, sql: &str) -> String {
    let derived = derive(mesh, native, sql)
        .await
        .unwrap_or_else(|error| panic!("{sql}: {error}"));
    let result = derived.rows(&Replaced::All).await;
    let result = result.unwrap_or_else(|error| panic!("{sql}: {error}"));
    let text = shown(Format::Csv, &result);
    text.lines().skip(1).collect::<Vec<_>>().join("\n")
}

const FROM: &str = "FROM ventas.transacciones";

#[tokio::test(flavor = "multi_thread")]
async fn functions_stand_wherever_sql_has_an_expression() {
    let (mesh, native) = (world().await, native());
    for (sql, expected) in [
        // Columns, columns and constants, constants alone. cantidad is 1, 0, null and 4.
        (
            format!("SELECT id, suma(cantidad, cantidad) {FROM} ORDER BY id"),
            "1,2\n2,0\n3,\n4,8",
        ),
        (
            format!("SELECT id, suma(cantidad, 10) {FROM} ORDER BY id"),
            "1,11\n2,10\n3,\n4,14",
        ),
        (
            format!("SELECT id, suma(1, 2) {FROM} WHERE id < 3 ORDER BY id"),
            "1,3\n2,3",
        ),
        ("SELECT suma(1, suma(2, 3))".to_owned(), "6"),
        // Where what is required is null it is not asked; else that is its own affair.
        (
            format!("SELECT id, suma(1, cantidad) {FROM} ORDER BY id"),
            "1,2\n2,1\n3,\n4,5",
        ),
        (
            format!("SELECT suma(1, NULL), suma(NULL, 1), letras(NULL) {FROM} WHERE id = 1"),
            ",,-1",
        ),
        (
            format!("SELECT id, letras(region) {FROM} ORDER BY id"),
            "1,5\n2,3\n3,5\n4,-1",
        ),
        (
            format!("SELECT count(*) {FROM} WHERE id > 99 AND letras(region) > 0"),
            "0",
        ),
        // In conditions, groups, aggregates, joins, order and windows.
        (
            format!("SELECT id {FROM} WHERE letras(region) = 5 ORDER BY id"),
            "1\n3",
        ),
        (
            format!("SELECT letras(region) AS n, count(*) {FROM} GROUP BY 1 ORDER BY 1"),
            "-1,1\n3,1\n5,2",
        ),
        (
            format!("SELECT sum(suma(cantidad, 1)), count(*) FILTER (WHERE letras(region) = 5) {FROM}"),
            "8,2",
        ),
        (
            format!(
                "SELECT a.id, b.id {FROM} a JOIN ventas.clientes b ON suma(CAST(a.id AS INT), 1) = CAST(b.id AS INT) ORDER BY 1"
            ),
            "1,2\n2,3\n3,4",
        ),
        (
            format!("SELECT id {FROM} ORDER BY letras(region), id DESC"),
            "4\n2\n3\n1",
        ),
        (
            format!(
                "SELECT id, row_number() OVER (PARTITION BY letras(region) ORDER BY id) {FROM} ORDER BY id"
            ),
            "1,1\n2,1\n3,2\n4,1",
        ),
        (
            format!(
                "SELECT id, CASE WHEN cantidad IS NULL THEN -9 ELSE suma(cantidad, 1) END {FROM} ORDER BY id"
            ),
            "1,2\n2,1\n3,-9\n4,5",
        ),
        (
            format!(
                "SELECT id {FROM} WHERE id IN (SELECT CAST(suma(CAST(id AS INT), 1) AS BIGINT) FROM ventas.clientes) ORDER BY id"
            ),
            "2\n3\n4",
        ),
        (format!("SELECT DIA(fecha) = fecha {FROM} WHERE id = 1"), "true"),
    ] {
        assert_eq!(rows(&mesh, &native, &sql).await, expected, "{sql}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn planning_calls_nothing() {
    let (mesh, native) = (world().await, native());
    let sql =
        format!("SELECT fecha, suma(1, 2) AS n {FROM} WHERE suma(3, 4) = 7 AND letras('a') > cantidad - 100");
    let derived = derive(&mesh, &native, &sql).await.unwrap();
    derived.inputs(Some("fecha")).unwrap();
    derived.inflows().unwrap();
    assert_eq!(*native.calls.lock().unwrap(), [0_usize; 0]);
    derived.rows(&Replaced::All).await.unwrap();
    let calls = native.calls.lock().unwrap();
    assert!(
        !calls.is_empty() && calls.iter().all(|rows| *rows == 1),
        "constants once: {calls:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn many_rows_come_in_batches() {
    let native = native();
    let mesh = world().await;
    let many: Vec<Sale> = (5..20_005)
        .map(|id| Sale {
            id,
            cantidad: (id % 3 > 0).then_some(i32::try_from(id).unwrap()),
            fecha: 20_780,
            ..Sale::default()
        })
        .collect();
    curated(&mesh, &many, 4..20_004).await;
    let sum = rows(
        &mesh,
        &native,
        &format!("SELECT sum(suma(cantidad, cantidad)), count(suma(1, cantidad)) {FROM} WHERE id > 4"),
    )
    .await;
    let known = many.iter().filter_map(|sale| sale.cantidad);
    let (total, count) = (known.clone().map(i64::from).sum::<i64>(), known.count());
    assert_eq!(sum, format!("{},{count}", 2 * total));
    let calls = native.calls.lock().unwrap();
    assert!(
        calls.len() > 2 && calls.iter().all(|rows| *rows <= 8192),
        "{calls:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_does_not_fit_is_said_when_it_is_planned() {
    let (mesh, native) = (world().await, native());
    let mut said = Vec::new();
    for call in [
        "suma(cantidad)",
        "suma(cantidad, 1, 2)",
        "suma(monto, 1)",
        "suma('1', 1)",
        "dia('2026-11-21')",
        "dia(CAST(fecha AS TIMESTAMP))",
        "letras(id)",
        "resta(1)",
    ] {
        let error = derive(&mesh, &native, &format!("SELECT {call} {FROM}")).await;
        let error = error.err().unwrap().to_string();
        // What the engine thinks was meant is another word each time.
        said.push(format!("{call}: {}", error.lines().next().unwrap()));
    }
    assert_snapshot!(said.join("\n"), @r"
    suma(cantidad): `suma(a int, b int required) int` takes 2 arguments, and is given 1
    suma(cantidad, 1, 2): `suma(a int, b int required) int` takes 2 arguments, and is given 3
    suma(monto, 1): `suma(a int, b int required) int` takes int as `a`, and is given Decimal128(18, 2): use CAST
    suma('1', 1): `suma(a int, b int required) int` takes int as `a`, and is given Utf8: use CAST
    dia('2026-11-21'): `dia(d date required) date required` takes date as `d`, and is given Utf8: use CAST
    dia(CAST(fecha AS TIMESTAMP)): `dia(d date required) date required` takes date as `d`, and is given Timestamp(ns): use CAST
    letras(id): `letras(s string) int required` takes string as `s`, and is given Int64: use CAST
    resta(1): Invalid function 'resta'.
    ");
    // A whole number of another width is passed on, and one that does not fit is no value of the type.
    assert_eq!(
        rows(&mesh, &native, &format!("SELECT suma(1, id) {FROM} WHERE id = 2")).await,
        "3"
    );
    let wide = derive(&mesh, &native, &format!("SELECT suma(1, id * 9999999999) {FROM}"))
        .await
        .unwrap();
    let error = wide.rows(&Replaced::All).await.unwrap_err().to_string();
    assert!(
        error.contains("does not convert") && !error.contains("9999999999"),
        "{error}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_else_can_call_them() {
    let mesh = world().await;
    let sql = format!("SELECT suma(cantidad, 1) {FROM}");
    let error = mesh.error("user:admin", &sql).await;
    assert!(error.contains("Invalid function 'suma'"), "{error}");
    let query = mesh.query();
    let derived = query
        .derive(&asker("user:admin"), &sql, &Limits::default(), None)
        .await;
    assert!(
        derived
            .err()
            .unwrap()
            .to_string()
            .contains("Invalid function 'suma'")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_function_that_fails_says_why_and_no_value() {
    let (mesh, native) = (world().await, native());
    native.failing.store(1, Ordering::Relaxed);
    for sql in [
        format!("SELECT suma(cantidad, 1) {FROM}"),
        format!("SELECT suma(1, 1) {FROM}"),
        format!("SELECT sum(suma(cantidad, 1)) {FROM} GROUP BY region"),
        format!("SELECT id {FROM} WHERE suma(cantidad, 1) > 0"),
    ] {
        let derived = derive(&mesh, &native, &sql).await.unwrap();
        let error = derived.rows(&Replaced::All).await.unwrap_err();
        assert!(matches!(error, QueryError::Function(_)), "{sql}: {error:?}");
        assert_eq!(error.to_string(), "function `suma` of `ventas` 1.2.3: no");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_that_it_is_given_flows_into_what_it_gives() {
    let (mesh, native) = (world().await, native());
    let inflows = async |sql: &str| {
        let derived = derive(&mesh, &native, sql).await.unwrap();
        let inflows = derived.inflows().unwrap();
        let columns = inflows.into_iter().map(|(name, flows)| {
            let from: Vec<String> = flows.keys().cloned().collect();
            format!("{name}: {}", from.join(" "))
        });
        columns.collect::<Vec<_>>().join("\n")
    };
    assert_snapshot!(inflows(&format!("SELECT id, suma(cantidad, letras(concat(region, canal))) AS n {FROM}")).await, @r"
    id: ventas.transacciones/id
    n: ventas.transacciones/canal ventas.transacciones/cantidad ventas.transacciones/region
    ");
    assert_snapshot!(inflows(&format!("SELECT canal, max(letras(region)) AS n {FROM} WHERE suma(edad, 1) > 0 GROUP BY canal")).await, @r"
    canal: ventas.transacciones/canal ventas.transacciones/edad
    n: ventas.transacciones/canal ventas.transacciones/edad ventas.transacciones/region
    ");
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_are_told_by_their_partition_and_not_through_a_function() {
    let (mesh, native) = (world().await, native());
    for (sql, aligned) in [
        (
            format!(
                "SELECT fecha, sum(suma(cantidad, 1)) AS n {FROM} WHERE letras(region) > 0 GROUP BY fecha"
            ),
            true,
        ),
        (
            format!("SELECT fecha, id {FROM} WHERE dia(fecha) = fecha AND dia(fecha) > DATE '2026-01-01'"),
            true,
        ),
        (format!("SELECT dia(fecha) AS fecha, id {FROM}"), false),
        (
            format!("SELECT dia(DATE '2026-11-21') AS fecha, id {FROM}"),
            false,
        ),
        (
            format!("SELECT a.fecha, a.id {FROM} a JOIN ventas.transacciones b ON dia(a.fecha) = b.fecha"),
            false,
        ),
        (
            format!(
                "SELECT a.fecha, a.id {FROM} a JOIN ventas.transacciones b ON a.fecha = b.fecha AND suma(a.cantidad, b.cantidad) > 0"
            ),
            true,
        ),
    ] {
        let derived = derive(&mesh, &native, &sql).await.unwrap();
        let inputs = derived.inputs(Some("fecha")).unwrap();
        let expected = aligned.then_some("fecha");
        assert!(
            inputs.iter().all(|input| input.aligned.as_deref() == expected),
            "{sql}: {inputs:?}"
        );
    }
    // And only those rows come that were asked for, also where the key is computed.
    for key in ["fecha", "dia(fecha)"] {
        let sql = format!("SELECT {key} AS fecha, id {FROM} WHERE letras(region) <> 0");
        let derived = derive(&mesh, &native, &sql).await.unwrap();
        let only = Replaced::Partitions {
            column: "fecha".to_owned(),
            values: BTreeSet::from([Some("2026-11-22".to_owned())]),
        };
        let found = derived.rows(&only).await.unwrap();
        let ids: Vec<i64> = found
            .batches
            .iter()
            .flat_map(|batch| {
                batch
                    .column(1)
                    .as_primitive::<arrow_array::types::Int64Type>()
                    .values()
                    .to_vec()
            })
            .collect();
        assert_eq!(ids, [2, 3], "{key}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_of_sql_is_not_taken_over() {
    let mesh = world().await;
    for name in ["abs", "sum", "row_number", "array_transform"] {
        let mut own = Arc::into_inner(native()).unwrap();
        name.clone_into(&mut own.declared[0].name);
        let error = derive(&mesh, &Arc::new(own), &format!("SELECT id {FROM}")).await;
        let error = error.err().unwrap().to_string();
        assert!(
            error.contains(&format!("`{name}` has the name of a function of SQL")),
            "{error}"
        );
    }
}
