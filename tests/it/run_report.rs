//! The page and the model card of a training run: the metrics of `evaluate`, what else there is of
//! the run, and nothing from the network.

use crate::common;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use common::browser::{Seen, open_in_browser};
use common::release;
use common::run::{run_of_two_folds, run_on, run_that_said};
use mammo_pipe::config::{self, Config};
use mammo_pipe::evaluate::Bootstrap;
use mammo_pipe::evaluate::evaluation::evaluate;
use mammo_pipe::evaluate::metric_set::MetricName;
use mammo_pipe::evaluate::run::{EpochRule, load};
use mammo_pipe::explain::energy::{Energy, Share};
use mammo_pipe::explain::gradcam::Method;
use mammo_pipe::explain::select::Kind;
use mammo_pipe::explain::{Explained, Explanation, ThresholdFrom};
use mammo_pipe::image::picture;
use mammo_pipe::image::{Plane, Rect};
use mammo_pipe::predictions::Level;
use mammo_pipe::report;
use mammo_pipe::store::Target;
use mammo_pipe::synth::SynthSpec;
use mammo_pipe::train::run::Run;
use serde_json::Value;

const FEW: Bootstrap = Bootstrap { resamples: 50, seed: 1, confidence: 0.95 };

fn page_of(run: &Run) -> String {
    let written = report::run::write(run.folder(), &FEW).unwrap();
    fs::read_to_string(written.page).unwrap()
}

/// A release of some patients in two folds.
fn small_release(folder: &Path) -> PathBuf {
    let (dataset, release) = (folder.join("data"), folder.join("release"));
    release::dataset(
        &dataset,
        &SynthSpec { patients: 12, prevalence: 0.4, ..SynthSpec::default() },
    );
    let mut config = release::config(&dataset, &release);
    config.folds.count = 2;
    release::run(&config, 2).unwrap();
    release
}

/// Maps as `explain` leaves them: nine cancers found and a false alarm, of which the picture is
/// damaged.
fn explain(run: &Run) -> Explanation {
    let folder = run.fold(Some(0)).unwrap().maps();
    fs::create_dir_all(&folder).unwrap();
    let said = load(run.folder(), EpochRule::Best).unwrap().predictions;
    let image = |i: usize, kind: Kind| {
        let record = &said[i].record;
        let name = format!("{}-{}.png", kind.as_str(), record.image_id);
        let picture = Plane::new(40, 30, (0..1200).map(|p| [p as u8, 9, i as u8]).collect());
        picture::write(&Target::new(folder.join(&name), false).unwrap(), &picture).unwrap();
        Explained {
            kind,
            patient_id: record.patient_id.to_string(),
            image_id: record.image_id.to_string(),
            laterality: Some("L".into()),
            view: Some("CC".into()),
            probability: 0.9 - i as f64 / 100.0,
            energy_inside: Some(0.25),
            peak: None,
            breast: Rect { left: 0, top: 0, width: 9, height: 9 },
            crop: name,
            source: None,
            secondary_capture: None,
            problem: None,
        }
    };
    let mut images: Vec<Explained> = (0..9).map(|i| image(i, Kind::TruePositive)).collect();
    images.push(image(9, Kind::FalsePositive));
    fs::write(folder.join(&images[9].crop), b"no PNG").unwrap();
    let share = |i: usize| Share {
        image_id: said[i].record.image_id.to_string(),
        probability: 0.5,
        inside: Some(0.01 * (i + 3) as f64),
    };
    let explanation = Explanation {
        weights_sha256: "w".into(),
        fold: 0,
        layer: "conv_head".into(),
        method: Method::GradCam,
        threshold: 0.4321,
        threshold_from: ThresholdFrom::OtherFolds,
        images,
        energy: Energy::of((0..10).map(share).collect(), 5),
        energy_of_all: false,
    };
    let text = serde_json::to_vec(&explanation).unwrap();
    fs::write(folder.join("explain.json"), text).unwrap();
    explanation
}

#[test]
fn the_page_shows_maps_and_worst_crops_of_the_release_and_proves_the_folds() {
    let folder = tempfile::tempdir().unwrap();
    let release = small_release(folder.path());
    let run = run_on(&release, &folder.path().join("seen"));
    let explanation = explain(&run);
    let page = page_of(&run);

    // Six of the nine are shown, the most certain first; the damaged picture is told of.
    assert!(page.contains("3 more are in the run&#39;s folder"), "{page}");
    assert_eq!(
        page.matches("True positive: the crop, and the crop under its attention map, of image ")
            .count(),
        6
    );
    assert!(page.contains("The picture is no longer in the run&#39;s folder."));
    assert!(page.contains("0.432, chosen on the other folds"));
    assert!(page.contains("None among the held-out images."), "no cancer was missed here");

    let crops = &page[page.find("Most energy outside the breast").unwrap()..];
    let crops = &crops[..crops.find("</section>").unwrap()];
    let places =
        explanation.energy.worst.iter().map(|share| {
            crops.find(&format!("<code>{}</code>", share.image_id)).expect("it is shown")
        });
    assert!(places.collect::<Vec<_>>().is_sorted(), "the worst first");
    assert!(crops.contains("inside the breast 3 %"));

    let said = load(run.folder(), EpochRule::Best).unwrap().predictions.len();
    let own = format!("Each network was evaluated on its held-out fold only: {said} of {said}");
    assert!(page.contains(&own) && page.contains("No patient is in two folds"), "{own}");

    // The same predictions held to folds that were dealt otherwise.
    let mut other = run.facts.clone();
    let mut folds = Config::default().folds;
    (folds.count, folds.seed) = (2, 12345);
    other.folds = Some(folds);
    let said = [0, 1].map(|fold| {
        let path = run.fold(Some(fold)).unwrap().validation();
        mammo_pipe::predictions::read(&path).unwrap()
    });
    let page = page_of(&run_that_said(&folder.path().join("mixed"), other, said));
    assert!(page.contains("do not belong to the held-out fold of their network"), "{page}");
}

