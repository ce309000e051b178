//! The checks of a table, compiled once and run over batches.

use std::fmt;
use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_buffer::BooleanBuffer;
use malla_contract::{Check, CheckSeverity, ColumnType, Table};

use crate::error::{ChecksError, RunError};
use crate::kernel::{Column, Values};
use crate::keys::{Keys, Seen};
use crate::report::{Detail, Outcome, Report};
use crate::rule::Rule;
use crate::sample;
use crate::sql::SqlCheck;
use crate::totals::Totals;

/// How many unexpected values a result shows: as many as Great Expectations does.
const SAMPLES: usize = 20;

/// The checks of one table. A clone is cheap, and the same checks.
#[derive(Clone)]
pub struct Checks {
    pub(crate) plan: Arc<Plan>,
    samples: usize,
}

/// What stays the same over all batches.
pub(crate) struct Plan {
    pub(crate) checks: Vec<Compiled>,
    /// The columns that some check looks at, and the first check that does.
    columns: Vec<Needed>,
    keys: Keys,
}

pub(crate) struct Compiled {
    pub(crate) check: Check,
    pub(crate) rule: Rule,
    /// Whether it says of each row by itself whether it is good.
    pub(crate) row_level: bool,
    /// Places in the plan's columns.
    columns: Vec<usize>,
    /// Whether values of all its columns may be shown.
    pub(crate) shows: bool,
}

struct Needed {
    name: String,
    ty: ColumnType,
    check: String,
}

impl Compiled {
    /// Whether rows that fail it are taken out.
    pub(crate) fn rejects(&self) -> bool {
        self.row_level && self.check.severity == CheckSeverity::Error
    }
}

impl Checks {
    /// Compiles the checks of a table and its columns.
    ///
    /// # Errors
    /// A pattern that needs too much memory; or, of a table that did not come out of [`Contract::parse`], a check that does
    /// not fit its columns.
    ///
    /// [`Contract::parse`]: malla_contract::Contract::parse
    pub fn new(table: &Table) -> Result<Self, ChecksError> {
        let mut plan = Plan {
            checks: Vec::new(),
            columns: Vec::new(),
            keys: Keys::default(),
        };
        for check in table.checks() {
            let rule = Rule::new(check, table)?;
            let declared = check.kind.columns().into_iter();
            let declared: Vec<_> = declared.filter_map(|name| table.column(name)).collect();
            let columns = match rule {
                // The engine looks at what the query names.
                Rule::Sql => Vec::new(),
                _ => declared.iter().map(|column| plan.place(column, check)).collect(),
            };
            plan.checks.push(Compiled {
                row_level: check.is_row_level(),
                shows: declared.iter().all(|column| sample::may_show(column)),
                check: check.clone(),
                rule,
                columns,
            });
        }
        Ok(Self {
            plan: Arc::new(plan),
            samples: SAMPLES,
        })
    }

    /// Shows at most so many unexpected values of each check, over all batches; 0 for none. Where it is not set, 20.
    #[must_use]
    pub fn with_samples(mut self, most: usize) -> Self {
        self.samples = most;
        self
    }

