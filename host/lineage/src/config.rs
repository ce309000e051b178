//! Where events go: `[lineage]` of malla.toml, `openlineage.yml`, `OPENLINEAGE__*`, `OPENLINEAGE_URL`. The first of these that names
//! a transport is followed, as clients of OpenLineage do it.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use malla_contract::{Yaml, yaml};
use serde_json::{Map, Value};

/// Where events go, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// Of the jobs.
    pub namespace: String,
    /// Bytes of events that may wait on the disk.
    pub spool_bytes: u64,
    /// `None`: nothing is told.
    pub transport: Option<TransportSettings>,
}

/// A way to a collector.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TransportSettings {
    /// Lines at the end of a file.
    File {
        /// The file.
        path: PathBuf,
    },
    /// `POST` to a server.
    Http(HttpSettings),
    /// Messages to a topic.
    Kafka(KafkaSettings),
    /// Lines on standard output.
    Console,
}

/// A server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpSettings {
    pub(crate) url: String,
    pub(crate) endpoint: String,
    pub(crate) timeout: Duration,
    pub(crate) gzip: bool,
    pub(crate) key: Option<Key>,
}

/// A topic, and librdkafka's settings for it.
#[derive(Clone, PartialEq, Eq)]
pub struct KafkaSettings {
    /// Its name.
    pub topic: String,
    /// By the names of librdkafka. Some are secrets.
    pub settings: BTreeMap<String, String>,
}

/// A secret. It is in no log.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Key(String);

impl Key {
    pub(crate) fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key(..)")
    }
}

impl fmt::Debug for KafkaSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KafkaSettings")
            .field("topic", &self.topic)
            .field("settings", &self.settings.keys().collect::<Vec<_>>())
            .finish()
    }
}

impl HttpSettings {
    pub(crate) fn address(&self) -> String {
        format!(
            "{}/{}",
            self.url.trim_end_matches('/'),
            self.endpoint.trim_start_matches('/')
        )
    }
}

/// A setting that cannot be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{place}: {what}")]
pub struct ConfigError {
    /// Where it stands.
    place: String,
    what: String,
}

const MIB: u64 = 1 << 20;
const SPOOL_MIB: u64 = 64;
const TIMEOUT: Duration = Duration::from_secs(5);
const TYPES: &str = "file, http, kafka or console";

/// Settings of one place, whose names are compared without case and `_`: `apiKey` is `api_key`.
struct Section<'a> {
    place: &'a str,
    /// Nobody but us writes it, so what is not known is a mistake.
    ours: bool,
    folder: &'a Path,
    /// `None`: whatever is taken from it may be set where it is needed.
    env: Option<&'a BTreeMap<String, String>>,
}

impl Settings {
    /// What is set, by the table `[lineage]` of the mesh in `folder`, files and the environment.
    ///
    /// # Errors
    /// A file cannot be read, or a setting cannot be.
    pub fn load(
        table: &Map<String, Value>,
        folder: &Path,
        env: &BTreeMap<String, String>,
    ) -> Result<Self, ConfigError> {
        let mut settings = Self::of_table(table, folder, Some(env))?;
        let set = |name: &str| env.get(name).filter(|value| !value.is_empty());
        if let Some(namespace) = set("OPENLINEAGE_NAMESPACE").filter(|_| !table.contains_key("namespace")) {
            settings.namespace.clone_from(namespace);
        }
        let is_true = |value: &String| matches!(value.to_ascii_lowercase().as_str(), "true" | "1" | "yes");
        if set("OPENLINEAGE_DISABLED").is_some_and(is_true) {
            settings.transport = None;
            return Ok(settings);
        }
        if is_off(table) || settings.transport.is_some() {
            return Ok(settings);
        }
        if let Some(path) = file(folder, env) {
            let place = path.display().to_string();
            let wrong = |what: String| ConfigError {
                place: place.clone(),
                what,
            };
            let text =
                std::fs::read_to_string(&path).map_err(|error| wrong(format!("cannot be read: {error}")))?;
            let tree = yaml(&text).map_err(|errors| wrong(errors.to_string()))?;
            if let Value::Object(tree) = value(tree) {
                let section = Section {
                    place: &place,
                    ours: false,
                    folder: path.parent().unwrap_or(folder),
                    env: Some(env),
                };
                if let Some(transport) = part(&tree, "transport") {
                    settings.transport = section.transport(transport)?;
                    return Ok(settings);
                }
            }
        }
        let section = Section {
            place: "the environment",
            ours: false,
            folder,
            env: Some(env),
        };
        if let Some(transport) = part(&dynamic(env), "transport") {
            settings.transport = section.transport(transport)?;
        } else if let Some(url) = set("OPENLINEAGE_URL") {
            let mut http = Map::from_iter([
                ("type".to_owned(), "http".into()),
                ("url".to_owned(), url.clone().into()),
            ]);
            if let Some(endpoint) = set("OPENLINEAGE_ENDPOINT") {
                http.insert("endpoint".to_owned(), endpoint.clone().into());
            }
            settings.transport = section.transport(&Value::Object(http))?;
        }
        Ok(settings)
    }

