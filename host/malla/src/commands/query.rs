//! `malla query`.

use std::io::Write;
use std::process::ExitCode;

use anyhow::Result;
use malla_lake::{Lake, WriterConfig};
use malla_pipeline::Config;
use malla_query::{Limits, Query};

use crate::cli;
use crate::commands::runtime;

pub(crate) fn query(arguments: &cli::Query) -> Result<ExitCode> {
    let config = Config::load(&arguments.config.config)?;
    let lake = Lake::open(&config.lake, WriterConfig::default())?;
    let limits = Limits {
        rows: arguments.limit,
        ..Limits::default()
    };
    let result = runtime()?.block_on(Query::open(lake).run(&arguments.sql, &limits))?;
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
