//! The settings, and their checks.
//!
//! Settings (`pipeline.yaml`) decide what is in a release and how a network is trained;
//! command-line flags decide how one run behaves. The commented `pipeline.yaml` at the root of the
//! repository lists every default; a test keeps it equal to [`Config::default`].

pub mod augment;
pub mod kind;
mod load;
mod dataset_preset;
pub mod presets;
pub mod reference;
pub mod sampling;
mod tables;
pub mod train;

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::record::{Laterality, Split};
use crate::units::PixelSpacing;

pub use augment::{
    AffineConfig, AugmentConfig, AugmentError, CropConfig, CutoutConfig, IntensityConfig,
    NoiseConfig,
};
pub use dataset_preset::DatasetPreset;
pub(crate) use load::distance;
pub use load::{ConfigError, Loaded, Origin, load, load_layers, of_settings};
pub use presets::Preset;
pub use sampling::Sampling;
pub use tables::{
    OutcomeConfig, PatientFrom, RowOf, SeveralRows, TableConfig, Tolerance, UnknownValues,
};
pub use train::TrainConfig;

/// All settings, as given by the user.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Folder that the release is written to.
    pub output: PathBuf,
    /// The images and their table.
    pub dataset: DatasetConfig,
    /// How patients are assigned to folds.
    pub folds: FoldsConfig,
    /// How pixel data are decoded to stored values.
    pub decode: DecodeConfig,
    /// How stored values become grey levels.
    pub window: WindowConfig,
    /// Which part of the image is kept.
    pub roi: RoiConfig,
    /// Pixel spacing for files that do not have one.
    pub spacing: SpacingConfig,
    /// Size of the output images.
    pub resize: ResizeConfig,
    /// How the release is stored.
    pub shard: ShardConfig,
    /// Limits of a run: memory, rejected images.
    pub limits: LimitsConfig,
    /// How a network is trained on the release.
    pub train: TrainConfig,
}

/// The `dataset` section.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DatasetConfig {
    /// Folder of the images and tables; `path` starts from it.
    pub input: PathBuf,
    /// The dataset whose settings are the defaults.
    pub preset: DatasetPreset,
    /// Table of the training images; `train.csv` in `input` if `None`.
    pub train_csv: Option<PathBuf>,
    /// Table of the test images; `test.csv` in `input` if `None`.
    pub test_csv: Option<PathBuf>,
    /// Which tables to use.
    pub split: SplitChoice,
    /// Path of an image, below `input`, with `{split}`, `{patient_id}` and `{image_id}` filled in.
    pub path: String,
    /// Beginning of the cells that `path` names which is not below `input`, such as
    /// `/mnt/data/images`.
    pub strip_prefix: String,
    /// The column with the UID of an image or of its series, by which headers tell the file of a
    /// row; `None`: the path tells it.
    pub uid_column: Option<String>,
    /// Differences between the table's ids and the files' names that are tolerated.
    pub tolerate: Vec<Tolerance>,
    /// Whether rows without a file are expected.
    pub allow_missing: bool,
    /// The files of the table, if it is not one CSV file for each split.
    pub tables: Vec<TableConfig>,
    /// Whether there is no table: every file is an image without a label.
    pub no_table: bool,
    /// What gives the patient where there is no table.
    pub patient_from: PatientFrom,
    /// File with the key of the hashes of `patient_from: header`. It belongs outside the release.
    pub patient_key: Option<PathBuf>,
    /// Whether the release names source files by their paths; otherwise by a keyed hash.
    pub keep_paths: bool,
    /// The encoding of the tables, by its name on the web.
    pub encoding: String,
    /// The column that says the split of a row, `train` or `test`.
    pub split_column: Option<String>,
    /// What one row of the table describes.
    pub row_of: RowOf,
    /// What is done with several rows of one image.
    pub several_rows: SeveralRows,
    /// Maps our column names to those of the table, where they differ.
    pub columns: BTreeMap<String, String>,
    /// Maps the cells of a column to what they mean, by column and cell; `null` means missing.
    pub values: BTreeMap<String, BTreeMap<String, Value>>,
    /// What is done with a cell that is not understood.
    pub unknown_values: UnknownValues,
    /// A condition that stands for the label where the table has none, such as `BIRADS >= 4`.
    pub label: Option<String>,
    /// The time within which an outcome belongs to an exam; any time if `None`.
    pub outcome: Option<OutcomeConfig>,
    /// The columns of a lesion's box: left, top, right and bottom in source pixels.
    pub boxes: Vec<String>,
    /// Series descriptions of files that are no mammograms, such as crops and masks.
    pub leave_out: Vec<String>,
    /// Further columns of the table to copy into the release as text.
    pub extra_columns: Vec<String>,
}

