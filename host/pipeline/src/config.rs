//! `malla.toml`: where a mesh keeps its things, and its limits.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use malla_source::{KafkaConfig, SftpConfig};
use serde::Deserialize;

use crate::error::ConfigError;
use crate::maintain::{self, MaintenanceConfig, RetentionConfig};
use crate::schedule::{Schedules, place};

/// A mesh's configuration. Paths are relative to the folder of `malla.toml`; [`Config::load`] makes them absolute.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The lakehouse: a folder, or a URL such as `s3://bucket/prefix`.
    pub lake: String,
    /// Folder of components (`*.wasm`), one a domain.
    pub plugins: PathBuf,
    /// Folder of policies; `masks.toml` is in it.
    pub policies: PathBuf,
    /// The key store that `malla init` made.
    pub keys: PathBuf,
    /// What the host keeps for itself: source journals, compiled components.
    pub state: PathBuf,
    /// By domain, then by the source's name in the contract.
    #[serde(default)]
    pub sources: BTreeMap<String, BTreeMap<String, SourceConfig>>,
    /// How much goes through a plugin at once.
    #[serde(default)]
    pub batch: BatchConfig,
    /// When it is committed.
    #[serde(default)]
    pub commit: CommitConfig,
    /// When products that are made of others are made anew.
    #[serde(default)]
    pub gold: GoldConfig,
    /// When products are judged as a whole.
    #[serde(default)]
    pub quality: QualityConfig,
    /// By domain, then by the name of a source or gold product: when it runs, for how long, and how often it is tried.
    #[serde(default)]
    pub(crate) schedules: Schedules,
    /// How tables are kept small.
    #[serde(default)]
    pub maintenance: MaintenanceConfig,
    /// How long the host's own tables are kept.
    #[serde(default)]
    pub retention: RetentionConfig,
    /// What a batch may cost.
    #[serde(default)]
    pub limits: LimitsConfig,
    /// Where a running host tells of itself.
    #[serde(default)]
    pub admin: AdminConfig,
    /// Where events of lineage go: [`malla_lineage::Settings`].
    #[serde(default)]
    pub(crate) lineage: serde_json::Map<String, serde_json::Value>,
    /// The folder of the file.
    #[serde(skip)]
    pub(crate) folder: PathBuf,
}

/// Where a running host tells of itself.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AdminConfig {
    /// Address and port of `/metrics`. Absent: none.
    pub listen: Option<SocketAddr>,
}

/// Where a source's events come from: one of these.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SourceConfig {
    /// Folder whose sub-folders are partitions of append-only JSON Lines segments.
    Directory(PathBuf),
    /// A topic.
    Kafka(KafkaConfig),
    /// A folder on a server.
    Sftp(SftpConfig),
}

/// How much of a source goes through a plugin at once.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct BatchConfig {
    /// Lines at most.
    pub rows: usize,
    /// MiB of lines at most; a single line may exceed it.
    pub mib: usize,
}

/// When what was processed is committed.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CommitConfig {
    /// Commit when this many lines wait.
    pub rows: usize,
    /// Commit when lines have waited this many seconds.
    pub seconds: f64,
}

/// When products that are made of others are made anew.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct GoldConfig {
    /// Seconds between one time and the next at least.
    pub seconds: f64,
    /// Memory that making one may take.
    pub memory_mib: usize,
    /// What does not fit into it, sealed in the state folder while it is made.
    pub spill_gib: u64,
}

/// When products are judged by the checks that need a whole table.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct QualityConfig {
    /// Seconds between one time and the next at least.
    pub seconds: f64,
}

/// What one batch may cost in the sandbox. Absent: the sandbox's own default.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LimitsConfig {
    /// Linear memory.
    pub memory_mib: Option<u64>,
    /// Wasm instructions, nearly: the same batch always uses the same.
    pub fuel: Option<u64>,
    /// Time inside the plugin.
    pub wall_clock_seconds: Option<f64>,
    /// Computed columns.
    pub output_mib: Option<u64>,
    /// Rows that come out.
    pub output_rows: Option<u32>,
    /// Log lines that are kept.
    pub log_lines: Option<u64>,
    /// Log that is kept.
    pub log_kib: Option<u64>,
    /// Time to compile a component.
    pub compile_seconds: Option<f64>,
}

