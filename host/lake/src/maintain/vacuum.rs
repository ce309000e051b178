//! Files that no version names which anybody may still read go from the disk.
//!
//! deltalake's own vacuum either leaves files that no entry names, or takes those too that a running commit has just
//! written. So this asks the log and the clock: a file goes if it is older than the retention and the longest commit
//! together, and neither the version at the beginning of the retention has it, nor the newest, nor one to be kept. A file of
//! that age was named by then or never will be, and what was named and is not any more was removed before.

use std::collections::{BTreeSet, HashSet};
use std::time::Duration;

use deltalake::Path;
use futures::TryStreamExt;
use object_store::{ObjectMeta, ObjectStore};

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
#[derive(Debug, Clone, Default, PartialEq, Eq)]
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
        if old.is_empty() {
            return Ok(Vacuumed::default());
        }
        let log = table.log_files().await?;
        let Some(oldest) = log.oldest_read(ago(vacuum.retention)) else {
            // The table, or what its log holds, is younger than the retention.
            return Ok(Vacuumed::default());
        };
        let mut needed = table.named(oldest).await?;
        needed.extend(table.named(table.newest().await?.version()).await?);
        let mut pinned = HashSet::new();
        for version in &vacuum.keep {
            pinned.extend(table.named(*version).await?);
        }
        let mut vacuumed = Vacuumed::default();
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
    /// The files of a version.
    async fn named(&self, version: u64) -> Result<HashSet<Path>, LakeError> {
        let files = self.files_at(version).await?;
        Ok(files.iter().map(|file| file.object_store_path()).collect())
    }
}
