//! Which Rust here compiles to WebAssembly.

use std::ffi::OsString;
use std::fmt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The target that plugins are compiled to.
pub(crate) const TARGET: &str = "wasm32-unknown-unknown";

/// The oldest Rust that compiles the SDK.
const OLDEST: (u32, u32) = (1, 95);

/// A Rust that compiles to WebAssembly, by itself or with its standard library built on the way.
#[derive(Debug, Clone)]
pub struct WasmToolchain {
    rust: Rust,
    linker: Option<PathBuf>,
    builds_std: bool,
}

/// Nothing here compiles to WebAssembly.
#[derive(Debug, Clone, thiserror::Error)]
#[error(
    "no Rust here compiles to {TARGET}:{}\n\
     with rustup, run\n    rustup target add {TARGET}\n\
     where rustup may not download, on Debian or Ubuntu, run\n    apt-get install -y --no-install-recommends rustc-web cargo-web rust-web-src\n\
     (a linker is also needed then: rustup's Rust brings one, or add the package lld)", listed(.tried)
)]
pub struct NoWasmToolchain {
    tried: Vec<String>,
}

fn listed(tried: &[String]) -> String {
    tried.iter().map(|line| format!("\n    {line}")).collect()
}

/// A cargo and its compiler.
#[derive(Debug, Clone)]
struct Rust {
    cargo: PathBuf,
    rustc: PathBuf,
    release: String,
    commit: String,
    host: String,
    sysroot: PathBuf,
}

/// Finds a Rust that compiles to WebAssembly: the active toolchain with the target installed, else that of
/// `/usr/bin`, else one of the two with the sources of its standard library.
///
/// # Errors
/// What was tried, and what to install.
pub fn wasm_toolchain() -> Result<WasmToolchain, NoWasmToolchain> {
    let active = (program("CARGO", "cargo"), program("RUSTC", "rustc"));
    let system = (PathBuf::from("/usr/bin/cargo"), PathBuf::from("/usr/bin/rustc"));
    let mut tried = Vec::new();
    let mut rusts: Vec<Rust> = Vec::new();
    for (cargo, rustc) in [active, system] {
        match Rust::at(cargo, rustc) {
            Ok(rust) if rusts.iter().any(|known| known.sysroot == rust.sysroot) => {}
            Ok(rust) => rusts.push(rust),
            Err(why) => tried.push(why),
        }
    }
    let with_target = rusts.iter().find(|rust| rust.has_target());
    let with_source = || rusts.iter().find(|rust| rust.source().is_some());
    if let Some(rust) = with_target.or_else(with_source) {
        let own_linker = rust.linker();
        let linker = own_linker.is_none().then(|| linker(&rusts)).flatten();
        if own_linker.is_some() || linker.is_some() || with_target.is_some() {
            return Ok(WasmToolchain {
                rust: rust.clone(),
                linker,
                builds_std: with_target.is_none(),
            });
        }
        tried.push(format!(
            "{}: no linker for Wasm (rust-lld or wasm-ld)",
            rust.rustc.display()
        ));
    } else {
        tried.extend(rusts.iter().map(|rust| {
            format!(
                "{} ({}): neither the target nor the sources of std",
                rust.rustc.display(),
                rust.release
            )
        }));
    }
    Err(NoWasmToolchain { tried })
}

impl WasmToolchain {
    /// Whether the standard library is compiled from source, which takes half a minute once for each target folder.
    #[must_use]
    pub fn builds_std(&self) -> bool {
        self.builds_std
    }

    /// The compiler's release, such as `1.96.0`.
    #[must_use]
    pub fn release(&self) -> &str {
        &self.rust.release
    }

    /// Cargo, set up so that what it compiles does not depend on the caller's environment.
    pub(crate) fn cargo(&self) -> Command {
        let mut cargo = Command::new(&self.rust.cargo);
        cargo.env("RUSTC", &self.rust.rustc);
        for name in [
            "RUSTFLAGS",
            "CARGO_ENCODED_RUSTFLAGS",
            "RUSTC_WORKSPACE_WRAPPER",
            "CARGO_BUILD_TARGET",
        ] {
            cargo.env_remove(name);
        }
        if let Some(linker) = &self.linker {
            cargo.env("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER", linker);
        }
        if self.builds_std {
            // The libraries that a cargo run by rustup puts there are another compiler's.
            cargo.env("RUSTC_BOOTSTRAP", "1").env_remove("LD_LIBRARY_PATH");
        }
        cargo
    }

