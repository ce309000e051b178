//! Reads a whole log and holds it against its chain, its signatures and its head.

use std::fs::File;
use std::io::ErrorKind;
use std::path::Path;

use crate::damage::{Damage, Wrong};
use crate::files::{self, KEY_FILE, LOCK_FILE, LogFile, log_name};
use crate::format::{CHECKPOINT, Line, NOTHING};
use crate::head::Head;
use crate::scan::{Last, Place, Scan};
use crate::tail::MAX_CUT;
use crate::{Anchor, PublicKey};

/// A log that is as it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verified {
    /// How many records, those that the log writes about itself included.
    pub records: u64,
    /// In how many files.
    pub files: usize,
    /// Time of the first record, in microseconds since 1970 UTC; `None` without a record.
    pub first: Option<i64>,
    /// Time of the last.
    pub last: Option<i64>,
    /// Signed checkpoints among the records.
    pub checkpoints: u64,
    /// The last record that the signed head knows, to be noted down elsewhere; `None` without a record.
    pub anchor: Option<Anchor>,
    /// Records behind the signed head. A crash can leave some; the next one who opens the log says so in a record. Until
    /// then somebody without the key could have put them there.
    pub unsigned: u64,
    /// Bytes after them that a crash left, and that are no records.
    pub torn_bytes: u64,
}

/// Reads the log in `dir`, a record at a time, and checks all of it: hashes, order, signatures, files, and that nothing is
/// missing at the end. With an `anchor`, also that this record is still in it. The log may be in use meanwhile.
///
/// # Errors
/// The first thing that is not as it was written.
pub fn verify(dir: &Path, key: &PublicKey, anchor: Option<&Anchor>) -> Result<Verified, Damage> {
    let (head, files) = snapshot(dir, key)?;
    let start = Last {
        seq: 0,
        hash: NOTHING.to_owned(),
        checkpoint: 0,
    };
    let mut verified = Verified {
        records: 0,
        files: files.len(),
        first: None,
        last: None,
        checkpoints: 0,
        anchor: None,
        unsigned: 0,
        torn_bytes: 0,
    };
    let mut scan = Scan::new(dir, files.clone(), 0, start, *key)?;
    let mut end = None;
    loop {
        match scan.next() {
            Ok(Some((place, line))) => {
                check(&head, anchor, &place, &line)?;
                verified.count(&line);
                end = Some(place);
            }
            Ok(None) => break,
            Err(damage) if scan.last.seq >= head.seq && damage.wrong.is_torn() => {
                verified.torn_bytes = scan.rest();
                if verified.torn_bytes > MAX_CUT {
                    let bytes = verified.torn_bytes;
                    return Err(Damage {
                        wrong: Wrong::Garbage { bytes },
                        ..damage
                    });
                }
                break;
            }
            Err(damage) if scan.is_cut() && is_cut_off(&damage, &files, &head) => {
                return Err(Damage {
                    wrong: Wrong::Truncated { head: head.seq },
                    ..damage
                });
            }
            Err(damage) => return Err(damage),
        }
    }
    let last = scan.last;
    if last.seq < head.seq {
        let (file, line) = end.map_or((log_name(1), 0), |end| (end.name, end.line));
        let wrong = Wrong::Truncated { head: head.seq };
        return Err(Damage::at(
            file,
            line.saturating_add(1),
            last.seq.saturating_add(1),
            wrong,
        ));
    }
    if let Some(anchor) = anchor.filter(|anchor| anchor.seq > last.seq) {
        let file = end.map_or_else(|| log_name(1), |end| end.name);
        return Err(Damage::of(file, Wrong::NotTheAnchor { seq: anchor.seq }));
    }
    verified.unsigned = last.seq.saturating_sub(head.seq);
    verified.anchor = (head.seq > 0).then_some(Anchor {
        seq: head.seq,
        hash: head.hash,
    });
    Ok(verified)
}

impl Verified {
    fn count(&mut self, line: &Line) {
        self.records += 1;
        self.first = self.first.or(Some(line.time));
        self.last = Some(line.time);
        self.checkpoints += u64::from(line.kind == CHECKPOINT);
    }
}

/// The head and the files at one moment. Nobody appends while they are listed, and they are read only up to where they were then.
fn snapshot(dir: &Path, key: &PublicKey) -> Result<(Head, Vec<LogFile>), Damage> {
    let _lock = match File::open(dir.join(LOCK_FILE)) {
        Ok(lock) => {
            files::uninterrupted(|| lock.lock_shared())
                .map_err(|error| Damage::unreadable(LOCK_FILE, &error))?;
            Some(lock)
        }
        // A copy of a log: nobody appends to it.
        Err(error) if error.kind() == ErrorKind::NotFound => None,
        Err(error) => return Err(Damage::unreadable(LOCK_FILE, &error)),
    };
    let listing = files::list(dir)?;
    if let Some(name) = listing.foreign {
        return Err(Damage::of(name, Wrong::ForeignFile));
    }
    if PublicKey::read(dir)? != *key {
        return Err(Damage::of(KEY_FILE, Wrong::OtherKey));
    }
    let head = Head::read(dir, key)?;
    let first = listing.files.first().map(|file| file.first);
    if first != Some(1) && (first.is_some() || head.seq > 0) {
        return Err(Damage::of(log_name(1), Wrong::NoFirstFile));
    }
    Ok((head, listing.files))
}

/// Holds a record of the chain against what is known of it from outside of the chain.
fn check(head: &Head, anchor: Option<&Anchor>, place: &Place, line: &Line) -> Result<(), Damage> {
    let wrong = |wrong| Err(Damage::at(&place.name, place.line, line.seq, wrong));
    if line.seq == head.seq && (line.hash != head.hash || place.name != head.file || place.end != head.bytes)
    {
        return wrong(Wrong::NotTheHead);
    }
    match anchor {
        Some(anchor) if anchor.seq == line.seq && anchor.hash != line.hash => {
            wrong(Wrong::NotTheAnchor { seq: anchor.seq })
        }
        _ => Ok(()),
    }
}

/// Whether a last line that ends too early does so because the log was cut, and not because its end was overwritten.
fn is_cut_off(damage: &Damage, files: &[LogFile], head: &Head) -> bool {
    let last = files.last().filter(|_| damage.wrong == Wrong::NotARecord);
    last.is_some_and(|last| {
        last.name() == damage.file && (last.name() != head.file || last.bytes < head.bytes)
    })
}
