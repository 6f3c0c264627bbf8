//! The power fails after any call that the program made: a rerun ends in the bytes of an undisturbed
//! run, and what it called finished is finished.

use crate::common;

use std::fs;
use std::path::Path;

use common::disk::{Call, Disk, Unsynced, calls};
use common::faults::{Machine, ended};
use common::release::{assert_sound, content};
use common::sized;
use mammo_pipe::synth::Damage;

/// One run whose calls are logged. The release is at `release` before and after.
fn logged(machine: &Machine, release: &Path, flags: &[&str]) -> (Disk, Vec<Call>) {
    let before = Disk::of(release);
    let log = machine.path("calls.log");
    let _ = fs::remove_file(&log);
    let mut command = machine.preprocess(release, &[], 1);
    command.args(flags).env("LOG", &log).env("LOG_ROOT", release);
    let output = ended(command.spawn().unwrap());
    assert_eq!(output.status.code(), Some(3), "{}", String::from_utf8_lossy(&output.stderr));
    (before, calls(&log))
}

/// Lets the power fail after every `step`-th call of the log, and runs again.
fn fail_everywhere(machine: &Machine, release: &Path, flags: &[&str], step: usize) -> usize {
    let (mut disk, calls) = logged(machine, release, flags);
    let whole = content(release);
    assert!(calls.len() > 20, "{}", calls.len());
    let mut failures = 0;
    for (at, call) in calls.iter().enumerate() {
        if at % step == 0 {
            let seed = at as u64;
            for unsynced in [Unsynced::Kept, Unsynced::Lost, Unsynced::Some(seed)] {
                disk.lose_power(unsynced);
                let output = ended(machine.preprocess(release, &[], 1).spawn().unwrap());
                let said = String::from_utf8_lossy(&output.stderr);
                let told = format!("{unsynced:?} before call {at}, {call:?}: {said}");
                assert_eq!(output.status.code(), Some(3), "{told}");
                assert!(content(release) == whole, "{told}");
                assert_sound(release);
                failures += 1;
            }
        }
        disk.apply(call);
    }
    // The program has said that it is done.
    disk.lose_power(Unsynced::Lost);
    assert!(content(release) == whole, "the end is not on the disk");
    assert_sound(release);
    failures
}

#[test]
#[cfg(target_os = "linux")]
fn a_rerun_after_a_power_failure_at_any_call_ends_in_the_same_bytes() {
    let machine = Machine::new(5, vec![(Damage::Html, 1), (Damage::Truncated, 1)]);
    let release = machine.path("release");
    let first = fail_everywhere(&machine, &release, &[], sized(7, 1));
    let again = fail_everywhere(&machine, &release, &["--retry-rejected"], sized(5, 1));
    println!("{first} failures in a first run, {again} in one that makes shards again");
}
