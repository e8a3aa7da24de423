//! Every kernel, readable: the specification that the vector tables must equal bit for bit, and the fallback.
//!
//! # How float results are made the same everywhere
//! * A reduction keeps [`LANES`] partial results; element `i` belongs to lane `i % LANES`, lanes are added in [`fold`]'s tree.
//! * No fused multiply-add, except where the product is exact anyway (a code times an activation).
//! * No `f32::max` or `min`, whose result on NaN and signed zero depends on the target; a comparison and a choice instead.
//! * No transcendental but those of [`crate::math`].

use crate::layouts::{Elements, dequantize};
use crate::math::{exp_f32, exp_f64, log_f64};
use crate::pack::{BLOCK, Format, decode, place, row_bytes};
use crate::table::{AdamHyper, Columns, PackedGroups, PackedRows, Strided};

/// Partial results of a float reduction.
pub(crate) const LANES: usize = 16;

/// Adds the lanes: the upper half onto the lower half until one is left.
pub(crate) fn fold<T: Copy + std::ops::AddAssign>(lanes: &mut [T]) -> T {
    let mut half = lanes.len() / 2;
    while half > 0 {
        for i in 0..half {
            let upper = lanes[i + half];
            lanes[i] += upper;
        }
        half /= 2;
    }
    lanes[0]
}

/// Sum over `i` of `term(i)` in f32 lanes.
fn lane_sum_f32(len: usize, term: impl Fn(usize) -> f32) -> f32 {
    let mut lanes = [0.0f32; LANES];
    for i in 0..len {
        lanes[i % LANES] += term(i);
    }
    fold(&mut lanes)
}

/// Sum over `i` of `term(i)` in f64 lanes.
pub(crate) fn lane_sum_f64(len: usize, term: impl Fn(usize) -> f64) -> f64 {
    let mut lanes = [0.0f64; LANES];
    for i in 0..len {
        lanes[i % LANES] += term(i);
    }
    fold(&mut lanes)
}

/// y += x
pub(crate) fn add(x: &[f32], y: &mut [f32]) {
    for (y, &x) in y.iter_mut().zip(x) {
        *y += x;
    }
}

/// y += a x
pub(crate) fn axpy(a: f32, x: &[f32], y: &mut [f32]) {
    for (y, &x) in y.iter_mut().zip(x) {
        *y += a * x;
    }
}

/// y = a y + x
pub(crate) fn scale_add(a: f32, x: &[f32], y: &mut [f32]) {
    for (y, &x) in y.iter_mut().zip(x) {
        *y = a * *y + x;
    }
}

/// x *= a
pub(crate) fn scale_in_place(a: f32, x: &mut [f32]) {
    for x in x {
        *x *= a;
    }
}

/// Sum of `a_i b_i` in f32 lanes.
pub(crate) fn dot(a: &[f32], b: &[f32]) -> f32 {
    lane_sum_f32(a.len(), |i| a[i] * b[i])
}

/// `out_t` = q . `key_t`
pub(crate) fn dot_rows(q: &[f32], keys: Strided<'_>, out: &mut [f32]) {
    for (t, o) in out.iter_mut().enumerate() {
        *o = dot(q, &keys.data[t * keys.stride..][..q.len()]);
    }
}

/// `y_ij` = `x_i` . `w_j` for rows of `cols`
pub(crate) fn row_products(x: &[f32], w: &[f32], cols: usize, y: &mut [f32]) {
    let rows = w.len() / cols;
    for (x, y) in x.chunks_exact(cols).zip(y.chunks_exact_mut(rows)) {
        dot_rows(x, Strided { data: w, stride: cols }, y);
    }
}

/// y += sum over t of `w_t` `value_t`, t in order; a weight of 0 leaves its row out, whatever it holds
pub(crate) fn weigh_rows(weights: &[f32], values: Strided<'_>, y: &mut [f32]) {
    for (t, &w) in weights.iter().enumerate().filter(|(_, w)| **w != 0.0) {
        axpy(w, &values.data[t * values.stride..][..y.len()], y);
    }
}

