//! A topic as a source: one consumer of the group, and a buffer for each partition that the group gives it.
//!
//! The lake says where a partition goes on, and the group only who reads it. So a partition that is given to this
//! process is first looked up in the tables ([`KafkaSource::changes`], then [`KafkaSource::start`]), and one that is
//! taken away is let go of when what was in hand is committed ([`Change::Removed`]).

mod buffers;
mod config;
mod consumer;
mod reader;
mod repeat;
mod said;
#[cfg(test)]
mod tests;
mod writer;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender, unbounded};
use rdkafka::client::Client;
use rdkafka::config::FromClientConfigAndContext;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer};
use rdkafka::{ClientContext, Offset, TopicPartitionList};

pub use self::config::{KafkaConfig, KafkaSetting, KafkaStart, RegistryConfig};
pub use self::reader::KafkaReader;
pub(crate) use self::repeat::repeat;
pub use self::writer::KafkaWriter;

use self::buffers::Buffers;
use self::consumer::{Command, Context, Poller};
use crate::decode::rule;
use crate::{BatchLimit, Change, Lines, SourceError};

/// How long a broker may take to answer.
const PATIENCE: Duration = Duration::from_secs(15);
/// How long there may be nothing but trouble where an end is waited for.
const GIVE_UP: Duration = Duration::from_secs(60);

/// One topic, read by this process as a member of its group.
pub struct KafkaSource {
    config: KafkaConfig,
    group: String,
    shared: Arc<Shared>,
    /// No reader has it: with the last hold on it the group is left.
    consumer: Arc<BaseConsumer<Context>>,
    changes: Receiver<Change>,
    commands: Sender<Command>,
    thread: Option<JoinHandle<()>>,
}

/// What readers, the thread that polls and the source share.
struct Shared {
    topic: String,
    buffers: Arc<Buffers>,
    /// The consumer cannot go on.
    failed: AtomicBool,
    heard: Mutex<Heard>,
}

/// The last word of the brokers.
struct Heard {
    at: Instant,
    /// Since when there is only trouble, and which.
    trouble: Option<String>,
}

impl KafkaSource {
    /// Looks whether the topic is there, and joins the group: `group`, unless the settings name one.
    ///
    /// # Errors
    /// A setting is wrong, no broker answers, or there is no such topic.
    pub fn open(config: &KafkaConfig, group: &str, limit: BatchLimit) -> Result<Self, SourceError> {
        let client = config.client(Some(group))?;
        let group = client.get("group.id").unwrap_or(group).to_owned();
        let (sender, changes) = unbounded();
        let buffers = Arc::new(Buffers::new(limit));
        let context = Context::new(sender, Arc::clone(&buffers));
        let consumer = BaseConsumer::from_config_and_context(&client, context)
            .map_err(|error| trouble(config, "set up a consumer", &error))?;
        let consumer = Arc::new(consumer);
        let shared = Arc::new(Shared {
            topic: config.topic.clone(),
            buffers,
            failed: AtomicBool::new(false),
            heard: Mutex::new(Heard {
                at: Instant::now(),
                trouble: None,
            }),
        });
        partitions(config, consumer.client())?;
        consumer
            .subscribe(&[&config.topic])
            .map_err(|error| trouble(config, "subscribe", &error))?;
        let (commands, receiver) = unbounded();
        let poller = Poller::new(Arc::clone(&shared), Arc::clone(&consumer), receiver);
        let thread = std::thread::Builder::new()
            .name("kafka".into())
            .spawn(move || poller.run())
            .map_err(|error| SourceError::Io {
                action: "start a thread for",
                path: config.topic.clone().into(),
                error,
            })?;
        Ok(Self {
            config: config.clone(),
            group,
            shared,
            consumer,
            changes,
            commands,
            thread: Some(thread),
        })
    }

    /// Partitions that the group gave or took since the last call, in order.
    ///
    /// # Errors
    /// The consumer cannot go on.
    pub fn changes(&self) -> Result<Vec<Change>, SourceError> {
        self.shared.check()?;
        Ok(self.changes.try_iter().collect())
    }

    /// Whether there is anything to wait for.
    ///
    /// # Errors
    /// For a minute there was nothing but trouble with the brokers.
    pub fn check_alive(&self) -> Result<(), SourceError> {
        self.shared.check()?;
        let heard = self.shared.heard();
        match &heard.trouble {
            Some(trouble) if heard.at.elapsed() > GIVE_UP => Err(SourceError::Kafka {
                topic: self.config.topic.clone(),
                action: "go on",
                reason: format!("{trouble} (brokers {})", self.config.brokers()),
            }),
            _ => Ok(()),
        }
    }

    /// Begins to fetch the partitions of one [`Change::Added`], all of them, each from where the tables stand. `None`: no
    /// table knows it.
    ///
    /// # Errors
    /// No broker answers, or a table stands beyond the end of its partition.
    pub fn start(
        &self,
        ticket: u64,
        positions: &BTreeMap<String, Option<i64>>,
    ) -> Result<Vec<KafkaReader>, SourceError> {
        let mut readers = Vec::with_capacity(positions.len());
        let mut starts = Vec::with_capacity(positions.len());
        for (name, position) in positions {
            let partition = number(&self.config, name)?;
            let (low, high) = self
                .consumer
                .fetch_watermarks(&self.config.topic, partition, PATIENCE)
                .map_err(|error| trouble(&self.config, "ask for the ends of a partition", &error))?;
            let start = match position {
                Some(position) if *position > high => {
                    return Err(SourceError::KafkaPosition {
                        topic: self.config.topic.clone(),
                        partition: name.clone(),
                        position: *position,
                        high,
                    });
                }
                Some(position) => {
                    if *position < low {
                        tracing::error!(
                            topic = self.config.topic,
                            partition,
                            from = position,
                            to = low,
                            "Messages were deleted from the topic before they were read: they are lost."
                        );
                    }
                    *position
                }
                None => self.beginning(partition, low, high)?,
            };
            // Where a flow first began is kept, so that a restart begins there and not at a later end.
            let announces = position.is_none() && self.config.start != KafkaStart::Earliest;
            let lines = Lines::of_topic(name, start, position.is_none() && !announces);
            self.shared.buffers.open(partition, lines);
            readers.push(KafkaReader::new(
                Arc::clone(&self.shared),
                partition,
                name,
                start,
                announces,
            ));
            starts.push((partition, start.max(low)));
        }
        // The thread ends only when this is dropped.
        let _ = self.commands.send(Command::Start { ticket, starts });
        Ok(readers)
    }

