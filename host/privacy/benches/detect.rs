//! Finding personal values, in bytes a second on one core.

use std::hint::black_box;
use std::time::Duration;

use arrow_array::StringArray;
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use malla_privacy::Detector;

const ROWS: u32 = 65_536;
const CITIES: [&str; 5] = [
    "América Latina",
    "Ciudad de México",
    "Bogotá",
    "Buenos Aires",
    "Norte",
];
const NAMES: [&str; 5] = [
    "Ana García López",
    "Luis Pérez",
    "María José Fernández",
    "Núria Ñáñez",
    "Raúl Díaz",
];
const COMMENTS: [&str; 4] = [
    "El paquete llegó tarde y la caja estaba abierta; el cliente pide que se cambie por otro igual.",
    "Pedido 48213 entregado a las 10:35 en recepción, sin incidencias",
    "Llamar antes de entregar, piso 3 puerta B, timbre roto desde 2024-03-11",
    "Todo bien, gracias",
];
const PERSONAL: [&str; 5] = [
    "escribir a ana.garcia@correo.example antes del lunes",
    "pagó con 4111 1111 1111 1111 en tienda",
    "devolver a ES91 2100 0418 4502 0005 1332 por favor",
    "avisar al +52 55 1234 5678 cuando llegue",
    "a nombre de Juan, 12345678Z, recoge mañana",
];

/// Of a row.
type Value = fn(u32) -> String;

fn detect(criterion: &mut Criterion) {
    let columns: [(&str, Value); 12] = [
        ("comment", comment),
        ("name", |row| pick(&NAMES, row).to_owned()),
        ("city", |row| pick(&CITIES, row).to_owned()),
        ("product-id", |row| format!("P{:05}", row % 400)),
        ("customer-id", |row| format!("C{:06}", row % 20_000)),
        ("uuid", uuid),
        ("number-16", |row| {
            format!("{:016}", 4_000_000_000_000_000 + u64::from(row) * 7919)
        }),
        ("date", |row| {
            format!("2026-{:02}-{:02}", 1 + row % 12, 1 + row % 28)
        }),
        ("amount", |row| {
            format!("{}.{:02}", row * 7919 % 20_000, row % 100)
        }),
        ("address", |row| {
            format!("10.{}.{}.{}", row % 13, row % 256, row % 251)
        }),
        ("timestamp", |row| {
            format!(
                "2026-11-{:02}T{:02}:{:02}:07.250Z",
                1 + row % 28,
                row % 24,
                row % 60
            )
        }),
        ("mix", mix),
    ];
    let mut group = criterion.benchmark_group("scan");
    group
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(2));
    for (name, value) in columns {
        for (share, one_in) in [("0%", u32::MAX), ("1%", 100)] {
            let column = column(value, one_in);
            group.throughput(Throughput::Bytes(column.value_data().len() as u64));
            group.bench_with_input(BenchmarkId::new(name, share), &column, |bencher, column| {
                bencher.iter(|| Detector::default().scan(black_box(column)));
            });
        }
    }
    group.finish();

    let mut group = criterion.benchmark_group("hide");
    let column = column(comment, 100);
    group.throughput(Throughput::Bytes(column.value_data().len() as u64));
    group.bench_function("comment/1%", |bencher| {
        bencher.iter(|| Detector::default().hide(black_box(&column)).ok());
    });
    group.finish();

    let mut group = criterion.benchmark_group("hostile");
    group.sample_size(10);
    for (name, text) in [
        ("@", "@"),
        ("digits", "4111"),
        ("digits and spaces", "41 "),
        ("digit, space", "4 "),
        ("pluses", "+52 "),
        ("accounts", "ES91 "),
        ("addresses", "a@b.mx."),
        ("ids", "ABCD010101"),
    ] {
        let column = StringArray::from(vec![text.repeat(4_000_000 / text.len())]);
        group.throughput(Throughput::Bytes(column.value_data().len() as u64));
        group.bench_function(name, |bencher| {
            bencher.iter(|| Detector::default().scan(black_box(&column)));
        });
    }
    group.finish();
}

fn column(value: Value, one_in: u32) -> StringArray {
    let personal = |row: u32| row % one_in == one_in - 1;
    (0..ROWS)
        .map(|row| {
            Some(match personal(row) {
                true => pick(&PERSONAL, row / one_in).to_owned(),
                false => value(row),
            })
        })
        .collect()
}

fn pick<'a>(words: &[&'a str], row: u32) -> &'a str {
    words.get(row as usize % words.len()).copied().unwrap_or_default()
}

fn comment(row: u32) -> String {
    pick(&COMMENTS, row).to_owned()
}

fn uuid(row: u32) -> String {
    let low = u64::from(row).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    format!(
        "1f0a9c3e-7b2d-8f44-{:04x}-{:012x}",
        low >> 50 | 0x8000,
        low & 0xffff_ffff_ffff
    )
}

/// As the columns of a batch, one after the other.
fn mix(row: u32) -> String {
    match row % 6 {
        0 => uuid(row),
        1 => format!("C{:06}", row % 20_000),
        2 => pick(&CITIES, row).to_owned(),
        3 => pick(&NAMES, row).to_owned(),
        _ => comment(row),
    }
}

criterion_group!(benches, detect);
criterion_main!(benches);
