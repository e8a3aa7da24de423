//! Brings the matrices that products read up to date with the latent parameters: one parameter after another, or several at once.

use crate::par;
use crate::program::params::ParamPlace;
use crate::quant::Quant;

/// Neighbouring parameters with their part of every flat vector. Vectors that nobody needs are empty.
pub(super) struct Matrices<'a> {
    pub(super) places: &'a [ParamPlace],
    pub(super) latent: &'a [f32],
    pub(super) effective: &'a mut [f32],
    pub(super) codes: &'a mut [i8],
    pub(super) scales: &'a mut [f32],
    pub(super) transposed: &'a mut [f32],
    /// Which parameters are kept transposed too.
    pub(super) transposable: &'a [bool],
}

fn split<T>(x: &mut [T], at: usize) -> (&mut [T], &mut [T]) {
    x.split_at_mut(at.min(x.len()))
}

impl Matrices<'_> {
    /// Quantises and transposes; halves of the parameters may run on two threads, and no number depends on that.
    pub(super) fn refresh(self) {
        match self.places {
            [] => {}
            [place] => self.refresh_one(place),
            places => {
                let middle = places.len() / 2;
                let element = places[middle].offset - places[0].offset;
                let (effective, codes) =
                    (split(self.effective, element), split(self.codes, element));
                let (scales, transposed) =
                    (split(self.scales, middle), split(self.transposed, element));
                let transposable = self.transposable.split_at(middle.min(self.transposable.len()));
                let low = Matrices {
                    places: &places[..middle],
                    latent: &self.latent[..element],
                    effective: effective.0,
                    codes: codes.0,
                    scales: scales.0,
                    transposed: transposed.0,
                    transposable: transposable.0,
                };
                let high = Matrices {
                    places: &places[middle..],
                    latent: &self.latent[element..],
                    effective: effective.1,
                    codes: codes.1,
                    scales: scales.1,
                    transposed: transposed.1,
                    transposable: transposable.1,
                };
                par::join(|| low.refresh(), || high.refresh());
            }
        }
    }

    fn refresh_one(self, place: &ParamPlace) {
        let mut product = self.latent;
        if place.quant != Quant::None {
            self.scales[0] = place.quant.forward(self.latent, self.codes, self.effective);
            product = self.effective;
        }
        if self.transposable.first() == Some(&true) {
            transpose(product, place.shape[place.shape.len() - 1], self.transposed);
        }
    }
}

/// Side of the squares that a transpose goes through: a cache line.
const SIDE: usize = 16;

/// to `[cols, rows]` = from `[rows, cols]` transposed.
fn transpose(from: &[f32], cols: usize, to: &mut [f32]) {
    let rows = from.len() / cols;
    for c in (0..cols).step_by(SIDE) {
        for r in (0..rows).step_by(SIDE) {
            let last = rows.min(r + SIDE);
            for column in c..cols.min(c + SIDE) {
                let out = &mut to[column * rows + r..column * rows + last];
                for (x, row) in out.iter_mut().zip(r..last) {
                    *x = from[row * cols + column];
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn transposes_any_shape() {
        for (rows, cols) in [(1, 1), (3, 40), (16, 16), (33, 17), (64, 1)] {
            let from: Vec<f32> = (0..rows * cols).map(|i| i as f32).collect();
            let mut to = vec![-1.0; rows * cols];
            transpose(&from, cols, &mut to);
            let at = |i: usize| from[(i % rows) * cols + i / rows];
            assert!(to.iter().enumerate().all(|(i, &x)| x == at(i)), "{rows} x {cols}");
        }
    }
}
