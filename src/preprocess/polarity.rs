//! Finds images whose air is brighter than their tissue: negatives, by a wrong Photometric
//! Interpretation, and raw images, in which air is bright.
//!
//! In: the look, linear in the stored value, with what the header takes for the breast bright. Out:
//! whether it is a negative. The header is not asked.
//!
//! Air is the largest even area, most often along three sides of the frame. Where padding takes its
//! place, the skin tells: the breast grows thinner towards it, and so darker. A scanned film has a
//! white rim around its air, which is black in the negative: there the air's sides are those of the
//! picture inside the rim.

use crate::image::{Plane, Rect};

/// Padding on more of the frame than this stands where air would be.
const PADDED: f32 = 0.05;
/// Fewer samples than this tell nothing.
const FEW: usize = 500;
/// How much brighter the skin is than the tissue behind it in a negative, as a share of the spread
/// of all tissue. On 10 real images -3.3 to -0.14, on their negatives 0.14 to 3.3.
const BRIGHTER: f32 = 0.1;
/// Air takes more of the frame than this.
const AIR: f32 = 0.15;
/// Air takes less of the range of values than this, of 256.
const EVEN: usize = 40;
/// A film's rim takes less than this share of the longer side.
const RIM: f32 = 0.03;
/// It is dark on more of the four sides than this, in the negative.
const RIMMED: f32 = 0.3;

/// Whether air is brighter than tissue.
pub fn is_inverted(linear: &Plane<u16>, padding: Option<&Plane<bool>>) -> bool {
    let is_padding = |i: usize| padding.is_some_and(|padding| padding.pixels()[i]);
    let counts = Counts::of(linear, &is_padding);
    if counts.all < FEW {
        return false;
    }
    let padded = linear.pixels().len() - counts.all;
    if padded as f32 > PADDED * linear.pixels().len() as f32 {
        let spread = counts.at(0.95) - counts.at(0.05);
        return skin(linear, &is_padding).is_some_and(|step| step > BRIGHTER * spread.max(1.0));
    }
    has_bright_air(linear, &counts) || is_negative_film(linear, &counts, &is_padding)
}

/// Whether the image inside a dark rim has bright air.
fn is_negative_film(
    linear: &Plane<u16>,
    counts: &Counts,
    is_padding: &dyn Fn(usize) -> bool,
) -> bool {
    let (width, height) = (linear.width(), linear.height());
    let rim = (width.max(height) as f32 * RIM) as usize + 1;
    if width.min(height) <= 4 * rim {
        return false;
    }
    let whole = Rect::whole(width, height);
    let inner = Rect { left: rim, top: rim, width: width - 2 * rim, height: height - 2 * rim };
    let (low, high) = (counts.at(0.005), counts.at(0.995));
    let lie = |rect, range: std::ops::Range<f32>| {
        let at = |value: u16| (f32::from(value) - low) / (high - low).max(1.0);
        share(sides(linear, rect).map(|value| range.contains(&at(value))))
    };
    // All others are through here.
    if lie(whole, f32::MIN..0.1) <= RIMMED || lie(inner, 0.5..f32::MAX) <= RIMMED {
        return false;
    }
    let picture = linear.part(inner);
    let in_whole = |i: usize| (rim + i / inner.width) * width + rim + i % inner.width;
    let counts = Counts::of(&picture, &|i| is_padding(in_whole(i)));
    counts.all >= FEW && has_bright_air(&picture, &counts)
}

/// The samples along the four sides of a part.
fn sides(linear: &Plane<u16>, part: Rect) -> impl Iterator<Item = u16> + '_ {
    let columns = part.left..part.right();
    let rows = [part.top, part.bottom() - 1].into_iter();
    let rows = rows.flat_map(move |y| linear.row(y)[columns.clone()].iter().copied());
    let columns = [part.left, part.right() - 1];
    rows.chain((part.top..part.bottom()).flat_map(move |y| columns.map(|x| linear.row(y)[x])))
}

/// How often each value occurs outside padding.
struct Counts {
    of: Vec<u32>,
    all: usize,
}

impl Counts {
    fn of(linear: &Plane<u16>, is_padding: &dyn Fn(usize) -> bool) -> Self {
        let mut of = vec![0; 1 << 16];
        let mut all = 0;
        for (i, &value) in linear.pixels().iter().enumerate() {
            if !is_padding(i) {
                of[usize::from(value)] += 1;
                all += 1;
            }
        }
        Self { of, all }
    }

    /// The value that this share of the samples does not exceed.
    fn at(&self, share: f32) -> f32 {
        let rank = (f64::from(share) * self.all as f64) as usize;
        let mut below = 0;
        let reached = self.of.iter().position(|&count| {
            below += count as usize;
            below > rank
        });
        reached.unwrap_or(self.of.len() - 1) as f32
    }
}

/// How much brighter the samples beside padding are than those further inside; `None` if there are
/// too few.
fn skin(linear: &Plane<u16>, is_padding: &dyn Fn(usize) -> bool) -> Option<f32> {
    /// Samples from the padding inwards.
    const EDGE: std::ops::Range<usize> = 1..4;
    const INSIDE: std::ops::Range<usize> = 15..40;
    let width = linear.width();
    let (mut edge, mut inside) = (Vec::new(), Vec::new());
    for y in 0..linear.height() {
        let row = linear.row(y);
        let mut x = 0;
        while x < width {
            let start = x;
            while x < width && !is_padding(y * width + x) {
                x += 1;
            }
            let run = &row[start..x];
            // Where a run begins or ends at the frame, the breast goes on beyond it.
            if run.len() >= INSIDE.end {
                if start > 0 {
                    edge.extend(&run[EDGE]);
                    inside.extend(&run[INSIDE]);
                }
                if x < width {
                    let inwards = |range: std::ops::Range<usize>| {
                        run.len() - range.end..run.len() - range.start
                    };
                    edge.extend(&run[inwards(EDGE)]);
                    inside.extend(&run[inwards(INSIDE)]);
                }
            }
            x += 1;
        }
    }
    (edge.len() >= FEW / 5).then(|| median(&mut edge) - median(&mut inside))
}

