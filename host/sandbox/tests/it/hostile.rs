//! Crashes and exhaustion: each ends in its own error, within its limit, and nothing else notices.

use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};
use std::{env, fs, thread};

use malla_sandbox::{Failure, Limit, Panic, Plugin, TrapKind};

use crate::support::{EVIL, batch, evil, failure, narrow, run, step};

fn trap(payload: &str) -> (TrapKind, Option<Panic>) {
    match failure(&evil(), payload, 8) {
        Failure::Trap {
            kind,
            panic,
            backtrace,
        } => {
            assert!(!backtrace.is_empty(), "{payload}");
            (kind, panic)
        }
        other => panic!("{payload}: {other:?}"),
    }
}

fn over(plugin: &Plugin, payload: &str, rows: usize) -> Limit {
    match failure(plugin, payload, rows) {
        Failure::OverLimit { limit, .. } => limit,
        other => panic!("{payload}: {other:?}"),
    }
}

#[test]
fn crashes_have_their_kinds() {
    assert_eq!(trap("crash/abort"), (TrapKind::Unreachable, None));
    assert_eq!(trap("crash/exit"), (TrapKind::Unreachable, None));
    assert_eq!(trap("crash/far-pointer"), (TrapKind::MemoryOutOfBounds, None));
    assert_eq!(trap("crash/stack-overflow"), (TrapKind::StackOverflow, None));
}

#[test]
fn panics_come_with_message_and_place() {
    let (kind, panic) = trap("crash/panic");
    assert_eq!(kind, TrapKind::Unreachable);
    let panic = panic.unwrap();
    assert_eq!(panic.message, "monto of row 8 is odd");
    assert!(panic.place.starts_with("src/crash.rs:"), "{}", panic.place);
    assert_eq!(
        trap("crash/divide-by-zero").1.unwrap().message,
        "attempt to divide by zero"
    );
    assert!(trap("crash/unwrap").1.unwrap().message.contains("None"));

    let long = trap("crash/panic-long").1.unwrap().message;
    assert_eq!(long.len(), (4 << 10) + "...".len());

    let text = run(&evil(), "crash/panic", 8).unwrap_err().to_string();
    assert!(
        text.starts_with("`evil` 6.6.6, step `crash/panic`: panicked at src/crash.rs:"),
        "{text}"
    );
    assert!(text.ends_with(": monto of row 8 is odd"), "{text}");
    let text = run(&evil().with_limits(narrow()), "exhaust/memory", 8)
        .unwrap_err()
        .to_string();
    assert_eq!(
        text,
        "`evil` 6.6.6, step `exhaust/memory`: more than 67108864 bytes of memory (`limits.memory`), \
         in `evil::exhaust::run`"
    );
}

#[test]
fn what_only_looks_like_a_crash_is_none() {
    // Address 0 is the guest's own memory.
    run(&evil(), "crash/null-pointer", 3).unwrap();
    // A plugin that claims to have panicked and goes on has not.
    run(&evil(), "crash/false-panic", 3).unwrap();
}

#[test]
fn a_refusal_is_cut_to_length() {
    let Failure::Refused { message } = failure(&evil(), "echo/refuse", 1) else {
        panic!()
    };
    assert_eq!(message, "this batch is not for me");
    let Failure::Refused { message } = failure(&evil(), "exhaust/error", 1) else {
        panic!()
    };
    assert_eq!(message.len(), (4 << 10) + "...".len());
}

#[test]
fn memory_has_its_limit() {
    let plugin = evil().with_limits(narrow());
    let error = run(&plugin, "exhaust/memory", 1).unwrap_err();
    assert!(matches!(
        *error.failure,
        Failure::OverLimit {
            limit: Limit::Memory,
            allowed: 0x400_0000,
            ..
        }
    ));
    assert!(error.usage.memory_peak <= 64 << 20 && error.usage.memory_peak > 60 << 20);
}

#[test]
fn fuel_has_its_limit_and_runs_out_at_the_same_place() {
    let plugin = evil().with_limits(narrow());
    let errors = [(); 2].map(|()| run(&plugin, "exhaust/loop", 1).unwrap_err());
    for error in &errors {
        assert!(matches!(
            *error.failure,
            Failure::OverLimit {
                limit: Limit::Fuel,
                allowed: 300_000_000,
                ..
            }
        ));
    }
    assert_eq!(errors[0].usage.fuel, errors[1].usage.fuel);
}

#[test]
fn time_has_its_limit() {
    let limit = Duration::from_millis(50);
    let plugin = evil().with_limits(
        narrow()
            .with_fuel(u64::MAX)
            .with_memory(256 << 20)
            .with_wall_clock(limit),
    );
    for payload in ["exhaust/loop", "exhaust/copy"] {
        let started = Instant::now();
        assert_eq!(over(&plugin, payload, 1), Limit::WallClock);
        assert!(started.elapsed() >= limit);
        assert!(
            started.elapsed() < Duration::from_secs(10),
            "{:?}",
            started.elapsed()
        );
    }
}

