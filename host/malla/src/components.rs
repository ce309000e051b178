//! The components in a folder.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use malla_contract::Contract;

/// A plugin as it is on the disk.
pub(crate) struct Component {
    pub(crate) file: PathBuf,
    pub(crate) bytes: Vec<u8>,
    pub(crate) contract: Contract,
}

/// The components in a folder, by their names; none where there is no folder.
pub(crate) fn inside(folder: &Path) -> Result<Vec<Component>> {
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder)
        .map(|entries| entries.filter_map(|entry| Some(entry.ok()?.path())).collect())
        .unwrap_or_default();
    files.retain(|file| file.extension().is_some_and(|extension| extension == "wasm"));
    files.sort();
    files.into_iter().map(load).collect()
}

/// The domain and name of each source that they read.
pub(crate) fn sources(components: &[Component]) -> Vec<(&str, &str)> {
    components
        .iter()
        .flat_map(|component| {
            let domain = component.contract.domain.as_str();
            let sources = component.contract.sources.iter();
            sources.map(move |source| (domain, source.name.as_str()))
        })
        .collect()
}

fn load(file: PathBuf) -> Result<Component> {
    let bytes = std::fs::read(&file).with_context(|| format!("cannot read `{}`", file.display()))?;
    let yaml = malla_contract::extract(&bytes).with_context(|| file.display().to_string())?;
    let contract = Contract::parse(&yaml).with_context(|| file.display().to_string())?;
    Ok(Component {
        file,
        bytes,
        contract,
    })
}
