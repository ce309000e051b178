//! Files of a server as a source: Debian's sshd on loopback, as whoever runs the test.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tempfile::TempDir;

use crate::support::{Mesh, files, malla, sale, text, wait_until};

const SSHD: &str = "/usr/sbin/sshd";
const SFTP_SERVER: &str = "/usr/lib/openssh/sftp-server";

pub(crate) struct Server {
    dir: TempDir,
    pub(crate) port: u16,
    child: Child,
}

impl Server {
    pub(crate) fn start() -> Self {
        assert!(
            Path::new(SSHD).exists(),
            "{SSHD} is missing: apt-get install openssh-server"
        );
        let dir = tempfile::tempdir().unwrap();
        for folder in ["salida", "leidos"] {
            std::fs::create_dir(dir.path().join(folder)).unwrap();
        }
        for key in ["host", "client", "stranger"] {
            let made = Command::new("ssh-keygen")
                .args(["-q", "-t", "ed25519", "-N", "", "-f"])
                .arg(dir.path().join(key))
                .status()
                .unwrap();
            assert!(made.success());
        }
        let port = free_port();
        let path = |name: &str| dir.path().join(name).display().to_string();
        std::fs::write(
            dir.path().join("sshd_config"),
            format!(
                "Port {port}\nListenAddress 127.0.0.1\nHostKey {}\nAuthorizedKeysFile {}\nPidFile none\nStrictModes no\n\
                 UsePAM no\nPasswordAuthentication no\nPermitRootLogin yes\nMaxStartups 50\nSubsystem sftp {SFTP_SERVER} -e -l INFO 2>>{}\n",
                path("host"),
                path("client.pub"),
                path("sftp.log"),
            ),
        )
        .unwrap();
        // Where sshd is root's it wants this folder.
        let _ = std::fs::create_dir_all("/run/sshd");
        let child = Command::new(SSHD)
            .args(["-D", "-e", "-f", &path("sshd_config")])
            .stderr(std::fs::File::create(dir.path().join("sshd.log")).unwrap())
            .spawn()
            .unwrap();
        wait_until("sshd listens", || TcpStream::connect(("127.0.0.1", port)).is_ok());
        Self { dir, port, child }
    }

    fn fingerprint(&self, key: &str) -> String {
        let shown = Command::new("ssh-keygen")
            .arg("-lf")
            .arg(self.dir.path().join(format!("{key}.pub")))
            .output()
            .unwrap();
        let shown = String::from_utf8(shown.stdout).unwrap();
        shown.split(' ').nth(1).unwrap().to_owned()
    }

