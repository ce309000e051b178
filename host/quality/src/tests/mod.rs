use std::collections::BTreeSet;
use std::sync::Arc;

use arrow_array::{
    ArrayRef, Decimal128Array, Float64Array, RecordBatch, StringArray, TimestampMicrosecondArray,
};
use insta::assert_snapshot;
use malla_contract::{Classification, Column, ColumnType, Contract, Table};

use crate::{Checks, RunError, SqlNumber, Status};

mod out;
mod sql;
mod totals;

pub(crate) fn column(name: &str, ty: ColumnType) -> Column {
    Column {
        name: name.to_owned(),
        ty,
        required: false,
        unique: false,
        primary_key: false,
        partition: None,
        classification: Classification::Internal,
        tags: BTreeSet::new(),
        holds: BTreeSet::new(),
        description: None,
        quality: Vec::new(),
    }
}

pub(crate) fn table(columns: Vec<Column>) -> Table {
    Table {
        name: "t".to_owned(),
        description: None,
        columns,
        quality: Vec::new(),
    }
}

/// A product of these properties, with these checks below it.
pub(super) fn product(properties: &str, quality: &str) -> Table {
    let indent = |text: &str| -> String {
        text.trim_matches('\n')
            .lines()
            .map(|line| format!("      {line}\n"))
            .collect()
    };
    let quality = if quality.is_empty() {
        String::new()
    } else {
        format!("    quality:\n{}", indent(quality))
    };
    let text = format!(
        r#"apiVersion: v3.1.0
kind: DataContract
id: p
version: 1.0.0
status: draft
domain: d
slaProperties:
  - {{ property: latency, value: 5, unit: m, element: t.cuando }}
schema:
  - name: t
{quality}    properties:
      - {{ name: cuando, logicalType: timestamp }}
{}  - name: e
    properties: [{{ name: a, logicalType: string }}]
customProperties:
  - property: mallaSources
    value: [{{ name: e, schema: e }}]
  - property: mallaSteps
    value: [{{ name: s, source: e, product: t, reads: [a] }}]
"#,
        indent(properties)
    );
    let contract = Contract::parse(&text).unwrap_or_else(|errors| panic!("{errors}"));
    contract.products[0].table.clone()
}

pub(super) const SALES: &str = r#"
- name: id
  logicalType: string
  quality: [{ metric: duplicateValues, mustBe: 0 }, { metric: nullValues, mustBe: 0 }]
- name: canal
  logicalType: string
  quality:
    - { metric: invalidValues, arguments: { validValues: [web, app] }, mustBeLessThan: 30, unit: percent, severity: warning }
- name: email
  logicalType: string
  classification: restricted
  tags: ["pii:email"]
  quality:
    - { name: email_form, metric: invalidValues, arguments: { pattern: "^[^@]+@[^@]+$" }, mustBe: 0 }
    - { name: email_once, metric: duplicateValues, mustBe: 0, severity: warning }
- name: cliente
  logicalType: string
  tags: [subject]
  quality: [{ metric: missingValues, arguments: { missingValues: [nadie] }, mustBe: 0, severity: warning }]
- name: monto
  physicalType: decimal(18,2)
  quality:
    - type: custom
      engine: greatExpectations
      implementation: { type: expect_column_values_to_be_between, kwargs: { min_value: 0.01, max_value: 100, mostly: 0.5 } }
    - { type: sql, query: "SELECT COUNT(*) FROM {object} WHERE {property} <= 0", mustBe: 0 }
"#;
pub(super) const OF_SALES: &str = r"
- { metric: rowCount, mustBeGreaterThan: 2 }
- { metric: duplicateValues, arguments: { properties: [id, email] }, mustBe: 0, name: par }
";

pub(super) fn sales() -> RecordBatch {
    let text = |values: [Option<&str>; 5]| -> ArrayRef { Arc::new(StringArray::from(values.to_vec())) };
    let amounts = Decimal128Array::from(vec![1, 1_000_000, -5, 10_000, 2]);
    let columns: [(&str, ArrayRef); 6] = [
        ("id", text([Some("1"), Some("2"), Some("2"), None, Some("5")])),
        (
            "canal",
            text([Some("web"), Some("fax"), None, Some("fax"), Some("app")]),
        ),
        (
            "email",
            text([
                Some("ana@e.com"),
                Some("bob@e.com"),
                Some("SECRETO"),
                None,
                Some("ana@e.com"),
            ]),
        ),
        (
            "cliente",
            text([Some("nadie"), Some("CLIENTE7"), None, None, None]),
        ),
        (
            "monto",
            Arc::new(amounts.with_precision_and_scale(18, 2).unwrap()),
        ),
        (
            "cuando",
            Arc::new(
                TimestampMicrosecondArray::from(vec![
                    Some(1_000_000),
                    None,
                    Some(9_000_000),
                    Some(2),
                    Some(3),
                ])
                .with_timezone("UTC"),
            ),
        ),
    ];
    RecordBatch::try_from_iter_with_nullable(columns.map(|(name, array)| (name, array, true))).unwrap()
}

