//! Events that wait for a collector, on the disk: segments of lines, one line a commit, and how far each table's log was read.
//!
//! INVARIANT: a table's place is moved only with the events of the commits before it in the spool, synced; what the collector
//! has is noted only when that place is. So a process that is killed anywhere tells of every commit, and of none again that is
//! in the spool or noted.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, BufRead as _, BufReader, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

/// Lines beyond go into the next segment.
const SEGMENT: u64 = 1 << 20;

/// What waits for a collector. One process at a time has it.
#[derive(Debug)]
pub struct Spool {
    folder: PathBuf,
    most: u64,
    state: State,
    /// Segments that are there, with their bytes. Not empty.
    segments: BTreeMap<u64, u64>,
    tail: File,
    /// The line at the place that was acknowledged, and its length.
    head: Option<(Vec<String>, u64)>,
    waiting: u64,
    _lock: File,
}

#[derive(Debug, Default, Serialize, Deserialize)]
struct State {
    /// By table: up to where its log was read.
    read: BTreeMap<String, Place>,
    /// Where the first line stands of which not all was taken.
    segment: u64,
    at: u64,
    /// How many of its events were.
    taken: usize,
}

/// A commit, in a table's log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Place {
    /// The table's version.
    pub version: u64,
    /// When it was committed, in milliseconds since 1970 UTC: a table that was made anew has the same versions.
    pub at: i64,
}

/// The events of one commit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// The table's path in the lake.
    pub table: String,
    /// Which.
    #[serde(flatten)]
    pub place: Place,
    /// In the order in which they are to be sent.
    pub events: Vec<String>,
}

impl Spool {
    /// Takes the spool of a folder. `None`: another process has it. `most`: bytes that it may hold.
    ///
    /// # Errors
    /// The folder cannot be read or written.
    pub fn take(folder: &Path, most: u64) -> io::Result<Option<Self>> {
        std::fs::create_dir_all(folder.join("spool"))?;
        let lock = File::create(folder.join("lock"))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Ok(None),
            Err(TryLockError::Error(error)) => return Err(error),
        }
        let mut state = match std::fs::read(folder.join("state.json")) {
            Ok(bytes) => serde_json::from_slice(&bytes).unwrap_or_else(|error| {
                // Events are told of again, by the same names.
                tracing::error!(%error, "What was noted of lineage is damaged: logs are read from their beginnings.");
                State::default()
            }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => State::default(),
            Err(error) => return Err(error),
        };
        let mut segments = BTreeMap::new();
        for entry in std::fs::read_dir(folder.join("spool"))? {
            let entry = entry?;
            let number = entry
                .file_name()
                .to_str()
                .and_then(|name| name.strip_suffix(".jsonl")?.parse().ok());
            if let Some(number) = number {
                segments.insert(number, entry.metadata()?.len());
            }
        }
        // Segments before the place were taken whole.
        for number in segments
            .range(..state.segment)
            .map(|(number, _)| *number)
            .collect::<Vec<u64>>()
        {
            std::fs::remove_file(path(folder, number))?;
            segments.remove(&number);
        }
        if let Some(first) = segments.keys().next().copied()
            && first > state.segment
        {
            (state.segment, state.at, state.taken) = (first, 0, 0);
        }
        if state.at > segments.get(&state.segment).copied().unwrap_or(0) {
            (state.at, state.taken) = (0, 0);
        }
        let mut waiting = 0;
        for (number, bytes) in &mut segments {
            let start = if *number == state.segment { state.at } else { 0 };
            let (whole, events) = replay(&path(folder, *number), start, &mut state.read)?;
            waiting += events;
            if whole < *bytes {
                // A line that was cut off: its commit is read again.
                OpenOptions::new()
                    .write(true)
                    .open(path(folder, *number))?
                    .set_len(whole)?;
                *bytes = whole;
            }
        }
        let last = segments.keys().next_back().copied().unwrap_or(state.segment);
        segments.entry(last).or_insert(0);
        let mut spool = Self {
            tail: open(folder, last)?,
            folder: folder.to_owned(),
            most,
            waiting: waiting.saturating_sub(state.taken as u64),
            state,
            segments,
            head: None,
            _lock: lock,
        };
        spool.note(true)?;
        Ok(Some(spool))
    }

    /// Up to where a table's log was read. `None`: not at all.
    #[must_use]
    pub fn read(&self, table: &str) -> Option<Place> {
        self.state.read.get(table).copied()
    }

    /// Whether more may be put in.
    #[must_use]
    pub fn has_room(&self) -> bool {
        self.segments.values().sum::<u64>() < self.most
    }

    /// Events that wait.
    #[must_use]
    pub fn waiting(&self) -> u64 {
        self.waiting
    }

