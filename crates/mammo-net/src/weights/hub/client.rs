//! The hub's protocol for one file, and the folder that its clients share.
//!
//! ```text
//! GET ENDPOINT/owner/name/resolve/REVISION/FILE   -> x-repo-commit, etag; the file or a redirect to it
//! CACHE/models--owner--name/blobs/ETAG            the content
//!                           snapshots/COMMIT/FILE a link to it
//!                           refs/REVISION         the commit
//! ```
//!
//! A server is not trusted: what it says becomes part of a path only if it is a hash, and the content
//! is checked against the hash that it has.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use sha2::{Digest, Sha256};
use ureq::Agent;
use ureq::http::Response;

use super::Hub;

/// The names of the weights in timm's repositories. The second is in PyTorch's own format.
const FILES: [&str; 2] = ["model.safetensors", "pytorch_model.bin"];

/// More than any file of weights that fits these networks.
const MOST_BYTES: u64 = 4 << 30;

/// Redirects that are followed: to a repository's new name, then to the store of large files.
const HOPS: usize = 5;

/// The folder of the hub's other clients.
pub fn usual_cache() -> PathBuf {
    let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
    if let Some(cache) = set("HF_HUB_CACHE") {
        return cache.into();
    }
    home().join("hub")
}

fn home() -> PathBuf {
    match std::env::var_os("HF_HOME").filter(|value| !value.is_empty()) {
        Some(home) => home.into(),
        None => std::env::home_dir().unwrap_or_default().join(".cache/huggingface"),
    }
}

/// The weights from the cache, or downloaded into it.
pub fn fetch(hub: &Hub, name: &str, revision: &str) -> Result<PathBuf, String> {
    let words: Vec<&str> = name.split('/').chain([revision]).collect();
    if words.len() != 3 || !words.iter().all(|word| is_word(word)) {
        return Err(format!("{name}@{revision} is not owner/name or owner/name@revision"));
    }
    let folder = hub.cache.join(format!("models--{}", name.replace('/', "--")));
    if let Some(path) = FILES.iter().find_map(|file| cached(&folder, revision, file)) {
        return Ok(path);
    }
    let agent: Agent = Agent::config_builder()
        .max_redirects(0)
        .http_status_as_error(false)
        .timeout_connect(Some(Duration::from_secs(20)))
        .timeout_recv_response(Some(Duration::from_secs(60)))
        .timeout_per_read(Some(Duration::from_secs(60)))
        .user_agent(concat!("mammo-net/", env!("CARGO_PKG_VERSION")))
        .build()
        .into();
    let mut reason = String::new();
    for file in FILES {
        match download(&agent, hub, name, revision, file, &folder) {
            Ok(path) => return Ok(path),
            // The first file's error is more useful, because few repositories have the second file.
            Err(error) if reason.is_empty() => reason = error,
            Err(_) => {}
        }
    }
    Err(reason)
}

/// Whether a part of a repository's name is one part of a path, too.
fn is_word(word: &str) -> bool {
    let is_plain = |c: u8| c.is_ascii_alphanumeric() || b"._-".contains(&c);
    !word.is_empty() && !word.starts_with('.') && word.bytes().all(is_plain)
}

fn is_hash(text: &str, digits: &[usize]) -> bool {
    digits.contains(&text.len()) && text.bytes().all(|c| c.is_ascii_hexdigit())
}

/// The file in the cache, of the commit that `revision` was when it was downloaded.
fn cached(folder: &Path, revision: &str, file: &str) -> Option<PathBuf> {
    let commit = if is_hash(revision, &[40]) {
        revision.to_owned()
    } else {
        fs::read_to_string(folder.join("refs").join(revision)).ok()?
    };
    let commit = commit.trim();
    let path = folder.join("snapshots").join(commit).join(file);
    (is_hash(commit, &[40]) && path.is_file()).then_some(path)
}

/// What the hub says of a file.
struct Tags {
    commit: String,
    etag: String,
}

impl Tags {
    fn of<T>(response: &Response<T>) -> Result<Option<Self>, String> {
        let header = |name: &str| response.headers().get(name).and_then(|text| text.to_str().ok());
        let Some(commit) = header("x-repo-commit") else { return Ok(None) };
        let etag = header("x-linked-etag").or_else(|| header("etag")).unwrap_or_default();
        let etag = etag.trim_start_matches("W/").trim_matches('"');
        if !is_hash(commit, &[40]) || !is_hash(etag, &[40, 64]) {
            return Err("the server answered with a commit or an ETag that is no hash".into());
        }
        Ok(Some(Self { commit: commit.into(), etag: etag.into() }))
    }
}

