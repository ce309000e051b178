//! Messages that were fetched and wait for a reader, within a bound of memory.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::{BatchLimit, Lines};

/// Few messages wait this long for more, so that a batch is worth its costs.
const LINGER: Duration = Duration::from_millis(50);
/// A batch is worth its costs from this part of a full one on.
const WORTH: usize = 8;
/// Full batches that may wait, over all partitions.
const WAITING: usize = 4;

/// One for each partition that is read.
pub(super) struct Buffers {
    state: Mutex<State>,
    room: Condvar,
    limit: BatchLimit,
}

#[derive(Default)]
struct State {
    partitions: BTreeMap<i32, Buffer>,
    bytes: usize,
}

struct Buffer {
    /// The last one is still filled.
    chunks: VecDeque<Lines>,
    /// When the first line of the first chunk came.
    since: Instant,
    /// The end of the partition was met after the last line.
    ended: bool,
}

/// What a reader gets.
#[derive(Debug)]
pub(super) enum Taken {
    Lines(Lines),
    Later,
    End,
    /// The partition is not read here any more.
    Gone,
}

impl Buffers {
    pub(super) fn new(limit: BatchLimit) -> Self {
        Self {
            state: Mutex::default(),
            room: Condvar::new(),
            limit,
        }
    }

    /// Begins a partition anew with an empty batch that says where it starts.
    pub(super) fn open(&self, partition: i32, start: Lines) {
        let mut state = self.lock();
        state.close(partition);
        let buffer = Buffer {
            chunks: VecDeque::from([start]),
            since: Instant::now(),
            ended: false,
        };
        state.partitions.insert(partition, buffer);
    }

    pub(super) fn close(&self, partition: i32) {
        self.lock().close(partition);
        self.room.notify_all();
    }

    /// Adds a message. One of a partition that is not read here, or that was there before, is left out. Says
    /// whether there is no room for more.
    pub(super) fn push(
        &self,
        partition: i32,
        offset: i64,
        message: Option<&[u8]>,
        key: Option<&[u8]>,
    ) -> bool {
        let mut state = self.lock();
        let full = self.bound();
        let Some(buffer) = state.partitions.get_mut(&partition) else {
            return state.bytes >= full;
        };
        if buffer.is_empty() {
            buffer.since = Instant::now();
        }
        buffer.ended = false;
        let Some(lines) = buffer.open_chunk(self.limit).filter(|lines| offset >= lines.to()) else {
            return state.bytes >= full;
        };
        let before = weight(lines);
        super::push(lines, offset, message, key);
        let added = weight(lines) - before;
        state.bytes += added;
        state.bytes >= full
    }

    /// The end of the partition was met.
    pub(super) fn end(&self, partition: i32) {
        if let Some(buffer) = self.lock().partitions.get_mut(&partition) {
            buffer.ended = true;
        }
    }

    /// The oldest batch that waits, of one partition. At least one message, if there is one for long enough.
    pub(super) fn take(&self, partition: i32) -> Taken {
        let mut state = self.lock();
        let Some(buffer) = state.partitions.get_mut(&partition) else {
            return Taken::Gone;
        };
        if buffer.is_empty() {
            return if buffer.ended { Taken::End } else { Taken::Later };
        }
        let ripe = buffer.ended || buffer.chunks.len() > 1 || buffer.since.elapsed() >= LINGER;
        let first = buffer.chunks.front();
        let worth = first.is_some_and(|lines| {
            lines.len() >= self.limit.rows / WORTH || lines.byte_len() >= self.limit.bytes / WORTH
        });
        if !ripe && !worth {
            return Taken::Later;
        }
        let Some(lines) = buffer.chunks.pop_front() else {
            return Taken::Later;
        };
        if buffer.chunks.is_empty() {
            buffer.chunks.push_back(lines.following());
        }
        buffer.since = Instant::now();
        state.bytes -= weight(&lines);
        drop(state);
        self.room.notify_all();
        Taken::Lines(lines)
    }

