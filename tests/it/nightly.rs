//! The nightly exports of the example domains, returns and the catalogue, by an SFTP server over two nights.

use serde_json::Value;

use crate::sftp::Server;
use crate::support::{Mesh, files};

const RETURNS: &str =
    "devolucion_id,transaccion_id,cliente_id,motivo,comentario,monto,moneda,region,timestamp\n";
const CATALOGUE: &str = "producto_id,nombre,categoria,precio,costo,vigente_desde\n";

/// A mesh of both domains, whose exports wait in one folder of the server.
fn mesh(server: &Server) -> Mesh {
    let mesh = Mesh::of(&["ventas", "producto"]);
    for (source, pattern) in [
        ("ventas.devoluciones", "devoluciones-*.csv"),
        ("producto.catalogo", "catalogo-*.csv"),
    ] {
        let folder = format!(
            "[sources.{source}]\ndirectory = \"sources/{}\"\n",
            source.replace('.', "/")
        );
        mesh.edit("malla.toml", &folder, "");
        let more = format!("files = \"{pattern}\"\n{}", server.archive());
        mesh.add("malla.toml", &server.place(source, server.port, &more));
    }
    mesh
}

/// What a run says of a product: read, kept, rejected, quarantined.
fn counts(report: &Value, product: &str) -> [u64; 4] {
    let products = report["products"].as_array().unwrap();
    let found = products.iter().find(|found| found["product"] == product).unwrap();
    ["read", "kept", "rejected", "quarantined"].map(|count| found[count].as_u64().unwrap())
}

fn ids(mesh: &Mesh, column: &str, table: &str) -> Vec<String> {
    let rows = mesh.query(&format!("SELECT {column} AS id FROM {table} ORDER BY 1"));
    rows.iter()
        .map(|row| row["id"].as_str().unwrap().to_owned())
        .collect()
}

fn quarantined(mesh: &Mesh, source: &str) -> Vec<(String, String)> {
    let rows = mesh.query(&format!(
        "SELECT stage, rule FROM {source} ORDER BY source_partition, source_offset"
    ));
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    rows.iter()
        .map(|row| (text(&row["stage"]), text(&row["rule"])))
        .collect()
}

#[test]
fn two_nights_of_returns_and_catalogues_are_in_their_products_once() {
    let server = Server::start();
    let mesh = mesh(&server);
    // The first night: a record of several lines, one with too few fields, and a checksum that is right.
    let night = "d-1,t-1,C000001,danado,\"Llegó rota, sin caja; \"\"frágil\"\" no se leía.\nMi correo: ana@example.com\",100.00,EUR,\
                 España y Portugal,2026-11-27T10:00:00Z\n\
                 d-2,t-2,C000002,talla,25.00,MXN,2026-11-27T11:00:00Z\n\
                 d-3,t-3,C000003,talla,,60.00,MXN,Norte,2026-11-27T12:00:00Z\n";
    server.send(
        "devoluciones-2026-11-27.csv",
        format!("{RETURNS}{night}").as_bytes(),
    );
    let night = "P00001,\"Lámpara, 40 cm\",hogar,45.00,21.00,2026-11-28\n\
                 P00002,Cable,electronica,3.20,,2026-11-28\n";
    server.send(
        "catalogo-2026-11-27.csv",
        format!("{CATALOGUE}{night}").as_bytes(),
    );
    server.promise("catalogo-2026-11-27.csv");
    let report = mesh.run_once();
    assert_eq!(counts(&report, "ventas.devoluciones"), [3, 2, 0, 1]);
    assert_eq!(counts(&report, "producto.catalogo"), [2, 2, 0, 0]);
    assert_eq!(ids(&mesh, "devolucion_id", "ventas.devoluciones"), ["d-1", "d-3"]);
    assert_eq!(
        quarantined(&mesh, "ventas_quarantine.devoluciones"),
        [("undecodable".to_owned(), "wrong_field_count".to_owned())]
    );
    assert_eq!(
        server.names("leidos"),
        ["catalogo-2026-11-27.csv", "devoluciones-2026-11-27.csv"]
    );

    // The second: one that the step rejects, and a catalogue that is damaged on its way.
    let night = "d-4,t-4,C000004,no_llego,,25.00,USD,América Latina,2026-11-28T09:00:00Z\n\
                 d-5,t-5,C000005,no_llego,,25.00,BTC,Norte,2026-11-28T09:00:00Z\n";
    server.send(
        "devoluciones-2026-11-28.csv",
        format!("{RETURNS}{night}").as_bytes(),
    );
    let whole = format!("{CATALOGUE}P00001,\"Lámpara, 40 cm\",hogar,39.00,21.00,2026-11-29\n");
    server.send("catalogo-2026-11-28.csv", whole.as_bytes());
    server.promise("catalogo-2026-11-28.csv");
    server.send(
        "catalogo-2026-11-28.csv",
        whole.replace("39.00", "93.00").as_bytes(),
    );
    let said = mesh.fails(&["run"], &["--once"]);
    assert!(said.contains("catalogo-2026-11-28.csv.sha256"), "{said}");
    let returns = ["d-1", "d-3", "d-4"];
    assert_eq!(
        ids(&mesh, "devolucion_id", "ventas.devoluciones"),
        returns,
        "the rest goes on"
    );
    let rejected = ("rejected".to_owned(), "moneda_desconocida".to_owned());
    assert_eq!(quarantined(&mesh, "ventas_quarantine.devoluciones")[1], rejected);
    assert_eq!(mesh.count("producto.catalogo"), 2);

    // It is sent again, and everything is there once, however often the host looks.
    server.send("catalogo-2026-11-28.csv", whole.as_bytes());
    assert_eq!(counts(&mesh.run_once(), "producto.catalogo"), [1, 1, 0, 0]);
    let report = mesh.run_once();
    for product in ["ventas.devoluciones", "producto.catalogo"] {
        assert_eq!(counts(&report, product), [0; 4], "{product}");
    }
    assert_eq!(ids(&mesh, "devolucion_id", "ventas.devoluciones"), returns);
    assert_eq!(
        ids(&mesh, "producto_id", "producto.catalogo"),
        ["P00001", "P00001", "P00002"]
    );
    assert_eq!(mesh.count("producto.catalogo WHERE precio = 93"), 0);
    assert_eq!(mesh.count("ventas_raw.devoluciones"), 4);
    let left = ["catalogo-2026-11-27.csv.sha256", "catalogo-2026-11-28.csv.sha256"];
    assert_eq!(server.names("salida"), left);
    assert_eq!(server.names("leidos").len(), 4);

    // What a customer wrote is for who answers it.
    let comment = "SELECT comentario FROM ventas_raw.devoluciones WHERE devolucion_id = 'd-1'";
    let seen = mesh.ask("user:olga", "reclamacion", comment).unwrap();
    assert_eq!(
        seen[0]["comentario"],
        "Llegó rota, sin caja; \"frágil\" no se leía.\nMi correo: ana@example.com"
    );
    assert_eq!(mesh.count("ventas.devoluciones WHERE comentario IS NOT NULL"), 0);
    for file in files(&mesh.path().join("lake")) {
        let bytes = std::fs::read(&file).unwrap();
        assert!(
            !bytes.windows(7).any(|bytes| bytes == b"ana@exa"),
            "{}",
            file.display()
        );
    }
}

