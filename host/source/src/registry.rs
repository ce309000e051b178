//! Schemas by number, as messages name them.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use data_encoding::BASE64;
use serde::Deserialize;

use crate::SourceError;

/// How long one question may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// Waits between questions that went wrong.
const RETRIES: [Duration; 2] = [Duration::from_millis(200), Duration::from_secs(1)];
const MAX_BYTES: u64 = 4 << 20;

/// Where a decoder gets the schemas that messages name.
pub trait SchemaLookup: fmt::Debug + Send + Sync {
    /// The Avro schema of that number.
    ///
    /// # Errors
    /// It cannot be had now: nothing is known of the messages that name it.
    fn schema(&self, id: u32) -> Result<SchemaAnswer, SourceError>;
}

/// What is known of a number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SchemaAnswer {
    /// The text of its schema.
    Schema(String),
    /// It has no schema that can be used: the messages that name it are at fault.
    Unusable {
        /// Why, as the end of "schema 7 ..".
        reason: &'static str,
    },
}

/// A schema registry that speaks Confluent's protocol: `GET /schemas/ids/{id}`.
///
/// What a number means never changes, so every schema is asked for once.
pub struct Registry {
    url: String,
    /// Value of the `Authorization` header.
    authorization: Option<String>,
    agent: ureq::Agent,
    known: Mutex<HashMap<u32, String>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Answer {
    schema: String,
    schema_type: Option<String>,
    #[serde(default)]
    references: Vec<serde::de::IgnoredAny>,
}

impl Registry {
    /// A registry by its address, such as `https://registry.example.com`. Certificates are checked as the operating system would.
    #[must_use]
    pub fn new(url: &str) -> Self {
        let tls = ureq::tls::TlsConfig::builder()
            .root_certs(ureq::tls::RootCerts::PlatformVerifier)
            .build();
        let agent = ureq::Agent::config_builder()
            .timeout_global(Some(PATIENCE))
            .http_status_as_error(false)
            .tls_config(tls)
            .build()
            .new_agent();
        Self {
            url: url.trim_end_matches('/').to_owned(),
            authorization: None,
            agent,
            known: Mutex::default(),
        }
    }

    /// Says who asks.
    #[must_use]
    pub fn with_password(self, user: &str, password: &str) -> Self {
        let both = BASE64.encode(format!("{user}:{password}").as_bytes());
        Self {
            authorization: Some(format!("Basic {both}")),
            ..self
        }
    }

