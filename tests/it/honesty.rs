//! No test looks away: none returns early in silence, and what a test needs that a checkout alone
//! does not have is the reason of its `#[ignore]`, which `cargo test` prints.
//!
//! Read from the source as rustfmt lays it out, line by line.

use std::fs;
use std::path::{Path, PathBuf};

/// Calls that fail without real files or an engine (`tests/common/needs.rs`).
const NEEDS: [&str; 3] = ["real_files(", "python(", "open_in_browser("];

/// Rust files below a folder.
fn sources(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() && path.file_name().is_some_and(|name| name != "target") {
            files.extend(sources(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    files
}

/// The lines of a test: its attributes, and all to the brace that closes it.
struct Test<'a> {
    attributes: Vec<&'a str>,
    /// Number of the first line, from 1.
    first: usize,
    lines: Vec<&'a str>,
}

fn tests(source: &str) -> Vec<Test<'_>> {
    let lines: Vec<&str> = source.lines().collect();
    let begins = (0..lines.len()).filter(|at| lines[*at].trim() == "#[test]");
    begins
        .map(|at| {
            let indent = lines[at].len() - lines[at].trim_start().len();
            let is_attribute = |line: &&&str| line.trim_start().starts_with("#[");
            let before = lines[..at].iter().rev().take_while(is_attribute).count();
            let attributes = lines[at - before..].iter().take_while(is_attribute).copied();
            let attributes: Vec<&str> = attributes.collect();
            let first = at - before + attributes.len();
            let closes = |line: &&&str| **line == format!("{}}}", " ".repeat(indent));
            let length = lines[first..].iter().take_while(|line| !closes(line)).count();
            let lines = lines[first..first + length].to_vec();
            Test { attributes, first: first + 1, lines }
        })
        .collect()
}

/// Whether the code of a line ends a function without a value.
fn returns_nothing(line: &str) -> bool {
    let code = line.split("//").next().unwrap_or_default();
    code.match_indices("return").any(|(at, word)| {
        let before = code[..at].chars().next_back();
        let after = code[at + word.len()..].trim_start();
        before.is_none_or(|c| !c.is_alphanumeric() && c != '_' && c != '`' && c != '"')
            && (after.is_empty() || after.starts_with([';', '}', ',']))
    })
}

/// What is wrong with a file; `only_tests` if it holds more than tests.
fn found(source: &str, only_tests: bool) -> Vec<(usize, &'static str)> {
    let mut found = Vec::new();
    let mut numbered: Vec<(usize, &str)> = source.lines().zip(1..).map(|(l, n)| (n, l)).collect();
    for (number, line) in &numbered {
        let line = line.trim();
        if line.starts_with("#[ignore") && !line.starts_with("#[ignore = \"needs ") {
            found.push((*number, "is ignored without `= \"needs ...\"`"));
        }
    }
    for test in tests(source) {
        let ignored = test.attributes.iter().any(|line| line.trim().starts_with("#[ignore"));
        let needs = |line: &&str| NEEDS.iter().any(|call| line.contains(call));
        if !ignored && test.lines.iter().any(needs) {
            found.push((test.first, "needs what not everyone has, and is not #[ignore]"));
        }
    }
    if !only_tests {
        let of_tests = tests(source);
        numbered.retain(|(number, _)| {
            of_tests.iter().any(|t| (t.first..t.first + t.lines.len()).contains(number))
        });
    }
    let silent = numbered.iter().filter(|(_, line)| returns_nothing(line));
    found.extend(silent.map(|(number, _)| (*number, "returns early and says nothing")));
    found
}

#[test]
fn no_test_returns_early_or_is_ignored_without_what_it_needs() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut wrong = Vec::new();
    let mut read = 0;
    let folders = ["tests", "src", "crates"].map(|name| root.join(name));
    for path in folders.iter().filter(|folder| folder.exists()).flat_map(|f| sources(f)) {
        let source = fs::read_to_string(&path).unwrap();
        read += tests(&source).len();
        let name = path.strip_prefix(root).unwrap();
        let only_tests = name.components().any(|part| part.as_os_str() == "tests");
        let found = found(&source, only_tests);
        wrong.extend(found.iter().map(|(line, what)| format!("{}:{line} {what}", name.display())));
    }
    assert!(read > 500, "{read} tests were read");
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn what_looks_away_is_found_with_its_line() {
    // In pieces, so that this file is not found itself.
    let (test, ends, attribute) = ("#[test]", "return", "#[ignore]");
    let planted = format!(
        "{test}\nfn a() {{\n    let Some(x) = y() else {{ {ends} }};\n}}\n\
         {test}\n{attribute}\nfn b() {{\n    real_{}();\n}}\n\
         {test}\nfn c() {{\n    match x {{\n        None => {ends},\n    }}\n    {ends} x;\n}}\n\
         {test}\nfn d() {{\n    real_{}();\n}}\n\
         fn e() {{\n    if x {{\n        {ends};\n    }}\n}}\n",
        "files", "files"
    );
    let lines = |only_tests| {
        let mut lines: Vec<usize> =
            found(&planted, only_tests).into_iter().map(|(line, _)| line).collect();
        lines.sort();
        lines
    };
    assert_eq!(lines(true), [3, 6, 13, 18, 23]);
    assert_eq!(lines(false), [3, 6, 13, 18], "e is no test");
}
