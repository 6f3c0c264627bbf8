//! Grad-CAM (Selvaraju et al., arXiv 1610.02391), Grad-CAM++ (Chattopadhay et al.,
//! arXiv 1710.11063), HiResCAM (Draelos and Carin, arXiv 2011.08891) and LayerCAM (Jiang et al.,
//! IEEE TIP 30, 2021).
//!
//! In: a [`Tap`], activation and gradient of a block. Out: one map per image, of the size of the
//! network's input. Its minimum is 0 and its maximum 1; it is 0 everywhere if no place raised the
//! score.
//!
//! The steps are those of pytorch-grad-cam 1.5 (`base_cam.py`, `grad_cam_plusplus.py`,
//! `hirescam.py`, `layer_cam.py`), so that maps can be compared: weighted sum over the channels,
//! ReLU, rescaling to 0 to 1, bilinear upsampling, rescaling again.
//!
//! Grad-CAM and Grad-CAM++ use one weight per channel, which suits the last block, where every
//! place has the whole image in its receptive field. HiResCAM and LayerCAM weight every place by
//! its own gradient, so they distinguish places in earlier, finer blocks. `docs/explaining.md` has
//! measurements.

use clap::ValueEnum;
use serde::{Deserialize, Serialize};

use crate::image::Plane;
use crate::model::Tap;

/// How channels are weighted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, ValueEnum)]
pub enum Method {
    /// By the mean of the channel's gradient.
    #[serde(rename = "gradcam")]
    #[value(name = "gradcam")]
    GradCam,
    /// By the channel's positive gradients, each place weighted by its share in the score. It finds
    /// several instances where Grad-CAM finds one.
    #[serde(rename = "gradcam++")]
    #[value(name = "gradcam++")]
    GradCamPlusPlus,
    /// Every place by its own gradient.
    #[serde(rename = "hirescam")]
    #[value(name = "hirescam")]
    HiResCam,
    /// Every place by its own gradient where that is positive.
    #[default]
    #[serde(rename = "layercam")]
    #[value(name = "layercam")]
    LayerCam,
}

impl Method {
    /// The method with this name on the command line.
    pub fn of_name(name: &str) -> Option<Self> {
        Self::value_variants().iter().copied().find(|method| method.as_str() == name)
    }

    /// The name on the command line.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::GradCam => "gradcam",
            Self::GradCamPlusPlus => "gradcam++",
            Self::HiResCam => "hirescam",
            Self::LayerCam => "layercam",
        }
    }
}

/// The map of every image of the tap, each of `size` (columns, rows).
///
/// # Panics
/// If `size` or the tap's blocks are empty, or a buffer of the tap does not have the tap's shape.
pub fn maps(tap: &Tap, method: Method, size: (usize, usize)) -> Vec<Plane<f32>> {
    let [batch, height, width, channels] = tap.shape;
    let values = height * width * channels;
    assert_eq!(tap.activation.len(), batch * values, "activations of {:?}", tap.shape);
    assert_eq!(tap.gradient.len(), batch * values, "gradients of {:?}", tap.shape);
    let images = tap.activation.chunks_exact(values).zip(tap.gradient.chunks_exact(values));
    images
        .map(|(activation, gradient)| {
            let everywhere = |weights: Vec<f32>| weighted(activation, |_| &weights[..], channels);
            let places = match method {
                Method::GradCam => everywhere(mean_gradient(gradient, channels)),
                Method::GradCamPlusPlus => {
                    everywhere(shares_of_gradient(activation, gradient, channels))
                }
                Method::HiResCam => weighted(activation, |at| &gradient[at..], channels),
                Method::LayerCam => {
                    let positive: Vec<f32> = gradient.iter().map(|g| g.max(0.0)).collect();
                    weighted(activation, |at| &positive[at..], channels)
                }
            };
            let mut map = Plane::new(width, height, places);
            stretch(&mut map);
            let mut map = enlarge(&map, size);
            stretch(&mut map);
            map
        })
        .collect()
}

