//! The Wasm components that the demo, the tests and the benches run.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::machine;
use crate::shell::{Profile, root, target};

/// Builds the example plugins, and puts them where `malla demo` looks: in `plugins` beside the executable.
pub(crate) fn build_plugins(profile: Profile) -> Result<PathBuf> {
    machine::wasm()?;
    let folder = profile.folder().join("plugins");
    std::fs::create_dir_all(&folder)?;
    for domain in ["ventas"] {
        build(&root().join("plugins").join(domain), &folder.join(format!("{domain}.wasm")))?;
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
pub(crate) fn build_evil() -> Result<PathBuf> {
    machine::wasm()?;
    let to = target().join("guests").join("evil.wasm");
    build(&root().join("tests/evil"), &to)?;
    Ok(to)
}

fn build(dir: &Path, to: &Path) -> Result<()> {
    eprintln!("== build {}", dir.display());
    let report = malla_toolchain::build(dir).with_context(|| format!("cannot build {}", dir.display()))?;
    if let Some(folder) = to.parent() {
        std::fs::create_dir_all(folder)?;
    }
    std::fs::copy(&report.component, to).with_context(|| format!("cannot write {}", to.display()))?;
    Ok(())
}
