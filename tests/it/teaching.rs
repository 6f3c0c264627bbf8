//! What teaches: settings that show themselves, help, documentation.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use mammo_pipe::cli::help;

fn program(line: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_mammo-pipe"));
    command.args(line.split_whitespace()).env_remove("NO_COLOR").env_remove("CLICOLOR_FORCE");
    command
}

fn output(line: &str) -> Output {
    program(line).output().unwrap()
}

fn out(line: &str) -> String {
    let output = output(line);
    assert!(output.status.success(), "{line}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

fn error(line: &str) -> (Option<i32>, String) {
    let output = output(line);
    (output.status.code(), String::from_utf8(output.stderr).unwrap())
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

#[test]
fn a_wrong_setting_ends_as_a_wrong_flag_does() {
    for line in [
        "preprocess --set roi.margn=1",
        "preprocess --set margin=1",
        "preprocess --set roi.margin=wide",
        "preprocess --set roi.margin=7",
        "preprocess --set roi.margin",
        "preprocess -c nowhere.yaml",
        "train release --set train.batch=1",
        "train release --set train.optimizer.kind=adam",
        "config explain roi.margn",
        "config --preset lapto",
        "preprocess --margin 1",
        "train release --fold every",
    ] {
        let (code, said) = error(line);
        assert_eq!(code, Some(2), "{line}: {said}");
        assert!(said.starts_with("error: "), "{line}: {said}");
        let last = said.trim_end().lines().last().unwrap();
        assert!(last.starts_with("For more information, try '"), "{line}: {said}");
    }
    let (_, said) = error("preprocess --set margin=1");
    assert!(said.contains("did you mean roi.margin?"), "{said}");
    let (_, said) = error("train release --set train.optimizer.kind=adam");
    assert!(said.contains("needs adamw or sgd; did you mean adamw?"), "{said}");
}

#[test]
fn config_prints_the_settings_in_effect_with_their_origin() {
    assert_eq!(out("config --default"), fs::read_to_string(root().join("pipeline.yaml")).unwrap());
    let text = out("config --preset laptop --set train.batch=4 --changed");
    assert!(text.contains("--fold all --init timm/efficientnet_b0.ra_in1k"), "{text}");
    let line = |name: &str| {
        let line = text.lines().find(|line| line.trim_start().starts_with(name));
        line.unwrap_or_else(|| panic!("{name}: {text}")).split_whitespace().collect::<Vec<_>>()
    };
    assert_eq!(line("batch:"), ["batch:", "4", "#", "--set"]);
    assert_eq!(line("epochs:"), ["epochs:", "5", "#", "--preset", "laptop"]);
    assert!(!text.contains("seed"), "{text}");
    let all: serde_json::Value = serde_json::from_str(&out("config --json")).unwrap();
    assert_eq!(all["roi.margin"], serde_json::json!({"value": 0.01, "origin": "default"}));
}

#[test]
fn config_explains_a_setting_by_its_name_or_the_end_of_it() {
    for name in ["roi.margin", "margin"] {
        let text = out(&format!("config explain {name}"));
        for part in ["Added around the breast", "0.01", "0 to 0.5", "preprocess --set roi.margin="]
        {
            assert!(text.contains(part), "{name}: {text}");
        }
    }
    assert!(out("config explain train.schedule").contains("train.schedule.warmup_ratio"));
    let schema: serde_json::Value = serde_json::from_str(&out("config schema")).unwrap();
    let bits = &schema["properties"]["window"]["properties"]["bits"];
    assert!(bits["description"].as_str().unwrap().contains("8 or 16"), "{bits}");
    assert_eq!(schema["additionalProperties"], false);
}

#[test]
fn colour_goes_to_terminals_only_unless_it_is_asked_for() {
    let with = |name: &str, value: &str| {
        let output = program("preprocess --set x=1").env(name, value).output().unwrap();
        String::from_utf8(output.stderr).unwrap().contains('\u{1b}')
    };
    assert!(!with("TERM", "xterm-256color"), "a pipe");
    assert!(with("CLICOLOR_FORCE", "1"));
    let mut both = program("preprocess --set x=1");
    let both = both.env("CLICOLOR_FORCE", "1").env("NO_COLOR", "1").output().unwrap().stderr;
    assert!(!String::from_utf8(both).unwrap().contains('\u{1b}'), "NO_COLOR comes first");
    let help = program("help train").env("CLICOLOR_FORCE", "1").output().unwrap().stdout;
    assert!(String::from_utf8(help).unwrap().contains('\u{1b}'));
}

#[test]
fn completions_and_manual_pages_know_every_command() {
    let names: Vec<String> = help::command(100)
        .get_subcommands()
        .map(|command| command.get_name().to_owned())
        .filter(|name| name != "help")
        .collect();
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let text = out(&format!("completions {shell}"));
        names.iter().for_each(|name| assert!(text.contains(name.as_str()), "{shell}: {name}"));
    }
    let folder = tempfile::tempdir().unwrap();
    out(&format!("man --output {}", folder.path().display()));
    for name in names {
        let page = folder.path().join(format!("mammo-pipe-{name}.1"));
        let page = fs::read_to_string(&page).unwrap_or_else(|e| panic!("{name}: {e}"));
        assert!(page.contains(".SH EXAMPLES") || page.contains("Examples:"), "{name}: {page}");
        assert!(!page.contains('\u{1b}'), "{name}");
    }
    let other = folder.path().join("mammo-pipe.1");
    fs::write(&other, "my own page").unwrap();
    let (code, said) = error(&format!("man --output {}", folder.path().display()));
    assert_eq!(code, Some(1), "{said}");
    assert_eq!(fs::read_to_string(other).unwrap(), "my own page");
}

/// Files below a folder with this ending.
fn files(folder: &Path, ending: &str, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
        if entry.is_dir() {
            files(&entry, ending, found);
        } else if entry.extension().is_some_and(|found| found == ending) {
            found.push(entry);
        }
    }
}

#[test]
fn the_help_on_the_environment_names_every_variable_that_is_read() {
    let help = out("help environment");
    let mut sources = Vec::new();
    for folder in ["src", "crates/mammo-net/src", "crates/mammo-codecs/src"] {
        files(&root().join(folder), "rs", &mut sources);
    }
    for path in sources {
        let text = fs::read_to_string(&path).unwrap();
        for part in text.split("env::var").skip(1) {
            let name = part.split('"').nth(1).unwrap_or_default();
            let is_near = part.find('"').is_some_and(|at| at < 6);
            if is_near && name.chars().all(|c| c.is_ascii_uppercase() || c == '_') {
                assert!(help.contains(name), "{}: {name}", path.display());
            }
        }
    }
}

/// The command lines of `mammo-pipe` in the code blocks of a page.
fn commands(page: &str) -> Vec<String> {
    let joined = page.replace("\\\n", " ");
    let blocks = joined.split("\n```").skip(1).step_by(2);
    let lines = blocks.flat_map(|block| block.lines().skip(1)).map(|line| {
        let line = line.trim().trim_start_matches("$ ").trim_start_matches("srun ");
        let line = line.split(" # ").next().unwrap_or_default();
        let line = line.split("  #").next().unwrap_or_default();
        let line = line.split(" | ").next().unwrap_or_default();
        line.split(" > ").next().unwrap_or_default().trim().to_owned()
    });
    lines.filter(|line| line.starts_with("mammo-pipe ")).collect()
}

/// The words of a command, of which some are quoted.
fn words(line: &str) -> Vec<String> {
    let (mut words, mut word, mut quote) = (Vec::new(), String::new(), None);
    for c in line.chars() {
        match (c, quote) {
            (c, Some(open)) if c == open => quote = None,
            ('\'' | '"', None) => quote = Some(c),
            (c, None) if c.is_whitespace() => words.extend(Some(std::mem::take(&mut word))),
            (c, _) => word.push(c),
        }
    }
    words.push(word);
    words.retain(|word| !word.is_empty());
    words
}

#[test]
fn every_command_in_the_documentation_is_one_that_the_program_accepts() {
    let mut pages = vec![root().join("README.md"), root().join("data/README.md")];
    files(&root().join("docs"), "md", &mut pages);
    let mut checked = 0;
    for path in pages {
        for line in commands(&fs::read_to_string(&path).unwrap()) {
            // A variable of a shell script stands for a number or a name.
            let line = line.replace("\"$SLURM_CPUS_PER_TASK\"", "8");
            let line = line.replace("\"$SLURM_ARRAY_TASK_ID\"", "0").replace("\"$RUN\"", "runs/a");
            let parsed = help::command(100).try_get_matches_from(words(&line));
            if let Err(error) = parsed {
                use clap::error::ErrorKind::{DisplayHelp, DisplayVersion};
                let is_help = matches!(error.kind(), DisplayHelp | DisplayVersion);
                assert!(is_help, "{}: {line}: {error}", path.display());
            }
            checked += 1;
        }
    }
    assert!(checked > 40, "only {checked} commands were found");
}

#[test]
fn the_site_has_every_page_and_every_link_leads_somewhere() {
    let docs = root().join("docs");
    let summary = fs::read_to_string(docs.join("SUMMARY.md")).unwrap();
    let mut pages = Vec::new();
    files(&docs, "md", &mut pages);
    for path in &pages {
        let name = path.file_name().unwrap().to_string_lossy();
        assert!(name == "SUMMARY.md" || summary.contains(&format!("({name})")), "{name}");
    }
    for name in
        ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "SECURITY.md", "benches/README.md"]
    {
        pages.push(root().join(name));
    }
    let mut anchors = 0;
    for path in &pages {
        let text = fs::read_to_string(path).unwrap();
        for link in text.split("](").skip(1).map(|rest| rest.split(')').next().unwrap()) {
            let (file, anchor) = link.split_once('#').unwrap_or((link, ""));
            if file.contains("://") {
                continue;
            }
            let target = path.parent().unwrap().join(file);
            let target = if file.is_empty() { path.clone() } else { target };
            assert!(target.exists(), "{}: {link}", path.display());
            if !anchor.is_empty() {
                let headings = fs::read_to_string(&target).unwrap();
                let mut headings = headings.lines().filter(|line| line.starts_with('#'));
                assert!(headings.any(|line| slug(line) == anchor), "{}: {link}", path.display());
                anchors += 1;
            }
        }
    }
    println!("{anchors} links to a heading");
}

/// The anchor of a heading, as mdBook and the forges make it.
fn slug(heading: &str) -> String {
    let text = heading.trim_start_matches('#').trim().to_lowercase();
    let kept = text.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
    kept.map(|c| if c == ' ' { '-' } else { c }).collect()
}
