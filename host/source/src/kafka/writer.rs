//! Messages to a topic.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use rdkafka::ClientContext;
use rdkafka::config::{FromClientConfigAndContext, RDKafkaLogLevel};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::producer::{BaseRecord, DeliveryResult, Producer, ProducerContext, ThreadedProducer};

use super::said::Said;
use super::{KafkaConfig, trouble};
use crate::SourceError;

/// How long messages may be on their way.
const FLUSH: Duration = Duration::from_secs(60);

/// Writes to one topic. What was written is there when [`KafkaWriter::flush`] says so.
pub struct KafkaWriter {
    config: KafkaConfig,
    topic: String,
    producer: ThreadedProducer<Deliveries>,
}

#[derive(Default)]
struct Deliveries {
    /// Of the first message that could not be delivered.
    failed: Mutex<Option<KafkaError>>,
    said: Said,
}

impl ClientContext for Deliveries {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        tracing::debug!(?level, facility, message, "librdkafka says.");
    }

    fn error(&self, error: KafkaError, reason: &str) {
        self.said.tell(&error, reason);
    }
}

impl ProducerContext for Deliveries {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, _opaque: ()) {
        if let Err((error, _)) = result {
            self.failed
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .get_or_insert_with(|| error.clone());
        }
    }
}

impl KafkaWriter {
    /// A writer to a topic of the cluster that the settings name.
    ///
    /// # Errors
    /// A setting is wrong.
    pub fn open(config: &KafkaConfig, topic: &str) -> Result<Self, SourceError> {
        let mut client = config.client(None)?;
        client.set("enable.idempotence", "true");
        let config = KafkaConfig {
            topic: topic.to_owned(),
            ..config.clone()
        };
        let producer = ThreadedProducer::from_config_and_context(&client, Deliveries::default())
            .map_err(|error| trouble(&config, "set up a producer", &error))?;
        Ok(Self {
            topic: topic.to_owned(),
            config,
            producer,
        })
    }

    /// How many partitions the topic has.
    ///
    /// # Errors
    /// No broker answers, or there is no such topic.
    pub fn partitions(&self) -> Result<usize, SourceError> {
        super::partitions(&self.config, self.producer.client())
    }

    /// Sends a message, and waits while too many are on their way. `partition`: librdkafka's choice by `key` when absent.
    ///
    /// # Errors
    /// It can never be sent.
    pub fn write(&self, partition: Option<i32>, key: &[u8], message: &[u8]) -> Result<(), SourceError> {
        loop {
            let mut record = BaseRecord::<[u8], [u8]>::to(&self.topic)
                .key(key)
                .payload(message);
            record.partition = partition;
            match self.producer.send(record) {
                Ok(()) => return Ok(()),
                Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), _)) => {
                    std::thread::sleep(Duration::from_millis(5));
                }
                Err((error, _)) => return Err(trouble(&self.config, "send a message", &error)),
            }
        }
    }

    /// Waits until all that was written is there.
    ///
    /// # Errors
    /// A message since the last call was not delivered.
    pub fn flush(&self) -> Result<(), SourceError> {
        let flushed = self.producer.flush(FLUSH);
        let failed = self
            .producer
            .context()
            .failed
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        match (failed, flushed) {
            (Some(error), _) | (None, Err(error)) => Err(trouble(&self.config, "deliver a message", &error)),
            (None, Ok(())) => Ok(()),
        }
    }
}

impl std::fmt::Debug for KafkaWriter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("KafkaWriter")
            .field("topic", &self.topic)
            .finish_non_exhaustive()
    }
}
