//! A connection to the server.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::net::{TcpStream, ToSocketAddrs as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use chrono::DateTime;
use data_encoding::BASE64_NOPAD;
use sha2::{Digest as _, Sha256};
use ssh2::{HashType, OpenFlags, OpenType, RenameFlags, Session, Sftp};

use super::config::{Login, SftpConfig};
use crate::SourceError;
use crate::names::{encode_name, hex, is_private, segment_name};

/// How long the server may take to answer.
const PATIENCE: Duration = Duration::from_secs(30);
/// A connection that breaks costs no more than this.
const CHUNK: usize = 256 << 10;

pub(super) struct Remote {
    sftp: Sftp,
    config: SftpConfig,
}

/// A file on the server, as it was when it was listed.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct RemoteFile {
    pub(super) name: String,
    pub(super) size: u64,
    pub(super) modified: u64,
}

/// What came of fetching a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Fetched {
    Whole,
    /// It was written to meanwhile.
    Changed,
    /// It is not what the file beside it says, which is this digest.
    NotAsPromised(String),
}

impl RemoteFile {
    /// The name of its partition: the same file is the same partition on every host, and a file that was written anew is another.
    pub(super) fn partition(&self) -> String {
        let modified = i64::try_from(self.modified).ok();
        let modified = modified.and_then(|seconds| DateTime::from_timestamp(seconds, 0));
        let modified = modified.map_or_else(
            || self.modified.to_string(),
            |time| time.format("%Y%m%dT%H%M%SZ").to_string(),
        );
        format!("{}@{modified}-{}", encode_name(self.name.as_ref()), self.size)
    }
}

impl Remote {
    /// Connects, checks the server's key, logs in.
    pub(super) fn connect(config: &SftpConfig) -> Result<Self, SourceError> {
        let failed = |what: &str, error: &dyn std::fmt::Display| SourceError::Sftp {
            host: config.host.clone(),
            reason: format!("cannot {what}: {error}"),
        };
        let address = config.address();
        let mut addresses = address
            .to_socket_addrs()
            .map_err(|error| failed("find it", &error))?;
        let address = addresses
            .next()
            .ok_or_else(|| failed("find it", &"its name has no address"))?;
        let stream =
            TcpStream::connect_timeout(&address, PATIENCE).map_err(|error| failed("connect", &error))?;
        let mut session = Session::new().map_err(|error| failed("connect", &error))?;
        session.set_timeout(u32::try_from(PATIENCE.as_millis()).unwrap_or(u32::MAX));
        session.set_tcp_stream(stream);
        session
            .handshake()
            .map_err(|error| failed("agree on a cipher", &error))?;
        let key = session.host_key_hash(HashType::Sha256).unwrap_or_default();
        let key = format!("SHA256:{}", BASE64_NOPAD.encode(key));
        if key != config.host_key.trim_end_matches('=') {
            return Err(SourceError::Sftp {
                host: config.host.clone(),
                reason: format!(
                    "its key is {key}, and `host_key` is another: ask its owner which is right before you change it"
                ),
            });
        }
        match config.login()? {
            Login::Password(password) => session.userauth_password(&config.user, &password),
            Login::Key(key) => session.userauth_pubkey_memory(&config.user, None, &key, None),
        }
        .map_err(|error| failed(&format!("log in as `{}`", config.user), &error))?;
        let sftp = session.sftp().map_err(|error| failed("start SFTP", &error))?;
        Ok(Self {
            sftp,
            config: config.clone(),
        })
    }

    /// Files that are meant, by their partition.
    ///
    /// `extensions`: of files in the source's format; all when absent.
    pub(super) fn list(
        &self,
        extensions: Option<&[&str]>,
    ) -> Result<BTreeMap<String, RemoteFile>, SourceError> {
        let folder = Path::new(&self.config.folder);
        let entries = self
            .sftp
            .readdir(folder)
            .map_err(|error| self.failed("list", folder, &error))?;
        let mut files = BTreeMap::new();
        for (path, stat) in entries {
            let Some(name) = path.file_name().and_then(|name| name.to_str()) else {
                tracing::warn!(
                    host = self.config.host,
                    "A file whose name is not UTF-8 is passed over."
                );
                continue;
            };
            let fits = extensions.is_none_or(|extensions| segment_name(name, extensions).is_some());
            // The rest is other people's, or not whole.
            if !stat.is_file() || is_private(name) || !self.config.means(name) || !fits {
                continue;
            }
            let file = RemoteFile {
                name: name.to_owned(),
                size: stat.size.unwrap_or_default(),
                modified: stat.mtime.unwrap_or_default(),
            };
            files.insert(file.partition(), file);
        }
        Ok(files)
    }

