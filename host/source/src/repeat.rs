//! An earlier batch again, for recovery.

use crate::cursor::{Course, Cursor, OpenError, Stopped};
use crate::journal::position;
use crate::reader::{BatchLimit, PartitionReader};
use crate::{Lines, SourceError};

impl PartitionReader {
    /// Exactly the lines of an earlier batch of this partition. Does not move the reader.
    ///
    /// # Errors
    /// When the range was never handed out, or its files are gone or have changed so that its lines end elsewhere. A file that was
    /// rewritten in place with lines of the same length is not noticed.
    pub fn repeat(&mut self, from: i64, to: i64) -> Result<Lines, SourceError> {
        let failed = |partition: &str, reason: String| SourceError::NotRepeatable {
            partition: partition.to_owned(),
            from,
            to,
            reason,
        };
        let located = self.journal.locate(from).zip(self.journal.locate(to));
        let Some(((first, start), (last, stop))) = located.filter(|_| from <= to) else {
            return Err(failed(
                &self.partition,
                "its journal does not know the range".to_owned(),
            ));
        };
        let mut lines = Lines::at(&self.partition, from);
        let claims = self.look()?;
        for index in first..=last {
            let Some(extent) = self.journal.extents.get(index).copied() else {
                continue;
            };
            let byte = if index == first { start } else { extent.start };
            let stop = if index == last {
                stop
            } else {
                extent.end.unwrap_or(extent.start)
            };
            if byte >= stop {
                continue;
            }
            let record = usize::try_from(extent.file)
                .ok()
                .and_then(|id| self.journal.files.get(id));
            let name = record.map_or("", |file| file.name.as_str());
            let Some(claimed) = claims.iter().find(|claimed| claimed.id == Some(extent.file)) else {
                return Err(failed(
                    &self.partition,
                    format!("`{name}` is gone or was replaced: put it back"),
                ));
            };
            let (layout, wanted) = (self.place.layout, &self.place.wanted);
            let mut cursor = Cursor::open(claimed, byte, layout, wanted).map_err(|error| {
                let reason = match error {
                    OpenError::Short(len) => {
                        format!("`{name}` has {len} bytes and had more: put it back")
                    }
                    OpenError::Io(error) => format!("`{name}` cannot be read: {}", error.kind()),
                };
                failed(&self.partition, reason)
            })?;
            let number = |byte| position(index, extent.start, byte);
            let course = Course {
                limit: BatchLimit {
                    rows: usize::MAX,
                    bytes: usize::MAX,
                },
                max_line_bytes: self.config.max_line_bytes,
                stop: Some(stop),
                goal: u64::MAX,
                position: &number,
            };
            if cursor.read(&mut lines, &course) != Stopped::AtStop {
                return Err(failed(
                    &self.partition,
                    format!("`{name}` ends before byte {stop}: put it back"),
                ));
            }
        }
        if lines.to() != to {
            return Err(failed(
                &self.partition,
                "its last line does not end where it did".to_owned(),
            ));
        }
        Ok(lines)
    }
}
