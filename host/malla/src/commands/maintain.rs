//! `malla maintain`.

use std::process::ExitCode;

use anyhow::Result;
use malla_pipeline::{Config, MaintainOptions, Mesh, TableReport};

use crate::cli;
use crate::commands::runtime;
use crate::terminal::{bytes, number, table};

pub(crate) fn maintain(arguments: &cli::Maintain) -> Result<ExitCode> {
    let mesh = Mesh::open(Config::load(&arguments.config.config)?)?;
    let options = MaintainOptions {
        only: arguments.only.clone(),
        dry_run: arguments.dry_run,
    };
    let tables = runtime()?.block_on(mesh.maintain(&options))?;
    // Of a plugin that cannot be used nobody knows what its tables are.
    let failures = mesh.refused_plugins();
    if arguments.json {
        let value = serde_json::json!({
            "dry_run": options.dry_run,
            "tables": tables,
            "failures": failures,
        });
        println!("{}", serde_json::to_string_pretty(&value)?);
    } else {
        print!("{}", shown(&tables));
        for (table, note) in notes(&tables) {
            println!("{table}: {note}");
        }
        if options.dry_run {
            println!("Nothing was done: this is what would be.");
        }
        for report in &tables {
            if let Some(failed) = &report.failed {
                eprintln!("error: {}: {failed}", report.table);
            }
        }
        for failure in &failures {
            eprintln!("error: {failure}");
        }
    }
    let failed = !failures.is_empty() || tables.iter().any(|report| report.failed.is_some());
    Ok(if failed {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    })
}

fn notes(tables: &[TableReport]) -> impl Iterator<Item = (&str, &str)> {
    tables.iter().flat_map(|report| {
        report
            .notes
            .iter()
            .map(|note| (report.table.as_str(), note.as_str()))
    })
}

fn shown(tables: &[TableReport]) -> String {
    if tables.is_empty() {
        return "There are no tables yet.\n".to_owned();
    }
    let header = [
        "table",
        "files",
        "size",
        "put together",
        "rows expired",
        "files deleted",
        "freed",
        "log entries deleted",
    ];
    let mut rows = vec![header.map(str::to_owned).to_vec()];
    rows.extend(tables.iter().map(|report| {
        let files = if report.before.files == report.after.files {
            number(report.before.files as u64)
        } else {
            format!(
                "{} -> {}",
                number(report.before.files as u64),
                number(report.after.files as u64)
            )
        };
        let compacted = &report.compacted;
        vec![
            report.table.clone(),
            files,
            bytes(report.after.bytes),
            match compacted.files {
                0 => "-".to_owned(),
                files => format!(
                    "{} -> {}",
                    number(files as u64),
                    number(compacted.into_files as u64)
                ),
            },
            number(report.expired.rows),
            number(report.vacuumed.files as u64),
            bytes(report.vacuumed.bytes),
            number(report.log.files as u64),
        ]
    }));
    table(&rows)
}
