//! The rows that a bitmap keeps.

use std::sync::Arc;

use arrow_array::builder::StringBuilder;
use arrow_array::cast::AsArray;
use arrow_array::{ArrayRef, BooleanArray, StringArray};
use arrow_buffer::BooleanBuffer;
use arrow_schema::ArrowError;
use arrow_select::filter::{FilterBuilder, FilterPredicate, SlicesIterator};

/// Rows in a run, on average, from which moving whole runs of texts pays.
const LONG: usize = 64;

/// A selection by bitmap, made ready for several columns.
pub(crate) struct Keep {
    bits: BooleanBuffer,
    predicate: Box<FilterPredicate>,
    /// The runs of kept rows, as start and end; none where they are short.
    runs: Vec<(usize, usize)>,
}

impl Keep {
    pub(crate) fn new(bits: BooleanBuffer) -> Self {
        let filter = BooleanArray::new(bits.clone(), None);
        let predicate = FilterBuilder::new(&filter).optimize().build();
        let most = predicate.count() / LONG;
        let mut runs: Vec<(usize, usize)> = SlicesIterator::new(&filter)
            .take(most.saturating_add(1))
            .collect();
        if runs.len() > most {
            runs.clear();
        }
        Self {
            bits,
            predicate: Box::new(predicate),
            runs,
        }
    }

    /// One bit for each row of the input.
    pub(crate) fn bits(&self) -> &BooleanBuffer {
        &self.bits
    }

    pub(crate) fn into_bits(self) -> BooleanBuffer {
        self.bits
    }

    /// How many rows are kept.
    pub(crate) fn count(&self) -> usize {
        self.predicate.count()
    }

    /// The kept rows of a column. Most steps keep nearly all rows; then texts are moved a run at a time, since Arrow's
    /// filter goes offset by offset and takes three times as long.
    pub(crate) fn of(&self, column: &ArrayRef) -> Result<ArrayRef, ArrowError> {
        match column.as_string_opt::<i32>() {
            Some(texts) if !self.runs.is_empty() => self.texts(texts),
            _ => self.predicate.filter(column),
        }
    }

    fn texts(&self, texts: &StringArray) -> Result<ArrayRef, ArrowError> {
        let mut kept = StringBuilder::with_capacity(self.count(), texts.value_data().len());
        for (start, end) in &self.runs {
            kept.append_array(&texts.slice(*start, end.saturating_sub(*start)))?;
        }
        Ok(Arc::new(kept.finish()))
    }
}

#[cfg(test)]
mod tests {
    use arrow_array::Array;
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Long runs, short runs, slices and nulls: as Arrow's filter has it.
        #[test]
        fn texts_are_kept_as_arrow_keeps_them(
            texts in proptest::collection::vec(proptest::option::of(".{0,6}"), 1..600),
            dropped in proptest::collection::vec(0_usize..600, 0..6),
            offset in 0_usize..40,
        ) {
            let all = StringArray::from(texts);
            let offset = offset.min(all.len());
            let column: ArrayRef = Arc::new(all.slice(offset, all.len() - offset));
            let bits: BooleanBuffer = (0..column.len()).map(|row| !dropped.contains(&row)).collect();
            let expected =
                arrow_select::filter::filter(&column, &BooleanArray::new(bits.clone(), None)).unwrap();
            let keep = Keep::new(bits);
            prop_assert_eq!(&keep.of(&column).unwrap(), &expected);
            prop_assert_eq!(keep.count(), expected.len());
        }
    }

    #[test]
    fn short_runs_are_left_to_arrow() {
        let keep = |every: usize| Keep::new((0..1000).map(|row| row % every != 0).collect());
        assert!(keep(2).runs.is_empty());
        assert_eq!(keep(500).runs, [(1, 500), (501, 1000)]);
        assert!(Keep::new(BooleanBuffer::new_unset(100)).runs.is_empty());
    }
}
