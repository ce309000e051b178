//! Who sees only some rows of a table.
//!
//! A filter is values, never text to be spliced into a query. It is applied to the raw values of its column, before any
//! mask. A row whose value is null is in no filter's rows, not even in those of `not-in`.

use std::fmt;

use malla_contract::Date;
use malla_contract::{Column, ColumnType, Table};

use crate::RuleId;

/// One `[[row-filter]]` of `row-filters.toml`.
#[derive(Debug, Clone, PartialEq)]
pub struct RowFilter {
    /// Where it is written.
    pub id: RuleId,
    /// `schema.table`.
    pub table: String,
    /// Principals and roles that it is for. Empty: everybody.
    pub whom: Vec<String>,
    /// Principals and roles that it is not for, whatever else they are.
    pub except: Vec<String>,
    /// The column whose value decides.
    pub column: String,
    /// Which values pass.
    pub condition: Condition,
    /// Why, in its author's words.
    pub reason: Option<String>,
}

/// Which values pass a row filter. Bounds belong to what passes.
#[derive(Debug, Clone, PartialEq)]
pub enum Condition {
    /// This one.
    Equals(Literal),
    /// One of these; never empty.
    In(Vec<Literal>),
    /// None of these; never empty.
    NotIn(Vec<Literal>),
    /// This one or more.
    AtLeast(Literal),
    /// This one or less.
    AtMost(Literal),
    /// From the first to the second.
    Between(Literal, Literal),
}

/// A value in a row filter.
#[derive(Debug, Clone, PartialEq)]
pub enum Literal {
    /// Text.
    Text(String),
    /// A whole number.
    Integer(i64),
    /// A number with a point; finite. For a decimal column see [`Literal::unscaled`].
    Float(f64),
    /// True or false.
    Boolean(bool),
    /// A day.
    Date(Date),
    /// A moment: microseconds since 1970-01-01T00:00:00Z.
    Timestamp(i64),
}

/// Why a row filter cannot be applied to a table.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("row filter {id} of `{table}`: {what}: {remedy}")]
pub struct FilterMisfit {
    /// Where the filter is written.
    pub id: RuleId,
    /// The table.
    pub table: String,
    /// What is wrong.
    pub what: String,
    /// What to do.
    pub remedy: String,
}

impl RowFilter {
    /// The column that decides, if the filter can be applied to it.
    ///
    /// # Errors
    /// The table has no such column, or its values are of another type than the filter's.
    pub fn column<'t>(&self, table: &'t Table) -> Result<&'t Column, FilterMisfit> {
        let misfit = |what: String, remedy: String| FilterMisfit {
            id: self.id.clone(),
            table: self.table.clone(),
            what,
            remedy,
        };
        let Some(column) = table.column(&self.column) else {
            let known: Vec<&str> = table.columns.iter().map(|column| column.name.as_str()).collect();
            return Err(misfit(
                format!("the table has no column `{}`", self.column),
                format!("use one of {}", known.join(", ")),
            ));
        };
        let ordered = matches!(
            self.condition,
            Condition::AtLeast(_) | Condition::AtMost(_) | Condition::Between(..)
        );
        if ordered && column.ty == ColumnType::Boolean {
            return Err(misfit(
                format!("`{}` is true or false, which is no range", self.column),
                "use `equals`".to_owned(),
            ));
        }
        if self.condition.literals().any(|literal| !literal.fits(column.ty)) {
            return Err(misfit(
                format!(
                    "a value that is no `{}`, the type of `{}`",
                    column.ty, self.column
                ),
                format!("write {}", wanted(column.ty)),
            ));
        }
        Ok(column)
    }
}

impl Condition {
    /// The key in `row-filters.toml`.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            Self::Equals(_) => "equals",
            Self::In(_) => "in",
            Self::NotIn(_) => "not-in",
            Self::AtLeast(_) => "at-least",
            Self::AtMost(_) => "at-most",
            Self::Between(..) => "between",
        }
    }

    /// Its values.
    pub fn literals(&self) -> impl Iterator<Item = &Literal> {
        let (list, more): (&[Literal], Option<&Literal>) = match self {
            Self::Equals(one) | Self::AtLeast(one) | Self::AtMost(one) => (std::slice::from_ref(one), None),
            Self::In(list) | Self::NotIn(list) => (list, None),
            Self::Between(low, high) => (std::slice::from_ref(low), Some(high)),
        };
        list.iter().chain(more)
    }
}

