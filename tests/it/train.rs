//! A release becomes a model, whatever happens on the way.

use crate::common;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use common::release::{config, dataset, run};
use mammo_pipe::config::Sampling;
use mammo_pipe::config::TrainConfig;
use mammo_pipe::dataset::{Role, folds::FoldsError};
use mammo_pipe::flow::Stop;
use mammo_pipe::loader::{Loader, LoaderConfig};
use mammo_pipe::model::network::Network;
use mammo_pipe::model::{Backbone, Buffer, Device, Pixels, Variant};
use mammo_pipe::predictions;
use mammo_pipe::record::Column;
use mammo_pipe::shard::table::Table;
use mammo_pipe::synth::SynthSpec;
use mammo_pipe::train::checkpoint::Checkpoint;
use mammo_pipe::train::folder::{FoldFolder, RunFolder};
use mammo_pipe::train::log::{self, Line};
use mammo_pipe::train::run::{self, Run, RunFacts};
use mammo_pipe::train::setup::Setup;
use mammo_pipe::train::split::Split;
use mammo_pipe::train::{Control, End, TrainError, train};

/// A release of 64x32 images, of which a third has cancer.
pub(super) fn release(folder: &Path, patients: usize) -> PathBuf {
    let data = folder.join("data");
    let spec = SynthSpec { patients, test_patients: 1, prevalence: 0.3, ..SynthSpec::default() };
    dataset(&data, &spec);
    let mut config = config(&data, &folder.join("release"));
    (config.resize.height, config.resize.width, config.folds.count) = (64, 32, 2);
    run(&config, 2).unwrap();
    config.output
}

/// The smallest network, a few steps.
fn small() -> TrainConfig {
    let mut config = TrainConfig { epochs: 2, batch: 8, ..TrainConfig::default() };
    config.model.variant = Variant::B0;
    config
}

fn facts(release: &Path, train: TrainConfig, held_out: &[Option<u16>]) -> RunFacts {
    RunFacts {
        format_version: run::FORMAT_VERSION,
        tool: "test".into(),
        program_sha256: String::new(),
        release: release.into(),
        release_plan_sha256: String::new(),
        manifest_sha256: String::new(),
        preprocessing: serde_json::Value::Null,
        train,
        folds: None,
        held_out: held_out.to_vec(),
        init: None,
    }
}

/// Trains in the process of the test.
fn train_here(folder: &Path, release: &Path, config: TrainConfig, held_out: Option<u16>) -> Run {
    let table = Arc::new(Table::read(release).unwrap());
    let run = Run::create(folder, facts(release, config.clone(), &[held_out])).unwrap();
    let setup = Setup { train: config, device: Device::Cpu, init: None, loader_threads: 1 };
    let control = Control {
        stop: Stop::default(),
        on_event: &|_| {},
        on_message: &|_| {},
        on_prediction: &|_, _| {},
    };
    assert_eq!(train(&run, &table, &setup, &control).unwrap(), End::Finished);
    run
}

fn steps(fold: &Path) -> Vec<f64> {
    let loss = |line| match line {
        Line::Step(step) => Some(step.loss),
        Line::Epoch(_) => None,
    };
    log::read(&FoldFolder::new(fold)).unwrap().into_iter().filter_map(loss).collect()
}