#[test]
fn output_has_its_limits() {
    let plugin = evil();
    assert_eq!(over(&plugin, "exhaust/take", 2), Limit::OutputRows);
    assert_eq!(over(&plugin, "exhaust/rejections", 8), Limit::Memory);
    let wide = plugin.with_limits(plugin_limits().with_output_rows(u32::MAX));
    assert_eq!(over(&wide, "exhaust/output", 1), Limit::OutputBytes);
    // 1 million times "fila 0" and 8 bytes: 18 MB asked for by a list of 4 MB.
    let thin = plugin.with_limits(plugin_limits().with_output_bytes(10 << 20));
    assert_eq!(over(&thin, "exhaust/take-wide", 1), Limit::OutputBytes);
    run(&plugin, "exhaust/take-wide", 1).unwrap();
}

fn plugin_limits() -> malla_sandbox::Limits {
    malla_sandbox::Limits::default()
}

#[test]
fn rejections_have_their_limit() {
    // wasmtime stops the copy where there are far more than rows, we where there are more than allowed.
    let few = evil().with_limits(plugin_limits().with_rejections(1_000).with_output_bytes(1 << 20));
    assert!(matches!(
        over(&few, "exhaust/rejections-some", 8),
        Limit::OutputBytes | Limit::Rejections
    ));
    let few = evil().with_limits(plugin_limits().with_rejections(1_000));
    assert_eq!(over(&few, "exhaust/rejections-some", 8), Limit::Rejections);
}

#[test]
fn the_log_is_cut_and_a_flood_stops_the_plugin() {
    let output = run(&evil(), "exhaust/log-some", 1).unwrap();
    assert_eq!((output.log.len(), output.usage.log_lines), (1_000, 2_000));
    let error = run(&evil(), "exhaust/log-lines", 1).unwrap_err();
    assert!(matches!(
        *error.failure,
        Failure::OverLimit {
            limit: Limit::LogLines,
            ..
        }
    ));
    assert_eq!(error.log.len(), 1_000);
    assert_eq!(over(&evil(), "exhaust/log-bytes", 1), Limit::LogBytes);
    assert_eq!(over(&evil(), "exhaust/panicked-lines", 1), Limit::LogLines);
}

/// In a process of its own: other tests would grow beside it.
#[test]
fn others_go_on_and_nothing_grows() {
    // Built once, here, and not by the child again.
    let guest = tempfile::NamedTempFile::new().unwrap();
    fs::write(guest.path(), &*EVIL).unwrap();
    let child = Command::new(env::current_exe().unwrap())
        .args(["--exact", "hostile::crashes_beside_a_good_plugin", "--ignored"])
        .env("MALLA_EVIL_WASM", guest.path())
        .output()
        .unwrap();
    let output = String::from_utf8_lossy(&child.stdout);
    assert!(child.status.success() && output.contains("1 passed"), "{output}");
}

/// All crashes and greeds again and again, while another plugin works: its batches stay right, and the host does
/// not grow.
#[test]
#[ignore = "run by `others_go_on_and_nothing_grows`, alone in a process"]
fn crashes_beside_a_good_plugin() {
    const PAYLOADS: [&str; 10] = [
        "crash/abort",
        "crash/panic",
        "crash/far-pointer",
        "crash/stack-overflow",
        "exhaust/memory",
        "exhaust/loop",
        "exhaust/log-lines",
        "exhaust/take",
        "lie/bad-utf8",
        "lie/offsets-past-the-end",
    ];
    let greedy = evil().with_limits(narrow().with_memory(32 << 20).with_fuel(20_000_000));
    let crash_all = |rounds: usize| {
        for payload in PAYLOADS.iter().cycle().take(rounds * PAYLOADS.len()) {
            run(&greedy, payload, 64).unwrap_err();
        }
    };
    let (done, batches) = (AtomicBool::new(false), AtomicU64::new(0));
    let grown = thread::scope(|scope| {
        let good = scope.spawn(|| {
            let (plugin, input) = (evil(), batch(1_000));
            let expected = plugin.run(&step("echo/even"), &input, 0).unwrap();
            while !done.load(Ordering::Relaxed) {
                let output = plugin.run(&step("echo/even"), &input, 0).unwrap();
                assert_eq!(output.batch, expected.batch);
                assert_eq!(output.usage.fuel, expected.usage.fuel);
                batches.fetch_add(1, Ordering::Relaxed);
            }
        });
        crash_all(5);
        let before = resident_bytes();
        crash_all(30);
        let grown = resident_bytes().saturating_sub(before);
        // Let one more good batch come after all those crashes.
        let seen = batches.load(Ordering::Relaxed);
        while batches.load(Ordering::Relaxed) == seen && !good.is_finished() {
            thread::yield_now();
        }
        done.store(true, Ordering::Relaxed);
        good.join().unwrap();
        grown
    });
    // One more slot of the pool may have come into use, and keeps 16 MiB.
    assert!(grown < 32 << 20, "{grown} bytes more after 300 crashes");
}

/// Memory that the process holds, where the system says so.
fn resident_bytes() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))
        .unwrap_or("0 kB");
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1024
}
