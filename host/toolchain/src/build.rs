//! From a plugin's folder to one component with its contract inside.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use malla_contract::Contract;
use serde::Deserialize;
use sha2::{Digest, Sha256};

use crate::component;
use crate::error::{ToolchainError, file};
use crate::wasm::{TARGET, WasmToolchain, program, wasm_toolchain};

/// A plugin that was built.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BuildReport {
    /// The component: `target/<crate>.wasm` in the plugin's folder.
    pub component: PathBuf,
    /// SHA-256 of the component, in hexadecimal digits.
    pub digest: String,
    /// Bytes of the component.
    pub size: usize,
}

/// A plugin's folder.
#[derive(Debug, Clone)]
pub struct PluginDir {
    dir: PathBuf,
    target: Option<PathBuf>,
}

/// [`PluginDir::build`] with what cargo compiles in the plugin's own `target`.
///
/// # Errors
/// Those of [`PluginDir::build`].
pub fn build(dir: &Path) -> Result<BuildReport, ToolchainError> {
    PluginDir::at(dir).build()
}

/// [`PluginDir::native_test`] with what cargo compiles in the plugin's own `target`.
///
/// # Errors
/// Those of [`PluginDir::native_test`].
pub fn native_test(dir: &Path) -> Result<(), ToolchainError> {
    PluginDir::at(dir).native_test()
}

impl PluginDir {
    /// The folder that holds `Cargo.toml` and `contract.yaml`. What cargo compiles goes to `target` in it, or to
    /// `CARGO_TARGET_DIR` where that is set.
    #[must_use]
    pub fn at(dir: &Path) -> Self {
        Self {
            dir: dir.to_owned(),
            target: None,
        }
    }

    /// Puts what cargo compiles elsewhere, so that plugins share what they have in common.
    #[must_use]
    pub fn with_target_dir(self, target: &Path) -> Self {
        Self {
            target: Some(target.to_owned()),
            ..self
        }
    }

    /// Checks the contract, compiles the code, makes a component of it and puts the contract in. The same sources and
    /// compiler give the same bytes, wherever the folder lies. Cargo's messages go to the standard error stream.
    ///
    /// # Errors
    /// A wrong contract, with its lines; no Wasm toolchain; code that does not compile; a plugin that imports anything
    /// but the log.
    pub fn build(&self) -> Result<BuildReport, ToolchainError> {
        let path = self.dir.join("contract.yaml");
        let yaml = std::fs::read_to_string(&path).map_err(file("read", &path))?;
        let contract = Contract::parse(&yaml).map_err(|errors| ToolchainError::Contract { path, errors })?;
        let (name, core) = self.compile()?;
        let component = component::of_plugin(&name, &core, &contract, &yaml)?;
        self.write(&name, &component)
    }

    /// Builds a component that has no contract and may import anything: hostile guests of tests, guests of benches.
    ///
    /// # Errors
    /// No Wasm toolchain; code that does not compile, or does not become a component.
    pub fn build_guest(&self) -> Result<BuildReport, ToolchainError> {
        let (name, core) = self.compile()?;
        let component = component::of_module(&name, &core)?;
        self.write(&name, &component)
    }

    /// Runs `cargo test`: the plugin's own tests, which need no Wasm. Cargo's messages go where ours go.
    ///
    /// # Errors
    /// A test that fails, or code that does not compile; cargo has said which.
    pub fn native_test(&self) -> Result<(), ToolchainError> {
        let mut cargo = Command::new(program("CARGO", "cargo"));
        cargo.arg("test");
        self.run("test", cargo)
    }

    /// Compiles the code to a core module. Gives the package's name too.
    fn compile(&self) -> Result<(String, Vec<u8>), ToolchainError> {
        let toolchain = wasm_toolchain()?;
        let metadata = self.metadata(&toolchain)?;
        let flags = flags(&toolchain, &metadata);
        let manifest = std::fs::canonicalize(&self.dir)
            .map_err(file("find", &self.dir))?
            .join("Cargo.toml");
        let library = metadata
            .packages
            .iter()
            .find(|package| package.manifest_path == manifest)
            .and_then(|package| {
                let library = package
                    .targets
                    .iter()
                    .find(|target| target.crate_types.iter().any(|kind| kind == "cdylib"));
                Some((package.name.clone(), library?.name.replace('-', "_")))
            });
        let (name, library) = library.ok_or_else(|| ToolchainError::NoLibrary(self.dir.clone()))?;
        let mut cargo = toolchain.cargo();
        cargo
            .args(["build", "--release", "--lib", "--target", TARGET])
            .args(toolchain.arguments())
            .env("CARGO_ENCODED_RUSTFLAGS", flags);
        self.run("build", cargo)?;
        let module = metadata
            .target_directory
            .join(TARGET)
            .join("release")
            .join(format!("{library}.wasm"));
        let core = std::fs::read(&module).map_err(file("read", &module))?;
        Ok((name, core))
    }

