//! The thread that talks to the server: looks, fetches, puts away.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender};

use super::config::SftpConfig;
use super::remote::{Fetched, Remote, RemoteFile};
use super::{Shared, Spooled};
use crate::names::decode_name;
use crate::{Change, SourceError};

/// How long a server that fails is left alone at first; doubled each time, up to how often the folder is looked at.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
/// After so many failures of one file in a row the others go on.
const TRIES_OF_A_FILE: u32 = 5;

/// See the module.
pub(super) struct Fetcher {
    pub(super) shared: Arc<Shared>,
    pub(super) files: PathBuf,
    pub(super) parts: PathBuf,
    /// What is put away, a line each: without it, files that stay on the server would be fetched again to find that they are
    /// in the lake.
    pub(super) taken_file: PathBuf,
    /// How often fetching a file failed in a row.
    pub(super) tries: BTreeMap<String, u32>,
    /// By partition: the digest that a file should have had and had not. It is fetched again when that digest is another; a file that
    /// is written anew is another partition.
    pub(super) refused: BTreeMap<String, String>,
    pub(super) extensions: &'static [&'static str],
    pub(super) changes: Sender<Change>,
    /// Sizes at the last look, and since when they are the same.
    pub(super) sizes: BTreeMap<String, Instant>,
}

impl Fetcher {
    pub(super) fn run(mut self, woken: &Receiver<()>) {
        let mut remote = None;
        let mut pause = FIRST_PAUSE;
        loop {
            let wait = match self.look(&mut remote) {
                Ok(wait) => {
                    pause = FIRST_PAUSE;
                    let mut state = self.shared.lock();
                    state.failures = 0;
                    state.trouble = None;
                    wait
                }
                Err(error) => {
                    // What is open may be why.
                    remote = None;
                    tracing::warn!(%error, "A server is tried again.");
                    let mut state = self.shared.lock();
                    state.failures += 1;
                    state.trouble = Some(error.to_string());
                    let wait = pause;
                    pause = (pause * 2).min(self.shared.config.every().max(FIRST_PAUSE));
                    wait
                }
            };
            if let Err(RecvTimeoutError::Disconnected) = woken.recv_timeout(wait) {
                // What is in the lake is put away before the end, if that is possible at once.
                if !self.shared.lock().done.is_empty() {
                    let _ = self.look(&mut remote);
                }
                return;
            }
        }
    }

    /// Puts away what is done, fetches what settled, and says when to look again.
    fn look(&mut self, remote: &mut Option<Remote>) -> Result<Duration, SourceError> {
        let config = self.shared.config.clone();
        let connected = match remote.take() {
            Some(connected) => connected,
            None => Remote::connect(&config)?,
        };
        self.put_away(&connected)?;
        let listed = connected.list(Some(self.extensions))?;
        let now = Instant::now();
        self.sizes.retain(|partition, _| listed.contains_key(partition));
        self.forget_refused(&listed);
        let mut waits = false;
        for (partition, file) in &listed {
            let since = *self.sizes.entry(partition.clone()).or_insert(now);
            if self.is_known(partition) {
                continue;
            }
            if since.elapsed() < config.settle() {
                waits = true;
                continue;
            }
            match self.fetch(&connected, partition, file) {
                Ok(()) => {
                    self.tries.remove(partition);
                }
                // The connection may be to blame, and is made anew; a file that fails again and again holds up no other.
                Err(error) => {
                    let tries = self.tries.entry(partition.clone()).or_insert(0);
                    *tries += 1;
                    if *tries < TRIES_OF_A_FILE {
                        return Err(error);
                    }
                    tracing::error!(%error, "A file stays on the server.");
                    self.shared
                        .lock()
                        .bad
                        .insert(partition.clone(), error.to_string());
                }
            }
        }
        self.forget_parts(&listed);
        *remote = Some(connected);
        if !waits {
            let mut state = self.shared.lock();
            if !state.complete {
                state.complete = true;
                drop(state);
                self.tell(Vec::new());
            }
        }
        Ok(if waits {
            config.settle().min(config.every())
        } else {
            config.every()
        })
    }

    fn is_known(&self, partition: &str) -> bool {
        let state = self.shared.lock();
        state.spooled.contains_key(partition)
            || state.done.contains_key(partition)
            || state.taken.contains(partition)
    }

