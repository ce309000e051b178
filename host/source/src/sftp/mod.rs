//! A folder on a server as a source. A file is fetched whole into a spool, and read from there as a partition of its own.
//!
//! The lake says how far a file was read: a file that stands there to its end is taken, whichever host took it, and is only
//! moved to the archive once more if the host died before. The spool can be lost at any time.

mod config;
mod fetch;
mod remote;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender, bounded, unbounded};

pub use self::config::{Secret, SftpConfig};
pub(crate) use self::fetch::fetch_again;

use self::fetch::{Fetcher, read_taken};
use self::remote::{Remote, RemoteFile};
use crate::framing::Layout;
use crate::names::journal_name;
use crate::{
    BatchLimit, Change, DirectoryConfig, DirectorySource, Lines, Mode, PartitionReader, Read, SourceError,
};

/// For a server that is read to its end once.
const TRIES_ONCE: u32 = 6;

/// A folder on a server.
pub struct SftpSource {
    spool: DirectorySource,
    spool_config: DirectoryConfig,
    shared: Arc<Shared>,
    changes: Receiver<Change>,
    /// Dropped to end the thread.
    wake: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

/// Reads one file.
#[derive(Debug)]
pub struct FileReader {
    reader: PartitionReader,
    shared: Arc<Shared>,
}

struct Shared {
    config: SftpConfig,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// By partition: files that are in the spool and not in the lake yet.
    spooled: BTreeMap<String, Spooled>,
    /// Files that are in the lake, and still have to be put away.
    done: BTreeMap<String, RemoteFile>,
    /// Files that are put away, as far as this process knows.
    taken: BTreeSet<String>,
    /// The folder was looked at, and all that settled was fetched.
    complete: bool,
    /// Files that stay on the server, and why.
    bad: BTreeMap<String, String>,
    failures: u32,
    trouble: Option<String>,
}

struct Spooled {
    file: RemoteFile,
    /// Where it ends, once it was read to there. `None` in it: it has no line.
    end: Option<Option<i64>>,
    committed: Option<i64>,
}

impl SftpSource {
    /// Begins to fetch into `spool`, and keeps journals in `journals`.
    ///
    /// # Errors
    /// A setting is wrong, or the spool cannot be made.
    pub fn open(
        config: &SftpConfig,
        spool: &Path,
        journals: &Path,
        source: &malla_contract::Source,
    ) -> Result<Self, SourceError> {
        config.check()?;
        config.login()?;
        let extensions = Layout::of(&source.format)
            .ok_or_else(|| SourceError::NotInFiles {
                path: config.folder.clone().into(),
                format: source.format.as_str(),
            })?
            .extensions;
        let files = spool.join("files");
        let parts = spool.join("parts");
        for folder in [&files, &parts] {
            fs::create_dir_all(folder).map_err(|error| SourceError::Io {
                action: "create",
                path: folder.clone(),
                error,
            })?;
        }
        // What is left of an earlier process is fetched again, unless it is there whole.
        let mut spool_config = DirectoryConfig::new(&files, journals).with_source(source);
        spool_config.settle = Duration::ZERO;
        spool_config.abandon = Duration::ZERO;
        let shared = Arc::new(Shared {
            config: config.clone(),
            state: Mutex::default(),
        });
        let (sender, changes) = unbounded();
        let (wake, woken) = bounded(1);
        let taken_file = spool.join("taken");
        shared.lock().taken = read_taken(&taken_file);
        let fetcher = Fetcher {
            shared: Arc::clone(&shared),
            files,
            parts,
            taken_file,
            tries: BTreeMap::new(),
            refused: BTreeMap::new(),
            extensions,
            changes: sender,
            sizes: BTreeMap::new(),
        };
        let thread = std::thread::Builder::new()
            .name("sftp".into())
            .spawn(move || fetcher.run(&woken))
            .map_err(|error| SourceError::Io {
                action: "start a thread for",
                path: config.folder.clone().into(),
                error,
            })?;
        Ok(Self {
            spool: DirectorySource::open(spool_config.clone())?,
            spool_config,
            shared,
            changes,
            wake: Some(wake),
            thread: Some(thread),
        })
    }

    /// Looks how many files wait on the server.
    ///
    /// # Errors
    /// A setting is wrong, or the server does not let us in.
    pub fn try_out(config: &SftpConfig) -> Result<usize, SourceError> {
        config.check()?;
        Ok(Remote::connect(config)?.list(None)?.len())
    }

    /// Files that were fetched since the last call.
    #[must_use]
    pub fn changes(&self) -> Vec<Change> {
        self.changes.try_iter().collect()
    }

    /// Whether every file that there is was told of.
    #[must_use]
    pub fn has_told_all(&self) -> bool {
        self.shared.lock().complete && self.changes.is_empty()
    }

    /// Files that could not be read.
    ///
    /// # Errors
    /// There are some: they stay on the server.
    pub fn check_whole(&self) -> Result<(), SourceError> {
        let state = self.shared.lock();
        if state.bad.is_empty() {
            return Ok(());
        }
        let reasons: Vec<&str> = state.bad.values().map(String::as_str).collect();
        Err(SourceError::Sftp {
            host: self.shared.config.host.clone(),
            reason: reasons.join("; "),
        })
    }

