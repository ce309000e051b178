//! `malla lineage`.

use std::process::ExitCode;

use anyhow::Result;
use malla_pipeline::{Config, Mesh};

use crate::cli;
use crate::commands::runtime;
use crate::terminal;

pub(crate) fn lineage(arguments: &cli::Lineage) -> Result<ExitCode> {
    let mesh = Mesh::open(Config::load(&arguments.config.config)?)?;
    let lineage = runtime()?.block_on(mesh.lineage());
    let tree = lineage.of(&arguments.on, &arguments.who.principal(), &arguments.purpose)?;
    match arguments.format {
        cli::LineageFormat::Text => print!("{}", malla_lineage::text(&tree)),
        cli::LineageFormat::Json => println!("{}", serde_json::to_string_pretty(&tree)?),
        cli::LineageFormat::Dot => print!("{}", malla_lineage::dot(&tree)),
    }
    if !lineage.notes.is_empty() {
        // Which they are may be nothing that the asker may know.
        eprintln!(
            "note: {} left out, since it cannot run: `malla doctor` says why.",
            terminal::count(lineage.notes.len() as u64, "source or product")
        );
    }
    Ok(ExitCode::SUCCESS)
}
