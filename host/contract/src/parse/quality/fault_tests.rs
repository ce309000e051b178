//! What is said of checks that are none.

use insta::assert_snapshot;

use super::tests::{expectation, of, of_table, parsed, text, wrong};

#[test]
fn faults_of_metrics() {
    assert_snapshot!(wrong(of("cuenta", r#"
- { metric: nullValues, mustBe: "0" }
- { metric: nullValues, mustBe: 1e3, severity: eror }
- { metric: nullValues, mustBeBetween: [5, 1], unit: per cent }
- { metric: missingValues, mustBe: 0 }
- { metric: missingValues, mustBe: 0, arguments: { missingvalue: [null] } }
- { metric: invalidValues, mustBe: 0, arguments: {} }
- { metric: invalidValues, mustBe: 0, arguments: { pattern: '^a$' } }
- { metric: duplicateValues, mustBe: 0, arguments: { properties: [texto] } }
- { metric: rowCount, mustBeGreaterThan: 0 }
- { mustBe: 0, name: " " }
- { description: nothing }
"#)), @r##"
line 12: schema[0].properties[0].quality[0].mustBe: `0` is no number to compare with: write at most 18 digits, without quotes, at most 9 of them after the point
line 13: schema[0].properties[0].quality[1].mustBe: `1e3` is no number to compare with: write at most 18 digits, without quotes, at most 9 of them after the point
line 13: schema[0].properties[0].quality[1].severity: unknown severity `eror`: did you mean `error`?
line 14: schema[0].properties[0].quality[2].mustBeBetween: from 5 to 1 is no range: write the lowest first, then the highest; for one number use `mustBe`
line 14: schema[0].properties[0].quality[2].unit: unknown unit `per cent`: did you mean `percent`?
line 15: schema[0].properties[0].quality[3]: `missingValues` needs `missingValues`: add it to `arguments`
line 16: schema[0].properties[0].quality[4].arguments: `missingValues` needs `missingValues`: add it to `arguments`
line 16: schema[0].properties[0].quality[4].arguments.missingvalue: `missingValues` has no argument `missingvalue`: did you mean `missingValues`?
line 17: schema[0].properties[0].quality[5].arguments: `invalidValues` needs `validValues` or `pattern`: add one to `arguments`
line 18: schema[0].properties[0].quality[6].arguments.pattern: a pattern for `cuenta`, which is of type `int`: patterns are for text: use `expect_column_values_to_be_between`, or list values
line 19: schema[0].properties[0].quality[7].arguments.properties: `duplicateValues` has no argument `properties`: remove it
line 20: schema[0].properties[0].quality[8].metric: `rowCount` is about a table: move it to the `quality` of the schema object
line 21: schema[0].properties[0].quality[9]: a check that checks nothing: add `metric`, or `type: text` if it is for people only
line 21: schema[0].properties[0].quality[9].mustBe: unknown field in a quality check: remove it, or keep it under `customProperties`
line 21: schema[0].properties[0].quality[9].name: an empty name: give it a name, or remove the field
line 22: schema[0].properties[0].quality[10]: a check that checks nothing: add `metric`, or `type: text` if it is for people only
"##);
    assert_snapshot!(wrong(of_table(r"
- { metric: nullValues, mustBe: 0 }
- { metric: duplicateValues, mustBe: 0 }
- { metric: duplicateValues, mustBe: 0, arguments: { properties: [texto, textos, texto] } }
- { metric: rowCount, mustBeGreaterThan: 0, unit: percent }
- { metric: rowCount, mustBeGreaterThan: 0, name: a }
- { metric: rowCount, mustBeGreaterThan: 0, name: a }
")), @r##"
line 10: schema[0].quality[0].metric: `nullValues` is about a column: move it to the `quality` of a property
line 11: schema[0].quality[1].metric: `duplicateValues` of a table needs `properties`: add the columns to `arguments`, or move the check to the `quality` of a property
line 12: schema[0].quality[2].arguments.properties[1]: no column `textos` in `t`: did you mean `texto`?
line 12: schema[0].quality[2].arguments.properties[2]: `texto` is there twice: keep one of the two
line 13: schema[0].quality[3].unit: `rowCount` in percent: remove `unit`: it counts rows
line 15: schema[0].quality[5].name: the name `a` is there twice: rename one of the two: quarantine and reports go by it
"##);
}

#[test]
fn faults_of_expectations() {
    let cases = [
        ("cuenta", "expect_column_values_to_be_nul", ""),
        ("cuenta", "expect_column_values_to_match_regex", "regex: a"),
        ("texto", "expect_column_values_to_match_regex", ""),
        ("texto", "expect_column_values_to_be_between", "min_value: a"),
        ("cuenta", "expect_column_values_to_be_between", ""),
        (
            "cuenta",
            "expect_column_values_to_be_between",
            "min_value: 5, max_value: 4",
        ),
        (
            "cuenta",
            "expect_column_values_to_be_between",
            "min_value: 5, max_value: 5, strict_min: true",
        ),
        ("cuenta", "expect_column_values_to_be_between", "min: 5"),
        ("cuenta", "expect_column_values_to_not_be_null", "mostly: 95"),
        ("cuenta", "expect_column_values_to_not_be_null", "column: total"),
        ("cuenta", "expect_table_row_count_to_be_between", "min_value: 1"),
        ("", "expect_column_values_to_not_be_null", ""),
        ("", "expect_column_values_to_not_be_null", "column: cuentas"),
        (
            "",
            "expect_column_pair_values_a_to_be_greater_than_b",
            "column_A: monto, column_B: razon",
        ),
        (
            "",
            "expect_column_pair_values_a_to_be_greater_than_b",
            "column_A: dia",
        ),
        (
            "",
            "expect_column_pair_values_a_to_be_greater_than_b",
            "column_A: dia, column_B: dia, ignore_row_if: both",
        ),
        (
            "",
            "expect_table_row_count_to_be_between",
            "min_value: 5, max_value: 4",
        ),
        ("", "expect_table_row_count_to_be_between", "min_value: -1"),
    ];
    let faults: Vec<String> = cases
        .iter()
        .map(|(column, name, kwargs)| {
            let check = expectation(name, kwargs);
            wrong(if column.is_empty() {
                of_table(&check)
            } else {
                of(column, &check)
            })
        })
        .collect();
    assert_snapshot!(faults.join("\n"), @r##"
line 14: schema[0].properties[0].quality[0].implementation.type: unknown expectation `expect_column_values_to_be_nul`: use one of `expect_column_values_to_not_be_null`, `expect_column_values_to_be_unique`, `expect_column_values_to_be_in_set`, `expect_column_values_to_be_between`, `expect_column_values_to_match_regex`, `expect_column_pair_values_a_to_be_greater_than_b`, `expect_table_row_count_to_be_between`
line 14: schema[0].properties[0].quality[0].implementation.kwargs.regex: a pattern for `cuenta`, which is of type `int`: patterns are for text: use `expect_column_values_to_be_between`, or list values
line 14: schema[0].properties[0].quality[0].implementation.kwargs: `expect_column_values_to_match_regex` needs `regex`: add it to `kwargs`
line 14: schema[0].properties[0].quality[0].implementation: a range of `texto`, which is of type `string`: ranges are for numbers and times: use `expect_column_values_to_match_regex` or `expect_column_values_to_be_in_set`
line 14: schema[0].properties[0].quality[0].implementation.kwargs: `expect_column_values_to_be_between` needs `min_value` or `max_value`: add one to `kwargs`
line 14: schema[0].properties[0].quality[0].implementation.kwargs.min_value: no value lies between `min_value` and `max_value`: exchange the two, or let the greater one be greater
line 14: schema[0].properties[0].quality[0].implementation.kwargs.min_value: no value lies between `min_value` and `max_value`: exchange the two, or let the greater one be greater
line 14: schema[0].properties[0].quality[0].implementation.kwargs: `expect_column_values_to_be_between` needs `min_value` or `max_value`: add one to `kwargs`
line 14: schema[0].properties[0].quality[0].implementation.kwargs.min: `expect_column_values_to_be_between` has no argument `min`: use one of `column`, `mostly`, `min_value`, `max_value`, `strict_min`, `strict_max`
line 14: schema[0].properties[0].quality[0].implementation.kwargs.mostly: `mostly` of 95: write a share from 0 to 1, such as 0.95
line 14: schema[0].properties[0].quality[0].implementation.kwargs.column: about `total`, and stands below `cuenta`: move the check to that property, or remove `column`
line 14: schema[0].properties[0].quality[0].implementation: `expect_table_row_count_to_be_between` is about a table: move it to the `quality` of the schema object
line 12: schema[0].quality[0].implementation.kwargs: `expect_column_values_to_not_be_null` needs `column`: add it to `kwargs`
line 12: schema[0].quality[0].implementation.kwargs.column: no column `cuentas` in `t`: did you mean `cuenta`?
line 12: schema[0].quality[0].implementation.kwargs.column_B: `monto` is of type `decimal(18,2)`, and `razon` of `double`: compare two numbers, two dates or two timestamps; a `double` only with another
line 12: schema[0].quality[0].implementation.kwargs: `expect_column_pair_values_a_to_be_greater_than_b` needs `column_B`: add it to `kwargs`
line 12: schema[0].quality[0].implementation.kwargs.column_B: `dia` is compared with itself: name two columns
line 12: schema[0].quality[0].implementation.kwargs.ignore_row_if: unknown word `both`: use one of `both_values_are_missing`, `either_value_is_missing`, `neither`
line 12: schema[0].quality[0].implementation.kwargs.min_value: no number lies between `min_value` and `max_value`: exchange the two
line 12: schema[0].quality[0].implementation.kwargs.min_value: is no number of rows: write a whole number from 0
"##);
    assert_snapshot!(wrong(of_table(r"
- type: custom
  engine: greatExpectation
  implementation: {}
- type: custom
  engine: greatExpectations
  unit: percent
  implementation: { kwarg: {} }
- type: custom
  engine: greatExpectations
  implementation: |
    type: expect_table_row_count_to_be_between
    kwargs:
      minValue: 10
      maxvalues: 20
- type: custom
  engine: greatExpectations
  implementation: |
    type: [
")), @r##"
line 11: schema[0].quality[0].engine: unknown engine `greatExpectation`: did you mean `greatExpectations`?
line 15: schema[0].quality[1].unit: `unit` beside an expectation: remove it: an expectation tolerates a share of rows by `mostly`
line 16: schema[0].quality[1].implementation: an expectation without a name: add `type`: one of `expect_column_values_to_not_be_null`, `expect_column_values_to_be_unique`, `expect_column_values_to_be_in_set`, `expect_column_values_to_be_between`, `expect_column_values_to_match_regex`, `expect_column_pair_values_a_to_be_greater_than_b`, `expect_table_row_count_to_be_between`
line 16: schema[0].quality[1].implementation.kwarg: unknown field `kwarg` in an expectation: keep its name in `type` and its arguments in `kwargs`
line 23: schema[0].quality[2].implementation.kwargs.maxvalues: `expect_table_row_count_to_be_between` has no argument `maxvalues`: did you mean `max_value`?
line 28: schema[0].quality[3].implementation: not valid YAML: while parsing a node, did not find expected node content: mend the text there or just before
"##);
}

#[cfg(feature = "patterns")]
#[test]
fn patterns() {
    let faults: Vec<String> = ["(?=a)", "[", "a{2,1}"]
        .iter()
        .map(|regex| {
            let kwargs = format!("regex: \"{regex}\"");
            wrong(of(
                "texto",
                &expectation("expect_column_values_to_match_regex", &kwargs),
            ))
        })
        .collect();
    assert_snapshot!(faults.join("\n"), @r##"
line 14: schema[0].properties[0].quality[0].implementation.kwargs.regex: `(?=a)` is no pattern: look-around, including look-ahead and look-behind, is not supported: use the syntax of https://docs.rs/regex: no look-around, no back-references
line 14: schema[0].properties[0].quality[0].implementation.kwargs.regex: `[` is no pattern: unclosed character class: use the syntax of https://docs.rs/regex: no look-around, no back-references
line 14: schema[0].properties[0].quality[0].implementation.kwargs.regex: `a{2,1}` is no pattern: invalid repetition count range, the start must be <= the end: use the syntax of https://docs.rs/regex: no look-around, no back-references
"##);
}

#[test]
fn a_contract_has_only_so_many_patterns() {
    let check =
        |n: usize| format!("- {{ metric: invalidValues, mustBe: 0, arguments: {{ pattern: 'a{n}' }} }}\n");
    let some: String = (0..100).map(check).collect();
    assert_eq!(of("texto", &some).map(|checks| checks.len()), Ok(100));
    let both = |n: usize| -> String {
        let kwargs = format!("column: texto, regex: 'b{n}'");
        format!(
            "{}\n",
            expectation("expect_column_values_to_match_regex", &kwargs)
        )
    };
    let text = |more: usize| text(&(0..more).map(both).collect::<String>(), "texto", &some);
    assert!(parsed(&text(100)).is_ok());
    let third = text(100).replace("      - name: otro\n", 
        "      - name: otro\n        quality: [{ metric: invalidValues, mustBe: 0, arguments: { pattern: c } }]\n",
    );
    assert_snapshot!(wrong(parsed(&third)), @r##"
line 415: more than 200 patterns in a contract: list values where there are few, or split the contract
"##);
}