    fn metadata(&self, toolchain: &WasmToolchain) -> Result<Metadata, ToolchainError> {
        let mut cargo = toolchain.cargo();
        cargo.args(["metadata", "--format-version", "1"]);
        let output = self
            .prepared(&mut cargo)
            .output()
            .map_err(|source| ToolchainError::Start {
                program: cargo.get_program().into(),
                source,
            })?;
        let fail = |messages: String| ToolchainError::Cargo {
            what: "metadata",
            dir: self.dir.clone(),
            messages,
        };
        if !output.status.success() {
            return Err(fail(
                String::from_utf8_lossy(&output.stderr).trim_end().to_owned(),
            ));
        }
        serde_json::from_slice(&output.stdout).map_err(|error| fail(error.to_string()))
    }

    fn prepared<'a>(&self, cargo: &'a mut Command) -> &'a mut Command {
        if let Some(target) = &self.target {
            cargo.env("CARGO_TARGET_DIR", target);
        }
        cargo.current_dir(&self.dir).stdin(Stdio::null())
    }

    /// Runs cargo with its messages going where ours go.
    fn run(&self, what: &'static str, mut cargo: Command) -> Result<(), ToolchainError> {
        let status = self
            .prepared(&mut cargo)
            .status()
            .map_err(|source| ToolchainError::Start {
                program: cargo.get_program().into(),
                source,
            })?;
        if status.success() {
            Ok(())
        } else {
            Err(ToolchainError::Cargo {
                what,
                dir: self.dir.clone(),
                messages: String::new(),
            })
        }
    }

    fn write(&self, name: &str, component: &[u8]) -> Result<BuildReport, ToolchainError> {
        let folder = self.dir.join("target");
        std::fs::create_dir_all(&folder).map_err(file("make", &folder))?;
        let path = folder.join(format!("{name}.wasm"));
        // Whoever watches the file sees the old one or the new one, never half of it.
        let part = folder.join(format!("{name}.wasm.part"));
        std::fs::write(&part, component).map_err(file("write", &part))?;
        std::fs::rename(&part, &path).map_err(file("write", &path))?;
        Ok(BuildReport {
            component: path,
            digest: digest(component),
            size: component.len(),
        })
    }
}

/// SHA-256 in hexadecimal digits.
pub(crate) fn digest(bytes: &[u8]) -> String {
    Sha256::digest(bytes)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

/// What `cargo metadata` says, as far as it matters here.
#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
    target_directory: PathBuf,
    workspace_root: PathBuf,
}

#[derive(Deserialize)]
struct Package {
    name: String,
    manifest_path: PathBuf,
    /// Absent for packages of the local disk.
    source: Option<String>,
    targets: Vec<Target>,
}

#[derive(Deserialize)]
struct Target {
    name: String,
    crate_types: Vec<String>,
}

/// Compiler flags, separated as cargo wants them. They name folders of this machine only to take them out of the
/// result. They are the same for all plugins of one repository: with other flags, plugins that share a target folder
/// would each compile everything again.
fn flags(toolchain: &WasmToolchain, metadata: &Metadata) -> String {
    let root = &metadata.workspace_root;
    let mut moved: BTreeSet<(PathBuf, String)> = BTreeSet::new();
    let repository = root.ancestors().find(|folder| folder.join(".git").exists());
    moved.extend(repository.map(|folder| (folder.to_owned(), "/src".to_owned())));
    for package in &metadata.packages {
        let Some(folder) = package.manifest_path.parent() else {
            continue;
        };
        // Cargo names what is in the workspace relative to it.
        let told = [Some(root.as_path()), repository]
            .into_iter()
            .flatten()
            .any(|known| folder.starts_with(known));
        if package.source.is_none() {
            moved.extend((!told).then(|| (folder.to_owned(), format!("/{}", package.name))));
        } else if let Some(registry) = folder.parent() {
            moved.insert((registry.to_owned(), "/registry".to_owned()));
        }
    }
    moved.extend(toolchain.std_sources());
    let mut flags = vec!["-C".to_owned(), "target-feature=+simd128".to_owned()];
    flags.extend(
        moved
            .into_iter()
            .map(|(from, to)| format!("--remap-path-prefix={}={to}", from.display())),
    );
    flags.join("\u{1f}")
}
