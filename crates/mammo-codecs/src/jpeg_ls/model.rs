//! The model that encoder and decoder of JPEG-LS share (T.87 Annex A): parameters, contexts,
//! prediction.
//!
//! Encoding and decoding differ in the bits alone; both follow this model sample by sample. Errors
//! are in units of `2 NEAR + 1` and reduced modulo `RANGE`.

/// The parameters of a scan (T.87 C.2.4.1), within their bounds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Parameters {
    /// MAXVAL: the largest sample.
    pub max: i32,
    /// NEAR: the largest error of a decoded sample; 0 is lossless.
    pub near: i32,
    /// T1, T2, T3: where gradients change their class.
    pub thresholds: [i32; 3],
    /// RESET: the number of samples after which a context halves its counts.
    pub reset: u32,
}

impl Parameters {
    /// The defaults (T.87 C.2.4.1.1.1) for samples up to `max`; `near` is at most half of it.
    pub fn with_defaults(max: u16, near: u8) -> Self {
        let (max, near) = (i32::from(max), i32::from(near));
        let basic = |basic: i32, offset: i32, errors: i32| {
            if max >= 128 {
                let factor = (max.min(4095) + 128) / 256;
                factor * (basic - offset) + offset + errors * near
            } else {
                let factor = 256 / (max + 1);
                (basic / factor + errors * near).max(offset)
            }
        };
        let clamp =
            |value: i32, least: i32| if value > max || value < least { least } else { value };
        let t1 = clamp(basic(3, 2, 3), near + 1);
        let t2 = clamp(basic(7, 3, 5), t1);
        let t3 = clamp(basic(21, 4, 7), t2);
        Self { max, near, thresholds: [t1, t2, t3], reset: 64 }
    }
}

/// The state of encoder or decoder.
pub(crate) struct Model {
    pub parameters: Parameters,
    /// 2 NEAR + 1.
    pub step: i32,
    /// RANGE: the number of different errors.
    pub range: i32,
    /// qbpp: the number of bits that hold any error.
    pub range_bits: u32,
    /// LIMIT: the longest code of an error.
    pub limit: u32,
    /// The class of a gradient, -4 to 4, at the gradient plus T3; beyond T3 it no longer changes.
    classes: Vec<i8>,
    contexts: [Context; 365],
    /// By whether the samples at both sides of the run's end are alike.
    interruptions: [Interruption; 2],
    /// RUNindex: follows the length of recent runs.
    pub run_index: usize,
}

/// J: the logarithm of a run's length by run index.
pub(crate) const RUN_LENGTH_BITS: [u32; 32] = [
    0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7, 8, 9, 10, 11, 12, 13,
    14, 15,
];

impl Model {
    pub fn new(parameters: Parameters) -> Self {
        let Parameters { max, near, thresholds: [t1, t2, t3], .. } = parameters;
        let step = 2 * near + 1;
        let range = (max + 2 * near) / step + 1;
        let range_bits = (range as u32).next_power_of_two().trailing_zeros();
        let sample_bits = ((max + 1) as u32).next_power_of_two().trailing_zeros().max(2);
        let classes = (-t3..=t3).map(|gradient| {
            let class = match gradient.abs() {
                size if size <= near => 0,
                size if size < t1 => 1,
                size if size < t2 => 2,
                size if size < t3 => 3,
                _ => 4,
            };
            if gradient < 0 { -class } else { class }
        });
        Self {
            parameters,
            step,
            range,
            range_bits,
            limit: 2 * (sample_bits + sample_bits.max(8)),
            classes: classes.collect(),
            contexts: [Context::new(range); 365],
            interruptions: [Interruption::new(range); 2],
            run_index: 0,
        }
    }

    /// Resets all contexts, as after a restart marker.
    pub fn reset(&mut self) {
        self.contexts = [Context::new(self.range); 365];
        self.interruptions = [Interruption::new(self.range); 2];
        self.run_index = 0;
    }

    /// The context of a sample with a on its left, b above it, c and d above at both sides:
    /// -364 to 364, the sign saying that errors are mirrored. 0 begins a run.
    #[inline(always)]
    pub fn context(&self, [a, b, c, d]: [u16; 4]) -> i32 {
        let [_, _, t3] = self.parameters.thresholds;
        let class = |from: u16, to: u16| {
            let gradient = (i32::from(to) - i32::from(from)).clamp(-t3, t3);
            i32::from(self.classes[(gradient + t3) as usize])
        };
        81 * class(b, d) + 9 * class(c, b) + class(a, c)
    }

