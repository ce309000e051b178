//! Sealing and opening, in values a second on one core.

use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

use arrow_array::{ArrayRef, BinaryArray, Int64Array, StringArray};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use malla_contract::ColumnType;
use malla_privacy::{KeyStore, Opener, Sealer};

const ROWS: u32 = 65_536;

fn seals(criterion: &mut Criterion) {
    let keys = keys();
    let sealer = Sealer::new(&keys, "ventas/raw/transacciones");
    let seal = |column: &ArrayRef| sealer.batch().ok()?.seal_column("email", column).ok();

    let emails = texts(|row| format!("cliente.{row:06}@correo.example"));
    let lines = texts(|row| {
        format!(
            "{{\"transaccion_id\":\"{row:036}\",\"relleno\":\"{}\"}}",
            "x".repeat(200)
        )
    });
    let numbers: ArrayRef = Arc::new((0..i64::from(ROWS)).collect::<Int64Array>());

    let mut group = criterion.benchmark_group("seal");
    group
        .throughput(Throughput::Elements(u64::from(ROWS)))
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(2));
    for (name, column) in [
        ("email", &emails),
        ("int64", &numbers),
        ("line-of-260-bytes", &lines),
    ] {
        group.bench_function(name, |bencher| bencher.iter(|| seal(black_box(column))));
    }
    let sealed: Option<BinaryArray> = seal(&emails);
    let mut opener = Opener::new(&keys, "ventas/raw/transacciones");
    group.bench_function("open/email", |bencher| {
        bencher.iter(|| {
            opener
                .open_column("email", black_box(sealed.as_ref()?), ColumnType::Utf8)
                .ok()
        });
    });
    group.finish();
}

fn texts(value: impl Fn(u32) -> String) -> ArrayRef {
    Arc::new((0..ROWS).map(|row| Some(value(row))).collect::<StringArray>())
}

#[expect(
    clippy::expect_used,
    reason = "a bench that cannot start has nothing to measure"
)]
fn keys() -> KeyStore {
    let dir = tempfile::tempdir().expect("a temporary folder");
    KeyStore::create(&dir.path().join("malla.keys")).expect("keys")
}

criterion_group!(benches, seals);
criterion_main!(benches);
