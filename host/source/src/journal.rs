//! The journal of a partition: which bytes of which file a position means.
//!
//! An extent is a run of bytes of one file, or of rows where it is Parquet, read as one piece. Extents are numbered from 1; a position is the extent's number
//! and the bytes past its start. The journal is append-only JSON Lines, on disk before any line of an extent is handed out.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::SourceError;
use crate::names::{hex, journal_name};

const FORMAT: u32 = 1;

/// Bits of a position that count bytes past the start of an extent.
const BYTE_BITS: u32 = 32;

/// A reader begins a new extent when it is this far into one, long before [`BYTE_BITS`] are used up.
pub(crate) const EXTENT_BYTES: u64 = 1 << 30;

/// The first bytes of a file, hashed: what stays when it is copied or compressed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Head {
    pub(crate) len: u32,
    pub(crate) sha256: String,
}

/// Most bytes of a head.
pub(crate) const HEAD_BYTES: usize = 1024;

impl Head {
    pub(crate) fn of(bytes: &[u8]) -> Self {
        let bytes = bytes.get(..HEAD_BYTES).unwrap_or(bytes);
        Self {
            len: u32::try_from(bytes.len()).unwrap_or(u32::MAX),
            sha256: hex(&Sha256::digest(bytes)),
        }
    }

