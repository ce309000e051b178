//! `malla simulate`.

use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use malla_pipeline::{Config, SourceConfig};
use malla_simulate::{Report, Simulator};
use malla_source::{KafkaConfig, KafkaWriter};

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
            format!("malla.toml has no [sources.{domain}.{source}]: add it, with a `directory` or a topic to write to")
        })?;
    let report = match (place, arguments.to) {
        (SourceConfig::Directory(directory), None | Some(cli::Target::Directory)) => {
            simulator.write(directory, arguments.events)?
        }
        (SourceConfig::Kafka(kafka), None | Some(cli::Target::Kafka)) => {
            let counters = config.state.join("simulated").join(&kafka.topic);
            send(&mut simulator, kafka, &counters, arguments.events)?
        }
        (_, to) => bail!(
            "[sources.{domain}.{source}] in malla.toml is no {}: change it there",
            match to {
                Some(cli::Target::Directory) => "folder",
                Some(cli::Target::Kafka) => "topic",
                None => "folder and no topic",
            }
        ),
    };
    if arguments.json {
        println!("{}", serde_json::to_string_pretty(&json(&report))?);
    } else {
        print!("{}", summary(&report));
    }
    Ok(ExitCode::SUCCESS)
}

/// Sends events to a topic.
fn send(simulator: &mut Simulator, config: &KafkaConfig, counters: &Path, events: u64) -> Result<Report> {
    let writer = KafkaWriter::open(config, &config.topic)?;
    let partitions = u64::try_from(writer.partitions()?)?;
    let report = simulator.send(counters, events, |partition, message| {
        let partition = i32::try_from(partition % partitions)?;
        anyhow::Ok(writer.write(Some(partition), b"", message)?)
    })?;
    writer.flush()?;
    Ok(Report {
        root: config.topic.clone().into(),
        ..report
    })
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
