//! What an operator can set. Every field has a default that suits a machine with a few cores.

use std::fmt;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;

const MIB: u64 = 1 << 20;

/// How a [`crate::Sandbox`] is made.
#[derive(Debug, Clone)]
pub struct SandboxConfig {
    /// Limits of every plugin, unless [`crate::Plugin::with_limits`] gives it narrower ones.
    pub limits: Limits,
    /// Batches that can be inside plugins at one time; more wait. Default: twice the cores.
    pub instances: u32,
    /// Bytes of a used memory slot that stay resident for the next batch: more is faster, and costs this much
    /// memory for each of `instances`. Default: 16 MiB.
    pub keep_resident: u64,
    /// Where compiled components are kept. Default: nowhere.
    pub cache: Option<CacheConfig>,
}

impl Default for SandboxConfig {
    fn default() -> Self {
        let cores = std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
        Self {
            limits: Limits::default(),
            instances: u32::try_from(cores.saturating_mul(2)).unwrap_or(64).clamp(2, 64),
            keep_resident: 16 * MIB,
            cache: None,
        }
    }
}

impl SandboxConfig {
    /// Sets the limits of every plugin.
    #[must_use]
    pub fn with_limits(self, limits: Limits) -> Self {
        Self { limits, ..self }
    }

    /// Sets how many batches can be inside plugins at one time. At least one.
    #[must_use]
    pub fn with_instances(self, instances: u32) -> Self {
        Self {
            instances: instances.max(1),
            ..self
        }
    }

    /// Sets how many bytes of a used memory slot stay resident.
    #[must_use]
    pub fn with_keep_resident(self, keep_resident: u64) -> Self {
        Self {
            keep_resident,
            ..self
        }
    }

    /// Keeps compiled components in a folder.
    #[must_use]
    pub fn with_cache(self, cache: CacheConfig) -> Self {
        Self {
            cache: Some(cache),
            ..self
        }
    }
}

/// Where compiled components are kept, and the host key that says that it was this host which compiled them.
#[derive(Clone)]
pub struct CacheConfig {
    /// Made if it does not exist.
    pub dir: PathBuf,
    /// Key of the message authentication code (HMAC-SHA-256) on every file. Whoever knows it can run native code
    /// in the host.
    pub key: [u8; 32],
}

impl fmt::Debug for CacheConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CacheConfig")
            .field("dir", &self.dir)
            .finish_non_exhaustive()
    }
}

/// How much a plugin may use. All but the last three count for one batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of linear memory. Default: 256 MiB.
    pub memory: u64,
    /// Wasm instructions, nearly. The same batch always uses the same amount, so this limit strikes at the same
    /// place on every machine. Default: 10 thousand million, some seconds.
    pub fuel: u64,
    /// Time inside the plugin: the backstop for what fuel does not count. Default: 30 s.
    pub wall_clock: Duration,
    /// Bytes of the columns that the plugin computes, and of what `take` repeats. Default: 128 MiB.
    pub output_bytes: u64,
    /// Rows that reach the output. Default: 4,194,304.
    pub output_rows: u32,
    /// Rows that the step rejects. Default: 1,048,576.
    pub rejections: u32,
    /// Bytes of one message (error, panic, rejection, log line); the rest of it is cut off. Default: 4 KiB.
    pub message_bytes: usize,
    /// Log lines that are kept; more are counted and dropped. Default: 1,000.
    pub log_lines: u64,
    /// Bytes of log that are kept; more are counted and dropped. Default: 256 KiB.
    pub log_bytes: u64,
    /// Log lines after which the plugin is stopped: nobody logs so much in good faith. Default: 100,000.
    pub log_flood_lines: u64,
    /// Bytes offered to the log after which the plugin is stopped. Default: 64 MiB.
    pub log_flood_bytes: u64,
    /// Elements of a table, functions mostly. Default: 65,536.
    pub table_elements: u32,
    /// Core instances inside one component. Default: 64.
    pub core_instances: u32,
    /// Bytes of a component. Default: 64 MiB.
    pub component_bytes: u64,
    /// Time to compile a component. Default: 120 s.
    pub compile_time: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            memory: 256 * MIB,
            fuel: 10_000_000_000,
            wall_clock: Duration::from_secs(30),
            output_bytes: 128 * MIB,
            output_rows: 4 << 20,
            rejections: 1 << 20,
            message_bytes: 4 << 10,
            log_lines: 1_000,
            log_bytes: 256 << 10,
            log_flood_lines: 100_000,
            log_flood_bytes: 64 * MIB,
            table_elements: 1 << 16,
            core_instances: 64,
            component_bytes: 64 * MIB,
            compile_time: Duration::from_secs(120),
        }
    }
}

macro_rules! with {
    ($($with:ident $field:ident: $ty:ty;)*) => {
        impl Limits {
            $(
                #[doc = concat!("Sets [`Limits::", stringify!($field), "`].")]
                #[must_use]
                pub fn $with(self, $field: $ty) -> Self {
                    Self { $field, ..self }
                }
            )*
        }
    };
}

with! {
    with_memory memory: u64;
    with_fuel fuel: u64;
    with_wall_clock wall_clock: Duration;
    with_output_bytes output_bytes: u64;
    with_output_rows output_rows: u32;
    with_rejections rejections: u32;
    with_message_bytes message_bytes: usize;
    with_log_lines log_lines: u64;
    with_log_bytes log_bytes: u64;
    with_log_flood_lines log_flood_lines: u64;
    with_log_flood_bytes log_flood_bytes: u64;
    with_table_elements table_elements: u32;
    with_core_instances core_instances: u32;
    with_component_bytes component_bytes: u64;
    with_compile_time compile_time: Duration;
}
