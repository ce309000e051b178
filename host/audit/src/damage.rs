//! What is wrong with a log, and where.

use std::fmt;
use std::io;

/// The first thing in a log that is not as it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Damage {
    /// Name of the file in the log's folder.
    pub file: String,
    /// Line in it, from 1. `None`: it is about the file as a whole.
    pub line: Option<u64>,
    /// Number of the record that should stand there.
    pub seq: Option<u64>,
    /// What is wrong.
    pub wrong: Wrong,
}

/// What is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Wrong {
    /// Bytes of the record are not those that were hashed.
    Changed,
    /// The record is whole by itself but does not continue the one before it.
    Rewritten,
    /// The line is no record.
    NotARecord,
    /// Records are missing before this one.
    Dropped {
        /// Number of the first that is missing.
        from: u64,
        /// Number of the last.
        to: u64,
    },
    /// The record that should stand here stands further on.
    Reordered {
        /// File in which it stands.
        file: String,
        /// Line in it.
        line: u64,
    },
    /// A record that stood further up already.
    Repeated {
        /// Its number.
        seq: u64,
    },
    /// A line that begins a file stands within one, or the other way round: files were joined, split or renamed.
    WrongPlace,
    /// A checkpoint's signature is not of the key: since the checkpoint before it (0: since the beginning), a record was
    /// changed and everything hashed anew.
    BadCheckpoint {
        /// Number of the last good checkpoint.
        good: u64,
    },
    /// The log ends before the record that the head knows.
    Truncated {
        /// Number of the last record by the head.
        head: u64,
    },
    /// The log has another record than the head says, or has it elsewhere.
    NotTheHead,
    /// The head went back to a record before one that this process wrote.
    WentBack {
        /// Number of the last record by the head.
        head: u64,
    },
    /// There are files of the log, but none with its first record.
    NoFirstFile,
    /// There is no head.
    NoHead,
    /// The head is not as it was signed.
    BadHead,
    /// There is no public key.
    NoKey,
    /// The public key's file holds none.
    BadKey,
    /// The public key's file holds another key than the trusted one.
    OtherKey,
    /// A file that is no part of a log.
    ForeignFile,
    /// After the last whole record there is more than one crash can leave.
    Garbage {
        /// Size of what is there.
        bytes: u64,
    },
    /// The record with the number of the anchor has another hash, or there is none: the log was put back or replaced.
    NotTheAnchor {
        /// The anchor's number.
        seq: u64,
    },
    /// The system would not read it.
    Unreadable {
        /// What it says.
        error: String,
    },
}

impl Damage {
    pub(crate) fn of(file: impl Into<String>, wrong: Wrong) -> Self {
        Self {
            file: file.into(),
            line: None,
            seq: None,
            wrong,
        }
    }

    pub(crate) fn at(file: impl Into<String>, line: u64, seq: u64, wrong: Wrong) -> Self {
        Self {
            file: file.into(),
            line: Some(line),
            seq: Some(seq),
            wrong,
        }
    }

    pub(crate) fn unreadable(file: impl Into<String>, error: &io::Error) -> Self {
        Self::of(
            file,
            Wrong::Unreadable {
                error: error.to_string(),
            },
        )
    }
}

impl Wrong {
    /// Whether a crash in the middle of a write can be the cause, behind what the head knows.
    pub(crate) fn is_torn(&self) -> bool {
        matches!(self, Self::Changed | Self::NotARecord)
    }
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "audit log, `{}`", self.file)?;
        if let Some(line) = self.line {
            write!(f, ", line {line}")?;
        }
        if let Some(seq) = self.seq {
            write!(f, ", record {seq}")?;
        }
        write!(f, ": {}", self.wrong)
    }
}

impl fmt::Display for Wrong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Changed => f.write_str("it was changed after it was written"),
            Self::Rewritten => {
                f.write_str("it does not continue the record before it: one of the two was changed and hashed anew")
            }
            Self::NotARecord => f.write_str("this is no record: the line was overwritten, cut or put in"),
            Self::Dropped { from, to } if from == to => write!(f, "it was dropped, and the next one stands in its place"),
            Self::Dropped { from, to } => write!(f, "records {from} to {to} were dropped"),
            Self::Reordered { file, line } => write!(f, "it was moved: it stands in `{file}`, line {line}"),
            Self::Repeated { seq } => write!(f, "record {seq} stands here again"),
            Self::WrongPlace => f.write_str("it begins a file or does not: files were joined, split or renamed"),
            Self::BadCheckpoint { good: 0 } => {
                f.write_str("this checkpoint is not signed with the key: a record before it was changed and all hashed anew")
            }
            Self::BadCheckpoint { good } => write!(
                f,
                "this checkpoint is not signed with the key: a record after {good}, the last good one, was changed and all hashed anew"
            ),
            Self::Truncated { head } => write!(f, "the log was cut here: the signed head knows of records up to {head}"),
            Self::NotTheHead => f.write_str("the signed head knows another record here: this one was changed and hashed anew"),
            Self::WentBack { head } => write!(
                f,
                "the head was put back to record {head} while the log was in use: nothing is written to it any more"
            ),
            Self::NoFirstFile => f.write_str("it is missing, and with it the beginning of the log"),
            Self::NoHead => f.write_str("it is missing: nobody can say where the log ends"),
            Self::BadHead => f.write_str("it is not as the key signed it"),
            Self::NoKey => f.write_str("it is missing: give the public key that you trust"),
            Self::BadKey => f.write_str("it holds no public key of 64 lowercase hex digits"),
            Self::OtherKey => f.write_str("it holds another key than the trusted one"),
            Self::ForeignFile => f.write_str("it is no part of an audit log: move it elsewhere"),
            Self::Garbage { bytes } => write!(
                f,
                "{bytes} bytes follow that are no whole records, more than a crash leaves: keep a copy, then put the log back from a backup"
            ),
            Self::NotTheAnchor { seq } => write!(
                f,
                "record {seq} is not the one that was noted down: the log was put back to an earlier state or replaced"
            ),
            Self::Unreadable { error } => write!(f, "it cannot be read: {error}"),
        }
    }
}

impl std::error::Error for Damage {}
