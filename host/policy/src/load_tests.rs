//! Files to a policy, or to every fault at its line.

use insta::assert_snapshot;
use proptest::prelude::*;

use crate::{
    DECLASSIFY_FILE, Fault, GLOBAL_FILE, GROUPS_FILE, MASKS_FILE, MODEL_FILE, Policy, PolicyFiles,
    ROW_FILTERS_FILE, TEMPLATE,
};

fn template() -> PolicyFiles {
    PolicyFiles::template("policies")
}

fn faults(files: &PolicyFiles) -> String {
    match Policy::parse(files) {
        Ok(_) => "fine".to_owned(),
        Err(errors) => errors.to_string(),
    }
}

fn with(name: &str, text: &str) -> String {
    faults(&template().with(name, text))
}

#[test]
fn the_template_is_a_policy() {
    let policy = Policy::parse(&template()).unwrap_or_else(|errors| panic!("{errors}"));
    assert!(policy.rules().len() > 10);
    let files: Vec<&str> = policy.rules().iter().map(|rule| &*rule.id.file).collect();
    assert!(
        files.is_sorted_by_key(|file| (*file != GLOBAL_FILE, *file)),
        "{files:?}"
    );
}

#[test]
fn a_policy_is_loaded_from_its_folder() {
    let dir = tempfile::tempdir().unwrap();
    let missing = Policy::load(&dir.path().join("nowhere")).unwrap_err();
    assert_eq!(missing.0.len(), 4);
    assert!(
        missing.0.iter().all(|error| error.fault == Fault::MissingFile),
        "{missing}"
    );
    assert!(
        missing
            .to_string()
            .contains(&dir.path().join("nowhere/masks.toml").display().to_string())
    );

    for (name, text) in TEMPLATE {
        let path = dir.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
    // What editors and people leave beside is no policy.
    for name in [".#global.csv", "global.csv~", "README.md"] {
        std::fs::write(dir.path().join(name), "p").unwrap();
    }
    std::fs::create_dir(dir.path().join(".git")).unwrap();
    let files = PolicyFiles::read(dir.path());
    assert_eq!(files, PolicyFiles::read(dir.path()));
    let policy = Policy::load(dir.path()).unwrap();
    assert_eq!(policy.digest(), Policy::parse(&template()).unwrap().digest());

    let excels = format!(
        "\u{feff}{}",
        files.text(GLOBAL_FILE).unwrap().replace('\n', "\r\n")
    );
    std::fs::write(dir.path().join(GLOBAL_FILE), excels).unwrap();
    assert_eq!(Policy::load(dir.path()).unwrap().digest(), policy.digest());

    std::fs::write(dir.path().join(MASKS_FILE), b"\n# Dise\xf1o\n").unwrap();
    assert_ne!(files, PolicyFiles::read(dir.path()));
    std::fs::write(dir.path().join("row-filter.toml"), "").unwrap();
    std::fs::create_dir(dir.path().join("domain")).unwrap();
    std::fs::remove_dir_all(dir.path().join("tests")).unwrap();
    std::fs::write(dir.path().join("tests"), "").unwrap();
    for name in ["domains/VENTAS.CSV", "domains/logistica", "domains/producto.cvs"] {
        std::fs::write(dir.path().join(name), "p, *, *, *, *, *, deny").unwrap();
    }
    std::fs::write(dir.path().join("declassify.toml"), "\n\n# one\r# two\n").unwrap();
    std::fs::remove_file(dir.path().join(GROUPS_FILE)).unwrap();
    std::os::unix::fs::symlink("/dev/null", dir.path().join(GROUPS_FILE)).unwrap();
    std::fs::write(dir.path().join("domains/ventas_raw.csv"), "").unwrap();
    let wrong = Policy::load(dir.path()).unwrap_err().to_string();
    let wrong = wrong.replace(&dir.path().display().to_string(), "policies");
    assert_snapshot!(wrong, @r"
    policies/declassify.toml:3: a carriage return without a line feed, which would make one line of two: save it with line feeds
    policies/domain: means nothing here: the folders of a policy are domains and tests; rename or remove it
    policies/domains/VENTAS.CSV: means nothing here: policy files are model.conf, global.csv, groups.csv, masks.toml, row-filters.toml, declassify.toml, domains/<domain>.csv and tests/<name>.toml; rename or remove it
    policies/domains/logistica: means nothing here: policy files are model.conf, global.csv, groups.csv, masks.toml, row-filters.toml, declassify.toml, domains/<domain>.csv and tests/<name>.toml; rename or remove it
    policies/domains/producto.cvs: means nothing here: policy files are model.conf, global.csv, groups.csv, masks.toml, row-filters.toml, declassify.toml, domains/<domain>.csv and tests/<name>.toml; rename or remove it
    policies/domains/ventas_raw.csv: no domain can be called `ventas_raw`: `_raw`, `_quarantine` and `_quality` end the names of the host's schemas; rename it
    policies/groups.csv: is no regular file: put a file there, or remove it
    policies/masks.toml:2: is not UTF-8 from here on: save it as UTF-8
    policies/row-filter.toml: means nothing here: policy files are model.conf, global.csv, groups.csv, masks.toml, row-filters.toml, declassify.toml, domains/<domain>.csv and tests/<name>.toml; rename or remove it
    policies/tests: must be a folder: nothing in it would count; rename or remove it
    ");
}

#[test]
fn what_decides_must_be_there() {
    for name in [MODEL_FILE, GLOBAL_FILE, GROUPS_FILE, MASKS_FILE] {
        let errors = Policy::parse(&template().without(name)).unwrap_err();
        assert_eq!(errors.0.len(), 1, "{errors}");
        assert!(
            errors
                .to_string()
                .starts_with(&format!("policies/{name}: no such file")),
            "{errors}"
        );
    }
    let few = PolicyFiles::new("policies")
        .with(MODEL_FILE, crate::model::MODEL)
        .with(GLOBAL_FILE, "")
        .with(GROUPS_FILE, "")
        .with(MASKS_FILE, "[[mask]]\ntag = \"a\"\nmask = \"token\"");
    assert_eq!(faults(&few), "fine");
}

#[test]
fn another_model_is_refused() {
    assert_snapshot!(with(MODEL_FILE, &crate::model::MODEL.replace(" && !some", " || some")), @"policies/model.conf:12: not the model that Malla compiles, from this line on: put back the text that `malla init` writes; rules belong in global.csv and domains/<domain>.csv");
}

#[test]
fn every_wrong_line_is_told() {
    assert_snapshot!(with(GLOBAL_FILE, r#"# comments and empty lines count

p, role:a, *, ventas.*, read, *, allow
p, role:a, *, ventas.*, read, *, Allow
p, role:a, *, ventas.*, read, *
p, role:a, *, ventas.*, read, *, allow, more
p2, role:a, *, ventas.*, read, *, allow
p, ana, *, ventas.*, look, *, deny
p, , , , , ,
p, user:*, ven*, ventas*, read, f*, allow
p, role:a, *, a/b.*, read, *, allow
p, role:a, *, ventas/*, read, *, allow
p, role:a, *, "ventas.a
p, role:b, *, ventas.*, read, *, allow"
p, role:a, *, ventas.*, "read" x, *, allow
p, role:a, *, ven"tas.*, read, *, allow
p, "user:ana, of ventas", *, ventas.*, read, *, allow
p, user:a	b, *, ventas.*, read, *, allow
g, user:ana, user:eva, *
g, *, role:a, *
g, role:, role:a
g
"#), @r##"
policies/global.csv:4: `Allow` is neither `allow` nor `deny`: write one of them, in small letters
policies/global.csv:5: a `p` line has 6 fields after the `p`, not 5: write p, subject, domain, object, action, purpose, allow or deny; put a field with a comma in quotes
policies/global.csv:6: a `p` line has 6 fields after the `p`, not 7: write p, subject, domain, object, action, purpose, allow or deny; put a field with a comma in quotes
policies/global.csv:7: a line that begins with `p2`: begin it with `p` (p, subject, domain, object, action, purpose, allow or deny) or `g` (g, member, role, domain); a comment begins with `#`
policies/global.csv:8: `ana` is no principal: write `user:`, `service:`, `plugin:` or `role:`, and a name
policies/global.csv:8: unknown action `look`: use one of read, read-raw, write, deploy, erase, administer, or `*`
policies/global.csv:9: the subject is empty: write one
policies/global.csv:9: the domain is empty: write one
policies/global.csv:9: the purpose is empty: write one
policies/global.csv:9: the object is empty: write one
policies/global.csv:9: the action is empty: write one
policies/global.csv:9: `` is neither `allow` nor `deny`: write one of them, in small letters
policies/global.csv:10: `user:*` is no principal: write `user:`, `service:`, `plugin:` or `role:`, and a name
policies/global.csv:10: `ven*` is no domain: write a name, or `*` alone for all
policies/global.csv:10: `f*` is no purpose: write a name, or `*` alone for all
policies/global.csv:10: `ventas*` is no object: write `schema.table`, `schema.table/column`, a tag, `schema.table/*` (its columns), `schema.*` or `*`
policies/global.csv:11: `a/b.*` is no object: write `schema.table`, `schema.table/column`, a tag, `schema.table/*` (its columns), `schema.*` or `*`
policies/global.csv:12: `ventas/*` is no object: write `schema.table`, `schema.table/column`, a tag, `schema.table/*` (its columns), `schema.*` or `*`
policies/global.csv:13: a quote that is not closed on its line: close it: a rule is one line
policies/global.csv:14: a quote inside a field: put the whole field in quotes, and write each quote in it twice
policies/global.csv:15: `x, *, allow` after a closing quote: put a comma between fields
policies/global.csv:16: a quote inside a field: put the whole field in quotes, and write each quote in it twice
policies/global.csv:18: a control character in `user:a\tb`: remove it
policies/global.csv:19: `user:eva` is no role: write `role:` and a name: only roles can be given
policies/global.csv:20: `*` is no principal: who has a role is named, not `*`: write `user:`, `service:`, `plugin:` or `role:`, and a name
policies/global.csv:21: a `g` line has 3 fields after the `g`, not 2: write g, member, role, domain; put a field with a comma in quotes
policies/global.csv:22: a `g` line has 3 fields after the `g`, not 0: write g, member, role, domain; put a field with a comma in quotes
"##);
    assert_snapshot!(with(GROUPS_FILE, "p, role:a, *, ventas.*, read, *, allow\ng, user:ana, role:a, ventas\n"), @"policies/groups.csv:1: a rule among the roles: move `p` lines to `global.csv` or to the domain's own file");
}

#[test]
fn a_newline_in_a_field_makes_no_rule() {
    let text = "p, \"role:a\np, *, *, *, *, *, allow\n\", *, ventas.*, read, *, allow\n";
    let errors = Policy::parse(&template().with(GLOBAL_FILE, text)).unwrap_err();
    assert!(
        errors
            .to_string()
            .contains("policies/global.csv:1: a quote that is not closed"),
        "{errors}"
    );
    let carriage = with(GLOBAL_FILE, "p, \"role:a\rp\", *, ventas.*, read, *, allow\n");
    assert_eq!(
        carriage,
        "policies/global.csv:1: a control character in `role:a\\rp`: remove it"
    );
    let windows = "p, role:a, *, ventas.*, read, *, allow\r\n";
    assert_eq!(with(GLOBAL_FILE, windows), "fine");
}

#[test]
fn a_domain_speaks_of_its_own() {
    assert_snapshot!(with("domains/ventas.csv", r"
p, role:a, ventas, ventas.t, read, *, allow
p, role:a, ventas, ventas_raw.t/c, read-raw, *, allow
p, role:a, ventas, ventas_quarantine.*, read, *, allow
p, role:a, *, ventas.t, read, *, allow
p, role:a, logistica, ventas.t, read, *, allow
p, role:a, ventas, logistica.t, read, *, allow
p, role:a, ventas, logistica_raw.*, read, *, allow
p, role:a, ventas, ventas_rawx.t, read, *, allow
p, role:a, ventas, ventasx.t, read, *, allow
p, role:a, ventas, ventas, read, *, allow
p, role:a, ventas, pii:card, read-raw, *, allow
p, role:a, ventas, *, read, *, allow
p, *, ventas, ventas.*, read, *, deny
g, user:ana, role:a, ventas
g, user:ana, role:a, *
g, user:ana, role:a, logistica
"), @r"
    policies/domains/ventas.csv:5: a line for the domain `*` in the file of `ventas`: write `ventas`, or move the line to the platform's files
    policies/domains/ventas.csv:6: a line for the domain `logistica` in the file of `ventas`: write `ventas`, or move the line to the platform's files
    policies/domains/ventas.csv:7: `logistica.t` is not one of `ventas`'s own objects: name something in `ventas`, `ventas_raw`, `ventas_quarantine` or `ventas_quality`; rules about tags, other domains or everything are the platform's, in `global.csv`
    policies/domains/ventas.csv:8: `logistica_raw.*` is not one of `ventas`'s own objects: name something in `ventas`, `ventas_raw`, `ventas_quarantine` or `ventas_quality`; rules about tags, other domains or everything are the platform's, in `global.csv`
    policies/domains/ventas.csv:9: `ventas_rawx.t` is not one of `ventas`'s own objects: name something in `ventas`, `ventas_raw`, `ventas_quarantine` or `ventas_quality`; rules about tags, other domains or everything are the platform's, in `global.csv`
    policies/domains/ventas.csv:10: `ventasx.t` is not one of `ventas`'s own objects: name something in `ventas`, `ventas_raw`, `ventas_quarantine` or `ventas_quality`; rules about tags, other domains or everything are the platform's, in `global.csv`
    policies/domains/ventas.csv:11: `ventas` is not one of `ventas`'s own objects: name something in `ventas`, `ventas_raw`, `ventas_quarantine` or `ventas_quality`; rules about tags, other domains or everything are the platform's, in `global.csv`
    policies/domains/ventas.csv:12: `pii:card` is not one of `ventas`'s own objects: name something in `ventas`, `ventas_raw`, `ventas_quarantine` or `ventas_quality`; rules about tags, other domains or everything are the platform's, in `global.csv`
    policies/domains/ventas.csv:13: `*` is not one of `ventas`'s own objects: name something in `ventas`, `ventas_raw`, `ventas_quarantine` or `ventas_quality`; rules about tags, other domains or everything are the platform's, in `global.csv`
    policies/domains/ventas.csv:16: a line for the domain `*` in the file of `ventas`: write `ventas`, or move the line to the platform's files
    policies/domains/ventas.csv:17: a line for the domain `logistica` in the file of `ventas`: write `ventas`, or move the line to the platform's files
    ");
}

#[test]
fn roles_form_no_circle_and_no_long_chain() {
    assert_snapshot!(with(GROUPS_FILE, "g, user:ana, role:a, *\ng, role:a, role:b, *\ng, role:b, role:c, ventas\ng, role:c, role:a, *\ng, role:d, role:d, *\n"), @r##"
policies/groups.csv:4: roles in a circle: `role:a`, `role:b` and `role:c`: remove one of the lines: a role cannot have itself
policies/groups.csv:5: roles in a circle: `role:d`: remove one of the lines: a role cannot have itself
"##);
    let chain = |links: usize| -> String {
        (0..links)
            .map(|n| format!("g, role:r{n}, role:r{}, *\n", n + 1))
            .collect()
    };
    assert_eq!(with(GROUPS_FILE, &chain(8)), "fine");
    assert_snapshot!(with(GROUPS_FILE, &chain(9)), @"policies/groups.csv:1: the roles of `role:r0` are more than 8 deep: give it the last role itself");
    // A long chain must not overflow a stack.
    assert!(with(GROUPS_FILE, &chain(20_000)).contains("more than 8 deep"));
    let many: String = (0..1001)
        .map(|n| format!("g, user:ana, role:r{n}, *\n"))
        .collect();
    assert!(with(GROUPS_FILE, &many).contains("`user:ana` has more than 1000 roles"));
}

#[test]
fn row_filters_are_values() {
    let policy = Policy::parse(&template().with(
        ROW_FILTERS_FILE,
        r#"
[[row-filter]]
table = "ventas.t"
column = "a"
in = ["x'; DROP TABLE t; --", "y"]
[[row-filter]]
table = "ventas.t"
column = "b"
between = [2026-01-01, 2026-12-31]
[[row-filter]]
table = "ventas.t"
column = "c"
at-least = 1.5
[[row-filter]]
table = "ventas.t"
column = "d"
at-most = 2026-01-01T02:00:00.5+02:00
[[row-filter]]
table = "ventas.t"
column = "e"
not-in = [0x10, -3]
[[row-filter]]
table = "ventas.t"
column = "f"
equals = true
"#,
    ))
    .unwrap_or_else(|errors| panic!("{errors}"));
    let said: Vec<String> = policy.row_filters().iter().map(ToString::to_string).collect();
    assert_snapshot!(said.join("\n"), @r##"
a is x'; DROP TABLE t; -- or y
b is from 2026-01-01 to 2026-12-31
c is 1.5 or more
d is 2026-01-01T00:00:00.500000Z or less
e is not 16 or -3
f is true
"##);
}

#[test]
fn every_wrong_row_filter_is_told() {
    assert_snapshot!(with(ROW_FILTERS_FILE, r#"
[[row-filter]]
table = "ventas"
column = "a"
equals = 1
[[row-filter]]
table = "ventas.t/c"
for = []
column = "a"
equals = [1]
[[row-filter]]
table = "ventas.t"
for = ["analista", "*"]
except = "role:a"
column = ""
[[row-filter]]
equals = 1
in = [1]
sql = "a = 1"
[[row-filter]]
table = "ventas.t"
column = "a"
in = [1, "a"]
[[row-filter]]
table = "ventas.t"
column = "a"
between = [2, 1]
[[row-filter]]
table = "ventas.t"
column = "a"
between = [1, 2, 3]
[[row-filter]]
table = "ventas.t"
column = "a"
equals = 2026-01-01T00:00:00
[[row-filter]]
table = "ventas.t"
column = "a"
equals = nan
[[row-filters]]
"#), @r##"
policies/row-filters.toml:2: `ventas` is no table: write `schema.table`
policies/row-filters.toml:6: `ventas.t/c` is no table: write `schema.table`
policies/row-filters.toml:8: `for` must be a list of texts that is not empty
policies/row-filters.toml:10: `equals` must be a text, a number, true or false, a day (2026-11-25) or a moment with its offset (2026-11-25T00:00:00Z)
policies/row-filters.toml:11: `analista` in `for` is no principal: write `user:`, `service:`, `plugin:` or `role:`, and a name; without `for` a filter is for everybody
policies/row-filters.toml:11: `*` in `for` is no principal: write `user:`, `service:`, `plugin:` or `role:`, and a name; without `for` a filter is for everybody
policies/row-filters.toml:11: a row filter without a condition: add one of equals, in, not-in, at-least, at-most, between
policies/row-filters.toml:14: `except` must be a list of texts that is not empty
policies/row-filters.toml:15: `column` must be text that is not empty
policies/row-filters.toml:16: a row filter needs `table`: add it
policies/row-filters.toml:16: a row filter needs `column`: add it
policies/row-filters.toml:16: a row filter with more than one condition: make several of it, each with one of equals, in, not-in, at-least, at-most, between
policies/row-filters.toml:19: unknown key `sql` in a row filter: use one of table, for, except, column, equals, in, not-in, at-least, at-most, between, reason
policies/row-filters.toml:23: `in` must be a list of values of one type
policies/row-filters.toml:27: `between` whose first value is the greater: swap the two
policies/row-filters.toml:31: `between` must be a list of two values
policies/row-filters.toml:35: `equals` must be a text, a number, true or false, a day (2026-11-25) or a moment with its offset (2026-11-25T00:00:00Z)
policies/row-filters.toml:39: `equals` must be a text, a number, true or false, a day (2026-11-25) or a moment with its offset (2026-11-25T00:00:00Z)
policies/row-filters.toml:40: unknown key `row-filters` in the file: use one of row-filter
"##);
}

#[test]
fn every_wrong_declassification_is_told() {
    assert_snapshot!(with(DECLASSIFY_FILE, r#"
[[declassify]]
[[declassify]]
column = "ventas.t"
to = "secret"
drops = "pii:email"
reason = " "
owner = "equipo"
expires = "2027-01-31"
[[declassify]]
column = "ventas.t/c"
to = "internal"
drops = []
reason = "r"
owner = "o"
expires = 2027-01-31
[[declassify]]
column = "ventas.t/c"
to = "public"
drops = ["pii:email"]
reason = "r"
owner = "o"
expires = 2027-02-30
[[declassify]]
column = "ventas.t/c"
to = "public"
drops = ["pii:email"]
reason = "r"
owner = "o"
expires = 2027-02-28
"#), @"policies/declassify.toml:23: not valid TOML: invalid date, expected day between 01 and 28");
}

#[test]
fn the_digest_covers_all_that_decides() {
    let digest = |files: PolicyFiles| Policy::parse(&files).unwrap().digest().to_owned();
    let base = digest(template());
    let add = |name: &str, more: &str| {
        let text = template().text(name).unwrap_or_default().to_owned();
        template().with(name, format!("{text}\n{more}\n"))
    };
    let filter =
        |more: &str| format!("[[row-filter]]\ntable = \"ventas.transacciones\"\ncolumn = \"canal\"\n{more}");
    let rule = "[[declassify]]\ncolumn = \"ventas.t/c\"\nto = \"internal\"\ndrops = []\nreason = \"r\"\nowner = \"o\"\n";
    let mut digests = vec![base.clone()];
    for (name, more) in [
        (GLOBAL_FILE, "p, role:x, *, ventas.*, read, *, allow".to_owned()),
        (GLOBAL_FILE, "p, role:x, *, ventas.*, read, *, deny".to_owned()),
        (
            "domains/ventas.csv",
            "p, role:x, ventas, ventas.*, erase, *, allow".to_owned(),
        ),
        (GROUPS_FILE, "g, user:x, role:x, *".to_owned()),
        (GROUPS_FILE, "g, user:x, role:x, ventas".to_owned()),
        (ROW_FILTERS_FILE, filter("equals = \"web\"")),
        (ROW_FILTERS_FILE, filter("in = [\"web\"]")),
        (ROW_FILTERS_FILE, filter("equals = \"web\"\nfor = [\"user:x\"]")),
        (
            ROW_FILTERS_FILE,
            filter("equals = \"web\"\nexcept = [\"user:x\"]"),
        ),
        (DECLASSIFY_FILE, format!("{rule}expires = 2027-01-31")),
        (DECLASSIFY_FILE, format!("{rule}expires = 2027-02-01")),
    ] {
        digests.push(digest(add(name, &more)));
    }
    let count = digests.len();
    digests.sort();
    digests.dedup();
    assert_eq!(digests.len(), count);

    let moved = template()
        .text("domains/ventas.csv")
        .unwrap()
        .replace("# ", "#  ");
    let reversed: Vec<&str> = moved.lines().rev().collect();
    assert_eq!(
        digest(template().with("domains/ventas.csv", reversed.join("\n"))),
        base
    );
    assert_eq!(digest(add("tests/ventas.toml", "# a comment")), base);
}

proptest! {
    #[test]
    fn no_text_panics(
        name in prop::sample::select(TEMPLATE.map(|(name, _)| name).to_vec()),
        text in "([\\[\\]a-z=\"\r\n .:*/,-]|p, |g, |user:|role:|ventas|read|allow|row-filter|declassify|\\PC){0,60}",
    ) {
        let _ = Policy::parse(&template().with(name, text));
    }

    #[test]
    fn no_change_of_a_good_file_panics(
        name in prop::sample::select(TEMPLATE.map(|(name, _)| name).to_vec()),
        cuts in prop::collection::vec((any::<prop::sample::Index>(), 0..12usize, "[ \n\"#,*=\\[\\]a0]{0,3}"), 1..4),
    ) {
        let files = template();
        let mut chars: Vec<char> = files.text(name).unwrap().chars().collect();
        for (place, gone, put) in cuts {
            let from = place.index(chars.len());
            let to = (from + gone).min(chars.len());
            chars.splice(from..to, put.chars());
        }
        let _ = Policy::parse(&files.with(name, chars.into_iter().collect::<String>()));
    }
}
