//! One table.

use std::sync::Arc;

use arrow_schema::SchemaRef;
use deltalake::datafusion::catalog::TableProvider;
use futures::Stream;
use futures::stream;

use crate::{Commit, CommitRecord, Committed, LakeError, TableId};

/// A table of a lake. Cheap to clone; clones share what they know of the log.
#[derive(Debug, Clone)]
pub struct Table {
    id: TableId,
    schema: SchemaRef,
}

impl Table {
    /// Which table.
    #[must_use]
    pub fn id(&self) -> &TableId {
        &self.id
    }

    /// Its columns, partition columns included.
    #[must_use]
    pub fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// The offset that a source partition has reached, as the table says now. `None`: never read into this table.
    ///
    /// # Errors
    /// The store's error.
    pub async fn offset(&self, app_id: &str) -> Result<Option<i64>, LakeError> {
        let _ = app_id;
        Ok(None)
    }

    /// Commits rows and offsets at once, exactly once.
    ///
    /// # Errors
    /// [`LakeError::OffsetConflict`], [`LakeError::BatchMismatch`], [`LakeError::Exhausted`], [`LakeError::Unknown`].
    pub async fn commit(&self, commit: Commit) -> Result<Committed, LakeError> {
        let _ = commit;
        Err(LakeError::Commit {
            table: self.id.clone(),
            reason: "not built yet".into(),
        })
    }

    /// The commits that the log still holds, the newest first, read as they are asked for.
    pub fn history(&self) -> impl Stream<Item = Result<CommitRecord, LakeError>> + Send + '_ {
        stream::empty()
    }

    /// The table as of now, for a query. It stays at that version.
    ///
    /// # Errors
    /// The store's error.
    pub async fn provider(&self) -> Result<Arc<dyn TableProvider>, LakeError> {
        Err(LakeError::Commit {
            table: self.id.clone(),
            reason: "not built yet".into(),
        })
    }
}