/// Which tables to use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[allow(missing_docs)]
pub enum SplitChoice {
    Train,
    Test,
    Both,
}

impl SplitChoice {
    /// The splits chosen, in the order of the release.
    pub fn splits(self) -> &'static [Split] {
        match self {
            Self::Train => &[Split::Train],
            Self::Test => &[Split::Test],
            Self::Both => &[Split::Train, Split::Test],
        }
    }
}

/// The `folds` section.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FoldsConfig {
    /// How folds are formed.
    pub scheme: FoldScheme,
    /// Number of folds under `patient`; the other schemes have one fold per site or machine.
    pub count: u16,
    /// Seed of the assignment.
    pub seed: u64,
    /// Columns to stratify by.
    pub stratify: Vec<Stratum>,
    /// Share of the patients in the locked split, which is in no fold and never trained on.
    pub locked_share: f64,
    /// Keep at most this many negative patients for each positive one, chosen by seed.
    pub negatives_per_positive: Option<f64>,
}

/// How folds are formed. Under every scheme, a patient is in one fold only.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FoldScheme {
    /// `count` folds of patients.
    Patient,
    /// One fold per site: leave one site out.
    Site,
    /// One fold per machine: leave one machine out.
    Machine,
}

/// A column that folds can be stratified by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs)]
pub enum Stratum {
    Cancer,
    SiteId,
    MachineId,
    Density,
}

/// The `decode` section.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DecodeConfig {
    /// Precision of JPEG 2000 decoding.
    pub precision: Precision,
    /// Wavelet levels of JPEG 2000 left out (each halves the image), 0 to 5.
    pub reduce: u8,
    /// How much of a file is read.
    pub read: Reading,
    /// Largest image accepted, in pixels.
    pub max_pixels: usize,
}

/// How much of a file is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Reading {
    /// The whole file, so that its hash is known and any damage in its structure is found.
    Whole,
    /// Only the needed beginning of JPEG 2000 files, if wavelet levels are left out.
    Prefix,
}

/// Precision of JPEG 2000 decoding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Precision {
    /// Every stored value, bit for bit.
    Exact,
    /// Only the bit-planes that an 8-bit output can show: no pixel differs by more than one grey
    /// level.
    Display,
    /// Even fewer bit-planes: differences of more than one level are unlikely, but possible.
    Fast,
}

/// The `window` section.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WindowConfig {
    /// Source of the grey scale.
    pub mode: WindowMode,
    /// Index of the file's window to use, from 0; the last window if it has fewer.
    pub index: usize,
    /// Percentiles that `percentile` maps to black and to white.
    pub percentiles: [f64; 2],
    /// Bits per output pixel, 8 or 16.
    pub bits: u8,
}

/// Source of the grey scale.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum WindowMode {
    /// The file's VOI LUT or window, by PS3.3 C.11.2.
    Dicom,
    /// The image's own range, padding and air left out.
    Minmax,
    /// The image's own percentiles, padding and air left out.
    Percentile,
}

/// The `roi` section.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RoiConfig {
    /// The kept part of the frame.
    pub extent: RoiExtent,
    /// Margin around the breast on every side, as a share of the frame's width.
    pub margin: f64,
    /// The same in millimetres at the breast, instead of `margin`; needs a spacing.
    pub margin_mm: Option<f64>,
    /// Flip images so that all breasts look like this side; `None`: no flip.
    pub flip_to: Option<Laterality>,
    /// Shape of the crop.
    pub aspect: Aspect,
}

/// The kept part of the frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RoiExtent {
    /// The box around the breast.
    Breast,
    /// The whole frame; the breast's box is still found and stored.
    Whole,
}

/// Shape of the crop.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Aspect {
    /// The shape of the breast's box.
    Free,
    /// Enlarged to the aspect ratio of the output, as far as the frame allows.
    Output,
}

/// The `spacing` section.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SpacingConfig {
    /// Pixel spacing at the breast by `machine_id`, for machines whose files have none.
    pub by_machine: BTreeMap<String, PixelSpacing>,
}

