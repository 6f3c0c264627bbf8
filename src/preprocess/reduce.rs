//! How often the image is halved to make a look.

/// The most samples on the longer side of a look: enough for a skin line, few enough to be fast.
const LONGER_SIDE: usize = 1024;

/// The number of an image's wavelet `levels` that both the look and the output leave out, if the
/// output leaves out `reduce`. `frame` is the image's columns and rows.
pub fn least(frame: (usize, usize), levels: u8, reduce: u8) -> u8 {
    halvings(frame).min(reduce).min(levels)
}

/// The number of halvings until the longer side is short enough.
pub fn halvings((columns, rows): (usize, usize)) -> u8 {
    let longer = rows.max(columns);
    (0..16).find(|r| longer.div_ceil(1 << r) <= LONGER_SIDE).expect("2^16 / 2^15 is 2")
}
