//! Checks that are a query: whoever has an engine runs it.

use malla_contract::{Check, CheckKind, MustBe, Number};

/// A check that is a query. The caller runs it, and gives its number to [`Totals::give`](crate::Totals::give).
#[derive(Debug, Clone, Copy)]
pub struct SqlCheck<'c> {
    check: &'c Check,
    query: &'c str,
    column: Option<&'c str>,
}

/// What a query gave: the value of the one column of its one row.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum SqlNumber {
    /// Null: it gave no number, and no comparison holds.
    Null,
    /// 1 or 0.
    Truth(bool),
    /// Any integer that SQL has.
    Integer(i128),
    /// `unscaled` divided by ten to the power of `scale`.
    Decimal {
        /// All digits.
        unscaled: i128,
        /// Digits after the point, at most 38.
        scale: u8,
    },
    /// Compared as the shortest decimal that reads as the same number. No comparison holds for NaN and infinities.
    Float(f64),
}

impl<'c> SqlCheck<'c> {
    pub(crate) fn new(check: &'c Check) -> Option<Self> {
        match &check.kind {
            CheckKind::Sql { query, column } => Some(Self {
                check,
                query,
                column: column.as_deref(),
            }),
            _ => None,
        }
    }

    /// The check.
    #[must_use]
    pub fn check(&self) -> &'c Check {
        self.check
    }

    /// What the number must be.
    #[must_use]
    pub fn comparison(&self) -> MustBe {
        self.check.comparison
    }

    /// The query, with the table's name for `{object}` and the column's for `{property}`, both as quoted identifiers. The
    /// name comes in parts, such as catalog, schema and table; a quote in a part is doubled.
    #[must_use]
    pub fn query(&self, object: &[&str]) -> String {
        let object: Vec<String> = object.iter().map(|part| quoted(part)).collect();
        let object = object.join(".");
        let property = self.column.map(quoted);
        let mut text = String::with_capacity(self.query.len() + object.len());
        let mut rest = self.query;
        // Once through: what is put in is not looked at again.
        while let Some((before, after)) = rest.split_once('{') {
            text.push_str(before);
            let put_in = |name: &str| after.strip_prefix(name);
            rest = if let Some(after) = put_in("object}") {
                text.push_str(&object);
                after
            } else if let (Some(after), Some(property)) = (put_in("property}"), &property) {
                text.push_str(property);
                after
            } else {
                text.push('{');
                after
            };
        }
        text.push_str(rest);
        text
    }

    /// Whether a number is what it must be.
    #[must_use]
    pub fn judge(&self, number: SqlNumber) -> bool {
        holds(self.check.comparison, number)
    }
}

pub(crate) fn holds(comparison: MustBe, number: SqlNumber) -> bool {
    let number = match number {
        SqlNumber::Null => None,
        SqlNumber::Truth(truth) => Some(Number::from(u64::from(truth))),
        SqlNumber::Integer(integer) => Number::new(integer, 0),
        SqlNumber::Decimal { unscaled, scale } => Number::new(unscaled, scale),
        SqlNumber::Float(float) => of_float(float),
    };
    number.is_some_and(|number| comparison.holds(number))
}

fn of_float(float: f64) -> Option<Number> {
    // Without an exponent, and of the many digits of a tiny number as many as a scale can be.
    let text = if float.abs() < 1e-9 {
        format!("{float:.38}")
    } else {
        float.to_string()
    };
    let (whole, fraction) = text.split_once('.').unwrap_or((&text, ""));
    let scale = u8::try_from(fraction.len()).ok()?;
    match format!("{whole}{fraction}").parse() {
        Ok(unscaled) => Number::new(unscaled, scale),
        // Finite, and greater than any bound that a contract can hold.
        Err(_) if float.is_finite() => {
            let most = i128::MAX;
            Number::new(if float > 0.0 { most } else { -most }, 0)
        }
        Err(_) => None,
    }
}

/// A name as SQL quotes it.
fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}
