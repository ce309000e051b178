//! The thread that polls: all that is done to the consumer but asking and committing is done by it.

use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender};
use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext, RebalanceProtocol};
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};
use rdkafka::message::Message;
use rdkafka::statistics::Statistics;
use rdkafka::types::RDKafkaRespErr;
use rdkafka::{Offset, TopicPartitionList};

use super::Shared;
use super::buffers::Buffers;
use super::said::Said;
use crate::{Change, Released};

const POLL: Duration = Duration::from_millis(50);
/// How long what is in hand of partitions that the group takes away may take to be committed.
const RELEASE: Duration = Duration::from_secs(20);
/// A lake that takes nothing for so long must not cost the membership: fetching is paused, and polling goes on.
const STALLED: Duration = Duration::from_secs(10);

pub(super) enum Command {
    /// Fetch the partitions that were given with this ticket, each from its offset.
    Start {
        ticket: u64,
        starts: Vec<(i32, i64)>,
    },
    Close,
}

/// Hears from librdkafka.
pub(super) struct Context {
    changes: Sender<Change>,
    buffers: Arc<Buffers>,
    /// The ticket of the assignment that waits for [`Command::Start`]; 0: none.
    pending: AtomicU64,
    tickets: AtomicU64,
    closing: AtomicBool,
    /// Messages that are not committed yet, as librdkafka told last; negative: it did not tell yet.
    lag: AtomicI64,
    said: Said,
}

impl Context {
    pub(super) fn new(changes: Sender<Change>, buffers: Arc<Buffers>) -> Self {
        Self {
            changes,
            buffers,
            pending: AtomicU64::new(0),
            tickets: AtomicU64::new(0),
            closing: AtomicBool::new(false),
            lag: AtomicI64::new(-1),
            said: Said::default(),
        }
    }

    pub(super) fn lag(&self) -> Option<u64> {
        u64::try_from(self.lag.load(Ordering::Relaxed)).ok()
    }

    /// Nobody will answer any more.
    pub(super) fn close(&self) {
        self.closing.store(true, Ordering::Release);
    }

    /// The flow looks up where the tables stand, and answers with [`Command::Start`].
    fn given(&self, list: &TopicPartitionList) {
        let ticket = self.tickets.fetch_add(1, Ordering::AcqRel) + 1;
        self.pending.store(ticket, Ordering::Release);
        let partitions = numbers(list).iter().map(i32::to_string).collect();
        let _ = self.changes.send(Change::Added { partitions, ticket });
    }

    /// Nothing more is read of these; what was read may be committed while the group waits.
    fn taken(&self, consumer: &BaseConsumer<Self>, list: &TopicPartitionList) {
        let partitions = numbers(list);
        for partition in &partitions {
            self.buffers.close(*partition);
        }
        self.pending.store(0, Ordering::Release);
        if self.closing.load(Ordering::Acquire) || partitions.is_empty() {
            return;
        }
        let (released, wait) = mpsc::channel();
        let told = self.changes.send(Change::Removed {
            partitions: partitions.iter().map(i32::to_string).collect(),
            lost: consumer.assignment_lost(),
            released: Released(released),
        });
        let begun = Instant::now();
        while told.is_ok() && wait.recv_timeout(POLL) == Err(mpsc::RecvTimeoutError::Timeout) {
            if self.closing.load(Ordering::Acquire) {
                return;
            }
            if begun.elapsed() > RELEASE {
                tracing::warn!(
                    "Partitions were let go of before their last commit: another host may be quicker."
                );
                return;
            }
        }
    }
}

impl ClientContext for Context {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        match level {
            RDKafkaLogLevel::Emerg
            | RDKafkaLogLevel::Alert
            | RDKafkaLogLevel::Critical
            | RDKafkaLogLevel::Error
            | RDKafkaLogLevel::Warning => tracing::warn!(facility, message, "librdkafka says."),
            _ => tracing::debug!(facility, message, "librdkafka says."),
        }
    }

    fn error(&self, error: KafkaError, reason: &str) {
        self.said.tell(&error, reason);
    }

    fn stats(&self, statistics: Statistics) {
        let partitions = statistics
            .topics
            .values()
            .flat_map(|topic| topic.partitions.values());
        let ours = partitions.filter(|partition| partition.fetch_state == "active");
        let lag = ours.map(|partition| match partition.consumer_lag {
            // Nothing of it was committed yet.
            ..0 => (partition.hi_offset - partition.app_offset.max(partition.lo_offset)).max(0),
            lag => lag,
        });
        self.lag.store(lag.sum(), Ordering::Relaxed);
    }
}

impl ConsumerContext for Context {
    fn rebalance(&self, consumer: &BaseConsumer<Self>, err: RDKafkaRespErr, list: &mut TopicPartitionList) {
        let closing = self.closing.load(Ordering::Acquire);
        let done = match err {
            RDKafkaRespErr::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS if closing => assign(consumer, list),
            RDKafkaRespErr::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS => {
                self.given(list);
                Ok(())
            }
            _ => {
                self.taken(consumer, list);
                unassign(consumer, list)
            }
        };
        if let Err(error) = done {
            tracing::error!(%error, "The group's partitions could not be taken or let go of.");
        }
    }

