//! A server that speaks the paths of the Hugging Face hub, for one file.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Serves `file` under `path` until the test ends.
pub struct LocalHub {
    /// Such as `http://127.0.0.1:40123`.
    pub endpoint: String,
    /// Times that the whole file was asked for.
    pub downloads: Arc<AtomicUsize>,
}

impl LocalHub {
    pub fn serve(path: &str, file: Vec<u8>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let downloads = Arc::new(AtomicUsize::new(0));
        let (counter, path) = (Arc::clone(&downloads), path.to_owned());
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                answer(stream, &path, &file, &counter);
            }
        });
        Self { endpoint, downloads }
    }
}

fn answer(mut stream: TcpStream, path: &str, file: &[u8], downloads: &AtomicUsize) {
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
    // The client asks for one byte first, to learn size, tag and commit.
    let one = lines.iter().any(|line| line.eq_ignore_ascii_case("range: bytes=0-0"));
    let part = if one { &file[..1] } else { file };
    downloads.fetch_add(usize::from(!one), Ordering::SeqCst);
    let head = format!(
        "HTTP/1.1 206 Partial Content\r\netag: \"0123abcd\"\r\nx-repo-commit: c0ffee\r\n\
         content-range: bytes 0-{}/{}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
        part.len() - 1,
        file.len(),
        part.len(),
    );
    let _ = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(part));
}
