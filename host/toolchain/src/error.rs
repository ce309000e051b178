//! What can go wrong with a plugin on its author's machine.

use std::io;
use std::path::{Path, PathBuf};

use malla_contract::{ComponentError, ContractErrors};

use crate::wasm::NoWasmToolchain;

/// Why a plugin could not be made, built, inspected or tested.
#[derive(Debug, thiserror::Error)]
pub enum ToolchainError {
    /// The name cannot be that of a domain and of a Rust crate.
    #[error("`{name}` is no name for a plugin: {why}")]
    BadName {
        /// The name.
        name: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// There is something where the plugin should go.
    #[error("`{}` is not empty: choose another folder", .0.display())]
    NotEmpty(PathBuf),
    /// A file or folder.
    #[error("cannot {what} `{}`: {source}", .path.display())]
    File {
        /// `read`, `write`, ..
        what: &'static str,
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The contract is wrong.
    #[error("{} is not right:\n{errors}", .path.display())]
    Contract {
        /// Where it is.
        path: PathBuf,
        /// All that is wrong with it.
        errors: ContractErrors,
    },
    /// Nothing here compiles to Wasm.
    #[error(transparent)]
    NoWasmToolchain(#[from] NoWasmToolchain),
    /// A program that does not start.
    #[error("cannot run `{}`: {source}", .program.display())]
    Start {
        /// The program.
        program: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Cargo refused. It has said why.
    #[error("`cargo {what}` failed in `{}`{}", .dir.display(), details(.messages))]
    Cargo {
        /// The sub-command.
        what: &'static str,
        /// Where.
        dir: PathBuf,
        /// What cargo said, unless it was shown already.
        messages: String,
    },
    /// The folder is a Rust project and no plugin.
    #[error("`{}` makes no Wasm library: add `crate-type = [\"cdylib\", \"rlib\"]` to `[lib]`", .0.display())]
    NoLibrary(PathBuf),
    /// The library does not export a plugin.
    #[error(
        "`{0}` exports no plugin: call `malla_sdk::plugin!(Name, \"contract.yaml\")` at the top of src/lib.rs"
    )]
    NoPlugin(String),
    /// The contract promises what the code does not have.
    #[error(
        "the contract declares the function `{0}`, and the component exports none: build it with this SDK, whose `plugin!` makes the export, or export `call` of world `malla:plugin/functions`"
    )]
    NoFunctions(String),
    /// The core module does not become a component.
    #[error("cannot make a component of `{name}`: {reason}")]
    Componentize {
        /// The crate.
        name: String,
        /// What the encoder says.
        reason: String,
    },
    /// A plugin that wants more of its host than there is.
    #[error(
        "the plugin imports `{0}`, and may import nothing but `malla:plugin/log`: no clock, no files, no network, no randomness; find the dependency that wants it"
    )]
    ForeignImport(String),
    /// A component that cannot be read, or holds no contract.
    #[error(transparent)]
    Component(#[from] ComponentError),
    /// The contract inside a component is wrong.
    #[error("the contract in the component is not right:\n{0}")]
    Embedded(ContractErrors),
}

fn details(messages: &str) -> String {
    if messages.is_empty() {
        ": see its messages above".to_owned()
    } else {
        format!(":\n{messages}")
    }
}

/// For `map_err` on what fails with a file.
pub(crate) fn file(what: &'static str, path: &Path) -> impl FnOnce(io::Error) -> ToolchainError {
    let path = path.to_owned();
    move |source| ToolchainError::File { what, path, source }
}
