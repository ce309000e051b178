//! Compiled components on disk: used when whole and ours, else replaced.

use std::fs;
use std::path::{Path, PathBuf};

use malla_sandbox::{CacheConfig, Limits, LoadError, Plugin, Sandbox, SandboxConfig};
use std::time::Duration;

use crate::support::{EVIL, id, run};

fn sandbox(dir: &Path, key: u8) -> SandboxConfig {
    SandboxConfig::default().with_cache(CacheConfig {
        dir: dir.into(),
        key: [key; 32],
    })
}

fn load(config: SandboxConfig) -> Result<Plugin, LoadError> {
    Sandbox::new(config).unwrap().load(id(), &EVIL)
}

/// Whether a component is found compiled: nothing compiles in no time at all.
fn cached(dir: &Path, key: u8) -> bool {
    match load(sandbox(dir, key).with_limits(Limits::default().with_compile_time(Duration::ZERO))) {
        Ok(plugin) => {
            run(&plugin, "echo/all", 3).unwrap();
            true
        }
        Err(LoadError::CompileTime { .. }) => false,
        Err(other) => panic!("{other}"),
    }
}

fn only_file(dir: &Path) -> PathBuf {
    let files: Vec<_> = fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    assert_eq!(files.len(), 1, "{files:?}");
    files[0].clone()
}

#[test]
fn a_component_is_compiled_once() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path().join("made/on/demand");
    let plugin = load(sandbox(&dir, 1)).unwrap();
    assert!(cached(&dir, 1));
    assert_eq!(
        only_file(&dir).file_name().unwrap().to_str().unwrap(),
        format!("{}.bin", plugin.digest())
    );
}

#[test]
fn what_is_not_ours_or_not_whole_is_compiled_again() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    load(sandbox(dir, 1)).unwrap();
    let file = only_file(dir);
    let whole = fs::read(&file).unwrap();
    let flipped = |at: usize| {
        let mut bytes = whole.clone();
        bytes[at] ^= 1;
        bytes
    };
    for bytes in [
        vec![],
        whole[..10].to_vec(),
        whole[..32].to_vec(),
        whole[..whole.len() - 1].to_vec(),
        flipped(0),
        flipped(40),
        flipped(whole.len() - 1),
        [&whole[..], b"more"].concat(),
    ] {
        fs::write(&file, &bytes).unwrap();
        assert!(!cached(dir, 1), "{} bytes", bytes.len());
        run(&load(sandbox(dir, 1)).unwrap(), "echo/all", 3).unwrap();
        assert!(cached(dir, 1));
    }
    // Another host's key, and then ours no more.
    assert!(!cached(dir, 2));
    load(sandbox(dir, 2)).unwrap();
    assert!(cached(dir, 2) && !cached(dir, 1));
}

#[test]
fn one_component_is_not_taken_for_another() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    load(sandbox(dir, 1)).unwrap();
    let file = only_file(dir);
    // The name of the evil component on a file that holds some other component of this host.
    let other = dir.join("other");
    let other_component = crate::support::component_of(&format!(
        r#"(module (memory (export "memory") 1) {})"#,
        crate::raw::EXPORTS
    ));
    Sandbox::new(sandbox(&other, 1))
        .unwrap()
        .load(id(), &other_component)
        .unwrap();
    fs::copy(only_file(&other), &file).unwrap();
    assert!(!cached(dir, 1));
}

#[test]
fn a_cache_that_cannot_be_written_is_only_slow() {
    let dir = tempfile::tempdir().unwrap();
    let config = sandbox(dir.path(), 1);
    let sandbox = Sandbox::new(config).unwrap();
    let plugin_dir = dir.path().to_owned();
    dir.close().unwrap();
    assert!(!plugin_dir.exists());
    run(&sandbox.load(id(), &EVIL).unwrap(), "echo/all", 3).unwrap();
}