    /// Whether the table `[lineage]` can be, whatever the environment.
    ///
    /// # Errors
    /// A setting cannot be.
    pub fn check(table: &Map<String, Value>) -> Result<(), ConfigError> {
        Self::of_table(table, Path::new("/"), None).map(drop)
    }

    fn of_table(
        table: &Map<String, Value>,
        folder: &Path,
        env: Option<&BTreeMap<String, String>>,
    ) -> Result<Self, ConfigError> {
        let section = Section {
            place: "[lineage]",
            ours: true,
            folder,
            env,
        };
        section.known(table, &["namespace", "spool_mib", "disabled", "transport"])?;
        let spool_mib = match section.text(table, "spool_mib") {
            None => SPOOL_MIB,
            Some(text) => match text.parse() {
                Ok(mib @ 1..=65_536) => mib,
                _ => return Err(section.wrong("`spool_mib` must be 1 to 65536")),
            },
        };
        let transport = match part(table, "transport") {
            Some(transport) if !is_off(table) => section.transport(transport)?,
            _ => None,
        };
        Ok(Self {
            namespace: section
                .text(table, "namespace")
                .unwrap_or_else(|| "malla".to_owned()),
            spool_bytes: spool_mib * MIB,
            transport,
        })
    }
}

fn is_off(table: &Map<String, Value>) -> bool {
    part(table, "disabled") == Some(&Value::Bool(true))
}

