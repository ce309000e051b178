//! The files of a partition.

use std::collections::BTreeSet;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use chrono::NaiveDate;

use crate::SimulateError;
use crate::parquet::{Column, Rows};
use crate::simulator::io_error;

/// Bytes that are gathered before they are appended to a file in one write.
const CHUNK: usize = 1 << 20;

/// How a source's files come to be.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Files {
    /// JSON Lines, appended to; the next segment begins when one has so many bytes.
    Segments { domain: &'static str, bytes: u64 },
    /// One file for each call, there when it is whole.
    Export {
        source: &'static str,
        day: NaiveDate,
        form: Form,
    },
}

/// What an export is written as.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Form {
    Csv { header: &'static str },
    Parquet { columns: &'static [Column] },
}

/// One partition's folder and the file that is being filled.
#[derive(Debug)]
pub(crate) struct Partition {
    name: String,
    folder: PathBuf,
    files: Files,
    /// Where lines are appended.
    path: PathBuf,
    /// Number of the segment, from 1.
    segment: u64,
    buffer: Vec<u8>,
    /// In place of the buffer, where the file is Parquet.
    rows: Option<Rows>,
    lines: u64,
    bytes: u64,
}

/// What a call wrote to a partition.
#[derive(Debug)]
pub(crate) struct Written {
    pub(crate) name: String,
    pub(crate) lines: u64,
    pub(crate) bytes: u64,
}

impl Partition {
    pub(crate) fn open(root: &Path, number: u64, files: Files) -> Result<Self, SimulateError> {
        let name = format!("p{number}");
        let folder = root.join(&name);
        fs::create_dir_all(&folder).map_err(io_error("create", &folder))?;
        let mut names = BTreeSet::new();
        for entry in fs::read_dir(&folder).map_err(io_error("list", &folder))? {
            let entry = entry.map_err(io_error("list", &folder))?;
            names.insert(entry.file_name().to_string_lossy().into_owned());
        }
        let mut partition = Self {
            name,
            folder,
            files,
            path: PathBuf::new(),
            segment: 1,
            buffer: Vec::new(),
            rows: None,
            lines: 0,
            bytes: 0,
        };
        match files {
            Files::Segments { domain, .. } => {
                let numbers = names.iter().map(|name| segment_number(name, domain));
                partition.segment = numbers.max().unwrap_or(1).max(1);
                partition.path = partition.segment_path(domain);
            }
            Files::Export { source, day, form } => {
                let name = free_name(&names, &format!("{source}-{day}"));
                let extension = match form {
                    Form::Csv { .. } => "csv",
                    Form::Parquet { .. } => "parquet",
                };
                partition.path = partition.folder.join(format!("{name}.{extension}.part"));
                // What a call that was cut short left behind.
                match fs::remove_file(&partition.path) {
                    Err(error) if error.kind() != io::ErrorKind::NotFound => {
                        return Err(io_error("remove", &partition.path)(error));
                    }
                    _ => {}
                }
            }
        }
        Ok(partition)
    }

    pub(crate) fn push(&mut self, line: &[u8]) -> Result<(), SimulateError> {
        match self.files {
            Files::Export {
                form: Form::Csv { header },
                ..
            } if self.lines == 0 => {
                self.buffer.extend_from_slice(header.as_bytes());
                self.buffer.push(b'\n');
            }
            Files::Export {
                form: Form::Parquet { columns },
                ..
            } => {
                self.lines += 1;
                let rows = match self.rows.take() {
                    Some(rows) => rows,
                    None => Rows::create(&self.path, columns)?,
                };
                return self.rows.insert(rows).push(line);
            }
            _ => {}
        }
        self.buffer.extend_from_slice(line);
        self.buffer.push(b'\n');
        self.lines += 1;
        let chunk = match self.files {
            Files::Segments { bytes, .. } => CHUNK.min(usize::try_from(bytes).unwrap_or(CHUNK)),
            Files::Export { .. } => CHUNK,
        };
        if self.buffer.len() >= chunk {
            self.flush()?;
        }
        Ok(())
    }

    /// Writes what is left.
    pub(crate) fn finish(mut self) -> Result<Written, SimulateError> {
        self.flush()?;
        if let Some(rows) = self.rows.take() {
            self.bytes = rows.finish()?;
        }
        if matches!(self.files, Files::Export { .. }) && self.bytes > 0 {
            fs::rename(&self.path, self.path.with_extension("")).map_err(io_error("rename", &self.path))?;
        }
        Ok(Written {
            name: self.name,
            lines: self.lines,
            bytes: self.bytes,
        })
    }

    /// Appends whole lines in one write, to the next segment when this one is full.
    fn flush(&mut self) -> Result<(), SimulateError> {
        if self.buffer.is_empty() {
            return Ok(());
        }
        if let Files::Segments { domain, bytes } = self.files
            && fs::metadata(&self.path).is_ok_and(|metadata| metadata.len() >= bytes)
        {
            self.segment += 1;
            self.path = self.segment_path(domain);
        }
        let append = |path: &Path, bytes: &[u8]| -> io::Result<()> {
            let mut file: File = OpenOptions::new().append(true).create(true).open(path)?;
            file.write_all(bytes)
        };
        append(&self.path, &self.buffer).map_err(io_error("append to", &self.path))?;
        self.bytes += u64::try_from(self.buffer.len()).unwrap_or(u64::MAX);
        self.buffer.clear();
        Ok(())
    }

    fn segment_path(&self, domain: &str) -> PathBuf {
        self.folder.join(format!("{domain}-{:06}.jsonl", self.segment))
    }
}

/// The number of the segment to go on with, as far as a file name says; one that was rotated or compressed is over.
fn segment_number(name: &str, domain: &str) -> u64 {
    let number = |name: &str| name.strip_prefix(domain)?.strip_prefix('-')?.parse::<u64>().ok();
    match name.split_once('.') {
        Some((stem, "jsonl")) => number(stem).unwrap_or(1),
        Some((stem, _)) => number(stem).map_or(1, |number| number + 1),
        None => 1,
    }
}

/// A name that no file has yet, packed or not: a file that is written anew under its name is not read anew.
fn free_name(names: &BTreeSet<String>, stem: &str) -> String {
    let taken = |stem: &str| {
        let is_of = |name: &&String| {
            name.strip_prefix(stem)
                .is_some_and(|rest| rest.starts_with('.') && !rest.ends_with(".part"))
        };
        names.iter().any(|name| is_of(&name))
    };
    let numbered = (2_u64..).map(|number| format!("{stem}-{number}"));
    std::iter::once(stem.to_owned())
        .chain(numbered)
        .find(|name| !taken(name))
        .unwrap_or_default()
}
