//! A lake: a folder of tables.

use std::sync::Arc;

use object_store::ObjectStore;
use url::Url;

use crate::{LakeError, Table, TableId, TableSpec, WriterConfig};

/// A folder of tables, in a file system or an object store. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Lake {
    pub(crate) inner: Arc<Inner>,
}

#[derive(Debug)]
pub(crate) struct Inner {
    pub(crate) root: Url,
    pub(crate) store: Arc<dyn ObjectStore>,
    pub(crate) config: WriterConfig,
}

impl Lake {
    /// Opens a lake at a path or URL (`file:`, `memory:`, and `s3:` where this is built with the feature `s3`).
    /// A path that does not exist is created.
    ///
    /// # Errors
    /// [`LakeError::Location`].
    pub fn open(location: &str, config: WriterConfig) -> Result<Self, LakeError> {
        let _ = (location, config);
        Err(LakeError::Location {
            location: location.to_owned(),
            reason: "not built yet".into(),
        })
    }

    /// Opens a table, and creates it if it is not there. Two hosts may do so at once.
    ///
    /// # Errors
    /// [`LakeError::Spec`], [`LakeError::SchemaMismatch`], [`LakeError::PartitionMismatch`], or the store's error.
    pub async fn table(&self, spec: TableSpec) -> Result<Table, LakeError> {
        let _ = spec;
        Err(LakeError::Location {
            location: self.inner.root.to_string(),
            reason: "not built yet".into(),
        })
    }

    /// Opens a table as it is. `None` if it is not there.
    ///
    /// # Errors
    /// The store's error.
    pub async fn existing(&self, id: &TableId) -> Result<Option<Table>, LakeError> {
        let _ = id;
        Ok(None)
    }

    /// Every table of the lake, sorted.
    ///
    /// # Errors
    /// The store's error.
    pub async fn list(&self) -> Result<Vec<TableId>, LakeError> {
        Ok(Vec::new())
    }
}
