//! One table.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock};

use arrow_schema::SchemaRef;
use deltalake::DeltaTable;
use deltalake::datafusion::catalog::TableProvider;
use deltalake::datafusion::execution::SessionStateBuilder;
use deltalake::datafusion::execution::session_state::SessionState;
use deltalake::datafusion::prelude::SessionConfig;
use deltalake::kernel::Snapshot;
use deltalake::kernel::engine::arrow_conversion::TryIntoArrow;
use deltalake::logstore::LogStoreRef;
use futures::{Stream, StreamExt, TryStreamExt, stream};
use tokio::sync::Mutex;

use crate::shape::{Shape, without_statistics};
use crate::state::State;
use crate::{Changed, Commit, CommitRecord, Committed, LakeError, TableId, TableSpec, WriterConfig};
use crate::{land, log};

/// Texts come as plain arrays. A view of a text holds on to the page that it was read from, so that what is sorted or grouped of
/// many small files is counted by far more memory than it has.
static PLAIN_TEXTS: LazyLock<Arc<SessionState>> = LazyLock::new(|| {
    let config = SessionConfig::new().set_bool("datafusion.execution.parquet.schema_force_view_types", false);
    Arc::new(SessionStateBuilder::new().with_config(config).build())
});

/// Entries of the log that are read ahead.
const READ_AHEAD: usize = 8;

/// A table of a lake. Cheap to clone; clones share what they know of the log.
#[derive(Debug, Clone)]
pub struct Table {
    pub(crate) inner: Arc<Inner>,
}

#[derive(Debug)]
pub(crate) struct Inner {
    pub(crate) id: TableId,
    pub(crate) shape: Shape,
    pub(crate) config: WriterConfig,
    pub(crate) log: LogStoreRef,
    pub(crate) state: Mutex<State>,
    /// Tries of commits that failed.
    pub(crate) failed_tries: AtomicU64,
}

impl Table {
    /// Opens what is there. With a spec, it must fit.
    pub(crate) async fn open(
        id: &TableId,
        spec: Option<&TableSpec>,
        without_statistics: &[String],
        log: LogStoreRef,
        config: &WriterConfig,
    ) -> Result<Self, LakeError> {
        let snapshot = Snapshot::try_new(log.as_ref(), None)
            .await
            .map_err(LakeError::delta(id))?;
        let shape = match spec {
            Some(spec) => Shape::new(spec, config)?,
            None => {
                let mut spec = found(id, &snapshot)?;
                let known = without_statistics
                    .iter()
                    .filter(|name| spec.schema.index_of(name).is_ok() && !spec.partition_by.contains(name));
                let known: Vec<String> = known.cloned().collect();
                spec.without_statistics.extend(known);
                Shape::new(&spec, config)?
            }
        };
        accept(id, &shape, &snapshot)?;
        Ok(Self {
            inner: Arc::new(Inner {
                id: id.clone(),
                shape,
                config: config.clone(),
                log,
                state: Mutex::new(State::new(snapshot)),
                failed_tries: AtomicU64::new(0),
            }),
        })
    }

    /// How often a commit of this handle, or of a clone, failed and was tried again or given up.
    #[must_use]
    pub fn failed_tries(&self) -> u64 {
        self.inner.failed_tries.load(Ordering::Relaxed)
    }

    /// Which table.
    #[must_use]
    pub fn id(&self) -> &TableId {
        &self.inner.id
    }

    /// Its columns, partition columns included.
    #[must_use]
    pub fn schema(&self) -> &SchemaRef {
        &self.inner.shape.schema
    }

    /// The offset that a source partition has reached, as the table says now. `None`: never read into this table.
    ///
    /// # Errors
    /// The store's error.
    pub async fn offset(&self, app_id: &str) -> Result<Option<i64>, LakeError> {
        let mut state = self.inner.state.lock().await;
        self.inner.look(&mut state).await?;
        state
            .learn(&self.inner.id, &self.inner.log, std::iter::once(app_id))
            .await?;
        Ok(state.offset(app_id))
    }

    /// The same of many.
    ///
    /// # Errors
    /// The store's error.
    pub async fn offsets(&self, app_ids: &[String]) -> Result<Vec<Option<i64>>, LakeError> {
        let mut state = self.inner.state.lock().await;
        self.inner.look(&mut state).await?;
        state
            .learn(
                &self.inner.id,
                &self.inner.log,
                app_ids.iter().map(String::as_str),
            )
            .await?;
        Ok(app_ids.iter().map(|app_id| state.offset(app_id)).collect())
    }

