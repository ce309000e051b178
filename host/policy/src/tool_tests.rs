//! What policy authors read.

use insta::assert_snapshot;
use malla_contract::Contract;

use crate::{
    Cases, DECLASSIFY_FILE, GLOBAL_FILE, GROUPS_FILE, MASKS_FILE, Policy, PolicyFiles, ROW_FILTERS_FILE,
    check, diff, explain, misfits,
};

const VENTAS: &str = include_str!("../../../plugins/ventas/contract.yaml");

fn contracts() -> Vec<Contract> {
    vec![Contract::parse(VENTAS).unwrap()]
}

/// The first policy of a mesh, with its domains that have no plugin yet left out.
fn files() -> PolicyFiles {
    PolicyFiles::template("policies")
}

fn add(files: PolicyFiles, name: &str, more: &str) -> PolicyFiles {
    let text = format!("{}\n{more}\n", files.text(name).unwrap_or_default());
    files.with(name, text)
}

fn policy(files: &PolicyFiles) -> Policy {
    Policy::parse(files).unwrap_or_else(|errors| panic!("{errors}"))
}

fn explained(principal: &str, purpose: &str, on: &str) -> String {
    match explain(&policy(&files()), &contracts(), principal, purpose, on) {
        Ok(explanation) => explanation.to_string(),
        Err(error) => error.to_string(),
    }
}

