//! Opening, creating and finding tables.

use super::*;
use crate::LakeError;

#[tokio::test(flavor = "multi_thread")]
async fn a_lake_lists_its_tables_and_nothing_else() {
    let dir = tempfile::tempdir().unwrap();
    let lake = lake_at(&dir.path().join("un lago/con años"));
    assert!(lake.list().await.unwrap().is_empty());
    assert!(lake.existing(&id()).await.unwrap().is_none());
    let mut ids = Vec::new();
    for (domain, layer, name) in [
        ("ventas", Layer::Raw, "pedidos"),
        ("ventas", Layer::Curated, "daily-revenue"),
        ("logistica", Layer::Quarantine, "envios"),
    ] {
        let mut spec = spec();
        spec.id = TableId::new(domain, layer, name).unwrap();
        ids.push(spec.id.clone());
        lake.table(spec).await.unwrap();
    }
    std::fs::create_dir_all(dir.path().join("un lago/con años/ventas/curated/vacia")).unwrap();
    std::fs::create_dir_all(dir.path().join("un lago/con años/ventas/otra/x/_delta_log")).unwrap();
    ids.sort();
    assert_eq!(lake.list().await.unwrap(), ids);

    let table = lake.existing(&ids[0]).await.unwrap().unwrap();
    assert_eq!(table.schema(), &schema());
    table.commit(commit(P0, None, 10)).await.unwrap();
    assert_eq!(super::ids(&table).await.len(), 10);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_of_another_schema_is_refused_by_column() {
    let dir = tempfile::tempdir().unwrap();
    let lake = lake_at(dir.path());
    lake.table(spec()).await.unwrap();
    let open = |change: fn(&mut Vec<Field>)| {
        let mut spec = spec();
        let mut fields: Vec<Field> = spec.schema.fields().iter().map(|f| f.as_ref().clone()).collect();
        change(&mut fields);
        spec.without_statistics
            .retain(|name| fields.iter().any(|field| field.name() == name));
        spec.schema = Arc::new(Schema::new(fields));
        lake.table(spec)
    };
    let column = |error: LakeError| match error {
        LakeError::SchemaMismatch {
            column,
            expected,
            found,
            ..
        } => (column, expected, found),
        other => panic!("{other}"),
    };
    let error = open(|f| f[0] = Field::new("id", DataType::Int32, false))
        .await
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "table `ventas/curated/transacciones`: column `id` is required bigint in the lake but required int in the \
         contract: restore it, or publish a new major version, or the product under another name"
    );
    let loosened = open(|f| f[0] = Field::new("id", DataType::Int64, true))
        .await
        .unwrap_err();
    assert_eq!(
        column(loosened),
        ("id".into(), "bigint".into(), "required bigint".into())
    );
    let added = open(|f| f.push(Field::new("nueva", DataType::Utf8, false)))
        .await
        .unwrap_err();
    assert_eq!(
        column(added),
        ("nueva".into(), "required string".into(), "absent".into())
    );
    let removed = open(|f| drop(f.remove(0))).await.unwrap_err();
    assert_eq!(
        column(removed),
        ("id".into(), "absent".into(), "required bigint".into())
    );

    // Another order, and a column that became required, are no other table.
    let table = open(|f| {
        f.reverse();
        let last = f.len() - 3;
        f[last] = Field::new("email", DataType::Utf8, false);
    });
    let table = table.await.unwrap();
    table.commit(commit(P0, None, 3)).await.unwrap();
    assert_eq!(ids(&table).await, [0, 1, 2]);

    let mut other = spec();
    other.partition_by = vec!["region".into()];
    assert!(matches!(
        lake.table(other).await,
        Err(LakeError::PartitionMismatch { .. })
    ));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_spec_that_would_leak_or_break_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let lake = lake_at(dir.path());
    let wrong: [fn(&mut TableSpec); 6] = [
        |spec| spec.partition_by.push("email".into()),
        |spec| spec.partition_by.push("fecha".into()),
        |spec| spec.partition_by.push("no".into()),
        |spec| spec.without_statistics.push("no".into()),
        |spec| spec.schema = Arc::new(Schema::new(vec![Field::new("a b", DataType::Utf8, true)])),
        |spec| {
            let field = |name| Field::new(name, DataType::Utf8, true);
            spec.schema = Arc::new(Schema::new(vec![field("id"), field("ID")]));
        },
    ];
    for change in wrong {
        let mut spec = spec();
        change(&mut spec);
        let error = lake.table(spec).await.unwrap_err();
        assert!(matches!(error, LakeError::Spec { .. }), "{error}");
    }
    assert!(lake.list().await.unwrap().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_of_other_columns_is_refused_and_one_of_another_order_is_not() {
    let dir = tempfile::tempdir().unwrap();
    let table = lake_at(dir.path()).table(spec()).await.unwrap();
    let fine = rows(0..3);
    let mut shuffled = commit(P0, None, 3);
    shuffled.batches = vec![fine.project(&[6, 5, 4, 3, 2, 1, 0]).unwrap()];
    table.commit(shuffled).await.unwrap();
    assert_eq!(ids(&table).await, [0, 1, 2]);

    let mut short = commit(P0, Some(3), 6);
    short.batches = vec![fine.project(&[0, 1, 2, 3, 4, 5]).unwrap()];
    let error = table.commit(short).await.unwrap_err();
    assert!(
        matches!(&error, LakeError::BatchMismatch { column, .. } if column == "fecha"),
        "{error}"
    );

    let nullable: Vec<Field> = schema()
        .fields()
        .iter()
        .map(|f| f.as_ref().clone().with_nullable(true))
        .collect();
    let nulls = nullable
        .iter()
        .map(|f| arrow_array::new_null_array(f.data_type(), 1))
        .collect();
    let mut null = commit(P0, Some(3), 6);
    null.batches = vec![RecordBatch::try_new(Arc::new(Schema::new(nullable)), nulls).unwrap()];
    let error = table.commit(null).await.unwrap_err();
    assert!(
        matches!(&error, LakeError::BatchMismatch { column, .. } if column == "id"),
        "{error}"
    );
}

#[test]
fn a_lake_that_cannot_be_opened_says_why() {
    let error = Lake::open("s3://bucket/lake", config()).map(|_| ());
    if cfg!(not(feature = "s3")) {
        assert!(error.unwrap_err().to_string().contains("--features s3"));
    }
    let error = Lake::open("ftp://host/lake", config()).unwrap_err();
    assert!(error.to_string().contains("ftp"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_that_another_engine_upgraded_is_not_written() {
    let dir = tempfile::tempdir().unwrap();
    let lake = lake_at(dir.path());
    let table = lake.table(spec()).await.unwrap();
    table.offset(P0).await.unwrap();
    let entry = r#"{"protocol":{"minReaderVersion":1,"minWriterVersion":4}}"#;
    let log = dir.path().join("ventas/curated/transacciones/_delta_log");
    std::fs::write(log.join("00000000000000000001.json"), entry).unwrap();
    let error = table.commit(commit(P0, None, 3)).await.unwrap_err();
    assert!(matches!(error, LakeError::Protocol { version: 4, .. }), "{error}");
    assert!(data_files(dir.path()).is_empty());
}
