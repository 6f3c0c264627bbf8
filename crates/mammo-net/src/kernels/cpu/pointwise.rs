//! 1x1 convolutions as matrix products over chunks of pixels.
//!
//! The lazy operand of a chunk is computed into scratch memory right before the product that reads
//! it, and the output of a chunk is summed up for the norm while it is still in the cache. A batch
//! of few pixels and many channels is divided into tiles of columns instead. The shape alone
//! decides on chunks and tiles, so results do not depend on the number of threads.

use pulp::Arch;
use rayon::prelude::*;

use super::matrix::{Matrix, MatrixMut};
use super::operand::{Rows, rows};
use super::pool::{Buffer, Pool};
use super::sums::{self, Sums};

/// With fewer pixels than this, threads take tiles of columns, not chunks of pixels.
const FEW_ROWS: usize = 512;
/// The number of tiles.
const TILES: usize = 8;
/// The largest number of parts that the pixels are divided into. Each part adds up its own gradient of
/// the weight.
const PARTS: usize = 32;
/// The largest number of values in the gradients of all parts.
const PART_NUMBERS: usize = 1 << 23;

/// Pixels of a chunk, whose input and output have to fit into the second-level cache.
fn chunk_rows(inputs: usize, outputs: usize) -> usize {
    ((1 << 18) / inputs.max(outputs)).clamp(128, 1024) / 16 * 16
}

fn tile_width(columns: usize) -> usize {
    columns.div_ceil(TILES).next_multiple_of(16)
}

/// The output `x * weight^T`, `[rows, outputs]`, and its sums.
pub fn forward<R: Rows>(
    x: R,
    count: usize,
    weight: &[f32],
    with_sums: bool,
    (arch, pool): (Arch, &Pool),
) -> (Buffer, Option<Sums>) {
    let inputs = x.channels();
    let outputs = weight.len() / inputs;
    let mut y = pool.take(count * outputs);
    let weight = Matrix::new(weight, inputs).transposed();
    if count < FEW_ROWS {
        let mut scratch = None;
        let x = Matrix::new(fill_together(x, count, (arch, pool), &mut scratch), inputs);
        let width = tile_width(outputs);
        let tiles = MatrixMut::new(&mut y, outputs).tiles(width);
        tiles.into_par_iter().enumerate().for_each(|(i, mut tile)| {
            let columns = tile.columns();
            tile.multiply(x, weight.columns(i * width, columns), false);
        });
        let parts = y.par_chunks(64 * outputs).map(|rows| sums::squares(arch, rows, outputs));
        let sums = with_sums.then(|| Sums::total(outputs, parts.collect::<Vec<_>>()));
        return (y, sums);
    }
    let chunk = chunk_rows(inputs, outputs);
    let parts = y.par_chunks_mut(chunk * outputs).enumerate().map(|(i, out)| {
        let (first, mut scratch) = (i * chunk, None);
        let here = first..first + out.len() / outputs;
        let x = rows(x, here, (arch, pool), &mut scratch);
        MatrixMut::new(out, outputs).multiply(Matrix::new(x, inputs), weight, false);
        with_sums.then(|| sums::squares(arch, out, outputs))
    });
    let parts: Vec<Option<Sums>> = parts.collect();
    let sums = with_sums.then(|| Sums::total(outputs, parts.into_iter().flatten()));
    (y, sums)
}

