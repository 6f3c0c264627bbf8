//! A server that speaks the paths of the Hugging Face hub, for one file.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use sha2::{Digest, Sha256};

/// The commit of the file.
pub const COMMIT: &str = "c0ffee00c0ffee00c0ffee00c0ffee00c0ffee00";

/// Serves a file under a path until the test ends.
pub struct LocalHub {
    /// Such as `http://127.0.0.1:40123`.
    pub endpoint: String,
    /// Times that the file was asked for.
    pub downloads: Arc<AtomicUsize>,
}

/// The SHA-256 of a file, as the hub names large files.
pub fn tag(file: &[u8]) -> String {
    Sha256::digest(file).iter().map(|byte| format!("{byte:02x}")).collect()
}

impl LocalHub {
    /// As the hub answers.
    pub fn serve(path: &str, file: Vec<u8>) -> Self {
        let headers = format!(
            "200 OK\r\netag: \"{}\"\r\nx-repo-commit: {COMMIT}\r\ncontent-length: {}",
            tag(&file),
            file.len()
        );
        Self::answer(path, headers, file)
    }

    /// With this status and these headers.
    pub fn answer(path: &str, headers: String, file: Vec<u8>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let downloads = Arc::new(AtomicUsize::new(0));
        let (counter, path) = (Arc::clone(&downloads), path.to_owned());
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                answer(stream, &path, &headers, &file, &counter);
            }
        });
        Self { endpoint, downloads }
    }
}

fn answer(mut stream: TcpStream, path: &str, headers: &str, file: &[u8], downloads: &AtomicUsize) {
    let lines: Vec<String> = BufReader::new(&stream)
        .lines()
        .map_while(Result::ok)
        .take_while(|line| !line.is_empty())
        .collect();
    let asked = lines.first().and_then(|line| line.split(' ').nth(1)).unwrap_or_default();
    if asked != path {
        let _ = stream
            .write_all(b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
        return;
    }
    downloads.fetch_add(1, Ordering::SeqCst);
    let head = format!("HTTP/1.1 {headers}\r\nconnection: close\r\n\r\n");
    let _ = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(file));
}
