//! What is derived from the parameters: copies of the weights of convolutions, and a bit per
//! parameter that says whether it decays.
//!
//! A weight is copied in the precision of the activations, to an address that suits vectors and
//! tensor cores; in the flat buffer it may start anywhere. Depthwise weights change from `[channels,
//! taps]` to `[taps, channels]`. A copy is made when its weight is first asked for, and all copies
//! are renewed together whenever the parameters change.

use std::collections::HashMap;
use std::ops::Range;

use super::super::Result;
use super::device::{Argument, Memory};
use super::{Cuda, Floats, arguments, optimizer};

/// Blocks that copy one weight.
const BLOCKS: usize = 32;

/// The copies, by the places of their weights.
#[derive(Debug, Default)]
pub struct Weights {
    copies: HashMap<usize, Copied>,
    /// The table of all copies on the device; `None` after a copy was added.
    table: Option<Memory>,
}

#[derive(Debug)]
struct Copied {
    memory: Memory,
    /// A `Copy` of the source.
    entry: [u64; 4],
}

/// Which parameters decay, a bit per parameter.
#[derive(Debug)]
pub struct Decays {
    ranges: Vec<Range<usize>>,
    memory: Memory,
}

fn table_bytes<'a>(entries: impl Iterator<Item = &'a [u64; 4]>) -> Vec<u8> {
    entries.flatten().flat_map(|number| number.to_le_bytes()).collect()
}

impl Cuda {
    /// The address of the copy of a weight. The copy is `[taps, channels]` if `taps` is more than 1.
    pub(super) fn weight(
        &mut self,
        parameters: &Floats,
        weight: &Range<usize>,
        taps: usize,
    ) -> Result<Argument> {
        if let Some(copied) = self.weights.copies.get(&weight.start) {
            return Ok(copied.memory.address().into());
        }
        let memory = self.device.allocate(weight.len() * self.device.value_bytes())?;
        let address = memory.address();
        let entry = [address, weight.start as u64, weight.len() as u64, taps as u64];
        let table = self.device.allocate(size_of_val(&entry))?;
        self.device.write(&table, &table_bytes([&entry].into_iter()))?;
        self.copy_weights(parameters, &table, 1)?;
        self.weights.copies.insert(weight.start, Copied { memory, entry });
        self.weights.table = None;
        Ok(address.into())
    }

    /// Renews all copies.
    pub(super) fn renew_weights(&mut self, parameters: &Floats) -> Result<()> {
        let count = self.weights.copies.len();
        if count == 0 {
            return Ok(());
        }
        let table = match self.weights.table.take() {
            Some(table) => table,
            None => {
                let bytes = table_bytes(self.weights.copies.values().map(|copied| &copied.entry));
                let table = self.device.allocate(bytes.len())?;
                self.device.write(&table, &bytes)?;
                table
            }
        };
        self.copy_weights(parameters, &table, count)?;
        self.weights.table = Some(table);
        Ok(())
    }

    fn copy_weights(&mut self, parameters: &Floats, table: &Memory, count: usize) -> Result<()> {
        let arguments = arguments![parameters, table.address()];
        let grid = [BLOCKS, count, 1];
        self.device.launch("copy_weights", grid, optimizer::THREADS, arguments)
    }

    /// A bit for each of `length` parameters, set in `ranges`.
    pub(super) fn decays(&mut self, ranges: &[Range<usize>], length: usize) -> Result<Argument> {
        let known = self.decays.as_ref().filter(|known| known.ranges == ranges);
        if let Some(known) = known {
            return Ok(known.memory.address().into());
        }
        let bits = bits_of(ranges, length);
        let memory = self.device.allocate(bits.len())?;
        self.device.write(&memory, &bits)?;
        let known = self.decays.insert(Decays { ranges: ranges.to_vec(), memory });
        Ok(known.memory.address().into())
    }
}

/// Number i has bit `i % 8` of byte `i / 8`. The bytes are whole words of 32 bits.
fn bits_of(ranges: &[Range<usize>], length: usize) -> Vec<u8> {
    let mut bits = vec![0_u8; length.div_ceil(32) * 4];
    for i in ranges.iter().cloned().flatten() {
        bits[i / 8] |= 1 << (i % 8);
    }
    bits
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bit_is_set_for_each_parameter_in_a_range_and_no_other() {
        assert_eq!(bits_of(&[1..3, 8..9, 31..34], 40), [6, 1, 0, 128, 3, 0, 0, 0]);
    }
}
