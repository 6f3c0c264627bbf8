//! Decodes a code-block's coding passes into coefficients (ISO/IEC 15444-1 Annex D).
//!
//! In: [`Shape`] and codeword segments. Out: [`BlockDecoder::row`], magnitudes with
//! one fractional bit and the sign on top, a stripe's column of four together.
//!
//! A stripe's column has one [`Flags`] word, which holds the significance and the sign of the
//! column and of its neighbours around, so a context is a shift and a table look-up, and a
//! column without a significant neighbour is skipped in one test.

use super::coding::Style;
use super::context::{SIGN_CONTEXTS, ZERO_CONTEXTS};
use super::geometry::{Block, Orientation};
use super::mq::{Contexts, INITIAL, Mq, RUN, Raw, UNIFORM, Word, unstuff};
use super::packet::Piece;
use super::tile::Source;

/// Six rows of three: bit `3 * (row + 1) + column + 1` says whether the coefficient in `row`
/// (-1 to 4) and `column` (-1 to 1) is significant, bit 18 higher whether it is negative.
/// From bit 36 and 48, every third bit: whether a row has been refined, and visited in the
/// plane at hand.
type Flags = u64;

const NEGATIVE: u32 = 18;
const REFINED: u32 = 36;
const VISITED: u32 = 48;
const SIGNIFICANT: Flags = 0x3_FFFF;
/// One bit a row, at `3 * row`.
const ROWS: Flags = 0b1001001001;
const ALL_VISITED: Flags = ROWS << VISITED;
/// The column's own significance and signs.
const OWN: Flags = ROWS << 4 | ROWS << (4 + NEGATIVE);
const TOP: Flags = 1 << 4 | 1 << (4 + NEGATIVE);
const BOTTOM: Flags = 1 << 13 | 1 << (13 + NEGATIVE);
/// The row below the stripe.
const BELOW: Flags = 7 << 15 | 7 << (15 + NEGATIVE);

/// What a code-block looks like.
#[derive(Clone, Copy, Debug)]
pub struct Shape {
    pub width: usize,
    pub height: usize,
    pub orientation: Orientation,
    pub style: Style,
    /// Magnitude bit-planes that are coded, at most [`MAX_PLANES`].
    pub planes: u8,
    /// Low bit-planes to leave out.
    pub skip: u8,
}

/// More bit-planes than this do not fit a coefficient.
pub const MAX_PLANES: u8 = 30;

/// Decodes code-blocks one after the other, reusing its buffers.
#[derive(Default)]
pub struct BlockDecoder {
    flags: Vec<Flags>,
    coefficients: Vec<u32>,
    words: Vec<Word>,
    joined: Vec<u8>,
    width: usize,
    height: usize,
    stride: usize,
    zero_contexts: &'static [u8],
}

