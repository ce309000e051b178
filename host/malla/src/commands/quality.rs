//! `malla quality`.

use std::fmt::Write;
use std::process::ExitCode;

use anyhow::Result;
use malla_contract::civil::instant;
use malla_pipeline::{CheckResult, Config, ProductQuality, QualityState, quality as look};
use malla_query::Asker;

use crate::cli;
use crate::commands::{governed, runtime};
use crate::terminal::{count, number};

pub(crate) fn quality(arguments: &cli::Quality) -> Result<ExitCode> {
    let config = Config::load(&arguments.config.config)?;
    let (lake, governance) = governed(&config)?;
    let asker = Asker {
        principal: arguments.who.principal(),
        purpose: arguments.purpose.clone(),
    };
    let only = arguments.product.as_deref();
    let found = runtime()?.block_on(look(&lake, &governance, &asker, only, arguments.history))?;
    if arguments.json {
        let mut all: Vec<_> = found.iter().map(ProductQuality::validation).collect();
        let value = match (only, all.pop()) {
            (Some(_), Some(one)) => one,
            (_, last) => {
                all.extend(last);
                all.into()
            }
        };
        println!("{}", serde_json::to_string_pretty(&value)?);
    } else {
        print!("{}", told(&found, &asker.principal));
    }
    Ok(if found.iter().all(ProductQuality::is_fine) {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn told(found: &[ProductQuality], principal: &str) -> String {
    if found.is_empty() {
        return format!(
            "There is no product whose results `{principal}` may read: a rule must let it read `<domain>_quality.*`.\n"
        );
    }
    let mut text = String::new();
    for product in found {
        let _ = writeln!(text, "{}", headline(product));
        text.push_str(&indented(&checks(&product.results)));
        if !product.history.is_empty() {
            text.push_str("  judged before:\n");
            text.push_str(&indented(&history(product)));
        }
        text.push('\n');
    }
    let of = |state: QualityState| found.iter().filter(|product| product.state == state).count();
    let states = [
        QualityState::HeldBack,
        QualityState::Doubtful,
        QualityState::Good,
        QualityState::NotJudged,
        QualityState::Unchecked,
    ];
    let states: Vec<String> = states
        .into_iter()
        .filter(|state| of(*state) > 0)
        .map(|state| format!("{} {}", of(state), state.as_str()))
        .collect();
    let _ = writeln!(
        text,
        "{}: {}.",
        count(found.len() as u64, "product"),
        states.join(", ")
    );
    text
}

fn headline(product: &ProductQuality) -> String {
    let name = &product.product;
    let state = product.state.as_str();
    let Some(judgement) = &product.judgement else {
        return format!("{name}: {state}");
    };
    let at = second(judgement.at);
    let seen = match product.newest {
        Some(newest) if newest != judgement.judged => {
            format!("version {} of {newest}, judged {at}", judgement.judged)
        }
        _ => format!("version {}, judged {at}", judgement.judged),
    };
    let Some(since) = judgement
        .held_since
        .filter(|_| product.state == QualityState::HeldBack)
    else {
        return format!("{name}: {state}, {seen}");
    };
    let read = match judgement.good {
        Some(good) => format!("readers stay at version {good}"),
        None => "no version was good before, nobody reads it".to_owned(),
    };
    let what = match judgement.unpublished {
        Some(_) => "what would come after it is not published".to_owned(),
        None => seen,
    };
    format!(
        "{name}: {state} since {}, {read}; {what}; ask {}",
        second(since),
        product.owner
    )
}

fn checks(results: &[CheckResult]) -> Vec<Vec<String>> {
    let row = |result: &CheckResult| {
        let kept = match result.success {
            Some(true) => "ok",
            Some(false) => "FAILED",
            None => "not run",
        };
        let failed = result.success == Some(false);
        let if_failed = |what: &str| if failed { what.to_owned() } else { String::new() };
        let mut found = match (&result.message, result.expectation.as_str()) {
            (Some(why), _) => why.clone(),
            // Its number may be a value of a row.
            (None, "malla_sql") => if_failed("its query does not give what it must"),
            (None, "malla_freshness") => if_failed("the newest row is too old, or lies in the future"),
            (None, "expect_table_row_count_to_be_between") => count(result.element_count, "row"),
            (None, _) => format!(
                "{} of {} unexpected",
                number(result.unexpected_count),
                number(result.element_count)
            ),
        };
        if result.level == "row" && result.severity == "error" && result.unexpected_count > 0 {
            found.push_str(", in quarantine");
        }
        if !result.complete {
            found.push_str(", not all seen");
        }
        vec![
            kept.to_owned(),
            result.severity.clone(),
            result.check.clone(),
            found,
        ]
    };
    results.iter().map(row).collect()
}

fn history(product: &ProductQuality) -> Vec<Vec<String>> {
    let row = |run: &malla_pipeline::PastRun| {
        let version = run.table_version.map_or_else(
            || "not published".to_owned(),
            |version| format!("version {version}"),
        );
        let failed = match &run.failed_checks {
            Some(names) => format!("{} of {} failed: {names}", run.failed, run.checks),
            None => format!("{} kept", count(run.checks, "check")),
        };
        vec![run.run_time.clone(), version, failed]
    };
    product.history.iter().map(row).collect()
}

/// Columns aligned to the left, two spaces in.
fn indented(rows: &[Vec<String>]) -> String {
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column));
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let mut text = String::new();
    for row in rows {
        let cells = row.iter().enumerate();
        let line: Vec<String> = cells
            .map(|(column, cell)| format!("{cell:<width$}", width = width(column)))
            .collect();
        let _ = writeln!(text, "  {}", line.join("  ").trim_end());
    }
    text
}

/// To the second.
fn second(micros: i64) -> String {
    const SECOND: i64 = 1_000_000;
    instant(micros.div_euclid(SECOND) * SECOND)
}
