//! Threads that read and process batches, of whichever partition has one.
//!
//! A partition is in one pair of hands at a time, and its batch is handed to the committer before the next is begun:
//! batches of one partition stay in order, and several partitions run in parallel over the cores.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender};
use malla_source::{BatchLimit, Decoder, Mode, Read, Reader, Released, SourceError};
use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TrySendError;

use crate::batch::Processed;
use crate::config::BatchConfig;
use crate::error::FlowError;
use crate::plan::Flow;
use crate::run::Stop;

/// How long a partition that had nothing new is left alone.
const IDLE: Duration = Duration::from_millis(200);
/// How long one is left alone whose committer has no room.
const FULL: Duration = Duration::from_millis(5);
const LOOK_UP: Duration = Duration::from_millis(20);

/// To a flow's committer.
pub(crate) enum Message {
    Batch(Box<Processed>, Arc<Lease>),
    /// These partitions are another process's from now on; `lost`: they are already.
    Release {
        partitions: Vec<String>,
        lost: bool,
        released: Released,
    },
    Failed(FlowError),
}

/// A partition that is being read.
#[derive(Default)]
pub(crate) struct Lease {
    /// It is not ours any more.
    revoked: AtomicBool,
    /// There is nothing more of it.
    ended: AtomicBool,
}

impl Lease {
    pub(crate) fn is_revoked(&self) -> bool {
        self.revoked.load(Ordering::Acquire)
    }
}

/// The worker threads of a run.
pub(crate) struct Workers {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
}

struct Shared {
    ready: (Sender<Box<Task>>, Receiver<Box<Task>>),
    idle: Mutex<Vec<(Instant, Box<Task>)>>,
    finished: AtomicBool,
    limit: BatchLimit,
    stop: Stop,
    count: usize,
}

/// Where flows put partitions to work on.
#[derive(Clone)]
pub(crate) struct Queue(Arc<Shared>);

/// A flow's hold on the partitions that are being read for it.
pub(crate) struct Reading {
    queue: Queue,
    flow: Arc<FlowReading>,
    /// Gone when no partition will be added any more.
    sender: Mutex<Option<mpsc::Sender<Message>>>,
    known: Mutex<BTreeMap<String, Arc<Lease>>>,
}

struct FlowReading {
    flow: Arc<Flow>,
    once: bool,
    closed: AtomicBool,
}

struct Task {
    flow: Arc<FlowReading>,
    lease: Arc<Lease>,
    reader: Reader,
    decoder: Decoder,
    sender: mpsc::Sender<Message>,
}

impl Workers {
    /// One thread a core.
    pub(crate) fn start(batch: &BatchConfig, stop: &Stop) -> Self {
        let count = std::thread::available_parallelism().map_or(2, usize::from);
        let shared = Arc::new(Shared {
            ready: crossbeam_channel::unbounded(),
            idle: Mutex::default(),
            finished: AtomicBool::new(false),
            limit: BatchLimit {
                rows: batch.rows,
                bytes: batch.mib.saturating_mul(1 << 20),
            },
            stop: stop.clone(),
            count,
        });
        let threads = (0..count)
            .map(|_| {
                let shared = Arc::clone(&shared);
                std::thread::spawn(move || shared.work())
            })
            .collect();
        Self { shared, threads }
    }

    pub(crate) fn queue(&self) -> Queue {
        Queue(Arc::clone(&self.shared))
    }

    /// Ends the threads. Partitions that are still queued are let go.
    pub(crate) fn finish(self) {
        self.shared.finished.store(true, Ordering::Release);
        for thread in self.threads {
            // A worker catches the panics of its tasks.
            let _ = thread.join();
        }
    }
}

impl Queue {
    pub(crate) fn workers(&self) -> usize {
        self.0.count
    }

    pub(crate) fn limit(&self) -> BatchLimit {
        self.0.limit
    }

    pub(crate) fn flow(&self, flow: Arc<Flow>, sender: mpsc::Sender<Message>, once: bool) -> Reading {
        Reading {
            queue: self.clone(),
            flow: Arc::new(FlowReading {
                flow,
                once,
                closed: AtomicBool::new(false),
            }),
            sender: Mutex::new(Some(sender)),
            known: Mutex::default(),
        }
    }
}

impl Reading {
    /// Reads a partition.
    pub(crate) fn add(&self, reader: Reader) -> Result<(), SourceError> {
        let Some(sender) = lock(&self.sender).clone() else {
            return Ok(());
        };
        let lease = Arc::new(Lease::default());
        lock(&self.known).insert(reader.partition().to_owned(), Arc::clone(&lease));
        let task = Task {
            lease,
            reader,
            decoder: self.flow.flow.decoder()?,
            flow: Arc::clone(&self.flow),
            sender,
        };
        self.queue.0.enqueue(Box::new(task));
        Ok(())
    }

