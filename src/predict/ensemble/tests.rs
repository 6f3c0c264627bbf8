use super::*;
use crate::dataset::Role;
use crate::image::Pixels;
use crate::image::Plane;
use crate::model::heads::{Heads, HeadsSpec};
use crate::model::{
    Backbone, Buffer, Images, Layout, Mode, ModelError, Pixels as Grey, Tap, Update,
};
use crate::record::Id;
use std::ops::Range;

/// Two features: the sums of an image's left and right half.
#[derive(Default)]
struct Halves(Layout);

impl Backbone for Halves {
    fn layout(&self) -> &Layout {
        &self.0
    }

    fn features(&self) -> usize {
        2
    }

    fn forward(&mut self, images: &Images<'_>, _: Mode) -> Result<Vec<f32>, ModelError> {
        let values: Vec<f32> = match images.pixels {
            Grey::U8(pixels) => pixels.iter().map(|&v| f32::from(v) / 255.0).collect(),
            Grey::U16(pixels) => pixels.iter().map(|&v| f32::from(v) / 65535.0).collect(),
            Grey::F32(pixels) => pixels.to_vec(),
        };
        let mut features = Vec::new();
        for image in values.chunks_exact(images.height * images.width) {
            let mut halves = [0.0; 2];
            for row in image.chunks_exact(images.width) {
                let (left, right) = row.split_at(images.width / 2);
                halves[0] += left.iter().sum::<f32>();
                halves[1] += right.iter().sum::<f32>();
            }
            features.extend(halves);
        }
        Ok(features)
    }

    fn backward(&mut self, _: &[f32], _: &mut dyn FnMut(Range<usize>)) -> Result<(), ModelError> {
        Err(ModelError::NothingKept)
    }

    fn tap(&mut self, _: Option<&str>) -> Result<(), ModelError> {
        Ok(())
    }

    fn tapped(&mut self) -> Option<Tap> {
        None
    }

    fn gradient_norm(&mut self) -> Result<f64, ModelError> {
        Ok(0.0)
    }

    fn update(&mut self, _: &Update) -> Result<(), ModelError> {
        Ok(())
    }

    fn swap_ema(&mut self) -> Result<(), ModelError> {
        Ok(())
    }

    fn read(&self, _: Buffer) -> Result<Vec<f32>, ModelError> {
        Ok(Vec::new())
    }

    fn write(&mut self, _: Buffer, _: &[f32]) -> Result<(), ModelError> {
        Ok(())
    }
}

/// Whose logit is `weights` on the two halves.
fn member(fold: impl Into<Option<u16>>, weights: [f32; 2]) -> Member {
    let spec =
        HeadsSpec { features: 2, dropout: 0.0, targets: vec![], inputs: vec![], embedding: 0 };
    let mut heads = Heads::new(spec, 1);
    heads.write(Buffer::Parameters, &[weights[0], weights[1], 0.0]).unwrap();
    let network = Network::new(Box::<Halves>::default(), heads).unwrap();
    Member { network, fold: fold.into() }
}

/// An image of 2 x 2 whose left half is white.
fn input(patient: &str, bits: u8) -> Input {
    let pixels = match bits {
        8 => Pixels::U8(Plane::new(2, 2, vec![255, 0, 255, 0])),
        _ => Pixels::U16(Plane::new(2, 2, vec![65535, 0, 65535, 0])),
    };
    let id = |text| Id::new(text).unwrap();
    Input { record: ImageRecord::unlabelled(id(patient), id("x")), role: Role::Test, pixels }
}

fn probabilities(ensemble: Ensemble, inputs: &[Input]) -> Vec<f64> {
    let mut ensemble = ensemble;
    inputs.iter().for_each(|input| ensemble.push(input.clone()).unwrap());
    ensemble.finish().unwrap().predictions.iter().map(|p| p.probability).collect()
}

fn close(found: &[f64], expected: &[f64]) {
    let equal = found.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-6);
    assert!(equal && found.len() == expected.len(), "{found:?} {expected:?}");
}

#[test]
fn probabilities_are_averaged_over_networks_and_over_both_ways_round() {
    let members = || vec![member(0, [1.0, -0.5]), member(1, [0.25, 0.0])];
    for bits in [8, 16] {
        let one_way = Ensemble::new(members(), Flips::None, 3, HashMap::new());
        let expected = (sigmoid(2.0) + sigmoid(0.5)) / 2.0;
        close(&probabilities(one_way, &[input("1", bits)]), &[expected]);
        let both = Ensemble::new(members(), Flips::Mirrored, 3, HashMap::new());
        let expected = (sigmoid(2.0) + sigmoid(-1.0) + sigmoid(0.5) + sigmoid(0.0)) / 4.0;
        close(&probabilities(both, &[input("1", bits)]), &[expected]);
    }
}

#[test]
fn the_batch_makes_no_difference_and_the_order_stays() {
    let inputs: Vec<Input> = (0..7).map(|i| input(&i.to_string(), 8)).collect();
    let with = |batch| {
        let mut ensemble =
            Ensemble::new(vec![member(0, [1.0, 1.0])], Flips::None, batch, HashMap::new());
        inputs.iter().for_each(|input| ensemble.push(input.clone()).unwrap());
        ensemble.finish().unwrap()
    };
    assert_eq!(with(1), with(3));
    let patients: Vec<String> =
        with(3).predictions.iter().map(|p| p.record.patient_id.to_string()).collect();
    assert_eq!(patients, ["0", "1", "2", "3", "4", "5", "6"]);
}

#[test]
fn a_network_never_speaks_of_a_patient_that_it_was_trained_on() {
    let members = vec![member(0, [1.0, 0.0]), member(1, [-1.0, 0.0]), member(None, [0.0, 0.0])];
    let known = HashMap::from([("a".into(), 0), ("b".into(), 1), ("c".into(), 2)]);
    let mut ensemble = Ensemble::new(members, Flips::None, 8, known);
    for patient in ["a", "b", "c", "new"] {
        ensemble.push(input(patient, 8)).unwrap();
    }
    let output = ensemble.finish().unwrap();
    let found: Vec<f64> = output.predictions.iter().map(|p| p.probability).collect();
    close(&found, &[sigmoid(2.0), sigmoid(-2.0), 0.5]);
    let trained_on: Vec<&str> = output.trained_on.iter().map(|r| r.patient_id.as_str()).collect();
    assert_eq!(trained_on, ["c"], "all networks were trained on her");
}
