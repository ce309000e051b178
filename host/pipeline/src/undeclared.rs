//! Rows with personal data that nobody declared: taken out of a batch before a table or a plugin gets to see them.

use std::collections::BTreeSet;

use arrow_array::BooleanArray;
use arrow_select::filter::filter_record_batch;
use malla_contract::PersonalKind;
use malla_sandbox::{Origin, Output};
use malla_source::Decoded;

use crate::error::FlowError;
use crate::plan::{Flow, StepPlan};
use crate::screen::Screened;

/// A row with personal data that nobody declared.
pub(crate) struct Blocked {
    pub(crate) line: usize,
    /// The step that made it out of what it read; none where it came so.
    pub(crate) step: Option<usize>,
    pub(crate) message: String,
}

/// The quarantine rule of such rows.
pub(crate) const UNDECLARED: &str = "undeclared_personal_data";

impl Flow {
    /// Takes out the rows that hold personal data where the source declares none, and hides what policy wants hidden:
    /// neither the plugin nor a table gets to see it.
    pub(crate) fn screen_source(&self, decoded: &mut Decoded) -> Result<Vec<Blocked>, FlowError> {
        let screened = self
            .screen
            .batch(&mut decoded.batch, self.screened.iter().copied())
            .map_err(|source| FlowError::Mask {
                product: self.name.clone(),
                column: "(undeclared personal data)".to_owned(),
                source,
            })?;
        let column = |index: usize| {
            self.source
                .table
                .columns
                .get(index)
                .map_or("", |c| c.name.as_str())
        };
        self.tell(&screened, column);
        if screened.blocked.is_empty() {
            return Ok(Vec::new());
        }
        let blocked: Vec<Blocked> = screened
            .blocked
            .iter()
            .map(|hit| Blocked {
                line: decoded
                    .rows
                    .get(hit.row as usize)
                    .map_or(0, |line| *line as usize),
                step: None,
                message: undeclared(column(hit.column), hit.kind),
            })
            .collect();
        let rows: BTreeSet<u32> = screened.blocked.iter().map(|hit| hit.row).collect();
        let keep = kept(decoded.rows.len(), |row| !rows.contains(&row));
        decoded.batch = filter_record_batch(&decoded.batch, &keep)?;
        let mut row = 0;
        decoded.rows.retain(|_| {
            row += 1;
            !rows.contains(&(row - 1))
        });
        Ok(blocked)
    }

    /// What was found and let pass, in some form.
    fn tell<'a>(&self, screened: &Screened, column: impl Fn(usize) -> &'a str) {
        let found = [("hidden", &screened.hidden), ("passed", &screened.told)];
        for (done, found) in found {
            for ((index, kind), rows) in found {
                tracing::warn!(
                    flow = self.name, column = column(*index), %kind, rows, done, "Undeclared personal data."
                );
            }
        }
    }
}

impl StepPlan {
    /// Takes out the rows in which the step made personal data that its contract does not declare.
    pub(crate) fn screen(
        &self,
        flow: &Flow,
        output: &mut Output,
        decoded: &Decoded,
    ) -> Result<Vec<Blocked>, FlowError> {
        let computed = |index: &usize| {
            self.columns.get(*index).is_some_and(|plan| plan.screened)
                && output.origins.get(*index) == Some(&Origin::Computed)
        };
        let columns: Vec<usize> = (0..self.columns.len()).filter(computed).collect();
        let screened = flow
            .screen
            .batch(&mut output.batch, columns)
            .map_err(|source| self.mask_error("(undeclared personal data)", source))?;
        let column = |index: usize| {
            self.spec
                .schema
                .fields()
                .get(index)
                .map_or("", |f| f.name().as_str())
        };
        flow.tell(&screened, column);
        if screened.blocked.is_empty() {
            return Ok(Vec::new());
        }
        let numbers = output.rows.numbers();
        let input = |row: u32| numbers.values().get(row as usize).copied().unwrap_or(u32::MAX);
        let step = flow.steps.iter().position(|plan| plan.product == self.product);
        let mut rows = BTreeSet::new();
        let mut blocked = Vec::new();
        for hit in &screened.blocked {
            if rows.insert(input(hit.row)) {
                let line = decoded.rows.get(input(hit.row) as usize);
                blocked.push(Blocked {
                    line: line.map_or(0, |line| *line as usize),
                    step,
                    message: undeclared(column(hit.column), hit.kind),
                });
            }
        }
        // A row of the input that became many goes as a whole.
        let keep = kept(output.batch.num_rows(), |row| !rows.contains(&input(row)));
        output.retain(&keep)?;
        Ok(blocked)
    }
}

fn kept(rows: usize, keeps: impl Fn(u32) -> bool) -> BooleanArray {
    (0..rows)
        .map(|row| Some(u32::try_from(row).is_ok_and(&keeps)))
        .collect()
}

fn undeclared(column: &str, kind: PersonalKind) -> String {
    format!(
        "`{column}` holds what has the form of {kind}, and its contract declares none: declare it, or correct the source"
    )
}