impl BlockDecoder {
    /// Decodes a block from its pieces of `source`.
    pub fn decode(&mut self, shape: &Shape, source: &Source, block: &Block) {
        self.width = shape.width;
        self.height = shape.height;
        self.stride = shape.width + 2;
        let stripes = shape.height.div_ceil(4);
        self.flags.clear();
        self.flags.resize(self.stride * (stripes + 2), 0);
        self.coefficients.clear();
        self.coefficients.resize(stripes * shape.width * 4, 0);
        self.zero_contexts = &ZERO_CONTEXTS[shape.orientation as usize];
        let style = shape.style;
        let causal = style.vertically_causal();
        let mut contexts = INITIAL;
        let mut plane = i32::from(shape.planes) - 1;
        let mut pass = 2;
        let mut words = std::mem::take(&mut self.words);
        let mut joined = std::mem::take(&mut self.joined);
        let mut next = block.first;
        while next != 0 {
            let (passes, segment) = segment(source, &mut next, &mut joined);
            if plane < i32::from(shape.skip) {
                break;
            }
            let raw = style.bypass() && pass < 2 && plane + 1 <= i32::from(shape.planes) - 4;
            if raw {
                let mut raw = Raw::new(segment);
                for _ in 0..passes {
                    if plane < i32::from(shape.skip) {
                        break;
                    }
                    match pass {
                        0 => self.raw_significance(&mut raw, plane as u32, causal),
                        // A segment of this kind holds no clean-up pass.
                        _ => self.raw_refinement(&mut raw, plane as u32),
                    }
                    pass += 1;
                    if pass == 3 {
                        (pass, plane) = (0, plane - 1);
                    }
                }
                continue;
            }
            unstuff(segment, &mut words);
            let mut mq = Mq::new(&words);
            for _ in 0..passes {
                if plane < i32::from(shape.skip) {
                    break;
                }
                match (pass, causal) {
                    (0, false) => self.significance::<false>(&mut mq, &mut contexts, plane as u32),
                    (0, true) => self.significance::<true>(&mut mq, &mut contexts, plane as u32),
                    (1, false) => self.refinement::<false>(&mut mq, &mut contexts, plane as u32),
                    (1, true) => self.refinement::<true>(&mut mq, &mut contexts, plane as u32),
                    (_, false) => self.cleanup::<false>(&mut mq, &mut contexts, plane as u32),
                    (_, true) => self.cleanup::<true>(&mut mq, &mut contexts, plane as u32),
                }
                if pass == 2 && style.segmentation_symbols() {
                    for _ in 0..4 {
                        mq.decide(&mut contexts, UNIFORM);
                    }
                }
                if style.reset() {
                    contexts = INITIAL;
                }
                pass += 1;
                if pass == 3 {
                    (pass, plane) = (0, plane - 1);
                }
            }
        }
        (self.words, self.joined) = (words, joined);
    }

    /// The columns of four that row `y` is in, at `y % 4`: the sign in bit 31, below it twice
    /// the magnitude, plus the half step that is added to what was not decoded to the end.
    pub fn row(&self, y: usize) -> &[[u32; 4]] {
        self.coefficients[y / 4 * self.width * 4..][..self.width * 4].as_chunks().0
    }

    /// The rows of stripe `index` that exist, at `3 * row`.
    fn rows(&self, index: usize) -> Flags {
        ROWS & ((1 << (3 * (self.height - 4 * index).min(4))) - 1)
    }

    fn significance<const CAUSAL: bool>(
        &mut self,
        mq: &mut Mq,
        contexts: &mut Contexts,
        plane: u32,
    ) {
        let (mut decoder, mut states) = (*mq, *contexts);
        let stripes = self.height.div_ceil(4);
        for stripe in 0..stripes {
            let rows = self.rows(stripe);
            let (above, here, below) = stripe_rows(&mut self.flags, self.stride, stripe);
            let columns = self.coefficients[stripe * self.width * 4..][..self.width * 4]
                .as_chunks_mut::<4>()
                .0;
            for (x, column) in columns.iter_mut().enumerate() {
                let old = here[x + 1];
                let mut todo = candidates(seen::<CAUSAL>(old)) & rows;
                if todo == 0 {
                    continue;
                }
                let mut flags = old;
                while todo != 0 {
                    let t = todo.trailing_zeros();
                    let near = seen::<CAUSAL>(flags) >> t;
                    let cx = self.zero_contexts[(near & 0x1FF) as usize];
                    flags |= 1 << (VISITED + t);
                    todo &= todo - 1;
                    if decoder.decide(&mut states, cx.into()) == 1 {
                        let sign = decode_sign(&mut decoder, &mut states, near);
                        flags |= (1 | u64::from(sign) << NEGATIVE) << (t + 4);
                        column[row(t)] = sign << 31 | 3 << plane;
                        todo |= (8 << t) & rows & !(flags >> 4);
                    }
                }
                here[x + 1] = flags;
                spread(flags ^ old, x, above, here, below);
            }
        }
        (*mq, *contexts) = (decoder, states);
    }

