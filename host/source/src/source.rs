//! Where events come from, whatever it is: what all sources do.

use std::collections::BTreeMap;
use std::sync::mpsc;

use crate::{
    BatchLimit, DirectorySource, FileReader, KafkaReader, KafkaSource, Lines, Mode, PartitionReader,
    SftpSource, SourceError,
};

/// A place that events come from, in partitions.
#[derive(Debug)]
pub enum Source {
    /// A folder.
    Directory(DirectorySource),
    /// A topic.
    Kafka(KafkaSource),
    /// A folder on a server.
    Sftp(Box<SftpSource>),
}

/// Reads one partition.
#[derive(Debug)]
pub enum Reader {
    /// Of a folder.
    Directory(Box<PartitionReader>),
    /// Of a topic.
    Kafka(KafkaReader),
    /// A file of a server.
    File(Box<FileReader>),
}

/// What a reader has.
#[derive(Debug, Clone, PartialEq)]
pub enum Read {
    /// The next lines.
    Lines(Lines),
    /// Nothing now.
    Later,
    /// Nothing any more, as far as this reader was asked to read.
    End,
    /// Nothing any more: the partition is another process's.
    Gone,
}

/// Partitions that there are, or are not any more.
#[derive(Debug)]
pub enum Change {
    /// To be read from now on, all of them by one call of [`Source::start`].
    Added {
        /// Their names.
        partitions: Vec<String>,
        /// To be given to [`Source::start`].
        ticket: u64,
    },
    /// Another process reads them from now on.
    Removed {
        /// Their names.
        partitions: Vec<String>,
        /// Another process reads them already: what is not committed is not ours to commit.
        lost: bool,
        /// Dropped when all that was read of them is committed, or given up.
        released: Released,
    },
}

/// Somebody waits until this is dropped.
#[derive(Debug)]
pub struct Released(#[expect(dead_code, reason = "what counts is its drop")] pub(crate) mpsc::Sender<()>);

impl Source {
    /// Partitions that came and went. `known`: those that are read.
    ///
    /// # Errors
    /// The place cannot be looked at.
    pub fn changes(&self, known: impl Fn(&str) -> bool) -> Result<Vec<Change>, SourceError> {
        match self {
            Self::Directory(source) => {
                let mut partitions = source.partitions()?;
                partitions.retain(|name| !known(name));
                Ok(vec![Change::Added {
                    partitions,
                    ticket: 0,
                }])
            }
            Self::Kafka(source) => source.changes(),
            Self::Sftp(source) => Ok(source.changes()),
        }
    }

    /// Readers of the partitions of one [`Change::Added`], each from where the tables stand.
    ///
    /// # Errors
    /// One of them is not there, or never gave out its position.
    pub fn start(
        &self,
        ticket: u64,
        positions: &BTreeMap<String, Option<i64>>,
    ) -> Result<Vec<Reader>, SourceError> {
        match self {
            Self::Directory(source) => positions
                .iter()
                .map(|(name, position)| {
                    let reader = source.reader(name, position.unwrap_or(0))?;
                    Ok(Reader::Directory(Box::new(reader)))
                })
                .collect(),
            Self::Kafka(source) => Ok(source
                .start(ticket, positions)?
                .into_iter()
                .map(Reader::Kafka)
                .collect()),
            Self::Sftp(source) => Ok(source
                .start(positions)?
                .into_iter()
                .map(|reader| Reader::File(Box::new(reader)))
                .collect()),
        }
    }

    /// Exactly the lines of earlier batches of one partition, by their bounds. The first `begins` the partition, or not.
    ///
    /// # Errors
    /// They are not there any more.
    pub fn repeat(
        &self,
        partition: &str,
        batches: &[(i64, i64)],
        begins: bool,
    ) -> Result<Vec<Lines>, SourceError> {
        match self {
            Self::Directory(source) => source.repeat(partition, batches),
            Self::Kafka(source) => batches
                .iter()
                .enumerate()
                .map(|(index, (from, to))| source.repeat(partition, *from, *to, begins && index == 0))
                .collect(),
            Self::Sftp(source) => source.repeat(partition, batches),
        }
    }

    /// Messages that are not in the lake yet, where somebody counts them.
    #[must_use]
    pub fn lag(&self) -> Option<u64> {
        match self {
            Self::Kafka(source) => source.lag(),
            Self::Directory(_) | Self::Sftp(_) => None,
        }
    }

    /// Whether every partition that there is was told of by a [`Change`].
    #[must_use]
    pub fn has_told_all(&self) -> bool {
        match self {
            Self::Directory(_) | Self::Kafka(_) => true,
            Self::Sftp(source) => source.has_told_all(),
        }
    }

    /// What could not be read though all the rest was.
    ///
    /// # Errors
    /// There is something.
    pub fn check_whole(&self) -> Result<(), SourceError> {
        match self {
            Self::Directory(_) | Self::Kafka(_) => Ok(()),
            Self::Sftp(source) => source.check_whole(),
        }
    }

    /// Whether waiting for the source makes sense.
    ///
    /// # Errors
    /// It has not answered for long.
    pub fn check_alive(&self) -> Result<(), SourceError> {
        match self {
            Self::Directory(_) => Ok(()),
            Self::Kafka(source) => source.check_alive(),
            Self::Sftp(source) => source.check_alive(),
        }
    }

    /// Tells whom it concerns how far the lake is.
    pub fn committed(&self, positions: &BTreeMap<String, i64>) {
        match self {
            Self::Directory(_) => {}
            Self::Kafka(source) => source.committed(positions),
            Self::Sftp(source) => source.committed(positions),
        }
    }
}

impl Reader {
    /// The next batch, if there is one.
    ///
    /// # Errors
    /// The source cannot be read.
    pub fn next(&mut self, limit: BatchLimit, mode: Mode) -> Result<Read, SourceError> {
        match self {
            Self::Directory(reader) => Ok(match (reader.next(limit, mode)?, mode) {
                (Some(lines), _) => Read::Lines(lines),
                (None, Mode::Follow) => Read::Later,
                (None, Mode::Drain) => Read::End,
            }),
            Self::Kafka(reader) => reader.next(mode),
            Self::File(reader) => reader.next(limit),
        }
    }

    /// The name of its partition.
    #[must_use]
    pub fn partition(&self) -> &str {
        match self {
            Self::Directory(reader) => reader.partition(),
            Self::Kafka(reader) => reader.partition(),
            Self::File(reader) => reader.partition(),
        }
    }
}
