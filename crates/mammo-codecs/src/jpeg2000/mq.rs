//! The MQ arithmetic decoder (ISO/IEC 15444-1 Annex C) and the raw bits that bypass it.
//!
//! In: a codeword segment. Out: one decision at a time, each in its context.
//!
//! The standard reads a byte whenever eight bits are used up, and handles the bit that is stuffed
//! after each 0xFF. Here a segment is unstuffed once into [`Word`]s, and the decoder holds up to 48
//! bits in advance, so most decisions only shift a register.

use std::hint::select_unpredictable;

/// 32 bits of a segment without stuffing (bits 0 to 31), the carry that a stuffed bit may
/// hold (bit 32), and how many of the 32, from the top, are valid (bits 40 on).
pub type Word = u64;

const ONES: Word = 32 << 40 | 0xFFFF_FFFF;
const CARRY: Word = 1 << 32;

/// Converts a segment to words. After its end, or a marker in it, ones are read.
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

/// A context's state: the less probable symbol's share of the interval (bits 48 to 63) and
/// the number of the state (bits 2 to 8), whose lowest bit is the more probable symbol.
pub type Context = u64;

/// Where a state's number is.
const NUMBER: Context = 0x1FC;
const SHARE: Context = 0xFFFF << 48;

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
    ((STATES[state].0 as u64) << 48) | ((state * 2 + mps) as u64 * 4)
}

