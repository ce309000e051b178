//! The guests, and batches for them.

use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock};
use std::{env, fs};

use arrow_array::{Int64Array, RecordBatch, StringArray};
use arrow_schema::{DataType, Field, Schema, SchemaRef};
use malla_sandbox::{Failure, Limits, Output, Plugin, PluginId, Sandbox, SandboxConfig, Step, StepError};
use malla_toolchain::PluginDir;
use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};
use wit_parser::Resolve;

/// The hostile guest as a component: `MALLA_EVIL_WASM` if it is built already, else built here.
pub(crate) static EVIL: LazyLock<Vec<u8>> = LazyLock::new(|| match env::var_os("MALLA_EVIL_WASM") {
    Some(path) => fs::read(path).expect("MALLA_EVIL_WASM names the component of tests/evil"),
    None => {
        let dir = PluginDir::at(&repository().join("tests/evil"));
        let built = dir
            .with_target_dir(&repository().join("target/wasm"))
            .build_guest()
            .unwrap();
        fs::read(built.component).unwrap()
    }
});

/// One sandbox for most tests, as in the host.
pub(crate) static SANDBOX: LazyLock<Sandbox> =
    LazyLock::new(|| Sandbox::new(SandboxConfig::default()).unwrap());

static PLUGIN: LazyLock<Plugin> = LazyLock::new(|| SANDBOX.load(id(), &EVIL).unwrap());

/// The hostile guest, loaded.
pub(crate) fn evil() -> Plugin {
    PLUGIN.clone()
}

pub(crate) fn id() -> PluginId {
    PluginId::new("evil", "6.6.6")
}

pub(crate) fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Rows of (n int64, s utf8, secret utf8), of which steps read the first two.
pub(crate) fn batch(rows: usize) -> RecordBatch {
    let number = |row: usize| i64::try_from(row).unwrap();
    RecordBatch::try_new(
        Arc::new(Schema::new(vec![
            Field::new("n", DataType::Int64, false),
            Field::new("s", DataType::Utf8, true),
            Field::new("secret", DataType::Utf8, true),
        ])),
        vec![
            Arc::new((0..rows).map(|row| Some(number(row))).collect::<Int64Array>()),
            Arc::new(
                (0..rows)
                    .map(|row| Some(format!("fila {row}")))
                    .collect::<StringArray>(),
            ),
            Arc::new(
                (0..rows)
                    .map(|row| Some(format!("4111{row}")))
                    .collect::<StringArray>(),
            ),
        ],
    )
    .unwrap()
}

pub(crate) fn product() -> SchemaRef {
    Arc::new(Schema::new(vec![
        Field::new("n", DataType::Int64, false),
        Field::new("s", DataType::Utf8, true),
    ]))
}

/// A step over [`batch`].
pub(crate) fn step(name: &str) -> Step {
    Step {
        name: name.into(),
        reads: vec![0, 1],
        output: product(),
        rules: vec!["rule".into(), "third".into()],
    }
}

/// Limits that a test reaches soon.
pub(crate) fn narrow() -> Limits {
    Limits::default().with_memory(64 << 20).with_fuel(300_000_000)
}

pub(crate) fn run(plugin: &Plugin, payload: &str, rows: usize) -> Result<Output, StepError> {
    plugin.run(&step(payload), &batch(rows), 0)
}

pub(crate) fn failure(plugin: &Plugin, payload: &str, rows: usize) -> Failure {
    let error = run(plugin, payload, rows).expect_err(payload);
    assert_eq!((error.plugin, error.step.as_str()), (id(), payload));
    *error.failure
}

/// A component around a core module written by hand: its memory and functions are those of the canonical ABI.
pub(crate) fn component_of(core: &str) -> Vec<u8> {
    component_of_world(core, "plugin", ("", ""))
}

/// The same of a world, with a piece of the WIT being another.
pub(crate) fn component_of_world(core: &str, world: &str, (from, to): (&str, &str)) -> Vec<u8> {
    let mut module = wat::parse_str(core).unwrap();
    let wit = fs::read_to_string(repository().join("wit/malla.wit")).unwrap();
    assert!(wit.contains(from), "no `{from}` in malla.wit");
    let mut resolve = Resolve::default();
    let package = resolve.push_str("malla.wit", &wit.replacen(from, to, 1)).unwrap();
    let world = resolve.select_world(&[package], Some(world)).unwrap();
    embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8).unwrap();
    encode(&module)
}

fn encode(module: &[u8]) -> Vec<u8> {
    ComponentEncoder::default()
        .validate(true)
        .module(module)
        .unwrap()
        .encode()
        .unwrap()
}
