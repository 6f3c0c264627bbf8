//! The types that flow through preprocessing, and the stages that produce them.
//!
//! ```text
//! Job ─ Read ─> RawFrame ─ Look ─> Looked ─ FindRoi ─> Located ─ Judge ─> Judged
//!                                                                          │
//!                  Sample <─ Resize ─ Windowed <─ Window ─ Decoded <─ Decode ─┘
//! ```
//! Each step has its own type, so none can be skipped or swapped. The breast, the grey range and
//! the quality are found on the look, a reduced image that is the same for every decoding
//! precision. Only then is the part decoded that the output needs. The algorithms are in the
//! modules beside this one; this module has only their order.

use std::sync::Arc;
use std::thread;

use super::decode::{self, Decoder, DecoderName, Kept, Stored, Want};
use super::look;
use super::memory::Memory;
use super::quality::{self, Quality, StoredFacts};
use super::read::{self, Header, PixelData, PixelLayout, RawFrame, SourceFacts, retry};
use super::resize::{self, Resizer};
use super::roi::{self, Finder, Found};
use super::window::{self, GreyScale, Lut, WindowUsed};
use crate::config::{Config, RoiExtent};
use crate::dataset::Job;
use crate::flow::{Budget, Stage, Ticket};
use crate::image::sampling::Reduction;
use crate::image::{Geometry, Orientation, Pixels, Region};
use crate::image::{Plane, Rect};
use crate::preprocess::Reject;
use crate::shard::flags::Flag;
use crate::shard::notes::Notes;
use crate::units::PixelSpacing;

/// Facts about an image besides its pixels.
#[derive(Debug)]
pub struct Facts {
    /// The row of the table, and the file.
    pub job: Job,
    /// What identifies the file.
    pub file: SourceFacts,
    /// The facts of its header.
    pub header: Header,
    /// Pixel spacing at the breast in mm, from the file or configured for its machine.
    pub spacing: Option<PixelSpacing>,
    /// The decoder that was used.
    pub decoder: DecoderName,
    /// What was unusual about the file.
    pub notes: Notes,
}

impl Facts {
    /// Columns and rows of the source.
    pub fn frame(&self) -> (usize, usize) {
        (self.header.layout.columns.into(), self.header.layout.rows.into())
    }
}

/// An image with its look.
#[derive(Debug)]
pub struct Looked {
    facts: Facts,
    pixel_data: PixelData,
    look: Stored,
    reduction: Reduction,
    /// The full image, if it had to be decoded for the look.
    full: Option<Stored>,
    kept: Kept,
    /// The number of wavelet levels that the output's decoding leaves out.
    reduce: u8,
    _memory: Ticket,
}

/// An image with its breast located.
#[derive(Debug)]
pub struct Located {
    looked: Looked,
    linear: Plane<u16>,
    padding: Option<Plane<bool>>,
    /// The breast's box.
    pub found: Found,
    /// The mapping from the source's pixels to the output's.
    pub geometry: Geometry,
}

/// An image with its grey scale and quality known.
#[derive(Debug)]
pub struct Judged {
    located: Located,
    /// The mapping from stored values to grey levels.
    pub lut: Lut,
    quality: Quality,
}

impl Judged {
    /// The layout of its stored values.
    pub fn layout(&self) -> &PixelLayout {
        &self.located.looked.facts.header.layout
    }
}

/// An image in stored values.
#[derive(Debug)]
pub struct Decoded {
    /// Facts about the image.
    pub judged: Judged,
    /// The decoded image, reduced as [`Decoded::reduction`] says.
    pub stored: Stored,
}

impl Decoded {
    /// How the decoded samples lie in the source.
    pub fn reduction(&self) -> Reduction {
        look::wavelet(self.judged.located.looked.reduce)
    }
}

/// The part of an image that the output shows, in grey levels.
#[derive(Debug)]
pub struct Windowed {
    decoded: Decoded,
    /// The part that the output shows, with the pixels that interpolation needs around it.
    pub pixels: Plane<u16>,
    /// Which of its levels are black and white.
    pub scale: GreyScale,
    region: Region,
}

/// One row of the release.
#[derive(Debug)]
pub struct Sample {
    /// The source.
    pub facts: Facts,
    /// The window that was used.
    pub window: WindowUsed,
    /// The breast's box.
    pub found: Found,
    /// The mapping from the source's pixels to the output's.
    pub geometry: Geometry,
    /// Measurements and flags of the quality.
    pub quality: Quality,
    /// The output image, `[resize.height, resize.width]`.
    pub pixels: Pixels,
}

/// Reads a file: [`Job`] to [`RawFrame`]. What the machine could not read is tried again
/// `limits.retries` times.
#[derive(Debug, Clone)]
pub struct Read {
    config: Arc<Config>,
    memory: Budget,
}

impl Read {
    /// A stage with these settings, and with this memory for what all readers inflate.
    pub fn new(config: &Arc<Config>, memory: &Memory) -> Self {
        Self { config: Arc::clone(config), memory: memory.inflating.clone() }
    }
}

