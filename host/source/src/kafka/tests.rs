//! A topic of librdkafka's own mock cluster, or of a real broker where `MALLA_TEST_KAFKA` names one.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use rdkafka::mocking::MockCluster;
use rdkafka::producer::DefaultProducerContext;

use super::*;
use crate::{Mode, Read};

const LIMIT: BatchLimit = BatchLimit {
    rows: 100,
    bytes: 1 << 20,
};
const LONG: Duration = Duration::from_secs(60);

struct Topic {
    config: KafkaConfig,
    _mock: Option<MockCluster<'static, DefaultProducerContext>>,
}

/// A new topic.
fn topic(name: &str, partitions: i32) -> Topic {
    let (servers, mock) = match std::env::var("MALLA_TEST_KAFKA") {
        Ok(servers) => (servers, None),
        Err(_) => {
            let mock = MockCluster::new(1).unwrap();
            (mock.bootstrap_servers(), Some(mock))
        }
    };
    let name = format!("{name}-{}", std::process::id());
    let settings = [
        ("bootstrap.servers", servers.as_str()),
        ("session.timeout.ms", "6000"),
        ("heartbeat.interval.ms", "500"),
    ];
    let config = KafkaConfig {
        topic: name.clone(),
        start: KafkaStart::Earliest,
        dead_letter_topic: None,
        schema_registry: None,
        settings: settings
            .iter()
            .map(|(name, value)| ((*name).to_owned(), KafkaSetting::Text((*value).to_owned())))
            .collect(),
    };
    match &mock {
        Some(mock) => mock.create_topic(&name, partitions, 1).unwrap(),
        None => create(&config, partitions),
    }
    Topic { config, _mock: mock }
}

fn create(config: &KafkaConfig, partitions: i32) {
    use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
    use rdkafka::client::DefaultClientContext;
    use rdkafka::config::FromClientConfig as _;
    let admin = AdminClient::<DefaultClientContext>::from_config(&config.client(None).unwrap()).unwrap();
    let topic = NewTopic::new(&config.topic, partitions, TopicReplication::Fixed(1));
    let made = admin.create_topics([&topic], &AdminOptions::new());
    futures::executor::block_on(made).unwrap();
}

impl Topic {
    fn open(&self) -> KafkaSource {
        KafkaSource::open(&self.config, "malla.prueba", LIMIT).unwrap()
    }

    fn write(&self, partition: i32, messages: std::ops::Range<u32>) {
        let writer = KafkaWriter::open(&self.config, &self.config.topic).unwrap();
        for message in messages {
            writer
                .write(Some(partition), b"", message.to_string().as_bytes())
                .unwrap();
        }
        writer.flush().unwrap();
    }
}

