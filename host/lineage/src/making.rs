//! How a table is made: what stands beside every commit of it that is made in that way.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

/// How a table is made, by one version of a plugin and under one policy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Making {
    /// The job whose runs are the commits: `ventas.transacciones.<step>`, `ventas.daily-revenue`.
    pub job: String,
    /// The job that the run is a part of: the source.
    pub of: Option<String>,
    /// What makes it.
    pub kind: Kind,
    /// For people.
    pub description: Option<String>,
    /// Name of the team.
    pub owner: Option<String>,
    /// Version of the contract.
    pub contract: String,
    /// The query.
    pub sql: Option<String>,
    /// What is made.
    pub output: Table,
    /// What it is made of.
    pub inputs: Vec<Table>,
    /// For each column of the output, in its order, what flows into it.
    pub columns: Vec<ColumnFrom>,
    /// What decides which rows there are.
    pub rows: Vec<Inflow>,
    /// Checks of its contract by name: assertion, column and severity.
    pub checks: BTreeMap<String, (String, Option<String>, String)>,
}

/// What makes a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// The host, of events as they come.
    Intake,
    /// The host, of lines that are in no product.
    Quarantine,
    /// A step of a plugin.
    Step,
    /// SQL.
    Query,
}

/// A table, or what rows come from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Table {
    /// As policies write it: `ventas.transacciones`, `ventas_raw.transacciones` for a source.
    pub object: String,
    /// Where it lies.
    pub place: Place,
    /// For people.
    pub description: Option<String>,
    /// Name of the team.
    pub owner: Option<String>,
    /// In its order.
    pub columns: Vec<Column>,
}

/// Where rows lie.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Place {
    /// A table of the lake, by its path there: `ventas/curated/transacciones`.
    Lake(String),
    /// A folder of this machine.
    Folder(String),
    /// A topic.
    Kafka {
        /// `host:port` of the first broker.
        server: String,
        /// Its name.
        topic: String,
    },
    /// A folder of a server.
    Sftp {
        /// `host` or `host:port`.
        server: String,
        /// Its path.
        folder: String,
    },
}

/// A column.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Column {
    /// Its name.
    pub name: String,
    /// As contracts write it.
    #[serde(rename = "type")]
    pub ty: String,
    /// For people.
    pub description: Option<String>,
    /// How sensitive it is.
    pub classification: String,
    /// Such as `pii:email`.
    pub tags: Vec<String>,
}

/// What flows into one column.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ColumnFrom {
    /// The column.
    pub column: String,
    /// How it is hidden before it is stored.
    pub mask: Option<String>,
    /// What flows into it, but for what decides which rows there are.
    pub from: Vec<Inflow>,
}

/// A column that flows into another, in one way.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Inflow {
    /// The table, as policies write it.
    pub object: String,
    /// The column.
    pub column: String,
    /// How.
    pub way: Way,
    /// How it was hidden from what made the output.
    pub mask: Option<String>,
    /// No more is known than that the contract lets it flow.
    pub declared: bool,
}

/// How a column flows, in the words of OpenLineage.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Way {
    /// Its values, as they are.
    Identity,
    /// Something computed of its values, row by row.
    Transformation,
    /// Something computed of its values in many rows.
    Aggregation,
    /// It decides which rows belong together.
    Join,
    /// It decides which rows become one.
    GroupBy,
    /// It decides which rows there are.
    Filter,
    /// It decides in which order.
    Sort,
    /// It decides what a window function looks at.
    Window,
    /// It decides which of several values is taken.
    Conditional,
}

impl Way {
    /// Whether values flow, and not only what they decide.
    #[must_use]
    pub fn is_direct(self) -> bool {
        self <= Self::Aggregation
    }

    /// As events write it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Identity => "IDENTITY",
            Self::Transformation => "TRANSFORMATION",
            Self::Aggregation => "AGGREGATION",
            Self::Join => "JOIN",
            Self::GroupBy => "GROUP_BY",
            Self::Filter => "FILTER",
            Self::Sort => "SORT",
            Self::Window => "WINDOW",
            Self::Conditional => "CONDITIONAL",
        }
    }

    /// As people read it.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Self::Identity => "as it is",
            Self::Transformation => "computed",
            Self::Aggregation => "aggregated",
            Self::Join => "join",
            Self::GroupBy => "group by",
            Self::Filter => "filter",
            Self::Sort => "sort",
            Self::Window => "window",
            Self::Conditional => "condition",
        }
    }
}

impl Making {
    /// As it is kept, and the name that stands for just these bytes.
    #[must_use]
    pub fn kept(&self) -> (String, Vec<u8>) {
        // Names and texts have a form in JSON.
        let bytes = serde_json::to_vec(self).unwrap_or_default();
        let digest = Sha256::digest(&bytes);
        (digest.iter().map(|byte| format!("{byte:02x}")).collect(), bytes)
    }

    /// Of what was kept.
    ///
    /// # Errors
    /// It is nothing that [`kept`](Self::kept) gave.
    pub fn of(bytes: &[u8]) -> Result<Self, serde_json::Error> {
        serde_json::from_slice(bytes)
    }
}
