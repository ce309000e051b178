//! The life of one batch: lines in; raw, curated and quarantined rows out. No I/O.
//!
//! An event enters each room once: decode, screen, view, sandbox, check, screen, mask. Quality has its place between
//! those calls.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::sync::Arc;

use arrow_array::types::{Date32Type, TimestampMicrosecondType};
use arrow_array::{Array, ArrayRef, Int64Array, PrimitiveArray, RecordBatch, StringArray};
use arrow_schema::{Field, FieldRef, Schema};
use malla_policy::Undeclared;
use malla_privacy::{MaskError, Masker};
use malla_quality::Report;
use malla_sandbox::{Failure, Origin, Output, Plugin, StepError};
use malla_source::{Decoded, Decoder, Lines};

use crate::error::{FlowError, Refusal};
use crate::plan::{Flow, StepPlan};
use crate::quality::Unfit;
use crate::quarantine::{self, Entry, Stage, day};
use crate::report::Counts;
use crate::undeclared::{Blocked, UNDECLARED};

/// What a batch became, ready to commit.
pub(crate) struct Processed {
    pub(crate) partition: String,
    pub(crate) range: Range,
    /// Bytes of its lines.
    pub(crate) bytes: usize,
    /// Time of the newest event, in microseconds since 1970.
    pub(crate) newest: Option<i64>,
    pub(crate) quarantine: RecordBatch,
    pub(crate) raw: RecordBatch,
    /// One for each step of the flow, in its order.
    pub(crate) curated: Vec<RecordBatch>,
    pub(crate) counts: Vec<Counts>,
    /// What the checks of each step's product found; none where the step failed.
    pub(crate) checked: Vec<Option<Report>>,
}

/// What makes a batch: the same range with the same event time gives the same rows, always.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(crate) struct Range {
    pub(crate) from: i64,
    pub(crate) to: i64,
    /// The batch's own clock, in microseconds since 1970 UTC.
    pub(crate) event_time: i64,
    /// Nothing of the partition comes before.
    #[serde(default)]
    pub(crate) begins: bool,
    /// How many there are: a source that has lost some cannot give the batch again.
    #[serde(default)]
    pub(crate) lines: usize,
}

impl Range {
    /// Whether a table that stands there is where the batch starts.
    pub(crate) fn follows(&self, offset: Option<i64>) -> bool {
        if self.begins {
            offset.is_none()
        } else {
            offset == Some(self.from)
        }
    }
}

/// Why the rows of a failed step are in quarantine.
struct Failed {
    step: usize,
    rule: &'static str,
    message: String,
}

/// What of a batch goes no further.
#[derive(Default)]
struct Out {
    blocked: Vec<Blocked>,
    rejections: Vec<Rejected>,
    failures: Vec<Failed>,
    unfit: Vec<Unfit>,
}

/// In the place of what a plugin says that sees values behind masks.
const WITHHELD: &str = "withheld: the step sees values behind masks, and what it says may quote them";

struct Rejected {
    row: usize,
    step: usize,
    rule: String,
    message: String,
}

