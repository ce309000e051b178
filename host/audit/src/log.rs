//! A log that is open, and the thread that writes it.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, OnceLock};
use std::thread::{self, JoinHandle};

use crate::files::Folder;
use crate::key::SecretKey;
use crate::writer::Writer;
use crate::{AuditError, PublicKey, Record};

/// A group of records is appended when it has this many bytes, if not before.
const GROUP_BYTES: usize = 1 << 20;
/// About what a record has around its body.
const AROUND_BYTES: usize = 256;

/// How a log is written. Does not need to be the same in all processes that append to one.
#[derive(Debug, Clone)]
pub struct AuditConfig {
    pub(crate) file_bytes: u64,
    pub(crate) checkpoint_records: u64,
    pub(crate) queue_records: usize,
}

/// New files at 64 MiB, a checkpoint every 1,000 records, 4,096 records waiting.
impl Default for AuditConfig {
    fn default() -> Self {
        Self {
            file_bytes: 64 << 20,
            checkpoint_records: 1_000,
            queue_records: 4_096,
        }
    }
}

impl AuditConfig {
    /// A new file is begun when one has this many bytes.
    #[must_use]
    pub fn with_file_bytes(mut self, bytes: u64) -> Self {
        self.file_bytes = bytes.max(1);
        self
    }

    /// A checkpoint after this many records, beside those at the end of a file and of the log.
    #[must_use]
    pub fn with_checkpoint_records(mut self, records: u64) -> Self {
        self.checkpoint_records = records.max(1);
        self
    }

    /// When this many records wait to be written, [`AuditLog::record`] waits too.
    #[must_use]
    pub fn with_queue_records(mut self, records: usize) -> Self {
        self.queue_records = records.max(1);
        self
    }
}

/// An audit log, open to append.
///
/// ```
/// use malla_audit::{AuditConfig, AuditLog, Kind, Outcome, Record, verify};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let dir = tempfile::tempdir()?;
/// # let (dir, seed) = (dir.path(), [7; 32]);
/// let log = AuditLog::open(dir, seed, AuditConfig::default())?;
/// log.record(
///     Record::new(Kind::Read, "ventas.transacciones", Outcome::Mask)
///         .with_principal("user:ana")
///         .with_rule("policies/global.csv:12"),
/// )?;
/// log.flush()?;
/// assert_eq!(verify(dir, &log.public_key(), None)?.records, 2);
/// # Ok(())
/// # }
/// ```
///
/// Share it by reference or `Arc`; any number of threads and processes may append to one folder.
///
/// Dropping it writes what waits and a checkpoint, as [`AuditLog::close`] does, but can only log an error.
pub struct AuditLog {
    dir: PathBuf,
    key: PublicKey,
    /// `None` once it is closed.
    queue: Option<SyncSender<Message>>,
    thread: Option<JoinHandle<()>>,
    failed: Arc<OnceLock<AuditError>>,
}

enum Message {
    Record(Vec<u8>),
    Flush(SyncSender<Result<(), AuditError>>),
}

impl AuditLog {
    /// Opens the log in `dir`, or begins one there. `signing_seed` is the Ed25519 secret key, the same for all of a log's
    /// life; its public key is put beside the log.
    ///
    /// What a crash left behind is put in order, and said in a record. The rest is not read again: that is [`crate::verify()`].
    ///
    /// # Errors
    /// The folder cannot be used, the log was begun with another key, or its end is not as its head says.
    pub fn open(dir: &Path, signing_seed: [u8; 32], config: AuditConfig) -> Result<Self, AuditError> {
        let secret = SecretKey::new(signing_seed);
        let key = secret.public();
        let (queue, messages) = sync_channel(config.queue_records);
        let writer = Writer::open(Folder::make(dir)?, secret, config)?;
        let failed = Arc::new(OnceLock::new());
        let thread = thread::Builder::new()
            .name("malla-audit".to_owned())
            .spawn({
                let failed = Arc::clone(&failed);
                move || run(writer, &messages, &failed)
            })
            .map_err(AuditError::io("start a writer for", dir))?;
        Ok(Self {
            dir: dir.to_owned(),
            key,
            queue: Some(queue),
            thread: Some(thread),
            failed,
        })
    }

