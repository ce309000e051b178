//! Compiling, within a time limit. wasmtime cannot be interrupted while it compiles, so it does so on a thread of
//! its own that nobody waits for longer than the limit.

use std::sync::{Arc, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use wasmtime::Engine;
use wasmtime::component::Component;

use crate::LoadError;
use crate::pool::Places;
use crate::trap;

/// Compiles `bytes`. A compilation that was given up keeps its place among `places` until it ends, so that
/// components that are slow to compile cannot pile up.
pub(crate) fn compile(
    engine: &Engine,
    places: &Arc<Places>,
    bytes: &[u8],
    limit: Duration,
) -> Result<Component, LoadError> {
    let too_late = || LoadError::CompileTime { limit };
    let deadline = Instant::now().checked_add(limit).ok_or_else(too_late)?;
    let place = places.take_until(deadline).ok_or_else(too_late)?;
    let (sender, receiver) = mpsc::channel();
    let (engine, bytes) = (engine.clone(), bytes.to_vec());
    thread::Builder::new()
        .name("malla-compile".to_owned())
        .spawn(move || {
            let _place = place;
            // Nobody may be waiting any more.
            let _ = sender.send(Component::from_binary(&engine, &bytes));
        })
        .map_err(LoadError::Thread)?;
    match receiver.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
        Ok(Ok(component)) => Ok(component),
        Ok(Err(error)) => Err(LoadError::Compile {
            reason: trap::reason(&error),
        }),
        Err(mpsc::RecvTimeoutError::Timeout) => Err(too_late()),
        Err(mpsc::RecvTimeoutError::Disconnected) => Err(LoadError::Compile {
            reason: "the compiler panicked".to_owned(),
        }),
    }
}
