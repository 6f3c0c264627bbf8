//! Launches of `source/rows.cu`: what is applied to every value of an activation, and sums over it.

use super::super::{Activation, GradientOperand, Norm, Operand, Result, Shape, Slopes};
use super::{Cuda, ExciteSums, Floats, Sums, Values, arguments};

/// Threads of a block; `ROW_THREADS` in the source.
pub const THREADS: u32 = 256;
/// Rows of a thread, at least.
const ROWS_A_THREAD: usize = 16;
/// Blocks that fill any GPU. This is also the largest number of slabs.
const BLOCKS: usize = 1024;
/// The largest number of slabs that a thread adds up.
const MOST_SLABS: usize = 64;

/// How the rows of some images are divided among blocks. The shape alone decides it, and with it the
/// order of sums.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Parts {
    /// Vectors of 8 channels in a block.
    pub lanes: usize,
    /// Rows in a block.
    pub slab: usize,
    /// Slabs in an image.
    pub slabs: usize,
    /// Blocks by channels, slabs and images.
    pub grid: [usize; 3],
}

impl Parts {
    /// Parts of `images` matrices `[rows, channels]`.
    pub fn new(images: usize, rows: usize, channels: usize) -> Self {
        let groups = channels / 8;
        let across = groups.div_ceil(32);
        let lanes = groups.div_ceil(across);
        let beneath = THREADS as usize / lanes;
        let most = (BLOCKS / (across * images)).max(1);
        let slabs = rows.div_ceil(beneath * ROWS_A_THREAD).clamp(1, most);
        let slab = rows.div_ceil(slabs);
        let slabs = rows.div_ceil(slab);
        Self { lanes, slab, slabs, grid: [across, slabs, images] }
    }
}

/// An operand with nothing left to compute.
pub enum Made<'a> {
    /// Nothing was lazy: the raw values.
    Raw(&'a Values),
    /// The computed values.
    Own(Values),
}

impl Made<'_> {
    /// Its values.
    pub fn values(&self) -> &Values {
        match self {
            Self::Raw(values) => values,
            Self::Own(values) => values,
        }
    }
}

impl Cuda {
    /// The parts of a whole batch, image by image.
    fn by_image(shape: Shape) -> Parts {
        Parts::new(shape.batch, shape.area(), shape.channels)
    }