impl Section<'_> {
    fn wrong(&self, what: impl Into<String>) -> ConfigError {
        ConfigError {
            place: self.place.to_owned(),
            what: what.into(),
        }
    }

    /// In our own file, a name that means nothing is a mistake; in others', it is for other clients.
    fn known(&self, table: &Map<String, Value>, names: &[&str]) -> Result<(), ConfigError> {
        let unknown = table.keys().find(|key| names.iter().all(|name| !same(key, name)));
        match unknown {
            Some(unknown) if self.ours => Err(self.wrong(format!(
                "there is no setting `{unknown}`: write {}",
                names.join(", ")
            ))),
            Some(unknown) => {
                tracing::debug!(
                    place = self.place,
                    setting = unknown,
                    "A setting that is not known here."
                );
                Ok(())
            }
            None => Ok(()),
        }
    }

    fn text(&self, table: &Map<String, Value>, name: &str) -> Option<String> {
        match part(table, name)? {
            Value::String(text) => Some(text.clone()),
            Value::Number(number) => Some(number.to_string()),
            Value::Bool(truth) => Some(truth.to_string()),
            Value::Null | Value::Array(_) | Value::Object(_) => None,
        }
    }

    fn needed(&self, table: &Map<String, Value>, ty: &str, name: &str) -> Result<String, ConfigError> {
        self.text(table, name)
            .filter(|text| !text.is_empty())
            .ok_or_else(|| self.wrong(format!("a transport of type {ty} needs `{name}`")))
    }

    fn transport(&self, value: &Value) -> Result<Option<TransportSettings>, ConfigError> {
        let Value::Object(table) = value else {
            return Err(self.wrong(format!("`transport` must say its `type`: {TYPES}")));
        };
        let ty = self
            .needed(table, "a collector", "type")
            .map_err(|_| self.wrong(format!("`transport` must say its `type`: {TYPES}")))?;
        Ok(Some(match ty.to_ascii_lowercase().as_str() {
            "console" => TransportSettings::Console,
            "noop" => return Ok(None),
            "file" => {
                self.known(table, &["type", "path", "log_file_path", "location", "append"])?;
                let path = ["path", "log_file_path", "location"];
                let path = path.iter().find_map(|name| self.text(table, name));
                let path = path.ok_or_else(|| self.wrong("a transport of type file needs `path`"))?;
                TransportSettings::File {
                    path: self.folder.join(path),
                }
            }
            "http" => TransportSettings::Http(self.http(table)?),
            "kafka" => TransportSettings::Kafka(self.kafka(table)?),
            other => return Err(self.wrong(format!("`{other}` is no type of transport: write {TYPES}"))),
        }))
    }

    fn http(&self, table: &Map<String, Value>) -> Result<HttpSettings, ConfigError> {
        self.known(
            table,
            &["type", "url", "endpoint", "timeout", "auth", "compression"],
        )?;
        let url = self.needed(table, "http", "url")?;
        let host = url
            .strip_prefix("http://")
            .or_else(|| url.strip_prefix("https://"));
        match host {
            None | Some("") => return Err(self.wrong("`url` must begin with http:// or https://")),
            Some(host) if host.split('/').next().unwrap_or_default().contains('@') => {
                return Err(
                    self.wrong("`url` must hold no user and password: give a key by OPENLINEAGE_API_KEY")
                );
            }
            Some(_) => {}
        }
        let timeout = match self.text(table, "timeout") {
            None => TIMEOUT,
            Some(text) => text
                .parse()
                .ok()
                .and_then(|seconds| Duration::try_from_secs_f64(seconds).ok())
                .filter(|timeout| !timeout.is_zero() && *timeout <= Duration::from_secs(600))
                .ok_or_else(|| self.wrong("`timeout` must be seconds, above 0 and at most 600"))?,
        };
        let gzip = match self.text(table, "compression").as_deref() {
            None | Some("" | "none") => false,
            Some("gzip") => true,
            Some(_) => return Err(self.wrong("`compression` must be gzip or none")),
        };
        Ok(HttpSettings {
            endpoint: self
                .text(table, "endpoint")
                .unwrap_or_else(|| "api/v1/lineage".to_owned()),
            key: self.key(table)?,
            url,
            timeout,
            gzip,
        })
    }

    fn key(&self, table: &Map<String, Value>) -> Result<Option<Key>, ConfigError> {
        let fallback = || self.env?.get("OPENLINEAGE_API_KEY").filter(|key| !key.is_empty());
        let Some(Value::Object(auth)) = part(table, "auth") else {
            return Ok(fallback().cloned().map(Key));
        };
        self.known(auth, &["type", "api_key"])?;
        match self.text(auth, "type").as_deref() {
            Some("api_key") => {}
            _ => return Err(self.wrong("`auth.type` must be api_key")),
        }
        let key = match part(auth, "api_key") {
            Some(Value::Object(named)) => {
                let name = self.needed(named, "http", "env")?;
                Some(self.variable(&name, "auth.api_key")?)
            }
            Some(Value::String(_)) if self.ours => {
                return Err(self.wrong(
                    "`auth.api_key` must not stand in malla.toml: write { env = \"OPENLINEAGE_API_KEY\" }",
                ));
            }
            Some(Value::String(key)) => Some(key.clone()),
            _ => fallback().cloned(),
        };
        if self.env.is_none() {
            return Ok(key.map(Key));
        }
        let key = key
            .ok_or_else(|| self.wrong("`auth` needs `api_key`, or OPENLINEAGE_API_KEY in the environment"))?;
        if key.chars().any(|c| !c.is_ascii_graphic()) {
            return Err(self.wrong("the key holds what no key may: only visible ASCII"));
        }
        Ok(Some(Key(key)))
    }

    /// A secret of the environment.
    fn variable(&self, name: &str, setting: &str) -> Result<String, ConfigError> {
        let Some(env) = self.env else {
            return Ok(String::new());
        };
        env.get(name).cloned().ok_or_else(|| {
            self.wrong(format!(
                "`{setting}` is taken from the variable {name} of the environment, which is not set"
            ))
        })
    }

    fn kafka(&self, table: &Map<String, Value>) -> Result<KafkaSettings, ConfigError> {
        let names = [
            "type",
            "topic",
            "topic_name",
            "properties",
            "config",
            "message_key",
            "flush",
        ];
        self.known(table, &names)?;
        let topic = self
            .text(table, "topic")
            .or_else(|| self.text(table, "topic_name"));
        let properties = part(table, "properties").or_else(|| part(table, "config"));
        let mut settings = BTreeMap::new();
        if let Some(Value::Object(properties)) = properties {
            for (name, value) in properties {
                let value = match value {
                    Value::Object(named) => {
                        let variable = self.needed(named, "kafka", "env")?;
                        self.variable(&variable, name)?
                    }
                    Value::String(text) => text.clone(),
                    other => other.to_string(),
                };
                // Of clients that are not librdkafka.
                if !matches!(name.as_str(), "key.serializer" | "value.serializer") {
                    settings.insert(name.clone(), value);
                }
            }
        }
        if !settings.contains_key("bootstrap.servers") {
            return Err(self.wrong("a transport of type kafka needs `properties` with `bootstrap.servers`"));
        }
        Ok(KafkaSettings {
            topic: topic.ok_or_else(|| self.wrong("a transport of type kafka needs `topic`"))?,
            settings,
        })
    }
}

