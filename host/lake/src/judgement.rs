//! Which version of a product readers are held at: the newest commit to its table of results says so.

use std::collections::BTreeMap;

use futures::{StreamExt, pin_mut};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{Lake, LakeError, Layer, Table, TableId};

/// Where a commit's info keeps it.
const KEY: &str = "judgement";

/// What is known of a product's quality, as of one commit to its table of results.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Judgement {
    /// The version of the product's table that was judged.
    pub judged: u64,
    /// The newest version that kept every promise whose break is an error. `None`: none did yet.
    pub good: Option<u64>,
    /// Since when readers are held back at `good`, in microseconds since 1970. `None`: they read the newest version.
    pub held_since: Option<i64>,
    /// Names of the checks that hold it back.
    pub failed: Vec<String>,
    /// The version of the table beside which rows were made that are not published: they are what holds it back.
    #[serde(default)]
    pub unpublished: Option<u64>,
    /// What it was judged by. Another one is judged anew though the table is the same.
    pub recipe: String,
    /// When, in microseconds since 1970.
    pub at: i64,
    /// Whether each check was kept, by name. `None`: it could not be judged.
    pub checks: BTreeMap<String, Option<bool>>,
    /// Of checks that only commits can count: rows looked at, passed over and unexpected after `good`.
    #[serde(default)]
    pub counted: BTreeMap<String, [u64; 3]>,
}

/// A judgement, and where it stands.
#[derive(Debug, Clone, PartialEq)]
pub struct JudgementAt {
    /// The judgement.
    pub judgement: Judgement,
    /// The version of the table of results that it came with.
    pub version: u64,
}

impl Judgement {
    /// For [`Commit::info`](crate::Commit::info) of a commit to a table of results.
    #[must_use]
    pub fn info(&self) -> Map<String, Value> {
        let value = serde_json::to_value(self).unwrap_or_default();
        Map::from_iter([(KEY.to_owned(), value)])
    }

    fn of(info: &Map<String, Value>) -> Option<Self> {
        Self::deserialize(info.get(KEY)?).ok()
    }

    /// Whether readers are kept from the newest version.
    #[must_use]
    pub fn is_held(&self) -> bool {
        self.held_since.is_some()
    }
}

impl Lake {
    /// What was judged last of a product. `None`: nothing yet.
    ///
    /// Whoever removes files of old versions keeps those of [`good`](Judgement::good), held back or not: the next judgement
    /// may send readers there.
    ///
    /// # Errors
    /// [`LakeError::Judgement`], or the store's error.
    pub async fn judgement(&self, product: &TableId) -> Result<Option<JudgementAt>, LakeError> {
        match self.existing(&product.results()).await? {
            Some(results) => last(&results).await,
            None => Ok(None),
        }
    }
}

impl TableId {
    /// The table with the results of a product's checks.
    #[must_use]
    pub fn results(&self) -> Self {
        self.in_layer(Layer::Quality)
    }
}

async fn last(results: &Table) -> Result<Option<JudgementAt>, LakeError> {
    let history = results.history();
    pin_mut!(history);
    let mut oldest = None;
    while let Some(record) = history.next().await {
        let record = record?;
        if let Some(judgement) = Judgement::of(&record.info) {
            return Ok(Some(JudgementAt {
                judgement,
                version: record.version,
            }));
        }
        oldest = Some(record.version);
    }
    // A table that was made a moment ago has nothing in it. One whose beginning is gone had.
    if oldest == Some(0) {
        Ok(None)
    } else {
        Err(LakeError::Judgement {
            table: results.id().clone(),
        })
    }
}
