//! A commit costs the same, however many came before it.

use serde_json::Value;

use crate::support::{Mesh, Running, wait_until};

/// Milliseconds of a `Duration` as it is logged.
fn milliseconds(text: &str) -> f64 {
    let (number, unit) = text.split_at(text.find(|c: char| c.is_alphabetic() || c == 'µ').unwrap());
    let scale = match unit {
        "s" => 1e3,
        "ms" => 1.0,
        "µs" => 1e-3,
        _ => f64::NAN,
    };
    number.parse::<f64>().unwrap() * scale
}

fn median(times: &[f64]) -> f64 {
    let mut times = times.to_vec();
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}

/// `cargo xtask growth`.
#[test]
#[ignore = "takes minutes: run by `cargo xtask growth`"]
fn growth_of_a_flow() {
    const COMMITS: u64 = 1100;
    let mesh = Mesh::ventas();
    mesh.edit("malla.toml", "rows = 65536", "rows = 20");
    mesh.edit("malla.toml", "rows = 500000", "rows = 20");
    // Only what a commit costs: the first look of gold, and of judging, is at empty tables.
    mesh.edit("malla.toml", "seconds = 60.0", "seconds = 86400.0");
    mesh.edit("malla.toml", "seconds = 10.0", "seconds = 86400.0");
    mesh.edit("malla.toml", "enabled = true", "enabled = false");
    mesh.simulate(20 * COMMITS, 7);
    let running = Running::start(&mesh);
    let committed = || -> Vec<f64> {
        let said = running.said();
        let lines = said.lines().filter(|line| line.contains("\"Committed.\""));
        lines
            .filter_map(|line| serde_json::from_str::<Value>(line).ok())
            .map(|line| milliseconds(line["elapsed"].as_str().unwrap()))
            .collect()
    };
    // How much it had computed by which commit.
    let mut computed = Vec::new();
    while computed.last().is_none_or(|(count, _)| *count < 1050) {
        let before = computed.last().map_or(0, |(count, _)| *count);
        wait_until("more is committed", || committed().len() > before);
        computed.push((committed().len(), running.computed()));
    }
    let times = committed();
    let by = |commit: usize| {
        let after = computed
            .iter()
            .position(|(count, _)| *count >= commit)
            .unwrap()
            .max(1);
        let ((n, from), (m, to)) = (computed[after - 1], computed[after]);
        from + (to - from) * (commit - n) as f64 / (m - n) as f64
    };
    // What it does on start is behind the first ten.
    let each = |from: usize| (by(from + 100) - by(from)) * 10.0;
    println!(
        "| commits of a flow | computed for each of the 100 before, ms | median of their time, ms |\n|---|---|---|"
    );
    for at in [110, 200, 500, 1000] {
        println!(
            "| {at} | {:.1} | {:.1} |",
            each(at - 100),
            median(&times[at - 100..at])
        );
    }
    // A machine that others use too takes longer for the same; what is computed for it hardly changes.
    let ratio = each(900) / each(10);
    println!("ratio of the last hundred to the first: {ratio:.2}");
    assert!(ratio < 1.2, "a commit costs {ratio:.2} times as much after 1,000");
}
