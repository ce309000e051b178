//! Data contracts (Open Data Contract Standard v3.1.0): text and bytes in, values out. No I/O.

mod compare;
#[cfg(feature = "component")]
mod component;
mod errors;
mod model;
mod names;
mod parse;
mod vocabulary;
mod yaml;

pub use compare::{Change, Comparison, Party, Place, Rule, Severity, compare};
#[cfg(feature = "component")]
pub use component::{ComponentError, SECTION, embed, extract, imports};
pub use errors::{ContractError, ContractErrors};
pub use model::{Column, ColumnType, Contract, Lookup, LookupEntry, Product, Source, Step, Table};
pub use names::rust_identifier;
pub use vocabulary::{Classification, MaskKind, UnknownWord};
pub use yaml::MAX_BYTES;
