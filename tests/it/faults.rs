//! A fault of the machine is not the file's: whatever calls fail, wherever the program is killed,
//! plain reruns end in the bytes of an undisturbed run.
//!
//! `MAMMO_PIPE_SCHEDULES=0..5000` asks for more schedules than the sample, `17..18` for one.

use crate::common;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Output;
use std::sync::atomic::{AtomicU64, Ordering};

use common::faults::{HANG, KILL, Machine, Rule, SHORT, ended, signal, wait_until};
use common::release::{assert_sound, content};
use mammo_pipe::synth::Damage;

const EIO: i32 = 5;
const ENOENT: i32 = 2;
const EACCES: i32 = 13;
const ENOSPC: i32 = 28;

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

fn run(machine: &Machine, release: &Path, rules: &[Rule], more: &[&str]) -> Output {
    ended(machine.preprocess(release, rules, 1).args(more).spawn().unwrap())
}

#[test]
fn a_file_that_the_machine_cannot_read_is_unreached_and_the_next_run_takes_it_up() {
    let machine = Machine::new(5, vec![(Damage::Html, 1)]);
    let (whole, release) = (machine.path("whole"), machine.path("release"));
    assert_eq!(run(&machine, &whole, &[], &[]).status.code(), Some(3));
    for error in [EIO, 116, 11, 24, 23, 12, 110, EACCES, ENOENT] {
        let _ = fs::remove_dir_all(&release);
        for call in ["open", "read"] {
            let rule = Rule { after: 6, max: 2, ..Rule::always(call, error, ".dcm") };
            let output = run(&machine, &release, &[rule], &["--json"]);
            assert_eq!(output.status.code(), Some(75), "{call} {error}: {}", said(&output));
            let summary: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
            let unreached = summary["unreached"].as_array().unwrap();
            assert!((1..=2).contains(&unreached.len()), "{summary}");
            let reason = unreached[0]["reason"].as_str().unwrap();
            assert!(reason.contains(&format!("os error {error}")), "{reason}");
            let left = summary["counts"]["unreached"].as_u64().unwrap();
            assert!(left >= unreached.len() as u64 && left.is_multiple_of(4) || left > 4, "{left}");
            let rejected = fs::read_to_string(release.join("quarantine.csv")).unwrap();
            assert!(!rejected.contains("cannot be read"), "{rejected}");
            let list = fs::read_to_string(release.join("unreached.csv")).unwrap();
            assert_eq!(list.lines().count(), 1 + unreached.len(), "{list}");
            assert!(!release.join("manifest.json").exists());
        }
        assert_eq!(run(&machine, &release, &[], &[]).status.code(), Some(3));
        assert_eq!(content(&release), content(&whole), "{error}");
    }
}

#[test]
fn an_error_that_passes_is_tried_again_and_nothing_is_told() {
    let machine = Machine::new(4, vec![]);
    let release = machine.path("release");
    let rules = [
        Rule { max: 3, after: 2, ..Rule::always("read", EIO, ".dcm") },
        Rule { max: 3, after: 4, ..Rule::always("open", EACCES, ".dcm") },
    ];
    let output = run(&machine, &release, &rules, &["--set", "limits.retries=6"]);
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    assert_sound(&release);
}

#[test]
fn an_unfinished_release_says_so_everywhere() {
    let machine = Machine::new(4, vec![]);
    let release = machine.path("release");
    let rule = Rule { max: 1, after: 1, ..Rule::always("open", EIO, ".dcm") };
    let output = run(&machine, &release, &[rule], &[]);
    assert!(said(&output).contains("1 file could not be read"), "{}", said(&output));
    assert!(said(&output).contains("--give-up-unreached"), "{}", said(&output));
    let program = || std::process::Command::new(env!("CARGO_BIN_EXE_mammo-pipe"));
    for command in ["verify", "train"] {
        let output = program().arg(command).arg(&release).output().unwrap();
        assert_eq!(output.status.code(), Some(1), "{}", said(&output));
        assert!(
            said(&output).contains("a file cannot be read (unreached.csv"),
            "{}",
            said(&output)
        );
    }
    assert!(program().arg("report").arg(&release).status().unwrap().success());
    let page = fs::read_to_string(release.join("report.html")).unwrap();
    assert!(page.contains("Not complete") && page.contains("1 file could not be read"));
}