impl Default for BatchConfig {
    fn default() -> Self {
        Self {
            rows: 65_536,
            mib: 32,
        }
    }
}

impl Default for CommitConfig {
    fn default() -> Self {
        Self {
            rows: 500_000,
            seconds: 5.0,
        }
    }
}

impl Default for GoldConfig {
    fn default() -> Self {
        Self {
            seconds: 10.0,
            memory_mib: 512,
            spill_gib: 32,
        }
    }
}

impl Default for QualityConfig {
    fn default() -> Self {
        Self { seconds: 60.0 }
    }
}

impl QualityConfig {
    pub(crate) fn interval(&self) -> Duration {
        Duration::try_from_secs_f64(self.seconds).unwrap_or(Duration::from_secs(60))
    }
}

impl GoldConfig {
    pub(crate) fn interval(&self) -> Duration {
        Duration::try_from_secs_f64(self.seconds).unwrap_or(Duration::from_secs(10))
    }
}

impl CommitConfig {
    pub(crate) fn interval(&self) -> Duration {
        Duration::try_from_secs_f64(self.seconds).unwrap_or(Duration::from_secs(5))
    }
}

impl Config {
    /// Reads `malla.toml` and resolves its paths against the folder that it stands in.
    ///
    /// # Errors
    /// The file is missing, is no TOML, or holds an unknown or impossible setting; the error names file and line.
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        let text = std::fs::read_to_string(path).map_err(|source| ConfigError::Unreadable {
            path: path.to_owned(),
            source,
        })?;
        let mut config: Self = toml::from_str(&text).map_err(|error| ConfigError::Invalid {
            path: path.to_owned(),
            message: error.to_string(),
        })?;
        let folder = std::path::absolute(path).map_err(|source| ConfigError::Unreadable {
            path: path.to_owned(),
            source,
        })?;
        config.folder = folder.parent().unwrap_or(Path::new("/")).to_owned();
        let folder = config.folder.clone();
        config.resolve(&folder);
        place(&mut config.schedules, path, &text);
        config.check(path)?;
        Ok(config)
    }

    /// The folder of the audit log.
    #[must_use]
    pub fn audit(&self) -> PathBuf {
        self.state.join("audit")
    }

    fn resolve(&mut self, folder: &Path) {
        if !self.lake.contains("://") {
            self.lake = folder.join(&self.lake).to_string_lossy().into_owned();
        }
        for path in [
            &mut self.plugins,
            &mut self.policies,
            &mut self.keys,
            &mut self.state,
        ] {
            *path = folder.join(&*path);
        }
        for source in self.sources.values_mut().flat_map(BTreeMap::values_mut) {
            match source {
                SourceConfig::Directory(directory) => *directory = folder.join(&*directory),
                SourceConfig::Kafka(_) => {}
                SourceConfig::Sftp(sftp) => {
                    sftp.key_file = sftp.key_file.as_ref().map(|path| folder.join(path));
                }
            }
        }
    }

    fn check(&self, path: &Path) -> Result<(), ConfigError> {
        let bad = |message: &str| {
            Err(ConfigError::Invalid {
                path: path.to_owned(),
                message: message.to_owned(),
            })
        };
        if self.batch.rows == 0 || self.batch.rows > 1 << 20 {
            return bad("`batch.rows` must be between 1 and 1048576");
        }
        if self.batch.mib == 0 || self.batch.mib > 1024 {
            return bad("`batch.mib` must be between 1 and 1024");
        }
        if self.commit.rows == 0 {
            return bad("`commit.rows` must be at least 1");
        }
        if !(self.commit.seconds > 0.0 && self.commit.seconds <= 3600.0) {
            return bad("`commit.seconds` must be above 0 and at most 3600");
        }
        if !(self.gold.seconds >= 0.0 && self.gold.seconds <= 86_400.0) {
            return bad("`gold.seconds` must be 0 to 86400");
        }
        if !(64..=1 << 20).contains(&self.gold.memory_mib) {
            return bad("`gold.memory_mib` must be 64 to 1048576");
        }
        if !(self.quality.seconds >= 1.0 && self.quality.seconds <= 86_400.0) {
            return bad("`quality.seconds` must be 1 to 86400");
        }
        if let Err(wrong) = self.maintenance.check().and_then(|()| self.retention.check()) {
            return bad(wrong);
        }
        if let Err(error) = malla_lineage::Settings::check(&self.lineage) {
            return bad(&error.to_string());
        }
        for (domain, sources) in &self.sources {
            for (source, place) in sources {
                let (kind, checked) = match place {
                    SourceConfig::Directory(_) => continue,
                    SourceConfig::Kafka(kafka) => ("kafka", kafka.check()),
                    SourceConfig::Sftp(sftp) => ("sftp", sftp.check()),
                };
                if let Err(error) = checked {
                    return bad(&format!("[sources.{domain}.{source}.{kind}]: {error}"));
                }
            }
        }
        for (name, seconds) in [
            ("limits.wall_clock_seconds", self.limits.wall_clock_seconds),
            ("limits.compile_seconds", self.limits.compile_seconds),
        ] {
            if seconds.is_some_and(|s| !(s > 0.0 && s <= 3600.0)) {
                return bad(&format!("`{name}` must be above 0 and at most 3600"));
            }
        }
        Ok(())
    }
}

