//! Realistic events, seeded, about one in a hundred dirty in a named way.
//!
//! INVARIANT: the same seed, start time and place in the stream give the same bytes, and no two events of a seed share an id.

mod dirt;
mod domain;
mod error;
mod event;
mod simulator;
#[cfg(test)]
mod tests;

pub use dirt::{Caught, Dirt};
pub use error::SimulateError;
pub use simulator::{Report, Simulator};
