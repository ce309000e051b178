//! Which versions of a plugin were in use, one after the other: small files in the lake, numbered, written once.

use bytes::Bytes;
use chrono::{DateTime, Utc};
use malla_lake::{Lake, LakeError};
use serde::{Deserialize, Serialize};

/// How a version came into use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Step {
    /// It was in the plugins folder when another was deployed.
    Found,
    /// It was deployed.
    Deploy,
    /// The one after it was taken back.
    Rollback,
}

/// One version that came into use.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// How.
    pub step: Step,
    /// Digest of the component.
    pub digest: String,
    /// Of its contract.
    pub version: String,
    /// When.
    pub at: DateTime<Utc>,
    /// Who did it.
    pub by: String,
    /// Differences of the canary that were accepted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub accepted: Vec<String>,
}

/// The entries of one domain, the oldest first.
pub(super) async fn read(lake: &Lake, domain: &str) -> Result<Vec<Entry>, LakeError> {
    let mut entries = Vec::new();
    while let Some(bytes) = lake.kept(&name(domain, entries.len())).await? {
        // One that cannot be read keeps its number.
        let entry = serde_json::from_slice(&bytes).unwrap_or_else(|_| Entry {
            step: Step::Found,
            digest: String::new(),
            version: String::new(),
            at: DateTime::UNIX_EPOCH,
            by: String::new(),
            accepted: Vec::new(),
        });
        entries.push(entry);
    }
    Ok(entries)
}

/// Writes the entry after `count` others. False: somebody else wrote one.
pub(super) async fn append(
    lake: &Lake,
    domain: &str,
    count: usize,
    entry: &Entry,
) -> Result<bool, LakeError> {
    let bytes = serde_json::to_vec(entry).unwrap_or_default();
    lake.claim(&name(domain, count), Bytes::from(bytes)).await
}

/// The versions that a rollback would go back to, the next one last: what was deployed and not taken back, but for the one in use.
pub(super) fn stack(entries: &[Entry]) -> Vec<&Entry> {
    let mut stack: Vec<&Entry> = Vec::new();
    for entry in entries {
        match entry.step {
            Step::Rollback => drop(stack.pop()),
            Step::Found | Step::Deploy => stack.push(entry),
        }
    }
    stack
}

fn name(domain: &str, number: usize) -> String {
    format!("deployments/{domain}/{number:06}.json")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_rollback_goes_one_version_further_back() {
        let entry = |step, digest: &str| Entry {
            step,
            digest: digest.to_owned(),
            version: "1.0.0".to_owned(),
            at: DateTime::UNIX_EPOCH,
            by: "user:admin".to_owned(),
            accepted: Vec::new(),
        };
        let mut entries = vec![
            entry(Step::Found, "a"),
            entry(Step::Deploy, "b"),
            entry(Step::Deploy, "c"),
        ];
        let digests = |entries: &[Entry]| -> Vec<String> {
            stack(entries).iter().map(|entry| entry.digest.clone()).collect()
        };
        assert_eq!(digests(&entries), ["a", "b", "c"]);
        entries.push(entry(Step::Rollback, "b"));
        assert_eq!(digests(&entries), ["a", "b"]);
        entries.push(entry(Step::Rollback, "a"));
        assert_eq!(digests(&entries), ["a"]);
        entries.push(entry(Step::Deploy, "c"));
        assert_eq!(digests(&entries), ["a", "c"]);
    }
}
