//! `mammo-pipe --version`.

use std::process::Command;

fn said(flag: &str) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_mammo-pipe")).arg(flag).output().unwrap();
    assert!(output.status.success());
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn the_version_is_one_line_with_the_commit_and_the_features() {
    let line = said("--version");
    let start = concat!("mammo-pipe ", env!("CARGO_PKG_VERSION"), " (");
    let inside = line.strip_prefix(start).and_then(|rest| rest.strip_suffix(")\n"));
    let (commit, features) = inside
        .and_then(|inside| inside.split_once(", features: "))
        .unwrap_or_else(|| panic!("{line}"));

    assert_eq!(features.split(", ").any(|name| name == "cuda"), cfg!(feature = "cuda"), "{line}");
    match option_env!("MAMMO_PIPE_COMMIT").filter(|given| !given.is_empty()) {
        Some(given) => assert_eq!(commit, given),
        None if cfg!(debug_assertions) => assert_eq!(commit, "development build"),
        // A commit, or why there is none.
        None => assert!(!commit.is_empty() && commit != "development build", "{line}"),
    }
    assert_eq!(said("-V"), line);
}
