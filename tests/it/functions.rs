//! Functions that a plugin exports, and that the SQL of its own products calls.

use std::path::PathBuf;

use malla_contract::Date;
use serde_json::json;

use crate::malo::{Malo, contract};
use crate::support::{Mesh, evil, sale, text, ventas};

/// A shipment that left at nine, and arrived so many hours later.
fn shipment(id: usize, left: &str, hours: Option<i64>) -> String {
    let left_at: Date = left.parse().unwrap();
    let arrived = hours.map(|hours| {
        let hour = 9 + hours;
        let day = Date::from_days(left_at.days() + i32::try_from(hour.div_euclid(24)).unwrap());
        format!("{day}T{:02}:00:00Z", hour.rem_euclid(24))
    });
    let (carriers, regions) = (["flecha", "ruta-sur"], ["Norte", "América Latina"]);
    json!({
        "envio_id": format!("e-{id}"),
        "transaccion_id": format!("t-{id}"),
        "almacen": "NOR-1",
        "transportista": carriers[id % 2],
        "direccion": "Calle Mayor 12",
        "estado": if arrived.is_some() { "entregado" } else { "en_camino" },
        "region": regions[id / 2 % 2],
        "timestamp_salida": format!("{left}T09:00:00Z"),
        "timestamp_entrega": arrived,
    })
    .to_string()
}

/// Day by day, as one counts on a calendar.
fn working_days(from: Date, to: Date) -> i64 {
    let days = (from.days() + 1..=to.days()).map(Date::from_days);
    let works = |day: &Date| {
        let is_weekend = (day.days() + 3).rem_euclid(7) > 4;
        let day = day.to_string();
        !is_weekend
            && !["-01-01", "-05-01", "-10-12", "-12-25"]
                .iter()
                .any(|holiday| day.ends_with(holiday))
    };
    days.filter(works).map(|_| 1).sum()
}

#[test]
fn punctuality_counts_working_days_as_native_code_does() {
    let mesh = Mesh::of(&["ventas", "logistica"]);
    let shipments = mesh.path().join("sources/logistica/envios/0");
    std::fs::create_dir_all(&shipments).unwrap();
    let write = |name: &str, lines: Vec<String>| {
        std::fs::write(shipments.join(name), lines.join("\n") + "\n").unwrap();
    };
    mesh.put(&sale("t-1"));
    let days = [
        "2026-12-23",
        "2026-12-24",
        "2026-12-31",
        "2027-04-30",
        "2027-10-11",
    ];
    write(
        "a.jsonl",
        (0..200)
            .map(|id| shipment(id, days[id % 5], (id % 7 > 0).then_some(id as i64 * 3)))
            .collect(),
    );
    let is_exact = || {
        mesh.run_once();
        let arrivals = mesh.query(
            "SELECT fecha, region, transportista, CAST(timestamp_entrega AS DATE) AS llegada FROM logistica.envios",
        );
        let key = |row: &crate::support::Row| {
            ["fecha", "region", "transportista"].map(|name| row[name].as_str().unwrap().to_owned())
        };
        let mut expected = std::collections::BTreeMap::new();
        for row in &arrivals {
            let sum = expected.entry(key(row)).or_insert(None);
            if let Some(arrived) = row["llegada"].as_str() {
                let left: Date = row["fecha"].as_str().unwrap().parse().unwrap();
                *sum = Some(sum.unwrap_or(0) + working_days(left, arrived.parse().unwrap()));
            }
        }
        let made = mesh.query("SELECT fecha, region, transportista, dias_habiles FROM logistica.puntualidad");
        let made = made.iter().map(|row| (key(row), row["dias_habiles"].as_i64()));
        assert_eq!(made.collect::<std::collections::BTreeMap<_, _>>(), expected);
        expected
    };
    let first = is_exact();
    assert_eq!(first.len(), 20);
    assert!(first.values().flatten().any(|days| *days > 60), "{first:?}");
    // Late shipments of one day: only that day is made anew, and it is exact again. One never arrives.
    write(
        "b.jsonl",
        vec![
            shipment(900, "2026-12-24", Some(100)),
            shipment(901, "2026-12-24", None),
            shipment(902, "2027-11-01", None),
        ],
    );
    let second = is_exact();
    assert_eq!(second.len(), 21);
    assert!(second.iter().any(|(_, days)| days.is_none()), "{second:?}");
    // Nobody but the plugin's own SQL calls it.
    let asked = mesh.output(&[
        "query",
        "--config",
        mesh.config().to_str().unwrap(),
        "SELECT dias_habiles(fecha, fecha) FROM logistica.envios",
    ]);
    assert!(!asked.status.success());
    assert!(
        text(&asked).contains("Invalid function 'dias_habiles'"),
        "{}",
        text(&asked)
    );
}

/// A gold product `resumen` of `malo.salida`, made with one function.
fn with_function(version: &str, name: &str, returns: &str) -> String {
    with_product(version, "resumen", name, returns)
}

