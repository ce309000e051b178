//! The end of a log, held against its head before anything is appended.

use std::fs::{self, File};
use std::io::{self, ErrorKind, Read as _, Seek as _, SeekFrom};

use data_encoding::HEXLOWER;
use sha2::{Digest, Sha256};

use crate::damage::{Damage, Wrong};
use crate::files::{self, Folder, LogFile, log_name};
use crate::format::line_end;
use crate::head::Head;
use crate::scan::{Last, Scan};
use crate::{AuditError, PublicKey};

/// More than this behind the head does not come from a crash: a writer has at most one group of records unsynced.
pub(crate) const MAX_CUT: u64 = 8 << 20;

/// What was found behind the head, and what was done about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Recovered {
    /// Whole records that the head did not know. They stay.
    pub(crate) kept: u64,
    /// Bytes after them that were no records. They are gone.
    pub(crate) cut_bytes: u64,
    /// Their SHA-256.
    pub(crate) cut_sha256: String,
}

/// Holds the end of the log against `head`. After a crash, moves `head` over what is whole behind it and cuts off the rest.
/// `None`: the log ends where the head says.
///
/// # Errors
/// The log is shorter than the head, is another log, or has more behind the head than a crash can leave.
pub(crate) fn settle(
    folder: &Folder,
    head: &mut Head,
    key: PublicKey,
) -> Result<Option<Recovered>, AuditError> {
    let damaged = AuditError::damaged(folder.path());
    let path = folder.join(&head.file);
    let bytes = match fs::metadata(&path) {
        Ok(metadata) => Some(metadata.len()),
        Err(error) if error.kind() == ErrorKind::NotFound => None,
        Err(error) => return Err(AuditError::io("read", &path)(error)),
    };
    if bytes.unwrap_or_default() < head.bytes {
        return Err(damaged(Damage::of(
            &head.file,
            Wrong::Truncated { head: head.seq },
        )));
    }
    if head.seq > 0 && !ends_with(&path, head).map_err(AuditError::io("read", &path))? {
        return Err(damaged(Damage::of(&head.file, Wrong::NotTheHead)));
    }
    let next = folder.join(&log_name(head.seq.saturating_add(1)));
    let has_next = fs::exists(&next).map_err(AuditError::io("read", &next))?;
    if bytes.unwrap_or_default() == head.bytes && !has_next {
        return Ok(None);
    }
    recover(folder, head, key).map(Some)
}

/// Whether the record that the head knows ends where the head says.
fn ends_with(path: &std::path::Path, head: &Head) -> io::Result<bool> {
    let expected = line_end(&head.hash);
    let mut found = vec![0; expected.len()];
    let Some(start) = u64::try_from(expected.len())
        .ok()
        .and_then(|len| head.bytes.checked_sub(len))
    else {
        return Ok(false);
    };
    let mut file = File::open(path)?;
    file.seek(SeekFrom::Start(start))?;
    file.read_exact(&mut found)?;
    Ok(found == expected)
}

fn recover(folder: &Folder, head: &mut Head, key: PublicKey) -> Result<Recovered, AuditError> {
    let damaged = || AuditError::damaged(folder.path());
    let mut files = files::list(folder.path()).map_err(damaged())?.files;
    files.retain(|file| file.name() >= head.file);
    if files.first().is_none_or(|file| file.name() != head.file) {
        return Err(damaged()(Damage::of(&head.file, Wrong::NoFirstFile)));
    }
    let last = Last {
        seq: head.seq,
        hash: head.hash.clone(),
        checkpoint: head.checkpoint,
    };
    let mut scan = Scan::new(folder.path(), files.clone(), head.bytes, last, key).map_err(damaged())?;
    loop {
        match scan.next() {
            Ok(Some(_)) => {}
            Ok(None) => break,
            Err(damage) if damage.wrong.is_torn() => break,
            // Lines are counted from the head on here, and would mislead.
            Err(damage) => return Err(damaged()(Damage { line: None, ..damage })),
        }
    }
    let (cut_bytes, (file, bytes)) = (scan.rest(), scan.whole);
    let whole = files.get(file).map(LogFile::name).unwrap_or_default();
    if cut_bytes > MAX_CUT {
        return Err(damaged()(Damage::of(whole, Wrong::Garbage { bytes: cut_bytes })));
    }
    let kept = scan.last.seq.saturating_sub(head.seq);
    let behind = files.get(file..).unwrap_or_default();
    let cut_sha256 = cut(folder, behind, bytes)?;
    *head = Head {
        seq: scan.last.seq,
        hash: scan.last.hash,
        file: whole,
        bytes,
        checkpoint: scan.last.checkpoint,
        time: head.time,
    };
    tracing::warn!(kept, cut_bytes, "Audit log recovered after a crash.");
    Ok(Recovered {
        kept,
        cut_bytes,
        cut_sha256,
    })
}

/// Cuts the first file at `bytes` and removes the others; gives the SHA-256 of what goes.
fn cut(folder: &Folder, files: &[LogFile], bytes: u64) -> Result<String, AuditError> {
    let mut digest = Sha256::new();
    for (index, file) in files.iter().enumerate() {
        let path = folder.join(&file.name());
        let from = if index == 0 { bytes } else { 0 };
        let mut hash = || {
            let mut opened = File::open(&path)?;
            opened.seek(SeekFrom::Start(from))?;
            io::copy(&mut opened, &mut Hashed(&mut digest))
        };
        hash().map_err(AuditError::io("read", &path))?;
    }
    // From the last on: what a crash leaves of this is found again.
    for (index, file) in files.iter().enumerate().rev() {
        let path = folder.join(&file.name());
        let outcome = match (index, bytes) {
            (0, 1..) => File::options()
                .write(true)
                .open(&path)
                .and_then(|file| file.set_len(bytes).and_then(|()| file.sync_all())),
            // A file without a record has no name: the next record may be another.
            _ => fs::remove_file(&path),
        };
        outcome.map_err(AuditError::io("cut", &path))?;
    }
    folder.sync()?;
    Ok(HEXLOWER.encode(&digest.finalize()))
}

struct Hashed<'a>(&'a mut Sha256);

impl io::Write for Hashed<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
