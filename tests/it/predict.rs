//! Straight from DICOM a network is fed the bytes that the shards would hold; a trained run
//! predicts and explains as it is typed.

use crate::common;

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::{Arc, OnceLock};

use common::release::{config, dataset, run};
use mammo_pipe::config::{Config, Precision, ShardFormat, SplitChoice, of_settings};
use mammo_pipe::explain::Explanation;
use mammo_pipe::flow::{Meters, Stop};
use mammo_pipe::predict::source::{from_dicom, from_release};
use mammo_pipe::predict::{Input, source};
use mammo_pipe::predictions;
use mammo_pipe::preprocess::Control;
use mammo_pipe::preprocess::plan::Plan;
use mammo_pipe::record::ImageRecord;
use mammo_pipe::shard::manifest::Quarantined;
use mammo_pipe::shard::table::Table;
use mammo_pipe::synth::{Damage, SynthSpec};

fn all_of_dicom(config: &Config) -> (Vec<Input>, Vec<Quarantined>) {
    let plan = Plan::new(config.clone()).unwrap();
    let control = Control {
        workers: 2,
        readers: 2,
        retry_rejected: false,
        give_up_unreached: false,
        accept_new_times: false,
        stop: Stop::default(),
        meters: Arc::new(Meters::default()),
        seen: &|_, _| {},
    };
    let mut inputs = Vec::new();
    let aside = from_dicom(&plan, &control, |input| {
        inputs.push(input);
        Ok(())
    });
    (inputs, aside.unwrap())
}

fn all_of_release(folder: &Path) -> Vec<Input> {
    let mut inputs = Vec::new();
    let table = Table::read(folder).unwrap();
    from_release(
        &table,
        |_| true,
        |index, input| {
            assert_eq!(index, inputs.len());
            inputs.push(input);
            Ok(())
        },
    )
    .unwrap();
    let mut some = Vec::new();
    let wanted = |index| index % 7 == 3;
    let take = |index, input| {
        some.push((index, input));
        Ok(())
    };
    from_release(&table, wanted, take).unwrap();
    assert!(some.len() > 2 && some.iter().all(|(index, input)| *input == inputs[*index]));
    inputs
}

#[test]
fn the_settings_of_a_release_make_its_very_bytes_of_the_files_again() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let damage = vec![(Damage::Truncated, 1), (Damage::NoRow, 1), (Damage::MissingFile, 1)];
    dataset(&data, &SynthSpec { patients: 6, test_patients: 2, damage, ..SynthSpec::default() });
    for (format, bits, precision) in [
        (ShardFormat::Parquet, 8, Precision::Exact),
        (ShardFormat::Parquet, 8, Precision::Fast),
        (ShardFormat::Tensor, 16, Precision::Exact),
    ] {
        let release = folder.path().join(format!("{format:?}-{bits}-{precision:?}"));
        let mut made_with = config(&data, &release);
        made_with.dataset.split = SplitChoice::Both;
        made_with.dataset.allow_missing = true;
        made_with.shard.format = format;
        made_with.window.bits = bits;
        made_with.decode.precision = precision;
        made_with.roi.flip_to = Some(mammo_pipe::record::Laterality::Left);
        let counts = run(&made_with, 2).unwrap().counts;

        let table = Table::read(&release).unwrap();
        let mut again = of_settings(&table.plan.settings, "the release").unwrap();
        again.dataset.input.clone_from(&data);
        let (from_files, aside) = all_of_dicom(&again);
        assert_eq!(aside.len(), counts.rejected + counts.missing);
        let from_shards = all_of_release(&release);
        assert_eq!(from_files.len(), counts.written);
        assert_eq!(from_files.len(), from_shards.len());
        for (file, shard) in from_files.iter().zip(&from_shards) {
            assert_eq!(file.pixels, shard.pixels, "{}", file.record.image_id);
            // Shards do not keep the table's line.
            let record = ImageRecord { line: 0, ..file.record.clone() };
            assert_eq!((&record, file.role), (&shard.record, shard.role));
        }
        let bytes = from_shards[0].pixels.to_bytes();
        assert_eq!(source::pixels(&bytes, &table.shape).as_ref(), Some(&from_shards[0].pixels));
        assert_eq!(source::pixels(&bytes[1..], &table.shape), None);
    }
}

