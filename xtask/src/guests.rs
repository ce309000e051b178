//! The Wasm components that the demo, the tests and the benches run.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use malla_toolchain::{BuildReport, PluginDir};

use crate::machine;
use crate::shell::{Profile, root, target};

/// The example plugins, by their folders in `plugins`: those with a contract.
pub(crate) fn domains() -> Result<Vec<String>> {
    let folder = root().join("plugins");
    let mut domains = Vec::new();
    for entry in std::fs::read_dir(&folder).with_context(|| format!("cannot read {}", folder.display()))? {
        let entry = entry?;
        if entry.path().join("contract.yaml").is_file() {
            domains.push(entry.file_name().to_string_lossy().into_owned());
        }
    }
    domains.sort();
    Ok(domains)
}

/// Builds the example plugins, and puts them where `malla demo` looks: in `plugins` beside the executable.
pub(crate) fn build_plugins(profile: Profile) -> Result<PathBuf> {
    machine::wasm()?;
    let folder = profile.folder().join("plugins");
    std::fs::create_dir_all(&folder)?;
    for domain in domains()? {
        build(
            &root().join("plugins").join(&domain),
            &folder.join(format!("{domain}.wasm")),
        )?;
    }
    Ok(folder)
}

/// The plugins, and the guests that only tests run.
pub(crate) fn build_all(profile: Profile) -> Result<PathBuf> {
    let plugins = build_plugins(profile)?;
    build_evil()?;
    Ok(plugins)
}

/// The hostile guest. It is no plugin: it has no contract.
fn build_evil() -> Result<()> {
    let dir = root().join("tests/evil");
    let report = at(&dir)
        .build_guest()
        .with_context(|| format!("cannot build {}", dir.display()))?;
    put(&report, &target().join("guests/evil.wasm"))
}

fn build(dir: &Path, to: &Path) -> Result<()> {
    let report = at(dir)
        .build()
        .with_context(|| format!("cannot build {}", dir.display()))?;
    put(&report, to)
}

/// All guests share a target folder: Rust's standard library is built once for them.
fn at(dir: &Path) -> PluginDir {
    eprintln!("== build {}", dir.strip_prefix(root()).unwrap_or(dir).display());
    PluginDir::at(dir).with_target_dir(&target().join("wasm"))
}

fn put(report: &BuildReport, to: &Path) -> Result<()> {
    if let Some(folder) = to.parent() {
        std::fs::create_dir_all(folder)?;
    }
    std::fs::copy(&report.component, to).with_context(|| format!("cannot write {}", to.display()))?;
    Ok(())
}
