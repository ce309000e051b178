//! What can go wrong in reading, and what is only worth telling.

use std::io;
use std::path::PathBuf;

/// Why a source cannot go on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SourceError {
    /// The root, a partition or the state folder cannot be used.
    #[error("cannot {action} `{}`: {error}", path.display())]
    Io {
        /// What was tried, as a verb: `read`, `create`, `lock`.
        action: &'static str,
        /// File or folder.
        path: PathBuf,
        /// What the system said.
        #[source]
        error: io::Error,
    },
    /// There is no such partition.
    #[error("no partition `{partition}` in `{}`: list them with `partitions()`", path.display())]
    NoPartition {
        /// The name asked for.
        partition: String,
        /// The root folder.
        path: PathBuf,
    },
    /// A table says that data was read, and the journal that tells from where is not there.
    #[error(
        "the journal `{}` of partition `{partition}` is missing or empty, but a table was already filled up to position {position}: \
         put the journal back from a backup, or start with an empty table",
        path.display()
    )]
    JournalMissing {
        /// Partition of the source.
        partition: String,
        /// Where the journal should be.
        path: PathBuf,
        /// Last committed position.
        position: i64,
    },
    /// The journal has a line that is not one of ours, before its last line.
    #[error(
        "line {line} of the journal `{}` is damaged ({reason}): put the journal back from a backup, \
         or remove it and start with an empty table",
        path.display()
    )]
    JournalDamaged {
        /// The journal.
        path: PathBuf,
        /// From 1.
        line: usize,
        /// What is wrong, without the line's text.
        reason: String,
    },
    /// Another reader holds the journal.
    #[error("partition `{partition}` is being read by another process (`{}` is locked): stop it first", path.display())]
    InUse {
        /// Partition of the source.
        partition: String,
        /// The locked journal.
        path: PathBuf,
    },
    /// A position that this journal never gave out.
    #[error(
        "position {position} of partition `{partition}` is not in its journal: the table belongs to another source folder \
         or state folder, or its journal was replaced"
    )]
    UnknownPosition {
        /// Partition of the source.
        partition: String,
        /// The position asked for.
        position: i64,
    },
    /// An earlier batch cannot be read again as it was.
    #[error("batch {from}..{to} of partition `{partition}` cannot be read again: {reason}")]
    NotRepeatable {
        /// Partition of the source.
        partition: String,
        /// First position of the batch.
        from: i64,
        /// Last position of the batch.
        to: i64,
        /// What is missing or has changed: file names and byte ranges only.
        reason: String,
    },
    /// A format whose events have no boundaries in a file.
    #[error("events of format `{format}` cannot be read from the files in `{}`: bring them by a topic, or write them as json or csv", path.display())]
    NotInFiles {
        /// The root folder.
        path: PathBuf,
        /// The word of the contract.
        format: &'static str,
    },
    /// A format whose events are files, and no messages.
    #[error(
        "events of format `{format}` cannot come by the topic `{topic}`: a message is one event, and those of `{format}` are files; give the source a directory or a server of SFTP, or another format"
    )]
    NotInMessages {
        /// The topic.
        topic: String,
        /// The word of the contract.
        format: &'static str,
    },
    /// The contract says of a source's format what cannot be.
    #[error("source `{source_name}`: {reason}")]
    Format {
        /// The source.
        source_name: String,
        /// What is wrong, and what to write.
        reason: String,
    },
    /// A schema that messages name cannot be had now.
    #[error("cannot get schema {id} from {place}: {reason}")]
    Schema {
        /// The number in the messages.
        id: u32,
        /// Where it was asked for.
        place: String,
        /// What went wrong.
        reason: String,
    },
    /// A setting of a topic cannot work.
    #[error("topic `{topic}`: `{setting}` {reason}")]
    KafkaSetting {
        /// The topic.
        topic: String,
        /// Its name.
        setting: String,
        /// What is wrong, and what to write.
        reason: String,
    },
    /// Brokers do not do what was asked of them.
    #[error("topic `{topic}`: cannot {action}: {reason}")]
    Kafka {
        /// The topic.
        topic: String,
        /// What was tried.
        action: &'static str,
        /// What librdkafka says.
        reason: String,
    },
    /// The brokers know no such topic.
    #[error("there is no topic `{topic}` at {brokers}: create it, or change `topic` in malla.toml")]
    NoTopic {
        /// The topic.
        topic: String,
        /// Where it was looked for.
        brokers: String,
    },
    /// A table stands where the topic never was.
    #[error(
        "partition {partition} of topic `{topic}` ends at {high}, and the tables stand at {position}: was the topic made anew? \
         give the source another name, or move its tables aside to read the topic from its start"
    )]
    KafkaPosition {
        /// The topic.
        topic: String,
        /// Its partition.
        partition: String,
        /// Where the tables stand.
        position: i64,
        /// One past the last message.
        high: i64,
    },
    /// A server does not do what was asked of it.
    #[error("SFTP server `{host}`: {reason}")]
    Sftp {
        /// As configured.
        host: String,
        /// What was tried, and what was answered.
        reason: String,
    },
    /// More extents than a position can number.
    #[error("partition `{partition}` has used up its positions: start a new state folder and a new table")]
    PositionsUsedUp {
        /// Partition of the source.
        partition: String,
    },
    /// Rows did not fit the schema that they were decoded for: a bug in the decoder.
    #[error("decoded columns do not fit the schema of `{table}`: {error}")]
    Arrow {
        /// Name of the contract table.
        table: String,
        /// What Arrow said.
        #[source]
        error: arrow_schema::ArrowError,
    },
}

/// Something that the reader met and went on from. Each is told once.
#[derive(Debug, Clone, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum SourceWarning {
    /// A segment went away before it was read to its end.
    #[error("`{name}` went away before it was read: bytes (of Parquet: rows) {from}..{} are missing", to.map_or_else(|| "end".to_owned(), |to| to.to_string()))]
    Missing {
        /// File name.
        name: String,
        /// First missing byte.
        from: u64,
        /// One past the last missing byte, if known.
        to: Option<u64>,
    },
    /// A segment got shorter, or begins differently than it did: read from its start as a new one.
    #[error("`{name}` was truncated or replaced: it is read from its start as a new segment")]
    Replaced {
        /// File name.
        name: String,
    },
    /// A compressed segment has bytes that do not decode.
    #[error("`{name}` is damaged after {decoded} decompressed bytes: what came before is used")]
    Damaged {
        /// File name.
        name: String,
        /// Bytes that decoded.
        decoded: u64,
    },
    /// A compressed segment ends too early.
    #[error("`{name}` ends in the middle of its compressed data after {decoded} decompressed bytes")]
    Unfinished {
        /// File name.
        name: String,
        /// Bytes that decoded.
        decoded: u64,
    },
    /// A file of Parquet that its writer may not be done with.
    #[error(
        "`{name}` does not end as a Parquet file yet: it is left alone until it does, or until nobody writes to it any more"
    )]
    NotWhole {
        /// File name.
        name: String,
    },
    /// A file or folder that the system does not let us read.
    #[error("cannot read `{name}`: {reason}")]
    Unreadable {
        /// File name.
        name: String,
        /// What the system said.
        reason: String,
    },
    /// Something in the folder that is not a segment.
    #[error("`{name}` is ignored: {reason}")]
    Ignored {
        /// File name.
        name: String,
        /// Why.
        reason: &'static str,
    },
}