impl Flow {
    pub(crate) fn process(
        &self,
        decoder: &mut Decoder,
        lines: &Lines,
        event_time: i64,
    ) -> Result<Processed, FlowError> {
        let mut decoded = decoder.decode(lines)?;
        let mut out = Out {
            blocked: self.screen_source(&mut decoded)?,
            ..Out::default()
        };
        let lost = (decoded.failed.len() + out.blocked.len()) as u64;
        let mut counts = Vec::with_capacity(self.steps.len());
        let mut curated = Vec::with_capacity(self.steps.len());
        let mut checked = Vec::with_capacity(self.steps.len());
        for (index, plan) in self.steps.iter().enumerate() {
            let mut count = Counts {
                read: lines.len() as u64,
                quarantined: lost,
                ..Counts::default()
            };
            match plan.run(&self.plugin, &decoded.batch, event_time)? {
                Ok(mut output) => {
                    plan.check(&output.origins)
                        .map_err(|(product, source)| FlowError::Undeclared { product, source })?;
                    self.pass_on(plan, &output);
                    count.fuel = output.usage.fuel;
                    count.memory = output.usage.memory_peak;
                    count.rejected = output.rejected.len() as u64;
                    count.filtered = left_out(decoded.batch.num_rows(), &output);
                    out.rejections
                        .extend(output.rejected.iter().map(|rejection| Rejected {
                            row: rejection.row as usize,
                            step: index,
                            rule: rejection.rule.clone(),
                            message: plan.told(&rejection.message).to_owned(),
                        }));
                    let hits = plan.screen(self, &mut output, &decoded)?;
                    count.quarantined += hits.len() as u64;
                    out.blocked.extend(hits);
                    let (report, broken) = plan.judge(index, &mut output, &decoded)?;
                    count.quarantined += broken
                        .iter()
                        .map(|broken| broken.line)
                        .collect::<BTreeSet<_>>()
                        .len() as u64;
                    out.unfit.extend(broken);
                    checked.push(Some(report));
                    count.kept = output.batch.num_rows() as u64;
                    let (batch, masked) = plan.mask(output)?;
                    count.masked = masked;
                    curated.push(batch);
                }
                Err(error) => {
                    let rule = failure_rule(&error.failure);
                    let Some(rule) = rule else {
                        return Err(FlowError::Sandbox(Box::new(error)));
                    };
                    let message = if plan.sees_raw {
                        WITHHELD.to_owned()
                    } else {
                        error.to_string()
                    };
                    tracing::warn!(
                        flow = self.name,
                        step = plan.step.name,
                        rule,
                        error = message,
                        "Batch failed in the sandbox."
                    );
                    count.quarantined += decoded.batch.num_rows() as u64;
                    out.failures.push(Failed {
                        step: index,
                        rule,
                        message,
                    });
                    curated.push(RecordBatch::new_empty(Arc::clone(&plan.spec.schema)));
                    checked.push(None);
                }
            }
            counts.push(count);
        }
        Ok(Processed {
            partition: lines.partition().to_owned(),
            range: Range {
                from: lines.from(),
                to: lines.to(),
                event_time,
                begins: lines.begins(),
                lines: lines.len(),
            },
            bytes: lines.byte_len(),
            newest: self
                .times(&decoded.batch)
                .and_then(|times| times.iter().flatten().max()),
            quarantine: self.quarantined(&decoded, lines, event_time, &out)?,
            raw: self.raw(&decoded, lines, event_time)?,
            curated,
            counts,
            checked,
        })
    }

    /// The plugin's own log. It can quote what the plugin saw, so where that is more than anybody may see, it is kept back.
    fn pass_on(&self, plan: &StepPlan, output: &Output) {
        for line in &output.log {
            let message = plan.told(&line.message);
            tracing::info!(plugin = self.domain, step = plan.step.name, level = ?line.level, message, "A plugin says.");
        }
    }

    fn quarantined(
        &self,
        decoded: &Decoded,
        lines: &Lines,
        event_time: i64,
        out: &Out,
    ) -> Result<RecordBatch, FlowError> {
        let regions: Option<&StringArray> = self
            .quarantine
            .region
            .and_then(|index| decoded.batch.columns().get(index))
            .and_then(|column| column.as_any().downcast_ref());
        let region = |row: usize| regions.filter(|r| r.is_valid(row)).map(|r| r.value(row));
        let line = |row: usize| decoded.rows.get(row).map_or(0, |line| *line as usize);
        let product = |step: usize| self.steps.get(step).map(|plan| plan.product.as_str());

        let mut entries: Vec<Entry<'_>> = decoded
            .failed
            .iter()
            .map(|failure| Entry {
                line: failure.line as usize,
                stage: Stage::Undecodable,
                product: None,
                region: None,
                rule: failure.rule,
                message: &failure.message,
            })
            .collect();
        entries.extend(out.blocked.iter().map(|blocked| Entry {
            line: blocked.line,
            stage: Stage::Blocked,
            product: blocked.step.and_then(product),
            region: None,
            rule: UNDECLARED,
            message: &blocked.message,
        }));
        entries.extend(out.unfit.iter().map(|unfit| Entry {
            line: unfit.line,
            stage: Stage::Quality,
            product: product(unfit.step),
            region: unfit.row.and_then(region),
            rule: &unfit.check,
            message: &unfit.message,
        }));
        entries.extend(out.rejections.iter().map(|rejection| Entry {
            line: line(rejection.row),
            stage: Stage::Rejected,
            product: product(rejection.step),
            region: region(rejection.row),
            rule: &rejection.rule,
            message: &rejection.message,
        }));
        for failure in &out.failures {
            entries.extend((0..decoded.batch.num_rows()).map(|row| Entry {
                line: line(row),
                stage: Stage::Failed,
                product: product(failure.step),
                region: region(row),
                rule: failure.rule,
                message: &failure.message,
            }));
        }
        let plugin = format!("{}@{}", self.domain, self.plugin_version);
        quarantine::batch(
            &entries,
            lines,
            event_time,
            &plugin,
            &mut self.quarantine.sealer.batch()?,
        )
    }

