//! The snapshot against Casbin, and what both must refuse.

use proptest::prelude::*;
use proptest::sample::select;

use crate::{Action, Decision, GLOBAL_FILE, GROUPS_FILE, Judge, Policy, PolicyFiles, Request};

const MASKS: &str = "[[mask]]\ntag = \"pii:email\"\nmask = \"token\"\n";

fn files(global: &str, groups: &str) -> PolicyFiles {
    PolicyFiles::new("policies")
        .with(crate::MODEL_FILE, crate::model::MODEL)
        .with(crate::MASKS_FILE, MASKS)
        .with(GLOBAL_FILE, global)
        .with(GROUPS_FILE, groups)
}

pub(crate) fn policy(global: &str, groups: &str) -> Policy {
    Policy::parse(&files(global, groups)).unwrap_or_else(|errors| panic!("{errors}"))
}

fn request<'a>(principal: &'a str, domain: &'a str, object: &'a str, action: Action) -> Request<'a> {
    Request {
        principal,
        domain,
        object,
        action,
        purpose: "informes",
    }
}

/// What both say, which must be the same.
fn allowed(policy: &Policy, request: &Request<'_>) -> bool {
    let ours = policy.decide(request).is_allowed();
    let casbins = Judge::new(policy).unwrap().allows(request).unwrap();
    assert_eq!(ours, casbins, "{request:?}");
    ours
}

#[test]
fn deny_wins_and_the_first_rule_is_named() {
    let policy = policy(
        "p, role:a, ventas, ventas.*, read, *, allow\n\
         p, user:ana, *, ventas.t, *, informes, allow\n\
         p, user:ana, ventas, ventas.t/c, read, *, allow\n\
         p, *, *, ventas.t/c, *, *, deny\n\
         p, *, *, *, *, *, deny\n",
        "g, user:ana, role:a, ventas\n",
    );
    let at = |object| {
        let ana = request("user:ana", "ventas", object, Action::Read);
        policy.decide(&ana).id().map(ToString::to_string)
    };
    assert_eq!(at("ventas.t/c").as_deref(), Some("global.csv:4"));
    assert_eq!(at("ventas.t").as_deref(), Some("global.csv:5"));
    let policy = self::policy(
        "p, role:a, ventas, ventas.*, read, *, allow\np, user:ana, *, ventas.t, *, informes, allow\n",
        "g, user:ana, role:a, ventas\n",
    );
    let ana = request("user:ana", "ventas", "ventas.t", Action::Read);
    let Decision::Allow { rule } = policy.decide(&ana) else {
        panic!("{:?}", policy.decide(&ana))
    };
    assert_eq!(rule.id.to_string(), "global.csv:1");
}

/// Which objects a pattern speaks of.
#[test]
fn objects() {
    let objects = [
        "ventas.t",
        "ventas.t/c",
        "ventas.tt",
        "ventas.tt/c",
        "ventas_raw.t",
        "ventasX.t",
        "pii:email",
        "pii:card",
        "ventas",
        "ventas.t/c/d",
        "ventas.t.u/c",
    ];
    for (pattern, matched) in [
        ("ventas.t", vec!["ventas.t"]),
        ("ventas.t/c", vec!["ventas.t/c"]),
        ("ventas.t/*", vec!["ventas.t/c", "ventas.t/c/d"]),
        (
            "ventas.*",
            vec![
                "ventas.t",
                "ventas.t/c",
                "ventas.tt",
                "ventas.tt/c",
                "ventas.t/c/d",
                "ventas.t.u/c",
            ],
        ),
        ("pii:email", vec!["pii:email"]),
        ("ventas", vec!["ventas"]),
        ("*", objects.to_vec()),
    ] {
        let policy = policy(&format!("p, *, *, {pattern}, read, *, allow\n"), "");
        let found: Vec<&str> = objects
            .into_iter()
            .filter(|object| allowed(&policy, &request("user:ana", "ventas", object, Action::Read)))
            .collect();
        assert_eq!(found, matched, "{pattern}");
    }
}