    /// Puts commits of one table in, and notes that its log was read up to a commit.
    ///
    /// # Errors
    /// The disk takes nothing. Then nothing was noted, and the same can be put in again.
    pub fn put(&mut self, table: &str, up_to: Place, entries: &[Entry]) -> io::Result<()> {
        if !entries.is_empty() {
            let (last, size) = self.last();
            let mut bytes = Vec::new();
            for entry in entries {
                serde_json::to_writer(&mut bytes, entry)?;
                bytes.push(b'\n');
            }
            let written = self.tail.write_all(&bytes).and_then(|()| self.tail.sync_data());
            if let Err(error) = written {
                // What was half written would be half a line.
                self.tail.set_len(size)?;
                return Err(error);
            }
            self.segments.insert(last, size + bytes.len() as u64);
            self.waiting += entries.iter().map(|entry| entry.events.len() as u64).sum::<u64>();
            if size + bytes.len() as u64 >= SEGMENT {
                self.tail = open(&self.folder, last + 1)?;
                self.segments.insert(last + 1, 0);
            }
        }
        self.state.read.insert(table.to_owned(), up_to);
        self.note(true)
    }

    /// The event that is to be sent next.
    ///
    /// # Errors
    /// The disk cannot be read.
    pub fn next_event(&mut self) -> io::Result<Option<&str>> {
        loop {
            if self.head.is_none() {
                self.head = self.line()?;
            }
            let Some((events, length)) = &self.head else {
                return Ok(None);
            };
            if self.state.taken < events.len() {
                break;
            }
            self.state.at += length;
            self.state.taken = 0;
            self.head = None;
        }
        let head = self.head.as_ref();
        Ok(head
            .and_then(|(events, _)| events.get(self.state.taken))
            .map(String::as_str))
    }

    /// The collector has the event that [`next_event`](Self::next_event) gave, or will never take it.
    ///
    /// # Errors
    /// The disk takes nothing: the event is sent again after a restart.
    pub fn taken(&mut self) -> io::Result<()> {
        self.state.taken += 1;
        self.waiting = self.waiting.saturating_sub(1);
        if let Some((events, length)) = &self.head
            && self.state.taken >= events.len()
        {
            self.state.at += length;
            self.state.taken = 0;
            self.head = None;
        }
        self.note(false)
    }

    /// Puts the event that is to be sent next aside, for people to look at.
    ///
    /// # Errors
    /// The disk takes nothing.
    pub fn refuse(&mut self, why: &str) -> io::Result<()> {
        let Some(event) = self.next_event()? else {
            return Ok(());
        };
        let event = serde_json::value::RawValue::from_string(event.to_owned())?;
        let line = serde_json::json!({ "why": why, "event": event });
        let folder = self.folder.join("refused");
        std::fs::create_dir_all(&folder)?;
        let mut file = OpenOptions::new()
            .create(true)
            .append(true)
            .open(folder.join("events.jsonl"))?;
        file.write_all(format!("{line}\n").as_bytes())?;
        file.sync_data()?;
        self.taken()
    }

    fn last(&self) -> (u64, u64) {
        let last = self.segments.last_key_value();
        last.map_or((0, 0), |(number, bytes)| (*number, *bytes))
    }

    /// The line at the place, and its length. Moves on to the next segment where one is read to its end.
    fn line(&mut self) -> io::Result<Option<(Vec<String>, u64)>> {
        loop {
            let size = self.segments.get(&self.state.segment).copied().unwrap_or(0);
            if self.state.at < size {
                let mut file = BufReader::new(File::open(path(&self.folder, self.state.segment))?);
                file.seek(SeekFrom::Start(self.state.at))?;
                let mut line = Vec::new();
                let length = file.read_until(b'\n', &mut line)? as u64;
                let entry: Entry = serde_json::from_slice(&line)?;
                return Ok(Some((entry.events, length)));
            }
            let Some(next) = self
                .segments
                .range(self.state.segment + 1..)
                .next()
                .map(|(next, _)| *next)
            else {
                return Ok(None);
            };
            let done = std::mem::replace(&mut self.state.segment, next);
            (self.state.at, self.state.taken) = (0, 0);
            // Noted before it goes, or its number would be the first place again.
            self.note(true)?;
            self.segments.remove(&done);
            std::fs::remove_file(path(&self.folder, done))?;
        }
    }

    fn note(&mut self, synced: bool) -> io::Result<()> {
        let half = self.folder.join("state.tmp");
        let mut file = File::create(&half)?;
        file.write_all(&serde_json::to_vec(&self.state)?)?;
        if synced {
            file.sync_data()?;
        }
        std::fs::rename(half, self.folder.join("state.json"))
    }
}

fn path(folder: &Path, segment: u64) -> PathBuf {
    folder.join("spool").join(format!("{segment:012}.jsonl"))
}

fn open(folder: &Path, segment: u64) -> io::Result<File> {
    OpenOptions::new()
        .create(true)
        .append(true)
        .open(path(folder, segment))
}

