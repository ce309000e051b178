//! NOT COMMITTED: tables for a look from outside, and measures.
use std::time::Instant;

use super::*;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore]
async fn outside() {
    let dir = std::path::PathBuf::from("/tmp/t/lago");
    let _ = std::fs::remove_dir_all(&dir);
    let table = lake_at(&dir).table(spec()).await.unwrap();
    let values = super::partitions::hard_values();
    let count = i64::try_from(values.len()).unwrap();
    let batch = rows_in(0..count * 3, |id| {
        (DAY, values[usize::try_from(id % count).unwrap()].clone())
    });
    table
        .commit(Commit {
            batches: vec![batch],
            advances: vec![advance(P0, None, count * 3)],
            info: Map::new(),
        })
        .await
        .unwrap();
    std::fs::write("/tmp/t/lago/values.json", serde_json::to_string(&values).unwrap()).unwrap();
}

fn wide(n: i64, off: i64) -> RecordBatch {
    use arrow_array::*;
    let ids: Vec<i64> = (off..off + n).collect();
    let s = |f: &dyn Fn(i64) -> String| -> ArrayRef {
        Arc::new(StringArray::from_iter_values(ids.iter().map(|i| f(*i))))
    };
    let regions = [
        "América Latina",
        "Europa",
        "Norteamérica",
        "Asia",
        "África",
        "Oceanía",
    ];
    let mon = ["USD", "EUR", "MXN", "COP", "BRL"];
    let dec = |k: i128| -> ArrayRef {
        Arc::new(
            Decimal128Array::from_iter_values(ids.iter().map(|i| (i128::from(*i) * 7919 + k) % 1_000_000))
                .with_precision_and_scale(18, 2)
                .unwrap(),
        )
    };
    let h = |i: i64, k: u64| {
        let mut x = i as u64 ^ k;
        x = x.wrapping_mul(0x9E3779B97F4A7C15);
        x ^= x >> 29;
        x = x.wrapping_mul(0xBF58476D1CE4E5B9);
        x ^ (x >> 32)
    };
    let cols: Vec<(&str, ArrayRef)> = vec![
        ("transaccion_id", s(&|i| format!("tx-{:016x}", h(i, 1)))),
        ("cliente_id", s(&|i| format!("c-{:06}", h(i, 2) % 50_000))),
        ("producto_id", s(&|i| format!("p-{:05}", h(i, 3) % 5_000))),
        ("monto", dec(3)),
        ("moneda", s(&|i| mon[(h(i, 4) % 5) as usize].into())),
        ("monto_usd", dec(5)),
        (
            "cantidad",
            Arc::new(Int32Array::from_iter_values(
                ids.iter().map(|i| (h(*i, 5) % 9) as i32),
            )),
        ),
        ("region", s(&|i| regions[(h(i, 6) % 6) as usize].into())),
        (
            "canal",
            s(&|i| ["web", "app", "tienda"][(h(i, 7) % 3) as usize].into()),
        ),
        ("email", s(&|i| format!("tok_{:016x}{:016x}", h(i, 8), h(i, 9)))),
        (
            "tarjeta",
            s(&|i| format!("xxxx-xxxx-xxxx-{:04}", h(i, 10) % 10_000)),
        ),
        (
            "timestamp",
            Arc::new(
                TimestampMicrosecondArray::from_iter_values(
                    ids.iter().map(|i| 1_795_219_200_000_000 + i * 1_000_000),
                )
                .with_timezone("UTC"),
            ),
        ),
        (
            "fecha",
            Arc::new(Date32Array::from_iter_values(
                ids.iter().map(|i| DAY + (*i / 86_400) as i32),
            )),
        ),
    ];
    RecordBatch::try_from_iter(cols).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore]
async fn measure() {
    for (name, by) in [("fecha+region", vec!["fecha", "region"]), ("none", vec![])] {
        let dir = tempfile::tempdir().unwrap();
        let lake = Lake::open(dir.path().to_str().unwrap(), WriterConfig::default()).unwrap();
        let all: Vec<RecordBatch> = (0..8).map(|k| wide(100_000, k * 100_000)).collect();
        let table = lake
            .table(TableSpec {
                id: id(),
                schema: all[0].schema(),
                partition_by: by.iter().map(|s| s.to_string()).collect(),
                without_statistics: vec!["email".into(), "tarjeta".into()],
            })
            .await
            .unwrap();
        for (k, batch) in all.iter().enumerate() {
            let k = k as i64;
            let batches: Vec<RecordBatch> = (0..100_000)
                .step_by(8192)
                .map(|o| batch.slice(o, 8192.min(100_000 - o)))
                .collect();
            let t = Instant::now();
            let c = table
                .commit(Commit {
                    batches,
                    advances: vec![advance(P0, (k > 0).then_some(k), k + 1)],
                    info: Map::new(),
                })
                .await
                .unwrap();
            println!("{name}: {:?} files {} bytes {}", t.elapsed(), c.files, c.bytes);
        }
        let t = Instant::now();
        let again = lake
            .table(TableSpec {
                id: id(),
                schema: all[0].schema(),
                partition_by: by.iter().map(|s| s.to_string()).collect(),
                without_statistics: vec!["email".into(), "tarjeta".into()],
            })
            .await
            .unwrap();
        println!("open {:?}", t.elapsed());
        let t = Instant::now();
        again.offset(P0).await.unwrap();
        println!("first offset {:?}", t.elapsed());
        let t = Instant::now();
        again.offset(P0).await.unwrap();
        println!("next offset {:?}", t.elapsed());
    }
    // The cost of a long log.
    let dir = tempfile::tempdir().unwrap();
    let lake = Lake::open(dir.path().to_str().unwrap(), WriterConfig::default()).unwrap();
    let table = lake.table(spec()).await.unwrap();
    let mut t = Instant::now();
    for tick in 0..400 {
        table
            .commit(commit(P0, (tick > 0).then_some(tick), tick + 1))
            .await
            .unwrap();
        if (tick + 1) % 50 == 0 {
            println!("{} small commits: {:?} each", tick + 1, t.elapsed() / 50);
            t = Instant::now();
        }
    }
}
