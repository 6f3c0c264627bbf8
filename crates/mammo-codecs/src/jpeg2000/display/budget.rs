//! Divides a tolerance among the wavelet's bands.
//!
//! In: the quantisation of a stream's bands, and how its samples become output pixels. Out:
//! [`Budget::best`], which for a grey scale gives the planes of each band whose omission saves the
//! most time.

use super::super::coding::Parameters;
use super::super::error::Error;
use super::axis::{Axis, IRREVERSIBLE, REVERSIBLE};
use super::grey::{Grey, Share};

/// How far the bands of a stream can move a pixel, and how far they may move it.
pub struct Budget {
    /// HL, LH and HH of each level, finest level first, with nothing left out.
    pub bands: Vec<Band>,
    /// By level: how far rounding moves a pixel.
    rounding: Vec<Share>,
    /// By level, by how much a mean of its low band, weighted as the wavelet does, exceeds its range.
    pub overshoot: Vec<f64>,
    /// How far the rounding of the samples moves a pixel.
    last: Share,
    /// The tolerance for all errors, in output levels.
    pub tolerance: f64,
    /// Whether errors are taken as independent.
    independent: bool,
}

impl Budget {
    /// The budget of `levels` levels of a component coded by `parameters`, its samples of
    /// `precision` bits. A pixel is the mean of `scale` source columns and rows.
    ///
    /// # Errors
    /// [`Error::Malformed`] for fewer quantisation steps than bands.
    pub fn new(
        parameters: &Parameters,
        precision: u8,
        levels: u8,
        scale: (f64, f64),
        tolerance: f64,
        independent: bool,
    ) -> Result<Self, Error> {
        let decomposition = &parameters.decomposition;
        let reversible = decomposition.reversible;
        let filter = if reversible { &REVERSIBLE } else { &IRREVERSIBLE };
        let (mut bands, mut rounding, mut overshoot) = (Vec::new(), Vec::new(), Vec::new());
        for level in 1..=levels {
            let axis = |scale| Axis::new(filter, level, scale);
            let (x, y, one) = (axis(scale.0), axis(scale.1), axis(1.0));
            let ways = [(&x.high, &y.low), (&x.low, &y.high), (&x.high, &y.high)];
            let reach = [(&one.high, &one.low), (&one.low, &one.high), (&one.high, &one.high)];
            for (place, (way, reach)) in ways.into_iter().zip(reach).enumerate() {
                let index = 1 + 3 * usize::from(decomposition.levels - level) + place;
                let step =
                    if reversible { 1.0 } else { f64::from(parameters.step(index, precision)?) };
                bands.push(Band {
                    level,
                    share: Share::of(way.0, way.1, step),
                    reach: step * reach.0.absolute * reach.1.absolute,
                    gain: 0.0,
                    skip: 0,
                    most: parameters.planes(index)?,
                });
            }
            rounding.push(if reversible { Share::rounding(&x, &y) } else { Share::NONE });
            overshoot.push((one.low.absolute.powi(2) - 1.0).max(0.0) / 2.0);
        }
        // Samples are rounded once more, exact and approximate ones, where the wavelet is of floats.
        let last = if reversible { Share::NONE } else { Share::SAMPLE };
        Ok(Self { bands, rounding, overshoot, last, tolerance, independent })
    }

    /// How far all levels down to the deepest with an omission round off.
    pub fn rounded(&self, bands: &[Band]) -> Share {
        let levels = &self.rounding[..deepest(bands)];
        levels.iter().fold(self.last, |sum, level| sum.and(level, self.independent))
    }

    /// The planes to leave out that save the most, of all that fit the tolerance on `grey`.
    pub fn best(&self, grey: &Grey) -> Vec<Band> {
        let gain = |band: &Band| Band { gain: grey.gain(&band.share), ..band.clone() };
        let bands: Vec<_> = self.bands.iter().map(gain).collect();
        search(&bands, |bands| {
            errors(grey, bands) <= grey.headroom(self.tolerance, &self.rounded(bands))
        })
    }
}

/// How far everything that is left out of the bands moves a pixel.
pub fn errors(grey: &Grey, bands: &[Band]) -> f64 {
    grey.total(bands.iter().map(|band| band.gain * grey.coefficient(band.skip)))
}

/// The deepest wavelet level with anything left out; 0 if nothing is.
pub fn deepest(bands: &[Band]) -> usize {
    bands.iter().filter(|band| band.skip > 0).map(|band| band.level).max().unwrap_or(0).into()
}

/// The planes that save the most time within the tolerance: every combination in the finest level,
/// which holds three quarters of all coefficients; in the levels below, always the plane with the
/// best ratio of saving to error.
fn search(bands: &[Band], fits: impl Fn(&[Band]) -> bool) -> Vec<Band> {
    let more = |bands: &[Band], band: usize| {
        let mut tried = bands.to_vec();
        tried[band].skip += 1;
        (tried[band].skip < tried[band].most && fits(&tried)).then_some(tried)
    };
    let mut best = bands.to_vec();
    if bands.is_empty() {
        return best;
    }
    let mut first = Some(bands.to_vec());
    while let Some(row) = first {
        let mut second = Some(row.clone());
        while let Some(mut tried) = second {
            second = more(&tried, 1);
            while let Some(next) = more(&tried, 2) {
                tried = next;
            }
            let coarser = |tried: &[Band]| {
                let next =
                    (3..tried.len()).filter_map(|i| Some((tried[i].worth(), more(tried, i)?)));
                next.max_by(|a, b| a.0.total_cmp(&b.0)).map(|(_, next)| next)
            };
            while let Some(next) = coarser(&tried) {
                tried = next;
            }
            let saved = |bands: &[Band]| bands.iter().map(Band::saved).sum::<f64>();
            if saved(&tried) > saved(&best) {
                best = tried;
            }
        }
        first = more(&row, 0);
    }
    best
}

/// A band in the search for what to leave out.
#[derive(Clone)]
pub struct Band {
    pub level: u8,
    pub share: Share,
    /// How far its coefficients, each off by one, can move a pixel together, in output levels.
    pub gain: f64,
    /// How far they can move a sample.
    pub reach: f64,
    pub skip: u8,
    pub most: u8,
}

impl Band {
    /// The time that omitting its planes saves, in passes over the image: a level has a quarter of
    /// the next finer one's coefficients, and a higher plane has fewer coefficients that need a
    /// decision.
    fn saved(&self) -> f64 {
        let planes = (0..self.skip).map(|plane| 0.85_f64.powi(plane.into())).sum::<f64>();
        0.25_f64.powi(self.level.into()) * planes
    }

    /// The saving of one more plane, divided by its error, which is twice that of the last.
    fn worth(&self) -> f64 {
        0.25_f64.powi(self.level.into()) / (self.gain * f64::from(self.skip).exp2())
    }
}
