//! `malla plugin deploy`, `rollback` and `versions`.

use std::path::Path;
use std::process::ExitCode;

use anyhow::Result;
use malla_pipeline::{Canary, Config, DeployOptions, DeployReport, Mesh, Step};

use crate::cli;
use crate::commands::runtime;
use crate::terminal::{number, table};

pub(crate) fn deploy(arguments: &cli::Deploy) -> Result<ExitCode> {
    let mesh = open(&arguments.config.config)?;
    let options = DeployOptions {
        by: arguments.who.principal(),
        accept: arguments.accept.clone(),
        without_canary: arguments.without_canary,
        dry_run: arguments.dry_run,
    };
    let report = runtime()?.block_on(async { mesh.deploy(&arguments.file, &options).await })?;
    let after = format!("Back: malla plugin rollback {}", report.domain);
    show(&report, &after, arguments.json)
}

pub(crate) fn rollback(arguments: &cli::Rollback) -> Result<ExitCode> {
    let mesh = open(&arguments.config.config)?;
    let by = arguments.who.principal();
    let report = runtime()?.block_on(async { mesh.rollback(&arguments.domain, &by).await })?;
    let after = "Forward again: malla plugin deploy, with the file of the version that was taken back";
    show(&report, after, arguments.json)
}

pub(crate) fn versions(arguments: &cli::Versions) -> Result<ExitCode> {
    let mesh = open(&arguments.config.config)?;
    let (entries, in_use) = runtime()?.block_on(async { mesh.versions(&arguments.domain).await })?;
    if arguments.json {
        let value = serde_json::json!({ "in_use": in_use, "versions": entries });
        println!("{}", serde_json::to_string_pretty(&value)?);
        return Ok(ExitCode::SUCCESS);
    }
    let mut rows = vec![
        ["version", "since", "by", "how", "digest"]
            .map(str::to_owned)
            .to_vec(),
    ];
    for entry in &entries {
        rows.push(vec![
            entry.version.clone(),
            entry.at.format("%Y-%m-%d %H:%M:%S").to_string(),
            entry.by.clone(),
            match entry.step {
                Step::Found => "was there",
                Step::Deploy => "deployed",
                Step::Rollback => "rolled back to",
            }
            .to_owned(),
            short(&entry.digest).to_owned(),
        ]);
    }
    if entries.is_empty() {
        println!("Nothing was deployed here: the plugin was put into its folder by hand.");
    } else {
        print!("{}", table(&rows));
    }
    println!("In use: {}", short(&in_use));
    Ok(ExitCode::SUCCESS)
}

fn open(config: &Path) -> Result<Mesh> {
    Ok(Mesh::open(Config::load(config)?)?)
}

fn show(report: &DeployReport, after: &str, json: bool) -> Result<ExitCode> {
    if json {
        println!("{}", serde_json::to_string_pretty(report)?);
        return Ok(ExitCode::SUCCESS);
    }
    for change in &report.changes {
        println!("contract: {change}");
    }
    for canary in &report.canaries {
        println!("tried: {}", tried(canary));
    }
    for warning in &report.warnings {
        eprintln!("warning: {warning}");
    }
    let (domain, version) = (&report.domain, &report.version);
    let before = match &report.before {
        Some((before, _)) if before != version => format!(", before {before}"),
        Some((_, before)) => format!(", before {}", short(before)),
        None => String::new(),
    };
    let digest = short(&report.digest);
    if report
        .before
        .as_ref()
        .is_some_and(|(_, before)| *before == report.digest)
    {
        println!("{domain} {version} ({digest}) is in use already. Nothing was changed.");
        return Ok(ExitCode::SUCCESS);
    }
    if report.is_live {
        println!("{domain} {version} ({digest}) is in use{before}.");
        println!("Hosts that run take it up between two commits. {after}");
    } else {
        println!("{domain} {version} ({digest}) could be put into use{before}. Nothing was changed.");
    }
    Ok(ExitCode::SUCCESS)
}

fn tried(canary: &Canary) -> String {
    let Canary { product, rows, .. } = canary;
    let lines = number(canary.lines);
    let differs = canary.lost + canary.gained + canary.changed.values().sum::<u64>();
    let (same, other) = (number(*rows), number(differs));
    if canary.is_gold {
        return format!("{product}: {same} rows that were made last, {other} differences");
    }
    if canary.lines == 0 {
        return format!("{product}: not, there is no batch");
    }
    if canary.is_new {
        return format!("{product}, which is new: {} rows of {lines} lines", number(*rows));
    }
    let (before, after) = canary.fuel;
    format!(
        "{product}: {lines} lines, {same} rows of both, {other} differences, fuel {}",
        match before {
            0 => "not compared".to_owned(),
            _ => format!("{}% of before", after.saturating_mul(100) / before),
        }
    )
}

/// Enough of a digest to tell versions apart.
fn short(digest: &str) -> &str {
    let plain = digest.strip_prefix("sha256:").unwrap_or(digest);
    plain.get(..12).unwrap_or(plain)
}
