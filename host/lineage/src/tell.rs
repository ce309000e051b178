//! From a commit, and what is known of how its table is made, to the two events of its run.
//!
//! INVARIANT: the same commit gives the same bytes, whenever and however often it is told of.

use std::collections::BTreeMap;

use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use crate::event::{EventType, InputDataset, Job, OutputDataset, Run, RunEvent, time};
use crate::facets::{
    AssertionResult, ColumnLineage, DataQualityAssertions, DatasetDocumentation, DatasetFacets,
    DatasetOwnership, DatasetTags, DatasetVersion, ErrorMessage, FieldLineage, InputField, JobDocumentation,
    JobFacets, JobOwnership, JobType, Malla, NominalTime, OutputFacets, OutputStatistics, Owner, Parent,
    ParentJob, ParentRun, ProcessingEngine, RunFacets, Says, Schema, SchemaField, Sql, Tag, Transformation,
};
use crate::making::{Inflow, Kind, Making, Place, Table};
use crate::naming::Root;

/// A commit to a table.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Committed {
    /// The table's path in the lake.
    pub table: String,
    /// The table's version with it.
    pub version: u64,
    /// When what is in it was begun, in milliseconds since 1970 UTC.
    pub begun: i64,
    /// When it was committed.
    pub at: i64,
    /// Rows, bytes and files that came.
    pub rows: u64,
    /// Bytes.
    pub bytes: u64,
    /// Files.
    pub files: u64,
    /// Digest of the component.
    pub plugin: Option<String>,
    /// Digest of the policies.
    pub policy: Option<String>,
    /// The row of `malla.runs` that it belongs to.
    pub run: Option<Uuid>,
    /// The time of the schedule.
    pub scheduled: Option<i64>,
    /// Versions of its inputs, by object.
    pub inputs: BTreeMap<String, u64>,
    /// What its checks counted.
    pub assertions: Vec<Assertion>,
}

/// What a check counted in the rows of one commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Assertion {
    /// Name of the check.
    pub check: String,
    /// Whether it was kept.
    pub success: bool,
    /// Rows looked at.
    pub elements: u64,
    /// Rows that break it.
    pub unexpected: u64,
}

/// A run of a job that is told of by itself, since no commit tells of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ended {
    /// As in `malla.runs`.
    pub run: Uuid,
    /// `domain.name`.
    pub job: String,
    /// A source; else a product that SQL makes.
    pub of_source: bool,
    /// In milliseconds since 1970 UTC.
    pub started: i64,
    /// When it ended, or was found to be over.
    pub ended: i64,
    /// The time of its schedule.
    pub scheduled: Option<i64>,
    /// How it ended.
    pub outcome: Outcome,
    /// The same in the words of `malla.runs`.
    pub state: String,
    /// Why. Names and rules, never a value.
    pub error: Option<String>,
}

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Well.
    Complete,
    /// It failed.
    Fail,
    /// It was ended.
    Abort,
}

/// Makes events.
#[derive(Debug, Clone)]
pub struct Teller {
    namespace: String,
    root: Root,
}

impl Teller {
    /// `namespace`: of the jobs. `root`: where the lake is.
    #[must_use]
    pub fn new(namespace: impl Into<String>, root: Root) -> Self {
        Self {
            namespace: namespace.into(),
            root,
        }
    }

    /// The run of a commit: the same for the same version of the same table, and of no other. `at`: when it was committed, for a table
    /// that was made anew, or restored, has other commits of the same versions.
    #[must_use]
    pub fn run_id(&self, table: &str, version: u64, at: i64) -> Uuid {
        let dataset = self.root.dataset(&Place::Lake(table.to_owned()));
        let name = format!(
            "malla/commit\0{}\0{}\0{version}\0{at}",
            dataset.namespace, dataset.name
        );
        let mut bytes = [0; 16];
        for (byte, digest) in bytes.iter_mut().zip(Sha256::digest(name.as_bytes())) {
            *byte = digest;
        }
        uuid::Builder::from_custom_bytes(bytes).into_uuid()
    }

