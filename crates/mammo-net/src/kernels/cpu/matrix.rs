//! Views of row-major matrices, and their product.
//!
//! This is the one module of the CPU kernels that needs `unsafe`. The product (GEMM) takes pointers,
//! and threads fill tiles of columns side by side; such tiles interleave in memory, so they cannot
//! be slices.
#![allow(unsafe_code)]

use std::marker::PhantomData;

/// A matrix to read. Element (r, c) is at `r * row_step + c * column_step`.
#[derive(Clone, Copy)]
pub struct Matrix<'a> {
    values: &'a [f32],
    rows: usize,
    columns: usize,
    row_step: usize,
    column_step: usize,
}

impl<'a> Matrix<'a> {
    /// All of `values`, with this number of columns.
    pub fn new(values: &'a [f32], columns: usize) -> Self {
        let rows = values.len() / columns;
        Self { values, rows, columns, row_step: columns, column_step: 1 }
    }

    /// The transposed matrix.
    pub fn transposed(self) -> Self {
        Self {
            rows: self.columns,
            columns: self.rows,
            row_step: self.column_step,
            column_step: self.row_step,
            ..self
        }
    }

    /// `count` columns from `first` on.
    pub fn columns(self, first: usize, count: usize) -> Self {
        assert!(first + count <= self.columns, "a tile within the matrix");
        Self { values: &self.values[first * self.column_step..], columns: count, ..self }
    }

    fn last(&self) -> usize {
        (self.rows - 1) * self.row_step + (self.columns - 1) * self.column_step
    }
}

/// A matrix to write, or a tile of its columns. Rows are `row_step` apart.
pub struct MatrixMut<'a> {
    values: *mut f32,
    rows: usize,
    columns: usize,
    row_step: usize,
    borrowed: PhantomData<&'a mut [f32]>,
}

// SAFETY: it stands for a `&mut [f32]` of the elements of its rows, which no other view has.
unsafe impl Send for MatrixMut<'_> {}

impl<'a> MatrixMut<'a> {
    /// All of `values`, with this number of columns.
    pub fn new(values: &'a mut [f32], columns: usize) -> Self {
        let rows = values.len() / columns;
        let values = values.as_mut_ptr();
        Self { values, rows, columns, row_step: columns, borrowed: PhantomData }
    }

    /// Tiles of `width` columns that share no element. The last may be narrower.
    pub fn tiles(self, width: usize) -> Vec<Self> {
        let tile = |first: usize| Self {
            // SAFETY: `first` is less than `columns`, so this stays within the first row.
            values: unsafe { self.values.add(first) },
            columns: width.min(self.columns - first),
            borrowed: PhantomData,
            ..self
        };
        (0..self.columns).step_by(width).map(tile).collect()
    }

    /// The number of columns.
    pub fn columns(&self) -> usize {
        self.columns
    }

    /// `self = a * b`, or `self += a * b` where `add` is set, on this thread.
    pub fn multiply(&mut self, a: Matrix<'_>, b: Matrix<'_>, add: bool) {
        let (m, n, k) = (self.rows, self.columns, a.columns);
        assert_eq!((a.rows, b.columns, b.rows), (m, n, k), "shapes of a product");
        if m == 0 || n == 0 || k == 0 {
            return;
        }
        assert!(a.last() < a.values.len() && b.last() < b.values.len());
        // SAFETY: the last element of each operand is within its slice (asserted), those of
        // `self` are its own, and steps are positive.
        unsafe {
            gemm::gemm(
                m,
                n,
                k,
                self.values,
                1,
                self.row_step as isize,
                add,
                a.values.as_ptr(),
                a.column_step as isize,
                a.row_step as isize,
                b.values.as_ptr(),
                b.column_step as isize,
                b.row_step as isize,
                1.0,
                1.0,
                false,
                false,
                false,
                gemm::Parallelism::None,
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tiles_filled_apart_make_the_product_filled_at_once() {
        let a: Vec<f32> = (0..5 * 7).map(|i| (i * 37 % 11) as f32 - 5.0).collect();
        let b: Vec<f32> = (0..9 * 7).map(|i| (i * 17 % 13) as f32 - 6.0).collect();
        let (a, b) = (Matrix::new(&a, 7), Matrix::new(&b, 7).transposed());
        let (mut whole, mut tiled) = (vec![1.0; 45], vec![1.0; 45]);
        MatrixMut::new(&mut whole, 9).multiply(a, b, true);
        for (i, mut tile) in MatrixMut::new(&mut tiled, 9).tiles(4).into_iter().enumerate() {
            let width = tile.columns();
            tile.multiply(a, b.columns(i * 4, width), true);
        }
        let mut expected = vec![1.0; 45];
        for r in 0..5 {
            for c in 0..9 {
                let at = |m: &Matrix<'_>, r, c| m.values[r * m.row_step + c * m.column_step];
                expected[r * 9 + c] += (0..7).map(|k| at(&a, r, k) * at(&b, k, c)).sum::<f32>();
            }
        }
        assert_eq!(whole, expected);
        assert_eq!(tiled, expected);
    }
}
