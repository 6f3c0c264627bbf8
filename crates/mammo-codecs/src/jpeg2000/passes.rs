//! The state of a code-block's coefficients, and the two raw passes that bypass the arithmetic
//! coder (ISO/IEC 15444-1, D.6).
//!
//! Each column of four in a stripe has one [`Flags`] word with the significance and the sign of the
//! column and of its neighbours. So a context needs a shift and a table look-up, and a column
//! without a significant neighbour is skipped by one test.

use super::block::Shape;
use super::context::{TABLES, Tables};

/// Six rows of three: bit `3 * (row + 1) + column + 1` says whether the coefficient in `row`
/// (-1 to 4) and `column` (-1 to 1) is significant, bit 18 higher whether it is negative.
/// From bit 36 and 48, every third bit: whether a row has been refined, and visited in the
/// plane at hand.
pub type Flags = u64;

pub const NEGATIVE: u32 = 18;
pub const REFINED: u32 = 36;
pub const VISITED: u32 = 48;
pub const SIGNIFICANT: Flags = 0x3_FFFF;
/// One bit per row, at `3 * row`.
pub const ROWS: Flags = 0b1001001001;
pub const ALL_VISITED: Flags = ROWS << VISITED;
/// The column's own significance and signs.
const OWN: Flags = ROWS << 4 | ROWS << (4 + NEGATIVE);
const TOP: Flags = 1 << 4 | 1 << (4 + NEGATIVE);
const BOTTOM: Flags = 1 << 13 | 1 << (13 + NEGATIVE);
/// The stripe's first and last row, with their neighbours to both sides.
const FIRST: Flags = 7 << 3 | 7 << (3 + NEGATIVE);
const LAST: Flags = 7 << 12 | 7 << (12 + NEGATIVE);
/// The row below the stripe.
const BELOW: Flags = 7 << 15 | 7 << (15 + NEGATIVE);

/// Columns that a significance pass takes at a time.
pub const CHUNK: usize = 16;

/// Samples of the largest code-block, its last stripe filled up.
pub const MOST: usize = 4096;

/// Coefficients of a block, and a chunk more, which a stripe's last chunk may reach into.
pub type Coefficients = [u32; MOST + 4 * CHUNK];

/// A code-block's coefficients and their state.
pub struct Field {
    /// A row of columns a stripe, filled up to whole chunks, with a column of margin each side
    /// and a stripe above and below.
    pub flags: Vec<Flags>,
    pub coefficients: Box<Coefficients>,
    pub width: usize,
    pub height: usize,
    /// Words of flags a stripe.
    pub stride: usize,
    pub tables: &'static Tables,
}

impl Default for Field {
    fn default() -> Self {
        let coefficients =
            vec![0; MOST + 4 * CHUNK].try_into().expect("a vector of as many as the array has");
        Self { flags: Vec::new(), coefficients, width: 0, height: 0, stride: 0, tables: &TABLES[0] }
    }
}

impl Field {
    /// Sets everything to zero, for a block of `shape`.
    pub fn clear(&mut self, shape: &Shape) {
        (self.width, self.height) = (shape.width, shape.height);
        self.stride = self.width.next_multiple_of(CHUNK) + 2;
        self.flags.clear();
        self.flags.resize(self.stride * (self.stripes() + 2), 0);
        let used = self.stripes() * self.width * 4;
        self.coefficients[..used].fill(0);
        self.tables = &TABLES[shape.orientation as usize];
    }

    pub fn stripes(&self) -> usize {
        self.height.div_ceil(4)
    }

    /// The columns of four that row `y` is in.
    pub fn row(&self, y: usize) -> &[[u32; 4]] {
        self.coefficients[y / 4 * self.width * 4..][..self.width * 4].as_chunks().0
    }

    /// Informs stripe `index` of coefficients that became significant in the stripe above.
    #[inline(always)]
    pub fn pull(&mut self, index: usize) {
        let (above, here) = self.flags[index * self.stride..].split_at_mut(self.stride);
        for (here, above) in here.iter_mut().zip(above) {
            *here |= (*above & LAST) >> 12;
        }
    }

    /// Informs the stripe above of coefficients that became significant in stripe `index`.
    #[inline(always)]
    pub fn push(&mut self, index: usize) {
        let (above, here) = self.flags[index * self.stride..].split_at_mut(self.stride);
        for (here, above) in here.iter().zip(above) {
            *above |= (*here & FIRST) << 12;
        }
    }

