//! One engine for all plugins, its clock, and how components get into it.

use std::sync::{Arc, mpsc};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use sha2::{Digest, Sha256};
use wasmtime::component::{Component, Linker};
use wasmtime::{
    Config, Enabled, Engine, InstanceAllocationStrategy, OptLevel, PoolingAllocationConfig,
    WasmBacktraceDetails,
};

use crate::bindings::PluginPre;
use crate::bindings::functions::FunctionsPre;
use crate::cache::Cache;
use crate::call::CALL;
use crate::plugin::Guest;
use crate::pool::Places;
use crate::{LoadError, Plugin, PluginId, SandboxConfig, SandboxError, compile, imports, log, trap};

/// Time between two looks at the clock. A guest stops at most two of them after its limit.
pub(crate) const TICK: Duration = Duration::from_millis(10);

/// Compilations at one time, those that were given up included.
const COMPILATIONS: u32 = 2;

/// Memories and tables that one component may have. Rust, Python and JavaScript guests have one memory and, with
/// the adapters that `wit-component` adds, up to a handful of tables.
const MEMORIES: u32 = 2;
const TABLES: u32 = 16;

/// Where plugins are loaded. Cheap to clone; all clones are the same sandbox.
#[derive(Clone)]
pub struct Sandbox {
    shared: Arc<Shared>,
}

/// What all plugins share. Its end is the end of the clock's thread.
pub(crate) struct Shared {
    pub(crate) engine: Engine,
    pub(crate) config: SandboxConfig,
    pub(crate) places: Arc<Places>,
    linker: Linker<Guest>,
    compilations: Arc<Places>,
    cache: Option<Cache>,
    _ticker: Ticker,
}

impl std::fmt::Debug for Sandbox {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sandbox")
            .field("config", &self.shared.config)
            .finish_non_exhaustive()
    }
}

impl Sandbox {
    /// Starts an engine.
    ///
    /// # Errors
    ///
    /// When the machine cannot give the pool its address space, or the cache folder cannot be made.
    pub fn new(config: SandboxConfig) -> Result<Self, SandboxError> {
        let start = || -> wasmtime::Result<(Engine, Linker<Guest>)> {
            let engine = Engine::new(&engine_config(&config))?;
            let mut linker = Linker::new(&engine);
            log::link(&mut linker)?;
            Ok((engine, linker))
        };
        let (engine, linker) = start().map_err(|error| SandboxError::Engine {
            reason: trap::reason(&error),
        })?;
        let cache = config
            .cache
            .clone()
            .map(|cache| Cache::new(cache, &engine))
            .transpose()?;
        let ticker = Ticker::start(&engine).map_err(SandboxError::Thread)?;
        Ok(Self {
            shared: Arc::new(Shared {
                places: Places::new(config.instances.max(1)),
                compilations: Places::new(COMPILATIONS),
                engine,
                config,
                linker,
                cache,
                _ticker: ticker,
            }),
        })
    }

    /// Makes a component ready to run: looks at its imports, then compiles it or finds it in the cache. No code
    /// of the component runs. Blocks for as long as that takes.
    ///
    /// # Errors
    ///
    /// When the bytes are no plugin for this host, or too much of one; see [`LoadError`].
    pub fn load(&self, id: PluginId, component: &[u8]) -> Result<Plugin, LoadError> {
        let limits = self.shared.config.limits;
        let bytes = component.len() as u64;
        if bytes > limits.component_bytes {
            return Err(LoadError::Size {
                bytes,
                limit: limits.component_bytes,
            });
        }
        imports::check(component)?;
        let digest = digest(component);
        let compiled = self.compiled(&digest, component)?;
        let mismatch = |error: &wasmtime::Error| LoadError::Mismatch {
            reason: trap::reason(error),
        };
        let pre = self.shared.linker.instantiate_pre(&compiled);
        let pre = pre.and_then(PluginPre::new).map_err(|error| mismatch(&error))?;
        // Plugins without functions need not know that there are such.
        let functions = match compiled.get_export_index(None, CALL) {
            None => None,
            Some(_) => {
                let pre = FunctionsPre::new(pre.instance_pre().clone());
                Some(pre.map_err(|error| mismatch(&error))?)
            }
        };
        let shared = Arc::clone(&self.shared);
        Ok(Plugin::new(shared, id, digest, pre, functions, limits))
    }

