//! The folder of a run and its files.
//!
//! ```text
//! runs/<name>/
//!   run.json                settings, release, hashes of code and data
//!   status.json             progress
//!   fold-<k>/               or fold-none, if no fold is held out
//!     metrics.jsonl         one line per optimizer step and per epoch; events.out.tfevents.* too
//!     best.safetensors      weights of the best epoch; last.safetensors of the last one
//!     last.state            the saved state that --resume starts from; previous.state before it
//!     validation.parquet    predictions of the best epoch for the held-out images
//!     epochs/               the same of every epoch, so that the other folds can select one
//!     locked.parquet        predictions of the best epoch for the locked split, written last
//! ```
//!
//! The process that trains holds a lock on the folder. Readers need no lock, because every file
//! except the logs is replaced in one step.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::TrainError;
use super::folder::{Contents, FoldFolder, Known, LOG, RunFolder, is_temporary_of_fold};
use crate::config::train::Folds;
use crate::config::{Config, FoldsConfig, TrainConfig};
use crate::error::Fault;
use crate::shard::ReleaseFolder;
use crate::shard::table::Table;
use crate::store::{self, Lock};

/// Version of the folder's layout; a reader refuses a higher one.
pub const FORMAT_VERSION: u32 = 1;

/// `run.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunFacts {
    /// [`FORMAT_VERSION`] of the tool.
    pub format_version: u32,
    /// Version of the tool.
    pub tool: String,
    /// SHA-256 of the program that started the run.
    pub program_sha256: String,
    /// Folder of the training release.
    pub release: PathBuf,
    /// Its plan hash.
    pub release_plan_sha256: String,
    /// SHA-256 of its manifest, which holds the SHA-256 of every shard.
    pub manifest_sha256: String,
    /// The settings of the release.
    pub preprocessing: Value,
    /// The `train` section.
    pub train: TrainConfig,
    /// The `folds` section, if it reassigns the folds.
    pub folds: Option<FoldsConfig>,
    /// The folds that are held out, one after the other; a `None` trains on all folds.
    pub held_out: Vec<Option<u16>>,
    /// Initial weights of the backbone; random ones if `None`.
    pub init: Option<String>,
}

impl RunFacts {
    /// The facts of a run on `release` that starts with this program, from random weights.
    ///
    /// # Errors
    /// [`Fault::Io`] if the program or the manifest cannot be read.
    pub fn new(
        config: &Config,
        release: &Path,
        table: &Table,
        held_out: Vec<Option<u16>>,
    ) -> Result<Self, Fault> {
        let program = std::env::current_exe().map_err(Fault::io("this program"))?;
        Ok(Self {
            format_version: FORMAT_VERSION,
            tool: env!("CARGO_PKG_VERSION").into(),
            program_sha256: sha256_of(&program)?,
            release: std::path::absolute(release).map_err(Fault::io(release))?,
            release_plan_sha256: table.plan_sha256.clone(),
            manifest_sha256: sha256_of(&ReleaseFolder::new(release).manifest())?,
            preprocessing: table.plan.settings.clone(),
            train: config.train.clone(),
            folds: (config.train.folds == Folds::Reassign).then(|| config.folds.clone()),
            held_out,
            init: None,
        })
    }
}

/// `status.json`: the progress of a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Status {
    /// The state of the run.
    pub state: State,
    /// Id of its process.
    pub process: u32,
    /// The device it trains on.
    pub device: String,
    /// The fold that is held out now; `None` if no fold is.
    pub fold: Option<u16>,
    /// Epochs of this fold: the number done, and the number of all.
    pub epochs: (usize, usize),
    /// Optimizer steps of this fold: the number done, and the number of all.
    pub steps: (u64, u64),
    /// Loss of the last step.
    pub loss: Option<f64>,
    /// Metric of the best epoch of this fold.
    pub best: Option<f64>,
    /// Estimate of the seconds left for all folds.
    pub seconds_left: Option<f64>,
    /// Time of this status, in seconds since 1970.
    pub updated: u64,
}

