//! A mesh in a temporary folder, and the binary to run on it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;
use tempfile::TempDir;

/// The binary under test: `MALLA_TEST_BINARY`, or the one of this build.
pub(crate) fn malla() -> PathBuf {
    if let Some(binary) = std::env::var_os("MALLA_TEST_BINARY") {
        return binary.into();
    }
    let test = std::env::current_exe().unwrap();
    let binary = test.parent().and_then(Path::parent).unwrap().join("malla");
    assert!(
        binary.exists(),
        "{} is missing: run `cargo xtask test`, or `cargo build` first",
        binary.display()
    );
    binary
}

pub(crate) fn ventas() -> PathBuf {
    component(&malla().parent().unwrap().join("plugins/ventas.wasm"))
}

pub(crate) fn evil() -> PathBuf {
    let target = malla().parent().and_then(Path::parent).unwrap().to_owned();
    component(&target.join("guests/evil.wasm"))
}

fn component(path: &Path) -> PathBuf {
    assert!(
        path.exists(),
        "{} is missing: run `cargo xtask guests`",
        path.display()
    );
    path.to_owned()
}

pub(crate) struct Mesh {
    dir: TempDir,
}

impl Mesh {
    /// A mesh with the ventas plugin and an empty source.
    pub(crate) fn ventas() -> Self {
        let mesh = Self {
            dir: tempfile::tempdir().unwrap(),
        };
        mesh.ok(&["init", mesh.path().to_str().unwrap()]);
        std::fs::copy(ventas(), mesh.path().join("plugins/ventas.wasm")).unwrap();
        mesh.add_source("ventas", "transacciones");
        mesh
    }

    pub(crate) fn add_source(&self, domain: &str, source: &str) -> PathBuf {
        let place = format!("sources/{domain}/{source}");
        let config = self.path().join("malla.toml");
        let mut text = std::fs::read_to_string(&config).unwrap();
        text.push_str(&format!(
            "\n[sources.{domain}.{source}]\ndirectory = \"{place}\"\n"
        ));
        std::fs::write(config, text).unwrap();
        let place = self.path().join(place);
        std::fs::create_dir_all(&place).unwrap();
        place
    }

    pub(crate) fn path(&self) -> &Path {
        self.dir.path()
    }

    pub(crate) fn config(&self) -> PathBuf {
        self.path().join("malla.toml")
    }

    pub(crate) fn source(&self) -> PathBuf {
        self.path().join("sources/ventas/transacciones")
    }

    /// Appends bytes to a segment.
    pub(crate) fn append(&self, partition: &str, segment: &str, bytes: &[u8]) {
        use std::io::Write;
        let folder = self.source().join(partition);
        std::fs::create_dir_all(&folder).unwrap();
        let mut file = std::fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(folder.join(segment))
            .unwrap();
        file.write_all(bytes).unwrap();
    }

    pub(crate) fn simulate(&self, events: u64, seed: u64) {
        self.on(
            "simulate",
            &["--events", &events.to_string(), "--seed", &seed.to_string()],
        );
    }

    pub(crate) fn run_once(&self) -> Value {
        serde_json::from_str(&self.on("run", &["--once", "--json"])).unwrap()
    }

    /// Runs a command of this mesh that must end well.
    pub(crate) fn on(&self, command: &str, arguments: &[&str]) -> String {
        let config = self.config();
        let mut all = vec![command, "--config", config.to_str().unwrap()];
        all.extend(arguments);
        self.ok(&all)
    }

    pub(crate) fn ok(&self, arguments: &[&str]) -> String {
        let output = self.output(arguments);
        assert!(output.status.success(), "malla {arguments:?}:\n{}", text(&output));
        String::from_utf8(output.stdout).unwrap()
    }

    pub(crate) fn output(&self, arguments: &[&str]) -> Output {
        Command::new(malla()).args(arguments).output().unwrap()
    }

    /// The rows of a query.
    pub(crate) fn query(&self, sql: &str) -> Vec<BTreeMap<String, Value>> {
        let json = self.on("query", &["--format", "json", "--limit", "10000000", sql]);
        serde_json::from_str(&json).unwrap()
    }

    pub(crate) fn count(&self, from: &str) -> u64 {
        self.query(&format!("SELECT count(*) AS n FROM {from}"))[0]["n"]
            .as_u64()
            .unwrap()
    }

    /// Lines in all segments of the source, the last of a file without a newline included.
    pub(crate) fn lines_written(&self) -> u64 {
        files(&self.source())
            .iter()
            .filter(|file| file.extension().is_some_and(|extension| extension == "jsonl"))
            .map(|file| lines(&std::fs::read(file).unwrap()).count() as u64)
            .sum()
    }
}

pub(crate) fn lines(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    let whole = bytes.strip_suffix(b"\n").unwrap_or(bytes);
    whole
        .split(|byte| *byte == b'\n')
        .take(if bytes.is_empty() { 0 } else { usize::MAX })
}

/// Every file below a folder.
pub(crate) fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        if entry.file_type().unwrap().is_dir() {
            found.extend(files(&entry.path()));
        } else {
            found.push(entry.path());
        }
    }
    found
}

pub(crate) fn text(output: &Output) -> String {
    format!(
        "{}\n{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}

/// A valid event of ventas.transacciones.
pub(crate) fn sale(id: &str) -> String {
    format!(
        r#"{{"transaccion_id":"{id}","cliente_id":"c-1","producto_id":"p-1","monto":12.50,"moneda":"EUR","cantidad":1,"region":"América Latina","canal":"web","email":"ana.{id}@example.com","tarjeta":"4111111111111111","timestamp":"2026-11-21T10:00:00Z"}}"#
    )
}
