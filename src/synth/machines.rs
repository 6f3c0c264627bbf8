//! The machines of the dataset: the size, coding and window of each one's files.
//!
//! Files of 21, 29, 93 and 216 are written like the real ones. Of 49 the size and the bytes per
//! file are known. The others have not been seen; they are stated guesses that add what other
//! archives contain: bare codestreams in several fragments, RLE, JPEG-LS, native values, restart
//! markers.

use super::coding::Coding;

/// A mammography machine, by the table's `machine_id`.
#[derive(Debug, PartialEq)]
pub struct Machine {
    /// The id in the table.
    pub id: i64,
    /// The site's id in the table.
    pub site: i64,
    /// Rows at full size.
    pub rows: usize,
    /// Columns at full size.
    pub columns: usize,
    /// The distance between detector elements at full size, in millimetres. No file contains it.
    pub pitch: f32,
    /// Bits Stored.
    pub bits: u32,
    /// The coding of its files, unless another one is asked for.
    pub coding: Coding,
    /// The mapping of stored values to grey levels.
    pub grey: Grey,
    /// The stored values outside the breast.
    pub air: Air,
    /// Standard deviation of the quantum noise at full size, in stored values.
    pub noise: f32,
    /// The number of its patients among RSNA's 11,913.
    pub patients: f32,
    /// Its prevalence of cancer, relative to that of the whole dataset.
    pub cancer: f32,
    /// The share of its patients with implants.
    pub implants: f32,
    /// The share of images with a burned-in label.
    pub label: f32,
    /// The share of images with the shadow of a small paddle's edge.
    pub paddle: f32,
    /// The share of images that are scanned films.
    pub film: f32,
}

/// The mapping of stored values to grey levels: photometric interpretation and windows.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Grey {
    /// MONOCHROME2 and one fixed LINEAR window.
    Linear {
        /// Window Center.
        centre: f32,
        /// Window Width.
        width: f32,
    },
    /// MONOCHROME2 and three SIGMOID windows around the image's own centre.
    Sigmoid {
        /// Window Center: the smallest and the largest.
        centre: (f32, f32),
    },
    /// MONOCHROME1 and four SIGMOID windows.
    InvertedSigmoid {
        /// Window Center.
        centre: f32,
        /// Window Width.
        width: f32,
    },
}

/// The stored values of air.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Air {
    /// 0, which Pixel Padding Value repeats.
    Zero,
    /// The image's maximum, which differs by image; Pixel Padding Value repeats it.
    Maximum {
        /// The smallest and the largest maximum.
        value: (f32, f32),
    },
    /// Noise around a level, without Pixel Padding Value.
    Noise {
        /// Its mean.
        level: f32,
        /// Its standard deviation.
        deviation: f32,
    },
}

impl Machine {
    /// The machine with an id.
    pub fn of(id: i64) -> Option<&'static Self> {
        ALL.iter().chain([&ONLY_IN_TEST]).find(|machine| machine.id == id)
    }
}

const LARGE: Machine = Machine {
    id: 49,
    site: 1,
    rows: 4096,
    columns: 3328,
    pitch: 0.07,
    bits: 12,
    coding: Coding::JpegLosslessSv1,
    grey: Grey::Linear { centre: 2047.0, width: 4096.0 },
    air: Air::Zero,
    noise: 80.0,
    patients: 4589.0,
    cancer: 1.233,
    implants: 0.034,
    label: 0.1,
    paddle: 0.05,
    film: 0.0,
};

const SMALL: Machine = Machine {
    id: 216,
    site: 1,
    rows: 2294,
    columns: 1914,
    pitch: 0.1,
    bits: 12,
    coding: Coding::JpegLosslessSv1,
    grey: Grey::Sigmoid { centre: (2670.0, 2730.0) },
    air: Air::Noise { level: 300.0, deviation: 24.0 },
    noise: 24.0,
    patients: 386.0,
    cancer: 0.198,
    implants: 0.0,
    label: 0.0,
    paddle: 0.0,
    film: 0.0,
};

/// The machines of the training set.
pub const ALL: [Machine; 10] = [
    LARGE,
    Machine {
        id: 48,
        site: 2,
        rows: 3328,
        columns: 2560,
        pitch: 0.07,
        coding: Coding::Jpeg2000Fragments,
        patients: 2074.0,
        cancer: 0.972,
        implants: 0.0,
        ..LARGE
    },
    Machine {
        id: 29,
        site: 2,
        rows: 5355,
        columns: 4915,
        pitch: 0.05,
        bits: 16,
        coding: Coding::Jpeg2000,
        grey: Grey::InvertedSigmoid { centre: 1802.31, width: 1091.97 },
        air: Air::Maximum { value: (3060.0, 3260.0) },
        noise: 29.0,
        patients: 2021.0,
        cancer: 0.92,
        implants: 0.0,
        label: 0.0,
        paddle: 0.6,
        film: 0.0,
    },
    Machine {
        id: 21,
        site: 2,
        rows: 2776,
        columns: 2082,
        pitch: 0.085,
        coding: Coding::Jpeg2000,
        grey: Grey::Linear { centre: 2048.0, width: 4096.0 },
        patients: 2000.0,
        cancer: 0.885,
        implants: 0.0,
        label: 0.6,
        paddle: 0.0,
        ..LARGE
    },
    Machine {
        id: 93,
        rows: 3062,
        columns: 2394,
        grey: Grey::Sigmoid { centre: (3100.0, 3180.0) },
        air: Air::Zero,
        patients: 388.0,
        cancer: 0.345,
        ..SMALL
    },
    SMALL,
    Machine {
        id: 210,
        coding: Coding::JpegLosslessSv1Restart,
        patients: 234.0,
        cancer: 0.0,
        implants: 0.0,
        ..LARGE
    },
    Machine {
        id: 170,
        coding: Coding::JpegLs,
        patients: 191.0,
        cancer: 1.177,
        implants: 0.079,
        ..LARGE
    },
    Machine {
        id: 190,
        rows: 2500,
        columns: 1900,
        pitch: 0.1,
        coding: Coding::Rle,
        patients: 26.0,
        cancer: 1.629,
        implants: 0.0,
        film: 1.0,
        paddle: 0.0,
        label: 0.0,
        ..LARGE
    },
    Machine {
        id: 197,
        coding: Coding::ExplicitLittle,
        patients: 4.0,
        cancer: 0.0,
        implants: 0.0,
        ..SMALL
    },
];

/// A machine that is absent from the training set: the real test set has some.
pub const ONLY_IN_TEST: Machine = Machine {
    id: 234,
    rows: 2850,
    columns: 2394,
    coding: Coding::ExplicitLittle,
    patients: 0.0,
    ..SMALL
};