    fn refinement<const CAUSAL: bool>(&mut self, mq: &mut Mq, contexts: &mut Contexts, plane: u32) {
        let (mut decoder, mut states) = (*mq, *contexts);
        for stripe in 0..self.height.div_ceil(4) {
            let here = &mut self.flags[(stripe + 1) * self.stride + 1..][..self.width];
            let columns = self.coefficients[stripe * self.width * 4..][..self.width * 4]
                .as_chunks_mut::<4>()
                .0;
            for (flags, column) in here.iter_mut().zip(columns) {
                let mut todo = *flags >> 4 & !(*flags >> VISITED) & ROWS;
                if todo == 0 {
                    continue;
                }
                let seen = seen::<CAUSAL>(*flags);
                *flags |= todo << REFINED;
                while todo != 0 {
                    let t = todo.trailing_zeros();
                    todo &= todo - 1;
                    let cx = if seen >> (REFINED + t) & 1 == 1 {
                        16
                    } else {
                        14 + usize::from(seen >> t & 0x1EF != 0)
                    };
                    let bit = decoder.decide_evenly(&mut states, cx);
                    column[row(t)] = refine(column[row(t)], bit, plane);
                }
            }
        }
        (*mq, *contexts) = (decoder, states);
    }

    fn cleanup<const CAUSAL: bool>(&mut self, mq: &mut Mq, contexts: &mut Contexts, plane: u32) {
        let (mut decoder, mut states) = (*mq, *contexts);
        for stripe in 0..self.height.div_ceil(4) {
            let rows = self.rows(stripe);
            let (above, here, below) = stripe_rows(&mut self.flags, self.stride, stripe);
            let columns = self.coefficients[stripe * self.width * 4..][..self.width * 4]
                .as_chunks_mut::<4>()
                .0;
            for (x, column) in columns.iter_mut().enumerate() {
                let old = here[x + 1];
                let mut flags = old;
                let mut todo = !(old >> 4) & !(old >> VISITED) & rows;
                if seen::<CAUSAL>(old) & SIGNIFICANT == 0 && rows == ROWS {
                    if decoder.decide(&mut states, RUN) == 0 {
                        continue;
                    }
                    let high = decoder.decide_evenly(&mut states, UNIFORM);
                    let t = 3 * (high << 1 | decoder.decide_evenly(&mut states, UNIFORM));
                    let sign = decode_sign(&mut decoder, &mut states, seen::<CAUSAL>(flags) >> t);
                    flags |= (1 | u64::from(sign) << NEGATIVE) << (t + 4);
                    column[row(t)] = sign << 31 | 3 << plane;
                    todo &= ROWS << (t + 3);
                }
                while todo != 0 {
                    let t = todo.trailing_zeros();
                    let near = seen::<CAUSAL>(flags) >> t;
                    let cx = self.zero_contexts[(near & 0x1FF) as usize];
                    todo &= todo - 1;
                    if decoder.decide(&mut states, cx.into()) == 1 {
                        let sign = decode_sign(&mut decoder, &mut states, near);
                        flags |= (1 | u64::from(sign) << NEGATIVE) << (t + 4);
                        column[row(t)] = sign << 31 | 3 << plane;
                    }
                }
                here[x + 1] = flags & !ALL_VISITED;
                spread(flags ^ old, x, above, here, below);
            }
        }
        (*mq, *contexts) = (decoder, states);
    }

    fn raw_significance(&mut self, raw: &mut Raw, plane: u32, causal: bool) {
        for stripe in 0..self.height.div_ceil(4) {
            let rows = self.rows(stripe);
            let (above, here, below) = stripe_rows(&mut self.flags, self.stride, stripe);
            for x in 0..self.width {
                let old = here[x + 1];
                let visible = if causal { !BELOW } else { !0 };
                let mut todo = candidates(old & visible) & rows;
                let mut flags = old;
                while todo != 0 {
                    let t = todo.trailing_zeros();
                    flags |= 1 << (VISITED + t);
                    todo &= todo - 1;
                    if raw.bit() == 1 {
                        let sign = raw.bit();
                        flags |= (1 | u64::from(sign) << NEGATIVE) << (t + 4);
                        self.coefficients[(stripe * self.width + x) * 4 + row(t)] =
                            sign << 31 | 3 << plane;
                        todo |= (8 << t) & rows & !(flags >> 4);
                    }
                }
                here[x + 1] = flags;
                spread(flags ^ old, x, above, here, below);
            }
        }
    }

