use std::collections::{HashMap, HashSet};

use serde_json::Value;
use tempfile::TempDir;

use super::{NOW, among, events, lines, micros, segments, simulate, simulate_source};
use crate::{Caught, Dirt, Simulator};

const REASONS: [&str; 6] = [
    "defectuoso",
    "danado",
    "equivocado",
    "talla",
    "no_llego",
    "arrepentimiento",
];

/// Whether it decodes and no rule of the step rejects it.
fn good(event: &Value) -> bool {
    let currencies = ["USD", "EUR", "MXN", "COP", "BRL", "CLP", "ARS", "PEN"];
    event["devolucion_id"].is_string()
        && event["transaccion_id"].is_string()
        && event["cliente_id"].is_string()
        && REASONS.iter().any(|reason| event["motivo"] == *reason)
        && currencies.iter().any(|currency| event["moneda"] == *currency)
        && event["monto"]
            .as_f64()
            .is_some_and(|monto| monto > 0.0 && is_whole(monto * 100.0))
        && micros(&event["timestamp"]).is_some()
}

/// Dirt may be a tenth of a cent.
fn is_whole(cents: f64) -> bool {
    (cents - cents.round()).abs() < 0.01
}

#[test]
fn returns_are_of_sales_of_the_same_seed() {
    let (sold, back) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let share = |source: &str| Simulator::new(5, "ventas", source).unwrap().share(20_000);
    assert_eq!((share("transacciones"), share("devoluciones")), (19_000, 1_000));
    simulate(5, sold.path(), share("transacciones"));
    simulate_source(5, "ventas", "devoluciones", back.path(), share("devoluciones"));
    let events_of_sales = events(sold.path());
    let sales: HashMap<&str, &Value> = events_of_sales
        .iter()
        .filter_map(|sale| Some((sale["transaccion_id"].as_str()?, sale)))
        .collect();
    let (mut ids, mut of, mut partly) = (HashSet::new(), HashSet::new(), 0);
    let returns = events(back.path());
    for back in returns.iter().filter(|event| good(event)) {
        assert!(ids.insert(back["devolucion_id"].as_str().unwrap()));
        let sale = back["transaccion_id"].as_str().unwrap();
        assert!(of.insert(sale), "a sale comes back once");
        let sale = sales[sale];
        for same in ["cliente_id", "moneda", "region"] {
            assert_eq!(back[same], sale[same], "{same}");
        }
        let paid = sale["monto"].as_f64().unwrap();
        let paid_back = back["monto"].as_f64().unwrap();
        assert!(paid_back <= paid);
        partly += u64::from(paid_back < paid);
        let at = micros(&back["timestamp"]).unwrap();
        assert!(micros(&sale["timestamp"]).unwrap() <= at && at <= NOW);
    }
    assert!(ids.len() > 970, "{}", ids.len());
    assert!((200..500).contains(&partly), "{partly}");
    for reason in REASONS {
        assert!(
            among(&returns, |event| event["motivo"] == reason) > 40,
            "{reason}"
        );
    }
}

#[test]
fn comments_need_quotes_and_keep_their_text() {
    let root = TempDir::new().unwrap();
    simulate_source(5, "ventas", "devoluciones", root.path(), 2_000);
    let comments: Vec<String> = events(root.path())
        .iter()
        .filter_map(|event| Some(event["comentario"].as_str()?.to_owned()))
        .collect();
    assert!((800..1_200).contains(&comments.len()), "{}", comments.len());
    for piece in [", ", "\"frágil\"", "\n", "Dice \"Manta\""] {
        assert!(comments.iter().any(|comment| comment.contains(piece)), "{piece}");
    }
}

#[test]
fn a_night_is_one_file_and_none_is_written_anew() {
    let root = TempDir::new().unwrap();
    let names = |root: &TempDir| segments(root.path()).into_keys().collect::<Vec<_>>();
    simulate_source(5, "ventas", "devoluciones", root.path(), 0);
    assert_eq!(names(&root), Vec::<String>::new(), "no return, no file");
    // More than a segment of the others holds.
    let report = simulate_source(5, "ventas", "devoluciones", root.path(), 3_000);
    assert_eq!(names(&root), ["p0/devoluciones-2026-11-21.csv"]);
    let first = segments(root.path());
    assert_eq!(
        report.bytes,
        first.values().map(|bytes| bytes.len() as u64).sum::<u64>()
    );
    simulate_source(5, "ventas", "devoluciones", root.path(), 10);
    let packed = root.path().join("p0/devoluciones-2026-11-21-3.csv.gz");
    std::fs::write(packed, "").unwrap();
    std::fs::write(root.path().join("p0/devoluciones-2026-11-21-4.csv.part"), "half").unwrap();
    simulate_source(5, "ventas", "devoluciones", root.path(), 10);
    let expected = ["", "-2", "-4"].map(|number| format!("p0/devoluciones-2026-11-21{number}.csv"));
    let mut written = names(&root);
    written.retain(|name| !name.ends_with(".gz"));
    written.sort();
    let mut expected = expected.to_vec();
    expected.sort();
    assert_eq!(written, expected, "and what was cut short is begun anew");
    assert_eq!(
        segments(root.path())["p0/devoluciones-2026-11-21.csv"],
        first["p0/devoluciones-2026-11-21.csv"]
    );
}

