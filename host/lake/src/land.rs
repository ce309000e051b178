//! How a commit lands, exactly once.
//!
//! A commit is one log entry, put where none is. Its number is the version that the offsets were checked on, plus one:
//! if anybody was quicker, the put fails, and the offsets are checked again. A put may fail and land all the same, so
//! after every failure the log is read: an entry with our name in it is our commit.

use std::collections::{BTreeSet, HashMap};

use bytes::Bytes;
use deltalake::DeltaTable;
use deltalake::checkpoints;
use deltalake::kernel::transaction::CommitData;
use deltalake::kernel::{Action, Add, EagerSnapshot, Remove, Transaction};
use deltalake::logstore::CommitOrBytes;
use deltalake::protocol::{DeltaOperation, SaveMode};
use futures::StreamExt;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::backoff::Backoff;
use crate::state::State;
use crate::table::Inner;
use crate::{Advance, Commit, Committed, LakeError, Replaced, log, write};

pub(crate) async fn land(table: &Inner, commit: Commit) -> Result<Committed, LakeError> {
    check(table, &commit)?;
    let batches = commit
        .batches
        .iter()
        .map(|batch| table.shape.conform(&table.id, batch))
        .collect::<Result<Vec<_>, _>>()?;
    let (before, at) = {
        let mut state = table.state.lock().await;
        (table.look(&mut state, &commit.advances).await?, state.at())
    };
    if let Standing::Landed(version) = before {
        return Ok(Committed::before(version));
    }
    let removed = match &commit.replaces {
        Some(replaced) => table.replaced(at, replaced).await?,
        None => Vec::new(),
    };

    let rows = batches.iter().map(|batch| batch.num_rows() as u64).sum();
    let parts = write::split(&table.id, &table.shape, &table.config, &batches)?;
    let store = table.log.object_store(None);
    let files = write::encode(&table.id, &store, &table.shape, &table.config, parts).await?;
    let name = Uuid::new_v4();
    let attempt = Attempt {
        table,
        bytes: entry(table, &commit, &files, removed, rows, name)?,
        only_at: commit.replaces.is_some().then_some(at),
        committed: Committed {
            version: 0,
            files: files.len(),
            rows,
            bytes: files
                .iter()
                .map(|file| u64::try_from(file.size).unwrap_or(0))
                .sum(),
            landed_before: false,
        },
        advances: &commit.advances,
        files,
        name: name.to_string(),
        open: BTreeSet::new(),
    };
    attempt.run().await
}

fn check(table: &Inner, commit: &Commit) -> Result<(), LakeError> {
    let wrong = |reason: String| LakeError::Commit {
        table: table.id.clone(),
        reason,
    };
    if commit.advances.is_empty() {
        return Err(wrong(
            "it moves no offset, so it could not be told from its own repetition".into(),
        ));
    }
    let mut seen = BTreeSet::new();
    for advance in &commit.advances {
        if !seen.insert(&advance.app_id) {
            return Err(wrong(format!("it moves `{}` twice", advance.app_id)));
        }
        if advance.from.is_some_and(|from| from >= advance.to) {
            return Err(wrong(format!("it does not move `{}` forward", advance.app_id)));
        }
    }
    Ok(())
}

/// The log entry, without its place in the log.
fn entry(
    table: &Inner,
    commit: &Commit,
    files: &[Add],
    removed: Vec<Remove>,
    rows: u64,
    name: Uuid,
) -> Result<Bytes, LakeError> {
    let bytes: i64 = files.iter().map(|file| file.size).sum();
    let info = HashMap::from([
        (log::INFO.to_owned(), Value::Object(commit.info.clone())),
        (log::TXN_ID.to_owned(), Value::String(name.to_string())),
        (
            "operationMetrics".to_owned(),
            json!({
                "numFiles": files.len().to_string(),
                "numRemovedFiles": removed.len().to_string(),
                "numOutputRows": rows.to_string(),
                "numOutputBytes": bytes.to_string(),
            }),
        ),
    ]);
    let partition_by = &table.shape.partition_by;
    CommitData::new(
        files
            .iter()
            .cloned()
            .map(Action::Add)
            .chain(removed.into_iter().map(Action::Remove))
            .collect(),
        DeltaOperation::Write {
            mode: match commit.replaces {
                Some(_) => SaveMode::Overwrite,
                None => SaveMode::Append,
            },
            partition_by: (!partition_by.is_empty()).then(|| partition_by.clone()),
            predicate: None,
        },
        info,
        commit
            .advances
            .iter()
            .map(|advance| Transaction::new(&advance.app_id, advance.to))
            .collect(),
    )
    .get_bytes()
    .map_err(|error| LakeError::delta(&table.id)(error.into()))
}

