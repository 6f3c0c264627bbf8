//! The colour scale of heat maps: matplotlib's `inferno` (Smith and van der Walt, CC0). Its
//! lightness rises evenly, so that it adds no contours and is readable in grey and by colour-blind
//! readers.

use crate::image::picture::Rgb;

/// The colours at 0, 1/16, ... 1, linear between:
/// `[[round(255 * x) for x in matplotlib.colormaps['inferno'](i / 16)[:3]] for i in range(17)]`
const INFERNO: [Rgb; 17] = [
    [0, 0, 4],
    [11, 7, 36],
    [33, 12, 74],
    [61, 9, 101],
    [87, 16, 110],
    [113, 25, 110],
    [138, 34, 106],
    [163, 44, 97],
    [188, 55, 84],
    [210, 70, 68],
    [228, 90, 49],
    [241, 115, 29],
    [249, 142, 9],
    [252, 172, 17],
    [249, 203, 53],
    [242, 234, 105],
    [252, 255, 164],
];

/// The colour of a value of the map, 0 to 1; values outside are clamped.
pub fn inferno(heat: f32) -> Rgb {
    let at = heat.clamp(0.0, 1.0) * (INFERNO.len() - 1) as f32;
    let below = (at as usize).min(INFERNO.len() - 2);
    let share = at - below as f32;
    let mix = |i: usize| {
        let (low, high) = (f32::from(INFERNO[below][i]), f32::from(INFERNO[below + 1][i]));
        (low + share * (high - low) + 0.5) as u8
    };
    [mix(0), mix(1), mix(2)]
}

#[cfg(test)]
mod tests {
    use super::*;

    /// CIE 1976 L*, 0 to 100, of an sRGB colour.
    fn lightness(rgb: Rgb) -> f64 {
        let linear = rgb.map(|value| {
            let value = f64::from(value) / 255.0;
            if value <= 0.04045 { value / 12.92 } else { ((value + 0.055) / 1.055).powf(2.4) }
        });
        let y = 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2];
        if y > 0.008_856 { 116.0 * y.cbrt() - 16.0 } else { 903.3 * y }
    }

    #[test]
    fn lightness_rises_in_even_steps() {
        let lightness: Vec<f64> = (0..=40).map(|i| lightness(inferno(i as f32 / 40.0))).collect();
        for pair in lightness.windows(2) {
            let step = pair[1] - pair[0];
            // 2.45 on average.
            assert!((1.0..3.6).contains(&step), "a step of {step} in {lightness:?}");
        }
    }

    #[test]
    fn what_lies_between_two_colours_is_mixed_of_them() {
        assert_eq!(inferno(0.5), [188, 55, 84]);
        assert_eq!(inferno(1.5 / 16.0), [22, 10, 55]);
        assert_eq!((inferno(-1.0), inferno(2.0)), ([0, 0, 4], [252, 255, 164]));
    }
}