    /// The two events of a commit's run.
    #[must_use]
    pub fn committed(&self, making: &Making, commit: &Committed) -> [String; 2] {
        let run_id = self.run_id(&commit.table, commit.version, commit.at);
        let parent = making.of.as_ref().zip(commit.run);
        let declared = making
            .columns
            .iter()
            .filter(|column| column.from.iter().any(|from| from.declared));
        let malla = Malla {
            contract_version: Some(making.contract.clone()),
            plugin: commit.plugin.clone(),
            policy: commit.policy.clone(),
            run: commit.run,
            state: None,
            declared_columns: declared.map(|column| column.column.clone()).collect(),
        };
        let run = |malla: Option<Malla>| Run {
            run_id,
            facets: RunFacets {
                parent: parent.map(|(job, run_id)| {
                    Parent {
                        run: ParentRun { run_id },
                        job: ParentJob {
                            namespace: self.namespace.clone(),
                            name: job.clone(),
                        },
                    }
                    .facet()
                }),
                malla: malla.map(Says::facet),
                ..run_facets(commit.scheduled)
            },
        };
        let job = || self.job_of(making);
        let output = self.root.dataset(&making.output.place);
        let start = RunEvent::new(EventType::Start, commit.begun.min(commit.at), run(None), job()).with(
            making
                .inputs
                .iter()
                .map(|table| self.input(table, commit, false))
                .collect(),
            vec![OutputDataset {
                dataset: output.clone(),
                facets: DatasetFacets::default(),
                output_facets: OutputFacets::default(),
            }],
        );
        let complete = RunEvent::new(EventType::Complete, commit.at, run(Some(malla)), job()).with(
            making
                .inputs
                .iter()
                .map(|table| self.input(table, commit, true))
                .collect(),
            vec![OutputDataset {
                dataset: output,
                facets: DatasetFacets {
                    column_lineage: Some(self.column_lineage(making).facet()),
                    data_quality_assertions: assertions(making, commit),
                    version: Some(version(commit.version)),
                    ..described(&making.output)
                },
                output_facets: OutputFacets {
                    output_statistics: Some(
                        OutputStatistics {
                            row_count: commit.rows,
                            size: commit.bytes,
                            file_count: commit.files,
                        }
                        .facet(),
                    ),
                },
            }],
        );
        [start.line(), complete.line()]
    }

    /// The two events of a run that no commit tells of.
    #[must_use]
    pub fn ended(&self, ended: &Ended) -> [String; 2] {
        let run = |malla: Option<Malla>, error: Option<&String>| Run {
            run_id: ended.run,
            facets: RunFacets {
                error_message: error.map(|message| {
                    ErrorMessage {
                        message: message.clone(),
                        programming_language: "RUST",
                    }
                    .facet()
                }),
                malla: malla.map(Says::facet),
                ..run_facets(ended.scheduled)
            },
        };
        let job = || Job {
            namespace: self.namespace.clone(),
            name: ended.job.clone(),
            facets: JobFacets {
                job_type: Some(job_type(if ended.of_source { "SOURCE" } else { "PRODUCT" })),
                ..JobFacets::default()
            },
        };
        let (outcome, error) = match ended.outcome {
            Outcome::Complete => (EventType::Complete, None),
            Outcome::Fail => (EventType::Fail, ended.error.as_ref()),
            Outcome::Abort => (EventType::Abort, ended.error.as_ref()),
        };
        let malla = Malla {
            state: Some(ended.state.clone()),
            ..Malla::default()
        };
        [
            RunEvent::new(
                EventType::Start,
                ended.started.min(ended.ended),
                run(None, None),
                job(),
            )
            .line(),
            RunEvent::new(outcome, ended.ended, run(Some(malla), error), job()).line(),
        ]
    }

    fn job_of(&self, making: &Making) -> Job {
        Job {
            namespace: self.namespace.clone(),
            name: making.job.clone(),
            facets: JobFacets {
                job_type: Some(job_type(match making.kind {
                    Kind::Intake => "INTAKE",
                    Kind::Quarantine => "QUARANTINE",
                    Kind::Step => "STEP",
                    Kind::Query => "QUERY",
                })),
                sql: making.sql.as_ref().map(|query| {
                    Sql {
                        query: query.clone(),
                        dialect: "datafusion",
                    }
                    .facet()
                }),
                ownership: making.owner.as_deref().map(|name| {
                    JobOwnership {
                        owners: vec![owner(name)],
                    }
                    .facet()
                }),
                documentation: making.description.as_ref().map(|description| {
                    JobDocumentation {
                        description: description.clone(),
                    }
                    .facet()
                }),
            },
        }
    }

    fn input(&self, table: &Table, commit: &Committed, described_too: bool) -> InputDataset {
        let facets = match described_too {
            true => described(table),
            false => DatasetFacets::default(),
        };
        InputDataset {
            dataset: self.root.dataset(&table.place),
            facets: DatasetFacets {
                version: commit.inputs.get(&table.object).map(|at| version(*at)),
                ..facets
            },
        }
    }

    fn column_lineage(&self, making: &Making) -> ColumnLineage {
        let fields = making.columns.iter().map(|column| {
            let from = column.from.iter().map(|inflow| (inflow, column.mask.as_deref()));
            let lineage = FieldLineage {
                input_fields: self.input_fields(making, from),
            };
            (column.column.clone(), lineage)
        });
        ColumnLineage {
            fields: fields.collect(),
            dataset: self.input_fields(making, making.rows.iter().map(|inflow| (inflow, None))),
        }
    }

