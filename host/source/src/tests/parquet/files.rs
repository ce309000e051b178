//! When a file is read, and which file it is.

use super::*;

#[test]
fn a_file_is_read_when_it_is_whole() {
    let bytes = file(&rows(0..100), 50);
    let bed = Bed {
        settle: Duration::from_millis(50),
        ..bed()
    };
    bed.write("a.parquet.part", &bytes);
    bed.write(".b.parquet", &bytes);
    bed.write("c.parquet", &bytes[..bytes.len() - 30]);
    bed.write("c.parquet.gz", &bytes);
    let mut reader = bed.reader(0);
    assert!(reader.next(SMALL, Mode::Follow).unwrap().is_none());
    assert!(reader.next(SMALL, Mode::Drain).unwrap().is_none());
    let not_whole = SourceWarning::NotWhole {
        name: "c.parquet".to_owned(),
    };
    assert!(reader.take_warnings().contains(&not_whole));
    bed.append("c.parquet", &bytes[bytes.len() - 30..]);
    assert!(reader.next(SMALL, Mode::Follow).unwrap().is_none(), "not settled");
    assert_eq!(drain(&mut reader).len(), 100);
    bed.rename("a.parquet.part", "a.parquet");
    assert_eq!(drain(&mut reader).len(), 100);
}

#[test]
fn a_file_that_was_given_up_is_read_when_it_is_whole_after_all() {
    let bytes = file(&rows(0..20), 50);
    let bed = bed();
    bed.write("a.parquet", &bytes[..bytes.len() - 30]);
    set_old(&bed.path("a.parquet"));
    let mut reader = bed.reader(0);
    let lines = reader.next(SMALL, Mode::Follow).unwrap().unwrap();
    assert_eq!(lines.problems().len(), 1);
    assert!(reader.next(SMALL, Mode::Follow).unwrap().is_none());
    // By a reader that starts anew.
    drop(reader);
    let mut reader = bed.reader(lines.to());
    assert!(reader.next(SMALL, Mode::Drain).unwrap().is_none());
    bed.append("a.parquet", &bytes[bytes.len() - 30..]);
    assert_eq!(drain(&mut reader).len(), 20);
}

#[test]
fn another_file_under_the_same_name_is_a_new_one_and_the_same_again_is_not() {
    let bed = bed();
    let (one, other) = (file(&rows(0..5), 50), file(&rows(5..10), 50));
    bed.write("a.parquet", &one);
    let mut reader = bed.reader(0);
    assert_eq!(drain(&mut reader).len(), 5);
    // Renamed, sent once more, written over in place, replaced.
    bed.rename("a.parquet", "b.parquet");
    assert_eq!(drain(&mut reader).len(), 0);
    bed.rename("b.parquet", "a.parquet");
    bed.write("c", &one);
    bed.rename("c", "a.parquet");
    assert_eq!(drain(&mut reader).len(), 0);
    bed.write("a.parquet", &other);
    let ids = |lines: Vec<String>| lines.iter().map(|line| id(line)).collect::<Vec<_>>();
    assert_eq!(ids(drain(&mut reader)), [5, 6, 7, 8, 9]);
    bed.write("a.parquet", file(&rows(20..22), 50));
    assert_eq!(ids(drain(&mut reader)), [20, 21]);
    let replaced = SourceWarning::Replaced {
        name: "a.parquet".to_owned(),
    };
    assert!(reader.take_warnings().contains(&replaced));
    bed.write("c", file(&rows(10..12), 50));
    bed.rename("c", "a.parquet");
    assert_eq!(ids(drain(&mut reader)), [10, 11]);
}

#[test]
fn a_file_that_changes_while_it_is_read_is_told_of() {
    let bed = bed();
    bed.write("a.parquet", file(&rows(0..20_000), 50_000));
    let mut reader = bed.reader(0);
    let lines = reader.next(SMALL, Mode::Drain).unwrap().unwrap();
    assert_eq!(lines.len(), 3);
    bed.write("a.parquet", file(&rows(50..60), 50_000));
    let limit = BatchLimit::default();
    let rest = told(&reader.next(limit, Mode::Drain).unwrap().unwrap());
    let (lost, new) = rest.split_at(rest.len() - 10);
    // What was decoded already is good.
    assert_eq!(lost.len(), 8192 - 3 + 1);
    assert!(
        lost.last().unwrap().contains("was changed while it was read"),
        "{:?}",
        lost.last()
    );
    assert_eq!(
        new.iter().map(|line| id(line)).collect::<Vec<_>>(),
        (50..60).collect::<Vec<_>>()
    );
    // Touched, but the same.
    bed.write("b.parquet", file(&rows(0..20_000), 50_000));
    let lines = reader.next(SMALL, Mode::Drain).unwrap().unwrap();
    assert_eq!(lines.len(), 3);
    set_old(&bed.path("b.parquet"));
    let mut count = lines.len();
    while let Some(lines) = reader.next(limit, Mode::Drain).unwrap() {
        assert!(lines.problems().is_empty());
        count += lines.len();
    }
    assert_eq!(count, 20_000);
}
