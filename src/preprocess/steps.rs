//! Takes one image through all stages and keeps the result of each.
//!
//! In: a [`Job`]. Out: [`Steps`]. The whole frame is decoded and not only the crop, so this takes
//! longer than the flow, but gives the same sample.

use std::sync::Arc;

use super::decode::Stored;
use super::memory::Memory;
use super::stages::{Decode, FindRoi, Judge, Look, Read, Resize, Sample, Window};
use crate::config::Config;
use crate::dataset::Job;
use crate::flow::Stage;
use crate::image::{Plane, Rect};
use crate::preprocess::Reject;

/// The results of the steps.
pub struct Steps {
    /// Stored values of the whole frame.
    pub stored: Stored,
    /// The whole frame in grey levels, full range.
    pub windowed: Plane<u16>,
    /// The part that is resized, in grey levels.
    pub cropped: Plane<u16>,
    /// The boxes of breast and crop in the two planes of the whole frame.
    pub boxes: [Rect; 2],
    /// The sample as in a release.
    pub sample: Sample,
}

/// Takes the file of `job` through every stage.
///
/// # Errors
/// The [`Reject`] with which a run would reject it.
pub fn steps(job: Job, config: &Arc<Config>, memory: &Memory) -> Result<Steps, Reject> {
    let frame = Read::new(config, memory).apply(job)?;
    let looked = Look::new(config, memory).apply(frame)?;
    let located = FindRoi::new(config).apply(looked)?;
    let judged = Judge::new(config).apply(located)?;
    let decoded = Decode::whole(config).apply(judged)?;
    let range = decoded.judged.layout().range();
    let stored = decoded.stored.within(range);
    let whole = Rect::whole(stored.pixels.width(), stored.pixels.height());
    let mut windowed = Plane::default();
    decoded.judged.lut.apply(&stored.pixels, whole, &mut windowed);
    let reduction = decoded.reduction();
    let cut = Window.apply(decoded)?;
    let cropped = cut.pixels.map(|&level| cut.scale.to_full(level));
    let sample = Resize::new(config).apply(cut)?;
    let boxes = [sample.found.breast, sample.geometry.crop]
        .map(|rect| reduction.rect_to_reduced(rect, sample.facts.frame()));
    Ok(Steps { stored, windowed, cropped, boxes, sample })
}
