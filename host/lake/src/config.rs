//! How files are written.

use std::num::NonZeroU64;

/// How Parquet files are written and commits retried. The same for every table of a lake.
#[derive(Debug, Clone)]
pub struct WriterConfig {
    /// ZSTD level, 1 to 22. Above 3 it costs more time than it saves space.
    pub zstd_level: i32,
    /// Rows of a row group.
    pub row_group_rows: usize,
    /// A file that reaches this size is closed and the next one begun.
    pub target_file_bytes: NonZeroU64,
    /// Files that are encoded at once.
    pub parallel_files: usize,
    /// How often a commit is tried before it is given up.
    pub commit_tries: u32,
    /// Commits between two checkpoints of a table's log. Set when a table is created.
    pub checkpoint_interval: NonZeroU64,
}

impl Default for WriterConfig {
    fn default() -> Self {
        Self {
            zstd_level: 1,
            row_group_rows: 1024 * 1024,
            target_file_bytes: NonZeroU64::new(128 * 1024 * 1024).unwrap_or(NonZeroU64::MAX),
            parallel_files: std::thread::available_parallelism().map_or(2, usize::from),
            commit_tries: 8,
            checkpoint_interval: NonZeroU64::new(100).unwrap_or(NonZeroU64::MIN),
        }
    }
}
