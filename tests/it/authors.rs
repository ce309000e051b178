//! `malla policy`: check, test, explain, diff.

use crate::support::{Mesh, text};

/// What a command says, with the mesh's folder replaced, and its exit status.
fn said(mesh: &Mesh, arguments: &[&str]) -> (i32, String) {
    let config = mesh.config();
    let all = [
        &["policy"],
        &arguments[..1],
        &["--config", config.to_str().unwrap()],
        &arguments[1..],
    ]
    .concat();
    let output = mesh.output(&all);
    let said = text(&output).replace(mesh.path().to_str().unwrap(), "[mesh]");
    (output.status.code().unwrap(), said.trim().to_owned())
}

/// A mesh whose groups do not name whoever runs the tests.
fn mesh() -> Mesh {
    let mesh = Mesh::ventas();
    let groups = mesh.path().join("policies/groups.csv");
    let text = std::fs::read_to_string(&groups).unwrap();
    let (text, _) = text.split_once("# Who made this mesh.").unwrap();
    std::fs::write(groups, text).unwrap();
    mesh
}

#[test]
fn check_finds_nothing_where_nothing_is_wrong() {
    insta::assert_snapshot!(said(&mesh(), &["check"]).1, @"[mesh]/policies is valid: 37 rules, 8 masks, 0 warnings");
}

