//! End to end: the `malla` binary on real folders, as its users run it.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "tests"
)]

mod architecture;
mod audit;
mod authors;
mod backfill;
mod broker;
mod chaos;
mod collector;
mod demo;
mod deploy;
mod evil;
mod fail_closed;
mod flows_in;
mod functions;
mod gold;
mod growth;
mod judging;
mod kafka;
mod kill;
mod lineage;
mod lineage_shown;
mod maintain;
mod malo;
mod mess;
mod nightly;
mod openlineage;
mod parquet;
mod plugin;
mod plugin_view;
mod quality;
mod readers;
mod recovery;
mod reload;
mod schedule;
mod sftp;
mod store;
mod support;
mod undeclared;
