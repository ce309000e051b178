use std::fs::{self, OpenOptions, Permissions};
use std::io::Write as _;
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};

use super::*;

const WHOLE: &str = r#"
version = 1
[token]
key = "1111111111111111111111111111111111111111111111111111111111111111"
[host]
key = "2222222222222222222222222222222222222222222222222222222222222222"
[[seal]]
id = "0000000000000001"
key = "3333333333333333333333333333333333333333333333333333333333333333"
[[seal]]
id = "0000000000000002"
key = "4444444444444444444444444444444444444444444444444444444444444444"
"#;

fn written(dir: &Path, text: &[u8]) -> PathBuf {
    let path = dir.join("malla.keys");
    let _ = fs::remove_file(&path);
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&path)
        .unwrap();
    file.write_all(text).unwrap();
    path
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[test]
fn what_is_created_loads_and_is_the_owners_alone() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("keys").join("malla.keys");
    let made = KeyStore::create(&path).unwrap();
    let read = KeyStore::load(&path).unwrap();

    assert_eq!(made.component_cache_key(), read.component_cache_key());
    assert_eq!(made.token_key("g").bytes(), read.token_key("g").bytes());
    assert_eq!(made.seal_key().id, read.seal_key().id);
    assert_eq!(made.seal_key().secret.bytes(), read.seal_key().secret.bytes());
    assert_eq!(mode(&path), 0o600);
    assert_eq!(mode(path.parent().unwrap()), 0o700);
}

#[test]
fn keys_are_random_and_apart() {
    let dir = tempfile::tempdir().unwrap();
    let one = KeyStore::create(&dir.path().join("one")).unwrap();
    let other = KeyStore::create(&dir.path().join("other")).unwrap();
    let mut keys = vec![];
    for store in [&one, &other] {
        keys.extend([
            *store.token.bytes(),
            *store.host.bytes(),
            *store.seal.secret.bytes(),
            store.component_cache_key(),
            *store.token_key("a").bytes(),
            *store.token_key("b").bytes(),
        ]);
    }
    let count = keys.len();
    keys.sort_unstable();
    keys.dedup();
    assert_eq!(keys.len(), count);
}

#[test]
fn keys_are_never_overwritten() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("malla.keys");
    KeyStore::create(&path).unwrap();
    let before = fs::read(&path).unwrap();
    assert!(matches!(KeyStore::create(&path), Err(KeyError::Exists { .. })));
    assert_eq!(fs::read(&path).unwrap(), before);

    // Nor through a link that leads nowhere yet.
    let link = dir.path().join("link");
    symlink(dir.path().join("elsewhere"), &link).unwrap();
    assert!(matches!(KeyStore::create(&link), Err(KeyError::Exists { .. })));
    assert!(!dir.path().join("elsewhere").exists());
}

#[test]
fn a_missing_store_says_how_to_make_one() {
    let dir = tempfile::tempdir().unwrap();
    let error = KeyStore::load(&dir.path().join("malla.keys")).unwrap_err();
    assert!(matches!(error, KeyError::Missing { .. }));
    assert!(error.to_string().contains("`malla init`"), "{error}");
}

#[test]
fn a_store_that_others_reach_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("malla.keys");
    KeyStore::create(&path).unwrap();
    for mode in [0o640, 0o604, 0o620, 0o602, 0o610, 0o777] {
        fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
        let error = KeyStore::load(&path).unwrap_err();
        assert!(
            matches!(error, KeyError::Exposed { mode: found, .. } if found == mode),
            "{mode:o}: {error}"
        );
        assert!(error.to_string().contains("chmod 600"), "{error}");
        // A link does not hide the mode of what is behind it.
        let link = dir.path().join(format!("link{mode}"));
        symlink(&path, &link).unwrap();
        assert!(matches!(KeyStore::load(&link), Err(KeyError::Exposed { .. })));
    }
    fs::set_permissions(&path, Permissions::from_mode(0o400)).unwrap();
    KeyStore::load(&path).unwrap();
}

#[test]
fn a_folder_is_no_store() {
    let dir = tempfile::tempdir().unwrap();
    assert!(matches!(
        KeyStore::load(dir.path()),
        Err(KeyError::NotAFile { .. })
    ));
}

#[test]
fn the_last_key_seals_and_all_open() {
    let dir = tempfile::tempdir().unwrap();
    let store = KeyStore::load(&written(dir.path(), WHOLE.as_bytes())).unwrap();
    assert_eq!(store.seal_key().id.to_string(), "0000000000000002");
    let ids: Vec<_> = store.opening_keys().map(|key| key.id.to_string()).collect();
    assert_eq!(ids, ["0000000000000001", "0000000000000002"]);
}