#[test]
fn many_files_in_a_row_that_cannot_be_read_stop_the_run_and_name_the_mount() {
    let machine = Machine::new(32, vec![]);
    let release = machine.path("release");
    assert!(machine.images().len() > 120);
    let rule = Rule { after: 8, ..Rule::always("read", 116, ".dcm") };
    let output = run(&machine, &release, std::slice::from_ref(&rule), &[]);
    assert_eq!(output.status.code(), Some(1), "{}", said(&output));
    let told = said(&output);
    assert!(told.contains("100 files in a row cannot be read"), "{told}");
    assert!(told.contains("see whether /") && told.contains("is mounted"), "{told}");
    let list = fs::read_to_string(release.join("unreached.csv")).unwrap();
    assert!(list.lines().count() > 100);
    assert_eq!(run(&machine, &release, &[], &[]).status.code(), Some(0));
    assert_sound(&release);
}

#[test]
fn what_is_given_up_by_name_is_rejected_and_can_be_tried_again() {
    let machine = Machine::new(4, vec![]);
    let (whole, release) = (machine.path("whole"), machine.path("release"));
    assert_eq!(run(&machine, &whole, &[], &[]).status.code(), Some(0));
    let rule = Rule { max: 2, after: 3, ..Rule::always("open", EACCES, ".dcm") };
    let output = run(&machine, &release, &[rule], &["--give-up-unreached"]);
    assert_eq!(output.status.code(), Some(3), "{}", said(&output));
    assert_sound(&release);
    let rejected = fs::read_to_string(release.join("quarantine.csv")).unwrap();
    assert_eq!(rejected.matches("cannot be read: Permission denied").count(), 2, "{rejected}");
    assert_eq!(run(&machine, &release, &[], &[]).status.code(), Some(3), "a plain rerun keeps it");
    assert_eq!(run(&machine, &release, &[], &["--retry-rejected"]).status.code(), Some(0));
    assert_eq!(content(&release), content(&whole));
}

#[test]
fn what_is_given_up_counts_towards_the_share_of_rejected_images() {
    let machine = Machine::new(56, vec![]);
    assert!(machine.images().len() > 210);
    let rule = Rule::always("read", EIO, ".dcm");
    let output = run(&machine, &machine.path("release"), &[rule], &["--give-up-unreached"]);
    assert_eq!(output.status.code(), Some(1), "{}", said(&output));
    assert!(
        said(&output).contains("200 of the first 200 images are rejected"),
        "{}",
        said(&output)
    );
}

#[test]
fn a_read_that_hangs_is_left_behind_after_the_first_signal() {
    let machine = Machine::new(6, vec![]);
    let (whole, release) = (machine.path("whole"), machine.path("release"));
    assert_eq!(run(&machine, &whole, &[], &[]).status.code(), Some(0));
    for (name, code) in [("-TERM", 75), ("-INT", 130)] {
        let _ = fs::remove_dir_all(&release);
        let rule = Rule { max: 1, after: 9, ..Rule::always("read", HANG, ".dcm") };
        let child = machine.preprocess(&release, &[rule], 1).spawn().unwrap();
        let entries = || fs::read_dir(release.join("manifest")).map_or(0, Iterator::count);
        wait_until("the first shard", || entries() > 0);
        signal(child.id(), name);
        let output = ended(child);
        assert_eq!(output.status.code(), Some(code), "{}", said(&output));
        assert_eq!(run(&machine, &release, &[], &[]).status.code(), Some(0));
        assert_eq!(content(&release), content(&whole));
    }
}

#[test]
fn sigterm_ends_in_75_before_the_first_image_too() {
    let machine = Machine::new(2, vec![]);
    let rule = Rule::always("stat", HANG, ".dcm");
    let child = machine.preprocess(&machine.path("release"), &[rule], 1).spawn().unwrap();
    let status = format!("/proc/{}/status", child.id());
    let listens = || {
        // SIGTERM is signal 15 of the mask.
        let text = fs::read_to_string(&status).unwrap_or_default();
        let mask = text.lines().find_map(|line| line.strip_prefix("SigCgt:"));
        mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok())
            .is_some_and(|m| m >> 14 & 1 == 1)
    };
    wait_until("a handler", listens);
    signal(child.id(), "-TERM");
    assert_eq!(ended(child).status.code(), Some(75));
}

