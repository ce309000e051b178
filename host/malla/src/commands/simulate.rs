//! `malla simulate`.

use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use malla_pipeline::{Config, SourceConfig};
use malla_simulate::{Export, Report, Simulator};
use malla_source::{KafkaConfig, KafkaWriter};

use crate::cli;
use crate::terminal::number;

pub(crate) const DEFAULT_SEED: u64 = 1;

pub(crate) fn simulate(arguments: &cli::Simulate) -> Result<ExitCode> {
    let config = Config::load(&arguments.config.config)?;
    let domain = &arguments.domain;
    // What one source is given is all its own; the sources of a domain share.
    let (simulators, alone) = match &arguments.source {
        Some(source) => (vec![Simulator::new(arguments.seed, domain, source)?], true),
        None => (Simulator::of(arguments.seed, domain)?, false),
    };
    let export = match arguments.format {
        cli::Export::Csv => Export::Csv,
        cli::Export::Parquet => Export::Parquet,
    };
    if export != Export::Csv && !simulators.iter().any(Simulator::is_export) {
        bail!("--format is for nightly exports: devoluciones of ventas, and catalogo of producto");
    }
    // Every source has its place before the first one is written.
    let places = simulators
        .into_iter()
        .map(|simulator| {
            let simulator = simulator.with_export(export);
            Ok((
                place(&config, domain, simulator.source(), arguments.to)?,
                simulator,
            ))
        })
        .collect::<Result<Vec<_>>>()?;
    let mut reports = Vec::new();
    for (place, mut simulator) in places {
        let events = if alone {
            arguments.events
        } else {
            simulator.share(arguments.events)
        };
        let report = match place {
            SourceConfig::Directory(directory) => simulator.write(directory, events)?,
            SourceConfig::Kafka(kafka) if simulator.is_export() && export == Export::Parquet => bail!(
                "topic `{}` cannot have files of Parquet: give {domain}.{} a `directory` in malla.toml",
                kafka.topic,
                simulator.source()
            ),
            SourceConfig::Kafka(kafka) => {
                let counters = config.state.join("simulated").join(&kafka.topic);
                send(&mut simulator, kafka, &counters, events)?
            }
            SourceConfig::Sftp(_) => continue,
        };
        reports.push((simulator.source(), report));
    }
    if arguments.json {
        let reports: Vec<_> = reports
            .iter()
            .map(|(source, report)| json(source, report))
            .collect();
        println!("{}", serde_json::to_string_pretty(&reports)?);
    } else {
        for (_, report) in &reports {
            print!("{}", summary(report));
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Where a source's events go, which must be what was asked for.
fn place<'c>(
    config: &'c Config,
    domain: &str,
    source: &str,
    to: Option<cli::Target>,
) -> Result<&'c SourceConfig> {
    let place = config
        .sources
        .get(domain)
        .and_then(|sources| sources.get(source))
        .with_context(|| {
            format!("malla.toml has no [sources.{domain}.{source}]: add it, with a `directory` or a topic to write to")
        })?;
    match (place, to) {
        (SourceConfig::Directory(_), None | Some(cli::Target::Directory))
        | (SourceConfig::Kafka(_), None | Some(cli::Target::Kafka)) => Ok(place),
        (_, to) => bail!(
            "[sources.{domain}.{source}] in malla.toml is no {}: change it there, or name another source of {domain} with --source",
            match to {
                Some(cli::Target::Directory) => "folder",
                Some(cli::Target::Kafka) => "topic",
                None => "folder and no topic",
            }
        ),
    }
}

/// Sends events to a topic.
fn send(simulator: &mut Simulator, config: &KafkaConfig, counters: &Path, events: u64) -> Result<Report> {
    let writer = KafkaWriter::open(config, &config.topic)?;
    let partitions = u64::try_from(writer.partitions()?)?;
    // All partitions alike, however many there are.
    let mut turn = 0;
    let report = simulator.send(counters, events, |_, message| {
        turn = (turn + 1) % partitions;
        anyhow::Ok(writer.write(Some(i32::try_from(turn)?), b"", message)?)
    })?;
    writer.flush()?;
    Ok(Report {
        root: config.topic.clone().into(),
        ..report
    })
}

/// Writes events of a domain into the folders of its sources below `sources`, the newest of them at `now`.
pub(crate) fn write(domain: &str, seed: u64, sources: &Path, events: u64, now: i64) -> Result<Vec<Report>> {
    let write = |simulator: Simulator| {
        let mut simulator = simulator.with_now(now);
        let events = simulator.share(events);
        Ok(simulator.write(&sources.join(simulator.source()), events)?)
    };
    Simulator::of(seed, domain)?.into_iter().map(write).collect()
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

fn json(source: &str, report: &Report) -> serde_json::Value {
    let dirt: serde_json::Map<String, serde_json::Value> = report
        .dirt
        .iter()
        .map(|(kind, count)| (kind.to_string(), (*count).into()))
        .collect();
    serde_json::json!({
        "source": source,
        "lines": report.total(),
        "partitions": report.lines,
        "dirty": dirt,
        "bytes": report.bytes,
    })
}