    fn raw(&self, decoded: &Decoded, lines: &Lines, event_time: i64) -> Result<RecordBatch, FlowError> {
        let rows = decoded.batch.num_rows();
        let offset = |line: &u32| lines.source_offset(*line as usize);
        let offsets = Int64Array::from_iter_values(decoded.rows.iter().map(offset));
        let partition = StringArray::from_iter_values(std::iter::repeat_n(lines.partition(), rows));
        let mut columns: Vec<ArrayRef> = vec![
            Arc::new(partition),
            Arc::new(offsets),
            self.fecha(&decoded.batch, event_time),
        ];
        let mut sealer = self.raw.sealer.batch()?;
        for ((column, field), sealed) in decoded
            .batch
            .columns()
            .iter()
            .zip(&self.source.table.columns)
            .zip(&self.raw.sealed)
        {
            columns.push(if *sealed {
                Arc::new(sealer.seal_column(&field.name, column)?)
            } else {
                Arc::clone(column)
            });
        }
        Ok(RecordBatch::try_new(Arc::clone(&self.raw.spec.schema), columns)?)
    }

    /// When each event happened, where the contract names a column for it.
    fn times<'a>(&self, batch: &'a RecordBatch) -> Option<&'a PrimitiveArray<TimestampMicrosecondType>> {
        let column = batch.columns().get(self.raw.event_time?)?;
        column.as_any().downcast_ref()
    }

    /// The UTC day of each event; where the contract names no event time, that of the batch.
    fn fecha(&self, batch: &RecordBatch, event_time: i64) -> ArrayRef {
        Arc::new(match self.times(batch) {
            Some(times) => times
                .iter()
                .map(|time| Some(day(time.unwrap_or(event_time))))
                .collect(),
            None => PrimitiveArray::<Date32Type>::from_value(day(event_time), batch.num_rows()),
        })
    }
}

impl Flow {
    /// Runs every step on no rows, to see where its columns come from: what no contract declares is refused before there
    /// is data. A step that fails on nothing says nothing; its batches are looked at as well.
    pub(crate) fn probe(&self) -> Result<(), Refusal> {
        for plan in &self.steps {
            if let Some(origins) = self.origins(plan)?
                && let Err((product, source)) = plan.check(&origins)
            {
                return Err(Refusal::Undeclared { product, source });
            }
        }
        Ok(())
    }

    /// Where a step's columns come from, when it is run on no rows. `None`: it fails on none.
    pub(crate) fn origins(&self, plan: &StepPlan) -> Result<Option<Vec<Origin>>, Refusal> {
        let nothing = RecordBatch::new_empty(Arc::new(self.source.table.schema()));
        let view = view(&nothing, &plan.tokens).map_err(|(column, source)| Refusal::Masker {
            product: plan.product.clone(),
            column,
            source,
        })?;
        let output = self.plugin.run(&plan.step, &view, 0);
        Ok(output.ok().map(|output| output.origins))
    }
}

