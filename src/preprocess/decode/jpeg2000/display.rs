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
mod local;
mod slopes;

use axis::{Axis, IRREVERSIBLE, REVERSIBLE, Sums};
use local::{Level, ROUNDING, Way};

pub use local::Local;
pub(super) use local::Values;
pub use slopes::Slopes;

use super::error::Error;
use super::{BitPlanes, LowBand, boxes, codestream};

/// How an output pixel is made: the mean of an area of samples, each on a grey scale.
#[derive(Clone, Debug, PartialEq)]
pub struct Output {
    /// Source columns an output column is the mean of; may be fractional, at least 1.
    pub scale_x: f64,
    /// Source rows an output row is the mean of.
    pub scale_y: f64,
    /// Slopes of the grey scale. Only where it is straight does the fine wavelet's tendency to
    /// cancel within a pixel count in full, and where it is flat nothing counts.
    pub slopes: Slopes,
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
    /// Values by which a sample can differ; infinite where that goes by code-block.
    pub reach: f64,
}

/// Levels whose planes are worth leaving out: the rest hold 1/64 of the coefficients.
const LEVELS: u8 = 3;

/// Leaves out as many planes as fit `tolerance`, in output levels. With a tolerance of 1 no
/// 8-bit pixel is off by more than one level: two numbers that differ by no more than 1
/// round to integers that differ by no more than 1.
///
/// Nothing is left out of `low`, so all of the tolerance goes to the levels above it.
///
/// # Errors
/// Those of [`header`](super::header).
pub fn plan(
    bytes: &[u8],
    output: &Output,
    tolerance: f64,
    assurance: Assurance,
    low: Option<&LowBand>,
) -> Result<Plan, Error> {
    let stream = codestream::read(boxes::codestream(bytes)?)?;
    let exact = Plan { planes: BitPlanes::Exact, bound: output.slack, reach: 0.0 };
    // What is derived from the main header must hold for every tile and component.
    let (first, others) = (&stream.main.components[0], &stream.main.components[1..]);
    let same = |tile: &codestream::Tile| tile.coding.components == stream.main.components;
    if !others.is_empty() || !stream.tiles.values().all(same) {
        return Ok(exact);
    }
    let precision = stream.size.components[0].precision;
    let decomposition = &first.decomposition;
    let deviations = match assurance {
        Assurance::Proven => None,
        Assurance::Expected { deviations } => Some(deviations),
    };
    let (least, most) = output.slopes.all();
    let steepest = least.abs().max(most);
    // A pixel may lie across tiles, and each knows its own values alone.
    let is_local = output.slopes.are_local() && stream.size.tiles() == 1;
    let filter = if decomposition.reversible { &REVERSIBLE } else { &IRREVERSIBLE };
    let mut bands = Vec::new();
    let mut rounding = Vec::new();
    let mut overshoot = Vec::new();
    let levels = decomposition.levels.min(low.map_or(LEVELS, |low| low.levels().min(LEVELS)));
    for level in 1..=levels {
        let (x, y) =
            (Axis::new(filter, level, output.scale_x), Axis::new(filter, level, output.scale_y));
        let one = Axis::new(filter, level, 1.0);
        let ways = [(&x.high, &y.low), (&x.low, &y.high), (&x.high, &y.high)];
        let reach = [(&one.high, &one.low), (&one.low, &one.high), (&one.high, &one.high)];
        for (place, (way, reach)) in ways.into_iter().zip(reach).enumerate() {
            let index = 1 + 3 * usize::from(decomposition.levels - level) + place;
            let step = if decomposition.reversible {
                1.0
            } else {
                f64::from(first.step(index, precision)?)
            };
            let share = Share::of(way.0, way.1, step);
            let reach = step * reach.0.absolute * reach.1.absolute;
            bands.push(Band {
                level,
                share,
                reach,
                gain: 0.0,
                skip: 0,
                most: first.planes(index)?,
            });
        }
        rounding.push(if decomposition.reversible { Share::rounding(&x, &y) } else { Share::NONE });
        overshoot.push((one.low.absolute.powi(2) - 1.0).max(0.0) / 2.0);
    }
    // What all levels down to the deepest with anything left out round off by. Samples are
    // rounded once more, exact and approximate ones, where the wavelet is of floats.
    let rounded = |bands: &[Band]| {
        let levels = &rounding[..deepest(bands)];
        let last = if decomposition.reversible { Share::NONE } else { Share::SAMPLE };
        levels.iter().fold(last, |sum, level| sum.and(level, deviations.is_some()))
    };
    let left = tolerance - output.slack;
    let errors = |grey: &Grey, bands: &[Band]| {
        grey.total(bands.iter().map(|band| band.gain * grey.coefficient(band.skip)))
    };
    let best = |grey: &Grey| {
        let bands: Vec<_> = bands
            .iter()
            .map(|band| Band { gain: grey.gain(&band.share), ..band.clone() })
            .collect();
        best(&bands, |bands| errors(grey, bands) <= grey.headroom(left, &rounded(bands)))
    };
    if !is_local {
        let grey = Grey::new(least, most, deviations);
        let bands = best(&grey);
        if deepest(&bands) == 0 {
            return Ok(exact);
        }
        let levels = bands.chunks_exact(3);
        let planes = levels.map(|level| [level[0].skip, level[1].skip, level[2].skip]).collect();
        let bound = output.slack + grey.sum(errors(&grey, &bands), grey.gain(&rounded(&bands)));
        let off = bands.iter().map(|band| band.reach * (f64::from(band.skip).exp2() - 1.0));
        let reach = off.sum::<f64>() + ROUNDING * deepest(&bands) as f64 + 1.0;
        return Ok(Plan { bound, planes: BitPlanes::Skip(planes), reach });
    }
    // Shares of the tolerance as they are best where the scale is straight and at its steepest,
    // and where it may have any slope.
    let greys = [(steepest, steepest), (least, most)].map(|(a, b)| Grey::new(a, b, deviations));
    let bests = greys.iter().map(|grey| (grey, best(grey)));
    let bests: Vec<_> = bests.filter(|(_, bands)| deepest(bands) > 0).collect();
    let Some(deepest) = bests.iter().map(|(_, bands)| deepest(bands)).max() else {
        return Ok(exact);
    };
    let way = |(grey, bands): &(&Grey, Vec<Band>)| {
        let (rounding, errors) = (rounded(bands), errors(grey, bands));
        let headroom = grey.headroom(left, &rounding);
        let budget = |band: &Band| band.gain * grey.coefficient(band.skip) * headroom / errors;
        let levels = bands.chunks_exact(3).take(deepest);
        let budgets = levels.map(|level| [0, 1, 2].map(|i| budget(&level[i]))).collect();
        Way { rounding, headroom, budgets }
    };
    let level = |level: &[Band]| Level {
        shares: [0, 1, 2].map(|i| level[i].share),
        reaches: [0, 1, 2].map(|i| level[i].reach),
    };
    let component = stream.size.components[0];
    let local = Local {
        slopes: output.slopes.clone(),
        deviations,
        ways: bests.iter().map(way).collect(),
        levels: bands.chunks_exact(3).take(deepest).map(level).collect(),
        tolerance: left,
        scale: output.scale_x.max(output.scale_y),
        shift: if component.signed { 0.0 } else { f64::from(1_u32 << (precision - 1)) },
        overshoot: overshoot[deepest - 1],
    };
    let planes = BitPlanes::Local(Box::new(local));
    Ok(Plan { bound: tolerance, planes, reach: f64::INFINITY })
}

