//! Which of the files that are there are which of the files that we know.

use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::time::{Duration, Instant, SystemTime};

use crate::SourceWarning;
use crate::journal::{FileRecord, HEAD_BYTES, Head, Journal};
use crate::names::{Packing, segment_name};
use crate::parquet::Window;
use crate::scan::{FileKey, Found};
use crate::stream::{End, Stream};
use crate::warnings::Warnings;

/// What is known about a file besides its record in the journal. Index: the file's id.
#[derive(Debug, Clone, Default)]
pub(crate) struct Known {
    /// Bytes of the decompressed file that are handed out, or will be by extents of the journal.
    pub(crate) done: u64,
    /// Size on disk at which a compressed file was read to its end.
    pub(crate) packed_done: Option<u64>,
    pub(crate) stall: Option<Stall>,
    /// Size on disk at which nothing more can be had from it: not to be opened, damaged, or cut and given up.
    pub(crate) exhausted_at: Option<u64>,
}

/// A last line without its end, or compressed data without its end, that is waited for.
#[derive(Debug, Clone)]
pub(crate) struct Stall {
    /// Size on disk then.
    pub(crate) size: u64,
    pub(crate) since: Instant,
    /// The line is whole JSON.
    pub(crate) is_json: bool,
    /// The line may be a whole record of CSV.
    pub(crate) is_record: bool,
    /// Compressed data ends in the middle.
    pub(crate) truncated: bool,
    /// Compressed data goes on, but does not decode.
    pub(crate) damaged: bool,
    /// One past the last byte that there is.
    pub(crate) read_to: u64,
}

/// A file that is there, and who it is.
#[derive(Debug, Clone)]
pub(crate) struct Claimed {
    pub(crate) found: Found,
    /// `None`: a new file.
    pub(crate) id: Option<u32>,
    pub(crate) head: Head,
    /// What a new file waits for. `None`: nothing.
    pub(crate) pending: Option<Pending>,
}

/// A file of Parquet is read when it is whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pending {
    /// It ends as one.
    Finished,
    /// It does not, or not yet.
    Unfinished,
}

#[derive(Debug, Default)]
pub(crate) struct Catalog {
    pub(crate) known: Vec<Known>,
    settle: Duration,
    /// What the names of segments end with.
    extensions: &'static [&'static str],
    heads: HashMap<FileKey, CachedHead>,
    /// Segments of the last scan with unread bytes.
    awaited: HashMap<FileKey, Awaited>,
}

#[derive(Debug)]
struct Awaited {
    name: String,
    base: String,
    head: Head,
    from: u64,
}

#[derive(Debug)]
struct CachedHead {
    size: u64,
    modified: Option<SystemTime>,
    is_damaged: bool,
    bytes: Vec<u8>,
    pending: Option<Pending>,
    /// When it was first seen like this.
    since: Instant,
}

