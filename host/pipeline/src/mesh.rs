//! A mesh: its plugins, policies, keys, sandbox and lake, checked against each other.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use malla_audit::{AuditConfig, AuditLog, Kind, Outcome, Record};
use malla_contract::{Contract, Date};
use malla_lake::{Lake, WriterConfig};
use malla_policy::Policy;
use malla_privacy::KeyStore;
use malla_query::Spill;
use malla_sandbox::{CacheConfig, Limits, Sandbox, SandboxConfig};
use tokio::sync::Notify;

use crate::config::{Config, LimitsConfig};
use crate::error::{MeshError, Refusal};
use crate::judge::AskedAt;
use crate::metrics::Metrics;
use crate::plan::{Flow, Ingredients};
use crate::plugins::{Domain, Loader, Plugins, components, read};
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
    /// Told of every commit that lineage is to be told of.
    pub(crate) stamped: Notify,
    /// The name of the state folder among all hosts.
    pub(crate) host: String,
    /// When queries among the checks were asked last.
    pub(crate) asked: AskedAt,
    /// Where rows go that memory does not hold while a product is made of them.
    pub(crate) spill: Spill,
    pub(crate) plugins: Plugins,
    pub(crate) loader: Loader,
    keys: Arc<KeyStore>,
}

impl Mesh {
    /// Opens a mesh: keys, policies, sandbox, lake, and every plugin in the plugins folder.
    ///
    /// # Errors
    /// Something that the whole mesh needs is missing or invalid. A plugin that cannot be used is no error here: see
    /// [`Mesh::refused_plugins`].
    pub fn open(config: Config) -> Result<Self, MeshError> {
        let keys = Arc::new(KeyStore::load(&config.keys)?);
        let policies = Policies::load(&config.policies, config.state.join("policies"))?;
        let audit = Arc::new(open_audit(&config, &keys)?);
        let sandbox = Sandbox::new(sandbox_config(&config, &keys))?;
        let lake = Lake::open(&config.lake, WriterConfig::default())?;
        let loader = Loader {
            kept: config.state.join("plugins"),
            sandbox,
        };
        let spill = Spill::new(
            config.state.join("spill"),
            config.gold.spill_gib.saturating_mul(1 << 30),
        );
        let plugins = Plugins::load(&config.plugins, |path| {
            let loaded = loader.load(path);
            audit.record(load_record(path, loaded.as_ref()).with_policy(policies.current().digest()))?;
            Ok(loaded)
        })?;
        let host = crate::lineage::host(&config.state).map_err(|source| MeshError::State {
            path: config.state.join("host"),
            source,
        })?;
        let mesh = Self {
            config,
            lake,
            policies,
            audit,
            metrics: Metrics::new()?,
            committed: Notify::new(),
            stamped: Notify::new(),
            host,
            asked: AskedAt::default(),
            spill,
            plugins,
            loader,
            keys,
        };
        mesh.check_schedules()?;
        Ok(mesh)
    }

    /// Everything that cannot run, and why: plugins and single flows.
    #[must_use]
    pub fn problems(&self) -> Vec<String> {
        let fleet = self.plugins.fleet();
        let flows = self.flows(None).unwrap_or_default();
        let gold = self.gold(None).into_iter().filter_map(Result::err);
        let none = fleet.is_empty().then(|| MeshError::NoPlugins {
            path: self.config.plugins.clone(),
        });
        none.iter()
            .map(MeshError::to_string)
            .chain(fleet.refusals().iter().map(Refusal::to_string))
            .chain(gold.map(|refusal| refusal.to_string()))
            .chain(
                flows
                    .into_iter()
                    .filter_map(Result::err)
                    .map(|refusal| refusal.to_string()),
            )
            .collect()
    }

    /// Plugins that cannot be used, and why.
    #[must_use]
    pub fn refused_plugins(&self) -> Vec<String> {
        let fleet = self.plugins.fleet();
        fleet.refusals().iter().map(Refusal::to_string).collect()
    }

    /// The contracts of the plugins in use, in the order of their domains.
    #[must_use]
    pub fn contracts(&self) -> Arc<[Contract]> {
        Arc::clone(self.plugins.fleet().contracts())
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
        let fleet = self.plugins.fleet();
        if let Some(name) = only.filter(|name| fleet.domain(name).is_none()) {
            return Err(MeshError::UnknownDomain {
                domain: name.to_owned(),
                known: fleet.names(),
            });
        }
        Ok(fleet
            .domains()
            .filter(|domain| only.is_none_or(|only| only == domain.contract.domain))
            .flat_map(|domain| self.flows_of(domain))
            .collect())
    }

    /// The flows of one version of a domain's plugin, under the policy in force.
    pub(crate) fn flows_of(&self, domain: &Domain) -> Vec<Result<Flow, Refusal>> {
        let policy = self.policies.current();
        let sources = domain.contract.sources.iter();
        sources
            .map(|source| self.flow_under(&policy, domain, &source.name))
            .collect()
    }

    /// Where the journals of a source are.
    pub(crate) fn journals(&self, domain: &str, source: &str) -> PathBuf {
        self.config.state.join("sources").join(domain).join(source)
    }

    /// The flow of one source, by the plugin in use and under the policy in force.
    pub(crate) fn flow_of(&self, domain: &str, source: &str) -> Result<Flow, Refusal> {
        let fleet = self.plugins.fleet();
        let of = fleet.domain(domain).ok_or_else(|| Refusal::NoSource {
            domain: domain.to_owned(),
            source_name: source.to_owned(),
        })?;
        self.flow_under(&self.policies.current(), of, source)
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

    /// The same flow by the plugin in use and under the policy in force now. `None`: nobody has such a source any more.
    pub(crate) fn replan(&self, flow: &Flow) -> Option<Result<Flow, Refusal>> {
        let fleet = self.plugins.fleet();
        let domain = fleet.domain(&flow.domain)?;
        domain.contract.source(&flow.source.name)?;
        Some(self.flow_under(&self.policies.current(), domain, &flow.source.name))
    }

    /// The flow as it was under an earlier version of its plugin and an earlier policy, to complete what these began.
    pub(crate) fn flow_as_of(&self, flow: &Flow, plugin: &str, policy: &str) -> Option<Flow> {
        let policy = self.policies.of_digest(policy)?;
        let fleet = self.plugins.fleet();
        let domain = match fleet.domain(&flow.domain) {
            Some(domain) if domain.plugin.digest() == plugin => Arc::clone(domain),
            _ => {
                let kept = self.loader.load(&self.loader.copy(plugin)).ok()?;
                if kept.plugin.digest() != plugin {
                    return None;
                }
                Arc::new(kept)
            }
        };
        self.flow_under(&policy, &domain, &flow.source.name).ok()
    }
}

/// What is recorded of a component that was loaded, or could not be.
pub(crate) fn load_record(path: &Path, loaded: Result<&Domain, &Refusal>) -> Record {
    match loaded {
        Ok(domain) => Record::new(Kind::Load, path.display().to_string(), Outcome::Done)
            .with_principal(format!("plugin:{}", domain.contract.domain))
            .with_detail("version", &domain.contract.version)
            .with_detail("digest", domain.plugin.digest()),
        Err(refusal) => {
            Record::new(Kind::Load, path.display().to_string(), Outcome::Deny).with_detail("why", refusal)
        }
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