    /// Whether there is nothing to check.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.plan.checks.is_empty()
    }

    /// The checks, in the order of their results.
    pub fn iter(&self) -> impl Iterator<Item = &Check> {
        self.plan.checks.iter().map(|compiled| &compiled.check)
    }

    /// The checks that are a query, for the caller to run.
    pub fn sql(&self) -> impl Iterator<Item = SqlCheck<'_>> {
        self.iter().filter_map(SqlCheck::new)
    }

    /// Sums of nothing yet, for reports of these checks.
    #[must_use]
    pub fn totals(&self) -> Totals {
        Totals::new(Arc::clone(&self.plan), self.samples)
    }

    /// Runs all checks but queries over a batch. Its columns are found by their names, and may stand in any order.
    ///
    /// # Errors
    /// A column that a check looks at is not there or of another type. Then nothing was checked.
    pub fn run(&self, batch: &RecordBatch) -> Result<Report, RunError> {
        let columns = self.plan.resolve(batch)?;
        let of = |compiled: &Compiled| -> Vec<(Column<'_>, ColumnType)> {
            let places = compiled.columns.iter();
            places.filter_map(|place| columns.get(*place).copied()).collect()
        };
        let rows = batch.num_rows();
        let mut outcomes: Vec<Option<Outcome>> = Vec::with_capacity(self.plan.checks.len());
        let mut rejected: Option<BooleanBuffer> = None;
        for compiled in &self.plan.checks {
            let outcome = compiled
                .row_level
                .then(|| self.by_row(compiled, &of(compiled), rows, None))
                .flatten();
            if compiled.rejects()
                && let Some(outcome) = &outcome
                && let Some(failing) = outcome.failing.as_ref().filter(|_| outcome.unexpected_count > 0)
            {
                rejected = Some(match rejected {
                    Some(others) => &others | failing,
                    None => failing.clone(),
                });
            }
            outcomes.push(outcome);
        }
        let alive = rejected.as_ref().map(|rejected| !rejected);
        let outcomes = self.plan.checks.iter().zip(outcomes);
        let outcomes = outcomes.map(|(compiled, outcome)| {
            outcome.unwrap_or_else(|| self.together(compiled, &of(compiled), rows, alive.as_ref()))
        });
        Ok(Report {
            outcomes: outcomes.collect(),
            plan: Arc::clone(&self.plan),
            rows,
            rejected,
        })
    }

    /// A check that looks at rows one by one, over all rows or those that remain.
    fn by_row(
        &self,
        compiled: &Compiled,
        columns: &[(Column<'_>, ColumnType)],
        rows: usize,
        alive: Option<&BooleanBuffer>,
    ) -> Option<Outcome> {
        let values: Vec<Column<'_>> = columns.iter().map(|(column, _)| *column).collect();
        let mut found = compiled.rule.find(&values)?;
        if let Some(alive) = alive {
            found.unexpected = &found.unexpected & alive;
            found.missing = found.missing.map(|missing| &missing & alive);
        }
        let unexpected = found.unexpected.count_set_bits();
        Some(Outcome {
            element_count: count(alive, rows),
            missing_count: found.missing.map_or(0, |missing| missing.count_set_bits()) as u64,
            unexpected_count: unexpected as u64,
            samples: compiled.shows.then(|| match unexpected {
                0 => Vec::new(),
                _ => sample::of_rows(columns, &found.unexpected, self.samples),
            }),
            failing: compiled.row_level.then_some(found.unexpected),
            detail: Detail::None,
        })
    }

    /// A check of many rows together, over those that remain.
    fn together(
        &self,
        compiled: &Compiled,
        columns: &[(Column<'_>, ColumnType)],
        rows: usize,
        alive: Option<&BooleanBuffer>,
    ) -> Outcome {
        if let Some(outcome) = self.by_row(compiled, columns, rows, alive) {
            return outcome;
        }
        let mut outcome = Outcome::of_rows(count(alive, rows));
        match compiled.rule {
            Rule::Sql => outcome.element_count = 0,
            Rule::Unique => self.unique(compiled, columns, rows, alive, &mut outcome),
            Rule::Fresh { .. } => {
                if let Some((column, _)) = columns.first() {
                    outcome.detail = Detail::Newest(newest(*column, alive));
                }
            }
            _ => {}
        }
        outcome
    }

    fn unique(
        &self,
        compiled: &Compiled,
        columns: &[(Column<'_>, ColumnType)],
        rows: usize,
        alive: Option<&BooleanBuffer>,
        outcome: &mut Outcome,
    ) {
        let values: Vec<Column<'_>> = columns.iter().map(|(column, _)| *column).collect();
        // Rows in which all columns are null are passed over.
        let nulls = values.iter().map(Column::null_rows);
        let missing = nulls
            .reduce(|all, nulls| all.zip(nulls).map(|(a, b)| &a & &b))
            .flatten();
        let mut counting = alive.cloned().unwrap_or_else(|| BooleanBuffer::new_set(rows));
        if let Some(missing) = missing {
            outcome.missing_count = (&missing & &counting).count_set_bits() as u64;
            counting = &counting & &!&missing;
        }
        let keys = self.plan.keys.of_rows(&values);
        let seen = Seen::of_batch(&keys, &counting);
        outcome.unexpected_count = seen.repeated();
        outcome.samples = compiled.shows.then(|| match seen.repeated() {
            0 => Vec::new(),
            _ => {
                let twice = crate::kernel::pack(&keys, |key| seen.has_twice(key));
                sample::of_rows(columns, &(&twice & &counting), self.samples)
            }
        });
        outcome.detail = Detail::Seen(seen);
    }
}

fn count(alive: Option<&BooleanBuffer>, rows: usize) -> u64 {
    alive.map_or(rows, BooleanBuffer::count_set_bits) as u64
}

/// The greatest value of a timestamp column.
fn newest(column: Column<'_>, alive: Option<&BooleanBuffer>) -> Option<i64> {
    let Values::I64(values) = column.values else {
        return None;
    };
    if alive.is_none() && column.null_rows().is_none() {
        return values.iter().max().copied();
    }
    let counts = |row: usize| !column.is_null(row) && alive.is_none_or(|alive| alive.value(row));
    let counting = values.iter().enumerate().filter(|(row, _)| counts(*row));
    counting.map(|(_, value)| *value).max()
}

impl Plan {
    /// The place of a column among those that checks look at.
    fn place(&mut self, column: &malla_contract::Column, check: &Check) -> usize {
        let known = self.columns.iter().position(|needed| needed.name == column.name);
        known.unwrap_or_else(|| {
            self.columns.push(Needed {
                name: column.name.clone(),
                ty: column.ty,
                check: check.name.clone(),
            });
            self.columns.len() - 1
        })
    }

    /// The columns of one check, in a batch that may lack those of others.
    pub(crate) fn columns_of<'a>(
        &self,
        compiled: &Compiled,
        batch: &'a RecordBatch,
    ) -> Result<Vec<(Column<'a>, ColumnType)>, RunError> {
        let needed = compiled
            .columns
            .iter()
            .filter_map(|place| self.columns.get(*place));
        needed.map(|needed| needed.of(batch)).collect()
    }

    fn resolve<'a>(&self, batch: &'a RecordBatch) -> Result<Vec<(Column<'a>, ColumnType)>, RunError> {
        self.columns.iter().map(|needed| needed.of(batch)).collect()
    }
}

impl Needed {
    fn of<'a>(&self, batch: &'a RecordBatch) -> Result<(Column<'a>, ColumnType), RunError> {
        let array = batch
            .column_by_name(&self.name)
            .ok_or_else(|| RunError::Missing {
                column: self.name.clone(),
                check: self.check.clone(),
            })?;
        let column = Column::new(array, self.ty).ok_or_else(|| RunError::Type {
            column: self.name.clone(),
            declared: self.ty,
            found: array.data_type().clone(),
        })?;
        Ok((column, self.ty))
    }
}

impl fmt::Debug for Checks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = self.iter().map(|check| &check.name);
        f.debug_list().entries(names).finish()
    }
}
