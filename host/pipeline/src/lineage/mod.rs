//! What is told of where data comes from: what each commit says of itself, the events that are made of commits, and answers.
//!
//! INVARIANT: events are derived from the log of the lake and from nothing else. A commit says which host made it, and by which
//! [`Making`](malla_lineage::Making), that was kept before; so that host, and no other, tells of it, whenever it is asked to.

mod answer;
mod follow;
mod gold;
mod makings;
mod tables;
mod topic;

use std::collections::BTreeMap;
use std::io::{self, Write as _};
use std::path::Path;

use bytes::Bytes;
use malla_lake::{LakeError, TableId};
use malla_lineage::Making;
use serde_json::{Map, Value};
use uuid::Uuid;

pub use answer::Lineage;
pub(crate) use follow::Follower;
pub(crate) use gold::of_plan as gold_making;

use crate::error::FlowError;
use crate::mesh::Mesh;
use crate::plan::Flow;
use crate::runs::RunMark;

const HOST: &str = "host";
const RUN: &str = "run";
const SCHEDULED: &str = "scheduled";
const BEGUN: &str = "begun";
const MAKING: &str = "making";
const ENDED: &str = "ended";

/// What the commits of a flow or product say of where they come from.
#[derive(Debug, Clone, Default)]
pub(crate) struct Stamp {
    host: String,
    run: Option<RunMark>,
    /// By table: where it is kept how it is made.
    makings: BTreeMap<String, String>,
}

impl Stamp {
    /// `begun`: when the rows were begun, in milliseconds since 1970 UTC.
    pub(crate) fn put(&self, info: &mut Map<String, Value>, table: &TableId, begun: Option<i64>) {
        let mut put = |key: &str, value: Value| info.insert(key.to_owned(), value);
        put(HOST, self.host.clone().into());
        if let Some(begun) = begun {
            put(BEGUN, begun.into());
        }
        if let Some(run) = &self.run {
            put(RUN, run.id.to_string().into());
            if let Some(scheduled) = run.scheduled {
                put(SCHEDULED, (scheduled / 1000).into());
            }
        }
        if let Some(making) = self.makings.get(&table.to_string()) {
            put(MAKING, making.clone().into());
        }
    }
}

impl Stamp {
    pub(crate) fn run(&self) -> Option<RunMark> {
        self.run
    }
}

/// What the commit of rows of the history says.
pub(crate) fn history_info(host: &str, ended: &[crate::runs::Run]) -> Map<String, Value> {
    let ended = serde_json::to_value(ended).unwrap_or_default();
    Map::from_iter([
        (HOST.to_owned(), host.to_owned().into()),
        (ENDED.to_owned(), ended),
    ])
}

impl Mesh {
    /// For the commits of a flow. How its tables are made is kept before they say where.
    pub(crate) async fn flow_stamp(&self, flow: &Flow, run: Option<RunMark>) -> Result<Stamp, FlowError> {
        let makings = tokio::task::block_in_place(|| makings::of_flow(flow))?;
        self.stamp(makings, run).await
    }

    pub(crate) async fn stamp(&self, makings: Vec<Making>, run: Option<RunMark>) -> Result<Stamp, FlowError> {
        let mut stamp = Stamp {
            host: self.host.clone(),
            run,
            makings: BTreeMap::new(),
        };
        for making in makings {
            let malla_lineage::Place::Lake(table) = &making.output.place else {
                continue;
            };
            let (digest, bytes) = making.kept();
            if !self.lake.is_kept(&kept(&digest)).await? {
                self.lake.keep(&kept(&digest), Bytes::from(bytes)).await?;
            }
            stamp.makings.insert(table.clone(), digest);
        }
        Ok(stamp)
    }

    /// How a table was made, as it was kept.
    async fn making(&self, digest: &str) -> Result<Option<Making>, LakeError> {
        let bytes = self.lake.kept(&kept(digest)).await?;
        Ok(bytes.and_then(|bytes| Making::of(&bytes).ok()))
    }
}

fn kept(digest: &str) -> String {
    format!("lineage/{digest}.json")
}

/// The name of this state folder among all hosts: made once.
pub(crate) fn host(state: &Path) -> io::Result<String> {
    let path = state.join("host");
    let read = || std::fs::read_to_string(&path).map(|text| text.trim().to_owned());
    match read() {
        Ok(id) if !id.is_empty() => return Ok(id),
        Ok(_) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    std::fs::create_dir_all(state)?;
    // Whole, and the first of several processes decides.
    let mut half = tempfile::NamedTempFile::new_in(state)?;
    writeln!(half, "{}", Uuid::new_v4())?;
    half.as_file().sync_all()?;
    match half.persist_noclobber(&path) {
        Ok(_) => {}
        Err(error) if error.error.kind() == io::ErrorKind::AlreadyExists => {}
        Err(error) => return Err(error.error),
    }
    read()
}