impl Catalog {
    /// What the journal says is read, and for its last extent, where the reader stands.
    pub(crate) fn new(
        journal: &Journal,
        at: usize,
        byte: u64,
        settle: Duration,
        extensions: &'static [&'static str],
    ) -> Self {
        let mut known = vec![Known::default(); journal.files.len()];
        for (index, extent) in journal.extents.iter().enumerate() {
            let reached = if index == at { byte } else { extent.start };
            if let Some(known) = usize::try_from(extent.file)
                .ok()
                .and_then(|file| known.get_mut(file))
            {
                known.done = known.done.max(extent.end.unwrap_or(reached));
                known.packed_done = extent.packed;
            }
        }
        Self {
            known,
            settle,
            extensions,
            ..Self::default()
        }
    }

    pub(crate) fn known(&self, id: u32) -> Option<&Known> {
        self.known.get(usize::try_from(id).ok()?)
    }

    pub(crate) fn known_mut(&mut self, id: u32) -> Option<&mut Known> {
        self.known.get_mut(usize::try_from(id).ok()?)
    }

    /// Says who each file is. Copies in the making (of `copytruncate`, of a compression) are left out until their original is gone.
    pub(crate) fn claim(
        &mut self,
        journal: &Journal,
        found: Vec<Found>,
        warnings: &mut Warnings,
    ) -> Vec<Claimed> {
        let present: HashSet<FileKey> = found.iter().map(|found| found.key).collect();
        self.heads.retain(|key, _| present.contains(key));
        let mut by_key: HashMap<FileKey, Vec<u32>> = HashMap::new();
        let mut by_base: HashMap<String, Vec<u32>> = HashMap::new();
        for file in &journal.files {
            by_key.entry((file.device, file.inode)).or_default().push(file.id);
            if let Some(segment) = segment_name(&file.name, self.extensions) {
                by_base.entry(segment.base).or_default().push(file.id);
            }
        }
        let mut owners: HashMap<u32, String> = HashMap::new();
        let mut claimed = Vec::new();
        let mut strangers = Vec::new();
        for found in found {
            let Some(bytes) = self.head(&found, warnings) else {
                continue;
            };
            if bytes.is_empty() {
                self.warn_of_nothing(&found, warnings);
                continue;
            }
            // The newest first: an inode may have been used before.
            let same = by_key
                .get(&found.key)
                .into_iter()
                .flatten()
                .rev()
                .copied()
                .find(|id| !owners.contains_key(id) && self.can_be(journal, *id, &found, &bytes));
            match same {
                Some(id) => {
                    owners.insert(id, found.name.clone());
                    claimed.push(Claimed {
                        found,
                        id: Some(id),
                        head: Head::of(&bytes),
                        pending: None,
                    });
                }
                None => strangers.push((found, bytes)),
            }
        }
        for (found, bytes) in strangers {
            let head = Head::of(&bytes);
            let pending = self.heads.get(&found.key).and_then(|head| head.pending);
            let alike: Vec<u32> = by_base
                .get(&found.segment.base)
                .into_iter()
                .flatten()
                .rev()
                .copied()
                .filter(|id| self.can_be(journal, *id, &found, &bytes))
                .collect();
            if let Some(id) = alike.iter().copied().find(|id| !owners.contains_key(id)) {
                owners.insert(id, found.name.clone());
                claimed.push(Claimed {
                    found,
                    id: Some(id),
                    head,
                    pending: None,
                });
            } else if let Some(original) = alike
                .iter()
                .filter_map(|id| owners.get(id))
                .find(|owner| found.name.len() > owner.len() && found.name.starts_with(owner.as_str()))
            {
                tracing::debug!(copy = %found.name, original = %original, "Copy waits until its original is gone.");
            } else if claimed.iter().any(|other| is_packed_copy(&found, &head, other)) {
                warnings.tell(SourceWarning::Ignored {
                    name: found.name,
                    reason: "a compressed copy of a file beside it",
                });
            } else {
                claimed.push(Claimed {
                    found,
                    id: None,
                    head,
                    pending,
                });
            }
        }
        claimed.sort_by(|a, b| crate::names::natural_order(&a.found.name, &b.found.name));
        claimed
    }

    /// Whether `found`, which starts with `head`, can be the known file: same start, and not shorter than what was read of it.
    fn can_be(&self, journal: &Journal, id: u32, found: &Found, head: &[u8]) -> bool {
        let Some(record) = usize::try_from(id).ok().and_then(|id| journal.files.get(id)) else {
            return false;
        };
        let done = self.known(id).map_or(0, |known| known.done);
        let long_enough = found.segment.packing != Packing::Plain || found.size >= done;
        long_enough && record.head.starts(head)
    }

    /// The id of a claimed file; a new one gets a record, and the record follows the file's name and head.
    pub(crate) fn enroll(
        &mut self,
        journal: &mut Journal,
        claimed: &Claimed,
        warnings: &mut Warnings,
    ) -> Option<u32> {
        let (device, inode) = claimed.found.key;
        let id = match claimed.id {
            Some(id) => id,
            None => {
                if journal
                    .files
                    .iter()
                    .any(|file| (file.device, file.inode) == (device, inode))
                {
                    warnings.tell(SourceWarning::Replaced {
                        name: claimed.found.name.clone(),
                    });
                }
                self.known.push(Known::default());
                u32::try_from(journal.files.len()).ok()?
            }
        };
        journal.put_file(FileRecord {
            id,
            name: claimed.found.name.clone(),
            device,
            inode,
            head: claimed.head.clone(),
        });
        Some(id)
    }

    /// Warns of files that had unread bytes in the last scan and are gone now, and remembers those of this one.
    pub(crate) fn watch(&mut self, claimed: &[Claimed], unread: &[bool], warnings: &mut Warnings) {
        let here: HashSet<FileKey> = claimed.iter().map(|claimed| claimed.found.key).collect();
        for (key, awaited) in std::mem::take(&mut self.awaited) {
            let continues = |other: &Claimed| {
                let head = self.heads.get(&other.found.key);
                other.found.segment.base == awaited.base
                    && head.is_some_and(|head| awaited.head.starts(&head.bytes))
            };
            if !here.contains(&key) && !self.heads.contains_key(&key) && !claimed.iter().any(continues) {
                let Awaited { name, from, .. } = awaited;
                warnings.tell(SourceWarning::Missing { name, from, to: None });
            }
        }
        for (claimed, _) in claimed.iter().zip(unread).filter(|(_, unread)| **unread) {
            let from = claimed
                .id
                .and_then(|id| self.known(id))
                .map_or(0, |known| known.done);
            let (name, base) = (claimed.found.name.clone(), claimed.found.segment.base.clone());
            self.awaited.insert(
                claimed.found.key,
                Awaited {
                    name,
                    base,
                    head: claimed.head.clone(),
                    from,
                },
            );
        }
    }

    /// A compressed file out of which nothing comes, and that does not grow.
    fn warn_of_nothing(&self, found: &Found, warnings: &mut Warnings) {
        let is_quiet = age(found).is_some_and(|age| age >= self.settle);
        let name = found.name.clone();
        if self.heads.get(&found.key).is_some_and(|head| head.is_damaged) {
            warnings.tell(SourceWarning::Damaged { name, decoded: 0 });
        } else if found.size > 0 && is_quiet && found.segment.packing != Packing::Plain {
            warnings.tell(SourceWarning::Unfinished { name, decoded: 0 });
        }
    }

    /// The first bytes of the decompressed file, or what else tells it from others; `None` with a warning when they cannot be read.
    fn head(&mut self, found: &Found, warnings: &mut Warnings) -> Option<Vec<u8>> {
        if let Some(cached) = self.heads.get(&found.key)
            && (cached.size, cached.modified) == (found.size, found.modified)
        {
            return Some(cached.bytes.clone());
        }
        let read = match found.segment.packing {
            Packing::Parquet => read_ends(&found.path),
            packing => Stream::open(&found.path, packing).map(read_start),
        };
        let (bytes, is_damaged, pending) = match read {
            Ok(read) => read,
            Err(error) => {
                if error.kind() != std::io::ErrorKind::NotFound {
                    let reason = error.kind().to_string();
                    warnings.tell(SourceWarning::Unreadable {
                        name: found.name.clone(),
                        reason,
                    });
                }
                return None;
            }
        };
        let cached = CachedHead {
            size: found.size,
            modified: found.modified,
            is_damaged,
            bytes: bytes.clone(),
            pending,
            since: Instant::now(),
        };
        self.heads.insert(found.key, cached);
        Some(bytes)
    }

    /// Whether a file has not changed for a while: seen by us, or by its own time.
    pub(crate) fn has_rested(&self, found: &Found, patience: Duration) -> bool {
        let seen = self.heads.get(&found.key).map(|head| head.since.elapsed());
        seen.is_some_and(|seen| seen >= patience) || age(found).is_some_and(|age| age >= patience)
    }
}

