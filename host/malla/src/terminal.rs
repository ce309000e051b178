//! What people and scripts see.

use std::io::IsTerminal;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use malla_pipeline::ProductReport;
use tracing_subscriber::EnvFilter;

/// Log to standard error: warnings for people on a terminal, one JSON line an event elsewhere. `MALLA_LOG` changes the
/// level (`debug`, `malla_pipeline=trace`, ..).
pub(crate) fn start_log() {
    let people = std::io::stderr().is_terminal();
    let default = if people {
        "warn"
    } else {
        "info,datafusion=warn,deltalake=warn,deltalake_core=warn,delta_kernel=warn,buoyant_kernel=warn"
    };
    let filter = EnvFilter::try_from_env("MALLA_LOG").unwrap_or_else(|_| EnvFilter::new(default));
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr);
    if people {
        log.without_time().with_target(false).init();
    } else {
        log.json().flatten_event(true).init();
    }
}

/// Whoever is logged in, as policies call them.
pub(crate) fn user() -> String {
    let name = whoami::username().unwrap_or_else(|_| "nobody".to_owned());
    format!("user:{name}")
}

/// An error and what caused it. Many say their cause themselves, and then it is not said again.
pub(crate) fn causes(error: &anyhow::Error) -> String {
    error.chain().fold(String::new(), |said, cause| {
        let cause = cause.to_string();
        match said.is_empty() {
            true => cause,
            false if said.contains(&cause) => said,
            false => format!("{said}: {cause}"),
        }
    })
}

/// `1 rule`, `2,000 rules`.
pub(crate) fn count(count: u64, one: &str) -> String {
    let ending = if count == 1 { "" } else { "s" };
    format!("{} {one}{ending}", number(count))
}

/// A counter of lines on a terminal; nothing elsewhere.
pub(crate) fn progress(total: Option<u64>) -> ProgressBar {
    if !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let bar = match total {
        Some(total) => ProgressBar::new(total),
        None => ProgressBar::new_spinner(),
    };
    let template = if total.is_some() {
        "{bar:30} {human_pos} of {human_len} lines  {elapsed}"
    } else {
        "{spinner} {human_pos} lines  {elapsed}"
    };
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style);
    }
    bar.enable_steady_tick(Duration::from_millis(100));
    bar
}

/// Rows of text, the first a header, all aligned to the left.
pub(crate) fn left(rows: &[Vec<String>]) -> String {
    aligned(rows, false)
}

/// Rows of text, the first a header; all but the first column are aligned to the right.
pub(crate) fn table(rows: &[Vec<String>]) -> String {
    aligned(rows, true)
}

fn aligned(rows: &[Vec<String>], right: bool) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| {
        rows.iter()
            .filter_map(|row| row.get(column))
            .map(|cell| cell.chars().count())
            .max()
            .unwrap_or(0)
    };
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let mut text = String::new();
    for row in rows {
        let line: Vec<String> = row
            .iter()
            .zip(&widths)
            .enumerate()
            .map(|(column, (cell, width))| {
                if column == 0 || !right {
                    format!("{cell:<width$}")
                } else {
                    format!("{cell:>width$}")
                }
            })
            .collect();
        text.push_str(line.join("  ").trim_end());
        text.push('\n');
    }
    text
}

/// 1234567 as `1.2 MiB`.
#[expect(clippy::cast_precision_loss, reason = "a size for people")]
pub(crate) fn bytes(n: u64) -> String {
    let mut size = n as f64;
    for unit in ["B", "KiB", "MiB", "GiB"] {
        if size < 1024.0 {
            let digits = usize::from(unit != "B" && size < 100.0);
            return format!("{size:.digits$} {unit}");
        }
        size /= 1024.0;
    }
    format!("{size:.1} TiB")
}

/// 1234567 as `1,234,567`.
pub(crate) fn number(n: u64) -> String {
    let digits = n.to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// One line a product.
pub(crate) fn products(reports: &[ProductReport]) -> String {
    let header = [
        "product",
        "read",
        "kept",
        "rejected",
        "quarantined",
        "filtered",
        "masked values",
        "files",
        "version",
        "rows/s",
    ];
    let mut rows = vec![header.map(str::to_owned).to_vec()];
    rows.extend(reports.iter().map(|report| {
        let of_lines = |count: String| if report.derived { "-".to_owned() } else { count };
        vec![
            report.product.clone(),
            of_lines(number(report.read)),
            number(report.kept),
            of_lines(number(report.rejected)),
            of_lines(number(report.quarantined)),
            of_lines(number(report.filtered)),
            of_lines(number(report.masked)),
            number(report.files),
            report
                .version
                .map_or_else(|| "-".to_owned(), |version| version.to_string()),
            of_lines(rate(report.rows_per_second())),
        ]
    }));
    // Steps that leave rows out are rare: the column is there when it says something.
    if reports.iter().all(|report| report.filtered == 0) {
        rows.iter_mut().for_each(|row| drop(row.remove(5)));
    }
    table(&rows)
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a rate for people, never negative"
)]
fn rate(rows: f64) -> String {
    number(rows.round() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_grouped() {
        assert_eq!(number(0), "0");
        assert_eq!(number(999), "999");
        assert_eq!(number(1000), "1,000");
        assert_eq!(number(1_234_567), "1,234,567");
    }

    #[test]
    fn a_cause_is_said_once() {
        let denied = || anyhow::anyhow!("permission denied");
        let twice = denied().context("cannot read `x`: permission denied");
        assert_eq!(causes(&twice), "cannot read `x`: permission denied");
        assert_eq!(
            causes(&denied().context("cannot read `x`")),
            "cannot read `x`: permission denied"
        );
        assert_eq!(count(1, "rule"), "1 rule");
        assert_eq!(count(2000, "rule"), "2,000 rules");
    }

    #[test]
    fn a_run_is_shown_as_one_line_a_product() {
        let report = ProductReport {
            product: "ventas.transacciones".into(),
            read: 100_000,
            kept: 98_990,
            rejected: 510,
            quarantined: 500,
            masked: 197_980,
            files: 42,
            version: Some(1),
            seconds: 2.0,
            ..ProductReport::default()
        };
        insta::assert_snapshot!(products(&[report]), @r"
        product                  read    kept  rejected  quarantined  masked values  files  version  rows/s
        ventas.transacciones  100,000  98,990       510          500        197,980     42        1  50,000
        ");
    }
}
