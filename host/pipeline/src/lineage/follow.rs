//! Follows the logs of the lake's tables, and tells of the commits that this host made.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use malla_lake::{CommitRecord, LakeError, Layer, Table, TableId};
use malla_lineage::{
    Assertion, Committed, Counters, Ended, Entry, LogPlace, Making, Outcome, Root, Sender, Settings, Spool,
    Teller, TransportSettings,
};
use serde::Deserialize;
use serde_json::{Map, Value};
use tokio::task::JoinHandle;
use uuid::Uuid;

use super::topic::ToTopic;
use super::{BEGUN, ENDED, HOST, MAKING, RUN, SCHEDULED};
use crate::error::MeshError;
use crate::judge::{counts_of, failed_of};
use crate::mesh::Mesh;
use crate::plugins::table_of;
use crate::run::Stop;
use crate::runs::{JobKind, Run, RunState, spec};

/// Commits that are read at once.
const AT_ONCE: usize = 64;
/// How often what was sent is counted, and whether another process has given the spool up.
const TICK: Duration = Duration::from_secs(5);
/// How often all logs are looked at, whether or not this process committed something.
const LOOK: Duration = Duration::from_secs(30);
/// How long the end of a run waits for the collector. What it does not take then, it is offered at the next start.
const LAST: Duration = Duration::from_secs(20);

/// Tells of commits for as long as a process runs.
pub(crate) struct Follower {
    mesh: Arc<Mesh>,
    settings: Settings,
    teller: Teller,
    /// `None`: another process of this state folder tells of them.
    sender: Option<Sender>,
    counters: Arc<Counters>,
    tables: HashMap<TableId, Table>,
    /// Tables that were made anew or restored: what was committed up to this time was told of before.
    anew: HashMap<TableId, i64>,
    checked: BTreeSet<TableId>,
    makings: HashMap<String, Arc<Making>>,
    /// Tables that were in the lake when this began.
    found: BTreeSet<TableId>,
    /// There was no room for all commits.
    behind: bool,
    /// What is told once.
    told: BTreeSet<String>,
}

impl Follower {
    /// `None`: nothing is to be told.
    pub(crate) fn of(mesh: &Arc<Mesh>) -> Result<Option<Self>, MeshError> {
        let env: BTreeMap<String, String> = std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .collect();
        let settings = Settings::load(&mesh.config.lineage, &mesh.config.folder, &env)?;
        if settings.transport.is_none() {
            return Ok(None);
        }
        let mut follower = Self {
            teller: Teller::new(&settings.namespace, Root::of(&mesh.config.lake)),
            mesh: Arc::clone(mesh),
            settings,
            sender: None,
            counters: Arc::default(),
            tables: HashMap::new(),
            anew: HashMap::new(),
            checked: BTreeSet::new(),
            makings: HashMap::new(),
            found: BTreeSet::new(),
            behind: false,
            told: BTreeSet::new(),
        };
        follower.take()?;
        Ok(Some(follower))
    }

    fn folder(&self) -> PathBuf {
        self.mesh.config.state.join("lineage")
    }

    /// Takes the spool, if no other process has it.
    fn take(&mut self) -> Result<(), MeshError> {
        let (Some(transport), None) = (&self.settings.transport, &self.sender) else {
            return Ok(());
        };
        let path = self.folder();
        let state = |source| MeshError::State {
            path: path.clone(),
            source,
        };
        let Some(spool) = Spool::take(&path, self.settings.spool_bytes).map_err(state)? else {
            return Ok(());
        };
        let transport = match transport {
            TransportSettings::Kafka(kafka) => {
                let topic =
                    ToTopic::open(kafka).map_err(|error| MeshError::LineageTopic(error.to_string()))?;
                Some(Box::new(topic) as Box<dyn malla_lineage::Transport>)
            }
            other => malla_lineage::open(other),
        };
        if let Some(transport) = transport {
            let sender = Sender::start(spool, transport, Arc::clone(&self.counters)).map_err(state)?;
            // What waited when a process before ended.
            sender.more();
            self.sender = Some(sender);
        }
        Ok(())
    }

    /// Tells of what is committed until it is to stop. What comes after is for [`end`](Self::end).
    pub(crate) async fn keep_following(mut self, stop: Stop) -> Self {
        match self.mesh.lake.list().await {
            Ok(found) => self.found.extend(found),
            Err(error) => {
                tracing::warn!(%error, "The lake's tables cannot be listed: those of contracts are followed.")
            }
        }
        let mut looked: Option<Instant> = None;
        let mut is_due = true;
        while !stop.is_asked() {
            if is_due || looked.is_none_or(|looked| looked.elapsed() >= LOOK) {
                self.pass().await;
                looked = Some(Instant::now());
            }
            self.count();
            let mesh = Arc::clone(&self.mesh);
            is_due = tokio::select! {
                () = mesh.stamped.notified() => true,
                () = tokio::time::sleep(TICK) => self.can_catch_up(),
                () = stop.asked() => false,
            };
            if self.sender.is_none()
                && let Err(error) = self.take()
            {
                self.tell_once(&format!("lineage cannot be told: {error}"));
            }
        }
        self
    }

