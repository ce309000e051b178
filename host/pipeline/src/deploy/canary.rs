//! A new version of a plugin beside the one in use, on batches that were committed last: what would come out otherwise?
//!
//! INVARIANT: what differs is told as names and counts, never as a value of a row.

use std::collections::{BTreeMap, BTreeSet};

use arrow_array::{Array, RecordBatch, UInt32Array};
use arrow_ord::cmp::distinct;
use arrow_select::take::take;
use futures::{StreamExt, pin_mut};
use malla_sandbox::{Output, StepError};
use malla_source::{Decoded, Decoder, DirectoryConfig, Lines, Replay, SourceError};
use serde::Serialize;

use crate::batch::Range;
use crate::commit::Plan;
use crate::config::SourceConfig;
use crate::error::FlowError;
use crate::mesh::Mesh;
use crate::plan::{Flow, StepPlan};

/// What both versions made of the same batches, for one product.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Canary {
    /// `domain.product`.
    pub product: String,
    /// Lines that both were given.
    pub lines: u64,
    /// Batches that could not be read again, and the reason of the first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unread: Option<(usize, String)>,
    /// The version in use does not make it.
    pub is_new: bool,
    /// It is made by SQL, of the rows that are there; no lines were read.
    pub is_gold: bool,
    /// Rows that came out of both; of a new product, all.
    pub rows: u64,
    /// Rows that came out of the version in use only.
    pub lost: u64,
    /// Rows that came out of the new version only.
    pub gained: u64,
    /// By column, rows of both in which the value is another one.
    pub changed: BTreeMap<String, u64>,
    /// By rule, lines that were no events to the version in use and to the new one, where that differs.
    pub undecodable: BTreeMap<String, (u64, u64)>,
    /// By rule, rows that were rejected by the version in use and by the new one, where that differs.
    pub rejected: BTreeMap<String, (u64, u64)>,
    /// By check of quality, rows that broke it, where that differs.
    pub unfit: BTreeMap<String, (u64, u64)>,
    /// Why the new version failed on a batch on which the one in use did not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failed: Option<String>,
    /// Wasm instructions of each.
    pub fuel: (u64, u64),
}

impl Canary {
    /// What differs: its name as it can be accepted, and the rest of the sentence.
    #[must_use]
    pub fn differences(&self) -> Vec<(String, String)> {
        let product = || self.product.clone();
        let mut found = Vec::new();
        if let Some(why) = &self.failed {
            found.push((String::new(), format!("`{}` fails: {why}", self.product)));
        }
        if self.lost + self.gained > 0 {
            let text = format!("{} rows are gone, {} are new", self.lost, self.gained);
            found.push((product(), format!("`{}`: {text}", self.product)));
        }
        for (kind, counts) in [
            ("undecodable by", &self.undecodable),
            ("rejected by", &self.rejected),
            ("breaking", &self.unfit),
        ] {
            for (name, (before, after)) in counts.iter().filter(|(_, (before, after))| before != after) {
                let text = format!(
                    "`{}`: {after} rows {kind} `{name}`, before {before}",
                    self.product
                );
                found.push((product(), text));
            }
        }
        for (column, count) in &self.changed {
            let name = format!("{}/{column}", self.product);
            // Rows that SQL makes are not followed one by one.
            let least = if self.is_gold { "at least " } else { "" };
            let text = format!("`{name}`: another value in {least}{count} of {} rows", self.rows);
            found.push((name, text));
        }
        found
    }
}