fn same(left: &str, right: &str) -> bool {
    let plain = |text: &str| text.replace('_', "").to_ascii_lowercase();
    plain(left) == plain(right)
}

fn part<'a>(table: &'a Map<String, Value>, name: &str) -> Option<&'a Value> {
    table
        .iter()
        .find(|(key, _)| same(key, name))
        .map(|(_, value)| value)
}

/// The file that clients of OpenLineage look for.
fn file(folder: &Path, env: &BTreeMap<String, String>) -> Option<PathBuf> {
    if let Some(path) = env.get("OPENLINEAGE_CONFIG").filter(|path| !path.is_empty()) {
        return Some(PathBuf::from(path));
    }
    let home = env
        .get("HOME")
        .map(|home| Path::new(home).join(".openlineage/openlineage.yml"));
    let places = [Some(folder.join("openlineage.yml")), home];
    places.into_iter().flatten().find(|path| path.is_file())
}

/// `OPENLINEAGE__TRANSPORT__TYPE=http` as a tree.
fn dynamic(env: &BTreeMap<String, String>) -> Map<String, Value> {
    let mut tree = Map::new();
    for (name, text) in env {
        let Some(path) = name.strip_prefix("OPENLINEAGE__") else {
            continue;
        };
        let parts: Vec<String> = path.split("__").map(str::to_ascii_lowercase).collect();
        let Some((last, above)) = parts.split_last() else {
            continue;
        };
        let value = serde_json::from_str::<Value>(text).ok().filter(Value::is_object);
        let mut at = Some(&mut tree);
        for part in above {
            at = at.and_then(|table| {
                table
                    .entry(part.clone())
                    .or_insert_with(|| Value::Object(Map::new()))
                    .as_object_mut()
            });
        }
        if let Some(table) = at {
            table.insert(last.clone(), value.unwrap_or_else(|| Value::String(text.clone())));
        }
    }
    tree
}

fn value(yaml: Yaml) -> Value {
    match yaml {
        Yaml::Scalar(text) => Value::String(text),
        Yaml::List(items) => Value::Array(items.into_iter().map(value).collect()),
        Yaml::Map(entries) => Value::Object(
            entries
                .into_iter()
                .map(|(key, item)| (key, value(item)))
                .collect(),
        ),
    }
}

#[cfg(test)]
mod tests;
