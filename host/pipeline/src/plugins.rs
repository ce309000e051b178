//! The plugins of a mesh: those in the plugins folder, and what becomes of a running mesh when the folder changes.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use malla_contract::{Contract, Product};
use malla_lake::{LakeError, Layer, TableId};
use malla_sandbox::{Plugin, PluginId, Sandbox};
use tokio::sync::watch;

use crate::error::{MeshError, Refusal};
use crate::kept::plain;

/// One version of one domain's plugin.
pub(crate) struct Domain {
    pub(crate) path: PathBuf,
    pub(crate) contract: Contract,
    pub(crate) plugin: Plugin,
}

/// The plugins that are in use at one time.
pub(crate) struct Fleet {
    domains: BTreeMap<String, Arc<Domain>>,
    contracts: Arc<[Contract]>,
    refusals: Vec<Refusal>,
}

impl Fleet {
    fn new(domains: BTreeMap<String, Arc<Domain>>, refusals: Vec<Refusal>) -> Self {
        Self {
            contracts: domains.values().map(|domain| domain.contract.clone()).collect(),
            domains,
            refusals,
        }
    }

    pub(crate) fn domain(&self, name: &str) -> Option<&Arc<Domain>> {
        self.domains.get(name)
    }

    pub(crate) fn domains(&self) -> impl Iterator<Item = &Arc<Domain>> {
        self.domains.values()
    }

    /// Whether there is neither a plugin nor a file that should be one.
    pub(crate) fn is_empty(&self) -> bool {
        self.domains.is_empty() && self.refusals.is_empty()
    }

    pub(crate) fn names(&self) -> String {
        self.domains.keys().cloned().collect::<Vec<_>>().join(", ")
    }

    pub(crate) fn contracts(&self) -> &Arc<[Contract]> {
        &self.contracts
    }

    pub(crate) fn refusals(&self) -> &[Refusal] {
        &self.refusals
    }

    /// Whether it has just this version of a domain's plugin.
    pub(crate) fn has(&self, domain: &str, digest: &str) -> bool {
        self.domain(domain)
            .is_some_and(|domain| domain.plugin.digest() == digest)
    }

    /// The same with another version of one domain's plugin.
    pub(crate) fn with(&self, domain: Arc<Domain>) -> Self {
        let mut domains = self.domains.clone();
        domains.insert(domain.contract.domain.clone(), domain);
        Self::new(domains, Vec::new())
    }

    /// The same without one domain.
    pub(crate) fn without(&self, domain: &str) -> Self {
        let mut domains = self.domains.clone();
        domains.remove(domain);
        Self::new(domains, Vec::new())
    }
}

/// What a look at the plugins folder found, file by file.
pub(crate) enum Swap {
    /// A version took the place of another, or of none.
    Live {
        domain: Arc<Domain>,
        /// Digest of the one before.
        before: Option<String>,
    },
    /// The file cannot be used: what ran before goes on.
    Refused { path: PathBuf, why: String },
    /// The file of a domain is gone.
    Gone(Arc<Domain>),
}

/// Enough to see that a file is another one, without reading it.
type Files = BTreeMap<PathBuf, (u64, Option<SystemTime>)>;

pub(crate) struct Plugins {
    folder: PathBuf,
    fleet: watch::Sender<Arc<Fleet>>,
    seen: Mutex<Seen>,
}

struct Seen {
    files: Files,
    /// What the last look found, if it was new. A file that is still being copied is not one.
    settling: Option<Files>,
    /// Files that could not be used.
    refused: BTreeSet<PathBuf>,
}

impl Plugins {
    /// Loads every component of a folder.
    pub(crate) fn load(
        folder: &Path,
        load: impl Fn(&Path) -> Result<Result<Domain, Refusal>, MeshError>,
    ) -> Result<Self, MeshError> {
        let files = files(folder)?;
        let mut domains: BTreeMap<String, Arc<Domain>> = BTreeMap::new();
        let mut refusals = Vec::new();
        for path in files.keys() {
            match load(path)? {
                Ok(domain) => {
                    let name = domain.contract.domain.clone();
                    match domains.get(&name) {
                        Some(first) => refusals.push(Refusal::TwoOfOneDomain {
                            domain: name,
                            first: first.path.clone(),
                            second: path.clone(),
                        }),
                        None => drop(domains.insert(name, Arc::new(domain))),
                    }
                }
                Err(refusal) => refusals.push(refusal),
            }
        }
        Ok(Self {
            folder: folder.to_owned(),
            fleet: watch::Sender::new(Arc::new(Fleet::new(domains, refusals))),
            seen: Mutex::new(Seen {
                files,
                settling: None,
                refused: BTreeSet::new(),
            }),
        })
    }

    /// The plugins in use.
    pub(crate) fn fleet(&self) -> Arc<Fleet> {
        Arc::clone(&self.fleet.borrow())
    }

    /// Tells of every change that comes after now.
    pub(crate) fn watch(&self) -> watch::Receiver<Arc<Fleet>> {
        self.fleet.subscribe()
    }

    /// What could not be used may be now: the next look tries it again.
    pub(crate) fn try_again(&self) {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        for path in std::mem::take(&mut seen.refused) {
            seen.files.remove(&path);
        }
    }

