use insta::assert_snapshot;

use super::*;
use crate::{Classification, Column, ColumnType};

const VENTAS: &str = include_str!("../../../../plugins/ventas/contract.yaml");

/// Ventas, and ventas at another version, changed.
fn changed(version: &str, change: impl FnOnce(&mut Contract)) -> Comparison {
    let mut old = Contract::parse(VENTAS).unwrap();
    old.version = Version::new(1, 0, 0);
    let mut new = old.clone();
    new.version = version.parse().unwrap();
    change(&mut new);
    compare(&old, &new)
}

fn product<'a>(contract: &'a mut Contract, name: &str) -> &'a mut Column {
    contract.products[0]
        .table
        .columns
        .iter_mut()
        .find(|column| column.name == name)
        .unwrap()
}

fn source<'a>(contract: &'a mut Contract, name: &str) -> &'a mut Column {
    contract.sources[0]
        .table
        .columns
        .iter_mut()
        .find(|column| column.name == name)
        .unwrap()
}

#[test]
fn nothing_changed() {
    assert_snapshot!(changed("1.0.0", |_| {}), @"Ventas 1.0.0 -> 1.0.0: nothing changed");
    assert_snapshot!(changed("0.9.0", |_| {}), @r"
    Ventas 1.0.0 -> 0.9.0: nothing changed
    0.9.0 is older than 1.0.0
    ");
    assert!(changed("1.0.1", |_| {}).is_enough());
}

#[test]
fn columns_of_a_product() {
    let comparison = changed("1.1.0", |new| {
        product(new, "monto").ty = ColumnType::Float64;
        product(new, "moneda").required = false;
        product(new, "canal").required = true;
        product(new, "transaccion_id").unique = false;
        product(new, "producto_id").unique = true;
        product(new, "region").partition = None;
        let columns = &mut new.products[0].table.columns;
        let mut added = columns.remove(6);
        columns.swap(0, 1);
        "descuento".clone_into(&mut added.name);
        columns.push(added.clone());
        "impuesto".clone_into(&mut added.name);
        added.required = true;
        columns.push(added);
    });
    assert_snapshot!(comparison, @r"
    Ventas 1.0.0 -> 1.1.0: 7 breaking, 2 additive, 1 note
    breaking  product `transacciones`: was partitioned by `fecha`, `region` and is by `fecha` (partitions-changed); breaks rows already stored
    breaking  product `transacciones`, column `transaccion_id`: is no longer unique (uniqueness-dropped); breaks readers
    breaking  product `transacciones`, column `monto`: type was `decimal(18,2)` and is `double` (type-changed); breaks readers, rows already stored
    breaking  product `transacciones`, column `moneda`: was required and may be null (nulls-allowed); breaks readers
    breaking  product `transacciones`, column `cantidad`: removed (column-removed); breaks readers
    breaking  product `transacciones`, column `canal`: could be null and is required (nulls-forbidden); breaks rows already stored
    breaking  product `transacciones`, column `impuesto`: added as required, type `int` (required-column-added); breaks rows already stored
    additive  product `transacciones`, column `producto_id`: is now unique (uniqueness-added)
    additive  product `transacciones`, column `descuento`: added, type `int` (column-added)
    note      product `transacciones`: columns are in another order (documentation)
    version 1.1.0 is not enough for breaking changes: make it 2.0.0 or later
    ");
    assert!(!comparison.is_enough());
}

#[test]
fn columns_of_a_source() {
    let comparison = changed("2.0.0", |new| {
        source(new, "cantidad").ty = ColumnType::Int64;
        source(new, "moneda").required = true;
        source(new, "monto").required = false;
        source(new, "transaccion_id").unique = true;
        let columns = &mut new.sources[0].table.columns;
        let mut added = columns.remove(7);
        "cupon".clone_into(&mut added.name);
        columns.push(added.clone());
        "tienda".clone_into(&mut added.name);
        added.required = true;
        columns.push(added);
        new.sources[0].event_time = None;
    });
    assert_snapshot!(comparison, @r"
    Ventas 1.0.0 -> 2.0.0: 6 breaking, 2 additive, 0 notes
    breaking  source `transacciones`, column `transaccion_id`: is now unique (uniqueness-added); breaks producers
    breaking  source `transacciones`, column `moneda`: could be null and is required (nulls-forbidden); breaks producers, rows already stored
    breaking  source `transacciones`, column `cantidad`: type was `int` and is `bigint` (type-changed); breaks rows already stored
    breaking  source `transacciones`, column `canal`: removed (column-removed); breaks readers
    breaking  source `transacciones`, column `tienda`: added as required, type `string` (required-column-added); breaks producers, rows already stored
    breaking  source `transacciones`: event time was `timestamp` and is none (event-time-changed); breaks rows already stored
    additive  source `transacciones`, column `monto`: was required and may be null (nulls-allowed)
    additive  source `transacciones`, column `cupon`: added, type `string` (column-added)
    version 2.0.0 is enough
    ");
    assert!(comparison.is_enough());
}

#[test]
fn governance() {
    let comparison = changed("1.1.0", |new| {
        product(new, "email").classification = Classification::Internal;
        product(new, "tarjeta").tags.clear();
        product(new, "canal").classification = Classification::Confidential;
        product(new, "region").tags.insert("geo".into());
        source(new, "producto_id").tags.insert("pii:name".into());
        source(new, "cliente_id").tags.clear();
    });
    assert_snapshot!(comparison, @r"
    Ventas 1.0.0 -> 1.1.0: 4 breaking, 2 additive, 1 note
    breaking  product `transacciones`, column `email`: classification was `restricted` and is `internal` (weakens-governance); breaks the people in the data
    breaking  product `transacciones`, column `tarjeta`: is no longer tagged `pii:card` (weakens-governance); breaks the people in the data
    breaking  source `transacciones`, column `cliente_id`: is no longer tagged `subject` (weakens-governance); breaks the people in the data
    breaking  source `transacciones`, column `producto_id`: becomes personal, and rows stored so far hold it in plain (strengthens-governance); breaks rows already stored
    additive  product `transacciones`, column `canal`: classification was `internal` and is `confidential`: readers may see a mask from now on (strengthens-governance)
    additive  source `transacciones`, column `producto_id`: is now tagged `pii:name` (strengthens-governance)
    note      product `transacciones`, column `region`: own tags changed (documentation)
    version 1.1.0 is not enough for breaking changes: make it 2.0.0 or later
    ");
}

#[test]
fn tables_steps_and_lookups() {
    let comparison = changed("1.0.1", |new| {
        let mut other = new.products[0].clone();
        "reembolsos".clone_into(&mut other.name);
        new.products.push(other);
        let step = &mut new.steps[0];
        step.reads = vec![
            "cliente_id".into(),
            "monto".into(),
            "timestamp".into(),
            "email".into(),
        ];
        step.rules.push("monto_enorme".into());
        step.rules.remove(0);
        "ventas_limpias".clone_into(&mut step.name);
        let lookup = &mut new.lookups[0];
        lookup.entries[1].unscaled += 1;
        lookup.entries.remove(2);
        "Other".clone_into(&mut new.name);
        "deprecated".clone_into(&mut new.status);
    });
    assert_snapshot!(comparison, @r"
    Other 1.0.0 -> 1.0.1: 0 breaking, 3 additive, 7 notes
    additive  product `transacciones`: its step now reads `email`, which is sensitive (reads-changed)
    additive  product `transacciones`: rows may now be rejected by `monto_enorme` (step-changed)
    additive  product `reembolsos`: added (table-added)
    note      contract: status was `active` and is `deprecated` (documentation)
    note      contract: name changed (documentation)
    note      product `transacciones`: comes from step `ventas_limpias`, was `transacciones` (step-changed)
    note      product `transacciones`: its step no longer reads `moneda` (reads-changed)
    note      product `transacciones`: rows are no longer rejected by `monto_no_positivo` (step-changed)
    note      lookup `usd_rates`: entry `EUR` has another value (lookup-changed)
    note      lookup `usd_rates`: entry `MXN` removed (lookup-changed)
    version 1.0.1 is not enough for additive changes: make it 1.1.0 or later
    ");
    let gone = changed("2.0.0-alpha", |new| {
        new.products.clear();
        new.sources.clear();
        "otra".clone_into(&mut new.domain);
    });
    assert_snapshot!(gone, @r"
    Ventas 1.0.0 -> 2.0.0-alpha: 6 breaking, 0 additive, 0 notes
    breaking  contract: domain was `ventas` and is `otra` (identity); breaks readers, producers
    breaking  product `transacciones`: removed (table-removed); breaks readers
    breaking  product `devoluciones`: removed (table-removed); breaks readers
    breaking  product `daily-revenue`: removed (table-removed); breaks readers
    breaking  source `transacciones`: removed (table-removed); breaks producers
    breaking  source `devoluciones`: removed (table-removed); breaks producers
    version 2.0.0-alpha is enough
    ");
    assert!(gone.is_enough());
}

#[test]
fn versions_that_are_enough() {
    let enough = |old: &str, new: &str, severity: Severity| {
        let change = Change {
            severity,
            rule: Rule::Documentation,
            place: Place::Contract,
            column: None,
            breaks: Vec::new(),
            what: String::new(),
        };
        let (old, new) = (old.parse().unwrap(), new.parse().unwrap());
        Comparison {
            name: String::new(),
            old,
            new,
            changes: vec![change],
        }
        .is_enough()
    };
    use Severity::{Additive, Breaking, Note};
    for (old, new, severity, expected) in [
        ("1.2.3", "2.0.0", Breaking, true),
        ("1.2.3", "1.3.0", Breaking, false),
        ("1.2.3", "1.3.0", Additive, true),
        ("1.2.3", "1.2.4", Additive, false),
        ("1.2.3", "1.2.4", Note, true),
        ("1.2.3", "1.2.3", Note, false),
        ("1.2.3", "1.2.3+build", Note, false),
        ("1.2.3", "1.1.0", Note, false),
        ("0.2.3", "0.3.0", Breaking, true),
        ("0.2.3", "0.2.4", Breaking, false),
        ("0.2.3", "0.2.4", Additive, true),
        ("0.2.3", "1.0.0", Breaking, true),
        ("2.0.0-rc.1", "2.0.0-rc.2", Breaking, true),
        ("2.0.0-rc.1", "2.0.0", Breaking, true),
        ("2.0.0-rc.2", "2.0.0-rc.1", Note, false),
        ("1.2.3", "2.0.0-rc.1", Breaking, true),
    ] {
        assert_eq!(enough(old, new, severity), expected, "{old} -> {new}, {severity}");
    }
}

#[test]
fn checks_break_nobody() {
    let comparison = changed("1.1.0", |contract| {
        let table = &mut contract.products[0].table;
        table.quality[0].comparison = crate::MustBe::Greater(10.into());
        let canal = product(contract, "canal");
        canal.quality[0].description = None;
        canal.quality[0].line = 1;
        let moved = product(contract, "transaccion_id").quality.pop().unwrap();
        product(contract, "moneda").quality.push(moved);
    });
    assert!(!comparison.is_breaking());
    assert_snapshot!(comparison, @r"
    Ventas 1.0.0 -> 1.1.0: 0 breaking, 2 additive, 2 notes
    additive  product `transacciones`: check `sales_arrive` changed (quality-changed)
    additive  product `transacciones`, column `moneda`: check `transaccion_id_unique` added (warning) (quality-changed)
    note      product `transacciones`, column `transaccion_id`: check `transaccion_id_unique` removed (quality-changed)
    note      product `transacciones`, column `canal`: description of check `canal_valid` changed (documentation)
    version 1.1.0 is enough
    ");
}

#[test]
fn another_format_breaks_producers() {
    let csv = |new: &mut Contract| new.sources[0].format = crate::Format::Csv(crate::Csv::default());
    assert_snapshot!(changed("2.0.0", csv), @r"
    Ventas 1.0.0 -> 2.0.0: 1 breaking, 0 additive, 0 notes
    breaking  source `transacciones`: was written as `json` and is as `csv` (format-changed); breaks producers
    version 2.0.0 is enough
    ");
}

#[test]
fn functions_are_the_plugin_s_own() {
    let parsed = |text: &str| {
        let property = format!("{VENTAS}\n  - property: mallaFunctions\n    value:\n{text}");
        let mut contract = Contract::parse(&property).unwrap();
        contract.version = Version::new(1, 0, 0);
        contract
    };
    let kept =
        "      - { name: a, arguments: [{ name: x, physicalType: int }], returns: { physicalType: int } }\n";
    let gone = kept.replace("name: a", "name: b");
    let old = parsed(&format!("{kept}{gone}"));
    let mut new = parsed(&format!(
        "{}{}",
        kept.replace(
            "name: x, physicalType: int",
            "name: x, physicalType: bigint, required: true, description: Any."
        ),
        kept.replace("name: a", "name: c, description: New.")
    ));
    new.version = Version::new(1, 0, 1);
    assert_snapshot!(compare(&old, &new), @r"
    Ventas 1.0.0 -> 1.0.1: 0 breaking, 0 additive, 4 notes
    note      function `a`: was `a(x int) int` and is `a(x bigint required) int` (function-changed)
    note      function `a`: description of an argument changed (documentation)
    note      function `b`: removed (function-changed)
    note      function `c`: added: `c(x int) int` (function-changed)
    version 1.0.1 is enough
    ");
}
