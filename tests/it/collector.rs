//! A collector of events of lineage that can be told how to answer.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::Value;

/// A server that answers as it is told to.
pub(crate) struct Collector {
    pub(crate) took: Arc<Mutex<Vec<Value>>>,
    pub(crate) tries: Arc<Mutex<usize>>,
}

impl Collector {
    /// `answers`: of the first requests; 200 to all that follow.
    pub(crate) fn start(address: SocketAddr, key: &'static str, answers: Vec<u16>) -> Self {
        let listener = TcpListener::bind(address).unwrap();
        let (took, tries) = (Arc::new(Mutex::new(Vec::new())), Arc::new(Mutex::new(0)));
        let collector = Self {
            took: Arc::clone(&took),
            tries: Arc::clone(&tries),
        };
        std::thread::spawn(move || {
            for connection in listener.incoming() {
                let mut connection = connection.unwrap();
                let (head, body) = request(&mut connection);
                assert!(head.starts_with("POST /api/v1/lineage HTTP/1.1\r\n"), "{head}");
                let lower = head.to_ascii_lowercase();
                assert!(
                    lower.contains(&format!("authorization: bearer {key}\r\n")),
                    "{head}"
                );
                assert!(lower.contains("content-encoding: gzip\r\n"), "{head}");
                let mut event = String::new();
                flate2::read::GzDecoder::new(&body[..])
                    .read_to_string(&mut event)
                    .unwrap();
                let number = {
                    let mut tries = tries.lock().unwrap();
                    *tries += 1;
                    *tries - 1
                };
                let status = answers.get(number).copied().unwrap_or(201);
                if status == 201 {
                    took.lock().unwrap().push(serde_json::from_str(&event).unwrap());
                } else if status == 500 {
                    // Slow, and then of no use.
                    std::thread::sleep(Duration::from_millis(300));
                }
                let _ = connection.write_all(
                    format!("HTTP/1.1 {status} X\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
                        .as_bytes(),
                );
            }
        });
        collector
    }
}

/// Head and body.
fn request(connection: &mut TcpStream) -> (String, Vec<u8>) {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        connection.read_exact(&mut byte).unwrap();
        head.push(byte[0]);
    }
    let head = String::from_utf8(head).unwrap();
    let length = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length")
            .then(|| value.trim().parse().unwrap())
    });
    let mut body = vec![0; length.unwrap()];
    connection.read_exact(&mut body).unwrap();
    (head, body)
}
