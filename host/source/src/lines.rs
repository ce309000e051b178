//! Lines of one batch in one buffer.

use std::ops::Range;

/// A batch of lines of one partition, in the order of their offsets.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
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
}

/// Why a line is not here whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LineProblem {
    /// Index of the line in its batch. [`Lines::line`] gives the part that was kept.
    pub line: u32,
    /// `line_too_long` or `tombstone`.
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
    pub(crate) fn of_messages(partition: &str, from: i64, begins: bool) -> Self {
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

    /// Lines of a text, as a plain file would give them: for tests and tools. The offset of a line is the byte just after it.
    #[must_use]
    pub fn of_text(partition: &str, text: &[u8]) -> Self {
        let mut lines = Self::beginning(partition, 0);
        let mut at = 0;
        for line in text.split_inclusive(|byte| *byte == b'\n') {
            at += line.len();
            lines.push(trim_line_end(line), i64::try_from(at).unwrap_or(i64::MAX));
        }
        lines
    }

    pub(crate) fn push(&mut self, line: &[u8], offset: i64) {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(line);
        self.ranges.push(start..self.bytes.len());
        self.offsets.push(offset);
        self.to = offset;
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

    /// The bytes of a line, without its line end; empty past the last line.
    #[must_use]
    pub fn line(&self, index: usize) -> &[u8] {
        self.ranges
            .get(index)
            .and_then(|range| self.bytes.get(range.clone()))
            .unwrap_or_default()
    }

    /// All lines, without their line ends.
    pub fn iter(&self) -> impl Iterator<Item = &[u8]> {
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

    /// Total bytes of the lines, without line ends.
    #[must_use]
    pub fn byte_len(&self) -> usize {
        self.bytes.len()
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
