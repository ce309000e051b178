//! What a decision and a load cost with 100,000 rules.

#![expect(
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a bench measures nothing on data that is not there"
)]

use std::fmt::Write as _;
use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use malla_contract::{Classification, Column, ColumnType};
use malla_policy::{Action, GLOBAL_FILE, GROUPS_FILE, Policy, PolicyFiles, Request};

/// Rules over `rules / 50` roles, in 20 domains of tables and columns; each user has three roles, one through another.
fn files(rules: usize) -> PolicyFiles {
    let mut global = String::new();
    let mut groups = String::new();
    let roles = (rules / 50).max(1);
    for n in 0..rules {
        let (role, domain, table) = (n % roles, n % 20, n % 997);
        let object = match n % 5 {
            0 => format!("d{domain}.t{table}"),
            1 => format!("d{domain}.t{table}/c{}", n % 31),
            2 => format!("d{domain}.t{table}/*"),
            3 => format!("d{domain}.*"),
            _ => format!("tag:{}", n % 40),
        };
        let action = ["read", "read-raw", "write", "erase"][n / 5 % 4];
        let purpose = if n % 3 == 0 {
            "*".to_owned()
        } else {
            format!("p{}", n % 12)
        };
        let effect = if n % 17 == 0 { "deny" } else { "allow" };
        // Writing to a String cannot fail.
        let _ = writeln!(
            global,
            "p, role:r{role}, d{domain}, {object}, {action}, {purpose}, {effect}"
        );
    }
    // One pair of subject and object about which there is a lot to say.
    for n in 0..1000 {
        let _ = writeln!(global, "p, *, d{}, d0.busy, read, x{n}, allow", n % 20);
    }
    for role in 0..roles {
        let _ = writeln!(groups, "g, user:u{role}, role:r{role}, *");
        let _ = writeln!(
            groups,
            "g, user:u{role}, role:r{}, d{}",
            (role + 7) % roles,
            role % 20
        );
        if role % 2 == 0 && role + 1 < roles {
            let _ = writeln!(groups, "g, role:r{role}, role:r{}, *", role + 1);
        }
    }
    let files = PolicyFiles::template("policies");
    files.with(GLOBAL_FILE, global).with(GROUPS_FILE, groups)
}

fn decide(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("decide");
    for rules in [1_000, 100_000] {
        let policy = Policy::parse(&files(rules)).unwrap_or_else(|errors| panic!("{errors}"));
        let users: Vec<String> = (0..rules / 50).map(|n| format!("user:u{n}")).collect();
        let mut ask = |name: &str, object: &str, purpose: &str| {
            let mut next = 0;
            group.bench_function(BenchmarkId::new(name, rules), |bencher| {
                bencher.iter(|| {
                    next = (next + 7) % users.len();
                    policy
                        .decide(&Request {
                            principal: black_box(&users[next]),
                            domain: "d0",
                            object: black_box(object),
                            action: Action::Read,
                            purpose: black_box(purpose),
                        })
                        .is_allowed()
                });
            });
        };
        ask("table", "d0.t40", "p1");
        ask("column", "d0.t40/c3", "p1");
        ask("tag", "tag:4", "p4");
        ask("unknown", "d0.nothing/nothing", "never");
        ask("busy", "d0.busy", "x40");
        let columns: Vec<Column> = (0..13)
            .map(|n| Column {
                name: format!("c{n}"),
                ty: ColumnType::Utf8,
                required: false,
                unique: false,
                primary_key: false,
                partition: None,
                classification: Classification::Internal,
                tags: (0..n / 6).map(|tag| format!("tag:{tag}")).collect(),
                holds: std::collections::BTreeSet::new(),
                description: None,
                quality: Vec::new(),
            })
            .collect();
        group.bench_function(BenchmarkId::new("view of 13 columns", rules), |bencher| {
            bencher.iter(|| {
                policy
                    .view(black_box("user:u0"), "d0", "d0.t40", &columns, "p1")
                    .is_ok()
            });
        });
    }
    group.finish();
}

fn load(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("load");
    group.sample_size(10);
    for rules in [1_000, 100_000] {
        let files = files(rules);
        let dir = tempfile::tempdir().unwrap_or_else(|error| panic!("{error}"));
        for (name, text) in files.texts() {
            let path = dir.path().join(name);
            let written = std::fs::create_dir_all(path.parent().unwrap_or(dir.path()))
                .and_then(|()| std::fs::write(&path, text));
            written.unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        }
        group.bench_function(BenchmarkId::new("folder", rules), |bencher| {
            bencher.iter(|| Policy::load(dir.path()).is_ok());
        });
        let policy = Policy::parse(&files).unwrap_or_else(|errors| panic!("{errors}"));
        group.bench_function(BenchmarkId::new("check", rules), |bencher| {
            bencher.iter(|| malla_policy::check(&policy, &[]).len());
        });
    }
    group.finish();
}

criterion_group!(benches, decide, load);
criterion_main!(benches);