fn download(
    agent: &Agent,
    hub: &Hub,
    name: &str,
    revision: &str,
    file: &str,
    folder: &Path,
) -> Result<PathBuf, String> {
    let endpoint = hub.endpoint.trim_end_matches('/');
    let mut address = format!("{endpoint}/{name}/resolve/{revision}/{file}");
    let mut tags = None;
    for _ in 0..HOPS {
        let mut request = agent.get(&address).header("accept-encoding", "identity");
        // A token is for the hub alone, not for where it sends us.
        if let Some(token) = token().filter(|_| address.starts_with(&format!("{endpoint}/"))) {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        let response = request.call().map_err(|error| error.to_string())?;
        if tags.is_none() {
            tags = Tags::of(&response)?;
        }
        let status = response.status();
        if status.is_redirection() {
            let next = response.headers().get("location").and_then(|text| text.to_str().ok());
            address = joined(endpoint, next.ok_or("the server redirects to nowhere")?)?;
            continue;
        }
        if !status.is_success() {
            return Err(format!("the server answered {status} for {file}"));
        }
        let tags = tags.ok_or("the server is no hub: it names no commit (x-repo-commit)")?;
        let length = response.body().content_length();
        let limit = length.unwrap_or(MOST_BYTES);
        if limit > MOST_BYTES {
            return Err(format!("{file} has {limit} bytes, more than any weights that fit"));
        }
        let content = response.into_body().into_reader();
        return keep(content, limit, length.is_some(), &tags, folder, revision, file);
    }
    Err(format!("the server redirects more than {HOPS} times"))
}

/// Where a redirect leads: a path on the hub, or another host, not from https to http.
fn joined(endpoint: &str, location: &str) -> Result<String, String> {
    if location.starts_with('/') && !location.starts_with("//") {
        let host = endpoint.find("://").map_or(0, |at| at + 3);
        let end = endpoint[host..].find('/').map_or(endpoint.len(), |at| host + at);
        return Ok(format!("{}{location}", &endpoint[..end]));
    }
    let is_safe = location.starts_with("https://");
    if is_safe || location.starts_with("http://") && endpoint.starts_with("http://") {
        return Ok(location.into());
    }
    Err("the server redirects to an address that is not https".into())
}

fn token() -> Option<String> {
    let set = std::env::var("HF_TOKEN").ok();
    let token = set.or_else(|| fs::read_to_string(home().join("token")).ok())?;
    Some(token.trim().to_owned()).filter(|token| !token.is_empty())
}

/// Writes the content into the cache, checks it, and links it.
fn keep(
    content: impl Read,
    limit: u64,
    is_exact: bool,
    tags: &Tags,
    folder: &Path,
    revision: &str,
    file: &str,
) -> Result<PathBuf, String> {
    let said = |error: io::Error| error.to_string();
    let blobs = folder.join("blobs");
    let snapshot = folder.join("snapshots").join(&tags.commit);
    for folder in [&blobs, &snapshot, &folder.join("refs")] {
        fs::create_dir_all(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    }
    let aside = blobs.join(format!("{}.{}.incomplete", tags.etag, std::process::id()));
    let written = (|| {
        let mut hash = Hashing { file: File::create(&aside)?, hash: Sha256::new() };
        let bytes = io::copy(&mut content.take(limit.saturating_add(1)), &mut hash)?;
        hash.file.sync_all()?;
        Ok((bytes, hash.hash.finalize()))
    })();
    let checked = written.map_err(said).and_then(|(bytes, hash)| {
        let hash: String = hash.iter().map(|byte| format!("{byte:02x}")).collect();
        if bytes > limit || is_exact && bytes < limit {
            return Err(format!("{file} has {bytes} bytes, {limit} were announced"));
        }
        // Large files are named by their SHA-256; small ones by git's hash, of another kind.
        if tags.etag.len() == 64 && !tags.etag.eq_ignore_ascii_case(&hash) {
            return Err(format!("{file} has SHA-256 {hash}, {} was announced", tags.etag));
        }
        Ok(())
    });
    if let Err(reason) = checked {
        let _ = fs::remove_file(&aside);
        return Err(reason);
    }
    fs::rename(&aside, blobs.join(&tags.etag)).map_err(said)?;
    let path = snapshot.join(file);
    let _ = fs::remove_file(&path);
    link(&Path::new("../../blobs").join(&tags.etag), &blobs.join(&tags.etag), &path)
        .map_err(said)?;
    fs::write(folder.join("refs").join(revision), &tags.commit).map_err(said)?;
    Ok(path)
}

#[cfg(unix)]
fn link(target: &Path, _: &Path, path: &Path) -> io::Result<()> {
    std::os::unix::fs::symlink(target, path)
}

#[cfg(not(unix))]
fn link(_: &Path, file: &Path, path: &Path) -> io::Result<()> {
    fs::copy(file, path).map(|_| ())
}

/// A file that is hashed while it is written.
struct Hashing {
    file: File,
    hash: Sha256,
}

impl Write for Hashing {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = self.file.write(bytes)?;
        self.hash.update(&bytes[..count]);
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}