impl Stage for Read {
    type In = Job;
    type Out = RawFrame;
    type Reject = Reject;
    const NAME: &'static str = "read";

    fn apply(&mut self, job: Job) -> Result<RawFrame, Reject> {
        let config = &self.config;
        let read = || read::read(job.clone(), &config.decode, &config.spacing, &self.memory);
        Ok(retry::retried(config.limits.retries, &job.path, thread::sleep, read)?)
    }

    fn fetched(frame: &RawFrame) -> u64 {
        frame.source.read
    }
}

/// Makes the look: [`RawFrame`] to [`Looked`]. Waits until the memory for the whole image is free.
#[derive(Debug, Clone)]
pub struct Look {
    config: Arc<Config>,
    memory: Budget,
    decoder: Decoder,
}

impl Look {
    /// A stage with these settings, and with this memory for all workers together.
    pub fn new(config: &Arc<Config>, memory: &Memory) -> Self {
        let decoder = Decoder::default();
        Self { config: Arc::clone(config), memory: memory.decoding.clone(), decoder }
    }
}

impl Stage for Look {
    type In = RawFrame;
    type Out = Looked;
    type Reject = Reject;
    const NAME: &'static str = "look";

    fn apply(&mut self, frame: RawFrame) -> Result<Looked, Reject> {
        let RawFrame { job, source, header, spacing, pixel_data } = frame;
        let decoder = DecoderName::Native;
        let notes = header.notes;
        let mut facts = Facts { job, file: source, header, spacing, decoder, notes };
        let levels = decode::levels(&facts.header, &pixel_data)?;
        let reduce = self.config.decode.reduce.min(levels);
        let need = look::cost(&facts.header, &pixel_data, reduce)
            + resize::cost(&self.config.resize, facts.header.layout.size(), reduce);
        if need > self.memory.total() {
            return Err(Reject::Memory { need, have: self.memory.total() });
        }
        let memory = self.memory.take(need);
        let look::Taken { look, reduction, full, kept } =
            look::take(&mut self.decoder, &facts.header, &pixel_data, levels, reduce)?;
        facts.decoder = look.decoder;
        facts.notes = facts.notes.and(look.notes);
        Ok(Looked { facts, pixel_data, look, reduction, full, kept, reduce, _memory: memory })
    }
}

/// Finds the breast and computes the geometry: [`Looked`] to [`Located`].
#[derive(Debug, Clone)]
pub struct FindRoi {
    config: Arc<Config>,
    finder: Finder,
}

impl FindRoi {
    /// A stage with these settings.
    pub fn new(config: &Arc<Config>) -> Self {
        Self { config: Arc::clone(config), finder: Finder::default() }
    }
}

impl Stage for FindRoi {
    type In = Looked;
    type Out = Located;
    type Reject = Reject;
    const NAME: &'static str = "roi";

    fn apply(&mut self, looked: Looked) -> Result<Located, Reject> {
        let Facts { header, spacing, job, .. } = &looked.facts;
        let frame = looked.facts.frame();
        let linear = look::linear(&looked.look, header);
        let padding = look::padding(&looked.look, header);
        let found = self.finder.find(&roi::Look {
            pixels: &linear,
            padding: padding.as_ref(),
            reduction: looked.reduction,
            source: frame,
        });
        let (roi, resize) = (&self.config.roi, &self.config.resize);
        let output = (resize.width, resize.height);
        let crop = roi::crop(found.breast, roi, spacing.as_ref(), frame, output)?;
        let laterality = job.record.laterality.or(header.laterality);
        let orientation = Orientation::towards(roi.flip_to, found.chest_wall, laterality);
        let geometry = Geometry::new(crop, output, resize.fit, found.chest_wall, orientation);
        Ok(Located { looked, linear, padding, found, geometry })
    }
}

/// Computes the grey scale and the quality: [`Located`] to [`Judged`].
#[derive(Debug, Clone)]
pub struct Judge {
    config: Arc<Config>,
    windowed: Plane<u16>,
}

impl Judge {
    /// A stage with these settings.
    pub fn new(config: &Arc<Config>) -> Self {
        Self { config: Arc::clone(config), windowed: Plane::default() }
    }
}

impl Stage for Judge {
    type In = Located;
    type Out = Judged;
    type Reject = Reject;
    const NAME: &'static str = "judge";

    fn apply(&mut self, located: Located) -> Result<Judged, Reject> {
        let Located { looked, linear, padding, found, .. } = &located;
        let header = &looked.facts.header;
        let window = &self.config.window;
        let range = look::range(&looked.look, linear, padding.as_ref(), found.air, window);
        let lut = window::lut(&header.display, &header.layout, window, range)?;
        let look = &looked.look;
        let whole = Rect::whole(look.pixels.width(), look.pixels.height());
        lut.apply(&look.pixels, whole, &mut self.windowed);
        let quality = quality::judge(&quality::View {
            linear,
            windowed: &self.windowed,
            padding: padding.as_ref(),
            reduction: looked.reduction,
            found,
            surplus_bytes: look.surplus_bytes,
            is_above: look.is_above,
            stored: StoredFacts::of(header, &looked.pixel_data, looked.full.as_ref()),
            header: quality::HeaderFacts::of(header, &looked.facts.job.record),
        });
        Ok(Judged { located, lut, quality })
    }
}