    /// Ends what [`keep_following`](Self::keep_following) began, after it was told to stop.
    pub(crate) async fn end(following: JoinHandle<Self>) {
        match tokio::time::timeout(LAST, following).await {
            Ok(Ok(follower)) => follower.finish().await,
            Ok(Err(error)) => {
                tracing::error!(%error, "Lineage panicked: it is told of at the next start.");
            }
            Err(_) => tracing::warn!("{SLOW}"),
        }
    }

    /// Tells of the last commits, and waits a while for the collector.
    async fn finish(mut self) {
        if tokio::time::timeout(LAST, self.pass()).await.is_err() {
            tracing::warn!("{SLOW}");
        }
        if let Some(sender) = self.sender.take() {
            tokio::task::block_in_place(|| {
                sender.finish(LAST);
            });
        }
        self.count();
    }

    /// There was no room for all commits, and there is some now.
    fn can_catch_up(&self) -> bool {
        let sender = self.sender.as_ref().filter(|_| self.behind);
        sender.is_some_and(|sender| sender.spool().has_room())
    }

    fn count(&self) {
        let waiting = self.sender.as_ref().map_or(0, |sender| sender.spool().waiting());
        let Counters {
            sent,
            refused,
            failed,
        } = &*self.counters;
        let counted = [sent, refused, failed].map(|counter| counter.load(Ordering::Relaxed));
        self.mesh.metrics.lineage().count(counted, waiting);
    }

    /// Reads the log of every table to its end, as far as there is room.
    async fn pass(&mut self) {
        let Some(sender) = &self.sender else {
            return;
        };
        if sender.spool().has_room() {
            self.behind = false;
        }
        for id in self.to_follow() {
            if let Err(error) = self.follow(&id).await {
                self.tell_once(&format!(
                    "the log of `{id}` cannot be read for lineage now: {error}"
                ));
            }
        }
    }

    /// Tables of contracts, of the history, and those that were followed before.
    fn to_follow(&self) -> BTreeSet<TableId> {
        let mut ids = self.found.clone();
        for contract in self.mesh.contracts().iter() {
            for source in &contract.sources {
                for layer in [Layer::Quarantine, Layer::Raw] {
                    ids.extend(TableId::new(&contract.domain, layer, &source.name).ok());
                }
            }
            ids.extend(
                contract
                    .products
                    .iter()
                    .filter_map(|product| table_of(contract, product).ok()),
            );
        }
        ids.extend(spec().ok().map(|spec| spec.id));
        // What is found about products is told by the commits of the products.
        ids.retain(|id| id.layer() != Layer::Quality);
        ids
    }

    async fn follow(&mut self, id: &TableId) -> Result<(), LakeError> {
        let name = id.to_string();
        let Some(table) = self.table(id).await? else {
            return Ok(());
        };
        loop {
            let read = match &self.sender {
                Some(sender) => {
                    let spool = sender.spool();
                    if !spool.has_room() {
                        drop(spool);
                        if !std::mem::replace(&mut self.behind, true) {
                            tracing::warn!("{FULL}");
                        }
                        return Ok(());
                    }
                    spool.read(&name)
                }
                None => return Ok(()),
            };
            let after = match read {
                Some(place) if self.is_another(id, &table, place).await? => None,
                read => read.map(|place| place.version),
            };
            let records = table.commits_after(after, AT_ONCE).await?;
            let (Some(first), Some(last)) = (records.first(), records.last()) else {
                return Ok(());
            };
            if first.version > after.map_or(0, |after| after + 1) {
                self.tell_once(&format!(
                    "the log of `{name}` has forgotten commits before version {} that lineage was not told of: keep it longer ([maintenance] in malla.toml)",
                    first.version
                ));
            }
            let up_to = place(last);
            let mut entries = Vec::new();
            for record in &records {
                let events = self.events(id, record).await?;
                if !events.is_empty() {
                    entries.push(Entry {
                        table: name.clone(),
                        place: place(record),
                        events,
                    });
                }
            }
            let Some(sender) = &self.sender else {
                return Ok(());
            };
            let put = tokio::task::block_in_place(|| sender.spool().put(&name, up_to, &entries));
            if let Err(error) = put {
                self.tell_once(&format!("what is to be told of lineage cannot be kept: {error}"));
                return Ok(());
            }
            sender.more();
        }
    }

    /// Whether the log has another commit where it was read up to. Looked at once: nobody exchanges the log of an open table.
    async fn is_another(&mut self, id: &TableId, table: &Table, read: LogPlace) -> Result<bool, LakeError> {
        if !self.checked.insert(id.clone()) {
            return Ok(false);
        }
        let before = read.version.checked_sub(1);
        let there = table.commits_after(before, 1).await?;
        let is_another = match there.first() {
            None => true,
            // The log has forgotten so far back.
            Some(record) if record.version > read.version => false,
            Some(record) => place(record) != read,
        };
        if is_another {
            tracing::warn!(table = %id, "The table was made anew or restored: lineage is told of what was committed since.");
            self.anew.insert(id.clone(), read.at);
        }
        Ok(is_another)
    }

