//! What one extent holds: lines of its bytes, or rows of its file. A line is a record: of CSV it may hold line ends.

use std::io;
use std::path::{Path, PathBuf};

use crate::Lines;
use crate::catalog::Claimed;
use crate::decode::rule;
use crate::framing::{Framing, Layout, Scan};
use crate::header::Header;
use crate::lines::{BYTE_ORDER_MARK, trim_line_end};
use crate::names::Packing;
use crate::parquet::{RowCursor, Wanted};
use crate::reader::BatchLimit;
use crate::stream::{End, Stream};

const CHUNK: usize = 256 << 10;
/// How much of a line that is too long is kept.
const KEPT_BYTES: usize = 4 << 10;
/// A line without end is cut here, so that a position can count its bytes.
const CUT_BYTES: u64 = 1 << 30;

/// Why a cursor stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stopped {
    /// The batch is full.
    Full,
    /// At the end that it was given.
    AtStop,
    /// Past the goal, between two lines.
    AtGoal,
    /// No more bytes now. A line without its end may be left, see [`Cursor::tail`].
    AtEnd(End),
}

/// How far to read, and how to number what was read.
pub(crate) struct Course<'a> {
    pub(crate) limit: BatchLimit,
    pub(crate) max_line_bytes: usize,
    /// Read no byte from here on; what is left before it is a line.
    pub(crate) stop: Option<u64>,
    /// Begin no line from here on.
    pub(crate) goal: u64,
    /// Byte of the file to position.
    pub(crate) position: &'a dyn Fn(u64) -> i64,
}

/// A place in one file.
#[derive(Debug)]
pub(crate) enum Cursor {
    Lines(LineCursor),
    Rows(RowCursor),
}

impl Cursor {
    /// At a byte of a file, or at a row, as its layout counts.
    pub(crate) fn open(
        claimed: &Claimed,
        at: u64,
        layout: Layout,
        wanted: &Wanted,
    ) -> Result<Self, OpenError> {
        let found = &claimed.found;
        match layout.framing {
            Framing::Rows => RowCursor::open(&found.path, &claimed.head, at, wanted).map(Self::Rows),
            Framing::Lines | Framing::Quoted { .. } => {
                LineCursor::open(&found.path, found.segment.packing, at, layout).map(Self::Lines)
            }
        }
    }

    /// Where the next line or row starts.
    pub(crate) fn byte(&self) -> u64 {
        match self {
            Self::Lines(lines) => lines.byte,
            Self::Rows(rows) => rows.row(),
        }
    }

    /// What is after the last line end. Of rows nothing ever is.
    pub(crate) fn tail(&self) -> Option<&LineCursor> {
        match self {
            Self::Lines(lines) if lines.has_tail() => Some(lines),
            Self::Lines(_) | Self::Rows(_) => None,
        }
    }

    /// One past the last byte that was read, or the last row.
    pub(crate) fn read_to(&self) -> u64 {
        match self {
            Self::Lines(lines) => lines.read_to(),
            Self::Rows(rows) => rows.row(),
        }
    }

    /// A plain file of lines may have grown.
    pub(crate) fn look_again(&mut self) {
        if let Self::Lines(lines) = self
            && matches!(lines.stream, Stream::Plain(_))
        {
            lines.end = None;
        }
    }

    pub(crate) fn read(&mut self, lines: &mut Lines, course: &Course<'_>) -> Stopped {
        match self {
            Self::Lines(cursor) => cursor.read(lines, course),
            Self::Rows(cursor) => cursor.read(lines, course),
        }
    }

    /// Takes what is after the last line end as a line.
    pub(crate) fn take_tail(&mut self, lines: &mut Lines, course: &Course<'_>) {
        if let Self::Lines(cursor) = self
            && cursor.has_tail()
        {
            cursor.take_all(cursor.buffer.len(), lines, course);
        }
    }
}

/// A place in a file of lines.
#[derive(Debug)]
pub(crate) struct LineCursor {
    stream: Stream,
    path: PathBuf,
    packing: Packing,
    layout: Layout,
    /// The first record of the file, where that names the columns: as much of it as there was.
    header: Option<Header>,
    /// Where the next line starts in the decompressed file.
    byte: u64,
    /// Bytes that were read; those before `head` are used up.
    buffer: Vec<u8>,
    head: usize,
    /// How far from `head` the end of the line was looked for.
    scan: Scan,
    /// The start of a line that is too long, and how many of its bytes are dropped from the buffer already.
    skipping: Option<(Vec<u8>, u64)>,
    /// The line before was taken without its end: a line end here belongs to it.
    after_cut: bool,
    at_file_start: bool,
    end: Option<End>,
}

