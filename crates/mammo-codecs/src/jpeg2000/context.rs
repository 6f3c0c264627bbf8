//! Context tables (ISO/IEC 15444-1, D.3), over the nine bits of a 3x3 neighbourhood in rows
//! from the upper left; bit 4 is the coefficient itself.

/// Table D.1 by orientation (LL, HL, LH, HH): contexts 0 to 8.
pub static ZERO_CONTEXTS: [[u8; 512]; 4] = {
    let mut table = [[0; 512]; 4];
    let mut near = 0;
    while near < 512 {
        let h = (near >> 3 & 1) + (near >> 5 & 1);
        let v = (near >> 1 & 1) + (near >> 7 & 1);
        let d = (near & 1) + (near >> 2 & 1) + (near >> 6 & 1) + (near >> 8 & 1);
        table[0][near] = along(h, v, d);
        table[1][near] = along(v, h, d);
        table[2][near] = table[0][near];
        table[3][near] = diagonal(h + v, d);
        near += 1;
    }
    table
};

/// Columns of Table D.1 for LL and LH; HL has the two directions swapped.
const fn along(h: usize, v: usize, d: usize) -> u8 {
    match (h, v, d) {
        (2, ..) => 8,
        (1, 1.., _) => 7,
        (1, 0, 1..) => 6,
        (1, 0, 0) => 5,
        (_, 2, _) => 4,
        (_, 1, _) => 3,
        (_, _, 2..) => 2,
        (_, _, 1) => 1,
        _ => 0,
    }
}

/// The column of Table D.1 for HH.
const fn diagonal(hv: usize, d: usize) -> u8 {
    match (d, hv) {
        (3.., _) => 8,
        (2, 1..) => 7,
        (2, _) => 6,
        (1, 2..) => 5,
        (1, 1) => 4,
        (1, _) => 3,
        (_, 2..) => 2,
        (_, 1) => 1,
        _ => 0,
    }
}

/// What a table's entry says beside the context: that the decision is a sign, or that it is
/// inverted.
pub const SIGN: u8 = 0x40;
pub const INVERTED: u8 = 0x80;

/// [`ZERO_CONTEXTS`] of an orientation, and behind them, from [`SIGNS`] on, [`SIGN_CONTEXTS`].
pub type Tables = [u8; 768];
pub const SIGNS: usize = 512;
pub static TABLES: [Tables; 4] = {
    let mut tables = [[0; 768]; 4];
    let mut orientation = 0;
    while orientation < 4 {
        let mut i = 0;
        while i < 512 {
            tables[orientation][i] = ZERO_CONTEXTS[orientation][i];
            tables[orientation][SIGNS + i % 256] = SIGN | SIGN_CONTEXTS[i % 256];
            i += 1;
        }
        orientation += 1;
    }
    tables
};

/// Tables D.2 and D.3: context 9 to 13, and in bit 7 whether the decision is inverted. The
/// index has significance of the upper, left, right and lower neighbour in bits 1, 3, 5, 7,
/// and in the bit below each whether it is negative.
pub static SIGN_CONTEXTS: [u8; 256] = {
    let mut table = [0; 256];
    let mut i = 0;
    while i < 256 {
        let h = contribution(i >> 2) + contribution(i >> 4);
        let v = contribution(i) + contribution(i >> 6);
        table[i] = match (h.signum(), v.signum()) {
            (1, 1) => 13,
            (1, 0) => 12,
            (1, -1) => 11,
            (0, 1) => 10,
            (0, 0) => 9,
            (0, -1) => 10 | 0x80,
            (-1, 1) => 11 | 0x80,
            (-1, 0) => 12 | 0x80,
            _ => 13 | 0x80,
        };
        i += 1;
    }
    table
};

const fn contribution(bits: usize) -> i32 {
    match bits & 3 {
        2 => 1,
        3 => -1,
        _ => 0,
    }
}