/// The weighted sum over the channels at every place, then ReLU. `weights` takes the index of the
/// place's first channel.
fn weighted<'a>(
    activation: &[f32],
    weights: impl Fn(usize) -> &'a [f32],
    channels: usize,
) -> Vec<f32> {
    let places = activation.chunks_exact(channels).enumerate();
    let sum = |(place, activation): (usize, &[f32])| {
        let weights = weights(place * channels);
        activation.iter().zip(weights).map(|(a, w)| a * w).sum::<f32>().max(0.0)
    };
    places.map(sum).collect()
}

/// Equation 1 of the Grad-CAM paper: the gradient, averaged over places.
fn mean_gradient(gradient: &[f32], channels: usize) -> Vec<f32> {
    let places = gradient.len() / channels;
    let mut sums = vec![0.0_f32; channels];
    for place in gradient.chunks_exact(channels) {
        sums.iter_mut().zip(place).for_each(|(sum, g)| *sum += g);
    }
    sums.iter().map(|sum| sum / places as f32).collect()
}

/// Equations 7 and 19 of the Grad-CAM++ paper, with the epsilon of pytorch-grad-cam.
fn shares_of_gradient(activation: &[f32], gradient: &[f32], channels: usize) -> Vec<f32> {
    let mut sums = vec![0.0_f32; channels];
    for place in activation.chunks_exact(channels) {
        sums.iter_mut().zip(place).for_each(|(sum, a)| *sum += a);
    }
    let mut weights = vec![0.0_f32; channels];
    for place in gradient.chunks_exact(channels) {
        for ((weight, &g), &sum) in weights.iter_mut().zip(place).zip(&sums) {
            if g > 0.0 {
                let (square, cube) = (g * g, g * g * g);
                *weight += g * square / (2.0 * square + sum * cube + 1e-6);
            }
        }
    }
    weights
}

/// Rescales a map to 0 to 1; a constant map becomes 0.
fn stretch(map: &mut Plane<f32>) {
    let least = map.pixels().iter().copied().fold(f32::INFINITY, f32::min);
    let most = map.pixels().iter().copied().fold(f32::NEG_INFINITY, f32::max);
    // pytorch-grad-cam's guard against division by 0.
    let scale = 1.0 / (1e-7 + (most - least));
    map.pixels_mut().iter_mut().for_each(|value| *value = (*value - least) * scale);
}

/// Bilinear upsampling between pixel centres, edges repeated, as OpenCV's `INTER_LINEAR`.
fn enlarge(map: &Plane<f32>, (width, height): (usize, usize)) -> Plane<f32> {
    let (across, down) = (axis(map.width(), width), axis(map.height(), height));
    let mut pixels = Vec::with_capacity(width * height);
    for y in &down {
        let (above, below) = (map.row(y.first), map.row(y.second));
        pixels.extend(across.iter().map(|x| {
            let mix = |row: &[f32]| row[x.first] + x.share * (row[x.second] - row[x.first]);
            let (above, below) = (mix(above), mix(below));
            above + y.share * (below - above)
        }));
    }
    Plane::new(width, height, pixels)
}

/// Two neighbouring indices, and the weight of the second.
struct Between {
    first: usize,
    second: usize,
    share: f32,
}