/// Decodes the part that the output needs: [`Judged`] to [`Decoded`].
#[derive(Debug, Clone)]
pub struct Decode {
    config: Arc<Config>,
    extent: RoiExtent,
    decoder: Decoder,
}

impl Decode {
    /// A stage that decodes only the crop, if the codec can do that.
    pub fn new(config: &Arc<Config>) -> Self {
        let (config, decoder) = (Arc::clone(config), Decoder::default());
        Self { config, extent: RoiExtent::Breast, decoder }
    }

    /// A stage that decodes the whole frame on all cores, for `render` and `explain`.
    pub fn whole(config: &Arc<Config>) -> Self {
        let (extent, decoder) = (RoiExtent::Whole, Decoder::parallel());
        Self { extent, decoder, ..Self::new(config) }
    }
}

impl Stage for Decode {
    type In = Judged;
    type Out = Decoded;
    type Reject = Reject;
    const NAME: &'static str = "decode";

    fn apply(&mut self, mut judged: Judged) -> Result<Decoded, Reject> {
        let looked = &mut judged.located.looked;
        let stored = match looked.full.take() {
            Some(stored) => stored,
            None => {
                let (width, height) = looked.facts.frame();
                let geometry = &judged.located.geometry;
                // Interpolation needs one more sample around the crop.
                let part = match self.extent {
                    RoiExtent::Breast => {
                        Some(geometry.crop.grown(2 << looked.reduce, width, height))
                    }
                    RoiExtent::Whole => None,
                };
                let display = look::display(&self.config, geometry, &judged.lut, looked.reduce);
                let kept = std::mem::take(&mut looked.kept);
                let want = Want { reduce: looked.reduce, part, display, kept, keep: false };
                self.decoder.decode(&looked.facts.header, &looked.pixel_data, &want)?
            }
        };
        looked.facts.decoder = stored.decoder;
        looked.facts.notes = looked.facts.notes.and(stored.notes);
        // The look, which is the same for every precision, shows values far beyond the range; exact
        // values at full size show all.
        if stored.is_above {
            judged.quality.flags.set(Flag::BitsAboveStored, true);
        }
        Ok(Decoded { judged, stored })
    }
}

/// Maps stored values to grey levels, inside the crop only: [`Decoded`] to [`Windowed`].
#[derive(Debug, Clone)]
pub struct Window;

impl Stage for Window {
    type In = Decoded;
    type Out = Windowed;
    type Reject = Reject;
    const NAME: &'static str = "window";

    fn apply(&mut self, decoded: Decoded) -> Result<Windowed, Reject> {
        let Decoded { judged, stored } = &decoded;
        let Located { looked, geometry, .. } = &judged.located;
        let reduction = look::wavelet(looked.reduce);
        let part = reduction.rect_to_reduced(geometry.crop, looked.facts.frame());
        let (left, top) = stored.origin;
        let inside = Rect { left: part.left - left, top: part.top - top, ..part };
        let mut pixels = Plane::default();
        let line = judged.lut.straight().filter(|_| stored.is_beyond);
        let lut = line.and_then(|line| judged.lut.straightened(&line));
        let lut = lut.as_ref().unwrap_or(&judged.lut);
        lut.apply(&stored.pixels, inside, &mut pixels);
        let (scale, region) = (lut.scale, geometry.region(reduction, (part.left, part.top)));
        Ok(Windowed { decoded, pixels, scale, region })
    }
}

/// Resizes to the output's size: [`Windowed`] to [`Sample`].
#[derive(Debug, Clone)]
pub struct Resize {
    config: Arc<Config>,
    resizer: Resizer,
}

impl Resize {
    /// A stage with these settings.
    pub fn new(config: &Arc<Config>) -> Self {
        let resizer = Resizer::new(config.resize.filter);
        Self { config: Arc::clone(config), resizer }
    }
}

impl Stage for Resize {
    type In = Windowed;
    type Out = Sample;
    type Reject = Reject;
    const NAME: &'static str = "resize";

    fn apply(&mut self, windowed: Windowed) -> Result<Sample, Reject> {
        let Windowed { decoded, pixels, scale, region } = windowed;
        let Judged { located, lut, quality } = decoded.judged;
        let Located { looked, found, geometry, .. } = located;
        let bits = self.config.window.bits;
        let pixels = self.resizer.resize_on(scale, &pixels, region, &geometry, bits);
        let window = lut.used;
        Ok(Sample { facts: looked.facts, window, found, geometry, quality, pixels })
    }
}
