//! A run event of OpenLineage 2-0-2.

use serde::Serialize;
use uuid::Uuid;

use crate::facets::{DatasetFacets, JobFacets, OutputFacets, RunFacets};
use crate::naming::Dataset;

/// Who tells.
pub(crate) const PRODUCER: &str = concat!("urn:malla:", env!("CARGO_PKG_VERSION"));
const SCHEMA: &str = "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent";

/// What became of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "UPPERCASE")]
pub(crate) enum EventType {
    Start,
    Complete,
    Abort,
    Fail,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct RunEvent {
    event_type: EventType,
    event_time: String,
    producer: &'static str,
    #[serde(rename = "schemaURL")]
    schema_url: &'static str,
    run: Run,
    job: Job,
    inputs: Vec<InputDataset>,
    outputs: Vec<OutputDataset>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Run {
    pub(crate) run_id: Uuid,
    pub(crate) facets: RunFacets,
}

#[derive(Debug, Serialize)]
pub(crate) struct Job {
    pub(crate) namespace: String,
    pub(crate) name: String,
    pub(crate) facets: JobFacets,
}

#[derive(Debug, Serialize)]
pub(crate) struct InputDataset {
    #[serde(flatten)]
    pub(crate) dataset: Dataset,
    pub(crate) facets: DatasetFacets,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct OutputDataset {
    #[serde(flatten)]
    pub(crate) dataset: Dataset,
    pub(crate) facets: DatasetFacets,
    pub(crate) output_facets: OutputFacets,
}

impl RunEvent {
    /// `at`: in milliseconds since 1970 UTC.
    pub(crate) fn new(event_type: EventType, at: i64, run: Run, job: Job) -> Self {
        Self {
            event_type,
            event_time: time(at),
            producer: PRODUCER,
            schema_url: SCHEMA,
            run,
            job,
            inputs: Vec::new(),
            outputs: Vec::new(),
        }
    }

    pub(crate) fn with(self, inputs: Vec<InputDataset>, outputs: Vec<OutputDataset>) -> Self {
        Self {
            inputs,
            outputs,
            ..self
        }
    }

    /// One line of JSON.
    pub(crate) fn line(&self) -> String {
        // Texts and numbers have a form in JSON.
        serde_json::to_string(self).unwrap_or_default()
    }
}

/// RFC 3339, of milliseconds since 1970 UTC.
pub(crate) fn time(millis: i64) -> String {
    chrono::DateTime::from_timestamp_millis(millis)
        .unwrap_or_default()
        .to_rfc3339_opts(chrono::SecondsFormat::Millis, true)
}
