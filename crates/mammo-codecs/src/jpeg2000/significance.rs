//! The significance pass (ISO/IEC 15444-1, D.3.1), of one block or of two in turn.
//!
//! It visits coefficients that are insignificant but have a significant neighbour. Which ones
//! changes during the pass, and their number per column is unpredictable, so a loop over columns
//! would be mispredicted once per column. Here the 64 coefficients of sixteen columns, in scan
//! order, are the bits of a word, and the next one is the lowest bit that is set. A coefficient
//! that becomes significant sets the bits of its later neighbours.
//!
//! Whether a sign follows is random, and a branch on it would be mispredicted at every third
//! coefficient. So each step is one decision, of a significance or of a sign, and the next one is
//! selected: both possible contexts are looked up while the current decision is being made. Two
//! blocks are decoded in turn, one decision each, so that one chain of steps fills the waits of the
//! other.

use std::hint::select_unpredictable;

use pulp::Arch;

use super::chunk::{Chunk, first, inside, nibble};
use super::context::{INVERTED, SIGN, Tables};
use super::mq::{Contexts, Mq, Registers, Word};
use super::passes::{CHUNK, Field, NEGATIVE, candidates, seen};

/// The state that decodes one block's pass.
pub struct Lane<'a> {
    pub field: &'a mut Field,
    pub contexts: &'a mut Contexts,
    pub registers: &'a mut Registers,
    pub words: &'a [Word],
}

/// Decodes one block's pass over `plane`; `causal` hides the next stripe from it.
pub fn one(lane: Lane, plane: u32, causal: bool) {
    Arch::new().dispatch(
        #[inline(always)]
        || {
            let mut contexts = *lane.contexts;
            let mut scan = Scan::new(&lane);
            if causal {
                scan.finish::<true>(lane.field, &mut contexts, plane);
            } else {
                scan.finish::<false>(lane.field, &mut contexts, plane);
            }
            *lane.registers = scan.mq.stop(lane.words);
            *lane.contexts = contexts;
        },
    );
}

/// Decodes two blocks' passes over `plane`, a decision of each in turn.
pub fn both(lanes: [Lane; 2], plane: u32, causal: bool) {
    Arch::new().dispatch(
        #[inline(always)]
        || {
            if causal {
                both_seeing::<true>(lanes, plane)
            } else {
                both_seeing::<false>(lanes, plane)
            }
        },
    );
}

#[inline(always)]
fn both_seeing<const CAUSAL: bool>([a, b]: [Lane; 2], plane: u32) {
    // Copies on the stack, so that their addresses are known and registers are free for the values
    // that change.
    let (mut contexts_a, mut contexts_b) = (*a.contexts, *b.contexts);
    let (mut scan_a, mut scan_b) = (Scan::new(&a), Scan::new(&b));
    let (tables_a, tables_b) = (a.field.tables, b.field.tables);
    let value = 3 << plane;
    while scan_a.has_more::<CAUSAL>(a.field) && scan_b.has_more::<CAUSAL>(b.field) {
        let (mut mq_a, mut mq_b) = (scan_a.mq, scan_b.mq);
        let (mut at_a, mut at_b) = (scan_a.at, scan_b.at);
        let (mut chunk_a, mut chunk_b) = (scan_a.chunk(a.field), scan_b.chunk(b.field));
        while at_a.todo != 0 && at_b.todo != 0 {
            step::<CAUSAL>(&mut chunk_a, &mut at_a, &mut mq_a, &mut contexts_a, tables_a, value);
            step::<CAUSAL>(&mut chunk_b, &mut at_b, &mut mq_b, &mut contexts_b, tables_b, value);
        }
        (scan_a.mq, scan_b.mq) = (mq_a, mq_b);
        (scan_a.at, scan_b.at) = (at_a, at_b);
    }
    scan_a.finish::<CAUSAL>(a.field, &mut contexts_a, plane);
    scan_b.finish::<CAUSAL>(b.field, &mut contexts_b, plane);
    *a.registers = scan_a.mq.stop(a.words);
    *b.registers = scan_b.mq.stop(b.words);
    (*a.contexts, *b.contexts) = (contexts_a, contexts_b);
}

/// A pass in progress.
struct Scan<'a> {
    mq: Mq<'a>,
    /// The current stripe, and the chunk of it that comes next.
    stripe: usize,
    next: usize,
    /// In the chunk before that.
    at: Place,
}

/// Where a pass is in a chunk.
#[derive(Clone, Copy, Default)]
struct Place {
    /// The positions still to be visited; the first of them is the current one.
    todo: u64,
    /// The coefficients that were insignificant before the pass.
    open: u64,
    /// All positions that were to be visited.
    visited: u64,
    /// The context of the current decision, with [`SIGN`] if it is one and [`INVERTED`].
    entry: u8,
}