#[test]
fn a_shard_or_entry_that_is_missing_damaged_or_changed_is_made_again() {
    let machine = Machine::new(5, vec![(Damage::Truncated, 1)]);
    let release = machine.path("release");
    assert_eq!(run(&machine, &release, &[], &[]).status.code(), Some(3));
    let before = content(&release);
    let of = |folder: &str| before.keys().find(|name| name.starts_with(folder)).unwrap().clone();
    let (shard, entry) = (of("shards/"), of("manifest/"));
    let edit = |name: &str, change: &dyn Fn(&mut Vec<u8>)| {
        let mut bytes = fs::read(release.join(name)).unwrap();
        change(&mut bytes);
        fs::write(release.join(name), bytes).unwrap();
    };
    let text = |from: &'static str, to: &'static str| {
        move |bytes: &mut Vec<u8>| {
            let changed = String::from_utf8(bytes.clone()).unwrap().replacen(from, to, 1);
            assert_ne!(changed.as_bytes(), bytes, "{from}");
            *bytes = changed.into_bytes();
        }
    };
    type Change<'a> = (&'a str, Box<dyn Fn() + 'a>);
    let changes: Vec<Change> = vec![
        ("a lost shard", Box::new(|| fs::remove_file(release.join(&shard)).unwrap())),
        ("a lost entry", Box::new(|| fs::remove_file(release.join(&entry)).unwrap())),
        ("a flipped bit", Box::new(|| edit(&shard, &|b| *b.last_mut().unwrap() ^= 4))),
        ("a shard cut off", Box::new(|| edit(&shard, &|b| b.truncate(b.len() / 2)))),
        ("an empty shard", Box::new(|| edit(&shard, &Vec::clear))),
        ("an empty entry", Box::new(|| edit(&entry, &Vec::clear))),
        ("an entry cut off", Box::new(|| edit(&entry, &|b| b.truncate(b.len() - 9)))),
        ("another number of rows", Box::new(|| edit(&entry, &text("\"rows\": 4", "\"rows\": 3")))),
        ("another file", Box::new(|| edit(&entry, &text("shards/", "../data/")))),
        (
            "a short hash",
            Box::new(|| edit(&entry, &text("\"sha256\": \"", "\"sha256\": \"\", \"x\": \""))),
        ),
        ("of another shard", Box::new(|| edit(&entry, &text("\"shard\": 0", "\"shard\": 1")))),
        (
            "an entry beyond the plan",
            Box::new(|| {
                fs::copy(release.join(&entry), release.join("manifest/shard-99999.json"))
                    .map(drop)
                    .unwrap();
            }),
        ),
        (
            "a shard that no entry names",
            Box::new(|| {
                fs::write(release.join("shards/shard-00000-0123456789ab.parquet"), "x").unwrap();
            }),
        ),
        (
            "a temporary file",
            Box::new(|| fs::write(release.join(".tmp/1-01234567.x"), "x").unwrap()),
        ),
        ("a lost manifest", Box::new(|| fs::remove_file(release.join("manifest.json")).unwrap())),
        ("a damaged manifest", Box::new(|| edit("manifest.json", &|b| b.truncate(99)))),
        (
            "a lost quarantine",
            Box::new(|| fs::remove_file(release.join("quarantine.csv")).unwrap()),
        ),
    ];
    for (what, change) in changes {
        change();
        let output = run(&machine, &release, &[], &[]);
        assert_eq!(output.status.code(), Some(3), "{what}: {}", said(&output));
        assert_eq!(content(&release), before, "{what}");
        assert_eq!(fs::read_dir(release.join(".tmp")).unwrap().count(), 0, "{what}");
    }
}

