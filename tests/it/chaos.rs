//! Everything at once: hosts of one group are killed, frozen and started again, the store fails, and the plugin is swapped while
//! events flow. Every event is in the tables once.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use crate::broker::Broker;
use crate::deploy;
use crate::gold::is_exact;
use crate::store::faults;
use crate::support::{Mesh, malla};

/// One of several hosts of a group: own state, everything else shared.
struct Host {
    number: usize,
    child: Option<Child>,
}

impl Host {
    fn new(mesh: &Mesh, number: usize) -> Self {
        let text = std::fs::read_to_string(mesh.config()).unwrap();
        let text = text.replace("state = \"state\"", &format!("state = \"state-{number}\""));
        std::fs::write(mesh.path().join(format!("host-{number}.toml")), text).unwrap();
        Self { number, child: None }
    }

    fn start(&mut self, mesh: &Mesh, faults: &Path) {
        let log = mesh.path().join(format!("host-{}.log", self.number));
        let log = std::fs::File::options()
            .create(true)
            .append(true)
            .open(log)
            .unwrap();
        let child = Command::new(malla())
            .args(["run", "--config"])
            .arg(mesh.path().join(format!("host-{}.toml", self.number)))
            .env("LD_PRELOAD", faults)
            .env("FAULTS_IN", mesh.path().join("lake"))
            .env("FAULTS_ONE_IN", "50")
            .stdout(Stdio::null())
            .stderr(log)
            .spawn();
        self.child = Some(child.unwrap());
    }

    fn signal(&self, signal: &str) {
        if let Some(child) = &self.child {
            let id = child.id().to_string();
            assert!(
                Command::new("kill")
                    .args([signal, &id])
                    .status()
                    .unwrap()
                    .success()
            );
        }
    }

    fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        self.kill();
    }
}

/// The ventas plugin's next version, the same but for words, and the one before, in turn.
struct Versions {
    next: PathBuf,
    swaps: usize,
}

impl Versions {
    fn swap(&mut self, mesh: &Mesh) {
        let config = mesh.config();
        if self.swaps.is_multiple_of(2) {
            let said = deploy::deploy(mesh, "user:vera", &self.next, &[]);
            assert!(said.is_ok(), "{said:?}");
        } else {
            let config = config.to_str().unwrap();
            let rollback = [
                "plugin",
                "rollback",
                "--config",
                config,
                "--as",
                "user:vera",
                "ventas",
            ];
            mesh.ok(&rollback);
        }
        self.swaps += 1;
    }
}

fn storm(events: u64, rounds: usize, pause: Duration) {
    let broker = Broker::start("tres", 8);
    let mesh = broker.mesh();
    mesh.edit("malla.toml", "rows = 65536", "rows = 700");
    mesh.edit("malla.toml", "rows = 500000", "rows = 3000");
    mesh.edit("malla.toml", "seconds = 5.0", "seconds = 0.5");
    // The mock cluster keeps 5 MiB of a partition, as they were sent.
    mesh.add(
        "malla.toml",
        "\"compression.codec\" = \"zstd\"\n\"linger.ms\" = 50",
    );
    let faults = faults(mesh.path());
    let words = [
        ("version: 1.2.0", "version: 1.2.1"),
        ("Unique id of the sale.", "Id of the sale."),
    ];
    let mut versions = Versions {
        next: deploy::edited(&mesh, &words),
        swaps: 0,
    };
    let mut hosts: Vec<Host> = (0..3).map(|number| Host::new(&mesh, number)).collect();
    for host in &mut hosts {
        host.start(&mesh, &faults);
    }
    let mut random = StdRng::seed_from_u64(8);
    let share = events / rounds as u64;
    for round in 0..rounds {
        mesh.simulate(share, 7);
        std::thread::sleep(random.random_range(pause / 4..pause));
        let host = &mut hosts[random.random_range(0..3)];
        match round % 4 {
            0 | 2 => {
                host.kill();
                host.start(&mesh, &faults);
            }
            1 => versions.swap(&mesh),
            // Longer than the group waits: it comes back to find its partitions with others.
            _ => {
                host.signal("-STOP");
                std::thread::sleep(Duration::from_secs(8));
                host.signal("-CONT");
            }
        }
    }
    let written = share * rounds as u64;
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_secs(90) {
        let all = mesh.count("ventas.transacciones") + mesh.count("ventas_quarantine.transacciones");
        if all >= written {
            break;
        }
        std::thread::sleep(Duration::from_millis(500));
    }
    for host in &mut hosts {
        host.signal("-TERM");
        if let Some(mut child) = host.child.take() {
            child.wait().unwrap();
        }
    }
    let failed: usize = (0..3)
        .map(|number| std::fs::read_to_string(mesh.path().join(format!("host-{number}.log"))).unwrap())
        .map(|log| log.matches("Committing failed.").count())
        .sum();
    let left = mesh.run_once();
    eprintln!(
        "{} swaps, {failed} failed commits; the last run read {}",
        versions.swaps, left["products"][0]["read"]
    );
    assert!(failed > 0, "the store did not fail");
    mesh.every_event_once(written);
    is_exact(&mesh);
    assert_eq!(versions.swaps, rounds.div_ceil(4));
    // One that came early may have written all of it.
    let writers = deploy::writers(&mesh, "ventas/curated/transacciones");
    assert!(writers.len() > 1 || versions.swaps < 2, "{writers:?}");
}

#[test]
fn hosts_are_killed_the_store_fails_the_plugin_is_swapped_and_every_event_is_there_once() {
    storm(8_000, 4, Duration::from_secs(3));
}

/// `cargo xtask chaos`.
#[test]
#[ignore = "takes minutes: run by `cargo xtask chaos`"]
fn hosts_are_killed_many_times_and_every_event_is_there_once() {
    storm(500_000, 40, Duration::from_secs(4));
}
