//! Whether a value is one of a set.

use std::collections::HashSet;
use std::hash::Hash;

use arrow_buffer::BooleanBuffer;
use foldhash::fast::RandomState;
use malla_contract::{ColumnType, Literal};

use crate::kernel::{Column, Values, pack, pack_iter, texts};

/// The values of a set, all of the type of one column.
pub(crate) enum Set {
    Truth {
        yes: bool,
        no: bool,
    },
    I32(Members<i32>),
    I64(Members<i64>),
    /// Bits of finite numbers; of the two zeros the positive one.
    F64(Members<u64>),
    Decimal(Members<i128>),
    Text(Texts),
}

/// A few values are found sooner by looking at each than by hashing.
pub(crate) enum Members<T> {
    Few(Vec<T>),
    Many(HashSet<T, RandomState>),
}

/// Texts of at most seven bytes, such as codes and names of states, are found as numbers.
pub(crate) struct Texts {
    short: Members<u64>,
    long: HashSet<Box<[u8]>, RandomState>,
}

const FEW: usize = 16;

impl<T: Copy + Eq + Hash> Members<T> {
    fn new(mut values: Vec<T>) -> Self {
        let many: HashSet<T, RandomState> = values.iter().copied().collect();
        if many.len() > FEW {
            return Self::Many(many);
        }
        let mut kept = HashSet::<T>::new();
        values.retain(|value| kept.insert(*value));
        Self::Few(values)
    }

    fn has(&self, value: &T) -> bool {
        match self {
            Self::Few(values) => values.iter().fold(false, |found, own| found | (own == value)),
            Self::Many(values) => values.contains(value),
        }
    }

    fn strangers(&self, values: &[T]) -> BooleanBuffer {
        match self {
            Self::Few(own) => {
                // Without branches the loop is vectorised.
                let has = |value: &T| own.iter().fold(false, |found, own| found | (own == value));
                pack(values, |value| !has(value))
            }
            Self::Many(own) => pack(values, |value| !own.contains(value)),
        }
    }
}

impl Texts {
    fn new<'t>(texts: impl Iterator<Item = &'t str>) -> Self {
        let (mut short, mut long) = (Vec::new(), HashSet::default());
        for text in texts.map(str::as_bytes) {
            match number(text) {
                Some(number) => short.push(number),
                None => {
                    long.insert(text.into());
                }
            }
        }
        Self {
            short: Members::new(short),
            long,
        }
    }

    fn has(&self, text: &[u8]) -> bool {
        match number(text) {
            Some(number) => self.short.has(&number),
            None => !self.long.is_empty() && self.long.contains(text),
        }
    }
}

/// At most seven bytes as a number of their own: the last of its eight bytes is their count.
fn number(text: &[u8]) -> Option<u64> {
    // By shifts, since bytes that are stored one by one and loaded as one make the processor wait.
    let half = |bytes: &[u8; 4]| u64::from(u32::from_le_bytes(*bytes));
    let byte = |byte: &u8, place: u32| u64::from(*byte) << (8 * place);
    let bytes = match text {
        [] => 0,
        [a] => byte(a, 0),
        [a, b] => byte(a, 0) | byte(b, 1),
        [a, b, c] => byte(a, 0) | byte(b, 1) | byte(c, 2),
        // The halves overlap, where there is nothing new in the second.
        [.., _, _, _, _] if text.len() < 8 => {
            half(text.first_chunk()?) | (half(text.last_chunk()?) >> (8 * (8 - text.len())) << 32)
        }
        _ => return None,
    };
    Some(bytes | ((text.len() as u64) << 56))
}

/// The bits of a number, equal where the numbers are. NaN has none: it is in no set.
fn bits(value: f64) -> Option<u64> {
    (!value.is_nan()).then(|| (value + 0.0).to_bits())
}

impl Set {
    /// A set for a column of a type; `None` where a value is of another.
    pub(crate) fn new(values: &[Literal], ty: ColumnType) -> Option<Self> {
        fn all<T>(values: &[Literal], of: impl Fn(&Literal) -> Option<T>) -> Option<Vec<T>> {
            values.iter().map(of).collect()
        }
        let integers = || {
            all(values, |value| match value {
                Literal::Integer(value) => Some(*value),
                _ => None,
            })
        };
        Some(match ty {
            ColumnType::Boolean => {
                let values = all(values, |value| match value {
                    Literal::Truth(value) => Some(*value),
                    _ => None,
                })?;
                Self::Truth {
                    yes: values.contains(&true),
                    no: values.contains(&false),
                }
            }
            ColumnType::Int32 => {
                let values: Result<Vec<i32>, _> = integers()?.into_iter().map(i32::try_from).collect();
                Self::I32(Members::new(values.ok()?))
            }
            ColumnType::Int64 => Self::I64(Members::new(integers()?)),
            ColumnType::Float64 => Self::F64(Members::new(all(values, |value| match value {
                Literal::Float(value) => bits(*value),
                _ => None,
            })?)),
            ColumnType::Decimal { .. } => Self::Decimal(Members::new(all(values, |value| match value {
                Literal::Decimal(value, _) => Some(*value),
                _ => None,
            })?)),
            ColumnType::Utf8 => {
                let texts = all(values, |value| match value {
                    Literal::Text(text) => Some(text.clone()),
                    _ => None,
                })?;
                Self::Text(Texts::new(texts.iter().map(String::as_str)))
            }
            ColumnType::Date => Self::I32(Members::new(all(values, |value| match value {
                Literal::Date(days) => Some(*days),
                _ => None,
            })?)),
            ColumnType::Timestamp => Self::I64(Members::new(all(values, |value| match value {
                Literal::Timestamp(micros) => Some(*micros),
                _ => None,
            })?)),
        })
    }

    /// The rows whose value is not in the set; of null rows it says anything.
    pub(crate) fn strangers(&self, column: Column<'_>) -> BooleanBuffer {
        match (self, column.values) {
            (Self::Truth { yes, no }, Values::Truth(values)) => match (yes, no) {
                (true, true) => BooleanBuffer::new_unset(column.rows),
                (true, false) => !values.values(),
                (false, true) => values.values().clone(),
                (false, false) => BooleanBuffer::new_set(column.rows),
            },
            (Self::I32(set), Values::I32(values)) => set.strangers(values),
            (Self::I64(set), Values::I64(values)) => set.strangers(values),
            (Self::F64(set), Values::F64(values)) => {
                pack(values, |value| !bits(*value).is_some_and(|bits| set.has(&bits)))
            }
            (Self::Decimal(set), Values::Decimal(values, _)) => set.strangers(values),
            (Self::Text(set), Values::Text(values)) => {
                pack_iter(column.rows, texts(values).map(|text| !set.has(text)))
            }
            // INVARIANT: set and column were made for one type, which was checked. Were it not so, every row would fail.
            _ => BooleanBuffer::new_set(column.rows),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_texts_are_numbers_of_their_own() {
        // All bytes different, and each of them changed.
        let texts: Vec<Vec<u8>> = (0..8_u8)
            .flat_map(|length| {
                let base: Vec<u8> = (1..=length).collect();
                let changed = (0..length).flat_map(|at| {
                    [0, 255].map(|to| (1..=length).map(|b| if b == at + 1 { to } else { b }).collect())
                });
                changed.chain([base]).collect::<Vec<_>>()
            })
            .collect();
        let numbers: HashSet<u64> = texts.iter().map(|text| number(text).unwrap()).collect();
        assert_eq!(numbers.len(), texts.len());
        assert_eq!(number(b"12345678"), None);
    }
}
