//! Rows that do not fit into memory, on a disk for a while: sealed with a key that is nowhere but in memory, in files without a
//! name, so that nothing of them is left when the process ends, however it does.

use std::fs::File;
use std::io::{self, Write};
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use datafusion::error::{DataFusionError, Result};
use datafusion::execution::{SpillFile, SpillWriter, TempFileFactory};
use futures::Stream;
use malla_privacy::{SCRATCH_OVERHEAD, Scratch};
use tokio::task::JoinHandle;

/// Bytes that are sealed together.
const PIECE: usize = 256 * 1024;

/// Where queries may put rows that do not fit into memory, and how many bytes of them all together. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Spill(Arc<Place>);

#[derive(Debug)]
struct Place {
    folder: PathBuf,
    bytes: u64,
    used: AtomicU64,
}

/// There is no room left.
#[derive(Debug, thiserror::Error)]
#[error("more than {bytes} bytes beside memory are needed")]
pub(crate) struct Full {
    pub(crate) bytes: u64,
}

impl Spill {
    /// In a folder, which is made when it is needed.
    #[must_use]
    pub fn new(folder: PathBuf, bytes: u64) -> Self {
        Self(Arc::new(Place {
            folder,
            bytes,
            used: AtomicU64::new(0),
        }))
    }
}

impl Place {
    fn take(&self, bytes: u64) -> io::Result<()> {
        let more = |used: u64| used.checked_add(bytes).filter(|used| *used <= self.bytes);
        let taken = self.used.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more);
        taken
            .map(drop)
            .map_err(|_| io::Error::other(Full { bytes: self.bytes }))
    }
}

impl TempFileFactory for Spill {
    fn create_temp_file(&self, _description: &str) -> Result<Arc<dyn SpillFile>> {
        std::fs::create_dir_all(&self.0.folder)?;
        Ok(Arc::new(Sealed(Arc::new(Inner {
            file: tempfile::tempfile_in(&self.0.folder)?,
            scratch: Scratch::new().map_err(|e| DataFusionError::External(e.into()))?,
            pieces: Mutex::default(),
            place: Arc::clone(&self.0),
        }))))
    }
}

struct Sealed(Arc<Inner>);

struct Inner {
    file: File,
    scratch: Scratch,
    pieces: Mutex<Vec<Piece>>,
    place: Arc<Place>,
}

/// A piece in the file. Its number is that of its place in the list.
#[derive(Clone, Copy)]
struct Piece {
    start: u64,
    length: usize,
}

impl Inner {
    fn pieces(&self) -> MutexGuard<'_, Vec<Piece>> {
        self.pieces.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn size(&self) -> u64 {
        self.pieces()
            .last()
            .map_or(0, |last| last.start + last.length as u64)
    }

    fn read(&self, number: usize, piece: Piece) -> Result<Bytes> {
        let mut bytes = vec![0; piece.length];
        self.file.read_exact_at(&mut bytes, piece.start)?;
        let number = u32::try_from(number).unwrap_or(u32::MAX);
        let opened = self.scratch.open(number, &mut bytes);
        opened.map_err(|e| DataFusionError::External(e.into()))?;
        Ok(bytes.into())
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.place.used.fetch_sub(self.size(), Ordering::Relaxed);
    }
}

impl SpillFile for Sealed {
    fn size(&self) -> Option<u64> {
        Some(self.0.size())
    }

    fn read_stream(&self) -> Result<Pin<Box<dyn Stream<Item = Result<Bytes>> + Send>>> {
        Ok(Box::pin(Reading {
            file: Arc::clone(&self.0),
            next: 0,
            piece: None,
        }))
    }

    fn open_writer(&self) -> Result<Box<dyn SpillWriter>> {
        Ok(Box::new(Writing {
            file: Arc::clone(&self.0),
            buffer: Vec::new(),
        }))
    }
}

