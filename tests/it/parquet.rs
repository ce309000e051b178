//! Nightly files of Parquet, from a folder and from a server: the catalogue, by a contract that says so.

use std::time::{Duration, SystemTime};

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde_json::Value;

use crate::sftp::Server;
use crate::support::{Mesh, Running, files, wait_until};

/// A mesh whose catalogue of products is Parquet.
fn mesh() -> Mesh {
    let mesh = Mesh::of(&["ventas", "producto"]);
    let plugin = mesh.path().join("plugins/producto.wasm");
    let component = std::fs::read(&plugin).unwrap();
    let contract = malla_contract::extract(&component).unwrap();
    assert!(contract.contains("schema: linea_catalogo, format: csv"));
    let contract = contract.replace(
        "schema: linea_catalogo, format: csv",
        "schema: linea_catalogo, format: parquet",
    );
    std::fs::write(plugin, malla_contract::embed(&component, &contract).unwrap()).unwrap();
    mesh
}

/// Writes a night's catalogue; gives what is dirty in it.
fn simulate(mesh: &Mesh, events: u64) -> Value {
    let events = events.to_string();
    let said = mesh.on(
        "simulate",
        &[
            "--domain", "producto", "--source", "catalogo", "--events", &events, "--format", "parquet",
            "--json",
        ],
    );
    serde_json::from_str::<Value>(&said).unwrap()[0]["dirty"].clone()
}

fn dirty(kinds: &Value) -> u64 {
    let kinds = kinds.as_object().unwrap().values();
    kinds.map(|count| count.as_u64().unwrap()).sum()
}

fn counts(report: &Value) -> [u64; 4] {
    let products = report["products"].as_array().unwrap();
    let found = products
        .iter()
        .find(|found| found["product"] == "producto.catalogo")
        .unwrap();
    ["read", "kept", "rejected", "quarantined"].map(|count| found[count].as_u64().unwrap())
}

fn folder(mesh: &Mesh) -> std::path::PathBuf {
    mesh.path().join("sources/producto/catalogo/p0")
}

/// As if nobody had written to it for an hour.
fn set_old(path: &std::path::Path) {
    let file = std::fs::File::options().append(true).open(path).unwrap();
    file.set_modified(SystemTime::now() - Duration::from_secs(3600))
        .unwrap();
}

/// Every row of the catalogue is kept or in quarantine, each once.
fn every_row_once(mesh: &Mesh, rows: u64) {
    let all = mesh.count("producto.catalogo") + mesh.count("producto_quarantine.catalogo");
    assert_eq!(all, rows);
    for table in ["producto_raw.catalogo", "producto_quarantine.catalogo"] {
        let twice =
            format!("(SELECT 1 FROM {table} GROUP BY source_partition, source_offset HAVING count(*) > 1)");
        assert_eq!(mesh.count(&twice), 0, "{table}");
    }
}

#[test]
fn nights_of_parquet_are_in_the_product_and_their_dirt_in_quarantine() {
    let mesh = mesh();
    let first = simulate(&mesh, 5_000);
    let report = mesh.run_once();
    let [read, kept, rejected, quarantined] = counts(&report);
    assert_eq!((read, kept), (5_000, 5_000 - dirty(&first)));
    assert_eq!(rejected + quarantined, dirty(&first));
    let undecodable = ["invalid_utf8", "precio_too_precise"].map(|kind| first[kind].as_u64().unwrap());
    assert_eq!(quarantined, undecodable.iter().sum::<u64>(), "{first}");
    let rules = "SELECT rule, count(*) AS n FROM producto_quarantine.catalogo WHERE stage = 'undecodable' GROUP BY 1 ORDER BY 1";
    let rules: Vec<(String, u64)> = mesh
        .query(rules)
        .iter()
        .map(|row| {
            (
                row["rule"].as_str().unwrap().to_owned(),
                row["n"].as_u64().unwrap(),
            )
        })
        .collect();
    let [utf8, decimal] = undecodable;
    assert_eq!(
        rules,
        [
            ("invalid_decimal".to_owned(), decimal),
            ("invalid_utf8".to_owned(), utf8)
        ]
    );
    // Another night, and then none.
    let second = simulate(&mesh, 2_000);
    assert_eq!(counts(&mesh.run_once())[..2], [2_000, 2_000 - dirty(&second)]);
    assert_eq!(counts(&mesh.run_once()), [0; 4]);
    every_row_once(&mesh, 7_000);
    assert_eq!(
        mesh.count("producto.catalogo WHERE costo IS NOT NULL"),
        0,
        "behind its mask"
    );

    // Who may see what is in quarantine sees the row as it was; all others do not.
    let line = "SELECT line FROM producto_quarantine.catalogo WHERE rule = 'invalid_decimal' LIMIT 1";
    let hidden = mesh.ask("user:pilar", "precios", line).unwrap();
    assert_eq!(hidden[0]["line"], Value::Null);
    mesh.add(
        "policies/domains/producto.csv",
        "p, user:pilar, producto, producto_quarantine.catalogo/line, read-raw, precios, allow",
    );
    let seen = mesh.ask("user:pilar", "precios", line).unwrap();
    let row: Value = serde_json::from_str(seen[0]["line"].as_str().unwrap()).unwrap();
    assert!(row["precio"].as_str().unwrap().ends_with('5'), "{row}");
    assert!(row["producto_id"].as_str().unwrap().starts_with('P'), "{row}");
}

