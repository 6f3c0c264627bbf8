//! Pages as a browser sees them.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

use super::needs;

/// What a page made a browser say and ask for.
#[derive(Debug, PartialEq)]
pub struct Seen {
    /// Its messages on the console.
    pub console: Vec<String>,
    /// What it asked the network for.
    pub requests: BTreeSet<String>,
    /// Its title.
    pub title: String,
}

/// Opens `page` in headless Chromium, whose every way to the network leads nowhere.
pub fn open_in_browser(page: &Path) -> Seen {
    let profile = tempfile::tempdir().unwrap();
    let log = profile.path().join("net.json");
    let mut chromium = Command::new("chromium");
    chromium
        .args([
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-quic",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--proxy-server=http://127.0.0.1:9",
            "--enable-logging=stderr",
            "--v=0",
            "--dump-dom",
        ])
        .arg(format!("--user-data-dir={}", profile.path().display()))
        .arg(format!("--log-net-log={}", log.display()))
        .arg(format!("file://{}", page.display()));
    let output = needs::run(&mut chromium, "Debian: chromium");
    let said = String::from_utf8_lossy(&output.stderr);
    let shown = String::from_utf8_lossy(&output.stdout);
    let title = shown.split_once("<title>").and_then(|(_, rest)| rest.split_once("</title>"));
    let log = fs::read_to_string(&log).expect("Chromium writes down what it asks for");
    // On its own behalf Chromium asks its maker for updates and the time.
    let of_its_own = |url: &str| {
        let host = url.split('/').nth(2).unwrap_or_default();
        host.ends_with(".google.com") || host.ends_with(".googleapis.com")
    };
    let urls = log.split("\"url\":\"").skip(1).map(|rest| rest.split('"').next().unwrap());
    Seen {
        console: said.lines().filter(|l| l.contains(":CONSOLE")).map(str::to_owned).collect(),
        requests: urls
            .filter(|url| url.starts_with("http") && !of_its_own(url))
            .map(str::to_owned)
            .collect(),
        title: title.expect("a page has a title").0.to_owned(),
    }
}
