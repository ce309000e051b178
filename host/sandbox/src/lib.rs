//! A component and a batch in, a batch out, within limits.
//!
//! ```no_run
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let (schema, batch): (arrow_schema::SchemaRef, arrow_array::RecordBatch) = todo!();
//! use malla_sandbox::{PluginId, Sandbox, SandboxConfig, Step};
//!
//! let sandbox = Sandbox::new(SandboxConfig::default())?;
//! let component = std::fs::read("ventas.wasm")?;
//! let plugin = sandbox.load(PluginId::new("ventas", "1.0.0"), &component)?;
//! let step = Step { name: "transacciones".into(), reads: vec![1, 3], output: schema, rules: vec![] };
//! let output = plugin.run(&step, &batch, 0)?;
//! # Ok(())
//! # }
//! ```
//!
//! INVARIANT: a plugin sees the columns that its step reads, or the arguments of its function, and nothing else, reaches nothing but the log, keeps
//! nothing from one batch to the next, and can neither crash, block nor exhaust the host. Whatever it returns
//! passes one checked conversion ([`BrokenPromise`] lists what is checked) before anybody else sees it.
//!
//! This is the only crate that knows wasmtime.

#[cfg(target_endian = "big")]
compile_error!("columns cross the boundary as little-endian buffers, borrowed where they lie");

mod bindings;
mod cache;
mod call;
mod compile;
mod config;
mod convert;
mod engine;
mod error;
mod imports;
mod keep;
mod limiter;
mod log;
mod lower;
mod plugin;
mod pool;
mod rows;
mod text;
mod trap;

pub use call::{Called, Function};
pub use config::{CacheConfig, Limits, SandboxConfig};
pub use engine::Sandbox;
pub use error::{
    BrokenPromise, CallError, Failure, Frame, InputError, Limit, LoadError, Panic, SandboxError, StepError,
    TrapKind,
};
pub use log::{LogLevel, LogLine};
pub use plugin::{Origin, Output, Plugin, PluginId, Rejection, Step, Usage};
pub use rows::Rows;
