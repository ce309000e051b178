//! `malla runs`.

use std::collections::BTreeSet;
use std::process::ExitCode;

use anyhow::Result;
use malla_pipeline::{Config, ShownRun, unwritten_runs};
use malla_policy::Policy;
use malla_query::{Asker, Format, Limits, Query, QueryError};

use crate::cli;
use crate::commands::{governed, runtime};
use crate::terminal::{self, number};

pub(crate) fn runs(arguments: &cli::Runs) -> Result<ExitCode> {
    let config = Config::load(&arguments.config.config)?;
    let asker = Asker {
        principal: arguments.who.principal(),
        purpose: "consulta".to_owned(),
    };
    let limits = Limits {
        rows: arguments.limit.into(),
        ..Limits::default()
    };
    let sql = ShownRun::query(arguments.job.as_deref());
    let (lake, governance) = governed(&config)?;
    let door = Query::open(lake, governance);
    let mut runs: Vec<ShownRun> = match runtime()?.block_on(door.run(&asker, &sql, &limits)) {
        Ok(result) => {
            let mut rows = Vec::new();
            malla_query::render(Format::Json, &result, &mut rows)?;
            serde_json::from_slice(&rows)?
        }
        // Nothing ran yet.
        Err(QueryError::UnknownTable { .. }) => Vec::new(),
        Err(error) => return Err(error.into()),
    };
    // The lake is told of a run when it has ended, and of several at once.
    let known: BTreeSet<String> = runs.iter().map(|run| run.run_id.clone()).collect();
    let policy = Policy::load(&config.policies)?;
    let here = unwritten_runs(&config.state, &policy, &asker.principal, &asker.purpose)?
        .into_iter()
        .map(ShownRun::from);
    let of_job = |run: &ShownRun| arguments.job.as_ref().is_none_or(|job| *job == run.job);
    runs.extend(here.filter(|run| !known.contains(&run.run_id) && of_job(run)));
    runs.sort_by(|a, b| seconds(&b.started).cmp(seconds(&a.started)));
    runs.truncate(arguments.limit.into());
    if arguments.json {
        println!("{}", serde_json::to_string_pretty(&runs)?);
    } else if runs.is_empty() {
        println!("No run yet: `malla run` makes some.");
    } else {
        print!("{}", table(&runs));
    }
    Ok(ExitCode::SUCCESS)
}

fn seconds(time: &str) -> &str {
    time.get(..19).unwrap_or(time)
}

/// One line a run, and another where something went wrong.
fn table(runs: &[ShownRun]) -> String {
    let header = [
        "job",
        "trigger",
        "state",
        "scheduled",
        "started",
        "ended",
        "attempts",
        "read",
        "kept",
        "rejected",
        "quarantined",
        "version",
    ];
    let time = |time: &Option<String>| time.as_deref().map_or("-", seconds).to_owned();
    let count = |count: Option<u64>| count.map_or_else(|| "-".to_owned(), number);
    let mut rows = vec![header.map(str::to_owned).to_vec()];
    rows.extend(runs.iter().map(|run| {
        vec![
            run.job.clone(),
            run.trigger.clone(),
            run.state.clone(),
            time(&run.scheduled),
            seconds(&run.started).to_owned(),
            time(&run.ended),
            run.attempts.to_string(),
            count(run.rows_read),
            number(run.rows_kept),
            count(run.rows_rejected),
            count(run.rows_quarantined),
            count(run.version),
        ]
    }));
    let shown = terminal::left(&rows);
    let mut lines = shown.lines();
    let mut text = String::new();
    let mut add = |line: &str| {
        text.push_str(line);
        text.push('\n');
    };
    lines.next().into_iter().for_each(&mut add);
    for (line, run) in lines.zip(runs) {
        add(line);
        for error in run.error.iter().flat_map(|error| error.lines()) {
            add(&format!("    {error}"));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_are_shown_as_one_line_each_and_why_they_failed_below() {
        let run = ShownRun {
            run_id: "8d6ff3b8-6b4d-4f8f-9d9a-0a4a6f1f3f11".into(),
            job: "ventas.devoluciones".into(),
            kind: "source".into(),
            trigger: "schedule".into(),
            scheduled: Some("2026-11-28T03:00:00Z".into()),
            started: "2026-11-28T03:00:00.004211Z".into(),
            ended: Some("2026-11-28T03:02:11.5Z".into()),
            state: "succeeded".into(),
            attempts: 2,
            rows_read: Some(98_412),
            rows_kept: 98_000,
            rows_rejected: Some(400),
            rows_quarantined: Some(12),
            version: Some(7),
            error: None,
            host: "h".into(),
        };
        let failed = ShownRun {
            job: "ventas.daily-revenue".into(),
            trigger: "upstream".into(),
            scheduled: None,
            state: "failed".into(),
            rows_read: None,
            rows_kept: 0,
            rows_rejected: None,
            rows_quarantined: None,
            version: None,
            error: Some("product `ventas.daily-revenue` is held back".into()),
            ..run.clone()
        };
        insta::assert_snapshot!(table(&[run, failed]), @r"
        job                   trigger   state      scheduled            started              ended                attempts  read    kept    rejected  quarantined  version
        ventas.devoluciones   schedule  succeeded  2026-11-28T03:00:00  2026-11-28T03:00:00  2026-11-28T03:02:11  2         98,412  98,000  400       12           7
        ventas.daily-revenue  upstream  failed     -                    2026-11-28T03:00:00  2026-11-28T03:02:11  2         -       0       -         -            -
            product `ventas.daily-revenue` is held back
        ");
    }
}