    /// Commits rows and offsets at once, exactly once. The same commit again is found to have landed and writes nothing.
    ///
    /// Every offset must be at its `from`. If every one is at its `to`, the commit had landed. Files that a commit
    /// leaves behind when it is given up are named by no log entry; a vacuum takes them.
    ///
    /// # Errors
    /// [`LakeError::Commit`], [`LakeError::BatchMismatch`], [`LakeError::OffsetConflict`], [`LakeError::Exhausted`],
    /// [`LakeError::Unknown`].
    pub async fn commit(&self, commit: Commit) -> Result<Committed, LakeError> {
        land::land(&self.inner, commit).await
    }

    /// The commits that the log still holds, the newest first, read as they are asked for. Maintenance decides how many.
    pub fn history(&self) -> impl Stream<Item = Result<CommitRecord, LakeError>> + Send + '_ {
        let inner = &self.inner;
        stream::once(async move {
            let mut state = inner.state.lock().await;
            inner.look(&mut state).await?;
            Ok::<_, LakeError>(state.at() + 1)
        })
        .map_ok(|end| self.history_before(end))
        .try_flatten()
    }

    /// The same of the versions before one.
    pub fn history_before(
        &self,
        end: u64,
    ) -> impl Stream<Item = Result<CommitRecord, LakeError>> + Send + '_ {
        let inner = &self.inner;
        stream::iter((0..end).rev())
            .map(move |version| async move {
                let entry = log::read(inner.log.as_ref(), version)
                    .await
                    .map_err(LakeError::delta(&inner.id))?;
                Ok(entry.map(|entry| entry.into_record(version)))
            })
            .buffered(READ_AHEAD)
            // Old entries go first, so the first that is missing is the end.
            .try_take_while(|record| std::future::ready(Ok(record.is_some())))
            .try_filter_map(|record| std::future::ready(Ok(record)))
    }

    /// The commits after a version, the oldest first, `most` of them at most. Begins with the oldest that the log still holds.
    ///
    /// # Errors
    /// The store's error.
    pub async fn commits_after(
        &self,
        after: Option<u64>,
        most: usize,
    ) -> Result<Vec<CommitRecord>, LakeError> {
        let newest = {
            let mut state = self.inner.state.lock().await;
            self.inner.look(&mut state).await?;
            state.at()
        };
        let first = after.map_or(0, |after| after + 1);
        if first > newest {
            return Ok(Vec::new());
        }
        let first = self.oldest_held(first, newest).await?;
        stream::iter((first..=newest).take(most))
            .map(|version| async move {
                let entry = self.entry(version).await?;
                Ok(entry.map(|entry| entry.into_record(version)))
            })
            .buffered(READ_AHEAD)
            .try_filter_map(|record| std::future::ready(Ok(record)))
            .try_collect()
            .await
    }

    /// The oldest version from `first` on whose entry is there: old entries go first.
    async fn oldest_held(&self, first: u64, newest: u64) -> Result<u64, LakeError> {
        let (mut low, mut high) = (first, newest);
        if self.entry(first).await?.is_some() {
            return Ok(first);
        }
        while low < high {
            let middle = low + (high - low) / 2;
            if self.entry(middle).await?.is_some() {
                high = middle;
            } else {
                low = middle + 1;
            }
        }
        Ok(low)
    }

    async fn entry(&self, version: u64) -> Result<Option<log::Entry>, LakeError> {
        log::read(self.inner.log.as_ref(), version)
            .await
            .map_err(LakeError::delta(&self.inner.id))
    }

    /// The table as of now, for a query, and its version. It stays at that version.
    ///
    /// # Errors
    /// The store's error.
    pub async fn provider(&self) -> Result<(Arc<dyn TableProvider>, u64), LakeError> {
        let snapshot = {
            let mut state = self.inner.state.lock().await;
            self.inner.refresh(&mut state).await?;
            Arc::clone(state.snapshot())
        };
        let version = snapshot.version();
        Ok((self.inner.provide(snapshot).await?, version))
    }

    /// The table as it was at a version, for a query.
    ///
    /// # Errors
    /// The version is not in the log, or no longer; or the store's error.
    pub async fn provider_at(&self, version: u64) -> Result<Arc<dyn TableProvider>, LakeError> {
        let snapshot = Snapshot::try_new(self.inner.log.as_ref(), Some(version))
            .await
            .map_err(LakeError::delta(&self.inner.id))?;
        self.inner.provide(Arc::new(snapshot)).await
    }

    /// The newest version.
    ///
    /// # Errors
    /// The store's error.
    pub async fn version(&self) -> Result<u64, LakeError> {
        let mut state = self.inner.state.lock().await;
        self.inner.refresh(&mut state).await?;
        Ok(state.at())
    }

    /// What changed after one version, up to another, by a partition column.
    ///
    /// # Errors
    /// The store's error.
    pub async fn changed(&self, after: u64, up_to: u64, column: &str) -> Result<Changed, LakeError> {
        let mut values = BTreeSet::new();
        for version in after + 1..=up_to {
            let entry = log::read(self.inner.log.as_ref(), version)
                .await
                .map_err(LakeError::delta(&self.inner.id))?;
            let Some(entry) = entry else {
                return Ok(Changed::Unknown);
            };
            for mut of in entry.changed {
                match of.remove(column) {
                    Some(value) => values.insert(value),
                    None => return Ok(Changed::Unknown),
                };
            }
        }
        Ok(Changed::Partitions(values))
    }

    /// Whether no row came or went after one version, up to another. False also where the log does not say any more.
    ///
    /// # Errors
    /// The store's error.
    pub async fn unchanged(&self, after: u64, up_to: u64) -> Result<bool, LakeError> {
        for version in after + 1..=up_to {
            let entry = log::read(self.inner.log.as_ref(), version)
                .await
                .map_err(LakeError::delta(&self.inner.id))?;
            if entry.is_none_or(|entry| !entry.changed.is_empty()) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Names of the columns by which the table is partitioned, in order.
    #[must_use]
    pub fn partition_by(&self) -> &[String] {
        &self.inner.shape.partition_by
    }
}

impl Inner {
    async fn provide(&self, snapshot: Arc<Snapshot>) -> Result<Arc<dyn TableProvider>, LakeError> {
        let provider = DeltaTable::new(Arc::clone(&self.log))
            .table_provider()
            .with_snapshot(snapshot)
            .with_session(Arc::clone(&PLAIN_TEXTS))
            .await
            .map_err(|error| LakeError::Delta {
                table: self.id.clone(),
                source: Arc::new(error.into()),
            })?;
        Ok(provider)
    }

    /// Moves to the newest version, as far as offsets go, and refuses it if the table became another one.
    pub(crate) async fn look(&self, state: &mut State) -> Result<(), LakeError> {
        if state.look(&self.id, &self.log).await? {
            accept(&self.id, &self.shape, state.snapshot())?;
        }
        Ok(())
    }

    /// Moves to the newest version, and refuses it if the table became another one.
    pub(crate) async fn refresh(&self, state: &mut State) -> Result<(), LakeError> {
        if state.refresh(&self.id, &self.log).await? {
            accept(&self.id, &self.shape, state.snapshot())?;
        }
        Ok(())
    }
}

/// The spec of a table that is there.
fn found(id: &TableId, snapshot: &Snapshot) -> Result<TableSpec, LakeError> {
    let schema = arrow_schema(id, snapshot)?;
    Ok(TableSpec {
        id: id.clone(),
        partition_by: snapshot.metadata().partition_columns().to_vec(),
        without_statistics: without_statistics(&schema, snapshot.metadata().configuration())
            .into_iter()
            .filter(|name| !snapshot.metadata().partition_columns().contains(name))
            .collect(),
        schema,
    })
}

fn arrow_schema(id: &TableId, snapshot: &Snapshot) -> Result<SchemaRef, LakeError> {
    let schema = snapshot.schema();
    Ok(Arc::new(schema.as_ref().try_into_arrow().map_err(|error| {
        LakeError::Delta {
            table: id.clone(),
            source: Arc::new(deltalake::DeltaTableError::Arrow { source: error }),
        }
    })?))
}

/// Whether we may write to the table as it is.
fn accept(id: &TableId, shape: &Shape, snapshot: &Snapshot) -> Result<(), LakeError> {
    let protocol = snapshot.protocol();
    // Above version 2 come features that a writer must honour: constraints, column mapping, change data, ...
    if protocol.min_writer_version() > 2 {
        return Err(LakeError::Protocol {
            table: id.clone(),
            version: protocol.min_writer_version(),
        });
    }
    let schema = arrow_schema(id, snapshot)?;
    shape.fits(id, &schema, snapshot.metadata().partition_columns())
}
