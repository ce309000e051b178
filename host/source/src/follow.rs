//! At the end of what is known: which last line to take, and which file to turn to.

use std::thread;
use std::time::{Duration, Instant};

use crate::catalog::{Claimed, Pending, Stall, quiet_for};
use crate::cursor::LineCursor;
use crate::journal::{EXTENT_BYTES, Extent};
use crate::names::{Packing, natural_order};
use crate::reader::{BatchLimit, Mode, PartitionReader, Step};
use crate::stream::End;
use crate::{Lines, SourceError, SourceWarning};

/// After so many bytes of one file that keeps growing, others have their turn.
const TURN_BYTES: u64 = 64 << 20;
/// How long to sleep at most while files settle.
const POLL: Duration = Duration::from_millis(20);

impl PartitionReader {
    /// Remembers what is waited for at the end of the file being read.
    pub(crate) fn note_end(&mut self, extent: Extent, end: End) {
        let Some(reading) = &self.reading else { return };
        let (cursor, found) = (&reading.cursor, &reading.claimed.found);
        let Some(known) = self.catalog.known_mut(extent.file) else {
            return;
        };
        known.packed_done = (found.segment.packing != Packing::Plain).then_some(found.size);
        let is_exhausted = known.exhausted_at == Some(found.size);
        if cursor.tail().is_none() && (end == End::Clean || is_exhausted) {
            known.stall = None;
            return;
        }
        let read_to = cursor.read_to();
        let since = match &known.stall {
            Some(stall) if stall.size == found.size && stall.read_to == read_to => stall.since,
            _ => Instant::now(),
        };
        known.stall = Some(Stall {
            size: found.size,
            since,
            is_json: cursor.tail().is_some_and(LineCursor::tail_is_json),
            is_record: cursor.tail().is_some_and(LineCursor::tail_is_record),
            truncated: end == End::Truncated,
            damaged: end == End::Damaged,
            read_to,
        });
    }

    /// Looks what there is, takes a last line, or turns to a file with something to read.
    pub(crate) fn choose(
        &mut self,
        lines: &mut Lines,
        limit: BatchLimit,
        mode: Mode,
    ) -> Result<Step, SourceError> {
        let open = self.journal.extents.get(self.at).copied();
        if let Some(known) = open.and_then(|extent| self.catalog.known_mut(extent.file)) {
            known.done = self.byte;
        }
        let claims = self.look()?;
        let newest = claims
            .last()
            .map(|claimed| claimed.found.name.clone())
            .unwrap_or_default();
        let current = open.and_then(|extent| claims.iter().find(|claimed| claimed.id == Some(extent.file)));
        if let Some(extent) = open {
            let taken = match current {
                Some(current) => self.finish_quiet(extent, current, &newest, mode, lines, limit),
                None => self.finish_orphan(extent, &claims, lines, limit),
            };
            if taken {
                return Ok(Step::Again);
            }
        }

        let unread: Vec<bool> = claims
            .iter()
            .map(|claimed| self.is_unread(claimed, &newest, mode))
            .collect();
        self.catalog.watch(&claims, &unread, &mut self.warnings);
        // In turns: the current one as long as it has something, but not for ever; then the first after it.
        let stays = open.is_some_and(|extent| self.byte.saturating_sub(extent.start) < TURN_BYTES);
        let from = open
            .and_then(|extent| claims.iter().position(|claimed| claimed.id == Some(extent.file)))
            .map_or(0, |index| if stays { index } else { index + 1 });
        let (before, after) = claims.split_at(from);
        let (unread_before, unread_after) = unread.split_at(from);
        let next = after
            .iter()
            .zip(unread_after)
            .chain(before.iter().zip(unread_before))
            .find_map(|(claimed, unread)| unread.then(|| claimed.clone()));
        match next {
            Some(claimed) => {
                self.turn_to(claimed, open)?;
                Ok(Step::Again)
            }
            None if mode == Mode::Drain && lines.is_empty() && self.is_waiting(&claims) => {
                thread::sleep(POLL.min(self.config.settle));
                Ok(Step::Again)
            }
            None => {
                self.tell_of_unfinished(&claims, mode);
                Ok(Step::Done)
            }
        }
    }

    /// Files that whoever reads all that there is leaves for the next time.
    fn tell_of_unfinished(&mut self, claims: &[Claimed], mode: Mode) {
        for claimed in claims {
            let waits = claimed.pending == Some(Pending::Unfinished) && claimed.id.is_none();
            if waits && mode == Mode::Drain && !self.is_settled(claimed) {
                self.warnings.tell(SourceWarning::NotWhole {
                    name: claimed.found.name.clone(),
                });
            }
        }
    }

    /// Takes the end of the file being read as it is, when it was waited for long enough.
    fn finish_quiet(
        &mut self,
        extent: Extent,
        current: &Claimed,
        newest: &str,
        mode: Mode,
        lines: &mut Lines,
        limit: BatchLimit,
    ) -> bool {
        let Some(reading) = &self.reading else {
            return false;
        };
        let read_to = reading.cursor.read_to();
        let is_same = reading.claimed.found.key == current.found.key;
        let Some(stall) = self
            .catalog
            .known(extent.file)
            .and_then(|known| known.stall.clone())
        else {
            return false;
        };
        let is_unchanged = is_same && stall.size == current.found.size && stall.read_to == read_to;
        if !is_unchanged || !self.is_ready(current, &stall, newest, mode) {
            return false;
        }
        let name = current.found.name.clone();
        if stall.damaged {
            self.warnings.tell(SourceWarning::Damaged {
                name,
                decoded: read_to,
            });
        } else if stall.truncated {
            self.warnings.tell(SourceWarning::Unfinished {
                name,
                decoded: read_to,
            });
        }
        self.take_tail(extent, lines, limit);
        if let Some(known) = self.catalog.known_mut(extent.file) {
            known.stall = None;
            known.done = self.byte;
            known.exhausted_at = (stall.damaged || stall.truncated).then_some(stall.size);
        }
        true
    }

