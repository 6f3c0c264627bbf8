//! The MQ arithmetic decoder (ISO/IEC 15444-1 Annex C) and the raw bits that bypass it.
//!
//! In: a codeword segment. Out: one decision at a time, each in its context.
//!
//! The standard reads a byte whenever eight bits are used up, minding the bit that is
//! stuffed after each 0xFF. Here a segment is unstuffed once into [`Word`]s, and the decoder
//! holds up to 48 bits ahead, so most decisions shift a register and nothing else.

/// 32 bits of a segment without stuffing (bits 0 to 31), the carry that a stuffed bit may
/// hold (bit 32), and how many of the 32, from the top, are valid (bits 40 on).
pub type Word = u64;

const ONES: Word = 32 << 40 | 0xFFFF_FFFF;
const CARRY: Word = 1 << 32;

/// Turns a segment into words. What follows its end, or a marker in it, reads as ones.
pub fn unstuff(segment: &[u8], words: &mut Vec<Word>) {
    words.clear();
    let (mut held, mut count, mut carry) = (0_u64, 0_u32, 0_u64);
    let mut last = 0_u8;
    let mut rest = segment;
    loop {
        // Four bytes at a time where none of them is 0xFF.
        while let Some((four, after)) = rest.split_first_chunk::<4>() {
            let bits = u32::from_be_bytes(*four);
            if last == 0xFF || bits & !bits.wrapping_add(0x0101_0101) & 0x8080_8080 != 0 {
                break;
            }
            last = four[3];
            rest = after;
            held = held << 32 | u64::from(bits);
            words.push(32 << 40 | carry | (held >> count & 0xFFFF_FFFF));
            carry = 0;
        }
        let Some((&byte, after)) = rest.split_first() else { break };
        if last == 0xFF {
            if byte > 0x8F {
                break;
            }
            if byte & 0x80 != 0 {
                // The carry is due when all earlier bits are used up, so a word ends here.
                if count > 0 {
                    words.push(
                        u64::from(count) << 40 | carry | (held << (32 - count) & 0xFFFF_FFFF),
                    );
                }
                (count, carry) = (0, CARRY);
            }
            held = held << 7 | u64::from(byte & 0x7F);
            count += 7;
        } else {
            held = held << 8 | u64::from(byte);
            count += 8;
        }
        last = byte;
        rest = after;
        if count >= 32 {
            count -= 32;
            words.push(32 << 40 | carry | (held >> count & 0xFFFF_FFFF));
            carry = 0;
        }
    }
    if count > 0 {
        // Filled up with the ones that follow.
        let tail = (held << (32 - count) | u64::from(u32::MAX >> count)) & 0xFFFF_FFFF;
        words.push(32 << 40 | carry | tail);
    }
}

/// A context: the least probable symbol's share of the interval (bits 0 to 15), the state
/// with the most probable symbol as its lowest bit (16 to 22), and the shift that brings
/// that share back to half the range (24 to 27).
type Context = u32;

/// Table C.2: share of the less probable symbol, next state after the more and the less
/// probable one, and whether the latter swaps the two.
const STATES: [(u16, u8, u8, bool); 47] = [
    (0x5601, 1, 1, true),
    (0x3401, 2, 6, false),
    (0x1801, 3, 9, false),
    (0x0AC1, 4, 12, false),
    (0x0521, 5, 29, false),
    (0x0221, 38, 33, false),
    (0x5601, 7, 6, true),
    (0x5401, 8, 14, false),
    (0x4801, 9, 14, false),
    (0x3801, 10, 14, false),
    (0x3001, 11, 17, false),
    (0x2401, 12, 18, false),
    (0x1C01, 13, 20, false),
    (0x1601, 29, 21, false),
    (0x5601, 15, 14, true),
    (0x5401, 16, 14, false),
    (0x5101, 17, 15, false),
    (0x4801, 18, 16, false),
    (0x3801, 19, 17, false),
    (0x3401, 20, 18, false),
    (0x3001, 21, 19, false),
    (0x2801, 22, 19, false),
    (0x2401, 23, 20, false),
    (0x2201, 24, 21, false),
    (0x1C01, 25, 22, false),
    (0x1801, 26, 23, false),
    (0x1601, 27, 24, false),
    (0x1401, 28, 25, false),
    (0x1201, 29, 26, false),
    (0x1101, 30, 27, false),
    (0x0AC1, 31, 28, false),
    (0x09C1, 32, 29, false),
    (0x08A1, 33, 30, false),
    (0x0521, 34, 31, false),
    (0x0441, 35, 32, false),
    (0x02A1, 36, 33, false),
    (0x0221, 37, 34, false),
    (0x0141, 38, 35, false),
    (0x0111, 39, 36, false),
    (0x0085, 40, 37, false),
    (0x0049, 41, 38, false),
    (0x0025, 42, 39, false),
    (0x0015, 43, 40, false),
    (0x0009, 44, 41, false),
    (0x0005, 45, 42, false),
    (0x0001, 45, 43, false),
    (0x5601, 46, 46, false),
];