fn median(values: &mut [u16]) -> f32 {
    let middle = values.len() / 2;
    f32::from(*values.select_nth_unstable(middle).1)
}

/// Whether the most frequent value and its neighbours are an even area along the frame's sides, with
/// nearly all other values below it.
fn has_bright_air(linear: &Plane<u16>, values: &Counts) -> bool {
    let (low, high) = (values.at(0.005), values.at(0.995));
    // An image of one value has no air that could be told from tissue.
    if high - low < 64.0 {
        return false;
    }
    let level =
        |value: u16| ((f32::from(value) - low) / (high - low) * 255.0).clamp(0.0, 255.0) as usize;
    let mut counts = [0_usize; 256];
    for (value, &count) in values.of.iter().enumerate() {
        counts[level(value as u16)] += count as usize;
    }
    let around = |i: usize| counts[i.saturating_sub(1)..(i + 2).min(256)].iter().sum::<usize>();
    let Some(middle) = (0..256).max_by_key(|&i| around(i)) else { return false };
    // Air of one value fills one level, and the levels beside it have as much around them.
    let near = middle.saturating_sub(1)..(middle + 2).min(256);
    let mode = near.max_by_key(|&i| counts[i]).unwrap_or(middle);
    // The area goes on as long as its values are not rare.
    let is_frequent = |i: &usize| counts[*i] * 20 >= counts[mode];
    let first = (0..mode).rev().take_while(is_frequent).last().unwrap_or(mode);
    let last = (mode + 1..256).take_while(is_frequent).last().unwrap_or(mode);
    let all = values.all as f32;
    let of = |part: &[usize]| part.iter().sum::<usize>() as f32 / all;
    let (air, brighter, darker) =
        (of(&counts[first..=last]), of(&counts[last + 1..]), of(&counts[..first]));
    if air <= AIR || last - first > EVEN || darker <= 0.05 || darker <= 4.0 * brighter {
        return false;
    }
    // An implant may be as large and even. It lies at one side, and air at the others.
    let whole = Rect::whole(linear.width(), linear.height());
    let frame: Vec<usize> = sides(linear, whole).map(level).collect();
    let bright = share(frame.iter().map(|level| (first..=last).contains(level)));
    let dark = share(frame.iter().map(|level| *level < 26));
    bright > 0.2 && bright > 2.0 * dark
}

fn share(all: impl Iterator<Item = bool>) -> f32 {
    let (all, are) = all.fold((0, 0), |(all, are), is| (all + 1, are + usize::from(is)));
    are as f32 / all.max(1) as f32
}

#[cfg(test)]
mod tests {
    use super::*;

    const WIDTH: usize = 320;
    const HEIGHT: usize = 400;

    fn depth(i: usize) -> f32 {
        let (x, y) = ((i % WIDTH) as f32, (i / WIDTH) as f32);
        1.0 - (x / 150.0).powi(2) - ((y - 190.0) / 160.0).powi(2)
    }

    /// A breast at the left edge, darker towards its skin, over air of about 500.
    fn sound() -> Plane<u16> {
        let value = |i: usize| {
            let grain = ((i as u32).wrapping_mul(2_654_435_761) >> 26) as f32;
            let tissue = 4000.0 + 30_000.0 * depth(i).min(0.6) + 40.0 * grain;
            if depth(i) > 0.0 { tissue as u16 } else { 500 + grain as u16 }
        };
        Plane::new(WIDTH, HEIGHT, (0..WIDTH * HEIGHT).map(value).collect())
    }

    fn negative() -> Plane<u16> {
        sound().map(|value| u16::MAX - value)
    }

    #[test]
    fn a_negative_is_told_by_its_air() {
        assert!(!is_inverted(&sound(), None));
        assert!(is_inverted(&negative(), None));
        let even = negative().map(|value| if *value > u16::MAX - 600 { u16::MAX } else { *value });
        assert!(is_inverted(&even, None), "air of one value");
    }

    #[test]
    fn a_negative_whose_air_is_padding_is_told_by_its_skin() {
        let is_air = (0..WIDTH * HEIGHT).map(|i| depth(i) <= 0.0).collect();
        let padding = Plane::new(WIDTH, HEIGHT, is_air);
        assert!(!is_inverted(&sound(), Some(&padding)));
        assert!(is_inverted(&negative(), Some(&padding)));
    }

    #[test]
    fn a_white_implant_a_spot_view_and_a_blank_frame_are_no_negatives() {
        let mut implant = sound();
        for (i, value) in implant.pixels_mut().iter_mut().enumerate() {
            if depth(i) > 0.15 {
                *value = u16::MAX;
            }
        }
        assert!(!is_inverted(&implant, None));
        let spot = sound().map(|value| 20_000 + value / 8);
        let inside =
            Plane::new(60, 100, (0..6000).map(|i| spot.row(140 + i / 60)[i % 60]).collect());
        assert!(!is_inverted(&inside, None));
        assert!(!is_inverted(&Plane::new(WIDTH, HEIGHT, vec![500; WIDTH * HEIGHT]), None));
    }
}
