//! Logs on disk: as they are written, and as others leave them.

mod crash;
mod damage;
mod faults;
mod together;

use std::fs;
use std::path::PathBuf;

use tempfile::TempDir;

use crate::{Anchor, AuditConfig, AuditError, AuditLog, Damage, Kind, Outcome, Record, Verified, verify};

const SEED: [u8; 32] = [7; 32];

/// A folder for a log.
struct Bed(TempDir);

impl Bed {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    /// A closed log with `records` records, in small files.
    fn with(records: u64) -> Self {
        let bed = Self::new();
        let log = bed.open();
        (0..records).for_each(|n| log.record(decision(n)).unwrap());
        log.close().unwrap();
        bed
    }

    fn dir(&self) -> PathBuf {
        self.0.path().join("audit")
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir().join(name)
    }

    fn try_open(&self) -> Result<AuditLog, AuditError> {
        AuditLog::open(&self.dir(), SEED, small())
    }

    fn open(&self) -> AuditLog {
        self.try_open().unwrap()
    }

    fn verify(&self) -> Result<Verified, Damage> {
        self.verify_from(None)
    }

    fn verify_from(&self, anchor: Option<&Anchor>) -> Result<Verified, Damage> {
        verify(&self.dir(), &crate::key::SecretKey::new(SEED).public(), anchor)
    }

    /// Names of the files of records, in order.
    fn files(&self) -> Vec<String> {
        let names = fs::read_dir(self.dir())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let mut files: Vec<String> = names.filter(|name| name.ends_with(".jsonl")).collect();
        files.sort();
        files
    }

    fn last_file(&self) -> String {
        self.files().pop().unwrap()
    }

    fn read(&self, name: &str) -> Vec<u8> {
        fs::read(self.path(name)).unwrap()
    }

    fn write(&self, name: &str, bytes: impl AsRef<[u8]>) {
        fs::write(self.path(name), bytes).unwrap();
    }

    /// The lines of a file, each with its line feed.
    fn lines(&self, name: &str) -> Vec<String> {
        let text = String::from_utf8(self.read(name)).unwrap();
        text.split_inclusive('\n').map(str::to_owned).collect()
    }

    fn all_lines(&self) -> Vec<String> {
        self.files().iter().flat_map(|name| self.lines(name)).collect()
    }

    /// The number of each decision in the log, in order.
    fn decisions(&self) -> Vec<u64> {
        let lines = self.all_lines();
        lines
            .iter()
            .filter_map(|line| line.split_once("\"n\":\"")?.1.split_once('"')?.0.parse().ok())
            .collect()
    }

    fn kinds(&self) -> Vec<String> {
        let lines = self.all_lines();
        lines
            .iter()
            .filter_map(|line| Some(line.split_once("\"kind\":\"")?.1.split_once('"')?.0.to_owned()))
            .collect()
    }
}

fn small() -> AuditConfig {
    AuditConfig::default()
        .with_file_bytes(2_500)
        .with_checkpoint_records(4)
}

fn decision(n: u64) -> Record {
    Record::new(Kind::Read, "ventas.transacciones", Outcome::Allow)
        .with_time(1_764_097_632_000_000)
        .with_principal("user:ana")
        .with_detail("n", n)
}

#[test]
fn a_log_is_whole_from_one_opening_to_the_next() {
    let bed = Bed::with(10);
    let log = bed.open();
    (10..13).for_each(|n| log.record(decision(n)).unwrap());
    log.flush().unwrap();
    let verified = bed.verify().unwrap();
    let lines = bed.all_lines().len();
    assert_eq!(bed.decisions(), Vec::from_iter(0..13));
    assert_eq!(verified.records, u64::try_from(lines).unwrap());
    assert_eq!(verified.anchor.unwrap().seq, verified.records);
    assert!(verified.files > 2);
    assert_eq!((verified.unsigned, verified.torn_bytes), (0, 0));
    drop(log);
    let kinds = bed.kinds();
    assert_eq!(kinds[0], "begin");
    assert_eq!(
        kinds.iter().filter(|kind| *kind == "continue").count(),
        verified.files - 1
    );
    for name in bed.files() {
        assert!(bed.lines(&name).last().unwrap().contains("checkpoint"), "{name}");
        assert!(bed.read(&name).len() < 4_000);
    }
    assert!(bed.verify().unwrap().checkpoints >= verified.checkpoints);
}

#[test]
fn opening_and_closing_alone_adds_nothing() {
    let bed = Bed::with(3);
    let before = bed.all_lines();
    bed.open().close().unwrap();
    drop(bed.open());
    assert_eq!(bed.all_lines(), before);
    assert_eq!(Bed::with(0).kinds(), ["begin", "checkpoint"]);
}

#[test]
fn a_full_queue_waits_and_loses_nothing() {
    let bed = Bed::new();
    let config = small().with_queue_records(1).with_file_bytes(1 << 20);
    let log = AuditLog::open(&bed.dir(), SEED, config).unwrap();
    (0..300).for_each(|n| log.record(decision(n)).unwrap());
    drop(log);
    assert_eq!(bed.decisions(), Vec::from_iter(0..300));
    bed.verify().unwrap();
}

#[test]
fn what_is_recorded_is_for_its_owner_alone() {
    use std::os::unix::fs::PermissionsExt as _;
    let bed = Bed::with(1);
    let mode = |path: PathBuf| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(bed.dir()), 0o700);
    for name in [bed.last_file().as_str(), "head", "audit.pub", "lock"] {
        assert_eq!(mode(bed.path(name)), 0o600, "{name}");
    }
}

#[test]
fn a_debug_of_a_record_does_not_say_who() {
    let shown = format!("{:?}", decision(1).with_purpose("fraude"));
    assert_eq!(
        shown,
        "Record { kind: Read, object: \"ventas.transacciones\", outcome: Allow, .. }"
    );
}