    /// What `cargo build` needs beyond the target.
    pub(crate) fn arguments(&self) -> &'static [&'static str] {
        if self.builds_std {
            &["-Zbuild-std=std,panic_abort"]
        } else {
            &[]
        }
    }

    /// Where the sources of std lie here, and where they lie for a std that comes compiled.
    pub(crate) fn std_sources(&self) -> Option<(PathBuf, String)> {
        let library = self.rust.source()?;
        Some((
            library.parent()?.to_owned(),
            format!("/rustc/{}", self.rust.commit),
        ))
    }
}

impl fmt::Display for WasmToolchain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let how = if self.builds_std { "builds std for" } else { "has" };
        write!(
            f,
            "Rust {} at {} {how} {TARGET}",
            self.rust.release,
            self.rust.rustc.display()
        )
    }
}

impl Rust {
    fn at(cargo: PathBuf, rustc: PathBuf) -> Result<Self, String> {
        let version = output(&rustc, &["-vV"])?;
        output(&cargo, &["--version"])?;
        let field = |name: &str| {
            let line = version
                .lines()
                .find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
            line.unwrap_or_default().to_owned()
        };
        let release = field("release");
        let mut numbers = release.split('.').map_while(|number| number.parse::<u32>().ok());
        if (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0)) < OLDEST {
            return Err(format!(
                "{}: Rust {release} is older than {}.{}",
                rustc.display(),
                OLDEST.0,
                OLDEST.1
            ));
        }
        let sysroot = PathBuf::from(output(&rustc, &["--print", "sysroot"])?.trim());
        Ok(Self {
            cargo,
            release,
            commit: field("commit-hash"),
            host: field("host"),
            sysroot,
            rustc,
        })
    }

    fn has_target(&self) -> bool {
        let folder = self.sysroot.join("lib/rustlib").join(TARGET).join("lib");
        let Ok(files) = folder.read_dir() else {
            return false;
        };
        files
            .flatten()
            .any(|file| file.file_name().to_string_lossy().starts_with("libstd-"))
    }

    /// The sources of std, which stand beside the crates that they need.
    fn source(&self) -> Option<PathBuf> {
        let library = self.sysroot.join("lib/rustlib/src/rust/library");
        library.join("Cargo.lock").is_file().then_some(library)
    }

    fn linker(&self) -> Option<PathBuf> {
        let lld = self
            .sysroot
            .join("lib/rustlib")
            .join(&self.host)
            .join("bin/rust-lld");
        lld.is_file().then_some(lld)
    }
}

/// The linker of any Rust here, else LLVM's.
fn linker(rusts: &[Rust]) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_else(|| OsString::from("/usr/bin"));
    let found = |name: &str| {
        std::env::split_paths(&path)
            .map(|folder| folder.join(name))
            .find(|file| file.is_file())
    };
    rusts
        .iter()
        .find_map(Rust::linker)
        .or_else(|| found("wasm-ld"))
        .or_else(|| found("rust-lld"))
}

/// Cargo tells the programs that it runs which cargo and compiler it is.
pub(crate) fn program(variable: &str, name: &str) -> PathBuf {
    std::env::var_os(variable).map_or_else(|| PathBuf::from(name), PathBuf::from)
}

fn output(program: &Path, arguments: &[&str]) -> Result<String, String> {
    let output = Command::new(program)
        .args(arguments)
        .env_remove("LD_LIBRARY_PATH")
        .stdin(Stdio::null())
        .output()
        .map_err(|error| format!("{}: {error}", program.display()))?;
    if !output.status.success() {
        let reason = String::from_utf8_lossy(&output.stderr);
        return Err(format!(
            "{}: {}",
            program.display(),
            reason.lines().next().unwrap_or("it failed")
        ));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