    /// Whether a file that starts with `bytes` can be the one that had this head.
    pub(crate) fn starts(&self, bytes: &[u8]) -> bool {
        usize::try_from(self.len)
            .ok()
            .and_then(|len| bytes.get(..len))
            .is_some_and(|bytes| !bytes.is_empty() && Self::of(bytes).sha256 == self.sha256)
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct FileRecord {
    pub(crate) id: u32,
    pub(crate) name: String,
    pub(crate) device: u64,
    pub(crate) inode: u64,
    pub(crate) head: Head,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Extent {
    /// Id of its file.
    pub(crate) file: u32,
    /// First byte, in the decompressed file.
    pub(crate) start: u64,
    /// One past its last byte, once the reader has moved on.
    pub(crate) end: Option<u64>,
    /// Size on disk of a compressed file that was read to its end.
    pub(crate) packed: Option<u64>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
enum Record {
    Format { version: u32 },
    File(FileRecord),
    Extent { seq: u32, file: u32, start: u64 },
    Close { seq: u32, end: u64, packed: Option<u64> },
}

#[derive(Debug)]
pub(crate) struct Journal {
    partition: String,
    path: PathBuf,
    /// Locked as long as it is open.
    file: File,
    pub(crate) extents: Vec<Extent>,
    pub(crate) files: Vec<FileRecord>,
    /// How many extents are on disk.
    written: usize,
    /// Files to write, by id.
    dirty: Vec<u32>,
    /// Whether the last extent on disk is there without its end.
    open_on_disk: bool,
}

impl Journal {
    pub(crate) fn open(state_dir: &Path, partition: &str, position: i64) -> Result<Self, SourceError> {
        let path = state_dir.join(journal_name(partition));
        let io_error = |action| {
            let path = path.clone();
            move |error| SourceError::Io { action, path, error }
        };
        let missing = || SourceError::JournalMissing {
            partition: partition.to_owned(),
            path: path.clone(),
            position,
        };
        if position > 0 && !fs::exists(&path).map_err(io_error("find"))? {
            return Err(missing());
        }
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .map_err(io_error("open"))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(SourceError::InUse {
                    partition: partition.to_owned(),
                    path,
                });
            }
            Err(TryLockError::Error(error)) => return Err(io_error("lock")(error)),
        }
        let mut text = Vec::new();
        file.read_to_end(&mut text).map_err(io_error("read"))?;
        let mut journal = Self {
            partition: partition.to_owned(),
            path: path.clone(),
            file,
            extents: Vec::new(),
            files: Vec::new(),
            written: 0,
            dirty: Vec::new(),
            open_on_disk: false,
        };
        let whole = journal.load(&text)?;
        if position > 0 && journal.extents.is_empty() {
            return Err(missing());
        }
        journal
            .prepare(whole, whole == 0, state_dir)
            .map_err(io_error("write"))?;
        Ok(journal)
    }

    /// Gives how many bytes of `text` are whole lines. Only the last line may be torn: a crash tears no other.
    fn load(&mut self, text: &[u8]) -> Result<u64, SourceError> {
        let mut whole = 0;
        for (index, line) in text.split_inclusive(|byte| *byte == b'\n').enumerate() {
            let is_last = whole + line.len() == text.len();
            let outcome = match line.strip_suffix(b"\n") {
                None => Err("no line end"),
                Some(line) => match serde_json::from_slice(line) {
                    Ok(record) => self.apply(record),
                    Err(_) => Err("not a journal record"),
                },
            };
            match outcome {
                Ok(()) => whole += line.len(),
                Err(_) if is_last => {
                    tracing::warn!(partition = %self.partition, line = index + 1, "Journal's torn last line is removed.");
                    break;
                }
                Err(reason) => {
                    return Err(SourceError::JournalDamaged {
                        path: self.path.clone(),
                        line: index + 1,
                        reason: reason.to_owned(),
                    });
                }
            }
        }
        self.written = self.extents.len();
        self.open_on_disk = self.extents.last().is_some_and(|extent| extent.end.is_none());
        Ok(u64::try_from(whole).unwrap_or(u64::MAX))
    }

    fn apply(&mut self, record: Record) -> Result<(), &'static str> {
        match record {
            Record::Format { version: FORMAT } => Ok(()),
            Record::Format { .. } => Err("written by another version of malla"),
            Record::File(file) => {
                let count = self.files.len();
                match usize::try_from(file.id) {
                    Ok(id) if id == count => self.files.push(file),
                    Ok(id) => *self.files.get_mut(id).ok_or("a file out of order")? = file,
                    Err(_) => return Err("a file out of order"),
                }
                Ok(())
            }
            Record::Extent { seq, file, start } => {
                let known = usize::try_from(file).is_ok_and(|file| file < self.files.len());
                let closed = self.extents.last().is_none_or(|last| last.end.is_some());
                if !known || !closed || seq_of(self.extents.len()) != Some(seq) {
                    return Err("an extent out of order");
                }
                self.extents.push(Extent {
                    file,
                    start,
                    end: None,
                    packed: None,
                });
                Ok(())
            }
            Record::Close { seq, end, packed } => {
                let is_last = self.extents.len().checked_sub(1).and_then(seq_of) == Some(seq);
                match self.extents.last_mut() {
                    Some(last) if is_last && last.end.is_none() && last.start <= end => {
                        (last.end, last.packed) = (Some(end), packed);
                        Ok(())
                    }
                    _ => Err("an end out of order"),
                }
            }
        }
    }

    fn prepare(&mut self, whole: u64, is_new: bool, state_dir: &Path) -> io::Result<()> {
        self.file.set_len(whole)?;
        self.file.seek(SeekFrom::Start(whole))?;
        if is_new {
            let mut line = serde_json::to_vec(&Record::Format { version: FORMAT })?;
            line.push(b'\n');
            self.file.write_all(&line)?;
        }
        self.file.sync_all()?;
        File::open(state_dir)?.sync_all()
    }

    /// Puts on disk what was added since the last time. Call before a line of it is handed out.
    pub(crate) fn flush(&mut self) -> Result<(), SourceError> {
        let mut records = Vec::new();
        self.dirty.sort_unstable();
        self.dirty.dedup();
        for id in &self.dirty {
            let file = usize::try_from(*id).ok().and_then(|id| self.files.get(id));
            records.extend(file.cloned().map(Record::File));
        }
        let close = |index: usize, extent: &Extent| {
            Some(Record::Close {
                seq: seq_of(index)?,
                end: extent.end?,
                packed: extent.packed,
            })
        };
        if self.open_on_disk
            && let Some(index) = self.written.checked_sub(1)
            && let Some(extent) = self.extents.get(index)
        {
            records.extend(close(index, extent));
        }
        for (index, extent) in self.extents.iter().enumerate().skip(self.written) {
            records.extend(seq_of(index).map(|seq| Record::Extent {
                seq,
                file: extent.file,
                start: extent.start,
            }));
            records.extend(close(index, extent));
        }
        if !records.is_empty() {
            self.append(&records).map_err(|error| SourceError::Io {
                action: "write",
                path: self.path.clone(),
                error,
            })?;
        }
        self.dirty.clear();
        self.written = self.extents.len();
        self.open_on_disk = self.extents.last().is_some_and(|extent| extent.end.is_none());
        Ok(())
    }

    fn append(&mut self, records: &[Record]) -> io::Result<()> {
        let mut text = Vec::new();
        for record in records {
            serde_json::to_writer(&mut text, record)?;
            text.push(b'\n');
        }
        let before = self.file.stream_position()?;
        let outcome = self.file.write_all(&text).and_then(|()| self.file.sync_data());
        if outcome.is_err() {
            // A full disk must not leave half a record in the middle of what a later call appends.
            self.file.set_len(before)?;
            self.file.seek(SeekFrom::Start(before))?;
        }
        outcome
    }

    /// Adds or updates a file. A new one has the id `files.len()`.
    pub(crate) fn put_file(&mut self, file: FileRecord) {
        let id = file.id;
        match usize::try_from(id).ok().and_then(|id| self.files.get_mut(id)) {
            Some(known) if *known == file => return,
            Some(known) => *known = file,
            None => self.files.push(file),
        }
        self.dirty.push(id);
    }

    /// Ends the last extent and begins one at `start` of `file`.
    pub(crate) fn begin_extent(&mut self, file: u32, start: u64) -> Result<(), SourceError> {
        if seq_of(self.extents.len()).is_none() {
            return Err(SourceError::PositionsUsedUp {
                partition: self.partition.clone(),
            });
        }
        self.extents.push(Extent {
            file,
            start,
            end: None,
            packed: None,
        });
        Ok(())
    }

    /// Ends the last extent at `end`; forgets it when nobody has heard of it and it gave nothing.
    pub(crate) fn end_extent(&mut self, end: u64, packed: Option<u64>, gave_lines: bool) {
        if !gave_lines && self.extents.len() > self.written {
            self.extents.pop();
        } else if let Some(last) = self.extents.last_mut()
            && last.end.is_none()
        {
            (last.end, last.packed) = (Some(end), packed);
        }
    }

    /// The extent and the byte of its file that a position means. `None`: never given out.
    pub(crate) fn locate(&self, position: i64) -> Option<(usize, u64)> {
        if position == 0 {
            return Some((0, self.extents.first().map_or(0, |extent| extent.start)));
        }
        let position = u64::try_from(position).ok()?;
        let index = usize::try_from(position >> BYTE_BITS).ok()?.checked_sub(1)?;
        let extent = self.extents.get(index)?;
        let byte = extent.start.checked_add(position & ((1 << BYTE_BITS) - 1))?;
        extent.end.is_none_or(|end| byte <= end).then_some((index, byte))
    }
}

/// The number of the extent at `index`; `None` past the last one that a position can hold.
fn seq_of(index: usize) -> Option<u32> {
    u32::try_from(index)
        .ok()?
        .checked_add(1)
        .filter(|seq| *seq < 1 << 31)
}

/// Position of a byte of the file of the extent at `index`, which starts at `start`.
pub(crate) fn position(index: usize, start: u64, byte: u64) -> i64 {
    let seq = u64::from(seq_of(index).unwrap_or(u32::MAX >> 1));
    let past = byte.saturating_sub(start).min((1 << BYTE_BITS) - 1);
    i64::try_from(seq << BYTE_BITS | past).unwrap_or(i64::MAX)
}
