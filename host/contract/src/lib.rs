//! Data contracts: what a domain promises about its data, as text and as values.
//!
//! A contract is a text in the Open Data Contract Standard v3.1.0 (YAML). What the standard has no field for stands in
//! its `customProperties`: `mallaSources`, `mallaSteps`, `mallaGold`, `mallaFunctions`, `mallaLookups` and
//! `mallaPurpose`. The crate does three things
//! with it:
//!
//! - [`Contract::parse`]: text to values, or every problem with its line, the path of its field, and what to do;
//! - [`compare`]: what changed between two versions, whom it breaks, and which version number says so;
//! - `embed`, `extract`, `imports` and `exports` (feature `component`): the contract inside a plugin's component.
//!
//! A [`Contract`] that came out of `parse` is whole: names are fit for folders, SQL and Rust and are unique; every step
//! reads columns that are there; exactly one step makes each product; no sensitive column is a partition column.
//!
//! **Invariant:** no I/O, no clock, no globals: text and bytes in, values out. Both come from other teams, so no input
//! panics, and none takes time or memory out of proportion to its size (at most 1 MiB of text).

pub mod civil;
mod compare;
#[cfg(feature = "component")]
mod component;
mod errors;
mod format;
mod model;
mod names;
mod parse;
mod quality;
mod retention;
mod stored;
mod vocabulary;
mod yaml;

pub use civil::{Date, NotADate};
pub use compare::{Change, Comparison, Party, Place, Rule, Severity, compare};
#[cfg(feature = "component")]
pub use component::{ComponentError, Import, SECTION, embed, exports, extract, imports};
pub use errors::{ContractError, ContractErrors};
pub use format::{Avro, Csv, DateFormat, DatePart, Encoding, Format, Parquet, Protobuf};
#[cfg(feature = "arrow")]
pub use model::type_name;
pub use model::{
    Argument, Column, ColumnType, Contract, Function, Gold, Lookup, LookupEntry, Product, Source, Step, Table,
};
pub use names::rust_identifier;
pub use parse::SQL_FUNCTIONS;
pub use quality::{
    Check, CheckKind, CheckSeverity, IgnoreRow, Literal, MustBe, Number, Unit, compare_decimals,
};
pub use retention::{Retention, RetentionUnit};
pub use vocabulary::{Classification, MaskKind, MaskMisfit, PersonalKind, UnknownWord};
pub use yaml::{MAX_BYTES, Yaml, yaml};