    /// The key that others verify this log with.
    #[must_use]
    pub fn public_key(&self) -> PublicKey {
        self.key
    }

    /// Hands a record to the writer. It is on disk soon after, and for sure once [`AuditLog::flush`] returns. Waits when the
    /// queue is full: no record is ever left out.
    ///
    /// # Errors
    /// An earlier record could not be written. Stop: nothing that happens from now on is recorded.
    pub fn record(&self, record: Record) -> Result<(), AuditError> {
        self.send(Message::Record(record.render()))
    }

    /// Waits until everything that this handle recorded before is on disk and below the signed head.
    ///
    /// # Errors
    /// It could not be written.
    pub fn flush(&self) -> Result<(), AuditError> {
        let (done, outcome) = sync_channel(1);
        self.send(Message::Flush(done))?;
        outcome.recv().unwrap_or_else(|_| Err(self.failure()))
    }

    /// Writes what waits and a checkpoint, and stops the writer.
    ///
    /// # Errors
    /// Something could not be written, now or before.
    pub fn close(mut self) -> Result<(), AuditError> {
        self.stop()
    }

    fn send(&self, message: Message) -> Result<(), AuditError> {
        if let Some(error) = self.failed.get() {
            return Err(error.clone());
        }
        let queue = self.queue.as_ref().ok_or_else(|| self.failure())?;
        queue.send(message).map_err(|_| self.failure())
    }

    fn failure(&self) -> AuditError {
        self.failed.get().cloned().unwrap_or(AuditError::Stopped)
    }

    fn stop(&mut self) -> Result<(), AuditError> {
        // Without a sender, the thread writes what is in the queue and ends.
        self.queue = None;
        let panicked = self.thread.take().is_some_and(|thread| thread.join().is_err());
        match self.failed.get() {
            Some(error) => Err(error.clone()),
            None if panicked => Err(AuditError::Stopped),
            None => Ok(()),
        }
    }
}

impl Drop for AuditLog {
    fn drop(&mut self) {
        if self.thread.is_some()
            && let Err(error) = self.stop()
        {
            tracing::error!(%error, "Audit log not closed.");
        }
    }
}

impl fmt::Debug for AuditLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AuditLog")
            .field("dir", &self.dir)
            .finish_non_exhaustive()
    }
}

/// Commits whatever waits, as one group, until nobody can send any more. The slower the disk, the larger the groups.
fn run(mut writer: Writer, messages: &Receiver<Message>, failed: &OnceLock<AuditError>) {
    let mut commit = |bodies: &[Vec<u8>], is_last: bool| match failed.get() {
        // It goes on answering: nobody may wait for ever on a full queue.
        Some(error) => Err(error.clone()),
        None => writer
            .commit(bodies, is_last)
            .map_err(|error| failed.get_or_init(|| error).clone()),
    };
    while let Ok(first) = messages.recv() {
        let (mut bodies, mut waiting, mut bytes) = (Vec::new(), Vec::new(), 0);
        let mut next = Some(first);
        while let Some(message) = next {
            match message {
                Message::Record(body) => {
                    bytes += body.len() + AROUND_BYTES;
                    bodies.push(body);
                }
                Message::Flush(done) => waiting.push(done),
            }
            next = (bytes < GROUP_BYTES).then(|| messages.try_recv().ok()).flatten();
        }
        let outcome = if bodies.is_empty() {
            failed.get().cloned().map_or(Ok(()), Err)
        } else {
            commit(&bodies, false)
        };
        for done in waiting {
            // Who asked may have gone.
            let _ = done.send(outcome.clone());
        }
    }
    // An error is kept in `failed`, where whoever closes the log finds it.
    let _ = commit(&[], true);
}
