//! The house rules that a test can hold: who may know whom, and how long a file may be.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::support::files;

/// For each crate, the crates of Malla that it may use. The order of docs/architecture.md.
const ALLOWED: &[(&str, &[&str])] = &[
    (
        "malla",
        &[
            "malla-serve",
            "malla-pipeline",
            "malla-query",
            "malla-lake",
            "malla-lineage",
            "malla-source",
            "malla-simulate",
            "malla-toolchain",
            "malla-sandbox",
            "malla-privacy",
            "malla-audit",
            "malla-policy",
            "malla-contract",
        ],
    ),
    ("malla-serve", &["malla-pipeline"]),
    (
        "malla-pipeline",
        &[
            "malla-query",
            "malla-lake",
            "malla-lineage",
            "malla-source",
            "malla-sandbox",
            "malla-privacy",
            "malla-quality",
            "malla-audit",
            "malla-policy",
            "malla-contract",
        ],
    ),
    (
        "malla-query",
        &[
            "malla-lake",
            "malla-audit",
            "malla-privacy",
            "malla-policy",
            "malla-contract",
        ],
    ),
    ("malla-toolchain", &["malla-contract"]),
    ("malla-lake", &["malla-contract"]),
    ("malla-lineage", &["malla-contract"]),
    ("malla-source", &["malla-contract"]),
    ("malla-simulate", &[]),
    ("malla-sandbox", &[]),
    ("malla-privacy", &["malla-contract"]),
    ("malla-quality", &["malla-contract"]),
    ("malla-audit", &[]),
    ("malla-policy", &["malla-contract"]),
    ("malla-contract", &[]),
    ("malla-sdk", &["malla-sdk-macros"]),
    ("malla-sdk-macros", &["malla-contract"]),
];

/// Libraries that only these crates may know.
const ONLY: &[(&str, &[&str])] = &[
    ("wasmtime", &["malla-sandbox"]),
    ("deltalake", &["malla-lake"]),
    ("datafusion", &["malla-query"]),
    ("aes-gcm", &["malla-privacy"]),
    ("ed25519-dalek", &["malla-audit"]),
    ("saphyr", &["malla-contract"]),
    ("parquet", &["malla-lake", "malla-source", "malla-simulate"]),
    ("rdkafka", &["malla-source"]),
    ("ssh2", &["malla-source"]),
    ("prost-reflect", &["malla-source"]),
    // One question to a registry, one event to a collector.
    ("ureq", &["malla-source", "malla-lineage"]),
    ("axum", &["malla-serve"]),
    ("clap", &["malla"]),
    ("indicatif", &["malla"]),
];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

/// Direct dependencies (not those of tests) of every crate of the workspace.
fn dependencies() -> BTreeMap<String, BTreeSet<String>> {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--no-deps", "--offline"])
        .current_dir(root())
        .output()
        .unwrap();
    let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    let name = |value: &Value| value["name"].as_str().unwrap().to_owned();
    metadata["packages"]
        .as_array()
        .unwrap()
        .iter()
        .map(|package| {
            let all = package["dependencies"].as_array().unwrap();
            (
                name(package),
                all.iter().filter(|d| d["kind"] != "dev").map(name).collect(),
            )
        })
        .collect()
}

#[test]
fn a_crate_uses_only_crates_that_stand_below_it() {
    for (name, used) in dependencies() {
        if name == "xtask" || name == "malla-tests" {
            continue;
        }
        let (_, allowed) = ALLOWED
            .iter()
            .find(|(known, _)| *known == name)
            .unwrap_or_else(|| panic!("`{name}` is new: give it a place in docs/architecture.md and here"));
        let ours = used.iter().filter(|used| used.starts_with("malla"));
        let wrong: Vec<&String> = ours.filter(|used| !allowed.contains(&used.as_str())).collect();
        assert!(wrong.is_empty(), "`{name}` must not use {wrong:?}");
    }
}

#[test]
fn a_heavy_library_is_known_to_one_crate() {
    for (name, used) in dependencies() {
        for (library, knowers) in ONLY {
            let known = used.contains(*library);
            assert!(
                !known || knowers.contains(&name.as_str()),
                "`{name}` must not know {library}"
            );
        }
    }
}

#[test]
fn no_file_is_two_rooms_in_one() {
    let folders = ["host", "sdk", "xtask", "tests", "plugins"];
    for file in folders.iter().flat_map(|folder| files(&root().join(folder))) {
        let path = file.strip_prefix(root()).unwrap();
        let built = path
            .components()
            .any(|part| part.as_os_str() == "target" || part.as_os_str() == "vendor");
        if built || path.extension().is_none_or(|extension| extension != "rs") {
            continue;
        }
        let lines = std::fs::read_to_string(&file).unwrap().lines().count();
        assert!(
            lines <= 500,
            "{} has {lines} lines: it wants to be two files",
            path.display()
        );
    }
}

#[test]
fn policy_and_contract_do_no_io_but_reading_policies() {
    for (krate, allowed) in [
        ("contract", &[][..]),
        ("policy", &["std::fs::metadata", "std::fs::read("]),
    ] {
        let sources: Vec<(PathBuf, String)> = files(&root().join("host").join(krate).join("src"))
            .into_iter()
            .map(|file| (file.clone(), std::fs::read_to_string(file).unwrap()))
            .collect();
        // Unit tests may do what they like, in their own files or at the end of a file.
        let only_tests: Vec<&str> = sources
            .iter()
            .flat_map(|(_, text)| text.split("#[cfg(test)]\nmod ").skip(1))
            .filter_map(|rest| rest.split_once(';').map(|(name, _)| name))
            .collect();
        for (file, text) in &sources {
            if only_tests
                .iter()
                .any(|name| file.file_stem().is_some_and(|stem| stem == *name))
            {
                continue;
            }
            let code = text.split("#[cfg(test)]\nmod tests {").next().unwrap();
            for word in [
                "std::fs",
                "std::net",
                "std::process",
                "std::env",
                "SystemTime",
                "Instant::now",
            ] {
                let io = code
                    .lines()
                    .filter(|line| line.contains(word) && !line.trim_start().starts_with("//"));
                for line in io {
                    assert!(
                        allowed.iter().any(|call| line.contains(call)),
                        "{}: {line}",
                        file.display()
                    );
                }
            }
        }
    }
}
