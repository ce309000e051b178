//! What a table handle knows of its log.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use deltalake::kernel::{EagerSnapshot, Snapshot};
use deltalake::logstore::LogStoreRef;

use crate::log;
use crate::{LakeError, TableId};

/// Reading more entries than this costs more than asking the log for the offsets anew.
const MOST_ENTRIES: u64 = 256;

/// For so long the log need not be listed: entries are read one after the other until there is none. Nobody removes entries
/// that are as young as this, so one that is missing is the end.
const LISTED: Duration = Duration::from_secs(60);

/// A snapshot that is older than this is made anew: an update of it still reads from the checkpoint that it began with, and
/// maintenance removes what was before later ones.
const MADE: Duration = Duration::from_secs(1800);

/// A table's metadata and offsets at one version.
///
/// INVARIANT: `offsets` are those of version `at`, so that a commit that lands as `at + 1` was checked against them.
#[derive(Debug)]
pub(crate) struct State {
    /// Metadata only: the list of files is never held, however many there are.
    snapshot: Arc<Snapshot>,
    at: u64,
    listed: Instant,
    made: Instant,
    /// What is known; a source partition that is missing was not asked for yet.
    offsets: HashMap<String, Option<i64>>,
}

impl State {
    pub(crate) fn new(snapshot: Snapshot) -> Self {
        Self {
            at: snapshot.version(),
            listed: Instant::now(),
            made: Instant::now(),
            snapshot: Arc::new(snapshot),
            offsets: HashMap::new(),
        }
    }

    /// The version that the offsets are of.
    pub(crate) fn at(&self) -> u64 {
        self.at
    }

    /// A snapshot of the version last refreshed to. Our own commits may be later.
    pub(crate) fn snapshot(&self) -> &Arc<Snapshot> {
        &self.snapshot
    }

    /// Moves to the newest version, without the snapshot if that need not be. True if the table's metadata or protocol is
    /// another one now.
    ///
    /// A listing takes the longer the more entries there are, an entry does not.
    pub(crate) async fn look(&mut self, table: &TableId, log: &LogStoreRef) -> Result<bool, LakeError> {
        let mut at = self.at;
        let mut news = Vec::new();
        while self.listed.elapsed() < LISTED {
            let entry = log::read(log.as_ref(), at + 1)
                .await
                .map_err(LakeError::delta(table))?;
            let Some(entry) = entry else {
                self.at = at;
                let news = news.into_iter().map(|(app_id, offset)| (app_id, Some(offset)));
                self.offsets.extend(news);
                return Ok(false);
            };
            if entry.reshapes {
                break;
            }
            news.extend(entry.offsets);
            at += 1;
        }
        self.refresh(table, log).await
    }

    /// Moves to the newest version. True if the table's metadata or protocol is another one now.
    pub(crate) async fn refresh(&mut self, table: &TableId, log: &LogStoreRef) -> Result<bool, LakeError> {
        let delta = LakeError::delta(table);
        let listed = Instant::now();
        let snapshot = if self.made.elapsed() < MADE {
            Arc::clone(&self.snapshot)
                .update(log.engine(None), None)
                .await
                .map_err(&delta)?
        } else {
            self.made = listed;
            Arc::new(Snapshot::try_new(log.as_ref(), None).await.map_err(&delta)?)
        };
        let newest = snapshot.version();
        if newest > self.at {
            self.follow(table, log, newest).await?;
            self.at = newest;
        }
        let changed = snapshot.metadata() != self.snapshot.metadata()
            || snapshot.protocol() != self.snapshot.protocol();
        self.snapshot = snapshot;
        self.listed = listed;
        Ok(changed)
    }

    /// Takes the offsets from the entries after `at`, or forgets them where entries are gone.
    async fn follow(&mut self, table: &TableId, log: &LogStoreRef, newest: u64) -> Result<(), LakeError> {
        if self.offsets.is_empty() {
            return Ok(());
        }
        if newest - self.at > MOST_ENTRIES {
            self.offsets.clear();
            return Ok(());
        }
        // Aside, so that an error half-way leaves offsets and `at` of one version.
        let mut news = Vec::new();
        for version in self.at + 1..=newest {
            let Some(entry) = log::read(log.as_ref(), version)
                .await
                .map_err(LakeError::delta(table))?
            else {
                self.offsets.clear();
                return Ok(());
            };
            news.extend(entry.offsets);
        }
        for (app_id, offset) in news {
            self.offsets.insert(app_id, Some(offset));
        }
        Ok(())
    }

    /// Makes the offsets of these source partitions known.
    pub(crate) async fn learn(
        &mut self,
        table: &TableId,
        log: &LogStoreRef,
        app_ids: impl Iterator<Item = &str>,
    ) -> Result<(), LakeError> {
        let unknown: Vec<&str> = app_ids.filter(|id| !self.offsets.contains_key(*id)).collect();
        if unknown.is_empty() {
            return Ok(());
        }
        let delta = LakeError::delta(table);
        // Only this kind of snapshot answers; it holds the list of files, so it is dropped at once.
        let snapshot = EagerSnapshot::try_new(log.as_ref(), Some(self.at))
            .await
            .map_err(&delta)?;
        for app_id in unknown {
            let offset = snapshot
                .transaction_version(log.as_ref(), app_id)
                .await
                .map_err(&delta)?;
            self.offsets.insert(app_id.to_owned(), offset);
        }
        Ok(())
    }

    /// The offset of a source partition that was learned.
    pub(crate) fn offset(&self, app_id: &str) -> Option<i64> {
        self.offsets.get(app_id).copied().flatten()
    }

    /// Our own commit landed as the version after `at`.
    pub(crate) fn landed<'a>(&mut self, offsets: impl Iterator<Item = (&'a str, i64)>) {
        self.at += 1;
        for (app_id, offset) in offsets {
            self.offsets.insert(app_id.to_owned(), Some(offset));
        }
    }
}
