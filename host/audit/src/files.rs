//! The folder of a log: names, the lock, and how files get onto the disk.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, ErrorKind, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use crate::{AuditError, Damage};

pub(crate) const HEAD_FILE: &str = "head";
pub(crate) const HEAD_NEW_FILE: &str = "head.new";
pub(crate) const KEY_FILE: &str = "audit.pub";
pub(crate) const LOCK_FILE: &str = "lock";

/// Heads and keys are a few hundred bytes; what is longer is none.
const SMALL: u64 = 4096;

/// A file of records.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LogFile {
    /// Number of its first record.
    pub(crate) first: u64,
    /// Its size when the folder was listed.
    pub(crate) bytes: u64,
}

impl LogFile {
    pub(crate) fn name(&self) -> String {
        log_name(self.first)
    }
}

pub(crate) fn log_name(first: u64) -> String {
    format!("audit-{first:020}.jsonl")
}

/// The number of the first record; `None` for any other name.
fn first_of(name: &str) -> Option<u64> {
    let first = name
        .strip_prefix("audit-")?
        .strip_suffix(".jsonl")?
        .parse()
        .ok()?;
    (log_name(first) == name).then_some(first)
}

/// What is in a folder.
pub(crate) struct Listing {
    /// The files of records, in order.
    pub(crate) files: Vec<LogFile>,
    /// Something that is no part of a log.
    pub(crate) foreign: Option<String>,
}

/// # Errors
/// The folder cannot be read.
pub(crate) fn list(dir: &Path) -> Result<Listing, Damage> {
    let unreadable = |error: io::Error| Damage::unreadable(".", &error);
    let (mut files, mut foreign) = (Vec::new(), None);
    for entry in fs::read_dir(dir).map_err(unreadable)? {
        let entry = entry.map_err(unreadable)?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let metadata = entry.metadata().map_err(unreadable)?;
        let ours = [HEAD_FILE, HEAD_NEW_FILE, KEY_FILE, LOCK_FILE].contains(&name.as_str());
        match first_of(&name) {
            Some(first) if metadata.is_file() => files.push(LogFile {
                first,
                bytes: metadata.len(),
            }),
            None if ours && metadata.is_file() => {}
            _ => foreign = Some(printable(&name)),
        }
    }
    files.sort_by_key(|file: &LogFile| file.first);
    Ok(Listing { files, foreign })
}

/// The name of a file that is not ours ends in messages: nothing in it may write on a terminal.
fn printable(name: &str) -> String {
    name.chars()
        .map(|char| if char.is_control() { '?' } else { char })
        .collect()
}

/// A small file as text; `None` if there is none. What is no text or longer than any of ours becomes the empty text, which
/// is nothing of ours either.
pub(crate) fn read_small(path: &Path) -> io::Result<Option<String>> {
    let mut bytes = Vec::new();
    match File::open(path) {
        Ok(file) => file.take(SMALL).read_to_end(&mut bytes)?,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    Ok(Some(String::from_utf8(bytes).unwrap_or_default()))
}

/// Waits for a lock. A signal that the process handles does not make it an error.
pub(crate) fn uninterrupted(lock: impl Fn() -> io::Result<()>) -> io::Result<()> {
    loop {
        match lock() {
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            outcome => return outcome,
        }
    }
}

/// The folder of a log that is appended to.
#[derive(Debug, Clone)]
pub(crate) struct Folder {
    path: PathBuf,
}

impl Folder {
    /// Makes the folder, for its owner alone, if it is not there.
    pub(crate) fn make(path: &Path) -> Result<Self, AuditError> {
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(path)
            .map_err(AuditError::io("create", path))?;
        Ok(Self {
            path: path.to_owned(),
        })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn join(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// Waits until no other process appends. Released when the file is dropped, also by a crash.
    pub(crate) fn lock(&self) -> Result<File, AuditError> {
        let path = self.join(LOCK_FILE);
        let file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&path)
            .map_err(AuditError::io("open", &path))?;
        uninterrupted(|| file.lock()).map_err(AuditError::io("lock", &path))?;
        Ok(file)
    }

    /// A file to append to. `is_new`: one that is not there yet, and is once this returns, whatever happens.
    pub(crate) fn open_log(&self, name: &str, is_new: bool) -> Result<File, AuditError> {
        let path = self.join(name);
        let file = OpenOptions::new()
            .append(true)
            .create_new(is_new)
            .mode(0o600)
            .open(&path)
            .map_err(AuditError::io(if is_new { "create" } else { "open" }, &path))?;
        if is_new {
            self.sync()?;
        }
        Ok(file)
    }

    /// Replaces a small file as a whole: after a crash there is the old one or the new one. Which of the two is only sure
    /// after [`Folder::sync`].
    pub(crate) fn replace(&self, name: &str, text: &str) -> Result<(), AuditError> {
        let (path, new) = (self.join(name), self.join(HEAD_NEW_FILE));
        let write = || {
            let mut file = OpenOptions::new()
                .write(true)
                .create(true)
                .truncate(true)
                .mode(0o600)
                .open(&new)?;
            file.write_all(text.as_bytes())?;
            file.sync_data()?;
            fs::rename(&new, &path)
        };
        write().map_err(AuditError::io("write", &path))
    }

    /// Puts names onto the disk: files made, replaced or removed.
    pub(crate) fn sync(&self) -> Result<(), AuditError> {
        File::open(&self.path)
            .and_then(|dir| dir.sync_all())
            .map_err(AuditError::io("sync", &self.path))
    }
}
