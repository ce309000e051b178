//! From the segments of one partition to batches of lines.

use std::path::PathBuf;

use crate::catalog::{Catalog, Claimed};
use crate::cursor::{Course, Cursor, OpenError, Stopped};
use crate::directory::DirectoryConfig;
use crate::framing::Layout;
use crate::journal::{EXTENT_BYTES, Extent, Journal, position};
use crate::names::Packing;
use crate::parquet::Wanted;
use crate::scan::scan_segments;
use crate::warnings::Warnings;
use crate::{Lines, SourceError, SourceWarning};

/// Bounds that keep the text of a batch within what Arrow's 32-bit offsets hold.
const MAX_BATCH_BYTES: usize = 1 << 30;
const MAX_LINE_BYTES: usize = 256 << 20;

/// How much one batch may hold. A batch holds at least one line, if there is one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BatchLimit {
    /// Most lines.
    pub rows: usize,
    /// Bytes after which no further line is added; at most 1 GiB counts.
    pub bytes: usize,
}

impl Default for BatchLimit {
    /// 65,536 lines or 64 MiB.
    fn default() -> Self {
        Self {
            rows: 65_536,
            bytes: 64 << 20,
        }
    }
}

/// What to do at the end of what there is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// More is expected: wait for line ends.
    Follow,
    /// Read everything that is there, last lines without a line end too. May wait for files to settle.
    Drain,
}

/// Where a partition is.
#[derive(Debug)]
pub(crate) struct Place {
    pub(crate) folder: PathBuf,
    pub(crate) canonical_root: PathBuf,
    pub(crate) is_root: bool,
    pub(crate) layout: Layout,
    /// What is read of files of Parquet.
    pub(crate) wanted: Wanted,
}

/// Reads one partition: its segments one after the other in natural order of their names, and what has grown since in turns.
///
/// A last line without a line end counts when it is whole JSON and its file did not grow for `settle`; when it is not JSON, in
/// [`Mode::Drain`] after `settle`, and in [`Mode::Follow`] when a later segment is there, or it can be a whole record of CSV, and the
/// file did not grow for `abandon`.
#[derive(Debug)]
pub struct PartitionReader {
    pub(crate) partition: String,
    pub(crate) config: DirectoryConfig,
    pub(crate) place: Place,
    pub(crate) journal: Journal,
    pub(crate) catalog: Catalog,
    pub(crate) warnings: Warnings,
    /// Where the last batch ended.
    position: i64,
    /// Index of the extent being read.
    pub(crate) at: usize,
    /// Where its next line starts.
    pub(crate) byte: u64,
    /// Whether a line of the extent was ever handed out, as far as is known.
    pub(crate) gave_lines: bool,
    pub(crate) reading: Option<Reading>,
}

/// A file being read.
#[derive(Debug)]
pub(crate) struct Reading {
    pub(crate) cursor: Cursor,
    /// As it was when it was last looked at.
    pub(crate) claimed: Claimed,
    /// Its file is gone, but what is open can still be read.
    pub(crate) orphan: bool,
}

/// Whether to go on with the batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    Again,
    Done,
}

impl PartitionReader {
    pub(crate) fn open(
        config: &DirectoryConfig,
        place: Place,
        partition: &str,
        position: i64,
    ) -> Result<Self, SourceError> {
        let mut config = config.clone();
        config.max_line_bytes = config.max_line_bytes.min(MAX_LINE_BYTES);
        let journal = Journal::open(&config.state_dir, partition, position)?;
        let (at, byte) = journal
            .locate(position)
            .ok_or_else(|| SourceError::UnknownPosition {
                partition: partition.to_owned(),
                position,
            })?;
        let catalog = Catalog::new(&journal, at, byte, config.settle, place.layout.extensions);
        Ok(Self {
            partition: partition.to_owned(),
            config,
            place,
            journal,
            catalog,
            warnings: Warnings::new(partition),
            position,
            at,
            byte,
            gave_lines: true,
            reading: None,
        })
    }

    /// The next batch. `None`: nothing now ([`Mode::Follow`]) or nothing left ([`Mode::Drain`]).
    ///
    /// # Errors
    /// When the folder cannot be listed or the journal cannot be written. Trouble with one file is a warning, see
    /// [`Self::take_warnings`].
    pub fn next(&mut self, limit: BatchLimit, mode: Mode) -> Result<Option<Lines>, SourceError> {
        let limit = BatchLimit {
            rows: limit.rows.max(1),
            bytes: limit.bytes.min(MAX_BATCH_BYTES),
        };
        let mut lines = Lines::at(&self.partition, self.position);
        while self.step(&mut lines, limit, mode)? == Step::Again {}
        if lines.is_empty() {
            return Ok(None);
        }
        self.journal.flush()?;
        self.position = lines.to();
        Ok(Some(lines))
    }

    /// The partition's name.
    #[must_use]
    pub fn partition(&self) -> &str {
        &self.partition
    }

    /// Where the next batch starts.
    #[must_use]
    pub fn position(&self) -> i64 {
        self.position
    }

    /// Whether the journal says what a position means.
    pub(crate) fn knows(&self, position: i64) -> bool {
        self.journal.locate(position).is_some()
    }