#[test]
fn check_names_file_line_and_remedy() {
    let mesh = mesh();
    mesh.add(
        "policies/global.csv",
        "p, role:analista, ventas, ventas.*, read, *, Deny\nq, role:analista, ventas",
    );
    mesh.add(
        "policies/domains/ventas.csv",
        "p, role:equipo-ventas, finanzas, finanzas.*, read, *, allow",
    );
    mesh.add(
        "policies/masks.toml",
        "[[mask]]\ntag = \"pii:voice\"\nmask = \"tokn\"",
    );
    mesh.add("policies/groups.csv", "g, ana, role:analista, *");
    mesh.add(
        "policies/row-filters.toml",
        "[[row-filter]]\ntable = \"ventas.transacciones\"\ncolumn = \"region\"",
    );
    mesh.add(
        "policies/declassify.toml",
        "[[declassify]]\ncolumn = \"ventas.transacciones/email\"\nto = \"internal\"",
    );
    std::fs::write(mesh.path().join("policies/domains/ventas_raw.csv"), "").unwrap();
    let (code, said) = said(&mesh, &["check"]);
    assert_eq!(code, 1);
    insta::assert_snapshot!(said, @r#"
error: [mesh]/policies/declassify.toml:14: a `[[declassify]]` needs `drops`: add it
[mesh]/policies/declassify.toml:14: a `[[declassify]]` needs `reason`: add it
[mesh]/policies/declassify.toml:14: a `[[declassify]]` needs `owner`: add it
[mesh]/policies/declassify.toml:14: a `[[declassify]]` needs `expires`: add it
[mesh]/policies/domains/ventas.csv:51: `finanzas.*` is not one of `ventas`'s own objects: name something in `ventas`, `ventas_raw`, `ventas_quarantine` or `ventas_quality`; rules about tags, other domains or everything are the platform's, in `global.csv`
[mesh]/policies/domains/ventas.csv:51: a line for the domain `finanzas` in the file of `ventas`: write `ventas`, or move the line to the platform's files
[mesh]/policies/domains/ventas_raw.csv: no domain can be called `ventas_raw`: `_raw`, `_quarantine` and `_quality` end the names of the host's schemas; rename it
[mesh]/policies/global.csv:31: `Deny` is neither `allow` nor `deny`: write one of them, in small letters
[mesh]/policies/global.csv:32: a line that begins with `q`: begin it with `p` (p, subject, domain, object, action, purpose, allow or deny) or `g` (g, member, role, domain); a comment begins with `#`
[mesh]/policies/groups.csv:19: `ana` is no principal: who has a role is named, not `*`: write `user:`, `service:`, `plugin:` or `role:`, and a name
[mesh]/policies/masks.toml:80: unknown mask `tokn`: use one of token, show-last-4, show-first-4, replace-with-null, mask-alphanum, mask-to-default, truncate-to-year, truncate-to-month, sha-256-query-local, email-domain
[mesh]/policies/row-filters.toml:28: a row filter without a condition: add one of equals, in, not-in, at-least, at-most, between
"#);
}

/// What is valid by itself, and would stop a flow or refuse every reader, is no warning.
#[test]
fn check_fails_where_a_policy_does_not_fit_the_mesh() {
    let mesh = mesh();
    mesh.edit(
        "policies/masks.toml",
        "mask = \"token\"",
        "mask = \"truncate-to-year\"",
    );
    mesh.add(
        "policies/row-filters.toml",
        "[[row-filter]]\ntable = \"ventas.transacciones\"\ncolumn = \"tarjeta\"\nequals = \"1\"\n\
         [[row-filter]]\ntable = \"ventas.transacciones\"\ncolumn = \"monto\"\nequals = \"mucho\"",
    );
    let (code, said) = said(&mesh, &["check"]);
    assert_eq!(code, 1);
    insta::assert_snapshot!(said, @r#"
error: [mesh]/policies/masks.toml:18: mask `truncate-to-year` ([mesh]/policies/masks.toml:18) cannot hide column `email` of `ventas.transacciones`, a `string`: this mask hides dates and timestamps only: use `mask-to-default` or `replace-with-null`, or make the column a date
error: [mesh]/policies/row-filters.toml:28: `tarjeta` is stored masked (show-last-4 by masks.toml:24), so no row can be told by its true value: use another column, or give the mask at = "read"
error: [mesh]/policies/row-filters.toml:32: a value that is no `decimal(18,2)`, the type of `monto`: write numbers of at most 18 digits, 2 of them after the point
[mesh]/policies does not fit the mesh (3 errors): 37 rules, 8 masks, 0 warnings
"#);
}

#[test]
fn no_file_of_a_policy_folder_is_passed_over() {
    let mesh = mesh();
    let policies = mesh.path().join("policies");
    std::fs::rename(
        policies.join("domains/ventas.csv"),
        policies.join("domains/ventas.CSV"),
    )
    .unwrap();
    std::fs::remove_file(policies.join("declassify.toml")).unwrap();
    let pipe = policies.join("declassify.toml");
    let made = std::process::Command::new("mkfifo").arg(&pipe).status().unwrap();
    assert!(made.success());
    let (code, told) = said(&mesh, &["check"]);
    assert_eq!(code, 1);
    assert!(told.contains("domains/ventas.CSV: means nothing here"), "{told}");
    assert!(told.contains("declassify.toml: is no regular file"), "{told}");
    std::fs::remove_file(pipe).unwrap();
    std::fs::rename(
        policies.join("domains/ventas.CSV"),
        policies.join("domains/ventas.csv"),
    )
    .unwrap();
    std::fs::remove_file(policies.join("tests/ventas.toml")).unwrap();
    let (code, told) = said(&mesh, &["test"]);
    assert_eq!(code, 1);
    assert!(told.contains("there is no case in"), "{told}");
    std::fs::write(policies.join("tests/ventas.toml"), "[[case]\n").unwrap();
    let (code, told) = said(&mesh, &["check"]);
    assert_eq!(code, 1);
    assert!(told.contains("tests/ventas.toml:1"), "{told}");
}

#[test]
fn check_warns_of_what_is_probably_not_meant() {
    let mesh = mesh();
    mesh.add(
        "policies/domains/ventas.csv",
        "p, role:finanzas, ventas, ventas.transacciones/imporde, read, *, allow\n\
         p, role:equipo-ventas, ventas, ventas.transacciones, read, *, allow\n\
         p, *, ventas, ventas.*, read, *, allow\n\
         p, role:nadie, ventas, ventas.*, read, *, allow",
    );
    let (code, warned) = said(&mesh, &["check"]);
    assert_eq!(code, 0);
    insta::assert_snapshot!(warned, @r#"
warning: [mesh]/policies/domains/ventas.csv:10: changes nothing: domains/ventas.csv:53 says as much or more; remove this one
warning: [mesh]/policies/domains/ventas.csv:17: changes nothing: domains/ventas.csv:53 says as much or more; remove this one
warning: [mesh]/policies/domains/ventas.csv:18: changes nothing: domains/ventas.csv:53 says as much or more; remove this one
warning: [mesh]/policies/domains/ventas.csv:19: changes nothing: domains/ventas.csv:53 says as much or more; remove this one
warning: [mesh]/policies/domains/ventas.csv:20: changes nothing: domains/ventas.csv:53 says as much or more; remove this one
warning: [mesh]/policies/domains/ventas.csv:21: changes nothing: domains/ventas.csv:53 says as much or more; remove this one
warning: [mesh]/policies/domains/ventas.csv:22: changes nothing: domains/ventas.csv:53 says as much or more; remove this one
warning: [mesh]/policies/domains/ventas.csv:25: changes nothing: domains/ventas.csv:53 says as much or more; remove this one
warning: [mesh]/policies/domains/ventas.csv:31: changes nothing: domains/ventas.csv:53 says as much or more; remove this one
warning: [mesh]/policies/domains/ventas.csv:32: changes nothing: domains/ventas.csv:53 says as much or more; remove this one
warning: [mesh]/policies/domains/ventas.csv:33: changes nothing: domains/ventas.csv:53 says as much or more; remove this one
warning: [mesh]/policies/domains/ventas.csv:34: changes nothing: domains/ventas.csv:53 says as much or more; remove this one
warning: [mesh]/policies/domains/ventas.csv:35: changes nothing: domains/ventas.csv:53 says as much or more; remove this one
warning: [mesh]/policies/domains/ventas.csv:36: changes nothing: domains/ventas.csv:53 says as much or more; remove this one
warning: [mesh]/policies/domains/ventas.csv:37: changes nothing: domains/ventas.csv:53 says as much or more; remove this one
warning: [mesh]/policies/domains/ventas.csv:38: changes nothing: domains/ventas.csv:53 says as much or more; remove this one
warning: [mesh]/policies/domains/ventas.csv:49: changes nothing: domains/ventas.csv:53 says as much or more; remove this one
warning: [mesh]/policies/domains/ventas.csv:51: changes nothing: domains/ventas.csv:53 says as much or more; remove this one
warning: [mesh]/policies/domains/ventas.csv:51: never matches: no column `imporde` in `ventas.transacciones`; correct the name
warning: [mesh]/policies/domains/ventas.csv:52: changes nothing: domains/ventas.csv:10 says as much or more; remove this one
warning: [mesh]/policies/domains/ventas.csv:53: too broad: anybody reads every table; name who, or which tables
warning: [mesh]/policies/domains/ventas.csv:54: changes nothing: domains/ventas.csv:53 says as much or more; remove this one
warning: [mesh]/policies/domains/ventas.csv:54: never matches: nobody has `role:nadie`; give it to somebody in groups.csv, or remove the rule
warning: [mesh]/policies/global.csv:22: changes nothing: domains/ventas.csv:53 says as much or more; remove this one
[mesh]/policies is valid: 41 rules, 8 masks, 24 warnings
"#);
    assert_eq!(said(&mesh, &["check", "--strict"]).0, 1);
}

#[test]
fn test_tells_what_does_not_hold() {
    let mesh = mesh();
    let (code, good) = said(&mesh, &["test"]);
    assert_eq!(code, 0, "{good}");
    assert!(good.ends_with("14 of 14 cases hold."), "{good}");
    mesh.add(
        "policies/tests/ventas.toml",
        "[[case]]\nname = \"an analyst sees cards\"\nprincipal = \"user:ana\"\npurpose = \"informes\"\n\
         table = \"ventas.transacciones\"\n[case.columns]\ntarjeta = \"raw\"\n\n\
         [[case]]\nname = \"luis sees all\"\nprincipal = \"user:luis\"\npurpose = \"informes\"\n\
         table = \"ventas.transacciones\"\nrows = []",
    );
    let (code, bad) = said(&mesh, &["test"]);
    assert_eq!(code, 1);
    let bad: Vec<&str> = bad.lines().skip(14).collect();
    insta::assert_snapshot!(bad.join("\n"), @r"
    15 of 16 FAILED  an analyst sees cards
        tests/ventas.toml:140: tarjeta: expected raw, is show-last-4
    16 of 16 FAILED  luis sees all
        tests/ventas.toml:148: rows: expected all, are `region is Norte`
    14 of 16 cases hold.
    ");
}

#[test]
fn explain_says_it_as_a_person_would() {
    let mesh = mesh();
    let explain = |principal: &str, purpose: &str, on: &str| {
        said(
            &mesh,
            &["explain", "--as", principal, "--purpose", purpose, "--on", on],
        )
        .1
    };
    insta::assert_snapshot!(explain("user:luis", "informes", "ventas.transacciones"), @r#"
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
    "#);
    insta::assert_snapshot!(explain("user:eva", "fraude", "ventas_raw.transacciones.tarjeta"), @r"
    user:eva may read ventas_raw.transacciones for `fraude`, and its column tarjeta is raw.
      user:eva has role:fraude in ventas (groups.csv:14).
      role:fraude may read ventas_raw.* for `fraude` (global.csv:25).
    Rows: all.
    Columns:
      tarjeta  raw  user:eva has role:fraude in ventas (groups.csv:14). role:fraude may see the values behind the masks of columns tagged pii:card in ventas for `fraude` (global.csv:26).
    ");
    insta::assert_snapshot!(explain("service:reportes", "cierre", "ventas.transacciones.email"), @r"
    service:reportes may read ventas.transacciones for `cierre`, and its column email is hidden.
      service:reportes has role:finanzas in ventas (groups.csv:16).
      role:finanzas may read ventas.transacciones/transaccion_id for any purpose (domains/ventas.csv:17).
    Rows: all.
    Columns:
      email  hidden  no rule lets it be read
    ");
    insta::assert_snapshot!(explain("user:nadie", "informes", "ventas.transacciones"), @r"
    user:nadie may not read ventas.transacciones for `informes`.
      No rule lets user:nadie read it, or any of its columns, for `informes`.
      user:nadie has no role in ventas.
    ");
    insta::assert_snapshot!(explain("user:ana", "informes", "ventas.nada"), @"error: no table or column `ventas.nada` in the contracts: there are ventas.transacciones, ventas.devoluciones, ventas.daily-revenue, ventas_raw.transacciones, ventas_raw.devoluciones, ventas_quarantine.transacciones, ventas_quarantine.devoluciones, ventas_quality.transacciones, ventas_quality.devoluciones, ventas_quality.daily-revenue and malla.runs");
}

#[test]
fn diff_says_who_gains_and_loses_what() {
    let old = mesh();
    let new = mesh();
    new.add("policies/groups.csv", "g, user:rosa, role:analista-mx, *");
    new.add(
        "policies/domains/ventas.csv",
        "p, role:finanzas, ventas, ventas.transacciones/cantidad, read, *, allow",
    );
    new.edit(
        "policies/row-filters.toml",
        "equals = \"Norte\"",
        "in = [\"Norte\", \"Sur\"]",
    );
    new.edit(
        "policies/masks.toml",
        "tag = \"pii:email\"\nmask = \"token\"",
        "tag = \"pii:email\"\nmask = \"email-domain\"",
    );
    new.edit(
        "policies/global.csv",
        "p, role:fraude, ventas, pii:card, read-raw, fraude, allow\n",
        "",
    );
    let (a, b) = (old.path().join("policies"), new.path().join("policies"));
    let diff = |a: &std::path::Path, b: &std::path::Path| {
        said(&old, &["diff", a.to_str().unwrap(), b.to_str().unwrap()])
    };
    let (code, changes) = diff(&a, &b);
    assert_eq!(code, 0);
    insta::assert_snapshot!(changes, @r"
    ventas.daily-revenue
      user:rosa: gain it: columns: 6 plain
    ventas.devoluciones
      user:rosa: gain it: columns: 10 plain and 1 masked; only rows where region is Norte or Sur
      role:analista-mx and user:luis: no longer see only rows where region is Norte
      role:analista-mx and user:luis: see only rows where region is Norte or Sur
    ventas.transacciones
      user:rosa: gain it: columns: 11 plain and 2 masked; only rows where region is Norte or Sur
      role:analista-mx and user:luis: no longer see only rows where region is Norte
      role:analista-mx and user:luis: see only rows where region is Norte or Sur
    ventas.transacciones/cantidad
      role:finanzas and service:reportes: gain it, plain
    ventas.transacciones/email
      plugin:ventas: see it masked with email-domain, was masked with token, to join as pii:email (for ingresos)
      role:analista, role:analista-mx, role:equipo-ventas, role:plataforma, user:admin, user:ana, user:luis and user:vera: see it masked with email-domain, was masked with token, to join as pii:email
    ventas_raw.transacciones/email
      role:equipo-ventas, role:plataforma, user:admin and user:vera: see it masked with email-domain, was masked with token, to join as pii:email
      role:fraude and user:eva: see it masked with email-domain, was masked with token, to join as pii:email (for fraude)
    ventas_raw.transacciones/tarjeta
      role:fraude and user:eva: see it masked with show-last-4, was raw (for fraude)
    ");
    assert_eq!(diff(&a, &a).1, "Nothing changes for anybody.");
}
