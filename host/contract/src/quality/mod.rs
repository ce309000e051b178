//! Checks of data quality as values: what a contract promises about the rows of a table, beyond their types.

mod number;

use std::fmt;

pub(crate) use number::decimal;
pub use number::{MustBe, Number, compare_decimals};

/// One promise about the rows of a table (ODCS `quality`, or `slaProperties` for [`CheckKind::Fresh`]).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {
    /// From the contract, or made of the column and the kind. Unique among all checks of a table, those of its columns
    /// included. It is the rule that quarantine names.
    pub name: String,
    /// What is counted.
    pub kind: CheckKind,
    /// What the counted number must be. For [`CheckKind::Fresh`] it counts rows that are too old, of one: the newest.
    pub comparison: MustBe,
    /// What the number is a number of.
    pub unit: Unit,
    /// What it means when the check fails.
    pub severity: CheckSeverity,
    /// ODCS `dimension`, such as `completeness`.
    pub dimension: Option<String>,
    /// For people.
    pub description: Option<String>,
    /// Line of the contract, from 1.
    pub line: usize,
}

/// What a check counts. Column names are those of columns that are there, and values are of their types.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CheckKind {
    /// Rows in which the column is null.
    NotNull {
        /// Name of the column.
        column: String,
    },
    /// Rows in which the column holds a value that stands for "missing".
    NotMissing {
        /// Name of the column.
        column: String,
        /// The values that do. A null does if `null` says so, else the row is passed over.
        values: Vec<Literal>,
        /// Whether a null does.
        null: bool,
    },
    /// Rows in which the column holds none of the values, or a text that the pattern is not found in. Nulls are passed
    /// over. At least one of the two is there.
    Valid {
        /// Name of the column.
        column: String,
        /// The values that are valid.
        values: Option<Vec<Literal>>,
        /// A regular expression in the syntax of Rust's `regex`, found anywhere in the text unless it is anchored.
        pattern: Option<String>,
    },
    /// Rows in which the column lies outside of the bounds. Nulls are passed over. At least one bound is there, and some
    /// value lies between the two.
    Between {
        /// Name of the column.
        column: String,
        /// No value may be less.
        min: Option<Literal>,
        /// No value may be greater.
        max: Option<Literal>,
        /// The least bound itself is outside.
        strict_min: bool,
        /// The greatest bound itself is outside.
        strict_max: bool,
    },
    /// Rows in which `a` is not greater than `b`.
    PairGreater {
        /// Name of the column that must be greater.
        a: String,
        /// Name of the other.
        b: String,
        /// Equal is good too.
        or_equal: bool,
        /// Which rows are passed over. A null in any other row fails it.
        ignore: IgnoreRow,
    },
    /// Rows whose value in the columns another row has too. Rows in which all of the columns are null are passed over.
    Unique {
        /// Names of the columns, at least one.
        columns: Vec<String>,
    },
    /// Rows.
    RowCount,
    /// Whatever number a query gives.
    Sql {
        /// In it `{object}` stands for the table, `{property}` for the column.
        query: String,
        /// The column that the check stands below, if it does.
        column: Option<String>,
    },
    /// The newest value of a timestamp column is at most so old.
    Fresh {
        /// Name of the column.
        column: String,
        /// Seconds: what `slaProperties` give as latency and frequency, together.
        within: u64,
    },
}

/// What a check's number is a number of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Unit {
    /// Rows; for a query, whatever it gives.
    #[default]
    Rows,
    /// Hundredths of the rows that the check did not pass over.
    Percent,
}

/// What a failed check means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum CheckSeverity {
    /// Somebody should know.
    Warning,
    /// The data is not what was promised. What a check is when its contract does not say.
    #[default]
    Error,
}

/// Which rows a comparison of two columns passes over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum IgnoreRow {
    /// Those in which both are null.
    #[default]
    BothNull,
    /// Those in which one is null.
    EitherNull,
    /// None.
    Never,
}

/// A value that is compared with those of a column, of the column's type.
#[derive(Debug, Clone, PartialEq)]
pub enum Literal {
    /// Of a boolean column.
    Truth(bool),
    /// Of an `int` or `bigint` column, within its range.
    Integer(i64),
    /// Of a decimal column: the unscaled value, and its digits after the point, which are those of the column.
    Decimal(i128, u8),
    /// Of a `double` column.
    Float(f64),
    /// Of a text column.
    Text(String),
    /// Of a date column: days since 1970-01-01.
    Date(i32),
    /// Of a timestamp column: microseconds since 1970-01-01T00:00:00Z.
    Timestamp(i64),
}

// INVARIANT: a `Float` of a contract is finite, so it equals itself.
impl Eq for Literal {}

impl Check {
    /// Whether the check says of each row by itself whether it is good: then a bad one can be taken out. Else only many rows
    /// together pass or fail.
    #[must_use]
    pub fn is_row_level(&self) -> bool {
        let of_rows = matches!(
            self.kind,
            CheckKind::NotNull { .. }
                | CheckKind::NotMissing { .. }
                | CheckKind::Valid { .. }
                | CheckKind::Between { .. }
                | CheckKind::PairGreater { .. }
        );
        of_rows && self.unit == Unit::Rows && self.comparison.takes_only_zero()
    }

    /// Whether another check promises the same: all but the words for people, and its place.
    #[must_use]
    pub fn promises_what(&self, other: &Self) -> bool {
        (&self.name, &self.kind, self.comparison, self.unit, self.severity)
            == (
                &other.name,
                &other.kind,
                other.comparison,
                other.unit,
                other.severity,
            )
    }
}

impl CheckKind {
    /// Names of the columns that the check looks at.
    #[must_use]
    pub fn columns(&self) -> Vec<&str> {
        match self {
            Self::NotNull { column }
            | Self::NotMissing { column, .. }
            | Self::Valid { column, .. }
            | Self::Between { column, .. }
            | Self::Fresh { column, .. } => vec![column],
            Self::PairGreater { a, b, .. } => vec![a, b],
            Self::Unique { columns } => columns.iter().map(String::as_str).collect(),
            Self::Sql { column, .. } => column.iter().map(String::as_str).collect(),
            Self::RowCount => Vec::new(),
        }
    }

    /// The word for it, such as `not_null`.
    #[must_use]
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::NotNull { .. } => "not_null",
            Self::NotMissing { .. } => "not_missing",
            Self::Valid { .. } => "valid",
            Self::Between { .. } => "between",
            Self::PairGreater { .. } => "greater",
            Self::Unique { .. } => "unique",
            Self::RowCount => "row_count",
            Self::Sql { .. } => "sql",
            Self::Fresh { .. } => "fresh",
        }
    }
}

impl fmt::Display for CheckSeverity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Warning => "warning",
            Self::Error => "error",
        })
    }
}

impl fmt::Display for CheckKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