/// What `malla simulate` writes is what an export would be.
#[test]
fn simulated_exports_come_the_same_way_and_fit_the_sales() {
    let server = Server::start();
    let (written, mesh) = (Mesh::of(&["ventas", "producto"]), mesh(&server));
    let mut dirty = [0, 0];
    for night in 1..=2 {
        let mut reports = Vec::new();
        for domain in ["ventas", "producto"] {
            let said = written.on("simulate", &["--domain", domain, "--events", "20000", "--json"]);
            reports.extend(serde_json::from_str::<Vec<Value>>(&said).unwrap());
        }
        for (place, (domain, source)) in [("ventas", "devoluciones"), ("producto", "catalogo")]
            .into_iter()
            .enumerate()
        {
            let report = reports.iter().find(|report| report["source"] == source).unwrap();
            let kinds = report["dirty"].as_object().unwrap().values();
            dirty[place] += kinds.map(|count| count.as_u64().unwrap()).sum::<u64>();
            let mut exports = files(&written.path().join(format!("sources/{domain}/{source}/p0")));
            exports.sort_by_key(|export| export.as_os_str().len());
            assert_eq!(exports.len(), night, "a file for each night");
            let export = std::fs::read(&exports[night - 1]).unwrap();
            server.send(&format!("{source}-noche-{night}.csv"), &export);
        }
        mesh.run_once();
    }
    for (table, lines, dirty) in [
        ("ventas{}.devoluciones", 2_000, dirty[0]),
        ("producto{}.catalogo", 800, dirty[1]),
    ] {
        assert!(dirty > 0);
        assert_eq!(
            mesh.count(&table.replace("{}", "_quarantine")),
            dirty,
            "each alone"
        );
        assert_eq!(mesh.count(&table.replace("{}", "")), lines - dirty);
    }
    assert_eq!(
        mesh.count("(SELECT DISTINCT devolucion_id FROM ventas.devoluciones)"),
        2_000 - dirty[0]
    );
    assert_eq!(server.names("leidos").len(), 4);

    // The same sales by another way: every return is of one of them.
    for part in files(&written.path().join("sources/ventas/transacciones")) {
        if let Some(partition) = part.parent().and_then(|folder| folder.file_name())
            && part.extension().is_some_and(|extension| extension == "jsonl")
        {
            let segment = part.file_name().unwrap().to_str().unwrap();
            mesh.append(
                partition.to_str().unwrap(),
                segment,
                &std::fs::read(&part).unwrap(),
            );
        }
    }
    mesh.run_once();
    let of = "ventas.devoluciones d JOIN ventas.transacciones v USING (transaccion_id) \
              WHERE d.cliente_id = v.cliente_id AND d.monto <= v.monto AND d.timestamp >= v.timestamp";
    assert_eq!(mesh.count(of), 2_000 - dirty[0]);
}
