//! Softmax rows, forward and backward, and the cross-entropy that ends a network.
//!
//! Bound by exp: about 20 f32 or 30 f64 operations an element, the f64 one with a division.

use super::exp::{exp32, exp64};
use super::reduce::{dot, fold64, row_max};
use super::{W, tail};
use crate::lanes::Lanes;
use crate::math::{exp_f32, exp_f64, log_f64};
use crate::scalar::{self, fold};

/// Exponentials of a row that are kept for its gradient; those of longer rows are computed again, since no kernel allocates.
const KEPT: usize = 1024;

#[inline(always)]
pub(crate) unsafe fn softmax_rows<L: Lanes>(x: &[f32], cols: usize, y: &mut [f32]) {
    if cols < W {
        // SAFETY: the caller's conditions.
        return unsafe { short_rows::<L>(x, cols, y) };
    }
    for (x, y) in x.chunks_exact(cols).zip(y.chunks_exact_mut(cols)) {
        // SAFETY: both rows have `cols` elements; the caller has the instruction set.
        unsafe {
            let total = exp_row::<L>(x, row_max::<L>(x), y);
            divide::<L>(total, y);
        }
    }
}

/// Rows shorter than a vector, attention over a few positions for example: their exponentials are taken together, across rows. Row by row, each would
/// pay for a padded vector (measured with 3 columns: 5 times slower than scalar code).
#[inline(always)]
unsafe fn short_rows<L: Lanes>(x: &[f32], cols: usize, y: &mut [f32]) {
    for (x, y) in x.chunks_exact(cols).zip(y.chunks_exact_mut(cols)) {
        let mut max = f32::NEG_INFINITY;
        for &x in x {
            max = if x > max { x } else { max };
        }
        for (y, &x) in y.iter_mut().zip(x) {
            *y = x - max;
        }
    }
    let whole = y.len() / W * W;
    for i in (0..whole).step_by(W) {
        // SAFETY: i + W <= len; the caller has the instruction set.
        unsafe {
            let y = y.as_mut_ptr().add(i);
            L::store(y, exp32::<L>(L::load(y)));
        }
    }
    for y in &mut y[whole..] {
        *y = exp_f32(*y);
    }
    for y in y.chunks_exact_mut(cols) {
        let mut lanes = [0.0; W];
        for (lane, &y) in lanes.iter_mut().zip(&*y) {
            *lane = y;
        }
        let total = fold(&mut lanes);
        for y in y {
            *y /= total;
        }
    }
}

/// y = exp(x - max); returns the sum of y.
#[inline(always)]
unsafe fn exp_row<L: Lanes>(x: &[f32], max: f32, y: &mut [f32]) -> f32 {
    let whole = x.len() / W * W;
    // SAFETY: i + W <= len of both slices, the tails have W elements; the caller has the instruction set.
    unsafe {
        let (max, mut total) = (L::splat(max), L::splat(0.0));
        for i in (0..whole).step_by(W) {
            let e = exp32::<L>(L::sub(L::load(x.as_ptr().add(i)), max));
            L::store(y.as_mut_ptr().add(i), e);
            total = L::add(total, e);
        }
        if whole < x.len() {
            let mut e = [0.0; W];
            let x = L::load(tail(x, f32::NEG_INFINITY).as_ptr());
            L::store(e.as_mut_ptr(), exp32::<L>(L::sub(x, max)));
            let rest = y.len() - whole;
            y[whole..].copy_from_slice(&e[..rest]);
            total = L::add(total, L::load(tail(y, 0.0).as_ptr()));
        }
        L::fold(total)
    }
}

/// y /= total.
#[inline(always)]
unsafe fn divide<L: Lanes>(total: f32, y: &mut [f32]) {
    let whole = y.len() / W * W;
    for i in (0..whole).step_by(W) {
        // SAFETY: i + W <= len; the caller has the instruction set.
        unsafe {
            let y = y.as_mut_ptr().add(i);
            L::store(y, L::div(L::load(y), L::splat(total)));
        }
    }
    for y in &mut y[whole..] {
        *y /= total;
    }
}

#[inline(always)]
pub(crate) unsafe fn softmax_back_rows<L: Lanes>(
    y: &[f32],
    dy: &[f32],
    cols: usize,
    dx: &mut [f32],
) {
    if cols < W {
        return scalar::softmax_back_rows(y, dy, cols, dx);
    }
    let whole = cols / W * W;
    let rows = y.chunks_exact(cols).zip(dy.chunks_exact(cols)).zip(dx.chunks_exact_mut(cols));
    for ((y, dy), dx) in rows {
        // SAFETY: the three rows have `cols` elements and i + W <= cols; the caller has the instruction set.
        unsafe {
            let inner = dot::<L>(y, dy);
            for i in (0..whole).step_by(W) {
                let centred = L::sub(L::load(dy.as_ptr().add(i)), L::splat(inner));
                let change = L::mul(L::load(y.as_ptr().add(i)), centred);
                let dx = dx.as_mut_ptr().add(i);
                L::store(dx, L::add(L::load(dx), change));
            }
            for i in whole..cols {
                dx[i] += y[i] * (dy[i] - inner);
            }
        }
    }
}