fn axis(from: usize, to: usize) -> Vec<Between> {
    let scale = from as f64 / to as f64;
    let last = (from - 1) as f64;
    (0..to)
        .map(|i| {
            let at = ((i as f64 + 0.5) * scale - 0.5).clamp(0.0, last);
            let first = at as usize;
            Between { first, second: (first + 1).min(from - 1), share: (at - at.floor()) as f32 }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two channels on 2 x 3 places: the first speaks for the score at one place, the second
    /// against it everywhere.
    fn tap() -> Tap {
        let mut activation = vec![0.0; 12];
        let mut gradient = vec![0.0; 12];
        for place in 0..6 {
            activation[2 * place + 1] = 1.0;
            gradient[2 * place] = 0.5;
            gradient[2 * place + 1] = -0.1;
        }
        activation[2 * 5] = 2.0;
        activation[2 * 4] = 1.0;
        Tap { shape: [1, 2, 3, 2], activation, gradient }
    }

    #[test]
    fn what_speaks_against_the_score_is_not_shown() {
        let [map] = maps(&tap(), Method::GradCam, (3, 2)).try_into().unwrap();
        // 0.5 * 2 - 0.1 and 0.5 * 1 - 0.1, the rest below 0.
        let expected = [0.0, 0.0, 0.0, 0.0, 0.4 / 0.9, 1.0];
        for (found, expected) in map.pixels().iter().zip(expected) {
            assert!((found - expected).abs() < 1e-5, "{:?}", map.pixels());
        }
    }

    #[test]
    fn plus_plus_leaves_out_channels_whose_gradient_is_never_positive() {
        let [map] = maps(&tap(), Method::GradCamPlusPlus, (3, 2)).try_into().unwrap();
        let expected = [0.0, 0.0, 0.0, 0.0, 0.5, 1.0];
        for (found, expected) in map.pixels().iter().zip(expected) {
            assert!((found - expected).abs() < 1e-5, "{:?}", map.pixels());
        }
    }

    #[test]
    fn place_by_place_a_channel_counts_only_where_its_own_gradient_speaks_for_the_score() {
        let mut tap = tap();
        // The first channel is as strong at place 2 as at 5, but there it speaks against.
        tap.activation[2 * 2] = 2.0;
        tap.gradient[2 * 2] = -0.5;
        let found = |method| maps(&tap, method, (3, 2)).remove(0);
        // 0.5 * 1 and 0.5 * 2, less 0.1 of the second channel where its sign counts.
        let hires = [0.0, 0.0, 0.0, 0.0, 0.4 / 0.9, 1.0];
        let layer = [0.0, 0.0, 0.0, 0.0, 0.5, 1.0];
        for (method, expected) in [(Method::HiResCam, hires), (Method::LayerCam, layer)] {
            for (found, expected) in found(method).pixels().iter().zip(expected) {
                assert!((found - expected).abs() < 1e-5, "{method:?} {found} {expected}");
            }
        }
        // One weight for all places takes the strength of place 2 for evidence.
        assert!(found(Method::GradCam).row(0)[2] > 0.999);
    }

    #[test]
    fn images_of_a_batch_do_not_touch_each_other() {
        let one = tap();
        let both = Tap {
            shape: [2, 2, 3, 2],
            activation: [one.activation.clone(), vec![1.0; 12]].concat(),
            gradient: [one.gradient.clone(), vec![-1.0; 12]].concat(),
        };
        let found = maps(&both, Method::GradCam, (30, 20));
        assert_eq!(found[0], maps(&one, Method::GradCam, (30, 20))[0]);
        assert!(found[1].pixels().iter().all(|&v| v == 0.0), "nothing speaks for the score");
    }

    #[test]
    fn enlarging_is_opencv_s_inter_linear() {
        let map = Plane::new(3, 2, vec![0.0, 3.0, 1.0, 2.0, 0.0, 5.0]);
        let found = enlarge(&map, (7, 3));
        // python3 -c "import cv2, numpy as np; print(cv2.resize(np.float32([[0,3,1],[2,0,5]]), (7, 3)))"
        #[rustfmt::skip]
        let expected = [
            0.0, 0.42857143, 1.7142857, 3.0, 2.142857, 1.2857141, 1.0,
            1.0, 1.0714285, 1.2857143, 1.5, 2.142857, 2.785714, 3.0,
            2.0, 1.7142857, 0.85714287, 0.0, 2.142857, 4.2857146, 5.0,
        ];
        for (found, expected) in found.pixels().iter().zip(expected) {
            assert!((found - expected).abs() < 1e-5, "{found} {expected}");
        }
    }
}
