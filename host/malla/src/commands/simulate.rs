//! `malla simulate`.

use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, Result};
use malla_pipeline::Config;
use malla_simulate::{Report, Simulator};

use crate::cli;
use crate::terminal::number;

pub(crate) const DEFAULT_SEED: u64 = 1;

pub(crate) fn simulate(arguments: &cli::Simulate) -> Result<ExitCode> {
    let config = Config::load(&arguments.config.config)?;
    let mut simulator = Simulator::new(arguments.seed, &arguments.domain)?;
    let (domain, source) = (&arguments.domain, simulator.source());
    let place = config
        .sources
        .get(domain)
        .and_then(|sources| sources.get(source))
        .with_context(|| {
            format!("malla.toml has no [sources.{domain}.{source}]: add it, with a `directory` to write to")
        })?;
    let report = simulator.write(&place.directory, arguments.events)?;
    if arguments.json {
        println!("{}", serde_json::to_string_pretty(&json(&report))?);
    } else {
        print!("{}", summary(&report));
    }
    Ok(ExitCode::SUCCESS)
}

/// Writes events of a domain into its source's folder below `sources`.
pub(crate) fn write(domain: &str, seed: u64, sources: &Path, events: u64) -> Result<Report> {
    let mut simulator = Simulator::new(seed, domain)?;
    let root = sources.join(simulator.source());
    Ok(simulator.write(&root, events)?)
}

pub(crate) fn summary(report: &Report) -> String {
    let mut text = format!(
        "Wrote {} events to {}, {} of them dirty:\n",
        number(report.total()),
        report.root.display(),
        number(report.dirty())
    );
    let kinds: Vec<String> = report
        .dirt
        .iter()
        .map(|(kind, count)| format!("{} {kind}", number(*count)))
        .collect();
    for line in kinds.chunks(4) {
        text.push_str(&format!("  {}\n", line.join(", ")));
    }
    text
}

fn json(report: &Report) -> serde_json::Value {
    let dirt: serde_json::Map<String, serde_json::Value> = report
        .dirt
        .iter()
        .map(|(kind, count)| (kind.to_string(), (*count).into()))
        .collect();
    serde_json::json!({ "lines": report.total(), "partitions": report.lines, "dirty": dirt, "bytes": report.bytes })
}
