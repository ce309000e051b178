//! Where a topic is, and how to get at it.

use std::collections::BTreeMap;
use std::fmt;

use chrono::{DateTime, Utc};
use malla_contract::Format;
use rdkafka::ClientConfig;
use serde::Deserialize;

use crate::sftp::Secret;
use crate::{Registry, SourceError};

/// A topic, and librdkafka's settings for it.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KafkaConfig {
    /// The topic.
    pub topic: String,
    /// Where a partition begins that no table knows.
    #[serde(default)]
    pub start: KafkaStart,
    /// Topic that is told of every line in quarantine.
    pub dead_letter_topic: Option<String>,
    /// Where the schemas are that messages in Avro name by number.
    pub schema_registry: Option<RegistryConfig>,
    /// Settings of librdkafka by their names: `bootstrap.servers`, `security.protocol`, `group.id`, ..
    pub settings: BTreeMap<String, KafkaSetting>,
}

/// A schema registry that speaks Confluent's protocol.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RegistryConfig {
    /// Its address: `https://registry.example.com`.
    pub url: String,
    /// Who asks.
    pub user: Option<String>,
    /// Where the password is.
    pub password: Option<Secret>,
}

/// Where a partition begins that no table knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(try_from = "String")]
pub enum KafkaStart {
    /// At the first message that the topic still has.
    #[default]
    Earliest,
    /// After the last message there is when the flow first starts.
    Latest,
    /// At the first message of this time or later.
    Time(DateTime<Utc>),
}

/// The value of a setting.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(untagged)]
pub enum KafkaSetting {
    /// As it is.
    Text(String),
    /// A number.
    Integer(i64),
    /// Yes or no.
    Flag(bool),
    /// In a variable of the environment: for secrets.
    Env {
        /// Its name.
        env: String,
    },
}

/// Settings that exactly-once depends on.
const OURS: [(&str, &str); 5] = [
    ("enable.auto.commit", "false"),
    ("enable.auto.offset.store", "false"),
    ("auto.offset.reset", "error"),
    ("enable.partition.eof", "true"),
    ("allow.auto.create.topics", "false"),
];

/// What librdkafka would do otherwise: stop every partition of a group when one moves, and hold 64 MiB for each.
const DEFAULTS: [(&str, &str); 5] = [
    ("client.id", "malla"),
    // How far the lake is behind is told by them.
    ("statistics.interval.ms", "5000"),
    ("partition.assignment.strategy", "cooperative-sticky"),
    ("queued.max.messages.kbytes", "16384"),
    // A second unless it is said: with a queue that is full and empty again ten times a second, half of the time is spent waiting.
    ("fetch.queue.backoff.ms", "10"),
];

impl TryFrom<String> for KafkaStart {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        match text.as_str() {
            "earliest" => Ok(Self::Earliest),
            "latest" => Ok(Self::Latest),
            _ => DateTime::parse_from_rfc3339(&text)
                .map(|time| Self::Time(time.with_timezone(&Utc)))
                .map_err(|_| {
                    format!(
                        "`{text}` is no start: write earliest, latest or a time such as 2026-11-28T00:00:00Z"
                    )
                }),
        }
    }
}

impl KafkaConfig {
    /// Looks for what cannot work, without asking a broker.
    ///
    /// # Errors
    /// A setting that is missing, or that is the host's own.
    pub fn check(&self) -> Result<(), SourceError> {
        let refuse = |setting: &str, reason: &str| {
            Err(SourceError::KafkaSetting {
                topic: self.topic.clone(),
                setting: setting.to_owned(),
                reason: reason.to_owned(),
            })
        };
        if self.topic.is_empty() || self.topic.starts_with('^') {
            return refuse("topic", "must be the name of one topic");
        }
        if !self.settings.contains_key("bootstrap.servers") {
            return refuse(
                "bootstrap.servers",
                "is missing: write host:port of one broker or more",
            );
        }
        for (name, value) in OURS {
            if self.settings.contains_key(name) {
                return refuse(
                    name,
                    &format!("is always {value}: the lake keeps the offsets, not the group"),
                );
            }
        }
        Ok(())
    }

    /// Whether events of a format can be messages.
    ///
    /// # Errors
    /// They are files.
    pub fn check_format(&self, format: &Format) -> Result<(), SourceError> {
        match format {
            Format::Parquet(_) => Err(SourceError::NotInMessages {
                topic: self.topic.clone(),
                format: format.as_str(),
            }),
            Format::Json | Format::Csv(_) | Format::Avro(_) | Format::Protobuf(_) => Ok(()),
        }
    }

    /// For a consumer or a producer. `group` where the settings name none.
    pub(crate) fn client(&self, group: Option<&str>) -> Result<ClientConfig, SourceError> {
        self.check()?;
        let mut config = ClientConfig::new();
        if let Some(group) = group {
            config.set("group.id", group);
            for (name, value) in DEFAULTS {
                config.set(name, value);
            }
        }
        for (name, setting) in &self.settings {
            config.set(name, self.value(name, setting)?);
        }
        if group.is_some() {
            for (name, value) in OURS {
                config.set(name, value);
            }
        }
        Ok(config)
    }