/// The state of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Training.
    Running,
    /// Interrupted, with its state saved.
    Stopped,
    /// Ended by a fault.
    Failed,
    /// Done.
    Finished,
    /// Killed: `status.json` says running, but no process holds the lock.
    Killed,
}

/// A run open for writing. Holds the lock on the folder while it lives.
#[derive(Debug)]
pub struct Run {
    folder: RunFolder,
    /// The facts of the run.
    pub facts: RunFacts,
    _lock: Lock,
}

impl Status {
    /// The epoch to show, counted from 1: the one under way, or the last one of a finished run.
    pub fn epoch(&self) -> usize {
        let (done, all) = self.epochs;
        if self.state == State::Finished { done } else { (done + 1).min(all) }
    }
}

impl RunFacts {
    /// Facts with default settings and no real release, for tests.
    #[cfg(test)]
    pub(crate) fn fixture(held_out: Vec<Option<u16>>) -> Self {
        Self {
            format_version: FORMAT_VERSION,
            tool: "0".into(),
            program_sha256: "p".into(),
            release: "release".into(),
            release_plan_sha256: "r".into(),
            manifest_sha256: "m".into(),
            preprocessing: Value::Null,
            train: TrainConfig::default(),
            folds: None,
            held_out,
            init: None,
        }
    }

    /// Checks that `table`, the release in the folder `release`, is the one that the run began with,
    /// to the bit: its manifest has the SHA-256 of every shard.
    ///
    /// # Errors
    /// [`TrainError::ReleaseChanged`], [`TrainError::ImagesChanged`]; [`Fault::Io`].
    pub fn check_release(&self, release: &Path, table: &Table) -> Result<(), Fault> {
        let path = release.to_owned();
        if table.plan_sha256 != self.release_plan_sha256 {
            let (found, needed) = (table.plan_sha256.clone(), self.release_plan_sha256.clone());
            return Err(TrainError::ReleaseChanged { path, found, needed }.into());
        }
        let found = sha256_of(&ReleaseFolder::new(release).manifest())?;
        if found != self.manifest_sha256 {
            let needed = self.manifest_sha256.clone();
            return Err(TrainError::ImagesChanged { path, found, needed }.into());
        }
        Ok(())
    }

    /// Whether there is a locked split.
    pub fn has_locked(&self) -> bool {
        let share = match &self.folds {
            Some(folds) => Some(folds.locked_share),
            None => self.preprocessing["folds"]["locked_share"].as_f64(),
        };
        share.is_some_and(|share| share > 0.0)
    }
}

impl Run {
    /// Starts a run in `folder`, which must not hold one, unless that one has made no step: it is
    /// replaced.
    ///
    /// # Errors
    /// [`TrainError::RunLocked`], and those of [`check_free`].
    pub fn create(folder: &Path, facts: RunFacts) -> Result<Self, Fault> {
        let names = RunFolder::new(folder);
        check_free(folder)?;
        if names.is_begun() {
            let lock = lock(folder)?;
            // Before the lock was taken, another process may have trained the run.
            check_free(folder)?;
            remove(folder)?;
            drop(lock);
        }
        store::make_aside(folder)?;
        let lock = lock(folder)?;
        store::create(folder, &names.facts(), &store::sealed_json(&facts))?;
        Ok(Self { folder: names, facts, _lock: lock })
    }

    /// Opens a run to resume it.
    ///
    /// # Errors
    /// [`TrainError::NoRun`], [`TrainError::RunLocked`], [`Fault::Json`], [`Fault::Io`].
    pub fn resume(folder: &Path) -> Result<Self, Fault> {
        let facts = read_facts(folder)?;
        store::make_aside(folder)?;
        let lock = lock(folder)?;
        store::sweep_aside(folder, &lock)?;
        Ok(Self { folder: RunFolder::new(folder), facts, _lock: lock })
    }

