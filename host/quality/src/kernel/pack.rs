//! Answers to bits.

use arrow_array::StringArray;
use arrow_buffer::{BooleanBuffer, Buffer};

/// One bit for each value.
pub(crate) fn pack<T>(values: &[T], mut is: impl FnMut(&T) -> bool) -> BooleanBuffer {
    let mut words: Vec<u64> = Vec::with_capacity(values.len().div_ceil(64));
    for chunk in values.chunks(64) {
        let mut word = 0;
        for (bit, value) in chunk.iter().enumerate() {
            word |= u64::from(is(value)) << bit;
        }
        words.push(word.to_le());
    }
    BooleanBuffer::new(Buffer::from_vec(words), 0, values.len())
}

/// One bit for each of so many answers.
pub(crate) fn pack_iter(rows: usize, mut answers: impl Iterator<Item = bool>) -> BooleanBuffer {
    let mut words: Vec<u64> = Vec::with_capacity(rows.div_ceil(64));
    for _ in 0..rows.div_ceil(64) {
        let mut word: u64 = 0;
        for (bit, answer) in answers.by_ref().take(64).enumerate() {
            word |= u64::from(answer) << bit;
        }
        words.push(word.to_le());
    }
    BooleanBuffer::new(Buffer::from_vec(words), 0, rows)
}

/// The bytes of each text, also of those that are null.
pub(crate) fn texts(array: &StringArray) -> impl Iterator<Item = &[u8]> {
    let bytes = array.value_data();
    // INVARIANT: the offsets of an array ascend, and lie within its bytes.
    array.value_offsets().windows(2).map(move |ends| {
        let (Some(from), Some(to)) = (ends.first(), ends.last()) else {
            return [].as_slice();
        };
        let range = usize::try_from(*from).unwrap_or(0)..usize::try_from(*to).unwrap_or(0);
        bytes.get(range).unwrap_or_default()
    })
}
