//! Many at one log.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use super::*;

#[test]
fn two_handles_and_many_threads_make_one_chain() {
    let bed = Bed::new();
    let logs = [bed.open(), bed.open()];
    thread::scope(|scope| {
        for (log, first) in logs.iter().cycle().zip([0, 1000, 2000, 3000]) {
            scope.spawn(move || {
                for n in first..first + 60 {
                    log.record(decision(n)).unwrap();
                    if n % 9 == 0 {
                        log.flush().unwrap();
                    }
                }
                log.flush().unwrap();
            });
        }
    });
    let verified = bed.verify().unwrap();
    assert_eq!((verified.unsigned, verified.torn_bytes), (0, 0));
    drop(logs);
    bed.verify().unwrap();
    let decisions = bed.decisions();
    assert_eq!(decisions.len(), 240);
    for first in [0, 1000, 2000, 3000] {
        let of_thread = decisions
            .iter()
            .copied()
            .filter(|n| (first..first + 60).contains(n));
        assert_eq!(of_thread.collect::<Vec<_>>(), Vec::from_iter(first..first + 60));
    }
    assert!(!bed.kinds().contains(&"recover".to_owned()));
}

#[test]
fn a_log_in_use_can_be_verified() {
    let bed = Bed::new();
    let log = bed.open();
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            for n in 0..200 {
                log.record(decision(n)).unwrap();
                if n % 5 == 0 {
                    log.flush().unwrap();
                }
            }
            done.store(true, Ordering::Release);
        });
        let mut before = 0;
        while !done.load(Ordering::Acquire) {
            let verified = bed.verify().unwrap();
            assert!(verified.records >= before);
            assert_eq!((verified.unsigned, verified.torn_bytes), (0, 0));
            before = verified.records;
        }
    });
}