/// y += sum over j of `w_j` `table[row_j]`, j in order
pub(crate) fn mix_rows(weights: &[f32], rows: &[u32], table: Columns<'_>, y: &mut [f32]) {
    let cols = y.len();
    for (&w, &row) in weights.iter().zip(rows) {
        axpy(w, &table.data[table.at(row)..][..cols], y);
    }
}

/// `dw_j += dy . table[row_j]` and `dtable[row_j] += w_j dy`, j in order
pub(crate) fn mix_rows_back(
    weights: &[f32],
    rows: &[u32],
    table: Columns<'_>,
    dy: &[f32],
    dweights: &mut [f32],
    dtable: &mut [f32],
) {
    let cols = dy.len();
    for (j, &row) in rows.iter().enumerate() {
        let at = table.at(row);
        dweights[j] += dot(dy, &table.data[at..at + cols]);
        axpy(weights[j], dy, &mut dtable[at..at + cols]);
    }
}

/// Sum in f64 lanes.
pub(crate) fn sum(x: &[f32]) -> f64 {
    lane_sum_f64(x.len(), |i| f64::from(x[i]))
}

/// Sum of absolute values in f64 lanes.
pub(crate) fn sum_abs(x: &[f32]) -> f64 {
    lane_sum_f64(x.len(), |i| f64::from(x[i].abs()))
}

/// Sum of squares in f64 lanes (each square is exact).
pub(crate) fn sum_sq(x: &[f32]) -> f64 {
    lane_sum_f64(x.len(), |i| f64::from(x[i]) * f64::from(x[i]))
}

/// Largest absolute value; NaN is passed over.
pub(crate) fn max_abs(x: &[f32]) -> f32 {
    x.iter().fold(0.0, |max, &x| if x.abs() > max { x.abs() } else { max })
}

/// y = x where x is not below zero (so NaN stays NaN), else 0.
pub(crate) fn relu(x: &[f32], y: &mut [f32]) {
    for (y, &x) in y.iter_mut().zip(x) {
        *y = if x < 0.0 { 0.0 } else { x };
    }
}

/// dx += dy where y > 0.
pub(crate) fn relu_back(y: &[f32], dy: &[f32], dx: &mut [f32]) {
    for ((dx, &dy), &y) in dx.iter_mut().zip(dy).zip(y) {
        *dx += if y > 0.0 { dy } else { 0.0 };
    }
}

/// Largest value of a row, NaN passed over; -inf for an empty row.
fn row_max(x: &[f32]) -> f32 {
    x.iter().fold(f32::NEG_INFINITY, |max, &x| if x > max { x } else { max })
}

/// y = softmax of each row of x.
pub(crate) fn softmax_rows(x: &[f32], cols: usize, y: &mut [f32]) {
    for (x, y) in x.chunks_exact(cols).zip(y.chunks_exact_mut(cols)) {
        let max = row_max(x);
        for (y, &x) in y.iter_mut().zip(x) {
            *y = exp_f32(x - max);
        }
        let total = lane_sum_f32(cols, |i| y[i]);
        for y in y {
            *y /= total;
        }
    }
}

/// dx += y (dy - sum of y dy over the row), the softmax's transposed Jacobian.
pub(crate) fn softmax_back_rows(y: &[f32], dy: &[f32], cols: usize, dx: &mut [f32]) {
    let rows = y.chunks_exact(cols).zip(dy.chunks_exact(cols)).zip(dx.chunks_exact_mut(cols));
    for ((y, dy), dx) in rows {
        let inner = dot(y, dy);
        for i in 0..cols {
            dx[i] += y[i] * (dy[i] - inner);
        }
    }
}