/// The `resize` section.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ResizeConfig {
    /// Rows of an output image.
    pub height: usize,
    /// Columns of an output image.
    pub width: usize,
    /// How the crop is resized to that size.
    pub fit: Fit,
    /// How source pixels make an output pixel.
    pub filter: ResizeFilter,
}

/// How source pixels make an output pixel.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ResizeFilter {
    /// The mean over the area that the output pixel covers (OpenCV's `INTER_AREA`); linear
    /// between pixel centres where an axis grows.
    #[default]
    Area,
    /// A windowed sinc over three output pixels either way: sharper, and it overshoots at edges.
    Lanczos3,
    /// A triangle over one output pixel either way: softer.
    Bilinear,
}

/// How the crop is resized to the output size.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Fit {
    /// Keeps the aspect ratio; the rest is filled with air.
    Pad,
    /// Stretches the crop to fill the output.
    Stretch,
}

/// The `shard` section.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ShardConfig {
    /// File format.
    pub format: ShardFormat,
    /// Images per shard.
    pub rows: usize,
    /// Compression of the pixels; if `None`, zstd for Parquet and no compression for tensors.
    pub compression: Option<Compression>,
    /// Compression level of zstd.
    pub level: i32,
}

/// File format of the shards.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ShardFormat {
    /// Parquet, with one page per image.
    Parquet,
    /// Arrow IPC with a fixed-shape tensor, for memory mapping.
    Tensor,
}

/// Compression of the pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[allow(missing_docs)]
pub enum Compression {
    None,
    Lz4,
    Zstd,
}

/// The `limits` section. It changes no pixel.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LimitsConfig {
    /// Memory limit for images being processed, in MiB.
    pub memory_mb: usize,
    /// Stop if more than this share of the images so far is rejected (checked from 200 images on).
    pub max_rejected_share: f64,
    /// How often a file is read again that the machine could not read.
    pub retries: usize,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            output: "release".into(),
            dataset: DatasetConfig {
                input: ".".into(),
                preset: DatasetPreset::Rsna,
                train_csv: None,
                test_csv: None,
                split: SplitChoice::Train,
                path: "{split}_images/{patient_id}/{image_id}.dcm".into(),
                strip_prefix: String::new(),
                uid_column: None,
                tolerate: Vec::new(),
                allow_missing: false,
                tables: Vec::new(),
                no_table: false,
                patient_from: PatientFrom::Path,
                patient_key: None,
                keep_paths: true,
                encoding: "utf-8".into(),
                split_column: None,
                row_of: RowOf::Image,
                several_rows: SeveralRows::Refuse,
                columns: BTreeMap::new(),
                values: BTreeMap::new(),
                unknown_values: UnknownValues::Error,
                label: None,
                outcome: None,
                boxes: Vec::new(),
                leave_out: Vec::new(),
                extra_columns: Vec::new(),
            },
            folds: FoldsConfig {
                scheme: FoldScheme::Patient,
                count: 5,
                seed: 42,
                stratify: vec![Stratum::Cancer, Stratum::SiteId],
                locked_share: 0.0,
                negatives_per_positive: None,
            },
            decode: DecodeConfig {
                precision: Precision::Exact,
                reduce: 0,
                read: Reading::Whole,
                max_pixels: 100_000_000,
            },
            window: WindowConfig {
                mode: WindowMode::Dicom,
                index: 0,
                percentiles: [0.5, 99.5],
                bits: 8,
            },
            roi: RoiConfig {
                extent: RoiExtent::Breast,
                margin: 0.01,
                margin_mm: None,
                flip_to: None,
                aspect: Aspect::Free,
            },
            spacing: SpacingConfig { by_machine: BTreeMap::new() },
            resize: ResizeConfig {
                height: 1024,
                width: 512,
                fit: Fit::Pad,
                filter: ResizeFilter::Area,
            },
            shard: ShardConfig {
                format: ShardFormat::Parquet,
                rows: 256,
                compression: None,
                level: 1,
            },
            limits: LimitsConfig { memory_mb: 2048, max_rejected_share: 0.5, retries: 3 },
            train: TrainConfig::default(),
        }
    }
}

impl Config {
    /// Every setting that is a path on this machine.
    fn paths_mut(&mut self) -> impl Iterator<Item = &mut PathBuf> {
        let dataset = &mut self.dataset;
        let tables = dataset.train_csv.iter_mut().chain(&mut dataset.test_csv);
        [&mut self.output, &mut dataset.input].into_iter().chain(tables)
    }

