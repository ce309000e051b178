//! From the segments of one partition to batches of lines.

use crate::{Lines, SourceError, SourceWarning};

/// How much one batch may hold. A batch holds at least one line, if there is one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BatchLimit {
    /// Most lines.
    pub rows: usize,
    /// Bytes after which no further line is added.
    pub bytes: usize,
}

impl Default for BatchLimit {
    /// 65,536 lines or 64 MiB.
    fn default() -> Self {
        Self {
            rows: 65_536,
            bytes: 64 << 20,
        }
    }
}

/// What to do at the end of what there is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// More is expected: wait for line ends.
    Follow,
    /// Read everything that is there, last lines without a line end too. May wait for files to settle.
    Drain,
}

/// Reads one partition.
#[derive(Debug)]
pub struct PartitionReader {
    partition: String,
    position: i64,
}

impl PartitionReader {
    /// The next batch. `None`: nothing now ([`Mode::Follow`]) or nothing left ([`Mode::Drain`]).
    ///
    /// # Errors
    /// When the journal cannot be written. Trouble with one file is a warning, see [`Self::take_warnings`].
    pub fn next(&mut self, _limit: BatchLimit, _mode: Mode) -> Result<Option<Lines>, SourceError> {
        Ok(None)
    }

    /// Exactly the lines of an earlier batch of this partition. Does not move the reader.
    ///
    /// # Errors
    /// When the range was never handed out, or its files are gone or changed.
    pub fn repeat(&mut self, from: i64, to: i64) -> Result<Lines, SourceError> {
        Err(SourceError::NotRepeatable {
            partition: self.partition.clone(),
            from,
            to,
            reason: "not implemented yet".to_owned(),
        })
    }

    /// The partition's name.
    #[must_use]
    pub fn partition(&self) -> &str {
        &self.partition
    }

    /// Where the next batch starts.
    #[must_use]
    pub fn position(&self) -> i64 {
        self.position
    }

    /// What was met since the last call; each is also logged.
    pub fn take_warnings(&mut self) -> Vec<SourceWarning> {
        Vec::new()
    }
}
