//! Segments, their ends, rotation, positions and the journal.

use super::*;
use crate::{ROOT_PARTITION, SourceWarning};

#[test]
fn partitions_are_folders_and_the_root() {
    let bed = Bed::new();
    for name in ["América Latina", "p10", "p9", ".hidden", "x.jsonl", "_root"] {
        fs::create_dir_all(bed.root().join(name)).unwrap();
    }
    let source = bed.source();
    assert_eq!(
        source.partitions().unwrap(),
        ["%5Froot", "América Latina", "p", "p9", "p10"]
    );
    fs::write(bed.root().join("a.jsonl"), "1\n").unwrap();
    assert_eq!(source.partitions().unwrap()[0], ROOT_PARTITION);
    assert_eq!(drain(&mut source.reader(ROOT_PARTITION, 0).unwrap()), ["1"]);
    assert!(matches!(
        source.reader("nada", 0),
        Err(SourceError::NoPartition { .. })
    ));
    assert!(matches!(
        source.reader("..", 0),
        Err(SourceError::NoPartition { .. })
    ));
    assert!(matches!(
        source.reader("p/../p", 0),
        Err(SourceError::NoPartition { .. })
    ));
}

#[test]
fn names_from_outside_make_partitions_too() {
    use std::os::unix::ffi::OsStrExt;
    let bed = Bed::new();
    let long = "ñ".repeat(120);
    for name in [&b"\xff bad%41"[..], long.as_bytes(), b"a b"] {
        let folder = bed.root().join(std::ffi::OsStr::from_bytes(name));
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("a.jsonl"), "1\n2\n").unwrap();
    }
    let source = bed.source();
    let partitions = source.partitions().unwrap();
    assert_eq!(partitions, ["%FF bad%2541", "a b", "p", &long]);
    for partition in partitions.iter().filter(|name| *name != "p") {
        let position = {
            let mut reader = source.reader(partition, 0).unwrap();
            reader
                .next(BatchLimit { rows: 1, bytes: 100 }, Mode::Drain)
                .unwrap()
                .unwrap()
                .to()
        };
        assert_eq!(drain(&mut source.reader(partition, position).unwrap()), ["2"]);
    }
}

#[test]
fn line_ends_marks_and_blank_lines() {
    let bed = Bed::new();
    bed.write("a.jsonl", b"\xEF\xBB\xBFone\r\n\n\0two\n  \r\n\xff\xfe\n\r\nlast");
    bed.write("b.jsonl", b"\xEF\xBB");
    assert_eq!(
        bed.all(),
        [
            "one",
            "",
            "\0two",
            "  ",
            "\u{fffd}\u{fffd}",
            "",
            "last",
            "\u{fffd}"
        ]
    );
}

#[test]
fn segments_come_in_natural_order_and_all_packings() {
    let bed = Bed::new();
    bed.write("s10.jsonl", "10\n");
    bed.write("s9.jsonl.gz", [gzip(b"9a\n9"), gzip(b"b\n")].concat());
    bed.write(
        "s8.ndjson.zst",
        [
            zstd::encode_all(&b"8a\n"[..], 1).unwrap(),
            zstd::encode_all(&b"8b\n8c"[..], 1).unwrap(),
        ]
        .concat(),
    );
    bed.write("empty.jsonl", "");
    assert_eq!(bed.all(), ["8a", "8b", "8c", "9a", "9b", "10"]);
}

#[test]
fn a_line_in_two_reads_is_one_line() {
    let bed = Bed::new();
    let mut reader = bed.reader(0);
    bed.append("a.jsonl", "{\"a\":");
    assert_eq!(follow(&mut reader), [] as [&str; 0]);
    bed.append("a.jsonl", "1");
    assert_eq!(follow(&mut reader), [] as [&str; 0]);
    bed.append("a.jsonl", "}\n{\"b\":2}");
    assert_eq!(
        follow(&mut reader),
        ["{\"a\":1}", "{\"b\":2}"],
        "whole JSON that has settled"
    );
    bed.append("a.jsonl", "\n{\"c\"");
    assert_eq!(
        follow(&mut reader),
        [] as [&str; 0],
        "the line end belongs to what was taken"
    );
    assert_eq!(drain(&mut reader), ["{\"c\""], "a drain takes what has settled");
    bed.append("a.jsonl", "\r\nd\n");
    assert_eq!(follow(&mut reader), ["d"]);
}

