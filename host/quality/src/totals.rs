//! Counts over many batches, and what they mean.

use std::fmt;
use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_buffer::BooleanBuffer;
use malla_contract::{Check, CheckKind, CheckSeverity, MustBe, Number, Unit};
use serde_json::Value;

use crate::checks::{Compiled, Plan};
use crate::error::{OtherChecks, RunError};
use crate::keys::Seen;
use crate::report::{Detail, Outcome, Report, percent};
use crate::rule::Rule;
use crate::sample;
use crate::sql::{self, SqlNumber};
use crate::validation::Validation;

/// How many different values each check of uniqueness remembers.
const REMEMBERED: usize = 1_000_000;

/// What the checks of a table found over the batches of a window.
///
/// **What uniqueness sees.** Values are compared with those of the same window: all batches that were added since the totals were
/// made, or since [`next_window`](Self::next_window). Not with rows that were written before, nor with those of another
/// process. Each such check remembers at most a million different values
/// ([`with_remembered`](Self::with_remembered)), at about 25 to 50 bytes each. Values that come after that are still compared with those
/// that are remembered, but not with each other: the count is then a lower bound, and [`Verdict::complete`] says so. To know that a
/// table holds no value twice, ask the table, and tell what it said ([`found`](Self::found)).
///
/// **What freshness sees.** The newest row of any batch that was added, in this window or in one before, and what the caller knows of
/// the table ([`newest`](Self::newest)).
pub struct Totals {
    plan: Arc<Plan>,
    sums: Vec<Sum>,
    rows: u64,
    samples: usize,
    remembered: usize,
}

#[derive(Default)]
struct Sum {
    elements: u64,
    missing: u64,
    unexpected: u64,
    samples: Option<Vec<Value>>,
    seen: Option<Seen>,
    newest: Option<i64>,
    number: Option<SqlNumber>,
    /// The caller could not judge it.
    not_run: bool,
    /// The caller did not see every row.
    partial: bool,
}

/// What a caller counted of a check by itself: over rows that no report is of.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Found {
    /// Rows looked at.
    pub elements: u64,
    /// Rows of those that the check passes over.
    pub missing: u64,
    /// Rows that break it.
    pub unexpected: u64,
    /// Some rows could not be looked at.
    pub partial: bool,
}

/// Whether a promise was kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Status {
    /// It was.
    Success,
    /// It was not.
    Failure,
    /// Nobody knows: the query's number was not given, no row was seen whose age could be judged, or the caller said so.
    NotRun,
}

/// What the counts of a check mean.
#[derive(Debug, Clone)]
pub struct Verdict<'t> {
    /// The check.
    pub check: &'t Check,
    /// Whether it was kept.
    pub status: Status,
    /// Whether rows that fail it can be told from those that do not.
    pub row_level: bool,
    /// Rows looked at. 0 for a query.
    pub element_count: u64,
    /// Rows of those that were passed over.
    pub missing_count: u64,
    /// Rows that break the check, where it counts rows.
    pub unexpected_count: u64,
    /// Whether every row was compared with every other: false for uniqueness, once there were too many values. Then a
    /// failure is one, and a success is one as far as anybody saw.
    pub complete: bool,
    pub(crate) samples: Option<&'t [Value]>,
}

impl Totals {
    pub(crate) fn new(plan: Arc<Plan>, samples: usize) -> Self {
        let sums = plan.checks.iter().map(Sum::new).collect();
        Self {
            plan,
            sums,
            rows: 0,
            samples,
            remembered: REMEMBERED,
        }
    }

    /// Remembers at most so many different values for each check of uniqueness.
    #[must_use]
    pub fn with_remembered(mut self, values: usize) -> Self {
        self.remembered = values;
        self
    }

    /// Rows of all batches.
    #[must_use]
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// Adds what was found in a batch.
    ///
    /// # Errors
    /// The report is of other checks; nothing was added.
    pub fn add(&mut self, report: &Report) -> Result<(), OtherChecks> {
        if !Arc::ptr_eq(&self.plan, &report.plan) {
            return Err(OtherChecks);
        }
        self.rows += report.rows as u64;
        for (sum, outcome) in self.sums.iter_mut().zip(&report.outcomes) {
            sum.add(outcome, self.remembered, self.samples);
        }
        Ok(())
    }

    /// Adds what others found with the same checks, such as another worker. Of numbers of a query its own stay.
    ///
    /// # Errors
    /// They are sums of other checks; nothing was added.
    pub fn merge(&mut self, other: &Self) -> Result<(), OtherChecks> {
        if !Arc::ptr_eq(&self.plan, &other.plan) {
            return Err(OtherChecks);
        }
        self.rows += other.rows;
        for (sum, other) in self.sums.iter_mut().zip(&other.sums) {
            sum.merge(other, self.remembered, self.samples);
        }
        Ok(())
    }

