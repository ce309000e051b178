use malla_contract::PersonalKind;
use std::collections::BTreeSet;

use insta::assert_snapshot;
use malla_contract::{Classification, Column, ColumnType, MaskKind, Table};
use proptest::prelude::*;
use proptest::sample::{select, subsequence};

use super::*;

/// What a new mesh starts with.
const DEFAULT: &str = include_str!("../../../policies/masks.toml");
const TAGS: [&str; 6] = [
    "pii:card",
    "pii:email",
    "pii:name",
    "pii:phone",
    "subject",
    "cliente",
];

fn parse(text: &str) -> Result<Policy, PolicyErrors> {
    Policy::parse(&PolicyFiles::template("policies").with(MASKS_FILE, text))
}

fn errors(text: &str) -> String {
    parse(text).unwrap_err().to_string()
}

fn column(name: &str, classification: Classification, tags: &[&str]) -> Column {
    Column {
        name: name.into(),
        ty: ColumnType::Utf8,
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

fn mask(policy: &Policy, classification: Classification, tags: &[&str]) -> Option<MaskKind> {
    policy
        .mask("ventas.transacciones", &column("c", classification, tags))
        .unwrap()
        .map(|rule| rule.mask)
}

#[test]
fn the_default_covers_every_classification_and_personal_tag() {
    use Classification::{Confidential, Internal, Public, Restricted};
    let policy = parse(DEFAULT).unwrap();
    for (classification, tags, expected) in [
        (Public, &[][..], None),
        (Internal, &["subject"], None),
        (Confidential, &[], Some(MaskKind::MaskAlphanum)),
        (Restricted, &[], Some(MaskKind::ReplaceWithNull)),
        (Restricted, &["pii:email"], Some(MaskKind::Token)),
        (Public, &["pii:email"], Some(MaskKind::Token)),
        (Restricted, &["pii:card"], Some(MaskKind::ShowLast4)),
        (Restricted, &["pii:phone"], Some(MaskKind::ShowLast4)),
        (Internal, &["pii:name"], Some(MaskKind::ReplaceWithNull)),
        (Internal, &["pii:address"], Some(MaskKind::ReplaceWithNull)),
        (Restricted, &["pii:card", "pii:email"], Some(MaskKind::Token)),
        (
            Restricted,
            &["pii:card", "pii:name"],
            Some(MaskKind::ReplaceWithNull),
        ),
    ] {
        assert_eq!(
            mask(&policy, classification, tags),
            expected,
            "{classification} {tags:?}"
        );
    }
}

#[test]
fn a_tag_rule_wins_and_applies_to_a_domains_own_tag() {
    let policy = parse(
        r#"
        [[mask]]
        tag = "margen"
        mask = "show-last-4"
        [[mask]]
        classification = "restricted"
        mask = "replace-with-null"
        "#,
    )
    .unwrap();
    assert_eq!(
        mask(&policy, Classification::Public, &["margen"]),
        Some(MaskKind::ShowLast4)
    );
    assert_eq!(
        mask(&policy, Classification::Restricted, &["margen"]),
        Some(MaskKind::ShowLast4)
    );
    assert_eq!(
        mask(&policy, Classification::Restricted, &["otra"]),
        Some(MaskKind::ReplaceWithNull)
    );
    assert_eq!(mask(&policy, Classification::Public, &["otra"]), None);
}

#[test]
fn the_strictest_of_several_tags_wins() {
    let policy = parse(
        r#"
        [[mask]]
        tag = "a"
        mask = "show-last-4"
        [[mask]]
        tag = "b"
        mask = "mask-alphanum"
        [[mask]]
        tag = "c"
        mask = "token"
        join-group = "second"
        [[mask]]
        tag = "d"
        mask = "replace-with-null"
        [[mask]]
        tag = "bb"
        mask = "token"
        join-group = "first"
        "#,
    )
    .unwrap();
    let mask = |tags: &[&str]| mask(&policy, Classification::Public, tags);
    assert_eq!(mask(&["a", "b", "c", "d"]), Some(MaskKind::ReplaceWithNull));
    assert_eq!(mask(&["a", "b", "c"]), Some(MaskKind::Token));
    assert_eq!(mask(&["a", "b"]), Some(MaskKind::MaskAlphanum));
    assert_eq!(mask(&["a", "z"]), Some(MaskKind::ShowLast4));
    let both = column("c", Classification::Public, &["c", "bb"]);
    assert_eq!(policy.mask("t", &both).unwrap().unwrap().join_group, "first");
}

#[test]
fn join_groups_and_reasons_are_kept() {
    let policy = parse(
        r#"
        [[mask]]
        tag = "pii:email"
        mask = "token"
        [[mask]]
        tag = "cliente"
        mask = "token"
        join-group = "customer"
        reason = "Marketing counts customers."
        "#,
    )
    .unwrap();
    let rules: Vec<_> = policy.masks().collect();
    let [cliente, email] = rules.as_slice() else {
        panic!("{rules:?}")
    };
    assert_eq!((cliente.join_group.as_str(), cliente.line), ("customer", 5));
    assert_eq!(cliente.reason.as_deref(), Some("Marketing counts customers."));
    assert_eq!((email.join_group.as_str(), email.line), ("pii:email", 2));
}

#[test]
fn a_mask_is_for_what_is_stored_or_for_what_is_read() {
    let policy = parse(
        "[[mask]]\ntag = \"a\"\nmask = \"token\"\nat = \"read\"\n[[mask]]\ntag = \"b\"\nmask = \"token\"",
    )
    .unwrap();
    let at: Vec<MaskAt> = policy.masks().map(|rule| rule.at).collect();
    assert_eq!(at, [MaskAt::Read, MaskAt::Write]);
    assert_snapshot!(errors("[[mask]]\ntag = \"a\"\nmask = \"token\"\nat = \"noon\""), @"policies/masks.toml:4: unknown time of masking `noon`: use one of write, read");
}

#[test]
fn undeclared_personal_data_is_blocked_unless_a_rule_is_milder() {
    let policy = parse(DEFAULT).unwrap();
    for kind in PersonalKind::ALL {
        let expected = if kind == PersonalKind::Phone {
            UndeclaredAction::Mask
        } else {
            UndeclaredAction::Block
        };
        assert_eq!(policy.undeclared(kind), expected, "{kind}");
    }
    assert_snapshot!(errors(r#"
[[mask]]
tag = "a"
mask = "token"
[[undeclared]]
kind = "pii:mail"
action = "pass"
[[undeclared]]
kind = "pii:card"
action = "warn"
[[undeclared]]
kind = "pii:card"
action = "block"
[[undeclared]]
knd = "pii:card"
"#), @r##"
policies/masks.toml:6: unknown kind of personal data `pii:mail`: use one of pii:email, pii:card, pii:iban, pii:phone, pii:national-id
policies/masks.toml:7: unknown action `pass`: use one of warn, mask, block
policies/masks.toml:11: a second rule for kind = "pii:card": the first is on line 8; keep one
policies/masks.toml:14: an `[[undeclared]]` needs `kind`: add it
policies/masks.toml:14: an `[[undeclared]]` needs `action`: add it
policies/masks.toml:15: unknown key `knd` in an `[[undeclared]]`: use one of kind, action, reason
"##);
}

#[test]
fn every_fault_is_told_at_its_line() {
    assert_snapshot!(errors(
        r#"
[[mask]]
tag = "pii:email"
mask = "tokn"

[[mask]]
tag = "pii:card"
classification = "restricted"
mask = "show-last-4"

[[mask]]
mask = "token"

[[mask]]
classification = "secret"

[[mask]]
tag = ""
mask = 4
join_group = "x"

[[mask]]
tag = "pii:name"
mask = "replace-with-null"
join-group = "names"

[[mask]]
classification = "restricted"
mask = "token"

[[mask]]
tag = "pii:phone"
mask = "show-last-4"

[[mask]]
tag = "pii:phone"
mask = "token"

[[masks]]
tag = "pii:phone"
"#), @r#"
    policies/masks.toml:4: unknown mask `tokn`: use one of token, show-last-4, show-first-4, replace-with-null, mask-alphanum, mask-to-default, truncate-to-year, truncate-to-month, sha-256-query-local, email-domain
    policies/masks.toml:6: a rule names exactly one of `tag` and `classification`: make two rules of this one
    policies/masks.toml:11: a rule names exactly one of `tag` and `classification`: add one of them
    policies/masks.toml:14: a rule needs `mask`: add mask = "...", one of token, show-last-4, show-first-4, replace-with-null, mask-alphanum, mask-to-default, truncate-to-year, truncate-to-month, sha-256-query-local, email-domain
    policies/masks.toml:15: unknown classification `secret`: use one of public, internal, confidential, restricted
    policies/masks.toml:18: `tag` must be text that is not empty
    policies/masks.toml:19: `mask` must be text that is not empty
    policies/masks.toml:20: unknown key `join_group` in a rule: use one of tag, classification, mask, at, join-group, reason
    policies/masks.toml:22: `join-group` goes with mask = "token" only: remove it
    policies/masks.toml:27: a `token` rule for a classification needs a `join-group`: name the columns' common meaning
    policies/masks.toml:35: a second rule for tag = "pii:phone": the first is on line 31; keep one
    policies/masks.toml:39: unknown key `masks` in the file: use one of mask, undeclared
    "#);
}

#[test]
fn files_without_rules_are_refused() {
    let all = [
        "",
        "# nothing\n",
        "mask = []",
        "mask = 1",
        "[mask]\ntag = \"a\"",
        "mask = [1]",
        "[[mask]",
        "[[mask]]\ntag =",
    ];
    assert_snapshot!(
        all.map(|text| format!("{text:?}\n  {}", errors(text).replace('\n', "\n  ")))
            .join("\n"), @r##"
""
  policies/masks.toml: no `[[mask]]` in the file: nothing moves without masks; add one for each tag and classification in use
"# nothing\n"
  policies/masks.toml: no `[[mask]]` in the file: nothing moves without masks; add one for each tag and classification in use
"mask = []"
  policies/masks.toml: no `[[mask]]` in the file: nothing moves without masks; add one for each tag and classification in use
"mask = 1"
  policies/masks.toml:1: `mask` must be a list of rules, each under [[mask]]
"[mask]\ntag = \"a\""
  policies/masks.toml:1: `mask` must be a list of rules, each under [[mask]]
"mask = [1]"
  policies/masks.toml:1: `mask` must be a list of rules, each under [[mask]]
"[[mask]"
  policies/masks.toml:1: not valid TOML: unclosed array table, expected `]`
"[[mask]]\ntag ="
  policies/masks.toml:2: not valid TOML: string values must be quoted, expected literal string
"##);
}

#[test]
fn a_table_without_a_mask_or_with_an_impossible_one_is_refused() {
    let policy = parse(
        r#"
        [[mask]]
        tag = "pii:card"
        mask = "show-last-4"
        [[mask]]
        tag = "pii:name"
        mask = "replace-with-null"
        "#,
    )
    .unwrap();
    let card = column("tarjeta", Classification::Restricted, &["pii:card"]);
    let numeric = Column {
        name: "tarjeta_num".into(),
        ty: ColumnType::Int64,
        ..card.clone()
    };
    let name = Column {
        required: true,
        ..column("nombre", Classification::Internal, &["pii:name"])
    };
    let table = Table {
        name: "transacciones".into(),
        description: None,
        quality: Vec::new(),
        columns: vec![
            column("region", Classification::Internal, &[]),
            card,
            numeric,
            name,
            column("email", Classification::Restricted, &["pii:email", "subject"]),
            column("costo", Classification::Confidential, &[]),
        ],
    };
    assert_snapshot!(policy.plan("ventas.transacciones", &table).unwrap_err(), @r#"
    mask `show-last-4` (policies/masks.toml:2) cannot hide column `tarjeta_num` of `ventas.transacciones`, a `bigint`: this mask hides text only: use `mask-to-default` or `replace-with-null`, or make the column a string
    mask `replace-with-null` (policies/masks.toml:5) cannot hide column `nombre` of `ventas.transacciones`, a `string`: the column is `required`, so it cannot be null: use `mask-to-default`, or drop `required` in the contract
    no mask for column `email` of `ventas.transacciones` (classification `restricted`, tags `pii:email`, `subject`): add to policies/masks.toml: [[mask]] tag = "pii:email", mask = "replace-with-null" (or another mask)
    no mask for column `costo` of `ventas.transacciones` (classification `confidential`, tags none): add to policies/masks.toml: [[mask]] classification = "confidential", mask = "replace-with-null" (or another mask)
    "#);

    let fine = Table {
        columns: table.columns.into_iter().take(2).collect(),
        ..table
    };
    let plan = policy.plan("ventas.transacciones", &fine).unwrap();
    let masks: Vec<_> = plan.iter().map(|rule| rule.map(|rule| rule.mask)).collect();
    assert_eq!(masks, [None, Some(MaskKind::ShowLast4)]);
}

#[test]
fn the_digest_is_of_decisions() {
    let digest = |text: &str| parse(text).unwrap().digest().to_owned();
    let base = digest("[[mask]]\ntag = \"a\"\nmask = \"token\"");
    assert_eq!(base.len(), 64);
    let same = [
        "# why\n[[mask]]\nmask = \"token\"\ntag = \"a\"",
        "[[mask]]\ntag = \"a\"\nmask = \"token\"\njoin-group = \"a\"\nreason = \"r\"",
        "mask = [{ tag = 'a', mask = 'token' }]",
    ];
    for text in same {
        assert_eq!(digest(text), base, "{text}");
    }
    let other = [
        "[[mask]]\ntag = \"b\"\nmask = \"token\"\njoin-group = \"a\"",
        "[[mask]]\ntag = \"a\"\nmask = \"token\"\njoin-group = \"b\"",
        "[[mask]]\ntag = \"a\"\nmask = \"show-last-4\"",
        "[[mask]]\ntag = \"a\"\nmask = \"token\"\nat = \"read\"",
        "[[mask]]\ntag = \"a\"\nmask = \"token\"\n[[undeclared]]\nkind = \"pii:card\"\naction = \"warn\"",
        "[[mask]]\nclassification = \"restricted\"\nmask = \"show-last-4\"",
        "[[mask]]\ntag = 'a\" token \"a'\nmask = \"token\"",
    ];
    let mut digests: BTreeSet<_> = other.map(digest).into();
    digests.insert(base);
    assert_eq!(digests.len(), other.len() + 1);
}

#[derive(Debug, Clone)]
struct Rule {
    selector: String,
    mask: MaskKind,
}

/// At most one rule a selector, in some order, and the same rules in another.
fn rules_in_two_orders() -> impl Strategy<Value = (Vec<Rule>, Vec<Rule>)> {
    let selectors: Vec<String> = TAGS
        .iter()
        .map(|tag| format!("tag = \"{tag}\""))
        .chain(Classification::ALL.map(|classification| format!("classification = \"{classification}\"")))
        .collect();
    let count = selectors.len();
    subsequence(selectors, 1..=count)
        .prop_flat_map(|selectors| {
            let masks = proptest::collection::vec(select(&MaskKind::ALL[..]), selectors.len());
            (Just(selectors), masks)
        })
        .prop_map(|(selectors, masks)| {
            let rules = selectors.into_iter().zip(masks);
            rules
                .map(|(selector, mask)| Rule { selector, mask })
                .collect::<Vec<_>>()
        })
        .prop_flat_map(|rules| (Just(rules.clone()).prop_shuffle(), Just(rules).prop_shuffle()))
}

fn written(rules: &[Rule]) -> String {
    rules
        .iter()
        .map(|Rule { selector, mask }| {
            let group = if *mask == MaskKind::Token {
                "join-group = \"g\"\n"
            } else {
                ""
            };
            let at = if mask.only_at_read() {
                "at = \"read\"\n"
            } else {
                ""
            };
            format!("[[mask]]\n{selector}\nmask = \"{mask}\"\n{at}{group}")
        })
        .collect()
}

proptest! {
    #[test]
    fn the_order_of_rules_does_not_matter(
        (one, other) in rules_in_two_orders(),
        tags in subsequence(TAGS.to_vec(), 0..=TAGS.len()),
        classification in select(&Classification::ALL[..]),
    ) {
        let (one, other) = (parse(&written(&one)).unwrap(), parse(&written(&other)).unwrap());
        prop_assert_eq!(one.digest(), other.digest());
        let column = column("c", classification, &tags);
        let decision = |policy: &Policy| policy.mask("t", &column).map(|rule| rule.map(|r| (r.selector.clone(), r.mask)));
        prop_assert_eq!(decision(&one), decision(&other));
        // Fails closed: what needs a mask has one, or is refused.
        if column.needs_mask() {
            prop_assert!(!matches!(decision(&one), Ok(None)));
        }
    }

    #[test]
    fn no_text_panics(text in "([\\[\\]a-z=\" \n.:-]|mask|tag|classification|token|\\PC){0,60}") {
        let _ = parse(&text);
    }
}
