//! Checks over a batch of 65,536 rows and 8 columns: six together, and each kind alone. Rows a second.

use std::sync::Arc;

use arrow_array::{
    ArrayRef, Decimal128Array, Int32Array, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray,
};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use malla_contract::{Contract, Table};
use malla_quality::Checks;

const ROWS: usize = 65_536;

/// The name of each check, and what it is.
const CHECKS: [(&str, &str); 8] = [
    (
        "not_null",
        "type: expect_column_values_to_not_be_null, kwargs: { column: canal }",
    ),
    (
        "in_set",
        "type: expect_column_values_to_be_in_set, kwargs: { column: moneda, value_set: [USD, EUR, MXN, COP, BRL, CLP, ARS, PEN] }",
    ),
    (
        "between",
        "type: expect_column_values_to_be_between, kwargs: { column: monto, min_value: 0.01, max_value: 100000 }",
    ),
    (
        "pair",
        "type: expect_column_pair_values_a_to_be_greater_than_b, kwargs: { column_A: fin, column_B: inicio }",
    ),
    (
        "mostly",
        "type: expect_column_values_to_be_between, kwargs: { column: cantidad, min_value: 1, max_value: 50, mostly: 0.9 }",
    ),
    (
        "regex",
        "type: expect_column_values_to_match_regex, kwargs: { column: id, regex: '^tx-[0-9]{8}$' }",
    ),
    (
        "unique_text",
        "type: expect_column_values_to_be_unique, kwargs: { column: id }",
    ),
    (
        "unique_integer",
        "type: expect_column_values_to_be_unique, kwargs: { column: numero }",
    ),
];

#[expect(
    clippy::expect_used,
    reason = "a bench that cannot start has nothing to measure"
)]
fn table(checks: &[(&str, &str)]) -> Table {
    let quality: String = checks
        .iter()
        .map(|(name, check)| {
            format!("      - {{ name: {name}, type: custom, engine: greatExpectations, implementation: {{ {check} }} }}\n")
        })
        .collect();
    let text = format!(
        r#"apiVersion: v3.1.0
kind: DataContract
id: p
version: 1.0.0
status: draft
domain: d
schema:
  - name: t
    quality:
{quality}    properties:
      - {{ name: id, logicalType: string }}
      - {{ name: numero, logicalType: integer }}
      - {{ name: moneda, logicalType: string }}
      - {{ name: canal, logicalType: string }}
      - {{ name: monto, physicalType: "decimal(18,2)" }}
      - {{ name: cantidad, physicalType: int }}
      - {{ name: inicio, logicalType: timestamp }}
      - {{ name: fin, logicalType: timestamp }}
  - name: e
    properties: [{{ name: a, logicalType: string }}]
customProperties:
  - property: mallaSources
    value: [{{ name: e, schema: e }}]
  - property: mallaSteps
    value: [{{ name: s, source: e, product: t, reads: [a] }}]
"#
    );
    let contract = Contract::parse(&text).expect("a contract");
    contract.products.into_iter().next().expect("a product").table
}

/// One row of a hundred breaks each rule, and one of twenty is null.
#[expect(
    clippy::expect_used,
    reason = "a bench that cannot start has nothing to measure"
)]
fn batch() -> RecordBatch {
    let mut state: u64 = 1;
    let mut random = move |below: i64| -> i64 {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        i64::try_from(state >> 33).unwrap_or(0) % below
    };
    let currencies = ["USD", "EUR", "MXN", "COP", "BRL", "CLP", "ARS", "PEN"];
    let mut currency = {
        let mut random = random;
        move || match random(100) {
            0 => Some("XXX"),
            n if n % 20 == 1 => None,
            n => currencies.get(usize::try_from(n).unwrap_or(0) % 8).copied(),
        }
    };
    let rows = || 0..i64::try_from(ROWS).unwrap_or(0);
    let starts: Vec<i64> = rows().map(|_| random(1_000_000_000)).collect();
    let ends: Vec<i64> = starts.iter().map(|start| start - 10 + random(1000)).collect();
    let amounts: Decimal128Array = rows()
        .map(|_| Some(i128::from(random(10_000_000)) - 100_000))
        .collect();
    let columns: [(&str, ArrayRef); 8] = [
        (
            "id",
            Arc::new(StringArray::from_iter_values(
                rows().map(|n| format!("tx-{n:08}")),
            )),
        ),
        (
            "numero",
            Arc::new(Int64Array::from_iter_values(rows().map(|n| n * 7))),
        ),
        (
            "moneda",
            Arc::new(rows().map(|_| currency()).collect::<StringArray>()),
        ),
        (
            "canal",
            Arc::new(
                rows()
                    .map(|n| (n % 20 != 0).then_some("web"))
                    .collect::<StringArray>(),
            ),
        ),
        (
            "monto",
            Arc::new(amounts.with_precision_and_scale(18, 2).expect("a decimal")),
        ),
        (
            "cantidad",
            Arc::new(Int32Array::from_iter_values(
                rows().map(|n| i32::try_from(n % 52).unwrap_or(0)),
            )),
        ),
        (
            "inicio",
            Arc::new(TimestampMicrosecondArray::from(starts).with_timezone("UTC")),
        ),
        (
            "fin",
            Arc::new(TimestampMicrosecondArray::from(ends).with_timezone("UTC")),
        ),
    ];
    RecordBatch::try_from_iter_with_nullable(columns.map(|(name, array)| (name, array, true)))
        .expect("a batch")
}

#[expect(
    clippy::expect_used,
    reason = "a bench that cannot start has nothing to measure"
)]
fn benches(criterion: &mut Criterion) {
    let batch = batch();
    let mut group = criterion.benchmark_group("checks");
    group.throughput(Throughput::Elements(ROWS as u64));
    let six = CHECKS.first_chunk::<6>().expect("six checks");
    let mut run = |name: &str, of: &[(&str, &str)]| {
        let checks = Checks::new(&table(of)).expect("checks");
        group.bench_function(name, |bencher| bencher.iter(|| checks.run(&batch)));
    };
    run("six", six);
    for one in &CHECKS {
        run(one.0, std::slice::from_ref(one));
    }
    let unique = CHECKS.get(6..).unwrap_or_default();
    let checks = Checks::new(&table(unique)).expect("checks");
    let report = checks.run(&batch).expect("a report");
    // Into totals that know the values of one batch already.
    let mut totals = checks.totals();
    totals.add(&report).expect("the same checks");
    group.bench_function("totals_of_two_unique", |bencher| {
        bencher.iter(|| totals.add(&report))
    });
    group.finish();
}

criterion_group!(all, benches);
criterion_main!(all);
