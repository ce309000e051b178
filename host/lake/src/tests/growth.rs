//! What a table costs as its log grows: `cargo xtask growth`.

use std::time::{Duration, Instant};

use super::*;

fn median(mut times: Vec<Duration>) -> f64 {
    times.sort();
    times
        .get(times.len() / 2)
        .map_or(0.0, |time| time.as_secs_f64() * 1e3)
}

/// Milliseconds of a commit (the median of the 100 before) and of opening the table (of 5), at 10, 100 and 1,000 commits.
async fn measure(interval: u64) -> Vec<(usize, f64, f64)> {
    let dir = tempfile::tempdir().unwrap();
    let mut config = config();
    config.checkpoint_interval = interval.try_into().unwrap();
    let lake = Lake::open(dir.path().to_str().unwrap(), config).unwrap();
    let table = lake.table(spec()).await.unwrap();
    let mut commits = Vec::new();
    let mut found = Vec::new();
    for step in 0..1000_i64 {
        let from = (step > 0).then_some(step * 6);
        let commit = commit(P0, from, (step + 1) * 6);
        let begun = Instant::now();
        table.commit(commit).await.unwrap();
        commits.push(begun.elapsed());
        if [10, 100, 1000].contains(&commits.len()) {
            let mut opens = Vec::new();
            for _ in 0..5 {
                let begun = Instant::now();
                lake.table(spec()).await.unwrap().offset(P0).await.unwrap();
                opens.push(begun.elapsed());
            }
            let last = commits[commits.len().saturating_sub(100)..].to_vec();
            found.push((commits.len(), median(last), median(opens)));
        }
    }
    found
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes minutes: run by `cargo xtask growth`"]
async fn growth_of_one_table() {
    println!("| checkpoints every | commits | a commit, ms | opening the table, ms |\n|---|---|---|---|");
    for interval in [10_000, 100, 20] {
        for (commits, commit, open) in measure(interval).await {
            println!("| {interval} | {commits} | {commit:.1} | {open:.1} |");
        }
    }
}
