//! Files of Parquet: rows instead of lines. A position in an extent counts rows.
//!
//! INVARIANT: which rows stand where hangs on the file alone, not on where reading begins or how much a batch holds. What cannot be
//! read is one line that says so, in the place of all from there to the end of its row group; of a file that is none, in the
//! place of all its rows. So a contract that fits the file no more, in the middle of it, costs the rest of it and says so once.

mod file;
mod pages;
#[cfg(test)]
pub(crate) mod testing;
mod window;

use std::io;
use std::path::Path;

use arrow_array::cast::AsArray as _;
use arrow_array::{Array as _, RecordBatch};
use arrow_schema::DataType;

pub(crate) use self::file::Wanted;
pub(crate) use self::window::Window;

use self::file::{Bad, Chunk, MAX_GROUP, ParquetFile};
use crate::Lines;
use crate::cursor::{Course, OpenError, Stopped};
use crate::decode::rule;
use crate::journal::Head;
use crate::stream::End;

/// Rows of one file, from one of them on.
#[derive(Debug)]
pub(crate) struct RowCursor {
    /// The file's name, for messages.
    name: String,
    /// Or why it is none, and where it ends.
    file: Result<Box<ParquetFile>, (Bad, u64)>,
    /// Number of the next row.
    row: u64,
    chunk: Option<Chunk>,
}

impl RowCursor {
    /// A file that was known by `head` a moment ago.
    pub(crate) fn open(path: &Path, head: &Head, row: u64, wanted: &Wanted) -> Result<Self, OpenError> {
        let window = Window::open(path).map_err(OpenError::Io)?;
        let is_same = head.starts(&window.fingerprint().map_err(OpenError::Io)?);
        if !is_same {
            let error = io::Error::new(io::ErrorKind::InvalidData, "another file by now");
            return Err(OpenError::Io(error));
        }
        let name = path
            .file_name()
            .map(|name| name.to_string_lossy().into_owned())
            .unwrap_or_default();
        let cursor = Self::of(name, window, row, wanted);
        match cursor.end() {
            end if end < row => Err(OpenError::Short(end)),
            _ => Ok(cursor),
        }
    }

    pub(crate) fn of(name: String, window: Window, row: u64, wanted: &Wanted) -> Self {
        Self {
            name,
            file: ParquetFile::open(window, wanted).map(Box::new),
            row,
            chunk: None,
        }
    }

    /// The number of the next row.
    pub(crate) fn row(&self) -> u64 {
        self.row
    }

    /// One past the last row.
    fn end(&self) -> u64 {
        self.file
            .as_ref()
            .map_or_else(|(_, end)| *end, |file| file.rows())
    }

    pub(crate) fn read(&mut self, lines: &mut Lines, course: &Course<'_>) -> Stopped {
        loop {
            if lines.len() >= course.limit.rows
                || (!lines.is_empty() && lines.byte_len() >= course.limit.bytes)
            {
                return Stopped::Full;
            }
            if course.stop.is_some_and(|stop| self.row >= stop) {
                return Stopped::AtStop;
            }
            if self.row >= course.goal {
                return Stopped::AtGoal;
            }
            if self.row >= self.end() {
                return Stopped::AtEnd(End::Clean);
            }
            let bad = match self.load() {
                Ok(()) => {
                    self.take(lines, course);
                    continue;
                }
                Err((bad, end)) => {
                    // A batch never ends within what is one line.
                    self.row = end;
                    bad
                }
            };
            self.chunk = None;
            let message = format!("`{}`: {}", self.name, bad.message);
            tracing::warn!(
                file = self.name,
                reason = bad.message,
                "A file, or rows of it, cannot be read."
            );
            lines.push_problem(&self.told(None), (course.position)(self.row), bad.rule, message);
        }
    }

