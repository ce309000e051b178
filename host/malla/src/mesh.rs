//! Making a mesh's folder.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use malla_privacy::KeyStore;

use crate::terminal;

/// Makes a mesh with a place for each of `sources` (domain and name). Returns the path of its malla.toml.
pub(crate) fn create(dir: &Path, sources: &[(&str, &str)]) -> Result<PathBuf> {
    let config = dir.join("malla.toml");
    if config.exists() {
        bail!("`{}` is a mesh already: it has a malla.toml", dir.display());
    }
    let folder = |path: PathBuf| {
        std::fs::create_dir_all(&path).with_context(|| format!("cannot create `{}`", path.display()))
    };
    for name in ["plugins", "policies", "state", "lake"] {
        folder(dir.join(name))?;
    }
    for (domain, source) in sources {
        folder(dir.join("sources").join(domain).join(source))?;
    }
    let domains: BTreeSet<&str> = sources.iter().map(|(domain, _)| *domain).collect();
    policies(&dir.join("policies"), &domains)?;
    let keys = dir.join("keys").join("malla.keys");
    // Data sealed with a key that is gone is gone: keys that are there stay.
    if !keys.exists() {
        KeyStore::create(&keys)?;
    }
    // Last, so that a folder with a malla.toml is a whole mesh.
    write(&config, &malla_pipeline::template(sources))?;
    Ok(config)
}

/// The policies that a new mesh with these domains starts with. Whoever makes it runs it.
fn policies(dir: &Path, domains: &BTreeSet<&str>) -> Result<()> {
    let theirs = malla_policy::DOMAIN_TEMPLATES
        .into_iter()
        .filter(|(domain, ..)| domains.contains(domain))
        .map(|(_, name, text)| (name, text));
    for (name, text) in malla_policy::TEMPLATE.into_iter().chain(theirs) {
        let path = dir.join(name);
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder)
                .with_context(|| format!("cannot create `{}`", folder.display()))?;
        }
        if name == malla_policy::GROUPS_FILE {
            let maker = terminal::user();
            write(
                &path,
                &format!("{text}\n# Who made this mesh.\ng, {maker}, role:plataforma, *\n"),
            )?;
        } else {
            write(&path, text)?;
        }
    }
    Ok(())
}

fn write(path: &Path, text: &str) -> Result<()> {
    if path.exists() {
        return Ok(());
    }
    std::fs::write(path, text).with_context(|| format!("cannot write `{}`", path.display()))
}
