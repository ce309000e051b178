//! `malla demo`.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use malla_contract::Contract;
use malla_pipeline::{RunOptions, RunReport};
use malla_simulate::Simulator;

use crate::cli;
use crate::commands::{run, simulate};
use crate::components::{self, Component};
use crate::mesh;
use crate::terminal::{self, number};

pub(crate) fn demo(arguments: &cli::Demo) -> Result<ExitCode> {
    let dir = &arguments.dir;
    let plugins = plugins()?;
    let config = prepare(dir, &plugins)?;
    // The same for all: shipments leave after their sales.
    let now = Simulator::now();
    let mut lines = 0;
    for plugin in &plugins {
        lines += fill(dir, &plugin.contract, arguments.events, now)?;
    }
    let once = RunOptions {
        once: true,
        ..RunOptions::default()
    };
    let report = run::process(&config, &once, Some(lines))?;
    show(&report, &config);
    if arguments.once || !report.failures.is_empty() {
        return Ok(run::exit(&report));
    }
    println!("\nWaiting for more events; Ctrl-C ends. Write some from another terminal:");
    println!("  malla simulate --config {} --events 1000", config.display());
    let report = run::process(&config, &RunOptions::default(), None)?;
    show(&report, &config);
    Ok(run::exit(&report))
}

/// The example plugins: the components in the folder `plugins` beside this executable.
fn plugins() -> Result<Vec<Component>> {
    let executable = std::env::current_exe().context("cannot tell where this executable is")?;
    let folder = executable.parent().unwrap_or(Path::new(".")).join("plugins");
    let plugins = components::inside(&folder)?;
    if plugins.is_empty() {
        bail!(
            "no example plugin in `{}`: run `cargo xtask demo` in the repository, which builds them there",
            folder.display()
        );
    }
    Ok(plugins)
}

/// Makes the mesh, or takes the one that is there, with the plugins of this build.
fn prepare(dir: &Path, plugins: &[Component]) -> Result<PathBuf> {
    let config = dir.join("malla.toml");
    if config.exists() {
        println!("Going on with the mesh in {}", dir.display());
    } else {
        mesh::create(dir, &components::sources(plugins))?;
        println!("Made a mesh in {}", dir.display());
    }
    for plugin in plugins {
        let to = dir
            .join("plugins")
            .join(plugin.file.file_name().unwrap_or_default());
        std::fs::write(&to, &plugin.bytes).with_context(|| format!("cannot write `{}`", to.display()))?;
    }
    Ok(config)
}

/// Writes a domain's events, the newest of them at `now`; a domain that has no simulated ones is left as it is.
fn fill(dir: &Path, contract: &Contract, events: u64, now: i64) -> Result<u64> {
    let domain = contract.domain.as_str();
    if events == 0 || !Simulator::DOMAINS.contains(&domain) {
        return Ok(0);
    }
    let sources = dir.join("sources").join(domain);
    let mut lines = 0;
    for written in simulate::write(domain, simulate::DEFAULT_SEED, &sources, events, now)? {
        print!("{}", simulate::summary(&written));
        lines += written.total();
    }
    Ok(lines)
}

fn show(report: &RunReport, config: &Path) {
    println!();
    for (place, product) in report.products.iter().enumerate() {
        println!(
            "{} of {} OK  {}  {} rows  {:.1} s",
            place + 1,
            report.products.len(),
            product.product,
            number(product.kept),
            product.seconds
        );
    }
    println!();
    print!("{}", terminal::products(&report.products));
    for product in report.products.iter().filter(|product| !product.derived) {
        let accounted = product.kept + product.rejected + product.quarantined + product.filtered;
        let word = if accounted == product.read {
            "every line accounted for"
        } else {
            "lines are missing"
        };
        println!(
            "{}: {} kept + {} rejected + {} quarantined = {} of {} read: {word}",
            product.product,
            number(product.kept),
            number(product.rejected),
            number(product.quarantined),
            number(accounted),
            number(product.read)
        );
    }
    run::show_failures(report);
    if report.failures.is_empty() {
        let (malla, config) = (program(), config.display());
        println!("\nNext:");
        println!(
            "  {malla} query --config {config} \"SELECT region, count(*) AS ventas, sum(monto_usd) AS usd FROM ventas.transacciones GROUP BY region ORDER BY usd DESC\""
        );
        println!(
            "  {malla} query --config {config} \"SELECT stage, rule, count(*) AS lines FROM ventas_quarantine.transacciones GROUP BY stage, rule ORDER BY lines DESC\""
        );
        println!(
            "  {malla} query --config {config} --as user:luis \"SELECT email, tarjeta, region, monto FROM ventas.transacciones LIMIT 5\""
        );
        println!("  {malla} policy explain --config {config} --as user:luis --on ventas.transacciones");
    }
}

/// How whoever reads this calls us: as they did, and from where they are.
fn program() -> String {
    let called = std::env::args_os().next().map(PathBuf::from).unwrap_or_default();
    let here = std::env::current_dir().unwrap_or_default();
    match called.strip_prefix(&here) {
        Ok(within) if within.components().count() > 1 => within.display().to_string(),
        _ if called.as_os_str().is_empty() => "malla".to_owned(),
        _ => called.display().to_string(),
    }
}
