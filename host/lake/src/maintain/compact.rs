//! Many small files of a partition become few large ones, with the same rows.
//!
//! deltalake has a builder for this. It rewrites whatever has two files, and takes partitions by filters that are parsed
//! from text. What is written here goes through the same writer, with the same properties, as every other commit.

use std::collections::BTreeMap;
use std::num::NonZeroU64;
use std::sync::Arc;

use arrow_array::RecordBatch;
use deltalake::datafile::writer::{PartitionWriter, PartitionWriterConfig};
use deltalake::kernel::{Add, DataType, LogicalFileView, Remove, Snapshot};
use deltalake::protocol::DeltaOperation;
use object_store::ObjectStoreExt;
use parquet::arrow::arrow_reader::{ArrowReaderOptions, ParquetRecordBatchReaderBuilder};
use serde_json::{Map, Value};
use tokio::runtime::Handle;

use serde::Serialize;

use crate::attempt::{Attempt, Begun, Draft, Guard};
use crate::maintain::bytes;
use crate::table::Inner;
use crate::{LakeError, Table, WriterConfig, log, write};

/// When files are put together.
#[derive(Debug, Clone)]
pub struct CompactConfig {
    /// Files below half of this are small; what is made of them is about as large as this.
    pub target_bytes: NonZeroU64,
    /// So many small files of one partition are put together.
    pub min_files: usize,
}

impl Default for CompactConfig {
    fn default() -> Self {
        Self {
            target_bytes: WriterConfig::default().target_file_bytes,
            min_files: 8,
        }
    }
}

/// What became of small files.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Compacted {
    /// Files that were put together, or would be.
    pub files: usize,
    /// Their bytes.
    pub bytes: u64,
    /// Files that they became; of a dry run, at least so many.
    pub into_files: usize,
    /// Their bytes; 0 of a dry run.
    pub into_bytes: u64,
    /// Why some were left as they are.
    pub given_up: Vec<String>,
}

/// Files of one partition that become one, or as many as their size needs.
struct Bin {
    files: Vec<LogicalFileView>,
    bytes: u64,
}

impl Table {
    /// Puts small files together, partition by partition. Rows stay as they are: to whoever asks what changed, nothing did.
    ///
    /// Writers may go on meanwhile. If one removes a file that is being put together, the work on it was for nothing.
    ///
    /// # Errors
    /// The store's error. A file that cannot be put together is no error here: see [`Compacted::given_up`].
    pub async fn compact(&self, config: &CompactConfig, dry_run: bool) -> Result<Compacted, LakeError> {
        let table = &*self.inner;
        let snapshot = table.newest().await?;
        let mut done = Compacted::default();
        let mut batch = Vec::new();
        let mut size = 0;
        let bins = bins(table.files(&snapshot).await?, table, config);
        let last = bins.len().saturating_sub(1);
        for (at, bin) in bins.into_iter().enumerate() {
            size += bin.bytes;
            if dry_run {
                done.files += bin.files.len();
                done.bytes += bin.bytes;
                done.into_files += 1;
                continue;
            }
            batch.push(bin);
            // What is lost when another commit removes one of the files, or we are killed.
            if size >= config.target_bytes.get().saturating_mul(4) || at == last {
                if let Err(error) = table.rewrite(&snapshot, config, &batch, &mut done).await {
                    match error {
                        LakeError::Moved { .. } | LakeError::File { .. } | LakeError::Spec { .. } => {
                            done.given_up.push(error.to_string());
                        }
                        error => return Err(error),
                    }
                }
                (batch, size) = (Vec::new(), 0);
            }
        }
        Ok(done)
    }
}

/// Which files are put together. Those of like size, so that a row is rewritten about as often as its file doubles.
fn bins(files: Vec<LogicalFileView>, table: &Inner, config: &CompactConfig) -> Vec<Bin> {
    let target = config.target_bytes.get();
    let mut partitions: BTreeMap<Vec<Option<String>>, Vec<LogicalFileView>> = BTreeMap::new();
    for file in files {
        if bytes(&file) >= target / 2 {
            continue;
        }
        let mut values = file.partition_values_map();
        let key = table.shape.partition_by.iter();
        let key = key.map(|name| values.remove(name).flatten()).collect();
        partitions.entry(key).or_default().push(file);
    }
    let mut bins = Vec::new();
    for (_, mut files) in partitions {
        files.sort_by_key(bytes);
        let mut bin = Bin::empty();
        for file in files {
            let size = bytes(&file);
            let alike = bin.files.is_empty() || size <= bin.bytes.max(target / 64);
            if !alike || bin.bytes + size > target {
                bins.push(std::mem::replace(&mut bin, Bin::empty()));
            }
            bin.bytes += size;
            bin.files.push(file);
        }
        bins.push(bin);
    }
    bins.retain(|bin| bin.files.len() >= config.min_files.max(2));
    for bin in &mut bins {
        // Rows keep the order in which they came.
        bin.files.sort_by_key(LogicalFileView::modification_time);
    }
    bins
}

impl Bin {
    fn empty() -> Self {
        Self {
            files: Vec::new(),
            bytes: 0,
        }
    }
}