    /// One for each column, with all the ways in which it flows.
    fn input_fields<'a>(
        &self,
        making: &Making,
        inflows: impl Iterator<Item = (&'a Inflow, Option<&'a str>)>,
    ) -> Vec<InputField> {
        let mut fields: BTreeMap<(&str, &str), Vec<Transformation>> = BTreeMap::new();
        for (inflow, stored) in inflows {
            // What only decides goes through no mask of the column that it decides.
            let stored = stored.filter(|_| inflow.way.is_direct());
            let masks = [inflow.mask.as_deref(), stored];
            fields
                .entry((&inflow.object, &inflow.column))
                .or_default()
                .push(transformation(inflow, masks));
        }
        let fields = fields
            .into_iter()
            .filter_map(|((object, column), transformations)| {
                let table = making.inputs.iter().find(|table| table.object == object)?;
                let dataset = self.root.dataset(&table.place);
                Some(InputField {
                    namespace: dataset.namespace,
                    name: dataset.name,
                    field: column.to_owned(),
                    transformations,
                })
            });
        fields.collect()
    }
}

fn transformation(inflow: &Inflow, masks: [Option<&str>; 2]) -> Transformation {
    let mut says: Vec<String> = masks
        .iter()
        .flatten()
        .map(|mask| format!("mask {mask}"))
        .collect();
    if inflow.declared {
        says.push("declared: the step may read it".to_owned());
    }
    Transformation {
        ty: if inflow.way.is_direct() {
            "DIRECT"
        } else {
            "INDIRECT"
        },
        subtype: inflow.way.as_str(),
        description: (!says.is_empty()).then(|| says.join("; ")),
        masking: masks.iter().any(Option::is_some),
    }
}

fn run_facets(scheduled: Option<i64>) -> RunFacets {
    RunFacets {
        processing_engine: Some(
            ProcessingEngine {
                name: "malla",
                version: env!("CARGO_PKG_VERSION"),
                adapter_version: env!("CARGO_PKG_VERSION"),
            }
            .facet(),
        ),
        nominal_time: scheduled.map(|at| {
            NominalTime {
                nominal_start_time: time(at),
            }
            .facet()
        }),
        ..RunFacets::default()
    }
}

/// Each commit is a batch with a beginning and an end, also of a topic that has none.
fn job_type(job_type: &'static str) -> crate::facets::Facet<JobType> {
    JobType {
        processing_type: "BATCH",
        integration: "MALLA",
        job_type,
    }
    .facet()
}

fn owner(name: &str) -> Owner {
    Owner {
        name: format!("team:{name}"),
        ty: "OWNER",
    }
}

fn version(version: u64) -> crate::facets::Facet<DatasetVersion> {
    DatasetVersion {
        dataset_version: version.to_string(),
    }
    .facet()
}

fn described(table: &Table) -> DatasetFacets {
    let fields = table
        .columns
        .iter()
        .enumerate()
        .map(|(place, column)| SchemaField {
            name: column.name.clone(),
            ty: column.ty.clone(),
            description: column.description.clone(),
            ordinal_position: place + 1,
        });
    let tags = table.columns.iter().flat_map(|column| {
        let tag = |key: &str, value: &str| Tag {
            key: key.to_owned(),
            value: value.to_owned(),
            source: "MALLA",
            field: Some(column.name.clone()),
        };
        let own = column.tags.iter().map(move |name| tag(name, "true"));
        own.chain([tag("classification", &column.classification)])
    });
    DatasetFacets {
        schema: Some(
            Schema {
                fields: fields.collect(),
            }
            .facet(),
        ),
        ownership: table.owner.as_deref().map(|name| {
            DatasetOwnership {
                owners: vec![owner(name)],
            }
            .facet()
        }),
        documentation: table.description.as_ref().map(|description| {
            DatasetDocumentation {
                description: description.clone(),
            }
            .facet()
        }),
        tags: Some(DatasetTags { tags: tags.collect() }.facet()),
        ..DatasetFacets::default()
    }
}

fn assertions(making: &Making, commit: &Committed) -> Option<crate::facets::Facet<DataQualityAssertions>> {
    let assertions = commit.assertions.iter().filter_map(|found| {
        let (assertion, column, severity) = making.checks.get(&found.check)?;
        Some(AssertionResult {
            assertion: assertion.clone(),
            success: found.success,
            column: column.clone(),
            severity: severity.clone(),
            name: found.check.clone(),
            actual: format!("{} of {} rows unexpected", found.unexpected, found.elements),
        })
    });
    let assertions: Vec<AssertionResult> = assertions.collect();
    (!assertions.is_empty()).then(|| DataQualityAssertions { assertions }.facet())
}
