mod catalogue;
mod parquet;
mod returns;
mod shipments;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fs;
use std::path::Path;

use serde_json::Value;
use tempfile::TempDir;

use crate::{Caught, Dirt, Report, SimulateError, Simulator};

const NOW: i64 = 1_795_274_430_000_000;

fn simulate(seed: u64, root: &Path, events: u64) -> Report {
    simulate_source(seed, "ventas", "transacciones", root, events)
}

fn simulate_source(seed: u64, domain: &str, source: &str, root: &Path, events: u64) -> Report {
    Simulator::new(seed, domain, source)
        .unwrap()
        .with_now(NOW)
        .with_segment_bytes(100_000)
        .write(root, events)
        .unwrap()
}

/// Bytes of every segment, by path below the root.
fn segments(root: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut all = BTreeMap::new();
    for partition in fs::read_dir(root)
        .unwrap()
        .map(Result::unwrap)
        .filter(|entry| entry.path().is_dir())
    {
        for segment in fs::read_dir(partition.path()).unwrap().map(Result::unwrap) {
            let path = segment
                .path()
                .strip_prefix(root)
                .unwrap()
                .to_string_lossy()
                .into_owned();
            all.insert(path, fs::read(segment.path()).unwrap());
        }
    }
    all
}

/// Every line of JSON and record of CSV, without headers.
fn lines(root: &Path) -> Vec<Vec<u8>> {
    let mut all = Vec::new();
    for (path, bytes) in segments(root) {
        if path.ends_with(".csv") {
            let header = bytes.iter().position(|byte| *byte == b'\n').unwrap();
            all.extend(records(&bytes[header + 1..]));
        } else {
            all.extend(bytes.split_inclusive(|byte| *byte == b'\n').map(<[u8]>::to_vec));
        }
    }
    all
}

/// A line end within quotes ends no record.
fn records(bytes: &[u8]) -> Vec<Vec<u8>> {
    let (mut all, mut record, mut quoted) = (Vec::new(), Vec::new(), false);
    for byte in bytes {
        record.push(*byte);
        quoted ^= *byte == b'"';
        if *byte == b'\n' && !quoted {
            all.push(std::mem::take(&mut record));
        }
    }
    assert!(record.is_empty(), "a file ends with a whole record");
    all
}

/// The events that can be read; those of CSV with as many fields as the header has, and without those that are empty.
fn events(root: &Path) -> Vec<Value> {
    let headers = segments(root).into_iter().find_map(|(path, bytes)| {
        let text = path.ends_with(".csv").then_some(bytes)?;
        let line = text.split(|byte| *byte == b'\n').next().unwrap();
        Some(str::from_utf8(line).unwrap().to_owned())
    });
    let read = |line: Vec<u8>| match &headers {
        Some(header) => read_record(header, &line),
        None => serde_json::from_slice(&line).ok(),
    };
    lines(root)
        .into_iter()
        .filter_map(read)
        .filter(Value::is_object)
        .collect()
}

/// As somebody else's reader of CSV reads it.
fn read_record(header: &str, record: &[u8]) -> Option<Value> {
    let mut reader = csv::ReaderBuilder::new().has_headers(false).from_reader(record);
    let record = reader.records().next()?.ok()?;
    let names: Vec<&str> = header.split(',').collect();
    if record.len() != names.len() {
        return None;
    }
    let fields = names
        .into_iter()
        .zip(record.iter())
        .filter(|(_, text)| !text.is_empty());
    let fields = fields.map(|(name, text)| {
        let number = ["monto", "precio", "costo"]
            .contains(&name)
            .then(|| text.parse::<f64>().ok());
        (
            name.to_owned(),
            number.flatten().map_or_else(|| text.into(), Value::from),
        )
    });
    Some(Value::Object(fields.collect()))
}

/// Every source with its domain.
fn sources() -> Vec<(&'static str, &'static str)> {
    Simulator::DOMAINS
        .into_iter()
        .flat_map(|domain| {
            let simulators = Simulator::of(1, domain).unwrap();
            simulators
                .into_iter()
                .map(move |simulator| (domain, simulator.source()))
        })
        .collect()
}

/// Counts the events among `values` for which something holds.
fn among(values: &[Value], check: impl Fn(&Value) -> bool) -> u64 {
    values.iter().filter(|value| check(value)).count() as u64
}

/// A time in microseconds, if it is one.
fn micros(time: &Value) -> Option<i64> {
    let time = chrono::DateTime::parse_from_rfc3339(time.as_str()?).ok()?;
    Some(time.timestamp_micros())
}

