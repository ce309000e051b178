//! Parquet files from the rows of a partition.

use std::sync::Arc;

use deltalake::datafile::writer::PartitionWriter;
use deltalake::kernel::Add;
use deltalake::{DeltaTableError, Path};
use futures::{StreamExt, TryStreamExt, stream};
use object_store::{ObjectStore, ObjectStoreExt};
use tokio::runtime::Handle;

use crate::backoff::Backoff;
use crate::shape::Shape;
use crate::write::Part;
use crate::{LakeError, TableId, WriterConfig};

/// Writes every part, several at once, each on a thread that may block. A part that fails is written again, alone.
pub(crate) async fn encode(
    table: &TableId,
    store: &Arc<dyn ObjectStore>,
    shape: &Shape,
    config: &WriterConfig,
    parts: Vec<Part>,
) -> Result<Vec<Add>, LakeError> {
    let files: Vec<Vec<Add>> = stream::iter(parts)
        .map(|part| encode_part(table, store, shape, config, part))
        .buffered(config.parallel_files.max(1))
        .try_collect()
        .await?;
    Ok(files.into_iter().flatten().collect())
}

async fn encode_part(
    table: &TableId,
    store: &Arc<dyn ObjectStore>,
    shape: &Shape,
    config: &WriterConfig,
    part: Part,
) -> Result<Vec<Add>, LakeError> {
    let part = Arc::new(part);
    let mut backoff = Backoff::new(config.commit_tries);
    loop {
        let task = {
            let (store, part) = (Arc::clone(store), Arc::clone(&part));
            let statistics = shape.statistics.clone();
            let handle = Handle::current();
            tokio::task::spawn_blocking(move || handle.block_on(write_part(store, &part, statistics)))
        };
        let written = task.await.map_err(|e| LakeError::Writer {
            table: table.clone(),
            reason: e.to_string(),
        })?;
        match written {
            Ok(files) => return Ok(files),
            Err(error) => {
                let error = LakeError::delta(table)(error);
                tracing::warn!(table = %table, %error, "Writing a file failed.");
                if !backoff.wait().await {
                    return Err(LakeError::Exhausted {
                        table: table.clone(),
                        tries: backoff.tries(),
                        source: Box::new(error),
                    });
                }
            }
        }
    }
}

async fn write_part(
    store: Arc<dyn ObjectStore>,
    part: &Part,
    statistics: Vec<String>,
) -> Result<Vec<Add>, DeltaTableError> {
    let mut writer =
        PartitionWriter::try_with_config(store, part.config.clone(), Default::default(), Some(statistics))?;
    for batch in &part.batches {
        if let Err(error) = writer.write(batch).await {
            // Dropping the writer would leave the parts of an upload in the store.
            if let Err(abort) = writer.abort().await {
                tracing::warn!(error = %abort, "Aborting an upload failed.");
            }
            return Err(error);
        }
    }
    writer.close().await
}

/// Deletes files that no commit names and none ever will. What cannot be deleted waits for a vacuum.
pub(crate) async fn delete(store: &Arc<dyn ObjectStore>, files: &[Add]) {
    for file in files {
        let gone = match Path::parse(&file.path) {
            Ok(path) => store.delete(&path).await,
            Err(error) => Err(error.into()),
        };
        if let Err(error) = gone {
            tracing::warn!(path = %file.path, %error, "Deleting a file that no commit names failed.");
        }
    }
}
