//! What a crash leaves, and a process that is killed.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, ChildStderr, Command, Stdio};

use proptest::prelude::*;

use super::*;
use crate::Wrong;

/// The text of the last record of a kind.
fn last_of(bed: &Bed, kind: &str) -> String {
    let of_kind = format!("\"kind\":\"{kind}\"");
    bed.all_lines()
        .into_iter()
        .rfind(|line| line.contains(&of_kind))
        .unwrap()
}

#[test]
fn a_torn_line_is_cut_off_and_said() {
    let bed = Bed::with(3);
    let (name, records) = (bed.last_file(), bed.verify().unwrap().records);
    let mut bytes = bed.read(&name);
    bytes.extend_from_slice(b"{\"seq\":");
    bed.write(&name, bytes);
    let verified = bed.verify().unwrap();
    assert_eq!((verified.records, verified.torn_bytes), (records, 7));
    bed.open().close().unwrap();
    let verified = bed.verify().unwrap();
    assert_eq!((verified.torn_bytes, verified.unsigned), (0, 0));
    let sha256 = crate::format::sha256(b"{\"seq\":");
    let said = format!("\"details\":{{\"cut_bytes\":\"7\",\"cut_sha256\":\"{sha256}\",\"kept\":\"0\"}}");
    assert!(last_of(&bed, "recover").contains(&said));
    assert_eq!(bed.decisions(), [0, 1, 2]);
}

#[test]
fn records_that_the_head_does_not_know_are_kept_and_said() {
    let bed = Bed::with(3);
    let head = bed.read("head");
    let log = bed.open();
    (3..20).for_each(|n| log.record(decision(n)).unwrap());
    log.close().unwrap();
    let records = bed.verify().unwrap().records;
    bed.write("head", head);
    let verified = bed.verify().unwrap();
    let behind = verified.unsigned;
    assert_eq!(verified.records, records);
    assert_eq!(verified.anchor.unwrap().seq + behind, records);
    bed.open().close().unwrap();
    assert_eq!(bed.decisions(), Vec::from_iter(0..20));
    assert_eq!(bed.verify().unwrap().unsigned, 0);
    assert!(last_of(&bed, "recover").contains(&format!("\"kept\":\"{behind}\"")));
}

#[test]
fn a_torn_line_that_the_head_knows_is_damage() {
    let bed = Bed::with(3);
    let name = bed.last_file();
    let bytes = bed.read(&name);
    bed.write(&name, &bytes[..bytes.len() - 1]);
    assert!(matches!(bed.verify().unwrap_err().wrong, Wrong::Truncated { .. }));
    let error = bed.try_open().unwrap_err().to_string();
    assert!(error.contains("the log was cut here"), "{error}");
    assert_eq!(bed.read(&name), &bytes[..bytes.len() - 1]);
}

#[test]
fn more_than_a_crash_leaves_is_not_cut_off() {
    let bed = Bed::with(3);
    let name = bed.last_file();
    let mut bytes = bed.read(&name);
    bytes.resize(bytes.len() + (8 << 20) + 1, 0);
    bed.write(&name, &bytes);
    let garbage = Wrong::Garbage { bytes: (8 << 20) + 1 };
    assert_eq!(bed.verify().unwrap_err().wrong, garbage);
    assert!(matches!(bed.try_open(), Err(AuditError::Damaged { damage, .. }) if damage.wrong == garbage));
    assert_eq!(bed.read(&name), bytes);
}

#[test]
fn a_record_in_the_wrong_place_behind_the_head_is_no_crash() {
    let bed = Bed::with(3);
    let name = bed.last_file();
    let mut lines = bed.lines(&name);
    lines.push(lines[0].clone());
    bed.write(&name, lines.concat());
    assert!(matches!(bed.verify().unwrap_err().wrong, Wrong::Repeated { .. }));
    assert!(matches!(bed.try_open(), Err(AuditError::Damaged { .. })));
    assert_eq!(bed.lines(&name), lines);
}