    /// Whether waiting for the server makes sense where an end is waited for.
    ///
    /// # Errors
    /// It failed several times in a row.
    pub fn check_alive(&self) -> Result<(), SourceError> {
        let state = self.shared.lock();
        match &state.trouble {
            Some(trouble) if state.failures >= TRIES_ONCE => Err(SourceError::Sftp {
                host: self.shared.config.host.clone(),
                reason: format!("{trouble} (tried {} times)", state.failures),
            }),
            _ => Ok(()),
        }
    }

    /// Readers of fetched files, each from where the tables stand.
    ///
    /// # Errors
    /// A file is not in the spool any more, or the tables stand where it never was.
    pub fn start(&self, positions: &BTreeMap<String, Option<i64>>) -> Result<Vec<FileReader>, SourceError> {
        positions
            .iter()
            .map(|(partition, position)| {
                if let Some(spooled) = self.shared.lock().spooled.get_mut(partition) {
                    spooled.committed = *position;
                }
                Ok(FileReader {
                    reader: self.reader(partition, *position)?,
                    shared: Arc::clone(&self.shared),
                })
            })
            .collect()
    }

    /// Exactly the lines of earlier batches of a file.
    ///
    /// # Errors
    /// The file is not what it was.
    pub fn repeat(&self, partition: &str, batches: &[(i64, i64)]) -> Result<Vec<Lines>, SourceError> {
        let last = batches.last().map(|(_, to)| *to);
        let mut reader = self.reader(partition, last)?;
        batches
            .iter()
            .map(|(from, to)| reader.repeat(*from, *to))
            .collect()
    }

    /// The lake is that far. A file that is in it whole is put away.
    pub fn committed(&self, positions: &BTreeMap<String, i64>) {
        {
            let mut state = self.shared.lock();
            for (partition, position) in positions {
                if let Some(spooled) = state.spooled.get_mut(partition) {
                    spooled.committed = Some(*position);
                }
            }
            state.find_done();
        }
        if let Some(wake) = &self.wake {
            // One that waits is enough.
            let _ = wake.try_send(());
        }
    }

    /// A journal says which bytes or rows have which position. For a file that never grows it is the same each time it is made, so
    /// it is made anew, as far as the position: it may be another host's turn.
    fn reader(&self, partition: &str, position: Option<i64>) -> Result<PartitionReader, SourceError> {
        let journal = self.spool_config.state_dir.join(journal_name(partition));
        match fs::remove_file(&journal) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(SourceError::Io {
                    action: "make anew",
                    path: journal,
                    error,
                });
            }
            _ => {}
        }
        let mut reader = self.spool.reader(partition, 0)?;
        let Some(position) = position.filter(|position| *position > 0) else {
            return Ok(reader);
        };
        while !reader.knows(position) && reader.next(BatchLimit::default(), Mode::Drain)?.is_some() {}
        drop(reader);
        self.spool.reader(partition, position)
    }
}

impl FileReader {
    /// The next batch, if there is one.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn next(&mut self, limit: BatchLimit) -> Result<Read, SourceError> {
        if let Some(lines) = self.reader.next(limit, Mode::Drain)? {
            return Ok(Read::Lines(lines));
        }
        let end = Some(self.reader.position()).filter(|position| *position > 0);
        let warnings = self.reader.take_warnings();
        let mut state = self.shared.lock();
        if let Some(warning) = warnings.first() {
            // What came before is in the lake; the file stays where it is, to be sent again.
            let reason = format!("{warning}: the file stays on the server, have it sent again");
            state.bad.insert(self.reader.partition().to_owned(), reason);
            return Ok(Read::End);
        }
        if let Some(spooled) = state.spooled.get_mut(self.reader.partition()) {
            spooled.end = Some(end);
        }
        state.find_done();
        Ok(Read::End)
    }

    /// The name of its partition.
    #[must_use]
    pub fn partition(&self) -> &str {
        self.reader.partition()
    }
}

impl Drop for SftpSource {
    fn drop(&mut self) {
        self.wake.take();
        if let Some(thread) = self.thread.take() {
            // A panic of it was told when it happened.
            let _ = thread.join();
        }
    }
}

impl std::fmt::Debug for SftpSource {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SftpSource")
            .field("config", &self.shared.config)
            .finish_non_exhaustive()
    }
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shared")
            .field("config", &self.config)
            .finish_non_exhaustive()
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Files that were read to their end, and are in the lake to there.
    fn find_done(&mut self) {
        let done: Vec<String> = self
            .spooled
            .iter()
            .filter(|(_, spooled)| spooled.end.is_some_and(|end| end <= spooled.committed))
            .map(|(partition, _)| partition.clone())
            .collect();
        for partition in done {
            if let Some(spooled) = self.spooled.remove(&partition) {
                self.done.insert(partition, spooled.file);
            }
        }
    }
}