/// `--retry-rejected` is killed before each of its removals and creations in turn.
#[test]
fn a_shard_is_withdrawn_in_an_order_that_can_be_killed_at_any_point() {
    let machine = Machine::new(4, vec![(Damage::Html, 1)]);
    let (whole, release) = (machine.path("whole"), machine.path("release"));
    assert_eq!(run(&machine, &whole, &[], &[]).status.code(), Some(3));
    for call in ["unlink", "link", "rename", "fsync"] {
        for after in 0.. {
            // An image that was given up is read this time, so its shard gets other bytes.
            let _ = fs::remove_dir_all(&release);
            let unread = Rule { max: 1, after: 2, ..Rule::always("open", EACCES, ".dcm") };
            let given_up = run(&machine, &release, &[unread], &["--give-up-unreached"]);
            assert_eq!(given_up.status.code(), Some(3));
            let kill = Rule { after, ..Rule::always(call, KILL, "/release/") };
            let output = run(&machine, &release, &[kill], &["--retry-rejected"]);
            if output.status.code().is_some() {
                assert!(after > 2, "{call} {after}: {}", said(&output));
                break;
            }
            assert_eq!(run(&machine, &release, &[], &["--retry-rejected"]).status.code(), Some(3));
            assert_eq!(content(&release), content(&whole), "{call} {after}");
            assert_sound(&release);
        }
    }
}

/// A change of a source, and how it is put back.
#[derive(Debug, Clone, Copy)]
enum Change {
    Longer,
    SameSize,
    Removed,
}

/// Changes the file; returns what puts it back, with its old time or a new one.
fn change(path: &Path, how: Change, old_time: bool) -> impl FnOnce() {
    let aside = path.with_extension("aside");
    fs::rename(path, &aside).unwrap();
    let before = fs::read(&aside).unwrap();
    let mut bytes = before.clone();
    match how {
        Change::Longer => bytes.push(0),
        Change::SameSize => *bytes.last_mut().unwrap() ^= 1,
        Change::Removed => {}
    }
    if !matches!(how, Change::Removed) {
        fs::write(path, bytes).unwrap();
    }
    let path = path.to_owned();
    move || {
        if old_time {
            fs::rename(&aside, &path).unwrap();
        } else {
            fs::write(&path, before).unwrap();
            fs::remove_file(&aside).unwrap();
        }
    }
}

fn name(path: &Path) -> String {
    path.file_name().unwrap().to_string_lossy().into_owned()
}

#[test]
fn a_changed_source_is_refused_by_name_and_put_back_it_is_taken() {
    let machine = Machine::new(6, vec![(Damage::Html, 1)]);
    let whole = machine.path("whole");
    assert_eq!(run(&machine, &whole, &[], &[]).status.code(), Some(3));
    let images = machine.images();
    // Killed early, some shards are made of nothing yet.
    let kill = Rule { after: 12, max: 1, ..Rule::always("read", KILL, ".dcm") };
    for rules in [&[][..], &[kill]] {
        for how in [Change::Longer, Change::SameSize, Change::Removed] {
            for (path, old_time) in [(&images[0], true), (&images[images.len() - 1], false)] {
                let release = machine.path("release");
                let _ = fs::remove_dir_all(&release);
                run(&machine, &release, rules, &[]);
                let told = format!("{rules:?} {how:?} {}", name(path));
                let put_back = change(path, how, old_time);
                for _ in 0..2 {
                    let output = run(&machine, &release, &[], &[]);
                    assert_eq!(output.status.code(), Some(1), "{told}: {}", said(&output));
                    assert!(said(&output).contains(&name(path)), "{told}: {}", said(&output));
                }
                put_back();
                let output = run(&machine, &release, &[], &[]);
                assert_eq!(output.status.code(), Some(3), "{told}: {}", said(&output));
                assert_eq!(content(&release), content(&whole), "{told}");
            }
        }
    }
}