    /// Exactly the messages of an earlier batch.
    ///
    /// # Errors
    /// They are not in the topic any more, or no broker answers.
    pub fn repeat(&self, partition: &str, from: i64, to: i64, begins: bool) -> Result<Lines, SourceError> {
        repeat(&self.config, &self.group, partition, from, to, begins)
    }

    /// Messages of this member's partitions that are not in the lake yet, as the broker told last.
    #[must_use]
    pub fn lag(&self) -> Option<u64> {
        self.consumer.context().lag()
    }

    /// Tells the group what the lake holds, for tools that show lag. Nothing reads it back.
    pub fn committed(&self, positions: &BTreeMap<String, i64>) {
        let mut list = TopicPartitionList::new();
        for (name, position) in positions {
            if let Ok(partition) = number(&self.config, name) {
                let added =
                    list.add_partition_offset(&self.config.topic, partition, Offset::Offset(*position));
                debug_assert!(added.is_ok(), "an offset of 0 or more");
            }
        }
        if let Err(error) = self.consumer.commit(&list, CommitMode::Async) {
            tracing::debug!(topic = self.config.topic, %error, "The group was not told how far the lake is.");
        }
    }

    fn beginning(&self, partition: i32, low: i64, high: i64) -> Result<i64, SourceError> {
        match self.config.start {
            KafkaStart::Earliest => Ok(low),
            KafkaStart::Latest => Ok(high),
            KafkaStart::Time(time) => {
                let asked = |error| trouble(&self.config, "ask for the offset of a time", &error);
                let mut list = TopicPartitionList::new();
                list.add_partition_offset(
                    &self.config.topic,
                    partition,
                    Offset::Offset(time.timestamp_millis()),
                )
                .map_err(asked)?;
                let found = self.consumer.offsets_for_times(list, PATIENCE).map_err(asked)?;
                let first = found.elements().first().map(|element| element.offset());
                Ok(match first {
                    Some(Offset::Offset(offset)) => offset,
                    // No message is that young.
                    _ => high,
                })
            }
        }
    }
}

impl std::fmt::Debug for KafkaSource {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("KafkaSource")
            .field("config", &self.config)
            .field("group", &self.group)
            .finish_non_exhaustive()
    }
}

impl Drop for KafkaSource {
    /// Leaves the group, so that others go on at once.
    fn drop(&mut self) {
        self.consumer.context().close();
        let _ = self.commands.send(Command::Close);
        if let Some(thread) = self.thread.take() {
            // A panic of it was told when it happened.
            let _ = thread.join();
        }
    }
}

impl Shared {
    fn check(&self) -> Result<(), SourceError> {
        if self.failed.load(Ordering::Acquire) {
            return Err(SourceError::Kafka {
                topic: self.topic.clone(),
                action: "go on",
                reason: self.heard().trouble.clone().unwrap_or_default(),
            });
        }
        Ok(())
    }

    fn heard(&self) -> MutexGuard<'_, Heard> {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A sign of life, or trouble.
    fn hear(&self, trouble: Option<String>) {
        let mut heard = self.heard();
        if trouble.is_none() {
            heard.at = Instant::now();
        }
        heard.trouble = trouble;
    }
}

fn trouble(config: &KafkaConfig, action: &'static str, error: &rdkafka::error::KafkaError) -> SourceError {
    SourceError::Kafka {
        topic: config.topic.clone(),
        action,
        reason: format!("{error} (brokers {})", config.brokers()),
    }
}

/// How many partitions the topic has. An error if there is no such topic.
fn partitions<C: ClientContext>(config: &KafkaConfig, client: &Client<C>) -> Result<usize, SourceError> {
    let metadata = client
        .fetch_metadata(Some(&config.topic), PATIENCE)
        .map_err(|error| trouble(config, "ask for its partitions", &error))?;
    let topics = metadata.topics().iter();
    let mut found = topics.filter(|topic| topic.name() == config.topic && topic.error().is_none());
    match found.next().map_or(0, |topic| topic.partitions().len()) {
        0 => Err(SourceError::NoTopic {
            topic: config.topic.clone(),
            brokers: config.brokers(),
        }),
        count => Ok(count),
    }
}

fn number(config: &KafkaConfig, partition: &str) -> Result<i32, SourceError> {
    partition.parse().map_err(|_| SourceError::NoPartition {
        partition: partition.to_owned(),
        path: config.topic.clone().into(),
    })
}

/// Adds a message to a batch.
fn push(lines: &mut Lines, offset: i64, message: Option<&[u8]>, key: Option<&[u8]>) {
    match message {
        Some(message) => lines.push(message, offset + 1),
        None => lines.push_problem(
            key.unwrap_or_default(),
            offset + 1,
            rule::TOMBSTONE,
            "a message without a value, which asks to delete its key".to_owned(),
        ),
    }
}
