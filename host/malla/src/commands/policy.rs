//! `malla policy`.

use std::path::Path;
use std::process::ExitCode;

use anyhow::Result;
use malla_contract::Contract;
use malla_pipeline::{Config, contracts};
use malla_policy::{Cases, Policy, PolicyFiles};

use crate::cli::{self, CheckPolicy, Diff, Explain};

pub(crate) fn policy(command: &cli::Policy) -> Result<ExitCode> {
    match command {
        cli::Policy::Check(arguments) => check(arguments),
        cli::Policy::Test(arguments) => test(&arguments.config),
        cli::Policy::Explain(arguments) => explain(arguments),
        cli::Policy::Diff(arguments) => diff(arguments),
    }
}

fn check(arguments: &CheckPolicy) -> Result<ExitCode> {
    let (config, contracts) = mesh(&arguments.config.config)?;
    let policy = Policy::load(&config.policies)?;
    let warnings = malla_policy::check(&policy, &contracts);
    for warning in &warnings {
        println!("warning: {}/{warning}", config.policies.display());
    }
    let count = |count: usize, one: &str| format!("{count} {one}{}", if count == 1 { "" } else { "s" });
    println!(
        "{} is valid: {}, {}, {}",
        config.policies.display(),
        count(policy.rules().len(), "rule"),
        count(policy.masks().count(), "mask"),
        count(warnings.len(), "warning")
    );
    Ok(if arguments.strict && !warnings.is_empty() {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    })
}

fn test(config: &Path) -> Result<ExitCode> {
    let (config, contracts) = mesh(config)?;
    let files = PolicyFiles::read(&config.policies);
    let policy = Policy::parse(&files)?;
    let report = Cases::parse(&files)?.run(&policy, &contracts)?;
    print!("{report}");
    Ok(if report.is_good() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn explain(arguments: &Explain) -> Result<ExitCode> {
    let (config, contracts) = mesh(&arguments.config.config)?;
    let policy = Policy::load(&config.policies)?;
    let explanation = malla_policy::explain(
        &policy,
        &contracts,
        &arguments.principal,
        &arguments.purpose,
        &arguments.on,
    )?;
    print!("{explanation}");
    Ok(ExitCode::SUCCESS)
}

fn diff(arguments: &Diff) -> Result<ExitCode> {
    let (_, contracts) = mesh(&arguments.config.config)?;
    let (old, new) = (Policy::load(&arguments.old)?, Policy::load(&arguments.new)?);
    print!("{}", malla_policy::diff(&old, &new, &contracts));
    Ok(ExitCode::SUCCESS)
}

/// The mesh, and what its plugins promise. Plugins that are not valid are named, and the rest is looked at.
fn mesh(config: &Path) -> Result<(Config, Vec<Contract>)> {
    let config = Config::load(config)?;
    let (contracts, refusals) = contracts(&config)?;
    for refusal in refusals {
        eprintln!("warning: {refusal}");
    }
    Ok((config, contracts))
}