/// Why a cursor cannot start where it should.
#[derive(Debug)]
pub(crate) enum OpenError {
    /// The file has only so many bytes.
    Short(u64),
    Io(io::Error),
}

impl LineCursor {
    fn open(path: &Path, packing: Packing, byte: u64, layout: Layout) -> Result<Self, OpenError> {
        let mut stream = Stream::open(path, packing).map_err(OpenError::Io)?;
        let mut after_cut = false;
        if let Some(before) = byte.checked_sub(1) {
            stream
                .skip_to(before)
                .map_err(OpenError::Io)?
                .map_err(OpenError::Short)?;
            let mut last = [0];
            if stream.read(&mut last) != Ok(1) {
                return Err(OpenError::Short(before));
            }
            after_cut = last != *b"\n";
        }
        Ok(Self {
            stream,
            path: path.to_owned(),
            packing,
            layout,
            header: None,
            byte,
            buffer: Vec::new(),
            head: 0,
            scan: Scan::default(),
            skipping: None,
            after_cut,
            at_file_start: byte == 0,
            end: None,
        })
    }

    /// Bytes after the last line end.
    fn has_tail(&self) -> bool {
        self.skipping.is_some() || self.head < self.buffer.len()
    }

    /// Whether what is after the last line end can be a whole record of CSV, with the end of a field missing perhaps.
    pub(crate) fn tail_is_record(&self) -> bool {
        let tail = self.buffer.get(self.head..).unwrap_or_default();
        self.layout != Layout::JSON
            && self.skipping.is_none()
            && self.scan.is_closed(tail, self.layout.framing)
    }

    /// Whether what is after the last line end is a whole JSON value by itself.
    pub(crate) fn tail_is_json(&self) -> bool {
        let tail = self.buffer.get(self.head..).unwrap_or_default();
        // The start of a longer number would look whole too.
        let is_nested = tail.trim_ascii().ends_with(b"}") || tail.trim_ascii().ends_with(b"]");
        self.layout == Layout::JSON
            && self.skipping.is_none()
            && is_nested
            && serde_json::from_slice::<serde::de::IgnoredAny>(tail).is_ok()
    }

    /// One past the last byte that was read.
    fn read_to(&self) -> u64 {
        let dropped = self.skipping.as_ref().map_or(0, |(_, dropped)| *dropped);
        self.byte + dropped + length(self.buffer.len().saturating_sub(self.head))
    }

    fn read(&mut self, lines: &mut Lines, course: &Course<'_>) -> Stopped {
        loop {
            if lines.len() >= course.limit.rows
                || (!lines.is_empty() && lines.byte_len() >= course.limit.bytes)
            {
                return Stopped::Full;
            }
            if course.stop.is_some_and(|stop| self.byte >= stop) {
                return Stopped::AtStop;
            }
            if self.byte >= course.goal {
                return Stopped::AtGoal;
            }
            let available_end = self.available_end(course.stop);
            if self.skip_marks(available_end) {
                continue;
            }
            let available = self.buffer.get(self.head..available_end).unwrap_or_default();
            if let Some(end) = self
                .scan
                .end(available, self.layout.framing, course.max_line_bytes)
            {
                self.take(self.head + end, lines, course);
                continue;
            }
            self.drop_overlong(available_end, lines, course);
            let at_stop = course.stop.is_some_and(|stop| self.read_to() >= stop);
            if at_stop {
                self.take_all(available_end, lines, course);
            } else if let Some(end) = self.end {
                return Stopped::AtEnd(end);
            } else {
                self.fill();
            }
        }
    }

    /// Takes a line of what ends at `end` of the buffer for good: all of it, unless it is a record whose quotes were not closed.
    fn take_all(&mut self, end: usize, lines: &mut Lines, course: &Course<'_>) {
        let bytes = self.buffer.get(self.head..end).unwrap_or_default();
        let taken = self.scan.end_of_all(bytes, self.layout.framing);
        self.after_cut = !bytes.get(..taken).unwrap_or_default().ends_with(b"\n");
        let after_cut = self.after_cut;
        self.take(self.head + taken, lines, course);
        self.after_cut = after_cut;
    }

    /// End of the bytes in the buffer that may be read.
    fn available_end(&self, stop: Option<u64>) -> usize {
        let beyond = stop.map_or(0, |stop| self.read_to().saturating_sub(stop));
        self.buffer
            .len()
            .saturating_sub(usize::try_from(beyond).unwrap_or(usize::MAX))
            .max(self.head)
    }

