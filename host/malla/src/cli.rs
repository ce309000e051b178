//! The command line.

mod lineage;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use malla_audit::{Anchor, PublicKey};
use malla_contract::Date;

pub(crate) use lineage::{Lineage, LineageFormat};

/// Run domain teams' data transformations as sandboxed Wasm plugins between sources and a Delta lakehouse.
///
/// A mesh is a folder with a malla.toml: sources, plugins, policies, keys and a lake. Each plugin is one .wasm file, code
/// and data contract together. The host reads the sources, runs the plugins, masks what policy says, and commits every
/// event to the lake exactly once.
///
/// Exit status: 0 done, 1 failed, 2 wrong usage, 3 not run, since another process is at it.
#[derive(Debug, Parser)]
#[command(name = "malla", version, max_term_width = 110)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Make a mesh, fill it with realistic events, run every plugin, and say what came out
    Demo(Demo),
    /// Make a new mesh: malla.toml, policies, keys and folders
    Init(Init),
    /// Say what is missing, on this machine and in a mesh, and how to get it
    Doctor(Config),
    /// Process what the sources hold
    Run(Run),
    /// List the sources and gold products: what each is made of, and when it runs
    Jobs(Jobs),
    /// Show when what ran, and how it ended, the newest first
    ///
    /// It is the table `malla.runs`, which `malla query` reads too, and what goes on now on this machine.
    Runs(Runs),
    /// Put small files of tables together, remove what is older than its retention, delete what nobody needs
    ///
    /// `malla run` does this by the way ([maintenance] in malla.toml).
    Maintain(Maintain),
    /// Write realistic events into the sources, about one in a hundred dirty
    Simulate(Simulate),
    /// Ask the lake with SQL, read-only, as policy lets the asker see it
    ///
    /// Tables: `ventas.transacciones` is a product, `ventas_raw.transacciones` the events as they came with personal
    /// columns sealed, `ventas_quarantine.transacciones` the lines that are in no product, and why. EXPLAIN shows which
    /// rules shaped what is read.
    Query(Query),
    /// Say how good products are: which are held back, and what each check found last
    ///
    /// Exit status: 0 if every product is good or was not judged yet, 1 if one is held back or doubtful. A failed
    /// warning, and single rows that are in quarantine, change nothing of that.
    ///
    /// Shows names and counts, and only of products whose results (`ventas_quality.transacciones`) policy lets the asker
    /// read.
    Quality(Quality),
    /// Say where a table or column comes from and where it goes, across domains
    ///
    /// What a step forwards and what SQL does is exact; what a step computes can be of all columns that its contract lets it
    /// read, and is called declared. Tables that the asker may not read are not named.
    Lineage(Lineage),
    /// A policy's life: check, test, explain, diff
    #[command(subcommand)]
    Policy(Policy),
    /// The record of what was decided
    #[command(subcommand)]
    Audit(Audit),
    /// The keys of a mesh
    #[command(subcommand)]
    Keys(Keys),
    /// A plugin's life: new, build, test, inspect
    #[command(subcommand)]
    Plugin(Plugin),
}

