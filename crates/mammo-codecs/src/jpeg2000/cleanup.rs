//! The clean-up pass over a code-block (ISO/IEC 15444-1, D.3.4).
//!
//! It visits the coefficients that the other two passes left, and skips whole columns without
//! significant neighbours. Most of its decisions are predictable, so it decodes one block after the
//! other with branches. Only the doubling of the interval is unpredictable, so a single coefficient
//! is decoded without a branch there. The remaining coefficients are listed first, many columns at
//! a time, because most columns have none.

use pulp::Arch;

use super::chunk::{Chunk, first, inside, nibble};
use super::context::{INVERTED, Tables};
use super::mq::{Contexts, Mq, RUN, UNIFORM};
use super::passes::{ALL_VISITED, CHUNK, Field, NEGATIVE, VISITED};

/// Decodes the pass over `plane`; `causal` hides the next stripe from it.
pub fn cleanup(field: &mut Field, mq: &mut Mq, contexts: &mut Contexts, plane: u32, causal: bool) {
    Arch::new().dispatch(
        // A parameter by value, or it would not be inlined where the wide instructions are enabled.
        #[inline(always)]
        move || {
            let (field, mq, contexts) = (field, mq, contexts);
            if causal {
                cleanup_seeing::<true>(field, mq, contexts, plane);
            } else {
                cleanup_seeing::<false>(field, mq, contexts, plane);
            }
        },
    );
}

#[inline(always)]
fn cleanup_seeing<const CAUSAL: bool>(
    field: &mut Field,
    mq: &mut Mq,
    contexts: &mut Contexts,
    plane: u32,
) {
    let (mut decoder, mut states, tables) = (*mq, *contexts, field.tables);
    for stripe in 0..field.stripes() {
        field.pull(stripe);
        let runs = field.height - 4 * stripe >= 4;
        for index in 0..field.width.div_ceil(CHUNK) {
            let inside = inside(field, stripe, index);
            let mut chunk = Chunk::of(field, stripe, index);
            let mut todo = left(&mut chunk) & inside;
            while todo != 0 {
                let mut at = first(todo);
                // Such a column has not been visited before.
                if runs && chunk.is_clear::<CAUSAL>(at) {
                    todo &= !(0xF << at);
                    if decoder.decide(&mut states[RUN]) == 0 {
                        continue;
                    }
                    let high = decoder.decide_evenly(&mut states[UNIFORM]);
                    let row = high << 1 | decoder.decide_evenly(&mut states[UNIFORM]);
                    // The coefficients after it are still to be visited.
                    todo |= (0xF << at) & !(1 << at << row);
                    todo &= u64::MAX << at << row;
                    at += row as usize;
                } else {
                    todo &= todo - 1;
                    let entry = chunk.significance::<CAUSAL>(at, tables);
                    if decoder.decide_evenly(&mut states[usize::from(entry & 31)]) == 0 {
                        continue;
                    }
                }
                sign::<CAUSAL>(&mut chunk, at, &mut decoder, &mut states, tables, plane);
            }
        }
        field.push(stripe);
    }
    (*mq, *contexts) = (decoder, states);
}

/// Coefficients that are neither significant nor visited. Clears the visited flags.
#[inline(always)]
fn left(chunk: &mut Chunk) -> u64 {
    let mut left = 0;
    for (i, flags) in chunk.columns().iter_mut().enumerate() {
        left |= nibble(!(*flags >> 4 | *flags >> VISITED)) << (4 * i);
        *flags &= !ALL_VISITED;
    }
    left
}

/// Decides the sign of a coefficient that has become significant.
#[inline(always)]
fn sign<const CAUSAL: bool>(
    chunk: &mut Chunk,
    at: usize,
    mq: &mut Mq,
    contexts: &mut Contexts,
    tables: &Tables,
    plane: u32,
) {
    let entry = chunk.sign::<CAUSAL>(at, tables);
    let bit = mq.decide_evenly(&mut contexts[usize::from(entry & 31)]);
    let sign = bit ^ u32::from(entry / INVERTED);
    chunk.put(at, 1 << 4 | u64::from(sign) << (4 + NEGATIVE), sign << 31 | 3 << plane);
}
