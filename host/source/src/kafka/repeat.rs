//! An earlier batch again, for recovery.

use std::time::{Duration, Instant};

use rdkafka::config::FromClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::message::Message;
use rdkafka::{Offset, TopicPartitionList};

use super::{KafkaConfig, PATIENCE, number, push, trouble};
use crate::{Lines, SourceError};

/// How long nothing may come.
const SILENCE: Duration = Duration::from_secs(60);

/// Reads by a consumer of its own, which joins no group: partitions of others can be read too.
pub(crate) fn repeat(
    config: &KafkaConfig,
    group: &str,
    name: &str,
    from: i64,
    to: i64,
    begins: bool,
) -> Result<Lines, SourceError> {
    let mut lines = Lines::of_topic(name, from, begins);
    if from == to {
        return Ok(lines);
    }
    let asked = |error| trouble(config, "read an earlier batch", &error);
    let partition = number(config, name)?;
    let consumer = BaseConsumer::from_config(&config.client(Some(group))?).map_err(asked)?;
    let (low, high) = consumer
        .fetch_watermarks(&config.topic, partition, PATIENCE)
        .map_err(asked)?;
    let failed = |reason: String| SourceError::NotRepeatable {
        partition: name.to_owned(),
        from,
        to,
        reason,
    };
    if low >= to || high < to {
        return Err(failed(format!(
            "the topic has {low} to {high}: restore it, or move the tables of this source aside"
        )));
    }
    let mut list = TopicPartitionList::new();
    list.add_partition_offset(&config.topic, partition, Offset::Offset(from.max(low)))
        .and_then(|()| consumer.assign(&list))
        .map_err(asked)?;
    let mut heard = Instant::now();
    while lines.to() < to {
        match consumer.poll(Duration::from_millis(100)) {
            Some(Ok(message)) if message.offset() < to => {
                heard = Instant::now();
                push(&mut lines, message.offset(), message.payload(), message.key());
            }
            // Its last message is gone: compaction took it.
            Some(Ok(_) | Err(KafkaError::PartitionEOF(_))) => break,
            Some(Err(error)) if heard.elapsed() > SILENCE => return Err(asked(error)),
            None if heard.elapsed() > SILENCE => {
                return Err(failed("no broker answers".to_owned()));
            }
            Some(Err(_)) | None => {}
        }
    }
    if lines.to() != to {
        return Err(failed("its last message is not in the topic any more".to_owned()));
    }
    Ok(lines)
}