/// `has_link(x, x)` is true in Casbin, and `*` binds to itself: a name without a prefix, or a pattern, is nobody's.
#[test]
fn what_is_no_request_is_denied_whatever_rules_say() {
    let everything = policy(
        "p, *, *, *, *, *, allow\np, role:a, *, ventas.*, *, *, allow\n",
        "",
    );
    let nothing = policy("", "");
    let whole = request("user:ana", "ventas", "ventas.t", Action::Read);
    assert!(allowed(&everything, &whole));
    assert!(!allowed(&nothing, &whole));
    for odd in [
        "",
        "*",
        "ana",
        "user:",
        "role:",
        "a",
        "User:ana",
        "user:a*",
        "user:a\nb",
        "\0",
    ] {
        for policy in [&everything, &nothing] {
            assert!(
                !allowed(
                    policy,
                    &Request {
                        principal: odd,
                        ..whole
                    }
                ),
                "{odd:?}"
            );
        }
    }
    for odd in ["", "*", "ventas.*", "ventas.t/*", "a\nb", "a\u{7f}"] {
        for request in [
            Request { domain: odd, ..whole },
            Request { object: odd, ..whole },
            Request {
                purpose: odd,
                ..whole
            },
        ] {
            assert!(!allowed(&everything, &request), "{request:?}");
            assert!(!allowed(&nothing, &request), "{request:?}");
        }
    }
}

/// An empty policy binds empty strings in Casbin: without the guard, an empty request would match it.
#[test]
fn casbin_would_allow_the_empty_request_of_an_empty_policy() {
    let judge = Judge::new(&policy("", "")).unwrap();
    assert_eq!(judge.unguarded(["", "", "", "", ""]).ok(), Some(true));
    let empty = Request {
        principal: "",
        domain: "",
        object: "",
        action: Action::Read,
        purpose: "",
    };
    assert!(!judge.allows(&empty).unwrap());
}

#[test]
fn users_and_roles_of_one_name_are_apart() {
    let policy = policy(
        "p, role:ana, *, ventas.t, read, *, allow\n",
        "g, user:eva, role:ana, *\n",
    );
    let read = |principal| allowed(&policy, &request(principal, "ventas", "ventas.t", Action::Read));
    assert!(read("user:eva") && read("role:ana"));
    assert!(!read("user:ana") && !read("service:eva") && !read("plugin:ana"));
}

#[test]
fn roles_count_in_their_domain_and_to_their_depth() {
    let chain: String = (1..8)
        .map(|n| format!("g, role:r{n}, role:r{}, *\n", n + 1))
        .collect();
    let policy = policy(
        "p, role:r8, *, ventas.t, read, *, allow\np, role:b, *, ventas.t, write, *, allow\n",
        &format!(
            "g, user:ana, role:r1, ventas\ng, user:ana, role:a, *\ng, role:a, role:b, logistica\n{chain}"
        ),
    );
    let may = |domain, action| allowed(&policy, &request("user:ana", domain, "ventas.t", action));
    assert!(may("ventas", Action::Read), "eight links deep");
    assert!(!may("logistica", Action::Read), "given in another domain");
    assert!(
        may("logistica", Action::Write),
        "a role's role, given in this domain only"
    );
    assert!(!may("ventas", Action::Write));
    assert!(!may("otro", Action::Read));
}

/// Names that are odd for those who compare, split or compile patterns of them.
const ODD: [&str; 8] = ["a", "ñandú", "日本", "[a-z]+", "(", "a b", "\"", "p.sub"];
const SCHEMAS: [&str; 4] = ["a", "ñandú", "a_raw", "[a-z]+"];

fn principal() -> impl Strategy<Value = String> {
    (select(&["user:", "role:", "plugin:"][..]), select(&ODD[..]))
        .prop_map(|(kind, name)| format!("{kind}{name}"))
}

fn object() -> impl Strategy<Value = String> {
    let table =
        (select(&SCHEMAS[..]), select(&ODD[..])).prop_map(|(schema, table)| format!("{schema}.{table}"));
    prop_oneof![
        table.clone(),
        (table, select(&ODD[..])).prop_map(|(table, column)| format!("{table}/{column}")),
        select(&["pii:email", "pii:card", "ñ"][..]).prop_map(str::to_owned),
    ]
}

