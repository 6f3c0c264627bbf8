//! Random numbers for initial weights and drop-path, decided by a seed alone.
//!
//! The crate has its own generator, of a few lines, because its numbers decide the losses of a
//! training run: no other crate's next version may change them.

/// A stream of random numbers (SplitMix64; Steele, Lea and Flood 2014).
#[derive(Debug, Clone)]
pub struct Random(u64);

impl Random {
    /// The stream of a seed.
    pub fn new(seed: u64) -> Self {
        let mut random = Self(seed);
        random.next();
        random
    }

    /// The seed of a separate stream for each `name`.
    pub fn seed_of(seed: u64, name: u64) -> u64 {
        Self(seed ^ name.wrapping_mul(0xD6E8_FEB8_6659_FD93)).next()
    }

    /// 64 random bits.
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// True with this probability.
    pub fn chance(&mut self, probability: f32) -> bool {
        ((self.next() >> 40) as f32 / (1_u64 << 24) as f32) < probability
    }

    /// Mean 0, standard deviation 1, by Box and Muller: the tails matter where millions are drawn.
    pub fn normal(&mut self) -> f64 {
        let unit = |random: &mut Self| ((random.next() >> 11) as f64 + 0.5) / (1_u64 << 53) as f64;
        let radius = (-2.0 * unit(self).ln()).sqrt();
        radius * (std::f64::consts::TAU * unit(self)).cos()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The first numbers of seed 1234567 in the reference implementation
    /// (https://prng.di.unimi.it/splitmix64.c); `new` has dropped the first.
    #[test]
    fn the_stream_is_that_of_the_reference_implementation() {
        let mut random = Random::new(1_234_567);
        let found = [(); 3].map(|()| random.next());
        let expected =
            [3_203_168_211_198_807_973, 9_817_491_932_198_370_423, 4_593_380_528_125_082_431];
        assert_eq!(found, expected);
    }

    #[test]
    fn normal_numbers_have_mean_zero_and_deviation_one() {
        let mut random = Random::new(7);
        let drawn: Vec<f64> = (0..100_000).map(|_| random.normal()).collect();
        let mean = drawn.iter().sum::<f64>() / 1e5;
        let variance = drawn.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / 1e5;
        assert!(mean.abs() < 0.02 && (variance - 1.0).abs() < 0.02, "{mean} {variance}");
    }
}
