//! Queries over a small lake, by somebody who may read all of it.

use std::sync::Arc;
use std::time::Duration;

use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use arrow_array::{ArrayRef, Date32Array, Decimal128Array, Int64Array, StringArray};
use malla_lake::Layer;

use crate::testing::{Mesh, Rules, asker, shown};
use crate::{Format, Limits, QueryError, QueryResult};

const CONTRACT: &str = r#"
apiVersion: v3.1.0
kind: DataContract
id: ventas
version: 1.0.0
status: draft
domain: ventas
schema:
  - name: evento
    properties:
      - { name: id, logicalType: integer, physicalType: bigint, required: true }
      - { name: region, logicalType: string }
      - { name: monto, logicalType: number, physicalType: "decimal(18,2)", required: true }
  - name: transacciones
    properties:
      - { name: id, logicalType: integer, physicalType: bigint, required: true }
      - { name: region, logicalType: string }
      - { name: monto, logicalType: number, physicalType: "decimal(18,2)", required: true }
      - { name: fecha, logicalType: date, required: true, partitioned: true, partitionKeyPosition: 1 }
  - name: daily-revenue
    properties:
      - { name: id, logicalType: integer, physicalType: bigint, required: true }
      - { name: region, logicalType: string }
      - { name: monto, logicalType: number, physicalType: "decimal(18,2)", required: true }
      - { name: fecha, logicalType: date, required: true, partitioned: true, partitionKeyPosition: 1 }
customProperties:
  - property: mallaSources
    value: [{ name: transacciones, schema: evento }]
  - property: mallaSteps
    value:
      - { name: a, source: transacciones, product: transacciones, reads: [id] }
      - { name: b, source: transacciones, product: daily-revenue, reads: [id] }
"#;

const RULES: Rules<'_> = Rules {
    global: "p, user:ana, *, *, read, *, allow",
    groups: "",
    masks: "[[mask]]\nclassification = \"restricted\"\nmask = \"replace-with-null\"\n",
    row_filters: "",
};

struct World(Mesh);

impl World {
    async fn new() -> Self {
        let world = Self(Mesh::new(&[CONTRACT], &RULES));
        world.add(Layer::Curated, "transacciones", 0, 0..4).await;
        world.add(Layer::Raw, "transacciones", 0, 0..6).await;
        world.add(Layer::Quarantine, "transacciones", 0, 0..1).await;
        world.add(Layer::Curated, "daily-revenue", 0, 0..2).await;
        world
    }

    async fn add(&self, layer: Layer, name: &str, from: i64, ids: std::ops::Range<i64>) {
        let to = ids.end;
        let ids: Vec<i64> = ids.collect();
        let region = |id: &i64| (id % 3 > 0).then(|| format!("región {id}"));
        let monto = Decimal128Array::from_iter_values(ids.iter().map(|id| i128::from(*id) * 150));
        let columns: Vec<(&str, ArrayRef, bool)> = vec![
            ("id", Arc::new(Int64Array::from(ids.clone())), false),
            (
                "region",
                Arc::new(StringArray::from_iter(ids.iter().map(region))),
                true,
            ),
            (
                "monto",
                Arc::new(monto.with_precision_and_scale(18, 2).unwrap()),
                false,
            ),
            (
                "fecha",
                Arc::new(Date32Array::from_iter_values(ids.iter().map(|_| 20_778))),
                false,
            ),
        ];
        self.0.write(layer, name, columns, from..to).await;
    }

    async fn run(&self, sql: &str) -> Result<QueryResult, QueryError> {
        self.run_within(sql, &Limits::default()).await
    }

    async fn run_within(&self, sql: &str, limits: &Limits) -> Result<QueryResult, QueryError> {
        self.0.query().run(&asker("user:ana"), sql, limits).await
    }

    async fn count(&self, table: &str) -> i64 {
        let result = self.run(&format!("SELECT count(*) FROM {table}")).await.unwrap();
        result.batches[0].column(0).as_primitive::<Int64Type>().value(0)
    }

    async fn error(&self, sql: &str) -> String {
        let error = self
            .run(sql)
            .await
            .map(|result| result.batches)
            .unwrap_err()
            .to_string();
        error.replace(self.0.dir.path().to_str().unwrap(), "<lake>")
    }