    /// Opens a run to resume it on its release, which now is in the folder `release`.
    ///
    /// # Errors
    /// As [`Run::resume`].
    pub fn resume_on(folder: &Path, release: &Path) -> Result<Self, Fault> {
        let mut run = Self::resume(folder)?;
        let release = std::path::absolute(release).map_err(Fault::io(release))?;
        if run.facts.release != release {
            run.facts.release = release;
            store::replace(folder, &run.folder.facts(), &store::sealed_json(&run.facts))?;
        }
        Ok(run)
    }

    /// Removes the files of the run, but not the output of a run in the background.
    ///
    /// # Errors
    /// [`Fault::Io`].
    pub fn discard(self) -> Result<(), Fault> {
        remove(self.folder())
    }

    /// The folder of the run.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The folder of a fold, which is created if needed. Removes temporary files of a process that
    /// was killed.
    ///
    /// # Errors
    /// [`Fault::Io`].
    pub fn fold(&self, fold: Option<u16>) -> Result<FoldFolder, Fault> {
        let folder = self.folder.fold(fold);
        let aside = store::make_aside(folder.path())?;
        for left in std::fs::read_dir(&aside).map_err(Fault::io(&aside))? {
            let left = left.map_err(Fault::io(&aside))?;
            if is_temporary_of_fold(&left.file_name().to_string_lossy()) {
                std::fs::remove_file(left.path()).map_err(Fault::io(left.path()))?;
            }
        }
        Ok(folder)
    }

    /// Replaces `status.json`.
    ///
    /// # Errors
    /// [`Fault::Io`].
    pub fn write_status(&self, status: &Status) -> Result<(), Fault> {
        store::replace(self.folder(), &self.folder.status(), &store::json(status))
    }
}

/// SHA-256 of a file, in hexadecimal.
fn sha256_of(path: &Path) -> Result<String, Fault> {
    std::fs::read(path).map_err(Fault::io(path)).map(|bytes| store::sha256(&bytes))
}

/// Reads the facts of the run in `folder`.
///
/// # Errors
/// [`TrainError::NoRun`], [`store::Damaged`], [`Fault::Json`], [`Fault::Io`].
pub fn read_facts(folder: &Path) -> Result<RunFacts, Fault> {
    let path = RunFolder::new(folder).facts();
    if !path.exists() {
        return Err(TrainError::NoRun { path: folder.into() }.into());
    }
    let version: Value = store::read_json(&path)?;
    match version["format_version"].as_u64() {
        Some(found) if found > u64::from(FORMAT_VERSION) => {
            let reason = format!("has format version {found}, this tool reads up to 1");
            Err(TrainError::Checkpoint { path, reason }.into())
        }
        _ => store::read_sealed(&path),
    }
}

/// Reads the status of the run in `folder`; `None` before its first step.
///
/// # Errors
/// [`Fault::Json`], [`Fault::Io`].
pub fn read_status(folder: &Path) -> Result<Option<Status>, Fault> {
    let path = RunFolder::new(folder).status();
    if !path.exists() {
        return Ok(None);
    }
    let mut status: Status = store::read_json(&path)?;
    if status.state == State::Running && !is_locked(folder) {
        status.state = State::Killed;
    }
    Ok(Some(status))
}

/// The runs in `folder`, sorted by name; `folder` alone if it is a run itself.
///
/// # Errors
/// [`Fault::Io`].
pub fn list(folder: &Path) -> Result<Vec<PathBuf>, Fault> {
    if RunFolder::new(folder).is_begun() {
        return Ok(vec![folder.into()]);
    }
    let mut runs = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(Fault::io(folder))? {
        let path = entry.map_err(Fault::io(folder))?.path();
        if RunFolder::new(&path).is_begun() {
            runs.push(path);
        }
    }
    runs.sort();
    Ok(runs)
}

/// The first of `<stem>-1`, `<stem>-2`, ... that `folder` does not have.
pub fn free_name(folder: &Path, stem: &str) -> String {
    let names = (1..).map(|number| format!("{stem}-{number}"));
    names.into_iter().find(|name| !folder.join(name).exists()).expect("numbers do not end")
}

/// The current time in seconds since 1970.
pub fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}

