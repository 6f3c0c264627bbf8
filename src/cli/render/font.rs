//! A font of capitals, digits and a few signs, 3 pixels wide and 5 high, for captions.

use crate::image::Plane;

/// The step from one letter to the next, and from one line to the next, in pixels before scaling.
const ADVANCE: usize = 4;

/// The height of a letter, in pixels before scaling.
pub const HEIGHT: usize = 5;

/// The rows of a letter from the top, three bits each.
#[rustfmt::skip]
fn rows(letter: char) -> u16 {
    match letter {
        'A' => 0b010_101_111_101_101, 'B' => 0b110_101_110_101_110, 'C' => 0b011_100_100_100_011,
        'D' => 0b110_101_101_101_110, 'E' => 0b111_100_110_100_111, 'F' => 0b111_100_110_100_100,
        'G' => 0b011_100_101_101_011, 'H' => 0b101_101_111_101_101, 'I' => 0b111_010_010_010_111,
        'J' => 0b001_001_001_101_010, 'K' => 0b101_101_110_101_101, 'L' => 0b100_100_100_100_111,
        'M' => 0b101_111_111_101_101, 'N' => 0b110_101_101_101_101, 'O' => 0b010_101_101_101_010,
        'P' => 0b110_101_110_100_100, 'Q' => 0b010_101_101_110_011, 'R' => 0b110_101_110_101_101,
        'S' => 0b011_100_010_001_110, 'T' => 0b111_010_010_010_010, 'U' => 0b101_101_101_101_111,
        'V' => 0b101_101_101_101_010, 'W' => 0b101_101_111_111_101, 'X' => 0b101_101_010_101_101,
        'Y' => 0b101_101_010_010_010, 'Z' => 0b111_001_010_100_111,
        '0' => 0b111_101_101_101_111, '1' => 0b010_110_010_010_111, '2' => 0b110_001_010_100_111,
        '3' => 0b110_001_010_001_110, '4' => 0b101_101_111_001_001, '5' => 0b111_100_110_001_110,
        '6' => 0b011_100_111_101_111, '7' => 0b111_001_010_010_010, '8' => 0b111_101_111_101_111,
        '9' => 0b111_101_111_001_110,
        '.' => 0b000_000_000_000_010, ',' => 0b000_000_000_010_100, ':' => 0b000_010_000_010_000,
        '-' => 0b000_000_111_000_000, '+' => 0b000_010_111_010_000, '/' => 0b001_001_010_100_100,
        '_' => 0b000_000_000_000_111, '=' => 0b000_111_000_111_000, '%' => 0b101_001_010_100_101,
        '(' => 0b001_010_010_010_001, ')' => 0b100_010_010_010_100,
        _ => 0,
    }
}

/// Writes `text` in white at (`left`, `top`). Each pixel of a letter becomes `scale` x `scale`
/// pixels; what lies outside the plane is not drawn.
pub fn write(text: &str, left: usize, top: usize, scale: usize, onto: &mut Plane<u8>) {
    for (i, letter) in text.chars().enumerate() {
        let rows = rows(letter.to_ascii_uppercase());
        for bit in (0..15).filter(|bit| rows >> (14 - bit) & 1 == 1) {
            let x = left + (i * ADVANCE + bit % 3) * scale;
            let y = top + bit / 3 * scale;
            for y in y..(y + scale).min(onto.height()) {
                let width = onto.width();
                onto.row_mut(y)[x.min(width)..(x + scale).min(width)].fill(255);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_caption_reads_from_left_to_right_and_stops_at_the_edge() {
        let mut page = Plane::new(9, 6, vec![0; 54]);
        write("l-Z", 1, 1, 1, &mut page);
        let drawn: Vec<String> = page
            .rows()
            .map(|row| row.iter().map(|&v| if v == 0 { '.' } else { '#' }).collect())
            .collect();
        assert_eq!(
            drawn,
            [".........", ".#.......", ".#.......", ".#...###.", ".#.......", ".###.....",]
        );
    }
}