    pub(crate) fn folder(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn put(&self, name: &str, events: impl Iterator<Item = String>) {
        let text: String = events.map(|event| event + "\n").collect();
        self.send(name, text.as_bytes());
    }

    /// As senders do who know what they do: whole, or not there.
    pub(crate) fn send(&self, name: &str, text: &[u8]) {
        let half = self.folder("salida").join(format!("{name}.part"));
        std::fs::write(&half, text).unwrap();
        std::fs::rename(half, self.folder("salida").join(name)).unwrap();
    }

    /// A mesh whose source is the server's folder, at a port.
    fn mesh(&self, port: u16, more: &str) -> Mesh {
        let mesh = Mesh::ventas_empty();
        mesh.add("malla.toml", &self.place("ventas.transacciones", port, more));
        mesh
    }

    /// Where a source is, for malla.toml.
    pub(crate) fn place(&self, source: &str, port: u16, more: &str) -> String {
        let user = Command::new("id").arg("-un").output().unwrap();
        format!(
            "[sources.{source}.sftp]\nhost = \"127.0.0.1:{port}\"\nuser = \"{}\"\nhost_key = \"{}\"\n\
             key_file = \"{}\"\nfolder = \"{}\"\nsettle_seconds = 0.2\nevery_seconds = 0.3\n{more}",
            String::from_utf8(user.stdout).unwrap().trim(),
            self.fingerprint("host"),
            self.folder("client").display(),
            self.folder("salida").display(),
        )
    }

    /// Puts the checksum of a file beside it.
    pub(crate) fn promise(&self, name: &str) {
        let sum = Command::new("sha256sum")
            .arg(name)
            .current_dir(self.folder("salida"))
            .output()
            .unwrap();
        assert!(sum.status.success());
        std::fs::write(self.folder("salida").join(format!("{name}.sha256")), sum.stdout).unwrap();
    }

    /// How often the server was asked for the bytes of a file.
    fn reads(&self, name: &str) -> usize {
        // It is there with the first session.
        let log = std::fs::read_to_string(self.folder("sftp.log")).unwrap_or_default();
        let opened = format!("/{name}\" flags READ");
        log.matches(&opened).count()
    }

    pub(crate) fn archive(&self) -> String {
        format!("archive = \"{}\"", self.folder("leidos").display())
    }

    pub(crate) fn names(&self, folder: &str) -> Vec<String> {
        let mut names: Vec<String> = files(&self.folder(folder))
            .iter()
            .map(|file| file.file_name().unwrap().to_string_lossy().into_owned())
            .collect();
        names.sort();
        names
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}

/// Stands before a server and breaks its first connections off, each after so many bytes.
fn breaking(server: u16, breaks: usize, after: usize) -> (u16, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let broken = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&broken);
    std::thread::spawn(move || {
        for client in listener.incoming() {
            let (Ok(mut client), Ok(mut server)) = (client, TcpStream::connect(("127.0.0.1", server))) else {
                return;
            };
            let mut up = (client.try_clone().unwrap(), server.try_clone().unwrap());
            std::thread::spawn(move || std::io::copy(&mut up.0, &mut up.1));
            let broken = Arc::clone(&counted);
            std::thread::spawn(move || {
                let mut passed = 0;
                let mut buffer = [0; 8192];
                while let Ok(read @ 1..) = server.read(&mut buffer) {
                    passed += read;
                    if passed > after && broken.load(Ordering::SeqCst) < breaks {
                        broken.fetch_add(1, Ordering::SeqCst);
                        break;
                    }
                    if client.write_all(&buffer[..read]).is_err() {
                        break;
                    }
                }
                let _ = client.shutdown(Shutdown::Both);
                let _ = server.shutdown(Shutdown::Both);
            });
        }
    });
    (port, broken)
}

fn every_sale_once(mesh: &Mesh, sales: u64) {
    assert_eq!(mesh.count("ventas.transacciones"), sales);
    assert_eq!(mesh.count("ventas_raw.transacciones"), sales);
    assert_eq!(
        mesh.count("(SELECT DISTINCT transaccion_id FROM ventas.transacciones)"),
        sales
    );
}

fn sales(from: usize, count: usize) -> impl Iterator<Item = String> {
    (from..from + count).map(|number| sale(&format!("t-{number}")))
}

#[test]
fn a_file_is_read_once_and_archived() {
    let server = Server::start();
    let mesh = server.mesh(server.port, &format!("files = \"*.jsonl\"\n{}", server.archive()));
    // An empty folder is an end too.
    assert_eq!(mesh.run_once()["products"][0]["read"], 0);
    server.put("2026-11-27.jsonl", sales(0, 300));
    server.put("2026-11-28.jsonl", sales(300, 200));
    server.put("vacio.jsonl", std::iter::empty());
    std::fs::write(server.folder("salida").join("otra.jsonl.part"), "{").unwrap();
    std::fs::write(server.folder("salida").join("notas.txt"), "x").unwrap();
    assert_eq!(mesh.run_once()["products"][0]["read"], 500);
    assert_eq!(server.names("salida"), ["notas.txt", "otra.jsonl.part"]);
    assert_eq!(
        server.names("leidos"),
        ["2026-11-27.jsonl", "2026-11-28.jsonl", "vacio.jsonl"]
    );
    assert_eq!(mesh.run_once()["products"][0]["read"], 0);
    // The same name with other content is another file.
    server.put("2026-11-28.jsonl", sales(500, 7));
    assert_eq!(mesh.run_once()["products"][0]["read"], 7);
    every_sale_once(&mesh, 507);
    assert_eq!(server.names("leidos").len(), 4);
    let mut spool = files(&mesh.path().join("state/spool"));
    spool.retain(|file| file.file_name().unwrap() != "taken");
    assert_eq!(spool, Vec::<PathBuf>::new(), "nothing is left of them");
}

#[test]
fn a_file_that_is_written_anew_while_it_is_read_is_read_again_and_one_that_is_damaged_stays() {
    let server = Server::start();
    let mesh = server.mesh(server.port, &server.archive());
    mesh.edit("malla.toml", "seconds = 5.0", "seconds = 1.0");
    server.put("a.jsonl", sales(0, 50));
    let running = crate::support::Running::start(&mesh);
    let fetched = || running.said().contains("Fetched a file.");
    wait_until("the file is fetched", fetched);
    // Before it is committed and archived, another is in its place.
    server.put("a.jsonl", sales(50, 70));
    wait_until("both are archived", || server.names("leidos").len() == 1);
    running.stop();
    mesh.run_once();
    every_sale_once(&mesh, 120);

    let mut packed = zstd::encode_all(sale("t-d").repeat(500).as_bytes(), 0).unwrap();
    let half = packed.len() / 2;
    packed.truncate(half);
    std::fs::write(server.folder("salida").join("roto.jsonl.zst"), packed).unwrap();
    server.put("z.jsonl", sales(200, 3));
    let said = mesh.fails(&["run"], &["--once"]);
    assert!(
        said.contains("roto.jsonl.zst") && said.contains("sent again"),
        "{said}"
    );
    assert_eq!(server.names("salida"), ["roto.jsonl.zst"]);
    assert_eq!(
        mesh.count("ventas.transacciones WHERE transaccion_id LIKE 't-20_'"),
        3
    );
}

#[test]
fn files_that_stay_are_read_once_though_all_that_the_host_knew_is_gone() {
    let server = Server::start();
    let mesh = server.mesh(server.port, "");
    server.put("a.jsonl", sales(0, 100));
    assert_eq!(mesh.run_once()["products"][0]["read"], 100);
    for folder in ["sources", "spool"] {
        std::fs::remove_dir_all(mesh.path().join("state").join(folder)).unwrap();
    }
    server.put("b.jsonl", sales(100, 50));
    assert_eq!(mesh.run_once()["products"][0]["read"], 50);
    every_sale_once(&mesh, 150);
    assert_eq!(server.names("salida"), ["a.jsonl", "b.jsonl"]);
}

#[test]
fn a_server_that_is_not_the_one_or_that_does_not_know_us_is_refused() {
    let server = Server::start();
    let mesh = server.mesh(server.port, "");
    let (right, wrong) = (server.fingerprint("host"), server.fingerprint("stranger"));
    mesh.edit("malla.toml", &right, &wrong);
    let said = mesh.fails(&["doctor"], &[]);
    assert!(said.contains(&right) && said.contains("host_key"), "{said}");
    mesh.edit("malla.toml", &wrong, &right);
    mesh.edit(
        "malla.toml",
        &server.folder("client").display().to_string(),
        &server.folder("stranger").display().to_string(),
    );
    let said = mesh.fails(&["doctor"], &[]);
    assert!(said.contains("log in as"), "{said}");
}

#[test]
fn a_file_that_is_not_what_its_checksum_says_is_left_where_it_is() {
    let server = Server::start();
    let mesh = server.mesh(server.port, &server.archive());
    let zeros = "0".repeat(64);
    std::fs::write(
        server.folder("salida").join("a.jsonl.sha256"),
        format!("{zeros}  a.jsonl\n"),
    )
    .unwrap();
    server.put("a.jsonl", sales(0, 10));
    let said = mesh.fails(&["run"], &["--once"]);
    assert!(said.contains("a.jsonl.sha256"), "{said}");
    assert_eq!(server.names("leidos"), Vec::<String>::new());
    server.promise("a.jsonl");
    assert_eq!(mesh.run_once()["products"][0]["read"], 10);
    every_sale_once(&mesh, 10);
}

#[test]
fn a_file_with_a_wrong_checksum_is_fetched_again_when_one_of_the_two_is_another() {
    let server = Server::start();
    let mesh = server.mesh(server.port, &server.archive());
    mesh.edit("malla.toml", "seconds = 5.0", "seconds = 0.2");
    let wrong = |digit: &str| {
        let sum = server.folder("salida").join("a.jsonl.sha256");
        std::fs::write(sum, digit.repeat(64)).unwrap();
    };
    wrong("0");
    server.put("a.jsonl", sales(0, 10));
    let running = crate::support::Running::start(&mesh);
    // Each look opens what was promised; a file that comes later is taken meanwhile.
    let looks = |times| {
        let before = server.reads("a.jsonl.sha256");
        wait_until("the folder is looked at", || {
            server.reads("a.jsonl.sha256") >= before + times
        });
    };
    looks(3);
    server.put("b.jsonl", sales(10, 5));
    wait_until("the other file is taken", || {
        server.names("leidos") == ["b.jsonl"]
    });
    assert_eq!(server.reads("a.jsonl"), 1);
    wrong("1");
    wait_until("it is fetched again", || server.reads("a.jsonl") == 2);
    looks(3);
    assert_eq!(server.reads("a.jsonl"), 2);
    assert_eq!(running.said().matches("A file stays on the server.").count(), 2);
    server.promise("a.jsonl");
    wait_until("it is taken", || server.names("leidos") == ["a.jsonl", "b.jsonl"]);
    running.stop();
    mesh.run_once();
    every_sale_once(&mesh, 15);
}

#[test]
fn a_server_that_dies_in_the_middle_of_a_file_is_gone_on_with() {
    let server = Server::start();
    let (port, broken) = breaking(server.port, 3, 3 << 20);
    let mesh = server.mesh(port, &server.archive());
    server.put("grande.jsonl", sales(0, 30_000));
    let config = mesh.config();
    let output = mesh.output(&["run", "--once", "--config", config.to_str().unwrap()]);
    let said = text(&output);
    assert!(output.status.success(), "{said}");
    assert!(broken.load(Ordering::SeqCst) >= 2);
    assert!(said.contains("Goes on fetching"), "{said}");
    every_sale_once(&mesh, 30_000);
}

#[test]
fn a_host_that_is_killed_takes_no_file_twice() {
    let server = Server::start();
    let mesh = server.mesh(server.port, &server.archive());
    mesh.edit("malla.toml", "rows = 65536", "rows = 200");
    mesh.edit("malla.toml", "rows = 500000", "rows = 500");
    for file in 0..12 {
        server.put(&format!("{file:02}.jsonl"), sales(file * 400, 400));
    }
    let mut archived = 0;
    for round in 0..10_u64 {
        let mut child = Command::new(malla())
            .args(["run", "--config"])
            .arg(mesh.config())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        std::thread::sleep(Duration::from_millis(700 + 150 * (round % 5)));
        child.kill().unwrap();
        child.wait().unwrap();
        archived = archived.max(server.names("leidos").len());
    }
    let left = mesh.run_once();
    eprintln!(
        "{archived} files were archived before the last run, which read {}",
        left["products"][0]["read"]
    );
    every_sale_once(&mesh, 4_800);
    assert_eq!(server.names("salida"), Vec::<String>::new());
    assert_eq!(server.names("leidos").len(), 12);
}

#[test]
fn a_nightly_file_of_csv_is_read_row_by_row() {
    let server = Server::start();
    let mesh = server.mesh(server.port, &server.archive());
    let json = "schema: evento_transaccion, eventTime: timestamp }";
    let csv = "schema: evento_transaccion, eventTime: timestamp, format: csv, csv: { delimiter: \";\", decimal: \",\" } }";
    mesh.contract(&[(json, csv)]);
    let header = "timestamp;transaccion_id;cliente_id;monto;moneda;cantidad;region;canal;email;tarjeta;nota";
    let row = |id: &str, monto: &str, canal: &str| {
        format!("2026-11-21T10:00:00Z;{id};c-1;{monto};EUR;1;Norte;{canal};ana@example.com;4111111111111111;")
    };
    server.put(
        "2026-11-28.csv",
        [
            header.to_owned(),
            row("t-1", "12,50", "web"),
            row("t-2", "doce", "web"),
            row("t-3", "\"7,25\"", "\"ti\nenda\""),
            "solo;tres;campos".to_owned(),
            row("t-4", "3,00", "app"),
        ]
        .into_iter(),
    );
    let report = mesh.run_once();
    assert_eq!(report["products"][0]["read"], 5);
    assert_eq!(report["products"][0]["kept"], 3);
    let rows = mesh.query("SELECT transaccion_id, monto, canal FROM ventas.transacciones ORDER BY 1");
    assert_eq!(rows[1]["transaccion_id"], "t-3");
    assert_eq!(rows[1]["canal"], "ti\nenda");
    assert!(rows[1]["monto"].to_string().contains("7.25"), "{rows:?}");
    let rules = mesh.query("SELECT rule FROM ventas_quarantine.transacciones ORDER BY source_offset");
    assert_eq!(rules[0]["rule"], "invalid_decimal");
    assert_eq!(rules[1]["rule"], "wrong_field_count");
    assert_eq!(server.names("leidos"), ["2026-11-28.csv"]);
}
