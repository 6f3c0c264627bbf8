//! The letters of labels, as strokes.

/// The strokes of a letter in a box 4 wide and 6 high, with y downwards.
fn letter(c: char) -> &'static [&'static [[f32; 2]]] {
    match c {
        'A' => &[&[[0., 6.], [2., 0.], [4., 6.]], &[[0.8, 4.], [3.2, 4.]]],
        'C' => &[&[
            [4., 1.2],
            [3., 0.1],
            [1.2, 0.1],
            [0., 1.6],
            [0., 4.4],
            [1.2, 5.9],
            [3., 5.9],
            [4., 4.8],
        ]],
        'L' => &[&[[0., 0.], [0., 6.], [3.6, 6.]]],
        'M' => &[&[[0., 6.], [0., 0.], [2., 4.], [4., 0.], [4., 6.]]],
        'O' => &[&[
            [2., 0.],
            [0.6, 0.7],
            [0., 3.],
            [0.6, 5.3],
            [2., 6.],
            [3.4, 5.3],
            [4., 3.],
            [3.4, 0.7],
            [2., 0.],
        ]],
        'R' => &[
            &[[0., 6.], [0., 0.], [2.6, 0.], [3.8, 0.8], [3.8, 2.3], [2.6, 3.1], [0., 3.1]],
            &[[2.2, 3.1], [4., 6.]],
        ],
        'T' => &[&[[0., 0.], [4., 0.]], &[[2., 0.], [2., 6.]]],
        '-' => &[&[[1., 3.6], [3., 3.6]]],
        _ => &[],
    }
}

/// The step from one letter to the next, in heights of a letter.
const ADVANCE: f32 = 5.6 / 6.0;

/// The width of `text` with letters `size` high.
pub(super) fn width(text: &str, size: f32) -> f32 {
    size * ADVANCE * text.chars().count() as f32
}

/// The strokes of `text` with letters `size` high, from its upper left corner.
pub(super) fn strokes(text: &str, [left, top]: [f32; 2], size: f32) -> Vec<Vec<[f32; 2]>> {
    let place = |i: usize, [x, y]: [f32; 2]| {
        [left + size * (ADVANCE * i as f32 + x / 6.0), top + size * y / 6.0]
    };
    text.chars()
        .enumerate()
        .flat_map(|(i, c)| letter(c).iter().map(move |stroke| (i, stroke)))
        .map(|(i, stroke)| stroke.iter().map(|&point| place(i, point)).collect())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::View;

    #[test]
    fn every_label_can_be_written() {
        for view in [View::Cc, View::Mlo, View::Ml, View::Lm, View::Lmo, View::At] {
            let text = format!("R-{}L", view.as_str());
            assert!(text.chars().all(|c| !letter(c).is_empty()), "{text}");
        }
    }
}
