//! Values that several rows have, of a table that is larger than memory.
//!
//! The rows are read twice. First each value marks a slot that its hash names; then only rows whose slot was marked twice are
//! held, and compared by their values. A table without duplicates leaves few: those that share a slot by chance.

use arrow_array::RecordBatch;
use datafusion::common::hash_utils::{RandomState, create_hashes};
use datafusion::error::DataFusionError;
use datafusion::functions_aggregate::expr_fn::{count, sum};
use datafusion::logical_expr::utils::conjunction;
use datafusion::prelude::{DataFrame, Expr, ident, lit};

use crate::QueryError;
use crate::examine::{Examination, number};

/// Rows whose value in some columns another row has too.
#[derive(Debug, Clone)]
pub struct Duplicates {
    /// All rows of the table.
    pub rows: u64,
    /// Those in which all of the columns are null; no duplicates.
    pub missing: u64,
    /// Those whose value another row has.
    pub repeated: u64,
    /// Some of the values, once each.
    pub examples: RecordBatch,
}

/// Slots a row: one row in sixteen shares its slot by chance.
const SLOTS: u64 = 16;

impl Examination {
    /// Which values several rows have, exactly.
    ///
    /// # Errors
    /// [`QueryError`]; so many rows have values that others have, or the table has so many rows, that they do not fit into memory.
    pub async fn duplicates(&self, columns: &[&str], examples: usize) -> Result<Duplicates, QueryError> {
        const TIMES: &str = " times";
        let failed = |e| QueryError::planning(&e);
        let keys: Vec<Expr> = columns.iter().map(|name| ident(*name)).collect();
        let empty = conjunction(keys.iter().map(|key| key.clone().is_null()))
            .ok_or(QueryError::Failed("uniqueness of no column"))?;
        let all = self.table().await?;
        let rows = self.rows().await?;
        let missing = all
            .clone()
            .filter(empty.clone())
            .and_then(|rows| rows.aggregate(vec![], vec![count(lit(1_i64))]));
        let missing = number(&self.collected(missing.map_err(failed)?).await?)?;
        let values = all
            .filter(!empty)
            .and_then(|rows| rows.select(keys.clone()))
            .map_err(failed)?;
        let twice = self
            .candidates(values, rows)
            .await?
            .aggregate(keys.clone(), vec![count(lit(1_i64)).alias(TIMES)])
            .and_then(|values| values.filter(ident(TIMES).gt(lit(1_i64))))
            .map_err(failed)?;
        let repeated = twice.clone().aggregate(vec![], vec![sum(ident(TIMES))]);
        let repeated = number(&self.collected(repeated.map_err(failed)?).await?)?;
        let some = twice
            .select(keys)
            .and_then(|values| values.limit(0, Some(if repeated == 0 { 0 } else { examples })));
        Ok(Duplicates {
            rows,
            missing,
            repeated,
            examples: self.collected(some.map_err(failed)?).await?,
        })
    }

    /// The rows whose values others may have.
    async fn candidates(&self, values: DataFrame, rows: u64) -> Result<DataFrame, QueryError> {
        let schema = crate::query::plain(values.schema().as_arrow());
        let half = self.limits.memory / 2;
        let sieve = Sieve::new(rows, half);
        let sieve = self
            .fold(values.clone(), sieve, |sieve, batch| sieve.mark(batch))
            .await?;
        let memory = self.limits.memory;
        let (kept, _) = self
            .fold(values, (Vec::new(), 0_usize), move |(kept, held), batch| {
                let batch = sieve.sift(batch)?;
                *held = held.saturating_add(batch.get_array_memory_size());
                if *held > half {
                    return Err(QueryError::Memory(memory));
                }
                if batch.num_rows() > 0 {
                    kept.push(batch);
                }
                Ok(())
            })
            .await?;
        let batch = arrow_select::concat::concat_batches(&schema, &kept).map_err(|_| NOT_COMPARED)?;
        self.context
            .read_batch(batch)
            .map_err(|e| QueryError::planning(&e))
    }
}

const NOT_COMPARED: QueryError = QueryError::Failed("its values cannot be compared");

/// Which hashes came once and which came again: two bits a slot.
struct Sieve {
    once: Vec<u64>,
    again: Vec<u64>,
    hashes: Vec<u64>,
}

impl Sieve {
    /// For so many rows, in so many bytes.
    fn new(rows: u64, bytes: usize) -> Self {
        let most = (bytes as u64).saturating_mul(4).max(64);
        // The greatest power of two that is not above it.
        let most = 1_u64 << (63 - most.leading_zeros());
        let slots = rows.saturating_mul(SLOTS).max(64);
        let slots = slots.checked_next_power_of_two().unwrap_or(most).min(most);
        let words = usize::try_from(slots / 64).unwrap_or(1);
        Self {
            once: vec![0; words],
            again: vec![0; words],
            hashes: Vec::new(),
        }
    }

