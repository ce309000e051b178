//! A folder whose sub-folders are partitions.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use malla_contract::{Column, Format, Source};

use crate::framing::Layout;
use crate::names::{decode_name, journal_name};
use crate::parquet::Wanted;
use crate::reader::Place;
use crate::scan::scan_partitions;
use crate::{Lines, PartitionReader, SourceError};

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
    /// How long an incomplete last line of a file that a later file superseded is waited for, and a last record of CSV without its
    /// line end. Default 60 s.
    pub abandon: Duration,
    /// How the events in the files are written. Default JSON Lines.
    pub format: Format,
    /// The columns that are read of files of Parquet. Default none.
    pub columns: Arc<[Column]>,
    /// Columns that are read along where a file has them as they should be. Default none.
    pub more_columns: Arc<[Column]>,
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
            format: Format::Json,
            columns: Arc::default(),
            more_columns: Arc::default(),
        }
    }

    /// For the files of a contract's source.
    #[must_use]
    pub fn with_source(self, source: &Source) -> Self {
        Self {
            columns: source.table.columns.clone().into(),
            ..self.with_format(&source.format)
        }
    }

    /// Reads columns too that only another version of the contract has.
    #[must_use]
    pub fn with_columns_of(self, source: &Source) -> Self {
        let is_new = |column: &&Column| self.columns.iter().all(|known| known.name != column.name);
        let more_columns = source.table.columns.iter().filter(is_new).cloned().collect();
        Self { more_columns, ..self }
    }

    /// For files in another format than JSON Lines.
    #[must_use]
    pub fn with_format(self, format: &Format) -> Self {
        Self {
            format: format.clone(),
            ..self
        }
    }
}

/// A folder of partitions of segments: JSON Lines, CSV, or Parquet.
///
/// Names of sub-folders are data from outside: they stay as they are where they are readable, and `%`, control characters and
/// bytes that are not UTF-8 become `%XX`. Hidden folders and links that lead out of the root are passed over.
#[derive(Debug)]
pub struct DirectorySource {
    config: DirectoryConfig,
    canonical: PathBuf,
    layout: Layout,
}

impl DirectorySource {
    /// Opens the root and makes the state folder.
    ///
    /// # Errors
    /// When the root is not a folder that can be listed, the state folder cannot be made, or events in that format have no
    /// boundaries in a file.
    pub fn open(config: DirectoryConfig) -> Result<Self, SourceError> {
        let layout = Layout::of(&config.format).ok_or_else(|| SourceError::NotInFiles {
            path: config.path.clone(),
            format: config.format.as_str(),
        })?;
        let canonical = fs::canonicalize(&config.path).map_err(|error| SourceError::Io {
            action: "open",
            path: config.path.clone(),
            error,
        })?;
        fs::create_dir_all(&config.state_dir).map_err(|error| SourceError::Io {
            action: "create",
            path: config.state_dir.clone(),
            error,
        })?;
        let source = Self {
            config,
            canonical,
            layout,
        };
        source.partitions()?;
        Ok(source)
    }

    /// Names of the partitions there are now, in natural order. Call again to find new ones. [`ROOT_PARTITION`] comes first, when
    /// there are segments directly in the root.
    ///
    /// # Errors
    /// When the root cannot be listed.
    pub fn partitions(&self) -> Result<Vec<String>, SourceError> {
        let (folders, has_segments) = scan_partitions(&self.config.path, &self.canonical, self.layout)?;
        let root = has_segments.then(|| ROOT_PARTITION.to_owned());
        Ok(root.into_iter().chain(folders).collect())
    }

    /// Exactly the lines of earlier batches of a partition, which follow one another.
    ///
    /// # Errors
    /// They are not there any more.
    pub fn repeat(&self, partition: &str, batches: &[(i64, i64)]) -> Result<Vec<Lines>, SourceError> {
        let from = batches.first().map_or(0, |(from, _)| *from);
        let mut reader = self.reader(partition, from)?;
        batches
            .iter()
            .map(|(from, to)| reader.repeat(*from, *to))
            .collect()
    }

    /// A reader of one partition, from a position: 0 for the start, else the last committed offset. A partition whose folder is
    /// gone can be read as long as its journal is there; it has no lines.
    ///
    /// # Errors
    /// When the partition is unknown, its journal is missing, damaged or in use, or never gave out that position.
    pub fn reader(&self, partition: &str, position: i64) -> Result<PartitionReader, SourceError> {
        let is_root = partition == ROOT_PARTITION;
        let folder = if is_root {
            self.config.path.clone()
        } else {
            self.config.path.join(decode_name(partition))
        };
        let is_child = is_root || folder.parent() == Some(&self.config.path);
        let inside = || fs::canonicalize(&folder).map_or(true, |target| target.starts_with(&self.canonical));
        let known = folder.is_dir() || self.config.state_dir.join(journal_name(partition)).is_file();
        if !is_child || !known || !inside() {
            return Err(SourceError::NoPartition {
                partition: partition.to_owned(),
                path: self.config.path.clone(),
            });
        }
        PartitionReader::open(
            &self.config,
            Place {
                folder,
                canonical_root: self.canonical.clone(),
                is_root,
                layout: self.layout,
                wanted: Wanted::of(&self.config.columns, &self.config.format)
                    .with_more(&self.config.more_columns),
            },
            partition,
            position,
        )
    }
}