    fn fetch(&mut self, remote: &Remote, partition: &str, file: &RemoteFile) -> Result<(), SourceError> {
        if let Some(refused) = self.refused.get(partition)
            && remote.promised_digest(&file.name)?.as_ref() == Some(refused)
        {
            return Ok(());
        }
        self.refused.remove(partition);
        let target = self.files.join(decode_name(partition)).join(&file.name);
        let is_there = fs::metadata(&target).is_ok_and(|metadata| metadata.len() == file.size);
        let fetched = if is_there {
            Fetched::Whole
        } else {
            remote.fetch(file, &self.parts.join(decode_name(partition)), &target)?
        };
        match fetched {
            Fetched::Whole => {
                let spooled = Spooled {
                    file: file.clone(),
                    end: None,
                    committed: None,
                };
                let mut state = self.shared.lock();
                state.bad.remove(partition);
                state.spooled.insert(partition.to_owned(), spooled);
                drop(state);
                self.tell(vec![partition.to_owned()]);
            }
            Fetched::Changed => {}
            Fetched::NotAsPromised(promised) => {
                let error = remote.not_as_promised(file);
                tracing::error!(%error, "A file stays on the server.");
                self.refused.insert(partition.to_owned(), promised);
                let mut state = self.shared.lock();
                state.bad.insert(partition.to_owned(), error.to_string());
            }
        }
        Ok(())
    }

    /// Files that were not what they should be, and are not there any more: sent again, or taken away.
    fn forget_refused(&mut self, listed: &BTreeMap<String, RemoteFile>) {
        let shared = Arc::clone(&self.shared);
        self.refused.retain(|partition, _| {
            let is_there = listed.contains_key(partition);
            if !is_there {
                shared.lock().bad.remove(partition);
            }
            is_there
        });
    }

    fn put_away(&self, remote: &Remote) -> Result<(), SourceError> {
        let done = self.shared.lock().done.clone();
        for (partition, file) in done {
            if let Some(archive) = &self.shared.config.archive {
                remote.archive(&file, archive)?;
            }
            let folder = self.files.join(decode_name(&partition));
            if let Err(error) = fs::remove_dir_all(&folder) {
                tracing::warn!(folder = %folder.display(), %error, "A file that is in the lake stays in the spool.");
            }
            let mut state = self.shared.lock();
            state.done.remove(&partition);
            drop(state);
            self.note_taken(&partition);
        }
        Ok(())
    }

    /// Only spares fetching it again: that it cannot be noted does no harm.
    fn note_taken(&self, partition: &str) {
        let noted = fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(&self.taken_file)
            .and_then(|mut file| writeln!(file, "{partition}"));
        if let Err(error) = noted {
            tracing::debug!(%error, "That a file is taken was not noted.");
        }
        self.shared.lock().taken.insert(partition.to_owned());
    }

    /// Parts of files that are not there any more.
    fn forget_parts(&self, listed: &BTreeMap<String, RemoteFile>) {
        let Ok(parts) = fs::read_dir(&self.parts) else {
            return;
        };
        for part in parts.flatten() {
            let wanted = listed
                .keys()
                .any(|partition| decode_name(partition) == part.file_name());
            if !wanted {
                let _ = fs::remove_file(part.path());
            }
        }
    }

    fn tell(&self, partitions: Vec<String>) {
        let _ = self.changes.send(Change::Added {
            partitions,
            ticket: 0,
        });
    }
}

/// What an earlier process put away.
pub(super) fn read_taken(path: &Path) -> BTreeSet<String> {
    let text = fs::read_to_string(path).unwrap_or_default();
    text.lines().map(str::to_owned).collect()
}

/// Fetches one file again, from where it is or from where it was archived, into `files` below `scratch`.
pub(crate) fn fetch_again(
    config: &SftpConfig,
    partition: &str,
    scratch: &Path,
) -> Result<PathBuf, SourceError> {
    let archived = config.archive.iter().map(|archive| SftpConfig {
        folder: archive.clone(),
        ..config.clone()
    });
    for place in std::iter::once(config.clone()).chain(archived) {
        let remote = Remote::connect(&place)?;
        // There may be no archive yet.
        let Ok(files) = remote.list(None) else {
            continue;
        };
        if let Some(file) = files.get(partition) {
            let target = scratch
                .join("files")
                .join(decode_name(partition))
                .join(&file.name);
            match remote.fetch(file, &scratch.join("part"), &target)? {
                Fetched::Whole => return Ok(target),
                Fetched::Changed => {}
                Fetched::NotAsPromised(_) => return Err(remote.not_as_promised(file)),
            }
        }
    }
    Err(SourceError::Sftp {
        host: config.host.clone(),
        reason: format!("`{partition}` is not on the server any more"),
    })
}