    /// Tells the number that the query of a check gave. False if there is no such query.
    pub fn give(&mut self, check: &str, number: SqlNumber) -> bool {
        match self.sum_of(check, |rule| matches!(rule, Rule::Sql)) {
            Some(sum) => {
                sum.number = Some(number);
                true
            }
            None => false,
        }
    }

    /// Tells the time of the newest row of the table, in microseconds since 1970, for a check of freshness: after a
    /// start, no batch says it. False if there is no such check.
    pub fn newest(&mut self, check: &str, micros: i64) -> bool {
        match self.sum_of(check, |rule| matches!(rule, Rule::Fresh { .. })) {
            Some(sum) => {
                sum.newest = sum.newest.max(Some(micros));
                true
            }
            None => false,
        }
    }

    /// Tells what was counted of a check. Of `examples`, rows that break it, some values are shown if they may be. False if
    /// there is no such check, or it is a query.
    ///
    /// # Errors
    /// The examples lack a column of the check, or have it in another type. Nothing was told.
    pub fn found(
        &mut self,
        check: &str,
        found: Found,
        examples: Option<&RecordBatch>,
    ) -> Result<bool, RunError> {
        let plan = Arc::clone(&self.plan);
        let place = plan
            .checks
            .iter()
            .position(|compiled| compiled.check.name == check);
        let place = place.filter(|_| self.sum_of(check, |rule| matches!(rule, Rule::Sql)).is_none());
        let (Some(compiled), Some(sum)) = (
            place.and_then(|place| plan.checks.get(place)),
            place.and_then(|place| self.sums.get_mut(place)),
        ) else {
            return Ok(false);
        };
        if compiled.shows
            && let Some(examples) = examples
        {
            let columns = plan.columns_of(compiled, examples)?;
            let all = BooleanBuffer::new_set(examples.num_rows());
            let own = sum.samples.get_or_insert_default();
            own.extend(sample::of_rows(
                &columns,
                &all,
                self.samples.saturating_sub(own.len()),
            ));
        }
        sum.elements += found.elements;
        sum.missing += found.missing;
        sum.unexpected += found.unexpected;
        sum.partial |= found.partial;
        Ok(true)
    }

    /// Takes what other checks of the same names found, such as those of them that read rows.
    pub fn take(&mut self, other: &Self) {
        for (compiled, sum) in other.plan.checks.iter().zip(&other.sums) {
            if let Some(own) = self.sum_of(&compiled.check.name, |_| true) {
                own.merge(sum, other.remembered, other.samples);
            }
        }
    }

    /// Tells that a check could not be judged, whatever was counted. False if there is no such check.
    pub fn not_run(&mut self, check: &str) -> bool {
        self.sum_of(check, |_| true).is_some_and(|sum| {
            sum.not_run = true;
            true
        })
    }

    fn sum_of(&mut self, name: &str, is: impl Fn(&Rule) -> bool) -> Option<&mut Sum> {
        let checks = self.plan.checks.iter().zip(&mut self.sums);
        checks
            .filter(|(compiled, _)| is(&compiled.rule))
            .find_map(|(compiled, sum)| (compiled.check.name == name).then_some(sum))
    }

    /// Begins a new window: everything is forgotten but the time of the newest row.
    pub fn next_window(&mut self) {
        self.rows = 0;
        for (compiled, sum) in self.plan.checks.iter().zip(&mut self.sums) {
            *sum = Sum {
                newest: sum.newest,
                ..Sum::new(compiled)
            };
        }
    }

    /// Judges every check, in their order. `now` is in microseconds since 1970.
    #[must_use]
    pub fn verdicts(&self, now: i64) -> Vec<Verdict<'_>> {
        let checks = self.plan.checks.iter().zip(&self.sums);
        checks.map(|(compiled, sum)| sum.judge(compiled, now)).collect()
    }

    /// The verdicts as Great Expectations would write them. `now` is in microseconds since 1970.
    #[must_use]
    pub fn validation(&self, now: i64) -> Validation {
        Validation::new(&self.verdicts(now))
    }
}

impl Sum {
    fn new(compiled: &Compiled) -> Self {
        Self {
            seen: matches!(compiled.rule, Rule::Unique).then(Seen::new),
            ..Self::default()
        }
    }