/// The deepest wavelet level with anything left out; 0 if nothing is.
fn deepest(bands: &[Band]) -> usize {
    bands.iter().filter(|band| band.skip > 0).map(|band| band.level).max().unwrap_or(0).into()
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
    share: Share,
    /// Output levels that its coefficients together can move a pixel by, each off by one.
    gain: f64,
    /// How far they can move a sample.
    reach: f64,
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

/// How far errors of one can move a pixel where the grey scale has a slope of one.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Share {
    /// Where the slope is the same all over, so that ups and downs cancel.
    signed: f64,
    /// Where nothing cancels.
    absolute: f64,
    /// As a standard deviation.
    squared: f64,
}

impl Share {
    const NONE: Self = Self { signed: 0.0, absolute: 0.0, squared: 0.0 };
    /// All samples of a pixel, each off by one.
    const SAMPLE: Self = Self { signed: 1.0, absolute: 1.0, squared: 1.0 };

    fn of(x: &Sums, y: &Sums, step: f64) -> Self {
        Self {
            signed: step * x.signed * y.signed,
            absolute: step * x.absolute * y.absolute,
            squared: step * x.squared * y.squared,
        }
    }

    /// The roundings of one level of the reversible wavelet, which can differ between two
    /// decodings: a sum in quarters by up to 3/4, one in halves by up to 1/2. The first of a
    /// lifting's two steps acts like a low-pass coefficient, the second on its sample alone.
    fn rounding(x: &Axis, y: &Axis) -> Self {
        let along_x = |y: &Sums| [Self::of(&x.low, y, 0.75), Self::of(&x.odd, y, 0.5)];
        let along_y = [Self::of(&x.each, &y.low, 0.75), Self::of(&x.each, &y.odd, 0.5)];
        let all = [along_x(&y.low), along_x(&y.high), along_y];
        all.iter().flatten().fold(Self::NONE, |sum, share| sum.and(share, true))
    }

