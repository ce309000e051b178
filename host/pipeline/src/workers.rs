//! Threads that read and process batches, of whichever partition has one.
//!
//! A partition is in one pair of hands at a time, and its batch is handed to the committer before the next is begun:
//! batches of one partition stay in order, and several partitions run in parallel over the cores.

use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender};
use malla_source::{BatchLimit, Decoder, DirectorySource, Mode, PartitionReader};
use tokio::sync::mpsc;

use crate::batch::Processed;
use crate::config::BatchConfig;
use crate::error::FlowError;
use crate::plan::Flow;
use crate::run::Stop;

/// How long a partition that had nothing new is left alone.
const IDLE: Duration = Duration::from_millis(200);
const LOOK_UP: Duration = Duration::from_millis(20);

/// To a flow's committer.
pub(crate) enum Message {
    Batch(Box<Processed>),
    Failed(FlowError),
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
    known: Mutex<BTreeSet<String>>,
}

struct FlowReading {
    flow: Arc<Flow>,
    source: Arc<DirectorySource>,
    once: bool,
    closed: AtomicBool,
}

struct Task {
    flow: Arc<FlowReading>,
    reader: PartitionReader,
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

    pub(crate) fn flow(
        &self,
        flow: Arc<Flow>,
        source: Arc<DirectorySource>,
        sender: mpsc::Sender<Message>,
        once: bool,
    ) -> Reading {
        Reading {
            queue: self.clone(),
            flow: Arc::new(FlowReading {
                flow,
                source,
                once,
                closed: AtomicBool::new(false),
            }),
            sender: Mutex::new(Some(sender)),
            known: Mutex::default(),
        }
    }
}

impl Reading {
    /// Reads a partition from a position on.
    pub(crate) fn add(&self, partition: String, position: i64) -> Result<(), FlowError> {
        let Some(sender) = lock(&self.sender).clone() else {
            return Ok(());
        };
        let task = Task {
            reader: self.flow.source.reader(&partition, position)?,
            decoder: Decoder::new(&self.flow.flow.source.table),
            flow: Arc::clone(&self.flow),
            sender,
        };
        lock(&self.known).insert(partition);
        self.queue.0.enqueue(Box::new(task));
        Ok(())
    }

    pub(crate) fn knows(&self, partition: &str) -> bool {
        lock(&self.known).contains(partition)
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

impl Shared {
    fn enqueue(&self, task: Box<Task>) {
        // The receiver is in the same struct: it cannot be gone.
        let _ = self.ready.0.send(task);
    }

    fn work(&self) {
        loop {
            match self.ready.1.recv_timeout(LOOK_UP) {
                Ok(task) => self.advance(task),
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
        if self.stop.is_asked() || task.flow.closed.load(Ordering::Acquire) {
            return;
        }
        let outcome = catch_unwind(AssertUnwindSafe(|| task.next(self.limit)));
        let outcome = outcome.unwrap_or_else(|_| {
            Err(FlowError::Panic {
                flow: task.flow.flow.name.clone(),
            })
        });
        match outcome {
            Ok(Some(batch)) => {
                // Blocks while the committer is behind: that is the bound on memory.
                if task.sender.blocking_send(Message::Batch(Box::new(batch))).is_ok() {
                    self.enqueue(task);
                }
            }
            Ok(None) if task.flow.once => {}
            Ok(None) => lock(&self.idle).push((Instant::now() + IDLE, task)),
            Err(error) => {
                // Without a committer there is nobody left to tell.
                let _ = task.sender.blocking_send(Message::Failed(error));
            }
        }
    }
}

impl Task {
    fn next(&mut self, limit: BatchLimit) -> Result<Option<Processed>, FlowError> {
        let mode = if self.flow.once { Mode::Drain } else { Mode::Follow };
        let Some(lines) = self.reader.next(limit, mode)? else {
            return Ok(None);
        };
        let now = chrono::Utc::now().timestamp_micros();
        self.flow.flow.process(&mut self.decoder, &lines, now).map(Some)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
