//! `malla plugin`.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use malla_pipeline::{FunctionTrial, GoldTrial, TrialReport, try_plugin};
use malla_query::{Format, QueryResult, render};

use crate::cli::Plugin;
use crate::commands::deploy;
use crate::terminal::{number, table};

/// Rows of a trial that are shown.
const PREVIEW: usize = 5;

pub(crate) fn plugin(command: Plugin) -> Result<ExitCode> {
    match command {
        Plugin::New(arguments) => new(&arguments.name),
        Plugin::Build(arguments) => build(&arguments.dir),
        Plugin::Test(arguments) => test(&arguments.dir),
        Plugin::Inspect(arguments) => inspect(&arguments.file),
        Plugin::Deploy(arguments) => deploy::deploy(&arguments),
        Plugin::Rollback(arguments) => deploy::rollback(&arguments),
        Plugin::Versions(arguments) => deploy::versions(&arguments),
    }
}

fn new(name: &str) -> Result<ExitCode> {
    let dir = PathBuf::from(name);
    malla_toolchain::new(&dir, name)?;
    println!("Made the plugin {name} in {}", dir.display());
    println!();
    println!("  contract.yaml    what it reads and what it publishes");
    println!("  src/lib.rs       its step, and tests that need no Wasm");
    println!("  testdata/        events to try it on");
    println!();
    println!("Next:");
    println!("  malla plugin build {name}");
    println!("  malla plugin test {name}");
    Ok(ExitCode::SUCCESS)
}

fn build(dir: &Path) -> Result<ExitCode> {
    let report = malla_toolchain::build(dir)?;
    println!("Built {}", report.component.display());
    println!("  {} KiB, sha256 {}", report.size.div_ceil(1024), report.digest);
    Ok(ExitCode::SUCCESS)
}

fn inspect(file: &Path) -> Result<ExitCode> {
    let bytes = std::fs::read(file).with_context(|| format!("cannot read `{}`", file.display()))?;
    let inspection = malla_toolchain::inspect(&bytes).with_context(|| file.display().to_string())?;
    print!("{inspection}");
    Ok(ExitCode::SUCCESS)
}

fn test(dir: &Path) -> Result<ExitCode> {
    malla_toolchain::native_test(dir)?;
    let report = malla_toolchain::build(dir)?;
    let component = std::fs::read(&report.component)
        .with_context(|| format!("cannot read `{}`", report.component.display()))?;
    let mut failed = false;
    let trials = try_plugin(&component, &test_data(dir)?)?;
    for trial in &trials.steps {
        failed |= show(trial)?;
    }
    for trial in &trials.functions {
        failed |= show_function(trial)?;
    }
    for trial in &trials.gold {
        failed |= show_gold(trial);
    }
    Ok(if failed {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    })
}

/// What is in testdata/<source>.jsonl, .csv or .parquet, by source.
fn test_data(dir: &Path) -> Result<Vec<(String, Vec<u8>)>> {
    let folder = dir.join("testdata");
    let mut data = Vec::new();
    for entry in std::fs::read_dir(&folder).with_context(|| {
        format!(
            "cannot read `{}`: put events in testdata/<source>.jsonl, .csv or .parquet",
            folder.display()
        )
    })? {
        let path = entry?.path();
        let (Some(stem), Some("jsonl" | "csv" | "parquet")) = (
            path.file_stem().and_then(|stem| stem.to_str()),
            path.extension().and_then(|e| e.to_str()),
        ) else {
            continue;
        };
        let lines = std::fs::read(&path).with_context(|| format!("cannot read `{}`", path.display()))?;
        data.push((stem.to_owned(), lines));
    }
    if data.is_empty() {
        bail!(
            "no events in `{}`: put some in testdata/<source>.jsonl, .csv or .parquet",
            folder.display()
        );
    }
    data.sort();
    Ok(data)
}

/// Prints what a step made of the test data; whether it failed.
fn show(trial: &TrialReport) -> Result<bool> {
    println!(
        "\n{}  {} lines of {}",
        trial.product,
        number(trial.lines),
        trial.source
    );
    if let Some(error) = &trial.failure {
        println!("  failed: {error}");
        return Ok(true);
    }
    let mut rows = vec![vec!["kept".to_owned(), number(trial.kept)]];
    rows.extend(
        trial
            .refused
            .iter()
            .map(|(rule, count)| vec![rule.clone(), number(*count)]),
    );
    for line in table(&rows).lines() {
        println!("  {line}");
    }
    if let Some(rows) = trial.rows.as_ref().filter(|rows| rows.num_rows() > 0) {
        println!("The first rows, without the columns that policy masks:");
        preview(&rows.slice(0, rows.num_rows().min(PREVIEW)).into())?;
    }
    Ok(false)
}

/// Prints what a function did with the edges of its types; whether it failed.
fn show_function(trial: &FunctionTrial) -> Result<bool> {
    println!("\n{}", trial.function);
    if let Some(error) = &trial.failure {
        println!("  failed: {error}");
        return Ok(true);
    }
    let rows = number(trial.rows as u64);
    println!("  {rows} rows at the edges of its types: the same alone, together and again");
    if trial.refused > 0 {
        let refused = number(trial.refused as u64);
        println!("  {refused} of them refused: one such row in real data, and the product is not made");
    }
    if let Some(values) = trial.values.as_ref().filter(|rows| rows.num_rows() > 0) {
        preview(&values.slice(0, values.num_rows().min(PREVIEW)).into())?;
    }
    Ok(false)
}

/// Prints whether a product's SQL fits the contract; whether it does not.
fn show_gold(trial: &GoldTrial) -> bool {
    println!("\n{}", trial.product);
    match (&trial.failure, &trial.unknown) {
        (Some(error), _) => println!("  failed: {error}"),
        (None, Some(table)) => {
            println!("  its SQL is planned when it is deployed: `{table}` is of another contract");
        }
        (None, None) => println!("  its SQL fits the contract"),
    }
    trial.failure.is_some()
}

fn preview(first: &QueryResult) -> Result<()> {
    render(Format::Table, first, std::io::stdout().lock())?;
    Ok(())
}
