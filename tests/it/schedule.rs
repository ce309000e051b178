//! Runs at their times, tried again, told of, and not twice at once.

use std::fs::File;
use std::time::Instant;

use serde_json::{Value, json};

use crate::support::{Mesh, Row, Running, sale, text, wait_until};

const SECOND: &str = "* * * * * *";
/// Due never while a test runs.
const RARE: &str = "0 0 29 2 *";

fn runs(mesh: &Mesh, job: &str) -> Vec<Value> {
    let shown = mesh.on("runs", &[job, "--json", "--limit", "1000"]);
    serde_json::from_str(&shown).unwrap()
}

fn has(mesh: &Mesh, job: &str, state: &str, trigger: &str) -> bool {
    runs(mesh, job)
        .iter()
        .any(|run| run["state"] == state && run["trigger"] == trigger)
}

fn refused(mesh: &Mesh, schedules: &str) -> [String; 2] {
    let config = mesh.config();
    let before = std::fs::read_to_string(&config).unwrap();
    mesh.add("malla.toml", schedules);
    let said = mesh.fails(&["run"], &["--once"]);
    let doctor = mesh.fails(&["doctor"], &[]);
    std::fs::write(config, before).unwrap();
    [said, doctor]
}

#[test]
fn a_schedule_that_cannot_be_is_refused_with_its_line_and_what_to_do() {
    let mesh = Mesh::ventas();
    for (schedules, named) in [
        (
            "[schedules.ventas]\ntransacciones = { cron = \"0 25 * * *\" }",
            ["cron line", "0 3 * * *", "line "],
        ),
        (
            "[schedules.ventas]\ntransacciones = { cron = \"0 3 * * *\", timezone = \"Madrid\" }",
            ["Madrid", "America/Mexico_City", "line "],
        ),
        (
            "[schedules.ventas]\ntransaciones = { cron = \"0 3 * * *\" }",
            [
                "`transaciones`",
                "`transacciones`, `devoluciones`, `daily-revenue`",
                "line ",
            ],
        ),
        (
            "[schedules.venta]\ntransacciones = { cron = \"0 3 * * *\" }",
            ["no plugin of domain `venta`", "`ventas`", "line "],
        ),
        (
            "[schedules.ventas]\ntransacciones = { timeout = \"1m\" }",
            ["without `cron`", "add `cron`", "line "],
        ),
    ] {
        for said in refused(&mesh, schedules) {
            for name in named {
                assert!(said.contains(name), "{schedules}: no `{name}` in {said}");
            }
        }
    }
}

#[test]
fn a_scheduled_source_rests_until_its_time_and_one_that_was_missed_is_run_once() {
    let mesh = Mesh::ventas();
    mesh.add(
        "malla.toml",
        &format!("[schedules.ventas]\ntransacciones = {{ cron = \"{RARE}\" }}\ndaily-revenue = {{ cron = \"{RARE}\" }}"),
    );
    mesh.put(&sale("a"));
    let host = Running::start(&mesh);
    wait_until("the schedules are known", || {
        mesh.path()
            .join("lake/malla/curated/runs/_delta_log/00000000000000000001.json")
            .exists()
    });
    let known = Instant::now();
    host.stop();
    assert_eq!(
        runs(&mesh, "ventas.transacciones"),
        Vec::<Value>::new(),
        "not due"
    );

    // A schedule that was due every second while no host was there: once for all of them, and the product after the source.
    mesh.edit("malla.toml", RARE, "0 0 1 1 * *");
    let listed = mesh.on("jobs", &[]);
    assert!(
        listed.contains("0 0 1 1 * *") && listed.contains("ventas.daily-revenue"),
        "{listed}"
    );
    mesh.edit("malla.toml", "0 0 1 1 * *", SECOND);
    wait_until("some of its times have gone by", || known.elapsed().as_secs() > 2);
    let host = Running::start(&mesh);
    wait_until("the source was read", || {
        has(&mesh, "ventas.transacciones", "succeeded", "catch_up")
    });
    wait_until("it is read again and again", || {
        has(&mesh, "ventas.transacciones", "succeeded", "schedule")
    });
    mesh.put(&sale("b"));
    wait_until("its product has both", || {
        runs(&mesh, "ventas.daily-revenue")
            .iter()
            .any(|run| run["rows_kept"] == 1)
            && mesh.count("ventas.transacciones") == 2
    });
    host.stop();
    mesh.every_event_once(2);
    let runs = runs(&mesh, "ventas.transacciones");
    let caught_up: Vec<&Value> = runs.iter().filter(|run| run["trigger"] == "catch_up").collect();
    assert_eq!(caught_up.len(), 1, "{runs:?}");
    let kept: u64 = runs.iter().map(|run| run["rows_kept"].as_u64().unwrap()).sum();
    assert_eq!(kept, 2);
    let times = mesh.query("SELECT scheduled FROM malla.runs WHERE job = 'ventas.transacciones' GROUP BY scheduled HAVING count(*) > 1");
    assert_eq!(
        times,
        Vec::<Row>::new(),
        "each time has one row, and each row is in the lake"
    );
}