/// What the whole lines of a segment say was read, and the length of those lines and how many events are in them.
fn replay(path: &Path, start: u64, read: &mut BTreeMap<String, Place>) -> io::Result<(u64, u64)> {
    let mut file = File::open(path)?;
    file.seek(SeekFrom::Start(start))?;
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)?;
    let (mut whole, mut events) = (start, 0);
    for line in bytes.split_inclusive(|byte| *byte == b'\n') {
        let Some(Ok(entry)) = line.strip_suffix(b"\n").map(serde_json::from_slice::<Entry>) else {
            break;
        };
        whole += line.len() as u64;
        events += entry.events.len() as u64;
        // The newest line is what was read last.
        let known = read.entry(entry.table).or_insert(entry.place);
        if entry.place.at >= known.at {
            *known = entry.place;
        }
    }
    Ok((whole, events))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn entry(table: &str, version: u64) -> Entry {
        Entry {
            table: table.to_owned(),
            place: place(version),
            events: vec![
                format!("\"{table} {version} a\""),
                format!("\"{table} {version} b\""),
            ],
        }
    }

    fn place(version: u64) -> Place {
        Place {
            version,
            at: i64::try_from(version).unwrap() * 10,
        }
    }

    fn take(folder: &Path) -> Spool {
        // A test beside this one that starts a process lends it the lock until that has become another program.
        loop {
            if let Some(spool) = Spool::take(folder, 1 << 20).unwrap() {
                return spool;
            }
            std::thread::yield_now();
        }
    }

    #[test]
    fn one_process_has_it_and_the_next_goes_on_where_it_stood() {
        let dir = tempfile::tempdir().unwrap();
        let mut spool = take(dir.path());
        assert!(Spool::take(dir.path(), 1).unwrap().is_none());
        spool.put("t", place(1), &[entry("t", 0), entry("t", 1)]).unwrap();
        assert_eq!(spool.next_event().unwrap(), Some("\"t 0 a\""));
        spool.taken().unwrap();
        assert_eq!(spool.waiting(), 3);
        assert_eq!(spool.next_event().unwrap(), Some("\"t 0 b\""));
        drop(spool);
        let mut spool = take(dir.path());
        assert_eq!(spool.waiting(), 3);
        assert_eq!(spool.next_event().unwrap(), Some("\"t 0 b\""));
        spool.refuse("400").unwrap();
        assert_eq!(spool.next_event().unwrap(), Some("\"t 1 a\""));
        let refused = std::fs::read_to_string(dir.path().join("refused/events.jsonl")).unwrap();
        assert_eq!(refused, "{\"event\":\"t 0 b\",\"why\":\"400\"}\n");
    }

    #[test]
    fn what_is_in_the_spool_was_read_though_nobody_noted_it() {
        let dir = tempfile::tempdir().unwrap();
        let mut spool = take(dir.path());
        spool.put("t", place(4), &[entry("t", 4)]).unwrap();
        let before = std::fs::read(dir.path().join("state.json")).unwrap();
        spool.put("t", place(5), &[entry("t", 5)]).unwrap();
        drop(spool);
        // As if the process had been killed between the lines and the note, in the middle of another line.
        std::fs::write(dir.path().join("state.json"), before).unwrap();
        let segment = path(dir.path(), 0);
        let whole = std::fs::read(&segment).unwrap();
        std::fs::write(&segment, [&whole, &b"{\"table\":\"t\",\"vers"[..]].concat()).unwrap();
        let spool = take(dir.path());
        assert_eq!((spool.read("t"), spool.waiting()), (Some(place(5)), 4));
        assert_eq!(std::fs::read(&segment).unwrap(), whole);
    }

    #[test]
    fn it_says_when_it_is_full_and_has_room_again_when_segments_are_taken() {
        let dir = tempfile::tempdir().unwrap();
        let mut spool = Spool::take(dir.path(), 2 * SEGMENT).unwrap().unwrap();
        let large = |version| Entry {
            table: "t".into(),
            place: place(version),
            events: vec!["x".repeat(400_000)],
        };
        let mut put = 0;
        while spool.has_room() {
            spool.put("t", place(put), &[large(put)]).unwrap();
            put += 1;
        }
        assert_eq!(put, 6);
        let mut taken = 0;
        while spool.next_event().unwrap().is_some() {
            spool.taken().unwrap();
            taken += 1;
        }
        assert_eq!((taken, spool.waiting()), (put, 0));
        assert!(spool.has_room());
    }

    proptest! {
        /// Whatever is put in, taken and killed in any order: every event comes once and in order.
        #[test]
        fn every_event_comes_once_and_in_order(acts in prop::collection::vec(0_u8..4, 1..60)) {
            let dir = tempfile::tempdir().unwrap();
            let mut spool = take(dir.path());
            let (mut put, mut sent) = (0_u64, Vec::new());
            for act in acts {
                match act {
                    0 => {
                        spool.put("t", place(put), &[entry("t", put)]).unwrap();
                        put += 1;
                    }
                    1 | 2 => {
                        if let Some(event) = spool.next_event().unwrap() {
                            sent.push(event.to_owned());
                            spool.taken().unwrap();
                        }
                    }
                    _ => {
                        drop(spool);
                        spool = take(dir.path());
                        prop_assert_eq!(spool.read("t"), put.checked_sub(1).map(place));
                    }
                }
            }
            while let Some(event) = spool.next_event().unwrap() {
                sent.push(event.to_owned());
                spool.taken().unwrap();
            }
            let wanted: Vec<String> = (0..put).flat_map(|version| entry("t", version).events).collect();
            prop_assert_eq!(sent, wanted);
        }
    }
}
