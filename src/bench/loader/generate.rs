//! Generates a release without any source files.
//!
//! A few phantoms are drawn and repeated. Every image has its number in its first pixels, so that
//! no two are the same. Everything else is as `preprocess` writes it: the release is complete, and
//! `verify` accepts it.

use std::path::{Path, PathBuf};

use rayon::prelude::*;

use crate::config::{Compression, Config, ShardFormat};
use crate::dataset::{Job, Role, folds};
use crate::error::Fault;
use crate::image::Plane;
use crate::image::{Geometry, Orientation, Pixels, Side};
use crate::preprocess::columns;
use crate::preprocess::decode::DecoderName;
use crate::preprocess::plan;
use crate::preprocess::quality::Quality;
use crate::preprocess::read::{
    Display, Header, Photometric, PixelLayout, SourceFacts, TransferSyntax,
};
use crate::preprocess::resize::Resizer;
use crate::preprocess::roi::{Found, RoiMethod};
use crate::preprocess::rows::SampleWriter;
use crate::preprocess::stages::{Facts, Sample};
use crate::preprocess::window::{WindowSource, WindowUsed};
use crate::record::{Density, Id, ImageRecord, Laterality, Split, View};
use crate::shard::Shape;
use crate::shard::flags::Flags;
use crate::shard::image;
use crate::shard::manifest::{Counts, Entry, FORMAT_VERSION, Manifest, PIXEL_VERSION, PlanFacts};
use crate::shard::notes::Notes;
use crate::shard::release::Release;
use crate::shard::sources::Listed;
use crate::shard::writer;
use crate::store;
use crate::synth::{Layout, PhantomSpec, phantom};

/// The release to generate.
#[derive(Debug, Clone, PartialEq)]
pub struct Spec {
    /// Number of images: four per patient; one patient in ten has cancer in her left breast.
    pub images: usize,
    /// Rows of an image.
    pub height: usize,
    /// Columns of an image.
    pub width: usize,
    /// Bits per pixel: 8 or 16.
    pub bits: u8,
    /// Format of the shards.
    pub format: ShardFormat,
    /// Compression of the pixels; the format's default if `None`.
    pub compression: Option<Compression>,
    /// Images per shard.
    pub shard_rows: usize,
}

impl Default for Spec {
    /// 512 images with the default settings of a release.
    fn default() -> Self {
        let config = Config::default();
        Self {
            images: 512,
            height: config.resize.height,
            width: config.resize.width,
            bits: config.window.bits,
            format: config.shard.format,
            compression: config.shard.compression,
            shard_rows: config.shard.rows,
        }
    }
}

/// Number of phantoms.
const PHANTOMS: usize = 16;

/// 16-bit phantoms, from which releases of one image size are written.
pub struct Pictures {
    images: Vec<Picture>,
}

struct Picture {
    image: Plane<u16>,
    geometry: Geometry,
    source: (usize, usize),
}

impl Pictures {
    /// Draws the phantoms.
    pub fn new(height: usize, width: usize) -> Self {
        let draw = |index: usize| picture(index, height, width);
        Self { images: (0..PHANTOMS).into_par_iter().map(draw).collect() }
    }
}

fn picture(index: usize, height: usize, width: usize) -> Picture {
    let view = if index.is_multiple_of(2) { View::Cc } else { View::Mlo };
    let laterality = if index % 4 < 2 { Laterality::Left } else { Laterality::Right };
    let mut spec = PhantomSpec::example(Layout::Label, view, laterality, index as u64);
    spec.divisor = (spec.machine.rows / height).clamp(1, 32);
    let drawn = phantom(&spec);
    let side = match laterality {
        Laterality::Left => Side::Left,
        Laterality::Right => Side::Right,
    };
    let fit = Config::default().resize.fit;
    let size = (width, height);
    let geometry = Geometry::new(drawn.breast, size, fit, Some(side), Orientation::Kept);
    let pixels = drawn.pixels.pixels();
    let (low, high) = pixels.iter().fold((u16::MAX, 0), |(a, b), v| (a.min(*v), b.max(*v)));
    let scale = 65_535.0 / f32::from((high - low).max(1));
    let grey = drawn.pixels.map(|v| (f32::from(v - low) * scale) as u16);
    let image = match Resizer::default().resize(&grey, drawn.breast.into(), &geometry, 16) {
        Pixels::U16(image) => image,
        Pixels::U8(_) => unreachable!("the output has 16 bits"),
    };
    Picture { image, geometry, source: (grey.width(), grey.height()) }
}

