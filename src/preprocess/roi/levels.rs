//! Finds levels that may be air in the histogram of an image, and thresholds for tissue.

use crate::image::Plane;

/// Grey values counted in 512 to 1023 equal bins.
#[derive(Debug, Clone, Default)]
pub struct Histogram {
    counts: Vec<u32>,
    /// A bin holds `2^shift` values.
    shift: u32,
    total: u32,
}

/// A level that may be air, and the thresholds that follow from it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Levels {
    /// The most frequent value of the air.
    pub air: u16,
    /// Above this value a pixel is certainly not air.
    pub sure: u16,
    /// Above this value a pixel next to tissue is tissue: thin, faint skin.
    pub faint: u16,
    /// Bright tissue: 95 % of the pixels that are not air lie below.
    pub bright: u16,
}

/// A tissue pixel is at least this much brighter than air, as a share of the tissue's range. On
/// eight real images of four machines, half and four times this value give the same box within 1 %
/// of the frame; skin starts at about 3 %.
const SURE: f32 = 0.02;
/// The same for the faint end of the skin, next to certain tissue.
const FAINT: f32 = 0.006;
/// The air's own variation, in standard deviations, that counts as air: far from the breast...
const SURE_DEVIATIONS: f32 = 4.0;
/// ... and next to it.
const FAINT_DEVIATIONS: f32 = 2.5;

impl Histogram {
    /// Counts the pixels of `image`. Reuses its memory.
    pub fn count(&mut self, image: &Plane<u16>) {
        let most = image.pixels().iter().fold(0, |a, &b| a.max(b));
        self.shift = (u16::BITS - most.leading_zeros()).saturating_sub(10);
        let bins = (usize::from(most) >> self.shift) + 1;
        // Neighbours are often alike. Counted in turn, none waits for the one before it.
        let [mut first, mut second, mut third, mut fourth]: [Vec<u32>; 4] =
            std::array::from_fn(|_| vec![0; bins]);
        let fours = image.pixels().chunks_exact(4);
        for v in fours.remainder() {
            first[usize::from(v >> self.shift)] += 1;
        }
        for four in fours {
            first[usize::from(four[0] >> self.shift)] += 1;
            second[usize::from(four[1] >> self.shift)] += 1;
            third[usize::from(four[2] >> self.shift)] += 1;
            fourth[usize::from(four[3] >> self.shift)] += 1;
        }
        self.counts.clear();
        let all = |bin: usize| first[bin] + second[bin] + third[bin] + fourth[bin];
        self.counts.extend((0..bins).map(all));
        self.total = self.counts.iter().sum();
    }

    /// The value that `share` of the pixels in bins from `first` on do not exceed.
    pub fn quantile(&self, first: usize, share: f32) -> u16 {
        let above = &self.counts[first.min(self.counts.len())..];
        let wanted = (above.iter().sum::<u32>() as f32 * share) as u32;
        let mut seen = 0;
        let at = above.iter().position(|&n| {
            seen += n;
            seen > wanted
        });
        self.value(first + at.unwrap_or(above.len()))
    }

    /// The dark peaks that may be air, darkest first, at most three.
    ///
    /// A film has several: the light box's shutters, the unexposed rim, the air.
    pub fn air(&self) -> Vec<Levels> {
        let span = (self.bin(self.quantile(0, 0.999)) + 1).max(8);
        let reach = span / 100;
        let mass: Vec<u32> = (0..self.counts.len())
            .map(|bin| {
                let end = (bin + reach + 1).min(self.counts.len());
                self.counts[bin.saturating_sub(reach)..end].iter().sum()
            })
            .collect();
        let enough = (self.total / 40).max(1);
        let mut peaks: Vec<usize> = Vec::new();
        for bin in (0..(span * 2 / 3).min(mass.len())).filter(|&bin| mass[bin] >= enough) {
            let same_hill = |last: usize| {
                let lower = mass[last].min(mass[bin]);
                mass[last..bin].iter().all(|&m| m * 2 > lower)
            };
            match peaks.last_mut() {
                Some(last) if same_hill(*last) => {
                    if mass[bin] > mass[*last] {
                        *last = bin;
                    }
                }
                _ => peaks.push(bin),
            }
        }
        peaks.truncate(3);
        let levels = |peak| self.levels(self.mode(peak, reach), self.deviation(&mass, peak), span);
        peaks.into_iter().map(levels).collect()
    }

    /// The standard deviation of the air, in bins, estimated from its flanks. Scatter and skin
    /// widen the bright flank, clouds on a film the dark one, so the narrower flank is used.
    fn deviation(&self, mass: &[u32], peak: usize) -> f32 {
        // 95 % below its peak, a normal distribution is 2.45 deviations away from it.
        let fallen = |m: &u32| *m * 20 < mass[peak];
        let bright = mass[peak..].iter().position(fallen).map_or(f32::MAX, |b| b as f32 / 2.45);
        let dark = mass[..=peak].iter().rev().position(fallen).map(|b| b as f32 / 2.45);
        // Air that is the darkest of all has no dark flank, or one without width.
        // Counted with its neighbours, for an image of 8 bits leaves most levels empty.
        let width = mass[..=peak].iter().rev().take_while(|n| **n > 0).count();
        dark.unwrap_or(f32::MAX).min(bright).min(width as f32)
    }

    /// The fullest bin within `reach` of `bin`.
    fn mode(&self, bin: usize, reach: usize) -> usize {
        let first = bin.saturating_sub(reach);
        let near = &self.counts[first..(bin + reach + 1).min(self.counts.len())];
        let fullest = near.iter().enumerate().rev().max_by_key(|(_, n)| **n);
        first + fullest.map_or(0, |(at, _)| at)
    }

    fn levels(&self, peak: usize, deviation: f32, span: usize) -> Levels {
        let bright = self.bin(self.quantile(peak + span / 50 + 1, 0.95)).max(peak + 1);
        let range = (bright - peak) as f32;
        let above = |share: f32, deviations: f32| {
            let bins = (share * range).max(deviations * deviation).min(0.3 * range);
            let value = (peak as f32 + bins) * (1u32 << self.shift) as f32;
            (value as u16).max(self.value(peak))
        };
        Levels {
            air: self.value(peak),
            sure: above(SURE, SURE_DEVIATIONS),
            faint: above(FAINT, FAINT_DEVIATIONS),
            bright: self.value(bright),
        }
    }

    fn bin(&self, value: u16) -> usize {
        usize::from(value >> self.shift)
    }

    fn value(&self, bin: usize) -> u16 {
        u16::try_from(bin << self.shift).unwrap_or(u16::MAX)
    }
}