    fn commit_callback(&self, result: KafkaResult<()>, _offsets: &TopicPartitionList) {
        if let Err(error) = result {
            tracing::debug!(%error, "The group was not told how far the lake is.");
        }
    }
}

/// Polls until it is told to close.
pub(super) struct Poller {
    shared: Arc<Shared>,
    consumer: Arc<BaseConsumer<Context>>,
    commands: Receiver<Command>,
    full_since: Option<Instant>,
    paused: Option<TopicPartitionList>,
}

impl Poller {
    pub(super) fn new(
        shared: Arc<Shared>,
        consumer: Arc<BaseConsumer<Context>>,
        commands: Receiver<Command>,
    ) -> Self {
        Self {
            shared,
            consumer,
            commands,
            full_since: None,
            paused: None,
        }
    }

    pub(super) fn run(mut self) {
        loop {
            match self.commands.try_recv() {
                Ok(Command::Start { ticket, starts }) => self.start(ticket, &starts),
                Ok(Command::Close) => return self.close(),
                Err(_) => {}
            }
            if self.has_room() {
                self.poll();
            }
        }
    }

    /// Whether to poll: there is room for messages, or none can come.
    fn has_room(&mut self) -> bool {
        let buffers = &self.shared.buffers;
        let Some(since) = self.full_since else { return true };
        if buffers.wait_for_room(POLL) {
            self.full_since = None;
            if let Some(list) = self.paused.take()
                && let Err(error) = self.consumer.resume(&list)
            {
                tracing::warn!(%error, "Fetching was not resumed.");
            }
            return true;
        }
        if self.paused.is_none() && since.elapsed() > STALLED {
            let consumer = &self.consumer;
            let paused = consumer
                .assignment()
                .and_then(|list| consumer.pause(&list).map(|()| list));
            match paused {
                Ok(list) => self.paused = Some(list),
                Err(error) => tracing::warn!(%error, "Fetching was not paused."),
            }
        }
        self.paused.is_some()
    }

    fn poll(&mut self) {
        let shared = &self.shared;
        let trouble = match self.consumer.poll(POLL) {
            None => return,
            Some(Ok(message)) => {
                let full = shared.buffers.push(
                    message.partition(),
                    message.offset(),
                    message.payload(),
                    message.key(),
                );
                if full && self.full_since.is_none() {
                    self.full_since = Some(Instant::now());
                }
                shared.hear(None);
                return;
            }
            Some(Err(KafkaError::PartitionEOF(partition))) => {
                shared.buffers.end(partition);
                shared.hear(None);
                return;
            }
            Some(Err(error)) => error,
        };
        let code = trouble.rdkafka_error_code();
        let fatal = matches!(trouble, KafkaError::MessageConsumptionFatal(_))
            // Messages were deleted before they were read, or the topic was made anew: looked up when it is started again.
            || matches!(code, Some(RDKafkaErrorCode::AutoOffsetReset | RDKafkaErrorCode::OffsetOutOfRange));
        let told = code.map_or_else(|| trouble.to_string(), |code| code.to_string());
        tracing::warn!(
            topic = shared.topic,
            error = told,
            "Reading a topic meets trouble."
        );
        shared.hear(Some(told));
        if fatal {
            shared.failed.store(true, Ordering::Release);
        }
    }

    fn start(&self, ticket: u64, starts: &[(i32, i64)]) {
        let context = self.consumer.context();
        if context
            .pending
            .compare_exchange(ticket, 0, Ordering::AcqRel, Ordering::Acquire)
            .is_err()
        {
            return;
        }
        let mut list = TopicPartitionList::new();
        for (partition, offset) in starts {
            let offset = Offset::Offset(*offset);
            if let Err(error) = list.add_partition_offset(&self.shared.topic, *partition, offset) {
                tracing::error!(%error, partition, "A partition cannot be started.");
            }
        }
        if let Err(error) = assign(&self.consumer, &list) {
            self.shared.hear(Some(error.to_string()));
            self.shared.failed.store(true, Ordering::Release);
        }
    }

    /// What is not answered would hold up leaving the group.
    fn close(self) {
        let context = self.consumer.context();
        context.close();
        if context.pending.swap(0, Ordering::AcqRel) != 0 {
            let _ = assign(&self.consumer, &TopicPartitionList::new());
        }
    }
}

fn assign(consumer: &BaseConsumer<Context>, list: &TopicPartitionList) -> KafkaResult<()> {
    match consumer.rebalance_protocol() {
        RebalanceProtocol::Cooperative => consumer.incremental_assign(list),
        _ => consumer.assign(list),
    }
}

fn unassign(consumer: &BaseConsumer<Context>, list: &TopicPartitionList) -> KafkaResult<()> {
    match consumer.rebalance_protocol() {
        RebalanceProtocol::Cooperative => consumer.incremental_unassign(list),
        _ => consumer.unassign(),
    }
}

fn numbers(list: &TopicPartitionList) -> Vec<i32> {
    list.elements()
        .iter()
        .map(|element| element.partition())
        .collect()
}