    /// The prediction of a sample in `context` (A.4): the median edge detector's, corrected by
    /// what the context has learnt.
    #[inline(always)]
    pub fn predict(&self, context: i32, [a, b, c, _]: [u16; 4]) -> i32 {
        let (a, b, c) = (i32::from(a), i32::from(b), i32::from(c));
        let median = if c >= a.max(b) {
            a.min(b)
        } else if c <= a.min(b) {
            a.max(b)
        } else {
            a + b - c
        };
        let correction = i32::from(self.contexts[context.unsigned_abs() as usize].correction);
        (median + context.signum() * correction).clamp(0, self.parameters.max)
    }

    /// The context of errors outside runs.
    #[inline(always)]
    pub fn regular(&mut self, context: i32) -> &mut Context {
        &mut self.contexts[context.unsigned_abs() as usize]
    }

    /// The context of the sample that ends a run.
    pub fn interruption(&mut self, alike: bool) -> &mut Interruption {
        &mut self.interruptions[usize::from(alike)]
    }

    /// Whether two samples count as equal.
    #[inline(always)]
    pub fn alike(&self, a: u16, b: u16) -> bool {
        i32::from(a.abs_diff(b)) <= self.parameters.near
    }

    /// The sample that an error makes of its prediction (A.4.5 and A.8): modulo RANGE, clamped.
    #[inline(always)]
    pub fn reconstruct(&self, predicted: i32, error: i32) -> u16 {
        let Parameters { max, near, .. } = self.parameters;
        let mut sample = predicted + error * self.step;
        if sample < -near {
            sample += self.range * self.step;
        } else if sample > max + near {
            sample -= self.range * self.step;
        }
        sample.clamp(0, max) as u16
    }

    /// Expects longer runs.
    pub fn lengthen_runs(&mut self) {
        self.run_index = (self.run_index + 1).min(31);
    }

    /// Expects shorter runs.
    pub fn shorten_runs(&mut self) {
        self.run_index = self.run_index.saturating_sub(1);
    }
}

/// The statistics of errors in one context: A, B, C and N of A.6.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Context {
    magnitude: u32,
    bias: i32,
    correction: i8,
    count: u32,
}

impl Context {
    fn new(range: i32) -> Self {
        Self { magnitude: first_magnitude(range), bias: 0, correction: 0, count: 1 }
    }

    /// k: the number of low bits of an error that are written as they are (A.5.1).
    #[inline(always)]
    pub fn low_bits(&self) -> u32 {
        low_bits(self.magnitude, self.count)
    }

    /// Whether the mapping of errors is inverted, because negative ones are more likely (A.5.2).
    #[inline(always)]
    pub fn mapped_inversely(&self, low_bits: u32, near: i32) -> bool {
        near == 0 && low_bits == 0 && 2 * self.bias <= -(self.count as i32)
    }

    /// Updates the statistics with an error (A.6).
    #[inline(always)]
    pub fn learn(&mut self, error: i32, step: i32, reset: u32) {
        self.bias += error * step;
        self.magnitude += error.unsigned_abs();
        if self.count == reset {
            self.magnitude >>= 1;
            self.bias >>= 1;
            self.count >>= 1;
        }
        self.count += 1;
        let count = self.count as i32;
        if self.bias <= -count {
            self.bias = (self.bias + count).max(1 - count);
            self.correction = self.correction.saturating_sub(1);
        } else if self.bias > 0 {
            self.bias = (self.bias - count).min(0);
            self.correction = self.correction.saturating_add(1);
        }
    }
}

/// The statistics of the samples that end runs: A, N and Nn of A.7.2.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Interruption {
    magnitude: u32,
    count: u32,
    negative: u32,
}

impl Interruption {
    fn new(range: i32) -> Self {
        Self { magnitude: first_magnitude(range), count: 1, negative: 0 }
    }

    /// k, as for other errors.
    pub fn low_bits(&self, alike: bool) -> u32 {
        let magnitude = if alike { self.magnitude + (self.count >> 1) } else { self.magnitude };
        low_bits(magnitude, self.count)
    }

    /// Whether an error of this sign is written as the odd one of a pair.
    pub fn is_odd(&self, negative: bool, low_bits: u32) -> bool {
        negative == (low_bits != 0 || 2 * self.negative >= self.count)
    }

    /// Updates the statistics with an error that was written as `mapped`.
    pub fn learn(&mut self, error: i32, mapped: u32, alike: bool, reset: u32) {
        self.negative += u32::from(error < 0);
        self.magnitude += (mapped + 1 - u32::from(alike)) >> 1;
        if self.count == reset {
            self.magnitude >>= 1;
            self.count >>= 1;
            self.negative >>= 1;
        }
        self.count += 1;
    }
}

fn first_magnitude(range: i32) -> u32 {
    ((range as u32 + 32) / 64).max(2)
}

#[inline(always)]
fn low_bits(magnitude: u32, count: u32) -> u32 {
    let mut bits = 0;
    while count << bits < magnitude {
        bits += 1;
    }
    bits
}
