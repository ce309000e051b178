//! Masks, in values a second on one core.

use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

use arrow_array::{ArrayRef, Date32Array, StringArray, TimestampMicrosecondArray};
use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, Criterion, Throughput, criterion_group, criterion_main};
use malla_contract::{Classification, Column, ColumnType, Date, MaskKind};
use malla_privacy::{KeyStore, Masker, QueryKey, TokenTranslator};

const ROWS: u32 = 65_536;

fn masks(criterion: &mut Criterion) {
    let keys = keys();
    let lower = |row: u32| format!("cliente.{:06}@correo.example", row % 50_000);
    let mixed = |row: u32| format!(" Cliente.{:06}@Correo.example", row % 50_000);
    let accented = |row: u32| format!("josé.{:06}@correo.example", row % 50_000);
    let card = |row: u32| format!("4111-1111-{:04}-{:04}", row / 10_000, row % 10_000);

    let mut group = criterion.benchmark_group("mask");
    group
        .throughput(Throughput::Elements(u64::from(ROWS)))
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(2));
    for (name, mask, tag, column) in [
        ("token/email", MaskKind::Token, "pii:email", column(lower)),
        (
            "token/email-to-normalise",
            MaskKind::Token,
            "pii:email",
            column(mixed),
        ),
        (
            "token/email-not-ascii",
            MaskKind::Token,
            "pii:email",
            column(accented),
        ),
        ("token/card", MaskKind::Token, "pii:card", column(card)),
        ("show-last-4/card", MaskKind::ShowLast4, "pii:card", column(card)),
        (
            "mask-alphanum/email",
            MaskKind::MaskAlphanum,
            "pii:email",
            column(lower),
        ),
        (
            "mask-alphanum/email-not-ascii",
            MaskKind::MaskAlphanum,
            "pii:email",
            column(accented),
        ),
        (
            "show-first-4/card",
            MaskKind::ShowFirst4,
            "pii:card",
            column(card),
        ),
        (
            "email-domain/email",
            MaskKind::EmailDomain,
            "pii:email",
            column(lower),
        ),
        (
            "email-domain/email-not-ascii",
            MaskKind::EmailDomain,
            "pii:email",
            column(accented),
        ),
        (
            "sha-256-query-local/email",
            MaskKind::Sha256QueryLocal,
            "pii:email",
            column(lower),
        ),
        (
            "mask-to-default/email",
            MaskKind::MaskToDefault,
            "pii:email",
            column(lower),
        ),
        (
            "replace-with-null/email",
            MaskKind::ReplaceWithNull,
            "pii:email",
            column(lower),
        ),
    ] {
        let masker = masker(&keys, mask, ColumnType::Utf8, tag);
        group.bench_function(name, |bencher| {
            bencher.iter(|| masker.apply(black_box(&column)).ok())
        });
    }
    let dates: ArrayRef = Arc::new(
        (0..ROWS as i32)
            .map(|row| Some(row % 30_000))
            .collect::<Date32Array>(),
    );
    let micros = (0..i64::from(ROWS)).map(|row| Some(row * 26_438_400_123));
    let times: ArrayRef = Arc::new(micros.collect::<TimestampMicrosecondArray>().with_timezone("UTC"));
    for (name, ty, column) in [
        ("date", ColumnType::Date, dates),
        ("timestamp", ColumnType::Timestamp, times),
    ] {
        for mask in [
            MaskKind::TruncateToYear,
            MaskKind::TruncateToMonth,
            MaskKind::MaskToDefault,
        ] {
            let masker = masker(&keys, mask, ty, "pii:birth");
            group.bench_function(format!("{mask}/{name}"), |bencher| {
                bencher.iter(|| masker.apply(black_box(&column)).ok())
            });
        }
    }
    translate(&mut group, &column(lower));
    group.finish();
}

/// Every token is of the generation before.
#[expect(
    clippy::expect_used,
    reason = "a bench that cannot start has nothing to measure"
)]
fn translate(group: &mut BenchmarkGroup<'_, WallTime>, values: &ArrayRef) {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let path = dir.path().join("malla.keys");
    let keys = KeyStore::create(&path).expect("keys");
    let (old, _) = masker(&keys, MaskKind::Token, ColumnType::Utf8, "pii:email")
        .apply(values)
        .expect("tokens");
    let today = Date::from_days(0);
    let keys = KeyStore::rotate_tokens(&path, today, today).expect("keys");
    let translator = TokenTranslator::new(&keys, "pii:email", today);
    let (current, _) = masker(&keys, MaskKind::Token, ColumnType::Utf8, "pii:email")
        .apply(values)
        .expect("tokens");
    group.bench_function("translate/old-tokens", |bencher| {
        bencher.iter(|| translator.apply(black_box(&old)).ok())
    });
    group.bench_function("translate/current-tokens", |bencher| {
        bencher.iter(|| translator.apply(black_box(&current)).ok())
    });
}

fn column(value: impl Fn(u32) -> String) -> ArrayRef {
    Arc::new((0..ROWS).map(|row| Some(value(row))).collect::<StringArray>())
}

#[expect(
    clippy::expect_used,
    reason = "a bench that cannot start has nothing to measure"
)]
fn masker(keys: &KeyStore, mask: MaskKind, ty: ColumnType, tag: &str) -> Masker {
    let column = Column {
        name: "columna".into(),
        ty,
        required: false,
        unique: false,
        primary_key: false,
        partition: None,
        classification: Classification::Restricted,
        tags: [tag.to_owned()].into(),
        holds: std::collections::BTreeSet::new(),
        description: None,
        quality: Vec::new(),
    };
    let query = QueryKey::random().expect("randomness");
    Masker::for_query(keys, &query, mask, &column, None).expect("a mask that fits")
}

#[expect(
    clippy::expect_used,
    reason = "a bench that cannot start has nothing to measure"
)]
fn keys() -> KeyStore {
    let dir = tempfile::tempdir().expect("a temporary folder");
    KeyStore::create(&dir.path().join("malla.keys")).expect("keys")
}

criterion_group!(benches, masks);
criterion_main!(benches);
