//! Why data does not move.

use std::path::PathBuf;

use malla_audit::AuditError;
use malla_contract::ContractErrors;
use malla_lake::LakeError;
use malla_policy::{FilterMisfit, MissingMask, PlanErrors, PolicyErrors, Undeclared};
use malla_privacy::{KeyError, MaskError, SealError};
use malla_quality::{ChecksError, RunError};
use malla_query::{NotComputed, QueryError};
use malla_sandbox::{LoadError, SandboxError, StepError};
use malla_source::SourceError;

/// `malla.toml` cannot be used.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "the messages say what each variant and field is")]
pub enum ConfigError {
    #[error("cannot read `{}`: {source}; make a mesh with `malla init DIR`, or name its file with --config", path.display())]
    Unreadable { path: PathBuf, source: std::io::Error },
    #[error("`{}`: {message}", path.display())]
    Invalid { path: PathBuf, message: String },
}

/// A mesh cannot be opened: nothing of it runs.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "the messages say what each variant and field is")]
pub enum MeshError {
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error(transparent)]
    Keys(#[from] KeyError),
    #[error(transparent)]
    Policy(#[from] PolicyErrors),
    #[error("cannot write `{}`: {source}; `state` in malla.toml must be a folder of this user", path.display())]
    State { path: PathBuf, source: std::io::Error },
    #[error(transparent)]
    Audit(#[from] AuditError),
    #[error(transparent)]
    Sandbox(#[from] SandboxError),
    #[error(transparent)]
    Lake(#[from] LakeError),
    #[error("cannot count what is done: {0}")]
    Metrics(#[from] prometheus::Error),
    #[error("cannot read the plugins in `{}`: {source}; create the folder, or change `plugins` in malla.toml", path.display())]
    Plugins { path: PathBuf, source: std::io::Error },
    #[error("no plugin (*.wasm) in `{}`: copy one there, as made by `malla plugin build`", path.display())]
    NoPlugins { path: PathBuf },
    #[error("no domain `{domain}` among the plugins: there is {known}")]
    UnknownDomain { domain: String, known: String },
    #[error("no source or product `{job}`: {known}")]
    UnknownJob { job: String, known: String },
    #[error("`{job}` cannot be made anew for a range of dates: {why}")]
    NoBackfill { job: String, why: String },
    #[error("{place}: [schedules.{domain}] `{name}`: {why}")]
    Schedule {
        place: String,
        domain: String,
        name: String,
        why: String,
    },
    #[error("lineage: {0}")]
    Lineage(#[from] malla_lineage::ConfigError),
    #[error("lineage: {0}")]
    LineageTopic(String),
    #[error("no table or domain `{name}`: there are {known}")]
    UnknownTable { name: String, known: String },
}

/// A plugin, or one flow of it, cannot run; the others do.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "the messages say what each variant and field is")]
pub enum Refusal {
    #[error("`{}`: {source}", path.display())]
    Unreadable { path: PathBuf, source: std::io::Error },
    #[error("`{}`: {source}", path.display())]
    Component {
        path: PathBuf,
        source: malla_contract::ComponentError,
    },
    #[error("`{}`: its contract is not valid:\n{source}", path.display())]
    Contract { path: PathBuf, source: ContractErrors },
    #[error("`{}`: {source}", path.display())]
    Load { path: PathBuf, source: LoadError },
    #[error(
        "`{}`: its contract declares the function `{function}`, and the component exports none: build it with `malla plugin build`",
        path.display()
    )]
    NoFunctions { path: PathBuf, function: String },
    #[error("`{}` and `{}` are both of domain `{domain}`: keep one", first.display(), second.display())]
    TwoOfOneDomain {
        domain: String,
        first: PathBuf,
        second: PathBuf,
    },
    #[error(
        "source `{domain}.{source_name}` of the contract has no place in malla.toml: add [sources.{domain}.{source_name}] with `directory`, or [sources.{domain}.{source_name}.kafka]"
    )]
    NoSource { domain: String, source_name: String },
    #[error("product `{product}`: no plugin's contract has SQL that makes it")]
    NoGold { product: String },
    #[error(
        "`{}` is of domain `malla`, which is what the host tells of itself: give it another",
        path.display()
    )]
    ReservedDomain { path: PathBuf },
    #[error("product `{product}`: {source}")]
    Mask { product: String, source: MissingMask },
    #[error("product `{product}`, column `{column}`: {source}")]
    Masker {
        product: String,
        column: String,
        source: MaskError,
    },
    #[error(
        "step `{step}` of `{domain}` reads `{column}`, which is {why} and not text: it cannot be shown to a plugin as a token; take it out of `reads`"
    )]
    Unshowable {
        domain: String,
        step: String,
        column: String,
        why: String,
    },
    #[error(transparent)]
    Source(#[from] SourceError),
    #[error(transparent)]
    Plan(#[from] PlanErrors),
    #[error(transparent)]
    Lake(#[from] LakeError),
    #[error(
        "source `{domain}.{source_name}` has a column `{column}`, a name that raw tables keep for the host: rename it"
    )]
    ReservedColumn {
        domain: String,
        source_name: String,
        column: String,
    },
    #[error("product `{product}`: {source}")]
    Undeclared { product: String, source: Undeclared },
    #[error("product `{product}`: {source}")]
    Quality { product: String, source: ChecksError },
    #[error("product `{product}`: its SQL gives {found}, and the contract promises {wanted}")]
    GoldShape {
        product: String,
        wanted: String,
        found: String,
    },
    #[error(
        "product `{product}`: its SQL gives `{column}` as {found}, and the contract promises {wanted}: write CAST(.. AS {wanted})"
    )]
    GoldType {
        product: String,
        column: String,
        wanted: String,
        found: String,
    },
    #[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
    RowFilters(Vec<FilterMisfit>),
    #[error(
        "product `{product}`: masks.toml:{line} masks `{column}`, by which the table is partitioned: its values stand in the names of folders; partition by another column"
    )]
    MaskedPartition {
        product: String,
        column: String,
        line: usize,
    },
    #[error(
        "no rule lets `plugin:{domain}` write `{table}`: add to policies/domains/{domain}.csv: p, plugin:{domain}, {domain}, {schema}.*, write, *, allow"
    )]
    NoWriteRule {
        domain: String,
        schema: String,
        table: String,
    },
    #[error("`plugin:{domain}` may not write `{table}`: {rule} denies it")]
    WriteDenied {
        domain: String,
        table: String,
        rule: String,
    },
}

