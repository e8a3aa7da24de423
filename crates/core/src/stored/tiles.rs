//! A few rows of a matrix at a time, widened to f32, and products with them. Where tiles lie does not depend on the number of threads.

use tritlens_kernels::{View, gemm};

use crate::error::Result;
use crate::packed::room;
use crate::par;

/// Rows of a tile: with 4096 columns 1 MiB, what a second-level cache holds.
const ROWS: usize = 64;
/// Rows of dy or x that one thread takes.
const BATCH: usize = 32;

/// Widened rows, and their products.
#[derive(Default)]
pub(super) struct Tile {
    weights: Vec<f32>,
    out: Vec<f32>,
}

/// At least `count` tiles.
fn tiles(all: &mut Vec<Tile>, count: usize) -> &mut [Tile] {
    if all.len() < count {
        all.resize_with(count, Tile::default);
    }
    &mut all[..count]
}

/// `y [m, rows]` = `x [m, cols]` W^T, where `widen` gives rows `first..first + count` of W.
pub(super) fn forward(
    (rows, cols): (usize, usize),
    x: &[f32],
    m: usize,
    y: &mut [f32],
    all: &mut Vec<Tile>,
    widen: impl Fn(usize, usize, &mut [f32]) + Sync,
) -> Result<()> {
    let wave = tiles(all, (par::threads() as usize).min(rows.div_ceil(ROWS)));
    for tile in &mut *wave {
        room(&mut tile.out, m * ROWS)?;
        room(&mut tile.weights, ROWS * cols)?;
    }
    for base in (0..rows).step_by(ROWS * wave.len()) {
        par::for_each(wave, |i, tile| {
            let first = base + i * ROWS;
            if first >= rows {
                return;
            }
            let count = ROWS.min(rows - first);
            let weights = &mut tile.weights[..count * cols];
            widen(first, count, weights);
            let (x, w) = (View::rows(x, cols), View::rows(weights, cols).t());
            gemm((m, count, cols), 1.0, x, w, 0.0, &mut tile.out[..m * count], (count, 1));
        });
        for (i, tile) in wave.iter().enumerate() {
            let first = base + i * ROWS;
            let count = ROWS.min(rows.saturating_sub(first));
            for (y, out) in y.chunks_exact_mut(rows).zip(tile.out.chunks_exact(count.max(1))) {
                y[first.min(rows)..][..count].copy_from_slice(&out[..count]);
            }
        }
    }
    Ok(())
}

/// `dx [m, cols]` += `dy [m, rows]` W.
pub(super) fn backward(
    (rows, cols): (usize, usize),
    dy: &[f32],
    dx: &mut [f32],
    all: &mut Vec<Tile>,
    widen: impl Fn(usize, usize, &mut [f32]) + Sync,
) -> Result<()> {
    if dx.is_empty() {
        return Ok(());
    }
    let weights = room(&mut tiles(all, 1)[0].weights, ROWS * cols)?;
    for first in (0..rows).step_by(ROWS) {
        let count = ROWS.min(rows - first);
        let weights = &mut weights[..count * cols];
        par::for_each_piece(weights, cols, |at, row| widen(first + at / cols, 1, row));
        let weights = &*weights;
        par::for_each_piece(dx, BATCH * cols, |at, dx| {
            let (i, m) = (at / cols, dx.len() / cols);
            let dy = View { data: &dy[i * rows + first..], row_stride: rows, col_stride: 1 };
            gemm((m, cols, count), 1.0, dy, View::rows(weights, cols), 1.0, dx, (cols, 1));
        });
    }
    Ok(())
}
