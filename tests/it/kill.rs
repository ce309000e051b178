//! SIGKILL at any moment: every event once.

use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use crate::support::Mesh;

fn kill_and_count(kills: usize, events: u64, longest: Duration) {
    let mesh = Mesh::ventas();
    mesh.simulate(events, 7);
    let config = std::fs::read_to_string(mesh.config()).unwrap();
    // Small batches and commits: many moments at which to die.
    let config = config
        .replace("rows = 65536", "rows = 700")
        .replace("rows = 500000", "rows = 3000");
    std::fs::write(mesh.config(), config).unwrap();

    let mut random = StdRng::seed_from_u64(50);
    let mut killed = 0;
    for _ in 0..kills {
        killed += usize::from(mesh.run_killed_after(Duration::from_millis(
            random.random_range(20..longest.as_millis() as u64),
        )));
    }
    let report = mesh.run_once();
    eprintln!(
        "killed {killed} times while running; the last run read {}",
        report["products"][0]["read"]
    );

    let lines = mesh.lines_written();
    assert_eq!(lines, events);
    mesh.every_event_once(events);
    assert_eq!(
        mesh.run_once()["products"][0]["read"],
        0,
        "a drained source stays drained"
    );
}

#[test]
fn killed_at_random_moments_every_event_is_there_once() {
    kill_and_count(8, 20_000, Duration::from_millis(1500));
}

/// `cargo xtask chaos`.
#[test]
#[ignore = "takes minutes: run by `cargo xtask chaos`"]
fn killed_many_times_during_a_long_run() {
    let kills = std::env::var("MALLA_TEST_KILLS").map_or(50, |kills| kills.parse().unwrap());
    kill_and_count(kills, 200_000, Duration::from_millis(600));
}
