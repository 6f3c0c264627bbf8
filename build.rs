//! Finds what `mammo-pipe --version` prints beside the version: the commit and the features.
//!
//! Out: the environment variable `MAMMO_PIPE_VERSION` at compile time, for example
//! `0.1.0 (a6dcb18, features: cuda)`. Only the command line reads it; releases and runs record
//! the version of the package alone, so that the commit changes none of their bytes.
//!
//! The commit is the first of these that is known:
//! 1. `MAMMO_PIPE_COMMIT`, for packagers who build without git;
//! 2. `.cargo_vcs_info.json`, which cargo writes into every package it publishes;
//! 3. git, if this folder is the top of a work tree. `-dirty` means that the sources differ from
//!    the commit.
//!
//! Debug builds look at the first alone. A new value compiles the whole package again, and a
//! developer would pay for that at every commit; one that is not renewed would be wrong.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// What a package is made from: a change in any of it can make the commit `-dirty`.
const SOURCES: [&str; 4] = ["build.rs", "Cargo.toml", "Cargo.lock", "src"];

fn main() {
    let root = PathBuf::from(variable("CARGO_MANIFEST_DIR"));
    println!("cargo::rerun-if-env-changed=MAMMO_PIPE_COMMIT");
    watch(&root.join("build.rs"));
    let given = env::var("MAMMO_PIPE_COMMIT").ok().filter(|commit| !commit.is_empty());
    let commit = match given {
        Some(commit) => commit,
        None if variable("PROFILE") == "debug" => "development build".into(),
        None => {
            of_package(&root).or_else(|| of_git(&root)).unwrap_or_else(|| "commit unknown".into())
        }
    };
    let (version, features) = (variable("CARGO_PKG_VERSION"), features());
    println!("cargo::rustc-env=MAMMO_PIPE_VERSION={version} ({commit}, features: {features})");
}

fn variable(name: &str) -> String {
    env::var(name).unwrap_or_else(|_| panic!("cargo sets {name}"))
}

/// The features that were chosen, in alphabetical order, as `Cargo.toml` writes them.
fn features() -> String {
    let mut chosen: Vec<String> = env::vars()
        .filter_map(|(name, _)| name.strip_prefix("CARGO_FEATURE_").map(str::to_lowercase))
        .filter(|name| name != "default")
        .map(|name| name.replace('_', "-"))
        .collect();
    chosen.sort();
    if chosen.is_empty() { "none".into() } else { chosen.join(", ") }
}

/// The commit that a package was made from.
fn of_package(root: &Path) -> Option<String> {
    let text = fs::read_to_string(root.join(".cargo_vcs_info.json")).ok()?;
    let commit = text.split("\"sha1\"").nth(1)?.split('"').nth(1)?.get(..7)?;
    let dirty = if text.contains("\"dirty\": true") { "-dirty" } else { "" };
    Some(format!("{commit}{dirty}"))
}

/// The commit of the work tree whose top is `root`.
fn of_git(root: &Path) -> Option<String> {
    // Otherwise it would be the commit of another repository, which this one was copied into.
    if !git(root, &["rev-parse", "--show-prefix"])?.is_empty() {
        return None;
    }
    let commit = git(root, &["rev-parse", "--short", "HEAD"])?;
    let sources = sources(root);
    let status = ["status", "--porcelain", "--untracked-files=no", "--"];
    let status: Vec<&str> = status.into_iter().chain(sources.iter().map(String::as_str)).collect();
    let dirty = if git(root, &status)?.is_empty() { "" } else { "-dirty" };
    sources.iter().for_each(|name| watch(&root.join(name)));
    watch_head(root);
    Some(format!("{commit}{dirty}"))
}

/// What the program is made from, this package and those in `crates/`, by their paths below `root`.
fn sources(root: &Path) -> Vec<String> {
    let crates = fs::read_dir(root.join("crates")).into_iter().flatten().flatten();
    let names = crates.filter_map(|entry| entry.file_name().into_string().ok());
    let packages = names.map(|name| format!("crates/{name}/")).chain(["".into()]);
    let paths = packages.flat_map(|package| SOURCES.map(|name| format!("{package}{name}")));
    let mut paths: Vec<String> = paths.filter(|path| root.join(path).exists()).collect();
    paths.sort();
    paths
}

/// Runs this script again when another commit is checked out or made, in a linked work tree too.
fn watch_head(root: &Path) {
    let path = |name| git(root, &["rev-parse", "--git-path", name]).map(|path| root.join(path));
    // Git adds a line to this log whenever HEAD moves. Without it, HEAD itself and all refs do.
    match path("logs/HEAD").filter(|log| log.exists()) {
        Some(log) => watch(&log),
        None => ["HEAD", "packed-refs", "refs/heads"]
            .into_iter()
            .filter_map(path)
            .for_each(|path| watch(&path)),
    }
}

/// Runs this script again when `path` changes. A path that does not exist would run it at every
/// build.
fn watch(path: &Path) {
    if path.exists() {
        println!("cargo::rerun-if-changed={}", path.display());
    }
}

/// What git prints, without the line's end; `None` without git, or outside a repository.
fn git(root: &Path, arguments: &[&str]) -> Option<String> {
    // Without the lock: a build must not stand in the way of somebody's commit.
    let git = Command::new("git")
        .env("GIT_OPTIONAL_LOCKS", "0")
        .current_dir(root)
        .args(arguments)
        .output()
        .ok()?;
    let text = String::from_utf8(git.stdout).ok()?;
    git.status.success().then(|| text.trim().to_owned())
}
