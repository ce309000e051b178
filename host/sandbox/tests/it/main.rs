//! The sandbox from outside: what goes in comes out, and nothing that a plugin does harms the host.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests"
)]

mod cache;
mod functions;
mod hostile;
mod lies;
mod load;
mod raw;
mod round_trip;
mod support;