    /// Reads partitions no more, and has the committer let go of them.
    pub(crate) async fn remove(&self, partitions: Vec<String>, lost: bool, released: Released) {
        {
            let mut known = lock(&self.known);
            for partition in &partitions {
                if let Some(lease) = known.remove(partition) {
                    lease.revoked.store(true, Ordering::Release);
                }
            }
        }
        let sender = lock(&self.sender).clone();
        if let Some(sender) = sender {
            let message = Message::Release {
                partitions,
                lost,
                released,
            };
            // Without a committer there is nothing to let go of.
            let _ = sender.send(message).await;
        }
    }

    /// Tells the committer, after all that was read.
    pub(crate) async fn fail(&self, error: FlowError) {
        let sender = lock(&self.sender).clone();
        if let Some(sender) = sender {
            // Without a committer there is nobody left to tell.
            let _ = sender.send(Message::Failed(error)).await;
        }
    }

    pub(crate) fn knows(&self, partition: &str) -> bool {
        lock(&self.known).contains_key(partition)
    }

    /// Whether every partition was read to its end.
    pub(crate) fn has_ended(&self) -> bool {
        lock(&self.known)
            .values()
            .all(|lease| lease.ended.load(Ordering::Acquire))
    }

    /// No partition will be added: the committer ends when those that are there have ended.
    pub(crate) fn seal(&self) {
        lock(&self.sender).take();
    }

    /// Lets go of every partition.
    pub(crate) fn close(&self) {
        self.seal();
        self.flow.closed.store(true, Ordering::Release);
    }
}

impl Drop for Reading {
    /// Nobody is left to commit what would be read.
    fn drop(&mut self) {
        self.close();
    }
}

impl Shared {
    fn enqueue(&self, task: Box<Task>) {
        // The receiver is in the same struct: it cannot be gone.
        let _ = self.ready.0.send(task);
    }

    fn work(&self) {
        loop {
            match self.ready.1.recv_timeout(LOOK_UP) {
                Ok(task) => {
                    self.advance(task);
                    self.wake();
                }
                Err(RecvTimeoutError::Disconnected) => return,
                Err(RecvTimeoutError::Timeout) => {
                    if self.finished.load(Ordering::Acquire) {
                        return;
                    }
                    self.wake();
                }
            }
        }
    }

    /// Puts partitions back to work that have been idle long enough.
    fn wake(&self) {
        let now = Instant::now();
        let hurry = self.stop.is_asked();
        let mut idle = lock(&self.idle);
        for (_, task) in idle.extract_if(.., |(due, _)| hurry || *due <= now) {
            self.enqueue(task);
        }
    }

    /// One batch of one partition.
    fn advance(&self, mut task: Box<Task>) {
        if self.stop.is_asked() || task.flow.closed.load(Ordering::Acquire) || task.lease.is_revoked() {
            return;
        }
        // Room for what it gives, before it is worked on: that is the bound on memory, and a committer that is behind holds up
        // its own partitions only.
        let room = match task.sender.clone().try_reserve_owned() {
            Ok(room) => room,
            Err(TrySendError::Full(_)) => return self.rest(task, FULL),
            // Without a committer there is nobody to work for.
            Err(TrySendError::Closed(_)) => return,
        };
        let outcome = catch_unwind(AssertUnwindSafe(|| task.next(self.limit)));
        let outcome = outcome.unwrap_or_else(|_| {
            Err(FlowError::Panic {
                flow: task.flow.flow.name.clone(),
            })
        });
        match outcome {
            Ok(Next::Batch(batch)) => {
                room.send(Message::Batch(batch, Arc::clone(&task.lease)));
                self.enqueue(task);
            }
            Ok(Next::Gone) => {}
            Ok(Next::End) => task.lease.ended.store(true, Ordering::Release),
            Ok(Next::Later) => self.rest(task, IDLE),
            Err(error) => {
                room.send(Message::Failed(error));
            }
        }
    }

    fn rest(&self, task: Box<Task>, time: Duration) {
        lock(&self.idle).push((Instant::now() + time, task));
    }
}

enum Next {
    Batch(Box<Processed>),
    Later,
    End,
    Gone,
}

impl Task {
    fn next(&mut self, limit: BatchLimit) -> Result<Next, FlowError> {
        let mode = if self.flow.once { Mode::Drain } else { Mode::Follow };
        let lines = match self.reader.next(limit, mode)? {
            Read::Lines(lines) => lines,
            Read::Later => return Ok(Next::Later),
            Read::End => return Ok(Next::End),
            Read::Gone => return Ok(Next::Gone),
        };
        let now = chrono::Utc::now().timestamp_micros();
        let batch = self.flow.flow.process(&mut self.decoder, &lines, now)?;
        Ok(Next::Batch(Box::new(batch)))
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