#[test]
fn every_domain_has_its_sources() {
    let sources = sources();
    let expected = [
        ("ventas", "transacciones"),
        ("ventas", "devoluciones"),
        ("logistica", "envios"),
        ("producto", "catalogo"),
        ("producto", "cambios"),
    ];
    assert_eq!(sources, expected);
    for domain in Simulator::DOMAINS {
        for events in [0, 1, 2, 799, 800, 801, 100_000] {
            let shares = Simulator::of(1, domain).unwrap();
            let sum: u64 = shares.iter().map(|simulator| simulator.share(events)).sum();
            assert_eq!(sum, events, "{domain}");
        }
    }
}

#[test]
fn every_source_repeats_itself_and_counts_its_lines() {
    for (domain, source) in sources() {
        let (once, twice, halves) = (
            TempDir::new().unwrap(),
            TempDir::new().unwrap(),
            TempDir::new().unwrap(),
        );
        let report = simulate_source(7, domain, source, once.path(), 10_000);
        simulate_source(7, domain, source, twice.path(), 10_000);
        assert_eq!(segments(once.path()), segments(twice.path()), "{source}");
        assert_eq!(report.total(), 10_000);
        assert_eq!(lines(once.path()).len(), 10_000, "{source}");
        assert!(
            (60..150).contains(&report.dirty()),
            "{source}: {}",
            report.dirty()
        );
        simulate_source(7, domain, source, halves.path(), 4_000);
        simulate_source(7, domain, source, halves.path(), 6_000);
        let sorted = |root: &Path| {
            let mut lines = lines(root);
            lines.sort();
            lines
        };
        assert!(sorted(once.path()) == sorted(halves.path()), "{source} goes on");
    }
}

#[test]
fn the_same_seed_gives_the_same_bytes() {
    let (one, two, three) = (
        TempDir::new().unwrap(),
        TempDir::new().unwrap(),
        TempDir::new().unwrap(),
    );
    assert_eq!(
        simulate(7, one.path(), 2000).lines,
        simulate(7, two.path(), 2000).lines
    );
    simulate(8, three.path(), 2000);
    assert_eq!(segments(one.path()), segments(two.path()));
    assert_ne!(segments(one.path()), segments(three.path()));
}

#[test]
fn a_second_call_goes_on_and_never_repeats_an_id() {
    let (twice, once) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    simulate(7, twice.path(), 1500);
    simulate(7, twice.path(), 500);
    simulate(8, twice.path(), 500);
    let all = events(twice.path());
    let ids: HashSet<&str> = all
        .iter()
        .filter_map(|event| event["transaccion_id"].as_str())
        .collect();
    let with_id = all
        .iter()
        .filter(|event| event["transaccion_id"].is_string())
        .count();
    assert!(with_id > 2400);
    assert_eq!(ids.len(), with_id);
    simulate(7, once.path(), 2000);
    let of_once: HashSet<String> = events(once.path())
        .iter()
        .filter_map(|event| event["transaccion_id"].as_str().map(str::to_owned))
        .collect();
    assert!(of_once.iter().all(|id| ids.contains(id.as_str())));
}

#[test]
fn the_report_counts_every_line() {
    let root = TempDir::new().unwrap();
    let report = simulate(1, root.path(), 20_000);
    assert_eq!(report.total(), 20_000);
    assert_eq!(report.lines.len(), 4);
    assert_eq!(
        report.bytes,
        segments(root.path())
            .values()
            .map(|bytes| bytes.len() as u64)
            .sum::<u64>()
    );
    for (partition, count) in &report.lines {
        let found = segments(root.path())
            .iter()
            .filter(|(path, _)| path.starts_with(partition))
            .map(|(_, bytes)| bytes.iter().filter(|byte| **byte == b'\n').count() as u64)
            .sum::<u64>();
        assert_eq!(*count, found);
        assert!(*count > 2000, "no partition is idle");
    }
    assert!((100..300).contains(&report.dirty()), "{}", report.dirty());
    assert_eq!(report.dirt.len(), Dirt::SALES.len(), "every kind occurs");
    assert!(segments(root.path()).len() > 8, "segments are bounded");
}