#[test]
fn what_has_not_settled_is_waited_for() {
    let mut bed = Bed::new();
    bed.settle = Duration::from_secs(3000);
    let mut reader = bed.reader(0);
    bed.append("a.jsonl", "{}");
    assert_eq!(follow(&mut reader), [] as [&str; 0]);
    set_old(&bed.path("a.jsonl"));
    assert_eq!(follow(&mut reader), ["{}"]);
}

#[test]
fn an_unfinished_line_waits_while_others_go_on() {
    let mut bed = Bed::new();
    bed.settle = Duration::from_secs(1);
    let mut reader = bed.reader(0);
    bed.append("a.jsonl", "1\n{\"x\":");
    bed.append("b.jsonl", "2\n");
    assert_eq!(follow(&mut reader), ["1", "2"]);
    bed.append("b.jsonl", "3\n");
    assert_eq!(follow(&mut reader), ["3"]);
    bed.append("a.jsonl", "4}\n");
    assert_eq!(follow(&mut reader), ["{\"x\":4}"]);
    // Superseded by `b` and left alone for an hour.
    bed.append("a.jsonl", "{\"y\":");
    assert_eq!(follow(&mut reader), [] as [&str; 0]);
    set_old(&bed.path("a.jsonl"));
    assert_eq!(follow(&mut reader), ["{\"y\":"]);
}

#[test]
fn files_that_grow_at_the_same_time_keep_offsets_monotonic() {
    let bed = Bed::new();
    let mut reader = bed.reader(0);
    let mut expected = Vec::new();
    let mut all = Vec::new();
    for round in 0..10 {
        for file in ["a.jsonl", "b.jsonl", "c.jsonl"] {
            bed.append(file, format!("{file} {round}\n"));
            expected.push(format!("{file} {round}"));
        }
        all.extend(follow(&mut reader));
    }
    all.sort();
    expected.sort();
    assert_eq!(all, expected);
}

#[test]
fn rotation_keeps_the_place() {
    let bed = Bed::new();
    let mut reader = bed.reader(0);
    bed.append("a.jsonl", "1\n2\n");
    assert_eq!(follow(&mut reader), ["1", "2"]);
    bed.append("a.jsonl", "3\n");
    bed.rename("a.jsonl", "a.jsonl.1");
    bed.append("a.jsonl", "4\n");
    assert_eq!(follow(&mut reader), ["3", "4"]);
    bed.append("a.jsonl.1", "5\n");
    bed.gzip("a.jsonl.1");
    bed.rename("a.jsonl.1.gz", "a.jsonl.2.gz");
    assert_eq!(follow(&mut reader), ["5"]);
    let position = reader.position();
    drop(reader);
    bed.append("a.jsonl", "6\n");
    assert_eq!(drain(&mut bed.reader(position)), ["6"]);
    assert_eq!(bed.all(), ["1", "2", "3", "4", "5", "6"]);
}

#[test]
fn a_copy_is_not_read_twice() {
    let bed = Bed::new();
    let mut reader = bed.reader(0);
    bed.append("a.jsonl", "1\n2\n");
    assert_eq!(follow(&mut reader), ["1", "2"]);
    bed.append("a.jsonl", "3\n");
    // copytruncate, seen in the middle
    fs::copy(bed.path("a.jsonl"), bed.path("a.jsonl.1")).unwrap();
    assert_eq!(follow(&mut reader), ["3"]);
    bed.append("a.jsonl", "4\n");
    fs::copy(bed.path("a.jsonl"), bed.path("a.jsonl.1")).unwrap();
    bed.write("a.jsonl", "new 1\n");
    assert_eq!(follow(&mut reader), ["4", "new 1"]);
    assert_eq!(reader.take_warnings(), [], "nothing is lost");
    // gzip --keep
    bed.write("a.jsonl.1.gz", gzip(&fs::read(bed.path("a.jsonl.1")).unwrap()));
    assert_eq!(follow(&mut reader), [] as [&str; 0]);
}

#[test]
fn a_file_that_shrinks_is_new() {
    let bed = Bed::new();
    let mut reader = bed.reader(0);
    bed.append("a.jsonl", "1\n2\n3\n");
    assert_eq!(follow(&mut reader), ["1", "2", "3"]);
    bed.write("a.jsonl", "1\n");
    assert_eq!(follow(&mut reader), ["1"]);
    assert_eq!(
        reader.take_warnings(),
        [SourceWarning::Replaced {
            name: "a.jsonl".to_owned()
        }]
    );
}

