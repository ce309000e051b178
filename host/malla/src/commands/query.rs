//! `malla query`.

use std::io::Write;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Result;
use malla_lake::{Lake, WriterConfig};
use malla_pipeline::{Config, contracts, open_audit, today};
use malla_policy::Policy;
use malla_privacy::KeyStore;
use malla_query::{Asker, Governance, Limits, Query};

use crate::cli;
use crate::commands::runtime;
use crate::terminal;

pub(crate) fn query(arguments: &cli::Query) -> Result<ExitCode> {
    let config = Config::load(&arguments.config.config)?;
    let lake = Lake::open(&config.lake, WriterConfig::default())?;
    let limits = Limits {
        rows: arguments.limit,
        ..Limits::default()
    };
    let keys = Arc::new(KeyStore::load(&config.keys)?);
    // What has no valid contract is not read; `malla doctor` says why.
    let (contracts, _) = contracts(&config)?;
    let governance = Governance {
        policy: Policy::load(&config.policies)?,
        audit: Arc::new(open_audit(&config, &keys)?),
        keys,
        contracts: contracts.into(),
        today: today(),
    };
    let asker = Asker {
        principal: arguments.principal.clone().unwrap_or_else(terminal::user),
        purpose: arguments.purpose.clone(),
    };
    let query = Query::open(lake, governance);
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
