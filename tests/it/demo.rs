//! The demo, and what it leaves in the lake.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::support::{Mesh, files, lines, malla, text};

/// Every distinct e-mail, card, address and comment of the decodable events below a folder.
fn secrets(sources: &Path) -> BTreeSet<String> {
    let mut secrets = BTreeSet::new();
    for file in files(sources) {
        if file.extension().is_some_and(|extension| extension == "csv") {
            secrets.extend(comments(&file));
            continue;
        }
        for line in lines(&std::fs::read(file).unwrap()) {
            let Ok(event) = serde_json::from_slice::<Value>(line) else {
                continue;
            };
            secrets.extend(
                ["email", "tarjeta", "direccion"]
                    .iter()
                    .filter_map(|name| event[*name].as_str())
                    .map(str::to_owned),
            );
        }
    }
    secrets
}

/// What customers wrote, in an export of returns.
fn comments(export: &Path) -> BTreeSet<String> {
    let mut export = csv::ReaderBuilder::new()
        .flexible(true)
        .from_path(export)
        .unwrap();
    let headers = export.headers().unwrap().clone();
    let Some(place) = headers.iter().position(|name| name == "comentario") else {
        return BTreeSet::new();
    };
    let records = export
        .records()
        .flatten()
        .filter(|record| record.len() == headers.len());
    let comments: BTreeSet<String> = records.map(|record| record[place].to_owned()).collect();
    assert!(comments.len() > 10);
    comments
}

/// Whether any of `secrets` occurs in `bytes`: a look at every window that could be one.
fn find_any<'a>(bytes: &[u8], secrets: &'a BTreeSet<String>) -> Option<&'a String> {
    let mut by_head: BTreeMap<&[u8], Vec<&'a String>> = BTreeMap::new();
    for secret in secrets.iter().filter(|secret| secret.len() >= 6) {
        by_head.entry(&secret.as_bytes()[..6]).or_default().push(secret);
    }
    bytes.windows(6).enumerate().find_map(|(at, head)| {
        by_head
            .get(head)?
            .iter()
            .find(|secret| bytes[at..].starts_with(secret.as_bytes()))
            .copied()
    })
}

