//! A folder whose sub-folders are partitions.

use std::path::PathBuf;
use std::time::Duration;

use crate::{PartitionReader, SourceError};

/// Name of the partition that files directly in the root form.
pub const ROOT_PARTITION: &str = "_root";

/// Where to read and how patiently.
#[derive(Debug, Clone)]
pub struct DirectoryConfig {
    /// The root: sub-folders are partitions; files directly in it form the partition [`ROOT_PARTITION`].
    pub path: PathBuf,
    /// Where the journals are kept; made when missing. Not inside `path`.
    pub state_dir: PathBuf,
    /// A longer line is skipped and reported. Default 16 MiB.
    pub max_line_bytes: usize,
    /// How long a file must not have grown for its last line to count without a line end. Default 1 s.
    pub settle: Duration,
    /// How long an incomplete last line of a file that a later file superseded is waited for. Default 60 s.
    pub abandon: Duration,
}

impl DirectoryConfig {
    /// Defaults for a root and a state folder.
    #[must_use]
    pub fn new(path: impl Into<PathBuf>, state_dir: impl Into<PathBuf>) -> Self {
        Self {
            path: path.into(),
            state_dir: state_dir.into(),
            max_line_bytes: 16 << 20,
            settle: Duration::from_secs(1),
            abandon: Duration::from_secs(60),
        }
    }
}

/// A folder of partitions of JSON Lines segments.
#[derive(Debug)]
pub struct DirectorySource {
    config: DirectoryConfig,
}

impl DirectorySource {
    /// Opens the root and makes the state folder.
    ///
    /// # Errors
    /// When the root is not a folder that can be listed, or the state folder cannot be made.
    pub fn open(config: DirectoryConfig) -> Result<Self, SourceError> {
        Ok(Self { config })
    }

    /// Names of the partitions there are now, in natural order. Call again to find new ones.
    ///
    /// # Errors
    /// When the root cannot be listed.
    pub fn partitions(&self) -> Result<Vec<String>, SourceError> {
        Ok(Vec::new())
    }

    /// A reader of one partition, from a position: 0 for the start, else the last committed offset.
    ///
    /// # Errors
    /// When the partition is unknown, its journal is missing, damaged or in use, or never gave out that position.
    pub fn reader(&self, partition: &str, _position: i64) -> Result<PartitionReader, SourceError> {
        Err(SourceError::NoPartition {
            partition: partition.to_owned(),
            path: self.config.path.clone(),
        })
    }
}
