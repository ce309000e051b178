//! How a commit lands, exactly once.
//!
//! A commit is one log entry, put where none is. Its number is the version that the offsets were checked on, plus one:
//! if anybody was quicker, the put fails, and the offsets are checked again. A put may fail and land all the same, so
//! after every failure the log is read: an entry with our name in it is our commit.

use std::collections::BTreeSet;

use deltalake::DeltaTable;
use deltalake::checkpoints;
use deltalake::kernel::{EagerSnapshot, Remove};
use deltalake::protocol::{DeltaOperation, SaveMode};
use futures::StreamExt;
use malla_contract::Date;

use crate::attempt::{Attempt, Begun, Draft, Guard};
use crate::state::State;
use crate::table::Inner;
use crate::{Advance, Commit, Committed, LakeError, Replaced, write};

pub(crate) async fn land(table: &Inner, commit: Commit) -> Result<Committed, LakeError> {
    check(table, &commit)?;
    let batches = commit
        .batches
        .iter()
        .map(|batch| table.shape.conform(&table.id, batch))
        .collect::<Result<Vec<_>, _>>()?;
    let (before, at) = {
        let mut state = table.state.lock().await;
        (table.standing(&mut state, &commit.advances).await?, state.at())
    };
    if let Standing::Landed(version) = before {
        return Ok(Committed::before(version));
    }
    let removed = match &commit.replaces {
        Some(replaced) => table.replaced(at, replaced).await?,
        None => Vec::new(),
    };

    let begun = Begun::now();
    let rows = batches.iter().map(|batch| batch.num_rows() as u64).sum();
    let parts = write::split(&table.id, &table.shape, &table.config, &batches)?;
    let store = table.log.object_store(None);
    let files = write::encode(&table.id, &store, &table.shape, &table.config, parts).await?;
    let partition_by = &table.shape.partition_by;
    let draft = Draft {
        operation: DeltaOperation::Write {
            mode: match commit.replaces {
                Some(_) => SaveMode::Overwrite,
                None => SaveMode::Append,
            },
            partition_by: (!partition_by.is_empty()).then(|| partition_by.clone()),
            predicate: None,
        },
        info: commit.info,
        advances: commit.advances,
        files,
        rows,
        begun,
    };
    let guard = match commit.replaces {
        Some(replaced) => Guard::Replaces { at, replaced },
        None => Guard::Adds,
    };
    #[cfg(test)]
    between::run().await;
    Attempt::new(table, draft, &removed, guard)?.run().await
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

/// Where a commit stands, at one version of the table.
pub(crate) enum Standing {
    /// Every offset is where the commit starts.
    Ready,
    /// Every offset is where the commit ends. With the version at which this was seen.
    Landed(u64),
}

impl Inner {
    /// The files of a version that hold the rows to be replaced.
    pub(crate) async fn replaced(&self, version: u64, replaced: &Replaced) -> Result<Vec<Remove>, LakeError> {
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
                Replaced::From { column, first } => {
                    let of = file.partition_values_map().remove(column).flatten();
                    let day = of.and_then(|of| of.parse::<Date>().ok());
                    day.is_none_or(|day| day >= *first)
                }
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
    async fn standing(&self, state: &mut State, advances: &[Advance]) -> Result<Standing, LakeError> {
        self.look(state).await?;
        self.compare(state, advances).await
    }

    pub(crate) async fn compare(
        &self,
        state: &mut State,
        advances: &[Advance],
    ) -> Result<Standing, LakeError> {
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

impl Committed {
    pub(crate) fn before(version: u64) -> Self {
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
    pub(crate) async fn tend(&self, version: u64) {
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
            // What the log may forget is maintenance's to know.
            checkpoints::create_checkpoint(&table, None).await
        };
        if let Err(error) = tended.await {
            tracing::warn!(table = %self.id, version, %error, "Writing a checkpoint failed.");
        }
    }
}

/// What a test has come between the files of a commit and its entry.
#[cfg(test)]
pub(crate) mod between {
    use std::cell::RefCell;

    use futures::future::BoxFuture;

    thread_local! {
        static NEXT: RefCell<Option<BoxFuture<'static, ()>>> = const { RefCell::new(None) };
    }

    /// For the next commit of the future that a test blocks on.
    pub(crate) fn set(future: BoxFuture<'static, ()>) {
        NEXT.set(Some(future));
    }

    pub(super) async fn run() {
        if let Some(future) = NEXT.take() {
            future.await;
        }
    }
}
