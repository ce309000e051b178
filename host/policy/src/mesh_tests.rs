//! Policies against the tables that contracts promise.

use insta::assert_snapshot;
use malla_contract::Contract;

use crate::{
    Cases, DOMAIN_TEMPLATES, GLOBAL_FILE, MASKS_FILE, Policy, PolicyFiles, ROW_FILTERS_FILE, check, explain,
    misfits,
};

fn contracts() -> Vec<Contract> {
    vec![Contract::parse(include_str!("../../../plugins/ventas/contract.yaml")).unwrap()]
}

fn files() -> PolicyFiles {
    PolicyFiles::template("policies")
}

fn policy(files: &PolicyFiles) -> Policy {
    Policy::parse(files).unwrap_or_else(|errors| panic!("{errors}"))
}

#[test]
fn what_cannot_be_applied_to_the_mesh_is_told_apart() {
    let masks = files()
        .text(MASKS_FILE)
        .unwrap()
        .replace("mask = \"token\"", "mask = \"truncate-to-year\"");
    let filter = |table: &str, column: &str, condition: &str| {
        format!("[[row-filter]]\ntable = \"{table}\"\ncolumn = \"{column}\"\n{condition}\n")
    };
    let filters = [
        filter("ventas.transacciones", "tarjeta", "equals = \"1\""),
        filter("ventas.transacciones", "nada", "equals = \"1\""),
        filter("ventas_raw.transacciones", "tarjeta", "equals = \"1\""),
        filter("ventas_quarantine.transacciones", "line", "equals = \"1\""),
        filter("ventas_raw.transacciones", "fecha", "at-least = 2026-01-01"),
        filter("ventas.transacciones", "monto", "at-least = 10"),
    ];
    let files = files()
        .with(MASKS_FILE, masks)
        .with(ROW_FILTERS_FILE, filters.concat());
    let misfits = misfits(&policy(&files), &contracts());
    let said: Vec<String> = misfits.iter().map(ToString::to_string).collect();
    assert_snapshot!(said.join("\n"), @r##"
masks.toml:18: mask `truncate-to-year` (policies/masks.toml:18) cannot hide column `email` of `ventas.transacciones`, a `string`: this mask hides dates and timestamps only: use `mask-to-default` or `replace-with-null`, or make the column a date
row-filters.toml:1: `tarjeta` is stored masked (show-last-4 by masks.toml:24), so no row can be told by its true value: use another column, or give the mask at = "read"
row-filters.toml:5: the table has no column `nada`: use one of transaccion_id, cliente_id, producto_id, monto, moneda, monto_usd, cantidad, region, canal, email, tarjeta, timestamp, fecha
row-filters.toml:9: `tarjeta` is stored sealed, so no row can be told from another by it: use another column
row-filters.toml:13: `line` is stored sealed, so no row can be told from another by it: use another column
"##);
}

/// A right to the line that was not decoded is no way round what the platform denies of what stands in it.
#[test]
fn a_quarantined_line_is_denied_with_what_it_holds() {
    let line = "p, user:ana, ventas, ventas_quarantine.transacciones, read, *, allow\n\
                p, user:ana, ventas, ventas_quarantine.transacciones/line, read-raw, *, allow\n";
    let deny = "p, *, *, pii:card, read-raw, prueba, deny\n";
    let email = "p, user:ana, ventas, ventas_quarantine.transacciones, read, *, allow\n\
                 p, user:ana, ventas, pii:email, read-raw, *, allow\n";
    let global = files().text(GLOBAL_FILE).unwrap().to_owned();
    let seen = |rules: &str, purpose: &str| {
        let policy = policy(&files().with(GLOBAL_FILE, format!("{global}{rules}")));
        let on = "ventas_quarantine.transacciones.line";
        explain(&policy, &contracts(), "user:ana", purpose, on)
            .unwrap()
            .columns[0]
            .1
            .clone()
    };
    assert_eq!(seen(line, "prueba"), "raw");
    assert_eq!(
        seen(&format!("{line}{deny}"), "prueba"),
        "masked (replace-with-null)"
    );
    assert_eq!(seen(&format!("{line}{deny}"), "informes"), "raw");
    // Who may see the addresses may not therefore see all else that is in a line.
    assert_eq!(seen(email, "informes"), "masked (replace-with-null)");
}

/// Whichever domains a mesh has beside ventas: their files fit their contracts, and miss no other domain's.
#[test]
fn the_templates_of_domains_fit_their_contracts() {
    let others = [
        (
            "logistica",
            include_str!("../../../plugins/logistica/contract.yaml"),
        ),
        (
            "producto",
            include_str!("../../../plugins/producto/contract.yaml"),
        ),
    ];
    for (_, name, _) in DOMAIN_TEMPLATES {
        assert!(files().text(name).is_none(), "{name} is in every mesh");
    }
    for chosen in [&others[..1], &others[1..], &others[..]] {
        let (mut files, mut contracts) = (files(), contracts());
        for (domain, contract) in chosen {
            contracts.push(Contract::parse(contract).unwrap());
            for (_, name, text) in DOMAIN_TEMPLATES.iter().filter(|(of, ..)| of == domain) {
                files = files.with(name, *text);
            }
        }
        let policy = policy(&files);
        assert_eq!(check(&policy, &contracts), []);
        assert_eq!(misfits(&policy, &contracts), []);
        let report = Cases::parse(&files).unwrap().run(&policy, &contracts).unwrap();
        assert!(report.is_good(), "{report}");
        assert!(report.count > 8, "{}", report.count);
    }
}