#[derive(Debug, Args)]
pub(crate) struct Demo {
    /// Where the mesh is made; one that a demo made before goes on
    #[arg(long, value_name = "DIR", default_value = "malla-demo")]
    pub(crate) dir: PathBuf,
    /// Events for each domain
    #[arg(long, value_name = "N", default_value_t = 100_000)]
    pub(crate) events: u64,
    /// Exit when the events are in the lake, instead of waiting for more
    #[arg(long)]
    pub(crate) once: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Init {
    /// The mesh's folder; made if it is not there
    pub(crate) dir: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct Config {
    /// The mesh
    #[arg(long, value_name = "FILE", default_value = "malla.toml")]
    pub(crate) config: PathBuf,
}

/// As whom a command is given.
#[derive(Debug, Args)]
pub(crate) struct Who {
    /// Who asks, or does it: `user:ana`, `service:ci`, ..; whoever is logged in when left out
    #[arg(long = "as", value_name = "PRINCIPAL", value_parser = principal)]
    principal: Option<String>,
}

impl Who {
    pub(crate) fn principal(&self) -> String {
        self.principal.clone().unwrap_or_else(crate::terminal::user)
    }
}

#[derive(Debug, Args)]
pub(crate) struct Run {
    #[command(flatten)]
    pub(crate) config: Config,
    /// Only this domain
    #[arg(long, value_name = "D")]
    pub(crate) domain: Option<String>,
    /// Stop when the sources are drained; schedules are left aside
    #[arg(long)]
    pub(crate) once: bool,
    /// Only this source or product, once
    #[arg(long, value_name = "DOMAIN.NAME", conflicts_with = "domain")]
    pub(crate) product: Option<String>,
    /// Make the days from this one on anew, of a gold product that is partitioned by date
    #[arg(long, value_name = "YYYY-MM-DD", requires = "product", requires = "to")]
    pub(crate) from: Option<Date>,
    /// The last of these days
    #[arg(long, value_name = "YYYY-MM-DD", requires = "from")]
    pub(crate) to: Option<Date>,
    /// Print the result as JSON
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Jobs {
    #[command(flatten)]
    pub(crate) config: Config,
    /// Print the list as JSON
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Runs {
    #[command(flatten)]
    pub(crate) config: Config,
    /// Only the runs of this source or product
    #[arg(value_name = "DOMAIN.NAME", value_parser = job)]
    pub(crate) job: Option<String>,
    /// Runs at most
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u16).range(1..=10_000))]
    pub(crate) limit: u16,
    #[command(flatten)]
    pub(crate) who: Who,
    /// Print the runs as JSON
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Maintain {
    #[command(flatten)]
    pub(crate) config: Config,
    /// Only these tables: `ventas`, `ventas.transacciones`, `ventas_raw.transacciones`
    #[arg(value_name = "DOMAIN[.TABLE]")]
    pub(crate) only: Option<String>,
    /// Say what would be done, and do nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Print the result as JSON
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Simulate {
    #[command(flatten)]
    pub(crate) config: Config,
    /// How many events, those of all sources of the domain together
    #[arg(long, value_name = "N")]
    pub(crate) events: u64,
    /// The same seed on an empty source gives the same events
    #[arg(long, value_name = "N", default_value_t = crate::commands::DEFAULT_SEED)]
    pub(crate) seed: u64,
    /// The domain whose sources are written: ventas, logistica or producto
    #[arg(long, value_name = "D", default_value = "ventas")]
    pub(crate) domain: String,
    /// Only this source of the domain, which then gets all events: devoluciones, ..
    #[arg(long, value_name = "S")]
    pub(crate) source: Option<String>,
    /// What the sources must be; each is written whichever it is when left out
    #[arg(long, value_enum)]
    pub(crate) to: Option<Target>,
    /// What nightly exports (devoluciones, catalogo) are written as; the contract's `format` must be the same
    #[arg(long, value_enum, default_value_t = Export::Csv)]
    pub(crate) format: Export,
    /// Print the result as JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// What a nightly export is written as.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Export {
    Csv,
    Parquet,
}

/// Where simulated events go.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum Target {
    /// Folders: JSON Lines, or a file for each call where the source is a nightly export
    Directory,
    /// Topics of Kafka: a message for each event
    Kafka,
}

#[derive(Debug, Args)]
pub(crate) struct Query {
    #[command(flatten)]
    pub(crate) config: Config,
    #[command(flatten)]
    pub(crate) who: Who,
    /// What for: any word; rules may be for one
    #[arg(long, value_name = "P", default_value = "consulta", value_parser = purpose)]
    pub(crate) purpose: String,
    #[arg(long, value_enum, default_value_t = Format::Table)]
    pub(crate) format: Format,
    /// Rows at most; more are cut off, and said
    #[arg(long, value_name = "N", default_value_t = 10_000)]
    pub(crate) limit: usize,
    /// One query
    pub(crate) sql: String,
}

#[derive(Debug, Args)]
pub(crate) struct Quality {
    #[command(flatten)]
    pub(crate) config: Config,
    #[command(flatten)]
    pub(crate) who: Who,
    /// What for: any word; rules may be for one
    #[arg(long, value_name = "P", default_value = "consulta", value_parser = purpose)]
    pub(crate) purpose: String,
    /// The last N judgings too
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(crate) history: usize,
    /// Print results as JSON, in the form of Great Expectations: one object for a product, a list for all
    #[arg(long)]
    pub(crate) json: bool,
    /// Only this product
    #[arg(value_name = "DOMAIN.PRODUCT")]
    pub(crate) product: Option<String>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum Format {
    Table,
    Json,
    Csv,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Plugin {
    /// Make a plugin that builds, tests and runs as it is
    New(NewPlugin),
    /// Compile a plugin to one .wasm file, its contract inside
    Build(PluginDir),
    /// Run its native tests, then the built component on its testdata, *.jsonl, *.csv or *.parquet
    Test(PluginDir),
    /// Say what a component holds, without running it
    Inspect(Inspect),
    /// Check a component against the version in use, try it on the last batches, and put it into use
    ///
    /// Refused is what the contract's version does not allow, what policy, tables or gold products could not take, and a version
    /// that makes other rows of the same events, unless the difference is accepted. Hosts that run take it up between two
    /// commits. A major version from 2 on is put into use beside the one before, as DOMAIN_v2.
    Deploy(Deploy),
    /// Take the version in use back, and put the one before it into use
    Rollback(Rollback),
    /// The versions of a domain's plugin that were in use
    Versions(Versions),
}

#[derive(Debug, Args)]
pub(crate) struct Deploy {
    #[command(flatten)]
    pub(crate) config: Config,
    #[command(flatten)]
    pub(crate) who: Who,
    /// A difference that is meant; repeat it for more
    #[arg(long, value_name = "PRODUCT[/COLUMN]")]
    pub(crate) accept: Vec<String>,
    /// Go on without a trial on real batches
    #[arg(long)]
    pub(crate) without_canary: bool,
    /// Check and try, and change nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Print the result as JSON
    #[arg(long)]
    pub(crate) json: bool,
    /// A .wasm file, as made by `malla plugin build`
    pub(crate) file: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct Rollback {
    #[command(flatten)]
    pub(crate) config: Config,
    #[command(flatten)]
    pub(crate) who: Who,
    /// Print the result as JSON
    #[arg(long)]
    pub(crate) json: bool,
    pub(crate) domain: String,
}

#[derive(Debug, Args)]
pub(crate) struct Versions {
    #[command(flatten)]
    pub(crate) config: Config,
    /// Print the result as JSON
    #[arg(long)]
    pub(crate) json: bool,
    pub(crate) domain: String,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Policy {
    /// Say what is wrong with the policy files, and what is probably not meant
    Check(CheckPolicy),
    /// Run the cases in policies/tests/*.toml
    Test(Config),
    /// Say what somebody sees of a table or column, and by which rules
    Explain(Explain),
    /// Say who gains or loses what between two policy folders
    Diff(Diff),
}

#[derive(Debug, Args)]
pub(crate) struct CheckPolicy {
    #[command(flatten)]
    pub(crate) config: Config,
    /// Fail on warnings too
    #[arg(long)]
    pub(crate) strict: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Explain {
    #[command(flatten)]
    pub(crate) config: Config,
    /// Who
    #[arg(long = "as", value_name = "PRINCIPAL", value_parser = principal)]
    pub(crate) principal: String,
    /// What for: any word; rules may be for one
    #[arg(long, value_name = "P", default_value = "consulta", value_parser = purpose)]
    pub(crate) purpose: String,
    /// What: TABLE or TABLE.COLUMN
    #[arg(long, value_name = "TABLE[.COLUMN]")]
    pub(crate) on: String,
}

#[derive(Debug, Args)]
pub(crate) struct Diff {
    #[command(flatten)]
    pub(crate) config: Config,
    /// A policy folder
    pub(crate) old: PathBuf,
    /// Another one, or the same at another time
    pub(crate) new: PathBuf,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Audit {
    /// Find any record that was changed, dropped, moved or cut off
    ///
    /// The last line is the anchor: note it down where the log is not, and give it to a later --anchor, which then finds
    /// out if somebody put an older log back.
    Verify(Verify),
}

#[derive(Debug, Args)]
pub(crate) struct Verify {
    #[command(flatten)]
    pub(crate) config: Config,
    /// The public key to trust, instead of the one beside the log
    #[arg(long, value_name = "HEX", value_parser = public_key)]
    pub(crate) key: Option<PublicKey>,
    /// What an earlier verify ended with
    #[arg(long, value_name = "SEQ:HASH", value_parser = anchor)]
    pub(crate) anchor: Option<Anchor>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Keys {
    /// Begin a new generation of tokens
    ///
    /// Tokens written before join with new ones in `malla query` up to and with the day --until; then their key is
    /// dropped, and they join with nothing but themselves.
    Rotate(Rotate),
}

#[derive(Debug, Args)]
pub(crate) struct Rotate {
    #[command(flatten)]
    pub(crate) config: Config,
    /// The last day on which tokens of the generation before are read
    #[arg(long, value_name = "YYYY-MM-DD")]
    pub(crate) until: Date,
}

#[derive(Debug, Args)]
pub(crate) struct NewPlugin {
    /// The domain: the plugin's name, and its folder's
    pub(crate) name: String,
}

#[derive(Debug, Args)]
pub(crate) struct PluginDir {
    /// The plugin's folder
    #[arg(default_value = ".")]
    pub(crate) dir: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct Inspect {
    /// A component
    pub(crate) file: PathBuf,
}

fn principal(text: &str) -> Result<String, String> {
    if malla_policy::is_principal(text) {
        return Ok(text.to_owned());
    }
    Err("write user:NAME, service:NAME, plugin:DOMAIN or role:NAME".to_owned())
}

fn job(text: &str) -> Result<String, String> {
    let plain = |part: &str| {
        !part.is_empty()
            && part
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-')
    };
    match text.split_once('.') {
        Some((domain, name)) if plain(domain) && plain(name) => Ok(text.to_owned()),
        _ => Err("write DOMAIN.NAME; `malla jobs` lists them".to_owned()),
    }
}

fn purpose(text: &str) -> Result<String, String> {
    if malla_policy::is_plain(text) {
        return Ok(text.to_owned());
    }
    Err("write a word, without `*` or control characters".to_owned())
}

fn public_key(text: &str) -> Result<PublicKey, String> {
    PublicKey::from_hex(text)
        .ok_or_else(|| "it is no public key: write the 64 hex digits of audit.pub".to_owned())
}

fn anchor(text: &str) -> Result<Anchor, String> {
    text.parse().map_err(|_| {
        "it is no anchor: write the last line of an earlier verify, from the number on".to_owned()
    })
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        super::Cli::command().debug_assert();
    }
}
