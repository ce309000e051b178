//! Sales with something to hide, and policies that hide it.

use std::collections::BTreeSet;
use std::sync::Arc;

use arrow_array::{
    ArrayRef, BinaryArray, Date32Array, Decimal128Array, Int32Array, Int64Array, StringArray,
    TimestampMicrosecondArray,
};
use malla_lake::Layer;
use malla_privacy::Sealer;

use crate::testing::{Mesh, Rules};

/// Column, its fields in the contract.
const COLUMNS: [(&str, &str); 16] = [
    ("id", "logicalType: integer, physicalType: bigint, required: true"),
    ("region", "logicalType: string"),
    ("canal", "logicalType: string"),
    (
        "monto",
        "logicalType: number, physicalType: \"decimal(18,2)\", required: true",
    ),
    ("cantidad", "logicalType: integer, physicalType: int"),
    (
        "email",
        "logicalType: string, classification: restricted, tags: [\"pii:email\"]",
    ),
    (
        "alias",
        "logicalType: string, classification: restricted, tags: [\"alias\"]",
    ),
    (
        "otro",
        "logicalType: string, classification: restricted, tags: [\"otro\"]",
    ),
    (
        "tarjeta",
        "logicalType: string, classification: restricted, tags: [\"pii:card\"]",
    ),
    (
        "nacimiento",
        "logicalType: date, classification: restricted, tags: [\"nacimiento\"]",
    ),
    (
        "telefono",
        "logicalType: string, classification: restricted, tags: [\"pii:phone\"]",
    ),
    (
        "nombre",
        "logicalType: string, classification: restricted, tags: [\"pii:name\"]",
    ),
    (
        "direccion",
        "logicalType: string, classification: restricted, tags: [\"pii:address\"]",
    ),
    ("nivel", "logicalType: string, classification: confidential"),
    (
        "sueldo",
        "logicalType: integer, physicalType: bigint, classification: restricted",
    ),
    (
        "edad",
        "logicalType: integer, physicalType: int, classification: restricted, tags: [\"edad\"]",
    ),
];
const FECHA: (&str, &str) = ("fecha", "logicalType: date, required: true");

pub(super) fn contract() -> String {
    // The host adds the day to events.
    let table = |name: &str, columns: &[(&str, &str)], day: &[(&str, &str)]| {
        let line = |(name, fields): &(&str, &str)| format!("      - {{ name: {name}, {fields} }}\n");
        let lines: String = columns.iter().chain(day).map(line).collect();
        format!("  - name: {name}\n    properties:\n{lines}")
    };
    let clientes: Vec<(&str, &str)> = COLUMNS
        .into_iter()
        .filter(|(name, _)| ["id", "email", "nombre"].contains(name))
        .collect();
    format!(
        r#"apiVersion: v3.1.0
kind: DataContract
id: ventas
version: 1.2.3
status: draft
domain: ventas
schema:
{}{}{}customProperties:
  - property: mallaSources
    value: [{{ name: transacciones, schema: evento }}]
  - property: mallaSteps
    value:
      - {{ name: a, source: transacciones, product: transacciones, reads: [id] }}
      - {{ name: b, source: transacciones, product: clientes, reads: [id] }}
"#,
        table("evento", &COLUMNS, &[]),
        table("transacciones", &COLUMNS, &[FECHA]),
        table("clientes", &clientes, &[FECHA])
    )
}

/// `ana` reads; `luis` too, sales of the north only; `mar` too, without sales of one secret level; `sol` sees cards;
/// `fin` sees two columns; `admin` sees everything.
pub(super) const RULES: Rules<'_> = Rules {
    global: "
p, role:lector, ventas, ventas.*, read, *, allow
p, role:lector, ventas, ventas_raw.*, read, *, allow
p, role:lector, ventas, ventas_quarantine.*, read, *, allow
p, role:lector, *, pii:address, read, *, deny
p, role:tarjetas, ventas, pii:card, read-raw, *, allow
p, role:finanzas, ventas, ventas.transacciones/id, read, *, allow
p, role:finanzas, ventas, ventas.transacciones/monto, read, *, allow
p, role:todo, *, *, read, *, allow
p, role:todo, *, *, read-raw, *, allow
",
    groups: "