fn program() -> Command {
    Command::new(env!("CARGO_BIN_EXE_mammo-pipe"))
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

#[track_caller]
fn ends_in(code: i32, command: &mut Command) -> String {
    let output = command.output().unwrap();
    assert_eq!(output.status.code(), Some(code), "{}", said(&output));
    String::from_utf8(output.stdout).unwrap()
}

/// A dataset of ten patients, its release, and a run of two folds trained for an epoch.
struct World {
    _folder: tempfile::TempDir,
    data: PathBuf,
    release: PathBuf,
    run: PathBuf,
}

fn world() -> &'static World {
    static WORLD: OnceLock<World> = OnceLock::new();
    WORLD.get_or_init(|| {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        let (data, release, run) = (at("data"), at("release"), at("runs/tiny"));
        let spec =
            SynthSpec { patients: 10, test_patients: 3, prevalence: 0.5, ..Default::default() };
        dataset(&data, &spec);
        let mut made_with = config(&data, &release);
        (made_with.resize.height, made_with.resize.width) = (64, 48);
        made_with.folds.count = 2;
        made_with.roi.flip_to = Some(mammo_pipe::record::Laterality::Left);
        run_pipeline(&made_with);
        let settings = ["model.variant=b0", "batch=8", "epochs=1", "auxiliary.weight=0"];
        let mut train = program();
        train.arg("train").arg(&release).args(["--fold", "all", "--quiet", "--name", "tiny"]);
        train.arg("--runs").arg(at("runs"));
        for set in settings {
            train.arg("--set").arg(format!("train.{set}"));
        }
        ends_in(0, &mut train);
        World { _folder: folder, data, release, run }
    })
}

fn run_pipeline(config: &Config) {
    run(config, 2).unwrap();
}

/// `predict` to `NAME.csv` in a folder of its own.
fn predict(images: &Path, output: &Path) -> Command {
    let mut command = program();
    command.arg("predict").arg(&world().run).arg(images).arg("--output").arg(output);
    command.args(["--quiet", "--batch", "5"]);
    command
}

#[test]
fn a_run_predicts_the_same_of_files_as_of_shards_and_judges_patients_it_knows_by_the_other_fold() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let World { data, release, run, .. } = world();
    ends_in(0, &mut predict(release, &at("shards.csv")));
    ends_in(0, predict(data, &at("files.csv")).args(["--split", "train"]));
    let read = |name: &str| std::fs::read_to_string(at(name)).unwrap();
    assert_eq!(read("shards.csv"), read("files.csv"));
    let by_image = predictions::read(&at("files.parquet")).unwrap();
    for prediction in &by_image {
        let fold = prediction.role;
        let mammo_pipe::dataset::Role::Fold(fold) = fold else { panic!("{fold:?}") };
        let held_out =
            predictions::read(&run.join(format!("fold-{fold}/validation.parquet"))).unwrap();
        let image = &prediction.record.image_id;
        let before = held_out.iter().find(|p| p.record.image_id == *image).unwrap();
        let far = (before.probability - prediction.probability).abs();
        assert!(far < 1e-6, "{image}: {} {}", before.probability, prediction.probability);
    }
    // Nobody of the test table was trained on: both folds speak.
    ends_in(0, &mut predict(data, &at("test.csv")));
    ends_in(0, predict(data, &at("flipped.csv")).arg("--flips"));
    ends_in(0, predict(data, &at("first.csv")).args(["--fold", "0"]));
    let test = read("test.csv");
    assert!(test.starts_with("prediction_id,cancer\n") && test.lines().count() == 7, "{test}");
    assert_ne!(test, read("flipped.csv"));
    assert_ne!(test, read("first.csv"));
    ends_in(0, predict(data, &at("called.csv")).args(["--threshold", "0"]));
    assert!(read("called.csv").lines().skip(1).all(|line| line.ends_with(",1")));
}