    /// Looks at the folder, and takes into use what is new there if `admit` lets it. Blocks for as long as reading and
    /// compiling takes.
    pub(crate) fn look(
        &self,
        load: impl Fn(&Path) -> Result<Domain, Refusal>,
        admit: impl Fn(&Fleet, &Domain) -> Result<(), String>,
    ) -> Vec<Swap> {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        // A folder that cannot be read for a moment takes nothing out of use.
        let Ok(files) = files(&self.folder) else {
            return Vec::new();
        };
        if files == seen.files {
            seen.settling = None;
            return Vec::new();
        }
        if seen.settling.as_ref() != Some(&files) {
            seen.settling = Some(files);
            return Vec::new();
        }
        let mut fleet = self.fleet();
        let mut swaps = Vec::new();
        let news = files
            .iter()
            .filter(|(path, file)| seen.files.get(*path) != Some(file));
        let news: Vec<&PathBuf> = news.map(|(path, _)| path).collect();
        for path in news {
            let loaded = load(path).map_err(|refusal| refusal.to_string());
            let swap = loaded.and_then(|domain| {
                let before = fleet.domain(&domain.contract.domain).cloned();
                if let Some(other) = before
                    .as_ref()
                    .filter(|b| b.path != *path && files.contains_key(&b.path))
                {
                    return Err(Refusal::TwoOfOneDomain {
                        domain: domain.contract.domain.clone(),
                        first: other.path.clone(),
                        second: path.clone(),
                    }
                    .to_string());
                }
                admit(&fleet, &domain)?;
                Ok((Arc::new(domain), before))
            });
            swaps.push(match swap {
                Ok((domain, before)) => {
                    fleet = Arc::new(fleet.with(Arc::clone(&domain)));
                    Swap::Live {
                        domain,
                        before: before.map(|before| before.plugin.digest().to_owned()),
                    }
                }
                Err(why) => {
                    seen.refused.insert(path.clone());
                    Swap::Refused {
                        path: path.clone(),
                        why,
                    }
                }
            });
        }
        let gone: Vec<Arc<Domain>> = fleet
            .domains()
            .filter(|domain| !files.contains_key(&domain.path))
            .cloned()
            .collect();
        for domain in gone {
            fleet = Arc::new(fleet.without(&domain.contract.domain));
            swaps.push(Swap::Gone(domain));
        }
        (seen.files, seen.settling) = (files, None);
        if swaps.iter().any(|swap| !matches!(swap, Swap::Refused { .. })) {
            self.fleet.send_replace(fleet);
        }
        swaps
    }
}

/// Loads components, and keeps a copy of each: a crash may have to be completed by the version that was running.
pub(crate) struct Loader {
    pub(crate) sandbox: Sandbox,
    /// The folder of copies.
    pub(crate) kept: PathBuf,
}

impl Loader {
    pub(crate) fn load(&self, path: &Path) -> Result<Domain, Refusal> {
        let (bytes, contract) = read(path)?;
        let id = PluginId::new(&contract.domain, contract.version.to_string());
        let plugin = self.sandbox.load(id, &bytes).map_err(|source| Refusal::Load {
            path: path.to_owned(),
            source,
        })?;
        if let Some(function) = contract.functions.first().filter(|_| !plugin.has_functions()) {
            return Err(Refusal::NoFunctions {
                path: path.to_owned(),
                function: function.name.clone(),
            });
        }
        let copy = self.copy(plugin.digest());
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

    /// Where the copy of a version is.
    pub(crate) fn copy(&self, digest: &str) -> PathBuf {
        self.kept.join(format!("{}.wasm", plain(digest)))
    }
}

/// The table of a product: what SQL makes of products is kept apart from what steps make.
pub(crate) fn table_of(contract: &Contract, product: &Product) -> Result<TableId, LakeError> {
    let layer = match contract.gold(&product.name) {
        Some(_) => Layer::Gold,
        None => Layer::Curated,
    };
    TableId::new(&contract.domain, layer, &product.name)
}

/// Puts a file in its place at once, whole.
pub(crate) fn keep(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)?;
    }
    let half = path.with_extension(format!("tmp-{}", std::process::id()));
    std::fs::write(&half, bytes)?;
    std::fs::File::open(&half)?.sync_all()?;
    std::fs::rename(half, path)
}

/// A component's bytes and its contract.
pub(crate) fn read(path: &Path) -> Result<(Vec<u8>, Contract), Refusal> {
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

/// The components in a folder, in the order of their names.
pub(crate) fn components(folder: &Path) -> Result<Vec<PathBuf>, MeshError> {
    Ok(files(folder)?.into_keys().collect())
}

fn files(folder: &Path) -> Result<Files, MeshError> {
    let unreadable = |source| MeshError::Plugins {
        path: folder.to_owned(),
        source,
    };
    let mut found = Files::new();
    for entry in std::fs::read_dir(folder).map_err(unreadable)? {
        let entry = entry.map_err(unreadable)?;
        let path = entry.path();
        if path.extension().is_some_and(|extension| extension == "wasm") {
            // A file that goes in this moment is not there.
            if let Ok(metadata) = std::fs::metadata(&path) {
                found.insert(path, (metadata.len(), metadata.modified().ok()));
            }
        }
    }
    Ok(found)
}