    fn compiled(&self, digest: &str, component: &[u8]) -> Result<Component, LoadError> {
        let Shared {
            engine,
            config,
            cache,
            compilations,
            ..
        } = &*self.shared;
        if let Some(found) = cache.as_ref().and_then(|cache| cache.get(engine, digest)) {
            return Ok(found);
        }
        let compiled = compile::compile(engine, compilations, component, config.limits.compile_time)?;
        if let Some(cache) = cache {
            cache.put(digest, &compiled);
        }
        Ok(compiled)
    }
}

/// SHA-256 in hexadecimal.
fn digest(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    Sha256::digest(bytes)
        .iter()
        .fold(String::with_capacity(64), |mut text, byte| {
            // Writing to a String cannot fail.
            let _ = write!(text, "{byte:02x}");
            text
        })
}

/// Only what is deterministic: the same batch must give the same bytes on every machine, so that replay, audit and
/// observed lineage mean something.
fn engine_config(config: &SandboxConfig) -> Config {
    let mut engine = Config::new();
    engine
        .cranelift_nan_canonicalization(true)
        .cranelift_opt_level(OptLevel::Speed)
        .wasm_simd(true)
        .wasm_relaxed_simd(false)
        .relaxed_simd_deterministic(true)
        .wasm_memory64(false)
        .wasm_multi_memory(false)
        .wasm_component_model(true)
        .concurrency_support(false)
        .consume_fuel(true)
        .epoch_interruption(true)
        .wasm_backtrace_details(WasmBacktraceDetails::Enable)
        .allocation_strategy(InstanceAllocationStrategy::Pooling(pool_config(config)));
    engine
}

fn pool_config(config: &SandboxConfig) -> PoolingAllocationConfig {
    let instances = config.instances.max(1);
    let limits = &config.limits;
    let mut pool = PoolingAllocationConfig::new();
    pool.total_component_instances(instances)
        .max_core_instances_per_component(limits.core_instances)
        .total_core_instances(instances.saturating_mul(limits.core_instances))
        .max_memories_per_component(MEMORIES)
        .total_memories(instances.saturating_mul(MEMORIES))
        .max_tables_per_component(TABLES)
        .max_tables_per_module(TABLES)
        .total_tables(instances.saturating_mul(TABLES))
        .table_elements(limits.table_elements as usize)
        .max_memory_size(usize::try_from(limits.memory).unwrap_or(usize::MAX))
        .max_unused_warm_slots(instances)
        .linear_memory_keep_resident(usize::try_from(config.keep_resident).unwrap_or(usize::MAX))
        .table_keep_resident(64 << 10)
        // Resets only the pages that the last guest touched, where the kernel can say which (Linux 6.7).
        .pagemap_scan(Enabled::Auto);
    pool
}

/// A thread that moves the engine's clock on, for the limit on wall-clock time.
struct Ticker {
    stop: Option<mpsc::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Ticker {
    fn start(engine: &Engine) -> std::io::Result<Self> {
        let (stop, stopped) = mpsc::channel::<()>();
        let engine = engine.weak();
        let thread = thread::Builder::new()
            .name("malla-clock".to_owned())
            .spawn(move || {
                while let Err(mpsc::RecvTimeoutError::Timeout) = stopped.recv_timeout(TICK) {
                    let Some(engine) = engine.upgrade() else { return };
                    engine.increment_epoch();
                }
            })?;
        Ok(Self {
            stop: Some(stop),
            thread: Some(thread),
        })
    }
}

impl Drop for Ticker {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // It only panics if incrementing a counter does.
            let _ = thread.join();
        }
    }
}