/// What a file is known by: its start, whether that is damaged, and what it waits for.
type Start = (Vec<u8>, bool, Option<Pending>);

/// A file of Parquet has its like: the same columns, the same first values. Its ends tell it from others.
fn read_ends(path: &Path) -> std::io::Result<Start> {
    let window = Window::open(path)?;
    let pending = if window.is_finished() {
        Pending::Finished
    } else {
        Pending::Unfinished
    };
    Ok((window.fingerprint()?, false, Some(pending)))
}

/// The first bytes of the decompressed file.
fn read_start(mut stream: Stream) -> Start {
    let mut bytes = Vec::with_capacity(HEAD_BYTES);
    let mut buffer = [0; HEAD_BYTES];
    let mut is_damaged = false;
    while let Some(room) = buffer.get_mut(..HEAD_BYTES.saturating_sub(bytes.len())) {
        match stream.read(room) {
            Ok(0) | Err(End::Truncated) => break,
            Ok(read) => bytes.extend(room.iter().take(read)),
            Err(End::Clean | End::Damaged) => {
                is_damaged = true;
                break;
            }
        }
    }
    (bytes, is_damaged, None)
}

fn is_packed_copy(found: &Found, head: &Head, other: &Claimed) -> bool {
    found.segment.packing != Packing::Plain
        && other.found.segment.packing == Packing::Plain
        && found.segment.stem == other.found.segment.stem
        && *head == other.head
}

/// Whether a file has not changed for a while: seen by us, or by its own time.
pub(crate) fn quiet_for(found: &Found, stall: &Stall, quiet: Duration) -> bool {
    stall.since.elapsed() >= quiet || age(found).is_some_and(|age| age >= quiet)
}

/// How long ago a file was written to, by its own time.
fn age(found: &Found) -> Option<Duration> {
    SystemTime::now().duration_since(found.modified?).ok()
}
