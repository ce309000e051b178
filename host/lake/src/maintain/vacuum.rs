//! Files that no version names which anybody may still read go from the disk.
//!
//! deltalake's own vacuum either leaves files that no entry names, or takes those too that a running commit has just
//! written. So this asks the log and the clock: a file goes if it is older than the retention and the longest commit
//! together, and neither the version at the beginning of the retention has it, nor the newest, nor one to be kept. A file of
//! that age was named by then or never will be, and what was named and is not any more was removed before.

use std::collections::{BTreeSet, HashSet};
use std::path::PathBuf;
use std::time::{Duration, UNIX_EPOCH};

use deltalake::Path;
use futures::TryStreamExt;
use object_store::{ObjectMeta, ObjectStore};

use serde::Serialize;

use crate::attempt::LONGEST;
use crate::maintain::history::ago;
use crate::table::Inner;
use crate::{LakeError, Table};

/// Beyond the longest commit: clocks of stores and hosts differ.
const MARGIN: Duration = Duration::from_secs(3600);

/// Which files stay.
#[derive(Debug, Clone)]
pub struct Vacuum {
    /// Files that were removed from the table for less than this stay: so long can a reader read an earlier version.
    pub retention: Duration,
    /// Versions whose files stay, however old.
    pub keep: BTreeSet<u64>,
    /// Files younger than this may be those of a commit that runs.
    pub longest_commit: Duration,
}

impl Default for Vacuum {
    fn default() -> Self {
        Self {
            retention: Duration::from_secs(7 * 24 * 3600),
            keep: BTreeSet::new(),
            longest_commit: LONGEST + MARGIN,
        }
    }
}

/// What went from the disk.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Vacuumed {
    /// Files.
    pub files: usize,
    /// Their bytes.
    pub bytes: u64,
    /// Files of that age that stay for the sake of a version to keep.
    pub kept: usize,
}

impl Table {
    /// Deletes files that the table does not need any more.
    ///
    /// # Errors
    /// The store's error. The log does not go back to the beginning of the retention, or to a version to keep: then nothing
    /// is deleted.
    pub async fn vacuum(&self, vacuum: &Vacuum, dry_run: bool) -> Result<Vacuumed, LakeError> {
        let table = &*self.inner;
        let store = table.log.object_store(None);
        let cutoff = ago(vacuum.retention + vacuum.longest_commit);
        // Listed before the log is looked at: a file that is committed meanwhile is named in what is looked at then.
        let mut old = Vec::new();
        let mut found = store.list(None);
        while let Some(file) = found.try_next().await? {
            if is_data(&file.location) && file.last_modified.timestamp_millis() < cutoff {
                old.push(file);
            }
        }
        let mut vacuumed = table.halves(cutoff, dry_run).await?;
        if old.is_empty() {
            return Ok(vacuumed);
        }
        let log = table.log_files().await?;
        let Some(oldest) = log.oldest_read(ago(vacuum.retention)) else {
            // The table, or what its log holds, is younger than the retention.
            return Ok(vacuumed);
        };
        let mut needed = table.named(oldest).await?;
        let newest = table.newest().await?.version();
        needed.extend(table.named(newest).await?);
        let mut pinned = HashSet::new();
        // A later one is of a table that was restored to an earlier version since.
        for version in vacuum.keep.range(..=newest) {
            pinned.extend(table.named(*version).await?);
        }
        let mut gone: Vec<Path> = Vec::new();
        for ObjectMeta { location, size, .. } in old {
            if needed.contains(&location) {
                continue;
            }
            if pinned.contains(&location) {
                vacuumed.kept += 1;
                continue;
            }
            vacuumed.files += 1;
            vacuumed.bytes += size;
            gone.push(location);
        }
        if !dry_run {
            table.delete(gone).await?;
        }
        Ok(vacuumed)
    }
}

/// Files of rows. What begins with `_` or `.` is the log's, or somebody else's.
fn is_data(path: &Path) -> bool {
    let hidden = |part: &str| part.starts_with(['_', '.']) && !part.contains('=');
    path.as_ref().ends_with(".parquet") && !path.as_ref().split('/').any(hidden)
}

impl Inner {
    /// Deletes files that a process was killed in writing to a local disk. Listings of the store pass them over. (An object
    /// store shows only what is whole; it has rules of its own for what was begun.)
    async fn halves(&self, cutoff: i64, dry_run: bool) -> Result<Vacuumed, LakeError> {
        let Ok(folder) = self.log.root_url().to_file_path() else {
            return Ok(Vacuumed::default());
        };
        let look = move || {
            let mut vacuumed = Vacuumed::default();
            for (path, size) in halves(&folder, cutoff)? {
                match (!dry_run).then(|| std::fs::remove_file(path)) {
                    // Another host was quicker.
                    Some(Err(error)) if error.kind() == std::io::ErrorKind::NotFound => continue,
                    Some(removed) => removed?,
                    None => {}
                }
                vacuumed.files += 1;
                vacuumed.bytes += size;
            }
            Ok(vacuumed)
        };
        let failed = |reason: String| LakeError::Writer {
            table: self.id.clone(),
            reason,
        };
        let looked: std::io::Result<Vacuumed> = tokio::task::spawn_blocking(look)
            .await
            .map_err(|error| failed(error.to_string()))?;
        looked.map_err(|error| failed(error.to_string()))
    }

    /// The files of a version.
    async fn named(&self, version: u64) -> Result<HashSet<Path>, LakeError> {
        let files = self.files_at(version).await?;
        Ok(files.iter().map(|file| file.object_store_path()).collect())
    }
}

/// Files below a folder that are older than this, and are called as the store calls what it has not finished: `name#1`.
fn halves(folder: &std::path::Path, cutoff: i64) -> std::io::Result<Vec<(PathBuf, u64)>> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder)? {
            let entry = entry?;
            if entry.file_type()?.is_dir() {
                folders.push(entry.path());
                continue;
            }
            let name = entry.file_name();
            let number = name.to_str().and_then(|name| name.rsplit_once('#'));
            let is_half = number.is_some_and(|(_, number)| {
                !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit())
            });
            if !is_half {
                continue;
            }
            let of = entry.metadata()?;
            let written = of.modified()?.duration_since(UNIX_EPOCH).unwrap_or_default();
            if i64::try_from(written.as_millis()).is_ok_and(|written| written < cutoff) {
                found.push((entry.path(), of.len()));
            }
        }
    }
    Ok(found)
}