impl Inner {
    /// Writes the rows of these files anew and commits that they take their place.
    async fn rewrite(
        &self,
        snapshot: &Snapshot,
        config: &CompactConfig,
        bins: &[Bin],
        done: &mut Compacted,
    ) -> Result<(), LakeError> {
        let begun = Begun::now();
        let mut added = Vec::new();
        let mut rows = 0;
        for bin in bins {
            match self.rewrite_bin(snapshot, config, bin).await {
                Ok((files, count)) => {
                    added.extend(files);
                    rows += count;
                }
                Err(error) => {
                    write::delete(&self.log.object_store(None), &added).await;
                    return Err(error);
                }
            }
        }
        let files = || bins.iter().flat_map(|bin| &bin.files);
        let removed: Vec<Remove> = files().map(|file| file.remove_action(false)).collect();
        let draft = Draft {
            operation: DeltaOperation::Optimize {
                predicate: None,
                target_size: i64::try_from(config.target_bytes.get()).unwrap_or(i64::MAX),
            },
            info: Map::from_iter([(log::MAINTENANCE.to_owned(), Value::from("compact"))]),
            advances: Vec::new(),
            files: added,
            rows,
            begun,
        };
        let guard = Guard::Takes {
            at: snapshot.version(),
            paths: files().map(|file| file.path().into_owned()).collect(),
        };
        let committed = Attempt::new(self, draft, &removed, guard)?.run().await?;
        done.files += removed.len();
        done.bytes += bins.iter().map(|bin| bin.bytes).sum::<u64>();
        done.into_files += committed.files;
        done.into_bytes += committed.bytes;
        Ok(())
    }

    async fn rewrite_bin(
        &self,
        snapshot: &Snapshot,
        config: &CompactConfig,
        bin: &Bin,
    ) -> Result<(Vec<Add>, u64), LakeError> {
        let part = self.part(snapshot, config, bin)?;
        let store = self.log.object_store(None);
        let (schema, statistics) = (Arc::clone(&self.shape.file_schema), self.shape.statistics.clone());
        let files = bin.files.clone();
        let (id, handle) = (self.id.clone(), Handle::current());
        // Decoding and encoding take the processor for long.
        let task = tokio::task::spawn_blocking(move || {
            handle.block_on(async move {
                let delta = LakeError::delta(&id);
                let mut writer = PartitionWriter::try_with_config(
                    Arc::clone(&store),
                    part,
                    Default::default(),
                    Some(statistics),
                )
                .map_err(&delta)?;
                let mut rows = 0;
                for file in files {
                    let copied = async {
                        let unreadable = |reason: String| LakeError::File {
                            table: id.clone(),
                            path: file.path().into_owned(),
                            reason,
                        };
                        // One file at a time, and it is a small one.
                        let bytes = store.get(&file.object_store_path()).await?.bytes().await?;
                        let options = ArrowReaderOptions::new().with_schema(Arc::clone(&schema));
                        let reader = ParquetRecordBatchReaderBuilder::try_new_with_options(bytes, options)
                            .and_then(|builder| builder.with_batch_size(write::SLICE_ROWS).build())
                            .map_err(|error| unreadable(error.to_string()))?;
                        let mut count = 0;
                        for batch in reader {
                            let batch = batch.map_err(|error| unreadable(error.to_string()))?;
                            let batch = RecordBatch::try_new(Arc::clone(&schema), batch.columns().to_vec())?;
                            count += batch.num_rows();
                            writer.write(&batch).await.map_err(&delta)?;
                        }
                        match file.num_records() {
                            Some(known) if known != count => Err(unreadable(format!(
                                "it has {count} rows, and the log says {known}"
                            ))),
                            _ => Ok(count as u64),
                        }
                    };
                    match copied.await {
                        Ok(count) => rows += count,
                        Err(error) => {
                            // Dropping the writer would leave the parts of an upload in the store.
                            if let Err(abort) = writer.abort().await {
                                tracing::warn!(error = %abort, "Aborting an upload failed.");
                            }
                            return Err(error);
                        }
                    }
                }
                let mut files = writer.close().await.map_err(&delta)?;
                for file in &mut files {
                    file.data_change = false;
                }
                Ok((files, rows))
            })
        });
        task.await.map_err(|error| LakeError::Writer {
            table: self.id.clone(),
            reason: error.to_string(),
        })?
    }

    /// How the files of a bin's partition are written.
    fn part(
        &self,
        snapshot: &Snapshot,
        config: &CompactConfig,
        bin: &Bin,
    ) -> Result<PartitionWriterConfig, LakeError> {
        let mut values = bin
            .files
            .first()
            .map(LogicalFileView::partition_values_map)
            .unwrap_or_default();
        let schema = snapshot.schema();
        let mut typed = Vec::new();
        for name in &self.shape.partition_by {
            let unknown = || LakeError::Spec {
                table: self.id.clone(),
                reason: format!("a file has no value of partition column `{name}` that can be read"),
            };
            let Some(DataType::Primitive(ty)) = schema.field(name).map(|field| field.data_type()) else {
                return Err(unknown());
            };
            // An empty text is null, as in every reader.
            let text = values.remove(name).flatten().unwrap_or_default();
            typed.push((name.clone(), ty.parse_scalar(&text).map_err(|_| unknown())?));
        }
        let folder = write::folder(&typed);
        PartitionWriterConfig::try_new(
            Arc::clone(&self.shape.file_schema),
            typed.into_iter().collect(),
            Some(self.shape.properties.clone()),
            Some(config.target_bytes),
            Some(write::SLICE_ROWS),
            None,
            folder,
        )
        .map_err(LakeError::delta(&self.id))
    }
}
