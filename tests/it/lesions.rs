//! After training on phantoms with visible lesions, the maps' peaks lie on the lesions.
//!
//! Layer and method were chosen on other phantoms and another network (`docs/explaining.md`).

use crate::common;

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use common::release::{config, dataset, run};
use common::sized;
use mammo_pipe::config::TrainConfig;
use mammo_pipe::error::Fault;
use mammo_pipe::explain::gradcam::{Method, maps};
use mammo_pipe::explain::place::Heat;
use mammo_pipe::explain::select::Kind;
use mammo_pipe::explain::{DEFAULT_LAYER, Explained, Explanation, Request, explain};
use mammo_pipe::flow::Stop;
use mammo_pipe::image::Pixels;
use mammo_pipe::image::Rect;
use mammo_pipe::model::{Device, Variant};
use mammo_pipe::predict::batch::Batch;
use mammo_pipe::predict::{Input, source::from_release};
use mammo_pipe::record::Laterality;
use mammo_pipe::shard::table::Table;
use mammo_pipe::synth::{Coding, SynthSpec};
use mammo_pipe::train::checkpoint::Checkpoint;
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

/// The input with a square around a place no lighter than the mean of its surroundings.
fn darkened(input: &Input, x: usize, y: usize) -> Batch {
    let Pixels::U8(plane) = &input.pixels else { unreachable!("8 bits") };
    let mut plane = plane.clone();
    let around =
        |at: usize, reach: usize, end: usize| at.saturating_sub(reach)..(at + reach + 1).min(end);
    let (width, height) = (plane.width(), plane.height());
    let levels: Vec<u32> = around(y, 20, height)
        .flat_map(|y| plane.row(y)[around(x, 20, width)].iter().map(|&level| u32::from(level)))
        .collect();
    let mean = (levels.iter().sum::<u32>() / levels.len().max(1) as u32) as u8;
    for y in around(y, 7, height) {
        let square = &mut plane.row_mut(y)[around(x, 7, width)];
        square.iter_mut().for_each(|level| *level = (*level).min(mean));
    }
    Batch::of(&[&Input { pixels: Pixels::U8(plane), ..input.clone() }], false)
}

#[test]
fn after_training_on_visible_lesions_the_peaks_lie_on_them_in_the_source() {
    let folder = tempfile::tempdir().unwrap();
    let (data, path) = (folder.path().join("data"), folder.path().join("run"));
    let spec = SynthSpec {
        seed: 2026,
        patients: sized(140, 200),
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

    let mut settings = TrainConfig { epochs: 7, batch: 16, ema_decay: None, ..Default::default() };
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
    let control = Control {
        stop: Stop::default(),
        on_event: &|_| {},
        on_message: &|_| {},
        on_prediction: &|_, _| {},
    };
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
    // A map of bright places would find these masses without any network: one that has learnt
    // nothing must not.
    let (mut untrained, mut moved) = (0, 0);
    let best = Checkpoint::read(&path.join("fold-0/best.safetensors")).unwrap();
    let mut blank = setup.network(best.facts.heads.clone()).unwrap();
    let mut network = best.network(Device::Cpu).unwrap();
    let by_image: HashMap<&str, &Explained> =
        positives.iter().map(|image| (image.image_id.as_str(), *image)).collect();
    let wanted = |index: usize| by_image.contains_key(table.rows[index].record.image_id.as_str());
    from_release(&table, wanted, |index, input| {
        let (id, row) = (input.record.image_id.as_str(), &table.rows[index]);
        let batch = Batch::of(&[&input], false);
        let (_, tap) = blank.explain(&batch.images(), &[&input.record], DEFAULT_LAYER)?;
        let map = maps(&tap, Method::default(), (80, 128)).remove(0);
        let peak = Heat::new(map, row.geometry).peak();
        untrained += usize::from(peak.is_some_and(|peak| holds(&masses[id], peak)));

        // And where the map points, the network really looks: to darken that place costs it more
        // than to darken any of four others of the breast.
        let mut logit_without = |(x, y): (f64, f64)| {
            let (x, y) = row.geometry.to_output(x, y);
            let darker = darkened(&input, x as usize, y as usize);
            Ok::<f64, Fault>(network.logits(&darker.images(), &[&input.record])?[0])
        };
        let Some(peak) = by_image[id].peak else { return Ok(()) };
        let without = logit_without(peak)?;
        let mut others = Vec::new();
        for (across, down) in [(0.3, 0.35), (0.3, 0.65), (0.6, 0.35), (0.6, 0.65)] {
            let x = row.breast.left as f64 + across * row.breast.width as f64;
            let y = row.breast.top as f64 + down * row.breast.height as f64;
            others.push(logit_without((x, y))?);
        }
        moved += usize::from(others.iter().all(|other| without < *other));
        Ok(())
    })
    .unwrap();
    println!("untrained {untrained}; darkening the peak costs most in {moved} of {count}");
    println!("{hits} of {count} peaks ({right} on the right) lie in the mass; chance {chance:.3}");
    assert!(count >= 25, "the network finds {count} of the cancers");
    assert!(share >= 0.6 && share > 5.0 * chance, "{hits} of {count}, by chance {chance:.3}");
    assert!(right >= 5, "{right} of the right");
    assert!(untrained * 4 < count, "an untrained network hits {untrained} of {count}");
    assert!(moved * 10 >= count * 7, "{moved} of {count}");
}