    fn mark(&mut self, batch: &RecordBatch) -> Result<(), QueryError> {
        let mut hashes = std::mem::take(&mut self.hashes);
        hash(batch, &mut hashes).map_err(|_| NOT_COMPARED)?;
        for hash in &hashes {
            let (word, bit) = self.place(*hash);
            if let (Some(once), Some(again)) = (self.once.get_mut(word), self.again.get_mut(word)) {
                *again |= *once & bit;
                *once |= bit;
            }
        }
        self.hashes = hashes;
        Ok(())
    }

    /// The rows whose slot came again.
    fn sift(&self, batch: &RecordBatch) -> Result<RecordBatch, QueryError> {
        let mut hashes = Vec::new();
        hash(batch, &mut hashes).map_err(|_| NOT_COMPARED)?;
        let again = hashes.iter().map(|hash| {
            let (word, bit) = self.place(*hash);
            self.again.get(word).is_some_and(|again| again & bit != 0)
        });
        let again = again.map(Some).collect();
        arrow_select::filter::filter_record_batch(batch, &again).map_err(|_| NOT_COMPARED)
    }

    /// The word and the bit of a hash. There is a power of two of words.
    fn place(&self, hash: u64) -> (usize, u64) {
        let word = (hash >> 6) as usize & (self.once.len() - 1);
        (word, 1 << (hash & 63))
    }
}

fn hash(batch: &RecordBatch, hashes: &mut Vec<u64>) -> Result<(), DataFusionError> {
    hashes.clear();
    hashes.resize(batch.num_rows(), 0);
    create_hashes(batch.columns(), &RandomState::default(), hashes)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::sync::Arc;

    use arrow_array::{ArrayRef, Int64Array, StringArray};
    use malla_lake::{Advance, Commit, Lake, Layer, TableId, TableSpec, WriterConfig};
    use rand::rngs::StdRng;
    use rand::{RngExt, SeedableRng};

    use super::*;
    use crate::Limits;

    /// A table of one column of text, some of them null.
    async fn examined(values: &[Option<String>], memory: usize) -> (tempfile::TempDir, Examination) {
        let dir = tempfile::tempdir().unwrap();
        let lake = Lake::open(dir.path().to_str().unwrap(), WriterConfig::default()).unwrap();
        let ids: ArrayRef = Arc::new(StringArray::from_iter(values));
        let numbers: ArrayRef = Arc::new(Int64Array::from_iter_values(0..values.len() as i64));
        let batch =
            RecordBatch::try_from_iter_with_nullable([("id", ids, true), ("n", numbers, true)]).unwrap();
        let table = lake
            .table(TableSpec {
                id: TableId::new("ventas", Layer::Curated, "t").unwrap(),
                schema: batch.schema(),
                partition_by: Vec::new(),
                without_statistics: Vec::new(),
            })
            .await
            .unwrap();
        table
            .commit(Commit {
                batches: vec![batch],
                advances: vec![Advance {
                    app_id: "malla/x".into(),
                    from: None,
                    to: 1,
                }],
                ..Commit::default()
            })
            .await
            .unwrap();
        let limits = Limits {
            memory,
            ..Limits::default()
        };
        let version = table.version().await.unwrap();
        (dir, Examination::open(&table, version, limits).await.unwrap())
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn duplicates_are_those_of_a_map_however_crowded_the_slots_are() {
        let mut random = StdRng::seed_from_u64(5);
        for (rows, of) in [
            (0, 1),
            (1, 1),
            (500, 1),
            (500, 400),
            (5_000, 100_000),
            (5_000, 2_000),
        ] {
            let values: Vec<Option<String>> = (0..rows)
                .map(|_| match random.random_range(0..of + of / 10 + 1) {
                    n if n < of => Some(format!("v-{n}")),
                    _ => None,
                })
                .collect();
            let mut times = BTreeMap::new();
            for value in values.iter().flatten() {
                *times.entry(value.clone()).or_insert(0_u64) += 1;
            }
            times.retain(|_, times| *times > 1);
            if rows == 0 {
                continue;
            }
            let (_dir, seen) = examined(&values, 64 << 20).await;
            let found = seen.duplicates(&["id"], 20).await.unwrap();
            assert_eq!(found.rows, rows as u64);
            assert_eq!(
                found.missing,
                values.iter().filter(|value| value.is_none()).count() as u64
            );
            assert_eq!(found.repeated, times.values().sum::<u64>(), "{rows} of {of}");
            assert_eq!(found.examples.num_rows(), times.len().min(20));
        }
    }

    #[test]
    fn a_sieve_keeps_every_value_that_came_again_and_takes_the_room_it_is_given() {
        let numbers: ArrayRef = Arc::new(Int64Array::from_iter_values((0..4_000).map(|n| n % 3_990)));
        let batch = RecordBatch::try_from_iter([("n", numbers)]).unwrap();
        for (bytes, at_most) in [(1 << 20, 600), (16, 4_000)] {
            let mut sieve = Sieve::new(4_000, bytes);
            assert!((sieve.once.len() + sieve.again.len()) * 8 <= bytes.max(16));
            sieve.mark(&batch).unwrap();
            let kept = sieve.sift(&batch).unwrap();
            assert!((20..=at_most).contains(&kept.num_rows()), "{}", kept.num_rows());
        }
    }
}
