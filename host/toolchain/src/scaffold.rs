//! A new plugin that builds, tests and runs as it is, anywhere on the disk.

use std::path::Path;

use malla_contract::rust_identifier;

use crate::error::{ToolchainError, file};

include!(concat!(env!("OUT_DIR"), "/sdk.rs"));

/// Names that other crates of the build have, or that cargo refuses.
const TAKEN: [&str; 9] = [
    "alloc",
    "core",
    "malla_contract",
    "malla_sdk",
    "proc_macro",
    "std",
    "test",
    "thiserror",
    "wit_bindgen",
];

const TEMPLATE: [(&str, &str); 7] = [
    ("Cargo.toml", include_str!("../template/Cargo.toml.in")),
    ("contract.yaml", include_str!("../template/contract.yaml.in")),
    ("src/lib.rs", include_str!("../template/src/lib.rs.in")),
    (
        "testdata/pedidos.jsonl",
        include_str!("../template/testdata/pedidos.jsonl"),
    ),
    ("policies.csv", include_str!("../template/policies.csv.in")),
    ("README.md", include_str!("../template/README.md.in")),
    (".gitignore", include_str!("../template/gitignore.in")),
];

/// Makes a plugin in a folder, which must be empty or not there: a contract, a step with tests, events to try it on, and
/// under `vendor/malla` the SDK, which it needs no other repository for.
///
/// # Errors
/// A name that is none, a folder with something in it, a disk that refuses.
pub fn new(dir: &Path, name: &str) -> Result<(), ToolchainError> {
    check(name)?;
    match dir.read_dir().map(|mut entries| entries.next().is_none()) {
        Ok(true) => {}
        Ok(false) => return Err(ToolchainError::NotEmpty(dir.to_owned())),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
        Err(error) => return Err(file("make", dir)(error)),
    }
    let type_name = camel_case(name);
    for (place, text) in TEMPLATE {
        let text = text.replace("{{name}}", name).replace("{{Name}}", &type_name);
        write(&dir.join(place), &text)?;
    }
    write(&dir.join("Cargo.lock"), &lock(name))?;
    for (place, text) in SDK {
        write(&dir.join("vendor/malla").join(place), text)?;
    }
    Ok(())
}

/// A plugin's name is its domain, its crate and, in camel case, a type.
fn check(name: &str) -> Result<(), ToolchainError> {
    let bad = |why| {
        Err(ToolchainError::BadName {
            name: name.escape_debug().to_string(),
            why,
        })
    };
    let mut bytes = name.bytes();
    if !bytes.next().is_some_and(|first| first.is_ascii_lowercase()) {
        return bad("start with a letter from `a` to `z`");
    }
    if !bytes.all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_') {
        return bad("use only `a` to `z`, `0` to `9` and `_`");
    }
    if name.len() > 40 {
        return bad("use at most 40 characters");
    }
    if name
        .rsplit_once("_v")
        .is_some_and(|(_, major)| !major.is_empty() && major.bytes().all(|byte| byte.is_ascii_digit()))
    {
        return bad("leave out the major version: from 2.0.0 of the contract on, the host adds it");
    }
    let keyword = rust_identifier(name) != name || matches!(name, "self" | "super" | "crate");
    // A step of the example and a trait of its code have these names.
    if keyword
        || TAKEN.contains(&name)
        || matches!(
            camel_case(name).as_str(),
            "Plugin"
                | "Input"
                | "Output"
                | "Row"
                | "Rows"
                | "Rule"
                | "Error"
                | "Decimal"
                | "Timestamp"
                | "Result"
                | "Option"
                | "Ok"
                | "Err"
                | "Some"
                | "None"
        )
    {
        return bad("it has a meaning in Rust or in the SDK");
    }
    Ok(())
}

fn camel_case(name: &str) -> String {
    let mut camel = String::with_capacity(name.len());
    for word in name.split('_') {
        let mut letters = word.chars();
        camel.extend(letters.next().map(|first| first.to_ascii_uppercase()));
        camel.push_str(letters.as_str());
    }
    camel
}

/// The lock file of a new plugin: versions that are known to work together. Packages are sorted, as cargo has them.
fn lock(name: &str) -> String {
    const PACKAGE: &str = "\n[[package]]\n";
    let mut parts = LOCK.split(PACKAGE);
    let head = parts.next().unwrap_or_default();
    let mut packages: Vec<String> = parts
        .map(
            |package| match package.strip_prefix("name = \"ventas\"\nversion = \"1.0.0\"\n") {
                Some(rest) => format!("name = \"{name}\"\nversion = \"0.1.0\"\n{}\n", rest.trim_end()),
                None => format!("{}\n", package.trim_end()),
            },
        )
        .collect();
    packages.sort();
    packages
        .into_iter()
        .fold(head.to_owned(), |lock, package| lock + PACKAGE + &package)
}

fn write(path: &Path, text: &str) -> Result<(), ToolchainError> {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).map_err(file("make", folder))?;
    }
    std::fs::write(path, text).map_err(file("write", path))
}

#[cfg(test)]
mod tests {
    use malla_contract::Contract;

    use super::*;

    #[test]
    fn the_example_contract_is_valid() {
        let dir = tempfile::tempdir().unwrap();
        new(dir.path(), "mi_prueba").unwrap();
        let yaml = std::fs::read_to_string(dir.path().join("contract.yaml")).unwrap();
        let contract = Contract::parse(&yaml).unwrap();
        assert_eq!(contract.domain, "mi_prueba");
        let code = std::fs::read_to_string(dir.path().join("src/lib.rs")).unwrap();
        assert!(code.contains("plugin!(MiPrueba,") && !code.contains("{{"));
        assert!(
            std::fs::read_to_string(dir.path().join("Cargo.lock"))
                .unwrap()
                .contains("name = \"mi_prueba\"\nversion = \"0.1.0\"")
        );
    }

    #[test]
    fn nothing_is_overwritten() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("notes.txt"), "mine").unwrap();
        assert!(matches!(
            new(dir.path(), "prueba"),
            Err(ToolchainError::NotEmpty(_))
        ));
        let file = dir.path().join("notes.txt");
        assert!(matches!(new(&file, "prueba"), Err(ToolchainError::File { .. })));
    }

    #[test]
    fn bad_names_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        for name in [
            "",
            "Prueba",
            "1a",
            "_a",
            "a-b",
            "año",
            "a b",
            "../a",
            "type",
            "self",
            "core",
            "malla_sdk",
            "rule",
            "plugin",
            "ventas_v2",
            &"a".repeat(41),
        ] {
            assert!(
                matches!(new(dir.path(), name), Err(ToolchainError::BadName { .. })),
                "{name}"
            );
        }
    }
}
