//! `malla keys`.

use std::process::ExitCode;

use anyhow::Result;
use malla_audit::{Kind, Outcome, Record};
use malla_pipeline::{Config, open_audit, today};
use malla_privacy::KeyStore;

use crate::cli::{Keys, Rotate};
use crate::terminal;

pub(crate) fn keys(command: &Keys) -> Result<ExitCode> {
    match command {
        Keys::Rotate(arguments) => rotate(arguments),
    }
}

fn rotate(arguments: &Rotate) -> Result<ExitCode> {
    let config = Config::load(&arguments.config.config)?;
    let until = arguments.until;
    let keys = KeyStore::load(&config.keys)?;
    let audit = open_audit(&config, &keys)?;
    let record = |outcome| {
        Record::new(Kind::Rotate, "keys/token", outcome)
            .with_principal(terminal::user())
            .with_detail("until", until)
    };
    // First the record that it was asked for, then the deed: no key changes without a trace.
    audit.record(record(Outcome::Allow))?;
    audit.flush()?;
    let rotated = KeyStore::rotate_tokens(&config.keys, today(), until);
    audit.record(match &rotated {
        Ok(keys) => record(Outcome::Done).with_detail("generation", keys.token_generation()),
        Err(_) => record(Outcome::Failed),
    })?;
    audit.flush()?;
    let keys = rotated?;
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
