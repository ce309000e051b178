//! `malla run`.

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use malla_pipeline::{Config, Days, Mesh, RunOptions, RunReport, Stop};
use malla_serve::Admin;

use crate::cli;
use crate::commands::runtime;
use crate::terminal;

const WRONG_USAGE: u8 = 2;
/// Not run, since another process is at it.
const SKIPPED: u8 = 3;
/// Days that are made anew at once at most: about ten years.
const MOST_DAYS: i32 = 3700;

pub(crate) fn run(arguments: &cli::Run) -> Result<ExitCode> {
    let days = match days(arguments) {
        Ok(days) => days,
        Err(wrong) => {
            eprintln!("error: {wrong}");
            return Ok(ExitCode::from(WRONG_USAGE));
        }
    };
    let options = RunOptions {
        domain: arguments.domain.clone(),
        once: arguments.once,
        product: arguments.product.clone(),
        days,
    };
    let report = process(&arguments.config.config, &options, None)?;
    if arguments.json {
        let value = serde_json::json!({
            "products": report.products,
            "failures": report.failures,
            "skipped": report.skipped,
        });
        println!("{}", serde_json::to_string_pretty(&value)?);
    } else {
        print!("{}", terminal::products(&report.products));
        show_failures(&report);
    }
    Ok(exit(&report))
}

fn days(arguments: &cli::Run) -> Result<Option<Days>, String> {
    let (Some(from), Some(to)) = (arguments.from, arguments.to) else {
        return Ok(None);
    };
    if to < from {
        return Err(format!("--to {to} is before --from {from}"));
    }
    if to.days() - from.days() >= MOST_DAYS {
        return Err(format!(
            "from {from} to {to} are more than {MOST_DAYS} days: make them in several runs"
        ));
    }
    Ok(Some(Days { from, to }))
}

/// Runs a mesh until it is drained or the user asks to stop. `total`: lines expected, for the progress bar.
pub(crate) fn process(config: &Path, options: &RunOptions, total: Option<u64>) -> Result<RunReport> {
    let config = Config::load(config)?;
    let listen = config.admin.listen;
    let mesh = Arc::new(Mesh::open(config)?);
    let stop = Stop::default();
    let bar = terminal::progress(total);
    let report = runtime()?.block_on(async {
        if let Some(listen) = listen {
            let admin = Admin::bind(listen).await?;
            tokio::spawn(admin.serve(Arc::clone(&mesh)));
        }
        tokio::spawn(stop_on_signal(stop.clone()));
        let showing = tokio::spawn({
            let (bar, mesh) = (bar.clone(), Arc::clone(&mesh));
            async move {
                loop {
                    bar.set_position(mesh.metrics().lines());
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            }
        });
        let report = mesh.run(options, &stop).await;
        showing.abort();
        anyhow::Ok(report?)
    })?;
    bar.finish_and_clear();
    Ok(report)
}

pub(crate) fn show_failures(report: &RunReport) {
    for failure in &report.failures {
        eprintln!("error: {failure}");
    }
    for skipped in &report.skipped {
        eprintln!("skipped: {skipped}");
    }
}

pub(crate) fn exit(report: &RunReport) -> ExitCode {
    if !report.failures.is_empty() {
        ExitCode::FAILURE
    } else if !report.skipped.is_empty() {
        ExitCode::from(SKIPPED)
    } else {
        ExitCode::SUCCESS
    }
}

/// The first signal commits what is in hand and ends; a second ends at once, which loses nothing either.
async fn stop_on_signal(stop: Stop) {
    use tokio::signal::unix::{SignalKind, signal};
    let (Ok(mut interrupt), Ok(mut terminate)) =
        (signal(SignalKind::interrupt()), signal(SignalKind::terminate()))
    else {
        return;
    };
    for asked in 0_u8.. {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
        if asked > 0 {
            std::process::exit(130);
        }
        eprintln!("Stopping after the batches in hand.");
        stop.stop();
    }
}
