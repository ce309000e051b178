//! Where data comes from and where it goes: what is told of it to the world as OpenLineage events, and to people as a tree.
//!
//! [`Making`] says how a table is made; a commit of it is a run. [`tell`] makes the events, [`Spool`] keeps them on the disk until
//! a [`Transport`] has them, [`Graph`] answers questions.
//!
//! INVARIANT: no I/O but that of spool and transports; no event holds a value of a row.

mod config;
mod event;
mod facets;
mod graph;
mod making;
mod naming;
mod sender;
mod shown;
mod spool;
mod tell;
mod transport;

pub use config::{ConfigError, KafkaSettings, Settings, TransportSettings};
pub use graph::{Asked, Graph, Known, Tree, UnknownTable};
pub use making::{Column, ColumnFrom, Inflow, Kind, Making, Place, Table, Way};
pub use naming::{Dataset, Root};
pub use sender::{Counters, Sender};
pub use shown::{dot, text};
pub use spool::{Entry, Place as LogPlace, Spool};
pub use tell::{Assertion, Committed, Ended, Outcome, Teller};
pub use transport::{SendError, Transport, open};
