//! Recording: records a second while the writer keeps up, what one call costs, and how long it takes until a record is on
//! disk. All but the first depend on the disk below the temporary folder.

use std::path::Path;
use std::time::Instant;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use malla_audit::{AuditConfig, AuditLog, Kind, Outcome, Record, verify};

const RECORDS: u32 = 10_000;

fn appends(criterion: &mut Criterion) {
    let dir = folder();
    let log = open(dir.path());
    let mut group = criterion.benchmark_group("audit");
    group.sample_size(20);

    // The queue never fills: what the caller waits for, without the disk.
    group.throughput(Throughput::Elements(1));
    group.bench_function("record", |bencher| {
        bencher.iter_batched(
            || {
                let _ = log.flush();
                decision()
            },
            |record| log.record(record),
            BatchSize::PerIteration,
        );
    });
    // One decision at a time, each waited for.
    group.bench_function("record-and-flush", |bencher| {
        bencher.iter(|| log.record(decision()).and_then(|()| log.flush()));
    });
    // The longest that one of many calls waited, while one thread records as fast as it can and the queue is full.
    group.bench_function("longest-wait", |bencher| {
        bencher.iter_custom(|times| {
            let longest = |_| {
                let waits = (0..2 * RECORDS).map(|_| {
                    let start = Instant::now();
                    let _ = log.record(decision());
                    start.elapsed()
                });
                waits.max().unwrap_or_default()
            };
            (0..times).map(longest).sum()
        });
    });
    // As fast as one thread can, and then waited for: whatever queues up is one group.
    group.throughput(Throughput::Elements(u64::from(RECORDS)));
    group.bench_function("group-commit", |bencher| {
        bencher.iter(|| {
            (0..RECORDS)
                .try_for_each(|_| log.record(decision()))
                .and_then(|()| log.flush())
        });
    });
    drop(log);

    let dir = folder();
    let log = open(dir.path());
    let written = (0..RECORDS).try_for_each(|_| log.record(decision()));
    let key = log.public_key();
    if written.and_then(|()| log.close()).is_ok() {
        group.bench_function("verify", |bencher| {
            bencher.iter(|| verify(&dir.path().join("audit"), &key, None))
        });
    }
    group.finish();
}

fn decision() -> Record {
    Record::new(Kind::Read, "ventas.transacciones", Outcome::Mask)
        .with_principal("user:ana")
        .with_action("read")
        .with_purpose("fraude")
        .with_rule("policies/global.csv:12")
        .with_policy("9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08")
        .with_detail("version", 17)
        .with_detail("rows", 1_234_567)
}

#[expect(
    clippy::expect_used,
    reason = "a bench that cannot start has nothing to measure"
)]
fn folder() -> tempfile::TempDir {
    tempfile::tempdir().expect("a temporary folder")
}

#[expect(
    clippy::expect_used,
    reason = "a bench that cannot start has nothing to measure"
)]
fn open(dir: &Path) -> AuditLog {
    AuditLog::open(&dir.join("audit"), [7; 32], AuditConfig::default()).expect("a log")
}

criterion_group!(benches, appends);
criterion_main!(benches);