#[test]
fn a_table_that_is_not_ours_is_never_replaced_by_a_submission() {
    let folder = tempfile::tempdir().unwrap();
    let labels = folder.path().join("labels.csv");
    let theirs = "prediction_id,cancer\n1_L,1\n";
    std::fs::write(&labels, theirs).unwrap();
    let output = predict(&world().data, &labels).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(said(&output).contains("labels.csv is there already"), "{}", said(&output));
    assert_eq!(std::fs::read_to_string(&labels).unwrap(), theirs);
    assert!(!labels.with_extension("parquet").exists());
    ends_in(0, predict(&world().data, &labels).arg("--force"));
    ends_in(0, &mut predict(&world().data, &labels));
    std::fs::write(&labels, theirs).unwrap();
    ends_in(1, &mut predict(&world().data, &labels));
}

#[test]
fn what_cannot_be_predicted_is_told_and_ends_in_3() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let data = at("data");
    let damage = vec![(Damage::Html, 1)];
    dataset(
        &data,
        &SynthSpec { seed: 7, patients: 2, test_patients: 0, damage, ..Default::default() },
    );
    let text = ends_in(3, predict(&data, &at("a.csv")).args(["--split", "train", "--json"]));
    let told: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(told["quarantined"].as_array().unwrap().len(), 1, "{told}");
    assert_eq!(told["quarantined"][0]["stage"], "read");
    assert_eq!(told["breasts"], 4);
    // New patients with a label: an evaluation takes them for a locked split.
    let by_image = predictions::read(&at("a.parquet")).unwrap();
    assert!(by_image.iter().all(|p| p.role == mammo_pipe::dataset::Role::Locked));
    // All of a fold's patients were trained on by the only network asked.
    let text = ends_in(3, predict(&world().release, &at("b.csv")).args(["--fold", "1", "--json"]));
    let told: serde_json::Value = serde_json::from_str(&text).unwrap();
    let (asked, left) = (told["images"].as_u64().unwrap(), told["trained_on"].as_array().unwrap());
    assert!(asked > 5 && left.len() > 5, "{told}");
    // Pixels made otherwise are not what the networks know.
    let mut otherwise = config(&world().data, &at("release"));
    otherwise.roi.margin = 0.2;
    run_pipeline(&otherwise);
    let output = predict(&at("release"), &at("c.csv")).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(said(&output).contains("margin"), "{}", said(&output));
}

#[test]
fn an_explanation_has_pictures_captures_and_the_energy_inside_the_breast() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("maps");
    let World { data, run, .. } = world();
    let explain = |dataset: &Path, layer: &str| {
        let mut command = program();
        command.arg("explain").arg(run).arg("--dataset").arg(dataset).arg("--output").arg(&out);
        command.args(["--fold", "1", "--layer", layer, "--count", "2", "--json"]);
        command.args(["--threshold", "0.5"]);
        command
    };
    let text = ends_in(0, explain(data, "blocks.3.2").args(["--dicom", "--all"]));
    let found: Explanation = serde_json::from_str(&text).unwrap();
    let written: Explanation =
        serde_json::from_slice(&std::fs::read(out.join("explain.json")).unwrap()).unwrap();
    assert_eq!(written, found);
    assert!(found.images.len() >= 2, "{text}");
    let validation = predictions::read(&run.join("fold-1/validation.parquet")).unwrap();
    assert_eq!(found.energy.images, validation.len());
    let table = Table::read(&world().release).unwrap();
    for image in &found.images {
        let said = validation.iter().find(|p| p.record.image_id.as_str() == image.image_id);
        assert!((said.unwrap().probability - image.probability).abs() < 1e-6);
        let row = table.rows.iter().find(|r| r.record.image_id.as_str() == image.image_id).unwrap();
        let size = |name: &str| {
            let decoder = png::Decoder::new(std::io::BufReader::new(
                std::fs::File::open(out.join(name)).unwrap(),
            ));
            let reader = decoder.read_info().unwrap();
            (reader.info().width as usize, reader.info().height as usize)
        };
        assert_eq!(size(&image.crop), (2 * 48, 64));
        assert_eq!(size(image.source.as_ref().unwrap()), row.source);
        let capture = std::fs::read(out.join(image.secondary_capture.as_ref().unwrap())).unwrap();
        assert!(capture.len() > 3 * row.source.0 * row.source.1);
        if let Some((x, y)) = image.peak {
            let crop = row.geometry.crop;
            assert!((crop.left as f64..crop.right() as f64).contains(&x));
            assert!((crop.top as f64..crop.bottom() as f64).contains(&y));
        }
        assert!(image.energy_inside.is_none_or(|share| (0.0..=1.0).contains(&share)));
    }
    // A source that is not what it was is not drawn on.
    let changed = folder.path().join("changed");
    std::fs::create_dir(&changed).unwrap();
    let again = ends_in(3, &mut explain(&changed, "blocks.3.2"));
    let again: Explanation = serde_json::from_str(&again).unwrap();
    assert!(again.images.iter().all(|image| image.problem.is_some() && image.source.is_none()));
    let output = explain(data, "blocks.9").output().unwrap();
    assert!(said(&output).contains("blocks.9"), "{}", said(&output));
}

