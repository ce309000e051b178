//! What somebody sees of a table, and what a contract must declare.

use insta::assert_snapshot;
use malla_contract::Date;
use malla_contract::{Classification, Column, ColumnType, MaskKind, Table};
use proptest::prelude::*;
use proptest::sample::{select, subsequence};

use crate::{
    Action, ColumnView, DECLASSIFY_FILE, GLOBAL_FILE, GROUPS_FILE, Inflow, MASKS_FILE, MODEL_FILE, Policy,
    PolicyFiles, ROW_FILTERS_FILE, Refused, Request, pseudonym,
};

const MASKS: &str = r#"
[[mask]]
tag = "pii:email"
mask = "token"
[[mask]]
tag = "pii:card"
mask = "show-last-4"
"#;

fn files(global: &str) -> PolicyFiles {
    PolicyFiles::new("policies")
        .with(MODEL_FILE, crate::model::MODEL)
        .with(MASKS_FILE, MASKS)
        .with(GLOBAL_FILE, global)
        .with(GROUPS_FILE, "g, user:ana, role:a, *\ng, role:a, role:b, *\n")
}

fn policy(global: &str) -> Policy {
    Policy::parse(&files(global)).unwrap_or_else(|errors| panic!("{errors}"))
}

fn column(name: &str, ty: ColumnType, classification: Classification, tags: &[&str]) -> Column {
    Column {
        name: name.into(),
        ty,
        required: false,
        unique: false,
        primary_key: false,
        partition: None,
        classification,
        tags: tags.iter().map(|&tag| tag.to_owned()).collect(),
        holds: std::collections::BTreeSet::new(),
        description: None,
        quality: Vec::new(),
    }
}

fn columns() -> Vec<Column> {
    let text = |name, classification, tags: &[&str]| column(name, ColumnType::Utf8, classification, tags);
    vec![
        text("id", Classification::Internal, &[]),
        text("email", Classification::Restricted, &["pii:email"]),
        text("tarjeta", Classification::Restricted, &["pii:card", "cuenta"]),
    ]
}

/// What user:ana sees of `ventas.t`, in a word a column.
fn seen(policy: &Policy) -> String {
    match policy.view("user:ana", "ventas", "ventas.t", &columns(), "informes") {
        Err(error) => error.to_string(),
        Ok(view) => {
            let words = view.columns.iter().map(|column| match column {
                ColumnView::Hidden { rule } => {
                    format!(
                        "hidden {}",
                        rule.map_or("-".to_owned(), |rule| rule.id.line.to_string())
                    )
                }
                ColumnView::Raw { why, .. } => format!("raw {}", why.id.line),
                ColumnView::Masked { rule } => rule.mask.to_string(),
                ColumnView::Plain => "plain".to_owned(),
            });
            format!("{}: {}", view.rule.id.line, words.collect::<Vec<_>>().join(", "))
        }
    }
}

