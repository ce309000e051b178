//! A runtime for queries alone.

use std::future::Future;
use std::sync::LazyLock;

use tokio::runtime::{Builder, Runtime};
use tokio::task::JoinSet;

/// The engine plans by recursion. Only what is touched is ever backed by memory.
const STACK_BYTES: usize = 64 * 1024 * 1024;

/// A query computes for long between its waits: on the runtime of whoever asks, it would hold up their clock, and
/// with it the limit on its own time.
static QUERIES: LazyLock<std::io::Result<Runtime>> = LazyLock::new(|| {
    Builder::new_multi_thread()
        .thread_name("query")
        .thread_stack_size(STACK_BYTES)
        .enable_all()
        .build()
});

/// Runs a future on the threads of the queries. It is dropped when the returned one is. `None`: the threads could
/// not start, or the future panicked.
pub(crate) async fn run<T: Send + 'static>(future: impl Future<Output = T> + Send + 'static) -> Option<T> {
    let runtime = QUERIES.as_ref().ok()?;
    // It ends what it holds when it is dropped.
    let mut task = JoinSet::new();
    task.spawn_on(future, runtime.handle());
    task.join_next().await?.ok()
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use tokio::sync::oneshot;

    use super::*;

    #[tokio::test]
    async fn a_future_ends_with_whoever_waits_for_it() {
        assert_eq!(run(async { 1 }).await, Some(1));
        assert_eq!(run(async { [1][std::env::args().count()] }).await, None);
        let (held, dropped) = oneshot::channel::<()>();
        let waiting = run(async move {
            let _held = held;
            std::future::pending::<()>().await;
        });
        tokio::time::timeout(Duration::from_millis(10), waiting)
            .await
            .unwrap_err();
        assert!(dropped.await.is_err());
    }

    #[tokio::test]
    async fn a_future_that_never_waits_holds_up_nobody_else() {
        let started = Instant::now();
        let (over, ended) = std::sync::mpsc::channel::<()>();
        let busy = run(async move { ended.recv_timeout(Duration::from_secs(20)).is_err() });
        tokio::time::timeout(Duration::from_millis(10), busy)
            .await
            .unwrap_err();
        drop(over);
        assert!(started.elapsed() < Duration::from_secs(5));
    }
}