#[test]
fn a_batch_of_sales() {
    let checks = Checks::new(&product(SALES, OF_SALES)).unwrap();
    let report = checks.run(&sales()).unwrap();
    let rejections: Vec<String> = report
        .rejections()
        .map(|(row, check)| format!("row {row}: {}", check.name))
        .collect();
    assert_eq!(rejections, ["row 2: email_form", "row 3: id_not_null"]);
    let mut totals = checks.totals();
    totals.add(&report).unwrap();
    assert!(totals.give("monto_sql", SqlNumber::Integer(1)));
    let verdicts: Vec<String> = totals
        .verdicts(310_000_000)
        .iter()
        .map(|verdict| {
            format!(
                "{}: {:?}, {} rows, {} passed over, {} unexpected, {:?}{}",
                verdict.check.name,
                verdict.status,
                verdict.element_count,
                verdict.missing_count,
                verdict.unexpected_count,
                verdict
                    .partial_unexpected_list()
                    .map(|shown| serde_json::to_string(shown).unwrap()),
                if verdict.is_against_product() {
                    ", against the product"
                } else {
                    ""
                }
            )
        })
        .collect();
    assert_snapshot!(verdicts.join("\n"), @r##"
row_count: Success, 3 rows, 0 passed over, 0 unexpected, None
par: Success, 3 rows, 0 passed over, 0 unexpected, None
cuando_fresh: Failure, 3 rows, 0 passed over, 1 unexpected, None
id_unique: Success, 3 rows, 0 passed over, 0 unexpected, Some("[]")
id_not_null: Failure, 5 rows, 0 passed over, 1 unexpected, Some("[null]")
canal_valid: Failure, 3 rows, 0 passed over, 1 unexpected, Some("[\"fax\"]")
email_form: Failure, 5 rows, 1 passed over, 1 unexpected, None
email_once: Failure, 3 rows, 0 passed over, 2 unexpected, None
cliente_not_missing: Failure, 5 rows, 3 passed over, 1 unexpected, None
monto_between: Success, 3 rows, 0 passed over, 1 unexpected, Some("[\"10000.00\"]")
monto_sql: Failure, 0 rows, 0 passed over, 0 unexpected, None, against the product
"##);
}

#[test]
fn a_batch_that_does_not_fit_is_not_judged() {
    let checks = Checks::new(&product(SALES, "")).unwrap();
    let batch = sales();
    let without = batch.project(&[0, 1, 2, 3, 5]).unwrap();
    assert_snapshot!(checks.run(&without).unwrap_err(), @r##"
the batch has no column `monto`, which check `monto_between` looks at: give it all columns of its contract
"##);
    let mut columns = batch.columns().to_vec();
    let amounts = Decimal128Array::from(vec![1; 5])
        .with_precision_and_scale(18, 3)
        .unwrap();
    columns[4] = Arc::new(amounts);
    let names = batch.schema();
    let named = names
        .fields()
        .iter()
        .map(|field| field.name().as_str())
        .zip(columns);
    let other = RecordBatch::try_from_iter(named).unwrap();
    let error = checks.run(&other).unwrap_err();
    assert!(matches!(&error, RunError::Type { column, .. } if column == "monto"));
    assert_snapshot!(error, @r##"
column `monto` of the batch is `Decimal128(18, 3)`, its contract says `decimal(18,2)`: cast it first
"##);
}

#[test]
fn an_empty_batch() {
    let checks = Checks::new(&product(SALES, OF_SALES)).unwrap();
    let report = checks.run(&sales().slice(2, 0)).unwrap();
    assert_eq!(
        (report.rows(), report.rejected(), report.rejections().count()),
        (0, None, 0)
    );
    let mut totals = checks.totals();
    totals.add(&report).unwrap();
    let failed: Vec<&str> = totals
        .verdicts(0)
        .iter()
        .filter(|verdict| verdict.status != Status::Success)
        .map(|verdict| verdict.check.name.as_str())
        .collect();
    assert_eq!(failed, ["row_count", "cuando_fresh", "monto_sql"]);
    assert!(
        totals
            .verdicts(0)
            .iter()
            .all(|verdict| verdict.unexpected_percent().is_none())
    );
}

#[test]
fn a_pattern_that_needs_too_much_is_refused() {
    let quality = "- { name: a, logicalType: string, quality: [{ metric: invalidValues, arguments: { pattern: '((\\w{100}){100}){100}' }, mustBe: 0 }] }";
    assert_snapshot!(Checks::new(&product(quality, "")).unwrap_err(), @r##"
contract, line 13: check `a_valid`: the pattern needs too much memory: repeat less in it
"##);
}

#[test]
fn a_pattern_of_unknown_classes_is_refused() {
    let quality = "- { name: a, logicalType: string, quality: [{ metric: invalidValues, arguments: { pattern: '\\p{Nada}' }, mustBe: 0 }] }";
    assert_snapshot!(Checks::new(&product(quality, "")).unwrap_err(), @r##"
contract, line 13: check `a_valid`: the pattern is not understood: use the syntax of https://docs.rs/regex
"##);
}

/// Of a table that no contract vouches for.
#[test]
fn checks_that_do_not_fit_their_columns_are_refused() {
    let mut odd = product(
        "- { name: n, logicalType: integer, quality: [{ metric: nullValues, mustBe: 0 }, { metric: invalidValues, mustBe: 0, arguments: { validValues: [1] } }] }",
        "",
    );
    odd.columns[1].ty = ColumnType::Utf8;
    assert_snapshot!(Checks::new(&odd).unwrap_err(), @r##"
contract, line 13: check `n_valid`: a value that is not of the column's type: write one that is
"##);
    odd.columns[1].name = "m".to_owned();
    assert_snapshot!(Checks::new(&odd).unwrap_err(), @r##"
contract, line 13: check `n_not_null`: there is no column `n`: name one that is there
"##);
}

#[test]
fn nan_is_no_null_and_in_no_range() {
    let quality = r#"
- name: n
  logicalType: number
  quality:
    - { metric: nullValues, mustBe: 0 }
    - { metric: invalidValues, arguments: { validValues: [0.0] }, mustBe: 0 }
    - type: custom
      engine: greatExpectations
      implementation: { type: expect_column_values_to_be_between, kwargs: { min_value: 0 } }
"#;
    let checks = Checks::new(&product(quality, "")).unwrap();
    let values: ArrayRef = Arc::new(Float64Array::from(vec![
        Some(f64::NAN),
        Some(-0.0),
        None,
        Some(f64::INFINITY),
    ]));
    let nothing: ArrayRef = Arc::new(TimestampMicrosecondArray::from(vec![None; 4]));
    let batch = RecordBatch::try_from_iter([("n", values), ("cuando", nothing)]).unwrap();
    let report = checks.run(&batch).unwrap();
    let failing = |name: &str| -> Vec<usize> {
        let failing = report.outcome(name).unwrap().failing.as_ref().unwrap();
        failing.set_indices().collect()
    };
    assert_eq!(failing("n_not_null"), [2]);
    assert_eq!(failing("n_valid"), [0, 3]);
    assert_eq!(failing("n_between"), [0]);
}

/// What the docs tell people to write can be written.
#[test]
fn the_examples_of_the_docs() {
    let docs = include_str!("../../../../docs/quality.md");
    let example = |heading: &str| {
        let (_, after) = docs.split_once(heading).unwrap();
        let (_, after) = after.split_once("```yaml\n").unwrap();
        after.split_once("```").unwrap().0
    };
    let (of_column, of_table) = example("## Metrics")
        .split_once("# below the schema object\n")
        .unwrap();
    let checks = format!("{}{}", of_column, example("## Queries")).replace('\n', "\n    ");
    let properties = format!(
        "- name: c\n  logicalType: string\n  quality:\n    {}\n- {{ name: tienda_id, logicalType: string }}\n- {{ name: pedido_id, logicalType: string }}\n- name: monto\n  physicalType: decimal(18,2)\n  quality:\n    {}",
        checks.trim_end(),
        example("## Expectations").replace('\n', "\n    ").trim_end()
    );
    let checks = Checks::new(&product(&properties, of_table)).unwrap();
    let kinds: Vec<String> = checks.iter().map(|check| check.kind.to_string()).collect();
    assert_eq!(
        kinds,
        [
            "unique",
            "row_count",
            "fresh",
            "not_null",
            "not_missing",
            "valid",
            "valid",
            "unique",
            "sql",
            "between"
        ]
    );
}