impl Mesh {
    /// Runs two versions of a flow on its last batches, up to so many lines.
    pub(super) async fn try_beside(
        &self,
        before: &Flow,
        after: &Flow,
        lines: usize,
    ) -> Result<Vec<Canary>, FlowError> {
        let plans = self.last_batches(before, lines).await?;
        let mut canaries: Vec<Canary> = after
            .steps
            .iter()
            .map(|step| Canary {
                product: step.product.clone(),
                is_new: before.steps.iter().all(|other| other.product != step.product),
                ..Canary::default()
            })
            .collect();
        tokio::task::block_in_place(|| {
            let scratch = tempfile::tempdir().map_err(|source| FlowError::Copy {
                path: std::env::temp_dir(),
                source,
            })?;
            let replay = self.replay(before, after, scratch.path())?;
            let mut decoders = (before.decoder()?, after.decoder()?);
            for (partition, ranges) in &plans {
                match again(&replay, partition, ranges) {
                    Ok(batches) => {
                        for (range, lines) in ranges.iter().zip(&batches) {
                            compare(
                                (before, after),
                                &mut decoders,
                                lines,
                                range.event_time,
                                &mut canaries,
                            )?;
                        }
                    }
                    Err(error) => {
                        for canary in &mut canaries {
                            let unread = canary.unread.get_or_insert((0, error.to_string()));
                            unread.0 += ranges.len();
                        }
                    }
                }
            }
            Ok(canaries)
        })
    }

    /// The batches that were committed last, each partition's in order.
    async fn last_batches(&self, flow: &Flow, lines: usize) -> Result<Vec<(String, Vec<Range>)>, FlowError> {
        let Some(quarantine) = self.lake.existing(&flow.quarantine.spec.id).await? else {
            return Ok(Vec::new());
        };
        let mut found = Vec::new();
        let mut left = lines;
        let history = quarantine.history();
        pin_mut!(history);
        while left > 0
            && let Some(record) = history.next().await
        {
            let Ok(plan) = serde_json::from_value::<Plan>(record?.info.into()) else {
                continue;
            };
            for (partition, ranges) in plan.batches {
                let mut taken: Vec<Range> = Vec::new();
                for range in ranges.into_iter().rev() {
                    if left == 0 {
                        break;
                    }
                    left = left.saturating_sub(range.lines);
                    taken.insert(0, range);
                }
                if !taken.is_empty() {
                    found.push((partition, taken));
                }
            }
        }
        Ok(found)
    }

    /// Of the batches of `flow`, with what `after` reads of them.
    fn replay(&self, flow: &Flow, after: &Flow, scratch: &std::path::Path) -> Result<Replay, SourceError> {
        let (domain, source) = (&flow.domain, &flow.source);
        let read = |config: DirectoryConfig| config.with_source(source).with_columns_of(&after.source);
        match &flow.place {
            SourceConfig::Directory(directory) => {
                let config = DirectoryConfig::new(directory, self.journals(domain, &source.name));
                Replay::directory(read(config), scratch)
            }
            SourceConfig::Kafka(config) => {
                Ok(Replay::kafka(config, &crate::run::group(domain, &source.name)))
            }
            SourceConfig::Sftp(config) => Replay::sftp(config, read, scratch),
        }
    }
}

fn again(replay: &Replay, partition: &str, ranges: &[Range]) -> Result<Vec<Lines>, SourceError> {
    let bounds: Vec<(i64, i64)> = ranges.iter().map(|range| (range.from, range.to)).collect();
    let begins = ranges.first().is_some_and(|range| range.begins);
    let batches = replay.batches(partition, &bounds, begins)?;
    match ranges
        .iter()
        .zip(&batches)
        .find(|(range, lines)| range.lines != lines.len())
    {
        None => Ok(batches),
        Some((range, _)) => Err(SourceError::NotRepeatable {
            partition: partition.to_owned(),
            from: range.from,
            to: range.to,
            reason: "it has other lines now".to_owned(),
        }),
    }
}

