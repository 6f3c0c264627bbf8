use super::*;
use crate::model::Rule;
use crate::record::Column;
use crate::record::{Id, Laterality};

fn row(laterality: Laterality, birads: Option<i64>) -> ImageRecord {
    let row = ImageRecord::unlabelled(Id::new("1").unwrap(), Id::new("2").unwrap());
    ImageRecord { laterality: Some(laterality), birads, ..row }
}

fn spec(inputs: &[Column]) -> HeadsSpec {
    let learn = |columns: &[Column]| columns.iter().map(|c| Coded::learn(*c, [])).collect();
    HeadsSpec {
        features: 3,
        dropout: 0.5,
        targets: learn(&[Column::Birads, Column::Implant]),
        inputs: learn(inputs),
        embedding: 2,
    }
}

const FEATURES: [f32; 6] = [0.5, -1.0, 2.0, 1.0, 0.0, -0.5];

fn features(values: &[f32]) -> Var {
    Var::from_slice(values, (values.len() / 3, 3), &Device::Cpu).unwrap()
}

#[test]
fn each_logit_is_the_product_of_its_weights_and_the_features() {
    let heads = Heads::new(spec(&[]), 7);
    let names: Vec<_> = heads.layout().iter().map(|entry| entry.name.as_str()).collect();
    let expected = ["cancer", "birads", "implant"]
        .map(|head| [format!("heads.{head}.weight"), format!("heads.{head}.bias")]);
    assert_eq!(names, expected.concat());
    let rows = [row(Laterality::Left, None), row(Laterality::Right, None)];
    let outputs = heads.forward(&features(&FEATURES), &[&rows[0], &rows[1]], None).unwrap();
    let weights = heads.read(Buffer::Parameters);
    let line = |image: usize, at: usize| -> f64 {
        (0..3).map(|i| f64::from(FEATURES[image * 3 + i]) * f64::from(weights[at + i])).sum()
    };
    let found = outputs.logits().unwrap();
    for image in 0..2 {
        assert!((found[image] - line(image, 0)).abs() < 1e-6);
        // The second class of BIRADS: after 3 weights and 1 bias of cancer, and one line.
        let birads: Vec<Vec<f64>> = outputs.auxiliary[0].to_vec2().unwrap();
        assert!((birads[image][1] - line(image, 7)).abs() < 1e-6);
    }
}

#[test]
fn auxiliary_inputs_change_the_logit_and_have_a_gradient() {
    let mut heads = Heads::new(spec(&[Column::Laterality]), 7);
    let (left, right) = (row(Laterality::Left, None), row(Laterality::Right, None));
    let same = [&FEATURES[..3], &FEATURES[..3]].concat();
    let outputs = heads.forward(&features(&same), &[&left, &right], None).unwrap();
    let logits = outputs.logits().unwrap();
    assert_ne!(logits[0], logits[1]);
    let loss = outputs.cancer.sum_all().unwrap();
    heads.backward(&outputs, &loss).unwrap();
    let embedding = &heads.layout()[0];
    assert_eq!(embedding.name, "heads.inputs.weight");
    // Inputs L, R and missing of the first embedded value; no laterality is missing.
    let gradient = &heads.read(Buffer::Gradient)[embedding.range.clone()][..3];
    assert!(gradient[0] != 0.0 && gradient[1] != 0.0 && gradient[2] == 0.0, "{gradient:?}");
}

#[test]
fn the_gradients_of_features_and_weights_match_finite_differences() {
    let mut heads = Heads::new(spec(&[Column::Laterality]), 3);
    let rows = [row(Laterality::Left, None), row(Laterality::Right, None)];
    let rows = [&rows[0], &rows[1]];
    let loss = |outputs: &Outputs| {
        (outputs.cancer.sqr().unwrap().sum_all().unwrap()
            + outputs.auxiliary[0].sqr().unwrap().sum_all().unwrap())
        .unwrap()
    };
    let value = |heads: &Heads, values: &[f32]| -> f64 {
        loss(&heads.forward(&features(values), &rows, Some(5)).unwrap()).to_scalar().unwrap()
    };
    let given = features(&FEATURES);
    let outputs = heads.forward(&given, &rows, Some(5)).unwrap();
    let store = heads.backward(&outputs, &loss(&outputs)).unwrap();
    let gradient = store.get(&given).unwrap().flatten_all().unwrap().to_vec1::<f32>().unwrap();
    for i in 0..6 {
        let at = |step: f32| {
            let mut moved = FEATURES;
            moved[i] += step;
            value(&heads, &moved)
        };
        let difference = (at(1e-2) - at(-1e-2)) / 2e-2;
        assert!((f64::from(gradient[i]) - difference).abs() < 1e-3, "feature {i}");
    }
    for i in 0..heads.read(Buffer::Parameters).len() {
        let at = |step: f32| {
            let mut moved = heads.clone();
            moved.buffers.parameters[i] += step;
            value(&moved, &FEATURES)
        };
        let difference = (at(1e-2) - at(-1e-2)) / 2e-2;
        let found = f64::from(heads.read(Buffer::Gradient)[i]);
        assert!((found - difference).abs() < 2e-3, "parameter {i}: {found} {difference}");
    }
}

#[test]
fn dropout_depends_on_its_seed_alone_and_keeps_the_expectation() {
    let heads = Heads::new(spec(&[]), 1);
    let one = row(Laterality::Left, None);
    let mask = |seed| heads.mask(1000, seed).unwrap().flatten_all().unwrap().to_vec1::<f32>();
    let first = mask(9).unwrap();
    assert_eq!(first, mask(9).unwrap());
    assert_ne!(first, mask(10).unwrap());
    let mean = first.iter().sum::<f32>() / first.len() as f32;
    assert!((mean - 1.0).abs() < 0.06, "{mean}");
    let logit = |dropout| {
        heads.forward(&features(&FEATURES[..3]), &[&one], dropout).unwrap().logits().unwrap()
    };
    assert_ne!(logit(Some(2)), logit(None));
}

#[test]
fn a_step_follows_the_gradient_and_the_average_follows_the_weights() {
    let mut heads = Heads::new(spec(&[]), 1);
    let one = row(Laterality::Left, Some(1));
    let update = Update {
        rule: Rule::Sgd { momentum: 0.0, nesterov: false },
        learning_rate: 0.1,
        weight_decay: 0.0,
        gradient_scale: 0.5,
        step: 0,
        ema_decay: Some(0.75),
    };
    let before = heads.read(Buffer::Parameters).to_vec();
    let outputs = heads.forward(&features(&FEATURES[..3]), &[&one], None).unwrap();
    heads.backward(&outputs, &outputs.cancer.sum_all().unwrap()).unwrap();
    heads.update(&update);
    // d logit / d weight is the feature, so the weight moves by -0.1 * 0.5 * 0.5.
    let after = heads.read(Buffer::Parameters).to_vec();
    assert!((after[0] - (before[0] - 0.025)).abs() < 1e-7);
    assert_eq!(after[4..], before[4..], "the other heads had no part in the loss");
    heads.swap_ema();
    assert!((heads.read(Buffer::Parameters)[0] - (before[0] - 0.25 * 0.025)).abs() < 1e-7);
    heads.swap_ema();
    assert_eq!(heads.read(Buffer::Parameters), after);
    assert_eq!(heads.gradient_norm(), 0.0, "the gradient is cleared");
}
