//! The life of a batch, from a source's lines to commits in the lake.
//!
//! Invariant: whatever the process is killed in, every source line is in the tables once. Nothing moves without a
//! contract, a policy, a mask for every column that needs one, and the keys.

mod batch;
mod commit;
mod committer;
mod config;
mod dead_letters;
mod deploy;
mod dispatch;
mod error;
mod functions;
mod gold;
mod jobs;
mod judge;
mod kept;
mod lineage;
mod maintain;
mod mesh;
mod metrics;
mod plan;
mod plugins;
mod policies;
mod quality;
mod quarantine;
mod recover;
mod report;
mod run;
mod runs;
mod schedule;
mod screen;
mod trial;
mod undeclared;
mod watch;
mod workers;

pub use config::{BatchConfig, CommitConfig, Config, LimitsConfig, SourceConfig, template};
pub use deploy::{Canary, DeployError, DeployOptions, DeployReport, Entry, Step};
pub use error::{ConfigError, FlowError, MeshError, Refusal, TrialError};
pub use functions::FunctionTrial;
pub use jobs::Job;
pub use judge::{CheckResult, PastRun, ProductQuality, QualityState, quality};
pub use lineage::Lineage;
pub use maintain::{MaintainOptions, MaintenanceConfig, RetentionConfig, TableReport};
pub use mesh::{Mesh, contracts, open_audit, today};
pub use metrics::Metrics;
pub use report::ProductReport;
pub use run::{Days, RunOptions, RunReport, Stop};
pub use runs::{
    JobKind, Run, RunState, ShownRun, Trigger, contract as own_contract, unwritten_for as unwritten_runs,
};
pub use schedule::{CronLine, JobConfig};
pub use trial::{GoldTrial, TrialReport, Trials, try_plugin};
