//! The refinement pass (ISO/IEC 15444-1, D.3.3), of one block or of two in turn.
//!
//! The coefficients that are refined, and their contexts, are known before the pass begins.
//! [`List::gather`] lists them without a branch; decoding is then a loop of decisions alone.

use pulp::Arch;

use super::mq::{Contexts, Mq, Registers, Word};
use super::passes::{
    Coefficients, Field, MOST, REFINED, ROWS, SIGNIFICANT, members, refined, seen,
};

/// The first refinement context; the others follow.
const FIRST: usize = 14;

/// The decisions of a pass.
pub struct List {
    /// The coefficients that are refined, in the order of the scan.
    entries: Box<[u16; MOST + 4]>,
    count: usize,
    /// By coefficient, the context that it would be refined in.
    contexts: Box<[u8; MOST]>,
    /// Of a stripe's columns, the rows that are refined.
    due: Box<[u8; 1024]>,
}

impl Default for List {
    fn default() -> Self {
        fn zeros<T: Default + Clone, const N: usize>() -> Box<[T; N]> {
            let zeros = vec![T::default(); N];
            zeros
                .try_into()
                .unwrap_or_else(|_| unreachable!("a vector of as many as the array has"))
        }
        Self { entries: zeros(), count: 0, contexts: zeros(), due: zeros() }
    }
}

impl List {
    fn entries(&self) -> &[u16] {
        &self.entries[..self.count]
    }

    /// Lists the coefficients that are due, and marks them as refined.
    pub fn gather(&mut self, field: &mut Field, causal: bool) {
        Arch::new().dispatch(
            // A parameter by value, or it would not be inlined where the wide instructions are
            // enabled.
            #[inline(always)]
            move || {
                let (list, field) = (self, field);
                if causal {
                    list.gather_seen::<true>(field)
                } else {
                    list.gather_seen::<false>(field)
                }
            },
        );
    }

    #[inline(always)]
    fn gather_seen<const CAUSAL: bool>(&mut self, field: &mut Field) {
        let (width, mut count) = (field.width, 0);
        let stripes = field.flags.chunks_exact_mut(field.stride).skip(1);
        let contexts = self.contexts.as_chunks_mut::<4>().0.chunks_mut(width.max(1));
        for (stripe, (flags, contexts)) in
            stripes.zip(contexts).take(field.height.div_ceil(4)).enumerate()
        {
            let due = &mut self.due[..width];
            // Many columns at a time, because columns do not depend on each other.
            for ((flags, context), due) in flags[1..].iter_mut().zip(contexts).zip(&mut *due) {
                let rows = members(*flags);
                let s = seen::<CAUSAL>(*flags) & SIGNIFICANT;
                let across = s | (s >> 1) | (s >> 2);
                let beside = s | (s >> 2);
                let again = (*flags >> REFINED) & ROWS;
                // Context 2 for those refined before, else 1 where a neighbour is significant.
                let near = (across | (across >> 6) | (beside >> 3)) & ROWS & !again;
                *flags |= rows << REFINED;
                let kinds = near | again << 1;
                let bytes =
                    kinds & 3 | (kinds & 0x18) << 5 | (kinds & 0xC0) << 10 | (kinds & 0x600) << 15;
                *context = (bytes as u32).to_le_bytes();
                *due = (rows & 1 | rows >> 2 & 2 | rows >> 4 & 4 | rows >> 6 & 8) as u8;
            }
            let mut first = (4 * stripe * width) as u64 * LANES;
            for &due in &*due {
                let due = usize::from(due & 15);
                let new = FOUND[due] + first;
                let new = [new as u16, (new >> 16) as u16, (new >> 32) as u16, (new >> 48) as u16];
                self.entries[count..count + 4].copy_from_slice(&new);
                count += due.count_ones() as usize;
                first += 4 * LANES;
            }
        }
        self.count = count;
    }
}

/// The lowest bit of each 16-bit lane.
const LANES: u64 = 0x0001_0001_0001_0001;

/// By set of four rows, those in it, one a lane of 16 bits.
static FOUND: [u64; 16] = {
    let mut table = [0; 16];
    let mut set = 0;
    while set < 16 {
        let (mut row, mut lane) = (0, 0);
        while row < 4 {
            if set >> row & 1 == 1 {
                table[set] |= row << (16 * lane);
                lane += 1;
            }
            row += 1;
        }
        set += 1;
    }
    table
};

/// The state that decodes one block's refinement pass.
pub struct Lane<'a> {
    pub list: &'a List,
    pub coefficients: &'a mut Coefficients,
    pub contexts: &'a mut Contexts,
    pub registers: &'a mut Registers,
    pub words: &'a [Word],
}

/// Decodes one block's pass over `plane`.
pub fn one(lane: Lane, plane: u32) {
    let mut mq = Mq::resume(lane.registers, lane.words);
    let mut states = contexts(&lane);
    for &entry in lane.list.entries() {
        decide(&mut mq, &mut states, lane.list, lane.coefficients, entry, plane);
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
        decide(&mut mq_a, &mut states_a, a.list, a.coefficients, entry_a, plane);
        decide(&mut mq_b, &mut states_b, b.list, b.coefficients, entry_b, plane);
    }
    let common = list_a.len().min(list_b.len());
    for &entry in &list_a[common..] {
        decide(&mut mq_a, &mut states_a, a.list, a.coefficients, entry, plane);
    }
    for &entry in &list_b[common..] {
        decide(&mut mq_b, &mut states_b, b.list, b.coefficients, entry, plane);
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
    list: &List,
    coefficients: &mut Coefficients,
    entry: u16,
    plane: u32,
) {
    let at = usize::from(entry) & (MOST - 1);
    let bit = mq.decide_evenly(&mut states[usize::from(list.contexts[at] & 3)]);
    coefficients[at] = refined(coefficients[at], bit, plane);
}