g, user:ana, role:lector, *
g, user:luis, role:lector, *
g, user:luis, role:norte, *
g, user:mar, role:lector, *
g, user:mar, role:oro, *
g, user:sol, role:lector, *
g, user:sol, role:tarjetas, *
g, user:fin, role:finanzas, *
g, user:admin, role:todo, *
",
    masks: r#"
[[mask]]
tag = "pii:email"
mask = "token"
join-group = "persona"
[[mask]]
tag = "alias"
mask = "token"
at = "read"
join-group = "persona"
[[mask]]
tag = "otro"
mask = "token"
at = "read"
[[mask]]
tag = "pii:card"
mask = "show-last-4"
at = "read"
[[mask]]
tag = "nacimiento"
mask = "truncate-to-month"
at = "read"
[[mask]]
tag = "pii:phone"
mask = "sha-256-query-local"
at = "read"
[[mask]]
tag = "pii:name"
mask = "replace-with-null"
at = "read"
[[mask]]
tag = "edad"
mask = "mask-to-default"
at = "read"
[[mask]]
classification = "confidential"
mask = "mask-alphanum"
at = "read"
[[mask]]
classification = "restricted"
mask = "replace-with-null"
at = "read"
"#,
    row_filters: r#"
[[row-filter]]
table = "ventas.transacciones"
for = ["role:norte"]
column = "region"
equals = "Norte"
[[row-filter]]
table = "ventas_raw.transacciones"
for = ["role:norte"]
column = "region"
equals = "Norte"
[[row-filter]]
table = "ventas.transacciones"
for = ["role:oro"]
column = "nivel"
not-in = ["plata-22"]
"#,
};

/// One row. `alias` and `otro` are the e-mail address again.
#[derive(Debug, Clone, Default)]
pub(super) struct Sale {
    pub(super) id: i64,
    pub(super) region: Option<String>,
    pub(super) canal: Option<String>,
    /// Cents.
    pub(super) monto: i128,
    pub(super) cantidad: Option<i32>,
    pub(super) email: Option<String>,
    pub(super) tarjeta: Option<String>,
    pub(super) nacimiento: Option<i32>,
    pub(super) telefono: Option<String>,
    pub(super) nombre: Option<String>,
    pub(super) direccion: Option<String>,
    pub(super) nivel: Option<String>,
    pub(super) sueldo: Option<i64>,
    pub(super) edad: Option<i32>,
    pub(super) fecha: i32,
}

/// Four sales: of the north, of the south, of the north with nothing known, of nowhere.
pub(super) fn sales() -> Vec<Sale> {
    let text = |text: &str| Some(text.to_owned());
    vec![
        Sale {
            id: 1,
            region: text("Norte"),
            canal: text("web"),
            monto: 1_000,
            cantidad: Some(1),
            email: text("ana@correo.mx"),
            tarjeta: text("4111-1111-1111-1234"),
            nacimiento: Some(7_410), // 1990-04-16
            telefono: text("+52 55 1234 5678"),
            nombre: text("Ana Pérez"),
            direccion: text("Calle Mayor 1"),
            nivel: text("oro-11"),
            sueldo: Some(81_234_567),
            edad: Some(36),
            fecha: 20_778,
        },
        Sale {
            id: 2,
            region: text("Sur"),
            canal: text("app"),
            monto: 777_777,
            cantidad: Some(0),
            email: text("beto@correo.mx"),
            tarjeta: text("5500-0000-0000-9876"),
            nacimiento: Some(3_662), // 1980-01-11
            telefono: text("+52 55 9999 0000"),
            nombre: text("Beto Ruiz"),
            direccion: text("Avenida Sur 2"),
            nivel: text("plata-22"),
            sueldo: Some(92_345_678),
            edad: Some(46),
            fecha: 20_779,
        },
        Sale {
            id: 3,
            region: text("Norte"),
            monto: 3_000,
            fecha: 20_779,
            ..Sale::default()
        },
        Sale {
            id: 4,
            monto: 4_000,
            cantidad: Some(4),
            email: text("ANA@correo.mx"),
            tarjeta: text("4111-1111-1111-1234"),
            nacimiento: Some(7_426), // 1990-05-02
            telefono: text("+52 55 1234 5678"),
            nombre: text("Ana Pérez"),
            nivel: text("oro-12"),
            fecha: 20_778,
            ..Sale::default()
        },
    ]
}