    async fn show(&self, format: Format, sql: &str) -> String {
        shown(format, &self.run(sql).await.unwrap())
    }
}

const ALL: &str = "SELECT id, region, monto, fecha FROM ventas.transacciones ORDER BY id";

#[tokio::test(flavor = "multi_thread")]
async fn each_layer_is_a_schema() {
    let world = World::new().await;
    assert_eq!(world.count("ventas.transacciones").await, 4);
    assert_eq!(world.count("Ventas.Transacciones").await, 4);
    assert_eq!(world.count("ventas_raw.transacciones").await, 6);
    assert_eq!(world.count("ventas_quarantine.transacciones").await, 1);
    assert_eq!(world.count(r#"ventas."daily-revenue""#).await, 2);
    let joined = "SELECT count(*) FROM ventas.transacciones c JOIN ventas_raw.transacciones r ON c.id = r.id";
    let result = world.run(joined).await.unwrap();
    assert_eq!(
        result.batches[0].column(0).as_primitive::<Int64Type>().value(0),
        4
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn every_query_sees_the_newest_rows() {
    let world = World::new().await;
    assert_eq!(world.count("ventas.transacciones").await, 4);
    world.add(Layer::Curated, "transacciones", 4, 4..9).await;
    assert_eq!(world.count("ventas.transacciones").await, 9);
}

#[tokio::test(flavor = "multi_thread")]
async fn results_are_written_for_people_and_scripts() {
    let world = World::new().await;
    insta::assert_snapshot!(world.show(Format::Table, ALL).await, @r#"
    +----+----------+-------+------------+
    | id | region   | monto | fecha      |
    +----+----------+-------+------------+
    | 0  |          | 0.00  | 2026-11-21 |
    | 1  | región 1 | 1.50  | 2026-11-21 |
    | 2  | región 2 | 3.00  | 2026-11-21 |
    | 3  |          | 4.50  | 2026-11-21 |
    +----+----------+-------+------------+
    4 rows
    "#);
    insta::assert_snapshot!(world.show(Format::Json, ALL).await, @r#"[{"id":0,"region":null,"monto":0.00,"fecha":"2026-11-21"},{"id":1,"region":"región 1","monto":1.50,"fecha":"2026-11-21"},{"id":2,"region":"región 2","monto":3.00,"fecha":"2026-11-21"},{"id":3,"region":null,"monto":4.50,"fecha":"2026-11-21"}]"#);
    insta::assert_snapshot!(world.show(Format::JsonLines, ALL).await, @r#"
    {"id":0,"region":null,"monto":0.00,"fecha":"2026-11-21"}
    {"id":1,"region":"región 1","monto":1.50,"fecha":"2026-11-21"}
    {"id":2,"region":"región 2","monto":3.00,"fecha":"2026-11-21"}
    {"id":3,"region":null,"monto":4.50,"fecha":"2026-11-21"}
    "#);
    insta::assert_snapshot!(world.show(Format::Csv, ALL).await, @r#"
    id,region,monto,fecha
    0,,0.00,2026-11-21
    1,región 1,1.50,2026-11-21
    2,región 2,3.00,2026-11-21
    3,,4.50,2026-11-21
    "#);
    let none = "SELECT id, region FROM ventas.transacciones WHERE id < 0";
    assert_eq!(world.show(Format::Json, none).await.trim(), "[]");
    assert_eq!(world.show(Format::Csv, none).await, "id,region\n");
    insta::assert_snapshot!(world.show(Format::Table, none).await, @r#"
    +----+--------+
    | id | region |
    +----+--------+
    +----+--------+
    0 rows
    "#);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_value_cannot_steer_the_terminal() {
    let world = World::new().await;
    let text = world
        .show(Format::Table, "SELECT chr(27) || '[2J' || chr(7) AS x")
        .await;
    assert!(!text.contains('\u{1b}') && !text.contains('\u{7}'), "{text:?}");
    let json = world.show(Format::Json, "SELECT chr(27) AS x").await;
    assert_eq!(json.trim(), r#"[{"x":"\u001b"}]"#);
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_beyond_the_limit_are_cut_and_it_is_said() {
    let world = World::new().await;
    let limits = Limits {
        rows: 3,
        ..Limits::default()
    };
    let cut = world.run_within(ALL, &limits).await.unwrap();
    assert!(cut.truncated);
    assert!(shown(Format::Table, &cut).ends_with("first 3 rows; there are more\n"));
    let exact = world
        .run_within("SELECT id FROM ventas.transacciones LIMIT 3", &limits)
        .await
        .unwrap();
    assert!(!exact.truncated);
    let explained = world
        .run_within(&format!("EXPLAIN {ALL}"), &limits)
        .await
        .unwrap();
    assert!(!explained.batches.is_empty());
    world.run("DESCRIBE ventas.transacciones").await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn queries_only_read() {
    let world = World::new().await;
    for sql in [
        "INSERT INTO ventas.transacciones SELECT * FROM ventas.transacciones",
        "UPDATE ventas.transacciones SET id = 1",
        "DELETE FROM ventas.transacciones",
        "DROP TABLE ventas.transacciones",
        "CREATE TABLE x AS SELECT 1",
        "CREATE VIEW x AS SELECT 1",
        "CREATE EXTERNAL TABLE x STORED AS CSV LOCATION '/etc/passwd'",
        "COPY (SELECT 1) TO '/tmp/x.csv'",
        "COPY ventas.transacciones TO '/tmp/x.csv'",
        "SET datafusion.execution.batch_size = 1",
        "SHOW ALL",
        "PREPARE p AS SELECT 1",
        "EXPLAIN INSERT INTO ventas.transacciones SELECT * FROM ventas.transacciones",
        "EXPLAIN ANALYZE DELETE FROM ventas.transacciones",
        "BEGIN",
        "TRUNCATE TABLE ventas.transacciones",
    ] {
        let error = world.run(sql).await.map(|_| ()).unwrap_err();
        assert!(matches!(error, QueryError::ReadOnly(_)), "{sql}: {error}");
    }
    assert_eq!(world.count("ventas.transacciones").await, 4);
    insta::assert_snapshot!(world.error("DROP TABLE ventas.transacciones").await, @"queries are read-only: `DROP TABLE` is not possible; write SELECT, EXPLAIN or DESCRIBE");
    let two = world
        .run("SELECT 1; DROP TABLE ventas.transacciones")
        .await
        .map(|_| ());
    assert!(two.is_err());
    let into = world
        .run("SELECT * INTO x FROM ventas.transacciones")
        .await
        .map(|_| ());
    assert!(into.is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_outside_of_the_lake_is_in_reach() {
    let world = World::new().await;
    std::fs::write(world.0.dir.path().join("x.csv"), "a\n1\n").unwrap();
    std::fs::write(world.0.dir.path().join("x.parquet"), "a\n1\n").unwrap();
    let path = world.0.dir.path().display();
    for source in [
        format!("'{path}/x.csv'"),
        format!("\"{path}/x.csv\""),
        format!("'file://{path}/x.csv'"),
        format!("\"file://{path}/x.csv\""),
        format!("ventas.\"../../{path}\""),
        format!("\"..\".\"{path}\""),
        "'/etc/passwd'".into(),
        "information_schema.tables".into(),
        "malla.information_schema.df_settings".into(),
        "datafusion.public.x".into(),
        format!("read_csv('{path}/x.csv')"),
        format!("read_parquet('{path}/x.parquet')"),
        format!("parquet_metadata('{path}/x.parquet')"),
        format!("glob('{path}/*')"),
        "generate_series(1, 10)".into(),
    ] {
        assert!(
            world.run(&format!("SELECT * FROM {source}")).await.is_err(),
            "{source}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn errors_name_what_is_wrong_and_what_there_is() {
    let world = World::new().await;
    insta::assert_snapshot!(world.error("SELECT * FROM ventas.transaciones").await, @r#"`user:ana` may not read `ventas.transaciones` for `informes`, or there is no such table; of what may be read, there is `ventas.transacciones`, `ventas_raw.transacciones`, `ventas_quarantine.transacciones`, `ventas."daily-revenue"`"#);
    insta::assert_snapshot!(world.error("SELECT * FROM transacciones").await, @r#"`user:ana` may not read `transacciones` for `informes`, or there is no such table; of what may be read, there is `ventas.transacciones`, `ventas_quarantine.transacciones`, `ventas_raw.transacciones`, `ventas."daily-revenue"`"#);
    insta::assert_snapshot!(world.error("SELECT * FROM ventas.\"daily-revenu\"").await, @r#"`user:ana` may not read `ventas.daily-revenu` for `informes`, or there is no such table; of what may be read, there is `ventas."daily-revenue"`, `ventas.transacciones`, `ventas_quarantine.transacciones`, `ventas_raw.transacciones`"#);
    insta::assert_snapshot!(world.error("SELECT montoo FROM ventas.transacciones").await, @r#"
    No field named montoo. Did you mean 'ventas.transacciones.monto'?
    Valid fields are ventas.transacciones.id, ventas.transacciones.region, ventas.transacciones.monto, ventas.transacciones.fecha.
    "#);
    insta::assert_snapshot!(world.error("SELEC 1").await, @"cannot read the query: sql parser error: Expected: an SQL statement, found: SELEC at Line: 1, Column: 1");
    insta::assert_snapshot!(world.error("SELECT nosuch(1)").await, @r#"
    Invalid function 'nosuch'.
    Did you mean 'cosh'?
    "#);
    insta::assert_snapshot!(world.error("").await, @"No SQL statements were provided in the query string");
    let nobody = world
        .0
        .error("user:nadie", "SELECT * FROM ventas.transacciones")
        .await;
    insta::assert_snapshot!(nobody, @"`user:nadie` may not read `ventas.transacciones` for `informes`, or there is no such table; of what may be read, there is none");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_error_does_not_carry_a_value_out() {
    let world = World::new().await;
    for sql in [
        "SELECT CAST(region AS BIGINT) FROM ventas.transacciones",
        "SELECT CAST(region AS DATE) FROM ventas.transacciones",
        "SELECT * FROM ventas.transacciones WHERE CAST(region AS INT) = 4",
        "SELECT arrow_cast(region, 'Int8') FROM ventas.transacciones",
        "SELECT to_timestamp(region) FROM ventas.transacciones",
        "SELECT max(CAST(region AS DOUBLE)) FROM ventas.transacciones",
        // Functions word their errors themselves.
        "SELECT to_timestamp(region, '%Y') FROM ventas.transacciones",
        "SELECT to_date(region, '%Y') FROM ventas.transacciones",
        "SELECT decode(region, 'hex') FROM ventas.transacciones",
        "SELECT CAST(monto * 100000000000000000 AS DECIMAL(5,2)) FROM ventas.transacciones",
    ] {
        let error = world.error(sql).await;
        assert!(!error.contains("región"), "{sql}: {error}");
        assert!(error.starts_with("the query failed"), "{sql}: {error}");
    }
    insta::assert_snapshot!(world.error("SELECT CAST(region AS BIGINT) FROM ventas.transacciones").await, @"the query failed: a value does not convert to the type asked for: use try_cast, which gives NULL instead");
    insta::assert_snapshot!(world.error("SELECT 1 / (id - id) FROM ventas.transacciones").await, @"the query failed: a division by zero: use nullif on the divisor");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_query_ends_within_its_limits() {
    let world = World::new().await;
    let cross = "ventas_raw.transacciones a, ventas_raw.transacciones b, ventas_raw.transacciones c, \
                 ventas_raw.transacciones d, ventas_raw.transacciones e, ventas_raw.transacciones f, \
                 ventas_raw.transacciones g, ventas_raw.transacciones h, ventas_raw.transacciones i, \
                 ventas_raw.transacciones j, ventas_raw.transacciones k, ventas_raw.transacciones l";
    let slow = Limits {
        time: Duration::from_millis(300),
        ..Limits::default()
    };
    let started = std::time::Instant::now();
    let error = world
        .run_within(&format!("SELECT sum(a.id * l.id) FROM {cross}"), &slow)
        .await
        .map(|_| ());
    assert!(matches!(error, Err(QueryError::Time(_))), "{error:?}");
    assert!(started.elapsed() < Duration::from_secs(10));

    let small = Limits {
        memory: 1024 * 1024,
        rows: usize::MAX,
        ..Limits::default()
    };
    for sql in [
        format!("SELECT DISTINCT a.id, b.id, c.id, d.id, e.id, f.id, g.id, h.id FROM {cross}"),
        "SELECT repeat(r.region, 100000) FROM ventas_raw.transacciones r, ventas_raw.transacciones b".into(),
        // A sort could go on on a disk, if there were a place for it.
        "SELECT max(n) FROM (SELECT row_number() OVER (ORDER BY repeat(a.region, 9) || b.id || c.id || d.id || e.id) AS n \
         FROM ventas_raw.transacciones a, ventas_raw.transacciones b, ventas_raw.transacciones c, \
         ventas_raw.transacciones d, ventas_raw.transacciones e)"
            .into(),
    ] {
        let error = world.run_within(&sql, &small).await.map(|_| ());
        assert!(matches!(error, Err(QueryError::Memory(_))), "{error:?}");
    }
}

/// One call of a function can make far more than it is given, which the engine's pool does not count.
#[tokio::test(flavor = "multi_thread")]
async fn no_function_makes_more_than_the_query_may_hold() {
    let world = World::new().await;
    for value in [
        "array_length(array_repeat(1, 2000000000))",
        "array_length(array_repeat(array_repeat(region, 100000), 100000))",
        "array_length(array_resize([1], 2000000000, 7))",
        "length(repeat('x', 2000000000))",
        "length(repeat(region, id * 1000000000))",
        "length(lpad(region, 2000000000, 'x'))",
        "length(rpad('x', 2000000000))",
        "length(replace(repeat('x', 100000), 'x', repeat('y', 100000)))",
    ] {
        let sql = format!("SELECT {value} FROM ventas.transacciones");
        let error = world.run_within(&sql, &Limits::default()).await.map(|_| ());
        assert!(matches!(error, Err(QueryError::Memory(_))), "{value}: {error:?}");
    }
    let sql = "SELECT lpad('7', 3, '0'), rpad('7', 3, '.'), repeat('ab', 2), replace('a-b', '-', '+'), \
               array_length(array_repeat(1, 3)), array_length(array_resize([1], 4)), repeat('a', NULL), repeat('a', -1)";
    let shown = world.show(Format::Csv, sql).await;
    let (_, values) = shown.split_once('\n').unwrap();
    assert_eq!(values, "007,7..,abab,a+b,3,4,,\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_query_that_is_nested_deeply_is_no_crash() {
    let world = World::new().await;
    let chain = |start: &str, unit: &str, end: &str, n: usize| format!("{start}{}{end}", unit.repeat(n));
    let list = |n: usize| (0..n).map(|v| v.to_string()).collect::<Vec<_>>().join(", ");
    let from = "FROM ventas.transacciones";
    // Near the longest that is let through, where the process lives, and far beyond, where it is refused.
    for (n, fine) in [(160, true), (20_000, false)] {
        for sql in [
            chain(&format!("SELECT id {from} WHERE "), "id = 9 OR ", "id = 1", n),
            chain("SELECT ", "1 + ", &format!("monto {from}"), n * 3),
            chain("SELECT region", " || 'x'", &format!(" {from}"), n * 3),
            chain("SELECT monto", "::int", &format!(" {from}"), n),
            chain("SELECT (monto = 1)", " IS NULL", &format!(" {from}"), n),
            chain("", "SELECT 1 UNION ALL ", "SELECT 1", n / 4),
            format!("SELECT id {from} WHERE id IN ({})", list(n * 6)),
            format!(
                "SELECT id {from} WHERE region NOT IN ('{}')",
                list(n * 6).replace(", ", "', '")
            ),
            format!(
                "SELECT id {from} WHERE fecha IN ('{}')",
                vec!["2026-11-21"; n * 6].join("', '")
            ),
            format!(
                "SELECT 1 {from} a, {}",
                (0..n / 16)
                    .map(|t| format!("ventas.transacciones t{t}"))
                    .collect::<Vec<_>>()
                    .join(", ")
            ),
        ] {
            let end = world.run(&sql).await.map(|_| ());
            let start: String = sql.chars().take(60).collect();
            assert_eq!(end.is_ok(), fine, "{n} {start} {end:?}");
        }
        assert!(
            world
                .run(&chain(&chain("SELECT ", "(", "1", n), ")", "", n))
                .await
                .is_err()
        );
        assert!(world.run(&chain("SELECT ", "- ", "1", n)).await.is_err());
    }
    assert!(world.run(&" ".repeat(300_000)).await.is_err());
}
