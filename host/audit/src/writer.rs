//! Appends groups of records: each is on disk, and below the head, before it is acknowledged.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Write as _;

use crate::damage::{Damage, Wrong};
use crate::files::{self, Folder, HEAD_FILE, KEY_FILE, log_name};
use crate::format::{BEGIN, Body, CHECKPOINT, CONTINUE, RECOVER, VERSION, write_line};
use crate::head::Head;
use crate::key::{SecretKey, checkpoint_statement};
use crate::record::now;
use crate::tail::settle;
use crate::{AuditConfig, AuditError};

/// Appends to a log that other processes append to as well.
pub(crate) struct Writer {
    folder: Folder,
    key: SecretKey,
    config: AuditConfig,
    /// The head as this process wrote or read it last, and the text of its file.
    head: Head,
    head_text: String,
}

impl Writer {
    /// Begins a log if there is none, and puts the end of one that is there in order.
    pub(crate) fn open(folder: Folder, key: SecretKey, config: AuditConfig) -> Result<Self, AuditError> {
        let mut writer = Self {
            folder,
            key,
            config,
            head: Head::nothing(0),
            head_text: String::new(),
        };
        {
            let _lock = writer.folder.lock()?;
            writer.prepare()?;
        }
        writer.commit(&[], false)?;
        Ok(writer)
    }

    fn prepare(&self) -> Result<(), AuditError> {
        let dir = self.folder.path();
        let read = |name: &str| {
            let path = self.folder.join(name);
            files::read_small(&path).map_err(AuditError::io("read", &path))
        };
        let damaged = |name, wrong| Err(AuditError::damaged(dir)(Damage::of(name, wrong)));
        let ours = format!("{}\n", self.key.public());
        let (key, head) = (read(KEY_FILE)?, read(HEAD_FILE)?);
        if key.as_ref().is_some_and(|key| *key != ours) {
            return Err(AuditError::OtherKey { dir: dir.to_owned() });
        }
        match (key, head) {
            (Some(_), Some(_)) => return Ok(()),
            (None, Some(_)) => return damaged(KEY_FILE, Wrong::NoKey),
            (_, None) => {}
        }
        let listing = files::list(dir).map_err(AuditError::damaged(dir))?;
        if !listing.files.is_empty() {
            return damaged(HEAD_FILE, Wrong::NoHead);
        }
        // The head comes before the first record: a log without a head is never a new one.
        self.folder.replace(KEY_FILE, &ours)?;
        self.folder
            .replace(HEAD_FILE, &Head::nothing(now()).sign(&self.key))?;
        self.folder.sync()
    }

    /// Appends records, each given as its body. `is_last`: the log is closed, which leaves a checkpoint at its end.
    ///
    /// # Errors
    /// Nothing of it is acknowledged; some of it may be in the log.
    pub(crate) fn commit(&mut self, bodies: &[Vec<u8>], is_last: bool) -> Result<(), AuditError> {
        let lock = self.folder.lock()?;
        let mut head = self.current_head()?;
        let recovered = settle(&self.folder, &mut head, self.key.public())?;
        let mut group = Group {
            writer: self,
            head,
            file: None,
            text: Vec::new(),
        };
        if group.head.seq == 0 {
            group.begin_file()?;
        }
        if let Some(recovered) = recovered {
            let details = BTreeMap::from([
                ("kept".to_owned(), recovered.kept.to_string()),
                ("cut_bytes".to_owned(), recovered.cut_bytes.to_string()),
                ("cut_sha256".to_owned(), recovered.cut_sha256),
            ]);
            let file = group.head.file.clone();
            group.append(&Body::own(RECOVER, now(), &file, &details))?;
        }
        for body in bodies {
            group.append(body)?;
        }
        if is_last {
            group.checkpoint();
        }
        group.write()?;
        let mut head = group.head;
        if head != self.head {
            head.time = now();
            let text = head.sign(&self.key);
            self.folder.replace(HEAD_FILE, &text)?;
            (self.head, self.head_text) = (head, text);
        }
        if is_last {
            self.folder.sync()?;
        }
        drop(lock);
        Ok(())
    }

