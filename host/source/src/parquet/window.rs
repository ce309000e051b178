//! The bytes of a Parquet file: read where they are asked for, and never more than there are.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::sync::Arc;
use std::time::SystemTime;

use bytes::Bytes;
use parquet::errors::{ParquetError, Result};
use parquet::file::reader::{ChunkReader, Length};
use sha2::{Digest as _, Sha256};

use crate::names::Packing;
use crate::stream::Stream;

pub(super) const MAGIC: &[u8] = b"PAR1";
pub(super) const MAGIC_ENCRYPTED: &[u8] = b"PARE";
/// The length of the footer and the magic word.
pub(super) const TRAILER: u64 = 8;
/// Bytes at both ends of a file that tell it from others. The footer has statistics of every column.
const ENDS: u64 = 64 << 10;
/// How much is read at once of what is read in order: headers of pages.
const PIECE: usize = 512;

/// A file, or a copy of one.
#[derive(Debug, Clone)]
pub(crate) struct Window {
    bytes: Place,
    len: u64,
    modified: Option<SystemTime>,
}

#[derive(Debug, Clone)]
enum Place {
    File(Arc<File>),
    Memory(Bytes),
}

impl Window {
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        let Stream::Plain(file) = Stream::open(path, Packing::Parquet)? else {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a plain file"));
        };
        let metadata = file.metadata()?;
        Ok(Self {
            bytes: Place::File(Arc::new(file)),
            len: metadata.len(),
            modified: metadata.modified().ok(),
        })
    }

    pub(crate) fn of_bytes(bytes: &[u8]) -> Self {
        Self {
            len: u64::try_from(bytes.len()).unwrap_or(u64::MAX),
            bytes: Place::Memory(Bytes::copy_from_slice(bytes)),
            modified: None,
        }
    }

    /// Exactly those bytes.
    pub(crate) fn read(&self, start: u64, length: u64) -> io::Result<Bytes> {
        let end = start.checked_add(length).filter(|end| *end <= self.len);
        let (Some(end), Ok(wanted)) = (end, usize::try_from(length)) else {
            return Err(io::ErrorKind::UnexpectedEof.into());
        };
        match &self.bytes {
            Place::File(file) => {
                let mut bytes = vec![0; wanted];
                file.read_exact_at(&mut bytes, start)?;
                Ok(bytes.into())
            }
            Place::Memory(bytes) => {
                let place = usize::try_from(start).ok().zip(usize::try_from(end).ok());
                let place = place.filter(|(_, end)| *end <= bytes.len());
                place
                    .map(|(start, end)| bytes.slice(start..end))
                    .ok_or_else(|| io::ErrorKind::UnexpectedEof.into())
            }
        }
    }

    /// What tells this file from another, in 40 bytes: its size and a digest of its ends, of which one is the footer. Nothing where
    /// there is nothing.
    pub(crate) fn fingerprint(&self) -> io::Result<Vec<u8>> {
        if self.len == 0 {
            return Ok(Vec::new());
        }
        let end = ENDS.min(self.len);
        let mut digest = Sha256::new();
        digest.update(self.read(0, end)?);
        digest.update(self.read(self.len - end, end)?);
        let mut bytes = self.len.to_le_bytes().to_vec();
        bytes.extend_from_slice(&digest.finalize());
        Ok(bytes)
    }

    /// Whether it ends as a Parquet file does: its writer is done.
    pub(crate) fn is_finished(&self) -> bool {
        let ends = |magic| {
            let word = self.len.checked_sub(4).and_then(|at| self.read(at, 4).ok());
            word.is_some_and(|word| word == magic)
        };
        self.len > TRAILER && (ends(MAGIC) || ends(MAGIC_ENCRYPTED))
    }

    /// Whether what is open was written to since: then it may not be what it was.
    pub(crate) fn was_touched(&self) -> bool {
        let Place::File(file) = &self.bytes else {
            return false;
        };
        file.metadata().map_or(true, |metadata| {
            metadata.len() != self.len || metadata.modified().ok() != self.modified
        })
    }

    /// The same file as it is now.
    pub(crate) fn again(&self) -> io::Result<Self> {
        let Place::File(file) = &self.bytes else {
            return Ok(self.clone());
        };
        let metadata = file.metadata()?;
        Ok(Self {
            bytes: self.bytes.clone(),
            len: metadata.len(),
            modified: metadata.modified().ok(),
        })
    }
}

impl Length for Window {
    fn len(&self) -> u64 {
        self.len
    }
}

impl ChunkReader for Window {
    type T = Ordered;

    fn get_read(&self, start: u64) -> Result<Ordered> {
        Ok(Ordered {
            window: self.clone(),
            next: start,
            piece: Bytes::new(),
        })
    }

    fn get_bytes(&self, start: u64, length: usize) -> Result<Bytes> {
        let length = u64::try_from(length).unwrap_or(u64::MAX);
        self.read(start, length)
            .map_err(|error| ParquetError::External(Box::new(error)))
    }
}

/// Bytes in order from a place on.
#[derive(Debug)]
pub(crate) struct Ordered {
    window: Window,
    next: u64,
    piece: Bytes,
}

impl Read for Ordered {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.piece.is_empty() {
            let left = self.window.len.saturating_sub(self.next);
            let wanted = left.min(u64::try_from(buffer.len().max(PIECE)).unwrap_or(left));
            self.piece = self.window.read(self.next, wanted)?;
            self.next += wanted;
        }
        let taken = self.piece.split_to(buffer.len().min(self.piece.len()));
        if let Some(room) = buffer.get_mut(..taken.len()) {
            room.copy_from_slice(&taken);
        }
        Ok(taken.len())
    }
}