#[test]
fn deleting_is_noticed() {
    let bed = Bed::new();
    let mut reader = bed.reader(0);
    bed.append("a.jsonl", "1\n2\n3\n4\n5\n{\"tail");
    bed.append("b.jsonl", "6\n");
    let first = reader.next(SMALL, Mode::Follow).unwrap().unwrap();
    bed.remove("a.jsonl");
    assert_eq!(
        follow_without_repeat(&mut reader),
        ["4", "5", "{\"tail", "6"],
        "what is open is read to its end"
    );
    drop(reader);
    let mut reader = bed.reader(first.to());
    assert_eq!(follow_without_repeat(&mut reader), ["6"]);
    assert_eq!(
        reader.take_warnings(),
        [SourceWarning::Missing {
            name: "a.jsonl".to_owned(),
            from: 6,
            to: Some(16)
        }]
    );
    assert!(matches!(
        reader.repeat(0, first.to()),
        Err(SourceError::NotRepeatable { .. })
    ));
}

fn follow_without_repeat(reader: &mut PartitionReader) -> Vec<String> {
    let mut all = Vec::new();
    while let Some(lines) = reader.next(SMALL, Mode::Follow).unwrap() {
        all.extend(texts(&lines));
    }
    all
}

#[test]
fn a_restart_gives_the_same_lines() {
    let bed = Bed::new();
    let mut reader = bed.reader(0);
    for file in 0..5 {
        bed.append(&format!("{file}.jsonl"), format!("{file}a\n{file}b\n"));
    }
    let mut batches = Vec::new();
    while let Some(lines) = reader.next(SMALL, Mode::Follow).unwrap() {
        batches.push(lines);
    }
    drop(reader);
    for (index, batch) in batches.iter().enumerate() {
        let mut reader = bed.reader(batch.from());
        let again: Vec<String> = drain(&mut reader);
        let expected: Vec<String> = batches[index..].iter().flat_map(texts).collect();
        assert_eq!(again, expected);
    }
}

#[test]
fn the_journal_fails_closed_and_mends_its_last_line() {
    let bed = Bed::new();
    bed.write("a.jsonl", "1\n2\n");
    let position = {
        let mut reader = bed.reader(0);
        assert!(matches!(bed.try_reader(0), Err(SourceError::InUse { .. })));
        drain(&mut reader);
        reader.position()
    };
    assert!(matches!(
        bed.try_reader(position + 7_000_000_000),
        Err(SourceError::UnknownPosition { .. })
    ));
    assert!(matches!(
        bed.try_reader(-1),
        Err(SourceError::UnknownPosition { .. })
    ));

    let whole = fs::read(bed.journal()).unwrap();
    append(&bed.journal(), b"{\"extent\":{\"seq\":2,");
    bed.append("a.jsonl", "3\n");
    assert_eq!(drain(&mut bed.reader(position)), ["3"]);
    assert_eq!(fs::read(bed.journal()).unwrap(), whole);

    fs::write(bed.journal(), [b"rubbish\n", &whole[..]].concat()).unwrap();
    assert!(matches!(
        bed.try_reader(position),
        Err(SourceError::JournalDamaged { line: 1, .. })
    ));
    fs::remove_file(bed.journal()).unwrap();
    assert!(matches!(
        bed.try_reader(position),
        Err(SourceError::JournalMissing { .. })
    ));
    fs::write(bed.journal(), "").unwrap();
    assert!(matches!(
        bed.try_reader(position),
        Err(SourceError::JournalMissing { .. })
    ));
    assert_eq!(drain(&mut bed.reader(0)), ["1", "2", "3"]);
}

#[test]
fn the_limits_of_a_batch_hold() {
    let bed = Bed::new();
    bed.write("a.jsonl", "12345\n".repeat(100));
    let mut reader = bed.reader(0);
    let mut next = |rows, bytes| {
        reader
            .next(BatchLimit { rows, bytes }, Mode::Drain)
            .unwrap()
            .unwrap()
            .len()
    };
    assert_eq!(next(10, 1 << 20), 10);
    assert_eq!(next(1000, 20), 4);
    assert_eq!(next(1000, 0), 1, "never nothing");
    assert_eq!(next(0, 1 << 20), 1);
    assert_eq!(next(1000, 1 << 20), 84);
}
