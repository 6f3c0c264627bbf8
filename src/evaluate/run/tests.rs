use super::*;
use crate::dataset::Role;
use crate::predictions::made::made;
use crate::train::epochs::keep_epoch;
use crate::train::folder::RunFolder;
use crate::train::run::RunFacts;

/// A run of three folds, of which `folds` were judged; its `skills` are those of its epochs,
/// fold by fold, and the last epoch is the best that each fold found.
fn run(folder: &Path, folds: &[u16], skills: &[[f32; 3]]) {
    let facts = RunFacts::fixture(vec![Some(0), Some(1), Some(2)]);
    std::fs::write(RunFolder::new(folder).facts(), serde_json::to_vec(&facts).unwrap()).unwrap();
    for &fold in folds {
        let path = RunFolder::new(folder).fold(Some(fold));
        crate::store::make_aside(path.path()).unwrap();
        for (epoch, skills) in skills.iter().enumerate() {
            let own = said(fold, skills[usize::from(fold)]);
            keep_epoch(&path, epoch + 1, &own).unwrap();
            predictions::write(path.path(), &path.validation(), &own).unwrap();
        }
    }
}

/// What a model of this skill says of a fold.
fn said(fold: u16, skill: f32) -> Vec<Prediction> {
    made(1, 90, 3, skill).into_iter().filter(|p| p.role == Role::Fold(fold)).collect()
}

#[test]
fn a_fold_is_judged_at_the_epoch_that_the_others_choose() {
    let folder = tempfile::tempdir().unwrap();
    // Fold 0 is at its best first, the others last: fold 0 is judged at theirs.
    let skills = [[9.0, 1.0, 1.0], [4.0, 2.0, 3.0], [0.0, 9.0, 9.0]];
    run(folder.path(), &[0, 1, 2], &skills);
    let loaded = load(folder.path(), EpochRule::CrossFitted).unwrap();
    let Epoch::OtherFolds { metric: Metric::Auroc, epochs } = &loaded.epoch else {
        panic!("{:?}", loaded.epoch)
    };
    assert_eq!(epochs[0], (0, 3));
    let of_fold_0: Vec<_> =
        loaded.predictions.iter().filter(|p| p.role == Role::Fold(0)).cloned().collect();
    assert_eq!(of_fold_0, said(0, 0.0));
    assert_eq!(loaded.predictions.len(), 360);
    assert_eq!(loaded.given, Given::default());

    let best = load(folder.path(), EpochRule::Best).unwrap();
    assert_eq!((best.epoch, best.predictions.len()), (Epoch::ItsOwnFold, 360));
}

#[test]
fn a_run_that_kept_no_epochs_or_one_fold_says_that_the_fold_chose_for_itself() {
    let folder = tempfile::tempdir().unwrap();
    run(folder.path(), &[0, 1, 2], &[[1.0; 3], [2.0; 3]]);
    std::fs::remove_dir_all(folder.path().join("fold-2/epochs")).unwrap();
    assert_eq!(load(folder.path(), EpochRule::CrossFitted).unwrap().epoch, Epoch::ItsOwnFold);

    let folder = tempfile::tempdir().unwrap();
    run(folder.path(), &[1], &[[1.0; 3]]);
    let loaded = load(folder.path(), EpochRule::CrossFitted).unwrap();
    assert_eq!((loaded.epoch, loaded.predictions.len()), (Epoch::ItsOwnFold, 120));
}

#[test]
fn the_best_epoch_is_the_first_with_the_highest_mean_of_those_defined() {
    let [a, b] = [[Some(0.5), Some(0.75), Some(0.25)], [Some(0.75), Some(0.5), None]];
    assert_eq!(best_epoch(&[&a, &b], 3), Some(0));
    assert_eq!(best_epoch(&[&a], 3), Some(1));
    assert_eq!(best_epoch(&[&a, &b], 1), Some(0));
    assert_eq!(best_epoch(&[&[None, None]], 2), None);
}

/// Lets the network of `fold` say of four locked images that each has this probability.
fn say_of_locked(folder: &Path, fold: u16, probabilities: [f64; 4]) {
    let path = RunFolder::new(folder).fold(Some(fold));
    let mut said = made(2, 1, 1, 0.0);
    for (prediction, probability) in said.iter_mut().zip(probabilities) {
        (prediction.role, prediction.probability) = (Role::Locked, probability);
        prediction.logit = predictions::logit(probability);
        prediction.record.patient_id = crate::record::Id::new("locked").unwrap();
    }
    // Order within a file does not matter.
    said.rotate_left(usize::from(fold));
    predictions::write(path.path(), &path.locked(), &said).unwrap();
}

#[test]
fn the_locked_split_is_the_mean_of_the_folds_networks_and_who_is_silent_is_told() {
    let folder = tempfile::tempdir().unwrap();
    run(folder.path(), &[0, 1, 2], &[[1.0; 3]]);
    let none = load(folder.path(), EpochRule::CrossFitted).unwrap();
    assert_eq!((none.predictions.len(), none.locked_networks.evaluated_networks), (360, 0));

    say_of_locked(folder.path(), 0, [0.5, 0.0, 1.0, 0.3]);
    say_of_locked(folder.path(), 2, [0.25, 0.5, 1.0, 0.1]);
    let loaded = load(folder.path(), EpochRule::CrossFitted).unwrap();
    assert_eq!(
        (loaded.locked_networks.evaluated_networks, loaded.locked_networks.not_evaluated),
        (2, 1)
    );
    let locked: Vec<_> = loaded.predictions.iter().filter(|p| p.role == Role::Locked).collect();
    let means: Vec<f64> = locked.iter().map(|p| p.probability).collect();
    assert_eq!((means.as_slice(), loaded.predictions.len()), (&[0.375, 0.25, 1.0, 0.2][..], 364));
    assert!((locked[1].logit - -(3.0_f64.ln())).abs() < 1e-12);

    // The epochs of the folds are chosen as they were without it.
    assert_eq!(loaded.epoch, none.epoch);

    let path = RunFolder::new(folder.path()).fold(Some(2)).locked();
    let fewer = predictions::read(&path).unwrap().split_off(1);
    predictions::write(path.parent().unwrap(), &path, &fewer).unwrap();
    let refused = load(folder.path(), EpochRule::CrossFitted).unwrap_err().to_string();
    assert!(refused.contains("3 images, the file of another fold has 4"), "{refused}");
}

#[test]
fn what_is_no_run_or_has_nothing_to_judge_says_what_is_missing() {
    let folder = tempfile::tempdir().unwrap();
    let refused = |path: &Path| load(path, EpochRule::Best).unwrap_err().to_string();
    assert!(refused(folder.path()).contains("holds no run (it has no run.json)"));
    assert!(refused(&folder.path().join("none")).contains("does not exist; mammo-pipe runs"));
    run(folder.path(), &[], &[]);
    assert!(refused(folder.path()).contains("no fold of this run was evaluated yet"));
}
