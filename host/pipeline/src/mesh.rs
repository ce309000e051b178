//! A mesh: its plugins, policies, keys, sandbox and lake, checked against each other.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use malla_contract::Contract;
use malla_lake::{Lake, WriterConfig};
use malla_policy::Policy;
use malla_privacy::KeyStore;
use malla_sandbox::{CacheConfig, Limits, Plugin, PluginId, Sandbox, SandboxConfig};

use crate::config::{Config, LimitsConfig};
use crate::error::{MeshError, Refusal};
use crate::plan::{Flow, Ingredients};

/// Everything that data needs to move. What is missing something is refused and named; the rest can run.
pub struct Mesh {
    pub(crate) config: Config,
    pub(crate) lake: Lake,
    sandbox: Sandbox,
    policy: Policy,
    keys: KeyStore,
    domains: BTreeMap<String, Domain>,
    refusals: Vec<Refusal>,
}

struct Domain {
    path: PathBuf,
    contract: Contract,
    plugin: Plugin,
}

impl Mesh {
    /// Opens a mesh: keys, policies, sandbox, lake, and every plugin in the plugins folder.
    ///
    /// # Errors
    /// Something that the whole mesh needs is missing or invalid. A plugin that cannot be used is no error here: see
    /// [`Mesh::refusals`].
    pub fn open(config: Config) -> Result<Self, MeshError> {
        let keys = KeyStore::load(&config.keys)?;
        let policy = Policy::load(&config.policies)?;
        let sandbox = Sandbox::new(sandbox_config(&config, &keys))?;
        let lake = Lake::open(&config.lake, WriterConfig::default())?;
        let components = components(&config.plugins)?;
        if components.is_empty() {
            return Err(MeshError::NoPlugins { path: config.plugins });
        }
        let mut mesh = Self {
            config,
            lake,
            sandbox,
            policy,
            keys,
            domains: BTreeMap::new(),
            refusals: Vec::new(),
        };
        for path in components {
            match mesh.load(&path) {
                Ok(domain) => {
                    let name = domain.contract.domain.clone();
                    if let Some(first) = mesh.domains.get(&name) {
                        mesh.refusals.push(Refusal::TwoOfOneDomain {
                            domain: name,
                            first: first.path.clone(),
                            second: path,
                        });
                    } else {
                        mesh.domains.insert(name, domain);
                    }
                }
                Err(refusal) => mesh.refusals.push(refusal),
            }
        }
        Ok(mesh)
    }

    /// Plugins that cannot be used, and why.
    #[must_use]
    pub fn refusals(&self) -> &[Refusal] {
        &self.refusals
    }

    /// Everything that cannot run, and why: plugins and single flows.
    #[must_use]
    pub fn problems(&self) -> Vec<String> {
        let flows = self.flows(None).unwrap_or_default();
        self.refusals
            .iter()
            .map(Refusal::to_string)
            .chain(
                flows
                    .into_iter()
                    .filter_map(Result::err)
                    .map(|refusal| refusal.to_string()),
            )
            .collect()
    }

    /// The contracts of the plugins that were loaded, by domain.
    pub fn contracts(&self) -> impl Iterator<Item = &Contract> {
        self.domains.values().map(|domain| &domain.contract)
    }

    /// The mesh's tables.
    #[must_use]
    pub fn lake(&self) -> &Lake {
        &self.lake
    }

    /// The flows of one domain, or of all, each with the reason where it cannot run.
    pub(crate) fn flows(&self, only: Option<&str>) -> Result<Vec<Result<Flow, Refusal>>, MeshError> {
        if let Some(name) = only.filter(|name| !self.domains.contains_key(*name)) {
            return Err(MeshError::UnknownDomain {
                domain: name.to_owned(),
                known: self.domains.keys().cloned().collect::<Vec<_>>().join(", "),
            });
        }
        Ok(self
            .domains
            .iter()
            .filter(|(name, _)| only.is_none_or(|only| only == *name))
            .flat_map(|(_, domain)| {
                domain
                    .contract
                    .sources
                    .iter()
                    .map(|source| self.flow(domain, &source.name))
            })
            .collect())
    }

