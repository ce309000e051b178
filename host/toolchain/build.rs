//! Collects the SDK as a small workspace of its own, so that the binary can hand it to plugins: until it is published,
//! that is where they get it from.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs};

use toml::{Table, Value};

/// The crates that a plugin needs, at their places in the repository.
const CRATES: [&str; 3] = ["host/contract", "sdk/rust", "sdk/rust/macros"];

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

fn main() -> Result<()> {
    let root = PathBuf::from(env::var("CARGO_MANIFEST_DIR")?)
        .join("../..")
        .canonicalize()?;
    let out = PathBuf::from(env::var("OUT_DIR")?);
    let mut files: Vec<(String, PathBuf)> = Vec::new();
    let mut needed = BTreeSet::new();
    for name in CRATES {
        let manifest = manifest(&root.join(name).join("Cargo.toml"), &mut needed)?;
        let file = out.join(format!("{}.toml", name.replace('/', "-")));
        fs::write(&file, manifest)?;
        files.push((format!("{name}/Cargo.toml"), file));
        collect(&root, &format!("{name}/src"), &mut files)?;
    }
    collect(&root, "wit", &mut files)?;
    let workspace = out.join("workspace.toml");
    fs::write(&workspace, workspace_manifest(&root, &needed)?)?;
    files.push(("Cargo.toml".to_owned(), workspace));
    files.sort();

    // The graph below a plugin is the same for all of them: the lock of `ventas`, whose tests have proven it.
    let lock = root.join("plugins/ventas/Cargo.lock");
    println!("cargo::rerun-if-changed={}", lock.display());

    let mut code = String::from(
        "/// Paths below `vendor/malla`, and what stands there.\npub(crate) static SDK: &[(&str, &str)] = &[\n",
    );
    for (place, file) in files {
        writeln!(
            code,
            "    ({place:?}, include_str!({:?})),",
            file.display().to_string()
        )?;
    }
    writeln!(
        code,
        "];\n/// The lock file of a plugin named `ventas`.\npub(crate) static LOCK: &str = include_str!({:?});",
        lock.display().to_string()
    )?;
    fs::write(out.join("sdk.rs"), code)?;
    Ok(())
}

/// A crate's manifest without what only the repository needs; what it takes from the workspace is added to `needed`.
fn manifest(path: &Path, needed: &mut BTreeSet<String>) -> Result<String> {
    let mut manifest = read(path)?;
    for section in ["dev-dependencies", "lints", "bench", "test", "example"] {
        manifest.remove(section);
    }
    if let Some(Value::Table(dependencies)) = manifest.get("dependencies") {
        needed.extend(dependencies.keys().cloned());
    }
    Ok(toml::to_string(&manifest)?)
}

fn workspace_manifest(root: &Path, needed: &BTreeSet<String>) -> Result<String> {
    let manifest = read(&root.join("Cargo.toml"))?;
    let of_root = |name: &str| {
        let section = manifest
            .get("workspace")
            .and_then(|workspace| workspace.get(name))
            .and_then(Value::as_table);
        section
            .cloned()
            .ok_or(format!("the root manifest has no `[workspace.{name}]`"))
    };
    let mut dependencies = of_root("dependencies")?;
    dependencies.retain(|name, _| needed.contains(name));
    let mut workspace = Table::new();
    workspace.insert("resolver".to_owned(), "3".into());
    workspace.insert("members".to_owned(), CRATES.to_vec().into());
    workspace.insert("package".to_owned(), of_root("package")?.into());
    workspace.insert("dependencies".to_owned(), dependencies.into());
    let mut top = Table::new();
    top.insert("workspace".to_owned(), workspace.into());
    Ok(toml::to_string(&top)?)
}

fn read(path: &Path) -> Result<Table> {
    println!("cargo::rerun-if-changed={}", path.display());
    Ok(fs::read_to_string(path)?.parse()?)
}

/// All files below a folder.
fn collect(root: &Path, folder: &str, files: &mut Vec<(String, PathBuf)>) -> Result<()> {
    let path = root.join(folder);
    println!("cargo::rerun-if-changed={}", path.display());
    for entry in fs::read_dir(&path)? {
        let entry = entry?;
        let name = entry
            .file_name()
            .into_string()
            .map_err(|name| format!("{} is not UTF-8", name.display()))?;
        let place = format!("{folder}/{name}");
        if entry.file_type()?.is_dir() {
            collect(root, &place, files)?;
        } else if entry
            .path()
            .extension()
            .is_some_and(|extension| extension == "rs" || extension == "wit")
        {
            files.push((place, entry.path()));
        }
    }
    Ok(())
}
