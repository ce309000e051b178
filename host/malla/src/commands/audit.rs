//! `malla audit`.

use std::process::ExitCode;

use anyhow::{Result, bail};
use malla_audit::{PublicKey, Verified, verify};
use malla_pipeline::Config;

use crate::cli::{Audit, Verify};
use crate::terminal::count;

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
        "The audit log is whole: {} in {}, {}.",
        count(whole.records, "record"),
        count(whole.files as u64, "file"),
        count(whole.checkpoints, "signed checkpoint")
    );
    if whole.unsigned > 0 {
        println!(
            "{} after the signed head, which nobody signed: written when a process ended early, or just now. Where neither is so, they are forged.",
            count(whole.unsigned, "record")
        );
    }
    if whole.torn_bytes > 0 {
        println!(
            "{} of a record that was not finished: the next start cuts them off.",
            count(whole.torn_bytes, "byte")
        );
    }
    if let Some(anchor) = &whole.anchor {
        println!("{anchor}");
    }
}
