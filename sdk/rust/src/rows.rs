//! Which rows of the batch reach the product.

use std::fmt::Debug;

use crate::bindings::malla::plugin::types as wire;
use crate::kind::{all_set, bit};

/// The names of a step's rules. The contract's rules become an enum that implements this.
pub trait Rule: Copy + PartialEq + Debug + 'static {
    /// Every rule, in the contract's order.
    const ALL: &'static [Self];

    /// The rule's name in the contract.
    fn name(self) -> &'static str;
}

/// What happens to the rows of the batch. All stay until the step says otherwise.
#[derive(Debug)]
pub struct Rows<R> {
    rows: usize,
    selection: Selection,
    rejected: Vec<Rejected<R>>,
    /// The rows refused so far, made when the first one is.
    refused: Option<Vec<u8>>,
}

#[derive(Debug)]
enum Selection {
    All,
    Keep(Vec<u8>),
    Take(Vec<u32>),
}

#[derive(Debug)]
struct Rejected<R> {
    row: usize,
    rule: R,
    message: String,
}

impl<R: Rule> Rows<R> {
    /// All rows of a batch.
    #[must_use]
    pub fn new(rows: usize) -> Self {
        Self {
            rows,
            selection: Selection::All,
            rejected: Vec::new(),
            refused: None,
        }
    }

    /// Sends a row to quarantine. It leaves the product by itself. The first rule to refuse a row is the
    /// one that is told.
    pub fn reject(&mut self, row: usize, rule: R) {
        self.reject_because(row, rule, String::new());
    }

    /// As [`reject`](Self::reject), with words for whoever mends the data. Never put a value of the row in them:
    /// they are read by people who may not see it.
    pub fn reject_because(&mut self, row: usize, rule: R, message: impl Into<String>) {
        let rows = self.rows;
        let refused = self.refused.get_or_insert_with(|| vec![0; rows.div_ceil(8)]);
        if row >= rows || bit(refused, row) {
            return;
        }
        if let Some(byte) = refused.get_mut(row / 8) {
            *byte |= 1 << (row % 8);
        }
        self.rejected.push(Rejected {
            row,
            rule,
            message: message.into(),
        });
    }

    /// Passes on the values of the rows that are well, and rejects the others; those get a default value,
    /// which nobody will see. The n-th result is about the n-th row.
    ///
    /// Collect it into a column, or unzip it into several [`Builder`](crate::Builder)s.
    #[inline]
    pub fn accept<V: Default>(
        &mut self,
        results: impl IntoIterator<Item = Result<V, R>>,
    ) -> impl Iterator<Item = V> {
        results.into_iter().enumerate().map(|(row, result)| match result {
            Ok(value) => value,
            Err(rule) => {
                self.reject(row, rule);
                V::default()
            }
        })
    }

    /// Leaves a row out of the product without sending it to quarantine.
    pub fn drop(&mut self, row: usize) {
        let rows = self.rows;
        if matches!(self.selection, Selection::All) {
            self.selection = Selection::Keep(all_set(rows));
        }
        match &mut self.selection {
            Selection::Keep(bits) => {
                if let Some(byte) = bits.get_mut(row / 8) {
                    *byte &= !(1 << (row % 8));
                }
            }
            Selection::Take(taken) => taken.retain(|kept| *kept as usize != row),
            Selection::All => {}
        }
    }

    /// Keeps only the rows for which this is true; the others are left out without going to quarantine.
    pub fn keep(&mut self, mut keep: impl FnMut(usize) -> bool) {
        for row in 0..self.rows {
            if !keep(row) {
                self.drop(row);
            }
        }
    }

    /// Takes these rows in this order; a row may come more than once, or not at all. Computed columns then
    /// have one value for each row taken, and forwarded ones follow. Reject no row that is taken.
    pub fn take(&mut self, rows: impl IntoIterator<Item = u32>) {
        self.selection = Selection::Take(rows.into_iter().collect());
    }

    /// How many values a computed column has.
    #[must_use]
    pub fn computed(&self) -> usize {
        match &self.selection {
            Selection::Take(taken) => taken.len(),
            Selection::All | Selection::Keep(_) => self.rows,
        }
    }

    pub(crate) fn finish(self) -> (wire::Rows, Vec<wire::Rejection>) {
        let rows = match (self.selection, self.refused) {
            (Selection::All, None) => wire::Rows::All,
            (Selection::All, Some(refused)) => wire::Rows::Keep(without(all_set(self.rows), &refused)),
            (Selection::Keep(bits), None) => wire::Rows::Keep(bits),
            (Selection::Keep(bits), Some(refused)) => wire::Rows::Keep(without(bits, &refused)),
            (Selection::Take(taken), _) => wire::Rows::Take(taken),
        };
        let rejected = self.rejected.into_iter().map(|rejected| wire::Rejection {
            row: u32::try_from(rejected.row).unwrap_or(u32::MAX),
            rule: rejected.rule.name().to_owned(),
            message: rejected.message,
        });
        (rows, rejected.collect())
    }
}

fn without(mut bits: Vec<u8>, refused: &[u8]) -> Vec<u8> {
    for (kept, refused) in bits.iter_mut().zip(refused) {
        *kept &= !refused;
    }
    bits
}
