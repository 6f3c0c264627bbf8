//! After training on phantoms with visible lesions, the maps' peaks lie on the lesions.
//!
//! Layer and method were chosen on other phantoms and another network (`docs/explaining.md`).

mod common;

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use common::release::{config, dataset, run};
use mammo_pipe::config::TrainConfig;
use mammo_pipe::dataset::synth::{Coding, SynthSpec};
use mammo_pipe::explain::run::Explained;
use mammo_pipe::explain::select::Kind;
use mammo_pipe::explain::{Explanation, Request, explain};
use mammo_pipe::flow::Stop;
use mammo_pipe::model::{Device, Variant};
use mammo_pipe::plane::Rect;
use mammo_pipe::record::Laterality;
use mammo_pipe::shard::table::Table;
use mammo_pipe::train::run::{FORMAT_VERSION, Run, RunFacts};
use mammo_pipe::train::setup::Setup;
use mammo_pipe::train::{Control, End, train};

/// The boxes of the masses, in source pixels, by image: of mass and spicules.
fn masses(dataset: &Path) -> HashMap<String, Rect> {
    let mut table = csv::Reader::from_path(dataset.join("truth.csv")).unwrap();
    let header = table.headers().unwrap().clone();
    let column = |name: &str| header.iter().position(|found| found == name).unwrap();
    let (image_id, findings) = (column("image_id"), column("findings"));
    let mass = |row: csv::StringRecord| {
        let finding = row[findings].split(';').find_map(|f| f.strip_prefix("spiculated_mass "))?;
        let sides: Vec<usize> = finding.split(' ').map(|side| side.parse().unwrap()).collect();
        let [left, top, width, height] = sides.try_into().unwrap();
        Some((row[image_id].to_owned(), Rect { left, top, width, height }))
    };
    table.records().map(Result::unwrap).filter_map(mass).collect()
}

/// Whether a position lies in the box.
fn holds(mass: &Rect, (x, y): (f64, f64)) -> bool {
    (mass.left as f64..mass.right() as f64).contains(&x)
        && (mass.top as f64..mass.bottom() as f64).contains(&y)
}

#[test]
fn after_training_on_visible_lesions_the_peaks_lie_on_them_in_the_source() {
    let folder = tempfile::tempdir().unwrap();
    let (data, path) = (folder.path().join("data"), folder.path().join("run"));
    let spec = SynthSpec {
        seed: 2026,
        patients: 200,
        test_patients: 0,
        prevalence: 0.5,
        coding: Some(Coding::ExplicitLittle),
        ..SynthSpec::default()
    };
    dataset(&data, &spec);
    // Both sides as they are: right breasts test that nothing is mirrored on the way back.
    let mut made_with = config(&data, &folder.path().join("release"));
    (made_with.resize.height, made_with.resize.width) = (128, 80);
    (made_with.folds.count, made_with.shard.rows) = (4, 256);
    run(&made_with, 2).unwrap();

    let mut settings = TrainConfig { epochs: 6, batch: 16, average: None, ..Default::default() };
    settings.model.variant = Variant::B0;
    settings.model.drop_path = 0.0;
    settings.auxiliary.weight = 0.0;
    settings.optimizer.learning_rate = 1e-3;
    let table = Arc::new(Table::read(&made_with.output).unwrap());
    let facts = RunFacts {
        format_version: FORMAT_VERSION,
        tool: "test".into(),
        program_sha256: String::new(),
        release: made_with.output.clone(),
        release_plan_sha256: table.plan_sha256.clone(),
        manifest_sha256: String::new(),
        preprocessing: table.plan.settings.clone(),
        train: settings.clone(),
        folds: None,
        held_out: vec![Some(0)],
        init: None,
    };
    let setup = Setup { train: settings, device: Device::Cpu, init: None, loader_threads: 1 };
    let control = Control { stop: Stop::default(), seen: &|_| {}, tell: &|_| {} };
    let begun = Run::create(&path, facts).unwrap();
    assert_eq!(train(&begun, &table, &setup, &control).unwrap(), End::Finished);
    drop(begun);

    // One image a breast, as explain chooses them.
    let request = Request { count: usize::MAX, threshold: Some(0.5), ..Request::new(&path, 0) };
    let found: Explanation = explain(&request, Device::Cpu, &Stop::default(), &|_| {}).unwrap();
    let masses = masses(&data);
    let of_kind = |image: &&Explained| image.kind == Kind::TruePositive;
    let positives: Vec<&Explained> = found.images.iter().filter(of_kind).collect();
    let (mut hits, mut chance, mut right) = (0, 0.0, 0);
    for image in &positives {
        let mass = &masses[&image.image_id];
        let hit = image.peak.is_some_and(|peak| holds(mass, peak));
        hits += usize::from(hit);
        right +=
            usize::from(hit && image.laterality.as_deref() == Some(Laterality::Right.as_str()));
        chance += mass.area() as f64 / image.breast.area() as f64;
    }
    let (count, share) = (positives.len(), hits as f64 / positives.len() as f64);
    chance /= count as f64;
    println!("{hits} of {count} peaks ({right} on the right) lie in the mass; chance {chance:.3}");
    assert!(count >= 25, "the network finds {count} of the cancers");
    assert!(share >= 0.6 && share > 5.0 * chance, "{hits} of {count}, by chance {chance:.3}");
    assert!(right >= 5, "{right} of the right");
}