/// Reads a file that may still be written: it ends where the pieces do, and goes on when there are more.
struct Reading {
    file: Arc<Inner>,
    next: usize,
    piece: Option<JoinHandle<Result<Bytes>>>,
}

impl Stream for Reading {
    type Item = Result<Bytes>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.get_mut();
        let number = this.next;
        let reading = match &mut this.piece {
            Some(reading) => reading,
            None => {
                let Some(piece) = this.file.pieces().get(number).copied() else {
                    return Poll::Ready(None);
                };
                let file = Arc::clone(&this.file);
                this.piece
                    .insert(tokio::task::spawn_blocking(move || file.read(number, piece)))
            }
        };
        let read = ready!(Pin::new(reading).poll(context));
        this.piece = None;
        this.next = number + 1;
        Poll::Ready(Some(
            read.unwrap_or_else(|e| Err(DataFusionError::External(e.into()))),
        ))
    }
}

struct Writing {
    file: Arc<Inner>,
    buffer: Vec<u8>,
}

impl Writing {
    /// Seals what is in the buffer.
    fn seal(&mut self) -> io::Result<()> {
        if self.buffer.is_empty() {
            return Ok(());
        }
        let Inner {
            file, scratch, place, ..
        } = &*self.file;
        place.take((self.buffer.len() + SCRATCH_OVERHEAD) as u64)?;
        let mut pieces = self.file.pieces();
        let start = pieces.last().map_or(0, |last| last.start + last.length as u64);
        let number = scratch.seal(&mut self.buffer).map_err(io::Error::other)?;
        if number as usize != pieces.len() {
            return Err(io::Error::other("a file has two writers"));
        }
        file.write_all_at(&self.buffer, start)?;
        pieces.push(Piece {
            start,
            length: self.buffer.len(),
        });
        self.buffer.clear();
        Ok(())
    }
}

impl Write for Writing {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let room = PIECE.saturating_sub(self.buffer.len());
        let some = bytes.get(..room.min(bytes.len())).unwrap_or(bytes);
        self.buffer
            .reserve_exact((PIECE + SCRATCH_OVERHEAD).saturating_sub(self.buffer.len()));
        self.buffer.extend_from_slice(some);
        if self.buffer.len() >= PIECE {
            self.seal()?;
        }
        Ok(some.len())
    }

    /// Whoever reads the file while it is written sees what was written up to here.
    fn flush(&mut self) -> io::Result<()> {
        self.seal()
    }
}

