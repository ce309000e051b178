use insta::assert_snapshot;

use crate::{Check, CheckKind, CheckSeverity, Contract, IgnoreRow, Literal, MustBe, Number, Unit};

const VENTAS: &str = include_str!("../../../../../plugins/ventas/contract.yaml");

/// A contract whose product has one column of each type, with these checks below the table and below one column.
pub(super) fn text(of_table: &str, column: &str, of_column: &str) -> String {
    let types = [
        ("texto", "string"),
        ("otro", "string"),
        ("cuenta", "int"),
        ("total", "bigint"),
        ("razon", "double"),
        ("monto", "decimal(18,2)"),
        ("costo", "decimal(10,4)"),
        ("activo", "boolean"),
        ("dia", "date"),
        ("inicio", "timestamp"),
        ("fin", "timestamp"),
    ];
    let list = |checks: &str, indent: usize| {
        if checks.is_empty() {
            return String::new();
        }
        let lines = checks.trim_matches('\n').lines();
        let indented: String = lines.map(|line| format!("{:indent$}{line}\n", "")).collect();
        format!("{:1$}quality:\n{indented}", "", indent - 2)
    };
    // What is tested comes first, so that its lines are the same in every case: from line 8.
    let mut columns: Vec<_> = types.iter().filter(|(name, _)| *name == column).collect();
    columns.extend(types.iter().filter(|(name, _)| *name != column));
    let columns: String = columns
        .iter()
        .map(|(name, ty)| {
            let checks = if *name == column {
                list(of_column, 10)
            } else {
                String::new()
            };
            format!("      - name: {name}\n{checks}        physicalType: {ty}\n")
        })
        .collect();
    "apiVersion: v3.1.0\nkind: DataContract\n".to_owned()
        + "id: p\nversion: 1.0.0\nstatus: draft\ndomain: d\nschema:\n  - name: t\n"
        + &list(of_table, 6)
        + "    properties:\n"
        + &columns
        + r#"  - name: e
    properties: [{ name: a, logicalType: string }]
customProperties:
  - property: mallaSources
    value: [{ name: e, schema: e }]
  - property: mallaSteps
    value: [{ name: s, source: e, product: t, reads: [a] }]
"#
}

pub(super) fn parsed(text: &str) -> Result<Vec<Check>, String> {
    match Contract::parse(text) {
        Ok(contract) => Ok(contract.products[0].table.checks().cloned().collect()),
        Err(errors) => Err(errors.to_string()),
    }
}

/// The checks of one column.
pub(super) fn of(column: &str, checks: &str) -> Result<Vec<Check>, String> {
    parsed(&text("", column, checks))
}

/// The checks of the table.
pub(super) fn of_table(checks: &str) -> Result<Vec<Check>, String> {
    parsed(&text(checks, "", ""))
}

fn one(checks: Result<Vec<Check>, String>) -> Check {
    match checks.unwrap_or_else(|errors| panic!("{errors}")).as_slice() {
        [check] => check.clone(),
        others => panic!("{others:?}"),
    }
}

/// What is wrong, without the places.
pub(super) fn wrong(checks: Result<Vec<Check>, String>) -> String {
    checks.map_or_else(|errors| errors, |checks| format!("valid: {checks:?}"))
}

pub(super) fn expectation(name: &str, kwargs: &str) -> String {
    format!(
        "- type: custom\n  engine: greatExpectations\n  implementation: {{ type: {name}, kwargs: {{ {kwargs} }} }}"
    )
}

fn number(text: &str) -> Number {
    Number::parse(text).unwrap()
}

