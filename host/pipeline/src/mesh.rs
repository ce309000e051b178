//! A mesh: its plugins, policies, keys, sandbox and lake, checked against each other.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use malla_audit::{AuditConfig, AuditLog, Kind, Outcome, Record};
use malla_contract::{Contract, Date};
use malla_lake::{Lake, WriterConfig};
use malla_policy::Policy;
use malla_privacy::KeyStore;
use malla_sandbox::{CacheConfig, Limits, Plugin, PluginId, Sandbox, SandboxConfig};
use tokio::sync::Notify;

use crate::config::{Config, LimitsConfig};
use crate::error::{MeshError, Refusal};
use crate::kept::plain;
use crate::metrics::Metrics;
use crate::plan::{Flow, Ingredients};
use crate::policies::Policies;
use crate::quarantine::day;

/// Everything that data needs to move. What is missing something is refused and named; the rest can run.
pub struct Mesh {
    pub(crate) config: Config,
    pub(crate) lake: Lake,
    pub(crate) policies: Policies,
    pub(crate) audit: Arc<AuditLog>,
    pub(crate) metrics: Metrics,
    /// Told of every commit to a curated table.
    pub(crate) committed: Notify,
    sandbox: Sandbox,
    keys: Arc<KeyStore>,
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
        let keys = Arc::new(KeyStore::load(&config.keys)?);
        let policies = Policies::load(&config.policies, config.state.join("policies"))?;
        let audit = Arc::new(open_audit(&config, &keys)?);
        let sandbox = Sandbox::new(sandbox_config(&config, &keys))?;
        let lake = Lake::open(&config.lake, WriterConfig::default())?;
        let components = components(&config.plugins)?;
        if components.is_empty() {
            return Err(MeshError::NoPlugins { path: config.plugins });
        }
        let mut mesh = Self {
            config,
            lake,
            policies,
            audit,
            metrics: Metrics::new()?,
            committed: Notify::new(),
            sandbox,
            keys,
            domains: BTreeMap::new(),
            refusals: Vec::new(),
        };
        for path in components {
            let loaded = mesh.load(&path);
            mesh.record_load(&path, loaded.as_ref())?;
            match loaded {
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
        mesh.check_schedules()?;
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
        let gold = self.gold(None).into_iter().filter_map(Result::err);
        self.refusals
            .iter()
            .map(Refusal::to_string)
            .chain(gold.map(|refusal| refusal.to_string()))
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

    pub(crate) fn loaded(&self) -> impl Iterator<Item = (&Contract, &Plugin)> {
        let domains = self.domains.values();
        domains.map(|domain| (&domain.contract, &domain.plugin))
    }

    /// What the mesh counts while it runs.
    #[must_use]
    pub fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    /// The policy in force.
    #[must_use]
    pub fn policy(&self) -> Policy {
        self.policies.current()
    }

    /// The mesh's keys.
    #[must_use]
    pub fn keys(&self) -> &Arc<KeyStore> {
        &self.keys
    }

    /// The record of what is decided.
    #[must_use]
    pub fn audit(&self) -> &Arc<AuditLog> {
        &self.audit
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

    /// The flow of one source, under the policy in force.
    pub(crate) fn flow_of(&self, domain: &str, source: &str) -> Result<Flow, Refusal> {
        let of = self.domains.get(domain).ok_or_else(|| Refusal::NoSource {
            domain: domain.to_owned(),
            source_name: source.to_owned(),
        })?;
        self.flow(of, source)
    }

    fn flow(&self, domain: &Domain, source: &str) -> Result<Flow, Refusal> {
        self.flow_under(&self.policies.current(), domain, source)
    }

    fn flow_under(&self, policy: &Policy, domain: &Domain, source: &str) -> Result<Flow, Refusal> {
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
        let place = place.ok_or_else(missing)?.clone();
        let source = contract.source(source).ok_or_else(missing)?;
        let flow = Ingredients {
            contract,
            plugin,
            policy,
            keys: &self.keys,
            today: today(),
        }
        .flow(source, place)?;
        flow.probe()?;
        Ok(flow)
    }

    /// The same flow under the policy in force now.
    pub(crate) fn replan(&self, flow: &Flow) -> Result<Flow, Refusal> {
        self.flow_of(&flow.domain, &flow.source.name)
    }

    fn record_load(&self, path: &Path, loaded: Result<&Domain, &Refusal>) -> Result<(), MeshError> {
        let record = match loaded {
            Ok(domain) => Record::new(Kind::Load, path.display().to_string(), Outcome::Done)
                .with_principal(format!("plugin:{}", domain.contract.domain))
                .with_detail("version", &domain.contract.version)
                .with_detail("digest", domain.plugin.digest()),
            Err(refusal) => {
                Record::new(Kind::Load, path.display().to_string(), Outcome::Deny).with_detail("why", refusal)
            }
        };
        Ok(self
            .audit
            .record(record.with_policy(self.policies.current().digest()))?)
    }

    /// The flow as it was under an earlier version of its plugin and an earlier policy, to complete what these began.
    pub(crate) fn flow_as_of(&self, flow: &Flow, plugin: &str, policy: &str) -> Option<Flow> {
        let policy = self.policies.of_digest(policy)?;
        let kept;
        let domain = match self.domains.get(&flow.domain) {
            Some(domain) if domain.plugin.digest() == plugin => domain,
            _ => {
                kept = self.load(&self.kept(plugin)).ok()?;
                if kept.plugin.digest() != plugin {
                    return None;
                }
                &kept
            }
        };
        self.flow_under(&policy, domain, &flow.source.name).ok()
    }

    /// Loads a component, and keeps a copy: a crash may have to be completed by the version that was running.
    fn load(&self, path: &Path) -> Result<Domain, Refusal> {
        let (bytes, contract) = read(path)?;
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

    pub(crate) fn keep_copy(&self, path: &Path, bytes: &[u8]) -> std::io::Result<()> {
        keep(path, bytes)
    }

    pub(crate) fn kept(&self, digest: &str) -> PathBuf {
        let name = format!("{}.wasm", plain(digest));
        self.config.state.join("plugins").join(name)
    }
}

/// The audit log of a mesh.
///
/// # Errors
/// It cannot be written, or its end is damaged.
pub fn open_audit(config: &Config, keys: &KeyStore) -> Result<AuditLog, MeshError> {
    Ok(AuditLog::open(
        &config.audit(),
        keys.audit_key(),
        AuditConfig::default(),
    )?)
}

/// The contracts of the components in the plugins folder, read without running or compiling them, and what is wrong with
/// the rest.
///
/// # Errors
/// The folder cannot be read.
pub fn contracts(config: &Config) -> Result<(Vec<Contract>, Vec<Refusal>), MeshError> {
    let mut contracts = Vec::new();
    let mut refusals = Vec::new();
    for path in components(&config.plugins)? {
        match read(&path) {
            Ok((_, contract)) => contracts.push(contract),
            Err(refusal) => refusals.push(refusal),
        }
    }
    Ok((contracts, refusals))
}

/// Today, in UTC.
#[must_use]
pub fn today() -> Date {
    Date::from_days(day(chrono::Utc::now().timestamp_micros()))
}

fn keep(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)?;
    }
    let half = path.with_extension("tmp");
    std::fs::write(&half, bytes)?;
    std::fs::rename(half, path)
}

/// A component's bytes and its contract.
fn read(path: &Path) -> Result<(Vec<u8>, Contract), Refusal> {
    let bytes = std::fs::read(path).map_err(|source| Refusal::Unreadable {
        path: path.to_owned(),
        source,
    })?;
    let yaml = malla_contract::extract(&bytes).map_err(|source| Refusal::Component {
        path: path.to_owned(),
        source,
    })?;
    let contract = Contract::parse(&yaml).map_err(|source| Refusal::Contract {
        path: path.to_owned(),
        source,
    })?;
    if contract.domain == crate::runs::DOMAIN {
        return Err(Refusal::ReservedDomain {
            path: path.to_owned(),
        });
    }
    Ok((bytes, contract))
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
