//! Verdicts in the form of Great Expectations: `ExpectationSuiteValidationResult` of its version 1.

use malla_contract::civil::instant;
use malla_contract::{Check, CheckKind, CheckSeverity, Literal, MustBe, Number, Unit};
use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::sample::decimal;
use crate::totals::{Status, Verdict};

/// All results of a run. Checks that were not run are not in it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Validation {
    /// Whether every check succeeded, of whatever severity.
    pub success: bool,
    /// How many did.
    pub statistics: Statistics,
    /// One for each check.
    pub results: Vec<ValidationResult>,
}

/// How many checks succeeded.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Statistics {
    /// Checks that were run.
    pub evaluated_expectations: usize,
    /// Those that succeeded.
    pub successful_expectations: usize,
    /// Those that did not.
    pub unsuccessful_expectations: usize,
    /// `None` if none were run.
    pub success_percent: Option<f64>,
}

/// The result of a check.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ValidationResult {
    /// Whether it succeeded.
    pub success: bool,
    /// What was checked.
    pub expectation_config: ExpectationConfig,
    /// What was found.
    pub result: Evaluated,
}

/// What was checked.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ExpectationConfig {
    /// The name that Great Expectations has for it; one that starts with `malla_` where it has none.
    #[serde(rename = "type")]
    pub expectation: &'static str,
    /// Its arguments.
    pub kwargs: Map<String, Value>,
    /// What the contract says beyond it: `name`, `severity`, `dimension`, `description`, and `complete` where not every
    /// value was compared.
    pub meta: Map<String, Value>,
}

/// What was found. A query's number is not in it: it may be a value of a row.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Evaluated {
    /// Rows looked at.
    pub element_count: u64,
    /// Rows of those that were passed over.
    pub missing_count: u64,
    /// Rows that break the check.
    pub unexpected_count: u64,
    /// Hundredths of the rows that were not passed over.
    pub unexpected_percent: Option<f64>,
    /// Some of the values that do. Absent where a column's values may not be shown.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub partial_unexpected_list: Option<Vec<Value>>,
}

impl Validation {
    /// The verdicts of checks that were run.
    #[must_use]
    pub fn new(verdicts: &[Verdict<'_>]) -> Self {
        let run = verdicts.iter().filter(|verdict| verdict.status != Status::NotRun);
        let results: Vec<ValidationResult> = run.map(ValidationResult::new).collect();
        let successes = results.iter().filter(|result| result.success).count();
        Self {
            success: successes == results.len(),
            statistics: Statistics::new(results.len(), successes),
            results,
        }
    }
}

impl Statistics {
    #[expect(clippy::cast_precision_loss, reason = "there are not 2^53 checks")]
    fn new(evaluated: usize, successful: usize) -> Self {
        Self {
            evaluated_expectations: evaluated,
            successful_expectations: successful,
            unsuccessful_expectations: evaluated.saturating_sub(successful),
            success_percent: (evaluated > 0).then(|| successful as f64 * 100.0 / evaluated as f64),
        }
    }
}

impl ValidationResult {
    pub(crate) fn new(verdict: &Verdict<'_>) -> Self {
        let check = verdict.check;
        let (expectation, mut kwargs) = expectation(&check.kind);
        kwargs.extend(tolerance(check));
        let severity = match check.severity {
            CheckSeverity::Warning => "warning",
            CheckSeverity::Error => "error",
        };
        let mut meta = map(json!({ "name": check.name, "severity": severity }));
        for (field, text) in [
            ("dimension", &check.dimension),
            ("description", &check.description),
        ] {
            if let Some(text) = text {
                meta.insert(field.to_owned(), text.as_str().into());
            }
        }
        if !verdict.complete {
            meta.insert("complete".to_owned(), false.into());
        }
        Self {
            success: verdict.status == Status::Success,
            expectation_config: ExpectationConfig {
                expectation,
                kwargs,
                meta,
            },
            result: Evaluated {
                element_count: verdict.element_count,
                missing_count: verdict.missing_count,
                unexpected_count: verdict.unexpected_count,
                unexpected_percent: verdict.unexpected_percent(),
                partial_unexpected_list: verdict.partial_unexpected_list().map(<[Value]>::to_vec),
            },
        }
    }
}

fn map(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(map) => map,
        _ => Map::new(),
    }
}

