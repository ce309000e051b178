//! What a contract promises of its rows, held: a row that breaks a check goes to quarantine, and the rest goes on.

use std::collections::{BTreeMap, BTreeSet};

use arrow_array::BooleanArray;
use malla_contract::{CheckKind, Product};
use malla_quality::{Checks, Report, Status, Totals, Verdict};
use malla_sandbox::Output;
use malla_source::Decoded;

use crate::error::{FlowError, Refusal};
use crate::plan::StepPlan;

/// A row that breaks a check whose severity is an error.
pub(crate) struct Unfit {
    pub(crate) line: usize,
    /// The row of what was decoded.
    pub(crate) row: Option<usize>,
    pub(crate) step: usize,
    /// The check's name.
    pub(crate) check: String,
    pub(crate) message: String,
}

/// What a product's contract promises of its rows.
pub(crate) fn checks(name: &str, product: &Product) -> Result<Checks, Refusal> {
    Checks::new(&product.table).map_err(|source| Refusal::Quality {
        product: name.to_owned(),
        source,
    })
}

impl StepPlan {
    /// Runs the checks on what the step made, before masks hide it, and takes out the rows that must not pass. A row of the
    /// input that became many goes as a whole, and is told of once, by the first check that it breaks.
    pub(crate) fn judge(
        &self,
        step: usize,
        output: &mut Output,
        decoded: &Decoded,
    ) -> Result<(Report, Vec<Unfit>), FlowError> {
        let report = self
            .checks
            .run(&output.batch)
            .map_err(|source| FlowError::Check {
                product: self.product.clone(),
                source,
            })?;
        if report.rejected().is_none_or(|rows| rows.count_set_bits() == 0) {
            return Ok((report, Vec::new()));
        }
        let numbers = output.rows.numbers();
        let input = |row: usize| numbers.values().get(row).copied().unwrap_or(u32::MAX);
        let mut first: BTreeMap<u32, &str> = BTreeMap::new();
        for (row, check) in report.rejections() {
            first.entry(input(row)).or_insert(&check.name);
        }
        let unfit = first
            .iter()
            .map(|(row, check)| Unfit {
                line: decoded.rows.get(*row as usize).map_or(0, |line| *line as usize),
                row: usize::try_from(*row).ok(),
                step,
                check: (*check).to_owned(),
                message: format!("breaks the check `{check}` of its contract"),
            })
            .collect();
        let rows: BTreeSet<u32> = first.into_keys().collect();
        let keep: BooleanArray = (0..output.batch.num_rows())
            .map(|row| Some(!rows.contains(&input(row))))
            .collect();
        output.retain(&keep)?;
        Ok((report, unfit))
    }
}

/// What failed, as a person would say it. No value of a row.
pub(crate) fn told(verdict: &Verdict<'_>) -> String {
    let found = match verdict.check.kind {
        CheckKind::Fresh { .. } => "the newest row is too old, or lies in the future".to_owned(),
        CheckKind::Sql { .. } => "its query does not give what it must".to_owned(),
        CheckKind::RowCount => format!("{} rows", verdict.element_count),
        _ => format!("{} of {}", verdict.unexpected_count, verdict.element_count),
    };
    match &verdict.check.description {
        Some(description) => format!("check `{}`: {found}; {description}", verdict.check.name),
        None => format!("check `{}`: {found}", verdict.check.name),
    }
}

/// Whether a verdict over some rows says something: how many rows a table has, and which are twice, is not for a part of it to
/// say.
pub(crate) fn of_rows(verdict: &Verdict<'_>) -> bool {
    verdict.status != Status::NotRun
        && !matches!(
            verdict.check.kind,
            CheckKind::RowCount | CheckKind::Unique { .. } | CheckKind::Sql { .. } | CheckKind::Fresh { .. }
        )
}

/// Adds up what was found in the batches of a tick.
pub(crate) fn totals<'a>(
    plan: &StepPlan,
    reports: impl Iterator<Item = &'a Report>,
) -> Result<Totals, FlowError> {
    let mut totals = plan.checks.totals();
    for report in reports {
        totals.add(report).map_err(|_| FlowError::Panic {
            flow: plan.product.clone(),
        })?;
    }
    Ok(totals)
}
