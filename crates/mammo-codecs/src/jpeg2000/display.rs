//! Computes how many bit-planes can be left out for an image on a screen.
//!
//! In: a stream, and [`Output`], which says how its samples become 8-bit pixels. Out: [`Plan`], the
//! planes that may stay undecoded, and a bound on the error of any pixel.
//!
//! The bound is a sum over all sources of error, each at its worst. A coefficient without its `n`
//! lowest planes is off by at most `2^n - 1` of its steps. Its effect on an output pixel is its
//! synthesis filter, weighted with the part that the pixel's area has of each sample. The effect of
//! all coefficients of a band is the sum of the magnitudes. Filters and areas are separable, so it
//! is a product of two sums along one axis; `Axis` computes them from the wavelet itself, for the
//! worst position of the pixel's edge. The reversible wavelet rounds in each step, which adds less
//! than one per step and spreads like an additional coefficient.
//!
//! In practice the errors are never all at their worst with the same sign. If a proof is not
//! needed, [`Assurance::Expected`] treats the errors as independent instead.

mod axis;
mod budget;
mod grey;
mod local;
mod planes;
mod slopes;

use budget::{Band, Budget, deepest, errors};
use grey::Grey;
use local::{Level, ROUNDING, Way};

pub use local::Local;
pub(super) use local::Values;
pub use planes::BitPlanes;
pub use slopes::Slopes;

use super::error::Error;
use super::low::LowBand;
use super::memory::Memory;
use super::{boxes, codestream};

/// How an output pixel is computed: the mean of an area of samples, each mapped by a grey scale.
#[derive(Clone, Debug, PartialEq)]
pub struct Output {
    /// The number of source columns averaged for an output column; may be fractional, at least 1.
    pub scale_x: f64,
    /// The number of source rows averaged for an output row.
    pub scale_y: f64,
    /// Slopes of the grey scale. If it is straight, the fine wavelet's errors cancel within a
    /// pixel; if it is flat, errors have no effect.
    pub slopes: Slopes,
    /// How far later processing may round off, in output levels.
    pub slack: f64,
}

/// How certain the tolerance is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Assurance {
    /// Proven: no pixel of any image is off by more.
    Proven,
    /// Expected: this many standard deviations of a pixel's error fit in the tolerance. The errors
    /// of coefficients are taken as independent and uniformly distributed over their range.
    Expected {
        /// Standard deviations.
        deviations: f64,
    },
}

/// The bit-planes that may be left out.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// The planes, for a [`Request`](super::Request).
    pub planes: BitPlanes,
    /// The largest (or expected) difference of a pixel from the exact decoding, in output levels,
    /// before both are rounded. At most the tolerance if anything is left out.
    pub bound: f64,
    /// The largest difference of a sample; infinite if it depends on the code-block.
    pub reach: f64,
}

/// Levels in which leaving out planes pays: the others hold 1/64 of the coefficients.
const LEVELS: u8 = 3;

/// Leaves out as many planes as fit `tolerance`, in output levels. With a tolerance of 1 no 8-bit
/// pixel is off by more than one level, because two numbers that differ by at most 1 round to
/// integers that differ by at most 1.
///
/// Nothing is left out of `low`, so the whole tolerance is used for the levels above it.
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
    let stream = codestream::read(boxes::codestream(bytes)?, &mut Memory::unlimited())?;
    let exact = Plan { planes: BitPlanes::Exact, bound: output.slack, reach: 0.0 };
    // Values derived from the main header must hold for every tile and component.
    let (first, others) = (&stream.main.components[0], &stream.main.components[1..]);
    let same = |tile: &codestream::Tile| tile.coding.components == stream.main.components;
    if !others.is_empty() || !stream.tiles.values().all(same) {
        return Ok(exact);
    }
    let component = stream.size.components[0];
    let deviations = match assurance {
        Assurance::Proven => None,
        Assurance::Expected { deviations } => Some(deviations),
    };
    let levels = low.map_or(LEVELS, |low| low.levels().min(LEVELS));
    let levels = first.decomposition.levels.min(levels);
    let left = tolerance - output.slack;
    let independent = deviations.is_some();
    let scale = (output.scale_x, output.scale_y);
    let budget = Budget::new(first, component.precision, levels, scale, left, independent)?;
    // A pixel may lie across tiles, and each tile knows only its own values.
    if !(output.slopes.are_local() && stream.size.tiles() == 1) {
        return Ok(uniform(&budget, output, deviations).unwrap_or(exact));
    }
    let shift = if component.signed { 0.0 } else { f64::from(1_u32 << (component.precision - 1)) };
    let Some(local) = by_block(&budget, output, deviations, shift) else { return Ok(exact) };
    let planes = BitPlanes::Local(Box::new(local));
    Ok(Plan { bound: tolerance, planes, reach: f64::INFINITY })
}

/// The same planes left out in the whole image; `None` if none can be.
fn uniform(budget: &Budget, output: &Output, deviations: Option<f64>) -> Option<Plan> {
    let (least, most) = output.slopes.all();
    let grey = Grey::new(least, most, deviations);
    let bands = budget.best(&grey);
    if deepest(&bands) == 0 {
        return None;
    }
    let levels = bands.chunks_exact(3);
    let planes = levels.map(|level| [level[0].skip, level[1].skip, level[2].skip]).collect();
    let rounding = grey.gain(&budget.rounded(&bands));
    let bound = output.slack + grey.sum(errors(&grey, &bands), rounding);
    let off = bands.iter().map(|band| band.reach * (f64::from(band.skip).exp2() - 1.0));
    let reach = off.sum::<f64>() + ROUNDING * deepest(&bands) as f64 + 1.0;
    Some(Plan { bound, planes: BitPlanes::Skip(planes), reach })
}

/// The planes that each code-block can leave out, by the values around it; `None` if there are
/// none. `shift` is added to a sample after the wavelet.
fn by_block(
    budget: &Budget,
    output: &Output,
    deviations: Option<f64>,
    shift: f64,
) -> Option<Local> {
    let (least, most) = output.slopes.all();
    let steepest = least.abs().max(most);
    // Two divisions of the tolerance: the best one if the scale is straight and at its steepest,
    // and the best one if it may have any slope.
    let greys = [(steepest, steepest), (least, most)].map(|(a, b)| Grey::new(a, b, deviations));
    let bests = greys.iter().map(|grey| (grey, budget.best(grey)));
    let bests: Vec<_> = bests.filter(|(_, bands)| deepest(bands) > 0).collect();
    let deepest = bests.iter().map(|(_, bands)| deepest(bands)).max()?;
    let way = |(grey, bands): &(&Grey, Vec<Band>)| {
        let (rounding, errors) = (budget.rounded(bands), errors(grey, bands));
        let headroom = grey.headroom(budget.tolerance, &rounding);
        let share = |band: &Band| band.gain * grey.coefficient(band.skip) * headroom / errors;
        let levels = bands.chunks_exact(3).take(deepest);
        let budgets = levels.map(|level| [0, 1, 2].map(|i| share(&level[i]))).collect();
        Way { rounding, headroom, budgets }
    };
    let level = |level: &[Band]| Level {
        shares: [0, 1, 2].map(|i| level[i].share),
        reaches: [0, 1, 2].map(|i| level[i].reach),
    };
    Some(Local {
        slopes: output.slopes.clone(),
        deviations,
        ways: bests.iter().map(way).collect(),
        levels: budget.bands.chunks_exact(3).take(deepest).map(level).collect(),
        tolerance: budget.tolerance,
        scale: output.scale_x.max(output.scale_y),
        shift,
        overshoot: budget.overshoot[deepest - 1],
    })
}