#[test]
fn dirt_is_what_its_name_says() {
    let root = TempDir::new().unwrap();
    let report = simulate(3, root.path(), 30_000);
    let lines = lines(root.path());
    let count = |dirt| report.dirt[&dirt];
    let parsed: Vec<Value> = lines
        .iter()
        .filter_map(|line| serde_json::from_slice(line).ok())
        .collect();
    let among = |check: &dyn Fn(&Value) -> bool| among(&parsed, check);

    assert_eq!(
        lines.iter().filter(|line| *line == b"\n").count() as u64,
        count(Dirt::EmptyLine)
    );
    assert_eq!(
        lines.iter().filter(|line| str::from_utf8(line).is_err()).count() as u64,
        count(Dirt::InvalidUtf8)
    );
    assert_eq!(among(&Value::is_array), count(Dirt::NotAnObject));
    assert_eq!(
        among(&|event| event["evento"].is_object()),
        count(Dirt::ExtraNesting)
    );
    assert_eq!(
        among(&|event| event["monto"].is_string()),
        count(Dirt::MontoAsWords)
    );
    assert_eq!(
        among(&|event| event["monto"].as_f64() == Some(0.0)),
        count(Dirt::MontoZero)
    );
    assert_eq!(
        among(&|event| event["monto"].as_f64().is_some_and(|monto| monto < 0.0)),
        count(Dirt::MontoNegative)
    );
    let whole = |event: &Value| event["monto"].is_number();
    assert_eq!(
        among(&|event| whole(event) && event.get("cliente_id").is_none()),
        count(Dirt::MissingCliente)
    );
    assert_eq!(
        among(&|event| whole(event) && event.get("timestamp").is_none()),
        count(Dirt::MissingTimestamp)
    );
    assert_eq!(
        among(&|event| event["cantidad"].as_u64() > Some(i32::MAX as u64)),
        count(Dirt::CantidadTooLarge)
    );
    let unreadable =
        count(Dirt::InvalidUtf8) + count(Dirt::EmptyLine) + count(Dirt::NotJson) + count(Dirt::TruncatedLine);
    assert_eq!((lines.len() - parsed.len()) as u64, unreadable);
    assert_eq!(
        Dirt::SALES
            .iter()
            .filter(|dirt| dirt.caught() == Caught::Step)
            .count(),
        4
    );
}

#[test]
fn events_look_like_sales() {
    let root = TempDir::new().unwrap();
    simulate(1, root.path(), 20_000);
    let events: Vec<Value> = events(root.path());
    let mut by_mail: HashMap<&str, u32> = HashMap::new();
    let (mut regions, mut partition_of) = (HashSet::new(), HashMap::new());
    for event in &events {
        let Some(email) = event["email"].as_str() else {
            continue;
        };
        *by_mail.entry(email).or_default() += 1;
        regions.insert(event["region"].as_str().unwrap());
        assert!(luhn(event["tarjeta"].as_str().unwrap()), "{event}");
        if let Some(customer) = event["cliente_id"].as_str() {
            assert_eq!(
                partition_of.entry(customer).or_insert(email),
                &email,
                "one customer, one address"
            );
        }
        if let Some(time) = event["timestamp"]
            .as_str()
            .and_then(|time| chrono::DateTime::parse_from_rfc3339(time).ok())
        {
            let age = NOW - time.timestamp_micros();
            assert!((0..8 * 86_400_000_000).contains(&age), "{event}");
        }
    }
    assert!(regions.contains("América Latina"));
    let most = by_mail.values().max().copied().unwrap();
    assert!(most > 200, "some customers come often: {most}");
    assert!(by_mail.len() > 3000, "and there are many: {}", by_mail.len());
}

fn luhn(card: &str) -> bool {
    let sum: u32 = card
        .bytes()
        .rev()
        .enumerate()
        .map(|(place, digit)| match (place % 2, u32::from(digit - b'0')) {
            (0, digit) => digit,
            (_, digit) if digit > 4 => digit * 2 - 9,
            (_, digit) => digit * 2,
        })
        .sum();
    card.len() == 16 && sum.is_multiple_of(10)
}

#[test]
fn an_unknown_domain_or_source_is_refused() {
    let error = Simulator::of(1, "compras").unwrap_err();
    assert!(matches!(&error, SimulateError::UnknownDomain { .. }));
    assert_eq!(
        error.to_string(),
        "no simulated events for domain `compras`: use one of ventas, logistica, producto"
    );
    let error = Simulator::new(1, "producto", "precios").unwrap_err();
    assert_eq!(
        error.to_string(),
        "no simulated events for source `precios` of `producto`: use one of catalogo, cambios"
    );
}