    /// The head as it is now: another process may have moved it on.
    fn current_head(&self) -> Result<Head, AuditError> {
        let damaged = || AuditError::damaged(self.folder.path());
        let path = self.folder.join(HEAD_FILE);
        let text = files::read_small(&path)
            .map_err(AuditError::io("read", &path))?
            .ok_or_else(|| damaged()(Damage::of(HEAD_FILE, Wrong::NoHead)))?;
        if text == self.head_text {
            return Ok(self.head.clone());
        }
        let head = Head::parse(&text, &self.key.public()).map_err(damaged())?;
        if head.seq < self.head.seq {
            return Err(damaged()(Damage::of(
                HEAD_FILE,
                Wrong::WentBack { head: head.seq },
            )));
        }
        Ok(head)
    }
}

/// Records on their way to the disk. Holds the lock's promise: nobody else appends meanwhile.
struct Group<'a> {
    writer: &'a Writer,
    /// As it is once `text` is written.
    head: Head,
    /// The file of the head, once it is open.
    file: Option<File>,
    /// Not written yet.
    text: Vec<u8>,
}

impl Group<'_> {
    fn append(&mut self, body: &[u8]) -> Result<(), AuditError> {
        if self.head.bytes >= self.writer.config.file_bytes {
            self.checkpoint();
            self.begin_file()?;
        }
        self.push(body);
        if self.head.seq.saturating_sub(self.head.checkpoint) >= self.writer.config.checkpoint_records {
            self.checkpoint();
        }
        Ok(())
    }

    fn push(&mut self, body: &[u8]) {
        let before = self.text.len();
        self.head.seq = self.head.seq.saturating_add(1);
        self.head.hash = write_line(&mut self.text, self.head.seq, body, &self.head.hash);
        let line = self.text.len().saturating_sub(before);
        self.head.bytes = self
            .head
            .bytes
            .saturating_add(u64::try_from(line).unwrap_or(u64::MAX));
    }

    /// Signs all records up to here, unless the last one does.
    fn checkpoint(&mut self) {
        if self.head.checkpoint == self.head.seq {
            return;
        }
        let (seq, time) = (self.head.seq.saturating_add(1), now());
        let statement = checkpoint_statement(seq, &self.head.hash, time);
        let details = BTreeMap::from([("signature".to_owned(), self.writer.key.sign(&statement))]);
        let file = self.head.file.clone();
        self.push(&Body::own(CHECKPOINT, time, &file, &details));
        self.head.checkpoint = self.head.seq;
    }

    /// Writes what there is to the old file, and goes on in a new one.
    fn begin_file(&mut self) -> Result<(), AuditError> {
        self.write()?;
        let first = self.head.seq.saturating_add(1);
        self.head.file = log_name(first);
        self.head.bytes = 0;
        self.file = Some(self.writer.folder.open_log(&self.head.file, true)?);
        let details = BTreeMap::from([
            ("format".to_owned(), VERSION.to_string()),
            ("key".to_owned(), self.writer.key.public().to_string()),
        ]);
        let kind = if first == 1 { BEGIN } else { CONTINUE };
        let file = self.head.file.clone();
        self.push(&Body::own(kind, now(), &file, &details));
        Ok(())
    }

    /// Puts onto the disk what is not there yet.
    fn write(&mut self) -> Result<(), AuditError> {
        if self.text.is_empty() {
            return Ok(());
        }
        let folder = &self.writer.folder;
        let file = match self.file.take() {
            Some(file) => file,
            None => folder.open_log(&self.head.file, false)?,
        };
        let file = self.file.insert(file);
        let path = folder.join(&self.head.file);
        if let Err(error) = file.write_all(&self.text).and_then(|()| file.sync_data()) {
            // Half a record would only be cut off later. The error is what counts.
            let size = u64::try_from(self.text.len()).unwrap_or(u64::MAX);
            let _ = file.set_len(self.head.bytes.saturating_sub(size));
            return Err(AuditError::io("write", &path)(error));
        }
        self.text.clear();
        Ok(())
    }
}