impl Literal {
    /// The number times ten to the power of `scale`, exactly; `None` where it is no number or has more digits after the
    /// point.
    #[must_use]
    pub fn unscaled(&self, scale: u8) -> Option<i128> {
        let text = match self {
            Self::Integer(number) => number.to_string(),
            // The shortest text that reads back as the number: what the author wrote.
            Self::Float(number) => number.to_string(),
            _ => return None,
        };
        let (whole, fraction) = text.split_once('.').unwrap_or((&text, ""));
        let zeros = usize::from(scale).checked_sub(fraction.len())?;
        format!("{whole}{fraction}{}", "0".repeat(zeros)).parse().ok()
    }

    /// Whether a column of a type can have the value.
    fn fits(&self, ty: ColumnType) -> bool {
        match (self, ty) {
            (Self::Boolean(_), ColumnType::Boolean)
            | (Self::Integer(_), ColumnType::Int64 | ColumnType::Float64)
            | (Self::Float(_), ColumnType::Float64)
            | (Self::Text(_), ColumnType::Utf8)
            | (Self::Date(_), ColumnType::Date)
            | (Self::Timestamp(_), ColumnType::Timestamp) => true,
            (Self::Integer(number), ColumnType::Int32) => i32::try_from(*number).is_ok(),
            (Self::Integer(_) | Self::Float(_), ColumnType::Decimal { precision, scale }) => {
                self.unscaled(scale).is_some_and(|n| {
                    10_u128
                        .checked_pow(precision.into())
                        .is_none_or(|end| n.unsigned_abs() < end)
                })
            }
            _ => false,
        }
    }
}

fn wanted(ty: ColumnType) -> String {
    match ty {
        ColumnType::Boolean => "true or false".to_owned(),
        ColumnType::Int32 => "whole numbers of 32 bits".to_owned(),
        ColumnType::Int64 => "whole numbers".to_owned(),
        ColumnType::Float64 => "numbers".to_owned(),
        ColumnType::Decimal { precision, scale } => {
            format!("numbers of at most {precision} digits, {scale} of them after the point")
        }
        ColumnType::Utf8 => "texts, in quotes".to_owned(),
        ColumnType::Date => "days, such as 2026-11-25, without quotes".to_owned(),
        ColumnType::Timestamp => "moments, such as 2026-11-25T00:00:00Z, without quotes".to_owned(),
    }
}

/// As a person would say it: `region is México or Perú`.
impl fmt::Display for RowFilter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.column, self.condition)
    }
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Equals(one) => write!(f, "is {one}"),
            Self::In(list) => write!(f, "is {}", either(list)),
            Self::NotIn(list) => write!(f, "is not {}", either(list)),
            Self::AtLeast(one) => write!(f, "is {one} or more"),
            Self::AtMost(one) => write!(f, "is {one} or less"),
            Self::Between(low, high) => write!(f, "is from {low} to {high}"),
        }
    }
}

fn either(list: &[Literal]) -> String {
    let words: Vec<String> = list.iter().map(ToString::to_string).collect();
    match words.split_last() {
        Some((last, rest)) if !rest.is_empty() => format!("{} or {last}", rest.join(", ")),
        Some((only, _)) => only.clone(),
        None => "nothing".to_owned(),
    }
}

impl fmt::Display for Literal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            // One line, whatever is in it; quotes are no harm.
            Self::Text(text) => text.chars().try_for_each(|c| match c.is_control() {
                true => write!(f, "{}", c.escape_debug()),
                false => write!(f, "{c}"),
            }),
            Self::Integer(number) => write!(f, "{number}"),
            Self::Float(number) => write!(f, "{number}"),
            Self::Boolean(truth) => write!(f, "{truth}"),
            Self::Date(date) => write!(f, "{date}"),
            Self::Timestamp(micros) => {
                let (seconds, micros) = (micros.div_euclid(1_000_000), micros.rem_euclid(1_000_000));
                let (days, second) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
                match i32::try_from(days).ok().map(Date::from_days) {
                    Some(date) => write!(
                        f,
                        "{date}T{:02}:{:02}:{:02}",
                        second / 3600,
                        second / 60 % 60,
                        second % 60
                    )?,
                    None => write!(f, "{seconds} s after 1970")?,
                }
                if micros > 0 {
                    write!(f, ".{micros:06}")?;
                }
                f.write_str("Z")
            }
        }
    }
}
