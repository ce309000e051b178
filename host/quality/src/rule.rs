//! A check, compiled.

use malla_contract::{Check, CheckKind, ColumnType, IgnoreRow, Table};
use regex::bytes::{Regex, RegexBuilder};

use arrow_buffer::BooleanBuffer;

use crate::error::ChecksError;
use crate::kernel::{Column, Found, Range, Set, Values, nulls, pack_iter, pair, texts};

/// Most memory of a compiled pattern, in bytes.
const PATTERN_SIZE: usize = 1 << 20;

/// What a check looks for.
pub(crate) enum Rule {
    NotNull,
    NotMissing {
        set: Option<Set>,
        null: bool,
    },
    Valid {
        set: Option<Set>,
        pattern: Option<Regex>,
    },
    Between(Range),
    Pair {
        or_equal: bool,
        ignore: IgnoreRow,
    },
    Unique,
    RowCount,
    Sql,
    Fresh {
        within: u64,
    },
}

impl Rule {
    /// Compiles the rule of a check.
    pub(crate) fn new(check: &Check, table: &Table) -> Result<Self, ChecksError> {
        let fail = |what: &str| ChecksError {
            check: check.name.clone(),
            line: check.line,
            what: what.to_owned(),
        };
        for name in check.kind.columns() {
            if table.column(name).is_none() {
                return Err(fail(&format!(
                    "there is no column `{name}`: name one that is there"
                )));
            }
        }
        let misfit = || fail("a value that is not of the column's type: write one that is");
        let ty = |name: &str| table.column(name).map(|column| column.ty).ok_or_else(misfit);
        Ok(match &check.kind {
            CheckKind::NotNull { .. } => Self::NotNull,
            CheckKind::NotMissing { column, values, null } => Self::NotMissing {
                set: match values.as_slice() {
                    [] => None,
                    values => Some(Set::new(values, ty(column)?).ok_or_else(misfit)?),
                },
                null: *null,
            },
            CheckKind::Valid {
                column,
                values,
                pattern,
            } => {
                let ty = ty(column)?;
                let set = match values {
                    Some(values) => Some(Set::new(values, ty).ok_or_else(misfit)?),
                    None => None,
                };
                let pattern = match pattern {
                    Some(_) if ty != ColumnType::Utf8 => {
                        return Err(fail("a pattern for a column that is no text: list values"));
                    }
                    Some(pattern) => Some(compiled(pattern).map_err(fail)?),
                    None => None,
                };
                Self::Valid { set, pattern }
            }
            CheckKind::Between {
                column,
                min,
                max,
                strict_min,
                strict_max,
            } => {
                let bounds = (min.as_ref(), max.as_ref());
                let range = Range::new(bounds, (*strict_min, *strict_max), ty(column)?);
                Self::Between(range.ok_or_else(misfit)?)
            }
            CheckKind::PairGreater { or_equal, ignore, .. } => Self::Pair {
                or_equal: *or_equal,
                ignore: *ignore,
            },
            CheckKind::Unique { .. } => Self::Unique,
            CheckKind::RowCount => Self::RowCount,
            CheckKind::Sql { .. } => Self::Sql,
            CheckKind::Fresh { column, within } => {
                if ty(column)? != ColumnType::Timestamp {
                    return Err(fail("the age of a column that is no timestamp: name one that is"));
                }
                Self::Fresh { within: *within }
            }
        })
    }

    /// Which rows break it, of a rule that looks at rows one by one; `None` for others.
    pub(crate) fn find(&self, columns: &[Column<'_>]) -> Option<Found> {
        let column = columns.first().copied();
        Some(match self {
            Self::NotNull => nulls(column?),
            Self::NotMissing { set, null } => not_missing(column?, set.as_ref(), *null),
            Self::Valid { set, pattern } => valid(column?, set.as_ref(), pattern.as_ref()),
            Self::Between(range) => {
                let column = column?;
                column.found(range.outside(column))
            }
            Self::Pair { or_equal, ignore } => match columns {
                [a, b] => pair(*a, *b, *or_equal, *ignore),
                _ => return None,
            },
            Self::Unique | Self::RowCount | Self::Sql | Self::Fresh { .. } => return None,
        })
    }
}

fn compiled(pattern: &str) -> Result<Regex, &'static str> {
    let built = RegexBuilder::new(pattern)
        .size_limit(PATTERN_SIZE)
        .dfa_size_limit(PATTERN_SIZE)
        .build();
    built.map_err(|error| match error {
        regex::Error::CompiledTooBig(_) => "the pattern needs too much memory: repeat less in it",
        _ => "the pattern is not understood: use the syntax of https://docs.rs/regex",
    })
}

fn not_missing(column: Column<'_>, set: Option<&Set>, null: bool) -> Found {
    let stands_for_missing = match set {
        Some(set) => column.but_nulls(!&set.strangers(column)),
        None => BooleanBuffer::new_unset(column.rows),
    };
    if !null {
        return Found {
            missing: column.null_rows(),
            unexpected: stands_for_missing,
        };
    }
    Found {
        missing: None,
        unexpected: match column.null_rows() {
            Some(nulls) => &stands_for_missing | &nulls,
            None => stands_for_missing,
        },
    }
}

fn valid(column: Column<'_>, set: Option<&Set>, pattern: Option<&Regex>) -> Found {
    let strangers = set.map(|set| set.strangers(column));
    let unmatched = match (pattern, column.values) {
        (Some(pattern), Values::Text(array)) => {
            let is_bad = texts(array).map(|text| !pattern.is_match(text));
            Some(pack_iter(column.rows, is_bad))
        }
        // INVARIANT: patterns are for texts, which was checked. Were it not so, every row would fail.
        (Some(_), _) => Some(BooleanBuffer::new_set(column.rows)),
        (None, _) => None,
    };
    column.found(match (strangers, unmatched) {
        (Some(strangers), Some(unmatched)) => &strangers | &unmatched,
        (Some(bad), None) | (None, Some(bad)) => bad,
        (None, None) => BooleanBuffer::new_unset(column.rows),
    })
}
