//! Queries, and their numbers.

use insta::assert_snapshot;

use super::product;
use crate::{Checks, SqlNumber};

#[test]
fn queries_are_given_names_that_cannot_break_out() {
    let quality = r#"
- { name: a, type: sql, query: "SELECT COUNT(*) FROM {object} o WHERE o.x ~ '\\d{4}' AND '{' <> '}'", mustBe: 0 }
"#;
    let below = r#"- { name: monto, physicalType: double, quality: [{ name: b, type: sql, query: "SELECT AVG({property}) FROM {object}", mustBeBetween: [0.1, 2] }] }"#;
    let checks = Checks::new(&product(below, quality)).unwrap();
    let queries: Vec<String> = checks
        .sql()
        .map(|check| check.query(&["malla", "ventas", "a\"b{property}"]))
        .collect();
    assert_snapshot!(queries.join("\n"), @r##"
SELECT COUNT(*) FROM "malla"."ventas"."a""b{property}" o WHERE o.x ~ '\d{4}' AND '{' <> '}'
SELECT AVG("monto") FROM "malla"."ventas"."a""b{property}"
"##);
    let between = checks.sql().find(|check| check.check().name == "b").unwrap();
    for (number, good) in [
        (SqlNumber::Null, false),
        (SqlNumber::Integer(1), true),
        (SqlNumber::Integer(i128::MAX), false),
        (SqlNumber::Truth(true), true),
        (SqlNumber::Truth(false), false),
        (
            SqlNumber::Decimal {
                unscaled: 10,
                scale: 2,
            },
            true,
        ),
        (
            SqlNumber::Decimal {
                unscaled: 9,
                scale: 2,
            },
            false,
        ),
        (
            SqlNumber::Decimal {
                unscaled: 1,
                scale: 99,
            },
            false,
        ),
        (SqlNumber::Float(0.1), true),
        (SqlNumber::Float(0.099_999_999), false),
        (SqlNumber::Float(2.000_000_001), false),
        (SqlNumber::Float(1e300), false),
        (SqlNumber::Float(1e-300), false),
        (SqlNumber::Float(-1e300), false),
        (SqlNumber::Float(f64::NAN), false),
        (SqlNumber::Float(f64::INFINITY), false),
    ] {
        assert_eq!(between.judge(number), good, "{number:?}");
    }
}
