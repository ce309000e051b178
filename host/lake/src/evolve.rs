//! A table takes on the nullable columns that a newer version of its contract adds. Rows of before have nulls in them, and a
//! host that still runs the older version goes on writing rows without.

use std::collections::HashMap;

use arrow_schema::{Field, Schema};
use deltalake::DeltaTableError;
use deltalake::kernel::engine::arrow_conversion::{TryIntoArrow, TryIntoKernel};
use deltalake::kernel::transaction::CommitData;
use deltalake::kernel::{Action, MetadataExt, Snapshot, StructType};
use deltalake::logstore::{CommitOrBytes, LogStoreRef};
use deltalake::protocol::DeltaOperation;
use uuid::Uuid;

use crate::backoff::Backoff;
use crate::shape::{Shape, identifier, listed_with};
use crate::{LakeError, TableSpec, WriterConfig};

/// Adds what is missing in a table, and takes columns that became personal from the list of those with statistics.
pub(crate) async fn evolve(
    spec: &TableSpec,
    shape: &Shape,
    log: &LogStoreRef,
    config: &WriterConfig,
) -> Result<(), LakeError> {
    let delta = LakeError::delta(&spec.id);
    let mut backoff = Backoff::new(config.commit_tries);
    loop {
        let snapshot = Snapshot::try_new(log.as_ref(), None).await.map_err(&delta)?;
        let Some((version, entry)) = change(spec, shape, &snapshot).map_err(&delta)? else {
            return Ok(());
        };
        let put = CommitOrBytes::LogBytes(entry);
        let Err(error) = log.write_commit_entry(version, put, Uuid::new_v4()).await else {
            tracing::info!(table = %spec.id, version, "The table takes on the columns of a newer contract.");
            return Ok(());
        };
        // Somebody else was quicker, or the put landed though it failed: the table tells.
        if !backoff.wait().await {
            return Err(LakeError::Exhausted {
                table: spec.id.clone(),
                tries: config.commit_tries,
                source: Box::new(delta(error.into())),
            });
        }
    }
}

/// Whether a table that is there is of this shape, or becomes so by taking on columns.
pub(crate) async fn fits_when_evolved(
    spec: &TableSpec,
    shape: &Shape,
    log: &LogStoreRef,
) -> Result<(), LakeError> {
    let delta = LakeError::delta(&spec.id);
    let snapshot = Snapshot::try_new(log.as_ref(), None).await.map_err(&delta)?;
    let there = columns(&snapshot).map_err(&delta)?;
    let fields = there.fields().iter().map(|field| field.as_ref().clone());
    let grown = Schema::new(fields.chain(missing(spec, shape, &there)).collect::<Vec<_>>());
    shape.fits(&spec.id, &grown, snapshot.metadata().partition_columns())
}

fn columns(snapshot: &Snapshot) -> Result<Schema, DeltaTableError> {
    snapshot
        .schema()
        .as_ref()
        .try_into_arrow()
        .map_err(|source| DeltaTableError::Arrow { source })
}

/// The columns that a table can take on.
fn missing(spec: &TableSpec, shape: &Shape, there: &Schema) -> Vec<Field> {
    shape
        .schema
        .fields()
        .iter()
        .filter(|field| field.is_nullable() && !spec.partition_by.contains(field.name()))
        .filter(|field| there.field_with_name(field.name()).is_err())
        .map(|field| field.as_ref().clone())
        .collect()
}

/// The log entry that is missing, and its version.
fn change(
    spec: &TableSpec,
    shape: &Shape,
    snapshot: &Snapshot,
) -> Result<Option<(u64, bytes::Bytes)>, DeltaTableError> {
    let there = columns(snapshot)?;
    let missing = missing(spec, shape, &there);
    let told: Vec<String> = missing
        .iter()
        .map(|field| identifier(field.name()))
        .filter(|name| shape.statistics.contains(name))
        .collect();
    let mut metadata = snapshot.metadata().clone();
    let statistics = listed_with(metadata.configuration(), &told, &spec.without_statistics);
    if missing.is_empty() && statistics.is_none() {
        return Ok(None);
    }
    let fields = there.fields().iter().map(|field| field.as_ref().clone());
    let grown: StructType = (&Schema::new(fields.chain(missing.iter().cloned()).collect::<Vec<_>>()))
        .try_into_kernel()
        .map_err(|source| DeltaTableError::Arrow { source })?;
    metadata = metadata.with_schema(&grown)?;
    if let Some((name, columns)) = statistics {
        metadata = metadata.add_config_key(name.to_owned(), columns)?;
    }
    let added: StructType = (&Schema::new(missing))
        .try_into_kernel()
        .map_err(|source| DeltaTableError::Arrow { source })?;
    let entry = CommitData::new(
        vec![Action::Metadata(metadata)],
        DeltaOperation::AddColumn {
            fields: added.fields().cloned().collect(),
        },
        HashMap::new(),
        Vec::new(),
    );
    Ok(Some((snapshot.version() + 1, entry.get_bytes()?)))
}