#[test]
fn with_auxiliary_targets_and_inputs_a_run_leaves_a_network_that_says_what_it_said() {
    let folder = tempfile::tempdir().unwrap();
    let release = release(folder.path(), 14);
    let mut config = small();
    config.auxiliary.weight = 0.4;
    config.auxiliary.targets.retain(|c| !matches!(c, Column::Age | Column::View));
    config.auxiliary.inputs = vec![Column::Age, Column::View];
    config.accumulate = 2;
    let run = train_here(&folder.path().join("run"), &release, config, Some(1));

    let fold = RunFolder::new(run.folder()).fold(Some(1));
    let lines = log::read(&fold).unwrap();
    let auxiliary = lines.iter().find_map(|line| match line {
        Line::Step(step) => Some(step.auxiliary.keys().cloned().collect::<Vec<_>>()),
        Line::Epoch(_) => None,
    });
    // Nobody is told apart by what there is only one of.
    let expected = ["birads", "density", "difficult_negative", "implant", "laterality"];
    assert!(expected.iter().all(|name| auxiliary.as_ref().unwrap().contains(&name.to_string())));

    // The best checkpoint, built anew and asked again, gives the logits that were written.
    let checkpoint = Checkpoint::read(&fold.best()).unwrap();
    assert_eq!(checkpoint.facts.fold, Some(1));
    assert!(checkpoint.facts.validation.is_some() && checkpoint.facts.averaged);
    let mut network = checkpoint.network(Device::Cpu).unwrap();
    let written = predictions::read(&fold.validation()).unwrap();
    let table = Arc::new(Table::read(&release).unwrap());
    let split = Split::new(&table, Some(1)).unwrap();
    assert_eq!(written.len(), split.held_out.len());
    let config = LoaderConfig::sequential(8);
    let loader = Loader::new(&table, &split.held_out, &config, &Stop::default()).unwrap();
    let mut place = 0;
    for batch in loader.epoch(0, 0) {
        let batch = batch.unwrap();
        let rows: Vec<_> = batch.rows.iter().map(|row| &table.rows[*row].record).collect();
        for logit in network.logits(&batch.images(), &rows).unwrap() {
            assert_eq!(written[place].record.image_id, rows[place % 8].image_id);
            assert!((written[place].logit - logit).abs() < 1e-5);
            place += 1;
        }
    }

    // And another run may start from it.
    let init = Some(fold.best().to_string_lossy().into_owned());
    let train = checkpoint.facts.train.clone();
    let setup = Setup { train, device: Device::Cpu, init, loader_threads: 1 };
    let mut begun = setup.network(checkpoint.facts.heads.clone()).unwrap();
    setup.initialise(&mut begun).unwrap().expect("there are weights to start from");
    for buffer in [Buffer::Parameters, Buffer::Statistics] {
        let weights = |network: &Network| network.backbone.read(buffer).unwrap();
        assert_eq!(weights(&begun), weights(&network));
    }
}

#[test]
fn a_handful_of_images_is_learnt_by_heart() {
    let folder = tempfile::tempdir().unwrap();
    let release = release(folder.path(), 6);
    let mut config = small();
    (config.epochs, config.ema_decay, config.augment) = (12, None, None);
    (config.model.dropout, config.model.drop_path) = (Some(0.0), 0.0);
    (config.loss.positive_label, config.auxiliary.weight) = (1.0, 0.0);
    config.optimizer.learning_rate = 2e-3;
    config.sampling = Sampling { positives_per_batch: 3, oversample_positives: 1.0 };
    let run = train_here(&folder.path().join("run"), &release, config, None);
    let losses = steps(RunFolder::new(run.folder()).fold(None).path());
    let mean = |losses: &[f64]| losses.iter().sum::<f64>() / losses.len() as f64;
    let (first, last) = (mean(&losses[..4]), mean(&losses[losses.len() - 4..]));
    assert!(last < 0.15 && first > 0.4, "{first} to {last}");
}

/// timm loads the fold's best checkpoint, strictly.
#[test]
#[ignore = "needs MAMMO_PIPE_PYTHON"]
fn a_trained_network_gives_in_timm_the_logits_that_it_gives_here() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let release = release(folder, 6);
    let mut config = small();
    (config.ema_decay, config.auxiliary.weight) = (None, 0.0);
    let run = train_here(&folder.join("run"), &release, config, None);
    let table = Arc::new(Table::read(&release).unwrap());
    let path = RunFolder::new(run.folder()).fold(None).best();
    let mut network = Checkpoint::read(&path).unwrap().network(Device::Cpu).unwrap();
    let rows: Vec<usize> = (0..6).collect();
    let config = LoaderConfig::sequential(6);
    let loader = Loader::new(&table, &rows, &config, &Stop::default()).unwrap();
    let batch = loader.epoch(0, 0).next().unwrap().unwrap();
    let records: Vec<_> = rows.iter().map(|&row| &table.rows[row].record).collect();
    let images = batch.images();
    let logits = network.logits(&images, &records).unwrap();
    let Pixels::U8(levels) = images.pixels else { panic!("the release has 8 bits") };
    let shares = levels.iter().flat_map(|level| (f32::from(*level) / 255.0).to_le_bytes());
    let file = folder.join("images.f32");
    fs::write(&file, shares.collect::<Vec<u8>>()).unwrap();
    let [path, file] = [&path, &file].map(|path| path.to_str().unwrap());
    let text = common::needs::python("load_checkpoint.py", &[path, file, "6", "64", "32"]);
    // timm's own imports may print other lines.
    let by_timm: Vec<f64> = text.lines().filter_map(|line| line.parse().ok()).collect();
    assert_eq!(by_timm.len(), 6);
    for (ours, timms) in logits.iter().zip(by_timm) {
        assert!((ours - timms).abs() < 1e-4 * timms.abs().max(1.0), "{ours}, timm has {timms}");
    }
}

