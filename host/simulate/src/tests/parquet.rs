use std::path::Path;

use ::parquet::file::reader::{FileReader as _, SerializedFileReader};
use ::parquet::record::{Field, Row};
use ::parquet::schema::types::Type;
use tempfile::TempDir;

use super::{NOW, segments};
use crate::{Dirt, Export, Report, Simulator};

fn write(source: (&str, &str), root: &Path, events: u64) -> Report {
    let simulator = Simulator::new(9, source.0, source.1).unwrap();
    let mut simulator = simulator.with_now(NOW).with_export(Export::Parquet);
    assert!(simulator.is_export());
    simulator.write(root, events).unwrap()
}

/// The rows without their first column, which holds text that is none; and how many nulls that has.
fn rows(root: &Path) -> (Vec<Row>, u64) {
    let (mut rows, mut nulls) = (Vec::new(), 0);
    for (name, bytes) in segments(root) {
        assert!(name.ends_with(".parquet"), "{name}");
        let reader = SerializedFileReader::new(bytes::Bytes::from(bytes)).unwrap();
        for group in reader.metadata().row_groups() {
            nulls += group.column(0).statistics().unwrap().null_count_opt().unwrap();
        }
        let fields = reader.metadata().file_metadata().schema().get_fields();
        let others = Type::group_type_builder("export").with_fields(fields[1..].to_vec());
        let found = reader.get_row_iter(Some(others.build().unwrap())).unwrap();
        rows.extend(found.map(Result::unwrap));
    }
    (rows, nulls)
}

fn among(rows: &[Row], column: &str, check: impl Fn(&Field) -> bool) -> u64 {
    let found = |row: &&Row| {
        row.get_column_iter()
            .any(|(name, field)| name == column && check(field))
    };
    rows.iter().filter(found).count() as u64
}

#[test]
fn an_export_has_columns_with_types_and_the_dirt_that_they_can_hold() {
    let (root, again) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let report = write(("producto", "catalogo"), root.path(), 60_000);
    assert_eq!(
        write(("producto", "catalogo"), again.path(), 60_000),
        Report {
            root: again.path().to_owned(),
            ..report.clone()
        }
    );
    assert_eq!(segments(root.path()), segments(again.path()));
    let written = segments(root.path());
    assert_eq!(written.len(), 1);
    assert_eq!(
        report.bytes,
        written.values().map(|bytes| bytes.len() as u64).sum::<u64>()
    );

    let (rows, without_id) = rows(root.path());
    assert_eq!(rows.len(), 60_000);
    let dirt = |kind| report.dirt.get(&kind).copied().unwrap_or(0);
    assert!(
        report
            .dirt
            .keys()
            .all(|kind| Dirt::CATALOGUE_COLUMNS.contains(kind))
    );
    assert_eq!(report.dirt.len(), Dirt::CATALOGUE_COLUMNS.len());
    let is_null = |field: &Field| matches!(field, Field::Null);
    assert_eq!(without_id, dirt(Dirt::MissingProducto));
    assert_eq!(among(&rows, "nombre", is_null), dirt(Dirt::MissingNombre));
    assert_eq!(
        among(&rows, "precio", is_null) + among(&rows, "vigente_desde", is_null),
        0
    );
    assert!(among(&rows, "costo", is_null) > 1_000);
    let negative = |field: &Field| field.to_string().starts_with('-');
    assert_eq!(among(&rows, "precio", negative), dirt(Dirt::PrecioNegative));
    let precise = |field: &Field| !field.to_string().ends_with('0');
    assert_eq!(among(&rows, "precio", precise), dirt(Dirt::PrecioTooPrecise));
    assert_eq!(
        among(&rows, "vigente_desde", |field| matches!(field, Field::Date(_))),
        60_000
    );
}

#[test]
fn returns_have_their_times() {
    let root = TempDir::new().unwrap();
    let report = write(("ventas", "devoluciones"), root.path(), 5_000);
    let (rows, _) = rows(root.path());
    let missing = report.dirt[&Dirt::MissingTimestamp];
    assert_eq!(
        among(&rows, "timestamp", |field| matches!(field, Field::Null)),
        missing
    );
    assert_eq!(
        among(
            &rows,
            "timestamp",
            |field| matches!(field, Field::TimestampMicros(micros) if *micros <= NOW)
        ),
        5_000 - missing
    );
    // A second call is a file of its own.
    write(("ventas", "devoluciones"), root.path(), 10);
    assert_eq!(segments(root.path()).len(), 2);
}
