//! One file a command.

mod audit;
mod demo;
mod doctor;
mod init;
mod keys;
mod maintain;
mod plugin;
mod policy;
mod query;
mod run;
mod simulate;

use std::process::ExitCode;

use anyhow::{Context, Result};

use crate::cli::Command;

pub(crate) use simulate::DEFAULT_SEED;

pub(crate) fn run(command: Command) -> Result<ExitCode> {
    match command {
        Command::Demo(arguments) => demo::demo(&arguments),
        Command::Init(arguments) => init::init(&arguments.dir),
        Command::Doctor(arguments) => doctor::doctor(&arguments.config),
        Command::Run(arguments) => run::run(&arguments),
        Command::Maintain(arguments) => maintain::maintain(&arguments),
        Command::Simulate(arguments) => simulate::simulate(&arguments),
        Command::Query(arguments) => query::query(&arguments),
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
