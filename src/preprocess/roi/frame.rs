//! Finds the frame around the picture: what a scanner, a collimator or a film's rim leaves there.
//!
//! In: the image with its darkest pixel at 0. Out: the picture's part of it. Two things are taken
//! off: a frame of constant value, dark or bright, and the white rim of a scanned film. Both end
//! abruptly, whereas air goes on behind even air, and bright tissue behind bright tissue.

use crate::image::{Plane, Rect};

use super::levels::Histogram;

/// The values of a frame differ by at most this share of the range. Noise of air is wider.
const EVEN: f32 = 0.008;
/// Wider on one side than this share of the image is no frame.
const WIDEST: f32 = 0.45;
/// A picture that is put in slightly tilted ends within this share of the image.
const TILT: f32 = 0.02;
/// Behind that, this share of the image tells whether air of the same value goes on.
const BEHIND: f32 = 0.05;
/// It does if more of it has the frame's value.
const SAME: f32 = 0.3;
/// A white rim wider on one side than this share of the image is no rim.
const RIM: f32 = 0.08;
/// From this share of the range on, a rim is white.
const WHITE: f32 = 0.85;

/// A side of the image, from which lines are counted inwards.
#[derive(Debug, Clone, Copy)]
enum Edge {
    Left,
    Right,
    Top,
    Bottom,
}

const EDGES: [Edge; 4] = [Edge::Left, Edge::Right, Edge::Top, Edge::Bottom];

/// The picture without its frame. What a tilt leaves of the frame in it becomes 0, which is air.
pub fn without_frame(image: &mut Plane<u16>, histogram: &Histogram) -> Rect {
    let mut picture = Rect::whole(image.width(), image.height());
    let range = histogram.quantile(0, 0.99);
    let mut frames = Vec::new();
    // The second round takes off what lay inside a frame, or between frames of two values.
    for edge in EDGES.into_iter().chain(EDGES) {
        if let Some(frame) = Constant::find(image, picture, edge, range) {
            picture = edge.cut(picture, frame.depth);
            frames.push((edge, frame));
        }
    }
    for (edge, frame) in frames {
        frame.blank(image, picture, edge);
    }
    let rims = EDGES.map(|edge| rim(image, picture, edge, range));
    EDGES.into_iter().zip(rims).fold(picture, |picture, (edge, depth)| edge.cut(picture, depth))
}

/// A frame of constant value along one edge.
struct Constant {
    /// The number of its lines, and one for the mixture behind them.
    depth: usize,
    value: u16,
    /// How far from `value` its pixels may be.
    even: u16,
}

impl Constant {
    fn find(image: &Plane<u16>, picture: Rect, edge: Edge, range: u16) -> Option<Self> {
        let (lines, length) = (edge.lines(picture), edge.length(picture));
        let value = edge.line(image, picture, 0).nth(length / 2)?;
        let frame = Self { depth: 0, value, even: (f32::from(range) * EVEN) as u16 };
        // Some 256 pixels of a line are enough, and reading columns is slow.
        let step = (length / 256).max(1);
        let share = |depth: usize| {
            let line = edge.line(image, picture, depth).step_by(step);
            line.filter(|&v| frame.has(v)).count() as f32 / length.div_ceil(step) as f32
        };
        let most = part(lines, WIDEST);
        let depth = (0..most).take_while(|&depth| share(depth) > 0.99).count();
        if depth == 0 || depth == most {
            return None;
        }
        let tilted = depth + part(lines, TILT) + 1;
        let behind = tilted..tilted + part(lines, BEHIND) + 1;
        let same = behind.clone().map(share).sum::<f32>() / behind.len() as f32;
        (same <= SAME).then_some(Self { depth: depth + 1, ..frame })
    }

    fn has(&self, value: u16) -> bool {
        value.abs_diff(self.value) <= self.even
    }

    /// Makes 0 of what a tilt leaves of the frame at the picture's edge.
    fn blank(&self, image: &mut Plane<u16>, picture: Rect, edge: Edge) {
        for along in 0..edge.length(picture) {
            for depth in 0..=part(edge.lines(picture), TILT) {
                let (x, y) = edge.at(picture, depth, along);
                let pixel = &mut image.row_mut(y)[x];
                if !self.has(*pixel) {
                    break;
                }
                *pixel = 0;
            }
        }
    }
}

/// A share of so many lines.
fn part(lines: usize, share: f32) -> usize {
    (lines as f32 * share) as usize
}

/// The number of white and even lines along an edge, and one for the mixture behind them.
fn rim(image: &Plane<u16>, picture: Rect, edge: Edge, range: u16) -> usize {
    let limit = part(edge.lines(picture), RIM);
    let range = f64::from(range);
    // The share of white pixels in a line, and their standard deviation.
    let white = |depth: usize| {
        let (mut count, mut sum, mut squares) = (0usize, 0.0, 0.0);
        let bright = |v: &f64| *v >= f64::from(WHITE) * range;
        for v in edge.line(image, picture, depth).map(f64::from).filter(bright) {
            count += 1;
            sum += v;
            squares += v * v;
        }
        let mean = sum / count.max(1) as f64;
        let deviation = (squares / count.max(1) as f64 - mean * mean).max(0.0).sqrt();
        (count as f64 / edge.length(picture) as f64, deviation)
    };
    let is_rim = |&depth: &usize| {
        let (share, deviation) = white(depth);
        share > 0.95 && deviation < 0.05 * range
    };
    let depth = (0..=limit).take_while(is_rim).count();
    let ends = depth > 0 && depth <= limit && white(depth + 2).0 < 0.5;
    if ends { depth + 1 } else { 0 }
}

impl Edge {
    /// The number of lines from this edge to the opposite one.
    fn lines(self, picture: Rect) -> usize {
        match self {
            Self::Left | Self::Right => picture.width,
            Self::Top | Self::Bottom => picture.height,
        }
    }

    /// The number of pixels in a line.
    fn length(self, picture: Rect) -> usize {
        match self {
            Self::Left | Self::Right => picture.height,
            Self::Top | Self::Bottom => picture.width,
        }
    }

    /// Column and row of a pixel of line `depth`.
    fn at(self, picture: Rect, depth: usize, along: usize) -> (usize, usize) {
        match self {
            Self::Left => (picture.left + depth, picture.top + along),
            Self::Right => (picture.right() - 1 - depth, picture.top + along),
            Self::Top => (picture.left + along, picture.top + depth),
            Self::Bottom => (picture.left + along, picture.bottom() - 1 - depth),
        }
    }

    /// The pixels of line `depth`.
    fn line(
        self,
        image: &Plane<u16>,
        picture: Rect,
        depth: usize,
    ) -> impl Iterator<Item = u16> + '_ {
        (0..self.length(picture)).map(move |along| {
            let (x, y) = self.at(picture, depth, along);
            image.row(y)[x]
        })
    }

    /// The picture without its outer `depth` lines.
    fn cut(self, picture: Rect, depth: usize) -> Rect {
        let Rect { left, top, width, height } = picture;
        match self {
            Self::Left => Rect { left: left + depth, width: width - depth, ..picture },
            Self::Right => Rect { width: width - depth, ..picture },
            Self::Top => Rect { top: top + depth, height: height - depth, ..picture },
            Self::Bottom => Rect { height: height - depth, ..picture },
        }
    }
}
