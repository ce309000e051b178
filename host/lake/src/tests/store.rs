//! A store that fails when told to.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use futures::stream::BoxStream;
use futures::{FutureExt, StreamExt};
use object_store::path::Path;
use object_store::{
    CopyOptions, Error, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore,
    PutMultipartOptions, PutOptions, PutPayload, PutResult, Result,
};

/// What happens to a put.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    /// It goes well.
    None,
    /// It fails and leaves nothing.
    Fails,
    /// It lands and reports a time-out.
    LandsAndTimesOut,
    /// It lands, and a repetition below us reports that somebody was there before.
    LandsAndExists,
    /// It lands only once the next put of the log has begun.
    LandsLate,
}

impl Fault {
    pub(super) const ALL: [Self; 5] = [
        Self::None,
        Self::Fails,
        Self::LandsAndTimesOut,
        Self::LandsAndExists,
        Self::LandsLate,
    ];
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Sight {
    #[default]
    Clear,
    BlindAfterPut,
    Blind,
}

type Late = (Path, PutPayload, PutOptions);

/// A store with faults for the puts to come: those of log entries, and those of data files.
#[derive(Debug)]
pub(super) struct FaultyStore {
    inner: Arc<dyn ObjectStore>,
    log_puts: Mutex<VecDeque<Fault>>,
    file_puts: Mutex<VecDeque<Fault>>,
    sight: Mutex<Sight>,
    late: Mutex<Option<Late>>,
}

impl FaultyStore {
    pub(super) fn new(inner: Arc<dyn ObjectStore>) -> Self {
        Self {
            inner,
            log_puts: Mutex::default(),
            file_puts: Mutex::default(),
            sight: Mutex::default(),
            late: Mutex::default(),
        }
    }

    pub(super) fn fail_log_puts(&self, faults: impl IntoIterator<Item = Fault>) {
        self.log_puts.lock().unwrap().extend(faults);
    }

    pub(super) fn fail_file_puts(&self, faults: impl IntoIterator<Item = Fault>) {
        self.file_puts.lock().unwrap().extend(faults);
    }

    /// Every read after the next put of a log entry fails.
    pub(super) fn blind_after_put(&self) {
        *self.sight.lock().unwrap() = Sight::BlindAfterPut;
    }

    pub(super) fn heal(&self) {
        self.log_puts.lock().unwrap().clear();
        self.file_puts.lock().unwrap().clear();
        *self.sight.lock().unwrap() = Sight::Clear;
    }

    /// What was on its way arrives.
    pub(super) async fn settle(&self) {
        let late = self.late.lock().unwrap().take();
        if let Some((path, payload, options)) = late {
            // It may come too late: somebody else has the place.
            let _ = self.inner.put_opts(&path, payload, options).await;
        }
    }

    fn fault(&self, path: &Path) -> Fault {
        let queue = if is_log_entry(path) {
            &self.log_puts
        } else if path.as_ref().contains("_delta_log") {
            return Fault::None;
        } else {
            &self.file_puts
        };
        queue.lock().unwrap().pop_front().unwrap_or(Fault::None)
    }

    fn read(&self) -> Result<()> {
        match *self.sight.lock().unwrap() {
            Sight::Blind => Err(failed("a read fails")),
            _ => Ok(()),
        }
    }
}

fn is_log_entry(path: &Path) -> bool {
    path.as_ref().contains("_delta_log") && path.as_ref().ends_with(".json")
}

fn failed(why: &'static str) -> Error {
    Error::Generic {
        store: "faulty",
        source: why.into(),
    }
}

impl fmt::Display for FaultyStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "faulty {}", self.inner)
    }
}

#[async_trait]
impl ObjectStore for FaultyStore {
    async fn put_opts(&self, path: &Path, payload: PutPayload, options: PutOptions) -> Result<PutResult> {
        if is_log_entry(path) {
            self.settle().await;
            let mut sight = self.sight.lock().unwrap();
            if *sight == Sight::BlindAfterPut {
                *sight = Sight::Blind;
            }
        }
        match self.fault(path) {
            Fault::None => self.inner.put_opts(path, payload, options).await,
            Fault::Fails => Err(failed("a put fails")),
            Fault::LandsAndTimesOut => {
                self.inner.put_opts(path, payload, options).await?;
                Err(failed("a put times out"))
            }
            Fault::LandsAndExists => {
                self.inner.put_opts(path, payload, options).await?;
                Err(Error::AlreadyExists {
                    path: path.to_string(),
                    source: "a repetition met itself".into(),
                })
            }
            Fault::LandsLate => {
                *self.late.lock().unwrap() = Some((path.clone(), payload, options));
                Err(failed("a put times out"))
            }
        }
    }

    async fn put_multipart_opts(
        &self,
        path: &Path,
        options: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        match self.fault(path) {
            Fault::None => self.inner.put_multipart_opts(path, options).await,
            _ => Err(failed("an upload fails")),
        }
    }

    async fn get_opts(&self, path: &Path, options: GetOptions) -> Result<GetResult> {
        self.read()?;
        self.inner.get_opts(path, options).await
    }

    fn delete_stream(&self, paths: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        self.inner.delete_stream(paths)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        match self.read() {
            Ok(()) => self.inner.list(prefix),
            Err(error) => futures::stream::once(std::future::ready(Err(error)).boxed()).boxed(),
        }
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.read()?;
        self.inner.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.inner.copy_opts(from, to, options).await
    }
}