/// A mesh with four sales, three of them as events too, two customers and a line in quarantine.
pub(super) async fn world() -> Mesh {
    let mesh = Mesh::new(&[&contract()], &RULES);
    fill(&mesh, &sales()).await;
    mesh
}

pub(super) async fn fill(mesh: &Mesh, sales: &[Sale]) {
    let rows = i64::try_from(sales.len()).unwrap();
    curated(mesh, sales, 0..rows).await;
    raw(mesh, sales, 0..rows).await;
    clientes(mesh, sales, 0..rows).await;
    quarantine(mesh, sales, 0..rows).await;
}

fn texts<'a>(values: impl Iterator<Item = &'a Option<String>>) -> ArrayRef {
    Arc::new(values.map(Option::as_deref).collect::<StringArray>())
}

/// Raw values, in the contract's order.
fn columns(sales: &[Sale]) -> Vec<(&'static str, ArrayRef, bool)> {
    let monto = Decimal128Array::from_iter_values(sales.iter().map(|sale| sale.monto));
    let email = texts(sales.iter().map(|sale| &sale.email));
    vec![
        (
            "id",
            Arc::new(Int64Array::from_iter_values(sales.iter().map(|sale| sale.id))),
            false,
        ),
        ("region", texts(sales.iter().map(|sale| &sale.region)), true),
        ("canal", texts(sales.iter().map(|sale| &sale.canal)), true),
        (
            "monto",
            Arc::new(monto.with_precision_and_scale(18, 2).unwrap()),
            false,
        ),
        (
            "cantidad",
            Arc::new(sales.iter().map(|sale| sale.cantidad).collect::<Int32Array>()),
            true,
        ),
        ("email", Arc::clone(&email), true),
        ("alias", Arc::clone(&email), true),
        ("otro", email, true),
        ("tarjeta", texts(sales.iter().map(|sale| &sale.tarjeta)), true),
        (
            "nacimiento",
            Arc::new(sales.iter().map(|sale| sale.nacimiento).collect::<Date32Array>()),
            true,
        ),
        ("telefono", texts(sales.iter().map(|sale| &sale.telefono)), true),
        ("nombre", texts(sales.iter().map(|sale| &sale.nombre)), true),
        ("direccion", texts(sales.iter().map(|sale| &sale.direccion)), true),
        ("nivel", texts(sales.iter().map(|sale| &sale.nivel)), true),
        (
            "sueldo",
            Arc::new(sales.iter().map(|sale| sale.sueldo).collect::<Int64Array>()),
            true,
        ),
        (
            "edad",
            Arc::new(sales.iter().map(|sale| sale.edad).collect::<Int32Array>()),
            true,
        ),
        (
            "fecha",
            Arc::new(Date32Array::from_iter_values(sales.iter().map(|sale| sale.fecha))),
            false,
        ),
    ]
}

/// As the pipeline writes them: e-mail addresses as tokens.
pub(super) async fn curated(mesh: &Mesh, sales: &[Sale], offsets: std::ops::Range<i64>) {
    let mut columns = columns(sales);
    for (name, values, _) in &mut columns {
        if *name == "email" {
            *values = mesh.at_write("transacciones", name, values);
        }
    }
    mesh.write(Layer::Curated, "transacciones", columns, offsets)
        .await;
}

