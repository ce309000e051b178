//! The facets that events carry. Each says who tells, and by which schema.

use std::collections::BTreeMap;

use serde::Serialize;
use uuid::Uuid;

use crate::event::PRODUCER;

/// What a facet says, and by which schema.
#[derive(Debug, Serialize)]
pub(crate) struct Facet<T> {
    #[serde(rename = "_producer")]
    producer: &'static str,
    #[serde(rename = "_schemaURL")]
    schema_url: &'static str,
    #[serde(flatten)]
    says: T,
}

pub(crate) trait Says: Sized {
    const SCHEMA: &'static str;

    fn facet(self) -> Facet<Self> {
        Facet {
            producer: PRODUCER,
            schema_url: Self::SCHEMA,
            says: self,
        }
    }
}

macro_rules! schemas {
    ($($facet:ident = $version:literal $name:literal,)*) => {
        $(impl Says for $facet {
            const SCHEMA: &'static str = concat!(
                "https://openlineage.io/spec/facets/", $version, "/", $name, ".json#/$defs/", $name
            );
        })*
    };
}

schemas! {
    Schema = "1-2-0" "SchemaDatasetFacet",
    ColumnLineage = "1-2-0" "ColumnLineageDatasetFacet",
    DataQualityAssertions = "1-1-0" "DataQualityAssertionsDatasetFacet",
    OutputStatistics = "1-0-2" "OutputStatisticsOutputDatasetFacet",
    DatasetVersion = "1-0-1" "DatasetVersionDatasetFacet",
    DatasetTags = "1-0-0" "TagsDatasetFacet",
    JobType = "2-0-4" "JobTypeJobFacet",
    Sql = "1-1-0" "SQLJobFacet",
    ProcessingEngine = "1-1-1" "ProcessingEngineRunFacet",
    NominalTime = "1-0-1" "NominalTimeRunFacet",
    ErrorMessage = "1-0-1" "ErrorMessageRunFacet",
    Parent = "1-2-0" "ParentRunFacet",
    DatasetOwnership = "1-0-1" "OwnershipDatasetFacet",
    JobOwnership = "1-0-1" "OwnershipJobFacet",
    DatasetDocumentation = "1-1-0" "DocumentationDatasetFacet",
    JobDocumentation = "1-1-0" "DocumentationJobFacet",
}

#[derive(Debug, Default, Serialize)]
pub(crate) struct RunFacets {
    pub(crate) processing_engine: Option<Facet<ProcessingEngine>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) parent: Option<Facet<Parent>>,
    #[serde(rename = "nominalTime", skip_serializing_if = "Option::is_none")]
    pub(crate) nominal_time: Option<Facet<NominalTime>>,
    #[serde(rename = "errorMessage", skip_serializing_if = "Option::is_none")]
    pub(crate) error_message: Option<Facet<ErrorMessage>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) malla: Option<Facet<Malla>>,
}

#[derive(Debug, Default, Serialize)]
pub(crate) struct JobFacets {
    #[serde(rename = "jobType")]
    pub(crate) job_type: Option<Facet<JobType>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) sql: Option<Facet<Sql>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) ownership: Option<Facet<JobOwnership>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) documentation: Option<Facet<JobDocumentation>>,
}

#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct DatasetFacets {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) schema: Option<Facet<Schema>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) column_lineage: Option<Facet<ColumnLineage>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) data_quality_assertions: Option<Facet<DataQualityAssertions>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) version: Option<Facet<DatasetVersion>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) ownership: Option<Facet<DatasetOwnership>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) documentation: Option<Facet<DatasetDocumentation>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) tags: Option<Facet<DatasetTags>>,
}

#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct OutputFacets {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) output_statistics: Option<Facet<OutputStatistics>>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ProcessingEngine {
    pub(crate) name: &'static str,
    pub(crate) version: &'static str,
    #[serde(rename = "openlineageAdapterVersion")]
    pub(crate) adapter_version: &'static str,
}

#[derive(Debug, Serialize)]
pub(crate) struct Parent {
    pub(crate) run: ParentRun,
    pub(crate) job: ParentJob,
}

