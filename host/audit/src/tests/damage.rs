//! Whatever is done to a log is found, and named.

use proptest::prelude::*;

use super::*;
use crate::Wrong;
use crate::files::log_name;
use crate::format::{Line, NOTHING, write_line};

/// Numbers of the records in a file.
fn numbers(bed: &Bed, name: &str) -> Vec<u64> {
    let lines = bed.lines(name);
    lines
        .iter()
        .map(|line| Line::read(line.trim_end().as_bytes()).unwrap().seq)
        .collect()
}

/// Hashes lines anew from record 1 on, as somebody would who has no key.
fn hash_anew(lines: &[String]) -> Vec<String> {
    let mut previous = NOTHING.to_owned();
    lines
        .iter()
        .zip(1..)
        .map(|(line, seq)| {
            let (_, rest) = line.split_once(',').unwrap();
            let (body, _) = rest.rsplit_once(",\"previous\":").unwrap();
            let mut out = Vec::new();
            previous = write_line(&mut out, seq, body.as_bytes(), &previous);
            String::from_utf8(out).unwrap()
        })
        .collect()
}

/// Writes lines back to the files that they came from.
fn put_back(bed: &Bed, lines: &[String]) {
    let mut lines = lines.iter();
    for name in bed.files() {
        let count = bed.lines(&name).len();
        bed.write(&name, lines.by_ref().take(count).cloned().collect::<String>());
    }
}

fn one_flip_is_named(bed: &Bed, name: &str, original: &[u8], index: usize, byte: u8) {
    let mut bytes = original.to_vec();
    bytes[index] = byte;
    bed.write(name, &bytes);
    let damage = bed.verify().expect_err("a changed byte");
    let shown = format!("byte {index} of {name} to {byte:#x}: {damage}");
    assert_eq!(damage.file, name, "{shown}");
    if name.ends_with(".jsonl") {
        let before = original[..index].iter().filter(|byte| **byte == b'\n').count();
        assert_eq!(damage.line, Some(before as u64 + 1), "{shown}");
        assert!(
            matches!(damage.wrong, Wrong::Changed | Wrong::NotARecord),
            "{shown}"
        );
    }
}

#[test]
fn every_byte_that_changes_is_named() {
    let bed = Bed::with(9);
    let mut names = bed.files();
    assert!(names.len() > 1);
    names.extend(["head".to_owned(), "audit.pub".to_owned()]);
    for name in names {
        let original = bed.read(&name);
        for (index, byte) in original.iter().enumerate() {
            one_flip_is_named(&bed, &name, &original, index, byte ^ 1 << (index % 8));
        }
        bed.write(&name, &original);
    }
    bed.verify().unwrap();
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(8))]
    #[test]
    fn any_byte_to_any_other_is_named(records in 0_u64..12, places: [prop::sample::Index; 64], bytes: [u8; 64]) {
        let bed = Bed::with(records);
        let names = bed.files();
        for (place, byte) in places.iter().zip(bytes) {
            let name = place.get(&names);
            let original = bed.read(name);
            // One more draw from the same number, for where in the file.
            let index = place.index(original.len());
            if original[index] != byte {
                one_flip_is_named(&bed, name, &original, index, byte);
                bed.write(name, &original);
            }
        }
        bed.verify().unwrap();
    }
}

#[test]
fn every_line_that_is_dropped_is_named() {
    let bed = Bed::with(9);
    let last = bed.verify().unwrap().records;
    for name in bed.files() {
        let (lines, numbers) = (bed.lines(&name), numbers(&bed, &name));
        for (index, seq) in numbers.into_iter().enumerate() {
            let mut fewer = lines.clone();
            fewer.remove(index);
            bed.write(&name, fewer.concat());
            let damage = bed.verify().unwrap_err();
            assert_eq!(damage.seq, Some(seq), "{damage}");
            let wrong = if seq == last {
                Wrong::Truncated { head: last }
            } else {
                Wrong::Dropped { from: seq, to: seq }
            };
            assert_eq!(damage.wrong, wrong, "{damage}");
        }
        bed.write(&name, lines.concat());
    }
}

#[test]
fn lines_that_change_places_are_named() {
    let bed = Bed::with(9);
    let lines = bed.all_lines();
    for (one, other) in (0..lines.len()).flat_map(|one| (0..one).map(move |other| (other, one))) {
        let mut swapped = lines.clone();
        swapped.swap(one, other);
        put_back(&bed, &swapped);
        let damage = bed.verify().unwrap_err();
        assert_eq!(damage.seq, Some(one as u64 + 1), "{damage}");
        assert!(matches!(damage.wrong, Wrong::Reordered { .. }), "{damage}");
    }
}

#[test]
fn a_line_that_is_there_twice_is_named() {
    let bed = Bed::with(9);
    for name in bed.files() {
        let lines = bed.lines(&name);
        let numbers = numbers(&bed, &name);
        for (index, seq) in numbers.into_iter().enumerate() {
            for at in index + 1..=lines.len() {
                let mut more = lines.clone();
                more.insert(at, lines[index].clone());
                bed.write(&name, more.concat());
                let damage = bed.verify().unwrap_err();
                assert_eq!(damage.wrong, Wrong::Repeated { seq }, "{damage}");
                assert_eq!((damage.file, damage.line), (name.clone(), Some(at as u64 + 1)));
            }
        }
        bed.write(&name, lines.concat());
    }
}