#[test]
fn a_patient_on_both_sides_is_refused_before_the_first_step() {
    let folder = tempfile::tempdir().unwrap();
    let mut table = Table::read(&release(folder.path(), 6)).unwrap();
    let split = Split::new(&table, Some(0)).unwrap();
    let patients = |rows: &[usize]| -> std::collections::HashSet<String> {
        rows.iter().map(|&row| table.rows[row].record.patient_id.to_string()).collect()
    };
    assert!(patients(&split.train).is_disjoint(&patients(&split.held_out)));
    assert_eq!(split.train.len() + split.held_out.len(), table.rows.len());
    let fault = Split::new(&table, Some(2)).unwrap_err();
    assert!(matches!(fault.cause(), Some(TrainError::NoFold { found: 2, .. })), "{fault}");
    table.rows[split.held_out[0]].role = Role::Fold(1);
    let fault = Split::new(&table, Some(0)).unwrap_err();
    assert!(matches!(fault.cause(), Some(FoldsError::Divided { .. })), "{fault}");
}

#[test]
fn a_loss_that_is_no_number_ends_the_run_with_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let release = release(folder.path(), 6);
    let mut config = small();
    (config.optimizer.learning_rate, config.optimizer.max_grad_norm) = (1e30, None);
    let table = Arc::new(Table::read(&release).unwrap());
    let path = folder.path().join("run");
    let run = Run::create(&path, facts(&release, config.clone(), &[None])).unwrap();
    let setup = Setup { train: config, device: Device::Cpu, init: None, loader_threads: 1 };
    let control = Control {
        stop: Stop::default(),
        on_event: &|_| {},
        on_message: &|_| {},
        on_prediction: &|_, _| {},
    };
    let fault = train(&run, &table, &setup, &control).unwrap_err();
    assert!(matches!(fault.cause(), Some(TrainError::NotFinite { .. })), "{fault}");
    assert!(fault.to_string().contains("learning_rate"), "{fault}");
    let status = run::read_status(&path).unwrap().unwrap();
    assert_eq!(status.state, run::State::Failed);
}

/// The program as it is typed.
pub(super) fn program(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_mammo-pipe"));
    command.args(arguments).stdout(Stdio::null()).stderr(Stdio::null());
    command
}

pub(super) const SMALL: [&str; 8] = [
    "--set",
    "train.model.variant=b0",
    "--set",
    "train.batch=4",
    "--set",
    "train.epochs=4",
    "--set",
    "train.save_minutes=0",
];

/// What a fold logged, but for what depends on the clock.
fn curve(fold: &Path) -> Vec<Line> {
    let mut lines = log::read(&FoldFolder::new(fold)).unwrap();
    for line in &mut lines {
        match line {
            Line::Step(step) => {
                (step.seconds, step.data_wait, step.images_per_second) = (0.0, 0.0, 0.0);
            }
            Line::Epoch(epoch) => epoch.seconds = 0.0,
        }
    }
    lines
}

pub(super) fn wait_for_steps(fold: &Path, wanted: usize, child: &mut Child) -> bool {
    loop {
        if log::read(&FoldFolder::new(fold)).is_ok_and(|lines| lines.len() >= wanted) {
            return true;
        }
        if child.try_wait().unwrap().is_some() {
            return false;
        }
        std::thread::sleep(Duration::from_millis(3));
    }
}

#[test]
fn killed_at_ten_steps_a_run_ends_with_the_numbers_of_one_that_was_not() {
    let folder = tempfile::tempdir().unwrap();
    let release = release(folder.path(), 8);
    let path = |name: &str| folder.path().join(name).to_string_lossy().into_owned();
    let (release, runs) = (release.to_string_lossy().into_owned(), path("runs"));
    let begin = |name: &str| {
        let mut command = program(&["train", &release, "--runs", &runs, "--name", name]);
        command.args(SMALL);
        command
    };
    assert!(begin("whole").status().unwrap().success());
    let fold = |name: &str| Path::new(&runs).join(name).join("fold-0");
    let whole = curve(&fold("whole"));
    assert!(whole.len() >= 20, "{} lines", whole.len());

    let killed = path("runs/killed");
    let mut kills = 0;
    let mut random = 7_u64;
    let mut child = begin("killed").spawn().unwrap();
    while kills < 10 {
        // From 0 to 2 steps beyond the last state, so that every kind of moment is met.
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        let there = log::read(&FoldFolder::new(fold("killed"))).map_or(0, |lines| lines.len());
        let wanted = there + (random >> 33) as usize % 3;
        if !wait_for_steps(&fold("killed"), wanted, &mut child) {
            break;
        }
        std::thread::sleep(Duration::from_millis(random >> 40 & 63));
        child.kill().unwrap();
        child.wait().unwrap();
        kills += 1;
        for name in ["last.safetensors", "best.safetensors"] {
            let path = fold("killed").join(name);
            assert!(!path.exists() || Checkpoint::read(&path).is_ok(), "{name} is unreadable");
        }
        let state = fold("killed").join("last.state");
        if state.exists() {
            let bytes = fs::read(&state).unwrap();
            assert!(safetensors::SafeTensors::deserialize(&bytes).is_ok(), "half a state");
        }
        child = program(&["train", "--resume", &killed]).spawn().unwrap();
    }
    assert!(child.wait().unwrap().success());
    assert_eq!(kills, 10, "the run was over too soon");
    assert_eq!(curve(&fold("killed")), whole);
    let bytes = |name: &str, file: &str| fs::read(fold(name).join(file)).unwrap();
    for file in ["best.safetensors", "last.safetensors", "last.state", "validation.parquet"] {
        assert!(bytes("whole", file) == bytes("killed", file), "{file} differs");
    }
}

