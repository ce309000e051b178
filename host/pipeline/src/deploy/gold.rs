//! Gold products by two versions of a plugin: the same SQL on the same rows, each calling its own functions.
//!
//! INVARIANT: what differs is told as names and counts, never as a value of a row.

use std::collections::HashMap;
use std::sync::Arc;

use arrow_array::{ArrayRef, RecordBatch};
use arrow_row::{RowConverter, SortField};
use arrow_schema::ArrowError;
use malla_contract::Contract;
use malla_lake::{Changed, Replaced};
use malla_query::QueryError;

use crate::deploy::Canary;
use crate::deploy::downstream::contracts_with;
use crate::error::FlowError;
use crate::gold::GoldPlan;
use crate::mesh::Mesh;
use crate::plugins::Domain;

/// Values of a product's key, those that were made last, on which it is tried.
const PARTS: usize = 7;
/// Commits among which these are sought.
const COMMITS: u64 = 20;

impl Mesh {
    /// Makes parts of each product whose SQL calls a function by both versions. What else SQL makes is the same by both.
    pub(super) async fn try_gold(&self, old: &Domain, new: &Domain) -> Result<Vec<Canary>, FlowError> {
        let fleet = self.plugins.fleet();
        let plans = |domain| self.gold_by(domain).into_iter().filter_map(Result::ok);
        let after: Vec<GoldPlan> = plans(new).collect();
        let mut canaries = Vec::new();
        for before in plans(old) {
            let functions = old.contract.functions.iter().chain(&new.contract.functions);
            let calls = functions
                .into_iter()
                .any(|function| before.sql.contains(&function.name));
            let same = after
                .iter()
                .find(|after| after.product == before.product && after.sql == before.sql);
            let (Some(after), true) = (same, calls) else {
                continue;
            };
            let Some(part) = self.made_last(&before).await? else {
                continue;
            };
            // What cannot be made now is nothing to compare with.
            let Ok(one) = self.make_part(&before, fleet.contracts(), &part).await else {
                continue;
            };
            let contracts = contracts_with(&fleet, &new.contract);
            let mut canary = Canary {
                product: before.product.clone(),
                is_gold: true,
                ..Canary::default()
            };
            match self.make_part(after, &contracts, &part).await {
                Ok(other) => canary.add_gold(&one, &other)?,
                Err(error) => canary.failed = Some(error.to_string()),
            }
            canaries.push(canary);
        }
        Ok(canaries)
    }

    /// `None`: nothing was made yet.
    async fn made_last(&self, plan: &GoldPlan) -> Result<Option<Replaced>, FlowError> {
        let Some(table) = self.lake.existing(&plan.spec.id).await? else {
            return Ok(None);
        };
        let Some(key) = &plan.key else {
            return Ok(Some(Replaced::All));
        };
        let version = table.version().await?;
        let changed = table
            .changed(version.saturating_sub(COMMITS), version, &key.name)
            .await?;
        Ok(match changed {
            Changed::Partitions(values) if !values.is_empty() => Some(Replaced::Partitions {
                column: key.name.clone(),
                values: values.into_iter().rev().take(PARTS).collect(),
            }),
            Changed::Partitions(_) | Changed::Unknown => None,
        })
    }

    async fn make_part(
        &self,
        plan: &GoldPlan,
        contracts: &Arc<[Contract]>,
        part: &Replaced,
    ) -> Result<Vec<RecordBatch>, QueryError> {
        let query = self.query_with(Arc::clone(contracts));
        let derivation = query
            .derive(&plan.asker(), &plan.sql, &self.gold_limits(), plan.callable())
            .await?;
        Ok(derivation.rows(part).await?.batches)
    }
}