/// A flow stopped while it ran. What it had committed stays; it resumes from there.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "the messages say what each variant and field is")]
pub enum FlowError {
    #[error(transparent)]
    Source(#[from] SourceError),
    #[error(transparent)]
    Lake(#[from] LakeError),
    #[error("product `{product}`, column `{column}`: {source}")]
    Mask {
        product: String,
        column: String,
        source: MaskError,
    },
    #[error("product `{product}`: {source}")]
    Undeclared { product: String, source: Undeclared },
    #[error("nothing is written without a record of it: {0}")]
    Audit(#[from] AuditError),
    #[error("the policy changed, and the flow cannot run under the new one: {0}")]
    Policy(String),
    #[error(transparent)]
    Seal(#[from] SealError),
    #[error("the sandbox failed, and the plugin is not to blame: {0}")]
    Sandbox(Box<StepError>),
    #[error("cannot assemble a batch: {0}; this is an error in malla")]
    Arrow(#[from] arrow_schema::ArrowError),
    #[error(
        "partition `{partition}`: quarantine is at offset {quarantine:?} but `{table}` at {behind:?}, and no commit of the quarantine table says which batches lie between; restore `{table}`, or move all tables of this source aside to read it anew"
    )]
    NoPlan {
        partition: String,
        table: String,
        quarantine: Option<i64>,
        behind: Option<i64>,
    },
    #[error(
        "`{flow}`: another host reads the same partitions and was quicker; looking again where the tables stand"
    )]
    Overtaken { flow: String },
    #[error("cannot read or write `{}`: {source}", path.display())]
    Copy { path: PathBuf, source: std::io::Error },
    #[error(
        "partition `{partition}`: a commit was cut off that plugin {plugin} began under policy {policy}, and neither {} nor `_malla` in the lake has a copy of both that is whole: restore them from a backup",
        state.display()
    )]
    NotKept {
        partition: String,
        plugin: String,
        policy: String,
        state: PathBuf,
    },
    #[error(
        "partition `{partition}`: `{table}` is at offset {ahead}, ahead of the quarantine table at {quarantine:?}: was the quarantine table moved or restored? restore both to the same time"
    )]
    Ahead {
        partition: String,
        table: String,
        ahead: i64,
        quarantine: Option<i64>,
    },
    #[error("product `{product}`: {source}")]
    Check { product: String, source: RunError },
    #[error(
        "product `{product}` is held back, and stays as it was: {}",
        .failed.join("; ")
    )]
    HeldBack { product: String, failed: Vec<String> },
    #[error("product `{product}`: {source}")]
    Query { product: String, source: QueryError },
    #[error("cannot look at the table: {0}")]
    Look(QueryError),
    #[error(transparent)]
    Refused(#[from] Refusal),
    #[error(
        "product `{product}`: column `{column}` {reason}; the contract promises otherwise: make it fit with CAST or coalesce"
    )]
    GoldValue {
        product: String,
        column: String,
        reason: String,
    },
    #[error("a worker of `{flow}` panicked: this is an error in malla, please report it")]
    Panic { flow: String },
}

impl FlowError {
    /// Whether the same again would end the same way.
    pub(crate) fn is_final(&self) -> bool {
        match self {
            Self::HeldBack { .. } | Self::GoldValue { .. } | Self::Refused(_) | Self::Undeclared { .. } => {
                true
            }
            Self::Query { source, .. } => !matches!(
                source,
                QueryError::Failed(_)
                    | QueryError::Lake(_)
                    | QueryError::Audit(_)
                    | QueryError::Time(_)
                    | QueryError::Memory(_)
                    | QueryError::Disk { .. }
                    | QueryError::Function(NotComputed { may_pass: true, .. })
            ),
            _ => false,
        }
    }
}

/// A component cannot be tried.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "the messages say what each variant and field is")]
pub enum TrialError {
    #[error(transparent)]
    Component(#[from] malla_contract::ComponentError),
    #[error("its contract is not valid:\n{0}")]
    Contract(#[from] ContractErrors),
    #[error(transparent)]
    Sandbox(#[from] SandboxError),
    #[error(transparent)]
    Load(#[from] LoadError),
    #[error("its contract declares the function `{0}`, and the component exports none")]
    NoFunctions(String),
    #[error("no folder for the keys of this trial: {0}")]
    Keys(std::io::Error),
    #[error(transparent)]
    Key(#[from] KeyError),
    #[error("there is test data `{name}.jsonl`, and the contract has no such source: it has {known}")]
    NoSource { name: String, known: String },
    #[error(transparent)]
    Decode(#[from] SourceError),
    #[error(transparent)]
    View(#[from] Refusal),
    #[error("its checks cannot be run: {0}")]
    Check(RunError),
    #[error("column `{column}`: {source}")]
    Mask { column: String, source: MaskError },
    #[error(transparent)]
    Arrow(#[from] arrow_schema::ArrowError),
}
