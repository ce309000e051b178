//! A lake: a folder of tables.

use std::collections::BTreeSet;
use std::sync::Arc;

use bytes::Bytes;
use deltalake::kernel::StructType;
use deltalake::kernel::engine::arrow_conversion::TryIntoKernel;
use deltalake::kernel::transaction::CommitProperties;
use deltalake::logstore::{LogStoreRef, StorageConfig, logstore_for, logstore_with};
use deltalake::{DeltaTable, DeltaTableError, ensure_table_uri};
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt, ObjectStoreScheme, PutMode, PutOptions};
use url::Url;

use crate::evolve::{evolve, fits_when_evolved};
use crate::shape::Shape;
use crate::{LakeError, Layer, Table, TableId, TableSpec, WriterConfig};

/// A folder of tables, in a file system or an object store. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Lake {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    /// Ends with a slash.
    root: Url,
    /// The whole store that the root lies in.
    store: Arc<dyn ObjectStore>,
    config: WriterConfig,
}

impl Lake {
    /// Opens a lake at a path or URL (`file:`, `memory:`, and `s3:` where this is built with the feature `s3`).
    /// A path that does not exist is created.
    ///
    /// # Errors
    /// [`LakeError::Location`].
    pub fn open(location: &str, config: WriterConfig) -> Result<Self, LakeError> {
        let wrong = |reason: String| LakeError::Location {
            location: location.to_owned(),
            reason,
        };
        if cfg!(not(feature = "s3")) && (location.starts_with("s3://") || location.starts_with("s3a://")) {
            return Err(wrong(
                "this program is built without S3: build it with `--features s3`".into(),
            ));
        }
        let root = ensure_table_uri(location).map_err(|error| wrong(error.to_string()))?;
        let log = logstore_for(&root, StorageConfig::default()).map_err(|error| wrong(error.to_string()))?;
        Ok(Self::with_store(root, log.root_object_store(None), config))
    }

    pub(crate) fn with_store(root: Url, store: Arc<dyn ObjectStore>, config: WriterConfig) -> Self {
        Self {
            inner: Arc::new(Inner { root, store, config }),
        }
    }

    /// Opens a table. It is created if it is not there, and takes on nullable columns that it lacks. Two hosts may do so at
    /// once.
    ///
    /// # Errors
    /// [`LakeError::Spec`], [`LakeError::SchemaMismatch`], [`LakeError::PartitionMismatch`], [`LakeError::Protocol`],
    /// or the store's error.
    pub async fn table(&self, spec: TableSpec) -> Result<Table, LakeError> {
        let shape = Shape::new(&spec, &self.inner.config)?;
        let log = self.log(&spec.id)?;
        if !exists(&spec.id, &log).await?
            && let Err(error) = create(&spec, &shape, &log, &self.inner.config).await
        {
            // Another host may have been quicker, or our own put may have landed though it failed.
            if !exists(&spec.id, &log).await? {
                return Err(LakeError::delta(&spec.id)(error));
            }
        }
        evolve(&spec, &shape, &log, &self.inner.config).await?;
        Table::open(&spec.id, Some(&spec), &[], log, &self.inner.config).await
    }

    /// Whether a table of this spec could be opened, without making or changing anything.
    ///
    /// # Errors
    /// As [`Lake::table`].
    pub async fn would_fit(&self, spec: &TableSpec) -> Result<(), LakeError> {
        let shape = Shape::new(spec, &self.inner.config)?;
        let log = self.log(&spec.id)?;
        if !exists(&spec.id, &log).await? {
            return Ok(());
        }
        fits_when_evolved(spec, &shape, &log).await
    }

    /// Opens a table as it is. `None` if it is not there.
    ///
    /// # Errors
    /// [`LakeError::Protocol`], or the store's error.
    pub async fn existing(&self, id: &TableId) -> Result<Option<Table>, LakeError> {
        self.existing_without(id, &[]).await
    }

    /// The same, with columns that are to be in no statistics besides those that the table knows of.
    ///
    /// # Errors
    /// [`LakeError::Protocol`], or the store's error.
    pub async fn existing_without(
        &self,
        id: &TableId,
        without_statistics: &[String],
    ) -> Result<Option<Table>, LakeError> {
        let log = self.log(id)?;
        if !exists(id, &log).await? {
            return Ok(None);
        }
        Table::open(id, None, without_statistics, log, &self.inner.config)
            .await
            .map(Some)
    }

