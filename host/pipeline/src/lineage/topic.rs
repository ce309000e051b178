//! Events as messages of a topic.

use malla_lineage::{KafkaSettings, SendError, Transport};
use malla_source::{KafkaConfig, KafkaSetting, KafkaStart, KafkaWriter, SourceError};
use serde::Deserialize;

/// Beyond, a message is known not to be delivered.
const TIMEOUT: (&str, &str) = ("message.timeout.ms", "30000");

pub(super) struct ToTopic {
    writer: KafkaWriter,
    topic: String,
}

/// Events of a job stay in order.
#[derive(Deserialize)]
struct Event {
    job: Job,
}

#[derive(Deserialize)]
struct Job {
    namespace: String,
    name: String,
}

impl ToTopic {
    pub(super) fn open(settings: &KafkaSettings) -> Result<Self, SourceError> {
        let texts = settings.settings.iter();
        let mut all: std::collections::BTreeMap<String, KafkaSetting> = texts
            .map(|(name, value)| (name.clone(), KafkaSetting::Text(value.clone())))
            .collect();
        let (name, value) = TIMEOUT;
        all.entry(name.to_owned())
            .or_insert_with(|| KafkaSetting::Text(value.to_owned()));
        let config = KafkaConfig {
            topic: settings.topic.clone(),
            start: KafkaStart::Earliest,
            dead_letter_topic: None,
            schema_registry: None,
            settings: all,
        };
        Ok(Self {
            writer: KafkaWriter::open(&config, &settings.topic)?,
            topic: settings.topic.clone(),
        })
    }
}

impl Transport for ToTopic {
    fn send(&mut self, event: &str) -> Result<(), SendError> {
        let key = serde_json::from_str::<Event>(event)
            .map(|Event { job }| format!("run:{}/{}", job.namespace, job.name))
            .unwrap_or_default();
        let sent = self.writer.write(None, key.as_bytes(), event.as_bytes());
        sent.and_then(|()| self.writer.flush())
            .map_err(|error| SendError::later(error.to_string()))
    }

    fn place(&self) -> String {
        format!("topic {}", self.topic)
    }
}
