//! What the checks found in one batch.

use std::fmt;
use std::sync::Arc;

use arrow_buffer::BooleanBuffer;
use malla_contract::Check;
use serde_json::Value;

use crate::checks::Plan;
use crate::keys::Seen;

/// What the checks of a table found in a batch.
pub struct Report {
    pub(crate) plan: Arc<Plan>,
    pub(crate) outcomes: Vec<Outcome>,
    pub(crate) rows: usize,
    pub(crate) rejected: Option<BooleanBuffer>,
}

/// What one check found in a batch.
pub struct Outcome {
    /// Rows looked at: all of a row-level check; else those that no check rejected.
    pub element_count: u64,
    /// Rows of those that the check passes over, such as nulls of a check of values.
    pub missing_count: u64,
    /// Rows that break the check.
    pub unexpected_count: u64,
    /// Of a row-level check, the rows that break it: a bit for each row of the batch, set for those.
    pub failing: Option<BooleanBuffer>,
    pub(crate) samples: Option<Vec<Value>>,
    pub(crate) detail: Detail,
}

/// What has to be known of a batch beyond its counts, to judge it with others.
pub(crate) enum Detail {
    None,
    Seen(Seen),
    /// Microseconds since 1970.
    Newest(Option<i64>),
}

impl Report {
    /// Rows of the batch.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// What each check found, in the order of the checks. Queries were not run, and found nothing.
    pub fn outcomes(&self) -> impl Iterator<Item = (&Check, &Outcome)> {
        let checks = self.plan.checks.iter().map(|compiled| &compiled.check);
        checks.zip(&self.outcomes)
    }

    /// What the check of a name found.
    #[must_use]
    pub fn outcome(&self, name: &str) -> Option<&Outcome> {
        self.outcomes()
            .find_map(|(check, outcome)| (check.name == name).then_some(outcome))
    }

    /// The rows that break a row-level check whose severity is `error`: a bit for each row of the batch. `None`: no row
    /// does.
    #[must_use]
    pub fn rejected(&self) -> Option<&BooleanBuffer> {
        self.rejected.as_ref()
    }

    /// The rejected rows, in the batch's order, each with the first check that it breaks.
    pub fn rejections(&self) -> impl Iterator<Item = (usize, &Check)> {
        let rows = self.rejected.iter().flat_map(BooleanBuffer::set_indices);
        rows.filter_map(|row| Some((row, self.first_broken(row)?)))
    }

    fn first_broken(&self, row: usize) -> Option<&Check> {
        let mut judged = self.plan.checks.iter().zip(&self.outcomes);
        judged.find_map(|(compiled, outcome)| {
            let failing = outcome.failing.as_ref().filter(|_| compiled.rejects())?;
            failing.value(row).then_some(&compiled.check)
        })
    }
}

impl Outcome {
    pub(crate) fn of_rows(rows: u64) -> Self {
        Self {
            element_count: rows,
            missing_count: 0,
            unexpected_count: 0,
            failing: None,
            samples: None,
            detail: Detail::None,
        }
    }

    /// Hundredths of the rows that were not passed over. `None` if there are none.
    #[must_use]
    pub fn unexpected_percent(&self) -> Option<f64> {
        percent(self.element_count, self.missing_count, self.unexpected_count)
    }

    /// Some of the values that break the check, in the batch's order. `None` where a column's values may not be shown.
    #[must_use]
    pub fn partial_unexpected_list(&self) -> Option<&[Value]> {
        self.samples.as_deref()
    }
}

#[expect(
    clippy::cast_precision_loss,
    reason = "it is for people; what is judged is compared exactly"
)]
pub(crate) fn percent(elements: u64, missing: u64, unexpected: u64) -> Option<f64> {
    let looked_at = elements.saturating_sub(missing);
    (looked_at > 0).then(|| unexpected as f64 * 100.0 / looked_at as f64)
}

impl fmt::Debug for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Report")
            .field("rows", &self.rows)
            .field(
                "rejected",
                &self.rejected.as_ref().map(BooleanBuffer::count_set_bits),
            )
            .field("outcomes", &self.outcomes)
            .finish()
    }
}

impl fmt::Debug for Outcome {
    /// Without values, also those that may be shown.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Outcome")
            .field("element_count", &self.element_count)
            .field("missing_count", &self.missing_count)
            .field("unexpected_count", &self.unexpected_count)
            .finish_non_exhaustive()
    }
}
