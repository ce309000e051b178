//! The first record of a file, where it names the columns.

use std::io::{Seek, SeekFrom};
use std::path::Path;
use std::sync::Arc;

use crate::framing::{Framing, Scan};
use crate::lines::{BYTE_ORDER_MARK, trim_line_end};
use crate::names::Packing;
use crate::stream::Stream;

const CHUNK: usize = 16 << 10;

/// The first record of a file.
#[derive(Debug, Clone)]
pub(crate) struct Header {
    /// Without its line end. Empty when it is too long.
    pub(crate) bytes: Arc<[u8]>,
    /// One past its last byte in the file.
    pub(crate) end: u64,
    /// It has its line end: more bytes do not change it.
    pub(crate) whole: bool,
}

impl Header {
    /// Reads it once more, without moving `stream`. `None`: the file cannot be read.
    pub(crate) fn read(
        stream: &mut Stream,
        path: &Path,
        packing: Packing,
        framing: Framing,
        max: usize,
    ) -> Option<Self> {
        let Stream::Plain(file) = stream else {
            return Some(Self::of(&mut Stream::open(path, packing).ok()?, framing, max));
        };
        // Its name may be gone already.
        let at = file.stream_position().ok()?;
        file.rewind().ok()?;
        let header = Self::of(stream, framing, max);
        if let Stream::Plain(file) = stream {
            file.seek(SeekFrom::Start(at)).ok()?;
        }
        Some(header)
    }

    fn of(stream: &mut Stream, framing: Framing, max: usize) -> Self {
        let mut bytes: Vec<u8> = Vec::new();
        // Bytes that are counted only: a mark at the start, or the start of a record that is too long.
        let (mut dropped, mut is_long) = (0, false);
        let mut scan = Scan::default();
        loop {
            let old = bytes.len();
            bytes.resize(old + CHUNK, 0);
            let read = stream.read(bytes.get_mut(old..).unwrap_or_default()).unwrap_or(0);
            bytes.truncate(old + read);
            let is_all = read == 0;
            if dropped == 0 && bytes.starts_with(BYTE_ORDER_MARK) {
                bytes.drain(..BYTE_ORDER_MARK.len());
                dropped = BYTE_ORDER_MARK.len();
            } else if dropped == 0 && BYTE_ORDER_MARK.starts_with(&bytes) && !is_all {
                continue;
            }
            let end = match scan.end(&bytes, framing, max) {
                None if is_all => Some(scan.end_of_all(&bytes, framing)),
                end => end,
            };
            if let Some(end) = end {
                let record = bytes.get(..end).unwrap_or_default();
                let kept = trim_line_end(record);
                let is_long = is_long || kept.len() > max;
                return Self {
                    bytes: if is_long { Arc::default() } else { kept.into() },
                    end: u64::try_from(dropped + end).unwrap_or(u64::MAX),
                    whole: record.ends_with(b"\n"),
                };
            }
            if bytes.len() > max.saturating_add(2) {
                is_long = true;
                dropped += bytes.len();
                bytes.clear();
                scan = Scan::rest_of_line();
            }
        }
    }
}