#[test]
fn a_damaged_store_is_refused_without_its_content() {
    let token = "1111111111111111111111111111111111111111111111111111111111111111";
    let cases: &[(&str, String)] = &[
        ("cut", WHOLE.split_at(WHOLE.len() - 20).0.to_owned()),
        ("empty", String::new()),
        ("no version", WHOLE.replace("version = 1", "")),
        (
            "version is text",
            WHOLE.replace("version = 1", &format!("version = \"{token}\"")),
        ),
        ("short key", WHOLE.replace(token, token.split_at(2).1)),
        ("long key", WHOLE.replace(token, &format!("{token}11"))),
        ("no hex", WHOLE.replace(token, &token.replace('1', "z"))),
        ("key is a number", WHOLE.replace(&format!("\"{token}\""), "1111")),
        ("no seal", WHOLE.split("[[seal]]").next().unwrap().to_owned()),
        (
            "one id twice",
            WHOLE.replace("0000000000000002", "0000000000000001"),
        ),
        ("short id", WHOLE.replace("0000000000000002", "02")),
        ("unknown field", format!("{WHOLE}\nsecret = \"{token}\"")),
        ("unknown table", format!("{WHOLE}\n[{token}]")),
        ("no TOML", format!("{WHOLE}\n{token}")),
    ];
    let dir = tempfile::tempdir().unwrap();
    for (name, text) in cases {
        let error = KeyStore::load(&written(dir.path(), text.as_bytes())).unwrap_err();
        assert!(matches!(error, KeyError::Damaged { .. }), "{name}: {error}");
        for shown in [format!("{error}"), format!("{error:?}")] {
            assert!(
                !shown.contains("11111111") && !shown.contains("33333333"),
                "{name}: {shown}"
            );
        }
    }
    let error = KeyStore::load(&written(dir.path(), b"\xff\xfe")).unwrap_err();
    assert!(matches!(error, KeyError::Damaged { .. }), "{error}");
    let error = KeyStore::load(&written(dir.path(), WHOLE.replace("= 1\n", "= 3\n").as_bytes())).unwrap_err();
    assert!(matches!(error, KeyError::Version { version: 3, .. }), "{error}");
}

#[test]
fn damaged_generations_are_refused_without_their_keys() {
    let one = |number: u32, until: &str| {
        format!(
            "[[token.generation]]\nnumber = {number}\nkey = \"{}\"\n{until}\n",
            "5".repeat(64)
        )
    };
    let until = "until = \"2026-12-31\"";
    let with = |generations: &[String]| {
        WHOLE
            .replace("version = 1", "version = 2")
            .replace("[host]", &format!("{}[host]", generations.concat()))
    };
    let dir = tempfile::tempdir().unwrap();
    let load = |text: &str| KeyStore::load(&written(dir.path(), text.as_bytes()));
    assert_eq!(
        load(&with(&[one(1, until), one(4, "")]))
            .unwrap()
            .token_generation(),
        4
    );
    for (name, text) in [
        ("none", with(&[])),
        (
            "in version 1",
            with(&[one(1, "")]).replace("version = 2", "version = 1"),
        ),
        ("zero", with(&[one(0, "")])),
        ("one number twice", with(&[one(1, until), one(1, "")])),
        ("backwards", with(&[one(2, until), one(1, "")])),
        ("no window", with(&[one(1, ""), one(2, "")])),
        ("the current one ends", with(&[one(1, until)])),
        ("no date", with(&[one(1, "until = \"2026-02-30\""), one(2, "")])),
        ("short key", with(&[one(1, "").replace("5555", "5")])),
        (
            "negative",
            with(&[one(1, "").replace("number = 1", "number = -1")]),
        ),
    ] {
        let error = load(&text).unwrap_err();
        assert!(matches!(error, KeyError::Damaged { .. }), "{name}: {error}");
        let shown = format!("{error} {error:?}");
        assert!(
            !shown.contains("5555") && !shown.contains("1111"),
            "{name}: {shown}"
        );
    }
}

#[test]
fn debug_tells_ids_and_no_keys() {
    let dir = tempfile::tempdir().unwrap();
    let store = KeyStore::load(&written(dir.path(), WHOLE.as_bytes())).unwrap();
    let shown = format!("{store:?}");
    assert_eq!(
        shown,
        r#"KeyStore { token: [1], seal: ["0000000000000001", "0000000000000002"], .. }"#
    );
}
