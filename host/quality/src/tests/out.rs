//! What comes out: results, history; and what does not.

use std::collections::BTreeMap;

use arrow_array::Array;
use insta::assert_snapshot;
use malla_contract::Product;

use super::{OF_SALES, SALES, product, sales};
use crate::{Checks, SqlNumber, history};

#[test]
fn results_in_the_form_of_great_expectations() {
    let checks = Checks::new(&product(SALES, OF_SALES)).unwrap();
    let mut totals = checks.totals();
    totals.add(&checks.run(&sales()).unwrap()).unwrap();
    totals.give(
        "monto_sql",
        SqlNumber::Decimal {
            unscaled: 0,
            scale: 2,
        },
    );
    let validation = totals.validation(0);
    let statistics = serde_json::to_string(&validation.statistics).unwrap();
    let results = validation
        .results
        .iter()
        .map(|result| serde_json::to_string(result).unwrap());
    let lines: Vec<String> = std::iter::once(statistics).chain(results).collect();
    assert_snapshot!(lines.join("\n"), @r##"
{"evaluated_expectations":11,"successful_expectations":6,"unsuccessful_expectations":5,"success_percent":54.54545454545455}
{"success":true,"expectation_config":{"type":"expect_table_row_count_to_be_between","kwargs":{"mustBeGreaterThan":2},"meta":{"name":"row_count","severity":"error"}},"result":{"element_count":3,"missing_count":0,"unexpected_count":0,"unexpected_percent":null}}
{"success":true,"expectation_config":{"type":"expect_compound_columns_to_be_unique","kwargs":{"column_list":["id","email"]},"meta":{"name":"par","severity":"error"}},"result":{"element_count":3,"missing_count":0,"unexpected_count":0,"unexpected_percent":0.0}}
{"success":true,"expectation_config":{"type":"malla_freshness","kwargs":{"column":"cuando","within_seconds":300},"meta":{"dimension":"timeliness","name":"cuando_fresh","severity":"warning"}},"result":{"element_count":3,"missing_count":0,"unexpected_count":0,"unexpected_percent":null}}
{"success":true,"expectation_config":{"type":"expect_column_values_to_be_unique","kwargs":{"column":"id"},"meta":{"name":"id_unique","severity":"error"}},"result":{"element_count":3,"missing_count":0,"unexpected_count":0,"unexpected_percent":0.0,"partial_unexpected_list":[]}}
{"success":false,"expectation_config":{"type":"expect_column_values_to_not_be_null","kwargs":{"column":"id"},"meta":{"name":"id_not_null","severity":"error"}},"result":{"element_count":5,"missing_count":0,"unexpected_count":1,"unexpected_percent":20.0,"partial_unexpected_list":[null]}}
{"success":false,"expectation_config":{"type":"expect_column_values_to_be_in_set","kwargs":{"column":"canal","mustBeLessThan":30,"unit":"percent","value_set":["web","app"]},"meta":{"name":"canal_valid","severity":"warning"}},"result":{"element_count":3,"missing_count":0,"unexpected_count":1,"unexpected_percent":33.333333333333336,"partial_unexpected_list":["fax"]}}
{"success":false,"expectation_config":{"type":"expect_column_values_to_match_regex","kwargs":{"column":"email","regex":"^[^@]+@[^@]+$"},"meta":{"name":"email_form","severity":"error"}},"result":{"element_count":5,"missing_count":1,"unexpected_count":1,"unexpected_percent":25.0}}
{"success":false,"expectation_config":{"type":"expect_column_values_to_be_unique","kwargs":{"column":"email"},"meta":{"name":"email_once","severity":"warning"}},"result":{"element_count":3,"missing_count":0,"unexpected_count":2,"unexpected_percent":66.66666666666667}}
{"success":false,"expectation_config":{"type":"malla_column_values_not_missing","kwargs":{"column":"cliente","missing_values":["nadie"]},"meta":{"name":"cliente_not_missing","severity":"warning"}},"result":{"element_count":5,"missing_count":3,"unexpected_count":1,"unexpected_percent":50.0}}
{"success":true,"expectation_config":{"type":"expect_column_values_to_be_between","kwargs":{"column":"monto","max_value":"100.00","min_value":"0.01","mostly":0.5,"strict_max":false,"strict_min":false},"meta":{"name":"monto_between","severity":"error"}},"result":{"element_count":3,"missing_count":0,"unexpected_count":1,"unexpected_percent":33.333333333333336,"partial_unexpected_list":["10000.00"]}}
{"success":true,"expectation_config":{"type":"malla_sql","kwargs":{"mustBe":0,"query":"SELECT COUNT(*) FROM {object} WHERE {property} <= 0"},"meta":{"name":"monto_sql","severity":"error"}},"result":{"element_count":0,"missing_count":0,"unexpected_count":0,"unexpected_percent":null}}
"##);
    let whole = serde_json::to_value(&validation).unwrap();
    let fields: Vec<&String> = whole.as_object().unwrap().keys().collect();
    assert_eq!(fields, ["results", "statistics", "success"]);
}

/// Values of columns that need a mask, or say whom a row is about, are in nothing that comes out.
#[test]
fn no_personal_value_comes_out() {
    let checks = Checks::new(&product(SALES, OF_SALES)).unwrap();
    let report = checks.run(&sales()).unwrap();
    let mut totals = checks.totals();
    totals.add(&report).unwrap();
    let verdicts = totals.verdicts(0);
    let of = of();
    let out = [
        format!("{report:?}"),
        format!("{totals:?} {checks:?}"),
        format!("{verdicts:?}"),
        serde_json::to_string(&totals.validation(0)).unwrap(),
        format!(
            "{:?}",
            history::batch(&of, &run(&BTreeMap::new()), &verdicts).unwrap()
        ),
    ];
    for secret in ["@e.com", "SECRETO", "CLIENTE7"] {
        assert!(
            !out.iter().any(|text| text.contains(secret)),
            "{secret} in {out:?}"
        );
    }
    for name in ["email_form", "email_once", "par", "cliente_not_missing"] {
        let outcome = report.outcome(name).unwrap();
        assert!(outcome.partial_unexpected_list().is_none(), "{name}");
    }
    let none = checks.with_samples(0).run(&sales()).unwrap();
    let shown = none
        .outcomes()
        .filter_map(|(_, outcome)| outcome.partial_unexpected_list());
    assert!(shown.map(<[_]>::len).all(|length| length == 0));
}

fn of() -> Product {
    Product {
        retention: None,
        name: "t".to_owned(),
        table: product(SALES, OF_SALES),
    }
}

fn run(reasons: &BTreeMap<String, String>) -> history::Run<'_> {
    history::Run {
        time: 1,
        table_version: Some(7),
        counted_after: BTreeMap::from([("id_not_null", Some(3))]),
        contract_version: "1.0.0",
        plugin: "d",
        reasons,
    }
}

#[test]
fn history_has_a_row_for_each_check() {
    let checks = Checks::new(&product(SALES, OF_SALES)).unwrap();
    let mut totals = checks.totals();
    totals.add(&checks.run(&sales()).unwrap()).unwrap();
    let of = of();
    let reasons = BTreeMap::from([("monto_sql".to_owned(), "nobody asked".to_owned())]);
    let batch = history::batch(&of, &run(&reasons), &totals.verdicts(0)).unwrap();
    assert_eq!(batch.schema(), history::schema(&of));
    assert_eq!(batch.num_rows(), checks.iter().count());
    let success = batch.column_by_name("success").unwrap();
    // The query, whose number nobody gave.
    assert_eq!(success.null_count(), 1);
    assert_eq!(
        batch.column_by_name("message").unwrap().null_count(),
        batch.num_rows() - 1
    );
    let empty = history::batch(&of, &run(&reasons), &[]).unwrap();
    assert_eq!(empty.num_rows(), 0);
}
