//! Other people's files: every line ends as a row or as a quarantined line with a reason, and the run goes on.

use std::io::Write;
use std::process::{Command, Stdio};

use crate::support::{Mesh, Running, sale, wait_until};

fn accounted(mesh: &Mesh) -> u64 {
    mesh.count("ventas.transacciones") + mesh.count("ventas_quarantine.transacciones")
}

fn reasons(mesh: &Mesh) -> Vec<(String, u64)> {
    mesh.query("SELECT rule, count(*) AS n FROM ventas_quarantine.transacciones GROUP BY rule ORDER BY rule")
        .iter()
        .map(|row| {
            (
                row["rule"].as_str().unwrap().to_owned(),
                row["n"].as_u64().unwrap(),
            )
        })
        .collect()
}

fn with(field: &str, value: &str) -> String {
    let event: serde_json::Value = serde_json::from_str(&sale("x")).unwrap();
    let mut event = event.as_object().unwrap().clone();
    event.insert(field.to_owned(), serde_json::from_str(value).unwrap());
    serde_json::to_string(&event).unwrap()
}

#[test]
fn no_line_of_a_messy_directory_is_lost_or_stops_the_run() {
    let mesh = Mesh::ventas();
    let mut written = 0;
    let mut put = |partition: &str, segment: &str, line: &[u8]| {
        mesh.append(partition, segment, line);
        mesh.append(partition, segment, b"\n");
        written += 1;
    };
    put("a", "1.jsonl", sale("good-1").as_bytes());
    put("a", "1.jsonl", b"{\"transaccion_id\":\"\xff\xfe\"}");
    put(
        "a",
        "1.jsonl",
        format!("{{\"relleno\":\"{}\"}}", "x".repeat(5 << 20)).as_bytes(),
    );
    put(
        "a",
        "1.jsonl",
        with("canal", &format!("\"{}\"", "y".repeat(5 << 20))).as_bytes(),
    );
    put(
        "a",
        "1.jsonl",
        format!("{}1{}", "[".repeat(100_000), "]".repeat(100_000)).as_bytes(),
    );
    put(
        "a",
        "1.jsonl",
        with("extra", &format!("{}1{}", "[".repeat(60), "]".repeat(60))).as_bytes(),
    );
    put("a", "1.jsonl", with("monto", "\"12.50\"").as_bytes());
    put("a", "1.jsonl", with("monto", "\"doce\"").as_bytes());
    put("a", "1.jsonl", with("cantidad", "\"3\"").as_bytes());
    put("a", "1.jsonl", with("cantidad", "99999999999").as_bytes());
    for date in [
        "\"2026-11-21\"",
        "\"21/11/2026\"",
        "\"Nov 21, 2026\"",
        "1763719200",
        "\"2026-11-21T10:00:00\"",
    ] {
        put("a", "1.jsonl", with("timestamp", date).as_bytes());
    }
    put("a", "1.jsonl", b"\0\0\0\0");
    put("a", "1.jsonl", b"");
    put("a", "1.jsonl", b"null");
    put("a", "1.jsonl", b"[1,2]");
    put("a", "1.jsonl", with("region", "\"../../etc/passwd\"").as_bytes());
    put("a", "1.jsonl", with("region", "\"a/b=c%20 ñ\\u0001\"").as_bytes());
    put("a", "1.jsonl", with("region", "null").as_bytes());
    put("a", "1.jsonl", with("region", "\"\"").as_bytes());
    put("a", "1.jsonl", format!("{}\r", sale("crlf")).as_bytes());
    put("una partición con espacios", "é.jsonl", sale("good-2").as_bytes());
    mesh.append("a", "2.jsonl", b"");
    std::fs::create_dir(mesh.source().join("a/3.jsonl")).unwrap();
    mesh.append(
        "a",
        "4.jsonl",
        format!("\u{feff}{}", sale("bom-and-no-newline")).as_bytes(),
    );
    written += 1;
    let good = format!("{}\n{}\n", sale("gz-1"), sale("gz-2"));
    for (name, bytes) in [
        ("5.jsonl.gz", gzip(good.as_bytes())),
        ("6.jsonl.zst", zstd(good.as_bytes())),
    ] {
        mesh.append("a", name, &bytes);
        written += 2;
    }
    mesh.append("b", "not-a-gzip.jsonl.gz", b"this is no gzip\n");
    std::fs::create_dir(mesh.source().join("empty-partition")).unwrap();

    let report = mesh.run_once();
    assert_eq!(report["failures"].as_array().unwrap().len(), 0, "{report}");
    let quarantined = reasons(&mesh);
    assert!(quarantined.iter().all(|(rule, _)| !rule.is_empty()));
    // The corrupt gzip may add a line that says so.
    let corrupt = accounted(&mesh) - written;
    assert!(corrupt <= 1, "{quarantined:?}");
    assert!(mesh.count("ventas.transacciones") >= 10, "{quarantined:?}");
    let messages = mesh.on(
        "query",
        &[
            "--format",
            "csv",
            "SELECT message FROM ventas_quarantine.transacciones",
        ],
    );
    assert!(
        !messages.contains("example.com") && !messages.contains("doce"),
        "{messages}"
    );
    assert_eq!(mesh.run_once()["products"][0]["read"], 0);
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    pipe("gzip", &["-c"], bytes)
}

fn zstd(bytes: &[u8]) -> Vec<u8> {
    zstd::encode_all(bytes, 1).unwrap()
}

fn pipe(program: &str, arguments: &[&str], input: &[u8]) -> Vec<u8> {
    let mut child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(input).unwrap();
    child.wait_with_output().unwrap().stdout
}

#[test]
fn a_running_host_follows_appends_rotation_and_new_partitions() {
    let mesh = Mesh::ventas();
    let config = std::fs::read_to_string(mesh.config())
        .unwrap()
        .replace("seconds = 5.0", "seconds = 0.2");
    std::fs::write(mesh.config(), config).unwrap();
    let first = sale("first");
    let (head, tail) = first.split_at(40);
    mesh.append("p", "a.jsonl", head.as_bytes());
    let running = Running::start(&mesh);
    mesh.append("p", "b.jsonl", format!("{}\n", sale("second")).as_bytes());
    wait_until("the second file is read", || {
        mesh.path().join("lake/ventas/curated").exists() && mesh.count("ventas.transacciones") == 1
    });
    // The rest of a line that was read in two.
    mesh.append("p", "a.jsonl", format!("{tail}\n").as_bytes());
    wait_until("the halves are one line", || {
        mesh.count("ventas.transacciones") == 2
    });
    // Rotation: the old file under a new name with more lines, a new one under the old name.
    let folder = mesh.source().join("p");
    std::fs::rename(folder.join("a.jsonl"), folder.join("a.jsonl.1")).unwrap();
    mesh.append("p", "a.jsonl.1", format!("{}\n", sale("third")).as_bytes());
    mesh.append("p", "a.jsonl", format!("{}\n", sale("fourth")).as_bytes());
    mesh.append("new", "a.jsonl", format!("{}\n", sale("fifth")).as_bytes());
    wait_until("everything is read", || mesh.count("ventas.transacciones") == 5);
    // A file that shrinks is a new file from its start.
    std::fs::write(folder.join("b.jsonl"), format!("{}\n", sale("6"))).unwrap();
    wait_until("the shrunk file is read", || {
        mesh.count("ventas.transacciones") == 6
    });
    running.stop();
    assert_eq!(mesh.count("ventas_quarantine.transacciones"), 0);
}
