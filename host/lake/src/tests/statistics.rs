//! What statistics tell, and what they must not.

use parquet::file::reader::{FileReader, SerializedFileReader};
use serde_json::Value;

use super::*;

fn contains(haystack: &[u8], needle: &[u8]) -> bool {
    haystack.windows(needle.len()).any(|window| window == needle)
}

#[tokio::test(flavor = "multi_thread")]
async fn personal_values_are_in_no_statistics() {
    let dir = tempfile::tempdir().unwrap();
    let mut config = config();
    config.checkpoint_interval = 2.try_into().unwrap();
    let lake = Lake::open(dir.path().to_str().unwrap(), config).unwrap();
    let table = lake.table(spec()).await.unwrap();
    table.commit(commit(P0, None, 100)).await.unwrap();
    // The same through a handle that knows the table only from its log.
    let known = lake.existing(&id()).await.unwrap().unwrap();
    known.commit(commit(P0, Some(100), 200)).await.unwrap();
    known.commit(commit(P0, Some(200), 300)).await.unwrap();

    let log = dir.path().join("ventas/curated/transacciones/_delta_log");
    let mut checkpoints = 0;
    for entry in std::fs::read_dir(&log).unwrap() {
        let path = entry.unwrap().path();
        let bytes = std::fs::read(&path).unwrap();
        assert!(!contains(&bytes, b"secreto"), "{}", path.display());
        assert!(!contains(&bytes, b"4000-0000"), "{}", path.display());
        if path.extension().is_some_and(|e| e == "parquet") {
            checkpoints += 1;
            for batch in parquet::arrow::arrow_reader::ParquetRecordBatchReader::try_new(
                bytes::Bytes::from(bytes),
                1024,
            )
            .unwrap()
            {
                let text = format!("{:?}", batch.unwrap());
                assert!(!text.contains("secreto") && !text.contains("4000-0000"));
            }
        }
    }
    assert_eq!(checkpoints, 2);

    for file in data_files(dir.path()) {
        let bytes = std::fs::read(&file).unwrap();
        let reader = SerializedFileReader::new(bytes::Bytes::from(bytes.clone())).unwrap();
        let mut data_end = 0;
        for group in reader.metadata().row_groups() {
            for column in group.columns() {
                let (start, length) = column.byte_range();
                data_end = data_end.max(start + length);
                let personal = ["email", "tarjeta"].contains(&column.column_path().string().as_str());
                let extremes = column.statistics().and_then(|s| s.min_bytes_opt());
                assert_eq!(extremes.is_none(), personal, "{}", column.column_path());
            }
        }
        // Behind the pages lie the indexes and the footer.
        let tail = &bytes[usize::try_from(data_end).unwrap()..];
        assert!(!contains(tail, b"secreto") && !contains(tail, b"4000-0000"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_log_says_what_a_file_holds() {
    let dir = tempfile::tempdir().unwrap();
    let mut spec = spec();
    spec.partition_by.clear();
    let table = lake_at(dir.path()).table(spec).await.unwrap();
    table.commit(commit(P0, None, 100)).await.unwrap();
    let entry = dir
        .path()
        .join("ventas/curated/transacciones/_delta_log/00000000000000000001.json");
    let add = std::fs::read_to_string(entry)
        .unwrap()
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap())
        .find_map(|action| action.get("add").cloned())
        .unwrap();
    let stats: Value = serde_json::from_str(add["stats"].as_str().unwrap()).unwrap();
    assert_eq!(stats["numRecords"], 100);
    assert_eq!(stats["minValues"]["id"], 0);
    assert_eq!(stats["maxValues"]["id"], 99);
    assert_eq!(stats["maxValues"]["region"], "LATAM");
    assert_eq!(stats["nullCount"]["region"], 33);
    assert!(stats["minValues"]["email"].is_null() && stats["nullCount"]["email"].is_null());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_of_personal_columns_alone_has_no_statistics() {
    let dir = tempfile::tempdir().unwrap();
    let lake = lake_at(dir.path());
    let spec = TableSpec {
        id: id(),
        schema: Arc::new(Schema::new(vec![Field::new(
            "línea-cifrada",
            DataType::Utf8,
            true,
        )])),
        partition_by: Vec::new(),
        without_statistics: vec!["línea-cifrada".into()],
    };
    let table = lake.table(spec.clone()).await.unwrap();
    let secret: ArrayRef = Arc::new(StringArray::from(vec!["secreto"]));
    let batch = RecordBatch::try_new(spec.schema.clone(), vec![secret]).unwrap();
    for (table, from) in [
        (table, None),
        (lake.existing(&id()).await.unwrap().unwrap(), Some(1)),
    ] {
        let commit = Commit {
            replaces: None,
            batches: vec![batch.clone()],
            advances: vec![advance(P0, from, from.unwrap_or(0) + 1)],
            info: Map::new(),
        };
        table.commit(commit).await.unwrap();
    }
    for entry in std::fs::read_dir(dir.path().join("ventas/curated/transacciones/_delta_log")).unwrap() {
        assert!(!contains(
            &std::fs::read(entry.unwrap().path()).unwrap(),
            b"secreto"
        ));
    }
}