/// Messages of a topic have no header: their fields come in the contract's order.
#[test]
fn headers_are_the_columns_of_the_contracts() {
    for (domain, source, schema, contract) in [
        (
            "ventas",
            "devoluciones",
            "fila_devolucion",
            include_str!("../../../../plugins/ventas/contract.yaml"),
        ),
        (
            "producto",
            "catalogo",
            "linea_catalogo",
            include_str!("../../../../plugins/producto/contract.yaml"),
        ),
    ] {
        let (_, after) = contract.split_once(&format!("  - name: {schema}\n")).unwrap();
        let (columns, _) = after.split_once("\n  - name: ").unwrap();
        let columns: Vec<&str> = columns
            .lines()
            .filter_map(|line| Some(line.trim().strip_prefix("- { name: ")?.split_once(',')?.0))
            .collect();
        let root = TempDir::new().unwrap();
        simulate_source(1, domain, source, root.path(), 1);
        let (_, file) = segments(root.path()).pop_first().unwrap();
        let header = str::from_utf8(&file).unwrap().lines().next().unwrap().to_owned();
        assert_eq!(header, columns.join(","));
    }
}

#[test]
fn dirt_is_what_its_name_says() {
    let root = TempDir::new().unwrap();
    let report = simulate_source(3, "ventas", "devoluciones", root.path(), 30_000);
    assert_eq!(report.dirt.len(), Dirt::RETURNS.len(), "every kind occurs");
    let count = |dirt| report.dirt[&dirt];
    let all = lines(root.path());
    assert_eq!(
        all.iter().filter(|record| *record == b"\n").count() as u64,
        count(Dirt::EmptyLine)
    );
    let commas = |record: &[u8]| record.iter().filter(|byte| **byte == b',').count();
    let plain = |record: &&Vec<u8>| !record.contains(&b'"') && *record != b"\n";
    let fields = |check: &dyn Fn(usize) -> bool| {
        all.iter()
            .filter(plain)
            .filter(|record| check(commas(record)))
            .count() as u64
    };
    assert_eq!(fields(&|commas| commas < 8), count(Dirt::TruncatedLine));
    assert_eq!(fields(&|commas| commas > 8), count(Dirt::ExtraField));
    let stray = all.iter().filter(|record| {
        let mut after = record.iter().skip_while(|byte| **byte != b'"').skip(1);
        let next = after.find(|byte| **byte == b'"').and_then(|_| after.next());
        record.starts_with(b"\"") && next.is_some_and(|byte| *byte != b',')
    });
    assert_eq!(stray.count() as u64, count(Dirt::StrayQuote));

    let events = events(root.path());
    let missing = |name: &str| among(&events, |event| event.get(name).is_none());
    assert_eq!(missing("devolucion_id"), count(Dirt::MissingDevolucion));
    assert_eq!(missing("transaccion_id"), count(Dirt::MissingTransaccion));
    assert_eq!(missing("cliente_id"), count(Dirt::MissingCliente));
    assert_eq!(missing("timestamp"), count(Dirt::MissingTimestamp));
    let bad_times = among(&events, |event| {
        event.get("timestamp").is_some() && micros(&event["timestamp"]).is_none()
    });
    assert_eq!(bad_times, count(Dirt::BadTimestamp));
    let words = among(&events, |event| event["monto"].is_string());
    assert_eq!(words, count(Dirt::MontoAsWords));
    let amounts = |least: f64, most: f64| {
        among(&events, |event| {
            event["monto"]
                .as_f64()
                .is_some_and(|monto| (least..=most).contains(&monto))
        })
    };
    assert_eq!(amounts(0.0, 0.0), count(Dirt::MontoZero));
    assert_eq!(amounts(f64::MIN, -0.01), count(Dirt::MontoNegative));
    let odd = among(&events, |event| {
        REASONS.iter().all(|reason| event["motivo"] != *reason)
    });
    assert_eq!(odd, count(Dirt::UnknownReason));
    let by_step = Dirt::RETURNS.iter().filter(|dirt| dirt.caught() == Caught::Step);
    assert_eq!(by_step.count(), 6);
}