    fn raw_refinement(&mut self, raw: &mut Raw, plane: u32) {
        for stripe in 0..self.height.div_ceil(4) {
            for x in 0..self.width {
                let flags = &mut self.flags[(stripe + 1) * self.stride + 1 + x];
                let mut todo = *flags >> 4 & !(*flags >> VISITED) & ROWS;
                *flags |= todo << REFINED;
                while todo != 0 {
                    let t = todo.trailing_zeros();
                    todo &= todo - 1;
                    let value = &mut self.coefficients[(stripe * self.width + x) * 4 + row(t)];
                    *value = refine(*value, raw.bit(), plane);
                }
            }
        }
    }
}

/// The codeword segment that starts at piece `next`, and its passes; moves `next` behind it.
fn segment<'a>(source: &Source<'a>, next: &mut u32, joined: &'a mut Vec<u8>) -> (usize, &'a [u8]) {
    let bytes = |piece: &Piece| &source.bytes[piece.start as usize..][..piece.length as usize];
    let first = &source.pieces[*next as usize];
    let mut passes = usize::from(first.passes);
    *next = first.next;
    let goes_on = |next: u32| next != 0 && source.pieces[next as usize].continues;
    if !goes_on(*next) {
        return (passes, bytes(first));
    }
    joined.clear();
    joined.extend_from_slice(bytes(first));
    while goes_on(*next) {
        let piece = &source.pieces[*next as usize];
        joined.extend_from_slice(bytes(piece));
        passes += usize::from(piece.passes);
        *next = piece.next;
    }
    (passes, joined)
}

/// The row whose bits are at `t`.
#[inline(always)]
fn row(t: u32) -> usize {
    (t as usize * 11 >> 5) & 3
}

/// Puts the next bit of a magnitude in, and half a step of the new plane below it.
#[inline(always)]
fn refine(value: u32, bit: u32, plane: u32) -> u32 {
    // The bit at plane + 1 was the half step of the plane above.
    value ^ (bit ^ 1) << (plane + 1) | 1 << plane
}

/// The flags that contexts may look at: all, or none of the next stripe's.
#[inline(always)]
fn seen<const CAUSAL: bool>(flags: Flags) -> Flags {
    if CAUSAL { flags & !BELOW } else { flags }
}

/// The rows that are not significant but have a neighbour that is, at `3 * row`.
#[inline(always)]
fn candidates(flags: Flags) -> Flags {
    let s = flags & SIGNIFICANT;
    let across = s | s >> 1 | s >> 2;
    (across | across >> 3 | across >> 6) & !(s >> 4) & ROWS
}

#[inline(always)]
fn decode_sign(mq: &mut Mq, contexts: &mut Contexts, near: Flags) -> u32 {
    let index = near & 0xAA | near >> NEGATIVE >> 1 & 0x55;
    let entry = SIGN_CONTEXTS[index as usize];
    mq.decide_evenly(contexts, (entry & 31).into()) ^ u32::from(entry >> 7)
}

/// The flags of the stripes above, at and below `stripe`, with a column of margin each side.
#[inline(always)]
fn stripe_rows(
    flags: &mut [Flags],
    stride: usize,
    stripe: usize,
) -> (&mut [Flags], &mut [Flags], &mut [Flags]) {
    let (above, rest) = flags[stripe * stride..][..3 * stride].split_at_mut(stride);
    let (here, below) = rest.split_at_mut(stride);
    (above, here, below)
}

/// Tells the neighbours of column `x` which of its rows have become significant.
#[inline(always)]
fn spread(changed: Flags, x: usize, above: &mut [Flags], here: &mut [Flags], below: &mut [Flags]) {
    let new = changed & OWN;
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
