//! Ways to a collector: one event at a time, in order.

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use flate2::Compression;
use flate2::write::GzEncoder;

use crate::config::{HttpSettings, TransportSettings};

/// What an event may be told to.
pub trait Transport: Send {
    /// Sends one event, a line of JSON, and waits until the other side has it.
    ///
    /// # Errors
    /// It has not, or nobody knows.
    fn send(&mut self, event: &str) -> Result<(), SendError>;

    /// Where it goes, for messages: without a key.
    fn place(&self) -> String;
}

/// Why an event was not sent.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SendError {
    /// It may be sent again, and is.
    #[error("{why}")]
    Later {
        /// What went wrong.
        why: String,
        /// No earlier than so much later.
        after: Option<Duration>,
    },
    /// It will never be taken.
    #[error("{0}")]
    Refused(String),
}

impl SendError {
    /// It may be sent again.
    pub fn later(why: impl Into<String>) -> Self {
        Self::Later {
            why: why.into(),
            after: None,
        }
    }
}

/// The transport of settings. `None`: of a topic, which is not for this crate to write.
#[must_use]
pub fn open(settings: &TransportSettings) -> Option<Box<dyn Transport>> {
    match settings {
        TransportSettings::File { path } => Some(Box::new(ToFile {
            path: path.clone(),
            looked: false,
        })),
        TransportSettings::Http(http) => Some(Box::new(ToServer::new(http))),
        TransportSettings::Console => Some(Box::new(ToConsole)),
        TransportSettings::Kafka(_) => None,
    }
}

/// A line on standard error's neighbour: what `malla run` prints for people is not JSON.
struct ToConsole;

impl Transport for ToConsole {
    fn send(&mut self, event: &str) -> Result<(), SendError> {
        let mut out = io::stdout().lock();
        writeln!(out, "{event}")
            .and_then(|()| out.flush())
            .map_err(|error| SendError::later(error.to_string()))
    }

    fn place(&self) -> String {
        "standard output".to_owned()
    }
}

/// Lines at the end of a file.
struct ToFile {
    path: PathBuf,
    /// The end of the file was compared with the first event that is sent.
    looked: bool,
}

/// So much of the end of a file is looked at for an event that may be there already.
const TAIL: u64 = 4 << 20;

impl ToFile {
    fn append(&mut self, event: &str) -> io::Result<()> {
        if let Some(folder) = self.path.parent() {
            std::fs::create_dir_all(folder)?;
        }
        let mut file = OpenOptions::new()
            .create(true)
            .read(true)
            .append(true)
            .open(&self.path)?;
        // Others may write to it.
        file.lock()?;
        if !std::mem::replace(&mut self.looked, true) && ends_with(&mut file, event)? {
            // Whoever was killed between the line and the note of it wrote it.
            return Ok(());
        }
        file.write_all(format!("{event}\n").as_bytes())?;
        file.sync_data()
    }
}

/// Whether a line is among the last of a file. A piece of a line at its end is cut off.
fn ends_with(file: &mut File, line: &str) -> io::Result<bool> {
    let size = file.metadata()?.len();
    let start = size.saturating_sub(TAIL);
    file.seek(SeekFrom::Start(start))?;
    let mut tail = Vec::new();
    file.read_to_end(&mut tail)?;
    let whole = tail
        .iter()
        .rposition(|byte| *byte == b'\n')
        .map_or(0, |at| at + 1);
    if whole < tail.len() && (whole > 0 || start == 0) {
        file.set_len(start + whole as u64)?;
    }
    Ok(tail
        .split(|byte| *byte == b'\n')
        .any(|found| found == line.as_bytes()))
}

impl Transport for ToFile {
    fn send(&mut self, event: &str) -> Result<(), SendError> {
        self.append(event).map_err(|error| {
            self.looked = false;
            SendError::later(error.to_string())
        })
    }

    fn place(&self) -> String {
        Path::display(&self.path).to_string()
    }
}

/// A collector that speaks HTTP: Marquez, DataHub, ..
struct ToServer {
    url: String,
    gzip: bool,
    /// Value of the `Authorization` header.
    authorization: Option<String>,
    agent: ureq::Agent,
}

impl ToServer {
    fn new(settings: &HttpSettings) -> Self {
        let tls = ureq::tls::TlsConfig::builder()
            .root_certs(ureq::tls::RootCerts::PlatformVerifier)
            .build();
        let agent = ureq::Agent::config_builder()
            .timeout_global(Some(settings.timeout))
            .http_status_as_error(false)
            .tls_config(tls)
            .build()
            .new_agent();
        Self {
            url: settings.address(),
            gzip: settings.gzip,
            authorization: settings
                .key
                .as_ref()
                .map(|key| format!("Bearer {}", key.reveal())),
            agent,
        }
    }

    fn post(&self, event: &str) -> Result<(u16, Option<Duration>), String> {
        let mut request = self
            .agent
            .post(&self.url)
            .header("Content-Type", "application/json");
        if let Some(authorization) = &self.authorization {
            request = request.header("Authorization", authorization);
        }
        let response = if self.gzip {
            let mut packed = GzEncoder::new(Vec::new(), Compression::fast());
            let packed = packed.write_all(event.as_bytes()).and_then(|()| packed.finish());
            let packed = packed.map_err(|error| error.to_string())?;
            request.header("Content-Encoding", "gzip").send(&packed[..])
        } else {
            request.send(event.as_bytes())
        };
        let response = response.map_err(|error| error.to_string())?;
        let after = response.headers().get("Retry-After");
        let after = after.and_then(|value| value.to_str().ok()?.trim().parse().ok());
        Ok((response.status().as_u16(), after.map(Duration::from_secs)))
    }
}

impl Transport for ToServer {
    fn send(&mut self, event: &str) -> Result<(), SendError> {
        let (status, after) = self.post(event).map_err(SendError::later)?;
        match status {
            200..300 => Ok(()),
            // Whoever may not now may when the key is right: it is not the event that is at fault.
            401 | 403 => Err(SendError::Later {
                why: format!("it answers {status}: give the key of somebody who may write lineage"),
                after: Some(Duration::from_secs(60)),
            }),
            404 | 405 => Err(SendError::Later {
                why: format!("it answers {status}: give the url and endpoint of a collector of OpenLineage"),
                after: Some(Duration::from_secs(60)),
            }),
            408 | 429 | 500.. | 300..=399 => Err(SendError::Later {
                why: format!("it answers {status}"),
                after,
            }),
            _ => Err(SendError::Refused(format!("it answers {status}"))),
        }
    }

    fn place(&self) -> String {
        self.url.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_that_a_killed_process_wrote_is_not_written_again_and_half_a_line_goes() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("out/events.jsonl");
        let file = || {
            let path = path.clone();
            open(&TransportSettings::File { path }).unwrap()
        };
        let mut first = file();
        for event in ["{\"a\":1}", "{\"a\":2}"] {
            first.send(event).unwrap();
        }
        std::fs::write(&path, "{\"a\":1}\n{\"a\":2}\n{\"a\":").unwrap();
        let mut next = file();
        for event in ["{\"a\":2}", "{\"a\":3}", "{\"a\":3}"] {
            next.send(event).unwrap();
        }
        let text = std::fs::read_to_string(&path).unwrap();
        assert_eq!(text, "{\"a\":1}\n{\"a\":2}\n{\"a\":3}\n{\"a\":3}\n");
    }
}