/// Weighted cross-entropy of each row, its gradient, and how many rows have their arg-max at the target.
pub(crate) fn cross_entropy_rows(
    logits: &[f32],
    cols: usize,
    targets: &[i32],
    weights: &[f32],
    mut dlogits: Option<&mut [f32]>,
    losses: &mut [f64],
) -> u64 {
    let mut hits = 0;
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
        let max = row_max(z);
        let exp = |i: usize| exp_f64(f64::from(z[i]) - f64::from(max));
        let total = lane_sum_f64(cols, exp);
        losses[row] = weight * (log_f64(total) - (f64::from(z[target]) - f64::from(max)));
        hits += u64::from(z.iter().position(|&z| z == max) == Some(target));
        if let Some(dz) = dz {
            let scale = weight / total;
            for (i, dz) in dz.iter_mut().enumerate() {
                *dz = (exp(i) * scale) as f32;
            }
            dz[target] = (exp(target) * scale - weight) as f32;
        }
    }
    hits
}

/// One `AdamW` step in the order of `PyTorch`'s single-tensor implementation.
pub(crate) fn adamw(p: &mut [f32], g: &[f32], m: &mut [f32], v: &mut [f32], h: &AdamHyper) {
    for i in 0..p.len() {
        let decayed = p[i] * h.decay;
        m[i] += (g[i] - m[i]) * h.one_minus_beta1;
        v[i] = v[i] * h.beta2 + h.one_minus_beta2 * g[i] * g[i];
        let denominator = v[i].sqrt() / h.sqrt_bias2 + h.eps;
        p[i] = decayed + h.minus_step * m[i] / denominator;
    }
}

/// Codes of `(w - shift) / gamma` rounded half to even and clamped to -1..=1; `eff = gamma * code`. NaN gives code 0.
pub(crate) fn quantize_ternary(
    w: &[f32],
    shift: f32,
    gamma: f32,
    codes: &mut [i8],
    eff: &mut [f32],
) {
    for i in 0..w.len() {
        // Half to even sends exactly one half to zero, so rounding is two comparisons.
        let v = (w[i] - shift) / gamma;
        codes[i] = i8::from(v > 0.5) - i8::from(v < -0.5);
        eff[i] = gamma * f32::from(codes[i]);
    }
}

/// Codes of the sign of `w - shift`, with zero (and NaN) at 0 or at -1; `eff = beta * code`.
pub(crate) fn quantize_binary(
    w: &[f32],
    shift: f32,
    beta: f32,
    zero_is_zero: bool,
    codes: &mut [i8],
    eff: &mut [f32],
) {
    for i in 0..w.len() {
        let v = w[i] - shift;
        let not_above = if zero_is_zero { -i8::from(v < 0.0) } else { -1 };
        codes[i] = if v > 0.0 { 1 } else { not_above };
        eff[i] = beta * f32::from(codes[i]);
    }
}

/// int8 codes of each row: `s = 127 / max(max|x|, 1e-5)`, half to even, clamped to -128..=127; `scales = 1 / s`.
pub(crate) fn quantize_act_rows(x: &[f32], cols: usize, codes: &mut [i8], scales: &mut [f32]) {
    let rows = x.chunks_exact(cols).zip(codes.chunks_exact_mut(cols)).zip(scales);
    for ((x, codes), scale) in rows {
        let max = max_abs(x);
        let s = 127.0 / if max > 1e-5 { max } else { 1e-5 };
        for (code, &x) in codes.iter_mut().zip(x) {
            // `as` saturates at -128 and 127 and sends NaN to 0.
            *code = (x * s).round_ties_even() as i8;
        }
        *scale = 1.0 / s;
    }
}

/// How many codes differ.
pub(crate) fn count_diff(a: &[i8], b: &[i8]) -> u64 {
    a.iter().zip(b).filter(|(a, b)| a != b).count() as u64
}

/// Numbers of a checkpoint as f32.
pub(crate) fn widen(elements: Elements, bytes: &[u8], values: &mut [f32]) {
    let result = dequantize(elements, bytes, values);
    debug_assert!(result.is_ok(), "lengths were checked");
}