#[test]
fn what_is_seen_of_a_table() {
    let denied = "`user:ana` may not read `ventas.t` for `informes`: ask the owner of the data for a rule that allows it";
    for (rules, expected) in [
        (&[][..], denied),
        (
            &["p, role:b, *, ventas.t, read, *, allow"],
            "1: plain, token, show-last-4",
        ),
        (&["p, role:b, *, ventas.t, read, otro, allow"], denied),
        (&["p, role:b, otro, ventas.t, read, *, allow"], denied),
        (
            &["p, user:ana, *, ventas.t/id, read, *, allow"],
            "1: plain, hidden -, hidden -",
        ),
        (
            &["p, *, *, ventas.t/*, read, *, allow"],
            "1: plain, token, show-last-4",
        ),
        // A deny on the table closes it, whatever its columns say.
        (
            &[
                "p, *, *, ventas.t/*, read, *, allow",
                "p, role:a, *, ventas.t, read, *, deny",
            ],
            denied,
        ),
        (
            &[
                "p, *, *, ventas.t, read, *, allow",
                "p, *, *, ventas.t/email, read, *, deny",
            ],
            "1: plain, hidden 2, show-last-4",
        ),
        // A deny on a tag hides the columns that carry it.
        (
            &[
                "p, *, *, ventas.t, read, *, allow",
                "p, role:b, *, cuenta, read, *, deny",
            ],
            "1: plain, token, hidden 2",
        ),
        (
            &[
                "p, *, *, ventas.t/tarjeta, read, *, allow",
                "p, *, *, pii:card, read, *, deny",
            ],
            denied,
        ),
        // A tag that may be read opens no column.
        (&["p, *, *, pii:card, read, *, allow"], denied),
        // The values behind masks: for a column or a tag; without `read` they give nothing.
        (
            &[
                "p, *, *, ventas.t/tarjeta, read-raw, *, allow",
                "p, *, *, pii:email, read-raw, *, allow",
            ],
            denied,
        ),
        (
            &[
                "p, *, *, ventas.t, read, *, allow",
                "p, *, *, pii:card, read-raw, *, allow",
            ],
            "1: plain, token, raw 2",
        ),
        (
            &[
                "p, *, *, ventas.t, read, *, allow",
                "p, *, *, ventas.t/email, read-raw, *, allow",
            ],
            "1: plain, raw 2, show-last-4",
        ),
        // A rule for the table does not speak of its columns' values.
        (
            &[
                "p, *, *, ventas.t, read, *, allow",
                "p, *, *, ventas.t, read-raw, *, allow",
            ],
            "1: plain, token, show-last-4",
        ),
        (
            &[
                "p, *, *, ventas.t, read, *, allow",
                "p, *, *, ventas.*, read-raw, *, allow",
                "p, *, *, cuenta, read-raw, *, deny",
            ],
            "1: plain, raw 2, show-last-4",
        ),
        (
            &[
                "p, *, *, ventas.t, read, *, allow",
                "p, *, *, pii:email, read-raw, *, allow",
                "p, role:b, *, ventas.t/email, read-raw, *, deny",
            ],
            "1: plain, token, show-last-4",
        ),
    ] {
        assert_eq!(seen(&policy(&rules.join("\n"))), expected, "{rules:?}");
    }
}

/// Authorize first, then look whether the thing exists.
#[test]
fn a_refusal_is_the_same_for_what_is_not_there() {
    let policy = policy("p, *, *, ventas.t, read, *, deny\np, *, *, ventas.t, read, *, allow\n");
    let refusal = |table: &str, columns: &[Column]| {
        let refused = policy
            .view("user:ana", "ventas", table, columns, "informes")
            .unwrap_err();
        refused.to_string().replace(table, "it")
    };
    assert_eq!(refusal("ventas.t", &columns()), refusal("ventas.nada", &[]));
    // What the decision log gets, and the reader not.
    let refused = policy
        .view("user:ana", "ventas", "ventas.t", &columns(), "informes")
        .unwrap_err();
    let Refused::Denied(denied) = refused else {
        panic!("{refused}")
    };
    assert_eq!(denied.rule.unwrap().to_string(), "global.csv:1");
}

#[test]
fn a_visible_column_without_its_mask_is_an_error() {
    let files = files("p, *, *, ventas.t, read, *, allow\np, user:eva, *, pii:card, read, *, deny\n")
        .with(MASKS_FILE, "[[mask]]\ntag = \"pii:email\"\nmask = \"token\"\n");
    let policy = Policy::parse(&files).unwrap();
    let view = |principal| policy.view(principal, "ventas", "ventas.t", &columns(), "informes");
    assert!(matches!(view("user:ana"), Err(Refused::MissingMask(_))));
    assert!(view("user:eva").is_ok(), "what is hidden needs no mask");
}

