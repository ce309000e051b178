//! Directories of files and topics of Kafka to batches with offsets, and lines or rows to Arrow.
//!
//! A [`Source`] is either. A [`DirectorySource`] finds partitions (sub-folders), a [`PartitionReader`] turns one partition's segments (plain,
//! gzip or zstd, growing, rotated, compressed later) into bounded batches of [`Lines`], and a [`Decoder`] turns lines
//! into one Arrow batch and a list of lines that did not decode. A [`KafkaSource`] gets its partitions from its group, and its
//! lines from messages. A [`SftpSource`] fetches files of a server, each a partition of its own.
//!
//! INVARIANT: every complete line of every segment is handed out exactly once per pass over the positions, in an order that
//! a restart repeats; no message of this crate carries a value from the data.

mod catalog;
mod cursor;
mod decode;
mod directory;
mod error;
mod follow;
mod framing;
mod header;
mod journal;
mod kafka;
mod lines;
mod names;
mod parquet;
mod reader;
mod registry;
mod repeat;
mod replay;
mod scan;
mod sftp;
mod source;
mod stream;
#[cfg(test)]
mod tests;
mod warnings;

pub use decode::{DecodeFailure, Decoded, Decoder};
pub use directory::{DirectoryConfig, DirectorySource, ROOT_PARTITION};
pub use error::{SourceError, SourceWarning};
pub use kafka::{
    KafkaConfig, KafkaReader, KafkaSetting, KafkaSource, KafkaStart, KafkaWriter, RegistryConfig,
};
pub use lines::{LineProblem, Lines};
pub use reader::{BatchLimit, Mode, PartitionReader};
pub use registry::{Registry, SchemaAnswer, SchemaLookup};
pub use replay::Replay;
pub use sftp::{FileReader, Secret, SftpConfig, SftpSource};
pub use source::{Change, Read, Reader, Released, Source};