#[test]
fn a_log_cut_at_any_byte_is_named() {
    let bed = Bed::with(9);
    let (name, head) = (bed.last_file(), bed.verify().unwrap().records);
    let (bytes, numbers) = (bed.read(&name), numbers(&bed, &name));
    for length in 0..bytes.len() {
        bed.write(&name, &bytes[..length]);
        let damage = bed.verify().unwrap_err();
        assert_eq!(damage.wrong, Wrong::Truncated { head }, "{length}: {damage}");
        let whole = bytes[..length].iter().filter(|byte| **byte == b'\n').count();
        assert_eq!(damage.seq, Some(numbers[whole]), "{length}: {damage}");
        // Nothing is appended to it either.
        assert!(
            matches!(bed.try_open(), Err(AuditError::Damaged { damage, .. }) if damage.wrong == Wrong::Truncated { head })
        );
    }
}

#[test]
fn a_file_that_is_removed_is_named() {
    let bed = Bed::with(12);
    let files = bed.files();
    assert!(files.len() > 2);
    for (index, name) in files.iter().enumerate() {
        let bytes = bed.read(name);
        let first = numbers(&bed, name)[0];
        fs::remove_file(bed.path(name)).unwrap();
        let damage = bed.verify().unwrap_err();
        match index {
            0 => assert_eq!(damage, Damage::of(name.as_str(), Wrong::NoFirstFile)),
            _ if index == files.len() - 1 => {
                assert!(matches!(damage.wrong, Wrong::Truncated { .. }), "{damage}");
                assert_eq!(damage.seq, Some(first));
            }
            _ => {
                let to = numbers(&bed, &files[index + 1])[0] - 1;
                assert_eq!(damage.wrong, Wrong::Dropped { from: first, to }, "{damage}");
                assert_eq!((damage.file, damage.line), (files[index + 1].clone(), Some(1)));
            }
        }
        bed.write(name, bytes);
    }
    bed.verify().unwrap();
}

#[test]
fn files_that_are_joined_split_or_renamed_are_named() {
    let bed = Bed::with(12);
    let files = bed.files();
    let (one, two) = (bed.read(&files[0]), bed.read(&files[1]));

    fs::remove_file(bed.path(&files[1])).unwrap();
    bed.write(&files[0], [one.clone(), two.clone()].concat());
    let damage = bed.verify().unwrap_err();
    assert_eq!(
        (damage.file.as_str(), &damage.wrong),
        (files[0].as_str(), &Wrong::WrongPlace)
    );

    let lines = bed.lines(&files[0]);
    let split = log_name(3);
    bed.write(&files[0], lines[..2].concat());
    bed.write(&split, lines[2..].concat());
    let damage = bed.verify().unwrap_err();
    assert_eq!(damage, Damage::at(split.as_str(), 1, 3, Wrong::WrongPlace));
    fs::remove_file(bed.path(&split)).unwrap();

    bed.write(&files[0], &one);
    bed.write(&log_name(2), &two);
    let damage = bed.verify().unwrap_err();
    assert_eq!((damage.file, damage.wrong), (log_name(2), Wrong::WrongPlace));
}

#[test]
fn a_record_hashed_anew_is_named_by_the_next_one() {
    let bed = Bed::with(9);
    let lines = bed.all_lines();
    let forged = hash_anew(&[vec![lines[0].clone()], vec![lines[1].replace("ana", "eva")]].concat());
    put_back(&bed, &[forged, lines[2..].to_vec()].concat());
    let damage = bed.verify().unwrap_err();
    assert_eq!((damage.seq, damage.wrong), (Some(3), Wrong::Rewritten));
}

#[test]
fn a_log_hashed_anew_is_named_by_the_next_checkpoint() {
    let bed = Bed::with(9);
    let mut lines = bed.all_lines();
    assert_eq!(hash_anew(&lines), lines);
    let checkpoints = |lines: &[String]| {
        let found = lines.iter().zip(1..);
        Vec::from_iter(found.filter_map(|(line, seq)| line.contains("\"checkpoint\"").then_some(seq)))
    };
    let seqs: Vec<u64> = checkpoints(&lines);
    let index = usize::try_from(seqs[0]).unwrap();
    lines[index] = lines[index].replace("ana", "eva");
    put_back(&bed, &hash_anew(&lines));
    let damage = bed.verify().unwrap_err();
    assert_eq!(damage.seq, Some(seqs[1]));
    assert_eq!(damage.wrong, Wrong::BadCheckpoint { good: seqs[0] });
}