#[inline(always)]
pub(crate) unsafe fn cross_entropy_rows<L: Lanes>(
    logits: &[f32],
    cols: usize,
    targets: &[i32],
    weights: &[f32],
    mut dlogits: Option<&mut [f32]>,
    losses: &mut [f64],
) -> u64 {
    let mut hits = 0;
    let mut kept = [0.0f64; KEPT];
    for (row, z) in logits.chunks_exact(cols).enumerate() {
        let dz = dlogits.as_mut().map(|d| &mut d[row * cols..][..cols]);
        if targets[row] < 0 {
            losses[row] = 0.0;
            if let Some(dz) = dz {
                dz.fill(0.0);
            }
            continue;
        }
        let (target, weight) = (targets[row] as usize, f64::from(weights[row]));
        // SAFETY: the caller has the instruction set.
        let (max, total) = unsafe {
            let max = row_max::<L>(z);
            (max, exp_row64::<L>(z, max, &mut kept))
        };
        losses[row] = weight * (log_f64(total) - (f64::from(z[target]) - f64::from(max)));
        // Compare the target first: the search for an earlier equal one is only needed when it is a maximum itself.
        hits += u64::from(z[target] == max && !z[..target].contains(&max));
        if let Some(dz) = dz {
            let scale = weight / total;
            // SAFETY: as above; `dz` has as many elements as `z`.
            unsafe { scale_row::<L>(z, max, &kept, scale, dz) };
            let e = exp_f64(f64::from(z[target]) - f64::from(max));
            dz[target] = (e * scale - weight) as f32;
        }
    }
    hits
}

/// exp(z - max) in f64, 16 at a time.
#[inline(always)]
unsafe fn exp_vector<L: Lanes>(z: L::F, max: f32) -> [L::D; 2] {
    // SAFETY: the caller has the instruction set; registers only.
    unsafe {
        let (parts, max) = (L::widen(z), L::dsplat(f64::from(max)));
        [exp64::<L>(L::dsub(parts[0], max)), exp64::<L>(L::dsub(parts[1], max))]
    }
}

/// The sum of exp(z - max) in f64; as many terms as fit are kept.
#[inline(always)]
unsafe fn exp_row64<L: Lanes>(z: &[f32], max: f32, kept: &mut [f64; KEPT]) -> f64 {
    let whole = z.len() / W * W;
    let padded = tail(z, f32::NEG_INFINITY);
    // SAFETY: i + W <= z.len() where the row is read and i + W <= KEPT, a multiple of W, where terms are kept; the tail has W elements; the
    // caller has the instruction set.
    unsafe {
        let mut sums = [L::dsplat(0.0); 2];
        for i in (0..z.len()).step_by(W) {
            let from = if i < whole { z.as_ptr().add(i) } else { padded.as_ptr() };
            let [low, high] = exp_vector::<L>(L::load(from), max);
            sums = [L::dadd(sums[0], low), L::dadd(sums[1], high)];
            if i < KEPT {
                L::dstore(kept.as_mut_ptr().add(i), low);
                L::dstore(kept.as_mut_ptr().add(i + W / 2), high);
            }
        }
        fold64::<L>(sums)
    }
}

/// out = exp(z - max) * scale, rounded to f32.
#[inline(always)]
unsafe fn scale_row<L: Lanes>(
    z: &[f32],
    max: f32,
    kept: &[f64; KEPT],
    scale: f64,
    out: &mut [f32],
) {
    let whole = out.len() / W * W;
    for i in (0..whole).step_by(W) {
        // SAFETY: i + W <= len of both rows and, where it is read, of `kept`; the caller has the instruction set.
        unsafe {
            let [low, high] = if i < KEPT {
                [L::dload(kept.as_ptr().add(i)), L::dload(kept.as_ptr().add(i + W / 2))]
            } else {
                exp_vector::<L>(L::load(z.as_ptr().add(i)), max)
            };
            let scale = L::dsplat(scale);
            L::store(
                out.as_mut_ptr().add(i),
                L::narrow([L::dmul(low, scale), L::dmul(high, scale)]),
            );
        }
    }
    for (out, &z) in out[whole..].iter_mut().zip(&z[whole..]) {
        *out = (exp_f64(f64::from(z) - f64::from(max)) * scale) as f32;
    }
}