/// The context that follows a decision, by the state's number and two bits: whether the less
/// probable symbol came, and whether the interval is still large enough to stay as it is.
static AFTER: [Context; 512] = {
    let mut table = [0; 512];
    let mut i = 0;
    while i < 47 {
        let (_, more, less, swap) = STATES[i];
        let mut mps = 0;
        while mps < 2 {
            let at = (i * 2 + mps) * 4;
            table[at] = context(more as usize, mps);
            table[at + 1] = context(i, mps);
            table[at + 2] = context(less as usize, mps ^ swap as usize);
            table[at + 3] = context(i, mps);
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

/// The decoder's registers in one codeword segment.
#[derive(Clone, Copy, Default)]
pub struct Registers {
    /// The interval, in the upper 16 bits.
    a: u64,
    /// The code register: 16 active bits, then those read ahead.
    c: u64,
    /// How many bits are read ahead; below zero, that many active ones are missing.
    ahead: i32,
    /// The next word.
    next: usize,
}

impl Registers {
    /// INITDEC shifts the first two bytes in by 23: one zero, then 15 bits.
    pub fn start(words: &[Word]) -> Self {
        let mut mq = Mq { a: 0x8000 << 48, c: 0, ahead: -15, words };
        mq.refill();
        mq.stop(words)
    }
}

/// The decoder at work on a segment.
#[derive(Clone, Copy)]
pub struct Mq<'a> {
    a: u64,
    c: u64,
    ahead: i32,
    words: &'a [Word],
}

impl<'a> Mq<'a> {
    /// Goes on in `words`, all those of the segment, where `registers` stopped.
    pub fn resume(registers: &Registers, words: &'a [Word]) -> Self {
        let Registers { a, c, ahead, next } = *registers;
        Self { a, c, ahead, words: &words[next..] }
    }

    /// The registers, for a later [`resume`](Self::resume).
    pub fn stop(self, words: &[Word]) -> Registers {
        Registers { a: self.a, c: self.c, ahead: self.ahead, next: words.len() - self.words.len() }
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

    /// Decodes a decision in `context`, for decisions that are mostly predictable.
    #[inline(always)]
    pub fn decide(&mut self, context: &mut Context) -> u32 {
        let state = *context;
        let share = state & SHARE;
        let rest = self.a.wrapping_sub(share);
        let less;
        if self.c >= share {
            self.c -= share;
            self.a = rest;
            if rest >> 63 == 1 {
                return (state >> 2) as u32 & 1;
            }
            less = u64::from(rest < share);
        } else {
            self.a = share;
            less = u64::from(rest >= share);
        }
        *context = AFTER[(state & NUMBER | less << 1) as usize];
        self.renormalise();
        ((state >> 2) ^ less) as u32 & 1
    }

    /// The same decision without a branch on its outcome, for unpredictable decisions, where a
    /// mispredicted branch costs more than the whole decision.
    #[inline(always)]
    pub fn decide_evenly(&mut self, context: &mut Context) -> u32 {
        let state = *context;
        let share = state & SHARE;
        let rest = self.a.wrapping_sub(share);
        let above = self.c.wrapping_sub(share);
        let lower = self.c < share;
        let less = u64::from(lower) ^ u64::from(rest < share);
        self.a = select_unpredictable(lower, share, rest);
        self.c = select_unpredictable(lower, self.c, above);
        *context = AFTER[(state & NUMBER | less << 1 | self.a >> 63) as usize];
        self.renormalise();
        ((state >> 2) ^ less) as u32 & 1
    }

    /// Doubles the interval until it is at least half of the range.
    #[inline(always)]
    fn renormalise(&mut self) {
        // The interval is never empty, so this is less than 64.
        let shift = self.a.leading_zeros();
        self.a <<= shift;
        self.c <<= shift;
        self.ahead -= shift as i32;
        if self.ahead < 0 {
            self.refill();
        }
    }
}

/// The position in a segment that bypasses the arithmetic coder.
#[derive(Clone, Copy, Default)]
pub struct Raw {
    position: usize,
    last: u8,
    left: u8,
}

impl Raw {
    /// The next bit of `segment`; ones after its end.
    pub fn bit(&mut self, segment: &[u8]) -> u32 {
        if self.left == 0 {
            let stuffed = self.last == 0xFF;
            match segment.get(self.position) {
                Some(&byte) if !(stuffed && byte > 0x8F) => {
                    self.position += 1;
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

#[cfg(test)]
mod tests {
    use super::*;

    /// The test sequence of ISO/IEC 14492 (JBIG2), H.2: the same coder, in one context.
    #[test]
    fn the_standards_sequence_decodes_as_printed() {
        let coded = [
            0x84, 0xC7, 0x3B, 0xFC, 0xE1, 0xA1, 0x43, 0x04, 0x02, 0x20, 0x00, 0x00, 0x41, 0x0D,
            0xBB, 0x86, 0xF4, 0x31, 0x7F, 0xFF, 0x88, 0xFF, 0x37, 0x47, 0x1A, 0xDB, 0x6A, 0xDF,
            0xFF, 0xAC,
        ];
        let plain = [
            0x00, 0x02, 0x00, 0x51, 0x00, 0x00, 0x00, 0xC0, 0x03, 0x52, 0x87, 0x2A, 0xAA, 0xAA,
            0xAA, 0xAA, 0x82, 0xC0, 0x20, 0x00, 0xFC, 0xD7, 0x9E, 0xF6, 0xBF, 0x7F, 0xED, 0x90,
            0x4F, 0x46, 0xA3, 0xBF,
        ];
        let mut words = Vec::new();
        unstuff(&coded, &mut words);
        for evenly in [false, true] {
            let mut mq = Mq::resume(&Registers::start(&words), &words);
            let mut state = context(0, 0);
            let mut bit =
                || if evenly { mq.decide_evenly(&mut state) } else { mq.decide(&mut state) };
            let mut byte = || (0..8).fold(0, |byte, _| byte << 1 | bit());
            let decoded: Vec<u32> = (0..plain.len()).map(|_| byte()).collect();
            assert_eq!(decoded, plain, "evenly: {evenly}");
        }
    }

    #[test]
    fn a_carry_waits_until_all_bits_before_it_are_used() {
        let mut words = Vec::new();
        unstuff(&[0x12, 0xFF, 0x85, 0x34], &mut words);
        // Sixteen bits, then the carry with seven bits of 0x85 and eight of 0x34; ones behind.
        assert_eq!(words, [16 << 40 | 0x12FF_0000, 32 << 40 | 1 << 32 | 0x0A69_FFFF]);
    }
}
