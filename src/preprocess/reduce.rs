//! How many halvings a look takes.

/// The longer side of a look has at most this many samples: enough for a skin line, small
/// enough that looking costs little.
const LONGER_SIDE: usize = 1024;

/// The fewest of an image's wavelet `levels` that are left out by a look or by an output that
/// leaves out `reduce`. `frame` is the image's columns and rows.
pub fn least(frame: (usize, usize), levels: u8, reduce: u8) -> u8 {
    halvings(frame).min(reduce).min(levels)
}

/// Halvings until the longer side is short enough.
pub fn halvings((columns, rows): (usize, usize)) -> u8 {
    let longer = rows.max(columns);
    (0..16).find(|r| longer.div_ceil(1 << r) <= LONGER_SIDE).expect("2^16 / 2^15 is 2")
}