#[test]
fn the_checks_of_ventas() {
    let ventas = Contract::parse(VENTAS).unwrap();
    let lines: Vec<String> = ventas.products[0]
        .table
        .checks()
        .map(|check| {
            let (operator, numbers) = check.comparison.parts();
            let level = if check.is_row_level() { "row" } else { "table" };
            let dimension = check.dimension.as_deref().unwrap_or("-");
            let numbers: Vec<String> = numbers.iter().map(ToString::to_string).collect();
            format!(
                "{}: {} {operator} {} {:?}, {}, {level}, {dimension}, line {}",
                check.name,
                check.kind,
                numbers.join(" "),
                check.unit,
                check.severity,
                check.line
            )
        })
        .collect();
    assert_snapshot!(lines.join("\n"), @r#"
sales_arrive: row_count mustBeGreaterThan 0 Rows, error, table, completeness, line 75
transaccion_id_not_null: not_null mustBe 0 Rows, error, row, completeness, line 91
transaccion_id_unique: unique mustBe 0 Rows, warning, table, uniqueness, line 96
monto_sql: sql mustBe 0 Rows, error, table, accuracy, line 109
moneda_valid: valid mustBe 0 Rows, error, row, conformity, line 121
monto_usd_sql: sql mustBe 0 Rows, error, table, accuracy, line 133
canal_valid: valid mustBeLessThan 1 Percent, warning, table, conformity, line 146
timestamp_fresh: fresh mustBe 0 Rows, warning, table, timeliness, line 29
"#);
    assert_eq!(ventas.sources[0].table.checks().count(), 0);
}

#[test]
fn metrics() {
    let column = || "texto".to_owned();
    let cases = [
        (
            "- { metric: nullValues, mustBe: 0 }",
            CheckKind::NotNull { column: column() },
        ),
        (
            "- { type: library, metric: missingValues, arguments: { missingValues: [null, '', N/A] }, mustBeLessThan: 100 }",
            CheckKind::NotMissing {
                column: column(),
                values: vec![Literal::Text(String::new()), Literal::Text("N/A".into())],
                null: true,
            },
        ),
        (
            "- { metric: invalidValues, arguments: { validValues: [a, b], pattern: '^.$' }, mustBe: 0 }",
            CheckKind::Valid {
                column: column(),
                values: Some(vec![Literal::Text("a".into()), Literal::Text("b".into())]),
                pattern: Some("^.$".into()),
            },
        ),
        (
            "- { metric: duplicateValues, mustBeLessThan: 1, unit: percent }",
            CheckKind::Unique {
                columns: vec![column()],
            },
        ),
    ];
    for (text, kind) in cases {
        assert_eq!(one(of("texto", text)).kind, kind, "{text}");
    }
    assert_eq!(
        one(of_table(
            "- { metric: duplicateValues, arguments: { properties: [texto, dia] }, mustBe: 0 }"
        ))
        .kind,
        CheckKind::Unique {
            columns: vec!["texto".into(), "dia".into()]
        }
    );
    let rows = one(of_table(
        "- { metric: rowCount, mustBeBetween: [100, 120.5], severity: info, name: filas }",
    ));
    assert_eq!(rows.comparison, MustBe::Between(number("100"), number("120.5")));
    assert_eq!(
        (rows.severity, rows.name.as_str()),
        (CheckSeverity::Warning, "filas")
    );
}

#[test]
fn values_are_of_the_type_of_their_column() {
    let set = |column: &str, values: &str| {
        let check = one(of(
            column,
            &expectation(
                "expect_column_values_to_be_in_set",
                &format!("value_set: {values}"),
            ),
        ));
        match check.kind {
            CheckKind::Valid { values, .. } => values.unwrap(),
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(
        set("cuenta", "[1, -2]"),
        [Literal::Integer(1), Literal::Integer(-2)]
    );
    assert_eq!(
        set("razon", "[1.5, 1e3]"),
        [Literal::Float(1.5), Literal::Float(1000.0)]
    );
    assert_eq!(
        set("monto", "[1.5, \"-0.01\", 2]"),
        [150, -1, 200].map(|unscaled| Literal::Decimal(unscaled, 2))
    );
    assert_eq!(set("activo", "[true]"), [Literal::Truth(true)]);
    assert_eq!(set("dia", "[\"1970-01-02\"]"), [Literal::Date(1)]);
    assert_eq!(
        set("inicio", "[\"1970-01-01T00:00:01Z\"]"),
        [Literal::Timestamp(1_000_000)]
    );
    let faults: Vec<String> = [
        ("texto", "[1]"),
        ("cuenta", "[3000000000, 1.5, a]"),
        ("total", "[0x10]"),
        ("razon", "[.inf, a]"),
        ("monto", "[1.005, 1e3, 12345678901234567890]"),
        ("activo", "[yes]"),
        ("dia", "[2026-01-01, \"2026-02-30\"]"),
        ("inicio", "[\"2026-01-01T00:00:00\", [a]]"),
        ("texto", "[]"),
        ("texto", "a"),
    ]
    .iter()
    .map(|(column, values)| {
        wrong(of(
            column,
            &expectation(
                "expect_column_values_to_be_in_set",
                &format!("value_set: {values}"),
            ),
        ))
    })
    .collect();
    assert_snapshot!(faults.join("\n"), @r##"
line 14: schema[0].properties[0].quality[0].implementation.kwargs.value_set[0]: `1` is no value of `texto`, which is of type `string`: put it in quotes to make it a text
line 14: schema[0].properties[0].quality[0].implementation.kwargs.value_set[0]: `3000000000` is no value of `cuenta`, which is of type `int`: write a whole number that fits
line 14: schema[0].properties[0].quality[0].implementation.kwargs.value_set[1]: `1.5` is no value of `cuenta`, which is of type `int`: write a whole number that fits
line 14: schema[0].properties[0].quality[0].implementation.kwargs.value_set[2]: `a` is no value of `cuenta`, which is of type `int`: write a whole number that fits
line 14: schema[0].properties[0].quality[0].implementation.kwargs.value_set[0]: `0x10` is no value of `total`, which is of type `bigint`: write a whole number that fits
line 14: schema[0].properties[0].quality[0].implementation.kwargs.value_set[0]: `.inf` is no value of `razon`, which is of type `double`: write a number
line 14: schema[0].properties[0].quality[0].implementation.kwargs.value_set[1]: `a` is no value of `razon`, which is of type `double`: write a number
line 14: schema[0].properties[0].quality[0].implementation.kwargs.value_set[0]: `1.005` is no value of `monto`, which is of type `decimal(18,2)`: write at most 18 digits, at most 2 of them after the point
line 14: schema[0].properties[0].quality[0].implementation.kwargs.value_set[1]: `1e3` is no value of `monto`, which is of type `decimal(18,2)`: write at most 18 digits, at most 2 of them after the point
line 14: schema[0].properties[0].quality[0].implementation.kwargs.value_set[2]: `12345678901234567890` is no value of `monto`, which is of type `decimal(18,2)`: write at most 18 digits, at most 2 of them after the point
line 14: schema[0].properties[0].quality[0].implementation.kwargs.value_set[0]: `yes` is no value of `activo`, which is of type `boolean`: write true or false
line 14: schema[0].properties[0].quality[0].implementation.kwargs.value_set[0]: `2026-01-01` is no value of `dia`, which is of type `date`: write it in quotes, such as "2026-12-31"
line 14: schema[0].properties[0].quality[0].implementation.kwargs.value_set[1]: `2026-02-30` is no value of `dia`, which is of type `date`: write it in quotes, such as "2026-12-31"
line 14: schema[0].properties[0].quality[0].implementation.kwargs.value_set[0]: `2026-01-01T00:00:00` is no value of `inicio`, which is of type `timestamp`: write it in quotes, such as "2026-12-31T23:59:59Z"
line 14: schema[0].properties[0].quality[0].implementation.kwargs.value_set[1]: a list is no value of `inicio`, which is of type `timestamp`: write it in quotes, such as "2026-12-31T23:59:59Z"
line 14: schema[0].properties[0].quality[0].implementation.kwargs.value_set: an empty list: write at least one value
line 14: schema[0].properties[0].quality[0].implementation.kwargs.value_set: is no list: write a list, such as `[a, b]`
"##);
}

#[test]
fn expectations() {
    let with = |column: &str, name: &str, kwargs: &str| one(of(column, &expectation(name, kwargs)));
    let unique = with("texto", "expect_column_values_to_be_unique", "mostly: 0.995");
    assert_eq!(
        unique.kind,
        CheckKind::Unique {
            columns: vec!["texto".into()]
        }
    );
    assert_eq!(
        (unique.comparison, unique.unit),
        (MustBe::LessOrEqual(number("0.5")), Unit::Percent)
    );
    assert_eq!(unique.name, "texto_unique");
    let between = with(
        "monto",
        "expect_column_values_to_be_between",
        "min_value: 0, strict_min: true, max_value: 9.99",
    );
    assert_eq!(
        between.kind,
        CheckKind::Between {
            column: "monto".into(),
            min: Some(Literal::Decimal(0, 2)),
            max: Some(Literal::Decimal(999, 2)),
            strict_min: true,
            strict_max: false,
        }
    );
    assert!(between.is_row_level());
    let null = one(of_table(&expectation(
        "expect_column_values_to_not_be_null",
        "column: texto, mostly: 1",
    )));
    assert!(!null.is_row_level());
    let pair = one(of_table(&expectation(
        "expect_column_pair_values_A_to_be_greater_than_B",
        "column_A: fin, column_B: inicio, or_equal: true, ignore_row_if: either_value_is_missing",
    )));
    assert_eq!(
        pair.kind,
        CheckKind::PairGreater {
            a: "fin".into(),
            b: "inicio".into(),
            or_equal: true,
            ignore: IgnoreRow::EitherNull,
        }
    );
    assert_eq!(
        (pair.name.as_str(), pair.is_row_level()),
        ("fin_inicio_greater", true)
    );
    // The text of the standard's own example.
    let rows = one(of_table(
        r"
- type: custom
  engine: great-expectations
  implementation: |
    type: expect_table_row_count_to_be_between # Block
    kwargs:                                    # passed as-is
      minValue: 10000                          # to the tool
      maxValue: 50000
",
    ));
    assert_eq!(rows.comparison, MustBe::Between(number("10000"), number("50000")));
}

#[test]
fn what_is_for_others_or_for_people_is_no_check() {
    let checks = of_table(
        r"
- { type: text, description: Verified by hand. }
- { type: custom, engine: soda, implementation: 'type: duplicate_percent' }
",
    );
    assert_eq!(checks, Ok(Vec::new()));
}

#[test]
fn checks_without_names_get_some() {
    let checks = of(
        "texto",
        r"
- { metric: nullValues, mustBe: 0 }
- { metric: nullValues, mustBeLessThan: 5, unit: percent }
- { metric: nullValues, mustBe: 0, name: texto_not_null_2 }
",
    )
    .unwrap();
    let names: Vec<&str> = checks.iter().map(|check| check.name.as_str()).collect();
    assert_eq!(names, ["texto_not_null", "texto_not_null_3", "texto_not_null_2"]);
}

#[test]
fn queries() {
    let query = |text: &str| format!("- {{ type: sql, query: '{text}', mustBe: 0 }}");
    let check = one(of(
        "monto",
        &query("SELECT COUNT(*) FROM {object} WHERE {property} < 0 OR x ~ ''\\d{4}''"),
    ));
    assert!(matches!(check.kind, CheckKind::Sql { column: Some(column), .. } if column == "monto"));
    let truth = one(of_table(
        "- { type: sql, query: 'SELECT bool_and(activo) FROM {object}', mustBe: true }",
    ));
    assert_eq!(truth.comparison, MustBe::Equal(number("1")));
    let faults = [
        query(" "),
        query("SELECT {property} FROM {object}"),
        query("SELECT 1 FROM ${table}"),
        query("SELECT 1 FROM \"{object}\""),
    ];
    let faults: Vec<String> = faults.iter().map(|query| wrong(of_table(query))).collect();
    assert_snapshot!(faults.join("\n"), @r##"
line 10: schema[0].quality[0].query: an empty query: write a SELECT of one number, such as `SELECT COUNT(*) FROM {object} WHERE {property} < 0`
line 10: schema[0].quality[0].query: `{property}` in a check of a table: move the check to the `quality` of that property, or write the column's name
line 10: schema[0].quality[0].query: `{table}` stands for nothing: use `{object}` for the table and `{property}` for the column
line 10: schema[0].quality[0].query: `{object}` behind a quote or `$`: write it bare: the name is quoted when it is put in
"##);
}

#[test]
fn freshness() {
    let with = |levels: &str| {
        parsed(&text("", "", "").replacen("schema:", &format!("slaProperties:\n{levels}schema:"), 1))
    };
    let check = one(with(
        r#"  - { property: latency, value: 1.5, unit: h, element: t.inicio, description: From start to row. }
  - { property: frequency, value: "2", unit: m, element: "t.inicio, t" }
  - { property: retention, value: 1, unit: y, element: t.inicio }
  - { property: latency, value: 1, unit: h, element: t }
  - { property: latency, value: 1, unit: h }
"#,
    ));
    assert_eq!(
        (check.name.as_str(), check.kind, check.severity, check.line),
        (
            "inicio_fresh",
            CheckKind::Fresh {
                column: "inicio".into(),
                within: 5400 + 120
            },
            CheckSeverity::Warning,
            8
        )
    );
    assert_snapshot!(wrong(with(
        r"  - { property: latency, value: 1, element: t.inicio }
  - { property: latency, value: 1, unit: y, element: t.inicio }
  - { property: latency, value: 0, unit: m, element: t.inicio }
  - { property: latency, value: soon, unit: m, element: t.inicio }
  - { property: latency, value: 1, unit: m, element: t.dia }
  - { property: latency, value: 1, unit: m, element: t.inicios }
  - { property: frequency, value: 1, unit: m, element: tt.inicio }
",
    )), @r##"
line 8: slaProperties[0]: a time without a unit: add `unit`, such as `m` or `h`
line 9: slaProperties[1].unit: unknown unit `y`: use `s`, `m` (minutes), `h`, `d` or `w`: months and years are no exact time
line 10: slaProperties[2].value: `0` is no length of time: write a number above 0
line 11: slaProperties[3].value: `soon` is no number to compare with: write at most 18 digits, without quotes, at most 9 of them after the point
line 13: slaProperties[5].element: no column `inicios` in `t`: did you mean `inicio`?
line 14: slaProperties[6].element: no schema object `tt`: use one of `t`, `e`
"##);
}