#[test]
fn an_evaluation_has_the_energy_inside_the_breast_once_every_fold_has_looked() {
    let folder = tempfile::tempdir().unwrap();
    // A copy: what is left in the run's folder is seen by the other tests.
    let run = folder.path().join("run");
    for fold in ["fold-0", "fold-1"] {
        std::fs::create_dir_all(run.join(fold)).unwrap();
        for name in ["best.safetensors", "validation.parquet"] {
            std::fs::copy(world().run.join(fold).join(name), run.join(fold).join(name)).unwrap();
        }
    }
    std::fs::copy(world().run.join("run.json"), run.join("run.json")).unwrap();
    let evaluate = |further: &[&str]| -> serde_json::Value {
        let mut command = program();
        command.arg("evaluate").arg(&run).args(["--json", "--resamples", "50"]).args(further);
        serde_json::from_str(&ends_in(0, &mut command)).unwrap()
    };
    let before = evaluate(&[]);
    assert!(before["maps"].is_null(), "{before}");
    let reason = "folds 0, 1 have no maps of all held-out images yet";
    assert_eq!(before["no_maps"], reason);
    let mut command = program();
    ends_in(0, command.arg("explain").arg(&run).args(["--fold", "1", "--all", "--quiet"]));
    let reason = "fold 0 has no maps of all held-out images yet";
    assert_eq!(evaluate(&[])["no_maps"], reason);

    let found = evaluate(&["--maps"]);
    let maps = &found["maps"];
    assert_eq!(found["parts"], before["parts"], "the other figures do not change");
    let images = Table::read(&world().release).unwrap().rows.len();
    assert_eq!(maps["images"], images);
    let inside = &maps["inside"];
    if maps["with_map"] == 0 {
        assert!(inside["value"].is_null() && inside["undefined"].is_string(), "{inside}");
    } else {
        let value = inside["value"].as_f64().unwrap();
        assert!(value > 0.0 && value <= 1.0 && inside["interval"].is_array(), "{inside}");
        let worst = maps["worst"].as_array().unwrap();
        let shares: Vec<f64> = worst.iter().map(|w| w["inside"].as_f64().unwrap()).collect();
        assert!(shares.is_sorted() && shares[0] <= value, "{shares:?}");
    }
    // What was looked at is read again, not made again, until the weights are others.
    assert_eq!(evaluate(&[])["maps"], *maps);
    std::fs::copy(run.join("fold-0/best.safetensors"), run.join("fold-1/best.safetensors"))
        .unwrap();
    let reason = "fold 1 has maps that were made with other weights";
    assert_eq!(evaluate(&[])["no_maps"], reason);
}