impl<'a> Scan<'a> {
    #[inline(always)]
    fn new(lane: &Lane<'a>) -> Self {
        let mq = Mq::resume(lane.registers, lane.words);
        Self { mq, stripe: 0, next: 0, at: Place::default() }
    }

    /// Moves to the next chunk with a coefficient to visit, if the current one has none.
    #[inline(always)]
    fn has_more<const CAUSAL: bool>(&mut self, field: &mut Field) -> bool {
        if self.at.todo != 0 {
            return true;
        }
        let chunks = field.width.div_ceil(CHUNK);
        if self.next > 0 {
            self.chunk(field).mark(self.at.visited);
        }
        while self.stripe < field.stripes() {
            if self.next == 0 {
                field.pull(self.stripe);
            }
            while self.next < chunks {
                let (inside, tables) = (inside(field, self.stripe, self.next), field.tables);
                self.next += 1;
                let mut chunk = self.chunk(field);
                let (todo, open) = masks::<CAUSAL>(&mut chunk);
                let (todo, open) = (todo & inside, open & inside);
                if todo != 0 {
                    let entry = chunk.significance::<CAUSAL>(first(todo), tables);
                    self.at = Place { todo, open, visited: todo, entry };
                    return true;
                }
            }
            field.push(self.stripe);
            self.stripe += 1;
            self.next = 0;
        }
        false
    }

    /// Decodes what is left.
    #[inline(always)]
    fn finish<const CAUSAL: bool>(
        &mut self,
        field: &mut Field,
        contexts: &mut Contexts,
        plane: u32,
    ) {
        let tables = field.tables;
        while self.has_more::<CAUSAL>(field) {
            let (mut at, mut mq) = (self.at, self.mq);
            let mut chunk = self.chunk(field);
            while at.todo != 0 {
                step::<CAUSAL>(&mut chunk, &mut at, &mut mq, contexts, tables, 3 << plane);
            }
            (self.at, self.mq) = (at, mq);
        }
    }

    /// The current chunk.
    #[inline(always)]
    fn chunk<'f>(&self, field: &'f mut Field) -> Chunk<'f> {
        Chunk::of(field, self.stripe, self.next - 1)
    }
}

/// Which coefficients of a chunk are to be visited, and which are insignificant.
#[inline(always)]
fn masks<const CAUSAL: bool>(chunk: &mut Chunk) -> (u64, u64) {
    let (mut todo, mut open) = (0, 0);
    for (i, &flags) in chunk.columns().iter().enumerate() {
        todo |= nibble(candidates(seen::<CAUSAL>(flags))) << (4 * i);
        open |= nibble(!(flags >> 4)) << (4 * i);
    }
    (todo, open)
}

/// By position in a chunk, the neighbours that come behind in the scan: the one below and
/// those in the next column.
static BEHIND: [u64; 4 * CHUNK] = {
    let mut table = [0; 4 * CHUNK];
    let mut at = 0;
    while at < 4 * CHUNK {
        table[at] = [0b11_0010, 0b11_1010, 0b11_1010, 0b01_1000][at % 4] << at;
        at += 1;
    }
    table
};

/// Makes the current decision, and selects the next one.
#[inline(always)]
fn step<const CAUSAL: bool>(
    chunk: &mut Chunk,
    place: &mut Place,
    mq: &mut Mq,
    contexts: &mut Contexts,
    tables: &Tables,
    value: u32,
) {
    let Place { todo, open, visited, entry } = *place;
    let at = first(todo);
    let signing = u64::from((entry / SIGN) & 1);
    // What comes next unless it is this coefficient's sign: the next one to be visited, which
    // may be one that has become so by this one's significance.
    let rest = todo & (todo - 1) | BEHIND[at] & open & signing.wrapping_neg();
    let other = chunk.significance::<CAUSAL>(first(rest), tables);
    let sign = chunk.sign::<CAUSAL>(at, tables);
    let bit =
        mq.decide_evenly(&mut contexts[usize::from(entry & 31)]) ^ u32::from(entry / INVERTED);
    let new = select_unpredictable(signing == 0, value, 1 << 31);
    let own = u64::from(bit) << 4 << (NEGATIVE * signing as u32);
    chunk.put(at, own, new & bit.wrapping_neg());
    let goes_on = u64::from(bit) & !signing == 0;
    *place = Place {
        todo: select_unpredictable(goes_on, rest, todo),
        open,
        visited: visited | rest,
        entry: select_unpredictable(goes_on, other, sign),
    };
}