    /// The part of stripe `index` that the passes need.
    #[inline(always)]
    fn stripe(&mut self, index: usize) -> Stripe<'_> {
        let stride = self.stride;
        let (above, rest) = self.flags[index * stride..][..3 * stride].split_at_mut(stride);
        let (here, below) = rest.split_at_mut(stride);
        let rows = ROWS & ((1 << (3 * (self.height - 4 * index).min(4))) - 1);
        let columns =
            self.coefficients[index * self.width * 4..][..self.width * 4].as_chunks_mut().0;
        Stripe { above, here, below, columns, rows }
    }
}

/// Four rows of a block.
struct Stripe<'a> {
    /// Flags of this stripe and its neighbours.
    above: &'a mut [Flags],
    here: &'a mut [Flags],
    below: &'a mut [Flags],
    columns: &'a mut [[u32; 4]],
    /// The rows that exist, at `3 * row`.
    rows: Flags,
}

impl Stripe<'_> {
    /// Stores column `x`'s flags and informs its neighbours of rows that became significant.
    #[inline(always)]
    fn store(&mut self, x: usize, old: Flags, flags: Flags) {
        let Self { above, here, below, .. } = self;
        here[x + 1] = flags;
        let new = (flags ^ old) & OWN;
        if new == 0 {
            return;
        }
        here[x] |= new << 1;
        here[x + 2] |= new >> 1;
        let up = (new & TOP) << 12;
        above[x] |= up << 1;
        above[x + 1] |= up;
        above[x + 2] |= up >> 1;
        let down = (new & BOTTOM) >> 12;
        below[x] |= down << 1;
        below[x + 1] |= down;
        below[x + 2] |= down >> 1;
    }
}

/// A significance pass with raw bits.
pub fn raw_significance(field: &mut Field, mut bit: impl FnMut() -> u32, plane: u32, causal: bool) {
    let visible = if causal { !BELOW } else { !0 };
    for index in 0..field.stripes() {
        let mut stripe = field.stripe(index);
        for x in 0..stripe.columns.len() {
            let old = stripe.here[x + 1];
            let mut todo = candidates(old & visible) & stripe.rows;
            let mut flags = old;
            while todo != 0 {
                let t = todo.trailing_zeros();
                flags |= 1 << (VISITED + t);
                todo &= todo - 1;
                if bit() == 1 {
                    let sign = bit();
                    flags |= (1 | u64::from(sign) << NEGATIVE) << (t + 4);
                    stripe.columns[x][row(t)] = sign << 31 | 3 << plane;
                    todo |= (8 << t) & stripe.rows & !(flags >> 4);
                }
            }
            stripe.store(x, old, flags);
        }
    }
}

/// A refinement pass with raw bits.
pub fn raw_refinement(field: &mut Field, mut bit: impl FnMut() -> u32, plane: u32) {
    for index in 0..field.stripes() {
        let stripe = field.stripe(index);
        for (flags, column) in stripe.here[1..].iter_mut().zip(stripe.columns) {
            let mut todo = members(*flags);
            *flags |= todo << REFINED;
            while todo != 0 {
                let t = todo.trailing_zeros();
                todo &= todo - 1;
                column[row(t)] = refined(column[row(t)], bit(), plane);
            }
        }
    }
}

/// The row whose bits are at `t`.
#[inline(always)]
fn row(t: u32) -> usize {
    ((t as usize * 11) >> 5) & 3
}

/// Adds the next bit of a magnitude, and half a step of the new plane below it.
#[inline(always)]
pub fn refined(value: u32, bit: u32, plane: u32) -> u32 {
    // The bit at plane + 1 was the half step of the plane above: the value moves up or down by half
    // of it.
    let half = 1 << plane;
    value.wrapping_add(bit.wrapping_neg() & (2 * half)).wrapping_sub(half)
}

/// The flags that contexts may use: all, or none of the next stripe's.
#[inline(always)]
pub fn seen<const CAUSAL: bool>(flags: Flags) -> Flags {
    if CAUSAL { flags & !BELOW } else { flags }
}

/// The rows that are not significant but have a neighbour that is, at `3 * row`.
#[inline(always)]
pub fn candidates(flags: Flags) -> Flags {
    let s = flags & SIGNIFICANT;
    let across = s | (s >> 1) | (s >> 2);
    (across | (across >> 3) | (across >> 6)) & !(s >> 4) & ROWS
}

/// The rows that a refinement pass visits: significant before this plane's first pass.
#[inline(always)]
pub fn members(flags: Flags) -> Flags {
    (flags >> 4) & !(flags >> VISITED) & ROWS
}
