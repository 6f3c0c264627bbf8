//! Decodes code-blocks' coding passes into coefficients (ISO/IEC 15444-1 Annex D), two
//! blocks at a time.
//!
//! In: [`Shape`]s and codeword segments. Out: [`Lane::row`], magnitudes with one fractional
//! bit and the sign on top, a stripe's column of four together.
//!
//! An arithmetic decoder is one chain of dependent steps in which a processor mostly waits. So the
//! significance and refinement passes of two blocks, which hold most of the decisions, are decoded
//! in turn, one decision each: two chains take less than twice the time of one. Half of a
//! mammogram's decisions are refinements, whose contexts are all known before the pass.

use super::block::{Segments, Shape};
use super::coding::Style;
use super::geometry::Block;
use super::mq::{Contexts, INITIAL, Mq, Raw, Registers, UNIFORM, Word, unstuff};
use super::passes::{self, Field};
use super::{cleanup, refine, significance};

/// The three passes over a bit-plane, in their order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Pass {
    Significance,
    Refinement,
    Cleanup,
}

/// Decodes up to two blocks at a time and reuses its buffers.
#[derive(Default)]
pub struct BlockDecoder {
    lanes: [Lane; 2],
}

impl BlockDecoder {
    /// Decodes one or two blocks from their pieces of `source`.
    pub fn decode(&mut self, blocks: &[(Shape, &Block)], source: &Segments) -> &[Lane] {
        let lanes = &mut self.lanes[..blocks.len()];
        for (lane, (shape, block)) in lanes.iter_mut().zip(blocks) {
            lane.start(shape, block);
        }
        if let [first, second] = lanes {
            // The block with the higher plane goes first, so that both meet in each plane.
            while let (Some(a), Some(b)) = (first.due(source), second.due(source)) {
                if a == b && a.1 == Pass::Refinement && !first.raw && !second.raw {
                    refine::both([first.refinement(), second.refinement()], a.0);
                    first.end_pass();
                    second.end_pass();
                } else if a == b && a.1 == Pass::Significance && !first.raw && !second.raw {
                    let causal = first.style.vertically_causal();
                    significance::both([first.significance(), second.significance()], a.0, causal);
                    first.end_pass();
                    second.end_pass();
                } else if (a.0, b.1) >= (b.0, a.1) {
                    first.run(a);
                } else {
                    second.run(b);
                }
            }
        }
        for lane in lanes.iter_mut() {
            while let Some(due) = lane.due(source) {
                lane.run(due);
            }
        }
        lanes
    }
}

/// One block that is being decoded.
#[derive(Default)]
pub struct Lane {
    field: Field,
    contexts: Contexts,
    registers: Registers,
    words: Vec<Word>,
    style: Style,
    planes: u8,
    skip: u8,
    /// The current bit-plane, and the next pass over it.
    plane: i32,
    pass: Option<Pass>,
    /// The passes left in the current segment, and the piece that the next one starts with.
    left: usize,
    next: u32,
    /// Whether the current segment bypasses the arithmetic coder.
    raw: bool,
    raw_reader: Raw,
    raw_bytes: Vec<u8>,
    joined: Vec<u8>,
    list: refine::List,
}

impl Lane {
    fn start(&mut self, shape: &Shape, block: &Block) {
        self.field.clear(shape);
        self.contexts = INITIAL;
        self.style = shape.style;
        self.planes = shape.planes;
        self.skip = shape.skip;
        self.plane = i32::from(shape.planes) - 1;
        self.pass = Some(Pass::Cleanup);
        self.left = 0;
        self.next = block.first;
    }

    /// The columns of four that row `y` is in, at `y % 4`: the sign in bit 31, below it twice
    /// the magnitude, plus the half step that is added to what was not decoded to the end.
    pub fn row(&self, y: usize) -> &[[u32; 4]] {
        self.field.row(y)
    }

    /// The plane and pass that come next, with the segment that holds it at hand; `None` at
    /// the end of the data or of the planes that are wanted.
    fn due(&mut self, source: &Segments) -> Option<(u32, Pass)> {
        let pass = self.pass.filter(|_| self.plane >= i32::from(self.skip))?;
        if self.left == 0 {
            if self.next == 0 {
                return None;
            }
            // The first four planes are never bypassed, a clean-up pass neither.
            self.raw = self.style.bypass()
                && pass < Pass::Cleanup
                && self.plane < i32::from(self.planes) - 4;
            let (passes, segment) = source.next(&mut self.next, &mut self.joined);
            self.left = passes;
            if self.raw {
                self.raw_reader = Raw::default();
                self.raw_bytes.clear();
                self.raw_bytes.extend_from_slice(segment);
            } else {
                unstuff(segment, &mut self.words);
                self.registers = Registers::start(&self.words);
            }
        }
        Some((self.plane as u32, pass))
    }

    /// Decodes the next pass.
    fn run(&mut self, (plane, pass): (u32, Pass)) {
        let causal = self.style.vertically_causal();
        if self.raw {
            let bit = || self.raw_reader.bit(&self.raw_bytes);
            match pass {
                Pass::Significance => passes::raw_significance(&mut self.field, bit, plane, causal),
                _ => passes::raw_refinement(&mut self.field, bit, plane),
            }
            return self.end_pass();
        }
        match pass {
            Pass::Significance => significance::one(self.significance(), plane, causal),
            Pass::Refinement => refine::one(self.refinement(), plane),
            Pass::Cleanup => self.cleanup(plane, causal),
        }
        self.end_pass();
    }

    fn cleanup(&mut self, plane: u32, causal: bool) {
        let mut mq = Mq::resume(&self.registers, &self.words);
        let (field, contexts) = (&mut self.field, &mut self.contexts);
        cleanup::cleanup(field, &mut mq, contexts, plane, causal);
        if self.style.segmentation_symbols() {
            for _ in 0..4 {
                mq.decide(&mut self.contexts[UNIFORM]);
            }
        }
        self.registers = mq.stop(&self.words);
    }

    /// Returns the state that decodes the next significance pass.
    fn significance(&mut self) -> significance::Lane<'_> {
        significance::Lane {
            field: &mut self.field,
            contexts: &mut self.contexts,
            registers: &mut self.registers,
            words: &self.words,
        }
    }

    /// Lists the decisions of the next refinement pass, and returns the state that decodes them.
    fn refinement(&mut self) -> refine::Lane<'_> {
        self.list.gather(&mut self.field, self.style.vertically_causal());
        refine::Lane {
            list: &self.list,
            coefficients: &mut self.field.coefficients,
            contexts: &mut self.contexts,
            registers: &mut self.registers,
            words: &self.words,
        }
    }

    fn end_pass(&mut self) {
        if self.style.reset() && !self.raw {
            self.contexts = INITIAL;
        }
        self.left -= 1;
        self.pass = Some(match self.pass {
            Some(Pass::Significance) => Pass::Refinement,
            Some(Pass::Refinement) => Pass::Cleanup,
            Some(Pass::Cleanup) | None => {
                self.plane -= 1;
                Pass::Significance
            }
        });
    }
}