#[test]
fn a_plugin_sees_tokens_unless_a_rule_says_otherwise() {
    let [_, _, card] = columns().try_into().unwrap();
    let sees =
        |rules: &[&str]| policy(&rules.join("\n")).plugin_sees("ventas", "ventas_raw.t", &card, "fraude");
    let allow = "p, plugin:ventas, ventas, pii:card, read-raw, fraude, allow";
    assert!(!sees(&[]));
    assert!(sees(&[allow]));
    assert!(sees(&[
        "p, plugin:ventas, ventas, ventas_raw.t/tarjeta, read-raw, *, allow"
    ]));
    assert!(sees(&[
        "p, plugin:ventas, ventas, ventas_raw.*, read-raw, *, allow"
    ]));
    for other in [
        "p, plugin:logistica, ventas, pii:card, read-raw, fraude, allow",
        "p, user:ventas, ventas, pii:card, read-raw, fraude, allow",
        "p, plugin:ventas, logistica, pii:card, read-raw, fraude, allow",
        "p, plugin:ventas, ventas, pii:card, read-raw, ingresos, allow",
        "p, plugin:ventas, ventas, ventas_raw.t, read-raw, fraude, allow",
        "p, plugin:ventas, ventas, ventas.t/tarjeta, read-raw, fraude, allow",
        "p, plugin:ventas, ventas, ventas_raw.*, read, fraude, allow",
    ] {
        assert!(!sees(&[other]), "{other}");
    }
    for deny in [
        "p, *, *, cuenta, read-raw, *, deny",
        "p, *, *, cuenta, read, *, deny",
        "p, *, *, ventas_raw.t, read, *, deny",
        "p, *, *, ventas_raw.t, read-raw, *, deny",
        "p, *, *, ventas_raw.t/tarjeta, *, *, deny",
    ] {
        assert!(!sees(&[allow, deny]), "{deny}");
    }
}

#[test]
fn row_filters_are_for_some_and_not_for_others() {
    let filters = r#"
[[row-filter]]
table = "ventas.t"
column = "id"
equals = "1"
[[row-filter]]
table = "ventas.t"
for = ["role:b"]
except = ["user:eva"]
column = "id"
equals = "2"
[[row-filter]]
table = "ventas.otra"
column = "id"
equals = "3"
"#;
    let groups = "g, user:ana, role:a, ventas\ng, role:a, role:b, *\ng, user:eva, role:a, *\n";
    let files = files("p, *, *, *, read, *, allow\n")
        .with(ROW_FILTERS_FILE, filters)
        .with(GROUPS_FILE, groups);
    let policy = Policy::parse(&files).unwrap();
    let rows = |principal, domain| {
        let view = policy
            .view(principal, domain, "ventas.t", &columns(), "informes")
            .unwrap();
        view.row_filters
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>()
            .join("; ")
    };
    assert_eq!(rows("user:ana", "ventas"), "id is 1; id is 2");
    assert_eq!(rows("user:ana", "otro"), "id is 1");
    assert_eq!(rows("user:eva", "ventas"), "id is 1");
    assert_eq!(rows("role:b", "ventas"), "id is 1; id is 2");
}

