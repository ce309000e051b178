//! A topic that is told of every line in quarantine, beside the table.
//!
//! It is told where the line stands and which rule it broke, and nothing that is in it: who reads the topic is not for
//! policy to say.

use arrow_array::types::{Int64Type, TimestampMicrosecondType};
use arrow_array::{Array, PrimitiveArray, RecordBatch, StringArray};
use chrono::{DateTime, SecondsFormat};
use malla_source::{KafkaWriter, SourceError};
use serde::Serialize;

use crate::config::SourceConfig;
use crate::plan::{Flow, SOURCE_OFFSET, SOURCE_PARTITION};

pub(crate) struct DeadLetters {
    writer: KafkaWriter,
    topic: String,
}

/// One line that is in quarantine. Its key is `partition:offset`: a letter can come twice.
#[derive(Serialize)]
struct Letter<'a> {
    topic: &'a str,
    partition: i64,
    offset: i64,
    stage: &'a str,
    rule: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    product: Option<&'a str>,
    plugin: &'a str,
    quarantined_at: String,
}

impl DeadLetters {
    /// None where the source has no such topic.
    pub(crate) fn open(flow: &Flow) -> Result<Option<Self>, SourceError> {
        let SourceConfig::Kafka(config) = &flow.place else {
            return Ok(None);
        };
        let Some(letters) = &config.dead_letter_topic else {
            return Ok(None);
        };
        let writer = KafkaWriter::open(config, letters)?;
        writer.partitions()?;
        Ok(Some(Self {
            writer,
            topic: config.topic.clone(),
        }))
    }

    /// Sends a letter for each row of quarantine, and waits until they are there.
    pub(crate) fn send(&self, quarantine: &[RecordBatch]) -> Result<(), SourceError> {
        if quarantine.is_empty() {
            return Ok(());
        }
        for batch in quarantine {
            self.send_batch(batch)?;
        }
        self.writer.flush()
    }

    fn send_batch(&self, batch: &RecordBatch) -> Result<(), SourceError> {
        let offsets: Option<&PrimitiveArray<Int64Type>> = column(batch, SOURCE_OFFSET);
        let times: Option<&PrimitiveArray<TimestampMicrosecondType>> = column(batch, "quarantined_at");
        let [partition, stage, rule, product, plugin] =
            [SOURCE_PARTITION, "stage", "rule", "product", "plugin"].map(|name| column(batch, name));
        for row in 0..batch.num_rows() {
            let partition = text(partition, row).unwrap_or_default();
            let offset = offsets.map_or(0, |offsets| offsets.value(row));
            let time = times.and_then(|times| DateTime::from_timestamp_micros(times.value(row)));
            let letter = Letter {
                topic: &self.topic,
                partition: partition.parse().unwrap_or_default(),
                offset,
                stage: text(stage, row).unwrap_or_default(),
                rule: text(rule, row).unwrap_or_default(),
                product: text(product, row),
                plugin: text(plugin, row).unwrap_or_default(),
                quarantined_at: time
                    .map(|time| time.to_rfc3339_opts(SecondsFormat::Micros, true))
                    .unwrap_or_default(),
            };
            let message = serde_json::to_vec(&letter).unwrap_or_default();
            let key = format!("{partition}:{offset}");
            self.writer.write(None, key.as_bytes(), &message)?;
        }
        Ok(())
    }
}

fn column<'a, T: 'static>(batch: &'a RecordBatch, name: &str) -> Option<&'a T> {
    batch.column_by_name(name)?.as_any().downcast_ref()
}

fn text(column: Option<&StringArray>, row: usize) -> Option<&str> {
    let column = column.filter(|column| column.is_valid(row))?;
    Some(column.value(row))
}
