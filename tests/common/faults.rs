//! Runs the program on a machine whose system calls fail.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use super::release::dataset;
use mammo_pipe::synth::{Damage, SynthSpec};

/// Errors of the shim that are none of the system: a part only is read or written, the process is
/// killed, the call hangs.
pub const SHORT: i32 = -1;
pub const KILL: i32 = -2;
pub const HANG: i32 = -3;

/// Longer than anything here takes: a process that is still there hangs.
const WATCHDOG: Duration = Duration::from_secs(120);

/// From the `after`-th call on a path with `part` on, `percent` of the calls fail, `max` at most.
#[derive(Debug, Clone)]
pub struct Rule {
    pub call: &'static str,
    pub error: i32,
    pub part: &'static str,
    pub percent: u64,
    pub after: u64,
    pub max: u64,
}

impl Rule {
    /// Every such call fails.
    pub fn always(call: &'static str, error: i32, part: &'static str) -> Self {
        Self { call, error, part, percent: 100, after: 0, max: 1 << 40 }
    }
}

/// A dataset, and the shim that makes calls fail.
pub struct Machine {
    folder: tempfile::TempDir,
    shim: PathBuf,
}

impl Machine {
    /// A dataset of so many patients with these damaged files.
    pub fn new(patients: usize, damage: Vec<(Damage, usize)>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let shim = folder.path().join("fault_shim.so");
        let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/common/fault_shim.c");
        let built = Command::new("cc")
            .args(["-shared", "-fPIC", "-O1", "-Wall", "-Werror", "-o"])
            .args([shim.as_os_str(), source.as_ref(), "-ldl".as_ref()])
            .status();
        assert!(built.unwrap().success(), "cc builds the shim");
        let data = folder.path().join("data");
        dataset(&data, &SynthSpec { patients, test_patients: 1, damage, ..SynthSpec::default() });
        Self { folder, shim }
    }

    /// A path below the folder of the machine.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The image files, sorted.
    pub fn images(&self) -> Vec<PathBuf> {
        let patients = std::fs::read_dir(self.path("data/train_images")).unwrap();
        let files = patients.flat_map(|p| std::fs::read_dir(p.unwrap().path()).unwrap());
        let mut files: Vec<PathBuf> = files.map(|file| file.unwrap().path()).collect();
        files.sort();
        files
    }

    /// `preprocess` to `release` while `rules` hold.
    pub fn preprocess(&self, release: &Path, rules: &[Rule], seed: u64) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_mammo-pipe"));
        command.args(["preprocess", "--quiet", "--no-report", "--workers", "2", "--readers", "2"]);
        command.arg("--input").arg(self.path("data")).arg("--output").arg(release);
        command.args(["--set", "resize.height=32", "--set", "resize.width=32"]);
        command.args(["--set", "shard.rows=4", "--set", "limits.retries=0"]);
        let rules = rules.iter().map(|r| {
            format!("{} {} {} {} {} {}", r.call, r.error, r.part, r.percent, r.after, r.max)
        });
        command.env("FAULTS", rules.collect::<Vec<_>>().join(";"));
        command.env("FAULT_SEED", seed.to_string());
        command.env("LD_PRELOAD", &self.shim);
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }
}

/// The end of `child`, which must not hang.
pub fn ended(child: Child) -> Output {
    let (send, receive) = std::sync::mpsc::channel();
    let process = child.id();
    std::thread::spawn(move || send.send(child.wait_with_output()));
    let output = receive.recv_timeout(WATCHDOG).unwrap_or_else(|_| {
        signal(process, "-KILL");
        panic!("process {process} hangs")
    });
    output.unwrap()
}

/// Sends a signal.
pub fn signal(process: u32, signal: &str) {
    Command::new("kill").args([signal, &process.to_string()]).status().unwrap();
}

/// Waits until `is_so`.
pub fn wait_until(what: &str, is_so: impl Fn() -> bool) {
    let begun = Instant::now();
    while !is_so() {
        assert!(begun.elapsed() < WATCHDOG, "{what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}