#[derive(Debug, Serialize)]
pub(crate) struct ParentRun {
    #[serde(rename = "runId")]
    pub(crate) run_id: Uuid,
}

#[derive(Debug, Serialize)]
pub(crate) struct ParentJob {
    pub(crate) namespace: String,
    pub(crate) name: String,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct NominalTime {
    pub(crate) nominal_start_time: String,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ErrorMessage {
    pub(crate) message: String,
    pub(crate) programming_language: &'static str,
}

/// Our own: by what the rows were made. No schema beyond that of a run's facet.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Malla {
    /// Of the contract.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) contract_version: Option<String>,
    /// Digest of the component.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) plugin: Option<String>,
    /// Digest of the policies.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) policy: Option<String>,
    /// The row of `malla.runs`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) run: Option<Uuid>,
    /// How it ended, in the words of `malla.runs`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) state: Option<String>,
    /// Where column lineage is no more than what the contract declares: an upper bound.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) declared_columns: Vec<String>,
}

impl Says for Malla {
    const SCHEMA: &'static str = "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunFacet";
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct JobType {
    pub(crate) processing_type: &'static str,
    pub(crate) integration: &'static str,
    pub(crate) job_type: &'static str,
}

#[derive(Debug, Serialize)]
pub(crate) struct Sql {
    pub(crate) query: String,
    pub(crate) dialect: &'static str,
}

#[derive(Debug, Serialize)]
pub(crate) struct Owner {
    pub(crate) name: String,
    #[serde(rename = "type")]
    pub(crate) ty: &'static str,
}

#[derive(Debug, Serialize)]
pub(crate) struct JobOwnership {
    pub(crate) owners: Vec<Owner>,
}

#[derive(Debug, Serialize)]
pub(crate) struct DatasetOwnership {
    pub(crate) owners: Vec<Owner>,
}

#[derive(Debug, Serialize)]
pub(crate) struct JobDocumentation {
    pub(crate) description: String,
}

#[derive(Debug, Serialize)]
pub(crate) struct DatasetDocumentation {
    pub(crate) description: String,
}

#[derive(Debug, Serialize)]
pub(crate) struct Schema {
    pub(crate) fields: Vec<SchemaField>,
}

#[derive(Debug, Serialize)]
pub(crate) struct SchemaField {
    pub(crate) name: String,
    #[serde(rename = "type")]
    pub(crate) ty: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) description: Option<String>,
    pub(crate) ordinal_position: usize,
}

#[derive(Debug, Serialize)]
pub(crate) struct ColumnLineage {
    pub(crate) fields: BTreeMap<String, FieldLineage>,
    pub(crate) dataset: Vec<InputField>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct FieldLineage {
    pub(crate) input_fields: Vec<InputField>,
}

#[derive(Debug, Serialize)]
pub(crate) struct InputField {
    pub(crate) namespace: String,
    pub(crate) name: String,
    pub(crate) field: String,
    pub(crate) transformations: Vec<Transformation>,
}

#[derive(Debug, Serialize)]
pub(crate) struct Transformation {
    #[serde(rename = "type")]
    pub(crate) ty: &'static str,
    pub(crate) subtype: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) description: Option<String>,
    pub(crate) masking: bool,
}

#[derive(Debug, Serialize)]
pub(crate) struct DataQualityAssertions {
    pub(crate) assertions: Vec<AssertionResult>,
}

#[derive(Debug, Serialize)]
pub(crate) struct AssertionResult {
    pub(crate) assertion: String,
    pub(crate) success: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) column: Option<String>,
    pub(crate) severity: String,
    pub(crate) name: String,
    pub(crate) actual: String,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct OutputStatistics {
    pub(crate) row_count: u64,
    pub(crate) size: u64,
    pub(crate) file_count: u64,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct DatasetVersion {
    pub(crate) dataset_version: String,
}

#[derive(Debug, Serialize)]
pub(crate) struct DatasetTags {
    pub(crate) tags: Vec<Tag>,
}

#[derive(Debug, Serialize)]
pub(crate) struct Tag {
    pub(crate) key: String,
    pub(crate) value: String,
    pub(crate) source: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) field: Option<String>,
}
