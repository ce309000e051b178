//! Writes events into the segments of a source.

use std::collections::BTreeMap;
use std::fs::{self, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use chrono::DateTime;

use crate::csv::Export;
use crate::files::{Files, Form, Partition};
use crate::source::Source;
use crate::{Dirt, SimulateError};

/// Writes the events of one source of a domain.
///
/// A hidden file in the root counts the events of each seed, so that a second call goes on where the first one ended and never
/// repeats an id. The same seed, time and calls give the same bytes in an empty folder.
#[derive(Debug)]
pub struct Simulator {
    seed: u64,
    source: Source,
    now: i64,
    segment_bytes: u64,
    export: Export,
}

/// What was written.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Report {
    /// The folder whose sub-folders are partitions.
    pub root: PathBuf,
    /// Lines by partition, or records where these may have several lines; no headers. Their sum is the number of events asked for.
    pub lines: BTreeMap<String, u64>,
    /// Dirty lines by kind.
    pub dirt: BTreeMap<Dirt, u64>,
    /// Bytes written.
    pub bytes: u64,
}

impl Report {
    /// Lines written in all.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.lines.values().sum()
    }

    /// Dirty lines in all.
    #[must_use]
    pub fn dirty(&self) -> u64 {
        self.dirt.values().sum()
    }
}

impl Simulator {
    /// Domains that have events.
    pub const DOMAINS: [&'static str; 3] = ["ventas", "logistica", "producto"];

    /// A simulator for each source of a domain of [`Self::DOMAINS`], in the order of its contract.
    ///
    /// # Errors
    /// When the domain has no events.
    pub fn of(seed: u64, domain: &str) -> Result<Vec<Self>, SimulateError> {
        let now = Self::now();
        let simulators: Vec<Self> = Source::ALL
            .into_iter()
            .filter(|source| source.domain() == domain)
            .map(|source| Self {
                seed,
                source,
                now,
                segment_bytes: 32 << 20,
                export: Export::default(),
            })
            .collect();
        if simulators.is_empty() {
            return Err(SimulateError::UnknownDomain {
                domain: domain.to_owned(),
                known: Self::DOMAINS.join(", "),
            });
        }
        Ok(simulators)
    }

    /// A simulator for one source of a domain.
    ///
    /// # Errors
    /// When the domain, or the source of it, has no events.
    pub fn new(seed: u64, domain: &str, source: &str) -> Result<Self, SimulateError> {
        let mut simulators = Self::of(seed, domain)?;
        match simulators
            .iter()
            .position(|simulator| simulator.source() == source)
        {
            Some(place) => Ok(simulators.swap_remove(place)),
            None => Err(SimulateError::UnknownSource {
                domain: domain.to_owned(),
                source_name: source.to_owned(),
                known: simulators.iter().map(Self::source).collect::<Vec<_>>().join(", "),
            }),
        }
    }

    /// The time at which the newest events happen unless [`with_now`](Self::with_now) says another: now, in microseconds of Unix
    /// time. Sources that are written at one time fit to the second.
    #[must_use]
    pub fn now() -> i64 {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        i64::try_from(now.as_micros()).unwrap_or_default()
    }

    /// The source, in the domain's contract, that the events are of.
    #[must_use]
    pub fn source(&self) -> &'static str {
        self.source.name()
    }

    /// Of so many events of the domain, how many are of this source. The shares of a domain's sources add up to all of them.
    #[must_use]
    pub fn share(&self, events: u64) -> u64 {
        self.source.share(events)
    }

    /// When the newest events happen: Unix time in microseconds. Default: now. Set it for the same bytes every time.
    #[must_use]
    pub fn with_now(self, unix_micros: i64) -> Self {
        Self {
            now: unix_micros,
            ..self
        }
    }

    /// Size at which a segment is full. Default 32 MiB. The last chunk of lines, up to 1 MiB, may go beyond it. A nightly export is one
    /// file whatever its size.
    #[must_use]
    pub fn with_segment_bytes(self, segment_bytes: u64) -> Self {
        Self {
            segment_bytes,
            ..self
        }
    }

    /// Whether the source is a nightly export: a file for each call of [`write`](Self::write).
    #[must_use]
    pub fn is_export(&self) -> bool {
        self.source.header().is_some()
    }