#[test]
fn a_log_that_was_only_begun_is_begun_again() {
    let bed = Bed::with(1);
    let key = crate::key::SecretKey::new(SEED);
    let head = crate::head::Head::nothing(5).sign(&key);
    for first in [None, Some(""), Some("{\"se")] {
        for name in bed.files() {
            fs::remove_file(bed.path(&name)).unwrap();
        }
        bed.write("head", &head);
        if let Some(first) = first {
            bed.write(&crate::files::log_name(1), first);
        }
        assert_eq!(bed.verify().unwrap().records, 0);
        let log = bed.open();
        log.record(decision(5)).unwrap();
        log.close().unwrap();
        assert_eq!(bed.decisions(), [5]);
        assert_eq!(bed.verify().unwrap().unsigned, 0);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]
    /// A crash is: the log ends anywhere behind its head, with anything after it.
    #[test]
    fn after_any_crash_the_log_goes_on(
        signed in 0_u64..8,
        more in 0_u64..12,
        cut: prop::sample::Index,
        rubbish in prop::collection::vec(any::<u8>(), 0..200),
    ) {
        let bed = Bed::new();
        let log = bed.open();
        (0..signed).for_each(|n| log.record(decision(n)).unwrap());
        log.flush().unwrap();
        let (head, known) = (bed.read("head"), bed.verify().unwrap().records);
        let (file, bytes) = (bed.last_file(), bed.read(&bed.last_file()).len());
        (0..more).for_each(|n| log.record(decision(signed + n)).unwrap());
        drop(log);
        bed.write("head", head);
        // Where it ends, counted over the files behind the head.
        let behind: Vec<String> = bed.files().into_iter().filter(|name| *name >= file).collect();
        let total: usize = behind.iter().map(|name| bed.read(name).len()).sum::<usize>() - bytes;
        let mut left = bytes + cut.index(total + 1);
        let mut ended = false;
        for name in behind {
            let mut content = bed.read(&name);
            if ended {
                fs::remove_file(bed.path(&name)).unwrap();
            } else if left <= content.len() {
                content.truncate(left);
                content.extend_from_slice(&rubbish);
                bed.write(&name, content);
                ended = true;
            } else {
                left -= content.len();
            }
        }
        let before = bed.verify().unwrap();
        prop_assert!(before.records >= known);
        let log = bed.open();
        log.record(decision(100)).unwrap();
        log.close().unwrap();
        let verified = bed.verify().unwrap();
        prop_assert_eq!((verified.unsigned, verified.torn_bytes), (0, 0));
        let decisions = bed.decisions();
        let kept = decisions.len() as u64 - 1;
        prop_assert!(kept >= signed);
        prop_assert_eq!(&decisions[..decisions.len() - 1], &Vec::from_iter(0..kept)[..]);
        let said = before.unsigned > 0 || before.torn_bytes > 0;
        prop_assert_eq!(bed.kinds().contains(&"recover".to_owned()), said);
    }
}

/// The folder of a process that is to be killed, and the number of its first decision.
const CHILD: &str = "MALLA_AUDIT_TEST_CHILD";

/// Not a test by itself: what the killed process does. It says on standard error which decisions are on disk.
#[test]
fn child_that_is_killed() {
    let Ok(argument) = std::env::var(CHILD) else {
        return;
    };
    let (first, dir) = argument.split_once(' ').unwrap();
    let log = AuditLog::open(dir.as_ref(), SEED, small().with_file_bytes(20_000)).unwrap();
    let mut next: u64 = first.parse().unwrap();
    loop {
        for _ in 0..next % 7 + 1 {
            log.record(decision(next)).unwrap();
            next += 1;
        }
        log.flush().unwrap();
        writeln!(std::io::stderr(), "{next}").unwrap();
    }
}

fn start(bed: &Bed, first: u64) -> (Child, BufReader<ChildStderr>) {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "tests::crash::child_that_is_killed", "--nocapture"])
        .env(CHILD, format!("{first} {}", bed.dir().display()))
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let acknowledged = BufReader::new(child.stderr.take().unwrap());
    (child, acknowledged)
}

#[test]
fn what_was_flushed_survives_a_kill() {
    let bed = Bed::new();
    let mut expected = Vec::new();
    for round in 0..12_u64 {
        // From the sixth round on, two at a time.
        let firsts: Vec<u64> = (0..1 + round / 6)
            .map(|child| (round * 2 + child) * 1_000_000)
            .collect();
        let mut children: Vec<_> = firsts.iter().map(|first| (*first, start(&bed, *first))).collect();
        for (_, (child, acknowledged)) in &mut children {
            let mut line = String::new();
            for _ in 0..1 + round * 5 % 11 {
                line.clear();
                assert!(
                    acknowledged.read_line(&mut line).unwrap() > 0,
                    "the child stopped by itself"
                );
            }
            // A moment that differs: the next append is somewhere on its way.
            (0..round * 40_000).for_each(|n| {
                std::hint::black_box(n);
            });
            child.kill().unwrap();
        }
        for (first, (mut child, acknowledged)) in children {
            child.wait().unwrap();
            let last = acknowledged.lines().map_while(Result::ok).last();
            let flushed = last.map_or(first, |line| line.parse::<u64>().unwrap());
            expected.extend(first..flushed);
        }
        bed.verify().unwrap();
        let found: std::collections::BTreeSet<u64> = bed.decisions().into_iter().collect();
        let lost: Vec<&u64> = expected.iter().filter(|n| !found.contains(n)).collect();
        assert!(lost.is_empty(), "round {round}: {lost:?}");
    }
    bed.open().close().unwrap();
    let verified = bed.verify().unwrap();
    assert_eq!((verified.unsigned, verified.torn_bytes), (0, 0));
    assert_eq!(
        bed.decisions().len(),
        std::collections::BTreeSet::from_iter(bed.decisions()).len()
    );
}
