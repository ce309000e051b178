use std::collections::{HashMap, HashSet};

use serde_json::Value;
use tempfile::TempDir;

use super::{NOW, among, events, lines, micros, simulate, simulate_source};
use crate::{Caught, Dirt};

const HOUR: i64 = 3_600_000_000;

/// The promises of the contract, in hours.
fn promised(carrier: &str) -> i64 {
    match carrier {
        "flecha" => 24,
        "andes-express" => 48,
        "ruta-sur" => 60,
        "correo-nacional" => 96,
        other => panic!("{other}"),
    }
}

/// Whether no rule of the step rejects it.
fn good(event: &Value) -> bool {
    let known = ["en_camino", "en_reparto", "entregado", "devuelto", "extraviado"];
    let carriers = ["flecha", "andes-express", "ruta-sur", "correo-nacional"];
    event["envio_id"].is_string()
        && event["transaccion_id"].is_string()
        && known.iter().any(|state| event["estado"] == *state)
        && carriers.iter().any(|carrier| event["transportista"] == *carrier)
        && (event["estado"] == "entregado") == event["timestamp_entrega"].is_string()
        && micros(&event["timestamp_salida"]).is_some_and(|left| {
            event["timestamp_entrega"].is_null()
                || micros(&event["timestamp_entrega"]).is_some_and(|at| left <= at)
        })
}

#[test]
fn shipments_are_of_sales_of_the_same_seed() {
    let (sold, shipped) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    simulate(5, sold.path(), 10_000);
    simulate_source(5, "logistica", "envios", shipped.path(), 10_000);
    let events_of_sales = events(sold.path());
    let sales: HashMap<&str, &Value> = events_of_sales
        .iter()
        .filter_map(|sale| Some((sale["transaccion_id"].as_str()?, sale)))
        .collect();
    let mut ids = HashSet::new();
    let shipments = events(shipped.path());
    for shipment in shipments.iter().filter(|event| good(event)) {
        assert!(ids.insert(shipment["envio_id"].as_str().unwrap()));
        let sale = sales[shipment["transaccion_id"].as_str().unwrap()];
        assert_eq!(shipment["region"], sale["region"]);
        // A sale that is in the lake: no dirt in it.
        assert!(sale["cliente_id"].is_string() && sale["monto"].as_f64().unwrap() > 0.0);
        let left = micros(&shipment["timestamp_salida"]).unwrap();
        assert!(micros(&sale["timestamp"]).unwrap() <= left && left <= NOW);
    }
    assert!(ids.len() > 9_800, "{}", ids.len());
}

#[test]
fn some_are_late_and_some_do_not_arrive() {
    let root = TempDir::new().unwrap();
    simulate_source(5, "logistica", "envios", root.path(), 10_000);
    let shipments: Vec<Value> = events(root.path()).into_iter().filter(good).collect();
    let (mut on_time, mut late) = (0, 0);
    for shipment in &shipments {
        let left = micros(&shipment["timestamp_salida"]).unwrap();
        if let Some(arrived) = micros(&shipment["timestamp_entrega"]) {
            assert!(arrived <= NOW);
            let hours = promised(shipment["transportista"].as_str().unwrap());
            if arrived - left <= hours * HOUR {
                on_time += 1;
            } else {
                late += 1;
            }
        }
    }
    assert!(on_time > 5_000, "{on_time}");
    assert!((200..1_500).contains(&late), "{late}");
    for (state, least) in [
        ("entregado", 5_000),
        ("en_camino", 500),
        ("en_reparto", 50),
        ("devuelto", 50),
        ("extraviado", 20),
    ] {
        let count = among(&shipments, |event| event["estado"] == state);
        assert!(count > least, "{state}: {count}");
    }
    let addresses: HashSet<&str> = shipments
        .iter()
        .map(|event| event["direccion"].as_str().unwrap())
        .collect();
    assert!(addresses.len() > 1_000);
}

#[test]
fn dirt_is_what_its_name_says() {
    let root = TempDir::new().unwrap();
    let report = simulate_source(3, "logistica", "envios", root.path(), 30_000);
    let count = |dirt| report.dirt[&dirt];
    let all = lines(root.path());
    let parsed: Vec<Value> = all
        .iter()
        .filter_map(|line| serde_json::from_slice(line).ok())
        .collect();
    let objects: Vec<Value> = parsed
        .iter()
        .filter(|event| event.is_object() && !event["evento"].is_object())
        .cloned()
        .collect();
    let missing = |name: &str| among(&objects, |event| event.get(name).is_none());
    assert_eq!(missing("envio_id"), count(Dirt::MissingEnvio));
    assert_eq!(missing("transaccion_id"), count(Dirt::MissingTransaccion));
    assert_eq!(missing("timestamp_salida"), count(Dirt::MissingTimestamp));
    let bad_times = among(&objects, |event| {
        event.get("timestamp_salida").is_some() && micros(&event["timestamp_salida"]).is_none()
    });
    assert_eq!(bad_times, count(Dirt::BadTimestamp));
    let early = among(&objects, |event| {
        micros(&event["timestamp_entrega"])
            .zip(micros(&event["timestamp_salida"]))
            .is_some_and(|(arrived, left)| arrived < left)
    });
    assert_eq!(early, count(Dirt::DeliveredBeforeLeft));

    let step: Vec<Dirt> = Dirt::SHIPMENTS
        .into_iter()
        .filter(|dirt| dirt.caught() == Caught::Step)
        .collect();
    assert_eq!(step.len(), 5);
    // `MissingTransaccion` and times that are none do not decode; what does and is bad, the step finds.
    let bad = among(&objects, |event| !good(event));
    let decode = [
        Dirt::MissingTransaccion,
        Dirt::MissingTimestamp,
        Dirt::BadTimestamp,
    ];
    let expected: u64 = step.iter().chain(&decode).map(|dirt| count(*dirt)).sum();
    assert_eq!(bad, expected);
}
