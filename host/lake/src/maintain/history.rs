//! Which versions the log still tells of, and which it may forget.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use deltalake::checkpoints;
use deltalake::{DeltaTable, Path};
use futures::{StreamExt, TryStreamExt, stream};
use object_store::{ObjectStore, ObjectStoreExt};

use serde::Serialize;

use crate::table::Inner;
use crate::{LakeError, Table};

/// A checkpoint is written for the log's sake when so many entries could then go,
const MANY: u64 = 100;
/// or when the oldest could have gone for this share of the retention.
const SHARE: u32 = 7;

/// Entries go when a later checkpoint is so old: open tables and queries read the log by what they found in it before.
const GRACE: Duration = Duration::from_secs(2 * 3600);

/// What the log forgot.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Cleaned {
    /// Files of the log: entries and checkpoints.
    pub files: usize,
    /// Versions before this one are forgotten.
    pub before: u64,
}

/// The files of a log.
pub(crate) struct LogFiles {
    /// Milliseconds since 1970 at which each entry was written, by version.
    entries: BTreeMap<u64, i64>,
    /// The same of checkpoints.
    checkpoints: BTreeMap<u64, i64>,
    /// All that are of one version.
    all: Vec<(u64, Path)>,
}

impl LogFiles {
    /// The oldest version that somebody who began to read within the retention can be reading. `None`: the log does not say.
    pub(crate) fn oldest_read(&self, cutoff: i64) -> Option<u64> {
        match self.entries.iter().find(|(_, written)| **written > cutoff) {
            // The one before it was the newest when the retention began.
            Some((first, _)) => first
                .checked_sub(1)
                .filter(|before| self.entries.contains_key(before)),
            None => self.entries.last_key_value().map(|(newest, _)| *newest),
        }
    }
}

/// Milliseconds since 1970, so long ago.
pub(crate) fn ago(age: Duration) -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let then = now.saturating_sub(age);
    i64::try_from(then.as_millis()).unwrap_or(i64::MAX)
}

impl Table {
    /// Removes entries and checkpoints of the log that are older than the retention, but those that a version to `keep` or
    /// any later one is read from.
    ///
    /// # Errors
    /// The store's error.
    pub async fn clean_log(
        &self,
        retention: Duration,
        keep: &BTreeSet<u64>,
        dry_run: bool,
    ) -> Result<Cleaned, LakeError> {
        let table = &*self.inner;
        let cutoff = ago(retention);
        let files = table.log_files().await?;
        let (Some(horizon), Some((oldest, written))) =
            (files.oldest_read(cutoff), files.entries.first_key_value())
        else {
            return Ok(Cleaned::default());
        };
        let floor = keep.first().map_or(horizon, |first| horizon.min(*first));
        // What is left begins with a checkpoint, and one that whoever reads the log now has begun with.
        let known = ago(GRACE);
        let known = files
            .checkpoints
            .range(..=floor)
            .rfind(|(_, written)| **written < known);
        let newest = files.checkpoints.range(..=floor).next_back();
        let could_go = floor.saturating_sub(newest.map_or(*oldest, |(version, _)| *version));
        let waits = *written < ago(retention + retention / SHARE);
        if !dry_run && (could_go >= MANY || (could_go > 0 && waits)) {
            table.checkpoint(floor, &files).await?;
        }
        let first = known.map_or(0, |(version, _)| *version);
        let gone = files.all.iter().filter(|(version, _)| *version < first);
        let gone: Vec<Path> = gone.map(|(_, path)| path.clone()).collect();
        let cleaned = Cleaned {
            files: gone.len(),
            before: first,
        };
        if dry_run {
            return Ok(cleaned);
        }
        // deltalake's own cleaning takes the age of a version from its newest file, which may be a checkpoint of today.
        table.delete(gone).await?;
        Ok(cleaned)
    }
}

impl Inner {
    pub(crate) async fn log_files(&self) -> Result<LogFiles, LakeError> {
        let mut files = LogFiles {
            entries: BTreeMap::new(),
            checkpoints: BTreeMap::new(),
            all: Vec::new(),
        };
        let store = self.log.object_store(None);
        let mut found = store.list(Some(self.log.log_path()));
        while let Some(file) = found.try_next().await? {
            let Some((version, kind)) = file.location.filename().and_then(|name| name.split_once('.')) else {
                continue;
            };
            let Some(version) = version.parse().ok().filter(|_| version.len() == 20) else {
                continue;
            };
            let written = file.last_modified.timestamp_millis();
            match kind {
                "json" => drop(files.entries.insert(version, written)),
                "checkpoint.parquet" => drop(files.checkpoints.insert(version, written)),
                _ => {}
            }
            files.all.push((version, file.location));
        }
        Ok(files)
    }

    /// Deletes files that nothing names. Another host may be at the same.
    pub(crate) async fn delete(&self, files: Vec<Path>) -> Result<(), LakeError> {
        let files = stream::iter(files.into_iter().map(Ok)).boxed();
        let mut deleted = self.log.object_store(None).delete_stream(files);
        while let Some(file) = deleted.next().await {
            match file {
                Ok(_) | Err(object_store::Error::NotFound { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    /// Writes a checkpoint of an earlier version, and leaves the log's hint at the newest.
    async fn checkpoint(&self, version: u64, files: &LogFiles) -> Result<(), LakeError> {
        let delta = LakeError::delta(&self.id);
        let store = self.log.object_store(None);
        let hint = Path::from_iter(
            self.log
                .log_path()
                .parts()
                .chain(std::iter::once("_last_checkpoint".into())),
        );
        let later = files.checkpoints.range(version + 1..).next().is_some();
        let before = match store.get(&hint).await {
            Ok(found) if later => Some(found.bytes().await?),
            _ => None,
        };
        let mut table = DeltaTable::new(std::sync::Arc::clone(&self.log));
        table.load_version(version).await.map_err(&delta)?;
        checkpoints::create_checkpoint(&table, None)
            .await
            .map_err(&delta)?;
        if let Some(before) = before {
            store.put(&hint, before.into()).await?;
        }
        Ok(())
    }
}