    /// Both; deviations as of independent errors, if they are.
    fn and(&self, other: &Self, independent: bool) -> Self {
        let squared = if independent {
            self.squared.hypot(other.squared)
        } else {
            self.squared + other.squared
        };
        Self {
            signed: self.signed + other.signed,
            absolute: self.absolute + other.absolute,
            squared,
        }
    }
}

/// The grey scale, and how errors add up on it.
struct Grey {
    /// The slope as a mean and what it may be off from that, without regard to sign.
    middle: f64,
    half: f64,
    steepest: f64,
    /// Standard deviations to allow for; `None` where the worst is.
    deviations: Option<f64>,
}

impl Grey {
    /// With slopes between `least` and `most`, negative where it falls.
    fn new(least: f64, most: f64, deviations: Option<f64>) -> Self {
        Self {
            middle: (least + most).abs() / 2.0,
            half: (most - least) / 2.0,
            steepest: least.abs().max(most.abs()),
            deviations,
        }
    }

    /// Output levels that errors of one move a pixel by.
    fn gain(&self, share: &Share) -> f64 {
        match self.deviations {
            None => self.middle * share.signed + self.half * share.absolute,
            Some(_) => self.steepest * share.squared,
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

    /// What roundings leave of `tolerance` for everything else, as [`total`](Self::total)
    /// counts it; never below zero.
    fn headroom(&self, tolerance: f64, rounding: &Share) -> f64 {
        let rounding = self.gain(rounding);
        match self.deviations {
            None => (tolerance - rounding).max(0.0),
            Some(deviations) => {
                ((tolerance / deviations).powi(2) - rounding.powi(2)).max(0.0).sqrt()
            }
        }
    }

    /// All errors together: their sum, or one standard deviation.
    fn total(&self, errors: impl Iterator<Item = f64>) -> f64 {
        match self.deviations {
            None => errors.sum(),
            Some(_) => errors.map(|e| e * e).sum::<f64>().sqrt(),
        }
    }

    /// Output levels for errors and roundings together.
    fn sum(&self, errors: f64, rounding: f64) -> f64 {
        match self.deviations {
            None => errors + rounding,
            Some(deviations) => deviations * errors.hypot(rounding),
        }
    }
}
