//! Why nothing can be recorded.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::Damage;

/// Why a log cannot be opened or appended to. Once an append has failed, every later call fails with the same error: who
/// cannot audit must stop.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum AuditError {
    /// The folder or a file in it cannot be used.
    #[error("audit log: cannot {action} `{}`: {error}; nothing moves until it can be written", path.display())]
    Io {
        /// What was tried, as a verb: `open`, `write`, `lock`.
        action: &'static str,
        /// File or folder.
        path: PathBuf,
        /// What the system said.
        #[source]
        error: Arc<io::Error>,
    },
    /// The log is not as it was written.
    #[error("`{}`: {damage}; `malla audit verify` looks at all of it", dir.display())]
    Damaged {
        /// The log's folder.
        dir: PathBuf,
        /// What is wrong.
        damage: Damage,
    },
    /// The log is another mesh's, or the key was replaced.
    #[error(
        "the audit log in `{}` was begun with another key than this mesh's: give this mesh a folder of its own, or put its old keys back",
        dir.display()
    )]
    OtherKey {
        /// The log's folder.
        dir: PathBuf,
    },
    /// The thread that writes is gone.
    #[error("the audit log's writer stopped: this is an error in malla, please report it")]
    Stopped,
}

impl AuditError {
    pub(crate) fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |error| Self::Io {
            action,
            path,
            error: Arc::new(error),
        }
    }

    pub(crate) fn damaged(dir: &Path) -> impl FnOnce(Damage) -> Self {
        let dir = dir.to_owned();
        move |damage| Self::Damaged { dir, damage }
    }
}