    /// `Err`: what went wrong, and whether asking again may help.
    fn ask(&self, id: u32) -> Result<SchemaAnswer, (String, bool)> {
        let mut request = self.agent.get(format!("{}/schemas/ids/{id}", self.url)).header(
            "Accept",
            "application/vnd.schemaregistry.v1+json, application/json",
        );
        if let Some(authorization) = &self.authorization {
            request = request.header("Authorization", authorization);
        }
        let mut response = request.call().map_err(|error| (error.to_string(), true))?;
        let status = response.status().as_u16();
        match status {
            200 => {}
            404 => return Ok(unusable("is not in the registry")),
            401 | 403 => {
                return Err((
                    format!("it answers {status}: give a user who may read schemas"),
                    false,
                ));
            }
            _ => return Err((format!("it answers {status}"), status >= 500 || status == 429)),
        }
        let text = response
            .body_mut()
            .with_config()
            .limit(MAX_BYTES)
            .read_to_string()
            .map_err(|error| (error.to_string(), true))?;
        let answer: Answer =
            serde_json::from_str(&text).map_err(|_| ("its answer is not a schema's".to_owned(), false))?;
        Ok(match answer.schema_type.as_deref() {
            None | Some("AVRO") if answer.references.is_empty() => SchemaAnswer::Schema(answer.schema),
            None | Some("AVRO") => unusable("refers to other schemas, which is not supported"),
            Some(_) => unusable("is of another format than Avro"),
        })
    }
}

fn unusable(reason: &'static str) -> SchemaAnswer {
    SchemaAnswer::Unusable { reason }
}

impl SchemaLookup for Registry {
    fn schema(&self, id: u32) -> Result<SchemaAnswer, SourceError> {
        let known = || self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(schema) = known().get(&id) {
            return Ok(SchemaAnswer::Schema(schema.clone()));
        }
        let mut waits = RETRIES.iter();
        loop {
            let (reason, is_passing) = match self.ask(id) {
                Ok(answer) => {
                    if let SchemaAnswer::Schema(schema) = &answer {
                        known().insert(id, schema.clone());
                    }
                    return Ok(answer);
                }
                Err(trouble) => trouble,
            };
            match waits.next() {
                Some(wait) if is_passing => thread::sleep(*wait),
                _ => {
                    return Err(SourceError::Schema {
                        id,
                        place: self.url.clone(),
                        reason,
                    });
                }
            }
        }
    }
}

impl fmt::Debug for Registry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Registry")
            .field("url", &self.url)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};
    use std::net::TcpListener;

    use super::*;

    /// Answers so many questions with these, in order, and gives what was asked.
    fn serve(answers: &'static [(u16, &'static str)]) -> (String, thread::JoinHandle<Vec<String>>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        let served = thread::spawn(move || {
            let mut asked = Vec::new();
            for (status, body) in answers {
                let (mut stream, _) = listener.accept().unwrap();
                let mut request = Vec::new();
                let mut byte = [0];
                while !request.ends_with(b"\r\n\r\n") && stream.read(&mut byte).unwrap() == 1 {
                    request.push(byte[0]);
                }
                let length = body.len();
                let head =
                    format!("HTTP/1.1 {status} x\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n");
                stream.write_all(format!("{head}{body}").as_bytes()).unwrap();
                asked.push(String::from_utf8(request).unwrap());
            }
            asked
        });
        (url, served)
    }

    #[test]
    fn a_schema_is_asked_for_once() {
        let (url, served) = serve(&[
            (503, ""),
            (200, r#"{"schema": "{\"type\": \"record\"}"}"#),
            (404, "{}"),
        ]);
        let registry = Registry::new(&url).with_password("malla", "s3cr3t");
        let schema = SchemaAnswer::Schema(r#"{"type": "record"}"#.into());
        assert_eq!(registry.schema(7).unwrap(), schema);
        assert_eq!(registry.schema(7).unwrap(), schema);
        assert!(matches!(
            registry.schema(8).unwrap(),
            SchemaAnswer::Unusable { .. }
        ));
        let asked = served.join().unwrap();
        assert!(
            asked[0].starts_with("GET /schemas/ids/7 HTTP/1.1"),
            "{}",
            asked[0]
        );
        assert!(
            asked[0]
                .to_lowercase()
                .contains("authorization: basic bwfsbge6cznjcjn0")
        );
        assert!(!format!("{registry:?}").contains("s3cr3t"));
    }

    #[test]
    fn trouble_names_the_registry_and_the_number() {
        let (url, served) = serve(&[
            (401, ""),
            (200, "<html>"),
            (
                200,
                r#"{"schema": "syntax = \"proto3\";", "schemaType": "PROTOBUF"}"#,
            ),
            (
                200,
                r#"{"schema": "{}", "references": [{"name": "a", "subject": "b", "version": 1}]}"#,
            ),
        ]);
        let registry = Registry::new(&url);
        let denied = registry.schema(7).unwrap_err().to_string();
        assert!(
            denied.contains("schema 7") && denied.contains("127.0.0.1") && denied.contains("401"),
            "{denied}"
        );
        let odd = registry.schema(7).unwrap_err().to_string();
        assert!(odd.contains("its answer is not a schema's"), "{odd}");
        assert!(matches!(
            registry.schema(7).unwrap(),
            SchemaAnswer::Unusable { .. }
        ));
        assert!(matches!(
            registry.schema(7).unwrap(),
            SchemaAnswer::Unusable { .. }
        ));
        served.join().unwrap();
        let gone = registry.schema(7).unwrap_err().to_string();
        assert!(
            gone.contains("cannot get schema 7 from http://127.0.0.1"),
            "{gone}"
        );
    }
}
