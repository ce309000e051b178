//! Realistic events, seeded, about one in a hundred dirty in a named way.
//!
//! INVARIANT: the same seed, start time and place in the stream give the same bytes, and no two events of a seed share an id.
//! Domains of one seed fit: shipments and returns are of its sales, and the catalogue is of what they sell.

mod business;
mod catalogue;
mod clock;
mod csv;
mod dirt;
mod error;
mod files;
mod line;
mod parquet;
mod random;
mod returns;
mod sales;
mod shipments;
mod simulator;
mod source;
#[cfg(test)]
mod tests;

pub use csv::Export;
pub use dirt::{Caught, Dirt};
pub use error::SimulateError;
pub use simulator::{Report, Simulator};
