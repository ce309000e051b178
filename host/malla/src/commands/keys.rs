//! `malla keys`.

use std::process::ExitCode;

use anyhow::{Context, Result};
use malla_contract::Date;
use malla_pipeline::Config;
use malla_privacy::KeyStore;

use crate::cli::{Keys, Rotate};

pub(crate) fn keys(command: &Keys) -> Result<ExitCode> {
    match command {
        Keys::Rotate(arguments) => rotate(arguments),
    }
}

fn rotate(arguments: &Rotate) -> Result<ExitCode> {
    let config = Config::load(&arguments.config.config)?;
    let until: Date = arguments.until.parse().context("--until")?;
    let keys = KeyStore::rotate_tokens(&config.keys, malla_pipeline::today(), until)?;
    println!(
        "Tokens are now of generation {}; those of the generation before join with them up to and with {until}.",
        keys.token_generation()
    );
    println!(
        "Restart what runs on this mesh, and back up {}.",
        config.keys.display()
    );
    Ok(ExitCode::SUCCESS)
}