#[test]
fn bad_files_are_in_quarantine_as_one_and_the_rest_goes_on() {
    let mesh = mesh();
    for _ in 0..2 {
        simulate(&mesh, 300);
    }
    let mut nights = files(&folder(&mesh));
    nights.retain(|file| file.extension().is_some_and(|extension| extension == "parquet"));
    nights.sort_by_key(|night| night.as_os_str().len());
    let bytes = std::fs::read(&nights[1]).unwrap();
    std::fs::remove_file(&nights[1]).unwrap();
    let put = |name: &str, bytes: &[u8]| {
        let path = folder(&mesh).join(name);
        std::fs::write(&path, bytes).unwrap();
        path
    };
    set_old(&put("b.parquet", b"producto_id,nombre\nP1,uno\n"));
    set_old(&put("c.parquet", &bytes[..bytes.len() / 2]));
    put("d.parquet.part", &bytes);
    // Nobody knows yet whether more comes.
    let half = put("e.parquet", &bytes[..bytes.len() - 10]);
    let [read, kept, ..] = counts(&mesh.run_once());
    assert_eq!(read, 302);
    assert!(kept > 280);
    let bad = "SELECT message FROM producto_quarantine.catalogo WHERE rule = 'invalid_parquet' ORDER BY source_offset";
    let told: Vec<String> = mesh
        .query(bad)
        .iter()
        .map(|row| row["message"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(told.len(), 2);
    assert_eq!(told[0], "`b.parquet`: it does not begin as a Parquet file");
    assert!(
        told[1].starts_with("`c.parquet`: it does not end as a Parquet file"),
        "{told:?}"
    );
    assert_eq!(counts(&mesh.run_once())[0], 0);
    // It was a slow writer.
    std::fs::write(&half, &bytes).unwrap();
    assert_eq!(counts(&mesh.run_once())[0], 300);
    every_row_once(&mesh, 602);
}

#[test]
fn killed_in_the_middle_of_a_file_every_row_is_there_once() {
    let mesh = mesh();
    let dirt = simulate(&mesh, 60_000);
    let config = std::fs::read_to_string(mesh.config()).unwrap();
    let config = config
        .replace("rows = 65536", "rows = 900")
        .replace("rows = 500000", "rows = 4000");
    std::fs::write(mesh.config(), config).unwrap();
    let mut random = StdRng::seed_from_u64(3);
    let mut killed = 0;
    for _ in 0..8 {
        killed += usize::from(mesh.run_killed_after(Duration::from_millis(random.random_range(20..1500))));
    }
    let [read, ..] = counts(&mesh.run_once());
    eprintln!("killed {killed} times while running; the last run read {read}");
    every_row_once(&mesh, 60_000);
    assert_eq!(mesh.count("producto.catalogo"), 60_000 - dirty(&dirt));
    assert_eq!(counts(&mesh.run_once())[0], 0);
}

#[test]
fn a_host_that_runs_takes_each_file_when_it_is_there() {
    let mesh = mesh();
    std::fs::create_dir_all(folder(&mesh)).unwrap();
    let host = Running::start(&mesh);
    let mut rows = 0;
    for _ in 0..2 {
        simulate(&mesh, 400);
        rows += 400;
        wait_until("the night is there", || {
            let query = "SELECT count(*) AS n FROM producto_quarantine.catalogo";
            let config = mesh.config();
            let output = mesh.output(&["query", "--config", config.to_str().unwrap(), query]);
            output.status.success()
                && mesh.count("producto.catalogo") + mesh.count("producto_quarantine.catalogo") == rows
        });
    }
    host.stop();
    every_row_once(&mesh, rows);
}

#[test]
fn parquet_of_a_server_comes_by_the_spool_with_its_checksum() {
    let server = Server::start();
    let (written, mesh) = (mesh(), mesh());
    let directory = "[sources.producto.catalogo]\ndirectory = \"sources/producto/catalogo\"\n";
    mesh.edit("malla.toml", directory, "");
    mesh.add(
        "malla.toml",
        &server.place("producto.catalogo", server.port, &server.archive()),
    );
    let mut dirt = 0;
    for night in 1..=2 {
        dirt += dirty(&simulate(&written, 1_000));
        let mut exports = files(&folder(&written));
        exports.retain(|file| file.extension().is_some_and(|extension| extension == "parquet"));
        exports.sort_by_key(|export| export.as_os_str().len());
        assert_eq!(exports.len(), night);
        let name = format!("catalogo-noche-{night}.parquet");
        server.send(&name, &std::fs::read(&exports[night - 1]).unwrap());
        server.promise(&name);
        assert_eq!(counts(&mesh.run_once())[0], 1_000);
    }
    every_row_once(&mesh, 2_000);
    assert_eq!(mesh.count("producto_quarantine.catalogo"), dirt);
    // One that is none is told of once, and put away with the others.
    server.send("catalogo-noche-3.parquet", b"PAR1 casi PAR1");
    assert_eq!(counts(&mesh.run_once())[0], 1);
    assert_eq!(
        mesh.count("producto_quarantine.catalogo WHERE rule = 'invalid_parquet'"),
        1
    );
    assert_eq!(counts(&mesh.run_once())[0], 0);
    assert_eq!(server.names("leidos").len(), 3);
}

#[test]
fn a_host_that_dies_in_the_middle_of_a_fetched_file_goes_on_there() {
    let server = Server::start();
    let (written, mesh) = (mesh(), mesh());
    let directory = "[sources.producto.catalogo]\ndirectory = \"sources/producto/catalogo\"\n";
    mesh.edit("malla.toml", directory, "");
    mesh.add(
        "malla.toml",
        &server.place("producto.catalogo", server.port, &server.archive()),
    );
    mesh.edit("malla.toml", "rows = 65536", "rows = 900");
    mesh.edit("malla.toml", "rows = 500000", "rows = 2000");
    let dirt = dirty(&simulate(&written, 60_000));
    let export = files(&folder(&written))
        .into_iter()
        .find(|file| file.extension().is_some_and(|e| e == "parquet"));
    server.send("catalogo.parquet", &std::fs::read(export.unwrap()).unwrap());
    let host = Running::start(&mesh);
    wait_until("some of it is there", || {
        files(&mesh.path().join("lake"))
            .iter()
            .any(|file| file.ends_with("raw/catalogo/_delta_log/00000000000000000002.json"))
    });
    host.kill();
    // The spool is another host's, or lost.
    std::fs::remove_dir_all(mesh.path().join("state/spool")).unwrap();
    let [read, ..] = counts(&mesh.run_once());
    assert!((1..60_000).contains(&read), "{read}");
    every_row_once(&mesh, 60_000);
    assert_eq!(mesh.count("producto_quarantine.catalogo"), dirt);
    assert_eq!(server.names("leidos"), ["catalogo.parquet"]);
}

#[test]
fn parquet_by_a_topic_is_refused_before_anything_runs() {
    let mesh = mesh();
    let directory = "[sources.producto.catalogo]\ndirectory = \"sources/producto/catalogo\"\n";
    mesh.edit("malla.toml", directory, "");
    mesh.add(
        "malla.toml",
        "[sources.producto.catalogo.kafka]\ntopic = \"catalogo\"\n[sources.producto.catalogo.kafka.settings]\n\
         \"bootstrap.servers\" = \"127.0.0.1:1\"",
    );
    let said = mesh.fails(&["run"], &["--once"]);
    assert!(
        said.contains("events of format `parquet` cannot come by the topic `catalogo`"),
        "{said}"
    );
    let said = mesh.fails(
        &["simulate"],
        &[
            "--domain", "producto", "--source", "catalogo", "--events", "1", "--format", "parquet",
        ],
    );
    assert!(said.contains("cannot have files of Parquet"), "{said}");
    let said = mesh.fails(
        &["simulate"],
        &[
            "--domain", "producto", "--source", "cambios", "--events", "1", "--format", "parquet",
        ],
    );
    assert!(said.contains("--format is for nightly exports"), "{said}");
}
