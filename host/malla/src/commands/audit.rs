//! `malla audit`.

use std::process::ExitCode;

use anyhow::{Result, bail};
use malla_audit::{PublicKey, Verified, verify};
use malla_pipeline::Config;

use crate::cli::{Audit, Verify};
use crate::terminal::number;

pub(crate) fn audit(command: &Audit) -> Result<ExitCode> {
    match command {
        Audit::Verify(arguments) => verify_log(arguments),
    }
}

fn verify_log(arguments: &Verify) -> Result<ExitCode> {
    let config = Config::load(&arguments.config.config)?;
    let dir = config.audit();
    if !dir.exists() {
        bail!(
            "there is no audit log in `{}`: nothing was decided yet, or somebody removed it",
            dir.display()
        );
    }
    let key = match &arguments.key {
        Some(key) => *key,
        None => PublicKey::read(&dir)?,
    };
    let whole = verify(&dir, &key, arguments.anchor.as_ref())?;
    tell(&whole);
    Ok(ExitCode::SUCCESS)
}

fn tell(whole: &Verified) {
    println!(
        "The audit log is whole: {} records in {} files, {} signed checkpoints.",
        number(whole.records),
        number(whole.files as u64),
        number(whole.checkpoints)
    );
    if whole.unsigned > 0 {
        println!(
            "{} records after the signed head: they were written when a process ended early, or just now.",
            number(whole.unsigned)
        );
    }
    if whole.torn_bytes > 0 {
        println!(
            "{} bytes of a record that was not finished: the next start cuts them off.",
            number(whole.torn_bytes)
        );
    }
    if let Some(anchor) = &whole.anchor {
        println!("{anchor}");
    }
}
