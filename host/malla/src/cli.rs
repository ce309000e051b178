//! The command line.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

/// Run domain teams' data transformations as sandboxed Wasm plugins between sources and a Delta lakehouse.
///
/// A mesh is a folder with a malla.toml: sources, plugins, policies, keys and a lake. Each plugin is one .wasm file, code
/// and data contract together. The host reads the sources, runs the plugins, masks what policy says, and commits every
/// event to the lake exactly once.
///
/// Exit status: 0 done, 1 failed, 2 wrong usage.
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
    /// Write realistic events into the sources, about one in a hundred dirty
    Simulate(Simulate),
    /// Ask the lake with SQL, read-only
    ///
    /// Tables: `ventas.transacciones` is a product, `ventas_raw.transacciones` the events as they came with personal
    /// columns sealed, `ventas_quarantine.transacciones` the lines that are in no product, and why.
    Query(Query),
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

#[derive(Debug, Args)]
pub(crate) struct Run {
    #[command(flatten)]
    pub(crate) config: Config,
    /// Only this domain
    #[arg(long, value_name = "D")]
    pub(crate) domain: Option<String>,
    /// Stop when the sources are drained
    #[arg(long)]
    pub(crate) once: bool,
    /// Print the result as JSON
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Simulate {
    #[command(flatten)]
    pub(crate) config: Config,
    /// How many events
    #[arg(long, value_name = "N")]
    pub(crate) events: u64,
    /// The same seed on an empty source gives the same events
    #[arg(long, value_name = "S", default_value_t = crate::commands::DEFAULT_SEED)]
    pub(crate) seed: u64,
    /// The domain whose source is written
    #[arg(long, value_name = "D", default_value = "ventas")]
    pub(crate) domain: String,
    /// Print the result as JSON
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Query {
    #[command(flatten)]
    pub(crate) config: Config,
    #[arg(long, value_enum, default_value_t = Format::Table)]
    pub(crate) format: Format,
    /// Rows at most; more are cut off, and said
    #[arg(long, value_name = "N", default_value_t = 10_000)]
    pub(crate) limit: usize,
    /// One query
    pub(crate) sql: String,
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
    /// Run its native tests, then the built component on its testdata/*.jsonl
    Test(PluginDir),
    /// Say what a component holds, without running it
    Inspect(Inspect),
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

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        super::Cli::command().debug_assert();
    }
}
