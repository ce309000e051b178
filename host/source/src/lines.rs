//! Lines of one batch in one buffer.

use std::borrow::Cow;
use std::ops::Range;
use std::sync::Arc;

use arrow_array::RecordBatch;
use malla_contract::Source;

use crate::decode::json_of_row;
use crate::framing::{Framing, Layout, Scan};
use crate::parquet::{RowCursor, Wanted, Window};

pub(crate) const BYTE_ORDER_MARK: &[u8] = b"\xEF\xBB\xBF";

/// A batch of lines of one partition, in the order of their offsets.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Lines {
    partition: String,
    from: i64,
    to: i64,
    begins: bool,
    /// Lines are messages: each stands at an offset, and not before one.
    messages: bool,
    bytes: Vec<u8>,
    ranges: Vec<Range<usize>>,
    offsets: Vec<i64>,
    problems: Vec<LineProblem>,
    /// From this line on, to the next: the record that names the columns.
    headers: Vec<(u32, Arc<[u8]>)>,
    /// Of Parquet: the lines from this one on are these rows. Between them are only problems.
    rows: Vec<(u32, RecordBatch)>,
    /// Bytes of all rows.
    row_bytes: usize,
}

/// Why a line is not here whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LineProblem {
    /// Index of the line in its batch. [`Lines::line`] gives the part that was kept.
    pub line: u32,
    /// `line_too_long` or `tombstone`; of a file of Parquet that is not read, or not whole, what is wrong with it.
    pub rule: &'static str,
    /// For people; no data.
    pub message: String,
}

impl Lines {
    pub(crate) fn new(partition: &str, from: i64) -> Self {
        Self {
            partition: partition.to_owned(),
            from,
            to: from,
            ..Self::default()
        }
    }

    /// Of a source whose positions count from 0.
    pub(crate) fn at(partition: &str, position: i64) -> Self {
        match position {
            0 => Self::beginning(partition, 0),
            _ => Self::new(partition, position),
        }
    }

    /// The first lines of a partition: no table knows it yet.
    pub(crate) fn beginning(partition: &str, from: i64) -> Self {
        Self {
            begins: true,
            ..Self::new(partition, from)
        }
    }

    /// Messages of a topic.
    pub(crate) fn of_topic(partition: &str, from: i64, begins: bool) -> Self {
        Self {
            begins,
            messages: true,
            ..Self::new(partition, from)
        }
    }

    /// An empty batch after this one.
    pub(crate) fn following(&self) -> Self {
        Self {
            messages: self.messages,
            ..Self::new(&self.partition, self.to)
        }
    }

    /// Lines of a text, as a plain file of JSON Lines would give them: for tests and tools. The offset of a line is the byte just
    /// after it.
    #[must_use]
    pub fn of_text(partition: &str, text: &[u8]) -> Self {
        let mut lines = Self::beginning(partition, 0);
        lines.push_text(text, Framing::Lines, false);
        lines
    }

    /// Lines of a text, or rows of Parquet, as a plain file of that source would give them. In a binary format of messages, the
    /// text is one line.
    #[must_use]
    pub fn of_file(partition: &str, text: &[u8], source: &Source) -> Self {
        let mut lines = Self::beginning(partition, 0);
        match Layout::of(&source.format) {
            Some(layout) if layout.framing == Framing::Rows => {
                let wanted = Wanted::of(&source.table.columns.clone().into(), &source.format);
                RowCursor::of(partition.to_owned(), Window::of_bytes(text), 0, &wanted).read_all(&mut lines);
            }
            Some(layout) => lines.push_text(text, layout.framing, layout.header),
            None => lines.push(text, i64::try_from(text.len()).unwrap_or(i64::MAX)),
        }
        lines
    }

