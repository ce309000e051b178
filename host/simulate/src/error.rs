//! Why events could not be written.

use std::io;
use std::path::PathBuf;

/// Why the simulator stopped.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SimulateError {
    /// No events are known for that domain.
    #[error("no simulated events for domain `{domain}`: use one of {known}")]
    UnknownDomain {
        /// The domain asked for.
        domain: String,
        /// Domains that have events.
        known: String,
    },
    /// The domain has no such source with events.
    #[error("no simulated events for source `{source_name}` of `{domain}`: use one of {known}")]
    UnknownSource {
        /// The domain.
        domain: String,
        /// The source asked for.
        source_name: String,
        /// Sources of the domain that have events.
        known: String,
    },
    /// A file cannot be used.
    #[error("cannot {action} `{}`: {error}", path.display())]
    Io {
        /// What was tried, as a verb.
        action: &'static str,
        /// File or folder.
        path: PathBuf,
        /// What the system said.
        #[source]
        error: io::Error,
    },
    /// The file that counts the events of a seed is not one of ours.
    #[error("the counter `{}` is damaged: remove the folder's events and the counter, or take another folder", path.display())]
    Counter {
        /// The counter file.
        path: PathBuf,
    },
}