    fn flow(&self, domain: &Domain, source: &str) -> Result<Flow, Refusal> {
        let Domain { contract, plugin, .. } = domain;
        let missing = || Refusal::NoSource {
            domain: contract.domain.clone(),
            source_name: source.to_owned(),
        };
        let place = self
            .config
            .sources
            .get(&contract.domain)
            .and_then(|sources| sources.get(source));
        let directory = place.ok_or_else(missing)?.directory.clone();
        let source = contract.source(source).ok_or_else(missing)?;
        Ingredients {
            contract,
            plugin,
            policy: &self.policy,
            keys: &self.keys,
        }
        .flow(source, directory)
    }

    /// The flow as an earlier version of its plugin had it, to complete what that version began.
    pub(crate) fn flow_of_digest(&self, flow: &Flow, digest: &str) -> Option<Flow> {
        let domain = self.load(&self.kept(digest)).ok()?;
        self.flow(&domain, &flow.source.name).ok()
    }

    /// Loads a component, and keeps a copy: a crash may have to be completed by the version that was running.
    fn load(&self, path: &Path) -> Result<Domain, Refusal> {
        let unreadable = |source| Refusal::Unreadable {
            path: path.to_owned(),
            source,
        };
        let bytes = std::fs::read(path).map_err(unreadable)?;
        let yaml = malla_contract::extract(&bytes).map_err(|source| Refusal::Component {
            path: path.to_owned(),
            source,
        })?;
        let contract = Contract::parse(&yaml).map_err(|source| Refusal::Contract {
            path: path.to_owned(),
            source,
        })?;
        let id = PluginId::new(&contract.domain, contract.version.to_string());
        let plugin = self.sandbox.load(id, &bytes).map_err(|source| Refusal::Load {
            path: path.to_owned(),
            source,
        })?;
        let copy = self.kept(plugin.digest());
        if !copy.exists() {
            keep(&copy, &bytes).map_err(|source| Refusal::Unreadable {
                path: copy.clone(),
                source,
            })?;
        }
        Ok(Domain {
            path: path.to_owned(),
            contract,
            plugin,
        })
    }

    fn kept(&self, digest: &str) -> PathBuf {
        let name: String = digest.chars().filter(char::is_ascii_alphanumeric).collect();
        self.config.state.join("plugins").join(format!("{name}.wasm"))
    }
}

fn keep(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)?;
    }
    let half = path.with_extension("tmp");
    std::fs::write(&half, bytes)?;
    std::fs::rename(half, path)
}

fn components(folder: &Path) -> Result<Vec<PathBuf>, MeshError> {
    let unreadable = |source| MeshError::Plugins {
        path: folder.to_owned(),
        source,
    };
    let mut components = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(unreadable)? {
        let path = entry.map_err(unreadable)?.path();
        if path.extension().is_some_and(|extension| extension == "wasm") {
            components.push(path);
        }
    }
    components.sort();
    Ok(components)
}

fn sandbox_config(config: &Config, keys: &KeyStore) -> SandboxConfig {
    SandboxConfig::default()
        .with_limits(limits(&config.limits))
        .with_cache(CacheConfig {
            dir: config.state.join("compiled"),
            key: keys.component_cache_key(),
        })
}

fn limits(config: &LimitsConfig) -> Limits {
    let seconds = |seconds: f64| Duration::try_from_secs_f64(seconds).ok();
    let mib = |mib: u64| mib.saturating_mul(1 << 20);
    let mut limits = Limits::default();
    if let Some(memory) = config.memory_mib {
        limits = limits.with_memory(mib(memory));
    }
    if let Some(fuel) = config.fuel {
        limits = limits.with_fuel(fuel);
    }
    if let Some(wall_clock) = config.wall_clock_seconds.and_then(seconds) {
        limits = limits.with_wall_clock(wall_clock);
    }
    if let Some(output) = config.output_mib {
        limits = limits.with_output_bytes(mib(output));
    }
    if let Some(rows) = config.output_rows {
        limits = limits.with_output_rows(rows);
    }
    if let Some(lines) = config.log_lines {
        limits = limits.with_log_lines(lines);
    }
    if let Some(kib) = config.log_kib {
        limits = limits.with_log_bytes(kib.saturating_mul(1024));
    }
    if let Some(compile) = config.compile_seconds.and_then(seconds) {
        limits = limits.with_compile_time(compile);
    }
    limits
}