/// Where a commit stands, at one version of the table.
enum Standing {
    /// Every offset is where the commit starts.
    Ready,
    /// Every offset is where the commit ends. With the version at which this was seen.
    Landed(u64),
}

impl Inner {
    /// The files of a version that hold the rows to be replaced.
    async fn replaced(&self, version: u64, replaced: &Replaced) -> Result<Vec<Remove>, LakeError> {
        let delta = LakeError::delta(&self.id);
        let snapshot = EagerSnapshot::try_new(self.log.as_ref(), Some(version))
            .await
            .map_err(&delta)?;
        let mut removed = Vec::new();
        let mut files = snapshot.file_views(self.log.as_ref(), None);
        while let Some(file) = files.next().await {
            let file = file.map_err(&delta)?;
            let is_replaced = match replaced {
                Replaced::All => true,
                Replaced::Partitions { column, values } => {
                    let of = file.partition_values_map().remove(column).flatten();
                    values.contains(&of)
                }
            };
            if is_replaced {
                removed.push(file.remove_action(true));
            }
        }
        Ok(removed)
    }

    /// Reads the newest offsets and compares.
    async fn look(&self, state: &mut State, advances: &[Advance]) -> Result<Standing, LakeError> {
        self.refresh(state).await?;
        self.compare(state, advances).await
    }

    async fn compare(&self, state: &mut State, advances: &[Advance]) -> Result<Standing, LakeError> {
        let app_ids = advances.iter().map(|advance| advance.app_id.as_str());
        state.learn(&self.id, &self.log, app_ids).await?;
        let found = |advance: &Advance| state.offset(&advance.app_id);
        if advances.iter().all(|advance| found(advance) == Some(advance.to)) {
            return Ok(Standing::Landed(state.at()));
        }
        match advances.iter().find(|advance| found(advance) != advance.from) {
            None => Ok(Standing::Ready),
            Some(advance) => Err(LakeError::OffsetConflict {
                table: self.id.clone(),
                app_id: advance.app_id.clone(),
                from: advance.from,
                to: advance.to,
                found: found(advance),
            }),
        }
    }
}

/// A commit whose files are written.
struct Attempt<'a> {
    table: &'a Inner,
    advances: &'a [Advance],
    files: Vec<Add>,
    bytes: Bytes,
    committed: Committed,
    name: String,
    /// The only version that it may follow: it removes files of that one.
    only_at: Option<u64>,
    /// Versions at which a put of ours failed and may land all the same, as far as the log was read.
    open: BTreeSet<u64>,
}

/// What a step may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    /// Put: the offsets were read just before the files were written, and the put fails if they moved since.
    First,
    /// Look, then put.
    Again,
    /// Look what became of the last put, and no more.
    Last,
}

enum Step {
    /// Our own entry is the log's entry of this version.
    Ours(u64),
    /// Every offset is where the commit ends, by another's entry. With the version at which this was seen.
    Landed(u64),
}

