//! How many bit-planes an image on a screen can spare.
//!
//! In: a stream, and [`Output`], how its samples become 8-bit pixels. Out: [`Plan`], the
//! planes that may stay undecoded, and a bound on what that changes in any pixel.
//!
//! The bound is a sum over everything that can go wrong, each at its worst. A coefficient
//! whose `n` lowest planes are left out is off by at most `2^n - 1` of its steps. How far
//! that moves an output pixel is the coefficient's synthesis filter, weighted with the part
//! that the pixel's area has of each sample; of all coefficients of a band together, the sum
//! of the magnitudes. Filters and areas are separable, so that is a product of two sums
//! along one axis, which `Axis` takes from the wavelet itself, at the worst place of the
//! pixel's edge. The reversible wavelet rounds in each step, which adds less than one per
//! step, spread like a coefficient of its own.
//!
//! That all errors are at their worst and pull the same way is never seen. For those who can
//! do without a proof, [`Assurance::Expected`] takes the errors as independent instead.

mod axis;

use std::ops::RangeInclusive;

use axis::{Axis, IRREVERSIBLE, REVERSIBLE, Sums};

use super::error::Error;
use super::{BitPlanes, boxes, codestream};

/// How an output pixel is made: the mean of an area of samples, each on a grey scale.
#[derive(Clone, Debug, PartialEq)]
pub struct Output {
    /// Source columns an output column is the mean of; may be fractional, at least 1.
    pub scale_x: f64,
    /// Source rows an output row is the mean of.
    pub scale_y: f64,
    /// Least and greatest slope of the grey scale: output levels (of 256) a stored value,
    /// without regard to sign. A window that clips, a sigmoid and a table have slopes down
    /// to 0 and up to their steepest; only where both are equal does the fine wavelet's
    /// tendency to cancel within a pixel count in full.
    pub slope: RangeInclusive<f64>,
    /// Output levels by which whatever follows may round off.
    pub slack: f64,
}

/// How sure the tolerance is to hold.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Assurance {
    /// No pixel of any image is off by more.
    Proven,
    /// So many standard deviations of a pixel's error fit in it, errors of coefficients taken
    /// as independent and spread evenly over what they can be.
    Expected {
        /// Standard deviations.
        deviations: f64,
    },
}

/// What may be left out.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// For a [`Request`](super::Request).
    pub planes: BitPlanes,
    /// Output levels by which a pixel can differ from the exact decoding's (or is expected
    /// to), before both are rounded; at most the tolerance if anything is left out.
    pub bound: f64,
}

/// Levels whose planes are worth leaving out: the rest hold 1/64 of the coefficients.
const LEVELS: u8 = 3;

/// Leaves out as many planes as fit `tolerance`, in output levels. With a tolerance of 1 no
/// 8-bit pixel is off by more than one level: two numbers that differ by no more than 1
/// round to integers that differ by no more than 1.
///
/// # Errors
/// Those of [`header`](super::header).
pub fn plan(
    bytes: &[u8],
    output: &Output,
    tolerance: f64,
    assurance: Assurance,
) -> Result<Plan, Error> {
    let stream = codestream::read(boxes::codestream(bytes)?)?;
    let exact = Plan { planes: BitPlanes::Exact, bound: output.slack };
    // What is derived from the main header must hold for every tile and component.
    let (first, others) = (&stream.main.components[0], &stream.main.components[1..]);
    let same = |tile: &codestream::Tile| tile.coding.components == stream.main.components;
    if !others.is_empty() || !stream.tiles.values().all(same) {
        return Ok(exact);
    }
    let precision = stream.size.components[0].precision;
    let decomposition = &first.decomposition;
    let scale = match assurance {
        Assurance::Proven => Grey::worst(output),
        Assurance::Expected { deviations } => Grey::expected(output, deviations),
    };
    let filter = if decomposition.reversible { &REVERSIBLE } else { &IRREVERSIBLE };
    let mut bands = Vec::new();
    let mut rounding = Vec::new();
    for level in 1..=decomposition.levels.min(LEVELS) {
        let (x, y) =
            (Axis::new(filter, level, output.scale_x), Axis::new(filter, level, output.scale_y));
        let ways = [(&x.high, &y.low), (&x.low, &y.high), (&x.high, &y.high)];
        for (place, (along_x, along_y)) in ways.into_iter().enumerate() {
            let index = 1 + 3 * usize::from(decomposition.levels - level) + place;
            let step = if decomposition.reversible {
                1.0
            } else {
                f64::from(first.step(index, precision)?)
            };
            let most = first.planes(index)?;
            bands.push(Band { level, gain: step * scale.gain(along_x, along_y), skip: 0, most });
        }
        rounding.push(if decomposition.reversible { scale.rounding(&x, &y) } else { 0.0 });
    }
    let bound = |bands: &[Band]| {
        let deepest =
            bands.iter().filter(|band| band.skip > 0).map(|band| band.level).max().unwrap_or(0);
        let rounding = rounding[..usize::from(deepest)].iter().copied();
        // Exact and approximate samples are each rounded once more where the wavelet is of floats.
        let last = (!decomposition.reversible).then_some(scale.steepest);
        let errors = bands.iter().map(|band| band.gain * scale.coefficient(band.skip));
        output.slack + scale.total(errors.chain(rounding).chain(last))
    };
    let bands = best(&bands, |bands| bound(bands) <= tolerance);
    if bands.iter().all(|band| band.skip == 0) {
        return Ok(exact);
    }
    let planes =
        bands.chunks_exact(3).map(|level| [level[0].skip, level[1].skip, level[2].skip]).collect();
    Ok(Plan { bound: bound(&bands), planes: BitPlanes::Skip(planes) })
}