    /// Has the chunk with the next row.
    fn load(&mut self) -> Result<(), (Bad, u64)> {
        let row = self.row;
        let furthest = row.saturating_add(MAX_GROUP);
        let file = self
            .file
            .as_mut()
            .map_err(|(bad, end)| (bad.clone(), furthest.min(*end)))?;
        let is_here = self
            .chunk
            .as_ref()
            .is_some_and(|chunk| (chunk.first..chunk.first + length(chunk.rows.num_rows())).contains(&row));
        if is_here {
            return Ok(());
        }
        if file.has_changed() {
            let end = file.rows().min(furthest);
            let message = format!(
                "it was changed while it was read: what is in it now is read as a new file, and rows {} to {end} of what it was are lost",
                row + 1
            );
            return Err((Bad::new(message), end));
        }
        self.chunk = Some(file.chunk(row)?);
        Ok(())
    }

    /// Moves rows of the chunk to `lines`, at least one.
    fn take(&mut self, lines: &mut Lines, course: &Course<'_>) {
        let Some(chunk) = &self.chunk else { return };
        let from = usize::try_from(self.row.saturating_sub(chunk.first)).unwrap_or(usize::MAX);
        let bound = course.goal.min(course.stop.unwrap_or(u64::MAX));
        let there = chunk.rows.num_rows().saturating_sub(from);
        let most = there
            .min(course.limit.rows.saturating_sub(lines.len()))
            .min(usize::try_from(bound.saturating_sub(self.row)).unwrap_or(usize::MAX));
        let sizes = Sizes::of(&chunk.rows);
        let (mut count, mut bytes) = (0, 0_usize);
        while count < most {
            let size = sizes.of_row(from + count);
            if size > course.max_line_bytes {
                break;
            }
            (count, bytes) = (count + 1, bytes.saturating_add(size));
            if lines.byte_len().saturating_add(bytes) >= course.limit.bytes {
                break;
            }
        }
        if count == 0 {
            self.row += 1;
            let message = format!(
                "a row of {} bytes; at most {} are read",
                sizes.of_row(from),
                course.max_line_bytes
            );
            let kept = self.told(Some(self.row));
            lines.push_problem(&kept, (course.position)(self.row), rule::LINE_TOO_LONG, message);
            return;
        }
        let first = self.row;
        lines.push_rows(chunk.rows.slice(from, count), bytes, |index| {
            (course.position)(first + length(index) + 1)
        });
        self.row += length(count);
    }

    /// What stands in quarantine for a file, or for a row that is not kept.
    fn told(&self, row: Option<u64>) -> Vec<u8> {
        let told = match row {
            Some(row) => serde_json::json!({ "file": self.name, "row": row }),
            None => serde_json::json!({ "file": self.name }),
        };
        told.to_string().into_bytes()
    }

    /// All rows of a file in memory, as one batch: for tests and tools.
    pub(crate) fn read_all(mut self, lines: &mut Lines) {
        let course = Course {
            limit: crate::BatchLimit {
                rows: usize::MAX,
                bytes: usize::MAX,
            },
            max_line_bytes: usize::MAX,
            stop: None,
            goal: u64::MAX,
            position: &|row| i64::try_from(row).unwrap_or(i64::MAX),
        };
        self.read(lines, &course);
    }
}

/// Bytes of rows: their texts, and so many for everything else.
struct Sizes<'a> {
    fixed: usize,
    texts: Vec<&'a arrow_array::BinaryViewArray>,
}

impl<'a> Sizes<'a> {
    fn of(rows: &'a RecordBatch) -> Self {
        let mut sizes = Self {
            fixed: 0,
            texts: Vec::new(),
        };
        for column in rows.columns() {
            match column.data_type() {
                DataType::BinaryView => sizes.texts.extend(column.as_binary_view_opt()),
                other => sizes.fixed += other.primitive_width().unwrap_or(16),
            }
        }
        sizes
    }

    fn of_row(&self, row: usize) -> usize {
        let text = |column: &&arrow_array::BinaryViewArray| {
            // The lowest half of a view is its length; where there is none, nothing is.
            let view = column.views().get(row).copied().unwrap_or_default();
            if column.is_valid(row) {
                (view & u128::from(u32::MAX)) as usize
            } else {
                0
            }
        };
        self.fixed + self.texts.iter().map(text).sum::<usize>()
    }
}

fn length(rows: usize) -> u64 {
    u64::try_from(rows).unwrap_or(u64::MAX)
}