#[test]
fn explain_to_an_analyst() {
    assert_snapshot!(explained("user:luis", "informes", "ventas.transacciones"), @r##"
user:luis may read ventas.transacciones for `informes`.
  user:luis has role:analista-mx (groups.csv:13).
  role:analista-mx has role:analista (groups.csv:8).
  role:analista may read ventas.* for any purpose (global.csv:22).
Rows:
  only where region is Norte (row-filters.toml:14): Regional analysts of Mexico answer for its sales, the region Norte.
Columns:
  transaccion_id  plain
  cliente_id      plain
  producto_id     plain
  monto           plain
  moneda          plain
  monto_usd       plain
  cantidad        plain
  region          plain
  canal           plain
  email           masked (token)        tag = "pii:email" is `token`, before it is stored (masks.toml:18)
  tarjeta         masked (show-last-4)  tag = "pii:card" is `show-last-4`, before it is stored (masks.toml:24)
  timestamp       plain
  fecha           plain
"##);
}

#[test]
fn explain_one_column() {
    assert_snapshot!(explained("service:reportes", "cierre", "ventas.transacciones.email"), @r##"
service:reportes may read ventas.transacciones for `cierre`, and its column email is hidden.
  service:reportes has role:finanzas in ventas (groups.csv:16).
  role:finanzas may read ventas.transacciones/transaccion_id for any purpose (domains/ventas.csv:17).
Rows: all.
Columns:
  email  hidden  no rule lets it be read
"##);
    assert_snapshot!(explained("user:eva", "fraude", "ventas_raw.\"transacciones\"/tarjeta"), @r"
    user:eva may read ventas_raw.transacciones for `fraude`, and its column tarjeta is raw.
      user:eva has role:fraude in ventas (groups.csv:14).
      role:fraude may read ventas_raw.* for `fraude` (global.csv:25).
    Rows: all.
    Columns:
      tarjeta  raw  user:eva has role:fraude in ventas (groups.csv:14). role:fraude may see the values behind the masks of columns tagged pii:card in ventas for `fraude` (global.csv:26).
    ");
}

#[test]
fn explain_what_a_step_sees() {
    let raw = add(
        files(),
        "domains/ventas.csv",
        "p, plugin:ventas, ventas, ventas_raw.transacciones/email, read-raw, ingresos, allow",
    );
    let on = "ventas_raw.transacciones.email";
    assert_snapshot!(explained("plugin:ventas", "ingresos", on), @r"
    Steps of plugin:ventas may read ventas_raw.transacciones for `ingresos`.
      `ingresos` is the purpose that the contract of ventas names; only columns in a step's `reads` enter it.
    Rows: all.
    Columns:
      email  tokens  plugin:ventas may not see the values for `ingresos`
    ");
    // Whatever purpose is asked for: the contract's counts.
    let explained = explain(&policy(&raw), &contracts(), "plugin:ventas", "consulta", on);
    assert_snapshot!(explained.unwrap(), @r#"
Steps of plugin:ventas may read ventas_raw.transacciones for `ingresos`.
  `ingresos` is the purpose that the contract of ventas names; only columns in a step's `reads` enter it.
Rows: all.
Columns:
  email  raw  plugin:ventas may see the values behind the masks of ventas_raw.transacciones/email for `ingresos` (domains/ventas.csv:51).
"#);
}

#[test]
fn explain_a_refusal() {
    assert_snapshot!(explained("user:eva", "informes", "ventas_raw.transacciones"), @r##"
user:eva may not read ventas_raw.transacciones for `informes`.
  No rule lets user:eva read it, or any of its columns, for `informes`.
  user:eva has role:fraude in ventas.
"##);
    assert_snapshot!(explained("user:nadie", "informes", "ventas.transacciones"), @r##"
user:nadie may not read ventas.transacciones for `informes`.
  No rule lets user:nadie read it, or any of its columns, for `informes`.
  user:nadie has no role in ventas.
"##);
    assert_snapshot!(explained("user:ana", "informes", "ventas.nada"), @"no table or column `ventas.nada` in the contracts: there are ventas.transacciones, ventas.devoluciones, ventas.daily-revenue, ventas_raw.transacciones, ventas_raw.devoluciones, ventas_quarantine.transacciones, ventas_quarantine.devoluciones, ventas_quality.transacciones, ventas_quality.devoluciones and ventas_quality.daily-revenue");
    let closed = add(
        files(),
        GLOBAL_FILE,
        "p, role:analista, *, ventas.transacciones, read, informes, deny",
    );
    let closed = explain(
        &policy(&closed),
        &contracts(),
        "user:ana",
        "informes",
        "ventas.transacciones",
    );
    assert_snapshot!(closed.unwrap(), @r"
    user:ana may not read ventas.transacciones for `informes`.
      user:ana has role:analista (groups.csv:12).
      role:analista may not read ventas.transacciones for `informes` (global.csv:31).
    ");
}

#[test]
fn explain_what_is_stored_masked() {
    let raw = add(
        files(),
        GLOBAL_FILE,
        "p, role:analista, ventas, ventas.transacciones/tarjeta, read-raw, auditoria, allow\n\
         p, *, *, pii:email, read, auditoria, deny",
    );
    let explained = explain(
        &policy(&raw),
        &contracts(),
        "user:ana",
        "auditoria",
        "ventas.transacciones",
    );
    assert_snapshot!(explained.unwrap(), @r#"
    user:ana may read ventas.transacciones for `auditoria`.
      user:ana has role:analista (groups.csv:12).
      role:analista may read ventas.* for any purpose (global.csv:22).
    Rows: all.
    Columns:
      transaccion_id  plain
      cliente_id      plain
      producto_id     plain
      monto           plain
      moneda          plain
      monto_usd       plain
      cantidad        plain
      region          plain
      canal           plain
      email           hidden  nobody may read columns tagged pii:email for `auditoria` (global.csv:32).
      tarjeta         raw     user:ana has role:analista (groups.csv:12). role:analista may see the values behind the masks of ventas.transacciones/tarjeta for `auditoria` (global.csv:31). But what is stored is masked already: tag = "pii:card" is `show-last-4`, before it is stored (masks.toml:24).
      timestamp       plain
      fecha           plain
    "#);
}

#[test]
fn the_template_warns_of_nothing() {
    assert_eq!(check(&policy(&files()), &contracts()), []);
    assert_eq!(misfits(&policy(&files()), &contracts()), []);
}

#[test]
fn check_warns_of_what_is_probably_not_meant() {
    let files = PolicyFiles::new("policies")
        .with(crate::MODEL_FILE, crate::model::MODEL)
        .with(
            GLOBAL_FILE,
            "p, role:a, ventas, ventas.*, read, *, allow\n\
             p, role:a, ventas, ventas.transacciones, read, informes, allow\n\
             p, user:ana, ventas, ventas.transacciones/monto, read, *, allow\n\
             p, role:a, ventas, pii:card, read-raw, *, allow\n\
             p, *, *, pii:card, read-raw, *, deny\n\
             p, role:a, *, pii:card, read-raw, fraude, deny\n\
             p, role:a, ventas, ventas.*, read, *, allow\n\
             p, role:nadie, ventas, ventas.transacciones, read, *, allow\n\
             p, user:ana, venta, venta.transacciones, write, *, allow\n\
             p, user:ana, *, ventas.transaccion, write, *, allow\n\
             p, user:ana, *, ventas.transacciones/mont, write, *, allow\n\
             p, user:ana, *, logistica.*, write, *, allow\n\
             p, user:ana, *, pii:mail, write, *, allow\n\
             p, user:ana, *, ventas_quarantine.transacciones, write, *, allow\n\
             p, user:ana, *, ventas_quarantine.otra, write, *, allow\n\
             p, plugin:vents, *, ventas.*, write, *, allow\n\
             p, *, *, pii:email, read-raw, x, allow\n\
             p, user:ana, *, *, write, *, allow\n\
             p, user:ana, *, *, read, *, allow\n\
             p, user:eva, ventas, ventas.transacciones, *, *, allow\n",
        )
        .with(GROUPS_FILE, "g, user:ana, role:a, *\ng, role:nadie, role:menos, *\ng, user:ana, role:a, almacen\n")
        .with(
            MASKS_FILE,
            "[[mask]]\ntag = \"pii:email\"\nmask = \"token\"\nat = \"read\"\n",
        )
        .with(
            ROW_FILTERS_FILE,
            "[[row-filter]]\ntable = \"ventas.transacciones\"\ncolumn = \"regio\"\nequals = 1\n\
             [[row-filter]]\ntable = \"ventas.transacciones\"\ncolumn = \"region\"\nequals = 1\n\
             [[row-filter]]\ntable = \"ventas.transacciones\"\ncolumn = \"cliente_id\"\nequals = \"C1\"\n\
             [[row-filter]]\ntable = \"ventas.nada\"\nfor = [\"role:nadie\"]\ncolumn = \"region\"\nequals = 1\n",
        )
        .with(
            DECLASSIFY_FILE,
            "[[declassify]]\ncolumn = \"ventas.transacciones/dominio\"\nto = \"internal\"\ndrops = []\nreason = \"r\"\n\
             owner = \"o\"\nexpires = 2027-01-31\n",
        );
    let misfits = misfits(&policy(&files), &contracts());
    let said: Vec<String> = misfits.iter().map(ToString::to_string).collect();
    assert_snapshot!(said.join("\n"), @r##"
masks.toml: no mask for column `comentario` of `ventas.devoluciones` (classification `restricted`, tags none): add to policies/masks.toml: [[mask]] classification = "restricted", mask = "replace-with-null" (or another mask)
masks.toml: no mask for column `tarjeta` of `ventas.transacciones` (classification `restricted`, tags `pii:card`): add to policies/masks.toml: [[mask]] tag = "pii:card", mask = "replace-with-null" (or another mask)
row-filters.toml:1: the table has no column `regio`: use one of transaccion_id, cliente_id, producto_id, monto, moneda, monto_usd, cantidad, region, canal, email, tarjeta, timestamp, fecha
row-filters.toml:5: a value that is no `string`, the type of `region`: write texts, in quotes
"##);
    let warnings = check(&policy(&files), &contracts());
    let said: Vec<String> = warnings.iter().map(ToString::to_string).collect();
    assert_snapshot!(said.join("\n"), @r##"
declassify.toml:1: never matches: no column `dominio` in `ventas.transacciones`; correct the name
domains/ventas.csv: no rule lets `plugin:ventas` write `ventas.daily-revenue`: what feeds it does not run; add p, plugin:ventas, ventas, ventas.*, write, *, allow
domains/ventas.csv: no rule lets `plugin:ventas` write `ventas.devoluciones`: what feeds it does not run; add p, plugin:ventas, ventas, ventas.*, write, *, allow
domains/ventas.csv: no rule lets `plugin:ventas` write `ventas.transacciones`: what feeds it does not run; add p, plugin:ventas, ventas, ventas.*, write, *, allow
domains/ventas.csv: no rule lets `plugin:ventas` write `ventas_quarantine.devoluciones`: what feeds it does not run; add p, plugin:ventas, ventas, ventas_quarantine.*, write, *, allow
domains/ventas.csv: no rule lets `plugin:ventas` write `ventas_quarantine.transacciones`: what feeds it does not run; add p, plugin:ventas, ventas, ventas_quarantine.*, write, *, allow
domains/ventas.csv: no rule lets `plugin:ventas` write `ventas_raw.devoluciones`: what feeds it does not run; add p, plugin:ventas, ventas, ventas_raw.*, write, *, allow
domains/ventas.csv: no rule lets `plugin:ventas` write `ventas_raw.transacciones`: what feeds it does not run; add p, plugin:ventas, ventas, ventas_raw.*, write, *, allow
global.csv:2: changes nothing: global.csv:1 says as much or more; remove this one
global.csv:3: changes nothing: global.csv:19 says as much or more; remove this one
global.csv:4: allows nothing: global.csv:5 denies all of it; remove one of the two
global.csv:6: changes nothing: global.csv:5 says as much or more; remove this one
global.csv:7: changes nothing: global.csv:1 says as much or more; remove this one
global.csv:8: never matches: nobody has `role:nadie`; give it to somebody in groups.csv, or remove the rule
global.csv:9: changes nothing: global.csv:18 says as much or more; remove this one
global.csv:9: never matches: no plugin of the domain `venta` is deployed; correct the name, or deploy it
global.csv:10: changes nothing: global.csv:18 says as much or more; remove this one
global.csv:10: never matches: no table `ventas.transaccion` in the contracts; correct the name
global.csv:11: changes nothing: global.csv:18 says as much or more; remove this one
global.csv:11: never matches: no column `mont` in `ventas.transacciones`; correct the name
global.csv:12: changes nothing: global.csv:18 says as much or more; remove this one
global.csv:12: never matches: no domain has a schema `logistica`; correct the name, or deploy the domain's plugin
global.csv:13: changes nothing: global.csv:18 says as much or more; remove this one
global.csv:13: never matches: no column has the tag `pii:mail`; correct it, or tag the columns in their contracts
global.csv:14: changes nothing: global.csv:18 says as much or more; remove this one
global.csv:15: changes nothing: global.csv:18 says as much or more; remove this one
global.csv:15: never matches: no table `ventas_quarantine.otra` in the contracts; correct the name
global.csv:16: never matches: no plugin `vents` is deployed; deploy it, or remove the rule
global.csv:17: too broad: anybody sees values behind masks; name who needs them
global.csv:18: too broad: every table of every schema; name what is needed
global.csv:19: too broad: every table of every schema; name what is needed
global.csv:20: too broad: every action, those to come too; write a rule for each that is needed
groups.csv:3: never matches: no plugin of the domain `almacen` is deployed; correct the name, or deploy it
masks.toml: no mask for column `comentario` of `ventas_raw.devoluciones` (classification `restricted`, tags none): add to policies/masks.toml: [[mask]] classification = "restricted", mask = "replace-with-null" (or another mask)
masks.toml: no mask for column `line` of `ventas_quarantine.devoluciones` (classification `restricted`, tags none): add to policies/masks.toml: [[mask]] classification = "restricted", mask = "replace-with-null" (or another mask)
masks.toml: no mask for column `line` of `ventas_quarantine.transacciones` (classification `restricted`, tags none): add to policies/masks.toml: [[mask]] classification = "restricted", mask = "replace-with-null" (or another mask)
masks.toml: no mask for column `tarjeta` of `ventas_raw.transacciones` (classification `restricted`, tags `pii:card`): add to policies/masks.toml: [[mask]] tag = "pii:card", mask = "replace-with-null" (or another mask)
masks.toml:1: `pii:email` is stored plain, for anybody who can read the lake's files; remove at = "read" unless somebody needs the values
row-filters.toml:13: never matches: no table `ventas.nada` in the contracts; correct the name
row-filters.toml:13: nobody has `role:nadie`; give it to somebody in groups.csv, or correct the name
"##);
}

#[test]
fn diff_says_who_gains_and_who_loses() {
    let old = policy(&files());
    let changed = add(
        files(),
        GLOBAL_FILE,
        "p, role:analista, ventas, ventas_raw.transacciones, read, calidad, allow\n\
         p, plugin:ventas, ventas, ventas_raw.transacciones/email, read-raw, ingresos, allow\n\
         p, role:finanzas, ventas, ventas.transacciones/canal, read, *, allow\n\
         p, *, *, pii:card, read, *, deny",
    );
    let changed = add(
        changed,
        ROW_FILTERS_FILE,
        "[[row-filter]]\ntable = \"ventas.transacciones\"\nfor = [\"role:finanzas\"]\ncolumn = \"canal\"\nnot-in = [\"tienda\"]",
    );
    let changed = add(changed, GROUPS_FILE, "g, user:nuevo, role:analista, *");
    let masks = changed
        .text(MASKS_FILE)
        .unwrap()
        .replace("\nmask = \"token\"", "\nmask = \"mask-alphanum\"");
    let masks = masks.replace("action = \"mask\"\nreason", "action = \"block\"\nreason");
    let changed = changed.with(MASKS_FILE, masks);
    let changed = add(
        changed,
        DECLASSIFY_FILE,
        "[[declassify]]\ncolumn = \"ventas.transacciones/canal\"\nto = \"internal\"\ndrops = [\"pii:email\"]\nreason = \"r\"\n\
         owner = \"o\"\nexpires = 2027-01-31",
    );
    let new = policy(&changed);
    assert_snapshot!(diff(&old, &new, &contracts()), @r##"
undeclared pii:phone
  block, was mask
ventas.daily-revenue
  user:nuevo: gain it: columns: 6 plain
ventas.devoluciones
  user:nuevo: gain it: columns: 10 plain and 1 masked
ventas.transacciones
  user:nuevo: gain it: columns: 11 plain, 1 masked and 1 hidden
  role:finanzas and service:reportes: see only rows where canal is not tienda
ventas.transacciones/canal
  role:finanzas and service:reportes: gain it, plain
  may be declared internal without pii:email, until 2027-01-31
ventas.transacciones/email
  plugin:ventas: see it masked with mask-alphanum, was masked with token, to join as pii:email (for ingresos)
  role:analista, role:analista-mx, role:equipo-ventas, role:plataforma, user:admin, user:ana, user:luis and user:vera: see it masked with mask-alphanum, was masked with token, to join as pii:email
ventas.transacciones/tarjeta
  plugin:ventas: lose it, was masked with show-last-4 (for ingresos)
  role:analista, role:analista-mx, role:equipo-ventas, role:plataforma, user:admin, user:ana, user:luis and user:vera: lose it, was masked with show-last-4
ventas_quarantine.transacciones/line
  role:equipo-ventas, role:plataforma, user:admin and user:vera: lose it, was masked with replace-with-null
ventas_raw.transacciones
  role:analista, role:analista-mx, user:ana, user:luis and user:nuevo: gain it: columns: 12 plain, 1 masked and 1 hidden (for calidad)
ventas_raw.transacciones/email
  role:equipo-ventas, role:plataforma, user:admin and user:vera: see it masked with mask-alphanum, was masked with token, to join as pii:email
  role:fraude and user:eva: see it masked with mask-alphanum, was masked with token, to join as pii:email (for fraude)
  plugin:ventas: see it raw in the sandbox, were given tokens (for ingresos)
ventas_raw.transacciones/tarjeta
  role:equipo-ventas, role:plataforma, user:admin and user:vera: lose it, was masked with show-last-4
  role:fraude and user:eva: lose it, was raw (for fraude)
"##);
    assert_snapshot!(diff(&old, &old, &contracts()), @"Nothing changes for anybody.");
    assert_eq!(
        diff(&old, &new, &contracts()).0.len(),
        diff(&new, &old, &contracts()).0.len()
    );
}

#[test]
fn the_template_passes_its_tests() {
    let report = Cases::parse(&files())
        .unwrap()
        .run(&policy(&files()), &contracts())
        .unwrap();
    assert!(report.is_good(), "{report}");
    assert!(report.count > 5);
}

#[test]
fn cases_that_do_not_hold_are_told() {
    let cases = r#"
[[case]]
name = "an analyst sees everything"
principal = "user:luis"
purpose = "informes"
table = "ventas.transacciones"
rows = []
[case.columns]
email = "raw"
tarjeta = "masked"
nada = "plain"

[[case]]
name = "an analyst sees raw data"
principal = "user:luis"
purpose = "informes"
table = "ventas_raw.transacciones"
expect = "readable"

[[case]]
name = "an analyst is kept out"
principal = "user:luis"
purpose = "informes"
table = "ventas.transacciones"
expect = "denied"

[[case]]
name = "a table"
principal = "user:luis"
purpose = "informes"
table = "ventas.nada"
expect = "denied"

[[case]]
name = "one that holds"
principal = "user:luis"
purpose = "informes"
table = "ventas.transacciones"
rows = ["region is Norte"]
"#;
    let files = files().with("tests/ventas.toml", cases);
    let report = Cases::parse(&files)
        .unwrap()
        .run(&policy(&files), &contracts())
        .unwrap();
    assert_snapshot!(report, @r#"
1 of 5 FAILED  an analyst sees everything
    tests/ventas.toml:2: email: expected raw, is token
    tests/ventas.toml:2: no column `nada` in `ventas.transacciones`
    tests/ventas.toml:2: rows: expected all, are `region is Norte`
2 of 5 FAILED  an analyst sees raw data
    tests/ventas.toml:13: expected to be readable, is denied
3 of 5 FAILED  an analyst is kept out
    tests/ventas.toml:20: expected to be denied, is readable
4 of 5 FAILED  a table
    tests/ventas.toml:27: no table `ventas.nada` in the contracts: there are ventas.transacciones, ventas.devoluciones, ventas.daily-revenue, ventas_raw.transacciones, ventas_raw.devoluciones, ventas_quarantine.transacciones, ventas_quarantine.devoluciones, ventas_quality.transacciones, ventas_quality.devoluciones and ventas_quality.daily-revenue
5 of 5 OK      one that holds
1 of 5 cases hold.
"#);
    assert_eq!((report.passed(), report.failures().count()), (1, 6));
}

#[test]
fn wrong_cases_are_told() {
    let files = files().with(
        "tests/mal.toml",
        r#"
[[case]]
name = "a"
[[case]]
name = "b"
principal = "user:a"
purpose = "p"
table = "t"
expect = "allowed"
[[case]]
name = "c"
principal = "user:a"
purpose = "p"
table = "t"
expect = "denied"
rows = []
[[case]]
name = "d"
principal = "user:a"
purpose = "p"
table = "t"
colums = { a = "raw" }
[case.columns]
a = "visible"
b = 1
[[test]]
"#,
    );
    assert_snapshot!(Cases::parse(&files).unwrap_err(), @r##"
policies/tests/mal.toml:2: a case needs `principal`: add it
policies/tests/mal.toml:2: a case needs `purpose`: add it
policies/tests/mal.toml:2: a case needs `table`: add it
policies/tests/mal.toml:2: a case that expects nothing: add expect = "denied" or "readable", `rows`, or [case.columns]
policies/tests/mal.toml:4: `allowed` is no expectation: write "denied" or "readable"
policies/tests/mal.toml:10: a case that expects to be denied, and to see something: make two cases of it
policies/tests/mal.toml:22: unknown key `colums` in a case: use one of name, principal, purpose, table, expect, columns, rows
policies/tests/mal.toml:24: `visible` is nothing that can be seen: write hidden, raw, plain, masked, or the name of a mask
policies/tests/mal.toml:25: `b` must be text that is not empty
policies/tests/mal.toml:26: unknown key `test` in the file: use one of case
"##);
}
