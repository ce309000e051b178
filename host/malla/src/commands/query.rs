//! `malla query`.

use std::io::Write;
use std::process::ExitCode;

use anyhow::Result;
use malla_pipeline::Config;
use malla_query::{Asker, Limits, Query};

use crate::cli;
use crate::commands::{governed, runtime};

pub(crate) fn query(arguments: &cli::Query) -> Result<ExitCode> {
    let config = Config::load(&arguments.config.config)?;
    let (lake, governance) = governed(&config)?;
    let limits = Limits {
        rows: arguments.limit,
        ..Limits::default()
    };
    let asker = Asker {
        principal: arguments.who.principal(),
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
    for notice in &result.notices {
        eprintln!("note: {notice}");
    }
    if result.truncated {
        eprintln!(
            "Only the first {} rows are shown: raise --limit, or narrow the query.",
            arguments.limit
        );
    }
    Ok(ExitCode::SUCCESS)
}