    /// Reads what is still open of a file that is gone, and takes its end as it is.
    fn finish_orphan(
        &mut self,
        extent: Extent,
        claims: &[Claimed],
        lines: &mut Lines,
        limit: BatchLimit,
    ) -> bool {
        let Some(reading) = &mut self.reading else {
            return false;
        };
        let key = reading.claimed.found.key;
        // Truncated in place: what comes next in it is not what came next in the file that it was.
        let is_replaced = claims.iter().any(|claimed| claimed.found.key == key);
        if !reading.orphan && !is_replaced {
            reading.orphan = true;
            reading.cursor.look_again();
            return true;
        }
        if reading.cursor.tail().is_some() {
            self.take_tail(extent, lines, limit);
        }
        if let Some(known) = self.catalog.known_mut(extent.file) {
            known.stall = None;
            known.done = self.byte;
        }
        self.reading = None;
        false
    }

    /// Whether a file has something to read that is not waited for.
    fn is_unread(&self, claimed: &Claimed, newest: &str, mode: Mode) -> bool {
        let found = &claimed.found;
        let Some(known) = claimed.id.and_then(|id| self.catalog.known(id)) else {
            return found.size > 0 && self.is_settled(claimed);
        };
        if known.exhausted_at == Some(found.size) {
            return false;
        }
        match &known.stall {
            Some(stall) if stall.size == found.size => self.is_ready(claimed, stall, newest, mode),
            _ if found.segment.packing == Packing::Plain => found.size > known.done,
            _ => known.packed_done != Some(found.size),
        }
    }

    /// Whether what was waited for at the end of a file is taken as it is.
    fn is_ready(&self, claimed: &Claimed, stall: &Stall, newest: &str, mode: Mode) -> bool {
        let quiet = |duration| quiet_for(&claimed.found, stall, duration);
        let is_superseded = natural_order(&claimed.found.name, newest).is_lt();
        stall.damaged
            || (quiet(self.config.settle) && (mode == Mode::Drain || (stall.is_json && !stall.truncated)))
            || ((is_superseded || (stall.is_record && !stall.truncated)) && quiet(self.config.abandon))
    }

    /// Whether a new file can be begun. One of lines can always; one of Parquet when it ends as one, or did not for long.
    fn is_settled(&self, claimed: &Claimed) -> bool {
        let patience = match claimed.pending {
            None => return true,
            Some(Pending::Finished) => self.config.settle,
            Some(Pending::Unfinished) => self.config.abandon,
        };
        self.catalog.has_rested(&claimed.found, patience)
    }

    /// Whether some end is waited for, or a whole file to settle.
    fn is_waiting(&self, claims: &[Claimed]) -> bool {
        claims.iter().any(|claimed| {
            let size = claimed.found.size;
            match claimed.id.and_then(|id| self.catalog.known(id)) {
                None => claimed.pending == Some(Pending::Finished) && !self.is_settled(claimed),
                Some(known) => {
                    known.exhausted_at != Some(size)
                        && known.stall.as_ref().is_some_and(|stall| stall.size == size)
                }
            }
        })
    }

    /// Goes on with a file: in the extent that is open when it is its own, else in a new one.
    fn turn_to(&mut self, claimed: Claimed, open: Option<Extent>) -> Result<(), SourceError> {
        let is_current = open.is_some_and(|extent| claimed.id == Some(extent.file));
        let goes_on =
            is_current && open.is_some_and(|extent| self.byte.saturating_sub(extent.start) < EXTENT_BYTES);
        let Some(id) = self
            .catalog
            .enroll(&mut self.journal, &claimed, &mut self.warnings)
        else {
            return Err(SourceError::PositionsUsedUp {
                partition: self.partition.clone(),
            });
        };
        if !goes_on {
            if let Some(extent) = open {
                let packed = self
                    .catalog
                    .known(extent.file)
                    .and_then(|known| known.packed_done);
                self.journal.end_extent(self.byte, packed, self.gave_lines);
            }
            self.byte = self.catalog.known(id).map_or(0, |known| known.done);
            self.journal.begin_extent(id, self.byte)?;
            self.at = self.journal.extents.len().saturating_sub(1);
            self.gave_lines = false;
        }
        let claimed = Claimed {
            id: Some(id),
            ..claimed
        };
        match &mut self.reading {
            Some(reading) if is_current && reading.is_still(&claimed) => {
                reading.cursor.look_again();
                reading.claimed = claimed;
            }
            _ => {
                self.reading = None;
                let size = claimed.found.size;
                if !self.start(claimed)
                    && let Some(known) = self.catalog.known_mut(id)
                {
                    known.exhausted_at = Some(size);
                }
            }
        }
        Ok(())
    }
}
