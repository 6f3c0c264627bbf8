use super::*;

const LABELS: &str = "patient_id,image_id,laterality,view,cancer\n\
    7,1,L,CC,0\n7,2,L,MLO,0\n7,3,R,CC,1\n7,4,R,MLO,1\n12,5,L,CC,0\n12,6,L,MLO,0\n";

/// Scores a submission against labels.
fn scored(submission: &str, labels: &str) -> Result<Score, String> {
    let folder = tempfile::tempdir().unwrap();
    let [s, l] = [("submission.csv", submission), ("labels.csv", labels)].map(|(name, text)| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    });
    let bootstrap = Bootstrap { resamples: 20, ..Bootstrap::default() };
    let fault =
        |fault: Fault| fault.to_string().replace(&format!("{}/", folder.path().display()), "");
    score(&s, &l, Some(0.5), &bootstrap).map_err(fault)
}

fn value(score: &Score, name: MetricName) -> f64 {
    score.metrics.get(name).unwrap().value.unwrap()
}

#[test]
fn a_submission_is_scored_by_breast_whatever_its_order() {
    let score = scored("prediction_id,cancer\n12_L,0.25\n7_R,0.75\n7_L,0.5\n", LABELS).unwrap();
    assert_eq!((score.size.n, score.size.positives, score.size.patients), (3, 1, 2));
    // True 0.75, called 1.5, one positive.
    assert_eq!(value(&score, MetricName::Pf1), 2.0 * 0.75 / (1.5 + 1.0));
    assert_eq!(value(&score, MetricName::Auroc), 1.0);
    // At 0.5 two are called, one of them rightly.
    assert_eq!(value(&score, MetricName::Ppv), 0.5);
    assert_eq!(score.best_f1_threshold, Some(25.0 / 49.0));

    let by_breast = "prediction_id,cancer\n7_R,1\n12_L,0\n7_L,0\n";
    let again = scored("prediction_id,cancer\n12_L,0.25\n7_R,0.75\n7_L,0.5\n", by_breast).unwrap();
    assert_eq!(again, score);
}

#[test]
fn what_is_wrong_with_a_submission_names_the_line_or_the_breast() {
    for (rows, reason) in [
        ("7_L,0\n7_R,0\n", "submission.csv: no row for 1 of the 3 breasts of the labels: 12_L"),
        ("7_L,0\n7_R,0\n12_L,0\n12_R,0\n", "submission.csv: 1 prediction_id without a label: 12_R"),
        ("7_L,0\n7_R,0\n7_L,1\n", "submission.csv:4: prediction_id 7_L is already in line 2"),
        (
            "7_L,0\n7_R,1.01\n",
            "submission.csv:3: cancer is \"1.01\", needs a probability from 0 to 1",
        ),
        ("7_L,\n", "submission.csv:2: cancer is \"\", needs a probability from 0 to 1"),
        ("7_L,nan\n", "submission.csv:2: cancer is \"nan\", needs a probability from 0 to 1"),
    ] {
        let message = scored(&format!("prediction_id,cancer\n{rows}"), LABELS).unwrap_err();
        assert_eq!(message, reason);
    }
    let other = scored("id,cancer\n7_L,0\n", LABELS).unwrap_err();
    assert_eq!(other, "submission.csv: no column prediction_id; the header has id, cancer");
    let ids: Vec<String> = (0..7).map(|i| i.to_string()).collect();
    assert_eq!(Some5(ids).to_string(), "0, 1, 2, 3, 4 and 2 more");
}

#[test]
fn labels_that_contradict_themselves_are_refused() {
    let all = "prediction_id,cancer\n12_L,0.25\n7_R,0.75\n7_L,0.5\n";
    let message = scored(all, &LABELS.replace("7,4,R,MLO,1", "7,4,R,MLO,0")).unwrap_err();
    assert_eq!(message, "labels.csv:5: the label of 7_R differs from that in line 4");
    let twice = "prediction_id,cancer\n7_L,0\n7_L,0\n";
    assert!(scored(all, twice).unwrap_err().contains("7_L is already in line 2"));
    let two = scored(all, "prediction_id,cancer\n7_L,2\n").unwrap_err();
    assert_eq!(two, "labels.csv:2: cancer is \"2\", needs 0, 1, True or False");
}