    /// Computes an operand.
    pub(super) fn make<'a>(&mut self, x: Operand<'a, Self>) -> Result<Made<'a>> {
        if x.norm.is_none() && x.gate.is_none() {
            return Ok(Made::Raw(&x.raw.values));
        }
        let (shape, parts) = (x.raw.shape, Self::by_image(x.raw.shape));
        let out = self.values(shape.len())?;
        let (scale, shift) = (x.norm.map(|norm| &norm.scale), x.norm.map(|norm| &norm.shift));
        let (area, channels) = (shape.area(), shape.channels);
        let arguments = arguments![
            &x.raw.values,
            scale,
            shift,
            x.gate,
            &out,
            area,
            channels,
            parts.lanes,
            parts.slab
        ];
        self.device.launch("norm_silu_gate", parts.grid, THREADS, arguments)?;
        Ok(Made::Own(out))
    }

    /// Computes the operand of a gradient.
    pub(super) fn make_gradient<'a>(&mut self, x: GradientOperand<'a, Self>) -> Result<Made<'a>> {
        if x.norm.is_none() && x.drop_path_mask.is_none() {
            return Ok(Made::Raw(&x.grad_output.values));
        }
        let (shape, parts) = (x.grad_output.shape, Self::by_image(x.grad_output.shape));
        let out = self.values(shape.len())?;
        let (area, channels) = (shape.area(), shape.channels);
        let arguments = arguments![
            &x.grad_output.values,
            x.drop_path_mask,
            x.norm.map(|norm| &norm.raw.values),
            x.norm.map(|norm| &norm.slopes.grad_output),
            x.norm.map(|norm| &norm.slopes.raw),
            x.norm.map(|norm| &norm.slopes.constant),
            &out,
            area,
            channels,
            parts.lanes,
            parts.slab,
        ];
        self.device.launch("norm_backward", parts.grid, THREADS, arguments)?;
        Ok(Made::Own(out))
    }

    /// See [`super::Kernels::residual_add`].
    pub(super) fn residual_add_forward(
        &mut self,
        raw: &Activation<Values>,
        norm: &Norm<Floats>,
        drop_path_mask: Option<&Floats>,
        shortcut: Option<&Activation<Values>>,
    ) -> Result<Activation<Values>> {
        let (shape, parts) = (raw.shape, Self::by_image(raw.shape));
        let out = self.activation(shape)?;
        let arguments = arguments![
            &raw.values,
            &norm.scale,
            &norm.shift,
            drop_path_mask,
            shortcut.map(|shortcut| &shortcut.values),
            &out.values,
            shape.area(),
            shape.channels,
            parts.lanes,
            parts.slab,
        ];
        self.device.launch("residual_add", parts.grid, THREADS, arguments)?;
        Ok(out)
    }

    /// The sums of the values and of their squares.
    pub(super) fn squares(&mut self, x: &Activation<Values>) -> Result<Sums> {
        // Images do not matter here: the batch is one matrix.
        let (rows, channels) = (x.shape.rows(), x.shape.channels);
        let parts = Parts::new(1, rows, channels);
        let sums = self.floats(parts.slabs * 2 * channels)?;
        let arguments = arguments![&x.values, &sums, rows, channels, parts.lanes, parts.slab];
        self.device.launch("squares", parts.grid, THREADS, arguments)?;
        self.sums(sums, parts.slabs, channels)
    }

    /// See [`super::Kernels::residual_add_sums`].
    pub(super) fn residual_add_backward_sums(
        &mut self,
        raw: &Activation<Values>,
        norm: &Norm<Floats>,
        grad_output: &Activation<Values>,
        drop_path_mask: Option<&Floats>,
    ) -> Result<Sums> {
        let (shape, parts) = (raw.shape, Self::by_image(raw.shape));
        let slabs = shape.batch * parts.slabs;
        let sums = self.floats(slabs * 2 * shape.channels)?;
        let arguments = arguments![
            &raw.values,
            &grad_output.values,
            &norm.mean,
            drop_path_mask,
            &sums,
            shape.area(),
            shape.channels,
            parts.lanes,
            parts.slab,
        ];
        self.device.launch("residual_add_sums", parts.grid, THREADS, arguments)?;
        self.sums(sums, slabs, shape.channels)
    }

    /// See [`super::Kernels::pool`]. No pooled operand of the network has a gate, but one would be
    /// applied.
    pub(super) fn means(&mut self, x: Operand<'_, Self>) -> Result<Floats> {
        let shape = x.raw.shape;
        let made = if x.gate.is_some() { self.make(x)? } else { Made::Raw(&x.raw.values) };
        let norm = x.norm.filter(|_| x.gate.is_none());
        let parts = Self::by_image(shape);
        let sums = self.floats(shape.batch * parts.slabs * shape.channels)?;
        let arguments = arguments![
            made.values(),
            norm.map(|norm| &norm.scale),
            norm.map(|norm| &norm.shift),
            &sums,
            shape.area(),
            shape.channels,
            parts.lanes,
            parts.slab,
        ];
        self.device.launch("pool", parts.grid, THREADS, arguments)?;
        let scale = 1.0 / shape.area() as f32;
        self.fold(&sums, shape.batch * parts.slabs, shape.channels, parts.slabs, scale)
    }

    /// See [`super::Kernels::excite_sums`].
    pub(super) fn excite_backward_sums(
        &mut self,
        raw: &Activation<Values>,
        norm: &Norm<Floats>,
        grad_output: Option<&Activation<Values>>,
    ) -> Result<ExciteSums> {
        let (shape, parts) = (raw.shape, Self::by_image(raw.shape));
        let (slabs, count) = (shape.batch * parts.slabs, 5 * shape.channels);
        let sums = self.floats(slabs * count)?;
        let arguments = arguments![
            &raw.values,
            grad_output.map(|grad_output| &grad_output.values),
            &norm.mean,
            &norm.scale,
            &norm.shift,
            &sums,
            shape.area(),
            shape.channels,
            parts.lanes,
            parts.slab,
        ];
        self.device.launch("excite_sums", parts.grid, THREADS, arguments)?;
        Ok(ExciteSums { floats: self.fold(&sums, slabs, count, parts.slabs, 1.0)? })
    }

    /// See [`super::Kernels::excited_gradient`].
    pub(super) fn gradient_under_activation(
        &mut self,
        raw: &Activation<Values>,
        norm: &Norm<Floats>,
        grad_output: Option<(Activation<Values>, &Floats)>,
        pooled: &Floats,
        slopes: &Slopes<Floats>,
    ) -> Result<Activation<Values>> {
        let (shape, parts) = (raw.shape, Self::by_image(raw.shape));
        let (grad_output, gate) = grad_output.unzip();
        let given = grad_output.is_some();
        // In place: every value is read and written by one thread.
        let out = grad_output.map_or_else(|| self.activation(shape), Ok)?;
        let arguments = arguments![
            &raw.values,
            &norm.scale,
            &norm.shift,
            given.then_some(&out.values),
            gate,
            pooled,
            &slopes.grad_output,
            &slopes.raw,
            &slopes.constant,
            &out.values,
            shape.area(),
            shape.channels,
            parts.lanes,
            parts.slab,
        ];
        self.device.launch("excited_gradient", parts.grid, THREADS, arguments)?;
        Ok(out)
    }

    /// Sums of so few slabs that a thread can add them up.
    pub(super) fn sums(&mut self, floats: Floats, slabs: usize, channels: usize) -> Result<Sums> {
        let (floats, slabs) = self.few_slabs(floats, slabs, 2 * channels)?;
        Ok(Sums { floats, slabs })
    }

    /// Adds up `[slabs, count]` to at most [`MOST_SLABS`] slabs.
    pub(super) fn few_slabs(
        &mut self,
        mut floats: Floats,
        mut slabs: usize,
        count: usize,
    ) -> Result<(Floats, usize)> {
        while slabs > MOST_SLABS {
            floats = self.fold(&floats, slabs, count, MOST_SLABS / 2, 1.0)?;
            slabs = slabs.div_ceil(MOST_SLABS / 2);
        }
        Ok((floats, slabs))
    }

    /// Adds up every `group` slabs of `[slabs, count]` to one, and multiplies by `scale`.
    fn fold(
        &mut self,
        floats: &Floats,
        slabs: usize,
        count: usize,
        group: usize,
        scale: f32,
    ) -> Result<Floats> {
        let groups = slabs.div_ceil(group);
        let out = self.floats(groups * count)?;
        let grid = [count.div_ceil(super::norm::THREADS as usize), groups, 1];
        let arguments = arguments![floats, &out, slabs, count, group, scale];
        self.device.launch("fold", grid, super::norm::THREADS, arguments)?;
        Ok(out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_blocks_of_any_matrix_reach_all_of_it_and_are_not_too_many() {
        for channels in [24, 48, 272, 448, 1632, 2688] {
            for (images, rows) in [(1, 1), (1, 2_000_000), (16, 64), (3, 130_000), (64, 1024)] {
                let parts = Parts::new(images, rows, channels);
                let [across, slabs, _] = parts.grid;
                assert!(across * parts.lanes * 8 >= channels, "{parts:?}");
                assert!(parts.lanes <= 32, "{parts:?}");
                assert!(slabs * parts.slab >= rows, "{parts:?}");
                assert!((slabs - 1) * parts.slab < rows, "an idle slab: {parts:?}");
                assert!(slabs == 1 || across * slabs * images <= BLOCKS, "{parts:?}");
            }
        }
    }
}
