//! What keeps a table small and quick: fewer and larger files, no files that nobody needs, a log that is not endless.
//!
//! INVARIANT: nothing here changes what a reader of the newest version sees, but for [`Table::expire`], whose work that
//! is. No writer fails by it, and it can be killed anywhere.

mod compact;
mod expire;
mod history;
mod vacuum;

use std::sync::Arc;

use deltalake::kernel::{LogicalFileView, Snapshot};
use futures::{StreamExt, pin_mut};

pub use compact::{CompactConfig, Compacted};
pub use expire::{Expired, Expiry};
pub use history::Cleaned;
pub use vacuum::{Vacuum, Vacuumed};

use serde::Serialize;

use crate::table::Inner;
use crate::{LakeError, Table};

/// How large a table is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Size {
    /// Files of the newest version.
    pub files: usize,
    /// Their bytes.
    pub bytes: u64,
}

impl Table {
    /// How large the newest version is.
    ///
    /// # Errors
    /// The store's error.
    pub async fn size(&self) -> Result<Size, LakeError> {
        let snapshot = self.inner.newest().await?;
        let mut size = Size::default();
        for file in self.inner.files(&snapshot).await? {
            size.files += 1;
            size.bytes += bytes(&file);
        }
        Ok(size)
    }
}

impl Inner {
    pub(crate) async fn newest(&self) -> Result<Arc<Snapshot>, LakeError> {
        let mut state = self.state.lock().await;
        self.refresh(&mut state).await?;
        Ok(Arc::clone(state.snapshot()))
    }

    /// The files of a version.
    async fn files(&self, snapshot: &Snapshot) -> Result<Vec<LogicalFileView>, LakeError> {
        let mut found = Vec::new();
        let files = snapshot.file_views(self.log.as_ref(), None);
        pin_mut!(files);
        while let Some(file) = files.next().await {
            found.push(file.map_err(LakeError::delta(&self.id))?);
        }
        Ok(found)
    }

    async fn files_at(&self, version: u64) -> Result<Vec<LogicalFileView>, LakeError> {
        let snapshot = Snapshot::try_new(self.log.as_ref(), Some(version))
            .await
            .map_err(LakeError::delta(&self.id))?;
        self.files(&snapshot).await
    }
}

fn bytes(file: &LogicalFileView) -> u64 {
    u64::try_from(file.size()).unwrap_or(0)
}
