//! A plugin's life on its author's machine: new, build, inspect, test.
//!
//! Nothing here runs a plugin's code in the host, and nothing prints; cargo, where it is called, does.

mod build;
mod component;
mod error;
mod inspect;
mod scaffold;
mod wasm;

pub use build::{BuildReport, PluginDir, build, native_test};
pub use error::ToolchainError;
pub use inspect::{Inspection, inspect};
pub use scaffold::new;
pub use wasm::{NoWasmToolchain, WasmToolchain, wasm_toolchain};
