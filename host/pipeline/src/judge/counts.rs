//! What commits say of their rows: counted before masks, carried in the commit itself, so it is there exactly as often as the rows.

use std::collections::BTreeMap;

use futures::{StreamExt, pin_mut};
use malla_lake::{LakeError, Table};
use malla_quality::{Found, Status, Totals};
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::quality::of_rows;

/// Where a commit's info keeps it.
const KEY: &str = "quality";
/// Names of the checks that were not kept in these rows.
const FAILED: &str = "quality_failed";
/// Commits that are read at most; of older ones nothing is told.
const MOST: usize = 20_000;

/// For each check, rows looked at, passed over and unexpected.
pub(crate) type Counts = BTreeMap<String, [u64; 3]>;

/// For the info of the commit that has these rows.
pub(crate) fn put(info: &mut Map<String, Value>, totals: &Totals) {
    let verdicts = totals.verdicts(0);
    let failed = verdicts
        .iter()
        .filter(|verdict| of_rows(verdict) && verdict.status == Status::Failure);
    let failed: Vec<&str> = failed.map(|verdict| verdict.check.name.as_str()).collect();
    if !failed.is_empty() {
        info.insert(FAILED.to_owned(), failed.into());
    }
    let counts: Map<String, Value> = verdicts
        .iter()
        .filter(|verdict| of_rows(verdict))
        .map(|verdict| {
            let counts = [
                verdict.element_count,
                verdict.missing_count,
                verdict.unexpected_count,
            ];
            (verdict.check.name.clone(), counts.to_vec().into())
        })
        .collect();
    if !counts.is_empty() {
        info.insert(KEY.to_owned(), Value::Object(counts));
    }
}

/// What a commit says of its rows.
pub(crate) fn counts_of(info: &Map<String, Value>) -> Counts {
    let counts = info.get(KEY).and_then(|value| Counts::deserialize(value).ok());
    counts.unwrap_or_default()
}

/// Names of the checks that they break.
pub(crate) fn failed_of(info: &Map<String, Value>) -> Vec<String> {
    let failed = info.get(FAILED).and_then(|value| Vec::deserialize(value).ok());
    failed.unwrap_or_default()
}

pub(crate) fn add(all: &mut Counts, more: &Counts) {
    for (check, counts) in more {
        let sum = all.entry(check.clone()).or_default();
        for (sum, count) in sum.iter_mut().zip(counts) {
            *sum = sum.saturating_add(*count);
        }
    }
}

pub(crate) fn found(counts: &Counts, check: &str, partial: bool) -> Found {
    let [elements, missing, unexpected] = counts.get(check).copied().unwrap_or_default();
    Found {
        elements,
        missing,
        unexpected,
        partial,
    }
}

/// What the commits after a version say, up to another one, and whether some of them could not be read any more.
pub(crate) async fn between(
    table: &Table,
    after: Option<u64>,
    up_to: u64,
) -> Result<(Counts, bool), LakeError> {
    let (mut counts, mut next) = (Counts::new(), up_to);
    let first = after.map_or(0, |after| after + 1);
    if first > up_to {
        return Ok((counts, false));
    }
    let history = table.history();
    pin_mut!(history);
    let mut read = 0;
    while let Some(record) = history.next().await {
        let record = record?;
        if record.version > up_to {
            continue;
        }
        if record.version < first || read == MOST {
            break;
        }
        read += 1;
        next = record.version;
        if let Some(more) = record
            .info
            .get(KEY)
            .and_then(|value| Counts::deserialize(value).ok())
        {
            add(&mut counts, &more);
        }
    }
    Ok((counts, next != first))
}
