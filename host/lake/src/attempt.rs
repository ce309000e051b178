//! One commit on its way into the log: put where no entry is, looked for after every failure.

use std::collections::{BTreeSet, HashMap};
use std::time::{Duration, Instant, SystemTime};

use bytes::Bytes;
use deltalake::kernel::transaction::CommitData;
use deltalake::kernel::{Action, Add, Remove, Transaction};
use deltalake::logstore::CommitOrBytes;
use deltalake::protocol::DeltaOperation;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use crate::backoff::Backoff;
use crate::land::Standing;
use crate::state::State;
use crate::table::Inner;
use crate::{Advance, Committed, LakeError, Replaced, log, write};

/// A commit that takes longer is given up, so that a vacuum may take files of this age that no entry names.
pub(crate) const LONGEST: Duration = Duration::from_secs(3600);

/// A log entry, without the removals and without its place in the log.
pub(crate) struct Draft {
    pub(crate) operation: DeltaOperation,
    /// Ours, in the commit's info.
    pub(crate) info: Map<String, Value>,
    pub(crate) advances: Vec<Advance>,
    pub(crate) files: Vec<Add>,
    pub(crate) rows: u64,
    pub(crate) begun: Begun,
}

/// When the first file of a commit was begun.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Begun(Instant, SystemTime);

impl Begun {
    pub(crate) fn now() -> Self {
        Self(Instant::now(), SystemTime::now())
    }

    #[cfg(test)]
    pub(crate) fn ago(age: Duration) -> Self {
        Self(Instant::now(), SystemTime::now() - age)
    }

    /// One clock stands still while the machine sleeps, the other can be set.
    fn elapsed(self) -> Duration {
        self.0.elapsed().max(self.1.elapsed().unwrap_or_default())
    }
}

/// What may have come between the version that a commit was made for and the one that it follows.
pub(crate) enum Guard {
    /// Anything: it only adds.
    Adds,
    /// It takes the place of rows of this version. Maintenance may come between: their files are then found anew.
    Replaces { at: u64, replaced: Replaced },
    /// These files go, and must be there still. They were, up to this version.
    Takes { at: u64, paths: BTreeSet<String> },
}

impl Draft {
    fn bytes(&self, table: &Inner, name: Uuid, removed: &[Remove]) -> Result<Bytes, LakeError> {
        let info = HashMap::from([
            (log::INFO.to_owned(), Value::Object(self.info.clone())),
            (log::TXN_ID.to_owned(), Value::String(name.to_string())),
            (
                "operationMetrics".to_owned(),
                json!({
                    "numFiles": self.files.len().to_string(),
                    "numRemovedFiles": removed.len().to_string(),
                    "numOutputRows": self.rows.to_string(),
                    "numOutputBytes": self.size().to_string(),
                }),
            ),
        ]);
        let files = self.files.iter().cloned().map(Action::Add);
        CommitData::new(
            files.chain(removed.iter().cloned().map(Action::Remove)).collect(),
            self.operation.clone(),
            info,
            self.advances
                .iter()
                .map(|advance| Transaction::new(&advance.app_id, advance.to))
                .collect(),
        )
        .get_bytes()
        .map_err(|error| LakeError::delta(&table.id)(error.into()))
    }

    fn size(&self) -> u64 {
        let sizes = self
            .files
            .iter()
            .map(|file| u64::try_from(file.size).unwrap_or(0));
        sizes.sum()
    }
}

/// A commit whose files are written.
pub(crate) struct Attempt<'a> {
    table: &'a Inner,
    draft: Draft,
    guard: Guard,
    bytes: Bytes,
    name: Uuid,
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

impl<'a> Attempt<'a> {
    pub(crate) fn new(
        table: &'a Inner,
        draft: Draft,
        removed: &[Remove],
        guard: Guard,
    ) -> Result<Self, LakeError> {
        let name = Uuid::new_v4();
        Ok(Self {
            bytes: draft.bytes(table, name, removed)?,
            table,
            draft,
            guard,
            name,
            open: BTreeSet::new(),
        })
    }

    pub(crate) async fn run(mut self) -> Result<Committed, LakeError> {
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
                        files: self.draft.files.len(),
                        rows: self.draft.rows,
                        bytes: self.draft.size(),
                        landed_before: false,
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
            self.table
                .failed_tries
                .fetch_add(1, std::sync::atomic::Ordering::Relaxed);
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
            self.table.look(state).await?;
            if let Some(version) = self.find(state.at()).await? {
                return Ok(Step::Ours(version));
            }
        }
        // A commit without offsets is known by its name alone.
        if !self.draft.advances.is_empty()
            && let Standing::Landed(version) = self.table.compare(state, &self.draft.advances).await?
        {
            return Ok(Step::Landed(version));
        }
        if mode == Mode::Last {
            let reason = last_put.take().unwrap_or_default();
            return Err(self.exhausted(LakeError::Commit {
                table: self.table.id.clone(),
                reason,
            }));
        }
        self.check_between(state).await?;
        if self.draft.begun.elapsed() > LONGEST {
            return Err(LakeError::TooLate {
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
            self.draft
                .advances
                .iter()
                .map(|advance| (advance.app_id.as_str(), advance.to)),
        );
        Ok(Step::Ours(version))
    }

    /// Whether what came since the commit was made leaves it what it is.
    async fn check_between(&mut self, state: &State) -> Result<(), LakeError> {
        let newest = state.at();
        let since = match &self.guard {
            Guard::Adds => return Ok(()),
            Guard::Replaces { at, .. } | Guard::Takes { at, .. } => *at,
        };
        if since == newest {
            return Ok(());
        }
        let moved = || LakeError::Moved {
            table: self.table.id.clone(),
        };
        for version in since + 1..=newest {
            let entry = log::read(self.table.log.as_ref(), version)
                .await
                .map_err(LakeError::delta(&self.table.id))?
                .ok_or_else(moved)?;
            let harmless = match &self.guard {
                Guard::Adds => true,
                Guard::Replaces { .. } => entry.is_maintenance(),
                Guard::Takes { paths, .. } => !entry.removed.iter().any(|path| paths.contains(path)),
            };
            if !harmless {
                return Err(moved());
            }
        }
        match &mut self.guard {
            Guard::Adds => {}
            Guard::Takes { at, .. } => *at = newest,
            Guard::Replaces { at, replaced } => {
                let removed = self.table.replaced(newest, replaced).await?;
                self.bytes = self.draft.bytes(self.table, self.name, &removed)?;
                *at = newest;
            }
        }
        Ok(())
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
            if entry.txn_id.as_deref() == Some(self.name.to_string().as_str()) {
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
            write::delete(&self.table.log.object_store(None), &self.draft.files).await;
        }
    }
}

/// Whether another try would end the same way.
fn is_final(error: &LakeError) -> bool {
    matches!(
        error,
        LakeError::OffsetConflict { .. }
            | LakeError::Moved { .. }
            | LakeError::TooLate { .. }
            | LakeError::SchemaMismatch { .. }
            | LakeError::PartitionMismatch { .. }
            | LakeError::Protocol { .. }
            | LakeError::Exhausted { .. }
    )
}