/// Checks that a run can start in `folder`: it holds nothing, or the files of a run without a step
/// and no other file.
///
/// # Errors
/// [`TrainError::RunExists`]; [`Fault::ForeignFolder`] if the folder holds anything else; those of
/// [`read_facts`] for a `run.json` that is no run's; [`Fault::Io`].
pub fn check_free(folder: &Path) -> Result<(), Fault> {
    let names = RunFolder::new(folder);
    if names.is_begun() {
        read_facts(folder)?;
        if has_step(folder)? {
            return Err(TrainError::RunExists { path: folder.into() }.into());
        }
    } else {
        store::unless_foreign(folder, false, &[store::ASIDE, store::LOCK, LOG])?;
    }
    match names.contents(Known::OfTraining)?.foreign {
        Some((path, name)) => Err(Fault::ForeignFolder { path, name }),
        None => Ok(()),
    }
}

/// Whether the run in `folder` has made a step. A run without one can be replaced.
///
/// # Errors
/// [`Fault::Io`].
pub fn has_step(folder: &Path) -> Result<bool, Fault> {
    for fold in RunFolder::new(folder).folds()? {
        if std::fs::metadata(fold.metrics()).is_ok_and(|log| log.len() > 0) || fold.best().exists()
        {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Removes the files that training wrote, but not the output of a run in the background.
fn remove(folder: &Path) -> Result<(), Fault> {
    let names = RunFolder::new(folder);
    let mut contents = names.contents(Known::OfTraining)?;
    contents.files.retain(|file| *file != names.log());
    delete(&names, &contents)?;
    // It stays if there is a log in it.
    let _ = std::fs::remove_dir(folder);
    Ok(())
}

/// Removes a run with its output, as the user asked. A run with a trained network needs `force`. Of
/// a link to a run, only the link is removed.
///
/// # Errors
/// [`TrainError::NoRun`]; [`TrainError::RunLocked`] if a process trains it;
/// [`TrainError::HasNetworks`]; [`TrainError::ForeignFolder`] if the folder holds anything that no
/// command writes there; those of [`read_facts`]; [`Fault::Io`].
pub fn remove_run(folder: &Path, force: bool) -> Result<(), Fault> {
    if !RunFolder::new(folder).is_begun() {
        return Err(TrainError::NoRun { path: folder.into() }.into());
    }
    // `.` cannot be removed by that name. And `link/` is what the link leads to: without its end it
    // is the link.
    let whole = folder.canonicalize().map_err(Fault::io(folder))?;
    let folder: PathBuf = folder.components().collect();
    let is_link = std::fs::symlink_metadata(&folder).map_err(Fault::io(&folder))?.is_symlink();
    let names = RunFolder::new(&folder);
    read_facts(&folder)?;
    if !is_link {
        let foreign = names.contents(Known::WithOutputs)?.foreign;
        if let Some((path, name)) = foreign {
            return Err(TrainError::ForeignFolder { path, name }.into());
        }
    }
    let lock = lock(&folder)?;
    let networks = names.networks()?;
    if networks > 0 && !force {
        return Err(TrainError::HasNetworks { path: folder, networks }.into());
    }
    if is_link {
        let unlink = if cfg!(windows) { std::fs::remove_dir } else { std::fs::remove_file };
        return unlink(&folder).map_err(Fault::io(&folder));
    }
    delete(&names, &names.contents(Known::WithOutputs)?)?;
    // On network file systems, a file that is open keeps its folder.
    drop(lock);
    std::fs::remove_dir(&whole).map_err(Fault::io(&folder))
}

/// Deletes the files and the folders that then are empty; `run.json` last, so that what an
/// interrupted removal leaves is still a run.
fn delete(names: &RunFolder, contents: &Contents) -> Result<(), Fault> {
    let facts = names.facts();
    for file in contents.files.iter().filter(|file| **file != facts) {
        std::fs::remove_file(file).map_err(Fault::io(file))?;
    }
    for folder in &contents.folders {
        match std::fs::remove_dir(folder) {
            Err(error) if error.kind() != ErrorKind::DirectoryNotEmpty => {
                return Err(Fault::io(folder)(error));
            }
            _ => {}
        }
    }
    std::fs::remove_file(&facts).map_err(Fault::io(facts))
}

fn lock(folder: &Path) -> Result<Lock, Fault> {
    // `runs` holds the lock for a moment to see whether a process holds it.
    let deadline = Instant::now() + Duration::from_millis(500);
    loop {
        match store::lock(folder)? {
            Some(lock) => return Ok(lock),
            None if Instant::now() < deadline => std::thread::sleep(Duration::from_millis(20)),
            None => return Err(TrainError::RunLocked { path: folder.into() }.into()),
        }
    }
}

fn is_locked(folder: &Path) -> bool {
    // A folder that cannot be locked (another user's, for example) counts as in use.
    !matches!(store::lock(folder), Ok(Some(_)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(state: State) -> Status {
        Status {
            state,
            process: 1,
            device: "cpu".into(),
            fold: Some(0),
            epochs: (0, 1),
            steps: (3, 9),
            loss: Some(0.5),
            best: None,
            seconds_left: None,
            updated: now(),
        }
    }

    #[test]
    fn a_run_is_created_once_and_open_in_one_process_at_a_time() {
        let parent = tempfile::tempdir().unwrap();
        let folder = parent.path().join("b0-1");
        let run = Run::create(&folder, RunFacts::fixture(vec![Some(0)])).unwrap();
        let again = Run::create(&folder, RunFacts::fixture(vec![Some(0)])).unwrap_err();
        assert!(matches!(again.cause(), Some(TrainError::RunLocked { .. })), "{again}");
        let second = Run::resume(&folder).unwrap_err();
        assert!(matches!(second.cause(), Some(TrainError::RunLocked { .. })), "{second}");
        drop(run);
        assert_eq!(Run::resume(&folder).unwrap().facts, RunFacts::fixture(vec![Some(0)]));
        assert_eq!(list(parent.path()).unwrap(), [folder]);
        assert_eq!(free_name(parent.path(), "b0"), "b0-2");
    }

    #[test]
    fn a_run_whose_status_is_running_without_a_lock_was_killed() {
        let parent = tempfile::tempdir().unwrap();
        let folder = parent.path().join("x");
        let run = Run::create(&folder, RunFacts::fixture(vec![Some(0)])).unwrap();
        assert_eq!(read_status(&folder).unwrap(), None);
        run.write_status(&status(State::Running)).unwrap();
        assert_eq!(read_status(&folder).unwrap().unwrap().state, State::Running);
        drop(run);
        assert_eq!(read_status(&folder).unwrap().unwrap().state, State::Killed);
        let run = Run::resume(&folder).unwrap();
        run.write_status(&status(State::Finished)).unwrap();
        drop(run);
        assert_eq!(read_status(&folder).unwrap().unwrap().state, State::Finished);
    }

    #[test]
    fn the_name_of_a_run_without_a_step_can_be_used_again() {
        let parent = tempfile::tempdir().unwrap();
        let folder = parent.path().join("b0");
        let run = Run::create(&folder, RunFacts::fixture(vec![Some(0)])).unwrap();
        let fold = run.fold(Some(0)).unwrap();
        drop(run);
        let facts = RunFacts::fixture(vec![Some(1)]);
        let run = Run::create(&folder, facts.clone()).unwrap();
        assert_eq!(read_facts(&folder).unwrap(), facts);
        assert!(!fold.path().exists());
        std::fs::write(run.fold(Some(1)).unwrap().metrics(), "{}\n").unwrap();
        drop(run);
        let again = Run::create(&folder, facts).unwrap_err();
        assert!(matches!(again.cause(), Some(TrainError::RunExists { .. })), "{again}");
    }

    #[test]
    fn a_discarded_run_leaves_its_output_alone_and_nothing_without_one() {
        let parent = tempfile::tempdir().unwrap();
        let folder = parent.path().join("b0");
        Run::create(&folder, RunFacts::fixture(vec![None])).unwrap().discard().unwrap();
        assert!(!folder.exists());
        let run = Run::create(&folder, RunFacts::fixture(vec![None])).unwrap();
        std::fs::write(folder.join(LOG), "error: ...").unwrap();
        run.discard().unwrap();
        assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 1);
        drop(Run::create(&folder, RunFacts::fixture(vec![None])).unwrap());
    }

    #[test]
    fn a_run_does_not_start_between_somebody_else_s_files() {
        let parent = tempfile::tempdir().unwrap();
        std::fs::write(parent.path().join("thesis.tex"), "").unwrap();
        let fault = Run::create(parent.path(), RunFacts::fixture(vec![None])).unwrap_err();
        assert!(matches!(fault, Fault::ForeignFolder { .. }), "{fault}");
    }

    /// Every file below `folder`, with its content.
    fn files(folder: &Path) -> Vec<(PathBuf, Vec<u8>)> {
        let mut found = Vec::new();
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                found.extend(files(&path));
            } else {
                found.push((path.clone(), std::fs::read(&path).unwrap()));
            }
        }
        found.sort();
        found
    }

    /// A run that was killed before its first step.
    fn killed(folder: &Path) {
        let run = Run::create(folder, RunFacts::fixture(vec![Some(0)])).unwrap();
        run.write_status(&status(State::Running)).unwrap();
        let fold = run.fold(Some(0)).unwrap();
        std::fs::write(fold.metrics(), "").unwrap();
        drop(run);
    }

    #[test]
    fn a_run_json_of_another_program_is_not_a_run_to_replace_or_to_remove() {
        for text in ["{\"project\": \"thesis\"}", "{}", "", "not JSON"] {
            let parent = tempfile::tempdir().unwrap();
            let folder = parent.path().join("study");
            std::fs::create_dir_all(folder.join("figures")).unwrap();
            std::fs::write(folder.join("run.json"), text).unwrap();
            std::fs::write(folder.join("thesis.tex"), "years of work").unwrap();
            std::fs::write(folder.join("figures/one.png"), "").unwrap();
            let before = files(&folder);
            let fault = Run::create(&folder, RunFacts::fixture(vec![None])).unwrap_err();
            assert!(matches!(fault, Fault::Json { .. }), "{fault}");
            for force in [false, true] {
                let fault = remove_run(&folder, force).unwrap_err();
                assert!(matches!(fault, Fault::Json { .. }), "{fault}");
            }
            assert_eq!(files(&folder), before);
        }
    }

    #[test]
    fn what_lies_in_a_killed_run_without_being_of_it_is_named_and_stays() {
        let places = [
            "notes.md",
            "fold-0/notes.md",
            "fold-0/epochs/notes.md",
            "fold-0/.tmp/notes.md",
            ".tmp/notes.md",
            "fold-0-old/best.safetensors",
            "evaluation.json",
            ".lock",
            "fold-0/events.out.tfevents.1700000000.laptop",
            "status.json/notes.md",
            // A run in a run.
            "inner/run.json",
        ];
        for place in places {
            let parent = tempfile::tempdir().unwrap();
            let folder = parent.path().join("outer");
            killed(&folder);
            let path = folder.join(place);
            if place.starts_with("status.json") {
                std::fs::remove_file(folder.join("status.json")).unwrap();
            }
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(&path, "mine").unwrap();
            let before = files(&folder);
            let fault = Run::create(&folder, RunFacts::fixture(vec![Some(0)])).unwrap_err();
            assert!(matches!(fault, Fault::ForeignFolder { .. }), "{place}: {fault}");
            assert_eq!(files(&folder), before, "{place}");
            // A start that fails later removes its own files alone.
            remove(&folder).unwrap();
            assert_eq!(files(&folder), [(path, b"mine".to_vec())], "{place}");
        }
    }

    #[test]
    fn a_run_is_not_removed_with_somebody_else_s_file_in_it() {
        let parent = tempfile::tempdir().unwrap();
        let folder = parent.path().join("outer");
        for place in ["notes.md", "fold-0/explain/figure.png", "inner/run.json", "report.html.bak"]
        {
            killed(&folder);
            let path = folder.join(place);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(&path, "mine").unwrap();
            let before = files(&folder);
            for force in [false, true] {
                let fault = remove_run(&folder, force).unwrap_err();
                let cause = fault.cause::<TrainError>();
                assert!(
                    matches!(cause, Some(TrainError::ForeignFolder { .. })),
                    "{place}: {fault}"
                );
            }
            assert_eq!(files(&folder), before, "{place}");
            std::fs::remove_dir_all(&folder).unwrap();
        }
    }

    #[test]
    fn a_run_is_removed_with_what_evaluate_report_and_explain_wrote() {
        let parent = tempfile::tempdir().unwrap();
        let folder = parent.path().join("b0");
        killed(&folder);
        std::fs::create_dir_all(folder.join("fold-0/explain")).unwrap();
        std::fs::create_dir_all(folder.join("fold-0/epochs")).unwrap();
        for name in [
            "run.log",
            "starts.jsonl",
            "evaluation.json",
            "predictions.parquet",
            "report.html",
            "model_card.md",
            "compared-with-b4.html",
            ".tmp/report.html",
            ".evaluation.json.tmp",
            "fold-0/.tmp/last.state",
            "fold-0/last.state",
            "fold-0/previous.state",
            "fold-0/events.out.tfevents.0000000000.mammo-pipe",
            "fold-0/epochs/epoch-001.parquet",
            "fold-0/explain/explain.json",
            "fold-0/explain/energy.parquet",
            "fold-0/explain/true_positive-1.png",
            "fold-0/explain/true_positive-1-source.dcm",
        ] {
            std::fs::write(folder.join(name), "").unwrap();
        }
        remove_run(&folder, false).unwrap();
        assert!(!folder.exists());
    }

    #[test]
    fn networks_are_counted_in_the_folders_not_in_the_settings() {
        let parent = tempfile::tempdir().unwrap();
        let folder = parent.path().join("b0");
        killed(&folder);
        std::fs::create_dir(folder.join("fold-3")).unwrap();
        std::fs::write(folder.join("fold-3/best.safetensors"), "weights").unwrap();
        let fault = remove_run(&folder, false).unwrap_err();
        let cause = fault.cause::<TrainError>();
        assert!(matches!(cause, Some(TrainError::HasNetworks { networks: 1, .. })), "{fault}");
    }

    #[cfg(unix)]
    #[test]
    fn of_a_link_to_a_run_only_the_link_is_removed() {
        let parent = tempfile::tempdir().unwrap();
        let (folder, link) = (parent.path().join("b0"), parent.path().join("link"));
        killed(&folder);
        std::fs::write(folder.join("notes.md"), "mine").unwrap();
        for typed in ["link", "link/"] {
            std::os::unix::fs::symlink(&folder, &link).unwrap();
            remove_run(&parent.path().join(typed), false).unwrap();
            assert!(
                link.symlink_metadata().is_err() && folder.join("notes.md").exists(),
                "{typed}"
            );
        }
    }

    #[test]
    fn a_trained_run_is_removed_only_when_forced_and_a_running_one_never() {
        let parent = tempfile::tempdir().unwrap();
        let folder = parent.path().join("b0");
        let run = Run::create(&folder, RunFacts::fixture(vec![Some(0)])).unwrap();
        std::fs::write(run.fold(Some(0)).unwrap().best(), "weights").unwrap();
        let fault = remove_run(&folder, true).unwrap_err();
        assert!(matches!(fault.cause(), Some(TrainError::RunLocked { .. })), "{fault}");
        drop(run);
        let fault = remove_run(&folder, false).unwrap_err();
        assert!(matches!(fault.cause(), Some(TrainError::HasNetworks { .. })), "{fault}");
        remove_run(&folder, true).unwrap();
        assert!(!folder.exists());
    }

    #[test]
    fn a_folder_without_a_run_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let fault = Run::resume(folder.path()).unwrap_err();
        assert!(matches!(fault.cause(), Some(TrainError::NoRun { .. })), "{fault}");
    }
}