    /// What a nightly export is written as. Default: CSV. Other sources are JSON Lines, whatever it is.
    #[must_use]
    pub fn with_export(self, export: Export) -> Self {
        Self { export, ..self }
    }

    /// Writes exactly `events` lines below `root`, after those that earlier calls with the same seed wrote there. Of a source that is a
    /// nightly export each call writes a file of its own, named by the day.
    ///
    /// # Errors
    /// When the folder cannot be written.
    pub fn write(&mut self, root: &Path, events: u64) -> Result<Report, SimulateError> {
        fs::create_dir_all(root).map_err(io_error("create", root))?;
        let mut partitions = (0..self.source.partitions())
            .map(|number| Partition::open(root, number, self.files()))
            .collect::<Result<Vec<_>, _>>()?;
        let report = self.send(root, events, |number, message| {
            let at = usize::try_from(number).ok();
            match at.and_then(|at| partitions.get_mut(at)) {
                Some(partition) => partition.push(message),
                None => Ok(()),
            }
        })?;
        let mut report = Report {
            root: root.to_owned(),
            lines: BTreeMap::new(),
            bytes: 0,
            ..report
        };
        for partition in partitions {
            let written = partition.finish()?;
            report.bytes += written.bytes;
            report.lines.insert(written.name, written.lines);
        }
        Ok(report)
    }

    fn files(&self) -> Files {
        let day = DateTime::from_timestamp_micros(self.now)
            .unwrap_or_default()
            .date_naive();
        let source = self.source.name();
        match (self.export, self.source.header(), self.source.columns()) {
            (Export::Csv, Some(header), _) => Files::Export {
                source,
                day,
                form: Form::Csv { header },
            },
            (Export::Parquet, _, Some(columns)) => Files::Export {
                source,
                day,
                form: Form::Parquet { columns },
            },
            _ => Files::Segments {
                domain: self.source.domain(),
                bytes: self.segment_bytes,
            },
        }
    }

    /// Gives exactly `events` events to `send`, each with the number of its partition, after those of earlier calls with the same
    /// seed, which `counters` counts. Each source needs a folder of its own for them.
    ///
    /// # Errors
    /// When the folder of counters cannot be written; what `send` says.
    pub fn send<E: From<SimulateError>>(
        &mut self,
        counters: &Path,
        events: u64,
        mut send: impl FnMut(u64, &[u8]) -> Result<(), E>,
    ) -> Result<Report, E> {
        fs::create_dir_all(counters).map_err(io_error("create", counters))?;
        let first = self.reserve(counters, events)?;
        let stream = self.source.stream(self.seed, self.now, self.export);
        let mut report = Report::default();
        let mut line = Vec::with_capacity(512);
        for index in first..first.saturating_add(events) {
            line.clear();
            let placed = stream.write(index, &mut line);
            if let Some(dirt) = placed.dirt {
                *report.dirt.entry(dirt).or_default() += 1;
            }
            let message = line.strip_suffix(b"\n").unwrap_or(&line);
            send(placed.partition, message)?;
            *report.lines.entry(placed.partition.to_string()).or_default() += 1;
            report.bytes += u64::try_from(message.len()).unwrap_or(u64::MAX);
        }
        Ok(report)
    }

    /// Number of the next event. The numbers of this call count as used before the first line is written, so that a call that was
    /// cut short leaves a gap and no duplicates.
    fn reserve(&self, root: &Path, events: u64) -> Result<u64, SimulateError> {
        let path = root.join(format!(".simulated-{}-{}", self.source.domain(), self.seed));
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .map_err(io_error("open", &path))?;
        file.lock().map_err(io_error("lock", &path))?;
        let mut text = String::new();
        file.read_to_string(&mut text).map_err(io_error("read", &path))?;
        let first: u64 = match text.trim() {
            "" => 0,
            number => number
                .parse()
                .map_err(|_| SimulateError::Counter { path: path.clone() })?,
        };
        let mut write = || -> io::Result<()> {
            file.set_len(0)?;
            file.seek(SeekFrom::Start(0))?;
            writeln!(file, "{}", first.saturating_add(events))
        };
        write().map_err(io_error("write", &path))?;
        Ok(first)
    }
}

pub(crate) fn io_error(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> SimulateError {
    let path = path.to_owned();
    move |error| SimulateError::Io { action, path, error }
}
