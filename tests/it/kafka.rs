//! A topic as a source, on librdkafka's mock cluster, or on the broker that `MALLA_TEST_KAFKA` names.

use std::io::Write as _;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::Message;
use rdkafka::mocking::MockCluster;
use rdkafka::producer::{BaseProducer, BaseRecord, DefaultProducerContext, Producer};

use crate::support::{Mesh, Running, malla, metrics, sale, text, wait_until};

struct Broker {
    servers: String,
    topic: String,
    mock: Option<MockCluster<'static, DefaultProducerContext>>,
}

impl Broker {
    fn start(name: &str, partitions: i32) -> Self {
        let topic = format!("{name}-{}", std::process::id());
        if let Ok(servers) = std::env::var("MALLA_TEST_KAFKA") {
            let broker = Self {
                servers,
                topic,
                mock: None,
            };
            broker.create(&broker.topic, partitions);
            return broker;
        }
        let mock = MockCluster::new(1).unwrap();
        mock.create_topic(&topic, partitions, 1).unwrap();
        Self {
            servers: mock.bootstrap_servers(),
            topic,
            mock: Some(mock),
        }
    }

    fn create(&self, topic: &str, partitions: i32) {
        if let Some(mock) = &self.mock {
            mock.create_topic(topic, partitions, 1).unwrap();
            return;
        }
        use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
        use rdkafka::client::DefaultClientContext;
        let admin: AdminClient<DefaultClientContext> = self.client().create().unwrap();
        let topic = NewTopic::new(topic, partitions, TopicReplication::Fixed(1));
        futures::executor::block_on(admin.create_topics([&topic], &AdminOptions::new())).unwrap();
    }

    fn client(&self) -> ClientConfig {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", &self.servers);
        config
    }

    /// `None`: a tombstone.
    fn send(&self, partition: i32, messages: &[Option<String>]) {
        let producer: BaseProducer = self.client().create().unwrap();
        for message in messages {
            let mut record = BaseRecord::<str, str>::to(&self.topic)
                .key("clave")
                .partition(partition);
            record.payload = message.as_deref();
            producer.send(record).unwrap();
        }
        producer.flush(Duration::from_secs(30)).unwrap();
    }

    /// Every message of a topic's only partition.
    fn read(&self, topic: &str) -> Vec<String> {
        let mut config = self.client();
        config
            .set("group.id", "prueba")
            .set("enable.partition.eof", "true")
            .set("auto.offset.reset", "earliest");
        let consumer: BaseConsumer = config.create().unwrap();
        let mut list = rdkafka::TopicPartitionList::new();
        list.add_partition_offset(topic, 0, rdkafka::Offset::Beginning)
            .unwrap();
        consumer.assign(&list).unwrap();
        let mut messages = Vec::new();
        let begun = Instant::now();
        loop {
            assert!(begun.elapsed() < Duration::from_secs(60), "no end of {topic}");
            match consumer.poll(Duration::from_millis(100)) {
                Some(Ok(message)) => {
                    messages.push(String::from_utf8(message.payload().unwrap().to_vec()).unwrap());
                }
                Some(Err(rdkafka::error::KafkaError::PartitionEOF(_))) => return messages,
                _ => {}
            }
        }
    }

    fn mesh(&self) -> Mesh {
        Mesh::ventas_of(&self.servers, &self.topic)
    }
}

#[test]
fn a_topic_is_read_to_its_end_and_gone_on_with() {
    let broker = Broker::start("folder", 4);
    let mesh = broker.mesh();
    mesh.on("simulate", &["--to", "kafka", "--events", "5000"]);
    assert_eq!(mesh.run_once()["products"][0]["read"], 5000);
    mesh.every_event_once(5000);
    assert_eq!(mesh.run_once()["products"][0]["read"], 0);
    mesh.on("simulate", &["--events", "300"]);
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

    fn start(&mut self, mesh: &Mesh) {
        let log = mesh.path().join(format!("host-{}.log", self.number));
        let log = std::fs::File::options()
            .create(true)
            .append(true)
            .open(log)
            .unwrap();
        let child = Command::new(malla())
            .args(["run", "--config"])
            .arg(mesh.path().join(format!("host-{}.toml", self.number)))
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

/// Three hosts of one group are killed, frozen and started again while events come.
fn three_hosts(events: u64, rounds: usize, pause: Duration) {
    let broker = Broker::start("tres", 8);
    let mesh = broker.mesh();
    mesh.edit("malla.toml", "rows = 65536", "rows = 700");
    mesh.edit("malla.toml", "rows = 500000", "rows = 3000");
    mesh.edit("malla.toml", "seconds = 5.0", "seconds = 0.5");
    let mut hosts: Vec<Host> = (0..3).map(|number| Host::new(&mesh, number)).collect();
    for host in &mut hosts {
        host.start(&mesh);
    }
    let mut random = StdRng::seed_from_u64(8);
    let share = events / rounds as u64;
    for round in 0..rounds {
        mesh.simulate(share, 7);
        std::thread::sleep(random.random_range(pause / 4..pause));
        let host = &mut hosts[random.random_range(0..3)];
        match round % 3 {
            0 | 1 => {
                host.kill();
                host.start(&mesh);
            }
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
    let left = mesh.run_once();
    eprintln!("the last run read {}", left["products"][0]["read"]);
    mesh.every_event_once(written);
}

#[test]
fn three_hosts_of_a_group_are_killed_and_frozen_and_every_event_is_there_once() {
    three_hosts(8_000, 4, Duration::from_secs(3));
}

/// `cargo xtask chaos`. More than this the mock cluster forgets before it is read.
#[test]
#[ignore = "takes minutes: run by `cargo xtask chaos`"]
fn three_hosts_of_a_group_are_killed_many_times_during_a_long_run() {
    three_hosts(90_000, 30, Duration::from_secs(4));
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