fn compare(
    (before, after): (&Flow, &Flow),
    decoders: &mut (Decoder, Decoder),
    lines: &Lines,
    event_time: i64,
    canaries: &mut [Canary],
) -> Result<(), FlowError> {
    let first = seen(before, &mut decoders.0, lines)?;
    let second = seen(after, &mut decoders.1, lines)?;
    let failed = |decoded: &Decoded| count(decoded.failed.iter().map(|failure| failure.rule));
    let (one, other) = (failed(&first), failed(&second));
    for canary in canaries {
        canary.lines += lines.len() as u64;
        if !canary.is_new {
            add_up(&mut canary.undecodable, &one, &other);
        }
        let one = Side::run(before, &canary.product, &first, event_time)?;
        let other = Side::run(after, &canary.product, &second, event_time)?;
        match (one, other) {
            (Ok(Some(one)), Ok(Some(other))) => canary.add(&one, &other)?,
            (Ok(None), Ok(Some(new))) => {
                canary.rows += new.lines.len() as u64;
                canary.fuel.1 += new.fuel;
            }
            (_, Err(error)) if canary.failed.is_none() => {
                // What a plugin says may quote what it read.
                let rule = crate::batch::failure_rule(&error.failure).unwrap_or("failed");
                canary.failed = Some(rule.to_owned());
            }
            (Err(_) | Ok(_), _) => {}
        }
    }
    Ok(())
}

fn seen(flow: &Flow, decoder: &mut Decoder, lines: &Lines) -> Result<Decoded, FlowError> {
    let mut decoded = decoder.decode(lines)?;
    flow.screen_source(&mut decoded)?;
    Ok(decoded)
}

/// What one version made of a batch.
struct Side {
    rows: RecordBatch,
    /// For each row, the line that it comes of.
    lines: Vec<u32>,
    rejected: BTreeMap<String, u64>,
    unfit: BTreeMap<String, u64>,
    fuel: u64,
}

impl Side {
    /// `None`: that version does not make the product. The inner error is the plugin's.
    fn run(
        flow: &Flow,
        product: &str,
        decoded: &Decoded,
        event_time: i64,
    ) -> Result<Result<Option<Self>, StepError>, FlowError> {
        let Some(plan) = flow.steps.iter().find(|step| step.product == product) else {
            return Ok(Ok(None));
        };
        let output = match plan.run(&flow.plugin, &decoded.batch, event_time)? {
            Ok(output) => output,
            Err(error) => return Ok(Err(error)),
        };
        Ok(Ok(Some(Self {
            lines: lines_of(&output, decoded),
            rejected: count(output.rejected.iter().map(|rejection| rejection.rule.as_str())),
            unfit: unfit(plan, &output)?,
            fuel: output.usage.fuel,
            rows: output.batch,
        })))
    }
}

fn lines_of(output: &Output, decoded: &Decoded) -> Vec<u32> {
    let numbers = output.rows.numbers();
    let line = |row: &u32| decoded.rows.get(*row as usize).copied().unwrap_or(u32::MAX);
    numbers.values().iter().map(line).collect()
}

fn unfit(plan: &StepPlan, output: &Output) -> Result<BTreeMap<String, u64>, FlowError> {
    let report = plan
        .checks
        .run(&output.batch)
        .map_err(|source| FlowError::Check {
            product: plan.product.clone(),
            source,
        })?;
    let mut first: BTreeMap<usize, &str> = BTreeMap::new();
    for (row, check) in report.rejections() {
        first.entry(row).or_insert(&check.name);
    }
    Ok(count(first.into_values()))
}

fn count<'a>(names: impl Iterator<Item = &'a str>) -> BTreeMap<String, u64> {
    let mut counts = BTreeMap::new();
    for name in names {
        *counts.entry(name.to_owned()).or_default() += 1;
    }
    counts
}