#[test]
fn a_time_alone_is_no_change_where_the_content_is_known_and_accepted_by_name_elsewhere() {
    let machine = Machine::new(6, vec![]);
    let (whole, release) = (machine.path("whole"), machine.path("release"));
    assert_eq!(run(&machine, &whole, &[], &[]).status.code(), Some(0));
    let touch = || {
        for path in machine.images() {
            let file = fs::File::options().append(true).open(path).unwrap();
            file.set_modified(std::time::SystemTime::now()).unwrap();
        }
    };
    touch();
    assert_eq!(run(&machine, &whole, &[], &[]).status.code(), Some(0));
    let kill = Rule { after: 12, max: 1, ..Rule::always("read", KILL, ".dcm") };
    run(&machine, &release, &[kill], &[]);
    touch();
    let output = run(&machine, &release, &[], &[]);
    assert_eq!(output.status.code(), Some(1), "{}", said(&output));
    assert!(said(&output).contains("--accept-new-times"), "{}", said(&output));
    assert_eq!(run(&machine, &release, &[], &["--accept-new-times"]).status.code(), Some(0));
    assert_eq!(content(&release), content(&whole));
}

#[test]
fn verify_reads_the_sources_again_on_demand() {
    let machine = Machine::new(4, vec![]);
    let release = machine.path("release");
    assert_eq!(run(&machine, &release, &[], &[]).status.code(), Some(0));
    let verify = |code: i32| {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_mammo-pipe"));
        command.args(["verify", "--quiet", "--json", "--sources"]).arg(machine.path("data"));
        let output = command.arg(&release).output().unwrap();
        assert_eq!(output.status.code(), Some(code), "{}", said(&output));
        let result: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        result["sources"].clone()
    };
    let images = machine.images();
    assert_eq!(verify(0)["same"], images.len());
    let put_back =
        [change(&images[1], Change::SameSize, true), change(&images[2], Change::Removed, true)];
    let problems = verify(1)["problems"].to_string();
    assert!(problems.contains(&name(&images[1])), "{problems}");
    assert!(problems.contains(&name(&images[2])), "{problems}");
    for put_back in put_back {
        put_back();
    }
    assert_eq!(verify(0)["problems"].as_array().unwrap().len(), 0);
}

/// Random numbers of one schedule.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (z ^ (z >> 31)) % sides
    }

    fn pick<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.roll(of.len() as u64) as usize]
    }

    /// At least two kinds of fault.
    fn rules(&mut self) -> Vec<Rule> {
        const READ: [i32; 9] = [EIO, 116, 11, 24, 23, 12, 110, EACCES, ENOENT];
        const WRITE: [i32; 4] = [EIO, ENOSPC, 122, 116];
        const CHANGES: [&str; 6] = ["write", "fsync", "rename", "link", "unlink", "open"];
        let max = 1 << 40;
        let mut rules = Vec::new();
        let first = self.roll(5);
        for kind in [first, (first + 1 + self.roll(4)) % 5] {
            rules.push(match kind {
                0 => Rule {
                    call: self.pick(&["open", "read"]),
                    error: self.pick(&READ),
                    part: ".dcm",
                    percent: 2 + self.roll(50),
                    after: self.roll(10),
                    max,
                },
                1 => Rule {
                    call: self.pick(&CHANGES),
                    error: self.pick(&WRITE),
                    part: "/release-",
                    percent: 1 + self.roll(15),
                    after: self.roll(30),
                    max,
                },
                2 => Rule {
                    call: self.pick(&["read", "write"]),
                    error: SHORT,
                    part: "/",
                    percent: 10 + self.roll(60),
                    after: 0,
                    max,
                },
                3 => Rule {
                    call: self.pick(&CHANGES),
                    error: KILL,
                    part: "/release-",
                    percent: 100,
                    after: self.roll(60),
                    max: 1,
                },
                _ => Rule {
                    call: self.pick(&["stat", "open", "read"]),
                    error: self.pick(&[KILL, EIO, ENOENT]),
                    part: ".dcm",
                    percent: 100,
                    after: self.roll(40),
                    max: 1,
                },
            });
        }
        rules
    }
}

/// Damages what is in a release.
fn damage(release: &Path, dice: &mut Dice) {
    let folder = release.join(dice.pick(&["shards", "manifest"]));
    let files: Vec<PathBuf> =
        fs::read_dir(folder).into_iter().flatten().map(|file| file.unwrap().path()).collect();
    let Some(path) = files.get(dice.roll(files.len().max(1) as u64) as usize) else { return };
    let mut bytes = fs::read(path).unwrap();
    match dice.roll(3) {
        0 => fs::remove_file(path).unwrap(),
        1 => fs::write(path, &bytes[..dice.roll(bytes.len() as u64 + 1) as usize]).unwrap(),
        _ if bytes.is_empty() => {}
        _ => {
            let at = dice.roll(bytes.len() as u64) as usize;
            bytes[at] ^= 1 << dice.roll(8);
            fs::write(path, bytes).unwrap();
        }
    }
}