#[test]
fn records_hashed_anew_after_the_last_checkpoint_are_named_by_the_head() {
    let bed = Bed::with(0);
    let log = bed.open();
    log.record(decision(1)).unwrap();
    log.record(decision(2)).unwrap();
    log.flush().unwrap();
    let mut lines = bed.all_lines();
    let last = lines.len() as u64;
    lines[2] = lines[2].replace("ana", "eva");
    put_back(&bed, &hash_anew(&lines));
    let damage = bed.verify().unwrap_err();
    assert_eq!((damage.seq, damage.wrong), (Some(last), Wrong::NotTheHead));
    // Whoever has it open notices too.
    log.record(decision(3)).unwrap();
    let error = log.flush().unwrap_err();
    assert!(matches!(error, AuditError::Damaged { damage, .. } if damage.wrong == Wrong::NotTheHead));
}

#[test]
fn what_lies_beside_the_log_is_named() {
    let bed = Bed::with(2);
    for name in ["audit-1.jsonl", "notes\u{1b}.txt", ".audit.swp"] {
        bed.write(name, "");
        let damage = bed.verify().unwrap_err();
        assert_eq!(
            damage,
            Damage::of(name.replace('\u{1b}', "?"), Wrong::ForeignFile)
        );
        fs::remove_file(bed.path(name)).unwrap();
    }
    for (name, wrong) in [("head", Wrong::NoHead), ("audit.pub", Wrong::NoKey)] {
        let bytes = bed.read(name);
        fs::remove_file(bed.path(name)).unwrap();
        assert_eq!(bed.verify(), Err(Damage::of(name, wrong.clone())));
        assert!(
            matches!(bed.try_open(), Err(AuditError::Damaged { damage, .. }) if damage == Damage::of(name, wrong))
        );
        bed.write(name, bytes);
    }
    // A copy has no lock, and may have the leavings of a crash.
    fs::remove_file(bed.path("lock")).unwrap();
    bed.write("head.new", "half");
    bed.verify().unwrap();
}

#[test]
fn another_key_is_not_trusted() {
    let bed = Bed::with(2);
    let other = crate::key::SecretKey::new([8; 32]).public();
    let verified = verify(&bed.dir(), &other, None);
    assert_eq!(verified, Err(Damage::of("audit.pub", Wrong::OtherKey)));
    let opened = AuditLog::open(&bed.dir(), [8; 32], small());
    assert!(matches!(opened, Err(AuditError::OtherKey { .. })));
    // Not even if it lies beside the log.
    bed.write("audit.pub", format!("{other}\n"));
    let verified = verify(&bed.dir(), &other, None);
    assert_eq!(verified, Err(Damage::of("head", Wrong::BadHead)));
    assert_eq!(bed.verify(), Err(Damage::of("audit.pub", Wrong::OtherKey)));
}

#[test]
fn going_back_is_only_seen_from_outside() {
    let bed = Bed::with(3);
    let earlier: Vec<(String, Vec<u8>)> = [bed.last_file(), "head".to_owned()]
        .map(|name| (name.clone(), bed.read(&name)))
        .into();
    let log = bed.open();
    log.record(decision(4)).unwrap();
    log.close().unwrap();
    let noted = bed.verify().unwrap().anchor.unwrap();
    assert_eq!(
        bed.verify_from(Some(&noted)).unwrap().anchor.as_ref(),
        Some(&noted)
    );
    for name in bed.files() {
        if name > earlier[0].0 {
            fs::remove_file(bed.path(&name)).unwrap();
        }
    }
    earlier.iter().for_each(|(name, bytes)| bed.write(name, bytes));
    bed.verify().unwrap();
    let damage = bed.verify_from(Some(&noted)).unwrap_err();
    assert_eq!(damage.wrong, Wrong::NotTheAnchor { seq: noted.seq });

    // Another log that goes on longer is not the same one.
    let log = bed.open();
    (0..9).for_each(|n| log.record(decision(n)).unwrap());
    log.close().unwrap();
    let damage = bed.verify_from(Some(&noted)).unwrap_err();
    assert_eq!(damage.seq, Some(noted.seq));
    assert_eq!(damage.wrong, Wrong::NotTheAnchor { seq: noted.seq });
}

#[test]
fn a_line_too_long_costs_no_memory_and_is_named() {
    let bed = Bed::with(2);
    let name = bed.last_file();
    let mut bytes = bed.read(&name);
    let end = bytes.iter().position(|byte| *byte == b'\n').unwrap();
    bytes.splice(end..end, vec![b'x'; 5 << 20]);
    bed.write(&name, bytes);
    let damage = bed.verify().unwrap_err();
    assert_eq!(damage, Damage::at(name, 1, 1, Wrong::NotARecord));
}

#[test]
fn messages_name_the_place_and_nothing_of_the_record() {
    let damage = |wrong| Damage::at("audit-00000000000000000001.jsonl", 12, 12, wrong).to_string();
    assert_eq!(
        damage(Wrong::Changed),
        "audit log, `audit-00000000000000000001.jsonl`, line 12, record 12: it was changed after it was written"
    );
    assert_eq!(
        damage(Wrong::Dropped { from: 12, to: 14 }),
        "audit log, `audit-00000000000000000001.jsonl`, line 12, record 12: records 12 to 14 were dropped"
    );
    assert_eq!(
        Damage::of("head", Wrong::NoHead).to_string(),
        "audit log, `head`: it is missing: nobody can say where the log ends"
    );
}