    fn add(&mut self, outcome: &Outcome, remembered: usize, samples: usize) {
        self.count(
            (
                outcome.element_count,
                outcome.missing_count,
                outcome.unexpected_count,
            ),
            outcome.samples.as_ref(),
            samples,
        );
        match &outcome.detail {
            Detail::None => {}
            Detail::Seen(seen) => self.see(seen, remembered),
            Detail::Newest(newest) => self.newest = self.newest.max(*newest),
        }
    }

    fn merge(&mut self, other: &Self, remembered: usize, samples: usize) {
        self.count(
            (other.elements, other.missing, other.unexpected),
            other.samples.as_ref(),
            samples,
        );
        if let Some(seen) = &other.seen {
            self.see(seen, remembered);
        }
        self.newest = self.newest.max(other.newest);
        self.number = self.number.or(other.number);
        self.not_run |= other.not_run;
        self.partial |= other.partial;
    }

    fn count(
        &mut self,
        (elements, missing, unexpected): (u64, u64, u64),
        shown: Option<&Vec<Value>>,
        samples: usize,
    ) {
        self.elements += elements;
        self.missing += missing;
        self.unexpected += unexpected;
        if let Some(shown) = shown {
            let own = self.samples.get_or_insert_default();
            let room = samples.saturating_sub(own.len());
            own.extend(shown.iter().take(room).cloned());
        }
    }

    /// Of uniqueness the sum is not that of the batches: a value may be alone in each.
    fn see(&mut self, seen: &Seen, remembered: usize) {
        if let Some(own) = &mut self.seen {
            own.add(seen, remembered);
            self.unexpected = own.repeated();
        }
    }

    fn judge<'t>(&'t self, compiled: &'t Compiled, now: i64) -> Verdict<'t> {
        let comparison = compiled.check.comparison;
        let mut unexpected = self.unexpected;
        let kept = match compiled.rule {
            Rule::Sql => self.number.map(|number| sql::holds(comparison, number)),
            Rule::RowCount => Some(comparison.holds(Number::from(self.elements))),
            Rule::Fresh { within } => self.newest.map(|newest| {
                let fresh = is_fresh(newest, now, within);
                unexpected = u64::from(!fresh);
                fresh
            }),
            _ => Some(counted(comparison, compiled.check.unit, self)),
        }
        .filter(|_| !self.not_run);
        Verdict {
            check: &compiled.check,
            status: match kept {
                Some(true) => Status::Success,
                Some(false) => Status::Failure,
                None => Status::NotRun,
            },
            row_level: compiled.row_level,
            element_count: self.elements,
            missing_count: self.missing,
            unexpected_count: unexpected,
            complete: !self.partial && self.seen.as_ref().is_none_or(Seen::is_complete),
            samples: self.samples.as_deref(),
        }
    }
}

fn counted(comparison: MustBe, unit: Unit, sum: &Sum) -> bool {
    match unit {
        Unit::Rows => comparison.holds(Number::from(sum.unexpected)),
        Unit::Percent => comparison.holds_percent(sum.unexpected, sum.elements.saturating_sub(sum.missing)),
    }
}

/// Whether a row of a time is young enough. A row from the future says nothing of the others, and would hide for as long
/// that no new ones come: it may be as far ahead as it may be old.
fn is_fresh(newest: i64, now: i64, within: u64) -> bool {
    let age = i128::from(now) - i128::from(newest);
    age.unsigned_abs() <= u128::from(within) * 1_000_000
}

impl Verdict<'_> {
    /// Whether the product as a whole is not what was promised: a failure of severity `error` that no row can be blamed
    /// for. Rows that fail a row-level check are taken out, and what remains is good.
    #[must_use]
    pub fn is_against_product(&self) -> bool {
        self.status == Status::Failure && !self.row_level && self.check.severity == CheckSeverity::Error
    }

    /// Hundredths of the rows that were not passed over. `None` if there are none, or the check does not count rows.
    #[must_use]
    pub fn unexpected_percent(&self) -> Option<f64> {
        let of_rows = !matches!(
            self.check.kind,
            CheckKind::RowCount | CheckKind::Sql { .. } | CheckKind::Fresh { .. }
        );
        if !of_rows {
            return None;
        }
        percent(self.element_count, self.missing_count, self.unexpected_count)
    }

    /// Some of the values that break the check. `None` where a column's values may not be shown.
    #[must_use]
    pub fn partial_unexpected_list(&self) -> Option<&[Value]> {
        self.samples
    }
}

impl fmt::Debug for Totals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Totals")
            .field("rows", &self.rows)
            .field("checks", &self.sums.len())
            .finish_non_exhaustive()
    }
}
