//! Judging goes on while hosts run, die, and run beside each other.

use std::process::{Child, Command, Stdio};
use std::time::Duration;

use malla_lake::{Advance, Commit, Lake, Layer, TableId, WriterConfig};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde_json::{Map, Value};

use crate::quality::{RESULTS, drop_day, ids, on, quality, strict};
use crate::support::{Mesh, malla, metrics, sale, wait_until};

#[test]
fn a_running_host_judges_what_comes_and_tells_it_at_metrics() {
    let mesh = strict();
    mesh.edit("malla.toml", "seconds = 60.0", "seconds = 1.0");
    mesh.edit("malla.toml", "seconds = 5.0", "seconds = 0.1");
    let admin = mesh.admin();
    mesh.put(&on("a", 19));
    let log = std::fs::File::create(mesh.path().join("run.log")).unwrap();
    let mut host = Host(
        Command::new(malla())
            .args(["run", "--config"])
            .arg(mesh.config())
            .stderr(log)
            .stdout(Stdio::null())
            .spawn()
            .unwrap(),
    );
    let held = |value: u8| {
        let line = format!("malla_quality_held_back{{domain=\"ventas\",product=\"transacciones\"}} {value}");
        metrics(admin).contains(&line)
    };
    wait_until("it is judged", || {
        std::net::TcpStream::connect(admin).is_ok() && held(0)
    });
    mesh.put(&on("a", 20));
    wait_until("it is held back", || held(1));
    assert_eq!(ids(&mesh), ["a"]);
    drop_day(&mesh, "2026-11-20");
    wait_until("it is good again", || held(0));
    host.0.kill().unwrap();
    host.0.wait().unwrap();
    let text = std::fs::read_to_string(mesh.path().join("run.log")).unwrap();
    assert!(
        text.contains("A product is held back") && text.contains("A product is good again"),
        "{text}"
    );
}

struct Host(Child);

impl Drop for Host {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Each commit of the product is counted in exactly one result: the stretches that were counted join without gap and overlap, and
/// add up to what the steps made.
fn is_counted_once(mesh: &Mesh) {
    let runs = mesh.query(&format!(
        "SELECT after_version, table_version, element_count FROM {RESULTS} WHERE \"check\" = 'moneda_valid' ORDER BY run_time"
    ));
    let mut after = Value::Null;
    for run in &runs {
        let said = run.get("after_version").cloned().unwrap_or_default();
        assert_eq!(said, after, "{runs:?}");
        after = run["table_version"].clone();
    }
    let counted: u64 = runs
        .iter()
        .map(|run| run["element_count"].as_u64().unwrap())
        .sum();
    let unfit = mesh.count("ventas_quarantine.transacciones WHERE stage = 'quality'");
    assert_eq!(counted, mesh.count("ventas.transacciones") + unfit, "{runs:?}");
}

#[test]
fn killed_while_it_judges_it_counts_every_commit_once() {
    let mesh = Mesh::ventas();
    let config = std::fs::read_to_string(mesh.config()).unwrap();
    let config = config
        .replace("rows = 65536", "rows = 500")
        .replace("rows = 500000", "rows = 1500");
    std::fs::write(mesh.config(), config).unwrap();
    let mut random = StdRng::seed_from_u64(7);
    for round in 0..8 {
        mesh.simulate(3000, round);
        mesh.run_killed_after(Duration::from_millis(random.random_range(200..2500)));
    }
    mesh.on("run", &["--once", "--json"]);
    is_counted_once(&mesh);
}

#[test]
fn two_hosts_judge_one_after_the_other() {
    let mesh = Mesh::ventas();
    // More seldom than the other: each comes to be the first.
    mesh.edit("malla.toml", "seconds = 60.0", "seconds = 2.5");
    mesh.edit("malla.toml", "seconds = 5.0", "seconds = 0.2");
    // The other has no source, so it writes nothing and judges what the first wrote.
    let other = std::fs::read_to_string(mesh.config()).unwrap();
    let other = other
        .replace("state = \"state\"", "state = \"state-2\"")
        .replace("seconds = 2.5", "seconds = 1.0")
        .replace("[sources.ventas.transacciones]", "[sources.nadie.nada]");
    std::fs::write(mesh.path().join("other.toml"), other).unwrap();
    let start = |config: &str| {
        Host(
            Command::new(malla())
                .args(["run", "--config"])
                .arg(mesh.path().join(config))
                .stdout(Stdio::null())
                .stderr(std::fs::File::create(mesh.path().join(format!("{config}.log"))).unwrap())
                .spawn()
                .unwrap(),
        )
    };
    let hosts = [start("malla.toml"), start("other.toml")];
    let said = |config: &str| std::fs::read_to_string(mesh.path().join(format!("{config}.log"))).unwrap();
    let both = || {
        ["malla.toml", "other.toml"]
            .iter()
            .all(|config| said(config).contains("\"Judged.\""))
    };
    let mut n = 0;
    wait_until("both have judged", || {
        mesh.put(&sale(&format!("s-{n}")));
        n += 1;
        n > 20 && both()
    });
    wait_until("all is in the lake", || mesh.count("ventas.transacciones") == n);
    drop(hosts);
    mesh.run_once();
    is_counted_once(&mesh);
}

#[test]
fn a_judgement_that_the_log_forgot_lets_nobody_read_what_nobody_judged() {
    let mesh = strict();
    mesh.put(&on("a", 19));
    mesh.run_once();
    mesh.put(&on("a", 19));
    mesh.fails(&["run"], &["--once"]);
    // A checkpoint holds no judgement, and somebody else's commit none either.
    let results = TableId::new("ventas", Layer::Quality, "transacciones").unwrap();
    let lake = Lake::open(
        mesh.path().join("lake").to_str().unwrap(),
        WriterConfig::default(),
    )
    .unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let table = lake.existing(&results).await.unwrap().unwrap();
        for n in 0..100 {
            let commit = Commit {
                advances: vec![Advance {
                    app_id: "test".to_owned(),
                    from: (n > 0).then_some(n),
                    to: n + 1,
                }],
                info: Map::new(),
                ..Commit::default()
            };
            table.commit(commit).await.unwrap();
        }
    });
    let log = mesh.path().join("lake/ventas/quality/transacciones/_delta_log");
    assert_eq!(ids(&mesh), ["a"], "looked for further back");
    for version in 0..90 {
        std::fs::remove_file(log.join(format!("{version:020}.json"))).unwrap();
    }
    let said = mesh
        .ask("user:vera", "consulta", "SELECT 1 FROM ventas.transacciones")
        .unwrap_err();
    assert!(said.contains("run `malla run`"), "{said}");
    mesh.fails(&["run"], &["--once"]);
    assert_eq!(quality(&mesh, &["ventas.transacciones"]).0, 1);
}