/// Adds `grad_output^T * x` to the gradient of the weight, and gives `grad_output * weight`, added into
/// `accumulate_into` if that is given.
pub fn backward<G: Rows, R: Rows>(
    (grad_output, x, count): (G, R, usize),
    weight: &[f32],
    gradient: &mut [f32],
    accumulate_into: Option<Buffer>,
    (arch, pool): (Arch, &Pool),
) -> Buffer {
    let (inputs, outputs) = (x.channels(), grad_output.channels());
    let add = accumulate_into.is_some();
    let mut dx = accumulate_into.unwrap_or_else(|| pool.take(count * inputs));
    let weight = Matrix::new(weight, inputs);
    if count < FEW_ROWS {
        let mut scratch = None;
        let grad_output =
            Matrix::new(fill_together(grad_output, count, (arch, pool), &mut scratch), outputs);
        let width = tile_width(inputs);
        let tiles = MatrixMut::new(gradient, inputs).tiles(width);
        let dx_tiles = MatrixMut::new(&mut dx, inputs).tiles(width);
        tiles.into_par_iter().zip(dx_tiles).enumerate().for_each(|(i, (mut tile, mut dx))| {
            let (first, columns) = (i * width, tile.columns());
            let mut scratch = None;
            let x = if let Some(values) = x.plain() {
                Matrix::new(values, inputs).columns(first, columns)
            } else {
                let scratch = scratch.insert(pool.take(count * columns));
                x.fill(arch, 0..count, first..first + columns, scratch);
                Matrix::new(scratch, columns)
            };
            tile.multiply(grad_output.transposed(), x, true);
            dx.multiply(grad_output, weight.columns(first, columns), add);
        });
        return dx;
    }
    let chunk = chunk_rows(inputs, outputs);
    let most = (PART_NUMBERS / gradient.len()).clamp(1, PARTS);
    let part_rows = count.div_ceil(chunk).div_ceil(most) * chunk;
    let parts = dx.par_chunks_mut(part_rows * inputs).enumerate().map(|(part, dx)| {
        let mut sum = pool.take(inputs * outputs);
        let (mut scratch_gradient, mut scratch_x) = (None, None);
        for (i, dx) in dx.chunks_mut(chunk * inputs).enumerate() {
            let first = part * part_rows + i * chunk;
            let here = first..first + dx.len() / inputs;
            let grad_output = rows(grad_output, here.clone(), (arch, pool), &mut scratch_gradient);
            let grad_output = Matrix::new(grad_output, outputs);
            let x = Matrix::new(rows(x, here, (arch, pool), &mut scratch_x), inputs);
            MatrixMut::new(&mut sum, inputs).multiply(grad_output.transposed(), x, i > 0);
            MatrixMut::new(dx, inputs).multiply(grad_output, weight, add);
        }
        sum
    });
    let parts: Vec<Buffer> = parts.collect();
    add_parts(gradient, &parts);
    dx
}

/// Adds `grad_output^T * x` to `gradient`, and gives nothing; `fill` computes `x` chunk by chunk.
pub fn weight_gradient<G: Rows>(
    grad_output: G,
    count: usize,
    chunk: usize,
    fill: impl Fn(std::ops::Range<usize>, &mut [f32]) + Sync,
    gradient: &mut [f32],
    (arch, pool): (Arch, &Pool),
) {
    let outputs = grad_output.channels();
    let inputs = gradient.len() / outputs;
    let chunks = count.div_ceil(chunk);
    let part_chunks = chunks.div_ceil(PARTS);
    let parts = (0..chunks.div_ceil(part_chunks)).into_par_iter().map(|part| {
        let mut sum = pool.zeros(inputs * outputs);
        let mut x = pool.take(chunk * inputs);
        let mut scratch = None;
        for i in part * part_chunks..((part + 1) * part_chunks).min(chunks) {
            let here = i * chunk..((i + 1) * chunk).min(count);
            let x = &mut x[..here.len() * inputs];
            fill(here.clone(), x);
            let grad_output =
                Matrix::new(rows(grad_output, here, (arch, pool), &mut scratch), outputs);
            MatrixMut::new(&mut sum, inputs).multiply(
                grad_output.transposed(),
                Matrix::new(x, inputs),
                true,
            );
        }
        sum
    });
    let parts: Vec<Buffer> = parts.collect();
    add_parts(gradient, &parts);
}

/// Adds parts of equal length to `gradient`, in their order.
pub fn add_parts(gradient: &mut [f32], parts: &[Buffer]) {
    const SPAN: usize = 1 << 14;
    gradient.par_chunks_mut(SPAN).enumerate().for_each(|(i, out)| {
        for part in parts {
            let part = &part[i * SPAN..][..out.len()];
            out.iter_mut().zip(part).for_each(|(sum, value)| *sum += value);
        }
    });
}

/// All rows of an operand, computed by all threads together.
fn fill_together<'a, R: Rows + 'a>(
    source: R,
    count: usize,
    (arch, pool): (Arch, &Pool),
    scratch: &'a mut Option<Buffer>,
) -> &'a [f32] {
    if let Some(values) = source.plain() {
        return values;
    }
    const ROWS: usize = 32;
    let channels = source.channels();
    let scratch = scratch.insert(pool.take(count * channels));
    scratch.par_chunks_mut(ROWS * channels).enumerate().for_each(|(i, out)| {
        let first = i * ROWS;
        source.fill(arch, first..first + out.len() / channels, 0..channels, out);
    });
    scratch
}
