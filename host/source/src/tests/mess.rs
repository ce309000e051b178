//! Other people's folders.

use std::os::unix::fs::symlink;

use super::*;
use crate::{LineProblem, SourceWarning};

#[test]
fn long_lines_are_fine_and_longer_ones_are_skipped() {
    let mut bed = Bed::new();
    bed.max_line_bytes = 6 << 20;
    let five = "x".repeat(5 << 20);
    bed.write(
        "a.jsonl",
        format!("{five}\n{}\nafter\n{}", "y".repeat(7 << 20), "z".repeat(7 << 20)),
    );
    let mut reader = bed.reader(0);
    let lines = reader.next(BatchLimit::default(), Mode::Drain).unwrap().unwrap();
    assert_eq!(lines.len(), 4);
    assert_eq!(lines.line(0).as_ref(), five.as_bytes());
    assert_eq!(lines.line(1).as_ref(), "y".repeat(4096).as_bytes());
    assert_eq!(lines.line(2).as_ref(), b"after");
    let message = |bytes: usize| format!("a line of {bytes} bytes; at most {} are read", 6 << 20);
    let problem = |line| LineProblem {
        line,
        rule: "line_too_long",
        message: message(7 << 20),
    };
    assert_eq!(lines.problems(), [problem(1), problem(3)]);
    assert_eq!(reader.repeat(lines.from(), lines.to()).unwrap(), lines);
}

#[test]
fn what_is_not_a_segment_is_passed_over() {
    let bed = Bed::new();
    bed.write("a.jsonl", "1\n");
    for name in [
        ".hidden.jsonl",
        "b.jsonl.tmp",
        "b.jsonl.part",
        "b.jsonl~",
        "LEEME.txt",
    ] {
        bed.write(name, "no\n");
    }
    fs::create_dir(bed.path("dir.jsonl")).unwrap();
    fs::create_dir(bed.path("dir")).unwrap();
    let outside = bed.dir.path().join("outside.jsonl");
    fs::write(&outside, "secret\n").unwrap();
    symlink(&outside, bed.path("out.jsonl")).unwrap();
    symlink(bed.path("nowhere"), bed.path("dangling.jsonl")).unwrap();
    symlink(bed.path("a.jsonl"), bed.path("z-same.jsonl")).unwrap();
    fs::create_dir(bed.root().join("q")).unwrap();
    fs::write(bed.root().join("q/q.jsonl"), "linked\n").unwrap();
    symlink(bed.root().join("q/q.jsonl"), bed.path("in.jsonl")).unwrap();
    let _socket = std::os::unix::net::UnixListener::bind(bed.path("pipe.jsonl")).unwrap();
    let mut reader = bed.reader(0);
    assert_eq!(drain(&mut reader), ["1", "linked"]);
    drain(&mut reader);
    let mut ignored: Vec<String> = reader
        .take_warnings()
        .into_iter()
        .map(|warning| match warning {
            SourceWarning::Ignored { name, .. } => name,
            other => panic!("{other}"),
        })
        .collect();
    ignored.sort();
    assert_eq!(
        ignored,
        [
            "LEEME.txt",
            "dangling.jsonl",
            "dir",
            "dir.jsonl",
            "out.jsonl",
            "pipe.jsonl"
        ],
        "each once"
    );
}

#[test]
fn damaged_and_unfinished_archives_give_what_decodes() {
    let bed = Bed::new();
    let text: String = (0..2000).map(|n| format!("line {n} {}\n", n * 7919)).collect();
    let whole = gzip(text.as_bytes());
    let mut damaged = whole.clone();
    let middle = damaged.len() / 2;
    damaged[middle..middle + 8].fill(0xff);
    bed.write("a.jsonl.gz", &damaged);
    bed.write("b.jsonl.gz", &whole[..middle]);
    bed.write(
        "c.jsonl.zst",
        &zstd::encode_all(text.as_bytes(), 1).unwrap()[..middle / 2],
    );
    bed.write("d.jsonl.gz", "not gzip at all");
    bed.write("e.jsonl", "end\n");
    let mut reader = bed.reader(0);
    let lines = drain(&mut reader);
    assert!(lines.iter().filter(|line| *line == "line 0 0").count() >= 2);
    assert_eq!(lines.last().unwrap(), "end");
    let warnings = reader.take_warnings();
    let names: Vec<&str> = warnings
        .iter()
        .map(|warning| match warning {
            SourceWarning::Damaged { name, .. } | SourceWarning::Unfinished { name, .. } => name.as_str(),
            other => panic!("{other}"),
        })
        .collect();
    for name in ["a.jsonl.gz", "b.jsonl.gz", "c.jsonl.zst", "d.jsonl.gz"] {
        assert!(names.contains(&name), "{name}: {warnings:?}");
    }
    drop(reader);
    assert_eq!(bed.all(), lines);
}

#[test]
fn an_archive_that_grows_is_followed() {
    let mut bed = Bed::new();
    bed.settle = Duration::from_secs(3000);
    let text: String = (0..5000)
        .map(|n| format!("{{\"line\":{n},\"x\":{}}}\n", n * 7919))
        .collect();
    let whole = gzip(text.as_bytes());
    let mut reader = bed.reader(0);
    let mut lines = Vec::new();
    for part in whole.chunks(whole.len() / 3 + 1) {
        bed.append("a.jsonl.gz", part);
        lines.extend(follow(&mut reader));
    }
    assert_eq!(lines, text.lines().collect::<Vec<_>>());
    assert_eq!(reader.take_warnings(), []);
}

#[test]
fn noise_never_stops_the_reader() {
    let bed = Bed::new();
    let noise: Vec<u8> = (0..200_000_u32)
        .map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8)
        .collect();
    let count = noise.split(|byte| *byte == b'\n').count();
    bed.write("a.jsonl", &noise);
    bed.write("b.jsonl.gz", &noise);
    bed.write("c.jsonl.zst", &noise);
    let mut reader = bed.reader(0);
    let lines = reader.next(BatchLimit::default(), Mode::Drain).unwrap().unwrap();
    assert_eq!(lines.len(), count);
}