/// As they were written before there was a rule for e-mail addresses.
pub(super) async fn curated_in_the_clear(mesh: &Mesh, sales: &[Sale], offsets: std::ops::Range<i64>) {
    mesh.write(Layer::Curated, "transacciones", columns(sales), offsets)
        .await;
}

pub(super) async fn clientes(mesh: &Mesh, sales: &[Sale], offsets: std::ops::Range<i64>) {
    let mut columns = columns(sales);
    columns.retain(|(name, ..)| ["id", "email", "nombre", "fecha"].contains(name));
    for (name, values, _) in &mut columns {
        if *name == "email" {
            *values = mesh.at_write("clientes", name, values);
        }
    }
    mesh.write(Layer::Curated, "clientes", columns, offsets).await;
}

/// Events, those columns sealed that need a mask.
pub(super) async fn raw(mesh: &Mesh, sales: &[Sale], offsets: std::ops::Range<i64>) {
    let table = &mesh.governance.contracts[0]
        .source("transacciones")
        .unwrap()
        .table;
    let sealed: BTreeSet<&str> = table
        .columns
        .iter()
        .filter(|column| column.needs_mask())
        .map(|column| column.name.as_str())
        .collect();
    let mut sealer = Sealer::new(&mesh.governance.keys, "ventas/raw/transacciones")
        .batch()
        .unwrap();
    let partition: ArrayRef = Arc::new(StringArray::from(vec!["0"; sales.len()]));
    // Of the source, so that rows that are kept back leave no gap.
    let offset: ArrayRef = Arc::new(Int64Array::from_iter_values(sales.iter().map(|sale| sale.id)));
    let mut all = vec![
        ("source_partition", partition, false),
        ("source_offset", offset, false),
    ];
    all.extend(columns(sales).into_iter().map(|(name, values, nullable)| {
        if sealed.contains(name) {
            let sealed: ArrayRef = Arc::new(sealer.seal_column(name, &values).unwrap());
            (name, sealed, nullable)
        } else {
            (name, values, nullable)
        }
    }));
    mesh.write(Layer::Raw, "transacciones", all, offsets).await;
}

/// The lines of e-mail addresses, as if none of them were an event.
pub(super) async fn quarantine(mesh: &Mesh, sales: &[Sale], offsets: std::ops::Range<i64>) {
    let mut sealer = Sealer::new(&mesh.governance.keys, "ventas/quarantine/transacciones")
        .batch()
        .unwrap();
    let line = |sale: &Sale| {
        let line = format!("{{\"email\": \"{}\"", sale.email.as_deref().unwrap_or_default());
        sealer.seal_bytes("line", line.as_bytes()).unwrap()
    };
    let lines: Vec<Vec<u8>> = sales.iter().map(line).collect();
    let same = |text: &str| -> ArrayRef { Arc::new(StringArray::from(vec![text; sales.len()])) };
    let at = TimestampMicrosecondArray::from_iter_values(sales.iter().map(|_| 1_795_000_000_000_000))
        .with_timezone("UTC");
    let columns: Vec<(&str, ArrayRef, bool)> = vec![
        (
            "fecha",
            Arc::new(Date32Array::from_iter_values(sales.iter().map(|_| 20_778))),
            false,
        ),
        ("region", same("Norte"), true),
        ("source_partition", same("0"), false),
        (
            "source_offset",
            Arc::new(Int64Array::from_iter_values(offsets.clone())),
            false,
        ),
        ("quarantined_at", Arc::new(at), false),
        ("stage", same("undecodable"), false),
        ("message", same("no object"), true),
        (
            "line",
            Arc::new(
                lines
                    .iter()
                    .map(|line| Some(line.as_slice()))
                    .collect::<BinaryArray>(),
            ),
            true,
        ),
    ];
    mesh.write(Layer::Quarantine, "transacciones", columns, offsets)
        .await;
}
