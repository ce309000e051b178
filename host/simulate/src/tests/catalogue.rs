use std::collections::{BTreeMap, HashSet};

use serde_json::Value;
use tempfile::TempDir;

use super::{NOW, among, events, micros, segments, simulate, simulate_source};
use crate::{Caught, Dirt};

fn ids(events: &[Value]) -> HashSet<&str> {
    events
        .iter()
        .filter_map(|event| event["producto_id"].as_str())
        .collect()
}

/// Whether no rule of the steps rejects it, as far as both have it.
fn good(event: &Value) -> bool {
    let categories = [
        "electronica",
        "hogar",
        "moda",
        "deportes",
        "juguetes",
        "belleza",
        "libros",
        "alimentos",
    ];
    event["producto_id"].is_string()
        && event["nombre"].is_string()
        && categories.iter().any(|category| event["categoria"] == *category)
        && event["precio"]
            .as_f64()
            .is_some_and(|precio| precio > 0.0 && precio <= 1_000.0)
}

fn day(date: &Value) -> Option<chrono::NaiveDate> {
    date.as_str()?.parse().ok()
}

#[test]
fn the_catalogue_has_what_sales_sell() {
    let (sold, listed, changed) = (
        TempDir::new().unwrap(),
        TempDir::new().unwrap(),
        TempDir::new().unwrap(),
    );
    simulate(5, sold.path(), 20_000);
    simulate_source(5, "producto", "catalogo", listed.path(), 2_000);
    simulate_source(5, "producto", "cambios", changed.path(), 20_000);
    let (sales, catalogue, changes) = (events(sold.path()), events(listed.path()), events(changed.path()));
    assert_eq!(ids(&catalogue).len(), 400);
    assert!(ids(&sales).is_subset(&ids(&catalogue)));
    assert!(ids(&changes).is_subset(&ids(&catalogue)));

    // One name and category a product, whoever says it; and about the price at which it is sold.
    let mut names: BTreeMap<&str, (&Value, &Value)> = BTreeMap::new();
    for version in catalogue.iter().chain(&changes).filter(|event| good(event)) {
        let said = (&version["nombre"], &version["categoria"]);
        let id = version["producto_id"].as_str().unwrap();
        assert_eq!(*names.entry(id).or_insert(said), said);
        if let Some(cost) = version["costo"].as_f64() {
            assert!(0.0 < cost && cost < version["precio"].as_f64().unwrap());
        }
    }
    let no_cost = among(&changes, |event| event["costo"].is_null());
    assert!((200..1_000).contains(&no_cost), "{no_cost}");
}

#[test]
fn versions_of_a_product_hold_from_days_of_their_own() {
    let root = TempDir::new().unwrap();
    let report = simulate_source(5, "producto", "catalogo", root.path(), 4_000);
    assert_eq!(
        report.lines.keys().collect::<Vec<_>>(),
        ["p0"],
        "an export is one file"
    );
    assert_eq!(segments(root.path()).len(), 1);
    let mut seen = HashSet::new();
    for version in events(root.path()).iter().filter(|event| good(event)) {
        if let Some(from) = day(&version["vigente_desde"]) {
            assert!(seen.insert((version["producto_id"].as_str().unwrap().to_owned(), from)));
        }
    }
    assert!(seen.len() > 3_900);
}

#[test]
fn changes_are_made_once_and_hold_from_their_day_or_later() {
    let root = TempDir::new().unwrap();
    let report = simulate_source(5, "producto", "cambios", root.path(), 50_000);
    assert_eq!(report.lines.len(), 4);
    let (mut seen, mut retroactive) = (HashSet::new(), 0);
    for change in events(root.path()).iter().filter(|event| good(event)) {
        let (Some(at), Some(from)) = (micros(&change["timestamp"]), day(&change["vigente_desde"])) else {
            continue;
        };
        assert!(at <= NOW);
        assert!(seen.insert((change["producto_id"].as_str().unwrap().to_owned(), at)));
        let made = chrono::DateTime::from_timestamp_micros(at).unwrap().date_naive();
        let ahead = (from - made).num_days();
        assert!((-45..15).contains(&ahead), "{ahead}");
        retroactive += u64::from(ahead < -1);
    }
    assert!(seen.len() > 49_000);
    assert_eq!(retroactive, report.dirt[&Dirt::RetroactiveChange]);
}

#[test]
fn dirt_is_what_its_name_says() {
    for (source, kinds, by_step) in [
        ("catalogo", Dirt::CATALOGUE.to_vec(), 6),
        ("cambios", Dirt::CHANGES.to_vec(), 7),
    ] {
        let root = TempDir::new().unwrap();
        let report = simulate_source(3, "producto", source, root.path(), 30_000);
        assert_eq!(
            report.dirt.keys().copied().collect::<HashSet<_>>().len(),
            kinds.len()
        );
        assert!(report.dirt.keys().all(|dirt| kinds.contains(dirt)));
        let step = kinds.iter().filter(|dirt| dirt.caught() == Caught::Step);
        assert_eq!(step.count(), by_step);

        let count = |dirt| report.dirt[&dirt];
        let objects: Vec<Value> = events(root.path())
            .into_iter()
            .filter(|event| !event["evento"].is_object())
            .collect();
        let missing = |name: &str| among(&objects, |event| event.get(name).is_none());
        assert_eq!(missing("producto_id"), count(Dirt::MissingProducto), "{source}");
        assert_eq!(missing("nombre"), count(Dirt::MissingNombre), "{source}");
        let price = |least: f64, most: f64| {
            among(&objects, |event| {
                event["precio"]
                    .as_f64()
                    .is_some_and(|price| least <= price && price <= most)
            })
        };
        assert_eq!(price(0.0, 0.0), count(Dirt::PrecioZero), "{source}");
        assert_eq!(price(f64::MIN, -0.01), count(Dirt::PrecioNegative), "{source}");
        assert_eq!(price(20_000.01, f64::MAX), count(Dirt::PrecioTooHigh), "{source}");
        let words = among(&objects, |event| event["precio"].is_string());
        assert_eq!(words, count(Dirt::PrecioAsWords), "{source}");
        let no_date = among(&objects, |event| day(&event["vigente_desde"]).is_none());
        assert_eq!(no_date, count(Dirt::BadDate), "{source}");
        let odd = among(&objects, |event| {
            let category = event["categoria"].as_str().unwrap_or_default();
            ["bebidas", "LIBROS", "hogar y cocina", ""].contains(&category)
        });
        assert_eq!(odd, count(Dirt::UnknownCategory), "{source}");
    }
}