#[cfg(unix)]
#[test]
fn an_interrupted_run_saves_says_so_and_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let release = release(folder.path(), 8);
    let runs = folder.path().join("runs").to_string_lossy().into_owned();
    let mut command =
        program(&["train", release.to_str().unwrap(), "--runs", &runs, "--name", "x"]);
    command.args(["--set", "train.model.variant=b0", "--set", "train.epochs=30"]);
    command.args(["--set", "train.batch=4"]);
    let mut child = command.spawn().unwrap();
    let path = Path::new(&runs).join("x");
    let fold = path.join("fold-0");
    assert!(wait_for_steps(&fold, 3, &mut child), "it ended by itself");
    let interrupted = Command::new("kill").args(["-INT", &child.id().to_string()]).status();
    assert!(interrupted.unwrap().success());
    assert_eq!(child.wait().unwrap().code(), Some(130));
    let status = run::read_status(&path).unwrap().unwrap();
    assert_eq!(status.state, run::State::Stopped);
    let steps = log::read(&FoldFolder::new(&fold)).unwrap().len();
    let mut child = program(&["train", "--resume", path.to_str().unwrap()]).spawn().unwrap();
    assert!(wait_for_steps(&fold, steps + 2, &mut child), "it does not go on");
    // A second run of the same name is refused while the first one lives.
    let second = program(&["train", "--resume", path.to_str().unwrap()]).status().unwrap();
    assert_eq!(second.code(), Some(1));
    let listed = Command::new(env!("CARGO_BIN_EXE_mammo-pipe")).args(["runs", &runs]).output();
    let listed = String::from_utf8(listed.unwrap().stdout).unwrap();
    assert!(listed.contains("running") && listed.contains("efficientnet_b0"), "{listed}");
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(run::read_status(&path).unwrap().unwrap().state, run::State::Killed);
}

#[test]
fn what_cannot_be_trained_is_refused_with_the_reason() {
    let folder = tempfile::tempdir().unwrap();
    let release = release(folder.path(), 4);
    let said = |code: i32, arguments: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_mammo-pipe"));
        let runs = folder.path().join("runs");
        command.arg("train").arg(&release).arg("--runs").arg(runs).args(arguments);
        let output = command.output().unwrap();
        assert_eq!(output.status.code(), Some(code), "{arguments:?}");
        String::from_utf8(output.stderr).unwrap()
    };
    let leak = said(2, &["--set", "train.auxiliary.inputs=[biopsy]"]);
    assert!(leak.contains("biopsy, which leaks the label"), "{leak}");
    let unknown = said(2, &["--set", "train.batchsize=3"]);
    assert!(unknown.contains("did you mean train.batch"), "{unknown}");
    let fold = said(1, &["--fold", "7"]);
    assert!(fold.contains("no fold 7, its folds are [0, 1]"), "{fold}");
    let ratio = said(1, &["--set", "folds.negatives_per_positive=2"]);
    assert!(ratio.contains("unless train.folds=reassign"), "{ratio}");
    // No machine has a hundred GPUs, and this program may not be built for one.
    let device = said(1, &["--device", "cuda:99"]);
    let reasons: &[&str] = match cfg!(feature = "cuda") {
        true => &["no NVIDIA driver was found", "there is no GPU cuda:99"],
        false => &["--features cuda"],
    };
    assert!(reasons.iter().any(|reason| device.contains(reason)), "{device}");
}