impl StepPlan {
    /// The outer error stops the flow; the inner one is the plugin's, and costs it this batch.
    pub(crate) fn run(
        &self,
        plugin: &Plugin,
        batch: &RecordBatch,
        event_time: i64,
    ) -> Result<Result<Output, StepError>, FlowError> {
        let view = view(batch, &self.tokens).map_err(|(column, source)| self.mask_error(&column, source))?;
        Ok(plugin.run(&self.step, &view, event_time))
    }

    /// The rows as they may be stored, and how many values a mask replaced.
    fn mask(&self, output: Output) -> Result<(RecordBatch, u64), FlowError> {
        let mut masked = 0;
        let mut columns = output.batch.columns().to_vec();
        for ((column, plan), field) in columns
            .iter_mut()
            .zip(&self.columns)
            .zip(self.spec.schema.fields())
        {
            let Some(masker) = &plan.masker else {
                continue;
            };
            let name = field.name();
            let (hidden, count) = masker
                .apply(column)
                .map_err(|source| self.mask_error(name, source))?;
            *column = hidden;
            masked += count;
        }
        Ok((
            RecordBatch::try_new(Arc::clone(&self.spec.schema), columns)?,
            masked,
        ))
    }

    /// Whether every column came from where its contract, and policy, let it come from.
    fn check(&self, origins: &[Origin]) -> Result<(), (String, Undeclared)> {
        for (plan, origin) in self.columns.iter().zip(origins) {
            let undeclared = match origin {
                Origin::Computed => plan.computed.as_ref().err(),
                Origin::Forward(from) => plan.not_from.get(from),
            };
            if let Some(source) = undeclared {
                return Err((self.product.clone(), source.clone()));
            }
        }
        Ok(())
    }

    /// What may be told of what the plugin says.
    fn told<'a>(&self, message: &'a str) -> &'a str {
        if self.sees_raw { WITHHELD } else { message }
    }

    pub(crate) fn mask_error(&self, column: &str, source: MaskError) -> FlowError {
        FlowError::Mask {
            product: self.product.clone(),
            column: column.to_owned(),
            source,
        }
    }
}

/// The source's columns, followed by the tokens of those that a step reads and may not see. An error names the column.
pub(crate) fn view<'a>(
    batch: &'a RecordBatch,
    tokens: &[(usize, Masker)],
) -> Result<Cow<'a, RecordBatch>, (String, MaskError)> {
    if tokens.is_empty() {
        return Ok(Cow::Borrowed(batch));
    }
    let mut fields: Vec<FieldRef> = batch.schema().fields().iter().cloned().collect();
    let mut columns = batch.columns().to_vec();
    for (index, masker) in tokens {
        let (Some(field), Some(column)) = (fields.get(*index).cloned(), batch.columns().get(*index)) else {
            continue;
        };
        let (tokens, _) = masker
            .apply(column)
            .map_err(|source| (field.name().clone(), source))?;
        fields.push(Arc::new(
            Field::clone(&field).with_name(format!("token of {}", field.name())),
        ));
        columns.push(tokens);
    }
    let schema = Arc::new(Schema::new(fields));
    let names = || {
        schema
            .fields()
            .iter()
            .map(|field| field.name().clone())
            .collect::<Vec<_>>()
            .join(", ")
    };
    let view = RecordBatch::try_new(Arc::clone(&schema), columns);
    Ok(Cow::Owned(
        view.map_err(|error| (names(), MaskError::from(error)))?,
    ))
}

/// The quarantine rule for a batch that a plugin failed on. `None`: the host failed, and the batch can be tried again.
pub(crate) fn failure_rule(failure: &Failure) -> Option<&'static str> {
    match failure {
        Failure::Refused { .. } => Some("step_refused_batch"),
        Failure::Trap { .. } => Some("trap"),
        Failure::OverLimit { .. } => Some("over_limit"),
        Failure::Broken(_) => Some("broken_promise"),
        Failure::Input(_) | Failure::Engine { .. } => None,
    }
}

/// Input rows that are neither in the output nor rejected. No row is both, and none is rejected twice.
fn left_out(rows: usize, output: &Output) -> u64 {
    let known = output.rows.distinct().saturating_add(output.rejected.len());
    rows.saturating_sub(known) as u64
}
