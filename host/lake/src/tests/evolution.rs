//! A table that takes on the columns of a newer contract.

use super::*;

const NEW: &str = "canal";

fn grown() -> TableSpec {
    let mut spec = spec();
    let added = [
        Field::new(NEW, DataType::Utf8, true),
        Field::new("telefono", DataType::Utf8, true),
    ];
    let fields = spec.schema.fields().iter().map(|field| field.as_ref().clone());
    // In the middle: the order of a contract is not that of the table.
    let (first, last): (Vec<Field>, Vec<Field>) = fields.partition(|field| field.name() != "fecha");
    spec.schema = Arc::new(Schema::new([first, added.into(), last].concat()));
    spec.without_statistics.push("telefono".into());
    spec
}

fn grown_rows(ids: Range<i64>) -> RecordBatch {
    let before = rows(ids);
    let columns = grown()
        .schema
        .fields()
        .iter()
        .map(|field| match before.column_by_name(field.name()) {
            Some(column) => Arc::clone(column),
            None => Arc::new(StringArray::from_iter(
                (0..before.num_rows()).map(|row| Some(format!("{}{row}", field.name()))),
            )) as ArrayRef,
        })
        .collect();
    RecordBatch::try_new(grown().schema, columns).unwrap()
}

fn grown_commit(from: i64, to: i64) -> Commit {
    let mut commit = commit(P0, Some(from), to);
    commit.batches = vec![grown_rows(from..to)];
    commit
}

async fn count(table: &Table, condition: &str) -> i64 {
    let found = batches(table, &format!("SELECT COUNT(*) FROM t WHERE {condition}")).await;
    let counts = found[0].column(0).as_any().downcast_ref::<Int64Array>().unwrap();
    counts.value(0)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_takes_on_new_columns_and_older_hosts_go_on_writing() {
    let dir = tempfile::tempdir().unwrap();
    let lake = lake_at(dir.path());
    let older = lake.table(spec()).await.unwrap();
    older.commit(commit(P0, None, 10)).await.unwrap();

    let newer = lake.table(grown()).await.unwrap();
    newer.commit(grown_commit(10, 20)).await.unwrap();
    older.commit(commit(P0, Some(20), 30)).await.unwrap();
    // A rollback opens the table by the older contract.
    let back = lake_at(dir.path()).table(spec()).await.unwrap();
    back.commit(commit(P0, Some(30), 40)).await.unwrap();
    newer.commit(grown_commit(40, 50)).await.unwrap();

    let table = lake.existing(&id()).await.unwrap().unwrap();
    assert_eq!(ids(&table).await, (0..50).collect::<Vec<_>>());
    assert_eq!(count(&table, "canal IS NULL").await, 30);
    assert_eq!(count(&table, "canal = 'canal3'").await, 2);
    let columns: Vec<&str> = table
        .schema()
        .fields()
        .iter()
        .map(|f| f.name().as_str())
        .collect();
    assert_eq!(columns[7..], [NEW, "telefono"]);
    // Once is enough.
    let entries = || std::fs::read_dir(dir.path().join("ventas/curated/transacciones/_delta_log"));
    let before = entries().unwrap().count();
    lake.table(grown()).await.unwrap();
    assert_eq!(entries().unwrap().count(), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_personal_column_is_in_no_statistics() {
    let dir = tempfile::tempdir().unwrap();
    let lake = lake_at(dir.path());
    lake.table(spec()).await.unwrap();
    let table = lake.table(grown()).await.unwrap();
    let mut first = grown_commit(0, 10);
    first.advances = vec![advance(P0, None, 10)];
    table.commit(first).await.unwrap();
    let log = dir.path().join("ventas/curated/transacciones/_delta_log");
    let entry = std::fs::read_to_string(log.join("00000000000000000002.json")).unwrap();
    assert!(
        entry.contains("canal0") && !entry.contains("telefono0"),
        "{entry}"
    );
    let grown = std::fs::read_to_string(log.join("00000000000000000001.json")).unwrap();
    assert!(
        grown.contains(r#""delta.dataSkippingStatsColumns":"id,monto,timestamp,canal""#),
        "{grown}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_column_that_became_personal_leaves_the_statistics() {
    let dir = tempfile::tempdir().unwrap();
    let lake = lake_at(dir.path());
    lake.table(spec()).await.unwrap();
    let mut hidden = spec();
    hidden.without_statistics.push("monto".into());
    let table = lake.table(hidden).await.unwrap();
    table.commit(commit(P0, None, 10)).await.unwrap();
    let log = dir.path().join("ventas/curated/transacciones/_delta_log");
    let changed = std::fs::read_to_string(log.join("00000000000000000001.json")).unwrap();
    assert!(
        changed.contains(r#""delta.dataSkippingStatsColumns":"id,timestamp""#),
        "{changed}"
    );
    // A host that runs the older contract does not bring it back.
    lake.table(spec()).await.unwrap();
    assert!(!log.join("00000000000000000003.json").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn two_hosts_that_add_the_same_column_add_it_once() {
    let dir = tempfile::tempdir().unwrap();
    lake_at(dir.path()).table(spec()).await.unwrap();
    let open = || async { lake_at(dir.path()).table(grown()).await.map(drop) };
    futures::future::try_join_all((0..4).map(|_| open()))
        .await
        .unwrap();
    let table = lake_at(dir.path()).existing(&id()).await.unwrap().unwrap();
    assert_eq!(table.schema().fields().len(), 9);
}
