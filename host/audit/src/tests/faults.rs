//! A disk that does not do what it should.

use super::*;
use crate::Wrong;

#[test]
fn a_folder_that_went_away_is_an_error_that_stays() {
    let bed = Bed::new();
    let log = bed.open();
    log.record(decision(1)).unwrap();
    log.flush().unwrap();
    fs::remove_dir_all(bed.dir()).unwrap();
    // The writer notices when it writes.
    let _ = log.record(decision(2));
    let error = log.flush().unwrap_err().to_string();
    let lock = bed.path("lock");
    assert_eq!(
        error,
        format!(
            "audit log: cannot open `{}`: No such file or directory (os error 2); nothing moves until it can be written",
            lock.display()
        )
    );
    assert_eq!(log.record(decision(3)).unwrap_err().to_string(), error);
    assert_eq!(log.flush().unwrap_err().to_string(), error);
    assert_eq!(log.close().unwrap_err().to_string(), error);
}

#[test]
fn a_folder_that_cannot_be_made_is_an_error() {
    let bed = Bed::new();
    fs::write(bed.dir(), "a file").unwrap();
    let error = bed.try_open().unwrap_err();
    assert!(
        matches!(error, AuditError::Io { action: "create", .. }),
        "{error}"
    );
}

#[test]
fn a_head_that_cannot_be_written_is_no_acknowledgement() {
    let bed = Bed::new();
    let log = bed.open();
    fs::create_dir(bed.path("head.new")).unwrap();
    log.record(decision(1)).unwrap();
    let error = log.flush().unwrap_err();
    assert!(matches!(error, AuditError::Io { action: "write", .. }), "{error}");
    assert!(log.close().is_err());
    // The record is in the log all the same, and whoever opens it next says so.
    fs::remove_dir(bed.path("head.new")).unwrap();
    assert_eq!(bed.verify().unwrap().unsigned, 1);
    bed.open().close().unwrap();
    assert_eq!(bed.decisions(), [1]);
    assert_eq!(bed.kinds(), ["begin", "read", "recover", "checkpoint"]);
    assert_eq!(bed.verify().unwrap().unsigned, 0);
}

#[test]
fn nobody_waits_for_ever_on_a_writer_that_failed() {
    let bed = Bed::new();
    let log = AuditLog::open(&bed.dir(), SEED, small().with_queue_records(1)).unwrap();
    fs::remove_dir_all(bed.dir()).unwrap();
    let failed = (0..1000).find_map(|n| log.record(decision(n)).err());
    assert!(failed.is_some() || log.flush().is_err());
    assert!(log.record(decision(0)).is_err());
}

#[test]
fn a_head_that_is_put_back_while_the_log_is_in_use_is_noticed() {
    let bed = Bed::new();
    let log = bed.open();
    let head = bed.read("head");
    log.record(decision(1)).unwrap();
    log.flush().unwrap();
    bed.write("head", head);
    log.record(decision(2)).unwrap();
    let error = log.flush().unwrap_err();
    assert!(
        matches!(error, AuditError::Damaged { damage, .. } if damage == Damage::of("head", Wrong::WentBack { head: 1 }))
    );
}

#[test]
fn a_folder_without_a_log_is_no_whole_log() {
    let bed = Bed::new();
    assert!(matches!(
        bed.verify().unwrap_err().wrong,
        Wrong::Unreadable { .. }
    ));
    fs::create_dir(bed.dir()).unwrap();
    assert_eq!(bed.verify(), Err(Damage::of("audit.pub", Wrong::NoKey)));
}
