//! Masks, in values a second on one core.

use std::hint::black_box;
use std::sync::Arc;

use arrow_array::{ArrayRef, StringArray};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use malla_contract::{Classification, Column, ColumnType, MaskKind};
use malla_privacy::{KeyStore, Masker};

const ROWS: u32 = 65_536;

fn masks(criterion: &mut Criterion) {
    let keys = keys();
    let lower = |row: u32| format!("cliente.{:06}@correo.example", row % 50_000);
    let mixed = |row: u32| format!(" Cliente.{:06}@Correo.example", row % 50_000);
    let accented = |row: u32| format!("josé.{:06}@correo.example", row % 50_000);
    let card = |row: u32| format!("4111-1111-{:04}-{:04}", row / 10_000, row % 10_000);

    let mut group = criterion.benchmark_group("mask");
    group.throughput(Throughput::Elements(u64::from(ROWS)));
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
            "replace-with-null/email",
            MaskKind::ReplaceWithNull,
            "pii:email",
            column(lower),
        ),
    ] {
        let masker = masker(&keys, mask, tag);
        group.bench_function(name, |bencher| {
            bencher.iter(|| masker.apply(black_box(&column)).ok())
        });
    }
    group.finish();
}

fn column(value: impl Fn(u32) -> String) -> ArrayRef {
    Arc::new((0..ROWS).map(|row| Some(value(row))).collect::<StringArray>())
}

#[expect(
    clippy::expect_used,
    reason = "a bench that cannot start has nothing to measure"
)]
fn masker(keys: &KeyStore, mask: MaskKind, tag: &str) -> Masker {
    let column = Column {
        name: "columna".into(),
        ty: ColumnType::Utf8,
        required: false,
        unique: false,
        primary_key: false,
        partition: None,
        classification: Classification::Restricted,
        tags: [tag.to_owned()].into(),
        description: None,
    };
    Masker::for_column(keys, mask, &column, None).expect("text takes every mask")
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
