//! End to end: the `malla` binary on real folders, as its users run it.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

mod architecture;
mod demo;
mod evil;
mod fail_closed;
mod kill;
mod mess;
mod plugin;
mod recovery;
mod support;
