//! Entries of a table's log, as far as they concern us.

use std::collections::BTreeMap;

use deltalake::logstore::LogStore;
use deltalake::{DeltaResult, DeltaTableError};
use percent_encoding::percent_decode_str;
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::{Map, Value};

use crate::{Added, CommitRecord};

/// Where a commit's info keeps ours.
pub(crate) const INFO: &str = "malla";
/// Where a commit's info keeps the name that its writer gave it (`txnId` of the Delta protocol).
pub(crate) const TXN_ID: &str = "txnId";

/// In our part of a commit's info: what maintenance did.
pub(crate) const MAINTENANCE: &str = "maintenance";

/// One entry of the log.
#[derive(Debug, Default)]
pub(crate) struct Entry {
    /// Offsets that it sets.
    pub(crate) offsets: Vec<(String, i64)>,
    pub(crate) timestamp: Option<i64>,
    pub(crate) txn_id: Option<String>,
    pub(crate) info: Map<String, Value>,
    /// Partition values of the files that it adds or removes, but for those that only move rows about.
    pub(crate) changed: Vec<BTreeMap<String, Option<String>>>,
    /// Files that it removes, without the escapes of their URLs.
    pub(crate) removed: Vec<String>,
    /// It says anew what the table is.
    pub(crate) reshapes: bool,
    /// As the writer counted.
    pub(crate) added: Added,
}

impl Entry {
    /// Whether it is no work of a writer: rows move from file to file, or old ones go.
    pub(crate) fn is_maintenance(&self) -> bool {
        self.info.contains_key(MAINTENANCE) || (self.changed.is_empty() && self.offsets.is_empty())
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Line {
    txn: Option<Txn>,
    commit_info: Option<CommitInfo>,
    add: Option<File>,
    remove: Option<File>,
    meta_data: Option<IgnoredAny>,
    protocol: Option<IgnoredAny>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct File {
    path: String,
    #[serde(default)]
    data_change: bool,
    partition_values: Option<BTreeMap<String, Option<String>>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Txn {
    app_id: String,
    version: i64,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct CommitInfo {
    timestamp: Option<i64>,
    txn_id: Option<String>,
    /// Anything but an object is not ours.
    malla: Option<Value>,
    #[serde(default)]
    operation_metrics: BTreeMap<String, Value>,
}

impl CommitInfo {
    /// A count that is there as a number or, as we write it, as text.
    fn count(&self, name: &str) -> u64 {
        let value = self.operation_metrics.get(name);
        let text = value.and_then(Value::as_str).and_then(|text| text.parse().ok());
        text.or_else(|| value.and_then(Value::as_u64)).unwrap_or(0)
    }
}

impl Entry {
    pub(crate) fn into_record(self, version: u64) -> CommitRecord {
        CommitRecord {
            version,
            timestamp: self.timestamp,
            changes: !self.changed.is_empty(),
            added: self.added,
            info: self.info,
        }
    }
}

/// Reads an entry. `None`: there is none, or no longer.
pub(crate) async fn read(log: &dyn LogStore, version: u64) -> DeltaResult<Option<Entry>> {
    match log.read_commit_entry(version).await {
        Ok(Some(bytes)) => parse(version, &bytes).map(Some),
        Ok(None) => Ok(None),
        Err(error) => Err(error),
    }
}

fn parse(version: u64, bytes: &[u8]) -> DeltaResult<Entry> {
    let mut entry = Entry::default();
    for line in bytes
        .split(|byte| *byte == b'\n')
        .filter(|line| !line.trim_ascii().is_empty())
    {
        let line: Line = serde_json::from_slice(line)
            .map_err(|error| DeltaTableError::Generic(format!("log entry {version} is not JSON: {error}")))?;
        if let Some(txn) = line.txn {
            entry.offsets.push((txn.app_id, txn.version));
        }
        entry.reshapes |= line.meta_data.is_some() || line.protocol.is_some();
        if let Some(file) = &line.remove {
            entry.removed.push(decoded(&file.path));
        }
        for file in [line.add, line.remove].into_iter().flatten() {
            if file.data_change {
                entry.changed.push(file.partition_values.unwrap_or_default());
            }
        }
        if let Some(info) = line.commit_info {
            entry.timestamp = info.timestamp;
            entry.added = Added {
                rows: info.count("numOutputRows"),
                bytes: info.count("numOutputBytes"),
                files: info.count("numFiles"),
            };
            entry.txn_id = info.txn_id;
            if let Some(Value::Object(map)) = info.malla {
                entry.info = map;
            }
        }
    }
    Ok(entry)
}

/// A path of the log as a name in the store.
pub(crate) fn decoded(path: &str) -> String {
    percent_decode_str(path).decode_utf8_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_has_offsets_and_our_info_whoever_wrote_it() {
        let text = concat!(
            r#"{"commitInfo":{"timestamp":7,"operation":"WRITE","txnId":"t","malla":{"from":1}}}"#,
            "\n",
            r#"{"add":{"path":"x","stats":"{}"}}"#,
            "\n\n",
            r#"{"txn":{"appId":"a","version":3,"lastUpdated":1}}"#,
        );
        let entry = parse(1, text.as_bytes()).unwrap();
        assert_eq!(entry.offsets, [("a".to_owned(), 3)]);
        assert_eq!(entry.timestamp, Some(7));
        assert_eq!(entry.txn_id.as_deref(), Some("t"));
        assert_eq!(entry.info.get("from"), Some(&Value::from(1)));

        let foreign = parse(1, br#"{"commitInfo":{"malla":"text"}}"#).unwrap();
        assert!(foreign.info.is_empty());
    }
}