/// The bands' planes that save the most of all that fit: every choice in the finest level,
/// which holds three quarters of all coefficients, and below it always the plane next that
/// saves the most for what it costs.
fn best(bands: &[Band], fits: impl Fn(&[Band]) -> bool) -> Vec<Band> {
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
struct Band {
    level: u8,
    /// Output levels that its coefficients together can move a pixel by, each off by one.
    gain: f64,
    skip: u8,
    most: u8,
}

impl Band {
    /// What leaving out its planes saves, in passes over the image: a level has a quarter of the
    /// next finer one's coefficients, and a higher plane fewer that are worth a decision.
    fn saved(&self) -> f64 {
        let planes = (0..self.skip).map(|plane| 0.85_f64.powi(plane.into())).sum::<f64>();
        0.25_f64.powi(self.level.into()) * planes
    }

    /// What leaving out one plane more saves, over what it costs: twice as much as the last.
    fn worth(&self) -> f64 {
        0.25_f64.powi(self.level.into()) / (self.gain * f64::from(self.skip).exp2())
    }
}

/// The grey scale, and how errors add up on it.
struct Grey {
    /// The slope as a mean and what it may be off from that.
    middle: f64,
    half: f64,
    steepest: f64,
    /// Standard deviations to allow for; `None` where the worst is.
    deviations: Option<f64>,
}

impl Grey {
    fn worst(output: &Output) -> Self {
        let (low, high) = (output.slope.start().abs(), output.slope.end().abs());
        Self {
            middle: (low + high) / 2.0,
            half: (high - low).abs() / 2.0,
            steepest: low.max(high),
            deviations: None,
        }
    }

    fn expected(output: &Output, deviations: f64) -> Self {
        Self { deviations: Some(deviations), ..Self::worst(output) }
    }

    /// Output levels that coefficients of one kind move a pixel by, each off by one.
    fn gain(&self, x: &Sums, y: &Sums) -> f64 {
        match self.deviations {
            None => self.middle * x.signed * y.signed + self.half * x.absolute * y.absolute,
            Some(_) => self.steepest * x.squared * y.squared,
        }
    }

    /// By how many of its steps a coefficient is off without its `skip` lowest planes: one
    /// that rounds down to zero by up to all that they can hold.
    fn coefficient(&self, skip: u8) -> f64 {
        let planes = f64::from(skip).exp2();
        match self.deviations {
            None => planes - 1.0,
            Some(_) => {
                if skip == 0 {
                    0.0
                } else {
                    planes / 3_f64.sqrt()
                }
            }
        }
    }

    /// Output levels that the roundings of one level of the reversible wavelet can differ by,
    /// between two decodings: a sum in quarters by up to 3/4, one in halves by up to 1/2. The
    /// first of a lifting's two steps acts like a low-pass coefficient, the second on its
    /// sample alone.
    fn rounding(&self, x: &Axis, y: &Axis) -> f64 {
        let along_x = |y: &Sums| [0.75 * self.gain(&x.low, y), 0.5 * self.gain(&x.odd, y)];
        let along_y = [0.75 * self.gain(&x.each, &y.low), 0.5 * self.gain(&x.each, &y.odd)];
        let all = [along_x(&y.low), along_x(&y.high), along_y];
        let (total, deviations) =
            (self.total(all.into_iter().flatten()), self.deviations.unwrap_or(1.0));
        total / deviations
    }

    fn total(&self, errors: impl Iterator<Item = f64>) -> f64 {
        match self.deviations {
            None => errors.sum(),
            Some(deviations) => deviations * errors.map(|e| e * e).sum::<f64>().sqrt(),
        }
    }
}
