//! Write a Malla plugin step as plain Rust over columns.

#[doc(hidden)]
pub mod bindings;
mod column;
mod decimal;
mod error;
mod kind;
pub mod log;
mod lookup;
mod output;
mod rows;
#[doc(hidden)]
pub mod step;
#[cfg(not(target_arch = "wasm32"))]
pub mod testing;
mod time;

#[doc(hidden)]
pub use column::read;
pub use column::{Column, Forward, ForwardsTo};
pub use decimal::{Decimal, ParseDecimalError, decimal};
pub use error::Error;
pub use kind::{Kind, Numeric, Text, TextSlice, TextValues, Type};
pub use lookup::Lookup;
pub use malla_sdk_macros::plugin;
pub use output::{Accepts, Builder, OutputColumn};
pub use rows::{Rows, Rule};
pub use time::{Date, Timestamp};
