//! The significance pass (ISO/IEC 15444-1, D.3.1), of one block or of two in turn.
//!
//! It visits what is insignificant but has a significant neighbour. Which those are changes as
//! it goes, and how many a column has is anyone's guess, so a loop over columns would be
//! mispredicted once a column. Here the 64 coefficients of sixteen columns, in the order of the
//! scan, are bits of a word, and the next one is the lowest that is set; what becomes
//! significant sets the bits of its neighbours behind. Two blocks are decoded a decision each
//! in turn, so that one's chain of steps fills the waits of the other's.

use pulp::Arch;

use super::context::{SIGNS, Tables};
use super::mq::{Contexts, Mq, Registers, Word};
use super::passes::{CHUNK, Field, Flags, NEGATIVE, VISITED, candidates, seen};

/// What decodes one block's pass.
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
    // Copies here and on the stack below, so that each is at an address known beforehand and
    // the registers are left for what changes.
    let (mut contexts_a, mut contexts_b) = (*a.contexts, *b.contexts);
    let (mut scan_a, mut scan_b) = (Scan::new(&a), Scan::new(&b));
    let (zero_a, zero_b) = (a.field.tables, b.field.tables);
    let value = 3 << plane;
    while scan_a.has_more::<CAUSAL>(a.field) && scan_b.has_more::<CAUSAL>(b.field) {
        let (mut chunk_a, mut chunk_b) = (scan_a.chunk(a.field), scan_b.chunk(b.field));
        let (mut mq_a, mut mq_b) = (scan_a.mq, scan_b.mq);
        while chunk_a.todo != 0 && chunk_b.todo != 0 {
            chunk_a.step::<CAUSAL>(&mut mq_a, &mut contexts_a, zero_a, value);
            chunk_b.step::<CAUSAL>(&mut mq_b, &mut contexts_b, zero_b, value);
        }
        (scan_a.mq, scan_b.mq) = (mq_a, mq_b);
        scan_a.put(chunk_a, a.field);
        scan_b.put(chunk_b, b.field);
    }
    scan_a.finish::<CAUSAL>(a.field, &mut contexts_a, plane);
    scan_b.finish::<CAUSAL>(b.field, &mut contexts_b, plane);
    *a.registers = scan_a.mq.stop(a.words);
    *b.registers = scan_b.mq.stop(b.words);
    (*a.contexts, *b.contexts) = (contexts_a, contexts_b);
}

/// A pass at work.
struct Scan<'a> {
    mq: Mq<'a>,
    /// The stripe at hand, and the chunk of it that comes next.
    stripe: usize,
    next: usize,
    /// What of the chunk before that is still to be visited, and what of it was insignificant
    /// before the pass.
    todo: u64,
    open: u64,
}

impl<'a> Scan<'a> {
    #[inline(always)]
    fn new(lane: &Lane<'a>) -> Self {
        let mq = Mq::resume(lane.registers, lane.words);
        Self { mq, stripe: 0, next: 0, todo: 0, open: 0 }
    }