    fn value(&self, name: &str, setting: &KafkaSetting) -> Result<String, SourceError> {
        match setting {
            KafkaSetting::Text(text) => Ok(text.clone()),
            KafkaSetting::Integer(number) => Ok(number.to_string()),
            KafkaSetting::Flag(flag) => Ok(flag.to_string()),
            KafkaSetting::Env { env } => std::env::var(env).map_err(|_| SourceError::KafkaSetting {
                topic: self.topic.clone(),
                setting: name.to_owned(),
                reason: format!("is taken from the variable {env} of the environment, which is not set"),
            }),
        }
    }

    /// Where the schemas of messages are.
    ///
    /// # Errors
    /// Its password is not in the environment.
    pub fn schemas(&self) -> Result<Option<Registry>, SourceError> {
        let Some(config) = &self.schema_registry else {
            return Ok(None);
        };
        let registry = Registry::new(&config.url);
        let (Some(user), Some(password)) = (&config.user, &config.password) else {
            return Ok(Some(registry));
        };
        let setting = KafkaSetting::Env {
            env: password.env.clone(),
        };
        let password = self.value("schema_registry.password", &setting)?;
        Ok(Some(registry.with_password(user, &password)))
    }

    /// `host:port` of the broker that the settings name first: by it the cluster is known to others.
    #[must_use]
    pub fn first_broker(&self) -> String {
        self.brokers()
            .split(',')
            .next()
            .unwrap_or_default()
            .trim()
            .to_owned()
    }

    /// The brokers, for messages.
    pub(crate) fn brokers(&self) -> String {
        self.settings
            .get("bootstrap.servers")
            .and_then(|setting| self.value("bootstrap.servers", setting).ok())
            .unwrap_or_default()
    }
}

impl fmt::Debug for KafkaConfig {
    /// Without the values of settings: some are secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KafkaConfig")
            .field("topic", &self.topic)
            .field("start", &self.start)
            .field("dead_letter_topic", &self.dead_letter_topic)
            .field("settings", &self.settings.keys().collect::<Vec<_>>())
            .finish()
    }
}

impl fmt::Debug for KafkaSetting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KafkaSetting(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(settings: &[(&str, KafkaSetting)]) -> KafkaConfig {
        KafkaConfig {
            topic: "ventas.transacciones".into(),
            start: KafkaStart::Earliest,
            dead_letter_topic: None,
            schema_registry: None,
            settings: settings
                .iter()
                .map(|(name, value)| ((*name).to_owned(), value.clone()))
                .collect(),
        }
    }

    fn text(text: &str) -> KafkaSetting {
        KafkaSetting::Text(text.into())
    }

    #[test]
    fn what_exactly_once_needs_cannot_be_set() {
        for (name, _) in OURS {
            let config = config(&[("bootstrap.servers", text("h:1")), (name, text("true"))]);
            let error = config.check().unwrap_err().to_string();
            assert!(error.contains(name) && error.contains("always"), "{error}");
        }
    }

    #[test]
    fn settings_reach_the_client_and_secrets_come_from_the_environment() {
        let config = config(&[
            ("bootstrap.servers", text("h:1")),
            ("group.id", text("otro")),
            ("fetch.min.bytes", KafkaSetting::Integer(7)),
            ("socket.keepalive.enable", KafkaSetting::Flag(true)),
            // Always there.
            ("sasl.username", KafkaSetting::Env { env: "PATH".into() }),
        ]);
        let client = config.client(Some("malla.ventas.transacciones")).unwrap();
        assert_eq!(client.get("group.id"), Some("otro"));
        assert_eq!(client.get("fetch.min.bytes"), Some("7"));
        assert_eq!(client.get("socket.keepalive.enable"), Some("true"));
        assert_eq!(client.get("enable.auto.commit"), Some("false"));
        assert_eq!(client.get("sasl.username"), std::env::var("PATH").ok().as_deref());
        let shown = format!("{config:?}");
        assert!(!shown.contains("otro") && !shown.contains("h:1"), "{shown}");
    }

    #[test]
    fn what_is_missing_is_named() {
        let error = config(&[]).check().unwrap_err().to_string();
        assert!(error.contains("bootstrap.servers"), "{error}");
        let env = KafkaSetting::Env {
            env: "MALLA_NO_SUCH_VARIABLE".into(),
        };
        let config = config(&[("bootstrap.servers", text("h:1")), ("sasl.password", env)]);
        let error = config.client(None).unwrap_err().to_string();
        assert!(
            error.contains("sasl.password") && error.contains("MALLA_NO_SUCH_VARIABLE"),
            "{error}"
        );
    }

    #[test]
    fn a_start_is_a_word_or_a_time() {
        let start = |text: &str| KafkaStart::try_from(text.to_owned());
        assert_eq!(start("latest"), Ok(KafkaStart::Latest));
        assert!(matches!(
            start("2026-11-28T00:00:00-06:00"),
            Ok(KafkaStart::Time(_))
        ));
        assert!(start("yesterday").unwrap_err().contains("earliest"));
    }
}