#[test]
fn a_row_filter_fits_its_column_or_is_refused() {
    use ColumnType::{Boolean, Date, Decimal, Float64, Int32, Int64, Timestamp, Utf8};
    let of = |condition: &str| {
        let text = format!("[[row-filter]]\ntable = \"ventas.t\"\ncolumn = \"c\"\n{condition}\n");
        Policy::parse(&files("").with(ROW_FILTERS_FILE, text)).unwrap()
    };
    let fits = |condition: &str, ty| {
        let table = Table {
            name: "t".into(),
            description: None,
            quality: Vec::new(),
            columns: vec![column("c", ty, Classification::Internal, &[])],
        };
        of(condition).check_row_filters("ventas.t", &table).is_ok()
    };
    let decimal = Decimal {
        precision: 4,
        scale: 2,
    };
    let types = [Boolean, Int32, Int64, Float64, decimal, Utf8, Date, Timestamp];
    for (condition, fitting) in [
        ("equals = true", &[Boolean][..]),
        ("at-least = true", &[]),
        ("equals = 7", &[Int32, Int64, Float64, decimal]),
        ("equals = 3000000000", &[Int64, Float64]),
        ("equals = 1.25", &[Float64, decimal]),
        ("equals = 1.255", &[Float64]),
        ("equals = 100", &[Int32, Int64, Float64]),
        ("in = [99.99, -99.99]", &[Float64, decimal]),
        ("equals = 1e-3", &[Float64]),
        ("equals = '7'", &[Utf8]),
        ("between = [2026-01-01, 2026-02-01]", &[Date]),
        ("at-most = 2026-01-01T00:00:00Z", &[Timestamp]),
    ] {
        let found: Vec<ColumnType> = types.into_iter().filter(|ty| fits(condition, *ty)).collect();
        assert_eq!(found, fitting, "{condition}");
    }
    let table = Table {
        name: "t".into(),
        description: None,
        quality: Vec::new(),
        columns: vec![column("d", Int32, Classification::Internal, &[])],
    };
    let missing = of("equals = 1")
        .check_row_filters("ventas.t", &table)
        .unwrap_err();
    let renamed = Table {
        columns: vec![column("c", Utf8, Classification::Internal, &[])],
        ..table
    };
    let wrong = of("equals = 1")
        .check_row_filters("ventas.t", &renamed)
        .unwrap_err();
    assert_snapshot!(missing.iter().chain(&wrong).map(ToString::to_string).collect::<Vec<_>>().join("\n"), @r##"
row filter row-filters.toml:1 of `ventas.t`: the table has no column `c`: use one of d
row filter row-filters.toml:1 of `ventas.t`: a value that is no `string`, the type of `c`: write texts, in quotes
"##);
}

const DECLASSIFY: &str = r#"
[[declassify]]
column = "ventas.t/dominio"
to = "internal"
drops = ["pii:email"]
reason = "r"
owner = "o"
expires = 2027-01-31
"#;

fn day(year: u16, month: u8, day: u8) -> Date {
    Date::new(year.into(), month.into(), day.into()).unwrap()
}

#[test]
fn a_column_is_as_secret_as_what_flows_in() {
    let policy = Policy::parse(&files("").with(DECLASSIFY_FILE, DECLASSIFY)).unwrap();
    let [id, email, card] = columns().try_into().unwrap();
    let today = day(2026, 11, 25);
    let email_in = Inflow {
        name: "ventas_raw.t/email",
        column: &email,
    };
    let card_in = Inflow {
        name: "ventas_raw.t/tarjeta",
        column: &card,
    };
    let out = Column {
        name: "dominio".into(),
        ..id
    };
    let effective = |name: &str, declared: &Column, inflow: &[Inflow<'_>], today| {
        policy.effective(name, declared, inflow, today)
    };
    assert_eq!(effective("ventas.t/otro", &out, &[], today).unwrap(), out);
    assert_eq!(
        effective("ventas.t/otro", &email, &[email_in], today).unwrap(),
        email
    );
    let token = pseudonym(&email);
    assert_eq!(
        (token.classification, token.is_personal()),
        (Classification::Internal, false)
    );
    let token_in = Inflow {
        name: "ventas_raw.t/email",
        column: &token,
    };
    assert_eq!(effective("ventas.t/otro", &out, &[token_in], today).unwrap(), out);
    // A rule lowers what flows in, of what it names, as long as it counts.
    assert!(effective("ventas.t/dominio", &out, &[email_in], today).is_ok());
    assert!(effective("ventas.t/dominio", &out, &[email_in], day(2027, 1, 31)).is_ok());
    let refused = [
        effective("ventas.t/otro", &out, &[email_in, token_in], today),
        effective("ventas.t/dominio", &out, &[email_in, card_in], today),
        effective("ventas.t/dominio", &out, &[email_in], day(2027, 2, 1)),
        effective(
            "ventas.t/otro",
            &Column {
                tags: email.tags.clone(),
                ..out.clone()
            },
            &[email_in],
            today,
        ),
    ];
    assert_snapshot!(refused.map(|result| result.unwrap_err().to_string()).join("\n"), @r##"
column `ventas.t/otro` declares less than flows into it from `ventas_raw.t/email`: it is `internal`, what flows in is `restricted`; it has no tag `pii:email`: declare it in the contract (classification: restricted, tags `pii:email`), or declassify it: add to declassify.toml a [[declassify]] with column = "ventas.t/otro", to, drops, reason, owner and expires
column `ventas.t/dominio` declares less than flows into it from `ventas_raw.t/tarjeta`: it has no tag `pii:card`: declare it in the contract (tags `pii:card`), or declassify it: add to declassify.toml a [[declassify]] with column = "ventas.t/dominio", to, drops, reason, owner and expires
column `ventas.t/dominio` declares less than flows into it from `ventas_raw.t/email`: it is `internal`, what flows in is `restricted`; it has no tag `pii:email`: declare it in the contract (classification: restricted, tags `pii:email`), or declassify it: add to declassify.toml a [[declassify]] with column = "ventas.t/dominio", to, drops, reason, owner and expires; the rule at declassify.toml:2 expired on 2027-01-31
column `ventas.t/otro` declares less than flows into it from `ventas_raw.t/email`: it is `internal`, what flows in is `restricted`: declare it in the contract (classification: restricted), or declassify it: add to declassify.toml a [[declassify]] with column = "ventas.t/otro", to, drops, reason, owner and expires
"##);
}

fn some_column() -> impl Strategy<Value = Column> {
    let tags = subsequence(vec!["pii:email", "pii:card", "subject", "cuenta"], 0..=4);
    (select(&Classification::ALL[..]), tags)
        .prop_map(|(classification, tags)| column("c", ColumnType::Utf8, classification, &tags))
}

proptest! {
    #[test]
    fn what_passes_hides_nothing_that_flows_in(
        declared in some_column(),
        inflow in prop::collection::vec(some_column(), 0..4),
    ) {
        let policy = policy("");
        let flows: Vec<Inflow<'_>> = inflow.iter().map(|column| Inflow { name: "x", column }).collect();
        let holds = inflow.iter().all(|column| {
            column.classification <= declared.classification
                && column.tags.iter().filter(|tag| tag.starts_with("pii:")).all(|tag| declared.tags.contains(tag))
        });
        let effective = policy.effective("a.t/c", &declared, &flows, day(2026, 1, 1));
        prop_assert_eq!(effective.is_ok(), holds);
        if let Ok(effective) = effective {
            prop_assert_eq!(effective, declared);
        }
    }

    /// No rules let anybody see a masked column's values, unless `read-raw` is allowed for it and `read` too.
    #[test]
    fn raw_needs_both_grants(
        rules in prop::collection::vec(
            (
                select(&["ventas.t", "ventas.t/email", "ventas.t/*", "ventas.*", "pii:email", "pii:card", "*"][..]),
                select(&["read", "read-raw", "*"][..]),
                prop::bool::weighted(0.2),
            ),
            0..6,
        ),
    ) {
        let text: String = rules.iter().map(|(object, action, deny)| {
            format!("p, role:b, *, {object}, {action}, *, {}\n", if *deny { "deny" } else { "allow" })
        }).collect();
        let policy = policy(&text);
        let columns = columns();
        let Ok(view) = policy.view("user:ana", "ventas", "ventas.t", &columns, "informes") else { return Ok(()) };
        let ask = |object: &str, action| policy.decide(&Request {
            principal: "user:ana", domain: "ventas", object, action, purpose: "informes",
        });
        prop_assert!(!ask("ventas.t", Action::Read).is_denied());
        for (column, seen) in columns.iter().zip(&view.columns) {
            let object = format!("ventas.t/{}", column.name);
            let objects: Vec<&str> = std::iter::once(object.as_str()).chain(column.tags.iter().map(String::as_str)).collect();
            let read = objects.iter().all(|o| !ask(o, Action::Read).is_denied())
                && (ask("ventas.t", Action::Read).is_allowed() || ask(&object, Action::Read).is_allowed());
            let raw = objects.iter().any(|o| ask(o, Action::ReadRaw).is_allowed())
                && objects.iter().all(|o| !ask(o, Action::ReadRaw).is_denied());
            prop_assert_eq!(!matches!(seen, ColumnView::Hidden { .. }), read);
            prop_assert_eq!(matches!(seen, ColumnView::Raw { .. }), read && raw && column.needs_mask());
            prop_assert!(!(column.needs_mask() && matches!(seen, ColumnView::Plain)));
        }
    }

    #[test]
    fn no_name_panics(principal in "\\PC{0,8}", domain in "\\PC{0,8}", table in "\\PC{0,12}", purpose in "\\PC{0,8}") {
        let policy = Policy::parse(&PolicyFiles::template("policies")).unwrap();
        let _ = policy.view(&principal, &domain, &table, &columns(), &purpose);
        let _ = policy.view("user:ana", &domain, &table, &columns(), &purpose);
        let _ = policy.plugin_sees(&domain, &table, &columns()[1], &purpose);
        prop_assert_eq!(policy.mask(&table, &columns()[1]).unwrap().map(|rule| rule.mask), Some(MaskKind::Token));
    }
}