/// Products of rows of a checkpoint's numbers with x, each as [`dot`].
pub(crate) fn element_rows(elements: Elements, bytes: &[u8], x: &[f32], y: &mut [f32]) {
    let mut row = vec![0.0; x.len()];
    let width = bytes.len() / y.len().max(1);
    for (i, y) in y.iter_mut().enumerate() {
        widen(elements, &bytes[i * width..][..width], &mut row);
        *y = dot(&row, x);
    }
}

/// y[m, rows] = scale * x[m, cols] . W^T, accumulated in [`BLOCK`] lanes.
///
/// Lane of an element = byte of the block it lies in. Within a lane, elements come in the order of the row, so the sum is
/// the same whatever the format's digits are called. A code times an activation is exact, so multiplying and
/// adding may be fused without changing a bit.
pub(crate) fn packed_rows_f32(w: PackedRows<'_>, scale: f32, x: &[f32], m: usize, y: &mut [f32]) {
    let PackedRows { format, rows, cols, .. } = w;
    for row in 0..rows {
        let bytes = &w.data[row * w.stride..][..w.width()];
        for i in 0..m {
            let x = &x[i * cols..][..cols];
            let mut lanes = [0.0f32; BLOCK];
            for (element, &x) in x.iter().enumerate() {
                lanes[element % BLOCK] += code_at(format, bytes, element) as f32 * x;
            }
            y[i * rows + row] = scale * fold(&mut lanes);
        }
    }
}

/// y[m, rows] = x[m, cols] . W^T in integers, modulo 2^32.
pub(crate) fn packed_rows_i8(w: PackedRows<'_>, x: &[i8], m: usize, y: &mut [i32]) {
    let PackedRows { format, rows, cols, .. } = w;
    for row in 0..rows {
        let bytes = &w.data[row * w.stride..][..w.width()];
        for i in 0..m {
            let x = &x[i * cols..][..cols];
            let products = (0..cols).map(|j| code_at(format, bytes, j) * i32::from(x[j]));
            y[i * rows + row] = products.fold(0i32, i32::wrapping_add);
        }
    }
}

/// y[m, rows] = sum over groups of scale * (x . codes in integers), in f32 in the order of the groups.
pub(crate) fn packed_groups_i8(w: PackedGroups<'_>, x: &[i8], m: usize, y: &mut [f32]) {
    let PackedGroups { format, rows, groups, group, .. } = w;
    for (at, y) in y.iter_mut().enumerate().take(m * rows) {
        let (i, row) = (at / rows, at % rows);
        *y = 0.0;
        for g in 0..groups {
            let bytes = &w.data[(row * groups + g) * w.width()..][..w.width()];
            let x = &x[(i * groups + g) * group..][..group];
            let products = (0..group).map(|j| code_at(format, bytes, j) * i32::from(x[j]));
            let sum = products.fold(0i32, i32::wrapping_add);
            *y += w.scales[row * groups + g] * sum as f32;
        }
    }
}

/// y[m, rows] = products of signs of two binary matrices: equal bits count +1, differing ones -1.
pub(crate) fn binary_matmul_bits(
    w: &[u8],
    rows: usize,
    cols: usize,
    x: &[u8],
    m: usize,
    y: &mut [i32],
) {
    let width = row_bytes(Format::Binary, cols);
    for row in 0..rows {
        let w = &w[row * width..][..width];
        for i in 0..m {
            let x = &x[i * width..][..width];
            let differing: u32 = w.iter().zip(x).map(|(w, x)| (w ^ x).count_ones()).sum();
            y[i * rows + row] = (cols as i32).wrapping_sub(2 * differing as i32);
        }
    }
}

/// Code of an element of a packed row; the invalid digit 3 of ternary2 reads as 2 - what every vector kernel sees too.
fn code_at(format: Format, bytes: &[u8], element: usize) -> i32 {
    let (byte, digit) = place(format, element);
    decode(format, bytes[byte], digit).map_or(2, i32::from)
}
