//! Random queries over two lakes that differ in nothing but their secrets.
//!
//! Two laws are held. No secret, nor a piece of one, is in a result or an error. And the answer over both lakes is the
//! same, error or not: whatever a query computes, it computes of what the reader may see.
//!
//! `MALLA_FUZZ_SECONDS` sets how long the long form runs, `MALLA_FUZZ_SEED` where it begins.

mod generator;
mod secrets;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::world::{RULES, clientes, contract, curated, quarantine, raw};
use crate::testing::{Mesh, asker, shown};
use crate::{Format, Limits, Query};
use generator::{Generator, Sql};
use secrets::Secrets;

/// Reads masked columns, and the sales of the north.
const READER: &str = "user:luis";
/// Sees everything.
const CONTROL: &str = "user:admin";
/// Without a fixed order of rows, an answer may differ from run to run. So many runs are compared before that is a leak.
const RUNS: usize = 12;

struct Lakes {
    one: Mesh,
    /// The same rows to the reader; other secrets, and fewer rows that it may not see.
    other: Mesh,
    secrets: Secrets,
}

impl Lakes {
    async fn new() -> Self {
        let one = Mesh::new(&[&contract()], &RULES);
        let mut other = Mesh::new(&[&contract()], &RULES);
        // Tokens are stored, so both have them of one key.
        other.governance.keys = Arc::clone(&one.governance.keys);
        let (first, second) = (secrets::sales(1, 12), secrets::sales(2, 5));
        for (mesh, sales) in [(&one, &first), (&other, &second)] {
            let north: Vec<_> = sales
                .iter()
                .filter(|sale| sale.region.as_deref() == Some("Norte"))
                .cloned()
                .collect();
            let rows = |sales: &[_]| 0..i64::try_from(sales.len()).unwrap();
            curated(mesh, sales, rows(sales)).await;
            raw(mesh, sales, rows(sales)).await;
            clientes(mesh, &north, rows(&north)).await;
            quarantine(mesh, &north, rows(&north)).await;
        }
        Self {
            secrets: Secrets::of(&first, &second),
            one,
            other,
        }
    }
}

/// Rows in an order of their own, or the error.
type Answer = Result<String, String>;

/// The answer, and whether it is whole: which rows are cut off is chance.
async fn answer(query: &Query, principal: &str, sql: &str) -> (Answer, bool) {
    let limits = Limits {
        rows: 1_000,
        memory: 64 * 1024 * 1024,
        spill: None,
        time: Duration::from_secs(20),
    };
    match query.run(&asker(principal), sql, &limits).await {
        Ok(result) => {
            let text = shown(Format::JsonLines, &result);
            let mut lines: Vec<&str> = text.lines().collect();
            lines.sort_unstable();
            // Columns are part of the answer, even without a row.
            let names: Vec<&str> = result
                .schema
                .fields()
                .iter()
                .map(|field| field.name().as_str())
                .collect();
            let text = format!("{}\n{}", names.join(","), lines.join("\n"));
            (Ok(text), !result.truncated)
        }
        Err(error) => (Err(error.to_string()), true),
    }
}

#[derive(Debug, Default)]
struct Count {
    queries: usize,
    ran: usize,
    rows: usize,
    compared: usize,
    control: usize,
    control_found: usize,
}

async fn fuzz(lakes: &Lakes, seed: u64, more: impl Fn(usize) -> bool) -> Count {
    let mut generator = Generator::new(seed);
    let (one, other) = (lakes.one.query(), lakes.other.query());
    let mut count = Count::default();
    while more(count.queries) {
        let sql = generator.next();
        let (seen, is_whole) = answer(&one, READER, &sql.text).await;
        count.queries += 1;
        count.ran += usize::from(seen.is_ok());
        let (Ok(text) | Err(text)) = &seen;
        count.rows += if seen.is_ok() {
            text.lines().count().saturating_sub(1)
        } else {
            0
        };
        // An error repeats the query's own text.
        let found = lakes
            .secrets
            .found(text)
            .filter(|secret| !sql.text.contains(secret.as_str()));
        assert_eq!(
            found, None,
            "seed {seed}, query {}: {}\n{text}",
            count.queries, sql.text
        );
        if sql.repeats && is_whole {
            count.compared += 1;
            compare(&one, &other, &sql, seen, seed).await;
        }
        if count.queries % 4 == 0 {
            let (Ok(text) | Err(text)) = answer(&one, CONTROL, &sql.text).await.0;
            count.control += 1;
            count.control_found += usize::from(lakes.secrets.found(&text).is_some());
        }
    }
    count
}

async fn compare(one: &Query, other: &Query, sql: &Sql, first: Answer, seed: u64) {
    let (mut ours, mut theirs) = (BTreeSet::from([first]), BTreeSet::new());
    for _ in 0..RUNS {
        theirs.insert(answer(other, READER, &sql.text).await.0);
        if !ours.is_disjoint(&theirs) {
            return;
        }
        ours.insert(answer(one, READER, &sql.text).await.0);
        if !ours.is_disjoint(&theirs) {
            return;
        }
    }
    let told =
        |answers: &BTreeSet<Answer>| -> String { format!("{answers:#?}").chars().take(2_000).collect() };
    panic!("seed {seed}: {}\n{}\n{}", sql.text, told(&ours), told(&theirs));
}

fn hold(count: &Count) {
    eprintln!("{count:?}");
    assert!(count.ran * 2 > count.queries, "too few queries run: {count:?}");
    assert!(
        count.compared * 3 > count.queries,
        "too few are compared: {count:?}"
    );
    assert!(
        count.control_found * 10 > count.control,
        "the control finds too little: {count:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn random_queries_find_no_secret() {
    let lakes = Lakes::new().await;
    hold(&fuzz(&lakes, 1, |done| done < 200).await);
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "runs for ten minutes: cargo xtask fuzz-sql"]
async fn random_queries_find_no_secret_for_long() {
    let setting = |name: &str, or: u64| {
        let text = std::env::var(name).ok();
        text.map_or(or, |text| {
            text.parse()
                .unwrap_or_else(|_| panic!("{name} is no number: {text}"))
        })
    };
    let (seconds, seed) = (setting("MALLA_FUZZ_SECONDS", 600), setting("MALLA_FUZZ_SEED", 2));
    let end = Instant::now() + Duration::from_secs(seconds);
    let lakes = Lakes::new().await;
    hold(&fuzz(&lakes, seed, |_| Instant::now() < end).await);
}