    /// Goes on to the next chunk with anything to visit, if the one at hand has not.
    #[inline(always)]
    fn has_more<const CAUSAL: bool>(&mut self, field: &mut Field) -> bool {
        if self.todo != 0 {
            return true;
        }
        let chunks = field.width.div_ceil(CHUNK);
        while self.stripe < field.stripes() {
            if self.next == 0 {
                field.pull(self.stripe);
            }
            while self.next < chunks {
                (self.todo, self.open) = masks::<CAUSAL>(field, self.stripe, self.next);
                self.next += 1;
                if self.todo != 0 {
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
        let zero = field.tables;
        while self.has_more::<CAUSAL>(field) {
            let (mut chunk, mut mq) = (self.chunk(field), self.mq);
            while chunk.todo != 0 {
                chunk.step::<CAUSAL>(&mut mq, contexts, zero, 3 << plane);
            }
            self.mq = mq;
            self.put(chunk, field);
        }
    }

    /// A copy of the chunk at hand.
    #[inline(always)]
    fn chunk(&self, field: &Field) -> Chunk {
        let first = CHUNK * (self.next - 1);
        let flags = field.flags[(self.stripe + 1) * field.stride + first..].first_chunk();
        let flags = *flags.expect("a stripe's flags are padded to whole chunks");
        let &Self { todo, open, .. } = self;
        Chunk { flags, coefficients: [0; 4 * CHUNK], todo, open }
    }

    /// Puts the copy back.
    #[inline(always)]
    fn put(&mut self, chunk: Chunk, field: &mut Field) {
        let first = CHUNK * (self.next - 1);
        let flags = &mut field.flags[(self.stripe + 1) * field.stride + first..];
        flags[..CHUNK + 2].copy_from_slice(&chunk.flags);
        let columns = (field.width - first).min(CHUNK);
        let coefficients = &mut field.coefficients[4 * (self.stripe * field.width + first)..];
        if let Some(whole) = coefficients.first_chunk_mut::<{ 4 * CHUNK }>()
            && columns == CHUNK
        {
            for (to, new) in whole.iter_mut().zip(&chunk.coefficients) {
                *to |= new;
            }
        } else {
            for (to, new) in coefficients[..4 * columns].iter_mut().zip(&chunk.coefficients) {
                *to |= new;
            }
        }
        self.todo = chunk.todo;
    }
}

/// Which coefficients of a chunk are to be visited, and which are insignificant.
#[inline(always)]
fn masks<const CAUSAL: bool>(field: &Field, stripe: usize, chunk: usize) -> (u64, u64) {
    let first = CHUNK * chunk;
    let flags: &[Flags; CHUNK] = field.flags[(stripe + 1) * field.stride + first + 1..]
        .first_chunk()
        .expect("a stripe's flags are padded to whole chunks");
    let rows = (1 << (field.height - 4 * stripe).min(4)) - 1;
    let columns = (field.width - first).min(CHUNK);
    let inside = (0x1111_1111_1111_1111 * rows) & (u64::MAX >> (64 - 4 * columns));
    let nibble = |rows: u64| rows & 1 | rows >> 2 & 2 | rows >> 4 & 4 | rows >> 6 & 8;
    let (mut todo, mut open) = (0, 0);
    for (i, &flags) in flags.iter().enumerate() {
        todo |= nibble(candidates(seen::<CAUSAL>(flags))) << (4 * i);
        open |= nibble(!(flags >> 4)) << (4 * i);
    }
    (todo & inside, open & inside)
}

/// Sixteen columns of a stripe being decoded.
struct Chunk {
    /// A column more each side.
    flags: [Flags; CHUNK + 2],
    /// What has become significant.
    coefficients: [u32; 4 * CHUNK],
    todo: u64,
    open: u64,
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

impl Chunk {
    /// Decides whether the next coefficient is significant, and its sign if it is.
    #[inline(always)]
    fn step<const CAUSAL: bool>(
        &mut self,
        mq: &mut Mq,
        contexts: &mut Contexts,
        tables: &Tables,
        value: u32,
    ) {
        let at = self.todo.trailing_zeros() as usize % (4 * CHUNK);
        let (column, t) = (at / 4, 3 * (at % 4));
        let flags = self.flags[column + 1];
        let near = seen::<CAUSAL>(flags) >> t;
        let mut decide = |entry: u8| {
            mq.decide_evenly(&mut contexts[usize::from(entry & 31)]) ^ u32::from(entry >> 7)
        };
        self.todo &= self.todo - 1;
        let mut own = 1 << VISITED;
        if decide(tables[near as usize & 0x1FF]) == 1 {
            let signs = near & 0xAA | near >> (NEGATIVE + 1) & 0x55;
            let sign = decide(tables[SIGNS + signs as usize]);
            own |= 1 << 4 | u64::from(sign) << (4 + NEGATIVE);
            self.flags[column] |= own << t << 1;
            self.flags[column + 2] |= own << t >> 1;
            self.coefficients[at] = sign << 31 | value;
            self.todo |= BEHIND[at] & self.open;
        }
        // Beside the column, the bit for visited falls where nothing is.
        self.flags[column + 1] = flags | own << t;
    }
}
