//! Computes how far the coefficients of a band, each off by one, can move a mean of samples along
//! one axis.
//!
//! In: a wavelet's lifting steps, a level and the length of the mean. Out: [`Axis`], sums over the
//! synthesis filters, for the worst position of the mean.

/// A wavelet's lifting steps, as factors, and the gains of its two halves.
pub struct Filter {
    /// In the order of decoding: even samples first, then odd ones, and again.
    steps: &'static [f64],
    low: f64,
    high: f64,
}

pub const REVERSIBLE: Filter = Filter { steps: &[-0.25, 0.5], low: 1.0, high: 1.0 };
pub const IRREVERSIBLE: Filter = Filter {
    steps: &[-0.443_506_852, -0.882_911_075, 0.052_980_118, 1.586_134_342],
    low: 1.230_174_105,
    high: 1.625_732_422,
};

/// How far all coefficients of one kind, each off by one, move the mean over a range of samples,
/// for the worst position of the range.
pub struct Sums {
    /// The sum of each coefficient's effect on the mean, by magnitude.
    pub signed: f64,
    /// The same if the effect through each sample is taken by magnitude.
    pub absolute: f64,
    /// The root of the sum of the squared effects.
    pub squared: f64,
}

/// The sums along one axis for the coefficients of one level.
pub struct Axis {
    pub low: Sums,
    pub high: Sums,
    /// For samples that the level produces: all of them, and those with odd number alone.
    pub each: Sums,
    pub odd: Sums,
}

impl Axis {
    pub fn new(filter: &Filter, level: u8, scale: f64) -> Self {
        // A mean over less than one sample is that sample, or lies between two.
        let scale = scale.max(1.0);
        let count = 32 + 2 * (scale / f64::from(1 << level)).ceil() as usize;
        let unit = |length: usize| -> Vec<f64> {
            let mut signal = vec![0.0; length];
            signal[length / 2] = 1.0;
            signal
        };
        let zero = || vec![0.0; count];
        let finer = |mut signal: Vec<f64>, levels: u8| {
            for _ in 0..levels {
                signal = filter.join(&signal, &vec![0.0; signal.len()]);
            }
            signal
        };
        let period = 1 << level;
        let sample = finer(unit(2 * count), level - 1);
        Self {
            low: sums(&finer(filter.join(&unit(count), &zero()), level - 1), period, scale),
            high: sums(&finer(filter.join(&zero(), &unit(count)), level - 1), period, scale),
            each: sums(&sample, period / 2, scale),
            odd: sums(&sample, period, scale),
        }
    }
}

impl Filter {
    /// One level's synthesis without rounding, of a signal that is zero around its middle.
    fn join(&self, low: &[f64], high: &[f64]) -> Vec<f64> {
        let mut signal: Vec<f64> =
            low.iter().zip(high).flat_map(|(l, h)| [l * self.low, h * self.high]).collect();
        for (i, factor) in self.steps.iter().enumerate() {
            for at in (2 - i % 2..signal.len() - 1).step_by(2) {
                signal[at] += factor * (signal[at - 1] + signal[at + 1]);
            }
        }
        signal
    }
}

/// Sums over all coefficients `period` samples apart, each with the response `response`, of their
/// effect on the mean over `length` samples.
fn sums(response: &[f64], period: usize, length: f64) -> Sums {
    // Integrals up to each sample's edge, and linear between: the mean over any stretch.
    let integral = |f: fn(f64) -> f64| -> Vec<f64> {
        let mut total = 0.0;
        let steps = response.iter().map(|&v| {
            total += f(v);
            total
        });
        std::iter::once(0.0).chain(steps).collect()
    };
    let (signed, absolute) = (integral(|v| v), integral(f64::abs));
    let up_to = |integral: &[f64], x: f64| -> f64 {
        let x = x.clamp(0.0, response.len() as f64);
        let (i, part) = (x.floor() as usize, x.fract());
        let next = integral.get(i + 1).copied().unwrap_or(integral[i]);
        integral[i] + part * (next - integral[i])
    };
    let shares = |integral: &[f64], start: f64, power: i32| -> f64 {
        let starts =
            (0..).map(|k| start + (k * period) as f64).take_while(|&s| s < response.len() as f64);
        starts
            .map(|s| {
                ((up_to(integral, s + length) - up_to(integral, s)).abs() / length).powi(power)
            })
            .sum()
    };
    // Between two places where an end of the stretch meets a sample's edge, each term is the
    // magnitude of a linear function (or its square), so the sum is greatest at such a place.
    let before = length.ceil() + period as f64;
    let places = (0..period)
        .flat_map(|i| [i as f64, i as f64 + length.ceil() - length])
        .map(|at| at - before);
    let worst = |integral: &[f64], power| {
        places.clone().map(|at| shares(integral, at, power)).fold(0.0, f64::max)
    };
    Sums {
        signed: worst(&signed, 1),
        absolute: worst(&absolute, 1),
        squared: worst(&signed, 2).sqrt(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_untouched_pixel_sees_the_filters_own_norms() {
        // At scale 1 a sample is the worst of the even and the odd ones, in the 5/3 filter
        // 1/4 + 1/4 and 1/8 + 3/4 + 1/8 of the high half, 1 and 1/2 + 1/2 of the low one.
        let axis = Axis::new(&REVERSIBLE, 1, 1.0);
        assert_eq!((axis.high.signed, axis.low.signed, axis.each.signed), (1.0, 1.0, 1.0));
    }

    #[test]
    fn a_pixel_of_whole_pairs_hardly_sees_the_finest_level() {
        // Four samples from an even one: of the high half only 1/4 on the left, 1/8 + 3/4 +
        // 1/8 - 1/4 - 1/4 within, and so on; worked out by hand as (1/4 + 1/2 + 1/4) / 4.
        let axis = Axis::new(&REVERSIBLE, 1, 4.0);
        assert_eq!(axis.high.signed, 0.25);
        assert!(axis.high.absolute > 0.7, "without cancelling, most of it is left");
    }
}
