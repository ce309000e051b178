//! A contract that declares less than what flows into a column is refused, unless somebody answers for it.

use crate::support::{Mesh, files, sale};

/// The product's `email` as the contract declares it, and what it becomes for these tests.
const DECLARED: &str = "      - { name: email, logicalType: string, physicalType: string, classification: restricted, tags: [\"pii:email\"], description: E-mail address of the customer. }\n      - { name: tarjeta";
const SILENT: &str = "      - { name: email, logicalType: string, physicalType: string, description: E-mail address of the customer. }\n      - { name: tarjeta";

/// The part of the contract that is about the product.
fn product(mesh: &Mesh, from: &str, to: &str) {
    let component = std::fs::read(crate::support::ventas()).unwrap();
    let contract = malla_contract::extract(&component).unwrap();
    let (source, product) = contract
        .split_once("  - name: transacciones\n    logicalType: object")
        .unwrap();
    let changed = product.replacen(from, to, 1);
    assert_ne!(changed, product);
    let contract = format!("{source}  - name: transacciones\n    logicalType: object{changed}");
    let path = mesh.path().join("plugins/ventas.wasm");
    std::fs::write(path, malla_contract::embed(&component, &contract).unwrap()).unwrap();
}

fn refused(mesh: &Mesh) -> String {
    let said = mesh.fails(&["run"], &["--once"]);
    let written = files(&mesh.path().join("lake"));
    // But that a run failed.
    let history = mesh.path().join("lake/malla");
    let parquet = written
        .iter()
        .filter(|file| file.extension().is_some_and(|e| e == "parquet") && !file.starts_with(&history));
    assert_eq!(parquet.count(), 0, "nothing may be written");
    let why = said
        .lines()
        .find(|line| line.starts_with("error: product"))
        .unwrap();
    why.to_owned()
}

#[test]
fn an_address_forwarded_into_a_silent_column_is_refused_until_it_is_declassified() {
    let mesh = Mesh::ventas();
    product(&mesh, DECLARED, SILENT);
    mesh.put(&sale("t-1"));
    insta::assert_snapshot!(refused(&mesh), @r#"error: product `ventas.transacciones`: column `ventas.transacciones/email` declares less than flows into it from `ventas_raw.transacciones/email`: it is `internal`, what flows in is `restricted`; it has no tag `pii:email`: declare it in the contract (classification: restricted, tags `pii:email`), or declassify it: add to declassify.toml a [[declassify]] with column = "ventas.transacciones/email", to, drops, reason, owner and expires"#);
    // `malla doctor` says so too, before anything runs.
    let said = mesh.fails(&["doctor"], &[]);
    assert!(said.contains("ventas.transacciones/email"), "{said}");

    let rule = |expires: &str| {
        format!(
            "[[declassify]]\ncolumn = \"ventas.transacciones/email\"\nto = \"internal\"\ndrops = [\"pii:email\"]\n\
             reason = \"A test.\"\nowner = \"equipo-ventas\"\nexpires = {expires}\n"
        )
    };
    mesh.add("policies/declassify.toml", &rule("2020-01-31"));
    let said = refused(&mesh);
    assert!(
        said.contains("declassify.toml:14 expired on 2020-01-31"),
        "{said}"
    );

    // What is lowered too little is not lowered.
    mesh.edit("policies/declassify.toml", "2020-01-31", "2999-01-31");
    mesh.edit(
        "policies/declassify.toml",
        "to = \"internal\"\ndrops",
        "to = \"confidential\"\ndrops",
    );
    assert!(refused(&mesh).contains("`confidential`"));
    mesh.edit(
        "policies/declassify.toml",
        "to = \"confidential\"",
        "to = \"internal\"",
    );
    mesh.run_once();
    let rows = mesh
        .ask("user:ana", "informes", "SELECT email FROM ventas.transacciones")
        .unwrap();
    assert_eq!(rows[0]["email"], "ana.t-1@example.com");
}

#[test]
fn a_column_computed_from_a_raw_address_is_refused_until_it_is_declassified() {
    let mesh = Mesh::ventas();
    // The currency plays the address: the step reads it, and computes amounts and days from all that it reads.
    mesh.contract(&[(
        "{ name: moneda, logicalType: string, physicalType: string, description",
        "{ name: moneda, logicalType: string, physicalType: string, classification: restricted, tags: [\"pii:email\"], description",
    )]);
    let component = std::fs::read(mesh.path().join("plugins/ventas.wasm")).unwrap();
    let contract = malla_contract::extract(&component).unwrap();
    let declared = contract.replacen(
        "      - name: moneda\n        logicalType: string\n        physicalType: string\n        required: true\n",
        "      - name: moneda\n        logicalType: string\n        physicalType: string\n        required: true\n        classification: restricted\n        tags: [\"pii:email\"]\n",
        1,
    );
    assert_ne!(declared, contract);
    let path = mesh.path().join("plugins/ventas.wasm");
    std::fs::write(path, malla_contract::embed(&component, &declared).unwrap()).unwrap();
    mesh.put(&sale("t-1"));
    let raw = "p, plugin:ventas, ventas, ventas_raw.transacciones/moneda, read-raw, ingresos, allow\n\
               p, plugin:ventas, ventas, ventas_raw.transacciones/moneda, read, ingresos, allow";
    mesh.add("policies/domains/ventas.csv", raw);
    insta::assert_snapshot!(refused(&mesh), @r#"error: product `ventas.transacciones`: column `ventas.transacciones/monto_usd` declares less than flows into it from `ventas_raw.transacciones/moneda`: it is `internal`, what flows in is `restricted`; it has no tag `pii:email`: declare it in the contract (classification: restricted, tags `pii:email`), or declassify it: add to declassify.toml a [[declassify]] with column = "ventas.transacciones/monto_usd", to, drops, reason, owner and expires"#);
    for column in ["monto_usd", "fecha"] {
        mesh.add(
            "policies/declassify.toml",
            &format!(
                "[[declassify]]\ncolumn = \"ventas.transacciones/{column}\"\nto = \"internal\"\ndrops = [\"pii:email\"]\n\
                 reason = \"An amount in dollars names nobody.\"\nowner = \"equipo-ventas\"\nexpires = 2999-12-31\n"
            ),
        );
    }
    mesh.run_once();
    assert_eq!(mesh.count("ventas.transacciones"), 1);
}