impl Attempt<'_> {
    async fn run(mut self) -> Result<Committed, LakeError> {
        let tries = self.table.config.commit_tries;
        let mut backoff = Backoff::new(tries);
        let mut mode = Mode::First;
        let mut last_put = None;
        loop {
            let mut state = self.table.state.lock().await;
            let failure = match self.step(&mut state, mode, &mut last_put).await {
                Ok(Step::Ours(version)) => {
                    drop(state);
                    self.table.tend(version).await;
                    return Ok(Committed {
                        version,
                        ..self.committed
                    });
                }
                Ok(Step::Landed(version)) => {
                    self.discard().await;
                    return Ok(Committed::before(version));
                }
                Err(error) if is_final(&error) => {
                    self.discard().await;
                    return Err(error);
                }
                Err(error) => error,
            };
            drop(state);
            tracing::warn!(table = %self.table.id, error = %failure, "Committing failed.");
            if backoff.wait().await {
                mode = if mode == Mode::Last { mode } else { Mode::Again };
                continue;
            }
            match last_put.take() {
                // Nothing of ours can be in the log, or on its way there.
                None if self.open.is_empty() => return Err(self.exhausted(failure)),
                put if mode == Mode::Last => {
                    return Err(LakeError::Unknown {
                        table: self.table.id.clone(),
                        commit: put.unwrap_or_default(),
                        source: Box::new(failure),
                    });
                }
                put => {
                    last_put = put;
                    mode = Mode::Last;
                    backoff = Backoff::new(tries);
                }
            }
        }
    }

    /// One look whether the commit is there, then one put if it is not.
    async fn step(
        &mut self,
        state: &mut State,
        mode: Mode,
        last_put: &mut Option<String>,
    ) -> Result<Step, LakeError> {
        if mode != Mode::First {
            self.table.refresh(state).await?;
            if let Some(version) = self.find(state.at()).await? {
                return Ok(Step::Ours(version));
            }
        }
        if let Standing::Landed(version) = self.table.compare(state, self.advances).await? {
            return Ok(Step::Landed(version));
        }
        if mode == Mode::Last {
            let reason = last_put.take().unwrap_or_default();
            return Err(self.exhausted(LakeError::Commit {
                table: self.table.id.clone(),
                reason,
            }));
        }
        if self.only_at.is_some_and(|at| at != state.at()) {
            return Err(LakeError::Moved {
                table: self.table.id.clone(),
            });
        }
        let version = state.at() + 1;
        self.open.insert(version);
        let put = CommitOrBytes::LogBytes(self.bytes.clone());
        if let Err(error) = self
            .table
            .log
            .write_commit_entry(version, put, Uuid::new_v4())
            .await
        {
            *last_put = Some(error.to_string());
            return Err(LakeError::delta(&self.table.id)(error.into()));
        }
        state.landed(
            self.advances
                .iter()
                .map(|advance| (advance.app_id.as_str(), advance.to)),
        );
        Ok(Step::Ours(version))
    }

    /// Looks for our entry at the places where a put failed, up to a version of the log.
    async fn find(&mut self, newest: u64) -> Result<Option<u64>, LakeError> {
        let places: Vec<u64> = self.open.range(..=newest).copied().collect();
        for version in places {
            let entry = log::read(self.table.log.as_ref(), version)
                .await
                .map_err(LakeError::delta(&self.table.id))?;
            let Some(entry) = entry else {
                return Err(LakeError::Commit {
                    table: self.table.id.clone(),
                    reason: format!("log entry {version} cannot be read yet"),
                });
            };
            if entry.txn_id.as_ref() == Some(&self.name) {
                return Ok(Some(version));
            }
            // Another's entry has the place for good.
            self.open.remove(&version);
        }
        Ok(None)
    }

    fn exhausted(&self, failure: LakeError) -> LakeError {
        LakeError::Exhausted {
            table: self.table.id.clone(),
            tries: self.table.config.commit_tries,
            source: Box::new(failure),
        }
    }

    /// Deletes our files, unless a put that failed is still on its way and would name them.
    async fn discard(&self) {
        if self.open.is_empty() {
            write::delete(&self.table.log.object_store(None), &self.files).await;
        }
    }
}

/// Whether another try would end the same way.
fn is_final(error: &LakeError) -> bool {
    matches!(
        error,
        LakeError::OffsetConflict { .. }
            | LakeError::Moved { .. }
            | LakeError::SchemaMismatch { .. }
            | LakeError::PartitionMismatch { .. }
            | LakeError::Protocol { .. }
            | LakeError::Exhausted { .. }
    )
}

impl Committed {
    fn before(version: u64) -> Self {
        Self {
            version,
            files: 0,
            rows: 0,
            bytes: 0,
            landed_before: true,
        }
    }
}

impl Inner {
    /// Writes a checkpoint where one is due. The commit is durable by now, so a failure here is only a slower log.
    async fn tend(&self, version: u64) {
        let interval = {
            let state = self.state.lock().await;
            let properties = state.snapshot().table_properties();
            properties
                .checkpoint_interval
                .map_or(100, std::num::NonZeroU64::get)
        };
        if !(version + 1).is_multiple_of(interval) {
            return;
        }
        let mut table = DeltaTable::new(std::sync::Arc::clone(&self.log));
        let tended = async {
            table.load_version(version).await?;
            checkpoints::create_checkpoint(&table, None).await?;
            checkpoints::cleanup_metadata(&table, None).await
        };
        if let Err(error) = tended.await {
            tracing::warn!(table = %self.id, version, %error, "Writing a checkpoint failed.");
        }
    }
}
