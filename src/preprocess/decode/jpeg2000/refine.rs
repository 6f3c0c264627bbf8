//! The refinement pass (ISO/IEC 15444-1, D.3.3), of one block or of two in turn.
//!
//! Which coefficients are refined, and in which contexts, is settled before the pass begins:
//! [`List::gather`] writes it down without a branch, and decoding is then a loop that does
//! nothing but decide.

use super::mq::{Contexts, Mq, Registers, Word};
use super::passes::{Field, MOST, REFINED, ROWS, SIGNIFICANT, members, refined, seen};

/// The first refinement context; the others follow.
const FIRST: usize = 14;

/// The decisions of a pass: the coefficient (bits 0 to 11) and the context (12 and 13).
pub struct List {
    entries: Box<[u16; MOST + 4]>,
    count: usize,
}

impl Default for List {
    fn default() -> Self {
        Self {
            entries: vec![0; MOST + 4].try_into().expect("a vector of as many as the array has"),
            count: 0,
        }
    }
}

impl List {
    fn entries(&self) -> &[u16] {
        &self.entries[..self.count]
    }

    /// Lists the coefficients that are due, and marks them as refined.
    pub fn gather(&mut self, field: &mut Field, causal: bool) {
        if causal { self.gather_seen::<true>(field) } else { self.gather_seen::<false>(field) }
    }

    fn gather_seen<const CAUSAL: bool>(&mut self, field: &mut Field) {
        let mut count = 0;
        // Four entries, one a row, in the 16-bit lanes of a word: the column's positions.
        let mut positions = 0x0003_0002_0001_0000;
        for stripe in
            field.flags.chunks_exact_mut(field.stride).skip(1).take(field.height.div_ceil(4))
        {
            for flags in &mut stripe[1..=field.width] {
                let due = members(*flags);
                if due != 0 {
                    let s = seen::<CAUSAL>(*flags) & SIGNIFICANT;
                    let across = s | (s >> 1) | (s >> 2);
                    let beside = s | (s >> 2);
                    let again = (*flags >> REFINED) & ROWS;
                    // Context 2 for those refined before, else 1 where a neighbour is significant.
                    let near = (across | (across >> 6) | (beside >> 3)) & ROWS & !again;
                    *flags |= due << REFINED;
                    let entries = positions | lanes(near) << 12 | lanes(again) << 13;
                    // The lanes of rows that are due, moved together.
                    let due = lanes(due);
                    let moves =
                        &COMPACT[(due.wrapping_mul(0x0001_0002_0004_0008) >> 48) as usize & 15];
                    let kept = entries & moves[0]
                        | (entries & moves[1]) >> 16
                        | (entries & moves[2]) >> 32
                        | (entries & moves[3]) >> 48;
                    let kept = [
                        kept as u16,
                        (kept >> 16) as u16,
                        (kept >> 32) as u16,
                        (kept >> 48) as u16,
                    ];
                    self.entries[count..count + 4].copy_from_slice(&kept);
                    count += (due.wrapping_mul(LANES) >> 48) as usize;
                }
                positions += 4 * LANES;
            }
        }
        self.count = count;
    }
}

/// The lowest bit of each 16-bit lane.
const LANES: u64 = 0x0001_0001_0001_0001;

/// One bit a row, from every third bit to the lowest of each lane.
#[inline(always)]
fn lanes(rows: u64) -> u64 {
    rows.wrapping_mul(1 | 1 << 13 | 1 << 26 | 1 << 39) & LANES
}

/// For each set of lanes, which of them move down by none, one, two and three lanes to close
/// the gaps.
static COMPACT: [[u64; 4]; 16] = {
    let mut table = [[0; 4]; 16];
    let mut set = 0;
    while set < 16 {
        let (mut lane, mut gaps) = (0, 0);
        while lane < 4 {
            if set >> lane & 1 == 1 {
                table[set][gaps] |= 0xFFFF << (16 * lane);
            } else {
                gaps += 1;
            }
            lane += 1;
        }
        set += 1;
    }
    table
};

/// What decodes one block's refinement pass.
pub struct Lane<'a> {
    pub list: &'a List,
    pub coefficients: &'a mut [u32; MOST],
    pub contexts: &'a mut Contexts,
    pub registers: &'a mut Registers,
    pub words: &'a [Word],
}

/// Decodes one block's pass over `plane`.
pub fn one(lane: Lane, plane: u32) {
    let mut mq = Mq::resume(lane.registers, lane.words);
    let mut states = contexts(&lane);
    for &entry in lane.list.entries() {
        decide(&mut mq, &mut states, lane.coefficients, entry, plane);
    }
    lane.contexts[FIRST..FIRST + 3].copy_from_slice(&states[..3]);
    *lane.registers = mq.stop(lane.words);
}

/// Decodes two blocks' passes over `plane`, a decision of each in turn.
pub fn both([a, b]: [Lane; 2], plane: u32) {
    let (mut mq_a, mut mq_b) = (Mq::resume(a.registers, a.words), Mq::resume(b.registers, b.words));
    let (mut states_a, mut states_b) = (contexts(&a), contexts(&b));
    let (list_a, list_b) = (a.list.entries(), b.list.entries());
    for (&entry_a, &entry_b) in list_a.iter().zip(list_b) {
        decide(&mut mq_a, &mut states_a, a.coefficients, entry_a, plane);
        decide(&mut mq_b, &mut states_b, b.coefficients, entry_b, plane);
    }
    let common = list_a.len().min(list_b.len());
    for &entry in &list_a[common..] {
        decide(&mut mq_a, &mut states_a, a.coefficients, entry, plane);
    }
    for &entry in &list_b[common..] {
        decide(&mut mq_b, &mut states_b, b.coefficients, entry, plane);
    }
    a.contexts[FIRST..FIRST + 3].copy_from_slice(&states_a[..3]);
    b.contexts[FIRST..FIRST + 3].copy_from_slice(&states_b[..3]);
    *a.registers = mq_a.stop(a.words);
    *b.registers = mq_b.stop(b.words);
}

/// The pass's three contexts, and one that is never used.
fn contexts(lane: &Lane) -> [u64; 4] {
    [lane.contexts[FIRST], lane.contexts[FIRST + 1], lane.contexts[FIRST + 2], 0]
}

#[inline(always)]
fn decide(
    mq: &mut Mq,
    states: &mut [u64; 4],
    coefficients: &mut [u32; MOST],
    entry: u16,
    plane: u32,
) {
    let bit = mq.decide_evenly(&mut states[usize::from(entry >> 12 & 3)]);
    let value = &mut coefficients[usize::from(entry) & (MOST - 1)];
    *value = refined(*value, bit, plane);
}
