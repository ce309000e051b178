//! `malla lineage`: what of it somebody may know.

use serde_json::Value;

use crate::support::Mesh;

#[test]
fn lineage_is_shown_across_domains_as_far_as_the_asker_may_know() {
    let mesh = Mesh::of(&["ventas", "logistica", "producto"]);
    mesh.add_sources();
    let before = mesh.on("lineage", &["ventas.daily-revenue.ingresos_usd"]);
    for domain in ["ventas", "logistica", "producto"] {
        mesh.on("simulate", &["--domain", domain, "--events", "300"]);
    }
    mesh.run_once();
    let dir = mesh.path().to_str().unwrap().to_owned();
    let shown = |arguments: &[&str]| mesh.on("lineage", arguments).replace(&dir, "[mesh]");
    let after = mesh.on("lineage", &["ventas.daily-revenue.ingresos_usd"]);
    assert_eq!(before, after, "nothing has to have run");
    insta::assert_snapshot!(shown(&["ventas.transacciones"]), @r"
    ventas.transacciones  One row for every valid sale.
    Made by ventas.transacciones.transacciones

    Comes from
    └── ventas_raw.transacciones  [[mesh]/sources/ventas/transacciones]

    Goes to
    ├── logistica.puntualidad
    ├── producto.margen-por-categoria
    └── ventas.daily-revenue
    ");
    insta::assert_snapshot!(shown(&["ventas.\"daily-revenue\".ingresos_usd"]), @r"
    ventas.daily-revenue.ingresos_usd  decimal(18,2)  Revenue in US dollars.
    Made by ventas.daily-revenue

    Comes from
    └── ventas.transacciones.monto_usd  aggregated
        ├── ventas_raw.transacciones.cliente_id  computed (declared)
        ├── ventas_raw.transacciones.moneda  computed (declared)
        ├── ventas_raw.transacciones.monto  computed (declared)
        └── ventas_raw.transacciones.timestamp  computed (declared)

    Its rows are decided by
    ├── ventas.transacciones.fecha  group by, window
    ├── ventas.transacciones.monto_usd  window
    ├── ventas.transacciones.producto_id  group by
    ├── ventas.transacciones.region  group by
    ├── ventas.transacciones.timestamp  window
    └── ventas.transacciones.transaccion_id  window

    Goes to
    └── nothing
    ");
    insta::assert_snapshot!(shown(&["ventas.transacciones.monto_usd", "--as", "user:ana"]), @r"
    ventas.transacciones.monto_usd  decimal(18,2)  Amount in US dollars, rounded half to even.

    Comes from
    └── a table that you may not read

    Its rows are decided by
    └── a table that you may not read

    Goes to
    ├── producto.margen-por-categoria: which rows there are  window
    ├── producto.margen-por-categoria.ingresos_usd  aggregated
    ├── producto.margen-por-categoria.margen_usd  aggregated
    ├── ventas.daily-revenue: which rows there are  window
    ├── ventas.daily-revenue.ingresos_usd  aggregated
    └── a table that you may not read
    ");
    let json: Value =
        serde_json::from_str(&shown(&["ventas.transacciones.email", "--format", "json"])).unwrap();
    assert_eq!(json["comes_from"][0]["ways"][0]["way"], "IDENTITY");
    assert_eq!(json["comes_from"][0]["column"], "email");
    let dot = shown(&["producto.margen-por-categoria", "--format", "dot"]);
    assert!(
        dot.starts_with("digraph lineage {\n") && dot.contains("\"ventas.transacciones\" -> "),
        "{dot}"
    );

    let unknown = |asked: &str, whom: &str| mesh.fails(&["lineage"], &[asked, "--as", whom]);
    insta::assert_snapshot!(unknown("ventas.transaciones", "user:admin").trim(), @"error: there is no table `ventas.transaciones` that user:admin may read: did you mean `ventas.transacciones`?");
    insta::assert_snapshot!(unknown("ventas.transacciones.mnto", "user:admin").trim(), @"error: there is no column `ventas.transacciones.mnto` that user:admin may read: did you mean `monto`?");
    // What may not be known of is not there.
    insta::assert_snapshot!(unknown("ventas_raw.transacciones", "user:ana").trim(), @"error: there is no table `ventas_raw.transacciones` that user:ana may read: did you mean `ventas.transacciones`?");
}