/// The text of `malla.toml` for a new mesh, with one source a line in `sources`.
#[must_use]
pub fn template(sources: &[(&str, &str)]) -> String {
    let mut text = TEMPLATE.replace("{MAINTENANCE}", maintain::TEMPLATE.trim_end());
    for (domain, source) in sources {
        text.push_str(&format!(
            "\n[sources.{domain}.{source}]\ndirectory = \"sources/{domain}/{source}\"\n"
        ));
    }
    text
}

const TEMPLATE: &str = r#"# A mesh. Paths are relative to this file.

lake = "lake"                 # a folder, or a URL such as s3://bucket/prefix
plugins = "plugins"           # one component (.wasm) a domain
policies = "policies"         # masks.toml
keys = "keys/malla.keys"      # made by `malla init`, mode 0600: back it up
state = "state"               # source journals and compiled components

[batch]
rows = 65536                  # lines that go through a plugin at once
mib = 32

[commit]
rows = 500000                 # commit when this many lines wait ..
seconds = 5.0                 # .. or when they have waited this long

[gold]
seconds = 10.0                # products made of others are made anew at most this often
memory_mib = 512              # one at a time, within this; rows beyond it go, sealed, into `state`
spill_gib = 32                # .. up to this

[quality]
seconds = 60.0                # checks that need a whole table are run at most this often

# When a source is read, or a gold product made, at a time of day: the others are followed, or made after what they are
# made of. `malla jobs` lists them all.
# [schedules.<domain>]
# <name> = { cron = "0 3 * * *", timezone = "UTC", timeout = "30m", retries = 3, retry_delay = "30s" }

{MAINTENANCE}

# [limits]                    # what one batch may cost in the sandbox
# memory_mib = 256
# wall_clock_seconds = 10.0
# fuel, output_mib, output_rows, log_lines, log_kib, compile_seconds

# [lineage]                   # events of OpenLineage, as OPENLINEAGE_URL and openlineage.yml set them too
# transport = { type = "http", url = "http://marquez:5000" }  # key: OPENLINEAGE_API_KEY; or type = "file", path = "lineage.jsonl"
# spool_mib = 64              # of events that wait while the collector is down; the rest is read from the lake's log later

# [admin]
# listen = "127.0.0.1:9464"   # /metrics, for Prometheus; no log-in, so for those who run the host alone

