//! Sends what waits, in order, for as long as a process runs.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rand::RngExt as _;

use crate::spool::Spool;
use crate::transport::{SendError, Transport};

const FIRST_PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);
/// The longest that a collector can ask for.
const LONGEST_AFTER: Duration = Duration::from_secs(600);

/// What was sent since the start.
#[derive(Debug, Default)]
pub struct Counters {
    /// Events that the collector has.
    pub sent: AtomicU64,
    /// Events that it will never take.
    pub refused: AtomicU64,
    /// Tries that failed, and were made again.
    pub failed: AtomicU64,
}

/// A thread that sends. Ended by [`finish`](Self::finish).
pub struct Sender {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

struct Shared {
    spool: Mutex<Spool>,
    counters: Arc<Counters>,
    orders: Mutex<Orders>,
    changed: Condvar,
}

#[derive(Default)]
struct Orders {
    /// There may be something new.
    more: bool,
    /// When to give up. Until then one try is made at once.
    ends: Option<Instant>,
}

impl Sender {
    /// Begins to send.
    ///
    /// # Errors
    /// There is no thread.
    pub fn start(
        spool: Spool,
        transport: Box<dyn Transport>,
        counters: Arc<Counters>,
    ) -> std::io::Result<Self> {
        let shared = Arc::new(Shared {
            spool: Mutex::new(spool),
            counters,
            orders: Mutex::default(),
            changed: Condvar::new(),
        });
        let thread = std::thread::Builder::new().name("lineage".to_owned()).spawn({
            let shared = Arc::clone(&shared);
            move || shared.run(transport)
        })?;
        Ok(Self {
            shared,
            thread: Some(thread),
        })
    }

    /// The spool, to put something in: say [`more`](Self::more) then.
    pub fn spool(&self) -> MutexGuard<'_, Spool> {
        self.shared.spool()
    }

    /// There is more to send.
    pub fn more(&self) {
        self.shared.orders().more = true;
        self.shared.changed.notify_all();
    }

    /// Sends what waits until a try fails or the time is over, and ends. What waits then is sent after the next start.
    pub fn finish(mut self, within: Duration) {
        self.end(within);
    }

    fn end(&mut self, within: Duration) {
        self.shared.orders().ends = Some(Instant::now() + within);
        self.shared.changed.notify_all();
        if let Some(thread) = self.thread.take() {
            // It panics on nothing.
            let _ = thread.join();
        }
    }
}

impl Drop for Sender {
    fn drop(&mut self) {
        if self.thread.is_some() {
            self.end(Duration::ZERO);
        }
    }
}

impl Shared {
    fn run(&self, mut transport: Box<dyn Transport>) {
        let mut pause = FIRST_PAUSE;
        let mut is_told = false;
        loop {
            if self.is_over() {
                return;
            }
            let event = match self.spool().next_event() {
                Ok(event) => event.map(str::to_owned),
                Err(error) => {
                    tracing::error!(%error, "What waits to be told of lineage cannot be read.");
                    None
                }
            };
            let Some(event) = event else {
                if !self.wait_for_more() {
                    return;
                }
                continue;
            };
            let noted = match transport.send(&event) {
                Ok(()) => {
                    if std::mem::take(&mut is_told) {
                        tracing::info!(to = transport.place(), "Lineage is taken again.");
                    }
                    pause = FIRST_PAUSE;
                    self.counters.sent.fetch_add(1, Ordering::Relaxed);
                    self.spool().taken()
                }
                Err(SendError::Refused(why)) => {
                    tracing::error!(
                        to = transport.place(),
                        why,
                        "An event of lineage was refused: it is in `lineage/refused` of the state folder."
                    );
                    self.counters.refused.fetch_add(1, Ordering::Relaxed);
                    self.spool().refuse(&why)
                }
                Err(SendError::Later { why, after }) => {
                    self.counters.failed.fetch_add(1, Ordering::Relaxed);
                    // Once an outage: how long it lasts is told by the metrics.
                    if !std::mem::replace(&mut is_told, true) {
                        tracing::warn!(
                            to = transport.place(),
                            why,
                            "Lineage cannot be told: it waits and is tried again."
                        );
                    }
                    let after = after.unwrap_or_default().min(LONGEST_AFTER);
                    if !self.pause(jittered(pause).max(after)) {
                        return;
                    }
                    pause = (pause * 2).min(LONGEST_PAUSE);
                    Ok(())
                }
            };
            if let Err(error) = noted {
                tracing::error!(%error, "What was told of lineage cannot be noted: a restart tells of it again.");
            }
        }
    }

