//! A topic as a source, on librdkafka's mock cluster, or on the broker that `MALLA_TEST_KAFKA` names.

use std::io::Write as _;
use std::process::{Command, Stdio};

use crate::broker::Broker;
use crate::support::{Mesh, Running, metrics, sale, text, wait_until};

#[test]
fn a_topic_is_read_to_its_end_and_gone_on_with() {
    let broker = Broker::start("folder", 4);
    let mesh = broker.mesh();
    let sales = ["--source", "transacciones", "--events"];
    mesh.on("simulate", &[&sales[..], &["5000", "--to", "kafka"]].concat());
    assert_eq!(mesh.run_once()["products"][0]["read"], 5000);
    mesh.every_event_once(5000);
    assert_eq!(mesh.run_once()["products"][0]["read"], 0);
    mesh.on("simulate", &[&sales[..], &["300"]].concat());
    broker.send(
        2,
        &[None, Some("null".into()), Some(sale("t-k")), Some(String::new())],
    );
    assert_eq!(mesh.run_once()["products"][0]["read"], 304);
    mesh.every_event_once(5304);
    let rules = mesh.query(
        "SELECT rule FROM ventas_quarantine.transacciones WHERE source_partition = '2' ORDER BY source_offset DESC LIMIT 3",
    );
    let rules: Vec<&str> = rules.iter().map(|row| row["rule"].as_str().unwrap()).collect();
    assert_eq!(rules, ["empty_line", "not_an_object", "tombstone"]);
    // The lake holds the offsets: without it the topic is read anew, whatever the group says.
    std::fs::remove_dir_all(mesh.path().join("lake")).unwrap();
    assert_eq!(mesh.run_once()["products"][0]["read"], 5304);
    let refused = mesh.fails(&["simulate"], &["--to", "directory", "--events", "1"]);
    assert!(refused.contains("no folder"), "{refused}");
}

#[test]
fn a_running_host_takes_new_messages_and_ends_when_asked() {
    let broker = Broker::start("running", 2);
    let mesh = broker.mesh();
    let admin = mesh.admin();
    mesh.edit("malla.toml", "seconds = 5.0", "seconds = 0.2");
    // Without it the tables would not be there yet.
    mesh.run_once();
    let running = Running::start(&mesh);
    for round in 0..3 {
        let sales = [0, 1].map(|n| Some(sale(&format!("t-{round}-{n}"))));
        broker.send(round % 2, &sales);
        let expected = u64::try_from(round + 1).unwrap() * 2;
        wait_until("the sales are there", || {
            mesh.count("ventas.transacciones") == expected
        });
    }
    let told = metrics(admin);
    let of = "{domain=\"ventas\",source=\"transacciones\"}";
    for line in [
        format!("malla_source_lines_total{of} 6"),
        format!("malla_event_to_commit_seconds_count{of} 3"),
    ] {
        assert!(told.contains(&line), "{line}\n{told}");
    }
    assert!(told.contains(&format!("malla_source_bytes_total{of} ")), "{told}");
    is_good_prometheus(&told);
    running.stop();
    // What the host left is all there is: the group was left, and the offsets are in the lake.
    assert_eq!(mesh.run_once()["products"][0]["read"], 0);
}

/// As Prometheus' own tool sees it.
fn is_good_prometheus(told: &str) {
    let (_, body) = told.split_once("\r\n\r\n").unwrap();
    let promtool = Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    assert!(
        promtool.is_ok(),
        "promtool is missing: apt-get install prometheus"
    );
    let mut promtool = promtool.unwrap();
    promtool.stdin.take().unwrap().write_all(body.as_bytes()).unwrap();
    let output = promtool.wait_with_output().unwrap();
    assert!(output.status.success(), "{}\n{body}", text(&output));
}

#[test]
fn a_broker_that_is_not_there_is_named() {
    let mesh = Mesh::ventas_of("127.0.0.1:1", "ventas.transacciones");
    let config = mesh.config();
    let output = mesh.output(&["run", "--once", "--config", config.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(1));
    let said = text(&output);
    assert!(
        said.contains("ventas.transacciones") && said.contains("127.0.0.1:1"),
        "{said}"
    );
}

#[test]
fn what_is_in_quarantine_is_told_to_the_dead_letter_topic() {
    let broker = Broker::start("muertas", 1);
    let letters = format!("{}.muertas", broker.topic);
    broker.create(&letters, 1);
    let mesh = broker.mesh();
    mesh.edit(
        "malla.toml",
        &format!("topic = \"{}\"", broker.topic),
        &format!("topic = \"{}\"\ndead_letter_topic = \"{letters}\"", broker.topic),
    );
    broker.send(0, &[Some(sale("t-1")), Some("no es json".into()), None]);
    mesh.run_once();
    let letters = broker.read(&letters);
    assert_eq!(letters.len(), 2, "{letters:?}");
    let letter: serde_json::Value = serde_json::from_str(&letters[0]).unwrap();
    assert_eq!(letter["topic"], broker.topic.as_str());
    assert_eq!((&letter["partition"], &letter["offset"]), (&0.into(), &1.into()));
    assert_eq!(letter["stage"], "undecodable");
    assert_eq!(letter["rule"], "invalid_json");
    assert!(!letters[0].contains("no es"), "no value of the data: {letters:?}");
}
