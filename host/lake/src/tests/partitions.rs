//! Partition values that are hard on paths, SQL and readers.

use std::collections::BTreeMap;

use arrow_array::types::Int64Type;

use super::*;

fn hard_values() -> Vec<Option<String>> {
    let mut values: Vec<Option<String>> = [
        "América Latina",
        "../../etc",
        "..",
        "a/b=c%",
        "%2F",
        "it's \"quoted\"",
        "null",
        "__HIVE_DEFAULT_PARTITION__",
        "🦙 llama 🇵🇪",
        "line\nbreak\ttab",
        "C:\\dir",
        "a?b#c&d",
        " padded ",
        "日本",
        "a+b",
        "{x}[y]~^|`",
    ]
    .map(|value| Some(value.to_owned()))
    .into();
    values.push(None);
    values.push(Some("ñ".repeat(300)));
    values.push(Some("x".repeat(1000)));
    values
}

#[tokio::test(flavor = "multi_thread")]
async fn any_text_can_be_a_partition() {
    let dir = tempfile::tempdir().unwrap();
    let table = lake_at(dir.path()).table(spec()).await.unwrap();
    let values = hard_values();
    let count = i64::try_from(values.len()).unwrap();
    let batch = rows_in(0..count * 3, |id| {
        let value = &values[usize::try_from(id % count).unwrap()];
        (DAY, value.clone())
    });
    let landed = table
        .commit(Commit {
            replaces: None,
            batches: vec![batch],
            advances: vec![advance(P0, None, count * 3)],
            info: Map::new(),
        })
        .await
        .unwrap();
    assert_eq!(landed.files, values.len());

    let mut found: BTreeMap<Option<String>, Vec<i64>> = BTreeMap::new();
    for batch in batches(
        &table,
        "SELECT CAST(region AS VARCHAR) AS region, id FROM t ORDER BY id",
    )
    .await
    {
        let text = arrow_cast::cast(batch.column(0), &DataType::Utf8).unwrap();
        let ids = batch.column(1).as_primitive::<Int64Type>();
        for (region, id) in text.as_string::<i32>().iter().zip(ids.values()) {
            found.entry(region.map(str::to_owned)).or_default().push(*id);
        }
    }
    for (place, value) in (0..).zip(&values) {
        assert_eq!(
            found.get(value),
            Some(&vec![place, place + count, place + 2 * count]),
            "{value:?}"
        );
    }
    // Nothing was written outside of the table.
    let outside: Vec<_> = data_files(dir.path())
        .into_iter()
        .filter(|file| !file.starts_with(dir.path().join("ventas/curated/transacciones")))
        .collect();
    assert!(outside.is_empty(), "{outside:?}");

    // A filter prunes and finds.
    let found = batches(&table, "SELECT count(*) FROM t WHERE region = 'América Latina'").await;
    assert_eq!(found[0].column(0).as_primitive::<Int64Type>().value(0), 3);
    let found = batches(
        &table,
        "SELECT count(*) FROM t WHERE region IS NULL AND fecha = '2026-11-21'",
    )
    .await;
    assert_eq!(found[0].column(0).as_primitive::<Int64Type>().value(0), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_commit_writes_one_file_a_partition_in_the_order_of_its_rows() {
    let dir = tempfile::tempdir().unwrap();
    let table = lake_at(dir.path()).table(spec()).await.unwrap();
    let batches: Vec<RecordBatch> = (0..50).map(|n| rows(n * 20..n * 20 + 20)).collect();
    let landed = table
        .commit(Commit {
            replaces: None,
            batches,
            advances: vec![advance(P0, None, 1000)],
            info: Map::new(),
        })
        .await
        .unwrap();
    assert_eq!((landed.files, landed.rows), (6, 1000));
    for file in data_files(dir.path()) {
        let bytes = bytes::Bytes::from(std::fs::read(file).unwrap());
        let reader = parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder::try_new(bytes).unwrap();
        assert_eq!(reader.metadata().num_row_groups(), 1);
        let ids: Vec<i64> = reader
            .build()
            .unwrap()
            .flat_map(|batch| {
                batch
                    .unwrap()
                    .column(0)
                    .as_primitive::<Int64Type>()
                    .values()
                    .to_vec()
            })
            .collect();
        assert!(ids.is_sorted() && ids.len() > 100);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_partition_becomes_several_files() {
    let dir = tempfile::tempdir().unwrap();
    let mut config = config();
    config.target_file_bytes = (256 * 1024).try_into().unwrap();
    let lake = Lake::open(dir.path().to_str().unwrap(), config).unwrap();
    let mut spec = spec();
    spec.partition_by.clear();
    let table = lake.table(spec).await.unwrap();
    let landed = table.commit(commit(P0, None, 200_000)).await.unwrap();
    assert!(landed.files > 1, "{landed:?}");
    assert_eq!(landed.rows, 200_000);
    assert_eq!(ids(&table).await.len(), 200_000);
}