    async fn table(&mut self, id: &TableId) -> Result<Option<Table>, LakeError> {
        if let Some(table) = self.tables.get(id) {
            return Ok(Some(table.clone()));
        }
        let table = self.mesh.lake.existing(id).await?;
        if let Some(table) = &table {
            self.tables.insert(id.clone(), table.clone());
        }
        Ok(table)
    }

    /// The events of a commit. None of another host's, and none where no row came or went.
    async fn events(&mut self, id: &TableId, record: &CommitRecord) -> Result<Vec<String>, LakeError> {
        let info = &record.info;
        if text(info, HOST) != Some(self.mesh.host.as_str()) {
            return Ok(Vec::new());
        }
        let at = record.timestamp.unwrap_or_default();
        if self.anew.get(id).is_some_and(|before| at <= *before) {
            return Ok(Vec::new());
        }
        if let Some(ended) = info.get(ENDED) {
            let runs = Vec::<Run>::deserialize(ended).unwrap_or_default();
            let told = runs.iter().filter_map(|run| ended_run(run, at));
            return Ok(told.flat_map(|ended| self.teller.ended(&ended)).collect());
        }
        let Some(digest) = text(info, MAKING).filter(|_| record.changes) else {
            return Ok(Vec::new());
        };
        let Some(making) = self.making(digest).await? else {
            self.tell_once(&format!(
                "how version {} of `{id}` was made is not in the lake any more (`_malla/lineage`): lineage is not told of it",
                record.version
            ));
            return Ok(Vec::new());
        };
        let versions = info
            .get("inputs")
            .and_then(|inputs| BTreeMap::deserialize(inputs).ok());
        let commit = Committed {
            table: id.to_string(),
            version: record.version,
            begun: info.get(BEGUN).and_then(Value::as_i64).unwrap_or(at),
            at,
            rows: record.added.rows,
            bytes: record.added.bytes,
            files: record.added.files,
            plugin: text(info, "plugin").map(str::to_owned),
            policy: text(info, "policy").map(str::to_owned),
            run: text(info, RUN).and_then(|run| Uuid::parse_str(run).ok()),
            scheduled: info.get(SCHEDULED).and_then(Value::as_i64),
            inputs: versions.unwrap_or_default(),
            assertions: assertions(info),
        };
        Ok(self.teller.committed(&making, &commit).to_vec())
    }

    async fn making(&mut self, digest: &str) -> Result<Option<Arc<Making>>, LakeError> {
        if let Some(making) = self.makings.get(digest) {
            return Ok(Some(Arc::clone(making)));
        }
        let making = self.mesh.making(digest).await?.map(Arc::new);
        if let Some(making) = &making {
            self.makings.insert(digest.to_owned(), Arc::clone(making));
        }
        Ok(making)
    }

    fn tell_once(&mut self, what: &str) {
        if self.told.insert(what.to_owned()) {
            tracing::warn!("{what}");
        }
    }
}

const SLOW: &str = "The lake is too slow to tell of the last commits: they are told of at the next start.";
const FULL: &str = "lineage waits for its collector up to the bound of the spool: the rest is read from the lake's log later";

fn place(record: &CommitRecord) -> LogPlace {
    LogPlace {
        version: record.version,
        at: record.timestamp.unwrap_or_default(),
    }
}

fn text<'a>(info: &'a Map<String, Value>, key: &str) -> Option<&'a str> {
    info.get(key).and_then(Value::as_str)
}

fn assertions(info: &Map<String, Value>) -> Vec<Assertion> {
    let failed = failed_of(info);
    let counts = counts_of(info).into_iter();
    counts
        .map(|(check, [elements, _, unexpected])| Assertion {
            success: !failed.contains(&check),
            check,
            elements,
            unexpected,
        })
        .collect()
}

/// A run that no commit tells of: those of sources, whose commits are parts of them, and products that were not made.
fn ended_run(run: &Run, committed: i64) -> Option<Ended> {
    let of_source = run.kind == JobKind::Source;
    let outcome = match run.state {
        RunState::Succeeded if of_source => Outcome::Complete,
        RunState::Failed | RunState::TimedOut => Outcome::Fail,
        RunState::Aborted | RunState::Lost => Outcome::Abort,
        RunState::Succeeded | RunState::Skipped | RunState::Running => return None,
    };
    Some(Ended {
        run: run.run_id,
        job: run.job.clone(),
        of_source,
        started: run.started / 1000,
        ended: run.ended.map_or(committed, |ended| ended / 1000),
        scheduled: run.scheduled.map(|scheduled| scheduled / 1000),
        outcome,
        state: run.state.as_str().to_owned(),
        error: run.error.clone(),
    })
}