/// The end of a run that met faults: it has an exit code of the table, or was killed.
fn assert_ended_well(output: &Output, told: &str) {
    let code = output.status.code();
    let is_in_table = code.is_none_or(|code| [0, 1, 3, 75].contains(&code));
    assert!(is_in_table, "{told}: {code:?} {}", said(output));
    assert!(!said(output).contains("panicked"), "{told}: {}", said(output));
}

/// A plain rerun while a source is changed. The next one finds it put back.
fn refused(machine: &Machine, release: &Path, dice: &mut Dice) -> String {
    let images = machine.images();
    let path = &images[dice.roll(images.len() as u64) as usize];
    let how = dice.pick(&[Change::Longer, Change::SameSize, Change::Removed]);
    let told = format!("\n{how:?} {}", path.display());
    let put_back = change(path, how, dice.roll(2) == 0);
    let output = run(machine, release, &[], &[]);
    assert_eq!(output.status.code(), Some(1), "{told}: {}", said(&output));
    assert!(said(&output).contains(&name(path)), "{told}: {}", said(&output));
    put_back();
    told
}

fn schedule(machine: &Machine, whole: &BTreeMap<String, Vec<u8>>, number: u64) {
    let mut dice = Dice(number.wrapping_mul(0x2545_F491_4F6C_DD1D));
    let release = machine.path(&format!("release-{number}"));
    let mut told = format!("schedule {number}");
    for _ in 0..1 + dice.roll(3) {
        let rules = dice.rules();
        let more: &[&str] = if dice.roll(3) == 0 { &["--retry-rejected"] } else { &[] };
        told += &format!("\n{rules:?} {more:?}");
        let retries = format!("limits.retries={}", dice.roll(2));
        let mut command = machine.preprocess(&release, &rules, number);
        let output = ended(command.args(more).args(["--set", &retries]).spawn().unwrap());
        told += &format!(": {:?}", output.status);
        assert_ended_well(&output, &told);
        if dice.roll(4) == 0 {
            told += "\ndamage";
            damage(&release, &mut dice);
        }
        if dice.roll(4) == 0 && release.join("plan.json").exists() {
            told += &refused(machine, &release, &mut dice);
        }
    }
    let mut finished = false;
    for _ in 0..3 {
        let output = ended(machine.preprocess(&release, &[], number).spawn().unwrap());
        told += &format!("\nrerun: {:?} {}", output.status, said(&output));
        assert_ended_well(&output, &told);
        finished = output.status.code() == Some(3);
        if finished {
            break;
        }
    }
    assert!(finished, "{told}");
    assert_sound(&release);
    let found = content(&release);
    let differ: Vec<_> = found.keys().filter(|name| found.get(*name) != whole.get(*name)).collect();
    assert!(found == *whole, "{told}\n{differ:?}");
    assert_eq!(fs::read_dir(release.join(".tmp")).unwrap().count(), 0, "{told}");
    fs::remove_dir_all(&release).unwrap();
}

#[test]
fn every_schedule_of_faults_ends_in_the_bytes_of_an_undisturbed_run() {
    let range = std::env::var("MAMMO_PIPE_SCHEDULES").unwrap_or_else(|_| "0..60".into());
    let (first, end) = range.split_once("..").unwrap();
    let (first, end) = (first.parse::<u64>().unwrap(), end.parse().unwrap());
    let next = AtomicU64::new(first);
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                // Each its own, because sources are changed.
                let machine = Machine::new(7, vec![(Damage::Html, 1), (Damage::Truncated, 1)]);
                let whole = machine.path("whole");
                assert_eq!(run(&machine, &whole, &[], &[]).status.code(), Some(3));
                let whole = content(&whole);
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= end {
                        break;
                    }
                    schedule(&machine, &whole, number);
                }
            });
        }
    });
}