    /// What was met since the last call; each is also logged.
    pub fn take_warnings(&mut self) -> Vec<SourceWarning> {
        self.warnings.take()
    }

    fn step(&mut self, lines: &mut Lines, limit: BatchLimit, mode: Mode) -> Result<Step, SourceError> {
        let Some(extent) = self.journal.extents.get(self.at).copied() else {
            return self.choose(lines, limit, mode);
        };
        if extent.end.is_some_and(|end| self.byte >= end) {
            self.advance();
            return Ok(Step::Again);
        }
        if self.reading.is_none() && !self.reopen(extent)? {
            return match extent.end {
                Some(end) => {
                    self.missing(extent, Some(end));
                    self.advance();
                    Ok(Step::Again)
                }
                None => self.choose(lines, limit, mode),
            };
        }
        let stopped = self.read_on(extent, lines, limit);
        match stopped {
            Stopped::Full => Ok(Step::Done),
            Stopped::AtStop => {
                self.advance();
                Ok(Step::Again)
            }
            Stopped::AtEnd(_) if extent.end.is_some() => {
                self.missing(extent, extent.end);
                self.advance();
                Ok(Step::Again)
            }
            Stopped::AtGoal => self.choose(lines, limit, mode),
            Stopped::AtEnd(end) => {
                self.note_end(extent, end);
                self.choose(lines, limit, mode)
            }
        }
    }

    fn read_on(&mut self, extent: Extent, lines: &mut Lines, limit: BatchLimit) -> Stopped {
        let Some(reading) = &mut self.reading else {
            return Stopped::AtGoal;
        };
        let found = &reading.claimed.found;
        let bounded = found.segment.packing == Packing::Plain && extent.end.is_none() && !reading.orphan;
        let goal = if bounded { found.size } else { u64::MAX };
        let number = |byte| position(self.at, extent.start, byte);
        let course = Course {
            limit,
            max_line_bytes: self.config.max_line_bytes,
            stop: extent.end,
            goal: goal.min(extent.start.saturating_add(EXTENT_BYTES)),
            position: &number,
        };
        let before = lines.len();
        let stopped = reading.cursor.read(lines, &course);
        self.gave_lines |= lines.len() > before;
        self.byte = reading.cursor.byte();
        stopped
    }

    /// Takes what is after the last line end of the file being read as a line.
    pub(crate) fn take_tail(&mut self, extent: Extent, lines: &mut Lines, limit: BatchLimit) {
        let Some(reading) = &mut self.reading else { return };
        let number = |byte| position(self.at, extent.start, byte);
        let max_line_bytes = self.config.max_line_bytes;
        let course = Course {
            limit,
            max_line_bytes,
            stop: None,
            goal: u64::MAX,
            position: &number,
        };
        reading.cursor.take_tail(lines, &course);
        self.gave_lines = true;
        self.byte = reading.cursor.byte();
    }

    /// To the extent after this one, which the journal has already or has not yet.
    fn advance(&mut self) {
        self.reading = None;
        self.at += 1;
        self.byte = self.journal.extents.get(self.at).map_or(0, |extent| extent.start);
    }

    /// Opens the file of an extent that the journal has.
    fn reopen(&mut self, extent: Extent) -> Result<bool, SourceError> {
        let claimed = self
            .look()?
            .into_iter()
            .find(|claimed| claimed.id == Some(extent.file));
        Ok(claimed.is_some_and(|claimed| self.start(claimed)))
    }

    /// Starts to read a file at `self.byte`.
    pub(crate) fn start(&mut self, claimed: Claimed) -> bool {
        let found = &claimed.found;
        let place = &self.place;
        match Cursor::open(&claimed, self.byte, place.layout, &place.wanted) {
            Ok(cursor) => {
                self.reading = Some(Reading {
                    cursor,
                    claimed,
                    orphan: false,
                });
                true
            }
            Err(OpenError::Short(decoded)) => {
                self.warnings.tell(SourceWarning::Damaged {
                    name: found.name.clone(),
                    decoded,
                });
                false
            }
            Err(OpenError::Io(error)) => {
                let reason = error.kind().to_string();
                self.warnings.tell(SourceWarning::Unreadable {
                    name: found.name.clone(),
                    reason,
                });
                false
            }
        }
    }

    fn missing(&mut self, extent: Extent, to: Option<u64>) {
        let file = usize::try_from(extent.file)
            .ok()
            .and_then(|id| self.journal.files.get(id));
        let name = file.map_or_else(String::new, |file| file.name.clone());
        self.warnings.tell(SourceWarning::Missing {
            name,
            from: self.byte,
            to,
        });
    }

    pub(crate) fn look(&mut self) -> Result<Vec<Claimed>, SourceError> {
        let place = &self.place;
        let found = scan_segments(
            &place.folder,
            &place.canonical_root,
            place.is_root,
            place.layout,
            &mut self.warnings,
        )?;
        Ok(self.catalog.claim(&self.journal, found, &mut self.warnings))
    }
}

impl Reading {
    /// Whether what is open is that file, so that reading can go on.
    pub(crate) fn is_still(&self, claimed: &Claimed) -> bool {
        let (mine, other) = (&self.claimed.found, &claimed.found);
        // A decompressor does not go on after its end.
        mine.key == other.key && (other.segment.packing == Packing::Plain || mine.size == other.size)
    }
}