const fn context(state: usize, mps: usize) -> Context {
    let share = STATES[state].0;
    share as u32 | ((state * 2 + mps) as u32) << 16 | share.leading_zeros() << 24
}

/// The context after a renormalisation, by state (with its symbol) and whether the less
/// probable symbol came.
const NEXT: [Context; 256] = {
    let mut table = [0; 256];
    let mut i = 0;
    while i < 47 {
        let (_, more, less, swap) = STATES[i];
        let mut mps = 0;
        while mps < 2 {
            table[(i * 2 + mps) * 2] = context(more as usize, mps);
            table[(i * 2 + mps) * 2 + 1] = context(less as usize, mps ^ swap as usize);
            mps += 1;
        }
        i += 1;
    }
    table
};

/// Context of the run-length shortcut, and of decisions that are equally likely.
pub const RUN: usize = 17;
pub const UNIFORM: usize = 18;

/// The states of a code-block's contexts (Table D.7).
pub type Contexts = [Context; 32];

pub const INITIAL: Contexts = {
    let mut contexts = [context(0, 0); 32];
    contexts[0] = context(4, 0);
    contexts[RUN] = context(3, 0);
    contexts[UNIFORM] = context(46, 0);
    contexts
};

/// The decoder on one codeword segment.
#[derive(Clone, Copy)]
pub struct Mq<'a> {
    /// The interval, in the upper 16 bits.
    a: u64,
    /// The code register: 16 active bits, then those read ahead.
    c: u64,
    /// How many bits are read ahead; below zero, that many active ones are missing.
    ahead: i32,
    words: &'a [Word],
}

impl<'a> Mq<'a> {
    pub fn new(words: &'a [Word]) -> Self {
        // INITDEC shifts the first two bytes in by 23: one zero, then 15 bits.
        let mut mq = Self { a: 0x8000 << 48, c: 0, ahead: -15, words };
        mq.refill();
        mq
    }

    #[inline(always)]
    fn refill(&mut self) {
        while self.ahead < 0 {
            let word = match self.words.split_first() {
                Some((&word, rest)) => {
                    self.words = rest;
                    word
                }
                None => ONES,
            };
            self.c = self.c.wrapping_add((word & 0x1_FFFF_FFFF) << (16 - self.ahead));
            self.ahead += (word >> 40) as i32;
        }
    }

    /// Decides in context `cx`: for decisions that mostly fall as expected.
    #[inline(always)]
    pub fn decide(&mut self, contexts: &mut Contexts, cx: usize) -> u32 {
        let state = contexts[cx & 31];
        let share = u64::from(state) << 48;
        let rest = self.a.wrapping_sub(share);
        let (less, shift);
        if self.c >= share {
            self.c -= share;
            if rest >> 63 == 1 {
                self.a = rest;
                return state >> 16 & 1;
            }
            less = u32::from(rest < share);
            shift = rest.leading_zeros();
            self.a = rest << shift;
        } else {
            less = u32::from(rest >= share);
            shift = state >> 24;
            self.a = share << shift;
        }
        contexts[cx & 31] = NEXT[(state >> 15 & 0xFE | less) as usize];
        self.c <<= shift;
        self.ahead -= shift as i32;
        if self.ahead < 0 {
            self.refill();
        }
        (state >> 16 & 1) ^ less
    }

    /// The same decision without a branch on its outcome: for those that fall either way.
    #[inline(always)]
    pub fn decide_evenly(&mut self, contexts: &mut Contexts, cx: usize) -> u32 {
        let state = contexts[cx & 31];
        let share = u64::from(state) << 48;
        let rest = self.a.wrapping_sub(share);
        let lower = self.c < share;
        let less = u32::from(lower == (rest >= share));
        let a = if lower { share } else { rest };
        let c = if lower { self.c } else { self.c - share };
        // An interval of at least a quarter is left by the upper path: 0, 1 or 2.
        let upper_shift = u32::from(rest >> 63 == 0) + u32::from(rest >> 62 == 0);
        let shift = if lower { state >> 24 } else { upper_shift };
        let next = NEXT[(state >> 15 & 0xFE | less) as usize];
        contexts[cx & 31] = if shift == 0 { state } else { next };
        self.a = a << shift;
        self.c = c << shift;
        self.ahead -= shift as i32;
        if self.ahead < 0 {
            self.refill();
        }
        (state >> 16 & 1) ^ less
    }
}

/// Bits of a segment that bypasses the arithmetic coder.
#[derive(Clone, Copy)]
pub struct Raw<'a> {
    bytes: &'a [u8],
    last: u8,
    left: u8,
}

impl<'a> Raw<'a> {
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, last: 0, left: 0 }
    }

    pub fn bit(&mut self) -> u32 {
        if self.left == 0 {
            let stuffed = self.last == 0xFF;
            match self.bytes.split_first() {
                Some((&byte, rest)) if !(stuffed && byte > 0x8F) => {
                    self.bytes = rest;
                    self.last = byte;
                    self.left = if stuffed { 7 } else { 8 };
                }
                _ => (self.last, self.left) = (0xFF, 8),
            }
        }
        self.left -= 1;
        u32::from(self.last >> self.left) & 1
    }
}
