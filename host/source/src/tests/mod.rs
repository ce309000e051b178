//! The reader against folders that change.

mod basics;
mod csv;
mod mess;
mod model;
mod parquet;

use std::fs::{self, File, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use flate2::write::GzEncoder;
use malla_contract::{Format, Source};
use tempfile::TempDir;

use crate::{BatchLimit, DirectoryConfig, DirectorySource, Lines, Mode, PartitionReader, SourceError};

/// A source folder with one partition `p`, and its state.
struct Bed {
    dir: TempDir,
    settle: Duration,
    max_line_bytes: usize,
    abandon: Duration,
    format: Format,
    /// In place of the format, where columns count.
    of: Option<Source>,
}

impl Bed {
    fn new() -> Self {
        let bed = Self {
            dir: TempDir::new().unwrap(),
            settle: Duration::ZERO,
            max_line_bytes: 1 << 20,
            abandon: Duration::from_secs(60),
            format: Format::Json,
            of: None,
        };
        fs::create_dir_all(bed.path("")).unwrap();
        bed
    }

    fn root(&self) -> PathBuf {
        self.dir.path().join("source")
    }

    fn path(&self, name: &str) -> PathBuf {
        self.root().join("p").join(name)
    }

    fn journal(&self) -> PathBuf {
        self.dir.path().join("state/p.jsonl")
    }

    fn source(&self) -> DirectorySource {
        let config = DirectoryConfig::new(self.root(), self.dir.path().join("state"));
        let mut config = match &self.of {
            Some(source) => config.with_source(source),
            None => config.with_format(&self.format),
        };
        config.abandon = self.abandon;
        config.settle = self.settle;
        config.max_line_bytes = self.max_line_bytes;
        DirectorySource::open(config).unwrap()
    }

    fn reader(&self, position: i64) -> PartitionReader {
        self.try_reader(position).unwrap()
    }

    fn try_reader(&self, position: i64) -> Result<PartitionReader, SourceError> {
        self.source().reader("p", position)
    }

    fn write(&self, name: &str, bytes: impl AsRef<[u8]>) {
        fs::write(self.path(name), bytes).unwrap();
    }

    fn append(&self, name: &str, bytes: impl AsRef<[u8]>) {
        append(&self.path(name), bytes.as_ref());
    }

    fn rename(&self, from: &str, to: &str) {
        fs::rename(self.path(from), self.path(to)).unwrap();
    }

    fn remove(&self, name: &str) {
        fs::remove_file(self.path(name)).unwrap();
    }

    /// Compresses a file the way `gzip` does: a new file, then the old one goes.
    fn gzip(&self, name: &str) {
        let bytes = fs::read(self.path(name)).unwrap();
        self.write(&format!("{name}.gz"), gzip(&bytes));
        self.remove(name);
    }

    /// All lines from the start, in one drain.
    fn all(&self) -> Vec<String> {
        drain(&mut self.reader(0))
    }
}

fn append(path: &Path, bytes: &[u8]) {
    OpenOptions::new()
        .append(true)
        .create(true)
        .open(path)
        .unwrap()
        .write_all(bytes)
        .unwrap();
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

const SMALL: BatchLimit = BatchLimit {
    rows: 3,
    bytes: 1 << 20,
};

fn texts(lines: &Lines) -> Vec<String> {
    lines
        .iter()
        .map(|line| String::from_utf8_lossy(&line).into_owned())
        .collect()
}

fn read_all(reader: &mut PartitionReader, mode: Mode) -> Vec<String> {
    let mut all = Vec::new();
    let mut before = reader.position();
    while let Some(lines) = reader.next(SMALL, mode).unwrap() {
        assert_eq!(lines.from(), before);
        let mut last = lines.from();
        for offset in lines.offsets() {
            assert!(*offset > last, "offsets grow");
            last = *offset;
        }
        assert_eq!(lines.to(), last);
        assert_eq!(reader.position(), last);
        before = last;
        assert_eq!(reader.repeat(lines.from(), lines.to()).unwrap(), lines);
        all.extend(texts(&lines));
    }
    all
}

fn drain(reader: &mut PartitionReader) -> Vec<String> {
    read_all(reader, Mode::Drain)
}

fn follow(reader: &mut PartitionReader) -> Vec<String> {
    read_all(reader, Mode::Follow)
}

fn set_old(path: &Path) {
    let old = std::time::SystemTime::now() - Duration::from_secs(3600);
    File::options()
        .append(true)
        .open(path)
        .unwrap()
        .set_modified(old)
        .unwrap();
}