    /// False: it is to end.
    fn wait_for_more(&self) -> bool {
        let mut orders = self.orders();
        while !orders.more && orders.ends.is_none() {
            orders = self.changed.wait(orders).unwrap_or_else(PoisonError::into_inner);
        }
        // Whoever ends it put in before all that there is.
        std::mem::take(&mut orders.more) || orders.ends.is_none()
    }

    /// False: it is to end, and what failed just now would fail again.
    fn pause(&self, pause: Duration) -> bool {
        let until = Instant::now() + pause;
        let mut orders = self.orders();
        // A process that ends while it pauses makes one more try.
        if orders.ends.is_some() {
            return false;
        }
        while orders.ends.is_none() {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            let waited = self.changed.wait_timeout(orders, left);
            orders = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        true
    }

    fn is_over(&self) -> bool {
        self.orders().ends.is_some_and(|ends| Instant::now() >= ends)
    }

    fn spool(&self) -> MutexGuard<'_, Spool> {
        self.spool.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn orders(&self) -> MutexGuard<'_, Orders> {
        self.orders.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Hosts whose collector was down do not come back all at once.
fn jittered(pause: Duration) -> Duration {
    pause.mul_f64(rand::rng().random_range(0.5..1.0))
}

impl std::fmt::Debug for Sender {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sender").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;
    use crate::spool::{Entry, Place};

    const PLACE: Place = Place { version: 0, at: 0 };

    /// Answers as it is told to, and says what it took.
    struct Scripted {
        answers: Vec<Result<(), SendError>>,
        took: mpsc::Sender<String>,
    }

    impl Transport for Scripted {
        fn send(&mut self, event: &str) -> Result<(), SendError> {
            let answer = if self.answers.is_empty() {
                Ok(())
            } else {
                self.answers.remove(0)
            };
            if answer.is_ok() {
                self.took.send(event.to_owned()).unwrap();
            }
            answer
        }

        fn place(&self) -> String {
            "a test".to_owned()
        }
    }

    #[test]
    fn what_fails_is_sent_again_and_what_is_refused_holds_up_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let spool = Spool::take(dir.path(), 1 << 20).unwrap().unwrap();
        let (took, taken) = mpsc::channel();
        let counters = Arc::new(Counters::default());
        let answers = vec![
            Err(SendError::later("it is down")),
            Ok(()),
            Err(SendError::Refused("400".into())),
        ];
        let sender =
            Sender::start(spool, Box::new(Scripted { answers, took }), Arc::clone(&counters)).unwrap();
        let events: Vec<String> = (0..4).map(|number| number.to_string()).collect();
        let entry = Entry {
            table: "t".into(),
            place: PLACE,
            events,
        };
        sender.spool().put("t", PLACE, &[entry]).unwrap();
        sender.more();
        let first: Vec<String> = taken.iter().take(3).collect();
        assert_eq!(first, ["0", "2", "3"]);
        sender.finish(Duration::from_secs(5));
        let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        assert_eq!(
            (
                count(&counters.sent),
                count(&counters.refused),
                count(&counters.failed)
            ),
            (3, 1, 1)
        );
    }

    #[test]
    fn the_end_waits_for_what_is_taken_and_not_for_what_fails() {
        let dir = tempfile::tempdir().unwrap();
        let put = |answers| {
            let mut spool = Spool::take(dir.path(), 1 << 20).unwrap().unwrap();
            let events = vec!["1".to_owned()];
            spool
                .put(
                    "t",
                    PLACE,
                    &[Entry {
                        table: "t".into(),
                        place: PLACE,
                        events,
                    }],
                )
                .unwrap();
            let (took, _taken) = mpsc::channel();
            // A receiver that is gone is a collector that takes nothing.
            let sender = Sender::start(spool, Box::new(Scripted { answers, took }), Arc::default()).unwrap();
            sender.more();
            sender.finish(Duration::from_secs(60));
        };
        let begun = Instant::now();
        put(vec![Err(SendError::later("down")); 9]);
        assert!(begun.elapsed() < Duration::from_secs(20));
        let spool = Spool::take(dir.path(), 1 << 20).unwrap().unwrap();
        assert_eq!(spool.waiting(), 1);
    }
}
