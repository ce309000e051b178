//! A mesh in a temporary folder, and the binary to run on it.

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

/// A row of a query's JSON.
pub(crate) type Row = BTreeMap<String, Value>;

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
    /// A mesh with the ventas plugin, no place for its sales and no returns.
    pub(crate) fn ventas_empty() -> Self {
        let mesh = Self {
            dir: tempfile::tempdir().unwrap(),
        };
        mesh.ok(&["init", mesh.path().to_str().unwrap()]);
        std::fs::copy(ventas(), mesh.path().join("plugins/ventas.wasm")).unwrap();
        mesh.add_source("ventas", "devoluciones");
        mesh
    }

    /// A mesh with the plugins of domains, their policies, and a folder for each source.
    pub(crate) fn of(domains: &[&str]) -> Self {
        let mesh = Self {
            dir: tempfile::tempdir().unwrap(),
        };
        std::fs::create_dir(mesh.path().join("plugins")).unwrap();
        for domain in domains {
            let plugin = format!("plugins/{domain}.wasm");
            let built = component(&malla().parent().unwrap().join(&plugin));
            std::fs::copy(built, mesh.path().join(plugin)).unwrap();
        }
        mesh.ok(&["init", mesh.path().to_str().unwrap()]);
        mesh
    }

    /// A mesh with the ventas plugin and empty sources.
    pub(crate) fn ventas() -> Self {
        let mesh = Self::ventas_empty();
        mesh.add_source("ventas", "transacciones");
        mesh
    }

    /// A mesh with the ventas plugin, whose sales come by a topic.
    pub(crate) fn ventas_of(servers: &str, topic: &str) -> Self {
        let mesh = Self::ventas_empty();
        mesh.add(
            "malla.toml",
            &format!(
                "[sources.ventas.transacciones.kafka]\ntopic = \"{topic}\"\n\
                 [sources.ventas.transacciones.kafka.settings]\n\"bootstrap.servers\" = \"{servers}\"\n\
                 \"session.timeout.ms\" = 6000\n\"heartbeat.interval.ms\" = 500"
            ),
        );
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

    /// A folder for each source that the template has none for.
    pub(crate) fn add_sources(&self) {
        for (domain, source) in [
            ("ventas", "transacciones"),
            ("ventas", "devoluciones"),
            ("logistica", "envios"),
            ("producto", "catalogo"),
            ("producto", "cambios"),
        ] {
            let config = std::fs::read_to_string(self.config()).unwrap();
            if !config.contains(&format!("[sources.{domain}.{source}]")) {
                self.add_source(domain, source);
            }
        }
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

    /// Writes sales.
    pub(crate) fn simulate(&self, events: u64, seed: u64) {
        self.on(
            "simulate",
            &[
                "--source",
                "transacciones",
                "--events",
                &events.to_string(),
                "--seed",
                &seed.to_string(),
            ],
        );
    }

    pub(crate) fn run_once(&self) -> Value {
        serde_json::from_str(&self.on("run", &["--once", "--json"])).unwrap()
    }

    /// Begins a run and kills it after a while. Whether it was still at work.
    pub(crate) fn run_killed_after(&self, pause: Duration) -> bool {
        let mut child = Command::new(malla())
            .args(["run", "--once", "--config"])
            .arg(self.config())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        std::thread::sleep(pause);
        let works = child.try_wait().unwrap().is_none();
        child.kill().unwrap();
        child.wait().unwrap();
        works
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

    /// Runs a command of this mesh that must fail with exit 1, and returns what it said.
    pub(crate) fn fails(&self, command: &[&str], arguments: &[&str]) -> String {
        let config = self.config();
        let config = ["--config", config.to_str().unwrap()];
        let output = self.output(&[command, &config, arguments].concat());
        assert_eq!(
            output.status.code(),
            Some(1),
            "malla {command:?} {arguments:?}:\n{}",
            text(&output)
        );
        text(&output)
    }

    /// What a principal sees for a purpose: rows, or what the refusal says.
    pub(crate) fn ask(&self, principal: &str, purpose: &str, sql: &str) -> Result<Vec<Row>, String> {
        let config = self.config();
        let output = self.output(&[
            "query",
            "--config",
            config.to_str().unwrap(),
            "--as",
            principal,
            "--purpose",
            purpose,
            "--format",
            "json",
            sql,
        ]);
        if output.status.success() {
            Ok(serde_json::from_slice(&output.stdout).unwrap())
        } else {
            assert_eq!(output.status.code(), Some(1), "{}", text(&output));
            Err(String::from_utf8(output.stderr).unwrap())
        }
    }

    /// Writes one event into partition `0`.
    pub(crate) fn put(&self, event: &str) {
        self.append("0", "a.jsonl", format!("{event}\n").as_bytes());
    }

    /// Replaces a piece of a file of the mesh, which must be there.
    pub(crate) fn edit(&self, file: &str, from: &str, to: &str) {
        let path = self.path().join(file);
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.contains(from), "no `{from}` in {file}:\n{text}");
        // As editors do it: whoever reads meanwhile sees one of the two.
        let half = self.path().join("half");
        std::fs::write(&half, text.replace(from, to)).unwrap();
        std::fs::rename(half, path).unwrap();
    }

    /// Gives the mesh an admin port that was free a moment ago.
    pub(crate) fn admin(&self) -> SocketAddr {
        let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        self.add("malla.toml", &format!("[admin]\nlisten = \"{address}\""));
        address
    }

    /// Adds lines to the end of a file of the mesh.
    pub(crate) fn add(&self, file: &str, lines: &str) {
        let path = self.path().join(file);
        let text = std::fs::read_to_string(&path).unwrap_or_default();
        std::fs::write(path, format!("{text}\n{lines}\n")).unwrap();
    }

    /// Rewrites the contract in the ventas component, each piece where it is first; the code stays.
    pub(crate) fn contract(&self, edits: &[(&str, &str)]) {
        let path = self.path().join("plugins/ventas.wasm");
        let component = std::fs::read(ventas()).unwrap();
        let mut contract = malla_contract::extract(&component).unwrap();
        for (from, to) in edits {
            assert!(contract.contains(from), "no `{from}` in:\n{contract}");
            contract = contract.replacen(from, to, 1);
        }
        std::fs::write(path, malla_contract::embed(&component, &contract).unwrap()).unwrap();
    }

    /// The records of the audit log, oldest first.
    pub(crate) fn audit(&self) -> Vec<Value> {
        let mut logs = files(&self.path().join("state/audit"));
        logs.retain(|file| file.extension().is_some_and(|extension| extension == "jsonl"));
        logs.sort();
        logs.iter()
            .flat_map(|log| {
                let text = std::fs::read_to_string(log).unwrap();
                text.lines()
                    .map(|line| serde_json::from_str(line).unwrap())
                    .collect::<Vec<Value>>()
            })
            .collect()
    }

    /// Every event of ventas.transacciones is in the tables once: kept or in quarantine, and raw if it was one at all.
    pub(crate) fn every_event_once(&self, events: u64) {
        assert_eq!(
            self.count("ventas.transacciones") + self.count("ventas_quarantine.transacciones"),
            events
        );
        // No step got to see these, and neither did raw.
        let unseen = self.count("ventas_quarantine.transacciones WHERE product IS NULL");
        assert_eq!(self.count("ventas_raw.transacciones") + unseen, events);
        let twice =
            "(SELECT transaccion_id FROM ventas.transacciones GROUP BY transaccion_id HAVING count(*) > 1)";
        assert_eq!(self.count(twice), 0);
        for table in ["ventas_raw.transacciones", "ventas_quarantine.transacciones"] {
            let twice = format!(
                "(SELECT 1 FROM {table} GROUP BY source_partition, source_offset HAVING count(*) > 1)"
            );
            assert_eq!(self.count(&twice), 0, "{table}");
        }
    }

    /// The rows of a query.
    pub(crate) fn query(&self, sql: &str) -> Vec<Row> {
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

/// `malla run` in the background, ended by SIGTERM. What it says is in a file of the mesh.
pub(crate) struct Running {
    child: Child,
    log: PathBuf,
}

impl Running {
    pub(crate) fn start(mesh: &Mesh) -> Self {
        Self::start_with(mesh, "malla.toml", "run.log")
    }

    pub(crate) fn start_with(mesh: &Mesh, config: &str, log: &str) -> Self {
        Self::start_as(Command::new(malla()), mesh, config, log)
    }

    /// With an environment of its own.
    pub(crate) fn start_as(mut malla: Command, mesh: &Mesh, config: &str, log: &str) -> Self {
        let log = mesh.path().join(log);
        let child = malla
            .args(["run", "--config"])
            .arg(mesh.path().join(config))
            .stdout(Stdio::null())
            .stderr(std::fs::File::create(&log).unwrap())
            .spawn()
            .unwrap();
        Self { child, log }
    }

    pub(crate) fn said(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap()
    }

    /// Seconds that it computed so far.
    pub(crate) fn computed(&self) -> f64 {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id())).unwrap();
        // The name, in brackets, may hold anything.
        let fields = stat.rsplit_once(')').unwrap().1.split_whitespace();
        let ticks: u64 = fields
            .skip(11)
            .take(2)
            .map(|ticks| ticks.parse::<u64>().unwrap())
            .sum();
        ticks as f64 / 100.0
    }

    /// Without giving it time for anything.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    pub(crate) fn stop(self) {
        let log = self.log.clone();
        assert!(self.end().success(), "{}", std::fs::read_to_string(log).unwrap());
    }

    /// As [`Self::stop`], however it ends.
    pub(crate) fn end(mut self) -> ExitStatus {
        let id = self.child.id().to_string();
        let asked = Command::new("kill").args(["-TERM", &id]).status().unwrap();
        assert!(asked.success());
        self.child.wait().unwrap()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What a host tells at `/metrics`.
pub(crate) fn metrics(admin: SocketAddr) -> String {
    let mut connection = TcpStream::connect(admin).unwrap();
    connection
        .write_all(b"GET /metrics HTTP/1.1\r\nHost: malla\r\nConnection: close\r\n\r\n")
        .unwrap();
    let mut answer = String::new();
    connection.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    answer
}

pub(crate) fn wait_until(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while !condition() {
        assert!(Instant::now() < deadline, "waited a minute until {what}");
        std::thread::sleep(Duration::from_millis(100));
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

/// The same with other values for some of its fields.
pub(crate) fn sale_with(id: &str, fields: &[(&str, Value)]) -> String {
    let mut event: Value = serde_json::from_str(&sale(id)).unwrap();
    for (name, value) in fields {
        event[*name] = value.clone();
    }
    event.to_string()
}