impl Canary {
    fn add(&mut self, one: &Side, other: &Side) -> Result<(), FlowError> {
        self.fuel = (self.fuel.0 + one.fuel, self.fuel.1 + other.fuel);
        add_up(&mut self.rejected, &one.rejected, &other.rejected);
        add_up(&mut self.unfit, &one.unfit, &other.unfit);
        let (left, right) = pairs(&one.lines, &other.lines);
        let both = left.len() as u64;
        self.rows += both;
        self.lost += one.lines.len() as u64 - both;
        self.gained += other.lines.len() as u64 - both;
        for (field, column) in one.rows.schema_ref().fields().iter().zip(one.rows.columns()) {
            let Some(after) = other.rows.column_by_name(field.name()) else {
                continue;
            };
            let (before, after) = (take(column, &left, None)?, take(after, &right, None)?);
            let changed = if before.data_type() == after.data_type() {
                distinct(&before, &after)?.true_count() as u64
            } else {
                both
            };
            if changed > 0 {
                *self.changed.entry(field.name().clone()).or_default() += changed;
            }
        }
        Ok(())
    }
}

/// Adds what two versions counted. What is the same in the end is left out when it is told.
fn add_up(
    sums: &mut BTreeMap<String, (u64, u64)>,
    one: &BTreeMap<String, u64>,
    other: &BTreeMap<String, u64>,
) {
    let names: BTreeSet<&String> = one.keys().chain(other.keys()).collect();
    for name in names {
        let sum = sums.entry(name.clone()).or_default();
        sum.0 += one.get(name).copied().unwrap_or_default();
        sum.1 += other.get(name).copied().unwrap_or_default();
    }
}

/// Rows of one side and of the other that come of the same line: the first of it with the first, the second with the second.
fn pairs(one: &[u32], other: &[u32]) -> (UInt32Array, UInt32Array) {
    let ordered = |lines: &[u32]| {
        let mut rows: Vec<(u32, u32)> = lines.iter().copied().zip(0..).collect();
        rows.sort_unstable();
        rows
    };
    let (one, other) = (ordered(one), ordered(other));
    let (mut left, mut right) = (Vec::new(), Vec::new());
    let (mut ones, mut others) = (one.iter().peekable(), other.iter().peekable());
    while let (Some((first, row)), Some((second, with))) = (ones.peek(), others.peek()) {
        match first.cmp(second) {
            std::cmp::Ordering::Less => drop(ones.next()),
            std::cmp::Ordering::Greater => drop(others.next()),
            std::cmp::Ordering::Equal => {
                left.push(*row);
                right.push(*with);
                ones.next();
                others.next();
            }
        }
    }
    (left.into(), right.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_of_the_same_line_are_compared() {
        let pairs = |one: &[u32], other: &[u32]| {
            let (left, right) = pairs(one, other);
            (left.values().to_vec(), right.values().to_vec())
        };
        assert_eq!(pairs(&[0, 1, 2], &[0, 2, 3]), (vec![0, 2], vec![0, 1]));
        assert_eq!(pairs(&[5, 5, 1], &[5, 1, 5]), (vec![2, 0, 1], vec![1, 0, 2]));
        assert_eq!(pairs(&[7, 7], &[7]), (vec![0], vec![0]));
        assert_eq!(pairs(&[], &[1]), (vec![], vec![]));
    }

    #[test]
    fn what_differs_has_a_name_and_a_count() {
        let canary = Canary {
            product: "ventas.transacciones".to_owned(),
            rows: 10,
            lost: 1,
            changed: BTreeMap::from([("monto_usd".to_owned(), 3)]),
            rejected: BTreeMap::from([("monto_positivo".to_owned(), (2, 3))]),
            ..Canary::default()
        };
        let found = canary.differences();
        assert_eq!(
            found,
            [
                (
                    "ventas.transacciones".to_owned(),
                    "`ventas.transacciones`: 1 rows are gone, 0 are new".to_owned()
                ),
                (
                    "ventas.transacciones".to_owned(),
                    "`ventas.transacciones`: 3 rows rejected by `monto_positivo`, before 2".to_owned()
                ),
                (
                    "ventas.transacciones/monto_usd".to_owned(),
                    "`ventas.transacciones/monto_usd`: another value in 3 of 10 rows".to_owned()
                ),
            ]
        );
        assert!(Canary::default().differences().is_empty());
    }
}
