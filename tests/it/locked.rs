//! Patients that were locked away are evaluated at the end, with what the folds had chosen before.

use crate::common;

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use common::release::{config, dataset, run};
use mammo_pipe::dataset::Role;
use mammo_pipe::model::Device;
use mammo_pipe::predict::{batch::Batch, networks, source::from_release};
use mammo_pipe::predictions::{self, sigmoid};
use mammo_pipe::shard::table::Table;
use mammo_pipe::synth::SynthSpec;
use serde_json::Value;

fn mammo_pipe(arguments: &[&str]) -> Output {
    let output = Command::new(env!("CARGO_BIN_EXE_mammo-pipe")).args(arguments).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    output
}

#[test]
fn a_finished_run_predicts_the_locked_split_and_evaluate_evaluates_it() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let spec =
        SynthSpec { patients: 24, test_patients: 0, prevalence: 0.4, ..SynthSpec::default() };
    dataset(&data, &spec);
    let mut made_with = config(&data, &folder.path().join("release"));
    (made_with.resize.height, made_with.resize.width) = (64, 32);
    (made_with.folds.count, made_with.folds.locked_share) = (2, 0.3);
    run(&made_with, 2).unwrap();
    let table = Table::read(&made_with.output).unwrap();
    let locked = table.rows.iter().filter(|row| row.role == Role::Locked).count();
    assert!(locked > 8 && locked < table.rows.len() / 2, "{locked} of {}", table.rows.len());

    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let (release, runs, run) = (path("release"), path("runs"), path("runs/x"));
    let begin = ["train", &release, "--runs", &runs, "--name", "x", "--fold", "all", "-q", "--set"];
    let small = ["train.model.variant=b0", "--set", "train.epochs=2", "--set", "train.batch=8"];
    mammo_pipe(&[&begin[..], &small[..]].concat());

    // Each fold's best network said it, and it was asked nothing else.
    let file = |fold: u16| Path::new(&run).join(format!("fold-{fold}/locked.parquet"));
    let said = [0, 1].map(|fold| predictions::read(&file(fold)).unwrap());
    for (fold, said) in said.iter().enumerate() {
        assert_eq!(said.len(), locked);
        let weights = file(fold as u16).with_file_name("best.safetensors");
        let mut network = networks::read(&weights, Device::Cpu).unwrap();
        let mut place = 0;
        let wanted = |index: usize| table.rows[index].role == Role::Locked;
        from_release(&table, wanted, |_, input| {
            let batch = Batch::of(&[&input], false);
            let logit = network.logits(&batch.images(), &[&input.record])?[0];
            assert_eq!(said[place].record.image_id, input.record.image_id);
            assert!((said[place].logit - logit).abs() < 1e-4, "{} {logit}", said[place].logit);
            place += 1;
            Ok(())
        })
        .unwrap();
    }
    let held_out = predictions::read(&file(0).with_file_name("validation.parquet")).unwrap();
    assert!(held_out.iter().all(|p| p.role == Role::Fold(0)), "nothing locked chose an epoch");

    let evaluated = |run: &str| -> Value {
        let output = mammo_pipe(&["evaluate", run, "--json", "--resamples", "20"]);
        serde_json::from_slice(&output.stdout).unwrap()
    };
    let json = evaluated(&run);
    assert_eq!(json["locked"]["evaluated_networks"], 2);
    let [folds, part] = [0, 1].map(|place| &json["parts"][place]);
    assert_eq!(
        (&folds["split"], &part["split"]),
        (&"held_out_folds".into(), &"locked_split".into())
    );
    let by_image = |part: &Value| part["levels"][0].clone();
    assert_eq!(by_image(part)["n"], locked);
    assert_eq!(by_image(part)["selected_on"], "all_folds");
    assert_eq!(by_image(part)["selected"][0]["n"], by_image(folds)["n"]);
    let rows = predictions::read(&Path::new(&run).join("predictions.parquet")).unwrap();
    let of_locked: Vec<_> = rows.iter().filter(|p| p.role == Role::Locked).collect();
    for (place, row) in of_locked.iter().enumerate() {
        let mean = (sigmoid(said[0][place].logit) + sigmoid(said[1][place].logit)) / 2.0;
        assert!((row.probability - mean).abs() < 1e-12);
    }

    // A run of before, or one killed at that very moment, says what is missing and makes up for it.
    let before = fs::read(file(1)).unwrap();
    fs::remove_file(file(1)).unwrap();
    let told = mammo_pipe(&["evaluate", &run, "--resamples", "0"]);
    let told = String::from_utf8(told.stderr).unwrap();
    assert!(told.contains("1 network of this run not evaluated on the locked split yet"), "{told}");
    mammo_pipe(&["train", "--resume", &run, "-q"]);
    assert!(fs::read(file(1)).unwrap() == before, "the same bytes");
    assert_eq!(evaluated(&run), json);

    // Others' predictions of it stand in for the run's own.
    let others = path("others.parquet");
    let text = mammo_pipe(&["evaluate", &run, "--resamples", "0"]);
    let text = String::from_utf8(text.stdout).unwrap();
    assert!(text.contains("the mean probability of 2 networks of the run"), "{text}");
    fs::create_dir(folder.path().join(".tmp")).unwrap();
    predictions::write(folder.path(), Path::new(&others), &said[0]).unwrap();
    let stood_in = mammo_pipe(&[
        "evaluate",
        &run,
        "--extra-predictions",
        &others,
        "--json",
        "--resamples",
        "0",
    ]);
    let stood_in: Value = serde_json::from_slice(&stood_in.stdout).unwrap();
    assert_eq!(
        (&stood_in["parts"][1]["levels"][0]["n"], &stood_in["locked"]["evaluated_networks"]),
        (&locked.into(), &0.into())
    );
}