    /// Every table of the lake, sorted.
    ///
    /// # Errors
    /// The store's error.
    pub async fn list(&self) -> Result<Vec<TableId>, LakeError> {
        let root = match ObjectStoreScheme::parse(&self.inner.root) {
            Ok((_, path)) => path,
            Err(error) => {
                return Err(LakeError::Location {
                    location: self.inner.root.to_string(),
                    reason: error.to_string(),
                });
            }
        };
        let mut tables = Vec::new();
        for domain in self.folders(&root).await? {
            let path = root.clone().join(domain.as_str());
            for layer in self.folders(&path).await? {
                let Ok(layer) = layer.parse::<Layer>() else {
                    continue;
                };
                let path = path.clone().join(layer.as_str());
                for name in self.folders(&path).await? {
                    let path = path.clone().join(name.as_str());
                    // A folder with another name than ours, or without a log, is somebody else's.
                    if let Ok(id) = TableId::new(&domain, layer, &name)
                        && self.folders(&path).await?.contains("_delta_log")
                    {
                        tables.push(id);
                    }
                }
            }
        }
        tables.sort();
        Ok(tables)
    }

    /// Keeps bytes that are no table where every host of a mesh finds them, under a name that stands for just these bytes:
    /// what is there stays.
    ///
    /// # Errors
    /// The store's error.
    pub async fn keep(&self, name: &str, bytes: Bytes) -> Result<(), LakeError> {
        self.claim(name, bytes).await.map(drop)
    }

    /// Whether something is kept under a name.
    ///
    /// # Errors
    /// The store's error.
    pub async fn is_kept(&self, name: &str) -> Result<bool, LakeError> {
        match self.inner.store.head(&self.aside(name)?).await {
            Ok(_) => Ok(true),
            Err(object_store::Error::NotFound { .. }) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// Keeps bytes under a name that nobody has used. False: somebody has.
    ///
    /// # Errors
    /// The store's error.
    pub async fn claim(&self, name: &str, bytes: Bytes) -> Result<bool, LakeError> {
        let create = PutOptions::from(PutMode::Create);
        match self
            .inner
            .store
            .put_opts(&self.aside(name)?, bytes.into(), create)
            .await
        {
            Ok(_) => Ok(true),
            Err(object_store::Error::AlreadyExists { .. }) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// What was kept under a name.
    ///
    /// # Errors
    /// The store's error.
    pub async fn kept(&self, name: &str) -> Result<Option<Bytes>, LakeError> {
        match self.inner.store.get(&self.aside(name)?).await {
            Ok(found) => Ok(Some(found.bytes().await?)),
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Beside the domains: no domain's name begins like that.
    fn aside(&self, name: &str) -> Result<Path, LakeError> {
        let (_, root) = ObjectStoreScheme::parse(&self.inner.root).map_err(|error| LakeError::Location {
            location: self.inner.root.to_string(),
            reason: error.to_string(),
        })?;
        Ok(name
            .split('/')
            .fold(root.join("_malla"), |path, part| path.join(part)))
    }

    async fn folders(&self, path: &Path) -> Result<BTreeSet<String>, LakeError> {
        let found = match self.inner.store.list_with_delimiter(Some(path)).await {
            Ok(found) => found,
            Err(object_store::Error::NotFound { .. }) => return Ok(BTreeSet::new()),
            Err(error) => return Err(error.into()),
        };
        Ok(found
            .common_prefixes
            .iter()
            .filter_map(|folder| folder.filename().map(str::to_owned))
            .collect())
    }

    fn log(&self, id: &TableId) -> Result<LogStoreRef, LakeError> {
        let url = self
            .inner
            .root
            .join(&format!("{id}/"))
            .map_err(|error| LakeError::Location {
                location: self.inner.root.to_string(),
                reason: error.to_string(),
            })?;
        logstore_with(Arc::clone(&self.inner.store), &url, StorageConfig::default())
            .map_err(LakeError::delta(id))
    }
}

async fn exists(id: &TableId, log: &LogStoreRef) -> Result<bool, LakeError> {
    log.is_delta_table_location().await.map_err(LakeError::delta(id))
}

async fn create(
    spec: &TableSpec,
    shape: &Shape,
    log: &LogStoreRef,
    config: &WriterConfig,
) -> Result<(), DeltaTableError> {
    let schema: StructType = shape.schema.as_ref().try_into_kernel()?;
    DeltaTable::new(Arc::clone(log))
        .create()
        .with_table_name(spec.id.to_string())
        .with_columns(schema.fields().cloned())
        .with_partition_columns(shape.partition_by.clone())
        .with_configuration(shape.table_properties(config))
        // With tries left, the slower of two creators would put its own metadata on top of the other's.
        .with_commit_properties(CommitProperties::default().with_max_retries(0))
        .await?;
    Ok(())
}