impl SpillWriter for Writing {
    fn finish(&mut self) -> Result<()> {
        self.seal()?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use arrow_array::cast::AsArray;
    use arrow_array::types::Int64Type;
    use arrow_array::{ArrayRef, Int64Array, RecordBatch, StringArray};
    use datafusion::prelude::ident;
    use futures::StreamExt as _;

    use super::*;
    use crate::query::collect;
    use crate::session::session;
    use crate::{Limits, QueryError};

    const SECRET: &[u8] = b"ana@example.com ";

    async fn read(file: &Arc<dyn SpillFile>) -> Vec<u8> {
        let mut pieces = file.read_stream().unwrap();
        let mut all = Vec::new();
        while let Some(piece) = pieces.next().await {
            all.extend_from_slice(&piece.unwrap());
        }
        all
    }

    #[tokio::test]
    async fn what_is_written_is_read_and_nobody_else_can() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("spill");
        let spill = Spill::new(folder.clone(), 8 << 20);
        let file = spill.create_temp_file("a sort").unwrap();
        let mut writer = file.open_writer().unwrap();
        let some = SECRET.repeat(PIECE / SECRET.len() * 2 + 7);
        writer.write_all(&some).unwrap();
        writer.flush().unwrap();
        assert_eq!(read(&file).await, some);
        // Whoever reads while it is written goes on where it was.
        let mut early = file.read_stream().unwrap();
        for _ in 0..3 {
            early.next().await.unwrap().unwrap();
        }
        assert!(early.next().await.is_none());
        writer.write_all(b"more").unwrap();
        writer.finish().unwrap();
        assert_eq!(early.next().await.unwrap().unwrap(), "more");
        assert_eq!(read(&file).await, [some.as_slice(), b"more"].concat());

        assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 0);
        // Of this process it is reachable as long as it is open.
        let open = std::fs::read_dir("/proc/self/fd").unwrap().filter_map(|fd| {
            let fd = fd.unwrap().path();
            let place = std::fs::read_link(&fd).ok()?;
            place.starts_with(&folder).then(|| std::fs::read(fd).unwrap())
        });
        let stored: Vec<Vec<u8>> = open.collect();
        assert_eq!(stored.len(), 1);
        assert_eq!(stored[0].len() as u64, file.size().unwrap());
        assert!(!stored[0].windows(4).any(|bytes| bytes == b"ana@"));
    }

    #[tokio::test]
    async fn the_room_is_one_for_all_files_and_is_given_back() {
        let dir = tempfile::tempdir().unwrap();
        let spill = Spill::new(dir.path().to_owned(), 3 * PIECE as u64);
        let first = spill.create_temp_file("a sort").unwrap();
        first
            .open_writer()
            .unwrap()
            .write_all(&vec![0; 2 * PIECE])
            .unwrap();
        let second = spill.create_temp_file("a sort").unwrap();
        let error = second
            .open_writer()
            .unwrap()
            .write_all(&vec![0; PIECE])
            .unwrap_err();
        assert!(error.get_ref().is_some_and(|error| error.is::<Full>()), "{error}");
        drop(first);
        second.open_writer().unwrap().write_all(&vec![0; PIECE]).unwrap();
        drop(second);
        assert_eq!(spill.0.used.load(Ordering::Relaxed), 0);
    }

    /// 160,000 numbers, and long texts of the same order.
    fn rows() -> Vec<RecordBatch> {
        let batches = (0..20).map(|batch| {
            let numbers = (0..8_000).map(|n| (n * 7_919 + batch) % 160_000);
            let texts = StringArray::from_iter_values(numbers.clone().map(|n| format!("{n:0>100}")));
            let columns: [ArrayRef; 2] = [Arc::new(texts), Arc::new(Int64Array::from_iter_values(numbers))];
            RecordBatch::try_from_iter(["texto", "n"].into_iter().zip(columns)).unwrap()
        });
        batches.collect()
    }

    async fn sorted(rows: &[RecordBatch], spill: Option<Spill>) -> Result<Vec<i64>, QueryError> {
        let limits = Limits {
            rows: usize::MAX,
            memory: 32 << 20,
            spill,
            ..Limits::default()
        };
        let context = session(limits.memory, limits.spill.as_ref()).unwrap();
        let batches = rows.to_vec();
        let frame = context.read_batches(batches).unwrap();
        let frame = frame.sort(vec![ident("texto").sort(true, false)]).unwrap();
        let found = collect(frame.select(vec![ident("n")]).unwrap(), &limits).await?;
        let columns = found
            .batches
            .iter()
            .map(|batch| batch.column(0).as_primitive::<Int64Type>());
        Ok(columns.flat_map(|numbers| numbers.values().to_vec()).collect())
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_sort_that_memory_does_not_hold_goes_on_beside_it_within_its_room() {
        let dir = tempfile::tempdir().unwrap();
        let within = |bytes| Some(Spill::new(dir.path().to_owned(), bytes));
        let rows = rows();
        let found = sorted(&rows, within(1 << 30)).await.unwrap();
        assert_eq!(found.len(), 160_000);
        assert!(found.is_sorted());
        assert!(matches!(sorted(&rows, None).await, Err(QueryError::Memory(_))));
        let error = sorted(&rows, within(1 << 20)).await.unwrap_err();
        assert!(matches!(error, QueryError::Disk { .. }), "{error:?}");
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
    }
}
