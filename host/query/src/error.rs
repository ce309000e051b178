//! What can go wrong in a query.

use std::time::Duration;

use datafusion::arrow::error::ArrowError;
use datafusion::error::DataFusionError;

use crate::functions::NotComputed;
use crate::governed::NotShown;
use crate::spill::Full;

/// An error of a query. Messages repeat names and the query's own text, never a value of a row.
#[derive(Debug, thiserror::Error)]
pub enum QueryError {
    /// The text is not one SQL query.
    #[error("cannot read the query: {0}")]
    Syntax(String),
    /// Anything but reading.
    #[error("queries are read-only: `{0}` is not possible; write SELECT, EXPLAIN or DESCRIBE")]
    ReadOnly(String),
    /// The asker may not read a table, or it is not there: the same to whoever may not know.
    #[error(
        "`{principal}` may not read `{table}` for `{purpose}`, or there is no such table; of what may be read, {readable}{}",
        rule_for(.principal, .purpose, .table)
    )]
    Denied {
        /// Who asked.
        principal: String,
        /// For what.
        purpose: String,
        /// The name.
        table: String,
        /// The tables that the asker may read, the closest names first.
        readable: String,
    },
    /// Policy cannot be applied to the table.
    #[error("{0}")]
    Policy(String),
    /// What cannot be recorded is not read.
    #[error("nothing is read without a record of it: {0}")]
    Audit(#[from] malla_audit::AuditError),
    /// A product that readers are kept from, since no version of it was good yet.
    #[error("`{name}` is held back since {since}, and no version of it was good before: {}. {ask}", failing(.failed))]
    HeldBack {
        /// The name as a query writes it.
        name: String,
        /// When it was judged.
        since: String,
        /// The checks that failed.
        failed: Vec<String>,
        /// Whom to ask.
        ask: String,
    },
    /// The version that readers are held at cannot be read any more.
    #[error("`{name}` is held back at version {version}, which cannot be read: {source}. {ask}")]
    HeldAway {
        /// The name as a query writes it.
        name: String,
        /// The last good version.
        version: u64,
        /// Why.
        source: malla_lake::LakeError,
        /// Whom to ask.
        ask: String,
    },
    /// A name that is no table.
    #[error("no table `{name}`; {known}")]
    UnknownTable {
        /// The name as the query has it.
        name: String,
        /// The tables there are, the closest names first.
        known: String,
    },
    /// The query is wrong: an unknown column or function, types that do not fit.
    #[error("{0}")]
    Invalid(String),
    /// A derived table whose rows would be others the next time.
    #[error("`{0}` does not always give the same: take the time from a column, and do without chance")]
    NotRepeatable(String),
    /// The time limit.
    #[error("the query took longer than {0:?}: narrow it, or raise the limit")]
    Time(Duration),
    /// The memory limit.
    #[error("the query needs more than {0} bytes of memory: narrow it, or raise the limit")]
    Memory(usize),
    /// The limit of rows beside memory.
    #[error(
        "the query needs more than {memory} bytes of memory, and more than {spill} on disk for what does not fit: narrow it, or raise the limits"
    )]
    Disk {
        /// Of memory.
        memory: usize,
        /// Beside it.
        spill: u64,
    },
    /// A function of a plugin gave no values.
    #[error(transparent)]
    Function(#[from] NotComputed),
    /// It failed while it ran.
    #[error("the query failed: {0}")]
    Failed(&'static str),
    /// The lake.
    #[error(transparent)]
    Lake(#[from] malla_lake::LakeError),
    /// The result could not be written.
    #[error("cannot write the result: {0}")]
    Write(String),
}

impl QueryError {
    /// An error before any row was read: its text is safe to show.
    pub(crate) fn planning(error: &DataFusionError) -> Self {
        match error.find_root() {
            DataFusionError::SQL(error, _) => Self::Syntax(error.to_string()),
            other => {
                let text = other.strip_backtrace();
                if let Some(misfit) = misfit(&text) {
                    return Self::Invalid(misfit.to_owned());
                }
                let told = ["Error during planning: ", "Schema error: "];
                let plain = told.iter().find_map(|kind| text.strip_prefix(kind));
                Self::Invalid(plain.unwrap_or(&text).to_owned())
            }
        }
    }

    /// An error while rows were read. Its text may hold their values, so only its kind is told.
    pub(crate) fn running(error: &DataFusionError, memory: usize) -> Self {
        match error.find_root() {
            DataFusionError::ResourcesExhausted(_) => Self::Memory(memory),
            error if let Some(full) = full(error) => Self::Disk {
                memory,
                spill: full.bytes,
            },
            DataFusionError::ArrowError(error, _) => Self::Failed(kind(error)),
            DataFusionError::ObjectStore(_)
            | DataFusionError::IoError(_)
            | DataFusionError::ParquetError(_) => Self::Failed("a file of the table cannot be read"),
            DataFusionError::External(error) if error.is::<NotShown>() => {
                Self::Failed("a column could not be opened or hidden as policy demands")
            }
            DataFusionError::External(error) if let Some(why) = error.downcast_ref::<NotComputed>() => {
                Self::Function(why.clone())
            }
            DataFusionError::NotImplemented(_) => Self::Failed("it uses something that is not supported"),
            _ => Self::Failed("a value does not fit an operation of the query"),
        }
    }
}

fn full(error: &DataFusionError) -> Option<&Full> {
    let error = match error {
        DataFusionError::IoError(error) => error,
        DataFusionError::ArrowError(error, _) => match error.as_ref() {
            ArrowError::IoError(_, error) => error,
            _ => return None,
        },
        _ => return None,
    };
    error.get_ref()?.downcast_ref()
}

/// What a function says of its arguments, without what the engine puts around it.
fn misfit(text: &str) -> Option<&str> {
    let (_, said) = text.split_once("coercion failed with: Error during planning: ")?;
    let (said, _) = said.split_once(" No function matches")?;
    Some(said.trim_end_matches('.'))
}

/// For a plugin, the rule that its team may ask for: who asks by hand knows whom to ask.
fn rule_for(principal: &str, purpose: &str, table: &str) -> String {
    let Some(plugin) = principal.strip_prefix("plugin:") else {
        return String::new();
    };
    let schema = table.split('.').next().unwrap_or_default();
    let layers = ["_raw", "_quarantine", "_quality"];
    let domain = layers
        .iter()
        .find_map(|layer| schema.strip_suffix(layer))
        .unwrap_or(schema);
    let file = if domain == plugin {
        format!("{domain}.csv")
    } else {
        format!("{domain}.{plugin}.csv")
    };
    format!(
        "; a rule that lets it: `p, {principal}, {domain}, {table}, read, {purpose}, allow` in policies/domains/{file}"
    )
}

/// `check a fails`, `checks a and b fail`.
pub(crate) fn failing(checks: &[String]) -> String {
    let names: Vec<String> = checks.iter().map(|name| format!("`{name}`")).collect();
    match names.as_slice() {
        [] => "a check fails".to_owned(),
        [one] => format!("check {one} fails"),
        [most @ .., last] => format!("checks {} and {last} fail", most.join(", ")),
    }
}

fn kind(error: &ArrowError) -> &'static str {
    match error {
        ArrowError::CastError(_) | ArrowError::ParseError(_) => {
            "a value does not convert to the type asked for: use try_cast, which gives NULL instead"
        }
        ArrowError::DivideByZero => "a division by zero: use nullif on the divisor",
        ArrowError::ArithmeticOverflow(_) => "a number grew beyond its type: cast to a wider one first",
        _ => "a value does not fit an operation of the query",
    }
}
