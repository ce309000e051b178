//! `malla jobs`.

use std::process::ExitCode;

use anyhow::Result;
use malla_pipeline::{Config, Job, JobKind, Mesh};

use crate::cli;
use crate::terminal;

pub(crate) fn jobs(arguments: &cli::Jobs) -> Result<ExitCode> {
    let mesh = Mesh::open(Config::load(&arguments.config.config)?)?;
    let jobs = mesh.jobs();
    if arguments.json {
        println!("{}", serde_json::to_string_pretty(&jobs)?);
    } else {
        print!("{}", table(&jobs));
    }
    let refused = mesh.refused_plugins();
    for refusal in &refused {
        eprintln!("error: {refusal}");
    }
    Ok(if refused.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn table(jobs: &[Job]) -> String {
    let mut rows = vec![
        ["job", "kind", "runs", "next", "made of"]
            .map(str::to_owned)
            .to_vec(),
    ];
    rows.extend(jobs.iter().map(|job| {
        let runs = match (&job.cron, job.kind) {
            (Some(cron), _) => {
                let timezone = job.timezone.as_deref().filter(|zone| *zone != "UTC");
                timezone.map_or_else(|| cron.clone(), |zone| format!("{cron} {zone}"))
            }
            (None, JobKind::Source) => "continuously".to_owned(),
            (None, JobKind::Product) => "after commits".to_owned(),
        };
        vec![
            job.job.clone(),
            job.kind.as_str().to_owned(),
            runs,
            job.next.clone().unwrap_or_else(|| "-".to_owned()),
            if job.reads.is_empty() {
                "-".to_owned()
            } else {
                job.reads.join(", ")
            },
        ]
    }));
    terminal::left(&rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jobs_are_shown_as_one_line_each() {
        let job = |name: &str, kind, reads: &[&str], cron: Option<&str>| Job {
            job: name.to_owned(),
            kind,
            reads: reads.iter().map(|read| (*read).to_owned()).collect(),
            cron: cron.map(str::to_owned),
            timezone: cron.map(|_| "Europe/Madrid".to_owned()),
            next: cron.map(|_| "2026-11-29T02:00:00Z".to_owned()),
            timeout: None,
            backfill: false,
        };
        insta::assert_snapshot!(table(&[
            job("ventas.transacciones", JobKind::Source, &[], None),
            job("ventas.daily-revenue", JobKind::Product, &["ventas.transacciones"], Some("0 3 * * *")),
        ]), @r"
        job                   kind     runs                     next                  made of
        ventas.transacciones  source   continuously             -                     -
        ventas.daily-revenue  product  0 3 * * * Europe/Madrid  2026-11-29T02:00:00Z  ventas.transacciones
        ");
    }
}
