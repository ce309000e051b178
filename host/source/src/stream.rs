//! The decompressed bytes of one segment.

use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom};
use std::path::Path;

use flate2::read::MultiGzDecoder;

use crate::names::Packing;

const PACKED_BUFFER: usize = 128 << 10;

pub(crate) enum Stream {
    Plain(File),
    Gzip(Box<MultiGzDecoder<BufReader<File>>>),
    Zstd(Box<zstd::Decoder<'static, BufReader<File>>>),
}

/// How the bytes that are there come to an end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// Whole, as far as one can tell; a file may grow.
    Clean,
    /// In the middle of compressed data: still being written, or cut.
    Truncated,
    /// Bytes that do not decode, or that the disk does not give.
    Damaged,
}

impl Stream {
    /// Opens a regular file, never a pipe or a device.
    pub(crate) fn open(path: &Path, packing: Packing) -> io::Result<Self> {
        // Opening a pipe would block, so look first; and look again at what was opened.
        if !std::fs::metadata(path)?.is_file() {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a regular file"));
        }
        let file = File::open(path)?;
        if !file.metadata()?.is_file() {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a regular file"));
        }
        let buffered = |file| BufReader::with_capacity(PACKED_BUFFER, file);
        Ok(match packing {
            Packing::Plain | Packing::Parquet => Self::Plain(file),
            Packing::Gzip => Self::Gzip(Box::new(MultiGzDecoder::new(buffered(file)))),
            Packing::Zstd => Self::Zstd(Box::new(zstd::Decoder::with_buffer(buffered(file))?)),
        })
    }

    /// Moves to `byte`. Gives how many bytes there are when there are fewer.
    pub(crate) fn skip_to(&mut self, byte: u64) -> io::Result<Result<(), u64>> {
        if let Self::Plain(file) = self {
            let len = file.metadata()?.len();
            if len < byte {
                return Ok(Err(len));
            }
            file.seek(SeekFrom::Start(byte))?;
            return Ok(Ok(()));
        }
        let mut buffer = vec![0; 64 << 10];
        let mut skipped = 0_u64;
        while skipped < byte {
            let want = usize::try_from(byte - skipped)
                .unwrap_or(usize::MAX)
                .min(buffer.len());
            match self.read(buffer.get_mut(..want).unwrap_or_default()) {
                Ok(0) | Err(_) => return Ok(Err(skipped)),
                Ok(read) => skipped += u64::try_from(read).unwrap_or(0),
            }
        }
        Ok(Ok(()))
    }

    /// Up to `buffer.len()` bytes; none means that this is the end for now.
    pub(crate) fn read(&mut self, buffer: &mut [u8]) -> Result<usize, End> {
        loop {
            let outcome = match self {
                Self::Plain(file) => file.read(buffer),
                Self::Gzip(decoder) => decoder.read(buffer),
                Self::Zstd(decoder) => decoder.read(buffer),
            };
            return match outcome {
                Ok(read) => Ok(read),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Err(End::Truncated),
                Err(_) => Err(End::Damaged),
            };
        }
    }
}

impl std::fmt::Debug for Stream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Plain(_) => "Plain",
            Self::Gzip(_) => "Gzip",
            Self::Zstd(_) => "Zstd",
        })
    }
}