    /// Copies a file to `target`, going on with what an earlier attempt left in `part`. Only a whole one is there afterwards.
    pub(super) fn fetch(
        &self,
        file: &RemoteFile,
        part: &Path,
        target: &Path,
    ) -> Result<Fetched, SourceError> {
        let path = self.path(&file.name);
        let ours = |path: &Path| {
            let path = path.to_owned();
            move |error| SourceError::Io {
                action: "write",
                path,
                error,
            }
        };
        let mut local = OpenOptions::new()
            .create(true)
            .append(true)
            .read(true)
            .open(part)
            .map_err(ours(part))?;
        let mut have = local.metadata().map_err(ours(part))?.len();
        if have > file.size {
            local.set_len(0).map_err(ours(part))?;
            have = 0;
        }
        let mut remote = self
            .sftp
            .open_mode(&path, OpenFlags::READ, 0, OpenType::File)
            .map_err(|error| self.failed("read", &path, &error))?;
        if have > 0 {
            tracing::info!(file = file.name, have, of = file.size, "Goes on fetching a file.");
            remote
                .seek(SeekFrom::Start(have))
                .map_err(|error| self.failed("read", &path, &error))?;
        }
        let mut buffer = vec![0; CHUNK];
        loop {
            let read = remote
                .read(&mut buffer)
                .map_err(|error| self.failed("read", &path, &error))?;
            let Some(bytes) = buffer.get(..read).filter(|bytes| !bytes.is_empty()) else {
                break;
            };
            local.write_all(bytes).map_err(ours(part))?;
        }
        local.sync_all().map_err(ours(part))?;
        let stat = self
            .sftp
            .stat(&path)
            .map_err(|error| self.failed("look at", &path, &error))?;
        let same = stat.size == Some(file.size)
            && stat.mtime == Some(file.modified)
            && local.metadata().map_err(ours(part))?.len() == file.size;
        if !same {
            fs::remove_file(part).map_err(ours(part))?;
            return Ok(Fetched::Changed);
        }
        let digest = digest(&mut local).map_err(ours(part))?;
        if let Some(promised) = self.promised_digest(&file.name)?
            && promised != digest
        {
            fs::remove_file(part).map_err(ours(part))?;
            return Ok(Fetched::NotAsPromised(promised));
        }
        if let Some(folder) = target.parent() {
            fs::create_dir_all(folder).map_err(ours(folder))?;
        }
        fs::rename(part, target).map_err(ours(target))?;
        tracing::info!(
            host = self.config.host,
            file = file.name,
            bytes = file.size,
            sha256 = digest,
            "Fetched a file."
        );
        Ok(Fetched::Whole)
    }

    /// That a file is not what the file beside it says.
    pub(super) fn not_as_promised(&self, file: &RemoteFile) -> SourceError {
        SourceError::Sftp {
            host: self.config.host.clone(),
            reason: format!(
                "`{}` is not what `{}.sha256` says: it is left on the server, send both again",
                file.name, file.name
            ),
        }
    }

    /// What a file beside it says that its SHA-256 is.
    pub(super) fn promised_digest(&self, name: &str) -> Result<Option<String>, SourceError> {
        let path = self.path(&format!("{name}.sha256"));
        let file = match self.sftp.open(&path) {
            Ok(file) => file,
            Err(error) if is_missing(&error) => return Ok(None),
            // A file that cannot be checked is not taken for one that need not be.
            Err(error) => return Err(self.failed("read", &path, &error)),
        };
        let mut text = String::new();
        file.take(4096)
            .read_to_string(&mut text)
            .map_err(|error| self.failed("read", &path, &error))?;
        // As `sha256sum` writes it.
        Ok(text.split_ascii_whitespace().next().map(str::to_ascii_lowercase))
    }

    /// Moves a file that is in the lake out of the way, if it is still there and still that file.
    pub(super) fn archive(&self, file: &RemoteFile, archive: &str) -> Result<(), SourceError> {
        let from = self.path(&file.name);
        match self.sftp.stat(&from) {
            Ok(stat) if stat.size == Some(file.size) && stat.mtime == Some(file.modified) => {}
            // It was written anew, and is another file that is still to be read; or somebody moved it.
            Ok(_) => return Ok(()),
            Err(error) if is_missing(&error) => return Ok(()),
            Err(error) => return Err(self.failed("look at", &from, &error)),
        }
        // The folder may be there.
        let _ = self.sftp.mkdir(Path::new(archive), 0o755);
        let mut to = Path::new(archive).join(&file.name);
        if self.sftp.stat(&to).is_ok() {
            to = Path::new(archive).join(file.partition());
        }
        self.sftp
            .rename(&from, &to, Some(RenameFlags::ATOMIC))
            .map_err(|error| self.failed("archive", &from, &error))
    }

    fn path(&self, name: &str) -> PathBuf {
        Path::new(&self.config.folder).join(name)
    }

    fn failed(&self, what: &str, path: &Path, error: &dyn std::fmt::Display) -> SourceError {
        SourceError::Sftp {
            host: self.config.host.clone(),
            reason: format!("cannot {what} `{}`: {error}", path.display()),
        }
    }
}

fn is_missing(error: &ssh2::Error) -> bool {
    const NO_SUCH_FILE: i32 = 2;
    matches!(error.code(), ssh2::ErrorCode::SFTP(NO_SUCH_FILE))
}

fn digest(file: &mut File) -> io::Result<String> {
    file.seek(SeekFrom::Start(0))?;
    let mut digest = Sha256::new();
    let mut buffer = vec![0; CHUNK];
    loop {
        let read = file.read(&mut buffer)?;
        match buffer.get(..read) {
            Some(bytes) if !bytes.is_empty() => digest.update(bytes),
            _ => return Ok(hex(&digest.finalize())),
        }
    }
}
