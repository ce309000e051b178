//! `malla query`.

use std::io::Write;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Result;
use malla_lake::{Lake, WriterConfig};
use malla_pipeline::{Config, contracts, open_audit, own_contract, today};
use malla_policy::Policy;
use malla_privacy::KeyStore;
use malla_query::{Asker, Governance, Limits, Query};

use crate::cli;
use crate::commands::runtime;
use crate::terminal;

/// The door to a mesh's tables.
pub(crate) fn open(config: &Config) -> Result<Query> {
    let lake = Lake::open(&config.lake, WriterConfig::default())?;
    let keys = Arc::new(KeyStore::load(&config.keys)?);
    // What has no valid contract is not read; `malla doctor` says why.
    let (mut contracts, _) = contracts(config)?;
    contracts.push(own_contract());
    let governance = Governance {
        policy: Policy::load(&config.policies)?,
        audit: Arc::new(open_audit(config, &keys)?),
        keys,
        contracts: contracts.into(),
        today: today(),
    };
    Ok(Query::open(lake, governance))
}

pub(crate) fn query(arguments: &cli::Query) -> Result<ExitCode> {
    let config = Config::load(&arguments.config.config)?;
    let limits = Limits {
        rows: arguments.limit,
        ..Limits::default()
    };
    let asker = Asker {
        principal: arguments.principal.clone().unwrap_or_else(terminal::user),
        purpose: arguments.purpose.clone(),
    };
    let query = open(&config)?;
    let result = runtime()?.block_on(query.run(&asker, &arguments.sql, &limits))?;
    let format = match arguments.format {
        cli::Format::Table => malla_query::Format::Table,
        cli::Format::Json => malla_query::Format::Json,
        cli::Format::Csv => malla_query::Format::Csv,
    };
    let mut out = std::io::stdout().lock();
    malla_query::render(format, &result, &mut out)?;
    out.flush()?;
    if result.truncated {
        eprintln!(
            "Only the first {} rows are shown: raise --limit, or narrow the query.",
            arguments.limit
        );
    }
    Ok(ExitCode::SUCCESS)
}