# Where each source of a contract comes from: a folder whose sub-folders are partitions of JSON Lines files.
# [sources.<domain>.<source>]
# directory = "sources/<domain>/<source>"
#
# Or a topic. The settings are librdkafka's; a secret is read from the environment.
# [sources.<domain>.<source>.kafka]
# topic = "<domain>.<source>"
# start = "earliest"          # or latest, or a time: where a partition begins that no table knows
# [sources.<domain>.<source>.kafka.settings]
# "bootstrap.servers" = "broker:9092"
# "security.protocol" = "sasl_ssl"
# "sasl.password" = { env = "KAFKA_PASSWORD" }
# [sources.<domain>.<source>.kafka.schema_registry]  # for Avro whose messages name their schema
# url = "https://registry.example.com"               # and user, password = { env = ".." }
#
# Or a folder on a server, whose files are read once each.
# [sources.<domain>.<source>.sftp]
# host = "sftp.example.com"
# host_key = "SHA256:.."      # as the server's owner reads it with `ssh-keygen -l`
# user = "malla"
# key_file = "keys/sftp"      # or key = { env = ".." }, or password = { env = ".." }
# folder = "/salida"
# files = "*.jsonl"
# archive = "/salida/leidos"  # files stay where they are without it
"#;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_template_loads_and_its_paths_are_absolute() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("malla.toml");
        std::fs::write(&path, template(&[("ventas", "transacciones")])).unwrap();
        let config = Config::load(&path).unwrap();
        assert_eq!(config.lake, dir.path().join("lake").to_string_lossy());
        let SourceConfig::Directory(directory) = &config.sources["ventas"]["transacciones"] else {
            panic!("a directory");
        };
        assert_eq!(*directory, dir.path().join("sources/ventas/transacciones"));
    }

    #[test]
    fn a_topic_is_a_source_and_what_cannot_work_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("malla.toml");
        let kafka = |rest: &str| {
            let table = "\n[sources.ventas.transacciones.kafka]\ntopic = \"ventas\"\n";
            std::fs::write(&path, template(&[]) + table + rest).unwrap();
            Config::load(&path)
        };
        let settings = "[sources.ventas.transacciones.kafka.settings]\n\"bootstrap.servers\" = \"h:1\"\n";
        let config = kafka(&format!(
            "start = \"latest\"\n{settings}\"sasl.password\" = {{ env = \"P\" }}\n"
        ));
        assert!(matches!(
            config.unwrap().sources["ventas"]["transacciones"],
            SourceConfig::Kafka(_)
        ));
        for (text, named) in [
            ("", "settings"),
            (
                "[sources.ventas.transacciones.kafka.settings]\n",
                "bootstrap.servers",
            ),
            (&format!("start = \"ayer\"\n{settings}"), "earliest"),
            (
                &format!("{settings}\"enable.auto.commit\" = true\n"),
                "enable.auto.commit",
            ),
            (&format!("topik = \"x\"\n{settings}"), "topik"),
        ] {
            let error = kafka(text).unwrap_err().to_string();
            assert!(error.contains(named), "{error}");
        }
    }

    #[test]
    fn an_unknown_setting_names_file_and_line() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("malla.toml");
        std::fs::write(&path, template(&[]).replace("[commit]", "[comit]")).unwrap();
        let message = Config::load(&path).unwrap_err().to_string();
        assert!(message.contains("malla.toml"), "{message}");
        assert!(message.contains("comit"), "{message}");
        assert!(message.contains("line 13"), "{message}");
    }

    #[test]
    fn impossible_values_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("malla.toml");
        for (from, to) in [
            ("rows = 65536", "rows = 0"),
            ("mib = 32", "mib = 0"),
            ("rows = 500000", "rows = 0"),
            ("seconds = 5.0", "seconds = -1.0"),
            ("seconds = 5.0", "seconds = nan"),
            ("seconds = 60.0", "seconds = 0.0"),
            ("memory_mib = 512", "memory_mib = 0"),
            ("keep_hours = 168.0", "keep_hours = 0.5"),
            ("# [retention] ", "[retention]\nraw_days = 0 #"),
        ] {
            std::fs::write(&path, template(&[]).replacen(from, to, 1)).unwrap();
            assert!(Config::load(&path).is_err(), "{to}");
        }
    }
}
