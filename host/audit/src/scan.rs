//! Walks the lines of a log from one place on, and holds each against the chain.

use std::fs::File;
use std::io::{self, BufRead as _, BufReader, Read as _, Seek as _, SeekFrom, Take};
use std::path::{Path, PathBuf};

use crate::PublicKey;
use crate::damage::{Damage, Wrong};
use crate::files::LogFile;
use crate::format::{CHECKPOINT, Line, MAX_LINE, NotALine};
use crate::key::checkpoint_statement;

/// The last record up to which a log is whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Last {
    pub(crate) seq: u64,
    pub(crate) hash: String,
    /// Number of the last checkpoint.
    pub(crate) checkpoint: u64,
}

/// Where a line stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Place {
    /// Index among the files.
    pub(crate) file: usize,
    pub(crate) name: String,
    /// From 1; counted from where the scan began in the first file.
    pub(crate) line: u64,
    /// First byte.
    pub(crate) start: u64,
    /// One past its line feed.
    pub(crate) end: u64,
}

/// Memory is that of one line. The files are read up to the sizes at which they were listed.
pub(crate) struct Scan {
    dir: PathBuf,
    files: Vec<LogFile>,
    key: PublicKey,
    pub(crate) last: Last,
    /// Index and size of the file up to which all is whole.
    pub(crate) whole: (usize, u64),
    open: Option<Open>,
    next_file: usize,
    line: Vec<u8>,
}

struct Open {
    reader: BufReader<Take<File>>,
    file: usize,
    name: String,
    line: u64,
    at: u64,
}

impl Scan {
    /// From byte `start` of the first of `files`, which follows the record `last`.
    pub(crate) fn new(
        dir: &Path,
        files: Vec<LogFile>,
        start: u64,
        last: Last,
        key: PublicKey,
    ) -> Result<Self, Damage> {
        let mut scan = Self {
            dir: dir.to_owned(),
            files,
            key,
            last,
            whole: (0, start),
            open: None,
            next_file: 0,
            line: Vec::new(),
        };
        scan.open_next(start)?;
        Ok(scan)
    }

    fn open_next(&mut self, start: u64) -> Result<(), Damage> {
        self.open = None;
        let Some(file) = self.files.get(self.next_file) else {
            return Ok(());
        };
        let name = file.name();
        let opened = File::open(self.dir.join(&name)).and_then(|mut opened| {
            opened.seek(SeekFrom::Start(start))?;
            Ok(opened.take(file.bytes.saturating_sub(start)))
        });
        self.open = Some(Open {
            reader: BufReader::with_capacity(
                1 << 16,
                opened.map_err(|error| Damage::unreadable(&name, &error))?,
            ),
            file: self.next_file,
            name,
            line: 0,
            at: start,
        });
        self.next_file += 1;
        Ok(())
    }

    /// Reads the next line, its line feed included if there is one, to `self.line`, and gives its place.
    fn read(&mut self) -> Result<Option<Place>, Damage> {
        while let Some(open) = &mut self.open {
            self.line.clear();
            let read = read_line(&mut open.reader, &mut self.line);
            let bytes = read.map_err(|error| Damage::unreadable(&open.name, &error))?;
            if bytes == 0 {
                self.open_next(0)?;
                continue;
            }
            open.line += 1;
            let start = open.at;
            open.at += bytes;
            return Ok(Some(Place {
                file: open.file,
                name: open.name.clone(),
                line: open.line,
                start,
                end: open.at,
            }));
        }
        Ok(None)
    }

    /// The next record, which continues the last one. `None`: the log ends here.
    pub(crate) fn next(&mut self) -> Result<Option<(Place, Line)>, Damage> {
        let Some(place) = self.read()? else {
            return Ok(None);
        };
        let seq = self.last.seq.saturating_add(1);
        let wrong = |wrong| Damage::at(&place.name, place.line, seq, wrong);
        let line = match self.line.strip_suffix(b"\n").map(Line::read) {
            Some(Ok(line)) => line,
            Some(Err(NotALine::Changed)) => return Err(wrong(Wrong::Changed)),
            Some(Err(NotALine::Foreign)) | None => return Err(wrong(Wrong::NotARecord)),
        };
        if line.seq < seq {
            return Err(wrong(Wrong::Repeated { seq: line.seq }));
        }
        if line.seq > seq {
            let to = line.seq.saturating_sub(1);
            let moved = self.find(seq)?;
            return Err(wrong(moved.map_or(Wrong::Dropped { from: seq, to }, |found| {
                Wrong::Reordered {
                    file: found.name,
                    line: found.line,
                }
            })));
        }
        if line.previous != self.last.hash {
            return Err(wrong(Wrong::Rewritten));
        }
        let is_first = place.start == 0;
        let first = self.files.get(place.file).map(|file| file.first);
        if is_first != line.begins_a_file() || (is_first && first != Some(seq)) {
            return Err(wrong(Wrong::WrongPlace));
        }
        if line.kind == CHECKPOINT {
            let statement = checkpoint_statement(seq, &line.previous, line.time);
            let signature = line.details.get("signature").map(String::as_str);
            if !self.key.signed(&statement, signature.unwrap_or_default()) {
                return Err(wrong(Wrong::BadCheckpoint {
                    good: self.last.checkpoint,
                }));
            }
            self.last.checkpoint = seq;
        }
        self.whole = (place.file, place.end);
        self.last.seq = seq;
        self.last.hash.clone_from(&line.hash);
        Ok(Some((place, line)))
    }

    /// Whether the line that was read last ended without a line feed.
    pub(crate) fn is_cut(&self) -> bool {
        !self.line.ends_with(b"\n")
    }

    /// How many bytes follow the last whole record.
    pub(crate) fn rest(&self) -> u64 {
        let (file, end) = self.whole;
        let rest = self.files.iter().skip(file).map(|file| file.bytes).sum::<u64>();
        rest.saturating_sub(end)
    }

    /// Looks for a record further on.
    fn find(&mut self, seq: u64) -> Result<Option<Place>, Damage> {
        while let Some(place) = self.read()? {
            let line = self.line.strip_suffix(b"\n").map(Line::read);
            if line.is_some_and(|line| line.is_ok_and(|line| line.seq == seq)) {
                return Ok(Some(place));
            }
        }
        Ok(None)
    }
}

/// Reads up to and with a line feed, and gives how many bytes that were. Of a line that is too long the rest is passed over,
/// so that what is read of it is no record.
fn read_line(reader: &mut BufReader<Take<File>>, line: &mut Vec<u8>) -> io::Result<u64> {
    let mut bytes = 0;
    loop {
        let buffer = reader.fill_buf()?;
        let end = buffer
            .iter()
            .position(|byte| *byte == b'\n')
            .map(|index| index + 1);
        let part = buffer.get(..end.unwrap_or(buffer.len())).unwrap_or_default();
        let taken = part.len();
        if line.len() <= MAX_LINE {
            line.extend_from_slice(part);
        }
        reader.consume(taken);
        bytes += u64::try_from(taken).unwrap_or(u64::MAX);
        if end.is_some() || taken == 0 {
            return Ok(bytes);
        }
    }
}
