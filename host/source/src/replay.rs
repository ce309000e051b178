//! Reads batches again that were read before, beside whoever reads the source now: it takes no part in a group, moves no
//! file, and writes only to a folder of its own.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use crate::kafka::{self, KafkaConfig};
use crate::names::journal_name;
use crate::sftp::{self, SftpConfig};
use crate::{BatchLimit, DirectoryConfig, DirectorySource, Lines, Mode, SourceError};

/// A source whose earlier batches are read again.
#[derive(Debug)]
pub struct Replay(Kind);

#[derive(Debug)]
enum Kind {
    Directory {
        source: Box<DirectorySource>,
        /// Journals of whoever reads the folder.
        journals: PathBuf,
        /// Copies of them: those are locked.
        copies: PathBuf,
    },
    Kafka {
        config: Box<KafkaConfig>,
        group: String,
    },
    Sftp {
        config: Box<SftpConfig>,
        spool: Box<DirectorySource>,
        scratch: PathBuf,
        /// Files that were fetched.
        fetched: RefCell<BTreeMap<String, PathBuf>>,
    },
}

impl Replay {
    /// Of a folder, by the journals of whoever reads it. `scratch` is an empty folder.
    ///
    /// # Errors
    /// A folder is missing.
    pub fn directory(config: DirectoryConfig, scratch: &Path) -> Result<Self, SourceError> {
        let journals = config.state_dir.clone();
        let config = DirectoryConfig {
            state_dir: scratch.to_owned(),
            ..config
        };
        Ok(Self(Kind::Directory {
            source: Box::new(DirectorySource::open(config)?),
            journals,
            copies: scratch.to_owned(),
        }))
    }

    /// Of a topic.
    #[must_use]
    pub fn kafka(config: &KafkaConfig, group: &str) -> Self {
        Self(Kind::Kafka {
            config: Box::new(config.clone()),
            group: group.to_owned(),
        })
    }

    /// Of files on a server, where they are or where they were archived. `spool` says what of them is read, and `scratch` is an empty
    /// folder.
    ///
    /// # Errors
    /// A folder cannot be made.
    pub fn sftp(
        config: &SftpConfig,
        spool: impl FnOnce(DirectoryConfig) -> DirectoryConfig,
        scratch: &Path,
    ) -> Result<Self, SourceError> {
        config.check()?;
        let files = scratch.join("files");
        fs::create_dir_all(&files).map_err(|error| SourceError::Io {
            action: "create",
            path: files.clone(),
            error,
        })?;
        let spool = spool(DirectoryConfig::new(&files, scratch.join("journals")));
        Ok(Self(Kind::Sftp {
            config: Box::new(config.clone()),
            spool: Box::new(DirectorySource::open(spool)?),
            scratch: scratch.to_owned(),
            fetched: RefCell::default(),
        }))
    }

    /// Exactly the lines of earlier batches of a partition, which follow one another. `begins`: nothing of it came before.
    ///
    /// # Errors
    /// They are not there any more.
    pub fn batches(
        &self,
        partition: &str,
        bounds: &[(i64, i64)],
        begins: bool,
    ) -> Result<Vec<Lines>, SourceError> {
        match &self.0 {
            Kind::Directory {
                source,
                journals,
                copies,
            } => {
                let name = journal_name(partition);
                let (from, to) = (journals.join(&name), copies.join(&name));
                fs::copy(&from, &to).map_err(|error| SourceError::Io {
                    action: "copy",
                    path: from,
                    error,
                })?;
                source.repeat(partition, bounds)
            }
            Kind::Kafka { config, group } => bounds
                .iter()
                .enumerate()
                .map(|(index, (from, to))| {
                    kafka::repeat(config, group, partition, *from, *to, begins && index == 0)
                })
                .collect(),
            Kind::Sftp {
                config,
                spool,
                scratch,
                fetched,
            } => {
                if !fetched.borrow().contains_key(partition) {
                    let file = sftp::fetch_again(config, partition, scratch)?;
                    fetched.borrow_mut().insert(partition.to_owned(), file);
                    let mut reader = spool.reader(partition, 0)?;
                    while reader.next(BatchLimit::default(), Mode::Drain)?.is_some() {}
                }
                spool.repeat(partition, bounds)
            }
        }
    }
}