/// A source whose folder is a file fails and is tried again; for as long as that takes its next times are left out.
#[test]
fn a_run_is_tried_again_leaves_out_its_next_times_and_is_begun_again_after_a_kill() {
    let mesh = Mesh::ventas();
    mesh.add(
        "malla.toml",
        &format!("[schedules.ventas]\ntransacciones = {{ cron = \"{SECOND}\", retries = 5, retry_delay = \"10m\" }}"),
    );
    let source = mesh.source();
    std::fs::remove_dir_all(&source).unwrap();
    std::fs::write(&source, "no folder").unwrap();
    let job = "ventas.transacciones";
    let host = Running::start(&mesh);
    wait_until("it waits for its second attempt", || {
        host.said().contains("An attempt ended.")
    });
    wait_until("its next time is left out", || {
        has(&mesh, job, "skipped", "schedule")
    });
    assert!(runs(&mesh, job).iter().any(|run| run["state"] == "running"));
    host.kill();

    // Mended, and no longer due.
    std::fs::remove_file(&source).unwrap();
    mesh.put(&sale("a"));
    mesh.edit("malla.toml", SECOND, RARE);
    let host = Running::start(&mesh);
    wait_until("what was cut off is done", || {
        has(&mesh, job, "succeeded", "catch_up")
    });
    host.stop();
    assert_eq!(mesh.count("ventas.transacciones"), 1);
    let lost: Vec<Value> = runs(&mesh, job)
        .into_iter()
        .filter(|run| run["state"] == "lost")
        .collect();
    assert_eq!(lost.len(), 1);
    assert_eq!(lost[0]["ended"], Value::Null);
    assert_eq!(
        mesh.count("malla.runs WHERE state = 'lost' AND job = 'ventas.transacciones'"),
        1,
        "once, and in the lake"
    );
    let spool = std::fs::read_to_string(mesh.path().join("state/runs/0/spool.json")).unwrap();
    assert!(
        spool.contains("\"again\":[]"),
        "it is not begun a second time: {spool}"
    );
}

#[test]
fn what_takes_too_long_is_ended_and_nothing_of_it_is_lost_or_twice() {
    let mesh = Mesh::ventas();
    mesh.edit("malla.toml", "rows = 65536", "rows = 500");
    mesh.simulate(5000, 7);
    let lines = mesh.lines_written();
    mesh.add(
        "malla.toml",
        &format!(
            "[schedules.ventas]\ntransacciones = {{ cron = \"{RARE}\", timeout = \"1ms\" }}\ndaily-revenue = {{ timeout = \"1ms\" }}"
        ),
    );
    let once = ["--once", "--product"];
    let source = [&once[..], &["ventas.transacciones"]].concat();
    let said = mesh.fails(&["run"], &source);
    assert!(said.contains("longer than its `timeout` of 1ms"), "{said}");
    // Whenever it is ended, what was committed stays, and what was not comes again.
    for timeout in ["200ms", "600ms", "1100ms"] {
        let config = std::fs::read_to_string(mesh.config()).unwrap();
        let other = config.replacen("timeout = \"1ms\"", &format!("timeout = \"{timeout}\""), 1);
        std::fs::write(mesh.config(), other).unwrap();
        let config = mesh.config();
        mesh.output(&[&["run", "--config", config.to_str().unwrap()], &source[..]].concat());
        mesh.edit(
            "malla.toml",
            &format!("timeout = \"{timeout}\""),
            "timeout = \"1ms\"",
        );
        let config = std::fs::read_to_string(mesh.config()).unwrap();
        assert_eq!(config.matches("timeout = \"1ms\"").count(), 2);
    }
    let config = std::fs::read_to_string(mesh.config()).unwrap();
    std::fs::write(
        mesh.config(),
        config.replacen("timeout = \"1ms\"", "timeout = \"1h\"", 1),
    )
    .unwrap();
    mesh.on("run", &source);
    mesh.every_event_once(lines);
    let kept: u64 = runs(&mesh, "ventas.transacciones")
        .iter()
        .map(|run| run["rows_kept"].as_u64().unwrap())
        .sum();
    assert_eq!(
        kept,
        mesh.count("ventas.transacciones"),
        "every row is told of once, whatever became of its run"
    );

    let product = [&once[..], &["ventas.daily-revenue"]].concat();
    let said = mesh.fails(&["run"], &product);
    assert!(said.contains("longer than its `timeout` of 1ms"), "{said}");
    mesh.edit("malla.toml", "timeout = \"1ms\"", "timeout = \"1h\"");
    mesh.on("run", &product);
    let states: Vec<Value> = runs(&mesh, "ventas.daily-revenue")
        .iter()
        .map(|run| run["state"].clone())
        .collect();
    assert_eq!(states, [json!("succeeded"), json!("timed_out")]);
}