impl Canary {
    fn add_gold(&mut self, one: &[RecordBatch], other: &[RecordBatch]) -> Result<(), ArrowError> {
        let count =
            |batches: &[RecordBatch]| batches.iter().map(|batch| batch.num_rows() as u64).sum::<u64>();
        let (before, after) = (count(one), count(other));
        self.rows = before.min(after);
        (self.lost, self.gained) = (before - self.rows, after - self.rows);
        let columns = one.iter().chain(other).next().map(RecordBatch::schema);
        for field in columns.iter().flat_map(|schema| schema.fields()) {
            let name = field.name();
            let of = |batches: &[RecordBatch]| -> Option<Vec<Vec<ArrayRef>>> {
                let column = |batch: &RecordBatch| Some(vec![Arc::clone(batch.column_by_name(name)?)]);
                batches.iter().map(column).collect()
            };
            let (Some(one), Some(other)) = (of(one), of(other)) else {
                continue;
            };
            let changed = unmatched(&one, &other)?.saturating_sub(before.abs_diff(after));
            if changed > 0 {
                self.changed.insert(name.clone(), changed);
            }
        }
        // The same values in other rows.
        if self.changed.is_empty() && before == after {
            let whole = |batches: &[RecordBatch]| -> Vec<Vec<ArrayRef>> {
                batches.iter().map(|batch| batch.columns().to_vec()).collect()
            };
            let moved = unmatched(&whole(one), &whole(other))?;
            (self.lost, self.gained) = (moved, moved);
        }
        Ok(())
    }
}

/// Rows of one side that no row of the other is like, or of the other, whichever are more.
fn unmatched(one: &[Vec<ArrayRef>], other: &[Vec<ArrayRef>]) -> Result<u64, ArrowError> {
    let mut counts: HashMap<Box<[u8]>, i64> = HashMap::new();
    let mut types = None;
    for (batches, step) in [(one, 1_i64), (other, -1)] {
        for columns in batches {
            let found: Vec<_> = columns.iter().map(|column| column.data_type().clone()).collect();
            // A value of another type is another value.
            if *types.get_or_insert_with(|| found.clone()) != found {
                return Ok(rows(one).max(rows(other)));
            }
            let fields = found.into_iter().map(SortField::new).collect();
            let encoded = RowConverter::new(fields)?.convert_columns(columns)?;
            for row in &encoded {
                *counts.entry(row.as_ref().into()).or_default() += step;
            }
        }
    }
    let sum = |side: i64| {
        let of_side = counts.values().map(|count| (count * side).max(0));
        of_side.sum::<i64>().unsigned_abs()
    };
    Ok(sum(1).max(sum(-1)))
}

fn rows(batches: &[Vec<ArrayRef>]) -> u64 {
    let first = batches.iter().filter_map(|columns| columns.first());
    first.map(|column| column.len() as u64).sum()
}

#[cfg(test)]
mod tests {
    use arrow_array::{Int64Array, StringArray};
    use arrow_schema::{DataType, Field, Schema};

    use super::*;

    fn batch(rows: &[(&str, Option<i64>)]) -> RecordBatch {
        let fields = vec![
            Field::new("dia", DataType::Utf8, false),
            Field::new("total", DataType::Int64, true),
        ];
        let days: StringArray = rows.iter().map(|(day, _)| Some(*day)).collect();
        let totals: Int64Array = rows.iter().map(|(_, total)| *total).collect();
        RecordBatch::try_new(
            Arc::new(Schema::new(fields)),
            vec![Arc::new(days), Arc::new(totals)],
        )
        .unwrap()
    }

    #[test]
    fn rows_are_compared_in_whatever_order_they_come() {
        let compared = |one: &[RecordBatch], other: &[RecordBatch]| {
            let mut canary = Canary::default();
            canary.add_gold(one, other).unwrap();
            let changed: Vec<String> = canary
                .changed
                .iter()
                .map(|(name, count)| format!("{name} {count}"))
                .collect();
            (canary.rows, canary.lost, canary.gained, changed.join(", "))
        };
        let (a, b, c) = (("a", Some(1)), ("b", None), ("c", Some(3)));
        let one = [batch(&[a, b]), batch(&[c])];
        assert_eq!(compared(&one, &[batch(&[c, b, a])]), (3, 0, 0, String::new()));
        assert_eq!(
            compared(&one, &[batch(&[("a", Some(2)), ("b", Some(0)), c])]),
            (3, 0, 0, "total 2".into())
        );
        assert_eq!(compared(&one, &[batch(&[a, b])]), (2, 1, 0, String::new()));
        assert_eq!(compared(&one, &[batch(&[a, b, c, c])]), (3, 0, 1, String::new()));
        assert_eq!(
            compared(&one, &[batch(&[("a", None), ("b", Some(1)), c])]),
            (3, 2, 2, String::new())
        );
        assert_eq!(compared(&one, &[]), (0, 3, 0, String::new()));
        assert_eq!(compared(&[], &[]), (0, 0, 0, String::new()));
    }
}