#[test]
#[ignore = "needs chromium"]
fn a_browser_shows_the_page_without_a_request_or_a_console_message() {
    let folder = tempfile::tempdir().unwrap();
    let run = run_on(&small_release(folder.path()), &folder.path().join("seen"));
    explain(&run);
    page_of(&run);
    let seen = open_in_browser(&run.folder().join("report.html"));
    let title = "Run seen".to_owned();
    assert_eq!(seen, Seen { console: Vec::new(), requests: BTreeSet::new(), title });
}

#[test]
fn what_is_not_there_is_told_with_the_command_that_makes_it() {
    let folder = tempfile::tempdir().unwrap();
    let run = run_of_two_folds(&folder.path().join("bare"));
    let page = page_of(&run);
    assert!(page.contains("mammo-pipe explain bare"));
    assert!(
        page.contains("nowhere does not exist; give the release&#39;s folder with --release DIR")
    );
    assert!(page.contains("To be filled in by the authors:"));
    // The log says that epoch 2 of each fold overfits.
    assert_eq!(page.matches(" glow\"").count(), 3, "two folds and the legend");
    assert!(page.contains("<td class=\"number\" data-column=\"Overfitting\"><div>2</div></td>"));
}

#[test]
fn the_model_card_has_front_matter_for_the_hub_and_settings_that_make_the_run_again() {
    let folder = tempfile::tempdir().unwrap();
    let release = small_release(folder.path());
    let run = run_on(&release, &folder.path().join("seen"));
    let written = report::run::write(run.folder(), &FEW).unwrap();
    let card = fs::read_to_string(written.model_card).unwrap();

    let (front, text) = card.strip_prefix("---\n").unwrap().split_once("---\n").unwrap();
    let front: Value = serde_saphyr::from_str(front).unwrap();
    let index = &front["model-index"][0];
    assert_eq!((&index["name"], &front["library_name"]), (&"seen".into(), &"mammo-pipe".into()));
    let result = &index["results"][0];
    assert_eq!(result["task"]["type"], "image-classification");
    assert!(result["dataset"]["type"].is_string() && result["dataset"]["name"].is_string());
    let loaded = load(run.folder(), EpochRule::CrossFitted).unwrap();
    let (evaluation, _) = evaluate(&loaded.predictions, loaded.given, &FEW).unwrap();
    let breast =
        evaluation.parts[0].levels.iter().find(|at| at.level == Level::BreastMean).unwrap();
    let auroc = breast.metrics.get(MetricName::Auroc).unwrap();
    let metric = &result["metrics"][0];
    assert_eq!(metric["type"], "roc_auc");
    let (found, expected) = (metric["value"].as_f64().unwrap(), auroc.value.unwrap());
    assert!((found - expected).abs() < 1e-12, "{found} {expected}");
    assert_eq!(metric["args"]["positives"].as_u64(), Some(breast.size.positives as u64));

    assert!(text.contains(&auroc.to_string()) && text.contains("\\<test\\>"), "{text}");
    assert!(text.contains("--fold all --name seen"), "{text}");
    let (_, yaml) = text.split_once("```yaml\n").unwrap();
    let path = folder.path().join("settings.yaml");
    fs::write(&path, yaml.split_once("```").unwrap().0).unwrap();
    let config = config::load(Some(&path), &[]).unwrap();
    assert_eq!(config.train, run.facts.train);
    let made = config::of_settings(&run.facts.preprocessing, "the run").unwrap();
    assert_eq!((config.resize, config.roi, config.window), (made.resize, made.roi, made.window));
    assert_eq!((config.decode, config.folds), (made.decode, made.folds));
}

#[test]
fn the_page_tells_what_evaluate_tells() {
    let folder = tempfile::tempdir().unwrap();
    let run = run_of_two_folds(&folder.path().join("first"));
    let page = page_of(&run);

    let loaded = load(run.folder(), EpochRule::CrossFitted).unwrap();
    let (evaluation, _) = evaluate(&loaded.predictions, loaded.given, &FEW).unwrap();
    let levels = &evaluation.parts[0].levels;
    for level in levels {
        for name in [MetricName::Auroc, MetricName::Pf1, MetricName::F1, MetricName::Ece] {
            let figure = level.metrics.get(name).unwrap().to_string();
            assert!(page.contains(&figure), "{name:?} by {:?}: {figure}", level.level);
        }
    }
    let breast = levels.iter().find(|at| at.level == Level::BreastMean).unwrap();
    assert_eq!((breast.size.n, breast.size.positives), (80, 20));
    assert!(page.contains("20 of 80"));
    for title in ["ROC", "Precision and recall", "Reliability", "Loss", "Data wait"] {
        assert!(page.contains(&format!("<h3>{title}</h3>")), "{title}");
    }
    assert_eq!(page.matches("class=\"area s0\"").count(), 2, "bands of ROC and of precision");
    // Text is text, also where it looks like a tag.
    assert!(page.contains("mammo-pipe &lt;test&gt;") && !page.contains("<test>"));
}

#[test]
fn a_run_without_an_evaluated_fold_has_its_curves_and_says_what_is_missing() {
    let folder = tempfile::tempdir().unwrap();
    let run = run_of_two_folds(&folder.path().join("young"));
    for fold in 0..2 {
        fs::remove_file(run.fold(Some(fold)).unwrap().validation()).unwrap();
    }
    let page = page_of(&run);
    assert!(page.contains("No fold was evaluated yet") && page.contains("<h3>Loss</h3>"));
}