    /// Lines of messages, as a topic would give them: for tests and tools. The offset of a line is its number, from 1.
    #[must_use]
    pub fn of_messages<'a>(partition: &str, messages: impl IntoIterator<Item = &'a [u8]>) -> Self {
        let mut lines = Self::beginning(partition, 0);
        for (offset, message) in (1..).zip(messages) {
            lines.push(message, offset);
        }
        lines
    }

    fn push_text(&mut self, text: &[u8], framing: Framing, mut is_header: bool) {
        let mut rest = text;
        if framing != Framing::Lines || is_header {
            rest = rest.strip_prefix(BYTE_ORDER_MARK).unwrap_or(rest);
        }
        let mut at = text.len() - rest.len();
        while !rest.is_empty() {
            let mut scan = Scan::default();
            let end = scan
                .end(rest, framing, usize::MAX)
                .unwrap_or_else(|| scan.end_of_all(rest, framing));
            let (record, after) = rest.split_at(end);
            (at, rest) = (at + end, after);
            let record = trim_line_end(record);
            if std::mem::take(&mut is_header) {
                self.put_header(Some(&record.into()));
            } else {
                self.push(record, i64::try_from(at).unwrap_or(i64::MAX));
            }
        }
    }

    /// Says which record names the columns of the lines that are pushed from now on.
    pub(crate) fn put_header(&mut self, header: Option<&Arc<[u8]>>) {
        if let (Some((_, last)), Some(header)) = (self.headers.last(), header)
            && (Arc::ptr_eq(last, header) || last == header)
        {
            return;
        }
        let from = u32::try_from(self.ranges.len()).unwrap_or(u32::MAX);
        self.headers
            .push((from, header.map(Arc::clone).unwrap_or_default()));
    }

    pub(crate) fn push(&mut self, line: &[u8], offset: i64) {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(line);
        self.ranges.push(start..self.bytes.len());
        self.offsets.push(offset);
        self.to = offset;
    }

    /// Rows of Parquet, of `bytes` bytes; `offset` is the position just after each.
    pub(crate) fn push_rows(&mut self, rows: RecordBatch, bytes: usize, offset: impl Fn(usize) -> i64) {
        let count = rows.num_rows();
        let from = u32::try_from(self.ranges.len()).unwrap_or(u32::MAX);
        let end = self.bytes.len();
        self.ranges.extend(std::iter::repeat_n(end..end, count));
        self.offsets.extend((0..count).map(offset));
        self.to = self.offsets.last().copied().unwrap_or(self.to);
        self.rows.push((from, rows));
        self.row_bytes = self.row_bytes.saturating_add(bytes);
    }

    pub(crate) fn push_problem(&mut self, kept: &[u8], offset: i64, rule: &'static str, message: String) {
        let line = u32::try_from(self.ranges.len()).unwrap_or(u32::MAX);
        self.push(kept, offset);
        self.problems.push(LineProblem { line, rule, message });
    }

    /// The partition that the lines are from.
    #[must_use]
    pub fn partition(&self) -> &str {
        &self.partition
    }

    /// Position before the first line: where the batch before ended.
    #[must_use]
    pub fn from(&self) -> i64 {
        self.from
    }

    /// Whether nothing of the partition comes before these lines.
    #[must_use]
    pub fn begins(&self) -> bool {
        self.begins
    }

    /// Position just after the last line: where to resume.
    #[must_use]
    pub fn to(&self) -> i64 {
        self.to
    }

    /// How many lines there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.ranges.len()
    }

    /// Whether there is no line.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ranges.is_empty()
    }

    /// The bytes of a line, without its line end; empty past the last line. A row of Parquet is written as an object of JSON, with
    /// the columns of the contract.
    #[must_use]
    pub fn line(&self, index: usize) -> Cow<'_, [u8]> {
        let number = u32::try_from(index).unwrap_or(u32::MAX);
        let before = self.rows.partition_point(|(from, _)| *from <= number);
        if let Some((from, rows)) = before.checked_sub(1).and_then(|at| self.rows.get(at))
            && let Some(row) = usize::try_from(number - from)
                .ok()
                .filter(|row| *row < rows.num_rows())
        {
            return Cow::Owned(json_of_row(rows, row));
        }
        let range = self.ranges.get(index);
        Cow::Borrowed(
            range
                .and_then(|range| self.bytes.get(range.clone()))
                .unwrap_or_default(),
        )
    }

    /// Of Parquet: rows, and the index of the line that is the first of them.
    pub(crate) fn rows(&self) -> impl Iterator<Item = (u32, &RecordBatch)> {
        self.rows.iter().map(|(from, rows)| (*from, rows))
    }

    /// For files whose first record names the columns: that record, without its line end, and the first of the lines that it
    /// holds for. It holds up to the next.
    pub fn headers(&self) -> impl Iterator<Item = (u32, &[u8])> {
        self.headers.iter().map(|(from, header)| (*from, &**header))
    }

    /// All lines, without their line ends.
    pub fn iter(&self) -> impl Iterator<Item = Cow<'_, [u8]>> {
        (0..self.len()).map(|index| self.line(index))
    }

    /// All lines that are text, without their line ends. Rows of Parquet are none.
    pub(crate) fn texts(&self) -> impl Iterator<Item = &[u8]> {
        self.ranges
            .iter()
            .map(|range| self.bytes.get(range.clone()).unwrap_or_default())
    }

    /// For every line, the position just after it. Strictly increasing.
    #[must_use]
    pub fn offsets(&self) -> &[i64] {
        &self.offsets
    }

    /// Where a line stands, as its source counts: the offset of a message, or the position just after a line of a file.
    #[must_use]
    pub fn source_offset(&self, index: usize) -> i64 {
        let position = self.offsets.get(index).copied().unwrap_or(self.to);
        position - i64::from(self.messages)
    }

    /// Total bytes of the lines, without line ends, or of the rows in memory.
    #[must_use]
    pub fn byte_len(&self) -> usize {
        self.bytes.len().saturating_add(self.row_bytes)
    }

    /// Lines that could not be read whole, by index.
    #[must_use]
    pub fn problems(&self) -> &[LineProblem] {
        &self.problems
    }
}

/// The line without `\n` or `\r\n`.
pub(crate) fn trim_line_end(line: &[u8]) -> &[u8] {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    line.strip_suffix(b"\r").unwrap_or(line)
}
