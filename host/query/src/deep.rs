//! Futures on a deep stack.

use std::future::Future;
use std::thread;

use tokio::runtime::Handle;
use tokio::sync::oneshot;

/// Only what is touched is ever backed by memory.
const STACK_BYTES: usize = 64 * 1024 * 1024;

/// Runs a future on a thread of its own, on the runtime of whoever calls. The engine plans by recursion and seldom
/// waits meanwhile: here it has the stack for it, and holds up nobody's clock. The future is dropped when the
/// returned one is. `None`: the thread could not start, or the future panicked.
pub(crate) async fn run<T: Send + 'static>(future: impl Future<Output = T> + Send + 'static) -> Option<T> {
    let (mut sender, receiver) = oneshot::channel();
    let runtime = Handle::current();
    let work = move || {
        runtime.block_on(async move {
            let result = tokio::select! {
                result = future => Some(result),
                () = sender.closed() => None,
            };
            if let Some(result) = result {
                // Whoever asked may have gone meanwhile.
                let _ = sender.send(result);
            }
        });
    };
    thread::Builder::new()
        .name("query".into())
        .stack_size(STACK_BYTES)
        .spawn(work)
        .ok()?;
    receiver.await.ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_future_ends_with_whoever_waits_for_it() {
        assert_eq!(run(async { 1 }).await, Some(1));
        assert_eq!(
            run(async {
                if Handle::try_current().is_ok() {
                    panic!("on purpose")
                }
            })
            .await,
            None
        );
        let (held, dropped) = oneshot::channel::<()>();
        let waiting = run(async move {
            let _held = held;
            std::future::pending::<()>().await;
        });
        tokio::time::timeout(std::time::Duration::from_millis(10), waiting)
            .await
            .unwrap_err();
        assert!(dropped.await.is_err());
    }
}