fn with_product(version: &str, product: &str, name: &str, returns: &str) -> String {
    let base = contract(version, &["n", "m"], &[("echo_all", "salida")]);
    let table = format!(
        "  - name: {product}\n    properties:\n      - {{ name: n, logicalType: integer, description: Number. }}\n      \
         - {{ name: hecho, physicalType: \"{returns}\", description: What it gives. }}\n"
    );
    base.replacen("customProperties:", &format!("{table}customProperties:"), 1)
        + &format!(
            "  - property: mallaFunctions
    value:
      - {{ name: {name}, arguments: [{{ name: n, physicalType: bigint }}], returns: {{ physicalType: \"{returns}\", required: true }} }}
  - property: mallaGold
    value: [{{ product: {product}, sql: 'SELECT n, {name}(m) AS hecho FROM malo.salida' }}]
"
        )
}

/// The hostile guest, which multiplies by this.
fn component(mesh: &Mesh, contract: &str, factor: u8) -> PathBuf {
    let mut guest = std::fs::read(evil()).unwrap();
    let marker = b"malo-factor-2";
    let places: Vec<usize> = (0..guest.len() - marker.len())
        .filter(|at| guest[*at..].starts_with(marker))
        .collect();
    assert_eq!(places.len(), 1);
    guest[places[0] + marker.len() - 1] = b'0' + factor;
    let path = mesh.path().join("nuevo.wasm");
    std::fs::write(&path, malla_contract::embed(&guest, contract).unwrap()).unwrap();
    path
}

fn malo() -> Malo {
    let malo = Malo::new();
    malo.mesh.add(
        "policies/domains/malo.csv",
        "p, plugin:malo, malo, malo.salida, read, *, allow",
    );
    malo
}

const RESUMEN: &str = "SELECT sum(n) AS n, sum(hecho) AS hecho, count(*) AS filas FROM malo.resumen";

#[test]
fn a_function_that_fails_leaves_its_product_as_it_was() {
    let mut malo = malo();
    malo.mesh.add("malla.toml", "[limits]\nfuel = 2000000000");
    let live = malo.mesh.path().join("plugins/malo.wasm");
    let put = |malo: &Malo, product: &str, name: &str, returns: &str| {
        let contract = with_product("1.0.0", product, name, returns);
        std::fs::copy(component(&malo.mesh, &contract, 2), &live).unwrap();
    };
    put(&malo, "resumen", "fn_times", "bigint");
    malo.write(10);
    malo.mesh.run_once();
    let before = malo.mesh.query(RESUMEN);
    // m is n + 1.
    assert_eq!((&before[0]["n"], &before[0]["hecho"]), (&json!(45), &json!(110)));
    let mut rows = 10;
    for (name, returns, said) in [
        ("fn_panic", "bigint", "stopped itself (unreachable)"),
        ("fn_refuse", "bigint", "it refused a batch"),
        ("fn_loop", "bigint", "more than 2000000000 units of fuel"),
        ("fn_memory", "bigint", "bytes of memory"),
        ("fn_short", "bigint", "values for"),
        ("fn_type", "bigint", "is date32, and should be Int64"),
        ("fn_null", "bigint", "nulls, and the contract allows none"),
        ("fn_utf8", "string", "is not UTF-8"),
        ("fn_digits", "decimal(4,2)", "has more than 4 digits at row 0"),
    ] {
        // A table keeps the types of its columns.
        let product = match returns {
            "bigint" => "resumen",
            "string" => "textos",
            _ => "decimales",
        };
        put(&malo, product, name, returns);
        malo.write(1);
        rows += 1;
        let told = malo.mesh.fails(&["run"], &["--once"]);
        let line = told
            .lines()
            .find(|line| line.contains(&format!("product `malo.{product}`: ")))
            .unwrap_or_else(|| panic!("{name}: {told}"));
        assert!(
            line.contains(&format!("function `{name}` of `malo` 1.0.0: ")),
            "{line}"
        );
        assert!(line.contains(said), "{name}: {line}");
        assert!(!line.contains("is odd"), "{line}");
        if product == "resumen" {
            let now = malo.mesh.query(RESUMEN);
            assert_eq!(now, before, "{name}: the last version stays");
        }
        assert_eq!(malo.mesh.count("malo.salida"), rows, "{name}: the rest goes on");
        let history = malo
            .mesh
            .query("SELECT error FROM malla.runs WHERE state = 'failed'");
        assert!(
            history
                .iter()
                .all(|row| !row["error"].as_str().unwrap().contains("is odd")),
            "{history:?}"
        );
    }
    put(&malo, "resumen", "fn_times", "bigint");
    malo.mesh.run_once();
    assert_eq!(malo.mesh.query(RESUMEN)[0]["filas"], rows);
}

#[test]
fn what_a_function_says_is_in_the_log_unless_it_sees_what_others_may_not() {
    let mut malo = malo();
    malo.write(3);
    let run = |contract: &str| {
        std::fs::copy(
            component(&malo.mesh, contract, 2),
            malo.mesh.path().join("plugins/malo.wasm"),
        )
        .unwrap();
        let config = malo.mesh.config();
        text(
            &malo
                .mesh
                .output(&["run", "--once", "--config", config.to_str().unwrap()]),
        )
    };
    let open = with_function("1.0.0", "fn_say", "bigint");
    let said = run(&open);
    assert!(said.contains("first: Some(1)"), "{said}");
    let secret = "{ name: m, logicalType: integer, classification: restricted, description: Number. }";
    let closed = open
        .replace("{ name: m, logicalType: integer, description: Number. }", secret)
        .replace(
            "description: What it gives.",
            "classification: restricted, description: What it gives.",
        );
    for rule in [
        "malo_raw.eventos/m, read",
        "malo_raw.eventos/m, read-raw",
        "malo.salida/m, read-raw",
    ] {
        malo.mesh.add(
            "policies/domains/malo.csv",
            &format!("p, plugin:malo, malo, {rule}, *, allow"),
        );
    }
    let said = run(&closed);
    assert!(
        said.contains("A plugin says.") && said.contains("withheld"),
        "{said}"
    );
    assert!(!said.contains("first: Some"), "{said}");
}

#[test]
fn versions_make_gold_with_their_own_functions() {
    let mut malo = malo();
    let deploy = |malo: &Malo, version: &str, factor: u8, more: &[&str]| {
        let built = component(&malo.mesh, &with_function(version, "fn_times", "bigint"), factor);
        crate::deploy::deploy(&malo.mesh, "user:mara", &built, more)
    };
    let sum = |malo: &Malo| {
        malo.mesh.run_once();
        malo.mesh.query(RESUMEN)[0]["hecho"].as_i64().unwrap()
    };
    let said = deploy(&malo, "1.0.0", 2, &[]).unwrap();
    assert!(said.contains("malo 1.0.0"), "{said}");
    malo.write(10);
    assert_eq!(sum(&malo), 110);
    // The same SQL calls other code: that makes other rows, which somebody must have meant.
    let refused = deploy(&malo, "1.0.1", 3, &[]).unwrap_err();
    let differs = "`malo.resumen/hecho`: another value in at least 7 of 10 rows";
    assert!(
        refused.contains(differs) && refused.contains("--accept malo.resumen/hecho"),
        "{refused}"
    );
    let said = deploy(&malo, "1.0.1", 3, &["--accept", "malo.resumen/hecho"]).unwrap();
    assert!(said.contains(&format!("accepted: {differs}")), "{said}");
    assert_eq!(sum(&malo), 165);
    let config = malo.mesh.config();
    let config = config.to_str().unwrap();
    malo.mesh.ok(&[
        "plugin",
        "rollback",
        "--config",
        config,
        "--as",
        "user:mara",
        "malo",
    ]);
    assert_eq!(sum(&malo), 110);

    // A version whose SQL calls what its contract does not declare, or with other types, cannot be put into use.
    let whole = with_function("1.0.2", "fn_times", "bigint");
    for (contract, said) in [
        (
            whole.replace("'SELECT n, fn_times(m)", "'SELECT n, fn_veces(m)"),
            "Invalid function 'fn_veces'",
        ),
        (
            whole.replace("name: n, physicalType: bigint", "name: n, physicalType: string"),
            "takes string as `n`",
        ),
        (
            whole.replace("{ name: fn_times,", "{ name: abs,"),
            "`abs` is a function of SQL already",
        ),
    ] {
        let built = component(&malo.mesh, &contract, 2);
        let refused = crate::deploy::deploy(&malo.mesh, "user:mara", &built, &[]).unwrap_err();
        assert!(refused.contains(said), "{refused}");
    }
    assert_eq!(sum(&malo), 110);
}

#[test]
fn functions_that_are_declared_and_not_there_are_refused_everywhere() {
    let mesh = Mesh::ventas();
    mesh.put(&sale("t-1"));
    mesh.run_once();
    // The code of ventas exports steps and nothing else, as all plugins did once; it runs.
    let component = std::fs::read(ventas()).unwrap();
    assert_eq!(malla_contract::exports(&component).unwrap(), ["run"]);
    let declared = malla_contract::extract(&component).unwrap()
        + "\n  - property: mallaFunctions\n    value: [{ name: nada, arguments: [{ name: a, physicalType: int }], returns: { physicalType: int } }]\n";
    let path = mesh.path().join("plugins/ventas.wasm");
    std::fs::write(&path, malla_contract::embed(&component, &declared).unwrap()).unwrap();
    let said = mesh.fails(&["run"], &["--once"]);
    let wanted = "declares the function `nada`, and the component exports none";
    assert!(said.contains(wanted), "{said}");
    let inspected = mesh.output(&["plugin", "inspect", path.to_str().unwrap()]);
    assert!(
        !inspected.status.success() && text(&inspected).contains(wanted),
        "{}",
        text(&inspected)
    );
    let refused = crate::deploy::deploy(&mesh, "user:vera", &path, &[]).unwrap_err();
    assert!(refused.contains(wanted), "{refused}");
}
