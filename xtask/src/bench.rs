//! `cargo xtask bench`: runs the criterion benches and prints their ratios, each within one run.

use anyhow::{Context, Result};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::demo;
use crate::shell::{self, cargo, target};

/// A claim of docs/performance.md.
struct Row {
    what: &'static str,
    measure: Measure,
    bar: Bar,
}

/// What is made of benches, which are named as folders below `target/criterion`.
enum Measure {
    /// Time of the first over that of the second.
    Ratio(&'static str, &'static str),
    /// Millions a second of what one iteration of a bench handles so many of.
    Rate(&'static str, f64),
    /// Megabytes a second of the bytes that one iteration passes over.
    Bytes(&'static str),
    /// Of one iteration, in so many nanoseconds, which are a unit.
    Time(&'static str, f64, &'static str),
}

enum Bar {
    AtMost(f64),
    AtLeast(f64),
}

const ROWS: [Row; 13] = [
    Row {
        what: "reference transform, clean instance, against native, 65,536 rows",
        measure: Measure::Ratio("boundary/clean/65536", "boundary/native/65536"),
        bar: Bar::AtMost(1.5),
    },
    Row {
        what: "the same at 8,192 rows",
        measure: Measure::Ratio("boundary/clean/8192", "boundary/native/8192"),
        bar: Bar::AtMost(2.0),
    },
    Row {
        what: "Arrow IPC boundary against this one, 65,536 rows",
        measure: Measure::Ratio("boundary/ipc/65536", "boundary/clean/65536"),
        bar: Bar::AtLeast(3.0),
    },
    Row {
        what: "whole path against decode + Parquet + commit of the same tables",
        measure: Measure::Ratio("whole_path/malla", "whole_path/baseline"),
        bar: Bar::AtMost(1.6),
    },
    Row {
        what: "tokens of e-mails, a second and core",
        measure: Measure::Rate("mask/token_email", 65_536.0),
        bar: Bar::AtLeast(3.0),
    },
    Row {
        what: "looking for undeclared personal data in free text, a second and core",
        measure: Measure::Bytes("scan/comment/1%"),
        bar: Bar::AtLeast(500.0),
    },
    Row {
        what: "the same in numbers of 16 digits",
        measure: Measure::Bytes("scan/number-16/1%"),
        bar: Bar::AtLeast(500.0),
    },
    Row {
        what: "a decision, 100,000 rules",
        measure: Measure::Time("decide/column/100000", 1e3, " us"),
        bar: Bar::AtMost(1.0),
    },
    Row {
        what: "the same for the pair of subject and object with the most rules",
        measure: Measure::Time("decide/busy/100000", 1e3, " us"),
        bar: Bar::AtMost(1.0),
    },
    Row {
        what: "reading and compiling 100,000 rules",
        measure: Measure::Time("load/folder/100000", 1e9, " s"),
        bar: Bar::AtMost(3.0),
    },
    Row {
        what: "governed SELECT over 5 M rows with a row filter against the bare one, no masked column",
        measure: Measure::Ratio("governed/plain_governed", "governed/plain_bare"),
        bar: Bar::AtMost(1.15),
    },
    Row {
        what: "the same with two masked columns (show-last-4, truncate-to-month)",
        measure: Measure::Ratio("governed/masked_governed", "governed/masked_bare"),
        bar: Bar::AtMost(2.0),
    },
    Row {
        what: "sums of the rows of the first, grouped",
        measure: Measure::Ratio("governed/plain sums_governed", "governed/plain sums_bare"),
        bar: Bar::AtMost(1.15),
    },
];

pub(crate) fn run() -> Result<()> {
    demo::build()?;
    // In one call, with the host: the features of the dependencies hold for all, and nothing is built twice. The whole
    // workspace would have the macros of the SDK, with other features for build scripts, and datafusion anew.
    let mut bench = cargo();
    bench.arg("bench");
    for package in [
        "malla",
        "malla-sandbox",
        "malla-pipeline",
        "malla-policy",
        "malla-privacy",
        "malla-query",
        "malla-source",
    ] {
        bench.args(["--package", package]);
    }
    for name in [
        "boundary",
        "whole_path",
        "mask",
        "seal",
        "detect",
        "decode",
        "decide",
        "governed",
    ] {
        bench.args(["--bench", name]);
    }
    shell::run("benches", &mut bench)?;
    println!("\n| what | measured | bar | |\n|---|---|---|---|");
    for Row { what, measure, bar } in ROWS {
        let (value, unit) = match measure {
            Measure::Ratio(upper, lower) => (fastest(upper)? / fastest(lower)?, "x"),
            Measure::Rate(bench, values) => (values / fastest(bench)? * 1e3, " M"),
            Measure::Bytes(bench) => (bytes(bench)? / fastest(bench)? * 1e3, " MB"),
            Measure::Time(bench, nanoseconds, unit) => (fastest(bench)? / nanoseconds, unit),
        };
        let (met, bar) = match bar {
            Bar::AtMost(most) => (value <= most, format!("<= {most}{unit}")),
            Bar::AtLeast(least) => (value >= least, format!(">= {least}{unit}")),
        };
        let met = if met { "met" } else { "missed" };
        println!("| {what} | {value:.2}{unit} | {bar} | {met} |");
    }
    Ok(())
}

/// Nanoseconds of one iteration in the fastest sample of a criterion bench. Whatever else the machine does only adds to
/// a sample, so the fastest is nearest to what the code takes.
fn fastest(bench: &str) -> Result<f64> {
    let sample: Sample = result(bench, "sample.json")?;
    let each = sample.times.iter().zip(&sample.iters);
    each.map(|(time, iters)| time / iters)
        .reduce(f64::min)
        .with_context(|| format!("no samples of bench {bench}"))
}

/// Bytes that one iteration of a bench passes over.
fn bytes(bench: &str) -> Result<f64> {
    let benchmark: Benchmark = result(bench, "benchmark.json")?;
    Ok(benchmark.throughput.bytes)
}

fn result<T: DeserializeOwned>(bench: &str, file: &str) -> Result<T> {
    let path = target().join("criterion").join(bench).join("new").join(file);
    let text = std::fs::read_to_string(&path)
        .with_context(|| format!("no result of bench {bench}: {}", path.display()))?;
    serde_json::from_str(&text).with_context(|| format!("cannot read {}", path.display()))
}

/// What criterion writes of a bench, as far as it matters here.
#[derive(Deserialize)]
struct Sample {
    iters: Vec<f64>,
    times: Vec<f64>,
}

#[derive(Deserialize)]
struct Benchmark {
    throughput: Throughput,
}

#[derive(Deserialize)]
struct Throughput {
    #[serde(rename = "Bytes")]
    bytes: f64,
}
