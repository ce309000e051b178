//! Which rows come out, and which are refused: checked against each other.

use std::collections::HashSet;

use arrow_array::{ArrayRef, UInt32Array};
use arrow_buffer::{BooleanBuffer, BooleanBufferBuilder, Buffer};
use arrow_schema::ArrowError;

use crate::bindings::types as wit;
use crate::error::{BrokenPromise, Failure, Limit};
use crate::keep::Keep;
use crate::text::clip;
use crate::{Limits, Rejection, Step};

/// Which rows of a step's input come out.
#[derive(Debug, Clone, PartialEq)]
pub enum Rows {
    /// All of them, so many.
    All(usize),
    /// Those whose bit is set; as many bits as the input has rows.
    Keep(BooleanBuffer),
    /// Those with these numbers, in this order. A row may come out many times.
    Take(UInt32Array),
}

impl Rows {
    /// For each row that comes out, the number of the row of the input.
    #[must_use]
    pub fn numbers(&self) -> UInt32Array {
        match self {
            // INVARIANT: the sandbox takes no batch with more rows than a u32 counts.
            Self::All(rows) => UInt32Array::from_iter_values(0..u32::try_from(*rows).unwrap_or(u32::MAX)),
            Self::Keep(bits) => bits.set_indices_u32().collect::<Vec<u32>>().into(),
            Self::Take(rows) => rows.clone(),
        }
    }

    /// How many rows of the input come out, each counted once.
    #[must_use]
    pub fn distinct(&self) -> usize {
        match self {
            Self::All(rows) => *rows,
            Self::Keep(bits) => bits.count_set_bits(),
            Self::Take(rows) => rows.values().iter().collect::<HashSet<_>>().len(),
        }
    }
}

/// The rows that come out, as numbers below the rows of the input.
pub(crate) enum Selection {
    All(usize),
    Keep(Keep),
    Take(UInt32Array),
}

impl Selection {
    pub(crate) fn new(rows: wit::Rows, input_rows: usize, limits: &Limits) -> Result<Self, Failure> {
        let selection = match rows {
            wit::Rows::All => Self::All(input_rows),
            wit::Rows::Keep(bitmap) => keep(bitmap, input_rows)?,
            wit::Rows::Take(rows) => {
                // Before looking at each: there may be very many.
                check_count(rows.len(), limits)?;
                if let Some(row) = rows.iter().copied().find(|row| *row as usize >= input_rows) {
                    return Err(BrokenPromise::Take {
                        row,
                        rows: input_rows,
                    }
                    .into());
                }
                Self::Take(UInt32Array::from(rows))
            }
        };
        check_count(selection.count(), limits)?;
        Ok(selection)
    }

    /// How many rows come out.
    pub(crate) fn count(&self) -> usize {
        match self {
            Self::All(rows) => *rows,
            Self::Keep(keep) => keep.count(),
            Self::Take(rows) => rows.len(),
        }
    }

    /// How many values a computed column has: one for each row that `take` names, else one for each of the input.
    pub(crate) fn computed_rows(&self) -> usize {
        match self {
            Self::All(rows) => *rows,
            Self::Keep(keep) => keep.bits().len(),
            Self::Take(rows) => rows.len(),
        }
    }

    /// From a column that the guest computed to the rows that come out.
    pub(crate) fn of_computed(&self, column: ArrayRef) -> Result<ArrayRef, ArrowError> {
        match self {
            Self::Keep(keep) => keep.of(&column),
            Self::All(_) | Self::Take(_) => Ok(column),
        }
    }

    /// From a column of the input to the rows that come out.
    pub(crate) fn of_input(&self, column: &ArrayRef) -> Result<ArrayRef, ArrowError> {
        match self {
            Self::All(_) => Ok(ArrayRef::clone(column)),
            Self::Keep(keep) => keep.of(column),
            // Every row number was checked on the way in.
            Self::Take(rows) => arrow_select::take::take(column, rows, None),
        }
    }

    pub(crate) fn into_rows(self) -> Rows {
        match self {
            Self::All(rows) => Rows::All(rows),
            Self::Keep(keep) => Rows::Keep(keep.into_bits()),
            Self::Take(rows) => Rows::Take(rows),
        }
    }
}

fn keep(bitmap: Vec<u8>, rows: usize) -> Result<Selection, BrokenPromise> {
    let expected = rows.div_ceil(8);
    if bitmap.len() != expected {
        return Err(BrokenPromise::Keep {
            rows,
            expected,
            found: bitmap.len(),
        });
    }
    let bits = BooleanBuffer::new(Buffer::from_vec(bitmap), 0, rows);
    if bits.count_set_bits() == rows {
        return Ok(Selection::All(rows));
    }
    Ok(Selection::Keep(Keep::new(bits)))
}

fn check_count(rows: usize, limits: &Limits) -> Result<(), Failure> {
    let allowed = u64::from(limits.output_rows);
    if rows as u64 > allowed {
        return Err(Failure::OverLimit {
            limit: Limit::OutputRows,
            allowed,
            backtrace: Vec::new(),
        });
    }
    Ok(())
}

/// Checks the rejections: rows that exist, rules of the step, no row twice, none that comes out as well.
pub(crate) fn rejections(
    rejected: Vec<wit::Rejection>,
    selection: &Selection,
    step: &Step,
    input_rows: usize,
    limits: &Limits,
) -> Result<Vec<Rejection>, Failure> {
    let allowed = u64::from(limits.rejections);
    if rejected.len() as u64 > allowed {
        return Err(Failure::OverLimit {
            limit: Limit::Rejections,
            allowed,
            backtrace: Vec::new(),
        });
    }
    if rejected.is_empty() {
        return Ok(Vec::new());
    }
    let rules: HashSet<&str> = step.rules.iter().map(String::as_str).collect();
    let mut refused = BooleanBufferBuilder::new(input_rows);
    refused.append_n(input_rows, false);
    let mut checked = Vec::with_capacity(rejected.len());
    for wit::Rejection { row, rule, message } in rejected {
        let index = row as usize;
        if index >= input_rows {
            return Err(BrokenPromise::RejectedRow {
                row,
                rows: input_rows,
            }
            .into());
        }
        if !rules.contains(rule.as_str()) {
            return Err(BrokenPromise::RejectedRule {
                row,
                rule: clip(&rule, 64),
            }
            .into());
        }
        if refused.get_bit(index) {
            return Err(BrokenPromise::RejectedTwice { row }.into());
        }
        refused.set_bit(index, true);
        checked.push(Rejection {
            row,
            rule,
            message: clip(&message, limits.message_bytes),
        });
    }
    match first_kept(selection, &refused.finish(), &checked) {
        Some(row) => Err(BrokenPromise::RejectedAndKept { row }.into()),
        None => Ok(checked),
    }
}

fn first_kept(selection: &Selection, refused: &BooleanBuffer, checked: &[Rejection]) -> Option<u32> {
    match selection {
        Selection::All(_) => checked.first().map(|rejection| rejection.row),
        Selection::Keep(keep) => checked
            .iter()
            .map(|rejection| rejection.row)
            .find(|row| keep.bits().value(*row as usize)),
        Selection::Take(rows) => rows
            .values()
            .iter()
            .copied()
            .find(|row| refused.value(*row as usize)),
    }
}
