//! Data contracts (Open Data Contract Standard v3.1.0): text and bytes in, values out. No I/O.

mod model;
mod vocabulary;

pub use model::{Column, ColumnType, Contract, Lookup, LookupEntry, Product, Source, Step, Table};
pub use vocabulary::{Classification, MaskKind, UnknownWord};
