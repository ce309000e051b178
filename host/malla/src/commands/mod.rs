//! One file a command.

mod audit;
mod demo;
mod deploy;
mod doctor;
mod init;
mod jobs;
mod keys;
mod lineage;
mod maintain;
mod plugin;
mod policy;
mod quality;
mod query;
mod run;
mod runs;
mod simulate;

use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context, Result};
use malla_lake::{Lake, WriterConfig};
use malla_pipeline::{Config, contracts, open_audit, own_contract, today};
use malla_policy::Policy;
use malla_privacy::KeyStore;
use malla_query::Governance;

use crate::cli::Command;

pub(crate) use simulate::DEFAULT_SEED;

pub(crate) fn run(command: Command) -> Result<ExitCode> {
    match command {
        Command::Demo(arguments) => demo::demo(&arguments),
        Command::Init(arguments) => init::init(&arguments.dir),
        Command::Doctor(arguments) => doctor::doctor(&arguments.config),
        Command::Run(arguments) => run::run(&arguments),
        Command::Jobs(arguments) => jobs::jobs(&arguments),
        Command::Runs(arguments) => runs::runs(&arguments),
        Command::Maintain(arguments) => maintain::maintain(&arguments),
        Command::Simulate(arguments) => simulate::simulate(&arguments),
        Command::Query(arguments) => query::query(&arguments),
        Command::Quality(arguments) => quality::quality(&arguments),
        Command::Lineage(arguments) => lineage::lineage(&arguments),
        Command::Policy(command) => policy::policy(&command),
        Command::Audit(command) => audit::audit(&command),
        Command::Keys(command) => keys::keys(&command),
        Command::Plugin(command) => plugin::plugin(command),
    }
}

fn runtime() -> Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("cannot start the async runtime")
}

/// A mesh's lake, and what decides who sees what of it.
pub(crate) fn governed(config: &Config) -> Result<(Lake, Governance)> {
    let lake = Lake::open(&config.lake, WriterConfig::default())?;
    let keys = Arc::new(KeyStore::load(&config.keys)?);
    // What has no valid contract is not read; `malla doctor` says why.
    let (mut contracts, _) = contracts(config)?;
    contracts.push(own_contract());
    let governance = Governance {
        policy: Policy::load(&config.policies)?,
        audit: Arc::new(open_audit(config, &keys)?),
        keys,
        contracts: contracts.into(),
        today: today(),
    };
    Ok((lake, governance))
}