    /// Checks that all values are allowed.
    ///
    /// # Errors
    /// [`ConfigError::Value`] for the first value that is not.
    pub fn check(&self) -> Result<(), ConfigError> {
        let bad = |key: &'static str, found: String, needed: &'static str| {
            Err(ConfigError::Value { key, found, needed })
        };
        let (low, high) = (self.window.percentiles[0], self.window.percentiles[1]);
        match self {
            c if !matches!(c.dataset.boxes.len(), 0 | 4) => bad(
                "dataset.boxes",
                format!("[{}]", c.dataset.boxes.join(", ")),
                "four columns: left, top, right and bottom",
            ),
            c if c.folds.count < 2 => bad("folds.count", c.folds.count.to_string(), "2 or more"),
            c if !(0.0..1.0).contains(&c.folds.locked_share) => {
                bad("folds.locked_share", c.folds.locked_share.to_string(), "0 up to below 1")
            }
            c if c.folds.negatives_per_positive.is_some_and(|n| n.is_nan() || n <= 0.0) => bad(
                "folds.negatives_per_positive",
                format!("{:?}", c.folds.negatives_per_positive),
                "more than 0",
            ),
            c if c.decode.reduce > 5 => bad("decode.reduce", c.decode.reduce.to_string(), "0 to 5"),
            c if c.decode.precision != Precision::Exact && c.window.bits != 8 => bad(
                "decode.precision",
                format!("{:?} with window.bits 16", c.decode.precision).to_lowercase(),
                "exact: the others may be off by one level of 8 bits, which are 257 of 16",
            ),
            c if c.decode.precision != Precision::Exact
                && c.resize.filter != ResizeFilter::Area =>
            {
                bad(
                    "decode.precision",
                    format!("{:?} with resize.filter {:?}", c.decode.precision, c.resize.filter)
                        .to_lowercase(),
                    "exact: that the others are within one level is shown for resize.filter area \
                     alone",
                )
            }
            c if c.decode.max_pixels == 0 => bad("decode.max_pixels", "0".into(), "1 or more"),
            c if !matches!(c.window.bits, 8 | 16) => {
                bad("window.bits", c.window.bits.to_string(), "8 or 16")
            }
            _ if !(0.0 <= low && low < high && high <= 100.0) => bad(
                "window.percentiles",
                format!("[{low}, {high}]"),
                "two percentiles, the lower first, within 0 to 100",
            ),
            c if !(0.0..=0.5).contains(&c.roi.margin) => {
                bad("roi.margin", c.roi.margin.to_string(), "a share of the width, 0 to 0.5")
            }
            c if c.roi.margin_mm.is_some_and(|m| !(0.0..=500.0).contains(&m)) => {
                bad("roi.margin_mm", format!("{:?}", c.roi.margin_mm), "0 to 500 mm")
            }
            c if !c.spacing.by_machine.values().all(PixelSpacing::is_plausible) => {
                let found = c.spacing.by_machine.values().find(|spacing| !spacing.is_plausible());
                let found = found.map(|s| format!("{} x {} mm", s.row.0, s.column.0));
                let needed = "row and column of 0.001 to 10 mm";
                bad("spacing.by_machine", found.unwrap_or_default(), needed)
            }
            c if !(16..=16_384).contains(&c.resize.height) => {
                bad("resize.height", c.resize.height.to_string(), "16 to 16384")
            }
            c if !(16..=16_384).contains(&c.resize.width) => {
                bad("resize.width", c.resize.width.to_string(), "16 to 16384")
            }
            c if !(1..=1_000_000).contains(&c.shard.rows) => {
                bad("shard.rows", c.shard.rows.to_string(), "1 to 1000000")
            }
            c if !(1..=22).contains(&c.shard.level) => {
                bad("shard.level", c.shard.level.to_string(), "1 to 22")
            }
            c if c.limits.memory_mb < 64 => {
                bad("limits.memory_mb", c.limits.memory_mb.to_string(), "64 or more")
            }
            c if !(0.0..=1.0).contains(&c.limits.max_rejected_share) => {
                bad("limits.max_rejected_share", c.limits.max_rejected_share.to_string(), "0 to 1")
            }
            c if c.limits.retries > 100 => {
                bad("limits.retries", c.limits.retries.to_string(), "0 to 100")
            }
            _ => self.train.check(),
        }
    }
}