/// Name and arguments of what a check counts.
fn expectation(kind: &CheckKind) -> (&'static str, Map<String, Value>) {
    let (name, kwargs) = match kind {
        CheckKind::NotNull { column } => ("expect_column_values_to_not_be_null", json!({ "column": column })),
        CheckKind::NotMissing { column, values, null } => {
            let nulls = null.then_some(Value::Null);
            let values: Vec<Value> = nulls.into_iter().chain(values.iter().map(literal)).collect();
            (
                "malla_column_values_not_missing",
                json!({ "column": column, "missing_values": values }),
            )
        }
        CheckKind::Valid {
            column,
            values,
            pattern,
        } => {
            let name = match (values, pattern) {
                (Some(_), None) => "expect_column_values_to_be_in_set",
                (None, _) => "expect_column_values_to_match_regex",
                (Some(_), Some(_)) => "malla_column_values_valid",
            };
            let mut kwargs = map(json!({ "column": column }));
            if let Some(values) = values {
                kwargs.insert("value_set".to_owned(), values.iter().map(literal).collect());
            }
            if let Some(pattern) = pattern {
                kwargs.insert("regex".to_owned(), pattern.as_str().into());
            }
            return (name, kwargs);
        }
        CheckKind::Between {
            column,
            min,
            max,
            strict_min,
            strict_max,
        } => (
            "expect_column_values_to_be_between",
            json!({
                "column": column,
                "min_value": min.as_ref().map(literal),
                "max_value": max.as_ref().map(literal),
                "strict_min": strict_min,
                "strict_max": strict_max,
            }),
        ),
        CheckKind::PairGreater { a, b, or_equal, .. } => (
            "expect_column_pair_values_a_to_be_greater_than_b",
            json!({ "column_A": a, "column_B": b, "or_equal": or_equal }),
        ),
        CheckKind::Unique { columns } => match columns.as_slice() {
            [column] => ("expect_column_values_to_be_unique", json!({ "column": column })),
            columns => (
                "expect_compound_columns_to_be_unique",
                json!({ "column_list": columns }),
            ),
        },
        CheckKind::RowCount => ("expect_table_row_count_to_be_between", json!({})),
        CheckKind::Sql { query, .. } => ("malla_sql", json!({ "query": query })),
        CheckKind::Fresh { column, within } => (
            "malla_freshness",
            json!({ "column": column, "within_seconds": within }),
        ),
    };
    (name, map(kwargs))
}

/// How much the check tolerates, in the words of Great Expectations where it has some, else in those of ODCS.
fn tolerance(check: &Check) -> Map<String, Value> {
    let none = matches!(check.kind, CheckKind::Fresh { .. }) || check.is_row_level();
    if none {
        return Map::new();
    }
    if let (CheckKind::RowCount, bounds) = (&check.kind, check.comparison) {
        let bounds = match bounds {
            MustBe::Between(low, high) => Some((Some(low), Some(high))),
            MustBe::Equal(both) => Some((Some(both), Some(both))),
            MustBe::GreaterOrEqual(low) => Some((Some(low), None)),
            MustBe::LessOrEqual(high) => Some((None, Some(high))),
            _ => None,
        };
        if let Some((low, high)) = bounds {
            return map(json!({ "min_value": low.map(number), "max_value": high.map(number) }));
        }
    }
    if let (Unit::Percent, MustBe::LessOrEqual(most)) = (check.unit, check.comparison)
        && let Some(mostly) = share_of_good(most)
    {
        return map(json!({ "mostly": mostly }));
    }
    if matches!(check.kind, CheckKind::Unique { .. })
        && check.unit == Unit::Rows
        && check.comparison.takes_only_zero()
    {
        return Map::new();
    }
    let (operator, numbers) = check.comparison.parts();
    let numbers: Vec<Value> = numbers.into_iter().map(number).collect();
    let bound = match numbers.as_slice() {
        [one] => one.clone(),
        _ => numbers.into(),
    };
    let mut words = map(json!({ operator: bound }));
    if check.unit == Unit::Percent {
        words.insert("unit".to_owned(), "percent".into());
    }
    words
}

/// `mostly`, of the share of bad rows in percent.
fn share_of_good(bad: Number) -> Option<Value> {
    let whole = 10_i128.checked_pow(bad.scale().into())?.checked_mul(100)?;
    let good = Number::new(whole.checked_sub(bad.unscaled())?, bad.scale().checked_add(2)?)?;
    Some(number(good))
}

fn number(number: Number) -> Value {
    let text = number.to_string();
    if let Ok(integer) = text.parse::<i64>() {
        return integer.into();
    }
    text.parse::<f64>().map_or_else(|_| text.into(), Value::from)
}

fn literal(value: &Literal) -> Value {
    match value {
        Literal::Truth(truth) => (*truth).into(),
        Literal::Integer(integer) => (*integer).into(),
        Literal::Decimal(unscaled, scale) => decimal(*unscaled, *scale).into(),
        Literal::Float(float) => (*float).into(),
        Literal::Text(text) => text.as_str().into(),
        Literal::Date(days) => malla_contract::civil::Date::from_days(*days).to_string().into(),
        Literal::Timestamp(micros) => instant(*micros).into(),
    }
}