#[test]
fn a_demo_accounts_for_every_line_and_hides_every_personal_value() {
    let mesh = Mesh::ventas();
    let dir = mesh.path().join("demo");
    let output = Command::new(malla())
        .args([
            "demo",
            "--once",
            "--events",
            "6000",
            "--dir",
            dir.to_str().unwrap(),
        ])
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", text(&output));
    let shown = String::from_utf8(output.stdout).unwrap();
    for (product, lines) in [
        ("logistica.envios", "6,000"),
        ("producto.catalogo", "400"),
        ("producto.cambios", "5,600"),
        ("ventas.transacciones", "5,700"),
        ("ventas.devoluciones", "300"),
    ] {
        assert!(shown.contains(&format!(" of 8 OK  {product}")), "{shown}");
        let accounted = shown
            .lines()
            .find(|line| line.starts_with(&format!("{product}: ")))
            .unwrap_or_default();
        let whole = format!("= {lines} of {lines} read: every line accounted for");
        assert!(accounted.ends_with(&whole), "{shown}");
    }
    let next = format!("  {} query --config", malla().display());
    assert_eq!(shown.matches(&next).count(), 3, "{shown}");

    let config = dir.join("malla.toml");
    let query = |sql: &str, format: &str| {
        let output = Command::new(malla())
            .args([
                "query",
                "--config",
                config.to_str().unwrap(),
                "--format",
                format,
                "--limit",
                "1000000",
                sql,
            ])
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", text(&output));
        String::from_utf8(output.stdout).unwrap()
    };
    let rows =
        |sql: &str| -> Vec<BTreeMap<String, Value>> { serde_json::from_str(&query(sql, "json")).unwrap() };
    let count = |table: &str| {
        rows(&format!("SELECT count(*) AS n FROM {table}"))[0]["n"]
            .as_u64()
            .unwrap()
    };

    let curated = count("ventas.transacciones");
    let quarantined = count("ventas_quarantine.transacciones");
    let undecodable = count("ventas_quarantine.transacciones WHERE stage = 'undecodable'");
    assert_eq!(curated + quarantined, 5700);
    assert_eq!(count("ventas_raw.transacciones") + undecodable, 5700);
    assert!(quarantined > 0 && undecodable > 0 && undecodable < quarantined);

    let secrets = secrets(&dir.join("sources"));
    assert!(secrets.len() > 1000);
    for file in files(&dir.join("lake")) {
        let found = find_any(&std::fs::read(&file).unwrap(), &secrets);
        assert_eq!(found, None, "in {}", file.display());
    }
    for table in [
        "ventas.transacciones",
        "ventas_raw.transacciones",
        "ventas_quarantine.transacciones",
        "ventas.devoluciones",
        "ventas_raw.devoluciones",
        "ventas_quarantine.devoluciones",
        "logistica.envios",
        "logistica_raw.envios",
        "logistica_quarantine.envios",
    ] {
        let decoded = query(&format!("SELECT * FROM {table}"), "csv");
        assert_eq!(find_any(decoded.as_bytes(), &secrets), None, "in {table}");
    }

    // Equal e-mails have equal tokens, and different ones different.
    let mut emails = BTreeMap::new();
    for file in files(&dir.join("sources/ventas/transacciones")) {
        for line in lines(&std::fs::read(file).unwrap()) {
            let Ok(event) = serde_json::from_slice::<Value>(line) else {
                continue;
            };
            if let (Some(id), Some(email)) = (event["transaccion_id"].as_str(), event["email"].as_str()) {
                emails.insert(id.to_owned(), email.trim().to_lowercase());
            }
        }
    }
    let mut tokens: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let mut owners: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for row in rows("SELECT transaccion_id, email FROM ventas.transacciones WHERE email IS NOT NULL") {
        let (id, token) = (
            row["transaccion_id"].as_str().unwrap(),
            row["email"].as_str().unwrap(),
        );
        tokens
            .entry(emails[id].clone())
            .or_default()
            .insert(token.to_owned());
        owners
            .entry(token.to_owned())
            .or_default()
            .insert(emails[id].clone());
    }
    assert!(tokens.values().all(|tokens| tokens.len() == 1));
    assert!(owners.values().all(|owners| owners.len() == 1));
    assert!(
        tokens.len() < emails.len(),
        "the simulation has customers that buy twice"
    );

    // What is shipped was sold, in the same region and before.
    let fits = "FROM logistica.envios e JOIN ventas.transacciones v USING (transaccion_id) \
                WHERE v.region = e.region AND v.timestamp <= e.timestamp_salida";
    assert_eq!(
        rows(&format!("SELECT count(*) AS n {fits}"))[0]["n"]
            .as_u64()
            .unwrap(),
        count("logistica.envios")
    );
    // What came back was sold, to the same customer and for no less.
    let fits = "FROM ventas.devoluciones d JOIN ventas.transacciones v USING (transaccion_id) \
                WHERE v.cliente_id = d.cliente_id AND v.monto_usd >= d.monto_usd AND v.timestamp <= d.timestamp";
    assert_eq!(
        rows(&format!("SELECT count(*) AS n {fits}"))[0]["n"]
            .as_u64()
            .unwrap(),
        count("ventas.devoluciones")
    );
    // Costs are hidden from who does not need them, and the others can make margins.
    assert_eq!(count("producto.catalogo WHERE costo IS NOT NULL"), 0);
    let margins = mesh.output(&[
        "query",
        "--config",
        config.to_str().unwrap(),
        "--as",
        "service:reportes",
        "--purpose",
        "margen",
        "SELECT categoria, avg(precio - costo) FROM producto.catalogo GROUP BY 1",
    ]);
    assert!(text(&margins).contains("8 rows"), "{}", text(&margins));
    for command in ["check", "test"] {
        let said = mesh.output(&["policy", command, "--config", config.to_str().unwrap()]);
        assert!(said.status.success(), "{}", text(&said));
    }

    // A second demo goes on where the first ended.
    let output = Command::new(malla())
        .args([
            "demo",
            "--once",
            "--events",
            "1000",
            "--dir",
            dir.to_str().unwrap(),
        ])
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", text(&output));
    assert_eq!(
        count("ventas.transacciones") + count("ventas_quarantine.transacciones"),
        6650
    );
}

#[test]
fn a_new_mesh_knows_the_domains_whose_components_are_there() {
    let mesh = Mesh::ventas();
    let dir = mesh.path().join("new");
    std::fs::create_dir_all(dir.join("plugins")).unwrap();
    for domain in ["ventas", "logistica", "producto"] {
        let component = format!("plugins/{domain}.wasm");
        let built = malla().parent().unwrap().join(&component);
        std::fs::copy(built, dir.join(&component)).unwrap();
    }
    let said = mesh.ok(&["init", dir.to_str().unwrap()]);
    assert!(said.contains("sources/producto/cambios"), "{said}");
    let config = dir.join("malla.toml");
    let config = config.to_str().unwrap();
    mesh.ok(&["policy", "check", "--config", config, "--strict"]);
    assert!(
        mesh.ok(&["policy", "test", "--config", config])
            .contains("33 of 33 cases hold.")
    );
    for (domain, source, lines) in [
        ("logistica", "envios", 300),
        ("producto", "catalogo", 150),
        ("producto", "cambios", 150),
    ] {
        if source != "cambios" {
            let events = ["--events", "300", "--domain", domain];
            mesh.ok(&[&["simulate", "--config", config][..], &events].concat());
        }
        let partitions = files(&dir.join("sources").join(domain).join(source));
        let lines_of = |file: &PathBuf| {
            let lines = self::lines(&std::fs::read(file).unwrap()).count();
            match file.extension()?.to_str()? {
                "jsonl" => Some(lines),
                "csv" => Some(lines - 1),
                _ => None,
            }
        };
        let written: usize = partitions.iter().filter_map(lines_of).sum();
        assert_eq!(written, lines, "{source}");
    }
}

#[test]
fn an_empty_source_is_no_error() {
    let mesh = Mesh::ventas();
    let report = mesh.run_once();
    assert_eq!(report["products"][0]["read"], 0);
    assert_eq!(mesh.count("ventas.transacciones"), 0);
}