    /// Passes over what is no line: a byte order mark, and the end of a line that was taken without it.
    /// Says whether it did, or has to read more to know.
    fn skip_marks(&mut self, available_end: usize) -> bool {
        if self.skipping.is_some() || !(self.after_cut || self.at_file_start) {
            return false;
        }
        let available = self.buffer.get(self.head..available_end).unwrap_or_default();
        let marks: &[&[u8]] = if self.at_file_start {
            &[BYTE_ORDER_MARK]
        } else {
            &[b"\n", b"\r\n"]
        };
        let undecided = marks
            .iter()
            .any(|mark| mark.len() > available.len() && mark.starts_with(available));
        if undecided && self.end.is_none() && available_end == self.buffer.len() {
            self.fill();
            return self.end.is_none();
        }
        if undecided {
            return false;
        }
        let mark = marks
            .iter()
            .find(|mark| available.starts_with(mark))
            .map_or(0, |mark| mark.len());
        (self.after_cut, self.at_file_start) = (false, false);
        self.head += mark;
        self.byte += length(mark);
        true
    }

    /// A line that is already too long is not kept in memory.
    fn drop_overlong(&mut self, available_end: usize, lines: &mut Lines, course: &Course<'_>) {
        let available = self.buffer.get(self.head..available_end).unwrap_or_default();
        // A line end of two bytes may still follow.
        if self.skipping.is_none() && available.len() <= course.max_line_bytes.saturating_add(2) {
            return;
        }
        let (kept, dropped) = self
            .skipping
            .take()
            .unwrap_or_else(|| (available.get(..KEPT_BYTES).unwrap_or(available).to_vec(), 0));
        let dropped = dropped + length(available.len());
        self.head = available_end;
        self.scan = Scan::rest_of_line();
        self.skipping = Some((kept, dropped));
        if dropped > CUT_BYTES {
            self.take(available_end, lines, course);
            self.after_cut = true;
        }
    }

    /// Takes the bytes up to `end` of the buffer as one line.
    fn take(&mut self, end: usize, lines: &mut Lines, course: &Course<'_>) {
        let taken = self.buffer.get(self.head..end).unwrap_or_default();
        let line = trim_line_end(taken);
        let skipped = self.skipping.take();
        let dropped = skipped.as_ref().map_or(0, |(_, dropped)| *dropped);
        let start = self.byte;
        self.byte += dropped + length(taken.len());
        let offset = (course.position)(self.byte);
        if self.layout.header
            && is_header(&mut self.header, start, lines, || {
                Header::read(
                    &mut self.stream,
                    &self.path,
                    self.packing,
                    self.layout.framing,
                    course.max_line_bytes,
                )
            })
        {
            // It names the columns of the lines, and is none.
        } else if skipped.is_some() || line.len() > course.max_line_bytes {
            let kept = skipped.as_ref().map_or(line, |(kept, _)| kept);
            let kept = kept.get(..KEPT_BYTES).unwrap_or(kept);
            let message = format!(
                "a line of {} bytes; at most {} are read",
                dropped + length(line.len()),
                course.max_line_bytes
            );
            lines.push_problem(kept, offset, rule::LINE_TOO_LONG, message);
        } else {
            lines.push(line, offset);
        }
        self.head = end;
        self.scan = Scan::default();
        (self.after_cut, self.at_file_start) = (false, false);
    }

    fn fill(&mut self) {
        self.buffer.drain(..self.head);
        self.head = 0;
        let old = self.buffer.len();
        self.buffer.resize(old + CHUNK, 0);
        let read = self.stream.read(self.buffer.get_mut(old..).unwrap_or_default());
        self.buffer.truncate(old + read.unwrap_or(0));
        match read {
            Ok(0) => self.end = Some(End::Clean),
            Ok(_) => {}
            Err(end) => self.end = Some(end),
        }
    }
}

/// Whether a record is the header, or the rest of one that was taken before it was whole. If not, `lines` know the header after this.
fn is_header(
    header: &mut Option<Header>,
    start: u64,
    lines: &mut Lines,
    read: impl FnOnce() -> Option<Header>,
) -> bool {
    if header.as_ref().is_none_or(|header| !header.whole) {
        *header = read().or(header.take());
    }
    let end = header.as_ref().map_or(0, |header| header.end);
    if start == 0 || start < end {
        return true;
    }
    lines.put_header(header.as_ref().map(|header| &header.bytes));
    false
}

fn length(bytes: usize) -> u64 {
    u64::try_from(bytes).unwrap_or(u64::MAX)
}