    /// Waits until there is room for more, no longer than `patience`. Says whether there is.
    pub(super) fn wait_for_room(&self, patience: Duration) -> bool {
        let full = |state: &mut State| state.bytes >= self.bound();
        let (state, outcome) = self
            .room
            .wait_timeout_while(self.lock(), patience, full)
            .unwrap_or_else(PoisonError::into_inner);
        drop(state);
        !outcome.timed_out()
    }

    fn bound(&self) -> usize {
        self.limit.bytes.saturating_mul(WAITING)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn close(&mut self, partition: i32) {
        if let Some(buffer) = self.partitions.remove(&partition) {
            self.bytes -= buffer.chunks.iter().map(weight).sum::<usize>();
        }
    }
}

impl Buffer {
    fn is_empty(&self) -> bool {
        self.chunks.iter().all(Lines::is_empty)
    }

    /// The chunk that the next message goes to.
    fn open_chunk(&mut self, limit: BatchLimit) -> Option<&mut Lines> {
        let last = self.chunks.back()?;
        if last.len() >= limit.rows || last.byte_len() >= limit.bytes {
            let next = last.following();
            self.chunks.push_back(next);
        }
        self.chunks.back_mut()
    }
}

/// Memory that lines take, nearly.
fn weight(lines: &Lines) -> usize {
    lines.byte_len() + lines.len() * 32
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: BatchLimit = BatchLimit { rows: 8, bytes: 800 };

    fn offsets(taken: &Taken) -> Vec<i64> {
        match taken {
            Taken::Lines(lines) => lines.offsets().to_vec(),
            _ => Vec::new(),
        }
    }

    #[test]
    fn messages_come_out_in_order_and_in_batches() {
        let buffers = Buffers::new(LIMIT);
        buffers.push(0, 4, Some(b"nobody reads this yet"), None);
        buffers.open(0, Lines::of_topic("0", 5, false));
        assert!(matches!(buffers.take(0), Taken::Later));
        // What was there before, and gaps that compaction left.
        for offset in [3, 4, 5, 6, 9, 9, 10, 20, 21, 22, 23, 24] {
            buffers.push(0, offset, Some(b"{}"), None);
        }
        assert_eq!(offsets(&buffers.take(0)), [6, 7, 10, 11, 21, 22, 23, 24]);
        buffers.end(0);
        let rest = buffers.take(0);
        assert_eq!(offsets(&rest), [25]);
        let Taken::Lines(rest) = rest else {
            panic!("a line");
        };
        assert_eq!((rest.from(), rest.to()), (24, 25));
        assert!(matches!(buffers.take(0), Taken::End));
        buffers.push(0, 25, Some(b"{}"), None);
        assert!(!matches!(buffers.take(0), Taken::End));
        buffers.close(0);
        assert!(matches!(buffers.take(0), Taken::Gone));
    }

    #[test]
    fn a_tombstone_is_a_line_with_a_problem() {
        let buffers = Buffers::new(LIMIT);
        buffers.open(3, Lines::of_topic("3", 0, true));
        buffers.push(3, 0, None, Some(b"t-1"));
        buffers.end(3);
        let Taken::Lines(lines) = buffers.take(3) else {
            panic!("a line");
        };
        assert_eq!(lines.problems().len(), 1);
        assert_eq!(lines.problems()[0].rule, "tombstone");
        assert_eq!(lines.line(0).as_ref(), b"t-1");
    }

    #[test]
    fn what_waits_is_bounded_and_counted() {
        let buffers = Buffers::new(LIMIT);
        buffers.open(0, Lines::of_topic("0", 0, true));
        buffers.open(1, Lines::of_topic("1", 0, true));
        let message = [b'x'; 100];
        for offset in 0..30 {
            buffers.push(0, offset, Some(&message), None);
        }
        assert!(!buffers.wait_for_room(Duration::from_millis(1)));
        while let Taken::Lines(_) = buffers.take(0) {}
        assert!(buffers.wait_for_room(Duration::ZERO));
        for offset in 0..30 {
            buffers.push(1, offset, Some(&message), None);
        }
        buffers.close(1);
        buffers.close(0);
        assert_eq!(buffers.lock().bytes, 0);
        assert!(buffers.wait_for_room(Duration::ZERO));
    }
}
