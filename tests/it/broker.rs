//! Topics: on librdkafka's mock cluster, or on the broker that `MALLA_TEST_KAFKA` names.

use std::time::{Duration, Instant};

use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::Message;
use rdkafka::mocking::MockCluster;
use rdkafka::producer::{BaseProducer, BaseRecord, DefaultProducerContext, Producer};

use crate::support::Mesh;

pub(crate) struct Broker {
    servers: String,
    pub(crate) topic: String,
    mock: Option<MockCluster<'static, DefaultProducerContext>>,
}

impl Broker {
    pub(crate) fn start(name: &str, partitions: i32) -> Self {
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

    pub(crate) fn create(&self, topic: &str, partitions: i32) {
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
    pub(crate) fn send(&self, partition: i32, messages: &[Option<String>]) {
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
    pub(crate) fn read(&self, topic: &str) -> Vec<String> {
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

    pub(crate) fn servers(&self) -> &str {
        &self.servers
    }

    pub(crate) fn mesh(&self) -> Mesh {
        Mesh::ventas_of(&self.servers, &self.topic)
    }
}