#[test]
fn what_another_process_is_at_is_skipped_with_an_exit_code_of_its_own() {
    let mesh = Mesh::ventas();
    mesh.put(&sale("a"));
    mesh.run_once();
    let config = mesh.config();
    let exit = |job: &str| {
        let output = mesh.output(&[
            "run",
            "--config",
            config.to_str().unwrap(),
            "--once",
            "--product",
            job,
        ]);
        (output.status.code(), text(&output))
    };
    for (lock, job) in [
        ("product.ventas.daily-revenue", "ventas.daily-revenue"),
        ("source.ventas.transacciones", "ventas.transacciones"),
    ] {
        let held = File::create(mesh.path().join("state/runs/locks").join(lock)).unwrap();
        held.lock().unwrap();
        let (code, said) = exit(job);
        assert_eq!(code, Some(3), "{said}");
        assert!(said.contains("another run of it goes on"), "{said}");
        drop(held);
        assert_eq!(exit(job).0, Some(0));
        assert!(has(&mesh, job, "skipped", "once"));
    }
    let (code, said) = exit("ventas.nada");
    assert_eq!(code, Some(1));
    assert!(said.contains("`ventas.daily-revenue`"), "{said}");
}

#[test]
fn a_history_that_cannot_be_written_fails_nothing_and_is_written_later() {
    let mesh = Mesh::ventas();
    let place = mesh.path().join("lake/malla");
    std::fs::write(&place, "a file where a folder should be").unwrap();
    mesh.put(&sale("a"));
    let report = mesh.run_once();
    assert_eq!(report["failures"], json!([]));
    assert_eq!(mesh.count("ventas.transacciones"), 1);
    std::fs::remove_file(&place).unwrap();
    mesh.put(&sale("b"));
    mesh.run_once();
    assert_eq!(mesh.count("malla.runs WHERE job = 'ventas.transacciones'"), 2);
    assert_eq!(mesh.count("malla.runs WHERE job = 'ventas.daily-revenue'"), 2);
}

#[test]
fn two_hosts_with_one_schedule_run_each_of_its_times_once() {
    let mesh = Mesh::ventas();
    mesh.put(&sale("a"));
    mesh.run_once();
    let text = std::fs::read_to_string(mesh.config()).unwrap();
    let (text, _) = text.split_once("\n[sources.ventas.transacciones]").unwrap();
    let schedule = format!(
        "\n[schedules.ventas]\ntransacciones = {{ cron = \"{RARE}\" }}\ndaily-revenue = {{ cron = \"{SECOND}\" }}\n"
    );
    for host in ["one", "two"] {
        let text = text.replace("state = \"state\"", &format!("state = \"state-{host}\""));
        std::fs::write(mesh.path().join(format!("{host}.toml")), text + &schedule).unwrap();
    }
    let one = Running::start_with(&mesh, "one.toml", "one.log");
    let two = Running::start_with(&mesh, "two.toml", "two.log");
    let begun = |host: &Running| host.said().matches("A run begins.").count();
    wait_until("they began ten runs", || begun(&one) + begun(&two) >= 10);
    one.end();
    two.end();
    let twice = "SELECT scheduled FROM malla.runs WHERE \"trigger\" = 'schedule' GROUP BY scheduled HAVING count(*) > 1";
    assert_eq!(mesh.query(twice), Vec::<Row>::new());
    assert!(mesh.count("malla.runs WHERE \"trigger\" = 'schedule'") >= 8);
}

#[test]
fn who_may_not_read_the_history_is_told_so() {
    let mesh = Mesh::ventas();
    mesh.put(&sale("a"));
    mesh.run_once();
    let said = mesh.fails(&["runs"], &["--as", "user:ana"]);
    assert!(said.contains("may not read `malla.runs`"), "{said}");
    // A row filter holds for what waits on the local disk too.
    mesh.add(
        "policies/global.csv",
        "p, role:analista, malla, malla.runs, read, *, allow",
    );
    let seen = || mesh.on("runs", &["--as", "user:ana", "--json"]);
    assert!(seen().contains("ventas.transacciones"));
    mesh.add(
        "policies/row-filters.toml",
        "[[row-filter]]\ntable = \"malla.runs\"\nfor = [\"role:analista\"]\ncolumn = \"domain\"\nequals = \"producto\"",
    );
    let host = Running::start(&mesh);
    wait_until("a run goes on", || mesh.on("runs", &[]).contains("running"));
    assert_eq!(seen().trim(), "[]");
    host.stop();
    let config = mesh.config();
    let checked = mesh.ok(&["policy", "check", "--config", config.to_str().unwrap()]);
    assert!(!checked.contains("malla.runs"), "{checked}");
}
