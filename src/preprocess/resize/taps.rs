//! The source pixels of each output pixel along one axis, with their weights.

/// The source pixels `first..first + count` of one output pixel. All weigh `scale`, except the
/// first with `head * scale` and the last with `tail * scale`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Tap {
    pub first: usize,
    pub count: usize,
    pub head: f32,
    pub tail: f32,
    pub scale: f32,
}

impl Tap {
    /// The index after the last pixel.
    pub fn end(&self) -> usize {
        self.first + self.count
    }
}

/// The taps of `outputs` pixels that divide `low..high` of an axis of `pixels` evenly.
pub fn taps(into: &mut Vec<Tap>, low: f64, high: f64, pixels: usize, outputs: usize) {
    let step = (high - low) / outputs as f64;
    assert!(pixels > 0 && step > 0.0, "nothing to resize: {low}..{high} of {pixels} pixels");
    into.clear();
    into.extend((0..outputs).map(|i| {
        if step > 1.0 {
            area(low + i as f64 * step, low + (i + 1) as f64 * step, pixels)
        } else {
            linear(low + (i as f64 + 0.5) * step, pixels)
        }
    }));
}

/// The mean over the part of `a..b` that lies in the image.
fn area(a: f64, b: f64, pixels: usize) -> Tap {
    let most = pixels as f64;
    let (a, b) = (a.clamp(0.0, most), b.clamp(0.0, most));
    // Rounding must not count a pixel that is touched only at its corner.
    let first = ((a + 1e-9).floor() as usize).min(pixels - 1);
    let end = ((b - 1e-9).ceil() as usize).clamp(first + 1, pixels);
    let covered = |pixel: usize| ((pixel + 1) as f64).min(b) - (pixel as f64).max(a);
    let count = end - first;
    if count == 1 {
        return Tap { first, count, head: 1.0, tail: 0.0, scale: 1.0 };
    }
    let (head, tail) = (covered(first) as f32, covered(end - 1) as f32);
    Tap { first, count, head, tail, scale: (1.0 / (b - a)) as f32 }
}

/// Interpolation between the two pixels whose centres enclose `x`.
fn linear(x: f64, pixels: usize) -> Tap {
    let from_first = (x - 0.5).clamp(0.0, (pixels - 1) as f64);
    let first = (from_first.floor() as usize).min(pixels - 1);
    let tail = (from_first - first as f64) as f32;
    if tail == 0.0 {
        return Tap { first, count: 1, head: 1.0, tail: 0.0, scale: 1.0 };
    }
    Tap { first, count: 2, head: 1.0 - tail, tail, scale: 1.0 }
}