fn until<T>(mut found: impl FnMut() -> Option<T>) -> T {
    let begun = Instant::now();
    loop {
        if let Some(found) = found() {
            return found;
        }
        assert!(begun.elapsed() < LONG, "nothing came");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// What the group gives first. That it gives nothing yet has to be answered too.
fn given(source: &KafkaSource) -> (u64, Vec<String>) {
    until(|| {
        source
            .changes()
            .unwrap()
            .into_iter()
            .find_map(|change| match change {
                Change::Added { partitions, ticket } if !partitions.is_empty() => Some((ticket, partitions)),
                Change::Added { ticket, .. } => {
                    source.start(ticket, &BTreeMap::new()).unwrap();
                    None
                }
                Change::Removed { .. } => None,
            })
    })
}

fn start(source: &KafkaSource, at: Option<i64>) -> Vec<KafkaReader> {
    let (ticket, partitions) = given(source);
    let positions = partitions.into_iter().map(|partition| (partition, at)).collect();
    source.start(ticket, &positions).unwrap()
}

/// All batches up to the end.
fn drain(reader: &mut KafkaReader) -> Vec<Lines> {
    let mut batches = Vec::new();
    loop {
        let read = until(|| match reader.next(Mode::Drain).unwrap() {
            Read::Later => None,
            read => Some(read),
        });
        match read {
            Read::Lines(lines) => batches.push(lines),
            _ => return batches,
        }
    }
}

fn texts(batches: &[Lines]) -> Vec<String> {
    batches
        .iter()
        .flat_map(Lines::iter)
        .map(|line| String::from_utf8(line.to_vec()).unwrap())
        .collect()
}

fn numbers(range: std::ops::Range<u32>) -> Vec<String> {
    range.map(|number| number.to_string()).collect()
}

#[test]
fn every_message_comes_once_with_its_offset_and_can_be_read_again() {
    let topic = topic("once", 1);
    topic.write(0, 0..250);
    let source = topic.open();
    let mut readers = start(&source, None);
    let batches = drain(&mut readers[0]);
    assert_eq!(texts(&batches), numbers(0..250));
    assert!(batches[0].begins() && !batches[1].begins());
    assert!(batches.iter().all(|lines| lines.len() <= LIMIT.rows));
    let bounds: Vec<(i64, i64)> = batches.iter().map(|lines| (lines.from(), lines.to())).collect();
    assert_eq!(bounds.first().unwrap().0, 0);
    assert_eq!(bounds.last().unwrap().1, 250);
    for (lines, (from, to)) in batches.iter().zip(&bounds) {
        assert_eq!(source.repeat("0", *from, *to, lines.begins()).unwrap(), *lines);
    }
    // More comes later, and nothing twice.
    topic.write(0, 250..260);
    let more = until(|| match readers[0].next(Mode::Follow).unwrap() {
        Read::Lines(lines) => Some(lines),
        _ => None,
    });
    assert_eq!((more.from(), more.begins()), (250, false));
    // What is not there cannot be repeated.
    let error = source.repeat("0", 200, 2_000, false).unwrap_err().to_string();
    assert!(error.contains("200..2000"), "{error}");
}

#[test]
fn a_partition_goes_on_where_the_tables_stand_and_not_where_the_group_does() {
    let topic = topic("resume", 1);
    topic.write(0, 0..30);
    let source = topic.open();
    let mut readers = start(&source, None);
    assert_eq!(drain(&mut readers[0]).len(), 1);
    source.committed(&BTreeMap::from([("0".to_owned(), 30)]));
    drop(source);
    let source = topic.open();
    let mut readers = start(&source, Some(12));
    assert_eq!(texts(&drain(&mut readers[0])), numbers(12..30));
    drop(source);
    let source = topic.open();
    let (ticket, _) = given(&source);
    let error = source
        .start(ticket, &BTreeMap::from([("0".to_owned(), Some(31))]))
        .unwrap_err();
    assert!(error.to_string().contains("made anew"), "{error}");
}

#[test]
fn the_latest_start_is_kept_from_the_first_moment() {
    let mut topic = topic("latest", 1);
    topic.config.start = KafkaStart::Latest;
    topic.write(0, 0..20);
    let source = topic.open();
    let mut readers = start(&source, None);
    let Read::Lines(first) = readers[0].next(Mode::Follow).unwrap() else {
        panic!("the start is told");
    };
    assert_eq!((first.from(), first.to(), first.len()), (20, 20, 0));
    assert!(first.begins());
    topic.write(0, 20..25);
    let more = until(|| match readers[0].next(Mode::Follow).unwrap() {
        Read::Lines(lines) => Some(lines),
        _ => None,
    });
    assert_eq!((more.from(), more.begins()), (20, false));
    assert_eq!(source.repeat("0", 20, 20, true).unwrap(), first);
}

#[test]
fn a_tombstone_and_an_empty_message_are_lines() {
    let topic = topic("tombstone", 1);
    let client = topic.config.client(None).unwrap();
    let producer: rdkafka::producer::BaseProducer = client.create().unwrap();
    use rdkafka::producer::{BaseRecord, Producer as _};
    for payload in [None, Some(""), Some("null")] {
        let mut record = BaseRecord::<str, str>::to(&topic.config.topic).key("t-1");
        record.payload = payload;
        producer.send(record).unwrap();
    }
    producer.flush(LONG).unwrap();
    let source = topic.open();
    let mut readers = start(&source, None);
    let lines = &drain(&mut readers[0])[0];
    assert_eq!(lines.len(), 3);
    assert_eq!(lines.problems().len(), 1);
    assert_eq!(lines.problems()[0].rule, "tombstone");
    assert_eq!(lines.line(0).as_ref(), b"t-1");
    assert_eq!(
        (lines.line(1).as_ref(), lines.line(2).as_ref()),
        (&b""[..], &b"null"[..])
    );
}

#[test]
fn a_second_member_takes_its_share_and_what_was_buffered_is_dropped() {
    for strategy in ["cooperative-sticky", "range"] {
        let mut topic = topic(&format!("share-{strategy}"), 4);
        topic.config.settings.insert(
            "partition.assignment.strategy".into(),
            KafkaSetting::Text(strategy.into()),
        );
        for partition in 0..4 {
            topic.write(partition, 0..50);
        }
        let first = topic.open();
        let mut readers = start(&first, None);
        assert_eq!(readers.len(), 4);
        let second = std::thread::spawn({
            let config = topic.config.clone();
            move || {
                let source = KafkaSource::open(&config, "malla.prueba", LIMIT).unwrap();
                let mut readers = start(&source, Some(7));
                let read: Vec<String> = readers
                    .iter_mut()
                    .flat_map(|reader| texts(&drain(reader)))
                    .collect();
                (readers.len(), read)
            }
        });
        // Partitions are taken, and given up only when this says so.
        let mut held = 4;
        let mut kept = Vec::new();
        until(|| {
            for change in first.changes().unwrap() {
                match change {
                    Change::Removed {
                        partitions,
                        lost,
                        released,
                    } => {
                        assert!(!lost);
                        for reader in &mut readers {
                            if partitions.iter().any(|name| name == reader.partition()) {
                                assert_eq!(reader.next(Mode::Follow).unwrap(), Read::Gone);
                            }
                        }
                        held -= partitions.len();
                        drop(released);
                    }
                    Change::Added { partitions, ticket } => {
                        held += partitions.len();
                        let positions = partitions.into_iter().map(|name| (name, Some(9))).collect();
                        kept.extend(first.start(ticket, &positions).unwrap());
                    }
                }
            }
            second.is_finished().then_some(())
        });
        // When the second leaves, the first gets its partitions back.
        assert!(held == 2 || held == 4 || held == 0, "{strategy}: {held}");
        let (count, read) = second.join().unwrap();
        assert_eq!(count, 2, "{strategy}");
        assert_eq!(read, [numbers(7..50), numbers(7..50)].concat());
    }
}

#[test]
fn what_is_missing_is_named() {
    let topic = topic("there", 1);
    let missing = KafkaConfig {
        topic: "no.such.topic".into(),
        ..topic.config.clone()
    };
    // A mock cluster makes every topic that is asked for.
    if std::env::var("MALLA_TEST_KAFKA").is_ok() {
        let error = KafkaSource::open(&missing, "malla.prueba", LIMIT).unwrap_err();
        assert!(error.to_string().contains("no.such.topic"), "{error}");
    }
    let mut nobody = topic.config.clone();
    nobody.settings.insert(
        "bootstrap.servers".into(),
        KafkaSetting::Text("127.0.0.1:1".into()),
    );
    let error = KafkaSource::open(&nobody, "malla.prueba", LIMIT)
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("127.0.0.1:1") && error.contains("there-"),
        "{error}"
    );
    let mut wrong = topic.config.clone();
    wrong
        .settings
        .insert("fetch.min.bites".into(), KafkaSetting::Integer(1));
    let error = KafkaSource::open(&wrong, "malla.prueba", LIMIT)
        .unwrap_err()
        .to_string();
    assert!(error.contains("fetch.min.bites"), "{error}");
}