fn pattern() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => object(),
        2 => select(&SCHEMAS[..]).prop_map(|schema| format!("{schema}.*")),
        2 => (select(&SCHEMAS[..]), select(&ODD[..])).prop_map(|(schema, table)| format!("{schema}.{table}/*")),
        1 => Just("*".to_owned()),
    ]
}

fn or_star(name: impl Strategy<Value = String>) -> impl Strategy<Value = String> {
    prop_oneof![3 => name, 1 => Just("*".to_owned())]
}

fn word() -> impl Strategy<Value = String> {
    select(&ODD[..4]).prop_map(str::to_owned)
}

/// A line of CSV.
fn line(fields: &[&str]) -> String {
    let quoted: Vec<String> = fields
        .iter()
        .map(|field| format!("\"{}\"", field.replace('"', "\"\"")))
        .collect();
    format!("{}\n", quoted.join(", "))
}

fn rule() -> impl Strategy<Value = String> {
    let action = prop_oneof![3 => select(&["read", "read-raw", "write"][..]), 1 => Just("*")];
    let effect = prop_oneof![4 => Just("allow"), 1 => Just("deny")];
    (
        or_star(principal()),
        or_star(word()),
        pattern(),
        action,
        or_star(word()),
        effect,
    )
        .prop_map(|(subject, domain, object, action, purpose, effect)| {
            line(&["p", &subject, &domain, &object, action, &purpose, effect])
        })
}

/// Links that go up in the order of roles, so that there is no circle.
fn link() -> impl Strategy<Value = String> {
    let members = (0..ODD.len(), any::<bool>(), 0..ODD.len(), or_star(word()));
    members.prop_map(|(member, user, role, domain)| {
        let (low, high) = (member.min(role), member.max(role));
        match (user, ODD.get(low), ODD.get(high)) {
            (false, Some(low), Some(high)) if low != high => {
                line(&["g", &format!("role:{low}"), &format!("role:{high}"), &domain])
            }
            _ => line(&[
                "g",
                &format!("user:{}", ODD[member]),
                &format!("role:{}", ODD[role]),
                &domain,
            ]),
        }
    })
}

fn any_text() -> impl Strategy<Value = String> {
    prop_oneof!["\\PC{0,6}", ".{0,6}", Just(String::new()), Just("*".to_owned())]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn the_snapshot_decides_as_casbin_does(
        rules in prop::collection::vec(rule(), 0..30),
        links in prop::collection::vec(link(), 0..12),
        requests in prop::collection::vec(
            (
                prop_oneof![6 => principal(), 1 => any_text()],
                prop_oneof![6 => word(), 1 => any_text()],
                prop_oneof![6 => object(), 1 => pattern(), 1 => any_text()],
                select(&Action::ALL[..4]),
                prop_oneof![6 => word(), 1 => any_text()],
            ),
            20,
        ),
    ) {
        let policy = policy(&rules.concat(), &links.concat());
        let judge = Judge::new(&policy).unwrap();
        for (principal, domain, object, action, purpose) in &requests {
            let request = Request { principal, domain, object, action: *action, purpose };
            prop_assert_eq!(policy.decide(&request).is_allowed(), judge.allows(&request).unwrap(), "{:?}", request);
        }
    }

    /// Enough rules about one thing that they are looked up, not looked through.
    #[test]
    fn many_rules_of_one_subject_and_object_decide_as_few(
        rules in prop::collection::vec(
            (or_star(select(&["a", "b", "c", "d", "e"][..]).prop_map(str::to_owned)), or_star(word()), any::<bool>()), 20..80),
        domain in select(&["a", "b", "c", "x"][..]),
        purpose in word(),
    ) {
        let text: String = rules.iter().map(|(domain, purpose, deny)| {
            line(&["p", "user:a", domain, "a.a", "read", purpose, if *deny { "deny" } else { "allow" }])
        }).collect();
        let policy = policy(&text, "");
        let request = Request { principal: "user:a", domain, object: "a.a", action: Action::Read, purpose: &purpose };
        prop_assert_eq!(policy.decide(&request).is_allowed(), Judge::new(&policy).unwrap().allows(&request).unwrap());
    }
}
