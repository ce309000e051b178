//! `malla policy`.

use std::path::Path;
use std::process::ExitCode;

use anyhow::{Result, bail};
use malla_contract::Contract;
use malla_pipeline::{Config, contracts, own_contract};
use malla_policy::{Cases, Policy, PolicyFiles, TESTS_FOLDER};

use crate::cli::{self, CheckPolicy, Diff, Explain};
use crate::terminal;

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
    let files = PolicyFiles::read(&config.policies);
    let policy = Policy::parse(&files)?;
    Cases::parse(&files)?;
    let warnings = malla_policy::check(&policy, &contracts);
    let misfits = malla_policy::misfits(&policy, &contracts);
    for misfit in &misfits {
        println!("error: {}/{misfit}", config.policies.display());
    }
    for warning in &warnings {
        println!("warning: {}/{warning}", config.policies.display());
    }
    let count = |count: usize, one: &str| terminal::count(count as u64, one);
    let verdict = match misfits.len() {
        0 => "is valid".to_owned(),
        faults => format!("does not fit the mesh ({})", count(faults, "error")),
    };
    println!(
        "{} {verdict}: {}, {}, {}",
        config.policies.display(),
        count(policy.rules().len(), "rule"),
        count(policy.masks().count(), "mask"),
        count(warnings.len(), "warning")
    );
    Ok(
        if !misfits.is_empty() || arguments.strict && !warnings.is_empty() {
            ExitCode::FAILURE
        } else {
            ExitCode::SUCCESS
        },
    )
}

fn test(config: &Path) -> Result<ExitCode> {
    let (config, contracts) = mesh(config)?;
    let files = PolicyFiles::read(&config.policies);
    let policy = Policy::parse(&files)?;
    let cases = Cases::parse(&files)?;
    if cases.is_empty() {
        bail!(
            "there is no case in `{}`: write who must see what, as docs/policy-authors.md shows",
            config.policies.join(TESTS_FOLDER).display()
        );
    }
    let report = cases.run(&policy, &contracts)?;
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
    let (mut contracts, refusals) = contracts(&config)?;
    contracts.push(own_contract());
    for refusal in refusals {
        eprintln!("warning: {refusal}");
    }
    Ok((config, contracts))
}