impl Pictures {
    /// Writes the release of `spec` into `folder`, which is new or empty.
    ///
    /// # Errors
    /// [`ReleaseError::NotARelease`](crate::shard::ReleaseError::NotARelease), [`ReleaseError::Shard`](crate::shard::ReleaseError::Shard), [`Fault::Io`].
    ///
    /// # Panics
    /// If `spec` has another image size than the pictures.
    pub fn write(&self, folder: &Path, spec: &Spec) -> Result<(), Fault> {
        let mut config = Config { output: folder.into(), ..Config::default() };
        (config.resize.height, config.resize.width) = (spec.height, spec.width);
        config.window.bits = spec.bits;
        config.shard.format = spec.format;
        config.shard.compression = spec.compression;
        config.shard.rows = spec.shard_rows;
        config.check()?;

        let records: Vec<ImageRecord> = (0..spec.images).map(record).collect();
        let roles = folds::assign(records.iter().map(Into::into), &config.folds)?;
        let audit = folds::audit(records.iter().map(Into::into), &roles, &config.folds)?;
        let facts = PlanFacts {
            format_version: FORMAT_VERSION,
            pixel_version: PIXEL_VERSION,
            settings: plan::settings(&config),
            table_sha256: store::sha256(b""),
            listing_sha256: store::sha256(b""),
            images: spec.images,
            bytes: 0,
            missing: 0,
            strays: 0,
        };
        let release =
            Release::open(folder, &facts, Listed { input: folder, files: &[], key: None })?;
        let rows: Vec<(ImageRecord, Role)> = records.into_iter().zip(roles).collect();
        let shards: Vec<Entry> = rows
            .par_chunks(spec.shard_rows)
            .enumerate()
            .map(|(shard, rows)| self.shard(&release, &config, shard, rows))
            .collect::<Result<_, Fault>>()?;
        let counts = Counts { listed: spec.images, written: spec.images, ..Counts::default() };
        release.complete(&Manifest {
            plan_sha256: facts.sha256(),
            plan: facts,
            tool: env!("CARGO_PKG_VERSION").into(),
            counts,
            columns: image::columns(&columns::schema(&Shape::of(&config))),
            folds: serde_json::to_value(&audit).expect("plain data becomes JSON"),
            shards,
            quarantine_sha256: release.write_quarantine(&[])?,
        })
    }

    fn shard(
        &self,
        release: &Release,
        config: &Config,
        shard: usize,
        rows: &[(ImageRecord, Role)],
    ) -> Result<Entry, Fault> {
        let file = release.start(shard, writer::extension(config.shard.format))?;
        let mut writer = SampleWriter::new(file, &config.shard, Shape::of(config))?;
        let first = shard * config.shard.rows;
        for (index, (record, role)) in rows.iter().enumerate() {
            writer.push(self.sample(first + index, record, *role, config.window.bits))?;
        }
        let (file, rows) = writer.close()?;
        let entry = Entry {
            shard,
            first,
            planned: rows,
            file: None,
            rows,
            bytes: 0,
            sha256: String::new(),
            rejected: Vec::new(),
            notes: Default::default(),
        };
        release.commit(entry, Some(file))
    }

    fn sample(&self, index: usize, record: &ImageRecord, role: Role, bits: u8) -> Sample {
        let Picture { image, geometry, source } = &self.images[index % self.images.len()];
        let mut image = image.clone();
        for (place, pixel) in image.pixels_mut().iter_mut().take(4).enumerate() {
            *pixel = 257 * (index >> (8 * place) & 255) as u16;
        }
        let pixels = match bits {
            8 => Pixels::U8(image.map(|v| (v >> 8) as u8)),
            _ => Pixels::U16(image),
        };
        let relative = format!("{}/{}.dcm", record.patient_id, record.image_id);
        let job = Job {
            record: record.clone(),
            role,
            path: PathBuf::from(&relative),
            name: relative.clone(),
            relative,
            bytes: 0,
        };
        Sample {
            facts: Facts {
                job,
                file: SourceFacts { bytes: 0, read: 0, sha256: None },
                header: header(*source, record),
                spacing: None,
                decoder: DecoderName::Native,
                notes: Notes::default(),
            },
            window: WindowUsed {
                source: WindowSource::Minmax,
                function: None,
                center: None,
                width: None,
                index: None,
            },
            found: Found {
                breast: geometry.crop,
                method: RoiMethod::Air,
                confidence: 1.0,
                chest_wall: None,
                air: None,
                picture: geometry.crop,
            },
            geometry: *geometry,
            quality: Quality {
                air_share: None,
                entropy_bits: 7.0,
                saturated_share: 0.0,
                seam: 0.0,
                surplus_bytes: 0,
                box_confidence: 1.0,
                flags: Flags::default(),
            },
            pixels,
        }
    }
}

fn record(index: usize) -> ImageRecord {
    let id = |number: usize| Id::new(&number.to_string()).expect("digits are a name");
    let (patient, image) = (index / 4, index % 4);
    let left = image < 2;
    let cancer = left && patient % 10 == 3;
    ImageRecord {
        split: Split::Train,
        line: index as u64 + 2,
        site_id: Some(1 + patient as i64 % 2),
        laterality: Some(if left { Laterality::Left } else { Laterality::Right }),
        view: Some(if image % 2 == 0 { View::Cc } else { View::Mlo }),
        age: Some(40.0 + (patient % 40) as f32),
        cancer: Some(cancer),
        biopsy: Some(cancer),
        invasive: Some(cancer && patient % 20 == 3),
        birads: Some(i64::from(!cancer)),
        implant: Some(false),
        density: Some([Density::A, Density::B, Density::C, Density::D][patient % 4]),
        machine_id: Some(49),
        difficult_negative_case: Some(false),
        ..ImageRecord::unlabelled(id(10_000 + patient), id(1_000_000 + index))
    }
}

fn header((columns, rows): (usize, usize), record: &ImageRecord) -> Header {
    Header {
        syntax: TransferSyntax::ExplicitLittleEndian,
        layout: PixelLayout {
            rows: rows as u16,
            columns: columns as u16,
            bits_allocated: 16,
            bits_stored: 12,
            high_bit: 11,
            signed: false,
            samples_per_pixel: 1,
            photometric: Photometric::Monochrome2,
            frames: 1,
        },
        display: Display::default(),
        spacing: None,
        laterality: record.laterality,
        view: record.view.clone(),
        manufacturer: None,
        model: None,
        intent: None,
        burned_in: false,
        chest_wall: None,
        overlay_bits: 0,
        notes: Notes::default(),
    }
}
